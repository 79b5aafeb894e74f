/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* history.log: its lines, rotation, trouble, and that nothing is missing after a kill */
#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/history-log.h"
#include "lib/store-fixture.h"
#include "os/file.h"

struct bed {
        char *db, *path;
        struct store *store;
        struct history_log *log;
        struct now now;
};

static struct bed make_bed(const char *name, enum store_keep keep)
{
        struct bed b = { .now = { .mono_usec = USEC_PER_DAY, .real_usec = FIXTURE_TIME } };

        ASSERT_GT(asprintf(&b.db, "%s/%s.db", fixture_directory, name), 0);
        ASSERT_GT(asprintf(&b.path, "%s/%s.log", fixture_directory, name), 0);
        b.store = fixture_open(b.db, NULL);
        ASSERT_OK(history_log_new(b.path, keep, b.store, &b.log));
        return b;
}

static void free_bed(struct bed *b)
{
        history_log_free(b->log);
        store_free(b->store);
        free(b->db);
        free(b->path);
}

/* A daemon's turn. */
static bool turn(struct bed *b)
{
        struct store_event e;

        ASSERT_OK(store_commit(b->store));
        while (store_next_event(b->store, &e))
                if (e.type == STORE_EVENT_MESSAGE)
                        history_log_add(b->log, &e.message);
        return history_log_flush(b->log, b->now);
}

static void receive(struct bed *b, uint64_t n, const char *text)
{
        fixture_apply(b->store, fixture_message(n, 7, MESSAGE_RECEIVED, text));
}

static char *contents(const char *path)
{
        uint8_t *data = NULL;
        size_t size;

        if (file_read(path, 16 << 20, &data, &size) == -ENOENT)
                return strdup("");
        ASSERT_NOT_NULL(data);
        return (char *)data;
}

static size_t count(const char *path, const char *what)
{
        _cleanup_(freep)
        char *text = contents(path);
        size_t n = 0;

        for (const char *p = text; (p = strstr(p, what)); p++)
                n++;
        return n;
}

TEST(lines)
{
        struct bed b = make_bed("lines", STORE_KEEP_FULL);
        struct change sent = fixture_message(2, 7, MESSAGE_QUEUED, "back\\slash\tand \x1b[31m");
        _cleanup_(freep)
        char *text = NULL;
        struct stat st;
        mode_t mask = umask(0077);

        sent.message.endpoint.port = 7001;
        (void)snprintf(sent.message.name, sizeof sent.message.name, "\xc3\x87i\xc2\x85\n");
        receive(&b, 1, "one\ntwo \xe2\x80\xae");
        fixture_apply(b.store, sent);
        ASSERT_FALSE(turn(&b));
        text = contents(b.path);
        ASSERT_STREQ(text,
                "2026-01-01T00:00:00.000001Z\tRECEIVED\tZeynep\t192.168.1.7\tlegacy\tone\\ntwo "
                "\\342\\200\\256\n"
                "2026-01-01T00:00:00.000002Z\tSENT\t\xc3\x87i\\302\\205\\n\t192.168.1.7:7001\t"
                "legacy\tback\\\\slash\\tand \\033[31m\n");
        ASSERT_OK(stat(b.path, &st));
        ASSERT_EQ(st.st_mode & 07777, 0640);
        (void)umask(mask);
        ASSERT_STREQ(history_log_trouble(b.log), "");
        free_bed(&b);
}

static const char *team(
        const struct message_record *message, char buffer[static WORD_SIZE], void *userdata)
{
        (void)snprintf(buffer, WORD_SIZE, "%s", (const char *)userdata);
        return buffer;
}

/* Of a group, which has no address: as it is called. Also when the line is made of the store. */
TEST(lines_of_a_group)
{
        static char word[] = "+my\tteam#1a2b";
        struct bed b = make_bed("group", STORE_KEEP_FULL);
        struct change c = fixture_message(1, 7, MESSAGE_RECEIVED, "all");
        _cleanup_(freep)
        char *text = NULL;

        c.message.endpoint = (struct endpoint){ .family = ENDPOINT_NONE };
        c.message.group.number = 1;
        memset(c.message.group.lane.author.bytes, 1, sizeof c.message.group.lane.author.bytes);
        c.message.group.lane.version = 1;
        history_log_set_word(b.log, team, word);
        fixture_apply(b.store, c);
        ASSERT_FALSE(turn(&b));
        history_log_free(b.log);

        c.message.id.bytes[15] ^= 0xff;
        c.message.group.number = 2;
        c.message.text = "again";
        c.message.size = strlen(c.message.text);
        fixture_apply(b.store, c);
        ASSERT_OK(store_commit(b.store));
        ASSERT_OK(history_log_new(b.path, STORE_KEEP_FULL, b.store, &b.log));
        history_log_set_word(b.log, team, word);
        while (history_log_flush(b.log, b.now))
                ;
        text = contents(b.path);
        ASSERT_STREQ(text,
                "2026-01-01T00:00:00.000001Z\tRECEIVED\tZeynep\t+my\\tteam#1a2b\tlegacy\tall\n"
                "2026-01-01T00:00:00.000001Z\tRECEIVED\tZeynep\t+my\\tteam#1a2b\tlegacy\tagain\n");
        free_bed(&b);
}

TEST(mode_in_spite_of_umask)
{
        mode_t mask = umask(0077);
        struct bed b = make_bed("umask", STORE_KEEP_FULL);
        struct stat st;

        (void)umask(mask);
        ASSERT_OK(stat(b.path, &st));
        ASSERT_EQ(st.st_mode & 07777, 0640);
        free_bed(&b);
}

TEST(sealed_has_no_text_and_none_no_line)
{
        struct bed b = make_bed("keep", STORE_KEEP_SEALED);
        _cleanup_(freep)
        char *text = NULL;
        struct history_log *none = NULL;

        receive(&b, 1, "secret");
        turn(&b);
        text = contents(b.path);
        ASSERT_STREQ(
                text, "2026-01-01T00:00:00.000001Z\tRECEIVED\tZeynep\t192.168.1.7\tlegacy\t\n");
        b.log = history_log_free(b.log);

        ASSERT_OK(history_log_new(b.path, STORE_KEEP_NONE, b.store, &none));
        b.log = none;
        receive(&b, 2, "nothing");
        ASSERT_FALSE(turn(&b));
        ASSERT_EQ(count(b.path, "\n"), 1);
        ASSERT_EQ(store_logged(b.store), 2); /* and it will not be written later */
        free_bed(&b);
}

static void restart(struct bed *b)
{
        b->log = history_log_free(b->log);
        b->store = store_free(b->store);
        b->store = fixture_open(b->db, NULL);
        ASSERT_OK(history_log_new(b->path, STORE_KEEP_FULL, b->store, &b->log));
}

TEST(restart_writes_nothing_twice)
{
        struct bed b = make_bed("restart", STORE_KEEP_FULL);

        receive(&b, 1, "one");
        turn(&b);
        restart(&b);
        receive(&b, 2, "two");
        turn(&b);
        restart(&b);
        turn(&b);
        ASSERT_EQ(count(b.path, "\n"), 2);
        free_bed(&b);
}

TEST(killed_before_the_store_knew)
{
        struct bed b = make_bed("killed", STORE_KEEP_FULL);

        for (uint64_t i = 1; i <= 20; i++)
                receive(&b, i, i % 2 ? "same" : "words");
        turn(&b);
        b.log = history_log_free(b.log);
        store_set_logged(b.store, 3); /* all that it was told of twenty lines */
        b.store = store_free(b.store);
        b.store = fixture_open(b.db, NULL);
        ASSERT_EQ(store_logged(b.store), 3);
        ASSERT_OK(history_log_new(b.path, STORE_KEEP_FULL, b.store, &b.log));
        receive(&b, 21, "new");
        turn(&b);
        ASSERT_EQ(count(b.path, "\n"), 21);
        ASSERT_EQ(count(b.path, "new"), 1);
        free_bed(&b);
}

TEST(half_line_is_repaired)
{
        struct bed b = make_bed("half", STORE_KEEP_FULL);
        _cleanup_(freep)
        char *whole = NULL, *text = NULL;

        receive(&b, 1, "one");
        receive(&b, 2, "two");
        turn(&b);
        b.log = history_log_free(b.log);
        whole = contents(b.path);
        store_set_logged(b.store, 1);
        ASSERT_OK(truncate(b.path, (off_t)strlen(whole) - 20));
        ASSERT_OK(history_log_new(b.path, STORE_KEEP_FULL, b.store, &b.log));
        turn(&b);
        text = contents(b.path);
        ASSERT_STREQ(text, whole);
        free_bed(&b);
}

TEST(rotation)
{
        struct bed b = make_bed("rotation", STORE_KEEP_FULL);
        _cleanup_(freep)
        char *old = fixture_path("rotation.log.1");

        receive(&b, 1, "one");
        turn(&b);
        ASSERT_OK(rename(b.path, old));
        receive(&b, 2, "two");
        turn(&b);
        history_log_reopen(b.log);
        receive(&b, 3, "three");
        turn(&b);
        ASSERT_EQ(count(old, "\n"), 2);
        ASSERT_EQ(count(b.path, "\n"), 1);
        ASSERT_EQ(count(b.path, "three"), 1);
        free_bed(&b);
}

TEST(trouble_is_made_good)
{
        struct bed b = make_bed("trouble", STORE_KEEP_FULL);
        _cleanup_(freep)
        char *old = fixture_path("trouble.log.1");

        receive(&b, 1, "one");
        turn(&b);
        ASSERT_OK(rename(b.path, old));
        ASSERT_OK(mkdir(b.path, 0700)); /* which cannot be opened for writing */
        history_log_reopen(b.log);
        ASSERT_NOT_NULL(strstr(history_log_trouble(b.log), b.path));
        receive(&b, 2, "two");
        turn(&b);
        receive(&b, 3, "three");
        turn(&b);
        ASSERT_OK(rmdir(b.path));
        b.now.mono_usec += 2 * USEC_PER_SEC; /* too early: not every turn tries again */
        turn(&b);
        ASSERT_EQ(count(b.path, "\n"), 0);
        b.now.mono_usec += USEC_PER_MINUTE;
        turn(&b);
        ASSERT_EQ(count(b.path, "\n"), 2);
        ASSERT_STREQ(history_log_trouble(b.log), "");
        receive(&b, 4, "four");
        turn(&b);
        ASSERT_EQ(count(b.path, "\n"), 3);
        free_bed(&b);
}

TEST(only_a_file_will_do)
{
        struct bed b = make_bed("device", STORE_KEEP_FULL);
        struct history_log *device = NULL;

        ASSERT_OK(history_log_new("/dev/full", STORE_KEEP_FULL, b.store, &device));
        ASSERT_NE(history_log_trouble(device)[0], 0);
        history_log_free(device);
        free_bed(&b);
}

TEST(catches_up_by_pages)
{
        struct bed b = make_bed("pages", STORE_KEEP_NONE);
        size_t n_turns = 1;

        for (uint64_t i = 1; i <= 2500; i++)
                receive(&b, i, "text");
        turn(&b);
        b.log = history_log_free(b.log);
        store_set_logged(b.store, 0);
        ASSERT_OK(history_log_new(b.path, STORE_KEEP_FULL, b.store, &b.log));
        while (turn(&b))
                n_turns++;
        ASSERT_EQ(n_turns, 3);
        ASSERT_EQ(count(b.path, "\n"), 2500);
        /* Then line by line again. */
        receive(&b, 3000, "last");
        ASSERT_FALSE(turn(&b));
        ASSERT_EQ(count(b.path, "\n"), 2501);
        b.now.mono_usec += USEC_PER_MINUTE;
        receive(&b, 3001, "last");
        turn(&b);
        ASSERT_EQ(store_logged(b.store), 2502);
        free_bed(&b);
}

TEST(restored_store)
{
        struct bed b = make_bed("restored", STORE_KEEP_FULL);

        b.log = history_log_free(b.log);
        store_set_logged(b.store, 1000); /* more than there ever was */
        ASSERT_OK(history_log_new(b.path, STORE_KEEP_FULL, b.store, &b.log));
        receive(&b, 1, "one");
        turn(&b);
        ASSERT_EQ(count(b.path, "one"), 1);
        free_bed(&b);
}

TEST_MAIN_WITH(fixture_setup)
