/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal: its protocol, and that it never waits for anybody */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/publish-journal.h"
#include "lib/test.h"
#include "os/fd.h"
#include "os/journal.h"
#include "os/log.h"

static char directory[] = "/tmp/p2pchat-journal-XXXXXX";
static char path[64];

static void clean(void)
{
        (void)unlink(path);
        (void)rmdir(directory);
}

static int setup(void)
{
        ASSERT_NOT_NULL(mkdtemp(directory));
        (void)atexit(clean);
        (void)snprintf(path, sizeof path, "%s/socket", directory);
        return 0;
}

/* Listens where a journal would; fresh each time. */
static int listen_here(void)
{
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        ASSERT_GE(fd, 0);
        (void)unlink(path);
        (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
        ASSERT_OK(bind(fd, (struct sockaddr *)&a, sizeof a));
        return fd;
}

/* One entry, also from a memory file. 0 when none waits. */
static size_t take(int fd, char *ret, size_t size)
{
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec iov = { .iov_base = ret, .iov_len = size - 1 };
        struct msghdr m = { .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof control };
        ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
        struct cmsghdr *c;

        if (n < 0)
                return 0;
        c = CMSG_FIRSTHDR(&m);
        if (c) {
                int memory;

                memcpy(&memory, CMSG_DATA(c), sizeof memory);
                ASSERT_EQ(fcntl(memory, F_GET_SEALS) & F_SEAL_WRITE, F_SEAL_WRITE);
                n = pread(memory, ret, size - 1, 0);
                ASSERT_GE(n, 0);
                fd_close(memory);
        }
        ret[n] = 0;
        return (size_t)n;
}

static void send_text(struct journal *j, const char *text)
{
        journal_send(j, &JOURNAL_FIELD("MESSAGE", text), 1);
}

TEST(plain_and_binary_fields)
{
        static const char expected[] = "MESSAGE=hello\nTEXT\n\x07\0\0\0\0\0\0\0one\ntwo\nSYSLOG_I";
        struct journal *j = NULL;
        int fd = listen_here();
        char data[1024];
        size_t n;

        ASSERT_OK(journal_new(path, &j));
        journal_send(j,
                (const struct journal_field[]){
                        JOURNAL_FIELD("MESSAGE", "hello"),
                        JOURNAL_FIELD("TEXT", "one\ntwo"),
                },
                2);
        n = take(fd, data, sizeof data);
        ASSERT_GT(n, sizeof expected);
        ASSERT_MEMEQ(data, expected, sizeof expected - 1);
        ASSERT_NOT_NULL(memmem(data, n, "\nSYSLOG_PID=", 12));
        ASSERT_EQ(data[n - 1], '\n');
        journal_free(j);
        fd_close(fd);
}

TEST(large_entries_go_as_memory_files)
{
        struct journal *j = NULL;
        int fd = listen_here();
        size_t size = 300 * 1024, n;
        char *text = malloc(size + 1), *data = malloc(size * 2);

        memset(text, 'x', size);
        text[size] = 0;
        ASSERT_OK(journal_new(path, &j));
        send_text(j, text);
        n = take(fd, data, size * 2);
        ASSERT_GT(n, size);
        ASSERT_MEMEQ(data, "MESSAGE=xxx", 11);
        ASSERT_EQ(journal_n_lost(j), 0);
        journal_free(j);
        fd_close(fd);
        free(text);
        free(data);
}

static bool timer_is_armed(const struct journal *j)
{
        struct pollfd p = { .fd = journal_fd(j), .events = POLLIN };

        /* The first retry comes within a tenth of a second; this only waits for the kernel. */
        return poll(&p, 1, 60000) == 1;
}

TEST(stopped_journal_holds_nobody_up)
{
        struct journal *j = NULL;
        int fd = listen_here();
        char data[4096], text[32];
        size_t n_taken = 0, n_lost_lines = 0;

        ASSERT_OK(journal_new(path, &j));
        /* Nobody reads: the socket fills, then the queue, then entries are given up. */
        for (int i = 0; i < JOURNAL_ENTRIES_MAX + 2000; i++) {
                (void)snprintf(text, sizeof text, "entry %d", i);
                send_text(j, text);
        }
        ASSERT_GT(journal_n_lost(j), 0);
        ASSERT_FALSE(journal_flush(j));
        ASSERT_TRUE(timer_is_armed(j));

        /* It wakes up: all that waited comes, in order, and then how many were lost. */
        for (int round = 0; round < 100000; round++) {
                bool done = journal_flush(j);
                size_t n = take(fd, data, sizeof data);

                if (n == 0 && done)
                        break;
                if (n == 0)
                        continue;
                if (strstr(data, "entries lost")) {
                        n_lost_lines++;
                        continue;
                }
                (void)snprintf(text, sizeof text, "MESSAGE=entry %zu\n", n_taken);
                ASSERT_MEMEQ(data, text, strlen(text));
                n_taken++;
        }
        ASSERT_EQ(n_lost_lines, 1);
        ASSERT_EQ(n_taken + journal_n_lost(j), JOURNAL_ENTRIES_MAX + 2000);
        journal_free(j);
        fd_close(fd);
}

TEST(nothing_overtakes_what_waits)
{
        struct journal *j = NULL;
        int fd = listen_here();
        char data[4096] = "", last[4096] = "";
        bool done;

        ASSERT_OK(journal_new(path, &j));
        for (int i = 0; i < JOURNAL_ENTRIES_MAX / 2; i++)
                send_text(j, "before");
        ASSERT_FALSE(journal_flush(j));
        ASSERT_GT(take(fd, data, sizeof data), 0); /* now there would be room */
        send_text(j, "after");
        do {
                done = journal_flush(j);
                while (take(fd, data, sizeof data) > 0)
                        memcpy(last, data, sizeof last);
        } while (!done);
        ASSERT_MEMEQ(last, "MESSAGE=after\n", 14);
        journal_free(j);
        fd_close(fd);
}

TEST(bytes_are_bounded_too)
{
        struct journal *j = NULL;
        char *text = malloc(100 * 1024 + 1);

        (void)unlink(path);
        memset(text, 'x', 100 * 1024);
        text[100 * 1024] = 0;
        ASSERT_OK(journal_new(path, &j));
        for (int i = 0; i < 50; i++)
                send_text(j, text);
        ASSERT_EQ(journal_n_lost(j), 40);
        journal_free(j);
        free(text);
}

TEST(absent_journal_may_come)
{
        struct journal *j = NULL;
        char data[4096];
        int fd;

        (void)unlink(path);
        ASSERT_OK(journal_new(path, &j));
        send_text(j, "early"); /* ENOENT */
        ASSERT_FALSE(journal_flush(j));
        fd = listen_here();
        fd = fd_close(fd);
        ASSERT_FALSE(journal_flush(j)); /* ECONNREFUSED */
        fd = listen_here();
        ASSERT_TRUE(journal_flush(j));
        ASSERT_GT(take(fd, data, sizeof data), 0);
        ASSERT_NOT_NULL(strstr(data, "MESSAGE=early\n"));
        journal_free(j);
        fd_close(fd);
}

TEST(entry_too_large_for_anything_is_counted)
{
        struct journal *j = NULL;
        int fd = listen_here();
        char *text = malloc(1024 * 1024), data[1024];

        memset(text, 'x', 1024 * 1024 - 1);
        text[1024 * 1024 - 1] = 0;
        ASSERT_OK(journal_new(path, &j));
        send_text(j, text);
        ASSERT_EQ(journal_n_lost(j), 1);
        ASSERT_TRUE(timer_is_armed(j));
        ASSERT_TRUE(journal_flush(j));
        ASSERT_GT(take(fd, data, sizeof data), 0);
        ASSERT_NOT_NULL(strstr(data, "1 entries lost"));
        free(text);
        journal_free(j);
        fd_close(fd);
}

/* Standard error is a socket to the journal, as a service manager makes it. */
TEST(log_chooses_the_journal)
{
        struct journal *j = NULL;
        int fd = listen_here(), saved = dup(STDERR_FILENO), pair[2];
        char data[4096], stream[64];
        struct stat st;

        ASSERT_OK(journal_new(path, &j));
        ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
        ASSERT_EQ(dup2(pair[0], STDERR_FILENO), STDERR_FILENO);
        ASSERT_OK(fstat(STDERR_FILENO, &st));
        (void)snprintf(
                stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        ASSERT_OK(setenv("JOURNAL_STREAM", stream, 1));
        log_setup(j);
        ASSERT_EQ(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        ASSERT_TRUE(log_is_journal());
        ASSERT_EQ(log_error_errno(-ENOENT, "Failed to open %s: %m", "x"), -ENOENT);
        ASSERT_EQ(log_debug("not at this level"), 0);
        ASSERT_GT(take(fd, data, sizeof data), 0);
        ASSERT_MEMEQ(data, "PRIORITY=3\nMESSAGE=Failed to open x: No such file or directory\n", 63);
        ASSERT_EQ(take(fd, data, sizeof data), 0);
        log_set_level(LOG_DEBUG);
        log_debug("now");
        ASSERT_GT(take(fd, data, sizeof data), 0);
        log_set_level(LOG_INFO);
        log_setup(NULL);
        ASSERT_FALSE(log_is_journal());
        ASSERT_OK(unsetenv("JOURNAL_STREAM"));
        journal_free(j);
        fd_close(pair[0]);
        fd_close(pair[1]);
        fd_close(saved);
        fd_close(fd);
}

TEST(log_levels_have_words)
{
        for (int level = LOG_EMERG; level <= LOG_DEBUG; level++)
                ASSERT_EQ(log_level_from_word(log_level_word(level)), level);
        ASSERT_EQ(log_level_from_word("loud"), -EINVAL);
}

/* A pipe that nobody reads: dropped, not waited for; and one call is one line. */
TEST(log_to_a_full_pipe)
{
        int saved = dup(STDERR_FILENO), pipes[2];
        char data[256] = "";

        ASSERT_OK(pipe(pipes));
        ASSERT_EQ(dup2(pipes[1], STDERR_FILENO), STDERR_FILENO);
        log_setup(NULL);
        log_info("with a\nline break");
        for (int i = 0; i < 100000; i++)
                log_info("more and more");
        ASSERT_EQ(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        log_setup(NULL);
        ASSERT_GT(read(pipes[0], data, sizeof data - 1), 0);
        ASSERT_MEMEQ(data, "<6>with a line break\n<6>more", 28);
        fd_close(pipes[0]);
        fd_close(pipes[1]);
        fd_close(saved);
}

static struct message_record some_message(void)
{
        return (struct message_record){
                .direction = DIRECTION_RECEIVED,
                .security = SECURITY_LEGACY,
                .state = MESSAGE_RECEIVED,
                .name = "Ece",
                .endpoint = endpoint_ipv4(192, 168, 1, 7, 6001),
                .text = "one\ntwo",
                .size = 7,
        };
}

TEST(messages_as_the_rules_say)
{
        const struct message_record m = some_message();
        struct journal *j = NULL;
        int fd = listen_here();
        char data[4096];
        size_t n;

        ASSERT_OK(journal_new(path, &j));
        publish_journal_message(j, STORE_KEEP_FULL, &m, "k3f7q2mx", "");
        n = take(fd, data, sizeof data);
        ASSERT_NOT_NULL(memmem(data, n, "MESSAGE_ID=" JOURNAL_ID_MESSAGE "\n", 44));
        ASSERT_NOT_NULL(memmem(data, n, "P2PCHAT_DIRECTION=received\n", 27));
        ASSERT_NOT_NULL(memmem(data, n, "P2PCHAT_USER=Ece\n", 17));
        ASSERT_NOT_NULL(memmem(data, n, "P2PCHAT_USER_ID=k3f7q2mx\n", 25));
        ASSERT_NOT_NULL(memmem(data, n, "P2PCHAT_ADDRESS=192.168.1.7\n", 28));
        ASSERT_NOT_NULL(memmem(data, n, "P2PCHAT_SECURITY=legacy\n", 24));
        ASSERT_NOT_NULL(memmem(data, n, "P2PCHAT_MESSAGE\n\x07\0\0\0\0\0\0\0one\ntwo\n", 32));
        ASSERT_NOT_NULL(memmem(data, n, "P2PCHAT_MESSAGE_ID=0000", 23));

        publish_journal_message(j, STORE_KEEP_SEALED, &m, "", "");
        n = take(fd, data, sizeof data);
        ASSERT_NOT_NULL(memmem(data, n, "P2PCHAT_USER=Ece\n", 17));
        ASSERT_NULL(memmem(data, n, "one", 3));
        publish_journal_message(j, STORE_KEEP_NONE, &m, "", "");
        ASSERT_EQ(take(fd, data, sizeof data), 0);
        publish_journal_message(NULL, STORE_KEEP_FULL, &m, "", "");
        journal_free(j);
        fd_close(fd);
}

TEST(what_belongs_to_a_group_says_so)
{
        struct message_record m = some_message();
        struct journal *j = NULL;
        int fd = listen_here();
        char data[4096];
        size_t n;

        m.endpoint = (struct endpoint){ .family = ENDPOINT_NONE };
        ASSERT_OK(journal_new(path, &j));
        publish_journal_message(j, STORE_KEEP_FULL, &m, "k3f7q2mx", "+team");
        n = take(fd, data, sizeof data);
        ASSERT_NOT_NULL(memmem(data, n, "MESSAGE=Message from Ece to +team\n", 34));
        ASSERT_NOT_NULL(memmem(data, n, "P2PCHAT_GROUP=+team\n", 20));
        ASSERT_NOT_NULL(memmem(data, n, "P2PCHAT_ADDRESS=\n", 17));
        m.direction = DIRECTION_SENT;
        publish_journal_message(j, STORE_KEEP_SEALED, &m, "k3f7q2mx", "+team");
        n = take(fd, data, sizeof data);
        ASSERT_NOT_NULL(memmem(data, n, "MESSAGE=Message to +team\n", 25));
        publish_journal_invited(
                j, &(struct change_invited){ .id = "00ff", .word = "+team", .by = "Ece" });
        n = take(fd, data, sizeof data);
        ASSERT_NOT_NULL(memmem(data, n, "MESSAGE_ID=" JOURNAL_ID_INVITED "\n", 44));
        ASSERT_NOT_NULL(
                memmem(data, n, "MESSAGE=Ece invites this machine to the group +team\n", 52));
        ASSERT_NOT_NULL(memmem(data, n, "P2PCHAT_GROUP_ID=00ff\n", 22));
        journal_free(j);
        fd_close(fd);
}

TEST(presence_and_warnings)
{
        static const struct {
                const char *kind, *line;
        } kinds[] = {
                { "KeyChanged", "MESSAGE_ID=" JOURNAL_ID_KEY_CHANGED "\n" },
                { "Namesake", "MESSAGE_ID=" JOURNAL_ID_NAMESAKE "\n" },
                { "Clone", "MESSAGE_ID=" JOURNAL_ID_CLONE "\n" },
        };
        struct journal *j = NULL;
        int fd = listen_here();
        char data[4096];

        ASSERT_OK(journal_new(path, &j));
        publish_journal_presence(
                j, &(struct change_presence){ .user = "Ece", .presence = PRESENCE_ONLINE });
        ASSERT_GT(take(fd, data, sizeof data), 0);
        ASSERT_NOT_NULL(strstr(data, "MESSAGE_ID=" JOURNAL_ID_PRESENCE "\n"));
        ASSERT_NOT_NULL(strstr(data, "MESSAGE=Ece is online\n"));
        publish_journal_warning(
                j, &(struct change_warning){ .kind = "Limit", .user = "", .sentence = "Much." });
        ASSERT_GT(take(fd, data, sizeof data), 0);
        ASSERT_NOT_NULL(strstr(data, "MESSAGE_ID=" JOURNAL_ID_LIMIT "\n"));
        publish_journal_warning(
                j, &(struct change_warning){ .kind = "Odd", .user = "Ece", .sentence = "So." });
        ASSERT_GT(take(fd, data, sizeof data), 0);
        ASSERT_NOT_NULL(strstr(data, "MESSAGE_ID=" JOURNAL_ID_WARNING "\n"));
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                publish_journal_warning(
                        j, &(struct change_warning){
                                   .kind = kinds[i].kind, .user = "Ece", .sentence = "So." });
                ASSERT_GT(take(fd, data, sizeof data), 0);
                ASSERT_NOT_NULL(strstr(data, kinds[i].line));
        }
        publish_journal_store(j, "Moved aside.");
        ASSERT_GT(take(fd, data, sizeof data), 0);
        ASSERT_NOT_NULL(strstr(data, "MESSAGE_ID=" JOURNAL_ID_STORE "\n"));
        journal_free(j);
        fd_close(fd);
}

TEST(sessions_with_their_counters)
{
        const struct change_session session = {
                .user = "Ece",
                .endpoint = endpoint_ipv4(192, 168, 1, 7, 6001),
                .what = "idle",
                .is_ours = true,
                .sent = { .n_messages = 17, .n_frames = 30, .n_rotations = 2 },
                .received = { .n_messages = 8, .n_frames = 9, .n_rotations = 1 },
        };
        char data[4096], sentence[PUBLISH_SESSION_SIZE];
        struct journal *j = NULL;
        int fd = listen_here();

        publish_session_sentence(&session, sentence);
        ASSERT_STREQ(sentence,
                "Session with Ece at 192.168.1.7, dialled here: idle; sent 17 messages in 30 "
                "frames, key changed 2 times; received 8 messages in 9 frames, key changed 1 "
                "times");
        ASSERT_OK(journal_new(path, &j));
        publish_journal_session(j, &session, sentence);
        ASSERT_GT(take(fd, data, sizeof data), 0);
        ASSERT_NOT_NULL(strstr(data, "MESSAGE_ID=" JOURNAL_ID_SESSION "\n"));
        ASSERT_NOT_NULL(strstr(data, "PRIORITY=7\n"));
        ASSERT_NOT_NULL(strstr(data, "P2PCHAT_SENT_MESSAGES=17\n"));
        ASSERT_NOT_NULL(strstr(data, "P2PCHAT_SENT_KEY_CHANGES=2\n"));
        ASSERT_NOT_NULL(strstr(data, "P2PCHAT_RECEIVED_FRAMES=9\n"));
        ASSERT_NOT_NULL(strstr(data, "P2PCHAT_DIALLED=here\n"));
        journal_free(j);
        fd_close(fd);
}

TEST_MAIN_WITH(setup)
