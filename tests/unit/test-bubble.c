/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a bubble says: cut, escaped, and no more than it may */
#include "lib/test.h"
#include "notify/bubble.h"

static const struct bubble_style full = { .has_body = true, .has_markup = true };
static const struct bubble_style plain = { .has_body = true };
static const struct bubble_style bare;
static const struct bubble_style private = {
        .has_body = true, .has_markup = true, .is_private = true
};
static const struct bubble_style private_bare = { .is_private = true };

static struct bubble conversation(void)
{
        return (struct bubble){ .kind = BUBBLE_CONVERSATION, .title = "Ece" };
}

static const char *body(const struct bubble *b, const struct bubble_style *style)
{
        static char text[BUBBLE_BODY_SIZE];

        bubble_body(b, style, text);
        return text;
}

static const char *summary(const struct bubble *b, const struct bubble_style *style)
{
        static char text[BUBBLE_SUMMARY_SIZE];

        bubble_summary(b, style, text);
        return text;
}

TEST(one_message)
{
        struct bubble b = conversation();

        bubble_add(&b, "", "encrypted", "hi <you> & me");
        ASSERT_STREQ(summary(&b, &full), "Ece");
        ASSERT_STREQ(body(&b, &full), "hi &lt;you&gt; &amp; me\n<i>encrypted</i>");
        ASSERT_STREQ(body(&b, &plain), "hi <you> & me\n(encrypted)");
        ASSERT_STREQ(summary(&b, &bare), "Ece: hi <you> & me");
        ASSERT_STREQ(body(&b, &bare), "");
}

TEST(the_last_lines_and_how_many)
{
        struct bubble b = conversation();
        char text[8];

        for (int i = 0; i < 9; i++) {
                (void)snprintf(text, sizeof text, "%d", i);
                bubble_add(&b, i % 2 ? "Bob" : "Can & Co", "verified", text);
        }
        ASSERT_STREQ(summary(&b, &full), "Ece (9)");
        ASSERT_STREQ(body(&b, &full), "Bob: 5\nCan &amp; Co: 6\nBob: 7\nCan &amp; Co: 8\n"
                                      "<i>encrypted, verified</i>");
        bubble_clear(&b);
        bubble_add(&b, "", "", "9");
        ASSERT_STREQ(summary(&b, &full), "Ece");
        ASSERT_STREQ(body(&b, &full), "9");
}

TEST(the_least_security_is_told)
{
        static const char *const words[] = { "verified", "certified", "encrypted", "unproven",
                "legacy", "plain" };
        struct bubble b = conversation();

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                bubble_add(&b, "", words[i], "x");
                ASSERT_STREQ(b.security, words[i]);
        }
        bubble_add(&b, "", "verified", "x");
        bubble_add(&b, "", "a word of a later version", "x");
        ASSERT_STREQ(b.security, "plain");
        ASSERT_TRUE(strstr(body(&b, &full), "<i>not encrypted</i>"));
}

TEST(long_texts_are_cut_between_characters)
{
        struct bubble b = conversation();
        char text[4 * BUBBLE_LINE_SIZE_MAX];

        for (size_t i = 0; i + 3 < sizeof text; i += 3)
                memcpy(text + i, "☕", 4);
        bubble_add(&b, text, "", text);
        ASSERT_EQ(strlen(b.lines[0].text), BUBBLE_LINE_SIZE_MAX + strlen("…"));
        ASSERT_EQ(strcmp(b.lines[0].text + BUBBLE_LINE_SIZE_MAX, "…"), 0);
        ASSERT_LT(strlen(b.lines[0].user), sizeof b.lines[0].user);
        bubble_add(&b, "", "", "two\nlines\tand\x01more");
        ASSERT_STREQ(b.lines[1].text, "two lines and more");
}

TEST(the_longest_of_all_fits)
{
        struct bubble b = conversation();
        char text[BUBBLE_LINE_SIZE_MAX + 1];

        memset(text, '&', sizeof text - 1);
        text[sizeof text - 1] = 0;
        memset(b.title, 'x', sizeof b.title - 1);
        for (size_t i = 0; i < BUBBLE_LINES_MAX; i++)
                bubble_add(&b, text, "legacy", text);
        ASSERT_TRUE(strstr(body(&b, &full), "not secure: encrypted by an old program</i>"));
        b.n_unread = SIZE_MAX;
        ASSERT_TRUE(strstr(summary(&b, &bare), "&&&"));
}

TEST(in_private_no_text)
{
        struct bubble b = conversation();

        bubble_add(&b, "Bob", "plain", "secret");
        ASSERT_STREQ(summary(&b, &private), "Ece");
        ASSERT_STREQ(body(&b, &private), "New message\n<i>not encrypted</i>");
        ASSERT_STREQ(summary(&b, &private_bare), "Ece");
        bubble_add(&b, "Bob", "plain", "secret");
        ASSERT_STREQ(summary(&b, &private), "Ece (2)");
        ASSERT_STREQ(body(&b, &private), "New messages\n<i>not encrypted</i>");
}

TEST_MAIN()
