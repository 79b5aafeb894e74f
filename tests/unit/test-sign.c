/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* X25519, Ed25519 and fingerprints: published vectors, and keys that somebody made to hurt */
#include <fcntl.h>
#include <gcrypt.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/crypto/random.h"
#include "core/crypto/sign-internal.h"
#include "core/crypto/x25519.h"
#include "lib/vectors.h"

static void exchange(const char *scalar, const char *point, const char *expected)
{
        uint8_t k[X25519_SIZE], u[X25519_SIZE], out[X25519_SIZE];
        struct x25519_key key;

        vectors_bytes(scalar, k);
        vectors_bytes(point, u);
        ASSERT_OK(x25519_key_init(&key, k));
        ASSERT_TRUE(x25519(&key, u, out));
        ASSERT_HEX(out, sizeof out, expected);
        x25519_key_done(&key);
        ASSERT_NULL(key.secret);
        x25519_key_done(&key);
}

TEST(x25519_vectors) /* RFC 7748, 5.2 */
{
        exchange("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
                "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
        exchange("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
                "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

TEST(x25519_again_and_again) /* RFC 7748, 5.2: after 1 and after 1 000 times */
{
        uint8_t k[X25519_SIZE] = { 9 }, u[X25519_SIZE] = { 9 };

        for (int i = 1; i <= 1000; i++) {
                uint8_t out[X25519_SIZE];
                struct x25519_key key;

                ASSERT_OK(x25519_key_init(&key, k));
                ASSERT_TRUE(x25519(&key, u, out));
                x25519_key_done(&key);
                memcpy(u, k, sizeof u);
                memcpy(k, out, sizeof k);
                if (i == 1)
                        ASSERT_HEX(k, sizeof k,
                                "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
        }
        ASSERT_HEX(k, sizeof k, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

TEST(x25519_agreement) /* RFC 7748, 6.1, and that both sides find the same */
{
        static const uint8_t nine[X25519_SIZE] = { 9 };
        uint8_t secret[X25519_SIZE], x[X25519_SIZE], y[X25519_SIZE];
        _cleanup_(random_freep)
        struct random *random = NULL;
        struct x25519_key alice, bob;

        exchange("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
                "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
                "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        vectors_bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", secret);
        ASSERT_OK(x25519_key_init(&bob, secret));
        ASSERT_HEX(bob.public, sizeof bob.public,
                "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        ASSERT_MEMEQ(bob.secret, secret, sizeof secret);

        ASSERT_OK(random_new(&random));
        ASSERT_OK(x25519_key_init_random(&alice, random));
        ASSERT_TRUE(x25519(&alice, bob.public, x));
        ASSERT_TRUE(x25519(&bob, alice.public, y));
        ASSERT_MEMEQ(x, y, sizeof x);
        ASSERT_TRUE(x25519(&alice, nine, x));
        ASSERT_MEMEQ(x, alice.public, sizeof x);
        x25519_key_done(&alice);
        x25519_key_done(&bob);
}

TEST(x25519_refuses_points_of_low_order)
{
        static const char *const points[] = {
                "0000000000000000000000000000000000000000000000000000000000000000",
                "0100000000000000000000000000000000000000000000000000000000000000",
                "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        };
        static const uint8_t zero[X25519_SIZE], scalar[X25519_SIZE] = { 1, 2, 3 };
        struct x25519_key key;

        ASSERT_OK(x25519_key_init(&key, scalar));
        for (size_t i = 0; i < ELEMENTSOF(points); i++)
                for (int sign = 0; sign < 2; sign++) { /* the highest bit does not count */
                        uint8_t point[X25519_SIZE], out[X25519_SIZE] = { 7 };

                        vectors_bytes(points[i], point);
                        point[31] |= sign << 7;
                        ASSERT_FALSE(x25519(&key, point, out));
                        ASSERT_MEMEQ(out, zero, sizeof out);
                }
        x25519_key_done(&key);
}

static const struct {
        const char *seed, *message, *signature;
} signatures[] = {
        /* RFC 8032, 7.1 */
        { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "-",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc6"
                "1e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
        { "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e45"
                "8f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
        { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae"
                "67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
};

TEST(signature_vectors)
{
        for (size_t i = 0; i < ELEMENTSOF(signatures); i++) {
                uint8_t seed[IDENTITY_SEED_SIZE], message[16], signature[SIGNATURE_SIZE];
                struct identity id;
                size_t size;

                vectors_bytes(signatures[i].seed, seed);
                size = vectors_bytes(signatures[i].message, message);
                ASSERT_OK(identity_init(&id, seed));
                ASSERT_TRUE(sign_key_check(id.public_key));
                sign_bare(&id, message, size, signature);
                ASSERT_HEX(signature, sizeof signature, signatures[i].signature);
                ASSERT_OK(sign_verify_bare(id.public_key, message, size, signature));
                identity_done(&id);
        }
}

static void identity_of(struct identity *i, uint8_t first)
{
        uint8_t seed[IDENTITY_SEED_SIZE] = { first };

        ASSERT_OK(identity_init(i, seed));
}

TEST(signatures_serve_one_purpose)
{
        const struct blob pieces[] = { { "one", 3 }, { NULL, 0 }, { "two", 3 } };
        const struct blob whole = { "onetwo", 6 }, other = { "onetw", 5 };
        uint8_t signature[SIGNATURE_SIZE], bare[SIGNATURE_SIZE];
        struct identity ece, bob;

        identity_of(&ece, 1);
        identity_of(&bob, 2);
        ASSERT_OK(sign(&ece, "p2pchat/1 test", pieces, ELEMENTSOF(pieces), signature));
        sign_bare(&ece, "p2pchat/1 test\0onetwo", 21, bare);
        ASSERT_MEMEQ(signature, bare, sizeof bare);

        ASSERT_OK(sign_verify(ece.public_key, "p2pchat/1 test", &whole, 1, signature));
        ASSERT_EQ(sign_verify(ece.public_key, "p2pchat/1 tes", &whole, 1, signature),
                SIGN_BAD_SIGNATURE);
        ASSERT_EQ(sign_verify(ece.public_key, "p2pchat/1 testo", &(struct blob){ "netwo", 5 }, 1,
                          signature),
                SIGN_BAD_SIGNATURE);
        ASSERT_EQ(sign_verify(ece.public_key, "p2pchat/1 test", &other, 1, signature),
                SIGN_BAD_SIGNATURE);
        ASSERT_EQ(sign_verify(bob.public_key, "p2pchat/1 test", &whole, 1, signature),
                SIGN_BAD_SIGNATURE);
        identity_done(&ece);
        identity_done(&bob);
}

TEST(every_altered_bit_is_noticed)
{
        const struct blob message = { "hello", 5 };
        uint8_t signature[SIGNATURE_SIZE];
        struct identity ece;

        identity_of(&ece, 3);
        ASSERT_OK(sign(&ece, "p2pchat/1 test", &message, 1, signature));
        for (size_t i = 0; i < 8 * sizeof signature; i++) {
                signature[i / 8] ^= 1 << i % 8;
                ASSERT_EQ(sign_verify(ece.public_key, "p2pchat/1 test", &message, 1, signature),
                        SIGN_BAD_SIGNATURE);
                signature[i / 8] ^= 1 << i % 8;
        }
        for (size_t i = 0; i < 8 * PUBLIC_KEY_SIZE; i++) {
                uint8_t key[PUBLIC_KEY_SIZE];

                memcpy(key, ece.public_key, sizeof key);
                key[i / 8] ^= 1 << i % 8;
                ASSERT_GT(sign_verify(key, "p2pchat/1 test", &message, 1, signature), 0);
        }
        identity_done(&ece);
}

/* S + n L is as good to the equation as S, and fits into 32 bytes up to n = 15. */
TEST(second_signatures_are_refused)
{
        static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
                0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
        const struct blob message = { "hello", 5 };
        uint8_t signature[SIGNATURE_SIZE], *s = signature + 32;
        struct identity ece;

        identity_of(&ece, 4);
        ASSERT_OK(sign(&ece, "p2pchat/1 test", &message, 1, signature));
        for (int n = 1; n <= 14; n++) {
                unsigned carry = 0;

                for (size_t i = 0; i < 32; i++) {
                        carry += s[i] + order[i];
                        s[i] = carry;
                        carry >>= 8;
                }
                ASSERT_EQ(carry, 0);
                ASSERT_EQ(sign_verify(ece.public_key, "p2pchat/1 test", &message, 1, signature),
                        SIGN_BAD_SIGNATURE);
        }
        memcpy(s, order, sizeof order);
        ASSERT_EQ(sign_verify(ece.public_key, "p2pchat/1 test", &message, 1, signature),
                SIGN_BAD_SIGNATURE);
        identity_done(&ece);
}

/* What the library itself says of a key: how a child ended that asked it. */
static int ask_library(const uint8_t *key)
{
        static const uint8_t half[32] = { 1 };
        int status;
        pid_t child;

        child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
                gcry_sexp_t k, s, d;
                int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

                (void)dup2(null, STDERR_FILENO);
                (void)gcry_sexp_build(
                        &k, NULL, "(public-key(ecc(curve Ed25519)(flags eddsa)(q %b)))", 32, key);
                (void)gcry_sexp_build(&s, NULL, "(sig-val(eddsa(r %b)(s %b)))", 32, half, 32, half);
                (void)gcry_sexp_build(
                        &d, NULL, "(data(flags eddsa)(hash-algo sha512)(value %b))", 1, "x");
                (void)gcry_pk_verify(s, d, k);
                _exit(0);
        }
        ASSERT_EQ(waitpid(child, &status, 0), child);
        return status;
}

/*
 * sign_verify() on each of these would end this very program if the check did not come first: the
 * library is asked in a child, to know that the danger is real where it is.
 */
TEST(points_made_to_hurt)
{
        static const uint8_t signature[SIGNATURE_SIZE] = { 1, [32] = 1 };
        size_t n_short = 0, n_fatal = 0, n_accepted = 0;
        struct vectors_line l;
        FILE *f = vectors_open("ed25519-points.txt");

        while (vectors_next(f, &l)) {
                bool refuse = streq(l.words[0], "refuse"), is_fatal;
                uint8_t key[PUBLIC_KEY_SIZE];

                ASSERT_EQ(vectors_bytes(l.words[1], key), sizeof key);
                if (sign_key_check(key) == refuse)
                        TEST_FAIL("%s: %s", l.words[1], l.words[2]);
                ASSERT_EQ(sign_verify(key, "p2pchat/1 test", NULL, 0, signature),
                        refuse ? SIGN_BAD_KEY : SIGN_BAD_SIGNATURE);
                is_fatal = WIFSIGNALED(ask_library(key));
                ASSERT_TRUE(refuse || !is_fatal);
                n_fatal += is_fatal;
                n_short += refuse && strstr(l.words[2], "-bits");
                n_accepted += !refuse;
        }
        ASSERT_GE(n_short, 65);
        ASSERT_GE(n_accepted, 70);
        printf("# %zu short points, %zu points end the library itself\n", n_short, n_fatal);
}

TEST(random_keys_and_signatures)
{
        const struct blob message = { "hello", 5 };
        _cleanup_(random_freep)
        struct random *random = NULL;
        size_t n_points = 0;

        ASSERT_OK(random_new_seeded(1, &random));
        for (int i = 0; i < 300; i++) {
                uint8_t seed[IDENTITY_SEED_SIZE], key[PUBLIC_KEY_SIZE], signature[SIGNATURE_SIZE];
                struct identity id;

                random_bytes(random, seed, sizeof seed);
                ASSERT_OK(identity_init(&id, seed));
                ASSERT_TRUE(sign_key_check(id.public_key));
                identity_done(&id);

                random_bytes(random, key, sizeof key);
                random_bytes(random, signature, sizeof signature);
                signature[63] &= 0x0f;
                n_points += sign_key_check(key);
                ASSERT_GT(sign_verify(key, "p2pchat/1 test", &message, 1, signature), 0);
        }
        ASSERT_GT(n_points, 100); /* half of all y belong to points */
        ASSERT_LT(n_points, 200);
}

TEST(fingerprints)
{
        char a_half[FINGERPRINT_HALF_SIZE], b_half[FINGERPRINT_HALF_SIZE];
        char ab[FINGERPRINT_SIZE], ba[FINGERPRINT_SIZE], typed[2 * FINGERPRINT_SIZE];
        struct identity a, b;
        size_t n = 0;

        identity_of(&a, 5);
        identity_of(&b, 6);
        fingerprint_half(a.public_key, a_half);
        fingerprint_half(b.public_key, b_half);
        ASSERT_STREQ(a_half, "91426 08292 54066 17801 42819 58224");
        ASSERT_STREQ(b_half, "54267 52129 90130 38031 59346 37428");
        fingerprint_pair(a.public_key, b.public_key, ab);
        fingerprint_pair(b.public_key, a.public_key, ba);
        ASSERT_STREQ(ab, ba);
        ASSERT_EQ(strlen(ab), 71);
        ASSERT_TRUE(strncmp(ab, ab + FINGERPRINT_HALF_SIZE, FINGERPRINT_HALF_SIZE) < 0);
        ASSERT_TRUE(strstr(ab, a_half) && strstr(ab, b_half));

        ASSERT_TRUE(fingerprint_matches(ab, ab));
        for (const char *s = ab; *s; s++)
                if (*s != ' ')
                        typed[n++] = *s;
        typed[n] = 0;
        ASSERT_EQ(n, 60);
        ASSERT_TRUE(fingerprint_matches(ab, typed));
        for (size_t i = 0; i < n; i++) {
                char digit = typed[i];

                typed[i] = digit == '9' ? '0' : digit + 1;
                ASSERT_FALSE(fingerprint_matches(ab, typed));
                typed[i] = 0;
                ASSERT_FALSE(fingerprint_matches(ab, typed));
                typed[i] = digit;
        }
        memcpy(typed + n, " \n", 3);
        ASSERT_TRUE(fingerprint_matches(ab, typed));
        memcpy(typed + n, "1", 2);
        ASSERT_FALSE(fingerprint_matches(ab, typed));
        ASSERT_FALSE(fingerprint_matches(ab, ""));
        identity_done(&a);
        identity_done(&b);
}

static int setup(void)
{
        bool locked;

        return crypto_init(&locked);
}

TEST_MAIN_WITH(setup)
