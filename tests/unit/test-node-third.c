/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A node among those of the third dialect
 *
 * What comes out of a turn is written as a trace, a line for each change and effect that people or
 * the other side see; texts of the queue are loaded at once.
 */
#include <stdarg.h>

#include "core/node/node-private.h"
#include "lib/failing-memory.h"
#include "unit/node-fixture.h"

#define LONG_ID "0123456789abcdef0123456789abcdef"
#define NAME "0123456789abcdef"
#define THEIRS 9200

static const struct send_options plain = { .security = SECURITY_PLAIN };
static const struct send_options by_default = { .security = -1 };

struct world {
        struct fixture f;
        char trace[32 * 1024];
        char text[64]; /* of the message that was sent last */
        uint64_t word; /* the last one that EFFECT_SEND asked for */
        uint64_t dialled;
        int error;
};

static void line(struct world *w, const char *format, ...) _printf_(2, 3);
static void line(struct world *w, const char *format, ...)
{
        size_t n = strlen(w->trace);
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(w->trace + n, sizeof w->trace - n, format, ap);
        va_end(ap);
}

static void trace_change(struct world *w, const struct change *c)
{
        if (c->type == CHANGE_MESSAGE && c->message.direction == DIRECTION_RECEIVED)
                line(w, "%s says %.*s, %s\n", c->message.name, (int)c->message.size,
                        c->message.text, security_word(c->message.security));
        else if (c->type == CHANGE_STATE)
                line(w, "%s, %s\n", message_state_word(c->state.state),
                        security_word(c->state.security));
        else if (c->type == CHANGE_PRESENCE)
                line(w, "%s is %s\n", c->presence.user, presence_word(c->presence.presence));
        else if (c->type == CHANGE_WARNING)
                line(w, "warning %s\n", c->warning.kind);
        else if (c->type == CHANGE_PEER_GONE)
                line(w, "a row is gone\n");
}

/* Returns whether a text is wanted. */
static bool trace_effect(struct world *w, const struct effect *e, struct ulid *ret)
{
        char address[ENDPOINT_STRING_MAX];

        if (e->type == EFFECT_SEND) {
                line(w, "%u > %.*s\n", (unsigned)e->send.link, (int)e->send.size, e->send.data);
                w->word = e->send.word ?: w->word;
        } else if (e->type == EFFECT_DIAL) {
                w->dialled = e->dial.link;
                line(w, "dial %s\n", endpoint_format(&e->dial.to, address));
        } else if (e->type == EFFECT_CLOSE) {
                line(w, "close %u\n", (unsigned)e->close.link);
        } else if (e->type == EFFECT_LOAD) {
                *ret = e->load.id;
                return true;
        }
        return false;
}

/* The end of this turn, and of those that only load texts. */
static void turn(struct world *w)
{
        bool is_wanted = true;

        while (is_wanted && w->error == 0) {
                struct ulid id;
                struct change c;
                struct effect e;

                is_wanted = false;
                w->error = node_end_turn(w->f.node, w->f.now);
                while (w->error == 0 && node_next_change(w->f.node, &c))
                        trace_change(w, &c);
                while (w->error == 0 && node_next_effect(w->f.node, &e))
                        is_wanted = trace_effect(w, &e, &id) || is_wanted;
                if (is_wanted && w->error == 0)
                        w->error = node_loaded(w->f.node, &id, w->f.now.real_usec, w->text,
                                strlen(w->text), w->f.now);
        }
}

/* An input, and its turn; nothing happens once something failed. */
#define DO(w, input)                                                                               \
        do {                                                                                       \
                if ((w)->error == 0)                                                               \
                        (w)->error = (input);                                                      \
                turn(w);                                                                           \
        } while (0)
#define HEAR(w, link, data) DO(w, node_received((w)->f.node, link, data, strlen(data), (w)->f.now))

#define EXPECT(w, text)                                                                            \
        do {                                                                                       \
                ASSERT_OK((w)->error);                                                             \
                ASSERT_STREQ((w)->trace, text);                                                    \
                (w)->trace[0] = 0;                                                                 \
        } while (0)

static int init(struct world *w, const struct node_options *options)
{
        struct node_options o = options ? *options : (struct node_options){ 0 };

        memset(w, 0, sizeof *w);
        o.third_port = 9100;
        return fixture_init(&w->f, &o);
}

static void done(struct world *w)
{
        fixture_done(&w->f);
}

static void pass(struct world *w, usec_t span_usec)
{
        fixture_pass(&w->f, span_usec);
        DO(w, node_advance(w->f.node, w->f.now));
}

/* Somebody calls, and says who he is. */
static void call(struct world *w, uint64_t link, unsigned from, const char *greeting)
{
        struct endpoint e = host(from);

        DO(w, node_third_accepted(w->f.node, link, &e, w->f.now));
        HEAR(w, link, greeting);
        pass(w, USEC_PER_SEC / 10);
        pass(w, USEC_PER_SEC / 2);
}

/* We called, and he answers. */
static void answer(struct world *w, const char *greeting)
{
        DO(w, node_connected(w->f.node, w->dialled, w->f.now));
        HEAR(w, w->dialled, greeting);
        pass(w, USEC_PER_SEC / 10);
        pass(w, USEC_PER_SEC / 2);
}

static void say(struct world *w, const char *word, const char *text)
{
        (void)snprintf(w->text, sizeof w->text, "%s", text);
        DO(w, node_send(w->f.node, 1, word, text, strlen(text), &plain, w->f.now, NULL));
}

/* "name address security presence", a line for each user. */
static const char *users(struct world *w)
{
        static char text[4096];
        char address[ENDPOINT_STRING_MAX];
        struct user *u;
        size_t n, used = 0;

        ASSERT_OK(node_list_users(w->f.node, w->f.now, &u, &n));
        text[0] = 0;
        for (size_t i = 0; i < n; i++)
                used += (size_t)snprintf(text + used, sizeof text - used, "%s %s %s %s\n",
                        u[i].name, endpoint_format(&u[i].endpoint, address),
                        security_word(u[i].security), presence_word(u[i].presence));
        free(u);
        return text;
}

TEST(a_connection_is_a_user)
{
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID ":9200");
        EXPECT(&w, NAME " is online\n2 > " OWN_ID "\n");
        ASSERT_STREQ(users(&w), NAME " 10.0.0.9:9200 plain online\n");

        /* For as long as it stays, and some time after. */
        pass(&w, USEC_PER_HOUR);
        EXPECT(&w, "");
        DO(&w, node_closed(w.f.node, 2, LINK_CLOSED, w.f.now));
        EXPECT(&w, "close 2\n");
        pass(&w, 10 * USEC_PER_SEC);
        EXPECT(&w, NAME " is away\n");
        pass(&w, 880 * USEC_PER_SEC);
        ASSERT_STREQ(users(&w), NAME " 10.0.0.9:9200 plain away\n");
        pass(&w, 10 * USEC_PER_SEC);
        EXPECT(&w, NAME " is offline\n");
        ASSERT_STREQ(users(&w), "");
        done(&w);
}

TEST(what_it_says)
{
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID ":9200");
        w.trace[0] = 0;
        HEAR(&w, 2, "{\"message\": \"Hi there!\"}\x04plain\x04\x04{\"x\": 1}\x04");
        EXPECT(&w, NAME " says Hi there!, plain\n" NAME " says plain, plain\n");
        HEAR(&w, 2, "{\"message\": \"I am\", \"user\": \"Nora\"}\x04");
        EXPECT(&w, "Nora says I am, plain\nNora is online\n");
        HEAR(&w, 2, "\xff\x04");
        EXPECT(&w, "warning Undecryptable\n");
        ASSERT_STREQ(users(&w), "Nora 10.0.0.9:9200 plain online\n");
        done(&w);
}

TEST(what_we_say)
{
        struct refusal refusal;
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID ":9200");
        w.trace[0] = 0;
        ASSERT_EQ(node_send(w.f.node, 1, NAME, "x", 1, &by_default, w.f.now, &refusal),
                REFUSAL_NOT_SECURE);
        ASSERT_TRUE(strstr(refusal.sentence, "plain text"));

        /* It is sent when it was acknowledged, and not by another word. */
        say(&w, NAME "@10.0.0.9:9200", "Hello");
        EXPECT(&w, "2 > {\"message\": \"Hello\"}\x04\n");
        DO(&w, node_taken(w.f.node, 2, w.word + 1, w.f.now));
        DO(&w, node_taken(w.f.node, 4, w.word, w.f.now));
        EXPECT(&w, "");
        DO(&w, node_taken(w.f.node, 2, w.word, w.f.now));
        EXPECT(&w, "sent, plain\n");
        DO(&w, node_taken(w.f.node, 2, w.word, w.f.now));
        EXPECT(&w, "");
        done(&w);
}

TEST(nothing_is_said_before_our_id_was_read)
{
        struct endpoint e = host(9);
        struct world w;

        ASSERT_OK(init(&w, NULL));
        DO(&w, node_third_accepted(w.f.node, 2, &e, w.f.now));
        HEAR(&w, 2, LONG_ID ":9200");
        pass(&w, USEC_PER_SEC / 10);
        w.trace[0] = 0;
        say(&w, NAME, "Hello");
        pass(&w, 499 * USEC_PER_MSEC);
        EXPECT(&w, "");
        pass(&w, USEC_PER_MSEC);
        EXPECT(&w, "2 > {\"message\": \"Hello\"}\x04\n");
        done(&w);
}

TEST(without_a_connection_we_call)
{
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID ":9200");
        say(&w, NAME, "Hello");
        w.trace[0] = 0;
        /* Lost before it was acknowledged: it goes again. */
        DO(&w, node_closed(w.f.node, 2, LINK_RESET, w.f.now));
        EXPECT(&w, "close 2\n");
        pass(&w, 2 * USEC_PER_SEC);
        EXPECT(&w, "dial 10.0.0.9:9200\n");
        DO(&w, node_closed(w.f.node, w.dialled, LINK_REFUSED, w.f.now));
        w.trace[0] = 0;
        pass(&w, 3 * USEC_PER_SEC);
        EXPECT(&w, "dial 10.0.0.9:9200\n");
        answer(&w, LONG_ID);
        EXPECT(&w, "3 > " OWN_ID ":9100\n3 > {\"message\": \"Hello\"}\x04\n");
        DO(&w, node_taken(w.f.node, 3, w.word, w.f.now));
        EXPECT(&w, "sent, plain\n");
        ASSERT_STREQ(users(&w), NAME " 10.0.0.9:9200 plain online\n");
        done(&w);
}

TEST(who_told_no_port_is_waited_for)
{
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID);
        ASSERT_STREQ(users(&w), NAME " 10.0.0.9 plain online\n");
        DO(&w, node_ended(w.f.node, 2, w.f.now));
        w.trace[0] = 0;
        say(&w, NAME, "Hello");
        pass(&w, 5 * USEC_PER_SEC);
        EXPECT(&w, "");
        call(&w, 4, 9, LONG_ID);
        EXPECT(&w, "4 > " OWN_ID "\n4 > {\"message\": \"Hello\"}\x04\n");
        done(&w);
}

TEST(after_a_restart)
{
        struct peer_record record = {
                .number = 7,
                .name = "Nora",
                .endpoint = host(9),
                .has_history = true,
        };
        struct queued_record queued = { .peer = 7, .size = 5 };
        struct world w;

        ASSERT_OK(init(&w, NULL));
        record.heard_usec = w.f.now.real_usec - USEC_PER_DAY;
        record.memory.third_tag = third_tag(LONG_ID);
        ASSERT_OK(node_restore_peer(w.f.node, &record, w.f.now));
        ASSERT_OK(node_restore_queued(w.f.node, &queued, w.f.now));
        pass(&w, USEC_PER_SEC);
        EXPECT(&w, "");
        (void)snprintf(w.text, sizeof w.text, "later");
        call(&w, 2, 9, LONG_ID);
        EXPECT(&w, "Nora is online\n2 > " OWN_ID "\n2 > {\"message\": \"later\"}\x04\n");
        done(&w);
}

/* Most programs make an id at every start. */
TEST(the_same_with_another_id)
{
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID ":9200");
        HEAR(&w, 2, "{\"message\": \"I am\", \"user\": \"Nora\"}\x04");
        DO(&w, node_ended(w.f.node, 2, w.f.now));
        call(&w, 4, 9, "another:9200");
        ASSERT_STREQ(users(&w), "Nora 10.0.0.9:9200 plain online\n");
        DO(&w, node_ended(w.f.node, 4, w.f.now));
        call(&w, 2, 9, "another:9250");
        ASSERT_STREQ(users(&w), "Nora 10.0.0.9:9250 plain online\n");
        DO(&w, node_ended(w.f.node, 2, w.f.now));

        /* At another port it is another one, until it says its name. */
        call(&w, 6, 9, "a third:9300");
        ASSERT_STREQ(users(&w), "a third 10.0.0.9:9300 plain online\n"
                                "Nora 10.0.0.9:9250 plain online\n");
        say(&w, "Nora", "Hello");
        w.trace[0] = 0;
        HEAR(&w, 6, "{\"message\": \"again\", \"user\": \"nora\"}\x04");
        EXPECT(&w, "a row is gone\nNora says again, plain\n");
        ASSERT_STREQ(users(&w), "Nora 10.0.0.9:9300 plain online\n");
        /* She was being called at her last port. */
        DO(&w, node_closed(w.f.node, w.dialled, LINK_REFUSED, w.f.now));
        w.trace[0] = 0;
        pass(&w, 2 * USEC_PER_SEC);
        EXPECT(&w, "6 > {\"message\": \"Hello\"}\x04\n");
        done(&w);
}

TEST(what_waited_goes_with_the_name)
{
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID);
        HEAR(&w, 2, "{\"message\": \"I am\", \"user\": \"Nora\"}\x04");
        DO(&w, node_ended(w.f.node, 2, w.f.now));
        say(&w, "Nora", "Hello");
        call(&w, 4, 9, "another");
        w.trace[0] = 0;
        HEAR(&w, 4, "{\"user\": \"Nora\"}\x04");
        EXPECT(&w, "a row is gone\n4 > {\"message\": \"Hello\"}\x04\n");
        done(&w);
}

TEST(several_at_one_address)
{
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID ":9200");
        call(&w, 4, 9, LONG_ID "x:9201");
        HEAR(&w, 2, "{\"user\": \"Nora\"}\x04");
        /* The name is that of somebody who is here. */
        HEAR(&w, 4, "{\"user\": \"Nora\"}\x04");
        ASSERT_STREQ(users(&w), LONG_ID " 10.0.0.9:9201 plain online\n"
                                        "Nora 10.0.0.9:9200 plain online\n");
        /* And a port does not make anybody him as long as he is here. */
        call(&w, 6, 9, "somebody:9200");
        w.trace[0] = 0;
        say(&w, "Nora", "Hello");
        EXPECT(&w, "2 > {\"message\": \"Hello\"}\x04\n");
        done(&w);
}

TEST(two_connections_with_one)
{
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID ":9200");
        call(&w, 4, 9, LONG_ID ":9200");
        ASSERT_STREQ(users(&w), NAME " 10.0.0.9:9200 plain online\n");
        w.trace[0] = 0;
        say(&w, NAME, "Hello");
        EXPECT(&w, "4 > {\"message\": \"Hello\"}\x04\n");
        DO(&w, node_ended(w.f.node, 4, w.f.now));
        pass(&w, 2 * USEC_PER_SEC);
        EXPECT(&w, "close 4\n2 > {\"message\": \"Hello\"}\x04\n");
        pass(&w, USEC_PER_HOUR);
        ASSERT_STREQ(users(&w), NAME " 10.0.0.9:9200 plain online\n");
        done(&w);
}

/* He is also a user of the classic dialect. */
TEST(in_two_dialects)
{
        struct world w;

        ASSERT_OK(init(&w, NULL));
        ASSERT_OK(fixture_hear(&w.f, 9, "{\"username\": \"Nora\"}"));
        call(&w, 2, 9, LONG_ID ":9200");
        HEAR(&w, 2, "{\"message\": \"I am\", \"user\": \"Nora\"}\x04");
        ASSERT_STREQ(users(&w), "Nora 10.0.0.9 legacy online\n");
        w.trace[0] = 0;
        say(&w, "Nora", "Hello");
        EXPECT(&w, "2 > {\"message\": \"Hello\"}\x04\n");
        done(&w);
}

/* A classic talk from the same address is not the node's, and what is learnt there of somebody is
 * not learnt of the node. */
TEST(beside_classic_ones)
{
        static const char spelling[] = "{\"message\": \"classic\", \"username\": \"Nora\"}";
        struct endpoint e = host(9);
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID ":9200");
        w.trace[0] = 0;
        DO(&w, node_accepted(w.f.node, 4, &e, w.f.now));
        HEAR(&w, 4, "{\"unencrypted_message\": \"from whom?\"}");
        EXPECT(&w, "10.0.0.9 says from whom?, plain\n10.0.0.9 is online\n");

        ASSERT_OK(fixture_hear(&w.f, 9, "{\"username\": \"Nora\"}"));
        HEAR(&w, 2, "{\"user\": \"Nora\"}\x04");
        ASSERT_OK(fixture_hear(&w.f, 9, "{\"username\": \"Bob\"}"));
        DO(&w, node_accepted(w.f.node, 6, &e, w.f.now));
        HEAR(&w, 6, spelling);
        DO(&w, node_ended(w.f.node, 2, w.f.now));
        call(&w, 8, 9, LONG_ID ":9300");
        w.trace[0] = 0;
        HEAR(&w, 8, "as before\x04");
        EXPECT(&w, "Nora says as before, plain\n");
        done(&w);
}

/* Not even for somebody who has proven who he is, at an address that is full. */
TEST(who_is_connected_is_not_forgotten)
{
        struct peer_record newcomer = { .name = "Newcomer", .endpoint = host(9) };
        struct world w;
        uint64_t gone;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID ":9200");
        for (unsigned i = 1; i < PEERS_PER_ADDRESS_MAX; i++) {
                char json[64];

                pass(&w, USEC_PER_SEC / 10);
                (void)snprintf(json, sizeof json, "{\"username\": \"user%u\"}", i);
                ASSERT_OK(fixture_hear(&w.f, 9, json));
        }
        ASSERT_OK(peers_evict(&w.f.node->peers, &newcomer, true, &gone));
        ASSERT_TRUE(strstr(users(&w), NAME));
        ASSERT_EQ(w.f.node->peers.by_number.n, PEERS_PER_ADDRESS_MAX - 1);
        done(&w);
}

TEST(blocked_ones_are_turned_away)
{
        struct endpoint e = host(9);
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID ":9200");
        w.trace[0] = 0;
        DO(&w, node_block(w.f.node, NAME, true, w.f.now, NULL));
        EXPECT(&w, NAME " is offline\nclose 2\n");
        call(&w, 4, 9, LONG_ID ":9200");
        EXPECT(&w, "close 4\n");
        /* Others of this address are looked at; our id is not told before theirs is known. */
        ASSERT_OK(fixture_hear(&w.f, 9, "{\"username\": \"Nora\"}"));
        DO(&w, node_block(w.f.node, "Nora", false, w.f.now, NULL));
        w.trace[0] = 0;
        DO(&w, node_third_accepted(w.f.node, 6, &e, w.f.now));
        HEAR(&w, 6, LONG_ID ":9200");
        EXPECT(&w, "");
        pass(&w, USEC_PER_SEC / 10);
        EXPECT(&w, "close 6\n");
        done(&w);
}

/* Under another id, too, as soon as they say who they are. */
TEST(blocked_names_are_turned_away)
{
        struct world w;

        ASSERT_OK(init(&w, NULL));
        ASSERT_OK(fixture_hear(&w.f, 9, "{\"username\": \"Bob\"}"));
        ASSERT_OK(fixture_hear(&w.f, 9, "{\"username\": \"Nora\"}"));
        DO(&w, node_block(w.f.node, "Nora", true, w.f.now, NULL));
        call(&w, 2, 9, LONG_ID ":9200");
        w.trace[0] = 0;
        HEAR(&w, 2,
                "before\x04{\"message\": \"x\", \"user\": \"nora\"}\x04"
                "after\x04");
        EXPECT(&w, NAME " says before, plain\nclose 2\n");
        done(&w);
}

TEST(not_ourselves)
{
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, OWN_ID ":9100");
        EXPECT(&w, "close 2\n");
        ASSERT_STREQ(users(&w), "");
        done(&w);
}

TEST(a_flood_ends_the_connection)
{
        struct world w;

        ASSERT_OK(init(&w, NULL));
        call(&w, 2, 9, LONG_ID ":9200");
        for (size_t i = 0; i < 256; i++)
                HEAR(&w, 2, "x\x04");
        ASSERT_FALSE(strstr(w.trace, "close"));
        w.trace[0] = 0;
        HEAR(&w, 2, "x\x04x\x04");
        EXPECT(&w, "warning Limit\nclose 2\n");
        done(&w);
}

/* The noisiest loses its oldest connection, and what was on its way there goes again. */
TEST(nodes_have_half_of_the_places)
{
        struct world w;

        ASSERT_OK(init(&w, &(struct node_options){ .links_strange_max = 4 }));
        call(&w, 2, 9, LONG_ID ":9200");
        call(&w, 4, 11, "another:9201");
        w.trace[0] = 0;
        call(&w, 6, 10, "elsewhere:9200");
        EXPECT(&w, "warning Limit\nclose 6\n");
        done(&w);

        ASSERT_OK(init(&w, &(struct node_options){ .links_strange_max = 6 }));
        call(&w, 2, 9, LONG_ID ":9200");
        say(&w, NAME, "Hello");
        call(&w, 4, 9, "another:9201");
        call(&w, 6, 9, "one more:9202");
        w.trace[0] = 0;
        call(&w, 8, 10, "elsewhere:9200");
        EXPECT(&w, "close 2\nelsewhere is online\n8 > " OWN_ID "\n");
        pass(&w, USEC_PER_SEC);
        EXPECT(&w, "dial 10.0.0.9:9200\n");
        done(&w);
}

TEST(those_we_keep_a_connection_to)
{
        struct endpoint peers[] = { host(9), host(10) };
        struct world w;

        peers[0].port = peers[1].port = THEIRS;
        ASSERT_OK(init(&w, &(struct node_options){ .third_peers = peers, .n_third_peers = 1 }));
        pass(&w, 1);
        EXPECT(&w, "dial 10.0.0.9:9200\n");
        answer(&w, LONG_ID);
        EXPECT(&w, "1 > " OWN_ID ":9100\n" NAME " is online\n");

        /* Who is called already is not called twice, for a message. */
        DO(&w, node_ended(w.f.node, 1, w.f.now));
        pass(&w, 2 * USEC_PER_SEC);
        w.trace[0] = 0;
        say(&w, NAME, "Hello");
        EXPECT(&w, "");
        answer(&w, LONG_ID);
        EXPECT(&w, "3 > " OWN_ID ":9100\n3 > {\"message\": \"Hello\"}\x04\n");
        DO(&w, node_taken(w.f.node, 3, w.word, w.f.now));

        /* Called again when it is lost, less and less often when it never stays. */
        DO(&w, node_ended(w.f.node, 3, w.f.now));
        w.trace[0] = 0;
        for (size_t i = 0; i < 12; i++) {
                usec_t wait_usec = usec_sub(node_deadline(w.f.node), w.f.now.mono_usec);

                ASSERT_LE(wait_usec, 400 * USEC_PER_SEC);
                while (!strstr(w.trace, "dial"))
                        pass(&w, usec_sub(node_deadline(w.f.node), w.f.now.mono_usec));
                DO(&w, node_closed(w.f.node, w.dialled, LINK_REFUSED, w.f.now));
                w.trace[0] = 0;
        }
        pass(&w, 200 * USEC_PER_SEC);
        ASSERT_FALSE(strstr(w.trace, "dial"));

        /* Not when it calls itself. */
        call(&w, 2, 9, LONG_ID ":9200");
        w.trace[0] = 0;
        pass(&w, 10 * USEC_PER_MINUTE);
        EXPECT(&w, "");
        done(&w);
}

TEST(it_is_off)
{
        struct endpoint e = host(9);
        struct fixture f;
        struct effect effect;

        ASSERT_OK(fixture_init(
                &f, &(struct node_options){
                            .announce = false, .third_peers = &e, .n_third_peers = 1 }));
        ASSERT_OK(node_third_accepted(f.node, 2, &e, f.now));
        ASSERT_TRUE(fixture_effect(&f, EFFECT_CLOSE, &effect));
        ASSERT_OK(node_advance(f.node, f.now));
        ASSERT_FALSE(fixture_effect(&f, EFFECT_DIAL, &effect));
        fixture_done(&f);
}

/* 0 or -ENOMEM */
static int live(void)
{
        struct endpoint at = host(10);
        struct world w;
        int r;

        at.port = THEIRS;
        r = init(&w, &(struct node_options){
                             .third_peers = &at, .n_third_peers = 1, .links_strange_max = 4 });
        if (r == 0) {
                pass(&w, 1);
                answer(&w, "theirs");
                say(&w, "theirs", "Hello");
                DO(&w, node_taken(w.f.node, w.dialled, w.word, w.f.now));
                call(&w, 2, 9, LONG_ID ":9200");
                say(&w, NAME, "Hello");
                HEAR(&w, 2, "{\"message\": \"I am\", \"user\": \"Nora\"}\x04\xff\x04");
                call(&w, 4, 9, "another:9201");
                DO(&w, node_ended(w.f.node, 2, w.f.now));
                HEAR(&w, 4, "{\"message\": \"I am\", \"user\": \"Nora\"}\x04");
                pass(&w, 5 * USEC_PER_SEC);
                DO(&w, node_block(w.f.node, "Nora", true, w.f.now, NULL));
                r = w.error;
        }
        done(&w);
        return r;
}

TEST(memory_that_runs_out)
{
        int r = -ENOMEM;

        for (size_t n = 1; r == -ENOMEM; n++) {
                n_allocations = 0;
                fail_at = n;
                r = live();
                fail_at = SIZE_MAX;
                ASSERT_TRUE(r == 0 || r == -ENOMEM);
                ASSERT_LT(n, 5000);
        }
}

TEST_MAIN_WITH(fixture_set_up)
