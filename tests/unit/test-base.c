/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/base: text, encodings, endpoints, and the small containers */
#include "base/buffer.h"
#include "base/cursor.h"
#include "base/encode.h"
#include "base/endpoint.h"
#include "base/list.h"
#include "base/ratelimit.h"
#include "base/ratelimits.h"
#include "base/table.h"
#include "base/text.h"
#include "base/usec.h"
#include "lib/test.h"

TEST(encodings) /* RFC 4648, 10 */
{
        static const struct {
                const char *text, *base64, *base32, *hex;
        } v[] = {
                { "", "", "", "" },
                { "f", "Zg==", "my", "66" },
                { "fo", "Zm8=", "mzxq", "666f" },
                { "foo", "Zm9v", "mzxw6", "666f6f" },
                { "foob", "Zm9vYg==", "mzxw6yq", "666f6f62" },
                { "fooba", "Zm9vYmE=", "mzxw6ytb", "666f6f6261" },
                { "foobar", "Zm9vYmFy", "mzxw6ytboi", "666f6f626172" },
                { "\xfb\xef\xff", "++//", "7px76", "fbefff" },
        };
        char s[64];
        uint8_t data[64];
        size_t size;

        for (size_t i = 0; i < ELEMENTSOF(v); i++) {
                size_t n = strlen(v[i].text);

                base64_encode(v[i].text, n, false, s);
                ASSERT_STREQ(s, v[i].base64);
                ASSERT_EQ(strlen(s) + 1, BASE64_SIZE(n));
                ASSERT_OK(base64_decode(s, strlen(s), false, data, &size));
                ASSERT_EQ(size, n);
                ASSERT_MEMEQ(data, v[i].text, n);

                base32_encode(v[i].text, n, s);
                ASSERT_STREQ(s, v[i].base32);
                ASSERT_EQ(strlen(s) + 1, BASE32_SIZE(n));
                ASSERT_OK(base32_decode(s, data, n));
                ASSERT_MEMEQ(data, v[i].text, n);

                hex_encode(v[i].text, n, s);
                ASSERT_STREQ(s, v[i].hex);
                ASSERT_OK(hex_decode(s, strlen(s), data, &size));
                ASSERT_EQ(size, n);
                ASSERT_MEMEQ(data, v[i].text, n);
        }
        base64_encode("\xfb\xef\xff", 3, true, s);
        ASSERT_STREQ(s, "--__");
}

TEST(encodings_are_strict)
{
        static const char *const base64[] = { "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "=Zm9",
                "Z===", "Zm 9", "Zm9v\n", "--__", "Zg==Zg==", "====" };
        static const char *const hex[] = { "6", "6g", " 66", "0x66" };
        uint8_t data[64];
        size_t size;

        for (size_t i = 0; i < ELEMENTSOF(base64); i++)
                ASSERT_EQ(base64_decode(base64[i], strlen(base64[i]), false, data, &size), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(hex); i++)
                ASSERT_EQ(hex_decode(hex[i], strlen(hex[i]), data, &size), -EINVAL);
        ASSERT_OK(hex_decode("fF", 2, data, &size));
        ASSERT_EQ(data[0], 0xff);
        ASSERT_EQ(base32_decode("mz", data, 1), -EINVAL); /* unused bits */
        ASSERT_EQ(base32_decode("MY", data, 1), -EINVAL);
        ASSERT_EQ(base32_decode("my", data, 2), -EINVAL);
        ASSERT_EQ(base64_decode("++//", 4, true, data, &size), -EINVAL);
}

TEST(ulids)
{
        static const uint8_t random[10] = { 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
        struct ulid a = ulid_make(UINT64_C(1700000000123456), random), b;
        char s[ULID_STRING_SIZE], lower[ULID_STRING_SIZE];

        ulid_format(&a, s);
        ASSERT_EQ(strlen(s), 26);
        ASSERT_MEMEQ(s, "01HF7YAT3V", 10); /* 1700000000123 ms */
        ASSERT_OK(ulid_parse(s, &b));
        ASSERT_TRUE(ulid_equal(&a, &b));
        for (size_t i = 0; i < sizeof s; i++)
                lower[i] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
        ASSERT_OK(ulid_parse(lower, &b));
        ASSERT_TRUE(ulid_equal(&a, &b));

        memset(&a, 0xff, sizeof a);
        ASSERT_STREQ(ulid_format(&a, s), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        ASSERT_OK(ulid_parse(s, &b));
        ASSERT_TRUE(ulid_equal(&a, &b));
        ASSERT_EQ(ulid_parse("8ZZZZZZZZZZZZZZZZZZZZZZZZZ", &b), -EINVAL);
        ASSERT_EQ(ulid_parse("7ZZZZZZZZZZZZZZZZZZZZZZZZ", &b), -EINVAL);
        ASSERT_EQ(ulid_parse("7ZZZZZZZZZZZZZZZZZZZZZZZZU", &b), -EINVAL);
}

TEST(utf8)
{
        static const struct {
                const char *s;
                int size;
                uint32_t c;
        } good[] = { { "a", 1, 'a' }, { "ğ", 2, 0x11f }, { "€", 3, 0x20ac }, { "😀", 4, 0x1f600 },
                { "\xf4\x8f\xbf\xbf", 4, 0x10ffff } };
        static const char *const bad[] = { "\x80", "\xc0\x80", "\xc3", "\xc3(", "\xe2\x82",
                "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff",
                "\xf0\x80\x80\x80" };
        char cut[] = "a\xc3ğ€\xe2\x82\" \"b\xf0\x9f\x98", whole[] = "ağ€";
        uint32_t c;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                ASSERT_EQ(utf8_decode(good[i].s, strlen(good[i].s), &c), good[i].size);
                ASSERT_EQ(c, good[i].c);
                ASSERT_TRUE(utf8_is_valid(good[i].s, strlen(good[i].s)));
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ASSERT_EQ(utf8_decode(bad[i], strlen(bad[i]), &c), -EINVAL);
                ASSERT_FALSE(utf8_is_valid(bad[i], strlen(bad[i])));
        }
        ASSERT_EQ(utf8_cut("ağ€", 6, 100), 6);
        ASSERT_EQ(utf8_cut("ağ€", 6, 5), 3);
        ASSERT_EQ(utf8_cut("ağ€", 6, 3), 3);
        ASSERT_EQ(utf8_cut("ağ€", 6, 2), 1);
        ASSERT_EQ(utf8_cut("€", 3, 2), 0);

        utf8_repair(cut);
        ASSERT_STREQ(cut, "ağ€\" \"b");
        utf8_repair(whole);
        ASSERT_STREQ(whole, "ağ€");

        ASSERT_TRUE(text_is_printable("a\tb\r\nğ", 7));
        ASSERT_FALSE(text_is_printable("a\x07", 2));
        ASSERT_FALSE(text_is_printable("\xc2\x85", 2));     /* C1 */
        ASSERT_FALSE(text_is_printable("\xe2\x80\xa8", 3)); /* line separator */
        ASSERT_FALSE(text_is_printable("\x7f", 1));
        ASSERT_FALSE(text_is_printable("\xff", 1));
}

TEST(names)
{
        static const struct {
                const char *given, *cleaned;
        } v[] = {
                { "Ece", "Ece" },
                { " Ece ", "_Ece_" },
                { "a#b@c", "a_b_c" },
                { "+team", "_team" },
                { "a+b", "a+b" },
                { "\x1b[31mred", "[31mred" },
                { "\xe2\x80\xae"
                  "evil",
                        "evil" },
                { "Ğülşah", "Ğülşah" },
                { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaağb",
                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
        };
        static const char *const bad[] = { "", " ", "   ", "\x07", "\xff", "a\xc3",
                "\xe2\x80\xae\xe2\x80\x8f" };
        char s[NAME_SIZE_MAX + 1] = "before";

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ASSERT_EQ(name_clean(bad[i], strlen(bad[i]), s), -EINVAL);
        ASSERT_STREQ(s, "before");
        for (size_t i = 0; i < ELEMENTSOF(v); i++) {
                ASSERT_OK(name_clean(v[i].given, strlen(v[i].given), s));
                ASSERT_STREQ(s, v[i].cleaned);
        }
        ASSERT_TRUE(name_equal("Ece", "eCE"));
        ASSERT_FALSE(name_equal("Ece", "Ec"));
        ASSERT_FALSE(name_equal("Ğ", "ğ")); /* ASCII only */
        name_fold("EcE Ğ", s);
        ASSERT_STREQ(s, "ece Ğ");
        ASSERT_TRUE(username_is_valid("abc") && username_is_valid("A-_9aaaaaaaaaaaaaaaa"));
        ASSERT_FALSE(username_is_valid("ab") || username_is_valid("aaaaaaaaaaaaaaaaaaaaa") ||
                     username_is_valid("a b") || username_is_valid("ağb"));
}

TEST(endpoints)
{
        static const struct {
                const char *given, *shown; /* NULL: as given */
                uint16_t port;
        } good[] = {
                { "192.168.1.7", NULL, 6001 },
                { "192.168.1.7:7001", NULL, 7001 },
                { "192.168.1.7:6001", "192.168.1.7", 6001 },
                { "fe80::1%2", NULL, 6001 },
                { "[fe80::1%2]:7001", NULL, 7001 },
                { "[fe80::1]", "fe80::1", 6001 },
                { "::ffff:10.0.0.1", "10.0.0.1", 6001 },
                { "[::ffff:10.0.0.1]:5", "10.0.0.1:5", 5 },
        };
        static const char *const bad[] = { "", "1.2.3", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536",
                "1.2.3.4:-1", "1.2.3.4:a", "host", "[1.2.3.4]:5", "[fe80::1", "[fe80::1]5",
                "fe80::1%", "fe80::1%eth0", "fe80::1%4294967296", "1.2.3.4 ", ":5", "[]:5",
                "1111:2222:3333:4444:5555:6666:7777:8888:9999" };
        static const char *const unicast[] = { "10.0.0.1", "127.0.0.1", "fe80::1%2", "::1",
                "2001:db8::1" };
        static const char *const other[] = { "0.0.0.0", "224.0.0.1", "255.255.255.255",
                "::", "ff12::1", "ff02::1%2", "0.1.2.3", "::ffff:0.0.0.0", "::ffff:224.0.0.1" };
        char s[ENDPOINT_STRING_MAX];
        struct endpoint e, f;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                ASSERT_OK(endpoint_parse(good[i].given, 6001, &e));
                ASSERT_EQ(e.port, good[i].port);
                ASSERT_STREQ(endpoint_format(&e, s), good[i].shown ? good[i].shown : good[i].given);
                ASSERT_OK(endpoint_parse(s, 6001, &f));
                ASSERT_TRUE(endpoint_equal(&e, &f));
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ASSERT_EQ(endpoint_parse(bad[i], 6001, &e), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(unicast); i++) {
                ASSERT_OK(endpoint_parse(unicast[i], 1, &e));
                ASSERT_TRUE(endpoint_is_unicast(&e));
        }
        for (size_t i = 0; i < ELEMENTSOF(other); i++) {
                ASSERT_OK(endpoint_parse(other[i], 1, &e));
                ASSERT_FALSE(endpoint_is_unicast(&e));
        }
        e = endpoint_ipv4(1, 2, 3, 4, 5);
        f = endpoint_ipv4(1, 2, 3, 4, 6);
        ASSERT_TRUE(endpoint_same_address(&e, &f));
        ASSERT_FALSE(endpoint_equal(&e, &f));
        ASSERT_STREQ(endpoint_format_address(&e, s), "1.2.3.4");
}

TEST(buffers)
{
        struct buffer b;
        uint8_t *data;
        size_t size;

        buffer_init(&b, 100);
        ASSERT_OK(buffer_append_string(&b, "hello "));
        ASSERT_OK(buffer_append(&b, NULL, 0));
        ASSERT_OK(buffer_append_string(&b, "world"));
        ASSERT_STREQ((char *)b.data, "hello world");
        buffer_consume(&b, 6);
        ASSERT_STREQ((char *)b.data, "world");
        ASSERT_EQ(buffer_append(&b, b.data, 96), -E2BIG);
        ASSERT_EQ(buffer_append(&b, b.data, SIZE_MAX), -E2BIG);
        ASSERT_EQ(b.size, 5);
        ASSERT_OK(buffer_reserve(&b, 95));
        memset(b.data + b.size, 'x', 95);
        b.size += 95;
        ASSERT_EQ(buffer_append(&b, "x", 1), -E2BIG);
        buffer_clear(&b);
        ASSERT_STREQ((char *)b.data, "");
        ASSERT_OK(buffer_append_string(&b, "taken"));
        data = buffer_take(&b, &size);
        ASSERT_STREQ((char *)data, "taken");
        ASSERT_EQ(size, 5);
        free(data);
        ASSERT_NULL(b.data);
        data = buffer_take(&b, &size);
        ASSERT_NULL(data);
        buffer_done(&b);
}

TEST(cursors)
{
        uint8_t data[32];
        struct writer w = writer_make(data, sizeof data);
        struct reader r;
        const uint8_t *p;
        size_t size;

        writer_u8(&w, 1);
        writer_u16(&w, 0x0203);
        writer_u32(&w, 0x04050607);
        writer_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
        writer_blob(&w, "abc", 3);
        ASSERT_EQ(w.size, 20);
        for (size_t i = 0; i < 15; i++)
                ASSERT_EQ(data[i], i + 1);

        r = reader_make(data, w.size);
        ASSERT_EQ(reader_u8(&r), 1);
        ASSERT_EQ(reader_u16(&r), 0x0203);
        ASSERT_EQ(reader_u32(&r), 0x04050607);
        ASSERT_EQ(reader_u64(&r), UINT64_C(0x08090a0b0c0d0e0f));
        p = reader_blob(&r, &size);
        ASSERT_EQ(size, 3);
        ASSERT_MEMEQ(p, "abc", 3);
        ASSERT_TRUE(reader_is_done(&r));

        /* Whoever runs over the end stays there. */
        for (size_t n = 0; n < 20; n++) {
                r = reader_make(data, n);
                (void)reader_u8(&r);
                (void)reader_u16(&r);
                (void)reader_u32(&r);
                (void)reader_u64(&r);
                (void)reader_blob(&r, &size);
                ASSERT_TRUE(r.failed);
                ASSERT_FALSE(reader_is_done(&r));
                ASSERT_EQ(reader_u8(&r), 0);
        }
        writer_bytes(&w, data, 13);
        ASSERT_TRUE(w.failed);
        writer_u8(&w, 1);
        ASSERT_EQ(w.size, 20);
        w = writer_make(data, sizeof data);
        writer_blob(&w, data, 65536);
        ASSERT_TRUE(w.failed);
}

TEST(siphash_vectors) /* SipHash-2-4, appendix A and its reference list */
{
        uint8_t key[TABLE_KEY_SIZE], data[15];

        for (size_t i = 0; i < sizeof key; i++)
                key[i] = i;
        for (size_t i = 0; i < sizeof data; i++)
                data[i] = i;
        ASSERT_EQ(siphash(key, data, 15), UINT64_C(0xa129ca6149be45e5));
        ASSERT_EQ(siphash(key, NULL, 0), UINT64_C(0x726fdb47dd0e0e31));
}

struct item {
        struct table_entry entry;
        struct list list;
        uint32_t number;
};

static struct item *find(struct table *t, uint32_t number)
{
        for (struct table_entry *e = table_find(t, &number, sizeof number); e;
                e = table_find_next(e))
                if (container_of(e, struct item, entry)->number == number)
                        return container_of(e, struct item, entry);
        return NULL;
}

TEST(tables)
{
        static const uint8_t key[TABLE_KEY_SIZE] = "0123456789abcde";
        struct item items[1000];
        struct table t;

        table_init(&t, key);
        ASSERT_NULL(find(&t, 1));
        for (uint32_t i = 0; i < ELEMENTSOF(items); i++) {
                items[i].number = i;
                ASSERT_OK(table_add(&t, &items[i].entry, &i, sizeof i));
        }
        ASSERT_EQ(t.n, ELEMENTSOF(items));
        for (uint32_t i = 0; i < ELEMENTSOF(items); i++)
                ASSERT_TRUE(find(&t, i) == &items[i]);
        for (uint32_t i = 0; i < ELEMENTSOF(items); i += 2)
                table_remove(&t, &items[i].entry);
        for (uint32_t i = 0; i < ELEMENTSOF(items); i++)
                ASSERT_TRUE(find(&t, i) == (i % 2 ? &items[i] : NULL));
        ASSERT_EQ(t.n, ELEMENTSOF(items) / 2);

        /* Equal keys live side by side. */
        ASSERT_OK(table_add(&t, &items[0].entry, &items[1].number, sizeof items[1].number));
        ASSERT_NOT_NULL(table_find_next(table_find(&t, &items[1].number, sizeof items[1].number)));
        table_done(&t);
        ASSERT_NULL(find(&t, 1));
}

TEST(lists)
{
        struct list head;
        struct item items[3];
        size_t n = 0;

        list_init(&head);
        ASSERT_TRUE(list_is_empty(&head));
        ASSERT_NULL(list_first(&head));
        for (size_t i = 0; i < ELEMENTSOF(items); i++) {
                list_init(&items[i].list);
                list_remove(&items[i].list);
                list_append(&head, &items[i].list);
        }
        list_for_each (i, &head)
                ASSERT_TRUE(container_of(i, struct item, list) == &items[n++]);
        ASSERT_EQ(n, 3);
        list_remove(&items[1].list);
        ASSERT_TRUE(items[0].list.next == &items[2].list);
        list_for_each_safe (i, &head)
                list_remove(i);
        ASSERT_TRUE(list_is_empty(&head));
}

TEST(time_saturates)
{
        ASSERT_EQ(usec_add(USEC_INFINITY, 1), USEC_INFINITY);
        ASSERT_EQ(usec_add(USEC_INFINITY - 1, 5), USEC_INFINITY);
        ASSERT_EQ(usec_add(1, 2), 3);
        ASSERT_EQ(usec_sub(1, 2), 0);
        ASSERT_EQ(usec_sub(USEC_INFINITY, 2), USEC_INFINITY);
        ASSERT_EQ(usec_min(1, 2), 1);
}

TEST(rates)
{
        struct ratelimit r = { .interval_usec = 1000, .burst = 3 };

        for (int i = 0; i < 5; i++)
                ASSERT_EQ(ratelimit_allow(&r, 5000 + i), i < 3);
        ASSERT_EQ(ratelimit_take_refused(&r), 2);
        ASSERT_EQ(ratelimit_take_refused(&r), 0);
        ASSERT_TRUE(ratelimit_allow(&r, 6000));
        ASSERT_FALSE(ratelimit_allow((struct ratelimit[]){ { .burst = 0 } }, 1));
}

TEST(each_address_has_its_own_limit)
{
        static const uint8_t key[TABLE_KEY_SIZE] = { 1 };
        struct endpoint a = endpoint_ipv4(10, 0, 0, 1, 5), b = endpoint_ipv4(10, 0, 0, 2, 5);
        struct ratelimits limits;

        ASSERT_OK(ratelimits_init(&limits, 64, USEC_PER_SEC, 2, key));
        ASSERT_TRUE(ratelimits_allow(&limits, &a, 10));
        a.port = 6; /* the same address */
        ASSERT_TRUE(ratelimits_allow(&limits, &a, 11));
        ASSERT_FALSE(ratelimits_allow(&limits, &a, 12));
        ASSERT_TRUE(ratelimits_allow(&limits, &b, 12));
        ASSERT_FALSE(ratelimits_allow(&limits, &a, USEC_PER_SEC + 9));
        ASSERT_TRUE(ratelimits_allow(&limits, &a, USEC_PER_SEC + 10));
        ratelimits_done(&limits);
        ratelimits_done(&limits);
}

TEST(names_of_new_files)
{
        static const struct {
                const char *name;
                unsigned n;
                const char *wanted;
        } cases[] = {
                { "report.txt", 1, "report.txt" },
                { "report.txt", 2, "report.txt (2)" },
                { "../../etc/passwd", 1, "passwd" },
                { "/etc/", 1, "_" },
                { "..", 1, "__" },
                { ".profile", 1, "_profile" },
                { "-rf .", 1, "_rf ." },
                { "a\033[31mb\n\xe2\x80\xae.txt", 1, "a[31mb.txt" },
                { "\xff\xfe", 1, "_" },
                { "", 3, "_ (3)" },
                { "m\xc3\xbcll", 1, "m\xc3\xbcll" },
        };
        char name[FILE_NAME_SIZE], longest[300];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                file_name_make(cases[i].name, cases[i].n, name);
                ASSERT_STREQ(name, cases[i].wanted);
        }
        /* Cut between two characters, with room for the number. */
        for (size_t i = 0; i + 2 < sizeof longest; i += 2)
                memcpy(longest + i, "\xc3\xbc", 3);
        file_name_make(longest, 1, name);
        ASSERT_EQ(strlen(name), 254);
        file_name_make(longest, 1000, name);
        ASSERT_EQ(strlen(name), 255);
        ASSERT_STREQ(name + 248, " (1000)");
        ASSERT_TRUE(utf8_is_valid(name, strlen(name)));
}

TEST(sizes_for_people)
{
        static const struct {
                uint64_t size;
                const char *wanted;
        } cases[] = {
                { 0, "0 bytes" },
                { 1, "1 byte" },
                { 1023, "1023 bytes" },
                { 1024, "1 KiB" },
                { 1536, "1.5 KiB" },
                { 20 << 20, "20 MiB" },
                { (UINT64_C(1) << 30) - 1, "1023 MiB" },
                { UINT64_C(8) << 30, "8 GiB" },
                { UINT64_MAX, "15 EiB" },
        };
        char text[SIZE_STRING_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                ASSERT_STREQ(size_format(cases[i].size, text), cases[i].wanted);
}

TEST_MAIN()
