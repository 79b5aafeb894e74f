/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moving house: the archive, the staging, and the copy of the store, interrupted anywhere */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/archive.h"
#include "daemon/staging.h"
#include "lib/store-fixture.h"
#include "os/fd.h"
#include "os/file.h"

/* The n-th rename fails, as if the power went. Linked with --wrap=rename. */
static size_t n_renames, fail_at = SIZE_MAX;

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

int __wrap_rename(const char *from, const char *to)
{
        if (++n_renames < fail_at)
                return __real_rename(from, to);
        errno = EIO;
        return -1;
}

static char *in(const char *directory, const char *name)
{
        char *path;

        ASSERT_GT(asprintf(&path, "%s/%s", directory, name), 0);
        return path;
}

static char *new_directory(const char *name)
{
        char *path = fixture_path(name);

        ASSERT_OK(mkdir(path, 0700));
        ASSERT_OK(unsetenv("CREDENTIALS_DIRECTORY"));
        return path;
}

static void write_text(const char *directory, const char *name, const char *text)
{
        _cleanup_(freep)
        char *path = in(directory, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        ASSERT_GE(fd, 0);
        ASSERT_OK(fd_write_all(fd, text, strlen(text)));
        fd_close(fd);
}

/* "" when it is not there. */
static const char *read_text(const char *directory, const char *name)
{
        static char text[256];
        _cleanup_(freep)
        char *path = in(directory, name);
        uint8_t *data = NULL;
        size_t size;

        text[0] = 0;
        if (file_read(path, sizeof text - 1, &data, &size) == 0)
                memcpy(text, data, size + 1);
        free(data);
        return text;
}

/* The only entry whose name begins so, or NULL. */
static char *find(const char *directory, const char *prefix)
{
        DIR *d = opendir(directory);
        struct dirent *e;
        char *found = NULL;

        ASSERT_NOT_NULL(d);
        while ((e = readdir(d)))
                if (strncmp(e->d_name, prefix, strlen(prefix)) == 0) {
                        ASSERT_NULL(found);
                        found = in(directory, e->d_name);
                }
        (void)closedir(d);
        return found;
}

/*
 * Archives
 */
#define ARCHIVE_MAX (1024 * 1024)

static const uint8_t sealed_identity[SECRET_IDENTITY_SIZE] = "sealed";

static int database_of(size_t size)
{
        _cleanup_(freep)
        uint8_t *data = malloc(size + 1);
        _cleanup_(freep)
        char *path = fixture_path("source");
        int fd;

        ASSERT_NOT_NULL(data);
        for (size_t i = 0; i < size; i++)
                data[i] = (uint8_t)(i * 7 + i / 251);
        ASSERT_OK(file_write_atomic(path, data, size, 0600));
        fd = open(path, O_RDONLY);
        ASSERT_GE(fd, 0);
        return fd;
}

static size_t make_archive(size_t database_size, uint8_t *ret)
{
        struct archive_writer *w = NULL;
        const uint8_t *piece;
        size_t size, used = 0;
        int fd = database_of(database_size);

        ASSERT_OK(archive_writer_new(fixture_secret, sealed_identity, fd, database_size, &w));
        for (;;) {
                ASSERT_OK(archive_writer_next(w, &piece, &size));
                if (size == 0)
                        break;
                ASSERT_LE(used + size, ARCHIVE_MAX);
                memcpy(ret + used, piece, size);
                used += size;
        }
        archive_writer_free(w);
        fd_close(fd);
        return used;
}

static void empty(const char *directory)
{
        static const char *const names[] = { "secret", "identity", "p2pchat.db" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_(freep)
                char *path = in(directory, names[i]);

                (void)unlink(path);
        }
}

/* In pieces of @step bytes. */
static int read_archive(const char *directory, const uint8_t *data, size_t size, size_t step)
{
        struct archive_reader *r = NULL;
        int k = 0;

        empty(directory);
        ASSERT_OK(archive_reader_new(directory, &r));
        for (size_t at = 0; k == 0 && at < size; at += step)
                k = archive_reader_take(r, data + at, MIN(step, size - at));
        if (k == 0)
                k = archive_reader_finish(r);
        archive_reader_free(r);
        return k;
}

TEST(what_goes_in_comes_out)
{
        static const size_t sizes[] = { 0, 1, ARCHIVE_PIECE_SIZE - 151, ARCHIVE_PIECE_SIZE,
                300000 };
        static const size_t steps[] = { 1, 150, ARCHIVE_PIECE_SIZE, ARCHIVE_MAX };
        _cleanup_(freep)
        char *directory = new_directory("out"), *source = fixture_path("source"),
             *database = in(directory, "p2pchat.db"), *secret = in(directory, "secret"),
             *identity = in(directory, "identity");
        _cleanup_(freep)
        uint8_t *archive = malloc(ARCHIVE_MAX);

        ASSERT_NOT_NULL(archive);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                size_t size = make_archive(sizes[i], archive), n = 0;
                uint8_t *wanted = NULL, *data = NULL;

                ASSERT_OK(file_read(source, ARCHIVE_MAX, &wanted, &n));
                for (size_t k = 0; k < ELEMENTSOF(steps); k++) {
                        ASSERT_OK(read_archive(directory, archive, size, steps[k]));
                        ASSERT_OK(file_read(database, ARCHIVE_MAX, &data, &n));
                        ASSERT_EQ(n, sizes[i]);
                        ASSERT_MEMEQ(data, wanted, n);
                        free(data);
                        ASSERT_OK(file_read(secret, 100, &data, &n));
                        ASSERT_EQ(n, 32);
                        ASSERT_MEMEQ(data, fixture_secret, 32);
                        free(data);
                        ASSERT_OK(file_read(identity, 100, &data, &n));
                        ASSERT_EQ(n, sizeof sealed_identity);
                        ASSERT_MEMEQ(data, sealed_identity, n);
                        free(data);
                }
                free(wanted);
        }
}

TEST(every_bit_and_every_end_is_noticed)
{
        _cleanup_(freep)
        char *directory = new_directory("bits");
        static uint8_t archive[1024];
        size_t size = make_archive(20, archive);

        for (size_t i = 0; i < size; i++) {
                int k;

                archive[i] ^= (uint8_t)(1U << i % 8);
                k = read_archive(directory, archive, size, 64);
                ASSERT_GT(k, 0);
                if (i < strlen("p2pchat archive "))
                        ASSERT_EQ(k, ARCHIVE_NOT_ONE);
                archive[i] ^= (uint8_t)(1U << i % 8);
                ASSERT_GT(read_archive(directory, archive, i, 64), 0);
        }
        ASSERT_OK(read_archive(directory, archive, size, 64));
        ASSERT_EQ(read_archive(directory, archive, size + 1, 64), ARCHIVE_DAMAGED);
        archive[strlen("p2pchat archive ")] = '2';
        ASSERT_EQ(read_archive(directory, archive, size, 64), ARCHIVE_NEWER);
        ASSERT_EQ(read_archive(directory, (const uint8_t *)"SQLite format 3", 15, 64),
                ARCHIVE_NOT_ONE);
        ASSERT_EQ(read_archive(directory, NULL, 0, 64), ARCHIVE_NOT_ONE);
}

/* A size that no disk has, and one that is no number. */
TEST(sizes_that_cannot_be)
{
        _cleanup_(freep)
        char *directory = new_directory("sizes");
        static uint8_t archive[1024];
        size_t size = make_archive(300, archive), at = strlen("p2pchat archive 1\ndatabase ");

        memset(archive + at, '9', 20);
        ASSERT_GT(read_archive(directory, archive, size, 64), 0);
        memcpy(archive + at, "                 300", 20);
        ASSERT_EQ(read_archive(directory, archive, size, 64), ARCHIVE_DAMAGED);
        memcpy(archive + at, "-0000000000000000300", 20);
        ASSERT_EQ(read_archive(directory, archive, size, 64), ARCHIVE_DAMAGED);
}

/*
 * Staging
 */
static const char *const life[] = { "secret", "identity", "p2pchat.db" };

static void stage(const char *state)
{
        _cleanup_(freep)
        char *part = NULL;

        ASSERT_OK(staging_begin(state, &part));
        for (size_t i = 0; i < ELEMENTSOF(life); i++)
                write_text(part, life[i], "new");
        ASSERT_OK(staging_commit(state));
}

/* The old life is aside as a whole, and the new one in its place. */
static void assert_moved(const char *state, bool had_secret)
{
        _cleanup_(freep)
        char *aside = find(state, "before-import-2026"), *left = find(state, "import");

        ASSERT_NULL(left);
        ASSERT_NOT_NULL(aside);
        for (size_t i = 0; i < ELEMENTSOF(life); i++) {
                ASSERT_STREQ(read_text(state, life[i]), "new");
                ASSERT_STREQ(read_text(aside, life[i]), i > 0 || had_secret ? "old" : "");
        }
        ASSERT_STREQ(read_text(state, "p2pchat.db-wal"), "");
        ASSERT_STREQ(read_text(aside, "p2pchat.db-wal"), "old");
        ASSERT_STREQ(read_text(state, "other"), "stays");
}

/* Cut off at the n-th rename, for all n, and once more at the m-th of the second start. */
static void interrupt(bool has_secret, const char *name)
{
        bool is_cut = true;
        char directory[64];

        for (size_t n = 1; is_cut; n++)
                for (size_t m = 1; m < 4; m++) {
                        _cleanup_(freep)
                        char *state = NULL;

                        (void)snprintf(directory, sizeof directory, "%s-%zu-%zu", name, n, m);
                        state = new_directory(directory);
                        for (size_t i = has_secret ? 0 : 1; i < ELEMENTSOF(life); i++)
                                write_text(state, life[i], "old");
                        write_text(state, "p2pchat.db-wal", "old");
                        write_text(state, "other", "stays");
                        stage(state);

                        n_renames = 0;
                        fail_at = n;
                        is_cut = staging_resume(state, FIXTURE_TIME) < 0;
                        n_renames = 0;
                        fail_at = m;
                        (void)staging_resume(state, FIXTURE_TIME);
                        fail_at = SIZE_MAX;
                        ASSERT_OK(staging_resume(state, FIXTURE_TIME));
                        assert_moved(state, has_secret);
                        /* And it is over. */
                        ASSERT_OK(staging_resume(state, FIXTURE_TIME));
                        assert_moved(state, has_secret);
                }
}

TEST(moving_goes_on_where_it_was_cut)
{
        interrupt(true, "cut");
}

TEST(moving_where_the_secret_is_a_credential)
{
        interrupt(false, "credential");
}

TEST(what_was_not_committed_is_thrown_away)
{
        _cleanup_(freep)
        char *state = new_directory("part"), *part = NULL, *again = NULL;

        write_text(state, "secret", "old");
        ASSERT_OK(staging_begin(state, &part));
        write_text(part, "secret", "new");
        ASSERT_OK(staging_begin(state, &again)); /* what an earlier one left is gone */
        ASSERT_STREQ(read_text(again, "secret"), "");
        write_text(part, "secret", "new");
        ASSERT_OK(staging_resume(state, FIXTURE_TIME));
        ASSERT_EQ(file_exists(part), 0);
        ASSERT_STREQ(read_text(state, "secret"), "old");
}

TEST(two_imports_within_a_second)
{
        _cleanup_(freep)
        char *state = new_directory("twice");

        write_text(state, "secret", "old");
        for (int i = 0; i < 3; i++) {
                stage(state);
                ASSERT_OK(staging_resume(state, FIXTURE_TIME));
        }
        {
                _cleanup_(freep)
                char *first = in(state, "before-import-20260101T000000Z"),
                     *third = in(state, "before-import-20260101T000000Z-2");

                ASSERT_STREQ(read_text(first, "secret"), "old");
                ASSERT_STREQ(read_text(third, "secret"), "new");
        }
}

/* Everything a machine has after its first start. */
static char *new_machine(const char *name)
{
        char *state = new_directory(name);
        _cleanup_(freep)
        char *db = in(state, "p2pchat.db");
        struct store_options options = fixture_options(db, NULL);
        struct identity identity = {};
        struct store *s = NULL;
        uint8_t *secret = NULL;

        ASSERT_OK(secret_load(state, db, fixture_random, &secret));
        ASSERT_OK(secret_load_identity(state, db, secret, fixture_random, &identity));
        options.secret = secret;
        ASSERT_OK(store_open(&options, &s));
        store_free(s);
        identity_done(&identity);
        secret_free(secret);
        return state;
}

static void copy_file(const char *from, const char *to, const char *name)
{
        _cleanup_(freep)
        char *source = in(from, name), *target = in(to, name);
        uint8_t *data = NULL;
        size_t size;

        ASSERT_OK(file_read(source, ARCHIVE_MAX, &data, &size));
        ASSERT_OK(file_write_atomic(target, data, size, 0600));
        free(data);
}

TEST(only_what_belongs_together_is_taken)
{
        _cleanup_(freep)
        char *one = new_machine("one"), *other = new_machine("other"), *db = in(one, "p2pchat.db"),
             *credentials = new_directory("credentials"),
             *given = in(credentials, "p2pchat.secret");
        sqlite3 *raw = NULL;

        ASSERT_OK(staging_check(one, fixture_random));
        copy_file(other, one, "identity");
        ASSERT_EQ(staging_check(one, fixture_random), STAGING_DAMAGED);
        copy_file(other, one, "secret");
        ASSERT_EQ(staging_check(one, fixture_random), STAGING_DAMAGED); /* now the database */
        copy_file(other, one, "p2pchat.db");
        ASSERT_OK(staging_check(one, fixture_random));

        ASSERT_OK(setenv("CREDENTIALS_DIRECTORY", credentials, 1));
        ASSERT_OK(staging_check(one, fixture_random));
        ASSERT_OK(file_write_atomic(given, fixture_secret, 32, 0600));
        ASSERT_EQ(staging_check(one, fixture_random), STAGING_OTHER_SECRET);
        ASSERT_OK(unlink(given));

        ASSERT_EQ(sqlite3_open(db, &raw), SQLITE_OK);
        ASSERT_EQ(sqlite3_exec(raw, "PRAGMA user_version = 900", NULL, NULL, NULL), SQLITE_OK);
        (void)sqlite3_close(raw);
        ASSERT_EQ(staging_check(one, fixture_random), STAGING_NEWER);
        ASSERT_OK(file_write_atomic(db, "rubbish", 7, 0600));
        ASSERT_EQ(staging_check(one, fixture_random), STAGING_DAMAGED);
        ASSERT_OK(unsetenv("CREDENTIALS_DIRECTORY"));
}

TEST(another_identity)
{
        _cleanup_(freep)
        char *state = new_machine("new"), *db = in(state, "p2pchat.db");
        char id[ID_STRING_SIZE], before[ID_STRING_SIZE];
        struct identity identity = {};
        uint8_t *secret = NULL;

        ASSERT_OK(secret_load(state, db, fixture_random, &secret));
        ASSERT_OK(secret_load_identity(state, db, secret, fixture_random, &identity));
        memcpy(before, identity.id, sizeof before);
        identity_done(&identity);
        ASSERT_OK(secret_new_identity(state, secret, fixture_random, id));
        ASSERT_TRUE(id_is_valid(id));
        ASSERT_FALSE(streq(id, before));
        ASSERT_OK(secret_load_identity(state, db, secret, fixture_random, &identity));
        ASSERT_STREQ(identity.id, id);
        identity_done(&identity);
        secret_free(secret);
}

/*
 * The copy of a store
 */
static void add_messages(struct store *s, uint64_t from, uint64_t to)
{
        static char text[4096];

        memset(text, 'x', sizeof text - 1);
        for (uint64_t i = from; i < to; i++) {
                struct change c = fixture_message(i, 1, MESSAGE_RECEIVED, text);

                ASSERT_OK(store_apply(s, &c));
        }
}

TEST(a_copy_while_life_goes_on)
{
        _cleanup_(freep)
        char *path = fixture_path("live.db"), *copy_path = fixture_path("copy.db");
        struct store *s = fixture_open(path, NULL);
        struct change peer = fixture_peer(1, "Zeynep");
        struct store_copy *c = NULL;
        struct stat st;
        int n_steps = 0, r;

        ASSERT_OK(store_apply(s, &peer));
        add_messages(s, 1, 1000);
        ASSERT_OK(store_commit(s));
        ASSERT_OK(store_copy_new(s, copy_path, &c));
        while ((r = store_copy_step(c)) == 1) {
                n_steps++;
                if (n_steps > 3)
                        continue;
                /* Nothing is copied of what may still not come to be. */
                add_messages(s, (uint64_t)n_steps * 1000, (uint64_t)n_steps * 1000 + 100);
                ASSERT_EQ(store_copy_step(c), 1);
                ASSERT_OK(store_commit(s));
        }
        ASSERT_OK(r);
        store_copy_free(c);
        ASSERT_GT(n_steps, 3);
        ASSERT_OK(stat(copy_path, &st));
        ASSERT_EQ(st.st_mode & 07777, 0600);
        ASSERT_EQ(store_copy_new(s, copy_path, &c), -EEXIST);
        ASSERT_EQ(store_last_sequence(s), 999 + 300);
        store_free(s);

        s = fixture_open(copy_path, NULL);
        ASSERT_EQ(store_last_sequence(s), 999 + 300);
        store_free(s);
}

TEST_MAIN_WITH(fixture_setup)
