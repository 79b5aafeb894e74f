/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How classic programs encrypt: the table of forms, and trial decryption */
#include <stdio.h>

#include "base/encode.h"
#include "base/text.h"
#include "core/crypto/crypto.h"
#include "core/crypto/dh.h"
#include "core/crypto/legacy-cipher.h"
#include "core/crypto/random.h"
#include "core/legacy/dialect.h"
#include "core/legacy/fernet.h"
#include "core/legacy/padding.h"

enum key_rule {
        KEY_BLANK_RIGHT, /* decimal text, blanks behind it */
        KEY_ZERO_LEFT,   /* the digit 0 in front of it */
        KEY_ZERO_RIGHT,  /* the digit 0 behind it */
        KEY_BIG_ENDIAN,  /* the number itself */
        KEY_HASH,        /* the beginning of SHA-256 of the decimal text */
};

enum iv_rule {
        IV_NONE, /* ECB */
        IV_ZERO,
        IV_KEY,
        IV_PREFIX, /* random, in front of the cipher text */
};

static const struct form {
        const char *name;
        enum key_rule key;
        enum legacy_algorithm algorithm;
        enum iv_rule iv;
        bool is_fernet;
} forms[] = {
        /* In the order of trial, which is that of how many programs use them. Kept in memories by
         * number: only ever append. */
        { "sp24", KEY_BLANK_RIGHT, LEGACY_3DES, IV_NONE },
        { "zero-left-24-3des-ecb", KEY_ZERO_LEFT, LEGACY_3DES, IV_NONE },
        { "zero-right-24-3des-ecb", KEY_ZERO_RIGHT, LEGACY_3DES, IV_NONE },
        { "zero-right-8-des-cbc", KEY_ZERO_RIGHT, LEGACY_DES, IV_ZERO },
        { "zero-left-8-des-cbc", KEY_ZERO_LEFT, LEGACY_DES, IV_ZERO },
        { "zero-left-8-des-cbc-iv-key", KEY_ZERO_LEFT, LEGACY_DES, IV_KEY },
        { "big-endian-8-des-ecb", KEY_BIG_ENDIAN, LEGACY_DES, IV_NONE },
        { "sha256-8-des-ecb", KEY_HASH, LEGACY_DES, IV_NONE },
        { "sha256-24-3des-ecb", KEY_HASH, LEGACY_3DES, IV_NONE },
        { "zero-right-16-aes-ecb", KEY_ZERO_RIGHT, LEGACY_AES_128, IV_NONE },
        { "sha256-aes-256-ecb", KEY_HASH, LEGACY_AES_256, IV_NONE },
        { "sha256-aes-256-cbc", KEY_HASH, LEGACY_AES_256, IV_ZERO },
        { "sha256-aes-256-cbc-prefix", KEY_HASH, LEGACY_AES_256, IV_PREFIX },
        { "sha256-fernet", KEY_HASH, LEGACY_AES_256, IV_NONE, .is_fernet = true },
        { "big-endian-32-fernet", KEY_BIG_ENDIAN, LEGACY_AES_256, IV_NONE, .is_fernet = true },
};

const size_t dialect_n_forms = ELEMENTSOF(forms);

const char *dialect_form_name(size_t form)
{
        return forms[form].name;
}

/* 0, or -ERANGE when the secret is too large for this form. */
static int make_key(const struct form *f, const char *secret, uint8_t ret[static LEGACY_KEY_MAX])
{
        size_t n = strlen(secret), size = legacy_key_size(f->algorithm);
        size_t used = MIN(n, size);
        uint8_t digest[HASH_SIZE];

        switch (f->key) {
        case KEY_BLANK_RIGHT:
        case KEY_ZERO_RIGHT:
                memset(ret, f->key == KEY_BLANK_RIGHT ? ' ' : '0', size);
                memcpy(ret, secret, used);
                return 0;
        case KEY_ZERO_LEFT:
                memset(ret, '0', size);
                memcpy(ret + size - used, secret, used);
                return 0;
        case KEY_BIG_ENDIAN:
                return decimal_to_bytes(secret, ret, size);
        case KEY_HASH:
                hash(&(struct blob){ secret, n }, 1, digest);
                memcpy(ret, digest, size);
                wipe(digest, sizeof digest);
                return 0;
        }
        return -ERANGE;
}

/*
 * Shapes: text ↔ bytes
 */
struct blobs {
        struct {
                uint8_t *data; /* NULL: the text has not this shape */
                size_t size;
        } shapes[N_SHAPES];
};

static void blobs_done(struct blobs *b)
{
        for (size_t i = 0; i < N_SHAPES; i++)
                free(b->shapes[i].data);
}

/* "[1, 22]", blanks already gone. 0, or -EINVAL. */
static int list_decode(const char *s, size_t n, uint8_t *buffer, size_t *ret_size)
{
        size_t size = 0, n_digits = 0;
        unsigned v = 0;

        if (n < 2 || s[0] != '[' || s[n - 1] != ']')
                return -EINVAL;
        for (size_t i = 1; i < n; i++) {
                if (s[i] >= '0' && s[i] <= '9' && n_digits < 3) {
                        v = v * 10 + (unsigned)(s[i] - '0');
                        n_digits++;
                } else if ((s[i] == ',' || i == n - 1) && n_digits > 0 && v < 256) {
                        buffer[size++] = v;
                        v = 0;
                        n_digits = 0;
                } else
                        return -EINVAL;
        }
        *ret_size = size;
        return 0;
}

static bool is_blocks(size_t size)
{
        return size > 0 && size % 8 == 0;
}

/* 0, or -EINVAL. @buffer has room for @n bytes. */
static int shape_decode(
        enum dialect_shape shape, const char *s, size_t n, uint8_t *buffer, size_t *ret_size)
{
        size_t size = 0;
        int r = -EINVAL;

        switch (shape) {
        case SHAPE_BASE64:
                r = base64_decode(s, n, false, buffer, &size);
                break;
        case SHAPE_HEX:
                r = hex_decode(s, n, buffer, &size);
                break;
        case SHAPE_LIST:
                r = list_decode(s, n, buffer, &size);
                break;
        case SHAPE_WRAPPED:
                r = base64_decode(s, n, false, buffer, &size);
                if (r < 0)
                        return r;
                return shape_decode(SHAPE_TOKEN, (char *)buffer, size, buffer, ret_size);
        case SHAPE_TOKEN:
                r = base64_decode(s, n, true, buffer, &size);
                if (r == 0 && !fernet_is_token(buffer, size))
                        r = -EINVAL;
                *ret_size = size;
                return r;
        }
        if (r == 0 && !is_blocks(size))
                r = -EINVAL;
        *ret_size = size;
        return r;
}

/* 0 and what the text may be, DIALECT_NO_CIPHER, or -ENOMEM. */
static int decode_shapes(const char *text, size_t size, struct blobs *ret)
{
        _cleanup_(freep)
        char *s = malloc(size + 1);
        _cleanup_(freep)
        uint8_t *buffer = malloc(size + 1);
        size_t n = 0;
        bool found = false;

        if (!s || !buffer)
                return -ENOMEM;
        /* Some encoders break lines. */
        for (size_t i = 0; i < size; i++)
                if (!strchr(" \t\r\n", text[i]) || !text[i])
                        s[n++] = text[i];

        for (size_t i = 0; i < N_SHAPES; i++) {
                size_t used;

                if (shape_decode(i, s, n, buffer, &used) < 0)
                        continue;
                ret->shapes[i].data = malloc(used);
                if (!ret->shapes[i].data)
                        return -ENOMEM;
                memcpy(ret->shapes[i].data, buffer, used);
                ret->shapes[i].size = used;
                found = true;
        }
        return found ? 0 : DIALECT_NO_CIPHER;
}

/*
 * Trial decryption
 */

/* 0 and the size in @out, positive when the form does not fit, -ENOMEM. */
static int try_block(const struct form *f, const uint8_t *key, const uint8_t *data, size_t size,
        uint8_t *out, size_t *ret_size)
{
        _cleanup_(legacy_cipher_freep)
        struct legacy_cipher *c = NULL;
        static const uint8_t zero[LEGACY_BLOCK_MAX];
        size_t block_size = legacy_block_size(f->algorithm), n_pad;
        const uint8_t *iv = f->iv == IV_KEY ? key : zero, *last;
        int r;

        if (f->iv == IV_PREFIX) {
                if (size <= block_size)
                        return DIALECT_UNREADABLE;
                iv = data;
                data += block_size;
                size -= block_size;
        }
        if (size == 0 || size % block_size)
                return DIALECT_UNREADABLE;

        r = legacy_cipher_new(f->algorithm, f->iv == IV_NONE ? LEGACY_ECB : LEGACY_CBC, key, &c);
        if (r < 0)
                return r;

        /* The last block tells already, so a long text of a stranger costs no more than a short. */
        last = data + size - block_size;
        legacy_cipher_decrypt(c, size > block_size ? last - block_size : iv, last, block_size, out);
        n_pad = padding_find(out, block_size);
        if (n_pad == 0)
                return DIALECT_UNREADABLE;
        legacy_cipher_decrypt(c, iv, data, size, out);
        *ret_size = size - n_pad;
        return 0;
}

static int try_form(const struct form *f, const char *secret, const uint8_t *data, size_t size,
        uint8_t *out, size_t *ret_size)
{
        uint8_t key[LEGACY_KEY_MAX];
        size_t n = 0;
        int r;

        if (make_key(f, secret, key) < 0)
                return DIALECT_UNREADABLE;
        r = f->is_fernet ? fernet_open(key, data, size, out, &n)
                         : try_block(f, key, data, size, out, &n);
        wipe(key, sizeof key);
        if (r < 0)
                return r;
        if (r > 0 || n == 0 || !text_is_printable((char *)out, n))
                return DIALECT_UNREADABLE;
        *ret_size = n;
        return 0;
}

/* Does any other secret give text too? 1, 0 or -ENOMEM. */
static int is_ambiguous(const struct blobs *blobs, const char *const *secrets, size_t n_secrets,
        const struct dialect_reading *reading)
{
        const struct form *f = &forms[reading->form - 1];
        size_t shape = reading->shape - 1, size = blobs->shapes[shape].size;
        _cleanup_(freep)
        uint8_t *out = malloc(size);

        if (!out)
                return -ENOMEM;
        for (size_t k = 0; k < n_secrets; k++) {
                size_t n;
                int r;

                if (k == reading->secret)
                        continue;
                r = try_form(f, secrets[k], blobs->shapes[shape].data, size, out, &n);
                if (r <= 0)
                        return r < 0 ? r : 1;
        }
        return 0;
}

static int try_shapes(size_t form, const struct blobs *blobs, const char *const *secrets,
        size_t n_secrets, uint8_t *out, struct dialect_reading *ret)
{
        for (size_t k = 0; k < n_secrets; k++)
                for (size_t i = 0; i < N_SHAPES; i++) {
                        bool is_fernet = i == SHAPE_TOKEN || i == SHAPE_WRAPPED;
                        int r;

                        if (!blobs->shapes[i].data || is_fernet != forms[form].is_fernet)
                                continue;
                        r = try_form(&forms[form], secrets[k], blobs->shapes[i].data,
                                blobs->shapes[i].size, out, &ret->size);
                        if (r < 0)
                                return r;
                        if (r == 0) {
                                ret->form = form + 1;
                                ret->shape = i + 1;
                                ret->secret = k;
                                return 0;
                        }
                }
        return DIALECT_UNREADABLE;
}

int dialect_decrypt(const struct legacy_memory *memory, const char *const *secrets,
        size_t n_secrets, const char *text, size_t size, struct dialect_reading *ret)
{
        _cleanup_(blobs_done)
        struct blobs blobs = { 0 };
        _cleanup_(freep)
        uint8_t *out = NULL;
        struct dialect_reading reading = { 0 };
        int r;

        r = decode_shapes(text, size, &blobs);
        if (r != 0)
                return r;
        out = malloc(size + 1);
        if (!out)
                return -ENOMEM;

        r = DIALECT_UNREADABLE;
        if (memory->form > 0)
                r = try_shapes(memory->form - 1, &blobs, secrets, n_secrets, out, &reading);
        for (size_t i = 0; i < ELEMENTSOF(forms) && r == DIALECT_UNREADABLE; i++)
                r = try_shapes(i, &blobs, secrets, n_secrets, out, &reading);
        if (r != 0)
                return r;

        r = is_ambiguous(&blobs, secrets, n_secrets, &reading);
        if (r < 0)
                return r;
        reading.is_sure = r == 0;

        out[reading.size] = 0;
        reading.text = (char *)TAKE_PTR(out);
        *ret = reading;
        return 0;
}

/*
 * Encryption in the form that the other side understands
 */
static const struct form *remembered_form(const struct legacy_memory *memory)
{
        return &forms[memory->form > 0 ? memory->form - 1 : 0];
}

static enum dialect_shape remembered_shape(const struct legacy_memory *memory, const struct form *f)
{
        enum dialect_shape shape = memory->shape > 0 ? memory->shape - 1 : SHAPE_BASE64;

        if (f->is_fernet)
                return shape == SHAPE_WRAPPED ? shape : SHAPE_TOKEN;
        return shape == SHAPE_HEX || shape == SHAPE_LIST ? shape : SHAPE_BASE64;
}

static size_t cipher_size(const struct form *f, size_t size)
{
        size_t block_size = legacy_block_size(f->algorithm);

        if (f->is_fernet)
                return fernet_size(size);
        return padded_size(size, block_size) + (f->iv == IV_PREFIX ? block_size : 0);
}

static size_t shaped_size(enum dialect_shape shape, size_t size)
{
        switch (shape) {
        case SHAPE_BASE64:
        case SHAPE_TOKEN:
                return BASE64_SIZE(size) - 1 + 2;
        case SHAPE_HEX:
                return HEX_SIZE(size) - 1 + 2;
        case SHAPE_LIST:
                return size * strlen("255, ") + 2;
        case SHAPE_WRAPPED:
                return BASE64_SIZE(BASE64_SIZE(size) - 1) - 1 + 2;
        }
        return 0;
}

size_t dialect_encrypted_size(const struct legacy_memory *memory, size_t size)
{
        const struct form *f = remembered_form(memory);

        return shaped_size(remembered_shape(memory, f), cipher_size(f, size));
}

/* Appends the JSON value of @data. */
static int append_shaped(
        struct buffer *b, enum dialect_shape shape, const uint8_t *data, size_t size)
{
        _cleanup_(freep)
        char *inner = NULL;
        size_t inner_size;
        char number[8];
        int r;

        if (shape == SHAPE_LIST) {
                for (size_t i = 0; i < size; i++) {
                        (void)snprintf(number, sizeof number, "%s%u", i > 0 ? ", " : "[", data[i]);
                        r = buffer_append_string(b, number);
                        if (r < 0)
                                return r;
                }
                return buffer_append_string(b, "]");
        }

        if (shape == SHAPE_WRAPPED) {
                inner_size = BASE64_SIZE(size);
                inner = malloc(inner_size);
                if (!inner)
                        return -ENOMEM;
                base64_encode(data, size, true, inner);
                data = (uint8_t *)inner;
                size = inner_size - 1;
        }
        r = buffer_append_string(b, "\"");
        if (r == 0)
                r = buffer_reserve(b, HEX_SIZE(size));
        if (r < 0)
                return r;
        if (shape == SHAPE_HEX)
                hex_encode(data, size, (char *)b->data + b->size);
        else
                base64_encode(data, size, shape == SHAPE_TOKEN, (char *)b->data + b->size);
        b->size += strlen((char *)b->data + b->size);
        return buffer_append_string(b, "\"");
}

static int encrypt_block(const struct form *f, const uint8_t *key, struct random *random,
        const char *text, size_t size, uint8_t *out)
{
        _cleanup_(legacy_cipher_freep)
        struct legacy_cipher *c = NULL;
        uint8_t iv[LEGACY_BLOCK_MAX] = { 0 };
        size_t block_size = legacy_block_size(f->algorithm);
        int r;

        r = legacy_cipher_new(f->algorithm, f->iv == IV_NONE ? LEGACY_ECB : LEGACY_CBC, key, &c);
        if (r < 0)
                return r;
        if (f->iv == IV_KEY)
                memcpy(iv, key, block_size);
        if (f->iv == IV_PREFIX) {
                random_bytes(random, iv, block_size);
                memcpy(out, iv, block_size);
                out += block_size;
        }
        memcpy(out, text, size);
        padding_add(out, size, block_size);
        legacy_cipher_encrypt(c, iv, out, padded_size(size, block_size), out);
        return 0;
}

int dialect_encrypt(const struct legacy_memory *memory, struct random *random, const char *secret,
        const char *text, size_t size, struct buffer *b)
{
        const struct form *f = remembered_form(memory);
        _cleanup_(freep)
        uint8_t *out = NULL;
        uint8_t key[LEGACY_KEY_MAX];
        int r;

        if (make_key(f, secret, key) < 0) {
                f = &forms[0];
                (void)make_key(f, secret, key);
        }
        out = malloc(cipher_size(f, size));
        if (!out)
                return -ENOMEM;
        r = f->is_fernet ? fernet_seal(key, random, text, size, out)
                         : encrypt_block(f, key, random, text, size, out);
        wipe(key, sizeof key);
        if (r < 0)
                return r;
        return append_shaped(b, remembered_shape(memory, f), out, cipher_size(f, size));
}
