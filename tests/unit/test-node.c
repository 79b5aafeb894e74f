/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A node alone: words, refusals, lists, restoring. Conversations are in tests/sim. */
#include "unit/node-fixture.h"

#define ANNOUNCE(name) "{\"username\": \"" name "\"}"
#define ANNOUNCE_ID(name) "{\"username\": \"" name "\", \"id\": \"" OTHER_ID "\", \"port\": 6001}"

static const struct send_options plain = { .security = SECURITY_PLAIN };
static const struct send_options by_default = { .security = -1 };

static void refused(struct fixture *f, const char *word, const char *text, size_t size,
        const struct send_options *options, int code, const char *sentence)
{
        struct refusal refusal = { 0 };
        struct change c;

        ASSERT_EQ(node_send(f->node, 1, word, text, size, options, f->now, &refusal), code);
        if (!strstr(refusal.sentence, sentence))
                TEST_FAIL("\"%s\" is not in \"%s\"", sentence, refusal.sentence);
        ASSERT_FALSE(fixture_change(f, CHANGE_MESSAGE, &c));
        /* A refusal is written for those who want it. */
        ASSERT_EQ(node_send(f->node, 1, word, text, size, options, f->now, NULL), code);
}

TEST(user_words)
{
        struct fixture f;

        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("Bob")));
        ASSERT_OK(fixture_hear(&f, 3, ANNOUNCE("eve")));
        ASSERT_OK(fixture_hear(&f, 4, ANNOUNCE("Eve")));
        ASSERT_OK(fixture_hear(&f, 5, "{\"username\": \"Zoe\", \"port\": 7001}"));
        fixture_drain(&f);

        refused(&f, "", "x", 1, &plain, REFUSAL_UNKNOWN_USER, "empty");
        refused(&f, "carol", "x", 1, &plain, REFUSAL_UNKNOWN_USER, "\"carol\"");
        refused(&f, "Bob@nowhere", "x", 1, &plain, REFUSAL_UNKNOWN_USER, "numeric address");
        refused(&f, "Bob@10.0.0.3", "x", 1, &plain, REFUSAL_UNKNOWN_USER, "Bob@10.0.0.3");
        refused(&f, "Zoe@10.0.0.5:7002", "x", 1, &plain, REFUSAL_UNKNOWN_USER, "7002");
        refused(&f, "EVE", "x", 1, &plain, REFUSAL_AMBIGUOUS_USER, "eve@10.0.0.3");
        refused(&f, "EVE", "x", 1, &plain, REFUSAL_AMBIGUOUS_USER, "Eve@10.0.0.4");

        ASSERT_OK(node_send(f.node, 1, "bOB", "x", 1, &plain, f.now, NULL));
        ASSERT_OK(node_send(f.node, 2, "eve@10.0.0.4", "x", 1, &plain, f.now, NULL));
        ASSERT_OK(node_send(f.node, 3, "Zoe@10.0.0.5", "x", 1, &plain, f.now, NULL));
        ASSERT_OK(node_send(f.node, 4, "Zoe@10.0.0.5:7001", "x", 1, &plain, f.now, NULL));
        ASSERT_EQ(node_messages_queued(f.node), 4);
        fixture_done(&f);
}

TEST(one_id_at_two_addresses_is_one_user)
{
        char word[WORD_SIZE];
        struct user *users;
        struct fixture f;
        struct change c;
        size_t n;

        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE_ID("Bob")));
        ASSERT_TRUE(fixture_change(&f, CHANGE_PEER, &c));
        fixture_drain(&f);
        /* It is where it was heard last, which is not worth a write each time. */
        ASSERT_OK(fixture_hear(&f, 3, ANNOUNCE_ID("Bob")));
        ASSERT_FALSE(fixture_change(&f, CHANGE_PEER, &c));
        ASSERT_OK(node_list_users(f.node, f.now, &users, &n));
        ASSERT_EQ(n, 1);
        ASSERT_EQ(users[0].endpoint.address[3], 3);
        ASSERT_EQ(users[0].security, SECURITY_UNPROVEN);
        ASSERT_STREQ(users[0].id, OTHER_ID);
        ASSERT_STREQ(node_word(f.node, 1, NULL, NULL, f.now, word), "Bob");
        free(users);
        fixture_done(&f);
}

TEST(refusals_say_what_to_do)
{
        static char huge[TEXT_SIZE_MAX + 1];
        struct fixture f;

        ASSERT_OK(fixture_init(&f, &(struct node_options){ .announce = true, .queue_max = 1 }));
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("Bob")));
        ASSERT_OK(fixture_hear(&f, 3, "{\"username\": \"Files\", \"chunks\": []}"));
        fixture_drain(&f);
        memset(huge, 'x', sizeof huge);

        refused(&f, "Bob", "", 0, &plain, REFUSAL_INVALID_TEXT, "empty");
        refused(&f, "Bob", "\xff", 1, &plain, REFUSAL_INVALID_TEXT, "UTF-8");
        refused(&f, "Bob", "a\x07", 2, &plain, REFUSAL_INVALID_TEXT, "control");
        refused(&f, "Bob", "a\0b", 3, &plain, REFUSAL_INVALID_TEXT, "control");
        refused(&f, "Bob", huge, sizeof huge, &plain, REFUSAL_TOO_LARGE, "61441");
        refused(&f, "Bob", huge, sizeof huge - 1, &plain, REFUSAL_TOO_LARGE, "16 such parts");
        refused(&f, "Bob", "x", 1,
                &(struct send_options){ .security = SECURITY_PLAIN, .number = "12a" },
                REFUSAL_INVALID_ARGUMENT, "12a");
        refused(&f, "Bob", "x", 1,
                &(struct send_options){ .security = SECURITY_PLAIN, .number = "" },
                REFUSAL_INVALID_ARGUMENT, "digits");
        refused(&f, "Files", "x", 1, &plain, REFUSAL_CANNOT_CHAT, "Files");
        ASSERT_OK(node_send(f.node, 1, "Bob", "x\t\n", 3, &by_default, f.now, NULL));
        fixture_drain(&f);
        refused(&f, "Bob", "x", 1, &plain, REFUSAL_QUEUE_FULL, "1 messages wait for Bob");
        ASSERT_OK(node_block(f.node, "Bob", true, f.now, NULL));
        refused(&f, "Bob", "x", 1, &plain, REFUSAL_BLOCKED, "p2pchat unblock Bob");
        fixture_done(&f);
}

TEST(ages_at_their_borders)
{
        static const struct {
                usec_t age_usec;
                enum presence presence;
                size_t n_listed;
        } cases[] = {
                { 10 * USEC_PER_SEC - 1, PRESENCE_ONLINE, 1 },
                { 10 * USEC_PER_SEC, PRESENCE_AWAY, 1 },
                { 900 * USEC_PER_SEC - 1, PRESENCE_AWAY, 1 },
                { 900 * USEC_PER_SEC, PRESENCE_OFFLINE, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct fixture f;
                struct user *users;
                struct change c;
                size_t n;

                ASSERT_OK(fixture_init(&f, NULL));
                ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("Bob")));
                ASSERT_TRUE(fixture_change(&f, CHANGE_PRESENCE, &c));
                ASSERT_EQ(c.presence.presence, PRESENCE_ONLINE);
                ASSERT_STREQ(c.presence.user, "Bob");
                fixture_drain(&f);
                ASSERT_EQ(node_deadline(f.node), f.now.mono_usec + 10 * USEC_PER_SEC);
                fixture_pass(&f, cases[i].age_usec);
                ASSERT_OK(node_advance(f.node, f.now));
                ASSERT_OK(node_list_users(f.node, f.now, &users, &n));
                ASSERT_EQ(n, cases[i].n_listed);
                if (n > 0)
                        ASSERT_EQ(users[0].presence, cases[i].presence);
                ASSERT_EQ(node_users_online(f.node), cases[i].presence == PRESENCE_ONLINE);
                ASSERT_EQ(fixture_change(&f, CHANGE_PRESENCE, &c),
                        cases[i].presence != PRESENCE_ONLINE);
                if (cases[i].presence != PRESENCE_ONLINE)
                        ASSERT_EQ(c.presence.presence, cases[i].presence);
                free(users);
                fixture_done(&f);
        }
}

/* Who is blocked, muted or waited for is listed though nobody hears him. */
TEST(the_list_keeps_whom_it_is_about)
{
        struct fixture f;
        struct user *users;
        size_t n;

        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("blocked")));
        ASSERT_OK(fixture_hear(&f, 3, ANNOUNCE("muted")));
        ASSERT_OK(fixture_hear(&f, 4, ANNOUNCE("queued")));
        ASSERT_OK(fixture_hear(&f, 5, ANNOUNCE("nobody")));
        ASSERT_OK(node_block(f.node, "blocked", true, f.now, NULL));
        ASSERT_OK(node_mute(f.node, "muted", USEC_INFINITY, f.now, NULL));
        ASSERT_OK(node_send(f.node, 1, "queued", "x", 1, &plain, f.now, NULL));
        fixture_pass(&f, USEC_PER_HOUR);
        ASSERT_OK(node_advance(f.node, f.now));
        ASSERT_OK(node_list_users(f.node, f.now, &users, &n));
        ASSERT_EQ(n, 3);
        ASSERT_STREQ(users[0].name, "blocked");
        ASSERT_TRUE(users[0].blocked);
        ASSERT_STREQ(users[1].name, "muted");
        ASSERT_TRUE(users[1].muted);
        ASSERT_STREQ(users[2].name, "queued");
        ASSERT_EQ(users[2].presence, PRESENCE_OFFLINE);
        ASSERT_EQ(users[2].heard_usec, START_REAL);
        free(users);
        fixture_done(&f);
}

static void restore(
        struct fixture *f, uint64_t number, const char *name, unsigned at, usec_t heard_usec)
{
        struct peer_record record = {
                .number = number,
                .endpoint = endpoint_ipv4(10, 0, 0, (uint8_t)at, ENDPOINT_PORT_DEFAULT),
                .heard_classic = true,
                .heard_usec = heard_usec,
                .has_history = true,
        };

        memcpy(record.name, name, strlen(name) + 1);
        ASSERT_OK(node_restore_peer(f->node, &record, f->now));
}

TEST(restored_peers_are_as_old_as_they_are)
{
        static const struct {
                usec_t heard_usec;
                enum presence presence;
        } cases[] = {
                { START_REAL, PRESENCE_ONLINE },
                { START_REAL - 10 * USEC_PER_SEC + 1, PRESENCE_ONLINE },
                { START_REAL - 10 * USEC_PER_SEC, PRESENCE_AWAY },
                { START_REAL - 900 * USEC_PER_SEC + 1, PRESENCE_AWAY },
                { START_REAL - 900 * USEC_PER_SEC, PRESENCE_OFFLINE },
                { START_REAL - 30 * USEC_PER_DAY, PRESENCE_OFFLINE },
                { START_REAL + 1, PRESENCE_OFFLINE }, /* the clock was set back: who knows */
                { 0, PRESENCE_OFFLINE },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct fixture f;
                struct user *users;
                struct change c;
                size_t n;

                ASSERT_OK(fixture_init(&f, NULL));
                restore(&f, 5, "Bob", 2, cases[i].heard_usec);
                /* Listed in any case, so that his state can be seen. */
                ASSERT_OK(node_mute(f.node, "Bob", USEC_INFINITY, f.now, NULL));
                ASSERT_OK(node_list_users(f.node, f.now, &users, &n));
                ASSERT_EQ(n, 1);
                ASSERT_EQ(users[0].presence, cases[i].presence);
                ASSERT_EQ(users[0].heard_usec, cases[i].heard_usec);
                ASSERT_FALSE(fixture_change(&f, CHANGE_PRESENCE, &c));
                free(users);

                /* Numbers are never used again. */
                ASSERT_OK(fixture_hear(&f, 9, ANNOUNCE("New")));
                ASSERT_TRUE(fixture_change(&f, CHANGE_PEER, &c));
                ASSERT_EQ(c.peer.number, 6);
                fixture_done(&f);
        }
}

TEST(a_restored_queue_goes_when_its_peer_is_heard)
{
        struct queued_record queued = {
                .id = { .bytes = { 1 } }, .peer = 1, .security = SECURITY_PLAIN, .size = 5
        };
        struct effect e;
        struct change c;
        struct fixture f;

        ASSERT_OK(fixture_init(&f, NULL));
        restore(&f, 1, "Bob", 2, START_REAL - USEC_PER_DAY);
        ASSERT_OK(node_restore_queued(f.node, &queued, f.now));
        queued.id.bytes[0] = 2;
        queued.peer = 99; /* whom nobody knows */
        ASSERT_OK(node_restore_queued(f.node, &queued, f.now));
        ASSERT_EQ(node_messages_queued(f.node), 1);
        ASSERT_OK(node_advance(f.node, f.now));
        ASSERT_FALSE(fixture_effect(&f, EFFECT_LOAD, &e));

        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("Bob")));
        ASSERT_TRUE(fixture_effect(&f, EFFECT_LOAD, &e));
        ASSERT_EQ(e.load.id.bytes[0], 1);
        ASSERT_OK(node_loaded(f.node, &e.load.id, START_REAL, "hello", 5, f.now));
        ASSERT_TRUE(fixture_effect(&f, EFFECT_DIAL, &e));
        ASSERT_EQ(e.dial.to.port, ENDPOINT_PORT_DEFAULT);
        ASSERT_EQ(e.dial.link % 2, 1);
        ASSERT_OK(node_closed(f.node, e.dial.link, LINK_REFUSED, f.now));
        ASSERT_EQ(node_links(f.node), 0);
        ASSERT_EQ(node_messages_queued(f.node), 1);
        ASSERT_LE(node_deadline(f.node), f.now.mono_usec + 2 * USEC_PER_SEC);
        fixture_drain(&f);

        /* The next attempt finds that the store no longer has it. */
        fixture_pass(&f, 2 * USEC_PER_SEC);
        ASSERT_OK(node_advance(f.node, f.now));
        ASSERT_TRUE(fixture_effect(&f, EFFECT_LOAD, &e));
        ASSERT_OK(node_loaded(f.node, &e.load.id, START_REAL, NULL, 0, f.now));
        ASSERT_TRUE(fixture_change(&f, CHANGE_STATE, &c));
        ASSERT_EQ(c.state.state, MESSAGE_FAILED);
        ASSERT_EQ(node_messages_queued(f.node), 0);
        fixture_done(&f);
}

/* The other bearer of the name is here already when the queue is restored. */
TEST(a_restored_queue_goes_to_who_has_moved)
{
        struct queued_record queued = { .id = { .bytes = { 1 } }, .peer = 1, .size = 5 };
        struct effect e;
        struct fixture f;

        ASSERT_OK(fixture_init(&f, NULL));
        restore(&f, 1, "Bob", 2, START_REAL - USEC_PER_DAY);
        restore(&f, 2, "Bob", 3, START_REAL);
        ASSERT_OK(node_restore_queued(f.node, &queued, f.now));
        ASSERT_EQ(node_deadline(f.node), f.now.mono_usec);
        ASSERT_OK(node_advance(f.node, f.now));
        ASSERT_TRUE(fixture_effect(&f, EFFECT_LOAD, &e));
        fixture_done(&f);
}

TEST(who_was_written_to_last_is_served_first)
{
        static const uint8_t order[] = { 2, 3, 1 }; /* Bob, but in his order; Can; Ada */
        struct queued_record queued = { .peer = 1, .size = 5 };
        struct effect e;
        struct fixture f;

        ASSERT_OK(fixture_init(&f, NULL));
        restore(&f, 1, "Ada", 2, START_REAL);
        restore(&f, 2, "Bob", 3, START_REAL);
        restore(&f, 3, "Can", 4, START_REAL);
        for (uint8_t i = 1; i <= 4; i++) {
                queued.id.bytes[0] = i;
                queued.peer = i < 4 ? i : 2;
                ASSERT_OK(node_restore_queued(f.node, &queued, f.now));
        }
        ASSERT_OK(node_advance(f.node, f.now));
        for (size_t i = 0; i < ELEMENTSOF(order); i++) {
                ASSERT_TRUE(fixture_effect(&f, EFFECT_LOAD, &e));
                ASSERT_EQ(e.load.id.bytes[0], order[i]);
        }
        fixture_done(&f);
}

/* Who speaks both dialects may be heard in the second one first, which cannot keep a secret. */
TEST(a_queue_that_wants_more_than_plain_text_waits_for_it)
{
        struct queued_record queued = {
                .id = { .bytes = { 1 } }, .peer = 1, .security = SECURITY_LEGACY, .size = 5
        };
        struct endpoint bob = host(3);
        struct effect e;
        struct fixture f;

        ASSERT_OK(fixture_init(&f, &(struct node_options){ .second = true }));
        restore(&f, 1, "Bob", 2, START_REAL - USEC_PER_DAY);
        ASSERT_OK(node_restore_queued(f.node, &queued, f.now));
        ASSERT_OK(node_datagram(
                f.node, DIALECT_SECOND, &bob, ANNOUNCE("Bob"), strlen(ANNOUNCE("Bob")), f.now));
        ASSERT_FALSE(fixture_effect(&f, EFFECT_LOAD, &e));
        ASSERT_EQ(node_messages_queued(f.node), 1);
        ASSERT_OK(fixture_hear(&f, 3, ANNOUNCE("Bob")));
        ASSERT_TRUE(fixture_effect(&f, EFFECT_LOAD, &e));
        fixture_done(&f);
}

TEST(lists_hold_copies)
{
        char word[] = "Bob", text[] = "hello";
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("Bob")));
        ASSERT_OK(node_send(f.node, 1, word, text, 5, &plain, f.now, NULL));
        memset(word, 'x', sizeof word);
        memset(text, 'x', sizeof text);
        ASSERT_TRUE(fixture_change(&f, CHANGE_MESSAGE, &c));
        ASSERT_MEMEQ(c.message.text, "hello", 5);
        ASSERT_STREQ(c.message.name, "Bob");
        fixture_done(&f);
}

TEST(a_call_is_answered_once_or_forgotten)
{
        static const struct send_options waiting = { .security = SECURITY_PLAIN,
                .wait_usec = SEND_WAIT_USEC };
        struct effect e;
        struct fixture f;

        ASSERT_OK(fixture_init(&f, &(struct node_options){ 0 }));
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("Bob")));
        ASSERT_OK(node_send(f.node, 7, "Bob", "x", 1, &waiting, f.now, NULL));
        ASSERT_OK(node_send(f.node, 8, "Bob", "y", 1, &waiting, f.now, NULL));
        ASSERT_OK(node_send(f.node, 9, "Bob", "z", 1, &plain, f.now, NULL));
        node_forget_call(f.node, 8);
        ASSERT_TRUE(fixture_effect(&f, EFFECT_REPLY, &e));
        ASSERT_EQ(e.reply.call, 9);
        fixture_pass(&f, SEND_WAIT_USEC - 1);
        ASSERT_OK(node_advance(f.node, f.now));
        ASSERT_FALSE(fixture_effect(&f, EFFECT_REPLY, &e));
        fixture_pass(&f, 1);
        ASSERT_LE(node_deadline(f.node), f.now.mono_usec);
        ASSERT_OK(node_advance(f.node, f.now));
        ASSERT_TRUE(fixture_effect(&f, EFFECT_REPLY, &e));
        ASSERT_EQ(e.reply.call, 7);
        ASSERT_EQ(e.reply.state, MESSAGE_QUEUED);
        ASSERT_FALSE(fixture_effect(&f, EFFECT_REPLY, &e));

        /* Even one that is listed already is taken back. */
        ASSERT_OK(node_send(f.node, 10, "Bob", "z", 1, &plain, f.now, NULL));
        node_forget_call(f.node, 10);
        ASSERT_FALSE(fixture_effect(&f, EFFECT_REPLY, &e));
        fixture_done(&f);
}

TEST(cancelling)
{
        struct ulid none = { .bytes = { 9 } };
        struct refusal refusal;
        struct effect e;
        struct change c;
        struct fixture f;

        ASSERT_OK(fixture_init(&f, &(struct node_options){ 0 }));
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("Bob")));
        ASSERT_EQ(node_cancel(f.node, &none, f.now, &refusal), REFUSAL_NO_SUCH_MESSAGE);
        ASSERT_NOT_NULL(strstr(refusal.sentence, "not in the queue"));

        /* While it is dialled it can be called back, and the dial is given up. */
        ASSERT_OK(node_send(f.node, 1, "Bob", "x", 1, &plain, f.now, NULL));
        ASSERT_TRUE(fixture_effect(&f, EFFECT_LOAD, &e));
        ASSERT_OK(node_loaded(f.node, &e.load.id, START_REAL, "x", 1, f.now));
        fixture_drain(&f);
        ASSERT_EQ(node_links(f.node), 1);
        ASSERT_OK(node_cancel(f.node, &e.load.id, f.now, &refusal));
        ASSERT_TRUE(fixture_change(&f, CHANGE_STATE, &c));
        ASSERT_EQ(c.state.state, MESSAGE_CANCELLED);
        ASSERT_TRUE(fixture_effect(&f, EFFECT_CLOSE, &e));
        ASSERT_EQ(e.close.how, CLOSE_NOW);
        ASSERT_EQ(node_links(f.node), 0);
        ASSERT_EQ(node_messages_queued(f.node), 0);

        /* Once it is written it cannot. */
        ASSERT_OK(node_send(f.node, 2, "Bob", "x", 1, &plain, f.now, NULL));
        ASSERT_TRUE(fixture_effect(&f, EFFECT_LOAD, &e));
        none = e.load.id;
        ASSERT_OK(node_loaded(f.node, &none, START_REAL, "x", 1, f.now));
        ASSERT_TRUE(fixture_effect(&f, EFFECT_DIAL, &e));
        ASSERT_OK(node_connected(f.node, e.dial.link, f.now));
        ASSERT_EQ(node_cancel(f.node, &none, f.now, &refusal), REFUSAL_NO_SUCH_MESSAGE);
        ASSERT_NOT_NULL(strstr(refusal.sentence, "on its way"));
        fixture_done(&f);
}

TEST(forgetting_cancels_and_starts_anew)
{
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("Bob")));
        ASSERT_OK(node_send(f.node, 1, "Bob", "x", 1, &plain, f.now, NULL));
        fixture_drain(&f);
        ASSERT_OK(node_forget(f.node, "Bob", f.now, NULL));
        ASSERT_EQ(node_messages_queued(f.node), 0);
        ASSERT_OK(node_end_turn(f.node, f.now));
        ASSERT_TRUE(node_next_change(f.node, &c));
        ASSERT_EQ(c.type, CHANGE_STATE);
        ASSERT_TRUE(node_next_change(f.node, &c));
        ASSERT_EQ(c.type, CHANGE_FORGET);
        ASSERT_EQ(c.number, 1);
        fixture_done(&f);
}

TEST(we_do_not_hear_ourselves)
{
        struct interface i = { .address = host(1) };
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_OK(node_network(f.node, &i, 1, f.now));
        ASSERT_OK(fixture_hear(&f, 1, ANNOUNCE("ada")));
        ASSERT_OK(fixture_hear(&f, 2, "{\"username\": \"Other\", \"id\": \"" OWN_ID "\"}"));
        ASSERT_FALSE(fixture_change(&f, CHANGE_PEER, &c));
        /* Another program of our machine. */
        ASSERT_OK(fixture_hear(&f, 1, ANNOUNCE("Bob")));
        ASSERT_TRUE(fixture_change(&f, CHANGE_PEER, &c));
        fixture_done(&f);
}

TEST(who_renames_himself_keeps_his_row)
{
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE_ID("debian")));
        ASSERT_OK(node_block(f.node, "debian", true, f.now, NULL));
        fixture_drain(&f);
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE_ID("Ece")));
        ASSERT_FALSE(fixture_change(&f, CHANGE_PEER, &c)); /* of who is blocked nothing is kept */
        ASSERT_OK(node_block(f.node, "debian", false, f.now, NULL));
        fixture_drain(&f);
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE_ID("Ece")));
        ASSERT_TRUE(fixture_change(&f, CHANGE_PEER, &c));
        ASSERT_EQ(c.peer.number, 1);
        ASSERT_STREQ(c.peer.name, "Ece");
        ASSERT_OK(node_block(f.node, "Ece", true, f.now, NULL));
        fixture_drain(&f);

        /* Without an id another name is another peer, who does not escape the block either. */
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("Eve")));
        ASSERT_TRUE(fixture_change(&f, CHANGE_PEER, &c));
        ASSERT_EQ(c.peer.number, 2);
        ASSERT_TRUE(c.peer.blocked);
        fixture_done(&f);
}

/* Several users of one address: the name in the message tells them apart. */
TEST(a_blocked_user_beside_another)
{
        static const char bad[] = "{\"unencrypted_message\": \"x\", \"user\": \"Bad\"}";
        static const char good[] = "{\"unencrypted_message\": \"y\", \"user\": \"Good\"}";
        struct endpoint from = host(2);
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("Bad")));
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("Good")));
        ASSERT_OK(node_block(f.node, "Bad", true, f.now, NULL));
        ASSERT_OK(node_accepted(f.node, 2, &from, f.now));
        ASSERT_OK(node_received(f.node, 2, bad, sizeof bad - 1, f.now));
        ASSERT_FALSE(fixture_change(&f, CHANGE_MESSAGE, &c));
        ASSERT_OK(node_received(f.node, 2, good, sizeof good - 1, f.now));
        ASSERT_TRUE(fixture_change(&f, CHANGE_MESSAGE, &c));
        ASSERT_STREQ(c.message.name, "Good");
        fixture_done(&f);
}

TEST(an_announcement_that_says_nothing_new_changes_nothing)
{
        struct endpoint from = host(2);
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, &(struct node_options){ .second = true }));
        for (int i = 0; i < 2; i++) {
                const char *classic = "{\"username\": \"Old\", \"uuid\": \"1\", \"chunks\": []}";
                const char *second = "{\"username\": \"Old\", \"ip\": \"1.2.3.4\", \"port\": 7}";

                ASSERT_OK(fixture_hear(&f, 2, classic));
                ASSERT_OK(node_datagram(
                        f.node, DIALECT_SECOND, &from, second, strlen(second), f.now));
                ASSERT_EQ(fixture_change(&f, CHANGE_PEER, &c), i == 0);
                fixture_drain(&f);
        }
        fixture_done(&f);
}

TEST(who_left_no_trace_makes_room)
{
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, &(struct node_options){ .peers_max = 2 }));
        ASSERT_OK(fixture_hear(&f, 2, ANNOUNCE("one")));
        ASSERT_OK(fixture_hear(&f, 3, ANNOUNCE("two")));
        ASSERT_OK(node_send(f.node, 1, "one", "x", 1, &plain, f.now, NULL));
        fixture_drain(&f);
        ASSERT_OK(fixture_hear(&f, 4, ANNOUNCE("three")));
        ASSERT_TRUE(fixture_change(&f, CHANGE_WARNING, &c));
        ASSERT_STREQ(c.warning.kind, "Limit");
        fixture_drain(&f);

        fixture_pass(&f, USEC_PER_HOUR);
        ASSERT_OK(node_advance(f.node, f.now));
        fixture_drain(&f);
        ASSERT_OK(fixture_hear(&f, 4, ANNOUNCE("three")));
        ASSERT_TRUE(fixture_change(&f, CHANGE_PEER_GONE, &c));
        ASSERT_EQ(c.number, 2);
        fixture_done(&f);
}

TEST(usernames)
{
        struct refusal refusal;
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_EQ(node_set_username(f.node, "ab", f.now, &refusal), REFUSAL_INVALID_NAME);
        ASSERT_NOT_NULL(strstr(refusal.sentence, "\"ab\""));
        ASSERT_EQ(node_set_username(f.node, "has blank", f.now, &refusal), REFUSAL_INVALID_NAME);
        /* Whatever is cut out of a long one, the sentence is text. */
        for (size_t i = 0; i < 4; i++) {
                char name[160];

                (void)snprintf(name, sizeof name,
                        "%.*s😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀"
                        "😀😀😀😀😀😀😀😀😀😀",
                        (int)i, "xxx");
                ASSERT_EQ(node_set_username(f.node, name, f.now, &refusal), REFUSAL_INVALID_NAME);
                ASSERT_TRUE(utf8_is_valid(refusal.sentence, strlen(refusal.sentence)));
        }
        ASSERT_OK(node_set_username(f.node, "Ada", f.now, &refusal));
        ASSERT_FALSE(fixture_change(&f, CHANGE_USERNAME, &c));
        ASSERT_OK(node_set_username(f.node, "Ece", f.now, &refusal));
        ASSERT_TRUE(fixture_change(&f, CHANGE_USERNAME, &c));
        ASSERT_STREQ(c.text, "Ece");
        ASSERT_STREQ(node_username(f.node), "Ece");
        fixture_done(&f);
}

TEST(many_warnings_of_one_kind_do_not_hide_another)
{
        static const char unreadable[] = "{\"key\": \"13\"}{\"encrypted_message\": \"Phukded\"}";
        struct node_options o = { .announce = true, .links_per_address_max = 1 };
        struct endpoint noisy = host(1), other = host(2);
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, &o));
        for (uint64_t link = 2; link <= 40; link += 2)
                ASSERT_OK(node_accepted(f.node, link, &noisy, f.now));
        fixture_drain(&f);

        ASSERT_OK(node_accepted(f.node, 100, &other, f.now));
        ASSERT_OK(node_received(f.node, 100, unreadable, strlen(unreadable), f.now));
        ASSERT_OK(node_ended(f.node, 100, f.now));
        ASSERT_TRUE(fixture_change(&f, CHANGE_WARNING, &c));
        ASSERT_STREQ(c.warning.kind, "Undecryptable");
        fixture_done(&f);
}

TEST_MAIN_WITH(fixture_set_up)
