/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a node says and hears on IPv6: native peers are there alone */
#include "unit/node-fixture.h"

#define FROM "fe80::2%7"

static struct endpoint at(const char *text)
{
        struct endpoint e = {};

        ASSERT_OK(endpoint_parse(text, 6000, &e));
        return e;
}

/* A link with both, as the daemon describes it. */
static int join_network(struct fixture *f)
{
        const struct interface list[] = {
                { .index = 7,
                        .address = host(1),
                        .broadcast = { endpoint_ipv4(255, 255, 255, 255, 0) },
                        .n_broadcast = 1 },
                { .index = 7,
                        .address = at("fe80::1%7"),
                        .broadcast = { at("ff12::7032:7063%7") },
                        .n_broadcast = 1 },
        };

        return node_network(f->node, list, ELEMENTSOF(list), f->now);
}

/* The announcements of one turn, as "to dialect interface content". */
static size_t announced(struct fixture *f, char lines[][512], size_t max)
{
        char address[ENDPOINT_STRING_MAX];
        struct effect e;
        size_t n = 0;

        ASSERT_OK(node_end_turn(f->node, f->now));
        while (fixture_effect(f, EFFECT_DATAGRAM, &e)) {
                ASSERT_LT(n, max);
                (void)snprintf(lines[n++], sizeof lines[0], "%s %d %u %.*s",
                        endpoint_format(&e.datagram.to, address), e.datagram.dialect,
                        e.datagram.interface, (int)e.datagram.size, e.datagram.data);
        }
        return n;
}

TEST(the_group_is_told_of_our_id)
{
        char lines[8][512];
        struct fixture f;

        ASSERT_OK(fixture_init(
                &f, &(struct node_options){ .announce = true, .compat = true, .second = true }));
        ASSERT_OK(join_network(&f));
        ASSERT_EQ(announced(&f, lines, ELEMENTSOF(lines)), 3);
        ASSERT_TRUE(strstr(lines[0], "255.255.255.255:6000 0 7 {\"username\":\"Ada\"") == lines[0]);
        ASSERT_STREQ(lines[1],
                "[ff12::7032:7063%7]:6000 0 7 {\"username\":\"Ada\",\"ip\":\"fe80::1\","
                "\"port\":6001,\"id\":\"" OWN_ID "\",\"p2pchat\":1}");
        ASSERT_TRUE(strstr(lines[2], "255.255.255.255:6004 1 7 {\"username\":\"Ada\"") == lines[2]);
        fixture_done(&f);
}

/* A classic peer has nothing to say there. */
TEST(without_an_id_we_are_silent)
{
        char lines[8][512];
        struct fixture f = { .now = { .mono_usec = START_MONO, .real_usec = START_REAL } };
        struct node_options options = { .username = "Ada", .announce = true, .second = true };

        ASSERT_OK(random_new_seeded(1, &f.random));
        options.random = f.random;
        options.port = ENDPOINT_PORT_DEFAULT;
        ASSERT_OK(node_new(&options, f.now, &f.node));
        ASSERT_OK(join_network(&f));
        ASSERT_EQ(announced(&f, lines, ELEMENTSOF(lines)), 2);
        for (size_t i = 0; i < 2; i++)
                ASSERT_TRUE(strstr(lines[i], "255.255.255.255:") == lines[i]);
        fixture_done(&f);
}

static void hear(struct fixture *f, const char *from, const char *json)
{
        struct endpoint e = at(from);

        ASSERT_OK(node_datagram(f->node, DIALECT_CLASSIC, &e, json, strlen(json), f->now));
}

TEST(those_with_an_id_are_heard)
{
        char address[ENDPOINT_STRING_MAX];
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_OK(join_network(&f));
        hear(&f, FROM, "{\"username\": \"Bob\"}");
        hear(&f, FROM, "{\"username\": \"Bob\", \"id\": \"short\", \"p2pchat\": 1}");
        hear(&f, "fe80::1%7", "{\"username\": \"Ada\", \"id\": \"" OWN_ID "\"}");
        hear(&f, "ff12::7032:7063%7", "{\"username\": \"Bob\", \"id\": \"" OTHER_ID "\"}");
        ASSERT_FALSE(fixture_change(&f, CHANGE_PEER, &c));

        hear(&f, FROM, "{\"username\": \"Bob\", \"id\": \"" OTHER_ID "\", \"port\": 7001}");
        ASSERT_TRUE(fixture_change(&f, CHANGE_PEER, &c));
        ASSERT_STREQ(c.peer.name, "Bob");
        ASSERT_STREQ(c.peer.id, OTHER_ID);
        ASSERT_STREQ(endpoint_format(&c.peer.endpoint, address), "[fe80::2%7]:7001");
        fixture_done(&f);
}

TEST_MAIN_WITH(fixture_set_up)
