/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Announcements of the classic dialects */
#include "core/crypto/crypto.h"
#include "core/legacy/legacy.h"
#include "lib/test.h"

#define ID "eh7ddx5bksrgcytl7bkai36se4"

static int decode(const char *text, struct announce *ret)
{
        return legacy_decode_announce(DIALECT_CLASSIC, text, strlen(text), ret);
}

TEST(what_others_say)
{
        static const struct {
                const char *text, *username, *id;
                uint16_t port;
                bool has_uuid, cannot_chat;
        } cases[] = {
                { "{\"username\": \"Ece\"}", "Ece" },
                { "{\n    \"username\": \"Ece\",\n    \"ip_address\": \"10.0.0.7\"\n}\n", "Ece" },
                { "{'username': 'Ece'}", "Ece" },
                { "{\"username\":\"Ece\",\"port\":7001,\"x\":[1,{\"y\":null}],\"z\":true}", "Ece",
                        "", 7001 },
                { "{\"username\": \"Ece\", \"port\": \"7001\"}", "Ece", "", 7001 },
                { "{\"username\": \"Ece\", \"port\": 70000}", "Ece", "", 0 },
                { "{\"username\": \"Ece\", \"port\": -1}", "Ece", "", 0 },
                { "{\"username\": \"Ece\", \"port\": 1e4}", "Ece", "", 0 },
                { "{\"username\": \"Ece\", \"id\": \"" ID "\", \"uuid\": \"" ID "\"}", "Ece", ID },
                { "{\"username\": \"Ece\", \"id\": \"17\"}", "Ece" },
                { "{\"username\": \"Ece\", \"uuid\": \"5b0c\"}", "Ece", "", 0, true },
                { "{\"username\": \"Ece\", \"chunks\": [\"a_1\", \"a_2\"]}", "Ece", "", 0, false,
                        true },
                { "{\"chunks\": [], \"username\": 1234}", "1234", "", 0, false, true },
                { "{\"username\": \"\\u011eece\\u202e\\u0007#\"}", "Ğece_" },
                { "{\"username\": \"A\", \"username\": \"Ece\"}", "Ece" },
                { "{\"username\": \"Ece\"}\0\0rest", "Ece" },
                { "  {\"Username\": \" Ece \"}", "_Ece_" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct announce a;

                ASSERT_OK(decode(cases[i].text, &a));
                ASSERT_STREQ(a.username, cases[i].username);
                ASSERT_STREQ(a.id, cases[i].id ? cases[i].id : "");
                ASSERT_EQ(a.port, cases[i].port);
                ASSERT_EQ(a.has_uuid, cases[i].has_uuid);
                ASSERT_EQ(a.cannot_chat, cases[i].cannot_chat);
        }
}

TEST(what_is_none)
{
        static const char *const texts[] = { "", "{", "{}", "[]", "Ece", "\"Ece\"", "null",
                "{\"username\": \"Ece\"", "{\"username\": \"Ece}", "{\"username\": \"\"}",
                "{\"username\": null}", "{\"username\": [\"Ece\"]}", "{\"user\": \"Ece\"}",
                "{\"username\": \"\\u0007\"}", "{\"username\": \"\xff\"}", "{\"username\" \"Ece\"}",
                "{\"username\": \"   \"}", "{\"username\": \"Ece\"]",
                "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[", "{\"ip\": \"10.0.0.7\"}", "P2PC" };
        struct announce a = { .port = 7 };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                ASSERT_GT(decode(texts[i], &a), 0);
        ASSERT_EQ(a.port, 7);
}

/* The parser takes the string for the whole: comments and zero bytes never reach it. */
TEST(what_ends_too_early)
{
        static const char zero[] = "{\"username\": \"Ece\" //\0\n}";
        struct announce a;

        ASSERT_GT(legacy_decode_announce(DIALECT_CLASSIC, zero, sizeof zero - 1, &a), 0);
        ASSERT_GT(decode("{\"username\": \"Ece\" /* \" */}", &a), 0);
}

TEST(mutations)
{
        static const char text[] =
                "{\"username\": \"\\u011eE\\\"ce\", \"port\": 7001, \"id\": \"" ID
                "\", \"x\": [1.5e3, {\"y\": null}]}";
        size_t n = sizeof text - 1;
        char s[2 * sizeof text];
        struct announce a;

        for (size_t k = 0; k <= n; k++) {
                ASSERT_EQ(legacy_decode_announce(DIALECT_CLASSIC, text, k, &a) == 0, k == n);
                (void)legacy_decode_announce(DIALECT_SECOND, text + k, n - k, &a);
                for (int bit = 0; bit < 8 && k < n; bit++) {
                        memcpy(s, text, n);
                        s[k] = (char)(s[k] ^ 1 << bit);
                        if (legacy_decode_announce(DIALECT_CLASSIC, s, n, &a) == 0)
                                ASSERT_TRUE(a.username[0] &&
                                            text_is_printable(a.username, strlen(a.username)));
                }
                memcpy(s, text, k);
                memcpy(s + k, text, n);
                (void)legacy_decode_announce(DIALECT_CLASSIC, s, n + k, &a);
        }
}

TEST(a_datagram_has_limits)
{
        char *text = malloc(70000);
        struct announce a;

        ASSERT_NOT_NULL(text);
        memset(text, ' ', 70000);
        memcpy(text, "{\"username\": \"Ece\", \"x\": \"", 26);
        text[60000] = '"';
        text[60001] = '}';
        ASSERT_GT(legacy_decode_announce(DIALECT_CLASSIC, text, 60002, &a), 0);
        memset(text + 26, '1', 60000);
        ASSERT_GT(legacy_decode_announce(DIALECT_CLASSIC, text, 60000, &a), 0);
        free(text);
}

TEST(what_we_say)
{
        struct announce a = { .username = "Ece", .id = ID, .port = 6001 }, back;
        struct endpoint ip = endpoint_ipv4(192, 168, 1, 7, 1);
        char text[ANNOUNCE_SIZE_MAX + 1];
        size_t size;

        ASSERT_OK(legacy_encode_announce(DIALECT_CLASSIC, &a, &ip, true, text, &size));
        ASSERT_STREQ(text, "{\"username\":\"Ece\",\"ip\":\"192.168.1.7\",\"port\":6001,\"id\":\"" ID
                           "\",\"p2pchat\":1,\"ip_address\":\"192.168.1.7\",\"uuid\":\"" ID "\"}");
        ASSERT_EQ(size, strlen(text));
        ASSERT_OK(decode(text, &back));
        ASSERT_STREQ(back.username, "Ece");
        ASSERT_STREQ(back.id, ID);
        ASSERT_FALSE(back.has_uuid);

        ASSERT_OK(legacy_encode_announce(DIALECT_CLASSIC, &a, &ip, false, text, &size));
        ASSERT_STREQ(text, "{\"username\":\"Ece\",\"ip\":\"192.168.1.7\",\"port\":6001,\"id\":\"" ID
                           "\",\"p2pchat\":1}");
        /* Its listeners die when one of the first three is missing. */
        ASSERT_OK(legacy_encode_announce(DIALECT_SECOND, &a, &ip, true, text, &size));
        ASSERT_STREQ(text,
                "{\"username\":\"Ece\",\"ip\":\"192.168.1.7\",\"port\":6001,\"id\":\"" ID "\"}");
        a.id[0] = 0;
        ASSERT_OK(legacy_encode_announce(DIALECT_SECOND, &a, &ip, false, text, &size));
        ASSERT_STREQ(text, "{\"username\":\"Ece\",\"ip\":\"192.168.1.7\",\"port\":6001}");
        /* Who has no identity does not ask for sessions. */
        ASSERT_OK(legacy_encode_announce(DIALECT_CLASSIC, &a, &ip, true, text, &size));
        ASSERT_STREQ(text, "{\"username\":\"Ece\",\"ip\":\"192.168.1.7\",\"port\":6001,"
                           "\"ip_address\":\"192.168.1.7\"}");
}

TEST(ours_by_ipv6)
{
        struct announce a = { .username = "Ece", .id = ID, .port = 6001 };
        char text[ANNOUNCE_SIZE_MAX + 1];
        struct endpoint ip;
        size_t size;

        ASSERT_OK(endpoint_parse("fe80::1%7", 1, &ip));
        ASSERT_OK(legacy_encode_announce(DIALECT_CLASSIC, &a, &ip, true, text, &size));
        ASSERT_STREQ(text, "{\"username\":\"Ece\",\"ip\":\"fe80::1\",\"port\":6001,\"id\":\"" ID
                           "\",\"p2pchat\":1}");
}

/* The id alone decides; what else they understand is told in the session. */
TEST(any_version_of_ours)
{
        static const char *const more[] = { "", ",\"p2pchat\":1", ",\"p2pchat\":2",
                ",\"p2pchat\":4294967296", ",\"p2pchat\":\"1\"", ",\"p2pchat\":{\"v\":[3]}" };

        for (size_t i = 0; i < ELEMENTSOF(more); i++) {
                char text[256];
                struct announce a;

                (void)snprintf(text, sizeof text,
                        "{\"username\":\"Ece\",\"port\":6001,\"id\":\"" ID "\"%s}", more[i]);
                ASSERT_OK(decode(text, &a));
                ASSERT_STREQ(a.id, ID);
                ASSERT_EQ(a.port, 6001);
        }
}

TEST(ours_is_short)
{
        struct announce a = { .username = "abcdefghijklmnopqrst", .id = ID, .port = 65535 };
        struct endpoint ip = endpoint_ipv4(255, 255, 255, 255, 0), ip6;
        char text[ANNOUNCE_SIZE_MAX + 1];
        size_t size;

        ASSERT_OK(legacy_encode_announce(DIALECT_CLASSIC, &a, &ip, true, text, &size));
        ASSERT_LE(size, ANNOUNCE_SIZE_MAX);
        ASSERT_OK(endpoint_parse("1111:2222:3333:4444:5555:6666:7777:8888", 1, &ip6));
        ASSERT_OK(legacy_encode_announce(DIALECT_CLASSIC, &a, &ip6, true, text, &size));
        ASSERT_LE(size, ANNOUNCE_SIZE_MAX);
}

static int setup(void)
{
        bool locked;

        return crypto_init(&locked) < 0;
}

TEST_MAIN_WITH(setup)
