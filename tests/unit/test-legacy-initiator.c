/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The classic engine when it calls, and what it sends */
#include "base/encode.h"
#include "unit/legacy-world.h"

#define HOLD (500 * USEC_PER_MSEC)
#define PAUSE (300 * USEC_PER_MSEC)

static const struct legacy_memory usual;

/* The key reply of one whose exponent is 5 in (19, 2), and what he then can read. */
#define REPLY "{\"key\": \"13\"}"

static void read_it(struct world *w, const char *exponent, const char *p, const char *expected)
{
        const char *value = strstr((char *)w->trace.data, "encrypted_message\": \"");
        char secret[DECIMAL_SIZE], text[2048];
        const char *secrets[] = { secret };
        struct dialect_reading reading;

        ASSERT_NOT_NULL(value);
        ASSERT_EQ(sscanf(value, "encrypted_message\": \"%2000[^\"]", text), 1);
        ASSERT_OK(dh_power(w->key, exponent, p, secret));
        ASSERT_OK(dialect_decrypt(&usual, secrets, 1, text, strlen(text), &reading));
        ASSERT_STREQ(reading.text, expected);
        free(reading.text);
}

TEST(as_specified)
{
        WORLD(w);

        initiate(w, 1, LEGACY_ENCRYPTED, "Merhaba dünya");
        EXPECT(w, "1 > {\"key\": \"#\"}\n");
        hear(w, 1, REPLY);
        EXPECT(w, ""); /* does he close now? */
        ASSERT_EQ(legacy_deadline(w->legacy), w->now_usec + HOLD);
        pass(w, HOLD);
        drain(w);
        read_it(w, "5", "19", "Merhaba dünya");
        ASSERT_NOT_NULL(strstr((char *)w->trace.data,
                "\", \"username\": \"Ece\", \"user\": \"Ece\"}\n"
                "1 learned connections 1\n1 finish\n1 result written\n"));
        end_link(w, 1);
        EXPECT(w, "");

        /* Known now: no waiting. */
        initiate(w, 3, LEGACY_ENCRYPTED, "second");
        EXPECT(w, "3 > {\"key\": \"#\"}\n");
        hear(w, 3, REPLY);
        drain(w);
        read_it(w, "5", "19", "second");
        legacy_lost(w->legacy, 3);
        ASSERT_EQ(legacy_deadline(w->legacy), USEC_INFINITY);
}

TEST(plain_text)
{
        WORLD(w);

        initiate(w, 1, LEGACY_PLAIN, "say \"hi\"\n\\ \x01 ığ");
        EXPECT(w, "1 > {\"unencrypted_message\": \"say \\\"hi\\\"\\n\\\\ \\u0001 ığ\", "
                  "\"username\": \"Ece\", \"user\": \"Ece\"}\n"
                  "1 finish\n1 result written\n");
}

TEST(a_reply_comes_back)
{
        WORLD(w);

        initiate(w, 1, LEGACY_PLAIN, "hi");
        drain(w);
        hear(w, 1, "{\"unencrypted_message\": \"hi\"}{\"unencrypted_message\": \"\"}");
        EXPECT(w, ""); /* an echo and an empty acknowledgement */
        hear(w, 1, "{\"user\": \"Bob\", \"unencrypted_message\": \"hi yourself\"}");
        EXPECT(w, "1 message plain <Bob> hi yourself\n");
        hear(w, 1, "HTTP/1.1 400 Bad Request");
        EXPECT(w, "");
        end_link(w, 1);
        EXPECT(w, "");
        ASSERT_EQ(legacy_deadline(w->legacy), USEC_INFINITY);

        /* Who never says anything is forgotten in the end. */
        initiate(w, 3, LEGACY_PLAIN, "hi");
        drain(w);
        pass(w, 60 * USEC_PER_SEC);
        EXPECT(w, "");
        ASSERT_EQ(legacy_deadline(w->legacy), USEC_INFINITY);
}

TEST(replies_in_every_spelling)
{
        static const char *const replies[] = { "{\"key\": 13}", "13\n", "{\"public_key\": \"13\"}",
                "{\"hello\": 1}{\"key\": \"13\", \"p\": 19, \"g\": 2}",
                "{\"unencrypted_message\": \"\"}{\"key\": \"013\"}" };

        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                WORLD(w);

                initiate(w, 1, LEGACY_ENCRYPTED, "text");
                drain(w);
                hear(w, 1, replies[i]);
                EXPECT(w, "");
                pass(w, HOLD);
                drain(w);
                read_it(w, "5", "19", "text");
        }
}

TEST(the_group_shows)
{
        static const struct {
                const char *reply, *exponent, *p;
                uint8_t group;
        } cases[] = {
                { "{\"key\": 20}", "5", "23", 0 },                      /* 5 ^ 5 mod 23 */
                { "{\"key\": 10}", "3", "23", LEGACY_GROUP_23_5 },      /* 5 ^ 3 mod 23 */
                { "{\"key\": 10, \"p\": 23, \"g\": 5}", "3", "23", 0 }, /* he says so */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                WORLD(w);

                w->memory.group = cases[i].group;
                initiate(w, 1, LEGACY_ENCRYPTED, "text");
                drain(w);
                hear(w, 1, cases[i].reply);
                pass(w, HOLD);
                drain(w);
                read_it(w, cases[i].exponent, cases[i].p, "text");
                if (i == 0)
                        ASSERT_EQ(w->memory.group, LEGACY_GROUP_23_5);
        }
}

TEST(the_users_own_number)
{
        for (int group = 0; group < 2; group++) {
                struct endpoint remote = world_remote(1);
                struct legacy_order order = { .security = LEGACY_ENCRYPTED,
                        .text = "text",
                        .size = 4,
                        .username = "Ece",
                        .number = "5" };
                WORLD(w);

                w->memory.group = group ? LEGACY_GROUP_23_5 : LEGACY_GROUP_UNKNOWN;
                ASSERT_OK(legacy_initiate(w->legacy, 1, &remote, &w->memory, &order, w->now_usec));
                drain(w);
                ASSERT_STREQ(w->key, group ? "20" : "13");
                hear(w, 1, "{\"key\": \"8\"}"); /* 2 ^ 3 mod 19, 5 ^ 6 mod 23 */
                pass(w, HOLD);
                drain(w);
                read_it(w, group ? "6" : "3", group ? "23" : "19", "text");
        }

        /* He turns out to calculate in the other group. */
        {
                struct endpoint remote = world_remote(1);
                struct legacy_order order = { .security = LEGACY_ENCRYPTED,
                        .text = "text",
                        .size = 4,
                        .username = "Ece",
                        .number = "123456789012345678901234567890" };
                WORLD(w);

                ASSERT_OK(legacy_initiate(w->legacy, 1, &remote, &w->memory, &order, w->now_usec));
                drain(w);
                hear(w, 1, "{\"key\": \"20\"}");
                pass(w, HOLD);
                drain(w);
                read_it(w, "5", "23", "text");
        }
}

TEST(no_answer_to_the_key)
{
        WORLD(w);

        initiate(w, 1, LEGACY_ENCRYPTED, "text");
        EXPECT(w, "1 > {\"key\": \"#\"}\n");
        end_link(w, 1);
        EXPECT(w, "1 learned number\n1 close\n1 result again\n");
        initiate(w, 3, LEGACY_ENCRYPTED, "text");
        EXPECT(w, "3 > {\"key\": #}\n");
        pass(w, 10 * USEC_PER_SEC - 1);
        EXPECT(w, "");
        pass(w, 1);
        EXPECT(w, "3 learned no-key\n3 close\n3 result no key\n");

        /* Not for ever: he may be another program tomorrow. */
        initiate(w, 5, LEGACY_ENCRYPTED, "text");
        EXPECT(w, "5 > {\"key\": \"#\"}\n");
        hear(w, 5, REPLY);
        pass(w, HOLD);
        drain(w);
        ASSERT_FALSE(w->memory.no_key);
}

TEST(a_number_is_remembered)
{
        WORLD(w);

        w->memory.key_is_number = true;
        initiate(w, 1, LEGACY_ENCRYPTED, "text");
        EXPECT(w, "1 > {\"key\": #}\n");
        w->memory = (struct legacy_memory){ .key_is_bare = true, .key_is_public = true };
        initiate(w, 3, LEGACY_ENCRYPTED, "text");
        EXPECT(w, "3 > #\n");
        end_link(w, 3);
        EXPECT(w, "3 learned public_key\n3 close\n3 result again\n");
        initiate(w, 5, LEGACY_ENCRYPTED, "text");
        EXPECT(w, "5 > {\"public_key\": \"#\"}\n");
}

TEST(closed_after_the_key_reply)
{
        WORLD(w);

        initiate(w, 1, LEGACY_ENCRYPTED, "text");
        drain(w);
        hear(w, 1, REPLY);
        end_link(w, 1);
        EXPECT(w, "1 learned connections 2\n1 close\n1 result again\n");
        initiate(w, 3, LEGACY_ENCRYPTED, "text");
        drain(w);
        read_it(w, "5", "19", "text");
        ASSERT_NULL(strstr((char *)w->trace.data, "\"key\""));
        ASSERT_NOT_NULL(strstr((char *)w->trace.data, "3 finish\n3 result written\n"));

        /* The next message: a new key, and we close when he does not. */
        initiate(w, 5, LEGACY_ENCRYPTED, "next");
        EXPECT(w, "5 > {\"key\": \"#\"}\n");
        hear(w, 5, REPLY);
        pass(w, HOLD);
        EXPECT(w, "");
        pass(w, 2 * USEC_PER_SEC);
        EXPECT(w, "5 close\n5 result again\n");
        /* Too late for the second connection: from the beginning. */
        pass(w, 31 * USEC_PER_SEC);
        initiate(w, 7, LEGACY_ENCRYPTED, "next");
        EXPECT(w, "7 > {\"key\": \"#\"}\n");
        /* He would not know the second connection for ours. */
        hear(w, 7, REPLY);
        end_link(w, 7);
        EXPECT(w, "7 close\n7 result again\n");
        legacy_moved(w->legacy);
        initiate(w, 9, LEGACY_ENCRYPTED, "next");
        EXPECT(w, "9 > {\"key\": \"#\"}\n");
        hear(w, 9, REPLY);
        legacy_moved(w->legacy);
        end_link(w, 9);
        EXPECT(w, "9 close\n9 result again\n");
        initiate(w, 11, LEGACY_ENCRYPTED, "next");
        EXPECT(w, "11 > {\"key\": \"#\"}\n");
}

TEST(what_is_no_key)
{
        static const char *const replies[] = { "{\"key\": \"abc\"}", "{\"key\": 0}",
                "{\"key\": 500}", "SSH-2.0", "{\"key\": 4, \"p\": 2}", "{\"key\": 3, \"p\": 1}",
                "{\"key\": 12, \"p\": 99999999999999999999, \"g\": 3}", "{\"a\": }", "[]" };

        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                WORLD(w);

                initiate(w, 1, LEGACY_ENCRYPTED, "text");
                drain(w);
                hear(w, 1, replies[i]);
                EXPECT(w, "1 close\n1 result not understood\n");
                hear(w, 1, REPLY);
                end_link(w, 1);
                EXPECT(w, "");
        }
}

TEST(who_wants_to_hear_the_choice_first)
{
        static const struct {
                enum legacy_choice choice;
                const char *secure, *plain;
        } cases[] = {
                { LEGACY_CHOICE_JSON, "1 > {\"choice\": \"y\"}\n", "3 > {\"choice\": \"n\"}\n" },
                { LEGACY_CHOICE_BARE, "1 > y\n", "3 > n\n" },
                { LEGACY_CHOICE_BYTE, "1 > byte 1\n", "3 > byte 0\n" },
                { LEGACY_CHOICE_DIGIT, "1 > 1\n", "3 > 0\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                WORLD(w);

                w->memory.choice = cases[i].choice;
                initiate(w, 1, LEGACY_ENCRYPTED, "text");
                EXPECT(w, cases[i].secure);
                pass(w, PAUSE);
                EXPECT(w, "1 > {\"key\": \"#\"}\n");

                initiate(w, 3, LEGACY_PLAIN, "text");
                EXPECT(w, cases[i].plain);
                pass(w, PAUSE);
                EXPECT(w, "3 > {\"unencrypted_message\": \"text\", \"username\": \"Ece\", "
                          "\"user\": \"Ece\"}\n3 finish\n3 result written\n");
        }
}

TEST(spelling_and_base64_are_remembered)
{
        WORLD(w);

        w->memory.spelling = LEGACY_SPELLING_BLANK;
        initiate(w, 1, LEGACY_PLAIN, "text");
        EXPECT(w, "1 > {\"unencrypted message\": \"text\", \"username\": \"Ece\", \"user\": "
                  "\"Ece\"}\n1 finish\n1 result written\n");
        w->memory.spelling = LEGACY_SPELLING_MESSAGE;
        w->memory.plain_is_base64 = true;
        initiate(w, 3, LEGACY_PLAIN, "text");
        EXPECT(w, "3 > {\"message\": \"dGV4dA==\", \"username\": \"Ece\", \"user\": \"Ece\"}\n"
                  "3 finish\n3 result written\n");
}

TEST(the_second_dialect)
{
        struct endpoint remote = world_remote(1);
        struct legacy_order order = { .security = LEGACY_PLAIN,
                .dialect = DIALECT_SECOND,
                .text = "text",
                .size = 4,
                .username = "Ece" };
        WORLD(w);

        w->memory.choice = LEGACY_CHOICE_BARE;
        ASSERT_OK(legacy_initiate(w->legacy, 1, &remote, &w->memory, &order, w->now_usec));
        EXPECT(w, "1 > {\"unencrypted_message\": \"text\", \"username\": \"Ece\", \"user\": "
                  "\"Ece\"}\n1 finish\n1 result written\n");
        legacy_lost(w->legacy, 1);

        /* Never a key. */
        order.security = LEGACY_ENCRYPTED;
        ASSERT_OK(legacy_initiate(w->legacy, 1, &remote, &w->memory, &order, w->now_usec));
        EXPECT(w, "1 close\n1 result no key\n");
}

/* Engine to engine, in every form and shape: what one writes the other reads, and answers so. */
TEST(every_form_there_and_back)
{
        static const char text[] = "a text that is longer than two blocks of any cipher: ığüşöç";

        for (size_t form = 1; form <= dialect_n_forms; form++)
                for (size_t shape = 1; shape <= N_SHAPES; shape++) {
                        struct buffer b;
                        WORLD(w);

                        buffer_init(&b, 64 * 1024);
                        accept_link(w, 2);
                        hear(w, 2, REPLY); /* 2 ^ 5 mod 19: here he begins */
                        drain(w);
                        hear(w, 2,
                                cipher(w, "5", "19",
                                        &(struct legacy_memory){ .form = form, .shape = shape },
                                        text, &b));
                        drain(w);
                        ASSERT_NOT_NULL(strstr((char *)w->trace.data, text));
                        ASSERT_EQ(w->memory.form, form);

                        w->memory.connections = LEGACY_CONNECTIONS_ONE;
                        w->memory.group = LEGACY_GROUP_19_2;
                        initiate(w, 1, LEGACY_ENCRYPTED, text);
                        drain(w);
                        {
                                const char *value;
                                char secret[DECIMAL_SIZE];
                                const char *secrets[] = { secret };
                                struct dialect_reading reading;
                                size_t n;

                                hear(w, 1, REPLY);
                                ASSERT_OK(dh_power(w->key, "5", "19", secret));
                                drain(w);
                                value = strstr((char *)w->trace.data, "_message\": ") + 11;
                                n = (size_t)(strstr(value, ", \"username\"") - value);
                                if (*value == '"') {
                                        value++;
                                        n -= 2;
                                }
                                ASSERT_OK(dialect_decrypt(&usual, secrets, 1, value, n, &reading));
                                ASSERT_STREQ(reading.text, text);
                                ASSERT_EQ(reading.form, form);
                                ASSERT_EQ(reading.shape, w->memory.shape);
                                free(reading.text);
                        }
                        buffer_done(&b);
                }
}

/* A part goes into one object of less than 1000 bytes, and not a byte more would. */
TEST(parts_are_as_large_as_they_can_be)
{
        static char text[70000];
        static const char *const pieces[] = { "a", "ğ", "\"", "\x01", "€", "😀", "a😀\n" };
        static const char username[] = "abcdefghijklmnopqrst";

        for (size_t k = 0; k < ELEMENTSOF(pieces); k++)
                for (size_t form = 0; form <= dialect_n_forms + 1; form++)
                        for (size_t shape = 0; shape <= N_SHAPES; shape++) {
                                bool is_plain = form > dialect_n_forms;
                                struct legacy_memory m = { .form = is_plain ? 0 : form,
                                        .shape = shape,
                                        .plain_is_base64 = is_plain && shape % 2,
                                        .connections = LEGACY_CONNECTIONS_ONE };
                                enum legacy_security security =
                                        is_plain ? LEGACY_PLAIN : LEGACY_ENCRYPTED;
                                size_t n = strlen(pieces[k]), size, part, count = 0;
                                struct endpoint remote = world_remote(1);
                                struct legacy_order order = {
                                        .security = security, .text = text, .username = username
                                };
                                WORLD(w);

                                for (size = 0; size + n < 3000; size += n)
                                        memcpy(text + size, pieces[k], n);
                                text[size] = 0;
                                part = legacy_part_size(&m, security, username, text, size);
                                ASSERT_GT(part, 0);
                                ASSERT_TRUE(utf8_is_valid(text, part));
                                ASSERT_TRUE(utf8_is_valid(text + part, size - part));

                                order.size = part;
                                w->memory = m;
                                ASSERT_OK(legacy_initiate(
                                        w->legacy, 1, &remote, &m, &order, w->now_usec));
                                if (!is_plain)
                                        hear(w, 1, REPLY);
                                drain(w); /* asserts < LEGACY_SEND_MAX */
                                if (is_plain && !m.plain_is_base64)
                                        ASSERT_GT(strlen(strstr((char *)w->trace.data,
                                                          "{\"unencrypted_message")) -
                                                          strlen("\n1 finish\n1 result "
                                                                 "written\n"),
                                                LEGACY_SEND_MAX - 1 - 6 - 4);

                                for (size_t at = 0; at < size; count++)
                                        at += legacy_part_size(
                                                &m, security, username, text + at, size - at);
                                ASSERT_EQ(legacy_count_parts(&m, security, username, text, size),
                                        MIN(count, (size_t)LEGACY_PARTS_MAX + 1));
                        }

        memset(text, 'a', sizeof text - 1);
        ASSERT_EQ(legacy_count_parts(&usual, LEGACY_PLAIN, username, text, sizeof text - 1),
                LEGACY_PARTS_MAX + 1);
        ASSERT_EQ(legacy_count_parts(&usual, LEGACY_PLAIN, username, text, 0), 0);
        ASSERT_EQ(legacy_count_parts(&usual, LEGACY_PLAIN, username, text, 1), 1);
        ASSERT_GE(legacy_part_size(&usual, LEGACY_ENCRYPTED, username, text, 2000), 650);
}

static int setup(void)
{
        bool locked;

        return crypto_init(&locked) < 0;
}

TEST_MAIN_WITH(setup)
