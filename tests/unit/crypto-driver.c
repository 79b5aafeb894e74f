/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * core/crypto for test-crypto-vectors.py: a question a line, an answer a line
 *
 *     x25519 SECRET PUBLIC                 -> SHARED | refused
 *     sign SEED MESSAGE                    -> PUBLIC SIGNATURE
 *     verify PUBLIC MESSAGE SIGNATURE      -> 0 | 1 | 2
 *     hkdf SALT SECRET INFO SIZE           -> BYTES
 *     seal KEY NONCE ASSOCIATED PLAIN      -> SEALED
 *     open KEY NONCE ASSOCIATED SEALED     -> PLAIN | refused
 *
 * All in hexadecimal, "-" for nothing.
 */
#include "core/crypto/sign-internal.h"
#include "core/crypto/x25519.h"
#include "lib/test.h"
#include "lib/vectors.h"

static uint8_t in[4][VECTORS_LINE_MAX], out[2 * VECTORS_LINE_MAX];
static size_t size[4];

static void answer(size_t n)
{
        for (size_t i = 0; i < n; i++)
                printf("%02x", out[i]);
        printf(n > 0 ? "\n" : "-\n");
}

static void answer_x25519(void)
{
        struct x25519_key key;

        ASSERT_OK(x25519_key_init(&key, in[0]));
        if (x25519(&key, in[1], out))
                answer(X25519_SIZE);
        else
                printf("refused\n");
        x25519_key_done(&key);
}

static void answer_sign(void)
{
        struct identity id;

        ASSERT_OK(identity_init(&id, in[0]));
        memcpy(out, id.public_key, PUBLIC_KEY_SIZE);
        sign_bare(&id, in[1], size[1], out + PUBLIC_KEY_SIZE);
        answer(PUBLIC_KEY_SIZE + SIGNATURE_SIZE);
        identity_done(&id);
}

static void answer_seal(bool open)
{
        _cleanup_(aead_freep)
        struct aead *a = NULL;

        ASSERT_OK(aead_new(&a));
        ASSERT_EQ(size[1], NONCE_SIZE);
        aead_set_key(a, in[0]);
        if (!open) {
                aead_seal(a, in[1], in[2], size[2], in[3], size[3], out);
                answer(size[3] + TAG_SIZE);
        } else if (aead_open(a, in[1], in[2], size[2], in[3], size[3], out))
                answer(size[3] - TAG_SIZE);
        else
                printf("refused\n");
}

static void answer_line(const struct vectors_line *l)
{
        if (streq(l->words[0], "x25519"))
                answer_x25519();
        else if (streq(l->words[0], "sign"))
                answer_sign();
        else if (streq(l->words[0], "verify"))
                printf("%d\n", sign_verify_bare(in[0], in[1], size[1], in[2]));
        else if (streq(l->words[0], "hkdf")) {
                in[2][size[2]] = 0;
                hkdf(in[0], size[0], in[1], size[1], (char *)in[2], out, in[3][0]);
                answer(in[3][0]);
        } else if (streq(l->words[0], "seal"))
                answer_seal(false);
        else if (streq(l->words[0], "open"))
                answer_seal(true);
        else
                TEST_FAIL("unknown word %s", l->words[0]);
}

int main(void)
{
        struct vectors_line l;
        bool locked;

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        ASSERT_OK(crypto_init(&locked));
        while (vectors_next(stdin, &l)) {
                for (size_t i = 1; i < l.n && i <= ELEMENTSOF(in); i++)
                        size[i - 1] = vectors_bytes(l.words[i], in[i - 1]);
                answer_line(&l);
        }
        return 0;
}
