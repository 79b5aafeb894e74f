/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The third dialect: packets, and one connection with a script in the place of the other side */
#include <zlib.h>

#include "base/encode.h"
#include "core/crypto/crypto.h"
#include "core/legacy/compose.h"
#include "core/legacy/third.h"
#include "lib/failing-memory.h"
#include "lib/test.h"

#define START_USEC (2 * USEC_PER_DAY)
#define ID "0123456789abcdef0123456789abcdef"
#define MADE_ID ID ID ID ID /* 128 hexadecimal digits, as the library makes them */

/*
 * Packets
 */

/* What a packet says: its text, or in brackets why there is none. */
static const char *understand(const void *data, size_t size)
{
        static char text[64 * 1024];
        struct object o;
        struct buffer b;
        const char *why = NULL;
        int r;

        buffer_init(&b, PACKET_SIZE_MAX);
        ASSERT_OK(buffer_append(&b, data, size));
        r = packet_understand(&b, &o, &why);
        buffer_done(&b);
        ASSERT_GE(r, 0);
        if (r > 0) {
                (void)snprintf(text, sizeof text, "(%s)", why);
                return text;
        }
        if (o.type == OBJECT_PLAIN)
                ASSERT_TRUE(o.size > 0 && text_is_printable(o.text, o.size));
        (void)snprintf(text, sizeof text, "%s%s%s", o.name, o.name[0] ? ": " : "",
                o.type == OBJECT_PLAIN ? o.text : "(nothing)");
        object_done(&o);
        return text;
}

/* base64(zlib(text) word) 0x02 */
static size_t pack(
        const void *data, size_t size, const char *word, char *buffer, size_t buffer_size)
{
        static uint8_t packed[PACKET_SIZE_MAX];
        uLongf n = sizeof packed - strlen(word);

        ASSERT_EQ(compress2(packed, &n, data, size, 9), Z_OK);
        memcpy(packed + n, word, strlen(word));
        n += strlen(word);
        ASSERT_LT(BASE64_SIZE(n) + 1, buffer_size);
        base64_encode(packed, n, false, buffer);
        n = strlen(buffer);
        buffer[n] = PACKET_COMPRESSED;
        return n + 1;
}

TEST(what_packets_say)
{
        static const char *const says[][2] = {
                { "{\"message\": \"Hi there!\"}", "Hi there!" },
                { "Hi there!", "Hi there!" },
                { "{\"message\": \"\\u011f\\n\\u0004\", \"username\": \" N#ra \"}",
                        "_N_ra_: \xc4\x9f\n\xef\xbf\xbd" },
                { "{\"user\": \"Nora\", \"text\": \"x\"}", "Nora: (nothing)" },
                { "{\"name\": \"Nora\", \"message\": 7}", "Nora: 7" },
                { "{\"message\": \"\"}", "(nothing)" },
                { "{\"message\": {\"message\": \"x\"}}", "(nothing)" },
                { "{\"message\": \"unfinished", "{\"message\": \"unfinished" },
                { "[1, 2]", "[1, 2]" },
                { "a\x01z", "a\xef\xbf\xbdz" },
                { "\xff\xfe", "(it is neither text nor JSON.)" },
                { "{\"message\": \"\xff\"}", "\xef\xbf\xbd" },
                { "\x02", "(it is compressed in a way that is not known here.)" },
                { "AAAA\x02", "(it is compressed in a way that is not known here.)" },
                { "not base64!\x02", "(it is compressed in a way that is not known here.)" },
                { "emxpYg==\x02",
                        "(it is damaged, or was compressed by something else than zlib.)" },
                { "YnppcDI=\x02",
                        "(it is compressed by bzip2 or lzma. Ask for zlib, or for none at all.)" },
                { "bHptYQ==\x02",
                        "(it is compressed by bzip2 or lzma. Ask for zlib, or for none at all.)" },
                { "a\x02z\x02", "a\xef\xbf\xbdz\xef\xbf\xbd" },
        };

        for (size_t i = 0; i < ELEMENTSOF(says); i++)
                ASSERT_STREQ(understand(says[i][0], strlen(says[i][0])), says[i][1]);
}

TEST(zlib_is_unpacked_within_limits)
{
        static uint8_t zeros[10 * 1024 * 1024];
        static char text[PACKET_SIZE_MAX + 1], packed[PACKET_SIZE_MAX];
        const char *hi = "{\"message\": \"Hi there!\"}";
        size_t n;

        n = pack(hi, strlen(hi), "zlib", packed, sizeof packed);
        ASSERT_STREQ(understand(packed, n), "Hi there!");
        n = pack("", 0, "zlib", packed, sizeof packed);
        ASSERT_STREQ(understand(packed, n), "(nothing)");
        n = pack(hi, strlen(hi), "zlob", packed, sizeof packed);
        ASSERT_STREQ(understand(packed, n), "(it is compressed in a way that is not known here.)");

        memset(text, 'x', sizeof text);
        n = pack(text, PACKET_SIZE_MAX, "zlib", packed, sizeof packed);
        ASSERT_EQ(strlen(understand(packed, n)), PACKET_SIZE_MAX);
        n = pack(text, PACKET_SIZE_MAX + 1, "zlib", packed, sizeof packed);
        ASSERT_STREQ(understand(packed, n), "(it is too large when it is unpacked.)");
        n = pack(zeros, sizeof zeros, "zlib", packed, sizeof packed);
        ASSERT_STREQ(understand(packed, n), "(it is too large when it is unpacked.)");
}

/* Cut, and with each bit wrong: text, or a reason, never more. */
TEST(damaged_zlib)
{
        static char packed[PACKET_SIZE_MAX], copy[PACKET_SIZE_MAX];
        const char *hi = "{\"message\": \"Hi there, Hi there, Hi there!\"}";
        size_t n = pack(hi, strlen(hi), "zlib", packed, sizeof packed);

        for (size_t cut = 1; cut < n; cut++) {
                memcpy(copy, packed, cut);
                copy[cut - 1] = PACKET_COMPRESSED;
                (void)understand(copy, cut);
        }
        for (size_t i = 0; i < 8 * n; i++) {
                memcpy(copy, packed, n);
                copy[i / 8] ^= (char)(1 << i % 8);
                (void)understand(copy, n);
        }
}

struct count {
        size_t n_read, n_too_large, n_endless, size;
};

static struct count read_all(struct packet_reader *r, const void *data, size_t size, size_t step)
{
        const uint8_t *p = data;
        struct count c = { 0 };

        while (size > 0 && c.n_endless == 0) {
                size_t n = MIN(size, step), used;
                const struct buffer *packet;
                int k = packet_read(r, p, n, &used, &packet);

                ASSERT_GE(k, 0);
                ASSERT_TRUE(used > 0 && used <= n);
                c.n_read += k == PACKET_READ;
                c.n_too_large += k == PACKET_TOO_LARGE;
                c.n_endless += k == PACKET_ENDLESS;
                if (k == PACKET_READ)
                        c.size += packet->size;
                p += used;
                size -= used;
        }
        return c;
}

TEST(packets_of_a_stream)
{
        static const char stream[] = "one\x04\x04\x04two\x04{\"message\": \"three\"}\x04"
                                     "four";
        static char large[PACKET_SIZE_MAX + 10];

        for (size_t step = 1; step <= sizeof stream; step++) {
                struct packet_reader r;
                struct count c;

                packet_reader_init(&r);
                c = read_all(&r, stream, sizeof stream - 1, step);
                ASSERT_EQ(c.n_read, 3);
                ASSERT_EQ(c.size, 3 + 3 + 20);
                ASSERT_EQ(read_all(&r, "\x04", 1, 1).size, 4);
                packet_reader_done(&r);
        }

        for (size_t step = 1; step <= sizeof large; step += 1000) {
                struct packet_reader r;
                struct count c;

                packet_reader_init(&r);
                memset(large, 'x', sizeof large);
                large[PACKET_SIZE_MAX] = large[PACKET_SIZE_MAX + 5] = PACKET_END;
                c = read_all(&r, large, PACKET_SIZE_MAX + 6, step);
                ASSERT_EQ(c.n_read, 2);
                large[PACKET_SIZE_MAX] = 'x';
                large[PACKET_SIZE_MAX + 9] = PACKET_END;
                c = read_all(&r, large, sizeof large, step);
                ASSERT_EQ(c.n_too_large, 1);
                ASSERT_EQ(c.n_read, 1);
                packet_reader_done(&r);
        }
}

TEST(a_packet_without_an_end)
{
        static char data[16 * 1024];
        struct packet_reader r;
        size_t n = 0;

        packet_reader_init(&r);
        memset(data, 'x', sizeof data);
        while (read_all(&r, data, sizeof data, sizeof data).n_endless == 0) {
                ASSERT_LE(r.bytes.allocated, PACKET_SIZE_MAX + 1);
                ASSERT_LE(++n, PACKET_SKIPPED_MAX / sizeof data + 1);
        }
        packet_reader_done(&r);
}

TEST(what_we_say)
{
        struct buffer b;

        buffer_init(&b, 1000);
        ASSERT_OK(compose_packet("a \"b\"\n\xc4\x9f", 8, &b));
        ASSERT_STREQ((char *)b.data, "{\"message\": \"a \\\"b\\\"\\n\xc4\x9f\"}\x04");
        buffer_done(&b);
}

/*
 * Connections
 */
struct script {
        struct third *third;
        usec_t now_usec;
        char trace[64 * 1024];
};

static void open_script(struct script *s, bool is_dialled)
{
        *s = (struct script){ .now_usec = START_USEC };
        ASSERT_OK(third_new(is_dialled, "ourid", 9100, s->now_usec, &s->third));
}

static int drain(struct script *s)
{
        struct third_event e;
        int r;

        while ((r = third_next_event(s->third, &e)) > 0) {
                size_t n = strlen(s->trace);
                char *line = s->trace + n;

                n = sizeof s->trace - n;
                switch (e.type) {
                case THIRD_SEND:
                        (void)snprintf(line, n, "send %.*s\n", (int)e.size, (char *)e.data);
                        break;
                case THIRD_GREETED:
                        (void)snprintf(line, n, "greeted %s %u\n", e.id, e.port);
                        break;
                case THIRD_READY:
                        (void)snprintf(line, n, "ready\n");
                        break;
                case THIRD_NAMED:
                        (void)snprintf(line, n, "named %s\n", e.name);
                        break;
                case THIRD_MESSAGE:
                        (void)snprintf(line, n, "message %.*s\n", (int)e.size, (char *)e.data);
                        break;
                case THIRD_NOTICE:
                        (void)snprintf(line, n, "notice %s\n", e.why);
                        break;
                case THIRD_CLOSE:
                        (void)snprintf(line, n, "close\n");
                        break;
                }
        }
        return r;
}

static int hear(struct script *s, const char *data, size_t size)
{
        int r = third_receive(s->third, data, size, s->now_usec);

        return r < 0 ? r : drain(s);
}

static int pass(struct script *s, usec_t span_usec)
{
        s->now_usec += span_usec;
        third_advance(s->third, s->now_usec);
        return drain(s);
}

#define EXPECT(s, text)                                                                            \
        do {                                                                                       \
                ASSERT_STREQ((s)->trace, text);                                                    \
                (s)->trace[0] = 0;                                                                 \
        } while (0)
#define HEAR(s, text) ASSERT_OK(hear(s, text, strlen(text)))
#define PASS(s, msec) ASSERT_OK(pass(s, (msec)*USEC_PER_MSEC))

TEST(we_are_called)
{
        struct script s;

        open_script(&s, false);
        HEAR(&s, "their");
        PASS(&s, 99);
        HEAR(&s, "id:92");
        PASS(&s, 99);
        HEAR(&s, "00");
        EXPECT(&s, "");
        PASS(&s, 100);
        EXPECT(&s, "greeted theirid 9200\nsend ourid\n");

        /* What comes is taken at once; what we say waits until they have read our id. */
        HEAR(&s, "{\"message\": \"Hi\", \"username\": \"Nora\"}\x04text\x04");
        EXPECT(&s, "named Nora\nmessage Hi\nmessage text\n");
        ASSERT_FALSE(third_is_ready(s.third));
        PASS(&s, 499);
        EXPECT(&s, "");
        PASS(&s, 1);
        EXPECT(&s, "ready\n");
        ASSERT_OK(third_say(s.third, "Hello", 5));
        ASSERT_OK(drain(&s));
        EXPECT(&s, "send {\"message\": \"Hello\"}\x04\n");
        HEAR(&s, "{\"message\": \"more\", \"username\": \"Else\"}\x04");
        EXPECT(&s, "message more\n");
        ASSERT_EQ(third_deadline(s.third), USEC_INFINITY);
        third_free(s.third);
}

TEST(we_call)
{
        struct script s;

        open_script(&s, true);
        ASSERT_OK(drain(&s));
        EXPECT(&s, "send ourid:9100\n");
        /* They greet too early: it is glued to the id. */
        HEAR(&s, "theirid{\"message\": \"wel");
        HEAR(&s, "come\"}\x04");
        PASS(&s, 100);
        EXPECT(&s, "greeted theirid 0\nmessage welcome\n");
        PASS(&s, 500);
        EXPECT(&s, "ready\n");
        third_free(s.third);

        open_script(&s, true);
        ASSERT_OK(drain(&s));
        s.trace[0] = 0;
        HEAR(&s, MADE_ID "plain words\x04");
        PASS(&s, 100);
        EXPECT(&s, "greeted " MADE_ID " 0\nmessage plain words\n");
        third_free(s.third);
}

TEST(who_says_nothing)
{
        struct script s;

        open_script(&s, false);
        PASS(&s, 9999);
        EXPECT(&s, "");
        PASS(&s, 1);
        EXPECT(&s, "close\n");
        HEAR(&s, "theirid:1");
        PASS(&s, 1000);
        EXPECT(&s, "");
        third_free(s.third);

        /* Or a byte now and then. */
        open_script(&s, false);
        for (size_t i = 0; i < 200; i++) {
                PASS(&s, 51);
                HEAR(&s, "x");
        }
        ASSERT_TRUE(strstr(s.trace, "greeted"));
        third_free(s.third);
}

TEST(what_is_no_id)
{
        static const char *const greetings[] = {
                "GET / HTTP/1.1\r\nHost: here\r\n\r\n",
                "SSH-2.0-OpenSSH_9.2\r\n",
                "\x16\x03\x01\x02",
                ":9200",
                "\x04",
                "{\"key\": \"3\"}",
                "\xff\xfe:80",
        };
        char large[THIRD_ID_SIZE_MAX + 2];
        struct script s;

        for (size_t i = 0; i < ELEMENTSOF(greetings); i++) {
                open_script(&s, false);
                HEAR(&s, greetings[i]);
                PASS(&s, 100);
                EXPECT(&s, "close\n");
                third_free(s.third);
        }
        for (size_t n = THIRD_ID_SIZE_MAX; n <= THIRD_ID_SIZE_MAX + 1; n++) {
                memset(large, 'z', sizeof large);
                open_script(&s, false);
                ASSERT_OK(hear(&s, large, n));
                PASS(&s, 100);
                ASSERT_EQ(strstr(s.trace, "close") == NULL, n == THIRD_ID_SIZE_MAX);
                third_free(s.third);
        }
}

TEST(ports_that_are_none)
{
        static const char *const greetings[] = { "id:", "id:0", "id:65536", "id:99999999999999",
                "id:port", "id" };
        struct script s;

        for (size_t i = 0; i < ELEMENTSOF(greetings); i++) {
                open_script(&s, false);
                HEAR(&s, greetings[i]);
                PASS(&s, 100);
                ASSERT_TRUE(strstr(s.trace, "greeted id 0\n"));
                third_free(s.third);
        }
}

TEST(endless_input)
{
        static char data[16 * 1024];
        struct script s;
        size_t n = 0;

        /* In the place of an id, and of a packet. */
        memset(data, 'x', sizeof data);
        open_script(&s, false);
        while (!strstr(s.trace, "close")) {
                ASSERT_OK(hear(&s, data, sizeof data));
                ASSERT_LE(++n, 8);
        }
        third_free(s.third);

        open_script(&s, false);
        HEAR(&s, "theirid");
        PASS(&s, 100);
        for (n = 0; !strstr(s.trace, "close"); n++) {
                ASSERT_OK(hear(&s, data, sizeof data));
                ASSERT_LE(n, 100);
        }
        third_free(s.third);
}

TEST(unreadable_ones_are_told_once)
{
        struct script s;

        open_script(&s, false);
        HEAR(&s, "theirid");
        PASS(&s, 100);
        s.trace[0] = 0;
        HEAR(&s, "\xff\x04YnppcDI=\x02\x04\x04\x04"
                 "after\x04");
        EXPECT(&s, "notice it is neither text nor JSON.\nmessage after\n");
        third_free(s.third);
}

/* A whole conversation with this in it. 0 or -ENOMEM. */
static int converse(const char *data, size_t size, size_t step)
{
        struct script s = { .now_usec = START_USEC };
        int r;

        r = third_new(size % 2, "ourid", 9100, s.now_usec, &s.third);
        if (r < 0)
                return r;
        r = drain(&s);
        for (size_t i = 0; r == 0 && i < size; i += step) {
                s.trace[0] = 0;
                r = hear(&s, data + i, MIN(step, size - i));
                if (r == 0 && i == 0)
                        r = pass(&s, 100 * USEC_PER_MSEC);
        }
        if (r == 0)
                r = pass(&s, 500 * USEC_PER_MSEC);
        if (r == 0 && third_is_ready(s.third)) {
                r = third_say(s.third, "text", 4);
                if (r == 0)
                        r = drain(&s);
        }
        third_free(s.third);
        return r;
}

static const char dialogue[] = "theirid:9200\x04{\"message\": \"Hi\", \"user\": \"B\\u00e7b\"}\x04"
                               "text\x04\x04\x04eJzzSM3JyVcIzy/KSVEEABxJBD56bGli\x02\x04\xff\x04x";

/* Cut, doubled, with bytes exchanged, and each bit wrong; in one piece and in many. */
TEST(mutated_conversations)
{
        char data[2 * sizeof dialogue];
        size_t n = sizeof dialogue - 1;

        for (size_t step = 1; step < n + 1; step += 6) {
                for (size_t k = 0; k <= n; k++)
                        ASSERT_OK(converse(dialogue, k, step));
                for (size_t i = 0; i < 8 * n; i++) {
                        memcpy(data, dialogue, n);
                        data[i / 8] ^= (char)(1 << i % 8);
                        ASSERT_OK(converse(data, n, step));
                }
                for (size_t k = 0; k <= n; k++) {
                        memcpy(data, dialogue, k);
                        memcpy(data + k, dialogue, n);
                        ASSERT_OK(converse(data, k + n, step));
                }
        }
}

TEST(memory_that_runs_out)
{
        int r = -ENOMEM;

        for (size_t n = 1; r == -ENOMEM; n++) {
                n_allocations = 0;
                fail_at = n;
                r = converse(dialogue, sizeof dialogue - 1, 20);
                fail_at = SIZE_MAX;
                ASSERT_TRUE(r == 0 || r == -ENOMEM);
                ASSERT_LT(n, 1000);
        }
}

TEST(names_and_tags_of_ids)
{
        char name[NAME_SIZE_MAX + 1];

        ASSERT_OK(third_name(MADE_ID, 16, name));
        ASSERT_STREQ(name, "0123456789abcdef");
        ASSERT_OK(third_name("Bob@home", 16, name));
        ASSERT_STREQ(name, "Bob_home");
        ASSERT_OK(third_name("\xc4\x9f\xc4\x9f\xc4\x9f", 3, name));
        ASSERT_STREQ(name, "\xc4\x9f");
        ASSERT_NE(third_tag("a"), third_tag("b"));
        ASSERT_NE(third_tag(""), 0);
        ASSERT_EQ(third_tag("a"), UINT32_C(0xca978112)); /* of its SHA-256 */
}

static int set_up(void)
{
        bool is_locked;

        return crypto_init(&is_locked) < 0 ? 1 : 0;
}

TEST_MAIN_WITH(set_up)
