/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The classic engine when it is called */
#include "base/encode.h"
#include "unit/legacy-world.h"

#define SILENCE USEC_PER_SEC
#define BARE (200 * USEC_PER_MSEC)

static const struct legacy_memory usual;

TEST(as_specified)
{
        WORLD(w);
        struct buffer b;

        buffer_init(&b, 4096);
        accept_link(w, 2);
        hear(w, 2, "{\"key\": \"13\"}"); /* 2 ^ 5 mod 19 */
        EXPECT(w, "2 > {\"key\": \"#\"}\n");
        ASSERT_GE(atoi(w->key), 2);
        ASSERT_LE(atoi(w->key), 17);

        /* Never closed at once: the message is still to come. */
        pass(w, 9 * USEC_PER_SEC);
        EXPECT(w, "");
        hear(w, 2, cipher(w, "5", "19", &usual, "Merhaba dünya", &b));
        drain(w);
        ASSERT_NOT_NULL(strstr((char *)w->trace.data, "2 learned sp24 "));
        ASSERT_NOT_NULL(strstr((char *)w->trace.data, " connections 1\n"));
        ASSERT_NOT_NULL(strstr((char *)w->trace.data, "2 message legacy <> Merhaba dünya\n"));

        pass(w, SILENCE - 1);
        EXPECT(w, "");
        pass(w, 1);
        EXPECT(w, "2 close\n");
        buffer_done(&b);
}

TEST(the_message_tells_the_group)
{
        struct buffer b;

        buffer_init(&b, 4096);
        for (int group = 0; group < 2; group++)
                for (int x = 1; x < 18; x++) {
                        const char *p = group ? "23" : "19", *g = group ? "5" : "2";
                        char exponent[12], public[DECIMAL_SIZE], text[128];
                        /* A cipher that looks at every bit of its key. */
                        struct legacy_memory form = { .form = 11 };
                        WORLD(w);

                        snprintf(exponent, sizeof exponent, "%d", x);
                        ASSERT_OK(dh_power(g, exponent, p, public));
                        snprintf(text, sizeof text, "{\"key\": \"%s\"}", public);
                        accept_link(w, 2);
                        hear(w, 2, text);
                        drain(w);
                        hear(w, 2, cipher(w, exponent, p, &form, "which one?", &b));
                        drain(w);
                        ASSERT_NOT_NULL(
                                strstr((char *)w->trace.data, "2 message legacy <> which one?\n"));
                        if (w->memory.group != LEGACY_GROUP_UNKNOWN)
                                ASSERT_EQ(w->memory.group,
                                        group ? LEGACY_GROUP_23_5 : LEGACY_GROUP_19_2);
                }
        buffer_done(&b);
}

/* To DES 12 is 13, and 1 is 0: our key is chosen so that it does not matter. */
TEST(the_key_is_chosen_to_tell_forms_apart)
{
        struct buffer b;

        buffer_init(&b, 4096);
        for (int group = 0; group < 2; group++)
                for (int x = 1; x < (group ? 22 : 18); x++)
                        for (uint8_t form = 1; form <= dialect_n_forms; form++) {
                                const char *p = group ? "23" : "19", *g = group ? "5" : "2";
                                char exponent[12], public[DECIMAL_SIZE], text[128];
                                struct legacy_memory m = { .form = form };
                                WORLD(w);

                                snprintf(exponent, sizeof exponent, "%d", x);
                                ASSERT_OK(dh_power(g, exponent, p, public));
                                for (uint8_t i = 0; i < form; i++)
                                        (void)random_u64(w->random);
                                snprintf(text, sizeof text, "{\"key\": \"%s\"}", public);
                                accept_link(w, 2);
                                hear(w, 2, text);
                                drain(w);
                                hear(w, 2,
                                        cipher(w, exponent, p, &m, "longer than two blocks of it",
                                                &b));
                                drain(w);
                                ASSERT_EQ(w->memory.form, form);
                                ASSERT_EQ(w->memory.group,
                                        group ? LEGACY_GROUP_23_5 : LEGACY_GROUP_19_2);
                        }
        buffer_done(&b);
}

TEST(keys_in_every_spelling_are_answered_alike)
{
        static const struct {
                const char *said, *answer;
        } cases[] = {
                { "{\"key\": 13}", "2 > {\"key\": #}\n2 learned number\n" },
                { "{\"key\":\"0013\", \"username\": \"Bob\"}", "2 > {\"key\": \"#\"}\n" },
                { "{\"public_key\": \"13\"}",
                        "2 > {\"public_key\": \"#\"}\n2 learned public_key\n" },
                { "{\"public_key\": 13}",
                        "2 > {\"public_key\": #}\n2 learned number public_key\n" },
                { "13\n", "2 > #\n2 learned bare\n" },
                { "{'key': '13'}", "2 > {\"key\": \"#\"}\n" },
                { "\r\n {\n  \"Key\" : \" 13\\n\"\n}\n", "2 > {\"key\": \"#\"}\n" },
                { "{\"key\": \"20\"}", "2 > {\"key\": \"#\"}\n2 learned (23, 5)\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                WORLD(w);

                accept_link(w, 2);
                hear(w, 2, cases[i].said);
                EXPECT(w, cases[i].answer);
        }
}

TEST(bare_keys_end_with_silence_or_the_file)
{
        WORLD(w);

        accept_link(w, 2);
        hear(w, 2, "1");
        EXPECT(w, "");
        hear(w, 2, "3");
        EXPECT(w, "");
        ASSERT_EQ(legacy_deadline(w->legacy), w->now_usec + BARE);
        pass(w, BARE);
        EXPECT(w, "2 > #\n2 learned bare\n");

        accept_link(w, 4);
        hear(w, 4, "13");
        end_link(w, 4);
        EXPECT(w, "4 > #\n4 close\n");
}

TEST(the_group_that_he_gives)
{
        static const struct {
                const char *members, *p, *g;
        } cases[] = {
                { "\"p\": 907, \"g\": 7", "907", "7" },
                { "\"modulus\": \"907\", \"base\": \"7\"", "907", "7" },
                { "\"prime\": 23, \"base\": 5", "23", "5" },
                { "\"mod\": 19", "19", "2" },
                { "\"p\": \"2345678901234567890123456789012345678901234567890123456789012345678901"
                  "2345678901234567890123456789\", \"g\": 3",
                        "234567890123456789012345678901234567890123456789012345678901234567890123"
                        "45678901234567890123456789",
                        "3" },
        };
        struct buffer b;

        buffer_init(&b, 4096);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char public[DECIMAL_SIZE], text[512];
                struct legacy_memory form = { .form = 11 };
                WORLD(w);

                ASSERT_OK(dh_power(cases[i].g, "123456789", cases[i].p, public));
                snprintf(text, sizeof text, "{\"key\": %s, %s}", public, cases[i].members);
                accept_link(w, 2);
                hear(w, 2, text);
                drain(w);
                hear(w, 2, cipher(w, "123456789", cases[i].p, &form, "in his group", &b));
                drain(w);
                ASSERT_NOT_NULL(
                        strstr((char *)w->trace.data, "2 message legacy <> in his group\n"));
        }
        buffer_done(&b);
}

TEST(plain_text_in_every_spelling)
{
        static const struct {
                const char *said, *trace;
        } cases[] = {
                { "{\"unencrypted_message\": \"hi\"}", "2 message plain <> hi\n" },
                { "{\"unencrypted message\": \"hi\", \"user\": \"Bob\"}",
                        "2 learned spelling 1\n2 message plain <Bob> hi\n" },
                { "{\"unencryptedmessage\": \"hi\", \"author\": \"B#b\"}",
                        "2 learned spelling 2\n2 message plain <B_b> hi\n" },
                { "{\"username\": \"Bob\", \"message\": \"hi\"}",
                        "2 learned spelling 3\n2 message plain <Bob> hi\n" },
                { "{\"unencrypted_message\": \"\"}", "" },
                { "{\"unencrypted_message\": 42}", "2 message plain <> 42\n" },
                { "{\"unencrypted_message\": \"tab\\tand\\nline \\u011f\"}",
                        "2 message plain <> tab\tand\nline ğ\n" },
                { "{\"unencrypted_message\": \"bell\\u0007 \\u001b[2J \\u0000 end\"}",
                        "2 message plain <> bell\xef\xbf\xbd \xef\xbf\xbd[2J \xef\xbf\xbd end\n" },
                { "{\"unencrypted_message\": \"bad \xff\xc3 utf\"}",
                        "2 message plain <> bad \xef\xbf\xbd\xef\xbf\xbd utf\n" },
                { "{\"username\": \"\\u202e\\u0007\", \"unencrypted_message\": \"x\"}",
                        "2 message plain <> x\n" },
                { "{\"hello\": 1} {\"unencrypted_message\": \"a\"}{\"unencrypted_message\": \"b\"}",
                        "2 message plain <> a\n2 message plain <> b\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                WORLD(w);

                accept_link(w, 2);
                hear(w, 2, cases[i].said);
                EXPECT(w, cases[i].trace);
                end_link(w, 2);
                EXPECT(w, "2 close\n");
        }
}

TEST(in_pieces_of_one_byte)
{
        static const char said[] = "{\"username\": \"B\\\"}o\", \"unencrypted_message\": \"ığ {\"}"
                                   "{\"unencrypted_message\": \"two\", \"x\": [{}, 1.5e3, -2]}";
        WORLD(w);

        accept_link(w, 2);
        for (size_t i = 0; i < sizeof said - 1; i++)
                hear_bytes(w, 2, said + i, 1);
        EXPECT(w, "2 message plain <B\"}o> ığ {\n2 message plain <B\"}o> two\n");
}

TEST(what_comes_before_the_key)
{
        static const struct {
                const char *said;
                size_t size;
                const char *trace;
        } cases[] = {
                { "{\"choice\": \"y\"}{\"key\": \"13\"}", 28,
                        "2 learned choice 1\n2 > {\"key\": \"#\"}\n" },
                { "y{\"key\": \"13\"}", 14, "2 learned choice 2\n2 > {\"key\": \"#\"}\n" },
                { "y\n13\n", 5, "2 learned choice 2\n2 > #\n2 learned choice 2 bare\n" },
                { "N\n{\"unencrypted_message\": \"hi\"}", 32,
                        "2 learned choice 2\n2 message plain <> hi\n" },
                { "\0{\"unencrypted_message\": \"hi\"}\0", 32,
                        "2 learned choice 3\n2 message plain <> hi\n" },
                { "\1{\"key\": 13}", 12,
                        "2 learned choice 3\n2 > {\"key\": #}\n2 learned choice 3 number\n" },
                { "1{\"key\": \"13\"}", 14, "2 learned choice 4\n2 > {\"key\": \"#\"}\n" },
                { "0{\"unencrypted_message\": \"hi\"}", 31,
                        "2 learned choice 4\n2 message plain <> hi\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                WORLD(w);

                accept_link(w, 2);
                hear_bytes(w, 2, cases[i].said, cases[i].size);
                EXPECT(w, cases[i].trace);
        }
}

TEST(a_choice_alone_waits)
{
        WORLD(w);

        accept_link(w, 2);
        hear(w, 2, "y");
        EXPECT(w, "");
        pass(w, BARE);
        EXPECT(w, "2 learned choice 2\n");
        hear(w, 2, "{\"key\": \"13\"}");
        EXPECT(w, "2 > {\"key\": \"#\"}\n");

        /* A 1 is a choice if an object follows soon, else a key. */
        w->memory = usual;
        accept_link(w, 4);
        hear(w, 4, "1");
        pass(w, USEC_PER_SEC - 1);
        EXPECT(w, "");
        hear(w, 4, "{\"key\": \"13\"}");
        EXPECT(w, "4 learned choice 4\n4 > {\"key\": \"#\"}\n");
        w->memory = usual;
        accept_link(w, 6);
        hear(w, 6, "1");
        pass(w, USEC_PER_SEC);
        EXPECT(w, "6 > #\n6 learned bare\n");
}

TEST(key_and_message_on_two_connections)
{
        WORLD(w);
        struct buffer b;

        buffer_init(&b, 4096);
        accept_link(w, 2);
        hear(w, 2, "{\"key\": \"13\"}");
        drain(w);
        end_link(w, 2);
        EXPECT(w, "2 close\n");

        pass(w, 29 * USEC_PER_SEC);
        accept_link(w, 4);
        hear(w, 4, cipher(w, "5", "19", &usual, "on the second", &b));
        drain(w);
        ASSERT_NOT_NULL(strstr((char *)w->trace.data, " connections 2\n"));
        ASSERT_NOT_NULL(strstr((char *)w->trace.data, "4 message legacy <> on the second\n"));

        /* Kept for a short time only, counted from its last use. */
        pass(w, 31 * USEC_PER_SEC);
        drain(w);
        ASSERT_EQ(legacy_deadline(w->legacy), USEC_INFINITY);
        accept_link(w, 6);
        hear(w, 6, (char *)b.data);
        EXPECT(w, "6 notice A message from 127.30.9.9 cannot be read: it is encrypted, but no keys "
                  "were exchanged before.\n");
        buffer_done(&b);
}

TEST(exchanges_are_bounded)
{
        WORLD(w);

        for (uint64_t i = 0; i < 1000; i++) {
                struct endpoint remote = endpoint_ipv4(127, 30, 1 + i / 200, 1 + i % 200, 5);
                struct legacy_effect e;

                ASSERT_OK(legacy_accepted(w->legacy, 2 * i, &remote, &w->memory, w->now_usec));
                w->now_usec++;
                hear(w, 2 * i, "{\"key\": 3}");
                legacy_lost(w->legacy, 2 * i);
                while (legacy_next_effect(w->legacy, &e))
                        ;
        }
        /* The newest are left. */
        ASSERT_EQ(legacy_deadline(w->legacy), w->now_usec - 255 + 30 * USEC_PER_SEC);
}

TEST(the_second_dialect)
{
        WORLD(w);

        accept_link(w, 2);
        hear(w, 2, "{\"chat_request\": \"Bob\", \"username\": \"Bob\"}");
        EXPECT(w, "2 > {\"chat_request\": \"accept\"}\n");
        hear(w, 2, "{\"encrypted_message\": \"in plain words\"}");
        EXPECT(w, "2 message plain <Bob> in plain words\n");
        pass(w, SILENCE);
        EXPECT(w, "2 close\n");
}

TEST(base64_only_for_those_who_do_it)
{
        WORLD(w);

        accept_link(w, 2);
        hear(w, 2, "{\"unencrypted_message\": \"TWVyaGFiYQ==\"}");
        EXPECT(w, "2 message plain <> TWVyaGFiYQ==\n");

        w->memory.has_uuid = true;
        accept_link(w, 4);
        hear(w, 4, "{\"unencrypted_message\": \"hello\"}");
        EXPECT(w, "4 message plain <> hello\n");
        hear(w, 4, "{\"unencrypted_message\": \"test\"}"); /* base64 of nothing printable */
        EXPECT(w, "4 message plain <> test\n");
        hear(w, 4, "{\"unencrypted_message\": \"TWVyaGFiYQ==\"}");
        EXPECT(w, "4 learned base64\n4 message plain <> Merhaba\n");
}

TEST(what_cannot_be_read_is_said_once)
{
        WORLD(w);

        accept_link(w, 2);
        hear(w, 2, "{\"key\": \"13\"}");
        drain(w);
        hear(w, 2, "{\"encrypted_message\": \"Phukded\"}"); /* Caesar */
        EXPECT(w, "2 notice A message from 127.30.9.9 cannot be read: none of the classic "
                  "programs' ciphers fits it. XOR and Caesar ciphers are not supported: ask for "
                  "plain text.\n");
        hear(w, 2, "{\"encrypted_message\": \"AAAAAAAAAAA=\"}");
        EXPECT(w, "");
        pass(w, SILENCE);
        EXPECT(w, "2 close\n");

        pass(w, 60 * USEC_PER_SEC);
        accept_link(w, 4);
        hear(w, 4, "{\"encrypted_message\": \"\\u0001\\u0013\\u0007\"}"); /* XOR */
        EXPECT(w, "4 notice A message from 127.30.9.9 cannot be read: it is neither text nor a "
                  "known cipher's.\n");

        /* A modulus that nobody told us: the key is answered, the text cannot be read. */
        accept_link(w, 6);
        hear(w, 6, "{\"key\": \"123456789012345678901234567890\"}");
        EXPECT(w, "6 > {\"key\": \"#\"}\n");
        hear(w, 6, "{\"encrypted_message\": \"31cbti0xfHTDQ6rmee2hcg==\"}");
        drain(w);
        ASSERT_NOT_NULL(strstr((char *)w->trace.data, "6 notice "));
}

TEST(rubbish_is_closed_quietly)
{
        static const char *const said[] = { "P2PC\x01", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01",
                "SSH-2.0-x\r\n", "[[[[[[[[[[[[[[[[[[[[", "{{{{{{{{{{{{{{{{{{", "{\"a\" 1}", "{]",
                "\"hello\"", "nothing", "yesterday", "{\"key\": \"abc\"}", "{\"key\": -5}",
                "{\"key\": 1.5}", "{\"key\": null}", "{\"key\": \"1\", \"p\": 2}",
                "{\"a\":[[[[[[[[1]]]]]]]]}",
                "{\"key\": \"1234567890123456789012345678901234567890123456789012345678901234567890"
                "1234567890123456789012345678901\"}",
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890"
                "123456789012345678901 " };

        for (size_t i = 0; i < ELEMENTSOF(said); i++) {
                WORLD(w);

                accept_link(w, 2);
                hear(w, 2, said[i]);
                EXPECT(w, "2 close\n");
                hear(w, 2, "{\"unencrypted_message\": \"late\"}");
                EXPECT(w, "");
        }
}

TEST(depth_at_its_limit)
{
        WORLD(w);

        accept_link(w, 2);
        hear(w, 2, "{\"a\":[[[[[[[1]]]]]]],\"unencrypted_message\":\"deep\"}");
        EXPECT(w, "2 message plain <> deep\n");
}

TEST(limits)
{
        WORLD(w);
        char *big = malloc(LEGACY_OBJECT_MAX + 64);

        ASSERT_NOT_NULL(big);
        /* One object. */
        memset(big, ' ', LEGACY_OBJECT_MAX + 64);
        memcpy(big, "{\"unencrypted_message\": \"x\"", 27);
        big[LEGACY_OBJECT_MAX - 1] = '}';
        accept_link(w, 2);
        hear_bytes(w, 2, big, LEGACY_OBJECT_MAX);
        EXPECT(w, "2 message plain <> x\n");
        big[LEGACY_OBJECT_MAX - 1] = ' ';
        big[LEGACY_OBJECT_MAX] = '}';
        hear_bytes(w, 2, big, LEGACY_OBJECT_MAX + 1);
        EXPECT(w, "2 close\n");

        /* Many objects. */
        accept_link(w, 4);
        for (int i = 0; i < 256; i++)
                hear(w, 4, "{}");
        EXPECT(w, "");
        hear(w, 4, "{}");
        EXPECT(w, "4 close\n");

        /* Many bytes. */
        memset(big, ' ', LEGACY_OBJECT_MAX);
        accept_link(w, 6);
        for (int i = 0; i < 64; i++)
                hear_bytes(w, 6, big, LEGACY_OBJECT_MAX);
        EXPECT(w, "");
        hear_bytes(w, 6, big, 1);
        EXPECT(w, "6 close\n");
        free(big);
}

TEST(patience_ends)
{
        WORLD(w);

        accept_link(w, 2); /* says nothing */
        accept_link(w, 4); /* half an object, byte by byte */
        for (int i = 0; i < 9; i++) {
                pass(w, USEC_PER_SEC);
                hear(w, 4, i == 0 ? "{" : " ");
                EXPECT(w, "");
        }
        pass(w, USEC_PER_SEC);
        EXPECT(w, "2 close\n4 close\n");

        /* Who said something complete and then dribbles is not waited for longer. */
        accept_link(w, 6);
        hear(w, 6, "{\"unencrypted_message\": \"x\"}");
        EXPECT(w, "6 message plain <> x\n");
        for (int i = 0; i < 19; i++) {
                pass(w, USEC_PER_SEC / 2);
                hear(w, 6, i == 0 ? "{" : " ");
                EXPECT(w, "");
        }
        pass(w, USEC_PER_SEC / 2);
        EXPECT(w, "6 close\n");
        ASSERT_EQ(legacy_deadline(w->legacy), USEC_INFINITY);
}

TEST(many_messages_on_one_connection)
{
        WORLD(w);
        struct buffer b;

        buffer_init(&b, 4096);
        accept_link(w, 2);
        hear(w, 2, "{\"key\": \"13\"}");
        drain(w);
        for (int i = 0; i < 5; i++) {
                hear(w, 2, cipher(w, "5", "19", &usual, "again", &b));
                drain(w);
                ASSERT_NOT_NULL(strstr((char *)w->trace.data, "2 message legacy <> again\n"));
                pass(w, SILENCE - 1);
                EXPECT(w, "");
        }
        legacy_lost(w->legacy, 2);
        EXPECT(w, "");
        buffer_done(&b);
}

static int setup(void)
{
        bool locked;

        return crypto_init(&locked) < 0;
}

TEST_MAIN_WITH(setup)
