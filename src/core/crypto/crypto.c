/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Thin names over libgcrypt */
#include <gcrypt.h>

#include "core/crypto/crypto.h"

#define SECURE_POOL_SIZE (64 * 1024)
#define PIECES_MAX 16

/* Only a broken library or wrong arguments of ours get here. */
static void must(gcry_error_t e)
{
        if (e)
                abort();
}

int crypto_init(bool *ret_locked)
{
        gcry_error_t e;

        if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
                *ret_locked = false;
                return 0;
        }
        if (!gcry_check_version("1.10.0"))
                return -ENOSYS;

        /* Its own warning goes to standard error; the caller words a better one. */
        gcry_control(GCRYCTL_DISABLE_SECMEM_WARN);
        e = gcry_control(GCRYCTL_INIT_SECMEM, SECURE_POOL_SIZE, 0);
        gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
        *ret_locked = !e;
        return 0;
}

void *secret_alloc(size_t size)
{
        return gcry_calloc_secure(1, size);
}

void *secret_free(void *p)
{
        gcry_free(p); /* which wipes what is in the secure pool */
        return NULL;
}

void wipe(void *data, size_t size)
{
        if (size > 0)
                explicit_bzero(data, size);
}

bool equal_constant_time(const void *a, const void *b, size_t size)
{
        const volatile uint8_t *x = a, *y = b;
        uint8_t difference = 0;

        for (size_t i = 0; i < size; i++)
                difference |= x[i] ^ y[i];
        return difference == 0;
}

static gcry_buffer_t buffer_of(const void *data, size_t size)
{
        return (gcry_buffer_t){ .data = size > 0 ? (void *)data : (void *)"", .len = size };
}

void hash(const struct blob *pieces, size_t n, uint8_t ret[static HASH_SIZE])
{
        gcry_buffer_t buffers[PIECES_MAX];

        assert(n <= PIECES_MAX);
        for (size_t i = 0; i < n; i++)
                buffers[i] = buffer_of(pieces[i].data, pieces[i].size);
        must(gcry_md_hash_buffers(GCRY_MD_SHA256, 0, ret, buffers, (int)n));
}

struct hasher {
        gcry_md_hd_t md;
};

int hasher_new(struct hasher **ret)
{
        _cleanup_(hasher_freep)
        struct hasher *h = calloc(1, sizeof *h);

        if (!h)
                return -ENOMEM;
        if (gcry_md_open(&h->md, GCRY_MD_SHA256, 0))
                return -ENOMEM;
        *ret = TAKE_PTR(h);
        return 0;
}

struct hasher *hasher_free(struct hasher *h)
{
        if (!h)
                return NULL;
        gcry_md_close(h->md);
        free(h);
        return NULL;
}

void hasher_add(struct hasher *h, const void *data, size_t size)
{
        gcry_md_write(h->md, data, size);
}

void hasher_finish(struct hasher *h, uint8_t ret[static HASH_SIZE])
{
        memcpy(ret, gcry_md_read(h->md, GCRY_MD_SHA256), HASH_SIZE);
}

void hmac(const void *key, size_t key_size, const struct blob *pieces, size_t n,
        uint8_t ret[static HASH_SIZE])
{
        gcry_buffer_t buffers[PIECES_MAX + 1];

        assert(n <= PIECES_MAX);
        buffers[0] = buffer_of(key, key_size);
        for (size_t i = 0; i < n; i++)
                buffers[i + 1] = buffer_of(pieces[i].data, pieces[i].size);
        must(gcry_md_hash_buffers(GCRY_MD_SHA256, GCRY_MD_FLAG_HMAC, ret, buffers, (int)(n + 1)));
}

void hkdf(const void *salt, size_t salt_size, const void *secret, size_t secret_size,
        const char *info, void *ret, size_t size)
{
        uint8_t extracted[HASH_SIZE], block[HASH_SIZE], counter = 0, *out = ret;
        size_t block_size = 0;

        assert(size <= (size_t)255 * HASH_SIZE);
        hmac(salt, salt_size, &(struct blob){ secret, secret_size }, 1, extracted);
        while (size > 0) {
                size_t n = MIN(size, (size_t)HASH_SIZE);
                struct blob pieces[] = { { block, block_size }, { info, strlen(info) },
                        { &counter, 1 } };

                counter++;
                hmac(extracted, sizeof extracted, pieces, ELEMENTSOF(pieces), block);
                block_size = sizeof block;
                memcpy(out, block, n);
                out += n;
                size -= n;
        }
        wipe(extracted, sizeof extracted);
        wipe(block, sizeof block);
}

struct aead {
        gcry_cipher_hd_t cipher;
};

int aead_new(struct aead **ret)
{
        _cleanup_(aead_freep)
        struct aead *a = calloc(1, sizeof *a);

        if (!a)
                return -ENOMEM;
        if (gcry_cipher_open(&a->cipher, GCRY_CIPHER_CHACHA20, GCRY_CIPHER_MODE_POLY1305, 0))
                return -ENOMEM;
        *ret = TAKE_PTR(a);
        return 0;
}

struct aead *aead_free(struct aead *a)
{
        if (!a)
                return NULL;
        gcry_cipher_close(a->cipher); /* wipes the key schedule */
        free(a);
        return NULL;
}

void aead_set_key(struct aead *a, const uint8_t key[static KEY_SIZE])
{
        must(gcry_cipher_setkey(a->cipher, key, KEY_SIZE));
}

/* setiv() begins the next message, and is the only thing that does. */
static void begin(struct aead *a, const uint8_t nonce[static NONCE_SIZE], const void *associated,
        size_t associated_size)
{
        must(gcry_cipher_setiv(a->cipher, nonce, NONCE_SIZE));
        must(gcry_cipher_authenticate(
                a->cipher, associated_size > 0 ? associated : "", associated_size));
}

void aead_seal(struct aead *a, const uint8_t nonce[static NONCE_SIZE], const void *associated,
        size_t associated_size, const void *plain, size_t size, void *ret)
{
        uint8_t *out = ret;

        begin(a, nonce, associated, associated_size);
        if (size > 0 && plain != ret)
                must(gcry_cipher_encrypt(a->cipher, out, size, plain, size));
        else if (size > 0)
                must(gcry_cipher_encrypt(a->cipher, out, size, NULL, 0));
        must(gcry_cipher_gettag(a->cipher, out + size, TAG_SIZE));
}

bool aead_open(struct aead *a, const uint8_t nonce[static NONCE_SIZE], const void *associated,
        size_t associated_size, const void *sealed, size_t size, void *ret)
{
        size_t plain_size;
        uint8_t tag[TAG_SIZE];

        if (size < TAG_SIZE)
                return false;
        plain_size = size - TAG_SIZE;
        memcpy(tag, (const uint8_t *)sealed + plain_size, TAG_SIZE);

        begin(a, nonce, associated, associated_size);
        if (plain_size > 0 && sealed != ret)
                must(gcry_cipher_decrypt(a->cipher, ret, plain_size, sealed, plain_size));
        else if (plain_size > 0)
                must(gcry_cipher_decrypt(a->cipher, ret, plain_size, NULL, 0));

        /* The plain text is there before it is known to be genuine. */
        if (gcry_cipher_checktag(a->cipher, tag, TAG_SIZE)) {
                wipe(ret, plain_size);
                return false;
        }
        return true;
}
