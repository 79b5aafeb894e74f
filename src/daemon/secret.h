/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The store's secret, and the identity that is sealed with it
 *
 * The secret is the systemd credential "p2pchat.secret" when given, else STATE/secret, mode 0600,
 * made at the first start. The identity is STATE/identity: the seed, sealed. Both are written once
 * with fsync and never remade while a database exists: what they open would be lost for good.
 */
#include "core/crypto/identity.h"

#define STORE_SECRET_SIZE 32
#define SECRET_IDENTITY_SIZE 60 /* of the file: nonce, sealed seed, tag */

struct random;

enum secret_outcome {
        SECRET_REFUSED = 1, /* logged, with the remedy: exit with status 78 */
};

/* @state: the state directory; @database: path of the store. 0 and 32 bytes for secret_free();
 * SECRET_REFUSED; or negative errno, logged. */
int secret_load(
        const char *state, const char *database, struct random *random, uint8_t **ret_secret);

/*
 * For moving house. These do not log; 0, SECRET_REFUSED where the file is not what it should be, or
 * -errno.
 */
/* STATE/secret, and nothing else. */
int secret_read(const char *state, uint8_t ret[static STORE_SECRET_SIZE]);
/* STATE/identity as it is, sealed. */
int secret_read_identity(const char *state, uint8_t ret[static SECRET_IDENTITY_SIZE]);
/* STATE/identity opens with this secret. */
int secret_opens_identity(const char *state, const uint8_t secret[static STORE_SECRET_SIZE]);
/* A credential is given to this process, and it is another secret. */
bool secret_is_overridden(const uint8_t secret[static STORE_SECRET_SIZE]);
/* Another identity takes the place of the one that is there. */
int secret_new_identity(const char *state, const uint8_t secret[static STORE_SECRET_SIZE],
        struct random *random, char ret_id[static ID_STRING_SIZE]);

/* Comes after secret_load() and before store_open(). The same outcomes. identity_done() ends it. */
int secret_load_identity(const char *state, const char *database,
        const uint8_t secret[static STORE_SECRET_SIZE], struct random *random,
        struct identity *ret);
