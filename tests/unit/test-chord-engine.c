/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One engine of the ring, spoken to by hand: what it believes, what it keeps, what it does not do
 */
#include "core/chord/chord-internal.h"
#include "core/crypto/random.h"
#include "lib/failing-memory.h"
#include "lib/test.h"

#define SELF 100

static struct random *dice;
static usec_t now_usec;

static struct chord_peer peer_of(uint8_t n)
{
        struct chord_peer p = { .endpoint = endpoint_ipv4(10, 0, 0, n, 6001) };

        p.id.bytes[0] = n;
        return p;
}

static struct chord *make(const struct identity *identity)
{
        struct chord_options o = { .id = peer_of(SELF).id, .random = dice, .identity = identity };
        struct chord *c = NULL;

        now_usec = USEC_PER_DAY;
        ASSERT_OK(chord_new(&o, &c));
        return c;
}

static struct chord *make_member(const struct identity *identity)
{
        struct chord *c = make(identity);
        struct endpoint endpoint = peer_of(SELF).endpoint;

        ASSERT_OK(chord_start(c, &endpoint, now_usec));
        ASSERT_TRUE(chord_is_member(c));
        return c;
}

static void tell(struct chord *c, uint8_t from, const struct rpc *m)
{
        uint8_t data[CHORD_MESSAGE_SIZE_MAX];
        struct chord_peer p = peer_of(from);

        ASSERT_OK(chord_receive(c, &p, data, rpc_encode(m, data), now_usec));
}

/* The next message to @to of that kind, dropping all before it. */
static bool said(struct chord *c, uint8_t to, enum rpc_kind kind, struct rpc *ret)
{
        static const struct endpoint here = {
                .family = ENDPOINT_IPV4, .address = { 127, 0, 0, 1 }, .port = 6001
        };
        struct chord_effect e;

        while (chord_next_effect(c, &e)) {
                if (e.type != CHORD_SEND || e.peer.id.bytes[0] != to)
                        continue;
                ASSERT_OK(rpc_decode(e.data, e.size, &here, ret));
                if (ret->kind == kind)
                        return true;
        }
        return false;
}

static size_t drain(struct chord *c)
{
        struct chord_effect e;
        size_t n = 0;

        while (chord_next_effect(c, &e))
                n += e.type == CHORD_SEND;
        return n;
}

static struct rpc state_of(uint32_t number, const uint8_t *list, size_t n, uint8_t predecessor)
{
        struct rpc m = { .kind = RPC_STATE, .number = number, .is_member = true };

        for (size_t i = 0; i < n; i++)
                m.successors.peers[m.successors.n++] = peer_of(list[i]);
        m.has_predecessor = predecessor > 0;
        m.peer = peer_of(predecessor);
        return m;
}

static void assert_list(struct chord *c, const uint8_t *list, size_t n)
{
        const struct rpc_peers *have = chord_successors(c);

        ASSERT_EQ(have->n, n);
        for (size_t i = 0; i < n; i++)
                ASSERT_EQ(have->peers[i].id.bytes[0], list[i]);
}

/* Puts @head before all others by the usual way. */
static void follow(struct chord *c, uint8_t head, const uint8_t *list, size_t n)
{
        struct rpc m = { .kind = RPC_JOIN, .peer = peer_of(head) };

        for (size_t i = 0; i < n; i++)
                m.successors.peers[m.successors.n++] = peer_of(list[i]);
        tell(c, head, &m);
}

TEST(the_first_is_alone_and_keeps_everything)
{
        struct chord *c = make_member(NULL);
        struct rpc m = { .kind = RPC_FIND_SUCCESSOR, .number = 5, .target = peer_of(7).id };

        ASSERT_EQ(drain(c), 0);
        tell(c, 7, &m);
        ASSERT_TRUE(said(c, 7, RPC_FOUND, &m));
        ASSERT_EQ(m.number, 5);
        ASSERT_EQ(m.closer.n, 0);
        ASSERT_EQ(m.successors.n, 1);
        ASSERT_EQ(m.successors.peers[0].id.bytes[0], SELF);
        chord_free(c);
}

TEST(nobody_is_a_member_before_its_successor_answered)
{
        struct chord *c = make(NULL);
        struct endpoint endpoint = peer_of(SELF).endpoint;
        struct chord_peer contact = peer_of(10);
        struct rpc m, found = { .kind = RPC_FOUND, .is_member = true };

        ASSERT_OK(chord_hear(c, &contact, now_usec));
        ASSERT_OK(chord_start(c, &endpoint, now_usec));
        ASSERT_TRUE(said(c, 10, RPC_FIND_SUCCESSOR, &m));
        found.number = m.number;
        found.successors = (struct rpc_peers){ .peers = { peer_of(200) }, .n = 1 };
        tell(c, 10, &found);
        ASSERT_FALSE(chord_is_member(c));
        ASSERT_TRUE(said(c, 200, RPC_STABILIZE, &m));
        ASSERT_EQ(drain(c), 0);
        /* Asked while it waits, it is no member. */
        tell(c, 20, &(struct rpc){ .kind = RPC_STABILIZE, .number = 1 });
        ASSERT_TRUE(said(c, 20, RPC_STATE, &found));
        ASSERT_FALSE(found.is_member);
        found = state_of(m.number, (const uint8_t[]){ 10, 50 }, 2, 10);
        tell(c, 200, &found);
        ASSERT_TRUE(chord_is_member(c));
        assert_list(c, (const uint8_t[]){ 200, 10, 50 }, 3);
        /* Then the one before is told, and the one behind. */
        ASSERT_TRUE(said(c, 10, RPC_JOIN, &m));
        ASSERT_EQ(m.successors.n, 3);
        ASSERT_TRUE(said(c, 200, RPC_NOTIFY, &m));
        chord_free(c);
}

TEST(lists_end_at_their_owner_and_lies_in_them_are_cut)
{
        struct chord *c = make_member(NULL);

        follow(c, 110, (const uint8_t[]){ 120, 130, SELF, 110, 120 }, 5);
        assert_list(c, (const uint8_t[]){ 110, 120, 130 }, 3);
        follow(c, 110, (const uint8_t[]){ 130, 120, 140 }, 3);
        assert_list(c, (const uint8_t[]){ 110, 130 }, 2);
        follow(c, 110, (const uint8_t[]){ 130, 130 }, 2);
        assert_list(c, (const uint8_t[]){ 110, 130 }, 2);
        follow(c, 110, (const uint8_t[]){ 120, 130, 140, 150, 160, 170, 180, 190 }, 8);
        ASSERT_EQ(chord_successors(c)->n, CHORD_SUCCESSORS);
        chord_free(c);
}

TEST(who_joins_is_put_between_and_the_former_is_introduced)
{
        struct chord *c = make_member(NULL);
        struct rpc m;

        follow(c, 150, (const uint8_t[]){ 160 }, 1);
        drain(c);
        /* A newcomer who knows what is behind it: nobody is lost. */
        follow(c, 140, (const uint8_t[]){ 150, 160 }, 2);
        assert_list(c, (const uint8_t[]){ 140, 150, 160 }, 3);
        ASSERT_FALSE(said(c, 140, RPC_INTRODUCE, &m));
        /* One of another ring is only put before the others, until it knows them. */
        follow(c, 130, (const uint8_t[]){ 170 }, 1);
        assert_list(c, (const uint8_t[]){ 130, 140, 150, 160 }, 4);
        ASSERT_TRUE(said(c, 130, RPC_INTRODUCE, &m));
        ASSERT_EQ(m.peer.id.bytes[0], 140);
        follow(c, 130, (const uint8_t[]){ 170 }, 1);
        assert_list(c, (const uint8_t[]){ 130, 140, 150, 160 }, 4);
        follow(c, 130, (const uint8_t[]){ 140, 150, 160, 170 }, 4);
        assert_list(c, (const uint8_t[]){ 130, 140, 150, 160, 170 }, 5);
        /* It has had the time: now its word counts. */
        now_usec += CHORD_ASK_USEC;
        follow(c, 130, (const uint8_t[]){ 150 }, 1);
        assert_list(c, (const uint8_t[]){ 130, 150 }, 2);
        /* One that stands farther: it is told who is in between. */
        follow(c, 145, (const uint8_t[]){ 150 }, 1);
        assert_list(c, (const uint8_t[]){ 130, 150 }, 2);
        ASSERT_TRUE(said(c, 145, RPC_INTRODUCE, &m));
        ASSERT_EQ(m.peer.id.bytes[0], 130);
        chord_free(c);
}

TEST(a_living_predecessor_is_not_replaced_by_a_farther_one)
{
        struct chord *c = make_member(NULL);
        struct rpc m;

        follow(c, 150, (const uint8_t[]){ 50 }, 1);
        tell(c, 50, &(struct rpc){ .kind = RPC_NOTIFY, .peer = peer_of(50) });
        ASSERT_EQ(chord_predecessor(c)->id.bytes[0], 50);
        tell(c, 80, &(struct rpc){ .kind = RPC_NOTIFY, .peer = peer_of(80) });
        ASSERT_EQ(chord_predecessor(c)->id.bytes[0], 80);
        drain(c);
        tell(c, 60, &(struct rpc){ .kind = RPC_NOTIFY, .peer = peer_of(60) });
        ASSERT_EQ(chord_predecessor(c)->id.bytes[0], 80);
        ASSERT_TRUE(said(c, 80, RPC_PING_PREDECESSOR, &m));
        /* It lives: the other is told of it. */
        tell(c, 80, &(struct rpc){ .kind = RPC_PONG, .number = m.number, .is_member = true });
        ASSERT_EQ(chord_predecessor(c)->id.bytes[0], 80);
        ASSERT_TRUE(said(c, 60, RPC_INTRODUCE, &m));
        /* It does not. */
        tell(c, 60, &(struct rpc){ .kind = RPC_NOTIFY, .peer = peer_of(60) });
        ASSERT_TRUE(said(c, 80, RPC_PING_PREDECESSOR, &m));
        now_usec += CHORD_ASK_USEC;
        ASSERT_OK(chord_advance(c, now_usec));
        ASSERT_EQ(chord_predecessor(c)->id.bytes[0], 60);
        chord_free(c);
}

TEST(answers_count_only_from_who_was_asked)
{
        struct chord *c = make_member(NULL);
        struct rpc asked, m;

        follow(c, 150, (const uint8_t[]){ 160 }, 1);
        drain(c);
        now_usec = chord_deadline(c);
        ASSERT_OK(chord_advance(c, now_usec));
        ASSERT_TRUE(said(c, 150, RPC_STABILIZE, &asked));
        m = state_of(asked.number, (const uint8_t[]){ 170 }, 1, 0);
        tell(c, 160, &m);
        assert_list(c, (const uint8_t[]){ 150, 160 }, 2);
        m.number = asked.number + 50;
        tell(c, 150, &m);
        assert_list(c, (const uint8_t[]){ 150, 160 }, 2);
        tell(c, 150, &(struct rpc){ .kind = RPC_PONG, .number = asked.number });
        assert_list(c, (const uint8_t[]){ 150, 160 }, 2);
        m.number = asked.number;
        tell(c, 150, &m);
        assert_list(c, (const uint8_t[]){ 150, 170 }, 2);
        /* Once. */
        m = state_of(asked.number, NULL, 0, 0);
        tell(c, 150, &m);
        assert_list(c, (const uint8_t[]){ 150, 170 }, 2);
        chord_free(c);
}

TEST(who_is_told_of_but_does_not_answer_does_not_come_first)
{
        struct chord *c = make_member(NULL);
        struct rpc asked, m;

        follow(c, 150, (const uint8_t[]){ 160 }, 1);
        drain(c);
        now_usec = chord_deadline(c);
        ASSERT_OK(chord_advance(c, now_usec));
        ASSERT_TRUE(said(c, 150, RPC_STABILIZE, &asked));
        m = state_of(asked.number, (const uint8_t[]){ 160 }, 1, 120);
        tell(c, 150, &m);
        ASSERT_TRUE(said(c, 120, RPC_STABILIZE, &asked));
        assert_list(c, (const uint8_t[]){ 150, 160 }, 2);
        m = state_of(asked.number, (const uint8_t[]){ 150, 160 }, 2, SELF);
        tell(c, 120, &m);
        assert_list(c, (const uint8_t[]){ 120, 150, 160 }, 3);
        chord_free(c);
}

TEST(failed_successors_are_replaced_at_once)
{
        struct chord *c = make_member(NULL);
        struct chord_status s;
        struct ring_id id = peer_of(150).id;
        struct rpc asked, m;

        follow(c, 150, (const uint8_t[]){ 160, 170 }, 2);
        drain(c);
        ASSERT_OK(chord_failed(c, &id, now_usec));
        assert_list(c, (const uint8_t[]){ 160, 170 }, 2);
        ASSERT_EQ(chord_deadline(c), now_usec);
        ASSERT_OK(chord_advance(c, now_usec));
        ASSERT_TRUE(said(c, 160, RPC_STABILIZE, &asked));
        m = state_of(asked.number, (const uint8_t[]){ 170, 180 }, 2, 150);
        tell(c, 160, &m);
        assert_list(c, (const uint8_t[]){ 160, 170, 180 }, 3);
        ASSERT_TRUE(said(c, 160, RPC_NOTIFY, &m));
        chord_status(c, &s);
        ASSERT_EQ(s.repaired_usec, now_usec);
        /* In the middle it stays, as only its neighbours know who is whose now; nobody is sent to
         * it any more, and it does not become the first. */
        id = peer_of(170).id;
        ASSERT_OK(chord_failed(c, &id, now_usec));
        assert_list(c, (const uint8_t[]){ 160, 170, 180 }, 3);
        drain(c);
        tell(c, 7, &(struct rpc){ .kind = RPC_FIND_SUCCESSOR, .target = peer_of(165).id });
        ASSERT_TRUE(said(c, 7, RPC_FOUND, &m));
        ASSERT_EQ(m.successors.peers[0].id.bytes[0], 180);
        id = peer_of(160).id;
        ASSERT_OK(chord_failed(c, &id, now_usec));
        assert_list(c, (const uint8_t[]){ 180 }, 1);
        /* They speak again: no suspicion is left. */
        follow(c, 160, (const uint8_t[]){ 170, 180 }, 2);
        assert_list(c, (const uint8_t[]){ 160, 170, 180 }, 3);
        chord_free(c);
}

TEST(who_is_not_found_where_it_stands_joins_again)
{
        struct chord *c = make_member(NULL);
        struct rpc m, found = { .kind = RPC_FOUND, .is_member = true };

        follow(c, 150, (const uint8_t[]){ 160 }, 1);
        tell(c, 90, &(struct rpc){ .kind = RPC_NOTIFY, .peer = peer_of(90) });
        drain(c);
        now_usec = chord_deadline(c);
        ASSERT_OK(chord_advance(c, now_usec));
        /* Besides those of fingers there is a lookup of itself. */
        do
                ASSERT_TRUE(said(c, 160, RPC_FIND_SUCCESSOR, &m));
        while (m.target.bytes[0] != SELF);
        /* The nearest before us believes that 150 comes next. */
        found.number = m.number;
        found.closer = (struct rpc_peers){ .peers = { peer_of(70) }, .n = 1 };
        tell(c, 160, &found);
        ASSERT_TRUE(said(c, 70, RPC_FIND_SUCCESSOR, &m));
        found = (struct rpc){ .kind = RPC_FOUND, .number = m.number, .is_member = true };
        found.successors = (struct rpc_peers){ .peers = { peer_of(150) }, .n = 1 };
        tell(c, 70, &found);
        ASSERT_TRUE(said(c, 70, RPC_JOIN, &m));
        ASSERT_EQ(m.successors.n, 2);
        chord_free(c);
}

/* Answers everything as the only other node of a ring at rest would. True: was asked how it stands.
 */
static bool answer_as_the_other(struct chord *c, uint8_t other)
{
        static const struct endpoint here = {
                .family = ENDPOINT_IPV4, .address = { 127, 0, 0, 1 }, .port = 6001
        };
        bool was_asked = false;
        struct chord_effect e;
        struct rpc m, reply;

        while (chord_next_effect(c, &e)) {
                ASSERT_OK(rpc_decode(e.data, e.size, &here, &m));
                reply = state_of(m.number, (const uint8_t[]){ SELF }, 1, SELF);
                if (m.kind == RPC_PING_PREDECESSOR)
                        reply.kind = RPC_PONG;
                else if (m.kind == RPC_FIND_SUCCESSOR)
                        reply.kind = RPC_FOUND;
                else if (m.kind != RPC_STABILIZE)
                        continue;
                was_asked |= m.kind == RPC_STABILIZE;
                tell(c, other, &reply);
        }
        return was_asked;
}

TEST(a_round_comes_later_and_later_when_nothing_changes)
{
        struct chord *c = make_member(NULL);
        usec_t last_usec, waited_usec = 0;
        struct chord_status s;
        unsigned n_rounds = 0;

        follow(c, 150, NULL, 0);
        tell(c, 150, &(struct rpc){ .kind = RPC_NOTIFY, .peer = peer_of(150) });
        drain(c);
        last_usec = now_usec;
        while (n_rounds < 12) {
                now_usec = chord_deadline(c);
                ASSERT_OK(chord_advance(c, now_usec));
                if (!answer_as_the_other(c, 150))
                        continue;
                n_rounds++;
                waited_usec = now_usec - last_usec;
                last_usec = now_usec;
                if (n_rounds < 3)
                        ASSERT_LE(waited_usec, 2 * CHORD_ROUND_USEC);
        }
        chord_status(c, &s);
        ASSERT_EQ(s.round_usec, CHORD_ROUND_USEC_MAX);
        ASSERT_GT(waited_usec, CHORD_ROUND_USEC_MAX * 3 / 4);
        /* A newcomer, and it is busy again. */
        follow(c, 120, (const uint8_t[]){ 150 }, 1);
        ASSERT_LE(chord_deadline(c), now_usec + CHORD_ROUND_USEC);
        chord_free(c);
}

/* Whoever floods us with names has us do only so much. */
TEST(introductions_do_not_make_us_a_tool)
{
        struct chord *c = make_member(NULL);
        size_t n_sent = 0;

        follow(c, 101, (const uint8_t[]){ 102 }, 1);
        tell(c, 99, &(struct rpc){ .kind = RPC_NOTIFY, .peer = peer_of(99) });
        drain(c);
        for (unsigned i = 0; i < 10000; i++) {
                struct chord_peer p = peer_of((uint8_t)(103 + i % 150));

                p.id.bytes[5] = (uint8_t)i;
                p.id.bytes[6] = (uint8_t)(i >> 8);
                tell(c, 102, &(struct rpc){ .kind = RPC_INTRODUCE, .peer = p });
                n_sent += drain(c);
        }
        ASSERT_LE(n_sent, 3 * INTRODUCTIONS_PER_ROUND);
        chord_free(c);
}

TEST(a_client_answers_but_keeps_and_promises_nothing)
{
        struct chord *c = make(NULL);
        uint64_t number;
        struct rpc m = { .kind = RPC_FIND_SUCCESSOR, .target = peer_of(7).id };

        tell(c, 7, &m);
        ASSERT_TRUE(said(c, 7, RPC_FOUND, &m));
        ASSERT_FALSE(m.is_member);
        ASSERT_EQ(m.closer.n + m.successors.n, 0);
        follow(c, 150, (const uint8_t[]){ 160 }, 1);
        ASSERT_EQ(chord_successors(c)->n, 0);
        ASSERT_EQ(chord_look_up(c, &m.target, now_usec, &number), CHORD_NOBODY);
        ASSERT_EQ(chord_find(c, "Ece", "abcdefgh", now_usec, &number), CHORD_NOBODY);
        ASSERT_EQ(chord_deadline(c), USEC_INFINITY);
        chord_free(c);
}

/* Holding */

static enum stored store_by(struct chord *c, const struct chord_peer *by, const struct identity *i,
        const char *name, unsigned point, uint64_t sequence)
{
        uint8_t message[CHORD_MESSAGE_SIZE_MAX];
        struct record r = { .sequence = sequence };
        uint8_t data[CHORD_RECORD_SIZE_MAX];
        struct rpc m = { .kind = RPC_STORE, .ttl_sec = 1800, .n_records = 1 };

        memcpy(r.public_key, i->public_key, PUBLIC_KEY_SIZE);
        (void)snprintf(r.name, sizeof r.name, "%s", name);
        m.records[0].data = data;
        ASSERT_OK(record_encode(&r, i, dice, data, &m.records[0].size));
        ring_id_of_name(name, i->id, point, &m.target);
        ASSERT_OK(chord_receive(c, by, message, rpc_encode(&m, message), now_usec));
        ASSERT_TRUE(said(c, by->id.bytes[0], RPC_STORED, &m));
        return m.stored;
}

static enum stored store(struct chord *c, const struct identity *i, const char *name,
        unsigned point, uint64_t sequence)
{
        struct chord_peer by = peer_of(30);

        return store_by(c, &by, i, name, point, sequence);
}

static void make_identity(struct identity *i)
{
        uint8_t seed[IDENTITY_SEED_SIZE];

        random_bytes(dice, seed, sizeof seed);
        ASSERT_OK(identity_init(i, seed));
}

TEST(an_owner_has_so_many_records_and_no_more)
{
        struct chord *c = make_member(NULL);
        struct identity greedy, modest;
        char name[20];

        make_identity(&greedy);
        make_identity(&modest);
        for (unsigned i = 0; i < RECORDS_PER_OWNER_MAX; i++) {
                (void)snprintf(name, sizeof name, "name-%u", i / 2);
                ASSERT_EQ(store(c, &greedy, name, i % 2, 1), STORED_KEPT);
        }
        ASSERT_EQ(store(c, &greedy, "one-more", 0, 1), STORED_FULL);
        ASSERT_EQ(store(c, &greedy, "name-0", 0, 2), STORED_KEPT);
        ASSERT_EQ(store(c, &modest, "Ece", 0, 1), STORED_KEPT);
        identity_done(&greedy);
        identity_done(&modest);
        chord_free(c);
}

/* Whoever makes many keys for it brings copies of others' records. */
TEST(who_brings_copies_brings_so_many_and_no_more)
{
        struct chord *c = make_member(NULL);
        struct chord_peer owner = { .endpoint = peer_of(30).endpoint }, other = peer_of(31);
        struct identity last;
        char name[20];
        unsigned n_kept = 0;

        for (unsigned k = 0; k < RECORDS_PER_COPIER_MAX / 32 + 1; k++) {
                make_identity(&last);
                now_usec += USEC_PER_SEC;
                for (unsigned i = 0; i < 32; i++) {
                        (void)snprintf(name, sizeof name, "name-%u", i);
                        n_kept += store(c, &last, name, 0, 1) == STORED_KEPT;
                }
        }
        ASSERT_EQ(n_kept, RECORDS_PER_COPIER_MAX);
        ASSERT_EQ(store(c, &last, "Ece", 0, 1), STORED_FULL);
        ASSERT_EQ(store_by(c, &other, &last, "Ece", 0, 1), STORED_KEPT);
        ring_id_of_key(last.public_key, &owner.id);
        ASSERT_EQ(store_by(c, &owner, &last, "Bob", 0, 1), STORED_KEPT);
        identity_done(&last);
        chord_free(c);
}

TEST(so_many_signatures_are_looked_at_and_no_more)
{
        struct chord *c = make_member(NULL);
        struct identity i;

        make_identity(&i);
        for (unsigned k = 0; k < VERIFICATIONS_MAX; k++)
                ASSERT_EQ(store(c, &i, "Ece", 0, k + 1), STORED_KEPT);
        ASSERT_EQ(store(c, &i, "Ece", 0, VERIFICATIONS_MAX + 1), STORED_FULL);
        now_usec += USEC_PER_SEC;
        ASSERT_EQ(store(c, &i, "Ece", 0, VERIFICATIONS_MAX + 1), STORED_KEPT);
        identity_done(&i);
        chord_free(c);
}

TEST(who_is_outside_is_not_told_of_the_local_network)
{
        struct chord *c = make_member(NULL);
        struct chord_peer outside = { .endpoint = endpoint_ipv4(203, 0, 113, 7, 6001) };
        struct rpc m = { .kind = RPC_STABILIZE, .number = 1 };
        uint8_t data[CHORD_MESSAGE_SIZE_MAX];

        outside.id.bytes[0] = 30;
        follow(c, 120, (const uint8_t[]){ 130, 140 }, 2);
        c->successors.peers[1].endpoint = endpoint_ipv4(198, 51, 100, 1, 6001);
        m = (struct rpc){ .kind = RPC_NOTIFY, .peer = peer_of(90) };
        tell(c, 90, &m);
        m = (struct rpc){ .kind = RPC_STABILIZE, .number = 1 };
        ASSERT_OK(chord_receive(c, &outside, data, rpc_encode(&m, data), now_usec));
        ASSERT_TRUE(said(c, 30, RPC_STATE, &m));
        ASSERT_EQ(m.successors.n, 1);
        ASSERT_EQ(m.successors.peers[0].id.bytes[0], 130);
        ASSERT_FALSE(m.has_predecessor);
        m = (struct rpc){ .kind = RPC_STABILIZE, .number = 2 };
        tell(c, 30, &m);
        ASSERT_TRUE(said(c, 30, RPC_STATE, &m));
        ASSERT_EQ(m.successors.n, 3);
        ASSERT_TRUE(m.has_predecessor);
        chord_free(c);
}

/* Or everybody could be made to dial somebody who has nothing to do with it. */
TEST(nobody_joins_at_the_address_of_another)
{
        struct chord *c = make_member(NULL);
        struct rpc m = { .kind = RPC_JOIN, .peer = peer_of(200) };
        struct endpoint world = endpoint_ipv4(203, 0, 113, 7, 6001);
        struct endpoint own[] = { peer_of(120).endpoint, peer_of(90).endpoint };

        m.peer.endpoint.port = 7001;
        tell(c, 120, &m);
        ASSERT_EQ(chord_successors(c)->n, 1);
        ASSERT_TRUE(endpoint_same_address(&chord_successors(c)->peers[0].endpoint, &own[0]));
        ASSERT_EQ(chord_successors(c)->peers[0].endpoint.port, 7001);
        m.kind = RPC_NOTIFY;
        tell(c, 90, &m);
        ASSERT_TRUE(endpoint_same_address(&chord_predecessor(c)->endpoint, &own[1]));
        /* A neighbour of the local network may say where the world reaches it. */
        m.peer.endpoint = world;
        tell(c, 90, &m);
        ASSERT_TRUE(endpoint_equal(&chord_predecessor(c)->endpoint, &world));
        chord_free(c);
}

TEST(a_key_has_so_many_owners_and_no_more)
{
        struct chord *c = make_member(NULL);
        struct identity i;
        struct holding *h;
        struct ring_id key;

        /* Ids that begin alike are not to be had in a test: three of them are put in by hand. */
        make_identity(&i);
        ring_id_of_name("Ece", i.id, 0, &key);
        ASSERT_EQ(store(c, &i, "Ece", 0, 1), STORED_KEPT);
        h = container_of(list_first(&c->holdings), struct holding, in_holdings);
        h->public_key[0] ^= 1;
        for (unsigned k = 2; k <= CHORD_OWNERS_MAX; k++) {
                ASSERT_EQ(store(c, &i, "Ece", 0, 1), STORED_KEPT);
                h = container_of(c->holdings.prev, struct holding, in_holdings);
                h->public_key[0] ^= (uint8_t)k;
        }
        ASSERT_EQ(store(c, &i, "Ece", 0, 1), STORED_FULL);
        identity_done(&i);
        chord_free(c);
}

TEST(records_of_elsewhere_are_refused)
{
        struct chord *c = make_member(NULL);
        struct identity i;
        uint8_t near[CHORD_SUCCESSORS];
        unsigned n_kept = 0;
        char name[20];

        make_identity(&i);
        /* A dense ring: hardly anything is ours. */
        for (size_t k = 0; k < sizeof near; k++)
                near[k] = (uint8_t)(SELF + 2 + k);
        c->successors.n = CHORD_SUCCESSORS;
        c->is_whole = false;
        for (size_t k = 0; k < sizeof near; k++) {
                c->successors.peers[k] = peer_of(SELF);
                c->successors.peers[k].id.bytes[2] = near[k];
        }
        for (unsigned k = 0; k < 32; k++) {
                (void)snprintf(name, sizeof name, "name-%u", k);
                n_kept += store(c, &i, name, 0, 1) == STORED_KEPT;
        }
        ASSERT_EQ(n_kept, 0);
        identity_done(&i);
        chord_free(c);
}

TEST(old_records_and_withdrawn_ones_do_not_come_back)
{
        struct chord *c = make_member(NULL);
        uint8_t data[WITHDRAWAL_SIZE];
        struct rpc gone = {
                .kind = RPC_WITHDRAW, .n_records = 1, .records = { { data, sizeof data } }
        };
        struct rpc m = { .kind = RPC_FETCH };
        struct identity i;

        make_identity(&i);
        ASSERT_EQ(store(c, &i, "Ece", 0, 5), STORED_KEPT);
        ASSERT_EQ(store(c, &i, "Ece", 0, 4), STORED_OLD);
        ASSERT_EQ(store(c, &i, "Ece", 0, 6), STORED_KEPT);
        /* A word of before the record that is kept says nothing about it. */
        ASSERT_OK(withdrawal_encode(&i, 5, data));
        tell(c, 30, &gone);
        ring_id_of_name("Ece", i.id, 0, &m.target);
        tell(c, 30, &m);
        ASSERT_TRUE(said(c, 30, RPC_RECORDS, &m));
        ASSERT_EQ(m.n_records, 1);
        ASSERT_OK(withdrawal_encode(&i, 6, data));
        /* It is not first here any more: a predecessor may have got a copy. */
        tell(c, SELF - 1, &(struct rpc){ .kind = RPC_NOTIFY, .peer = peer_of(SELF - 1) });
        tell(c, 30, &gone);
        ASSERT_TRUE(said(c, SELF - 1, RPC_WITHDRAW, &m));
        m = (struct rpc){ .kind = RPC_FETCH };
        ring_id_of_name("Ece", i.id, 0, &m.target);
        tell(c, 30, &m);
        ASSERT_TRUE(said(c, 30, RPC_RECORDS, &m));
        ASSERT_EQ(m.n_records, 0);
        /* Not even by a copy that somebody has kept for long. */
        now_usec += RECORD_TTL_USEC - USEC_PER_SEC;
        ASSERT_OK(chord_advance(c, now_usec));
        drain(c);
        ASSERT_EQ(store(c, &i, "Ece", 0, 6), STORED_OLD);
        ASSERT_EQ(store(c, &i, "Ece", 0, 7), STORED_KEPT);
        identity_done(&i);
        chord_free(c);
}

/* A client whose contact 10 names two holders, of which 20 keeps silent and 30 has the record of
 * @i: how long it takes until it is found. */
static usec_t find_beside_the_silent(struct chord *c, const struct identity *i)
{
        struct record r = { .name = "Ece",
                .sequence = 1,
                .n_endpoints = 1,
                .endpoints = { peer_of(40).endpoint } };
        struct endpoint here = peer_of(SELF).endpoint;
        struct chord_effect e;
        uint8_t data[CHORD_RECORD_SIZE_MAX];
        usec_t start_usec = now_usec;
        size_t size;

        memcpy(r.public_key, i->public_key, sizeof r.public_key);
        ASSERT_OK(record_encode(&r, i, dice, data, &size));
        for (;;) {
                struct rpc m, reply;

                while (!chord_next_effect(c, &e)) {
                        now_usec = chord_deadline(c);
                        ASSERT_OK(chord_advance(c, now_usec));
                }
                if (e.type == CHORD_FOUND)
                        break;
                ASSERT_OK(rpc_decode(e.data, e.size, &here, &m));
                reply = (struct rpc){ .number = m.number, .is_member = true };
                if (m.kind == RPC_FIND_SUCCESSOR) {
                        reply.kind = RPC_FOUND;
                        reply.successors = (struct rpc_peers){
                                .peers = { peer_of((uint8_t)(m.target.bytes[0] + 1)),
                                        peer_of((uint8_t)(m.target.bytes[0] + 2)) },
                                .n = 2
                        };
                } else if (m.kind == RPC_FETCH &&
                           e.peer.id.bytes[0] == (uint8_t)(m.target.bytes[0] + 2)) {
                        reply.kind = RPC_RECORDS;
                        reply.n_records = 1;
                        reply.records[0] = (struct rpc_blob){ data, size };
                } else {
                        continue;
                }
                tell(c, e.peer.id.bytes[0], &reply);
        }
        ASSERT_EQ(e.n_records, 1);
        return now_usec - start_usec;
}

TEST(who_keeps_silent_holds_up_no_find)
{
        struct chord_peer contact = peer_of(10);
        struct identity i;
        struct chord *c;
        uint64_t number;

        make_identity(&i);
        c = make(NULL);
        ASSERT_OK(chord_hear(c, &contact, now_usec));
        ASSERT_OK(chord_find(c, "Ece", i.id, now_usec, &number));
        ASSERT_EQ(find_beside_the_silent(c, &i), 2 * CHORD_PATIENCE_USEC);
        identity_done(&i);
        chord_free(c);
}

/* Publishes through one contact that keeps all, refuses all or keeps silent: when is the next time?
 */
static usec_t publish(struct chord *c, int stored)
{
        static const struct endpoint here = {
                .family = ENDPOINT_IPV4, .address = { 127, 0, 0, 1 }, .port = 6001
        };
        struct chord_effect e;
        struct rpc m, reply;

        while (chord_next_effect(c, &e)) {
                ASSERT_OK(rpc_decode(e.data, e.size, &here, &m));
                reply = (struct rpc){ .number = m.number, .is_member = true };
                if (m.kind == RPC_FIND_SUCCESSOR) {
                        reply.kind = RPC_FOUND;
                        reply.successors = (struct rpc_peers){ .peers = { peer_of(10) }, .n = 1 };
                } else if (m.kind == RPC_STORE && stored >= 0) {
                        reply.kind = RPC_STORED;
                        reply.stored = (enum stored)stored;
                } else {
                        continue;
                }
                tell(c, 10, &reply);
        }
        while (stored < 0 && c->n_asks > 0) {
                now_usec = chord_deadline(c);
                ASSERT_OK(chord_advance(c, now_usec));
        }
        return c->publication.next_usec - now_usec;
}

TEST(the_silent_are_tried_again_soon_and_ever_later)
{
        struct endpoint endpoint = peer_of(SELF).endpoint;
        struct chord_peer contact = peer_of(10);
        struct identity i;
        struct chord *c;
        usec_t last_usec = 0;

        make_identity(&i);
        c = make(&i);
        ASSERT_OK(chord_hear(c, &contact, now_usec));
        ASSERT_OK(chord_publish(c, "Ece", &endpoint, 1, now_usec));
        ASSERT_EQ(publish(c, STORED_KEPT), RECORD_REFRESH_USEC);
        now_usec += RECORD_REFRESH_USEC;
        ASSERT_OK(chord_advance(c, now_usec));
        ASSERT_EQ(publish(c, STORED_FULL), RECORD_REFRESH_USEC);
        for (unsigned k = 0; k < 8; k++) {
                usec_t wait_usec;

                now_usec = c->publication.next_usec;
                ASSERT_OK(chord_advance(c, now_usec));
                wait_usec = publish(c, -1);
                ASSERT_GE(wait_usec, last_usec);
                ASSERT_LE(wait_usec, CHORD_ROUND_USEC_MAX);
                last_usec = wait_usec;
        }
        ASSERT_EQ(last_usec, CHORD_ROUND_USEC_MAX);
        now_usec = c->publication.next_usec;
        ASSERT_OK(chord_advance(c, now_usec));
        ASSERT_EQ(publish(c, STORED_KEPT), RECORD_REFRESH_USEC);
        identity_done(&i);
        chord_free(c);
}

/* 10 keeps our record, 20 does not. */
TEST(when_who_kept_it_is_gone_the_record_is_told_anew_soon)
{
        struct endpoint endpoint = peer_of(SELF).endpoint;
        struct chord_peer keeper = peer_of(10), other = peer_of(20);
        struct rpc asked, m;
        struct identity i;
        usec_t planned_usec;
        struct chord *c;

        make_identity(&i);
        c = make(&i);
        ASSERT_OK(chord_hear(c, &keeper, now_usec));
        ASSERT_OK(chord_publish(c, "Ece", &endpoint, 1, now_usec));
        planned_usec = now_usec + publish(c, STORED_KEPT);
        ASSERT_OK(chord_hear(c, &other, now_usec));
        now_usec += USEC_PER_MINUTE;
        ASSERT_OK(chord_failed(c, &other.id, now_usec));
        ASSERT_EQ(c->publication.next_usec, planned_usec);
        ASSERT_OK(chord_failed(c, &keeper.id, now_usec));
        ASSERT_EQ(c->publication.next_usec, now_usec + 5 * USEC_PER_SEC);
        ASSERT_LE(chord_deadline(c), now_usec + 5 * USEC_PER_SEC);
        /* It goes to who has its place now. */
        ASSERT_OK(chord_hear(c, &other, now_usec));
        now_usec += 5 * USEC_PER_SEC;
        drain(c);
        ASSERT_OK(chord_advance(c, now_usec));
        ASSERT_TRUE(said(c, 20, RPC_FIND_SUCCESSOR, &asked));
        m = (struct rpc){ .kind = RPC_FOUND,
                .number = asked.number,
                .is_member = true,
                .successors = { .peers = { other }, .n = 1 } };
        tell(c, 20, &m);
        ASSERT_TRUE(said(c, 20, RPC_STORE, &m));
        ASSERT_EQ(m.n_records, 1);
        /* What was withdrawn is not told again; who has not answered yet hears of it, too. */
        ASSERT_OK(chord_withdraw(c, now_usec));
        ASSERT_TRUE(said(c, 20, RPC_WITHDRAW, &m));
        ASSERT_OK(chord_failed(c, &keeper.id, now_usec));
        ASSERT_EQ(c->publication.next_usec, USEC_INFINITY);
        identity_done(&i);
        chord_free(c);
}

/* Two engines that talk to each other directly; one publishes, the other finds. */
static int pass_on(struct chord *from, struct chord *to, uint8_t from_number, size_t *n_found)
{
        struct chord_peer p = peer_of(from_number);
        struct chord_effect e;
        int r = 0;

        while (chord_next_effect(from, &e)) {
                if (e.type == CHORD_FOUND)
                        *n_found += e.n_records;
                else if (r == 0 && e.type == CHORD_SEND)
                        r = chord_receive(to, &p, e.data, e.size, now_usec);
        }
        return r;
}

static int live(struct chord *a, struct chord *b, const struct identity *i, size_t *n_found)
{
        struct chord_peer pa = peer_of(10), pb = peer_of(20);
        uint64_t number;
        int r = chord_start(a, &pa.endpoint, now_usec);

        r = r < 0 ? r : chord_hear(b, &pa, now_usec);
        r = r < 0 ? r : chord_start(b, &pb.endpoint, now_usec);
        r = r < 0 ? r : chord_publish(b, "Ece", &pb.endpoint, 1, now_usec);
        for (unsigned k = 0; r == 0 && k < 60; k++) {
                if (k == 20)
                        r = chord_find(a, "Ece", i->id, now_usec, &number);
                if (k == 40)
                        r = chord_stop(b, now_usec);
                r = r < 0 ? r : pass_on(a, b, 10, n_found);
                r = r < 0 ? r : pass_on(b, a, 20, n_found);
                now_usec += USEC_PER_SEC;
                r = r < 0 ? r : chord_advance(a, now_usec);
                r = r < 0 ? r : chord_advance(b, now_usec);
        }
        return r;
}

TEST(the_nth_allocation_fails)
{
        struct identity i;
        size_t n;

        make_identity(&i);
        for (n = 1;; n++) {
                struct chord_options oa = { .id = peer_of(10).id, .random = dice };
                struct chord_options ob = { .id = peer_of(20).id, .random = dice, .identity = &i };
                struct chord *a = NULL, *b = NULL;
                size_t n_found = 0;
                int r;

                now_usec = USEC_PER_DAY;
                n_allocations = 0;
                fail_at = n;
                r = chord_new(&oa, &a);
                r = r < 0 ? r : chord_new(&ob, &b);
                r = r < 0 ? r : live(a, b, &i, &n_found);
                fail_at = SIZE_MAX;
                chord_free(a);
                chord_free(b);
                if (n_allocations < n) {
                        ASSERT_OK(r);
                        ASSERT_EQ(n_found, 1);
                        break;
                }
                ASSERT_EQ(r, -ENOMEM);
        }
        ASSERT_GT(n, 50);
        identity_done(&i);
}

static int set_up(void)
{
        bool is_locked;

        if (crypto_init(&is_locked) < 0 || random_new_seeded(1, &dice) < 0)
                return TEST_SKIP;
        return 0;
}

TEST_MAIN_WITH(set_up)
