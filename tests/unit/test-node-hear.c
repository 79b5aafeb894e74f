/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What announcements may say of whom, how many are known, and what remains of it */
#include "unit/people-fixture.h"

TEST(announcements_of_a_proven_id_only_give_places)
{
        struct introduction ece = introduction(1, "Ece");
        struct peer_record before;
        struct fixture f;
        struct change c;
        struct peer *peer;

        ASSERT_OK(fixture_init(&f, NULL));
        peer = prove_contact(&f, 2, &ece);
        pass(&f, 20 * USEC_PER_SEC);
        ASSERT_EQ(peer->neighbour.presence, PRESENCE_AWAY);
        before = peer->record;

        announce(&f, 3, "Eve", ece.id);
        ASSERT_EQ(peer->neighbour.presence, PRESENCE_ONLINE);
        ASSERT_FALSE(fixture_change(&f, CHANGE_PEER, &c));
        before.heard_usec = f.now.real_usec;
        ASSERT_EQ(memcmp(&before, &peer->record, sizeof before), 0);
        ASSERT_EQ(peer->whereabouts[0].address[3], 3);
        ASSERT_EQ(peer->whereabouts[1].address[3], 2);
        ASSERT_NULL(find(&f, "Eve"));

        /* However many there are, the place of the proof is tried, too. */
        for (unsigned i = 4; i < 12; i++) {
                bool is_there = false;

                announce(&f, i, "Eve", ece.id);
                ASSERT_EQ(peer->whereabouts[0].address[3], i);
                for (size_t k = 0; k < WHEREABOUTS_MAX; k++)
                        is_there |= peer->whereabouts[k].address[3] == 2;
                ASSERT_TRUE(is_there);
        }
        fixture_done(&f);
}

TEST(places_of_ipv4_are_tried_first)
{
        struct introduction ece = introduction(1, "Ece");
        struct endpoint v6;
        struct fixture f;
        struct peer *peer;

        ASSERT_OK(endpoint_parse("fe80::1%3", ENDPOINT_PORT_DEFAULT, &v6));
        ASSERT_OK(fixture_init(&f, NULL));
        peer = prove(&f, 2, &ece);
        ASSERT_TRUE(peer_sighted(peer, &v6));
        ASSERT_FALSE(peer_sighted(peer, &v6));
        announce(&f, 3, "Ece", ece.id);
        ASSERT_EQ(peer->whereabouts[0].address[3], 3);
        ASSERT_EQ(peer->whereabouts[1].address[3], 2);
        ASSERT_TRUE(endpoint_equal(&peer->whereabouts[2], &v6));
        /* Where there is no room it takes the last place, and the proven one is left. */
        announce(&f, 4, "Ece", ece.id);
        announce(&f, 5, "Ece", ece.id);
        v6.address[15] = 2;
        ASSERT_TRUE(peer_sighted(peer, &v6));
        ASSERT_EQ(peer->whereabouts[0].address[3], 5);
        ASSERT_EQ(peer->whereabouts[2].address[3], 2);
        ASSERT_TRUE(endpoint_equal(&peer->whereabouts[3], &v6));
        fixture_done(&f);
}

TEST(places_are_tried_in_turn)
{
        struct introduction ece = introduction(1, "Ece");
        struct endpoint place;
        struct fixture f;
        struct peer *peer;

        ASSERT_OK(fixture_init(&f, NULL));
        peer = prove(&f, 2, &ece);
        peer_missed(peer, &peer->whereabouts[0]);
        ASSERT_EQ(peer->whereabouts[0].address[3], 2);
        announce(&f, 3, "Ece", ece.id);
        announce(&f, 4, "Ece", ece.id);
        announce(&f, 3, "Ece", ece.id);
        for (unsigned i = 0; i < 6; i++) {
                ASSERT_EQ(peer->whereabouts[0].address[3], 4 - i % 3);
                peer_missed(peer, &peer->whereabouts[0]);
        }
        /* Heard elsewhere meanwhile, it is tried there first. */
        place = peer->whereabouts[0];
        announce(&f, 5, "Ece", ece.id);
        peer_missed(peer, &place);
        ASSERT_EQ(peer->whereabouts[0].address[3], 5);
        ASSERT_TRUE(endpoint_equal(&peer->whereabouts[3], &place));
        fixture_done(&f);
}

TEST(who_has_proven_nothing_is_as_he_announces_himself)
{
        struct introduction ece = introduction(1, "Ece");
        struct fixture f;
        struct change c;
        struct peer *peer;

        ASSERT_OK(fixture_init(&f, NULL));
        announce(&f, 2, "debian", ece.id);
        peer = find(&f, "debian");
        ASSERT_EQ(peer_security(peer), SECURITY_UNPROVEN);
        fixture_drain(&f);
        announce(&f, 3, "Ece", ece.id);
        ASSERT_TRUE(fixture_change(&f, CHANGE_PEER, &c));
        ASSERT_STREQ(c.peer.name, "Ece");
        ASSERT_EQ(c.peer.endpoint.address[3], 3);
        ASSERT_FALSE(c.peer.is_proven);
        ASSERT_TRUE(find(&f, "Ece") == peer);
        ASSERT_NULL(find(&f, "debian"));
        fixture_done(&f);
}

TEST(of_two_families_the_older_one_is_shown)
{
        static const char json[] = "{\"username\": \"Ece\", \"id\": \"" OTHER_ID "\"}";
        struct fixture f;
        struct endpoint e;
        struct peer *peer;

        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_OK(endpoint_parse("fe80::2%3", 6000, &e));
        ASSERT_OK(node_datagram(f.node, DIALECT_CLASSIC, &e, json, sizeof json - 1, f.now));
        peer = find(&f, "Ece");
        ASSERT_EQ(peer->record.endpoint.family, ENDPOINT_IPV6);
        announce(&f, 2, "Ece", OTHER_ID);
        ASSERT_EQ(peer->record.endpoint.family, ENDPOINT_IPV4);
        ASSERT_OK(node_datagram(f.node, DIALECT_CLASSIC, &e, json, sizeof json - 1, f.now));
        ASSERT_EQ(peer->record.endpoint.family, ENDPOINT_IPV4);
        ASSERT_EQ(peer->whereabouts[1].family, ENDPOINT_IPV6);
        fixture_done(&f);
}

TEST(ids_of_one_address_are_limited)
{
        struct fixture f;
        struct user *users;
        size_t n;

        ASSERT_OK(fixture_init(&f, NULL));
        for (unsigned i = 0; i < 2 * PEERS_PER_ADDRESS_MAX; i++) {
                struct introduction who = introduction(i + 1, "many");

                announce(&f, 2, "many", who.id);
                fixture_pass(&f, USEC_PER_SEC / 10);
        }
        ASSERT_OK(node_list_users(f.node, f.now, &users, &n));
        ASSERT_EQ(n, PEERS_PER_ADDRESS_MAX);
        free(users);

        /* Nor can those of other addresses be called here. */
        announce(&f, 3, "one", OTHER_ID);
        announce(&f, 2, "one", OTHER_ID);
        ASSERT_EQ(find(&f, "one")->record.endpoint.address[3], 3);
        ASSERT_EQ(find(&f, "one")->whereabouts[0].address[3], 2);
        fixture_done(&f);
}

static void announce_many(struct fixture *f, unsigned n)
{
        for (unsigned i = 0; i < n; i++) {
                struct endpoint at = endpoint_ipv4(10, 1, (uint8_t)(i >> 8), (uint8_t)i, 5000);
                static const char json[] = "{\"username\": \"many\"}";

                ASSERT_OK(node_datagram(f->node, DIALECT_CLASSIC, &at, json, strlen(json), f->now));
        }
        fixture_drain(f);
}

/* Among them it is looked for what their name means, for each of them. */
TEST(users_of_one_name_are_limited)
{
        struct introduction who = introduction(1, "many"), other = introduction(2, "other");
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, NULL));
        announce_many(&f, 2 * PEERS_PER_NAME_MAX);
        ASSERT_EQ(f.node->peers.by_number.n, PEERS_PER_NAME_MAX);
        announce(&f, 3, "other", other.id);
        announce(&f, 3, "MANY", other.id);
        ASSERT_STREQ(find(&f, "other")->record.id, other.id);
        fixture_drain(&f);

        /* Who proves himself is none too many, nor who comes when they are gone. */
        f.node->is_proving = true;
        prove(&f, 2, &who);
        f.node->is_proving = false;
        ASSERT_TRUE(fixture_change(&f, CHANGE_PEER_GONE, &c));
        pass(&f, 2 * USEC_PER_HOUR);
        announce(&f, 4, "many", NULL);
        ASSERT_TRUE(find(&f, "many@10.0.0.4"));
        fixture_done(&f);
}

TEST(who_left_no_trace_makes_room_at_an_address)
{
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, NULL));
        for (unsigned i = 0; i < PEERS_PER_ADDRESS_MAX; i++) {
                struct introduction who = introduction(i + 1, "many");

                announce(&f, 2, "many", who.id);
                fixture_pass(&f, USEC_PER_SEC / 10);
        }
        announce(&f, 2, "late", NULL);
        ASSERT_NULL(find(&f, "late"));
        pass(&f, 2 * USEC_PER_HOUR);
        fixture_drain(&f);
        announce(&f, 2, "late", NULL);
        ASSERT_TRUE(fixture_change(&f, CHANGE_PEER_GONE, &c));
        ASSERT_EQ(c.number, 1); /* who was not heard for longest */
        ASSERT_NOT_NULL(find(&f, "late"));
        fixture_done(&f);
}

TEST(contacts_stay_when_room_is_made)
{
        struct introduction ece = introduction(1, "Ece"), bob = introduction(2, "Bob");
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, &(struct node_options){ .peers_max = 2 }));
        prove_contact(&f, 2, &ece);
        prove(&f, 3, &bob);
        pass(&f, 2 * USEC_PER_HOUR);
        announce(&f, 4, "three", NULL);
        ASSERT_TRUE(fixture_change(&f, CHANGE_PEER_GONE, &c));
        ASSERT_EQ(c.number, 2);
        pass(&f, 2 * USEC_PER_HOUR);
        ASSERT_NULL(peers_by_id(&f.node->peers, bob.id));
        ASSERT_NOT_NULL(peers_contact(&f.node->peers, "Ece"));
        fixture_done(&f);
}

TEST(newcomers_hear_of_us_at_once)
{
        struct interface own = { .address = host(1), .n_broadcast = 0 };
        struct node_options options[] = { { .announce = true }, { .announce = false } };

        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                struct fixture f;
                struct effect e;

                ASSERT_OK(fixture_init(&f, &options[i]));
                announce(&f, 2, "early", NULL); /* before we know an address of ours */
                ASSERT_FALSE(fixture_effect(&f, EFFECT_DATAGRAM, &e));
                ASSERT_OK(node_network(f.node, &own, 1, f.now));
                fixture_drain(&f);
                announce(&f, 3, "Bob", NULL);
                ASSERT_EQ(fixture_effect(&f, EFFECT_DATAGRAM, &e), options[i].announce);
                if (options[i].announce) {
                        ASSERT_EQ(e.datagram.to.address[3], 3);
                        ASSERT_EQ(e.datagram.to.port, CLASSIC_PORT);
                        ASSERT_EQ(e.datagram.dialect, DIALECT_CLASSIC);
                }
                /* Who is here already has heard us, or will. */
                fixture_pass(&f, 9 * USEC_PER_SEC);
                announce(&f, 3, "Bob", NULL);
                ASSERT_FALSE(fixture_effect(&f, EFFECT_DATAGRAM, &e));
                /* Not every new name is a new machine. */
                announce(&f, 3, "Zoe", OTHER_ID);
                ASSERT_EQ(fixture_effect(&f, EFFECT_DATAGRAM, &e), options[i].announce);
                announce(&f, 3, "Eve", NULL);
                ASSERT_FALSE(fixture_effect(&f, EFFECT_DATAGRAM, &e));
                fixture_done(&f);
        }
}

TEST(a_node_without_identity_knows_no_ids)
{
        struct introduction ece = introduction(1, "Ece");
        struct fixture f;
        struct peer *peer;

        ASSERT_OK(fixture_init(&f, NULL));
        f.node->id[0] = 0;
        f.node->options.identity = NULL;
        announce(&f, 2, "Ece", ece.id);
        peer = find(&f, "Ece");
        ASSERT_FALSE(peer_is_native(peer));
        ASSERT_TRUE(peer->record.heard_classic);
        fixture_done(&f);
}

TEST(what_was_bound_is_bound_after_a_restart)
{
        struct introduction ece = introduction(1, "Ece");
        struct peer_record record, twin;
        struct fixture f;
        struct peer *peer;

        ASSERT_OK(fixture_init(&f, NULL));
        record = prove_contact(&f, 2, &ece)->record;
        fixture_done(&f);

        record.is_verified = true;
        twin = record;
        twin.number = 7;
        twin.endpoint.address[3] = 9;
        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_OK(node_restore_peer(f.node, &record, f.now));
        ASSERT_OK(node_restore_peer(f.node, &twin, f.now));
        peer = find(&f, "ece");
        ASSERT_EQ(peer->record.number, record.number);
        ASSERT_EQ(peer_security(peer), SECURITY_VERIFIED);
        ASSERT_EQ(peer->whereabouts[0].address[3], 2);
        /* Of one id there is one row, and what was another belongs to it. */
        peer = peers_by_number(&f.node->peers, 7);
        ASSERT_FALSE(peer_is_native(peer));
        ASSERT_EQ(peer->record.successor, record.number);

        /* Native: away only after 18 s. */
        fixture_pass(&f, NATIVE_ONLINE_USEC - 1);
        ASSERT_OK(node_advance(f.node, f.now));
        ASSERT_EQ(find(&f, "ece")->neighbour.presence, PRESENCE_ONLINE);
        fixture_pass(&f, 1);
        ASSERT_OK(node_advance(f.node, f.now));
        ASSERT_EQ(find(&f, "ece")->neighbour.presence, PRESENCE_AWAY);
        ASSERT_EQ(find(&f, "ece")->record.heard_usec, START_REAL);
        /* Contacts are listed for ever. */
        pass(&f, USEC_PER_HOUR);
        ASSERT_TRUE(listed(&f, find(&f, "ece")).contact);
        fixture_done(&f);
}

/* On a machine where everybody is blocked, a new name or id is no way round. */
TEST(a_block_is_inherited)
{
        struct introduction ece = introduction(1, "Ece");
        struct endpoint remote = host(2);
        struct fixture f;
        struct peer *peer;

        ASSERT_OK(fixture_init(&f, NULL));
        announce(&f, 2, "Ece", NULL);
        ASSERT_OK(node_block(f.node, "Ece", true, f.now, NULL));
        pass(&f, USEC_PER_HOUR);
        ASSERT_EQ(node_take_proof(f.node, &ece, &remote, f.now, &peer), 1);
        peer = peers_by_id(&f.node->peers, ece.id);
        ASSERT_TRUE(peer->record.blocked);

        announce(&f, 2, "other", OTHER_ID);
        ASSERT_TRUE(peers_by_id(&f.node->peers, OTHER_ID)->record.blocked);
        fixture_done(&f);
}

TEST_MAIN_WITH(fixture_set_up)
