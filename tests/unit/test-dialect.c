/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cipher forms of the classic dialects
 *
 * The values were made by an independent implementation (tests/interop/forms.py).
 */
#include "base/encode.h"
#include "core/crypto/crypto.h"
#include "core/crypto/legacy-cipher.h"
#include "core/crypto/random.h"
#include "core/legacy/dialect.h"
#include "lib/test.h"

#define TEXT "Merhaba dünya"

static const struct vector {
        const char *form;
        enum dialect_shape shape;
        const char *secret, *value;
        bool is_random; /* encrypting again gives another value */
} vectors[] = {
        { "sp24", SHAPE_BASE64, "13", "31cbti0xfHTDQ6rmee2hcg==" },
        { "sp24", SHAPE_BASE64, "1", "8N82WPk7AOb40+Edd5md9w==" },
        { "sp24", SHAPE_BASE64, "7", "kgoKY3v+czY/Z49x4TWEvQ==" },
        { "sp24", SHAPE_BASE64, "18", "IuqwSzdjB1tI3kQAm5Xo2A==" },
        { "sp24", SHAPE_HEX, "13", "df571bb62d317c74c343aae679eda172" },
        { "zero-left-24-3des-ecb", SHAPE_BASE64, "13", "/13yLevwb/Lg+JtBKBCR2g==" },
        { "zero-right-24-3des-ecb", SHAPE_BASE64, "13", "dHZjFezAsaTf7u7lZGXZag==" },
        { "zero-right-8-des-cbc", SHAPE_BASE64, "13", "dHZjFezAsaS3f0mIPgtdCw==" },
        { "zero-left-8-des-cbc", SHAPE_LIST, "13",
                "[255, 93, 242, 45, 235, 240, 111, 242, 120, 38, 189, 174, 79, 179, 174, 110]" },
        { "zero-left-8-des-cbc-iv-key", SHAPE_BASE64, "13", "ag481UUibNiWGl8uS4is+g==" },
        { "big-endian-8-des-ecb", SHAPE_BASE64, "13", "UKyCobu4orjvvW5vY9IczQ==" },
        { "big-endian-8-des-ecb", SHAPE_BASE64, "1", "Q51oIAwbY55O3ZpyVovtaA==" },
        { "sha256-8-des-ecb", SHAPE_HEX, "13", "f4c80555695b5b2757da557d76b24cc9" },
        { "sha256-24-3des-ecb", SHAPE_BASE64, "13", "BMxggzzjzjSlKD4Z45IuOg==" },
        { "zero-right-16-aes-ecb", SHAPE_BASE64, "13", "SkQnzEGNxM4AeERUdGBwLw==" },
        { "sha256-aes-256-ecb", SHAPE_BASE64, "13", "BjHesdtd6J35aUDJtxkWEg==" },
        { "sha256-aes-256-ecb", SHAPE_BASE64,
                "10000000000000000000000000000000000000000000000000000000000000000000000000000000"
                "000000000000000003",
                "uimk5c9v2i3a7r1dlON2uA==" },
        { "sha256-aes-256-cbc-prefix", SHAPE_BASE64, "13",
                "AAECAwQFBgcICQoLDA0OD4P4nKCs5XxmKU63vBHtcOY=", true },
        { "sha256-fernet", SHAPE_TOKEN, "13",
                "gAAAAABrAFaspFynattiBSl3-7v76t_dCJfxGpadw5CAyx9HfN_"
                "AreTu5CZ99AQ8EIAfcZFv6iWhb9m7Dx9exM9-0wAiwf2YUw==",
                true },
        { "sha256-fernet", SHAPE_WRAPPED, "13",
                "Z0FBQUFBQnJBRmFzTmNyZ0VVdGs2NnBGbFNpYlFuLU9HVVJGRkxjUEpWTlRUOHl4V1hieGpTQUFRWXhCS"
                "0RWeDlmTnhVUHJ5X3JkRnFXc253bEZmZ2toOUhLR28wZVpwZkE9PQ==",
                true },
        { "big-endian-32-fernet", SHAPE_TOKEN, "13",
                "gAAAAABrAFasd42GLdqI_iK9B24nS7xiupF1i-KWhytnogqGIjl00W6kgF32MwZJkXKxtR6HS4bFj8Plg"
                "rpxPuiF8_MSwjhRPQ==",
                true },
};

static struct random *random_source;

static uint8_t form_number(const char *name)
{
        for (size_t i = 0; i < dialect_n_forms; i++)
                if (streq(dialect_form_name(i), name))
                        return i + 1;
        TEST_FAIL("no form %s", name);
}

static int decrypt(const struct legacy_memory *m, const char *secret, const char *value,
        struct dialect_reading *ret)
{
        return dialect_decrypt(m, &secret, 1, value, strlen(value), ret);
}

/* The value without the quotes of its JSON. */
static void encrypt(
        const struct legacy_memory *m, const char *secret, const char *text, struct buffer *b)
{
        buffer_init(b, 64 * 1024);
        ASSERT_OK(dialect_encrypt(m, random_source, secret, text, strlen(text), b));
        ASSERT_LE(b->size, dialect_encrypted_size(m, strlen(text)));
        if (b->data[0] == '"') {
                b->data[--b->size] = 0;
                buffer_consume(b, 1);
        }
}

TEST(every_form_is_read_and_recognised)
{
        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                const struct vector *v = &vectors[i];
                struct dialect_reading reading;

                ASSERT_OK(decrypt(&(struct legacy_memory){ 0 }, v->secret, v->value, &reading));
                ASSERT_STREQ(reading.text, TEXT);
                ASSERT_EQ(reading.size, strlen(TEXT));
                ASSERT_STREQ(dialect_form_name(reading.form - 1), v->form);
                ASSERT_EQ(reading.shape, v->shape + 1);
                ASSERT_TRUE(reading.is_sure);
                free(reading.text);
        }
}

TEST(every_form_is_written)
{
        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                const struct vector *v = &vectors[i];
                struct legacy_memory m = { .form = form_number(v->form), .shape = v->shape + 1 };
                struct dialect_reading reading;
                struct buffer b;

                encrypt(&m, v->secret, TEXT, &b);
                if (!v->is_random)
                        ASSERT_STREQ((char *)b.data, v->value);
                ASSERT_OK(
                        decrypt(&(struct legacy_memory){ 0 }, v->secret, (char *)b.data, &reading));
                ASSERT_STREQ(reading.text, TEXT);
                ASSERT_EQ(reading.form, m.form);
                ASSERT_EQ(reading.shape, m.shape);
                free(reading.text);
                buffer_done(&b);
        }
}

TEST(the_usual_form_when_nothing_is_known)
{
        struct buffer b;

        encrypt(&(struct legacy_memory){ 0 }, "13", TEXT, &b);
        ASSERT_STREQ((char *)b.data, "31cbti0xfHTDQ6rmee2hcg==");
        buffer_done(&b);

        /* A secret that does not go into the remembered form. */
        encrypt(&(struct legacy_memory){ .form = form_number("big-endian-8-des-ecb") },
                "100000000000000000000", TEXT, &b);
        ASSERT_NE(b.size, 0);
        buffer_done(&b);
}

TEST(the_remembered_form_comes_first)
{
        /* One block of CBC with a zero IV is one block of ECB: only memory knows. */
        struct legacy_memory m = { .form = form_number("sha256-aes-256-cbc") };
        struct dialect_reading reading;

        ASSERT_OK(decrypt(&m, "13", "BjHesdtd6J35aUDJtxkWEg==", &reading));
        ASSERT_EQ(reading.form, m.form);
        free(reading.text);
}

TEST(long_texts_tell_modes_apart)
{
        static const char text[] = "a text that is longer than two blocks of any cipher, so that "
                                   "chaining shows";

        for (size_t i = 0; i < dialect_n_forms; i++)
                for (size_t shape = 0; shape < N_SHAPES; shape++) {
                        struct legacy_memory m = { .form = i + 1, .shape = shape + 1 };
                        struct dialect_reading reading;
                        struct buffer b;

                        encrypt(&m, "17", text, &b);
                        ASSERT_OK(decrypt(
                                &(struct legacy_memory){ 0 }, "17", (char *)b.data, &reading));
                        ASSERT_STREQ(reading.text, text);
                        ASSERT_EQ(reading.form, m.form);
                        free(reading.text);
                        buffer_done(&b);
                }
}

TEST(the_secret_that_fits)
{
        static const char *const secrets[] = { "5", "13" }, *const twins[] = { "12", "13" };
        const char *v = vectors[0].value;
        struct legacy_memory m = { 0 };
        struct dialect_reading reading;

        ASSERT_OK(dialect_decrypt(&m, secrets, 2, v, strlen(v), &reading));
        ASSERT_EQ(reading.secret, 1);
        ASSERT_TRUE(reading.is_sure);
        free(reading.text);

        /* DES does not look at the lowest bit of a key's byte. */
        ASSERT_OK(dialect_decrypt(&m, twins, 2, v, strlen(v), &reading));
        ASSERT_EQ(reading.secret, 0);
        ASSERT_FALSE(reading.is_sure);
        free(reading.text);
}

/* "abcde" and then bytes that only end like padding. */
TEST(padding_is_strict)
{
        static const char *const lasts[] = { "\x01\x02\x03", "\x03\x02\x03", "\x02\x03\x03",
                "\x03\x03\x09", "\x03\x03\x00", "\x03\x03\x03" };
        static const char key[] = "13                      ";

        for (size_t i = 0; i < ELEMENTSOF(lasts); i++) {
                _cleanup_(legacy_cipher_freep)
                struct legacy_cipher *c = NULL;
                bool good = i == ELEMENTSOF(lasts) - 1;
                struct dialect_reading reading;
                uint8_t block[8] = "abcde";
                char value[17];

                memcpy(block + 5, lasts[i], 3);
                ASSERT_OK(legacy_cipher_new(LEGACY_3DES, LEGACY_ECB, (uint8_t *)key, &c));
                legacy_cipher_encrypt(c, NULL, block, sizeof block, block);
                hex_encode(block, sizeof block, value);
                ASSERT_EQ(decrypt(&(struct legacy_memory){ 0 }, "13", value, &reading),
                        good ? DIALECT_READ : DIALECT_UNREADABLE);
                if (good)
                        free(reading.text);
        }
}

/* A changed IV changes a letter or two: only the MAC knows. */
TEST(tokens_are_authenticated)
{
        const struct vector *v = &vectors[ELEMENTSOF(vectors) - 1];
        uint8_t data[128];
        char value[256];
        struct dialect_reading reading;
        size_t size;

        ASSERT_EQ(v->shape, SHAPE_TOKEN);
        ASSERT_OK(base64_decode(v->value, strlen(v->value), true, data, &size));
        for (size_t i = 0; i < size; i++) {
                data[i] ^= 1;
                base64_encode(data, size, true, value);
                ASSERT_NE(decrypt(&(struct legacy_memory){ 0 }, v->secret, value, &reading),
                        DIALECT_READ);
                data[i] ^= 1;
        }
}

TEST(what_is_no_cipher_text)
{
        static const char *const plain[] = { "", "hello", "Merhaba dünya", "[1, 2", "[256]", "[]",
                "deadbeef", "31cbti0xfHTDQ6rmee2hc", "[1,2,3]", "[1,,2,3,4,5,6,7,8]", "YWJj",
                "gAAAAABrAFaspFynattiBSl3" };
        static const char *const unreadable[] = { "31cbti0xfHTDQ6rmee2hcw==", "0000000000000000",
                "[1,2,3,4,5,6,7,8]", "AAAAAAAAAAA=" };
        struct legacy_memory m = { 0 };
        struct dialect_reading reading;

        for (size_t i = 0; i < ELEMENTSOF(plain); i++)
                ASSERT_EQ(decrypt(&m, "13", plain[i], &reading), DIALECT_NO_CIPHER);
        for (size_t i = 0; i < ELEMENTSOF(unreadable); i++)
                ASSERT_EQ(decrypt(&m, "13", unreadable[i], &reading), DIALECT_UNREADABLE);
        ASSERT_EQ(
                dialect_decrypt(&m, NULL, 0, vectors[0].value, strlen(vectors[0].value), &reading),
                DIALECT_UNREADABLE);
        ASSERT_EQ(decrypt(&m, "14", vectors[0].value, &reading), DIALECT_UNREADABLE);
}

TEST(broken_lines_are_joined)
{
        struct dialect_reading reading;

        ASSERT_OK(decrypt(
                &(struct legacy_memory){ 0 }, "13", "31cbti0xfHTD\r\nQ6rmee2hcg==\n", &reading));
        ASSERT_STREQ(reading.text, TEXT);
        free(reading.text);
}

/* Whatever is done to a good value: no crash, and nothing unprintable comes out. */
static void try_it(const char *value, size_t size)
{
        static const char *const secrets[] = { "13", "5" };
        struct dialect_reading reading;

        if (dialect_decrypt(&(struct legacy_memory){ 0 }, secrets, 2, value, size, &reading) == 0) {
                ASSERT_GT(reading.size, 0);
                ASSERT_LE(reading.form, dialect_n_forms);
                free(reading.text);
        }
}

TEST(mutations)
{
        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                size_t n = strlen(vectors[i].value);
                char text[512];

                for (size_t k = 0; k < n; k++) {
                        try_it(vectors[i].value, k);
                        try_it(vectors[i].value + k, n - k);
                        for (int bit = 0; bit < 8; bit++) {
                                memcpy(text, vectors[i].value, n);
                                text[k] = (char)(text[k] ^ 1 << bit);
                                try_it(text, n);
                        }
                }
                memcpy(text, vectors[i].value, n);
                memcpy(text + n, vectors[i].value, n);
                try_it(text, 2 * n);
        }
}

TEST(memory_is_kept)
{
        struct legacy_memory m = { .form = 3,
                .shape = 2,
                .spelling = 1,
                .group = 2,
                .choice = 4,
                .connections = 2,
                .key_is_number = true,
                .key_is_public = true,
                .has_uuid = true,
                .third_port = 9200,
                .third_tag = UINT32_C(0xca978112) };
        struct legacy_memory other;
        uint8_t data[LEGACY_MEMORY_SIZE], again[LEGACY_MEMORY_SIZE];
        static const uint8_t zero[LEGACY_MEMORY_SIZE];

        legacy_memory_encode(&m, data);
        legacy_memory_decode(data, sizeof data, &other);
        legacy_memory_encode(&other, again);
        ASSERT_MEMEQ(data, again, sizeof data);
        ASSERT_EQ(other.connections, 2);
        ASSERT_EQ(other.third_port, 9200);
        ASSERT_EQ(other.third_tag, UINT32_C(0xca978112));
        ASSERT_TRUE(other.key_is_number && other.key_is_public && other.has_uuid);
        ASSERT_FALSE(other.key_is_bare || other.no_key || other.plain_is_base64);

        m = (struct legacy_memory){ .key_is_bare = true, .no_key = true, .plain_is_base64 = true };
        legacy_memory_encode(&m, data);
        legacy_memory_decode(data, sizeof data, &other);
        ASSERT_TRUE(other.key_is_bare && other.no_key && other.plain_is_base64);
        ASSERT_FALSE(other.key_is_number || other.key_is_public || other.has_uuid);

        legacy_memory_decode(NULL, 0, &other);
        legacy_memory_encode(&other, data);
        ASSERT_MEMEQ(data, zero, sizeof data);
        memset(data, 0xff, sizeof data);
        legacy_memory_decode(data, sizeof data, &other);
        ASSERT_EQ(other.form + other.shape + other.spelling + other.group + other.choice +
                          other.connections,
                0);
        for (size_t size = 0; size < sizeof data; size++)
                legacy_memory_decode(data, size, &other);
}

static int setup(void)
{
        bool locked;
        int r;

        r = crypto_init(&locked);
        return r < 0 ? 1 : random_new_seeded(1, &random_source);
}

TEST_MAIN_WITH(setup)
