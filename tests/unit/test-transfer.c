/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transfers: messages as bytes, and names of files */
#include "unit/transfer-fixture.h"

static const uint8_t some_hash[HASH_SIZE] = { 1, 2, 3 };

static struct transfer_wire good[] = {
        { .kind = TRANSFER_WIRE_OFFER,
                .size = TRANSFER_FILE_SIZE_MAX,
                .hash = some_hash,
                .name = "a b.txt",
                .name_size = 7 },
        { .kind = TRANSFER_WIRE_WANT, .have = 70000, .end = 5 * WINDOW / 4 },
        { .kind = TRANSFER_WIRE_CHUNK,
                .offset = 12345,
                .data = (const uint8_t *)"contents",
                .data_size = 8 },
        { .kind = TRANSFER_WIRE_END, .reason = TRANSFER_UNREADABLE },
        { .kind = TRANSFER_WIRE_ENDED },
};

static size_t encode(size_t i)
{
        good[i].id = id_of((unsigned)i);
        transfer_wire_encode(&good[i], bytes);
        return transfer_wire_size(&good[i]);
}

static int decode(size_t size)
{
        struct transfer_wire m;

        return transfer_wire_decode(bytes, size, &m);
}

/* Whatever decodes encodes to the same bytes. */
static void assert_canonical(size_t size)
{
        static uint8_t again[TRANSFER_MESSAGE_SIZE_MAX];
        struct transfer_wire m;

        if (transfer_wire_decode(bytes, size, &m) != 0)
                return;
        ASSERT_EQ(transfer_wire_size(&m), size);
        transfer_wire_encode(&m, again);
        ASSERT_MEMEQ(again, bytes, size);
}

TEST(messages_come_back)
{
        struct transfer_wire m;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                size_t size = encode(i);

                ASSERT_OK(transfer_wire_decode(bytes, size, &m));
                ASSERT_EQ(m.kind, good[i].kind);
                ASSERT_MEMEQ(&m.id, &good[i].id, sizeof m.id);
                ASSERT_EQ(m.size, good[i].size);
                ASSERT_EQ(m.have, good[i].have);
                ASSERT_EQ(m.end, good[i].end);
                ASSERT_EQ(m.offset, good[i].offset);
                ASSERT_EQ(m.reason, good[i].reason);
                assert_canonical(size);
        }
}

TEST(each_bit_flipped)
{
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                size_t size = encode(i);

                for (size_t bit = 0; bit < size * 8; bit++) {
                        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
                        assert_canonical(size);
                        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
                }
        }
}

TEST(cut_anywhere)
{
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                size_t size = encode(i);

                for (size_t n = 0; n < size; n++) {
                        assert_canonical(n);
                        if (good[i].kind != TRANSFER_WIRE_CHUNK || n <= 25)
                                ASSERT_EQ(decode(n), TRANSFER_WIRE_MALFORMED);
                }
        }
}

TEST(doubled)
{
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                size_t size = encode(i);

                memcpy(bytes + size, bytes, size);
                assert_canonical(2 * size);
                if (good[i].kind != TRANSFER_WIRE_CHUNK)
                        ASSERT_EQ(decode(2 * size), TRANSFER_WIRE_MALFORMED);
        }
}

TEST(unknown_kinds_are_told_apart)
{
        size_t size = encode(0);
        struct transfer_wire m;

        bytes[0] = 0;
        ASSERT_EQ(decode(size), TRANSFER_WIRE_UNKNOWN);
        bytes[0] = TRANSFER_WIRE_ENDED + 1;
        ASSERT_EQ(decode(1), TRANSFER_WIRE_UNKNOWN);
        ASSERT_FALSE(transfer_wire_peek(bytes, size, &m));
        ASSERT_EQ(decode(0), TRANSFER_WIRE_MALFORMED);
        bytes[0] = TRANSFER_WIRE_OFFER;
        ASSERT_FALSE(transfer_wire_peek(bytes, 16, &m));
        ASSERT_TRUE(transfer_wire_peek(bytes, 17, &m));
        ASSERT_EQ(m.kind, TRANSFER_WIRE_OFFER);
        ASSERT_MEMEQ(&m.id, &good[0].id, sizeof m.id);
}

static int decode_one(const struct transfer_wire *m)
{
        transfer_wire_encode(m, bytes);
        return decode(transfer_wire_size(m));
}

TEST(sizes_have_limits)
{
        struct transfer_wire m = good[0];

        m.size = TRANSFER_FILE_SIZE_MAX + 1;
        ASSERT_EQ(decode_one(&m), TRANSFER_WIRE_MALFORMED);
        m.size = 0;
        ASSERT_OK(decode_one(&m));

        m = (struct transfer_wire){ .kind = TRANSFER_WIRE_WANT, .have = 1, .end = 1 + WINDOW };
        ASSERT_OK(decode_one(&m));
        m.end++;
        ASSERT_EQ(decode_one(&m), TRANSFER_WIRE_MALFORMED);
        m.have = 2, m.end = 1;
        ASSERT_EQ(decode_one(&m), TRANSFER_WIRE_MALFORMED);
        m.have = TRANSFER_FILE_SIZE_MAX, m.end = TRANSFER_FILE_SIZE_MAX;
        ASSERT_OK(decode_one(&m));
        m.end++;
        ASSERT_EQ(decode_one(&m), TRANSFER_WIRE_MALFORMED);

        m = (struct transfer_wire){ .kind = TRANSFER_WIRE_CHUNK,
                .data = zeros,
                .data_size = TRANSFER_CHUNK_MAX,
                .offset = TRANSFER_FILE_SIZE_MAX - TRANSFER_CHUNK_MAX };
        ASSERT_OK(decode_one(&m));
        m.offset++;
        ASSERT_EQ(decode_one(&m), TRANSFER_WIRE_MALFORMED);
        m.offset = UINT64_MAX;
        ASSERT_EQ(decode_one(&m), TRANSFER_WIRE_MALFORMED);
        m.offset = 0, m.data_size = 0;
        ASSERT_EQ(decode_one(&m), TRANSFER_WIRE_MALFORMED);
        memset(bytes, 0, sizeof bytes);
        bytes[0] = TRANSFER_WIRE_CHUNK;
        ASSERT_EQ(decode(sizeof bytes), TRANSFER_WIRE_MALFORMED);

        m = (struct transfer_wire){ .kind = TRANSFER_WIRE_END, .reason = TRANSFER_REASONS };
        ASSERT_EQ(decode_one(&m), TRANSFER_WIRE_MALFORMED);
}

/* NULL: nothing of it can be a name. */
static void assert_name(const char *given, const char *wanted)
{
        char name[TRANSFER_NAME_MAX + 1] = "untouched";
        int r = transfer_name_clean(given, strlen(given), name);

        if (wanted)
                ASSERT_OK(r);
        else
                ASSERT_EQ(r, -EINVAL);
        ASSERT_STREQ(name, wanted ? wanted : "untouched");
        ASSERT_EQ(transfer_name_is_clean(given, strlen(given)), wanted && streq(given, wanted));
        if (wanted)
                ASSERT_TRUE(transfer_name_is_clean(wanted, strlen(wanted)));
}

TEST(names)
{
        assert_name("report.pdf", "report.pdf");
        assert_name("çay ☕.txt", "çay ☕.txt");
        assert_name(".profile", ".profile");
        assert_name("...", "...");
        assert_name("..\\x", "..\\x");
        assert_name("/etc/passwd", "passwd");
        assert_name("../../x", "x");
        assert_name("a/", NULL);
        assert_name("/", NULL);
        assert_name("", NULL);
        assert_name("  ", NULL);
        assert_name(".", NULL);
        assert_name("a/..", NULL);
        assert_name("..", NULL);
        assert_name("a\nb\x1b[2J\x7f", "ab[2J");
        assert_name("\xc2\x85x\xe2\x80\xa8", "x");
        assert_name("gpj\xe2\x80\xae.exe", "gpj.exe");
        assert_name(".\xe2\x80\xae.", NULL);
        assert_name("\xe2\x81\xa6", NULL);
        assert_name("x\xef\xbf\xbf", "x");
        assert_name("x\xff", NULL);
        assert_name("\xff/x", NULL);
        assert_name("\xed\xa0\x80", NULL);
        assert_name("\xc0\xafx", NULL);
}

TEST(names_with_a_zero_byte_are_not_clean)
{
        ASSERT_FALSE(transfer_name_is_clean("a\0b", 3));
        ASSERT_FALSE(transfer_name_is_clean("\0", 1));
}

TEST(long_names_are_cut_between_characters)
{
        char given[400], name[TRANSFER_NAME_MAX + 1];

        memset(given, 'x', sizeof given);
        ASSERT_OK(transfer_name_clean(given, 256, name));
        ASSERT_EQ(strlen(name), 255);
        ASSERT_FALSE(transfer_name_is_clean(given, 256));
        ASSERT_TRUE(transfer_name_is_clean(given, 255));
        memcpy(given + 254, "\xc3\xa7", 2);
        ASSERT_OK(transfer_name_clean(given, 256, name));
        ASSERT_EQ(strlen(name), 254);
}

TEST_MAIN_WITH(transfer_set_up)
