/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The secret and the identity: made once, never remade over what they open */
#include <sys/stat.h>

#include "daemon/secret.h"
#include "lib/store-fixture.h"
#include "os/file.h"

/* A state directory of its own for each test. */
static char *new_state(const char *name)
{
        char *state = fixture_path(name);

        ASSERT_OK(mkdir(state, 0700));
        ASSERT_OK(unsetenv("CREDENTIALS_DIRECTORY"));
        return state;
}

static char *in(const char *state, const char *name)
{
        char *path;

        ASSERT_GT(asprintf(&path, "%s/%s", state, name), 0);
        return path;
}

TEST(made_once_and_found_again)
{
        _cleanup_(freep)
        char *state = new_state("once"), *db = in(state, "p2pchat.db"), *file = in(state, "secret"),
             *seed = in(state, "identity");
        uint8_t *secret = NULL, *again = NULL;
        struct identity first = {}, second = {};
        struct stat st;

        ASSERT_OK(secret_load(state, db, fixture_random, &secret));
        ASSERT_OK(secret_load_identity(state, db, secret, fixture_random, &first));
        ASSERT_OK(stat(file, &st));
        ASSERT_EQ(st.st_mode & 07777, 0600);
        ASSERT_EQ(st.st_size, 32);
        ASSERT_OK(stat(seed, &st));
        ASSERT_EQ(st.st_mode & 07777, 0600);

        ASSERT_OK(secret_load(state, db, fixture_random, &again));
        ASSERT_MEMEQ(secret, again, STORE_SECRET_SIZE);
        ASSERT_OK(secret_load_identity(state, db, again, fixture_random, &second));
        ASSERT_STREQ(first.id, second.id);
        identity_done(&first);
        identity_done(&second);
        secret_free(secret);
        secret_free(again);
}

TEST(seed_is_sealed)
{
        _cleanup_(freep)
        char *state = new_state("sealed"), *db = in(state, "p2pchat.db"),
             *seed = in(state, "identity");
        struct identity identity = {};
        uint8_t *secret = NULL, *data = NULL;
        size_t size;

        ASSERT_OK(secret_load(state, db, fixture_random, &secret));
        ASSERT_OK(secret_load_identity(state, db, secret, fixture_random, &identity));
        ASSERT_OK(file_read(seed, 1000, &data, &size));
        ASSERT_NULL(memmem(data, size, identity.seed, IDENTITY_SEED_SIZE));
        ASSERT_NULL(memmem(data, size, identity.seed, 8));
        free(data);
        identity_done(&identity);
        secret_free(secret);
}

TEST(lost_secret_is_never_remade)
{
        _cleanup_(freep)
        char *state = new_state("lost"), *db = in(state, "p2pchat.db"), *file = in(state, "secret"),
             *seed = in(state, "identity");
        uint8_t *secret = NULL;

        ASSERT_OK(file_write_atomic(db, "x", 1, 0600));
        ASSERT_EQ(secret_load(state, db, fixture_random, &secret), SECRET_REFUSED);
        ASSERT_EQ(file_exists(file), 0);
        ASSERT_OK(unlink(db));
        ASSERT_OK(file_write_atomic(seed, "x", 1, 0600));
        ASSERT_EQ(secret_load(state, db, fixture_random, &secret), SECRET_REFUSED);
        ASSERT_EQ(file_exists(file), 0);
}

TEST(lost_identity_is_never_remade)
{
        _cleanup_(freep)
        char *state = new_state("lost-id"), *db = in(state, "p2pchat.db"),
             *seed = in(state, "identity");
        struct identity identity = {};
        uint8_t *secret = NULL;

        ASSERT_OK(secret_load(state, db, fixture_random, &secret));
        ASSERT_OK(file_write_atomic(db, "x", 1, 0600));
        ASSERT_EQ(
                secret_load_identity(state, db, secret, fixture_random, &identity), SECRET_REFUSED);
        ASSERT_EQ(file_exists(seed), 0);
        secret_free(secret);
}

TEST(wrong_secret_refuses_the_identity)
{
        _cleanup_(freep)
        char *state = new_state("wrong"), *db = in(state, "p2pchat.db"),
             *seed = in(state, "identity");
        struct identity identity = {};
        uint8_t *secret = NULL, *before = NULL, *after = NULL;
        size_t before_size, after_size;

        ASSERT_OK(secret_load(state, db, fixture_random, &secret));
        ASSERT_OK(secret_load_identity(state, db, secret, fixture_random, &identity));
        identity_done(&identity);
        ASSERT_OK(file_read(seed, 1000, &before, &before_size));
        secret[0] ^= 1;
        ASSERT_EQ(
                secret_load_identity(state, db, secret, fixture_random, &identity), SECRET_REFUSED);
        ASSERT_OK(file_read(seed, 1000, &after, &after_size));
        ASSERT_EQ(before_size, after_size);
        ASSERT_MEMEQ(before, after, before_size);
        secret[0] ^= 1;

        /* Damaged, cut, too long. */
        before[20] ^= 1;
        ASSERT_OK(file_write_atomic(seed, before, before_size, 0600));
        ASSERT_EQ(
                secret_load_identity(state, db, secret, fixture_random, &identity), SECRET_REFUSED);
        ASSERT_OK(file_write_atomic(seed, before, before_size - 1, 0600));
        ASSERT_EQ(
                secret_load_identity(state, db, secret, fixture_random, &identity), SECRET_REFUSED);
        ASSERT_OK(file_write_atomic(seed, fixture_secret, 32, 0600));
        ASSERT_EQ(
                secret_load_identity(state, db, secret, fixture_random, &identity), SECRET_REFUSED);
        free(before);
        free(after);
        secret_free(secret);
}

TEST(secret_of_wrong_size)
{
        _cleanup_(freep)
        char *state = new_state("size"), *db = in(state, "p2pchat.db"), *file = in(state, "secret");
        uint8_t *secret = NULL;
        uint8_t *data = NULL;
        size_t size;

        ASSERT_OK(file_write_atomic(file, "too short", 9, 0600));
        ASSERT_EQ(secret_load(state, db, fixture_random, &secret), SECRET_REFUSED);
        ASSERT_OK(file_read(file, 100, &data, &size));
        ASSERT_EQ(size, 9);
        free(data);
}

TEST(credential_comes_first)
{
        _cleanup_(freep)
        char *state = new_state("credential"), *db = in(state, "p2pchat.db"),
             *file = in(state, "secret"), *given = in(state, "p2pchat.secret");
        uint8_t *secret = NULL;

        ASSERT_OK(setenv("CREDENTIALS_DIRECTORY", state, 1));
        ASSERT_OK(file_write_atomic(given, fixture_secret, 32, 0600));
        ASSERT_OK(secret_load(state, db, fixture_random, &secret));
        ASSERT_MEMEQ(secret, fixture_secret, 32);
        ASSERT_EQ(file_exists(file), 0);
        secret = secret_free(secret);
        ASSERT_OK(file_write_atomic(given, fixture_secret, 31, 0600));
        ASSERT_EQ(secret_load(state, db, fixture_random, &secret), SECRET_REFUSED);
        /* Without it, the file, as ever. */
        ASSERT_OK(unlink(given));
        ASSERT_OK(secret_load(state, db, fixture_random, &secret));
        ASSERT_EQ(file_exists(file), 1);
        secret_free(secret);
}

TEST(atomic_files)
{
        _cleanup_(freep)
        char *state = new_state("atomic"), *file = in(state, "file");
        uint8_t *data = NULL;
        size_t size;

        ASSERT_OK(file_create_atomic(file, "one", 3, 0640));
        ASSERT_EQ(file_create_atomic(file, "two", 3, 0640), -EEXIST);
        ASSERT_OK(file_read(file, 3, &data, &size));
        ASSERT_EQ(size, 3);
        ASSERT_MEMEQ(data, "one", 4);
        free(data);
        ASSERT_OK(file_write_atomic(file, "three", 5, 0640));
        ASSERT_EQ(file_read(file, 4, &data, &size), -E2BIG);
        ASSERT_OK(file_read(file, 5, &data, &size));
        ASSERT_MEMEQ(data, "three", 6);
        free(data);
        ASSERT_EQ(file_read(state, 5, &data, &size), -EISDIR);
}

TEST_MAIN_WITH(fixture_setup)
