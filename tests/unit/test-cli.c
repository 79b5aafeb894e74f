/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the command line that need no service */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cli/columns.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/user.h"
#include "cli/words.h"
#include "lib/test.h"
#include "os/state.h"

static void check_escape(const char *text, enum escape mode, const char *expected)
{
        _cleanup_(freep)
        char *escaped = format_escape(text, mode);

        ASSERT_STREQ(escaped, expected);
}

TEST(text_of_others_cannot_reach_the_terminal)
{
        static const struct {
                const char *text, *line, *lines;
        } cases[] = {
                { "", "", "" },
                { "Merhaba dünya 👋", "Merhaba dünya 👋", "Merhaba dünya 👋" },
                { "\033[2J\a", "\\x1B[2J\\x07", "\\x1B[2J\\x07" },
                { "a\nb\tc\rd", "a\\nb\\tc\\rd", "a\n    b    c\\rd" },
                { "\x7f", "\\x7F", "\\x7F" },
                { "\xc2\x9b"
                  "31m",
                        "\\x9B31m", "\\x9B31m" }, /* C1: one-character CSI */
                { "\xe2\x80\xae"
                  "abc",
                        "\\u202Eabc", "\\u202Eabc" },
                { "\xe2\x81\xa6", "\\u2066", "\\u2066" },
                { "\xe2\x80\xa8", "\\u2028", "\\u2028" },
                { "Bo\xe2\x80\x8b"
                  "b",
                        "Bo\\u200Bb", "Bo\\u200Bb" },
                { "\xf3\xa0\x80\x81", "\\U000E0001", "\\U000E0001" },
                { "\xff\xc0", "\\xFF\\xC0", "\\xFF\\xC0" },
                { "\xe2\x82", "\\xE2\\x82", "\\xE2\\x82" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                check_escape(cases[i].text, ESCAPE_LINE, cases[i].line);
                check_escape(cases[i].text, ESCAPE_TEXT, cases[i].lines);
        }
}

TEST(escaping_leaves_no_control_character_of_any_byte)
{
        for (int a = 1; a < 256; a++)
                for (int b = 0; b < 256; b++) {
                        char text[3] = { (char)a, (char)b, 0 };
                        _cleanup_(freep)
                        char *escaped = format_escape(text, ESCAPE_LINE);

                        for (const char *c = escaped; *c; c++)
                                ASSERT_TRUE((unsigned char)*c >= 0x20 && *c != 0x7f);
                }
}

TEST(escaping_grows_as_far_as_it_must)
{
        char text[5000];
        _cleanup_(freep)
        char *escaped = NULL;

        memset(text, 1, sizeof(text));
        text[sizeof(text) - 1] = 0;
        escaped = format_escape(text, ESCAPE_LINE);
        ASSERT_EQ(strlen(escaped), 4 * (sizeof(text) - 1));
}

TEST(durations)
{
        static const struct {
                const char *text;
                int r;
                uint64_t seconds;
        } cases[] = {
                { "90", 0, 90 },
                { "90s", 0, 90 },
                { "2h", 0, 7200 },
                { "1h30m", 0, 5400 },
                { "1d", 0, 86400 },
                { "2w", 0, 1209600 },
                { "0", 0, 0 },
                { "", -EINVAL, 0 },
                { "h", -EINVAL, 0 },
                { "2x", -EINVAL, 0 },
                { "1h30", -EINVAL, 0 },
                { "-5", -EINVAL, 0 },
                { "1.5h", -EINVAL, 0 },
                { "2 h", -EINVAL, 0 },
                { "99999999999999999999", -ERANGE, 0 },
                { "9999999999999999999w", -ERANGE, 0 },
                { "18446744073709551615s1s", -ERANGE, 0 },
                { "1000000000000000000000000000000", -ERANGE, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t seconds = 4711;

                ASSERT_EQ(format_parse_duration(cases[i].text, &seconds), cases[i].r);
                ASSERT_EQ(seconds, cases[i].r < 0 ? 4711 : cases[i].seconds);
        }
}

TEST(seconds_and_numbers)
{
        usec_t usec;
        uint64_t n;

        ASSERT_EQ(format_parse_seconds("0", &usec), 0);
        ASSERT_EQ(usec, 0);
        ASSERT_EQ(format_parse_seconds("2.5", &usec), 0);
        ASSERT_EQ(usec, 2500000);
        ASSERT_EQ(format_parse_seconds("1.0000009", &usec), 0);
        ASSERT_EQ(usec, 1000000);
        ASSERT_EQ(format_parse_seconds("3600", &usec), 0);
        ASSERT_EQ(format_parse_seconds("3601", &usec), -ERANGE);
        ASSERT_EQ(format_parse_seconds("", &usec), -EINVAL);
        ASSERT_EQ(format_parse_seconds(".5", &usec), -EINVAL);
        ASSERT_EQ(format_parse_seconds("1.", &usec), -EINVAL);
        ASSERT_EQ(format_parse_seconds("1e3", &usec), -EINVAL);
        ASSERT_EQ(format_parse_seconds("nan", &usec), -EINVAL);

        ASSERT_EQ(format_parse_number("18446744073709551615", UINT64_MAX, &n), 0);
        ASSERT_EQ(n, UINT64_MAX);
        ASSERT_EQ(format_parse_number("18446744073709551616", UINT64_MAX, &n), -ERANGE);
        ASSERT_EQ(format_parse_number("11", 10, &n), -ERANGE);
        ASSERT_EQ(format_parse_number("+1", 10, &n), -EINVAL);
        ASSERT_EQ(format_parse_number(" 1", 10, &n), -EINVAL);
}

TEST(columns_are_aligned_by_what_is_seen)
{
        _cleanup_(columns_freep)
        struct columns *c = NULL;
        char text[200] = "";
        FILE *f = fmemopen(text, sizeof(text), "w");

        ASSERT_OK(columns_new(3, &c));
        ASSERT_OK(columns_add(c, "Ece", STYLE_GREEN));
        ASSERT_OK(columns_add(c, "b", STYLE_NONE));
        ASSERT_OK(columns_add(c, "last", STYLE_NONE));
        ASSERT_OK(columns_add(c, "dünya", STYLE_NONE));
        ASSERT_OK(columns_add(c, "", STYLE_NONE));
        ASSERT_OK(columns_add(c, "x", STYLE_NONE));
        ASSERT_EQ(columns_add_owned(c, NULL, STYLE_NONE), -ENOMEM);

        columns_print(c, f, false);
        fclose(f);
        ASSERT_STREQ(text, "Ece    b  last\n"
                           "dünya     x\n");

        f = fmemopen(text, sizeof(text), "w");
        columns_print(c, f, true);
        fclose(f);
        ASSERT_TRUE(strstr(text, "\033[32mEce\033[0m    b"));
}

static const struct bus_message message = {
        .sequence = UINT64_MAX,
        .id = "01J",
        .direction = "received",
        .conversation = "Ece",
        .user = "Ece",
        .time_usec = 1700000000000000,
        .address = "192.0.2.1",
        .user_id = "",
        .state = "received",
        .security = "legacy",
        .text = "a\"\\\n\x7f\xc2\x9b\xe2\x80\xae/dünya",
};

TEST(json_has_the_names_of_the_bus_and_nothing_that_harms)
{
        static const char *const keys[] = { "sequence", "id", "direction", "conversation", "user",
                "time", "address", "user_id", "state", "security", "text" };
        size_t size = 0, n = 0;
        _cleanup_(freep)
        char *line = json_message(&message, &size);
        struct json_object *o, *value;

        ASSERT_EQ(size, strlen(line));
        ASSERT_EQ(line[size - 1], '\n');
        for (size_t i = 0; i + 1 < size; i++)
                ASSERT_TRUE((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
        ASSERT_TRUE(strstr(line, "\\u009b") && strstr(line, "\\u202e") && strstr(line, "\\u007f"));

        o = json_tokener_parse(line);
        ASSERT_TRUE(o);
        json_object_object_foreach (o, key, v) {
                ASSERT_TRUE(n < ELEMENTSOF(keys));
                ASSERT_STREQ(key, keys[n++]);
                (void)v;
        }
        ASSERT_EQ(n, ELEMENTSOF(keys));
        ASSERT_TRUE(json_object_object_get_ex(o, "text", &value));
        ASSERT_STREQ(json_object_get_string(value), message.text);
        ASSERT_TRUE(json_object_object_get_ex(o, "sequence", &value));
        ASSERT_EQ(json_object_get_uint64(value), UINT64_MAX);
        json_object_put(o);
}

TEST(json_of_users_and_checks)
{
        static const struct bus_user user = { "Ece", "", "192.0.2.1", "online", 7, "legacy", "" };
        static const struct bus_check check = { "store", "ok", "fine" };
        _cleanup_(freep)
        char *u = json_user(&user);
        _cleanup_(freep)
        char *k = json_check(&check);
        _cleanup_(freep)
        char *s = json_sent("01J", "queued");

        ASSERT_STREQ(u, "{\"name\":\"Ece\",\"id\":\"\",\"address\":\"192.0.2.1\",\"state\":"
                        "\"online\",\"last_heard\":7,\"security\":\"legacy\",\"flags\":\"\"}\n");
        ASSERT_STREQ(k, "{\"stage\":\"store\",\"result\":\"ok\",\"sentence\":\"fine\"}\n");
        ASSERT_STREQ(s, "{\"id\":\"01J\",\"state\":\"queued\"}\n");
}

TEST(json_of_identities)
{
        _cleanup_(freep)
        char *own = json_fingerprint("12345 67890");
        _cleanup_(freep)
        char *pair = json_digits("bob", "12345 67890");
        _cleanup_(freep)
        char *identity = json_identity("Ece", "k3f7", "12345");
        _cleanup_(freep)
        char *id = json_id("k3f7");

        ASSERT_STREQ(own, "{\"fingerprint\":\"12345 67890\"}\n");
        ASSERT_STREQ(pair, "{\"user\":\"bob\",\"digits\":\"12345 67890\"}\n");
        ASSERT_STREQ(
                identity, "{\"username\":\"Ece\",\"id\":\"k3f7\",\"fingerprint\":\"12345\"}\n");
        ASSERT_STREQ(id, "{\"id\":\"k3f7\"}\n");
}

#define ID_A "k3f7aaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "k3f7abbbbbbbbbbbbbbbbbbbbb"
#define ID_C "zzzzaaaaaaaaaaaaaaaaaaaaaa"

static const struct bus_user rows[] = {
        { "Ece", "", "192.0.2.1", "online", 7, "legacy", "" },
        { "bob", ID_A, "192.0.2.2", "offline", 7, "verified", "contact namesake" },
        { "Bob", ID_B, "192.0.2.3", "online", 7, "unproven", "namesake" },
        { "Bob", "", "192.0.2.2", "online", 7, "plain", "blocked namesake" },
        { "cem", ID_C, "192.0.2.4", "away", 7, "encrypted", "namesake" },
        { "cem", "", "192.0.2.4:7000", "online", 7, "legacy", "namesake cannot-chat" },
        { "dan", ID_A, "192.0.2.5", "offline", 7, "encrypted", "namesake" },
        { "dan", "", "192.0.2.6", "online", 7, "legacy", "namesake" },
        { "contact", "", "192.0.2.7", "online", 7, "legacy", "contacted" },
};

TEST(flags_are_whole_words)
{
        ASSERT_TRUE(user_has_flag(&rows[1], "contact"));
        ASSERT_TRUE(user_has_flag(&rows[1], "namesake"));
        ASSERT_TRUE(user_has_flag(&rows[5], "cannot-chat"));
        ASSERT_FALSE(user_has_flag(&rows[8], "contact"));
        ASSERT_FALSE(user_has_flag(&rows[0], "contact"));
        ASSERT_FALSE(user_has_flag(&rows[1], "blocked"));
}

TEST(users_are_named_as_shortly_as_is_safe)
{
        static const char *const words[ELEMENTSOF(rows)] = { "Ece", "bob", "Bob#k3f7ab",
                "Bob@192.0.2.2", "cem#zzzz", "cem@192.0.2.4:7000", "dan#k3f7", "dan@192.0.2.6",
                "contact" };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(freep)
                char *word = user_word(rows, ELEMENTSOF(rows), &rows[i]);

                ASSERT_STREQ(word, words[i]);
        }
}

TEST(words_find_users)
{
        static const struct {
                const char *word;
                int row; /* -1: nobody, or not clear who */
        } cases[] = {
                { "ece", 0 },
                { "BOB", 1 }, /* the contact, though others are there */
                { "bob#K3F7A", -1 },
                { "bob#k3f7ab", 2 },
                { "bob#k3f7aa", 1 },
                { "bob#k3f", -1 },
                { "cem#zzz", -1 }, /* too short to be an id */
                { "cem#zzzz", 4 },
                { "bob#", -1 },
                { "bob@192.0.2.2", 1 }, /* never the classic one where there is a native one */
                { "bob@192.0.2.3", 2 },
                { "bob@192.0.2", -1 },
                { "cem", -1 },
                { "cem@192.0.2.4", 4 },
                { "cem@192.0.2.4:7000", 5 },
                { "dan", 7 }, /* the one who is there */
                { ID_C, 4 },
                { ID_A, -1 }, /* the rows of this test have it twice */
                { "nobody", -1 },
                { "", -1 },
                { "#k3f7", -1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct bus_user *u = user_find(rows, ELEMENTSOF(rows), cases[i].word);

                ASSERT_EQ(u ? u - rows : -1, cases[i].row);
        }
}

TEST(a_pair_of_namesakes_that_are_there_is_not_clear_in_any_order)
{
        struct bus_user three[] = { rows[4], rows[5], rows[4] };

        three[2].state = "offline";
        for (size_t i = 0; i < 3; i++) {
                struct bus_user first = three[0];

                ASSERT_TRUE(!user_find(three, 3, "cem"));
                memmove(three, three + 1, 2 * sizeof(*three));
                three[2] = first;
        }
}

TEST(who_is_there_is_meant_before_all_who_are_not)
{
        struct bus_user three[] = { rows[4], rows[5], rows[4] };

        three[0].state = three[1].state = "offline";
        for (size_t i = 0; i < 3; i++) {
                struct bus_user first = three[0];
                const struct bus_user *found = user_find(three, 3, "cem");

                ASSERT_TRUE(found && streq(found->state, "away"));
                memmove(three, three + 1, 2 * sizeof(*three));
                three[2] = first;
        }
}

TEST(messages_of_namesakes_are_told_apart)
{
        static const struct {
                const char *user, *conversation, *shown;
        } cases[] = {
                { "Bob", "bob", "Bob" },
                { "Bob", "Bob#k3f7", "Bob#k3f7" },
                { "Bob", "bob@192.0.2.2", "bob@192.0.2.2" },
                { "Bob", "Robert", "Bob" },
                { "Bob", "Bobby#k3f7", "Bob" },
                { "Bob", "+team", "Bob" },
                { "Bob", "", "Bob" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct bus_message m = message;

                m.user = cases[i].user;
                m.conversation = cases[i].conversation;
                ASSERT_STREQ(user_of_message(&m), cases[i].shown);
        }
}

TEST(security_is_explained)
{
        ASSERT_TRUE(strstr(user_security_phrase("verified"), "verified"));
        ASSERT_TRUE(strstr(user_security_phrase("plain"), "WITHOUT encryption"));
        ASSERT_STREQ(user_security_phrase("from-the-future"), "from-the-future");
}

TEST(digits_in_rows)
{
        _cleanup_(freep)
        char *whole = format_rows("11111 22222 33333 44444", 2);
        _cleanup_(freep)
        char *odd = format_rows("11111 22222 33333", 2);
        _cleanup_(freep)
        char *none = format_rows("", 2);

        ASSERT_STREQ(whole, "11111 22222\n33333 44444\n");
        ASSERT_STREQ(odd, "11111 22222\n33333\n");
        ASSERT_STREQ(none, "\n");
}

TEST(digits_that_were_read_out)
{
        char digits[FINGERPRINT_DIGITS + 1] = "";
        size_t n = 0;

        ASSERT_EQ(format_take_digits(" 12345\t67890\r\n", digits, &n), 0);
        ASSERT_EQ(format_take_digits("", digits, &n), 0);
        ASSERT_STREQ(digits, "1234567890");
        ASSERT_EQ(format_take_digits("12a", digits, &n), -EINVAL);
        ASSERT_EQ(format_take_digits("12-34", digits, &n), -EINVAL);
        n = 0;
        for (size_t i = 0; i < FINGERPRINT_DIGITS / 10; i++)
                ASSERT_EQ(format_take_digits("01234 56789", digits, &n), 0);
        ASSERT_EQ(strlen(digits), FINGERPRINT_DIGITS);
        ASSERT_EQ(format_take_digits("  ", digits, &n), 0);
        ASSERT_EQ(format_take_digits("0", digits, &n), -ERANGE);
        ASSERT_EQ(n, FINGERPRINT_DIGITS);
}

static void check_words(const char *line, int n, const char *const *expected)
{
        _cleanup_(freep)
        char **words = NULL;

        ASSERT_EQ(words_split(line, &words), n);
        for (int i = 0; i < n; i++)
                ASSERT_STREQ(words[i], expected[i]);
        ASSERT_TRUE(words[n] == NULL);
}

TEST(words_of_a_line)
{
        check_words("", 0, NULL);
        check_words("  \t ", 0, NULL);
        check_words("send bob hi", 3, (const char *[]){ "send", "bob", "hi" });
        check_words(" Users ", 1, (const char *[]){ "Users" });
        check_words("send 'Bob Smith' \"a \\\"b\\\" c\"", 3,
                (const char *[]){ "send", "Bob Smith", "a \"b\" c" });
        check_words("send Bob\\ Smith x", 3, (const char *[]){ "send", "Bob Smith", "x" });
        check_words("send bob it's late", 4, (const char *[]){ "send", "bob", "it's", "late" });
        check_words("say 'tis", 2, (const char *[]){ "say", "'tis" });
        check_words("a ''", 2, (const char *[]){ "a", "" });
        check_words("C:\\dir \\", 2, (const char *[]){ "C:\\dir", "\\" });
}

TEST(a_line_of_too_many_words)
{
        char line[2 * WORDS_MAX + 8];
        char **words;

        for (size_t i = 0; i + 1 < sizeof(line); i++)
                line[i] = i % 2 ? ' ' : 'x';
        line[sizeof(line) - 1] = 0;
        ASSERT_EQ(words_split(line, &words), -E2BIG);
        line[2 * WORDS_MAX] = 0;
        ASSERT_EQ(words_split(line, &words), WORDS_MAX);
        free(words);
}

static char directory[] = "/tmp/p2pchat-test-cli-XXXXXX";

static void remove_all(void)
{
        char command[100];

        snprintf(command, sizeof(command), "rm -r %s", directory);
        (void)!system(command);
}

static int setup(void)
{
        unsetenv("STATE_DIRECTORY");
        if (!mkdtemp(directory))
                return TEST_SKIP;
        (void)atexit(remove_all);
        setenv("XDG_STATE_HOME", directory, 1);
        return 0;
}

TEST(bookmarks_last)
{
        struct bookmark a, b;
        char path[100];

        ASSERT_EQ(bookmark_open("backup", &a), 0);
        ASSERT_EQ(a.sequence, UINT64_MAX);
        ASSERT_EQ(bookmark_open("backup", &b), -EBUSY);
        ASSERT_OK(bookmark_write(&a, 0));
        ASSERT_OK(bookmark_write(&a, 42));
        bookmark_done(&a);

        snprintf(path, sizeof(path), "%s/p2pchat/cursors/backup", directory);
        ASSERT_EQ(access(path, R_OK), 0);
        ASSERT_EQ(bookmark_open("backup", &a), 1);
        ASSERT_EQ(a.sequence, 42);
        ASSERT_EQ(bookmark_open("other", &b), 0);
        bookmark_done(&b);
        bookmark_done(&a);
}

TEST(bookmarks_of_units_lie_in_their_directory)
{
        struct bookmark b;
        char path[100], list[200];

        snprintf(path, sizeof(path), "%s/unit", directory);
        snprintf(list, sizeof(list), "%s:/nowhere", path);
        setenv("STATE_DIRECTORY", list, 1);
        ASSERT_EQ(bookmark_open("backup", &b), 0);
        ASSERT_OK(bookmark_write(&b, 7));
        bookmark_done(&b);
        unsetenv("STATE_DIRECTORY");
        strcat(path, "/backup");
        ASSERT_EQ(access(path, R_OK), 0);
}

TEST(a_bookmark_that_holds_no_number_is_refused)
{
        struct bookmark b;
        char *state;

        ASSERT_EQ(bookmark_open("odd", &b), 0);
        ASSERT_OK(state_write(b.directory, "odd", "12x\n"));
        bookmark_done(&b);
        ASSERT_EQ(bookmark_open("odd", &b), -EBADMSG);
        ASSERT_OK(state_directory(&state));
        ASSERT_OK(state_write(state, "file", "text"));
        free(state);
}

TEST(names_of_bookmarks)
{
        char name[BOOKMARK_NAME_SIZE_MAX + 2];

        ASSERT_TRUE(bookmark_name_is_valid("backup-1.old_x"));
        ASSERT_FALSE(bookmark_name_is_valid(""));
        ASSERT_FALSE(bookmark_name_is_valid("."));
        ASSERT_FALSE(bookmark_name_is_valid("../x"));
        ASSERT_FALSE(bookmark_name_is_valid("a/b"));
        ASSERT_FALSE(bookmark_name_is_valid("a b"));
        memset(name, 'x', sizeof(name));
        name[sizeof(name) - 1] = 0;
        ASSERT_FALSE(bookmark_name_is_valid(name));
        name[sizeof(name) - 2] = 0;
        ASSERT_TRUE(bookmark_name_is_valid(name));
}

TEST_MAIN_WITH(setup)
