/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ring's arithmetic, messages and records */
#include "base/encode.h"
#include "core/chord/values.h"
#include "core/crypto/random.h"
#include "lib/test.h"

static struct random *dice;

static struct ring_id id_of(uint8_t high, uint8_t low)
{
        struct ring_id id = { { 0 } };

        id.bytes[0] = high;
        id.bytes[RING_ID_SIZE - 1] = low;
        return id;
}

TEST(distances_go_clockwise)
{
        struct ring_id a = id_of(1, 200), b = id_of(2, 100), d = ring_distance(&a, &b);
        struct ring_id back = ring_distance(&b, &a), sum = back;
        int carry = 0;

        /* 2^248 - 100 */
        ASSERT_EQ(d.bytes[0], 0);
        ASSERT_EQ(d.bytes[1], 255);
        ASSERT_EQ(d.bytes[RING_ID_SIZE - 1], 156);
        for (size_t i = RING_ID_SIZE; i-- > 0;) {
                carry += d.bytes[i] + back.bytes[i];
                sum.bytes[i] = (uint8_t)carry;
                carry >>= 8;
        }
        /* Both ways together are the whole circle. */
        ASSERT_EQ(carry, 1);
        for (size_t i = 0; i < RING_ID_SIZE; i++)
                ASSERT_EQ(sum.bytes[i], 0);
}

/* All orders of three positions out of five, against plain numbers. */
TEST(between_wraps)
{
        for (unsigned a = 0; a < 5; a++)
                for (unsigned x = 0; x < 5; x++)
                        for (unsigned b = 0; b < 5; b++) {
                                struct ring_id ia = id_of((uint8_t)(a * 50), 7);
                                struct ring_id ix = id_of((uint8_t)(x * 50), 7);
                                struct ring_id ib = id_of((uint8_t)(b * 50), 7);
                                unsigned to_x = (x + 5 - a) % 5, to_b = (b + 5 - a) % 5;
                                bool is = to_x != 0 && (to_b == 0 || to_x < to_b);

                                ASSERT_EQ(ring_between(&ia, &ix, &ib), is);
                                ASSERT_EQ(ring_between_or_end(&ia, &ix, &ib), is || x == b);
                                ASSERT_EQ(ring_is_nearer(&ia, &ix, &ib), to_x < to_b);
                        }
}

TEST(powers_are_added_with_carry)
{
        struct ring_id a, sum;

        memset(a.bytes, 255, sizeof a.bytes);
        sum = ring_add_power(&a, 0);
        for (size_t i = 0; i < RING_ID_SIZE; i++)
                ASSERT_EQ(sum.bytes[i], 0);
        for (unsigned i = 0; i < RING_BITS; i++) {
                struct ring_id d;

                sum = ring_add_power(&a, i);
                d = ring_distance(&a, &sum);
                for (size_t k = 0; k < RING_ID_SIZE; k++)
                        ASSERT_EQ(d.bytes[k], k == RING_ID_SIZE - 1 - i / 8 ? 1 << i % 8 : 0);
        }
        a = id_of(128, 0);
        ASSERT_TRUE(ring_part(&a) == 0.5);
}

TEST(names_lie_at_two_points_without_their_case)
{
        struct ring_id a, b;

        ring_id_of_name("Ece", "abcdefghijkl", 0, &a);
        ring_id_of_name("eCE", "abcdefgh", 0, &b);
        ASSERT_TRUE(ring_id_equal(&a, &b));
        ring_id_of_name("Ece", "abcdefgh", 1, &b);
        ASSERT_FALSE(ring_id_equal(&a, &b));
        ring_id_of_name("Ece", "abcdefgx", 0, &b);
        ASSERT_FALSE(ring_id_equal(&a, &b));
}

TEST(the_first_half_of_a_position_is_the_id)
{
        uint8_t key[PUBLIC_KEY_SIZE] = { 1, 2, 3 };
        char id[ID_STRING_SIZE], text[BASE32_SIZE(16)];
        struct ring_id position;

        ring_id_of_key(key, &position);
        identity_id(key, id);
        base32_encode(position.bytes, 16, text);
        ASSERT_STREQ(id, text);
}

static bool may_tell(const char *endpoint, const char *source)
{
        struct endpoint e, s = { 0 };

        ASSERT_OK(endpoint_parse(endpoint, 6001, &e));
        if (source)
                ASSERT_OK(endpoint_parse(source, 6001, &s));
        return ring_endpoint_is_plausible(&e, &s);
}

TEST(nobody_tells_of_networks_that_he_is_not_in)
{
        static const char *const never[] = { "224.0.0.1", "255.255.255.255", "0.0.0.0",
                "169.254.1.1", "fe80::1", "ff02::1", "::", "8.8.8.8:0" };
        static const char *const site[] = { "10.1.2.3", "172.31.0.1", "192.168.4.5", "100.64.0.1",
                "fd00::1" };

        for (size_t i = 0; i < ELEMENTSOF(never); i++) {
                struct endpoint e, source = endpoint_ipv4(127, 0, 0, 1, 6001);

                if (endpoint_parse(never[i], 6001, &e) == 0)
                        ASSERT_FALSE(ring_endpoint_is_plausible(&e, &source));
        }
        for (size_t i = 0; i < ELEMENTSOF(site); i++) {
                ASSERT_TRUE(may_tell(site[i], "192.168.1.1"));
                ASSERT_TRUE(may_tell(site[i], "127.0.0.2"));
                ASSERT_FALSE(may_tell(site[i], "9.9.9.9"));
                ASSERT_FALSE(may_tell(site[i], "2001:db8::1"));
                ASSERT_FALSE(may_tell(site[i], NULL));
        }
        ASSERT_TRUE(may_tell("127.0.0.3", "127.0.0.2"));
        ASSERT_FALSE(may_tell("127.0.0.3", "192.168.1.1"));
        ASSERT_FALSE(may_tell("::1", "9.9.9.9"));
        ASSERT_TRUE(may_tell("172.32.0.1", "9.9.9.9"));
        ASSERT_TRUE(may_tell("2001:db8::1", "9.9.9.9"));
        ASSERT_TRUE(may_tell("9.9.9.9", "192.168.1.1"));
}

/* Messages */

static const struct endpoint source = {
        .family = ENDPOINT_IPV4, .address = { 127, 0, 0, 9 }, .port = 6001
};

static struct chord_peer peer_of(uint8_t n)
{
        struct chord_peer p = { .id = id_of(n, n) };

        if (n % 2 == 0)
                p.endpoint = endpoint_ipv4(127, 0, 0, n, 6000 + n);
        else
                ASSERT_OK(endpoint_parse("[2001:db8::7]:6002", 0, &p.endpoint));
        return p;
}

static struct rpc_peers peers_of(uint8_t from, size_t n)
{
        struct rpc_peers peers = { .n = n };

        for (size_t i = 0; i < n; i++)
                peers.peers[i] = peer_of((uint8_t)(from + i));
        return peers;
}

/* One of every kind, as full as it gets. */
static struct rpc message_of(enum rpc_kind kind, const uint8_t *blob)
{
        struct rpc m = { .kind = kind, .number = 0x01020304 };

        switch (kind) {
        case RPC_FIND_SUCCESSOR:
        case RPC_FETCH:
                m.target = id_of(9, 8);
                break;
        case RPC_FOUND:
                m.is_member = true;
                m.closer = peers_of(1, CHORD_SUCCESSORS);
                m.successors = peers_of(20, CHORD_SUCCESSORS);
                break;
        case RPC_STATE:
                m.is_member = m.has_predecessor = true;
                m.peer = peer_of(5);
                m.successors = peers_of(20, CHORD_SUCCESSORS);
                break;
        case RPC_PONG:
                m.is_member = true;
                break;
        case RPC_JOIN:
                m.is_whole = true;
                m.peer.endpoint = peer_of(4).endpoint;
                m.successors = peers_of(1, 3);
                break;
        case RPC_NOTIFY:
                m.peer.endpoint = peer_of(4).endpoint;
                break;
        case RPC_INTRODUCE:
                m.peer = peer_of(6);
                break;
        case RPC_STABILIZE:
        case RPC_PING_PREDECESSOR:
        case RPC_LEAVE:
                break;
        case RPC_STORE:
                m.target = id_of(9, 8);
                m.ttl_sec = 77;
                m.records[m.n_records++] = (struct rpc_blob){ blob, 100 };
                break;
        case RPC_STORED:
                m.stored = STORED_OLD;
                break;
        case RPC_RECORDS:
                while (m.n_records < CHORD_OWNERS_MAX)
                        m.records[m.n_records++] = (struct rpc_blob){ blob, CHORD_RECORD_SIZE_MAX };
                break;
        case RPC_WITHDRAW:
                m.records[m.n_records++] = (struct rpc_blob){ blob, WITHDRAWAL_SIZE };
                break;
        }
        return m;
}

TEST(messages_come_back_as_they_were)
{
        uint8_t data[CHORD_MESSAGE_SIZE_MAX], again[CHORD_MESSAGE_SIZE_MAX];
        uint8_t blob[CHORD_RECORD_SIZE_MAX];

        random_bytes(dice, blob, sizeof blob);
        for (unsigned kind = RPC_FIND_SUCCESSOR; kind <= RPC_WITHDRAW; kind++) {
                struct rpc m = message_of(kind, blob), back;
                size_t size = rpc_encode(&m, data);

                ASSERT_OK(rpc_decode(data, size, &source, &back));
                ASSERT_EQ(back.kind, m.kind);
                ASSERT_EQ(back.number, m.number);
                ASSERT_EQ(rpc_encode(&back, again), size);
                ASSERT_MEMEQ(again, data, size);
                for (size_t cut = 0; cut < size; cut++)
                        ASSERT_EQ(rpc_decode(data, cut, &source, &back), RPC_MALFORMED);
                data[size] = 0;
                ASSERT_EQ(rpc_decode(data, size + 1, &source, &back), RPC_MALFORMED);
        }
}

TEST(altered_messages_do_no_harm)
{
        uint8_t data[CHORD_MESSAGE_SIZE_MAX], blob[CHORD_RECORD_SIZE_MAX] = { 0 };

        for (unsigned kind = RPC_FIND_SUCCESSOR; kind <= RPC_WITHDRAW; kind++) {
                struct rpc m = message_of(kind, blob), back;
                size_t size = rpc_encode(&m, data);

                for (size_t i = 0; i < 8 * size; i++) {
                        data[i / 8] ^= 1 << i % 8;
                        if (rpc_decode(data, size, &source, &back) == 0) {
                                ASSERT_LE(back.closer.n, CHORD_SUCCESSORS);
                                ASSERT_LE(back.successors.n, CHORD_SUCCESSORS);
                                ASSERT_LE(back.n_records, CHORD_OWNERS_MAX);
                        }
                        data[i / 8] ^= 1 << i % 8;
                }
        }
}

TEST(unknown_kinds_are_told_from_malformed_ones)
{
        struct rpc m;

        ASSERT_EQ(rpc_decode("\x10garbage", 8, &source, &m), RPC_UNKNOWN);
        ASSERT_EQ(rpc_decode("\xff", 1, &source, &m), RPC_UNKNOWN);
        ASSERT_EQ(rpc_decode("", 0, &source, &m), RPC_MALFORMED);
}

TEST(peers_at_implausible_places_are_left_out)
{
        const struct endpoint world = endpoint_ipv4(9, 9, 9, 9, 6001);
        uint8_t data[CHORD_MESSAGE_SIZE_MAX], blob[1] = { 0 };
        struct rpc m = message_of(RPC_STATE, blob), back;

        m.peer = peer_of(6);
        ASSERT_OK(rpc_decode(data, rpc_encode(&m, data), &world, &back));
        ASSERT_FALSE(back.has_predecessor);
        ASSERT_EQ(back.successors.n, CHORD_SUCCESSORS / 2);
        for (size_t i = 0; i < back.successors.n; i++)
                ASSERT_EQ(back.successors.peers[i].endpoint.family, ENDPOINT_IPV6);
        m = message_of(RPC_NOTIFY, blob);
        ASSERT_EQ(rpc_decode(data, rpc_encode(&m, data), &world, &back), RPC_MALFORMED);
}

/* Records */

static void make_identity(struct identity *i)
{
        uint8_t seed[IDENTITY_SEED_SIZE];

        random_bytes(dice, seed, sizeof seed);
        ASSERT_OK(identity_init(i, seed));
}

static struct record record_of(const struct identity *i, const char *name)
{
        struct record r = { .sequence = 17, .n_endpoints = 2 };

        memcpy(r.public_key, i->public_key, PUBLIC_KEY_SIZE);
        (void)snprintf(r.name, sizeof r.name, "%s", name);
        r.endpoints[0] = peer_of(2).endpoint;
        r.endpoints[1] = peer_of(3).endpoint;
        return r;
}

TEST(records_come_back_as_they_were)
{
        uint8_t data[CHORD_RECORD_SIZE_MAX];
        struct identity i;
        struct record r, back;
        struct ring_id key;
        size_t size;

        make_identity(&i);
        r = record_of(&i, "Ece");
        ASSERT_OK(record_encode(&r, &i, dice, data, &size));
        ASSERT_OK(record_decode(data, size, &back));
        ASSERT_EQ(back.sequence, r.sequence);
        ASSERT_STREQ(back.name, r.name);
        ASSERT_EQ(back.n_endpoints, 2);
        ASSERT_TRUE(endpoint_equal(&back.endpoints[1], &r.endpoints[1]));
        for (unsigned p = 0; p < RING_POINTS; p++) {
                ring_id_of_name("ECE", i.id, p, &key);
                ASSERT_EQ(record_point(&back, &key), (int)p);
        }
        ring_id_of_name("Eve", i.id, 0, &key);
        ASSERT_EQ(record_point(&back, &key), -1);
        identity_done(&i);
}

TEST(altered_records_are_refused)
{
        uint8_t data[CHORD_RECORD_SIZE_MAX];
        struct identity i;
        struct record r, back;
        size_t size;

        make_identity(&i);
        r = record_of(&i, "Ece");
        ASSERT_OK(record_encode(&r, &i, dice, data, &size));
        for (size_t k = 0; k < size; k++) {
                data[k] ^= 1 << k % 8;
                ASSERT_GT(record_decode(data, size, &back), 0);
                data[k] ^= 1 << k % 8;
        }
        for (size_t cut = 0; cut < size; cut++)
                ASSERT_GT(record_decode(data, cut, &back), 0);
        data[size] = 0;
        ASSERT_GT(record_decode(data, size + 1, &back), 0);
        ASSERT_OK(record_decode(data, size, &back));
        identity_done(&i);
}

TEST(the_largest_record_fits_and_odd_names_are_refused)
{
        uint8_t data[CHORD_RECORD_SIZE_MAX];
        char name[NAME_SIZE_MAX + 1];
        struct identity i;
        struct record r, back;
        size_t size;

        make_identity(&i);
        memset(name, 'x', NAME_SIZE_MAX);
        name[NAME_SIZE_MAX] = 0;
        r = record_of(&i, name);
        r.n_endpoints = RECORD_ENDPOINTS_MAX;
        for (size_t k = 0; k < RECORD_ENDPOINTS_MAX; k++)
                r.endpoints[k] = peer_of(3).endpoint;
        ASSERT_OK(record_encode(&r, &i, dice, data, &size));
        ASSERT_OK(record_decode(data, size, &back));
        ASSERT_STREQ(back.name, name);
        r = record_of(&i, "a#b");
        ASSERT_OK(record_encode(&r, &i, dice, data, &size));
        ASSERT_EQ(record_decode(data, size, &back), RECORD_MALFORMED);
        identity_done(&i);
}

TEST(a_record_is_signed_by_its_owner)
{
        uint8_t data[CHORD_RECORD_SIZE_MAX], gone[WITHDRAWAL_SIZE];
        struct identity i, other;
        struct record r, back;
        size_t size;

        make_identity(&i);
        make_identity(&other);
        r = record_of(&i, "Ece");
        ASSERT_OK(record_encode(&r, &other, dice, data, &size));
        ASSERT_EQ(record_decode(data, size, &back), RECORD_NOT_GENUINE);
        ASSERT_OK(withdrawal_encode(&i, 18, gone));
        ASSERT_OK(withdrawal_decode(gone, sizeof gone, &back));
        ASSERT_EQ(back.sequence, 18);
        ASSERT_MEMEQ(back.public_key, i.public_key, PUBLIC_KEY_SIZE);
        for (size_t k = 0; k < sizeof gone; k++) {
                gone[k] ^= 1 << k % 8;
                ASSERT_GT(withdrawal_decode(gone, sizeof gone, &back), 0);
                gone[k] ^= 1 << k % 8;
        }
        identity_done(&i);
        identity_done(&other);
}

static int set_up(void)
{
        bool is_locked;

        if (crypto_init(&is_locked) < 0 || random_new_seeded(1, &dice) < 0)
                return TEST_SKIP;
        return 0;
}

TEST_MAIN_WITH(set_up)
