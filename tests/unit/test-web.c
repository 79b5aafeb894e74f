/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The page's door, its sessions, its feed and its JSON */

#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "lib/test.h"
#include "web/arrivals.h"
#include "web/feed.h"
#include "web/json.h"
#include "web/page.h"
#include "web/session.h"

#define NOW (1000 * USEC_PER_SEC)

static struct secret secret_of(uint8_t byte)
{
        struct secret s;

        memset(s.bytes, byte, sizeof(s.bytes));
        return s;
}

/*
 * Headers
 */
TEST(only_our_own_names_are_hosts)
{
        static const char *const foreign[] = { "127.0.0.1", "localhost", "127.0.0.1:6003",
                "localhost:60021", "evil.example", "evil.example:6002",
                "127.0.0.1:6002.evil.example", "LOCALHOST:6002", " 127.0.0.1:6002", "[::1]:6002",
                "" };

        ASSERT_TRUE(page_host_is_ours("127.0.0.1:6002"));
        ASSERT_TRUE(page_host_is_ours("localhost:6002"));
        ASSERT_FALSE(page_host_is_ours(NULL));
        for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
                ASSERT_FALSE(page_host_is_ours(foreign[i]));
}

TEST(an_origin_is_ours_or_none)
{
        static const char *const foreign[] = { "null", "", "http://127.0.0.1",
                "https://localhost:6002", "http://localhost:6002.evil.example",
                "http://evil.example", "http://127.0.0.1:6002/" };

        ASSERT_TRUE(page_origin_is_ours(NULL));
        ASSERT_TRUE(page_origin_is_ours("http://127.0.0.1:6002"));
        ASSERT_TRUE(page_origin_is_ours("http://localhost:6002"));
        for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
                ASSERT_FALSE(page_origin_is_ours(foreign[i]));
}

TEST(what_changes_something_is_json)
{
        ASSERT_TRUE(page_type_is_json("application/json"));
        ASSERT_TRUE(page_type_is_json("Application/JSON ; charset=utf-8"));
        ASSERT_FALSE(page_type_is_json(NULL));
        ASSERT_FALSE(page_type_is_json("text/plain"));
        ASSERT_FALSE(page_type_is_json("application/jsonp"));
        ASSERT_FALSE(page_type_is_json("application/x-www-form-urlencoded"));
        ASSERT_FALSE(page_type_is_json("text/plain;application/json"));
}

TEST(a_bearer_names_a_session)
{
        ASSERT_STREQ(page_bearer("Bearer abc"), "abc");
        ASSERT_STREQ(page_bearer("bearer  abc"), "abc");
        ASSERT_NULL(page_bearer(NULL));
        ASSERT_NULL(page_bearer("Basic abc"));
        ASSERT_NULL(page_bearer("Bearerabc"));
}

TEST(files_are_those_of_the_table)
{
        ASSERT_NOT_NULL(page_find("/"));
        ASSERT_NOT_NULL(strstr(page_find("/")->data, "<script type=\"module\" src=\"/app.js\">"));
        ASSERT_NULL(page_find("/../etc/passwd"));
        ASSERT_NULL(page_find(""));
}

/* What the policy forbids the page does not have. */
TEST(the_page_has_no_script_in_its_markup)
{
        static const char *const forbidden[] = { "innerHTML", "outerHTML", "insertAdjacentHTML",
                "document.write", "eval(", "style=\"",
                " onclick=", " onload=", "javascript:", "https://" };
        static const char *const paths[] = { "/", "/app.js", "/dialogs.js", "/files.js", "/link.js",
                "/view.js", "/style.css" };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                for (size_t k = 0; k < ELEMENTSOF(forbidden); k++)
                        if (strstr(page_find(paths[i])->data, forbidden[k]))
                                TEST_FAIL("%s has %s", paths[i], forbidden[k]);
}

/*
 * Texts
 */
static void check_json(const char *in, const char *out)
{
        _cleanup_(buffer_done)
        struct buffer b;

        buffer_init(&b, 1024);
        ASSERT_OK(page_append_json(&b, in));
        ASSERT_STREQ((char *)b.data, out);
}

TEST(json_strings)
{
        check_json("", "\"\"");
        check_json("a \"b\" \\ c\n\t", "\"a \\\"b\\\" \\\\ c\\n\\t\"");
        check_json("</script>", "\"</script>\"");
        check_json("\x01\x7f", "\"\\u0001\\u007f\"");
        check_json("ş🙂", "\"ş🙂\"");
        check_json("a\u202eb", "\"a\\u202eb\"");
        check_json("\u2028", "\"\\u2028\"");
        check_json("\xff\xc3", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(lines_of_the_log)
{
        _cleanup_(buffer_done)
        struct buffer b;

        buffer_init(&b, 1024);
        ASSERT_OK(page_append_log(&b, "a\tb\nc\\d\re \x1b ş \u202e\xff"));
        ASSERT_STREQ((char *)b.data, "a\\tb\\nc\\\\d\\re \\033 ş \\342\\200\\256\\377");
        /* Nothing is written beyond the limit, and that is told. */
        buffer_done(&b);
        buffer_init(&b, 3);
        ASSERT_EQ(page_append_log(&b, "abcd"), -E2BIG);
}

TEST(json_bodies)
{
        static const char *const bad[] = { "", "[]", "\"x\"", "{", "{}{}", "{\"a\":1,}", "nul",
                "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}",
                "{\"a\":\"\xff\"}" };
        struct json_object *o = NULL;
        const char *text = NULL;
        uint64_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ASSERT_EQ(json_parse(bad[i], strlen(bad[i]), &o), -EBADMSG);
        ASSERT_OK(
                json_parse("{\"a\":\"x\",\"n\":7,\"z\":\"x\\u0000y\",\"m\":-1,\"d\":1.5}", 46, &o));
        ASSERT_EQ(json_get_text(o, "a", &text), 1);
        ASSERT_STREQ(text, "x");
        ASSERT_EQ(json_get_text(o, "b", &text), 0);
        ASSERT_EQ(json_get_text(o, "n", &text), -EINVAL);
        ASSERT_EQ(json_get_text(o, "z", &text), -EINVAL);
        ASSERT_EQ(json_get_number(o, "n", &n), 1);
        ASSERT_EQ(n, 7);
        ASSERT_EQ(json_get_number(o, "m", &n), -EINVAL);
        ASSERT_EQ(json_get_number(o, "d", &n), -EINVAL);
        ASSERT_EQ(json_get_number(o, "a", &n), -EINVAL);
        json_free(o);
}

/* A message that is read as if the bus had brought it. */
static sd_bus_message *new_message(sd_bus **bus)
{
        sd_bus_message *m = NULL;
        int fds[2];

        ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
        ASSERT_OK(sd_bus_new(bus));
        ASSERT_OK(sd_bus_set_fd(*bus, fds[0], fds[0]));
        ASSERT_TRUE(sd_bus_start(*bus) >= 0);
        close(fds[1]);
        ASSERT_TRUE(sd_bus_message_new_signal(*bus, &m, "/a", "a.b", "C") >= 0);
        return m;
}

static void check_value(sd_bus_message *m, const char *fields, int outcome, const char *json)
{
        _cleanup_(buffer_done)
        struct buffer b;

        buffer_init(&b, 4096);
        ASSERT_TRUE(sd_bus_message_seal(m, 1, 0) >= 0);
        ASSERT_TRUE(sd_bus_message_rewind(m, true) >= 0);
        ASSERT_EQ(json_append_value(&b, m, fields), outcome);
        if (outcome == 0)
                ASSERT_STREQ((char *)b.data, json);
        sd_bus_message_unref(m);
}

TEST(values_of_the_bus)
{
        _cleanup_(sd_bus_unrefp)
        sd_bus *bus = NULL;
        sd_bus_message *m = new_message(&bus);

        ASSERT_TRUE(sd_bus_message_append(
                            m, "a(sut)", 2, "a\"b", 1, UINT64_MAX, "", 0, (uint64_t)0) >= 0);
        check_value(m, "name n_rows last", 0,
                "[{\"name\":\"a\\\"b\",\"n_rows\":1,\"last\":18446744073709551615},"
                "{\"name\":\"\",\"n_rows\":0,\"last\":0}]");
        /* A service with another structure: nothing is guessed. */
        ASSERT_TRUE(sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C") >= 0);
        ASSERT_TRUE(sd_bus_message_append(m, "a(ss)", 1, "a", "b") >= 0);
        check_value(m, "one", -EBADMSG, NULL);
        ASSERT_TRUE(sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C") >= 0);
        ASSERT_TRUE(sd_bus_message_append(m, "a(ss)", 1, "a", "b") >= 0);
        check_value(m, "one two three", -EBADMSG, NULL);
        ASSERT_TRUE(sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C") >= 0);
        ASSERT_TRUE(sd_bus_message_append(m, "a{sv}", 3, "ring-state", "s", "off", "warnings", "as",
                            2, "x", "y", "joined", "b", 1) >= 0);
        check_value(
                m, NULL, 0, "{\"ring_state\":\"off\",\"warnings\":[\"x\",\"y\"],\"joined\":true}");
        ASSERT_TRUE(sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C") >= 0);
        ASSERT_TRUE(sd_bus_message_append(m, "a{sv}", 0) >= 0);
        check_value(m, NULL, 0, "{}");
}

/*
 * Sessions
 */
TEST(a_token_opens_one_session)
{
        struct secret secret = secret_of(1), other = secret_of(2);
        char token[SECRET_STRING_SIZE], session[SECRET_STRING_SIZE];
        struct sessions s;

        sessions_init(&s);
        ASSERT_TRUE(sessions_is_empty(&s));
        ASSERT_EQ(sessions_deadline(&s), USEC_INFINITY);
        ASSERT_OK(sessions_add_token(&s, &secret, NOW, token));
        ASSERT_FALSE(sessions_is_empty(&s));
        ASSERT_EQ(strlen(token), 52);
        ASSERT_EQ(sessions_sign_in(&s, "", &other, NOW, session), -EACCES);
        ASSERT_EQ(sessions_sign_in(&s, "abc", &other, NOW, session), -EACCES);
        ASSERT_OK(sessions_sign_in(&s, token, &other, NOW, session));
        ASSERT_EQ(sessions_sign_in(&s, token, &other, NOW, session), -EACCES);
        ASSERT_NOT_NULL(sessions_find(&s, session, NOW));
        ASSERT_NULL(sessions_find(&s, token, NOW));
        ASSERT_NULL(sessions_find(&s, "", NOW));
        session[0] = session[0] == 'a' ? 'b' : 'a';
        ASSERT_NULL(sessions_find(&s, session, NOW));
}

TEST(a_token_that_is_none_is_none)
{
        char token[SECRET_STRING_SIZE], session[SECRET_STRING_SIZE];
        struct secret zero = secret_of(0), other = secret_of(2);
        struct sessions s;

        /* What an empty place looks like. */
        sessions_init(&s);
        base32_encode(zero.bytes, SECRET_SIZE, token);
        ASSERT_EQ(sessions_sign_in(&s, token, &other, NOW, session), -EACCES);
        ASSERT_NULL(sessions_find(&s, token, NOW));
}

TEST(a_token_ends)
{
        struct secret secret = secret_of(1), other = secret_of(2);
        char token[SECRET_STRING_SIZE], session[SECRET_STRING_SIZE];
        struct sessions s;

        sessions_init(&s);
        ASSERT_OK(sessions_add_token(&s, &secret, NOW, token));
        ASSERT_EQ(sessions_deadline(&s), NOW + 60 * USEC_PER_SEC);
        ASSERT_EQ(sessions_sign_in(&s, token, &other, NOW + 60 * USEC_PER_SEC, session), -EACCES);
        sessions_advance(&s, NOW + 60 * USEC_PER_SEC);
        ASSERT_TRUE(sessions_is_empty(&s));
        ASSERT_OK(sessions_add_token(&s, &secret, NOW, token));
        ASSERT_OK(sessions_sign_in(&s, token, &other, NOW + 60 * USEC_PER_SEC - 1, session));
}

TEST(a_session_ends_after_its_last_request)
{
        struct secret secret = secret_of(1), other = secret_of(2);
        char token[SECRET_STRING_SIZE], text[SECRET_STRING_SIZE];
        struct session *session;
        struct sessions s;
        usec_t now = NOW;

        sessions_init(&s);
        ASSERT_OK(sessions_add_token(&s, &secret, now, token));
        ASSERT_OK(sessions_sign_in(&s, token, &other, now, text));
        now += SESSION_USEC - 1;
        session = sessions_find(&s, text, now);
        ASSERT_NOT_NULL(session);
        session_begin_request(session);
        session_end_request(session, now);
        now += SESSION_USEC - 1;
        ASSERT_NOT_NULL(sessions_find(&s, text, now));
        ASSERT_EQ(sessions_deadline(&s), now + 1);
        ASSERT_NULL(sessions_find(&s, text, now + 1));
        /* A request that goes on, as a stream does, keeps it. */
        session_begin_request(session);
        ASSERT_EQ(sessions_deadline(&s), USEC_INFINITY);
        sessions_advance(&s, now + USEC_PER_DAY);
        ASSERT_NOT_NULL(sessions_find(&s, text, now + USEC_PER_DAY));
        session_end_request(session, now + USEC_PER_DAY);
        sessions_advance(&s, now + USEC_PER_DAY + SESSION_USEC);
        ASSERT_TRUE(sessions_is_empty(&s));
        ASSERT_NULL(sessions_find(&s, text, now + USEC_PER_DAY));
}

TEST(a_closed_session_is_nobodys)
{
        struct secret secret = secret_of(1), other = secret_of(2), third = secret_of(3);
        char token[SECRET_STRING_SIZE], text[SECRET_STRING_SIZE], new_text[SECRET_STRING_SIZE];
        struct session *session;
        struct sessions s;

        sessions_init(&s);
        ASSERT_OK(sessions_add_token(&s, &secret, NOW, token));
        ASSERT_OK(sessions_sign_in(&s, token, &other, NOW, text));
        session = sessions_find(&s, text, NOW);
        session_begin_request(session);
        session_close(session);
        ASSERT_NULL(sessions_find(&s, text, NOW));
        /* Its place is not given away while something of it is under way. */
        ASSERT_OK(sessions_add_token(&s, &secret, NOW, token));
        ASSERT_OK(sessions_sign_in(&s, token, &third, NOW, new_text));
        ASSERT_TRUE(sessions_find(&s, new_text, NOW) != session);
        session_end_request(session, NOW);
}

TEST(tokens_and_sessions_are_limited)
{
        char tokens[TOKENS_MAX + 1][SECRET_STRING_SIZE], text[SECRET_STRING_SIZE];
        struct secret secret;
        struct sessions s;

        sessions_init(&s);
        for (uint8_t i = 0; i < TOKENS_MAX; i++) {
                secret = secret_of(i);
                ASSERT_OK(sessions_add_token(&s, &secret, NOW, tokens[i]));
        }
        ASSERT_EQ(sessions_add_token(&s, &secret, NOW, tokens[TOKENS_MAX]), -ENOBUFS);
        for (uint8_t i = 0; i < SESSIONS_MAX; i++) {
                secret = secret_of(i);
                ASSERT_OK(sessions_sign_in(&s, tokens[i], &secret, NOW, text));
        }
        secret = secret_of(100);
        ASSERT_OK(sessions_add_token(&s, &secret, NOW, tokens[0]));
        ASSERT_EQ(sessions_sign_in(&s, tokens[0], &secret, NOW, text), -ENOBUFS);
        /* The token is still good once there is room. */
        session_close(&s.sessions[3]);
        ASSERT_OK(sessions_sign_in(&s, tokens[0], &secret, NOW, text));
}

/*
 * The feed
 */
TEST(each_reads_the_feed_at_its_pace)
{
        uint64_t fast, slow;
        struct feed f;
        char data[64];

        feed_init(&f);
        fast = slow = feed_end(&f);
        ASSERT_EQ(feed_read(&f, &fast, data, sizeof(data)), 0);
        ASSERT_OK(feed_append(&f, "one", 3));
        ASSERT_OK(feed_append(&f, "two", 3));
        ASSERT_EQ(feed_read(&f, &fast, data, sizeof(data)), 8);
        ASSERT_MEMEQ(data, "one\ntwo\n", 8);
        ASSERT_EQ(feed_read(&f, &slow, data, 3), 3);
        ASSERT_EQ(feed_read(&f, &slow, data, 64), 5);
        ASSERT_MEMEQ(data, "\ntwo\n", 5);
        ASSERT_EQ(feed_read(&f, &slow, data, 64), 0);
        feed_clear(&f);
        ASSERT_EQ(feed_read(&f, &slow, data, 64), 0);
        feed_done(&f);
}

TEST(who_falls_behind_is_told)
{
        static char line[FEED_SIZE_MAX / 5];
        uint64_t slow, fast;
        struct feed f;
        static char data[FEED_SIZE_MAX];

        memset(line, 'x', sizeof(line));
        feed_init(&f);
        slow = fast = feed_end(&f);
        for (size_t i = 0; i < 20; i++) {
                ASSERT_OK(feed_append(&f, line, sizeof(line)));
                ASSERT_EQ(feed_read(&f, &fast, data, sizeof(data)), sizeof(line) + 1);
                ASSERT_LE(f.text.size, FEED_SIZE_MAX);
        }
        ASSERT_EQ(feed_read(&f, &slow, data, sizeof(data)), -ESTALE);
        /* A line that nobody could be given: all have to catch up. */
        ASSERT_OK(feed_append(&f, data, sizeof(data)));
        ASSERT_EQ(feed_read(&f, &fast, data, sizeof(data)), -ESTALE);
        fast = feed_end(&f);
        ASSERT_OK(feed_append(&f, "on", 2));
        ASSERT_EQ(feed_read(&f, &fast, data, sizeof(data)), 3);
        feed_done(&f);
}

/*
 * Files that came
 */
static void make_about(struct buffer *b, const char *id, unsigned size)
{
        char text[128];

        buffer_clear(b);
        (void)snprintf(text, sizeof(text), "{\"id\":\"%s\",\"size\":%u}", id, size);
        ASSERT_OK(buffer_append_string(b, text));
}

static bool knows(const char *id, void *userdata)
{
        return userdata && streq(id, userdata);
}

static void check_list(int directory, const char *known, const char *wanted)
{
        _cleanup_(buffer_done)
        struct buffer b;

        buffer_init(&b, 64 * 1024);
        ASSERT_OK(arrivals_append(directory, &b, knows, (void *)(uintptr_t)known));
        ASSERT_STREQ((char *)b.data, wanted);
}

TEST(a_file_arrives_when_it_is_whole_and_over)
{
        char path[] = "/tmp/p2pchat-test-XXXXXX";
        _cleanup_(buffer_done)
        struct buffer about;
        int directory, fd, other;

        buffer_init(&about, ABOUT_SIZE_MAX);
        ASSERT_NOT_NULL(mkdtemp(path));
        ASSERT_OK(arrivals_open(path, &directory));
        make_about(&about, "one", 3);
        ASSERT_EQ(arrival_make(directory, "../one", &about, &fd), -EINVAL);
        ASSERT_OK(arrival_make(directory, "one", &about, &fd));
        ASSERT_EQ(arrival_take(directory, "one", &other), -ENOENT);
        check_list(directory, "one", "[]");
        ASSERT_EQ(write(fd, "abc", 3), 3);
        /* The service may still be writing. */
        check_list(directory, "one", "[]");
        check_list(directory, NULL, "[{\"id\":\"one\",\"size\":3}]");
        ASSERT_OK(arrival_take(directory, "one", &other));
        close(other);
        close(fd);
        /* What is over and not whole is no more. */
        make_about(&about, "two", 3);
        ASSERT_OK(arrival_make(directory, "two", &about, &fd));
        close(fd);
        check_list(directory, NULL, "[{\"id\":\"one\",\"size\":3}]");
        ASSERT_EQ(faccessat(directory, "two", F_OK, 0), -1);
        ASSERT_EQ(faccessat(directory, "two.about", F_OK, 0), -1);
        arrival_remove(directory, "one");
        check_list(directory, NULL, "[]");
        close(directory);
        ASSERT_OK(rmdir(path));
}

TEST(arrivals_are_limited)
{
        char path[] = "/tmp/p2pchat-test-XXXXXX", id[16];
        _cleanup_(buffer_done)
        struct buffer about;
        int directory, fd;

        buffer_init(&about, ABOUT_SIZE_MAX);
        ASSERT_NOT_NULL(mkdtemp(path));
        ASSERT_OK(arrivals_open(path, &directory));
        for (unsigned i = 0; i <= ARRIVALS_MAX; i++) {
                (void)snprintf(id, sizeof(id), "id%u", i);
                make_about(&about, id, 0);
                ASSERT_EQ(
                        arrival_make(directory, id, &about, &fd), i < ARRIVALS_MAX ? 0 : -ENOBUFS);
                if (i < ARRIVALS_MAX)
                        close(fd);
        }
        /* One that is there already may be asked for again. */
        ASSERT_OK(arrival_make(directory, "id0", &about, &fd));
        close(fd);
        for (unsigned i = 0; i < ARRIVALS_MAX; i++) {
                (void)snprintf(id, sizeof(id), "id%u", i);
                arrival_remove(directory, id);
        }
        close(directory);
        ASSERT_OK(rmdir(path));
}

TEST_MAIN()
