/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store's secret, and the identity that is sealed with it */
#include <stdio.h>

#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "daemon/secret.h"
#include "os/file.h"
#include "os/log.h"

#define CREDENTIAL "p2pchat.secret"
#define SEED_PLACE "identity"

static char *join(const char *directory, const char *name)
{
        char *path;

        return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* Does anything exist that only the present secret opens? 1, 0, or negative. @path: what is there.
 */
static int anything_sealed(const char *state, const char *database, char **ret_path)
{
        _cleanup_(freep)
        char *identity = join(state, "identity");
        int r;

        if (!identity)
                return -ENOMEM;
        r = file_exists(database);
        if (r > 0) {
                *ret_path = strdup(database);
                return *ret_path ? 1 : -ENOMEM;
        }
        if (r == 0)
                r = file_exists(identity);
        if (r > 0)
                *ret_path = TAKE_PTR(identity);
        return r;
}

/* A file of exactly @size bytes, into @ret. 0, SECRET_REFUSED, or -ENOENT and other -errno. */
static int read_exactly(const char *path, size_t size, uint8_t *ret)
{
        uint8_t *data = NULL;
        size_t got = 0;
        int r;

        r = file_read(path, size, &data, &got);
        if (r == -E2BIG || (r == 0 && got != size))
                r = SECRET_REFUSED;
        else if (r == 0)
                memcpy(ret, data, size);
        if (data)
                wipe(data, got);
        free(data);
        return r;
}

/* 0, SECRET_REFUSED, -ENOENT when no credential was given, or -errno. */
static int read_credential(uint8_t ret[static STORE_SECRET_SIZE])
{
        const char *directory = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_(freep)
        char *path = NULL;

        if (!directory)
                return -ENOENT;
        path = join(directory, CREDENTIAL);
        return path ? read_exactly(path, STORE_SECRET_SIZE, ret) : -ENOMEM;
}

static int load_credential(uint8_t ret[static STORE_SECRET_SIZE])
{
        int r = read_credential(ret);

        if (r == SECRET_REFUSED)
                log_error("Credential %s must have exactly %d bytes: make it anew, for example by "
                          "\"head -c 32 /dev/urandom\", or give none",
                        CREDENTIAL, STORE_SECRET_SIZE);
        else if (r < 0 && r != -ENOENT)
                log_error_errno(r, "Failed to read credential %s: %m", CREDENTIAL);
        return r;
}

static int make_secret(const char *state, const char *database, const char *path,
        struct random *random, uint8_t ret[static STORE_SECRET_SIZE])
{
        _cleanup_(freep)
        char *sealed = NULL;
        int r;

        r = anything_sealed(state, database, &sealed);
        if (r < 0)
                return log_error_errno(r, "Failed to look into %s: %m", state);
        if (r > 0) {
                log_error("%s is missing, and without it %s cannot be read: bring the secret back "
                          "from a backup, or move %s away to begin with a new identity and an "
                          "empty history",
                        path, sealed, state);
                return SECRET_REFUSED;
        }
        random_bytes(random, ret, STORE_SECRET_SIZE);
        r = file_create_atomic(path, ret, STORE_SECRET_SIZE, 0600);
        if (r < 0)
                return log_error_errno(r, "Failed to create %s: %m", path);
        return 0;
}

int secret_load(
        const char *state, const char *database, struct random *random, uint8_t **ret_secret)
{
        _cleanup_(freep)
        char *path = join(state, "secret");
        uint8_t *secret = secret_alloc(STORE_SECRET_SIZE);
        int r;

        if (!path || !secret) {
                secret_free(secret);
                return log_oom();
        }
        r = load_credential(secret);
        if (r == -ENOENT) {
                r = read_exactly(path, STORE_SECRET_SIZE, secret);
                if (r == SECRET_REFUSED)
                        log_error("%s does not have %d bytes: bring it back from a backup", path,
                                STORE_SECRET_SIZE);
                else if (r == -ENOENT)
                        r = make_secret(state, database, path, random, secret);
                else if (r < 0)
                        log_error_errno(r, "Failed to read %s: %m", path);
        }
        if (r != 0) {
                secret_free(secret);
                return r;
        }
        *ret_secret = secret;
        return 0;
}

/*
 * The identity's seed
 */
/* 0 and the cipher with the key for the seed, or -ENOMEM. */
static int seed_cipher(const uint8_t secret[static STORE_SECRET_SIZE], struct aead **ret)
{
        uint8_t key[KEY_SIZE];
        int r;

        r = aead_new(ret);
        if (r < 0)
                return r;
        hkdf(NULL, 0, secret, STORE_SECRET_SIZE, "p2pchat/1 identity file", key, sizeof key);
        aead_set_key(*ret, key);
        wipe(key, sizeof key);
        return 0;
}

static_assert(SECRET_IDENTITY_SIZE == NONCE_SIZE + IDENTITY_SEED_SIZE + TAG_SIZE);

static void draw_seed(struct aead *aead, struct random *random,
        uint8_t seed[static IDENTITY_SEED_SIZE], uint8_t ret_sealed[static SECRET_IDENTITY_SIZE])
{
        random_bytes(random, seed, IDENTITY_SEED_SIZE);
        random_bytes(random, ret_sealed, NONCE_SIZE);
        aead_seal(aead, ret_sealed, SEED_PLACE, strlen(SEED_PLACE), seed, IDENTITY_SEED_SIZE,
                ret_sealed + NONCE_SIZE);
}

static bool open_seed(struct aead *aead, const uint8_t sealed[static SECRET_IDENTITY_SIZE],
        uint8_t seed[static IDENTITY_SEED_SIZE])
{
        return aead_open(aead, sealed, SEED_PLACE, strlen(SEED_PLACE), sealed + NONCE_SIZE,
                SECRET_IDENTITY_SIZE - NONCE_SIZE, seed);
}

static int make_seed(const char *path, const char *database, struct aead *aead,
        struct random *random, uint8_t seed[static IDENTITY_SEED_SIZE])
{
        uint8_t sealed[SECRET_IDENTITY_SIZE];
        int r;

        r = file_exists(database);
        if (r < 0)
                return log_error_errno(r, "Failed to look for %s: %m", database);
        if (r > 0) {
                log_error("%s is missing, but %s is there: bring the identity back from a backup, "
                          "or move the database away to begin anew",
                        path, database);
                return SECRET_REFUSED;
        }
        draw_seed(aead, random, seed, sealed);
        r = file_create_atomic(path, sealed, sizeof sealed, 0600);
        if (r < 0)
                return log_error_errno(r, "Failed to create %s: %m", path);
        return 0;
}

static int load_seed(const char *path, struct aead *aead, uint8_t seed[static IDENTITY_SEED_SIZE])
{
        uint8_t sealed[SECRET_IDENTITY_SIZE];
        int r;

        r = read_exactly(path, sizeof sealed, sealed);
        if (r == -ENOENT)
                return r;
        if (r < 0)
                return log_error_errno(r, "Failed to read %s: %m", path);
        if (r == SECRET_REFUSED || !open_seed(aead, sealed, seed)) {
                log_error(
                        "%s does not open with the present secret, or is damaged: bring both back "
                        "from the same backup",
                        path);
                return SECRET_REFUSED;
        }
        return 0;
}

int secret_load_identity(const char *state, const char *database,
        const uint8_t secret[static STORE_SECRET_SIZE], struct random *random, struct identity *ret)
{
        _cleanup_(freep)
        char *path = join(state, "identity");
        _cleanup_(aead_freep)
        struct aead *aead = NULL;
        uint8_t *seed = secret_alloc(IDENTITY_SEED_SIZE);
        int r;

        if (!path || !seed || seed_cipher(secret, &aead) < 0) {
                secret_free(seed);
                return log_oom();
        }
        r = load_seed(path, aead, seed);
        if (r == -ENOENT)
                r = make_seed(path, database, aead, random, seed);
        if (r == 0) {
                r = identity_init(ret, seed);
                if (r < 0)
                        log_error_errno(r, "Failed to use the identity: %m");
        }
        wipe(seed, IDENTITY_SEED_SIZE);
        secret_free(seed);
        return r;
}

/*
 * Moving house
 */
int secret_read(const char *state, uint8_t ret[static STORE_SECRET_SIZE])
{
        _cleanup_(freep)
        char *path = join(state, "secret");

        return path ? read_exactly(path, STORE_SECRET_SIZE, ret) : -ENOMEM;
}

int secret_read_identity(const char *state, uint8_t ret[static SECRET_IDENTITY_SIZE])
{
        _cleanup_(freep)
        char *path = join(state, "identity");

        return path ? read_exactly(path, SECRET_IDENTITY_SIZE, ret) : -ENOMEM;
}

int secret_opens_identity(const char *state, const uint8_t secret[static STORE_SECRET_SIZE])
{
        uint8_t sealed[SECRET_IDENTITY_SIZE], seed[IDENTITY_SEED_SIZE];
        _cleanup_(aead_freep)
        struct aead *aead = NULL;
        int r;

        r = secret_read_identity(state, sealed);
        if (r == 0)
                r = seed_cipher(secret, &aead);
        if (r == 0 && !open_seed(aead, sealed, seed))
                r = SECRET_REFUSED;
        wipe(seed, sizeof seed);
        return r;
}

bool secret_is_overridden(const uint8_t secret[static STORE_SECRET_SIZE])
{
        uint8_t credential[STORE_SECRET_SIZE];
        int r = read_credential(credential);
        bool same = r == 0 && equal_constant_time(credential, secret, sizeof credential);

        wipe(credential, sizeof credential);
        return r != -ENOENT && !same;
}

int secret_new_identity(const char *state, const uint8_t secret[static STORE_SECRET_SIZE],
        struct random *random, char ret_id[static ID_STRING_SIZE])
{
        uint8_t sealed[SECRET_IDENTITY_SIZE], seed[IDENTITY_SEED_SIZE];
        _cleanup_(freep)
        char *path = join(state, "identity");
        _cleanup_(aead_freep)
        struct aead *aead = NULL;
        struct identity new = {};
        int r;

        if (!path || seed_cipher(secret, &aead) < 0)
                return -ENOMEM;
        draw_seed(aead, random, seed, sealed);
        r = identity_init(&new, seed);
        wipe(seed, sizeof seed);
        if (r == 0)
                r = file_write_atomic(path, sealed, sizeof sealed, 0600);
        if (r == 0)
                memcpy(ret_id, new.id, ID_STRING_SIZE);
        identity_done(&new);
        return r;
}
