/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys, and sealing under them
 *
 *     secret --HKDF--> wrapping key --seals--> key of a conversation --seals--> its messages
 *                  |-> records key --seals--> settings, peers, streams, blocks,
 *                  |                           groups, transfers
 *                  |-> erased key --hashes--> origins of erased messages
 *                  \-> lanes key --hashes--> lanes of groups and places in them
 *
 * A sealed value is a fresh random nonce, the sealed bytes, their tag. Table, column, conversation
 * and row, of a block also its network, are associated data, so a value that was moved to another
 * place does not open there.
 */
#include "base/cursor.h"
#include "store/store-internal.h"

#define PLACE_SIZE_MAX 64

int store_seal_init(struct store *s, const uint8_t *secret)
{
        int r;

        s->keys = secret_alloc(sizeof *s->keys);
        if (!s->keys)
                return -ENOMEM;
        r = aead_new(&s->aead);
        if (r < 0)
                return r;
        hkdf(NULL, 0, secret, KEY_SIZE, "p2pchat/1 store wrap", s->keys->wrap, KEY_SIZE);
        hkdf(NULL, 0, secret, KEY_SIZE, "p2pchat/1 store records", s->keys->records, KEY_SIZE);
        hkdf(NULL, 0, secret, KEY_SIZE, "p2pchat/1 store erased", s->keys->erased, KEY_SIZE);
        hkdf(NULL, 0, secret, KEY_SIZE, "p2pchat/1 store lanes", s->keys->lanes, KEY_SIZE);
        memcpy(s->keys->in_use, s->keys->records, KEY_SIZE);
        aead_set_key(s->aead, s->keys->in_use);
        return 0;
}

void store_seal_done(struct store *s)
{
        s->aead = aead_free(s->aead);
        if (s->keys)
                wipe(s->keys, sizeof *s->keys);
        s->keys = secret_free(s->keys);
        wipe(s->conversation_keys, sizeof s->conversation_keys);
        wipe(s->plain.data, s->plain.allocated);
        buffer_done(&s->plain);
        buffer_done(&s->sealed);
}

static void use_key(struct store *s, const uint8_t key[static KEY_SIZE])
{
        if (memcmp(s->keys->in_use, key, KEY_SIZE) == 0)
                return;
        memcpy(s->keys->in_use, key, KEY_SIZE);
        aead_set_key(s->aead, key);
}

static size_t encode_place(const struct place *p, uint8_t ret[static PLACE_SIZE_MAX])
{
        struct writer w = writer_make(ret, PLACE_SIZE_MAX);

        writer_bytes(&w, p->column, strlen(p->column) + 1);
        writer_u64(&w, p->conversation);
        writer_u64(&w, p->row);
        if (p->network)
                writer_bytes(&w, p->network, HASH_SIZE);
        assert(!w.failed);
        return w.size;
}

int store_seal(struct store *s, const uint8_t key[static KEY_SIZE], const struct place *place,
        const void *plain, size_t size)
{
        uint8_t associated[PLACE_SIZE_MAX];
        size_t associated_size = encode_place(place, associated);
        int r;

        buffer_clear(&s->sealed);
        r = buffer_reserve(&s->sealed, size + SEAL_SIZE);
        if (r < 0)
                return r;
        use_key(s, key);
        random_bytes(s->random, s->sealed.data, NONCE_SIZE);
        aead_seal(s->aead, s->sealed.data, associated, associated_size, plain, size,
                s->sealed.data + NONCE_SIZE);
        s->sealed.size = size + SEAL_SIZE;
        return 0;
}

void store_bind_sealed(const struct store *s, sqlite3_stmt *q, int column)
{
        (void)sqlite3_bind_blob(q, column, s->sealed.data, (int)s->sealed.size, SQLITE_STATIC);
}

int store_unseal(struct store *s, const uint8_t key[static KEY_SIZE], const struct place *place,
        const void *sealed, size_t size)
{
        uint8_t associated[PLACE_SIZE_MAX];
        size_t associated_size = encode_place(place, associated);
        const uint8_t *nonce = sealed;
        int r;

        if (size < SEAL_SIZE || size > SCRATCH_SIZE_MAX)
                return -EBADMSG;
        buffer_clear(&s->plain);
        r = buffer_reserve(&s->plain, size - SEAL_SIZE);
        if (r < 0)
                return r;
        use_key(s, key);
        if (!aead_open(s->aead, nonce, associated, associated_size, nonce + NONCE_SIZE,
                    size - NONCE_SIZE, s->plain.data))
                return -EBADMSG;
        s->plain.size = size - SEAL_SIZE;
        s->plain.data[s->plain.size] = 0;
        return 0;
}

/* The unwrapped key of the row, into @ret. */
static int fetch_key(struct store *s, uint64_t peer, uint8_t ret[static KEY_SIZE])
{
        const struct place place = { "peer.key", peer, peer };
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_KEY_GET, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)peer);
        r = store_step(s, q);
        if (r < 0)
                return r;
        if (r == 0 || sqlite3_column_type(q, 0) == SQLITE_NULL)
                return -ENOENT;
        r = store_unseal(s, s->keys->wrap, &place, sqlite3_column_blob(q, 0),
                (size_t)sqlite3_column_bytes(q, 0));
        if (r < 0)
                return r;
        if (s->plain.size != KEY_SIZE)
                return -EBADMSG;
        memcpy(ret, s->plain.data, KEY_SIZE);
        wipe(s->plain.data, KEY_SIZE);
        return 0;
}

static int make_key(struct store *s, uint64_t peer, uint8_t ret[static KEY_SIZE])
{
        const struct place place = { "peer.key", peer, peer };
        sqlite3_stmt *q;
        int r;

        r = store_begin(s);
        if (r < 0)
                return r;
        random_bytes(s->random, ret, KEY_SIZE);
        r = store_seal(s, s->keys->wrap, &place, ret, KEY_SIZE);
        if (r < 0)
                return r;
        q = store_statement(s, SQL_KEY_SET, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_int64(q, 1, (int64_t)peer);
        store_bind_sealed(s, q, 2);
        return store_run(s, q);
}

int store_conversation_key(struct store *s, uint64_t peer, bool create, const uint8_t **ret)
{
        struct conversation_key *slot = &s->conversation_keys[peer % CONVERSATION_KEYS];
        uint8_t key[KEY_SIZE];
        int r;

        if (peer == 0)
                return -EINVAL;
        if (slot->peer == peer) {
                *ret = slot->key;
                return 0;
        }
        r = fetch_key(s, peer, key);
        if (r == -ENOENT && create)
                r = make_key(s, peer, key);
        if (r == 0) {
                slot->peer = peer;
                memcpy(slot->key, key, KEY_SIZE);
                *ret = slot->key;
        }
        wipe(key, sizeof key);
        return r;
}

void store_forget_key(struct store *s, uint64_t peer)
{
        struct conversation_key *slot = &s->conversation_keys[peer % CONVERSATION_KEYS];

        if (slot->peer == peer)
                wipe(slot, sizeof *slot);
}

static struct place setting_place(const char *name, char column[static PLACE_SIZE_MAX])
{
        struct writer w = writer_make(column, PLACE_SIZE_MAX / 2);

        writer_bytes(&w, "setting.", 8);
        writer_bytes(&w, name, strlen(name) + 1);
        assert(!w.failed);
        return (struct place){ column, 0, 0 };
}

int store_set_setting(struct store *s, const char *name, const void *value, size_t size)
{
        char column[PLACE_SIZE_MAX];
        const struct place place = setting_place(name, column);
        sqlite3_stmt *q;
        int r;

        r = store_begin(s);
        if (r < 0)
                return r;
        r = store_seal(s, s->keys->records, &place, value, size);
        if (r < 0)
                return r;
        q = store_statement(s, SQL_SETTING_SET, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
        store_bind_sealed(s, q, 2);
        return store_run(s, q);
}

int store_get_setting(struct store *s, const char *name)
{
        char column[PLACE_SIZE_MAX];
        const struct place place = setting_place(name, column);
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r = 0;

        q = store_statement(s, SQL_SETTING_GET, &r);
        if (!q)
                return r;
        (void)sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
        r = store_step(s, q);
        if (r < 0)
                return r;
        if (r == 0)
                return -ENOENT;
        return store_unseal(s, s->keys->records, &place, sqlite3_column_blob(q, 0),
                (size_t)sqlite3_column_bytes(q, 0));
}
