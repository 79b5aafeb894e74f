/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memberships, messages and gossip of groups as bytes, and who was in when */
#include "lib/failing-memory.h"
#include "unit/group-fixture.h"

static uint8_t data[3 * GROUP_GOSSIP_SIZE_MAX], again[GROUP_GOSSIP_SIZE_MAX];

/* Each kind of record: writes a good one; 0 or a fault for decoding, encoding again what was
 * decoded into @again; then, if that is wanted, whether it is genuine. */
struct kind {
        const char *name;
        size_t (*make)(void);
        int (*decode)(const void *bytes, size_t size, size_t *ret_again, int *ret_verified);
};

static size_t make_membership(void)
{
        struct group_membership *m = sample_membership();
        size_t size = group_membership_encode(m, data);

        free(m);
        return size;
}

static int decode_membership(const void *bytes, size_t size, size_t *ret_again, int *ret_verified)
{
        struct group_membership *m;
        int r = group_membership_decode(bytes, size, &m);

        if (r != 0)
                return r;
        *ret_again = group_membership_encode(m, again);
        if (ret_verified)
                *ret_verified = group_membership_verify(m);
        free(m);
        return 0;
}

static size_t make_leave(void)
{
        struct group_leave l = { .group = { "a group's id...." },
                .joined = 3,
                .n_cuts = 2,
                .cuts = { { 3, 1, 1 }, { 5, 0, 9 } } };

        ASSERT_OK(group_leave_sign(&l, &people[2]));
        return group_leave_encode(&l, data);
}

static int decode_leave(const void *bytes, size_t size, size_t *ret_again, int *ret_verified)
{
        struct group_leave l;
        int r = group_leave_decode(bytes, size, &l);

        if (r != 0)
                return r;
        *ret_again = group_leave_encode(&l, again);
        if (ret_verified)
                *ret_verified = group_leave_verify(&l);
        return 0;
}

static size_t make_farewell(void)
{
        struct group_membership *m = sample_membership();
        size_t size = group_farewell_encode(m, &m->departed[0], data);

        free(m);
        return size;
}

static int decode_farewell(const void *bytes, size_t size, size_t *ret_again, int *ret_verified)
{
        struct group_key creator = key_of(0);
        struct group_farewell f;
        int r = group_farewell_decode(bytes, size, &f);

        if (r != 0)
                return r;
        ASSERT_EQ(f.size + SIGNATURE_SIZE, size);
        memcpy(again, bytes, size); /* its cuts are not kept */
        *ret_again = size;
        if (ret_verified)
                *ret_verified = group_farewell_verify(&f, &creator);
        return 0;
}

static size_t make_message(void)
{
        struct group_message m = { .group = { "a group's id...." },
                .lane = { .stream = 77, .version = 3 },
                .number = 12,
                .time_usec = BEGIN_USEC,
                .text = "gr\xc3\xbc\xc3\x9f\x65\n",
                .text_size = 8 };
        size_t size;

        ASSERT_OK(group_message_sign(&m, &people[1], data, &size));
        return size;
}

static int decode_message(const void *bytes, size_t size, size_t *ret_again, int *ret_verified)
{
        struct group_message m;
        int r = group_message_decode(bytes, size, &m);

        if (r != 0)
                return r;
        *ret_again = group_message_encode(&m, again);
        if (ret_verified)
                *ret_verified = group_message_verify(&m);
        return 0;
}

static const struct kind kinds[] = {
        { "membership", make_membership, decode_membership },
        { "leave", make_leave, decode_leave },
        { "farewell", make_farewell, decode_farewell },
        { "message", make_message, decode_message },
};

TEST(what_is_written_comes_back)
{
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                size_t size = kinds[i].make(), size_again;
                int verified;

                ASSERT_OK(kinds[i].decode(data, size, &size_again, &verified));
                ASSERT_OK(verified);
                ASSERT_EQ(size_again, size);
                ASSERT_MEMEQ(again, data, size);
        }
}

/* Whatever decodes encodes to itself, and is genuine only if nothing was changed. Verifying takes a
 * millisecond: of what is signed one bit of each byte, of signatures all. */
TEST(altered_ones_are_refused)
{
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                size_t size = kinds[i].make(), size_again;

                for (size_t k = 0; k < 8 * size; k++) {
                        bool is_tried = k % 8 == k / 8 % 8 || k / 8 >= size - SIGNATURE_SIZE;
                        int verified = 1;

                        data[k / 8] ^= 1 << k % 8;
                        if (kinds[i].decode(data, size, &size_again, is_tried ? &verified : NULL) ==
                                0) {
                                ASSERT_EQ(size_again, size);
                                ASSERT_MEMEQ(again, data, size);
                                ASSERT_GT(verified, 0);
                        }
                        data[k / 8] ^= 1 << k % 8;
                }
        }
}

TEST(cut_and_doubled_ones_are_refused)
{
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                size_t size = kinds[i].make(), size_again;
                int verified;

                memcpy(data + size, data, size);
                for (size_t k = 0; k <= 2 * size; k++)
                        if (k != size)
                                ASSERT_EQ(kinds[i].decode(data, k, &size_again, &verified),
                                        GROUP_CODEC_MALFORMED);
        }
}

/* Signs it however it is; what decoding says. */
static int resign(struct group_membership *m)
{
        struct group_membership *back = NULL;
        int r;

        ASSERT_OK(group_membership_sign(m, &people[0]));
        r = group_membership_decode(data, group_membership_encode(m, data), &back);
        free(back);
        return r;
}

#define REFUSED(change)                                                                            \
        do {                                                                                       \
                struct group_membership *m = sample_membership();                                  \
                                                                                                   \
                ASSERT_OK(resign(m));                                                              \
                change;                                                                            \
                ASSERT_EQ(resign(m), GROUP_CODEC_MALFORMED);                                       \
                free(m);                                                                           \
        } while (0)

TEST(a_membership_keeps_its_rules)
{
        REFUSED(m->version = 0);
        REFUSED(m->floor = 8);
        REFUSED(m->version = 1);
        REFUSED(memset(m->previous, 0, sizeof m->previous));
        REFUSED(m->name[0] = ' ');
        REFUSED(m->name[0] = '+');
        REFUSED(m->name[0] = '\n');
        REFUSED(m->name[0] = '\xff');
        REFUSED(m->name[0] = 0);
        REFUSED(m->members[0].joined = 0);
        REFUSED(m->members[0].joined = 8);
        REFUSED(m->members[1].key = m->members[0].key);
        REFUSED(m->members[1].key = key_of(4));
        /* Person 3 came again before it had gone. */
        REFUSED(m->members[2].joined = 3);
        REFUSED(m->departed[0].joined = 0);
        REFUSED(m->departed[1].removed = 4);
        REFUSED(m->departed[1].removed = 8);
        REFUSED(m->departed[1].joined = 2);
        REFUSED(m->floor = 3);
        REFUSED(m->departed[1].key = key_of(1); m->departed[1].joined = 1);
        REFUSED(m->cuts[0].number = 0);
        REFUSED(m->cuts[0].version = 3);
        REFUSED(m->cuts[2].version = 1);
        REFUSED(m->cuts[1].version = 1; m->cuts[1].stream = 7);
        REFUSED(m->cuts[1].version = 1; m->cuts[1].stream = 6);
}

TEST(sizes_are_bounded)
{
        struct group_membership *m =
                group_membership_new(GROUP_MEMBERS_MAX, GROUP_DEPARTED_MAX, GROUP_CUTS_ALL_MAX);
        struct group_membership *back = NULL;
        size_t size, at;

        m->creator = key_of(0);
        memset(m->name, 'x', NAME_SIZE_MAX);
        m->version = 1000;
        m->previous[0] = 1;
        for (unsigned i = 0; i < GROUP_MEMBERS_MAX; i++) {
                m->members[i] = (struct group_member){ { { (uint8_t)i, 1 } }, 1 };
                m->departed[i] = (struct group_departed){
                        .key = { { (uint8_t)i } }, .joined = 1, .removed = 900
                };
                m->departed[i].first_cut = MIN(i * GROUP_CUTS_MAX, GROUP_CUTS_ALL_MAX);
                m->departed[i].n_cuts =
                        MIN(GROUP_CUTS_MAX, GROUP_CUTS_ALL_MAX - m->departed[i].first_cut);
                memset(m->departed[i].signature, 1, SIGNATURE_SIZE);
        }
        for (unsigned i = 0; i < GROUP_CUTS_ALL_MAX; i++)
                m->cuts[i] = (struct group_cut){ 1 + i % GROUP_CUTS_MAX, 5, 5 };
        ASSERT_OK(group_membership_sign(m, &people[0]));
        size = group_membership_encode(m, data);
        ASSERT_EQ(size, (size_t)GROUP_MEMBERSHIP_SIZE_MAX);
        ASSERT_LT(size, (size_t)GROUP_GOSSIP_SIZE_MAX);
        ASSERT_OK(group_membership_decode(data, size, &back));
        ASSERT_EQ(back->n_cuts, (size_t)GROUP_CUTS_ALL_MAX);
        /* One member more, one departed more, and cuts that are not there. */
        at = 1 + 32 + 16 + 2 + NAME_SIZE_MAX + 4 + 4 + 32;
        data[at + 1]++;
        ASSERT_EQ(group_membership_decode(data, size, &back), GROUP_CODEC_MALFORMED);
        ASSERT_EQ(group_membership_decode(data, size + 36, &back), GROUP_CODEC_MALFORMED);
        data[at + 1]--;
        at += 2 + GROUP_MEMBERS_MAX * 36;
        data[at + 1]++;
        ASSERT_EQ(group_membership_decode(data, size, &back), GROUP_CODEC_MALFORMED);
        data[at + 1]--;
        data[at + 2 + 40] = 255;
        ASSERT_EQ(group_membership_decode(data, size, &back), GROUP_CODEC_MALFORMED);
        free(back);
        free(m);
}

TEST(who_was_in_when)
{
        static const struct {
                unsigned who;
                uint32_t version;
                bool had;
        } cases[] = { { 0, 1, true }, { 0, 7, true }, { 0, 8, false }, { 1, 1, true },
                { 2, 0, false }, { 2, 1, true }, { 2, 2, true }, { 2, 3, false }, { 2, 4, true },
                { 2, 5, false }, { 2, 7, false }, { 3, 1, false }, { 3, 2, true }, { 3, 3, true },
                { 3, 4, false }, { 3, 5, false }, { 3, 6, true }, { 3, 7, true }, { 4, 5, false } };
        struct group_membership *m = sample_membership();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct group_key k = key_of(cases[i].who);

                ASSERT_EQ(group_membership_had(m, &k, cases[i].version), cases[i].had);
        }
        for (unsigned i = 0; i < 5; i++) {
                struct group_key k = key_of(i);

                ASSERT_EQ(!!group_membership_member(m, &k), i == 0 || i == 1 || i == 3);
                ASSERT_EQ(!!group_membership_departed(m, &k), i == 2 || i == 3);
        }
        free(m);
}

TEST(how_much_of_a_lane_counts)
{
        static const struct {
                unsigned who;
                uint32_t version;
                uint64_t stream, cut;
        } cases[] = { { 0, 2, 5, UINT64_MAX }, { 0, 1, 5, 0 }, { 0, 8, 5, 0 }, { 2, 1, 7, 0 },
                { 2, 2, 7, 1 }, { 2, 2, 8, 0 }, { 2, 4, 7, 0 }, { 2, 6, 7, 0 },
                { 3, 3, 9, UINT64_MAX }, { 3, 2, 9, 0 }, { 3, 5, 9, 0 }, { 3, 6, 1, UINT64_MAX },
                { 4, 6, 1, 0 } };
        struct group_membership *m = sample_membership();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct group_lane_id lane = { key_of(cases[i].who), cases[i].stream,
                        cases[i].version };

                ASSERT_EQ(group_membership_cut(m, &lane), cases[i].cut);
        }
        free(m);
}

TEST(of_two_of_one_number_the_smaller_hash_wins)
{
        uint8_t a[HASH_SIZE] = { 1 }, b[HASH_SIZE] = { 2 };

        ASSERT_TRUE(group_membership_is_better(3, b, 2, a));
        ASSERT_FALSE(group_membership_is_better(2, a, 3, b));
        ASSERT_TRUE(group_membership_is_better(3, a, 3, b));
        ASSERT_FALSE(group_membership_is_better(3, b, 3, a));
        ASSERT_FALSE(group_membership_is_better(3, a, 3, a));
}

TEST(another_key_or_another_purpose_is_not_genuine)
{
        struct group_membership *m = sample_membership();
        struct group_key other = key_of(1);
        struct group_farewell f;
        struct group_leave l;
        struct group_id id;

        group_make_id(&m->creator, m->nonce, &id);
        ASSERT_MEMEQ(id.bytes, m->id.bytes, sizeof id.bytes);
        group_make_id(&other, m->nonce, &id);
        ASSERT_TRUE(memcmp(id.bytes, m->id.bytes, sizeof id.bytes) != 0);
        ASSERT_OK(group_farewell_decode(data, group_farewell_encode(m, &m->departed[2], data), &f));
        ASSERT_OK(group_farewell_verify(&f, &m->creator));
        ASSERT_EQ(group_farewell_verify(&f, &other), GROUP_CODEC_NOT_GENUINE);
        memset(other.bytes, 0, sizeof other.bytes);
        other.bytes[0] = 1;
        ASSERT_EQ(group_farewell_verify(&f, &other), GROUP_CODEC_BAD_KEY);
        m->creator = other;
        ASSERT_EQ(group_membership_verify(m), GROUP_CODEC_BAD_KEY);
        ASSERT_OK(group_leave_decode(data, make_leave(), &l));
        l.key = key_of(3);
        ASSERT_EQ(group_leave_verify(&l), GROUP_CODEC_NOT_GENUINE);
        free(m);
}

TEST(texts_are_bounded_and_printable)
{
        static char text[GROUP_TEXT_SIZE_MAX + 1];
        struct group_message m = { .lane = { .version = 1 }, .number = 1, .text = text }, back;
        size_t size;

        memset(text, 'x', sizeof text);
        ASSERT_FALSE(group_text_is_valid(text, 0));
        ASSERT_TRUE(group_text_is_valid(text, 1));
        ASSERT_TRUE(group_text_is_valid(text, GROUP_TEXT_SIZE_MAX));
        ASSERT_FALSE(group_text_is_valid(text, GROUP_TEXT_SIZE_MAX + 1));
        ASSERT_FALSE(group_text_is_valid("\x1b[1m", 4));
        ASSERT_FALSE(group_text_is_valid("\xc3", 1));
        m.text_size = GROUP_TEXT_SIZE_MAX;
        ASSERT_OK(group_message_sign(&m, &people[0], data, &size));
        ASSERT_EQ(size, (size_t)GROUP_MESSAGE_SIZE_MAX);
        ASSERT_OK(group_message_decode(data, size, &back));
        ASSERT_EQ(back.text_size, (size_t)GROUP_TEXT_SIZE_MAX);
        m.text_size = 3;
        m.number = 0;
        ASSERT_OK(group_message_sign(&m, &people[0], data, &size));
        ASSERT_EQ(group_message_decode(data, size, &back), GROUP_CODEC_MALFORMED);
        m.number = 1;
        m.lane.version = 0;
        ASSERT_OK(group_message_sign(&m, &people[0], data, &size));
        ASSERT_EQ(group_message_decode(data, size, &back), GROUP_CODEC_MALFORMED);
        m.lane.version = 1;
        text[1] = 0;
        ASSERT_OK(group_message_sign(&m, &people[0], data, &size));
        ASSERT_EQ(group_message_decode(data, size, &back), GROUP_CODEC_MALFORMED);
}

static size_t sample_gossip(unsigned i)
{
        struct group_gossip m = { .group = { "a group's id...." }, .version = 3, .digest = 12345 };
        struct group_lane_id lane = { key_of(1), 5, 3 };
        size_t size;

        memset(m.hash, 3, sizeof m.hash);
        memset(m.nonce, 4, sizeof m.nonce);
        m.lane = lane;
        m.number = 9;
        m.n = GROUP_GOSSIP_GET_MAX;
        if (i == 0)
                return group_gossip_tip(&m, data);
        if (i == 1)
                return group_gossip_get(&m, data);
        size = group_gossip_have(&m.group, GROUP_HAVE_ANSWER, data);
        for (unsigned k = 0; k < i - 2; k++) {
                lane.stream++;
                size = group_gossip_have_lane(data, size, &lane, 70 + k);
        }
        return size;
}

TEST(gossip_comes_back_and_has_one_size)
{
        struct group_gossip m;
        struct group_lane_id lane;
        uint64_t number;

        ASSERT_OK(group_gossip_decode(data, sample_gossip(0), &m));
        ASSERT_EQ(m.version, 3);
        ASSERT_EQ(m.digest, 12345);
        ASSERT_EQ(m.nonce[15], 4);
        ASSERT_OK(group_gossip_decode(data, sample_gossip(1), &m));
        ASSERT_EQ(m.number, 9);
        ASSERT_EQ(m.lane.stream, 5);
        ASSERT_OK(group_gossip_decode(data, sample_gossip(4), &m));
        ASSERT_EQ(m.flags, GROUP_HAVE_ANSWER);
        ASSERT_EQ(m.n, 2);
        ASSERT_TRUE(group_gossip_lane(&m, 1, &lane, &number));
        ASSERT_EQ(lane.stream, 7);
        ASSERT_EQ(number, 71);
        for (unsigned i = 0; i < 5; i++) {
                size_t size = sample_gossip(i);

                memcpy(data + size, data, size);
                for (size_t k = 1; k <= 2 * size; k++)
                        if (k != size)
                                ASSERT_EQ(group_gossip_decode(data, k, &m), GROUP_GOSSIP_MALFORMED);
        }
        ASSERT_EQ(group_gossip_decode(data, 0, &m), GROUP_GOSSIP_MALFORMED);
        ASSERT_EQ(group_gossip_decode(data, GROUP_GOSSIP_SIZE_MAX + 1, &m), GROUP_GOSSIP_MALFORMED);
        data[0] = 0;
        ASSERT_EQ(group_gossip_decode(data, 5, &m), GROUP_GOSSIP_UNKNOWN);
        data[0] = GROUP_GOSSIP_MESSAGE + 1;
        ASSERT_EQ(group_gossip_decode(data, 5, &m), GROUP_GOSSIP_UNKNOWN);
        data[0] = GROUP_GOSSIP_MESSAGE;
        ASSERT_EQ(group_gossip_decode(data, 1, &m), GROUP_GOSSIP_MALFORMED);
}

TEST(gossip_is_no_nonsense)
{
        size_t size = sample_gossip(1);
        struct group_gossip m;
        struct group_lane_id lane;
        uint64_t number;

        data[size - 1] = 0;
        ASSERT_EQ(group_gossip_decode(data, size, &m), GROUP_GOSSIP_MALFORMED);
        data[size - 1] = GROUP_GOSSIP_GET_MAX + 1;
        ASSERT_EQ(group_gossip_decode(data, size, &m), GROUP_GOSSIP_MALFORMED);
        size = sample_gossip(2);
        data[1 + GROUP_ID_SIZE] = GROUP_HAVE_SAME;
        ASSERT_OK(group_gossip_decode(data, size, &m));
        data[1 + GROUP_ID_SIZE] = GROUP_HAVE_SAME + 1;
        ASSERT_EQ(group_gossip_decode(data, size, &m), GROUP_GOSSIP_MALFORMED);
        size = sample_gossip(3);
        data[1 + GROUP_ID_SIZE] = GROUP_HAVE_SAME;
        ASSERT_EQ(group_gossip_decode(data, size, &m), GROUP_GOSSIP_MALFORMED);
        size = sample_gossip(2 + GROUP_GOSSIP_LANES_MAX);
        ASSERT_TRUE(group_gossip_is_full(data));
        ASSERT_OK(group_gossip_decode(data, size, &m));
        size = sample_gossip(3);
        memset(data + size - 8, 0, 8);
        ASSERT_OK(group_gossip_decode(data, size, &m));
        ASSERT_FALSE(group_gossip_lane(&m, 0, &lane, &number));
}

/* A membership without memory is none, and nothing is lost. */
TEST(memory_may_be_short)
{
        size_t size = make_membership();
        struct group_membership *m = NULL;
        int r = -ENOMEM;

        for (size_t n = 1; r < 0; n++) {
                n_allocations = 0;
                fail_at = n;
                r = group_membership_decode(data, size, &m);
                fail_at = SIZE_MAX;
                ASSERT_TRUE(r == 0 || (r == -ENOMEM && !m));
        }
        free(m);
}

TEST_MAIN_WITH(set_up)
