/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/crypto against published vectors */
#include "core/crypto/crypto.h"
#include "core/crypto/dh.h"
#include "core/crypto/identity.h"
#include "core/crypto/legacy-cipher.h"
#include "core/crypto/random.h"
#include "lib/vectors.h"

TEST(hash_of_pieces) /* FIPS 180-4, "abc" */
{
        uint8_t digest[HASH_SIZE];
        const struct blob pieces[] = { { "a", 1 }, { NULL, 0 }, { "bc", 2 } };

        hash(pieces, 3, digest);
        ASSERT_HEX(digest, sizeof digest,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        hash(NULL, 0, digest);
        ASSERT_HEX(digest, sizeof digest,
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(hash_piece_by_piece)
{
        uint8_t whole[HASH_SIZE], pieces[HASH_SIZE], data[1000];
        struct hasher *h;

        memset(data, 7, sizeof data);
        hash(&(struct blob){ data, sizeof data }, 1, whole);
        ASSERT_OK(hasher_new(&h));
        for (size_t at = 0; at < sizeof data; at += 50)
                hasher_add(h, data + at, 50);
        hasher_finish(h, pieces);
        hasher_free(h);
        ASSERT_MEMEQ(pieces, whole, HASH_SIZE);
}

TEST(hmac_of_pieces) /* RFC 4231, case 2 */
{
        uint8_t digest[HASH_SIZE];
        const struct blob pieces[] = { { "what do ya want ", 16 }, { "for nothing?", 12 } };

        hmac("Jefe", 4, pieces, 2, digest);
        ASSERT_HEX(digest, sizeof digest,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(hkdf_vectors) /* RFC 5869, case 1 with its information as text, and an own long one */
{
        uint8_t secret[22], out[82];
        static const uint8_t salt[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

        memset(secret, 0x0b, sizeof secret);
        hkdf(salt, sizeof salt, secret, sizeof secret, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9",
                out, 42);
        ASSERT_HEX(out, 42,
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185"
                "865");
        hkdf("salt", 4, "secret", 6, "p2pchat", out, sizeof out);
        ASSERT_HEX(out, sizeof out,
                "53af6f644f41771634939fddfc1decfdb1143f2389ebd394d94a922f86b3503bf1291af090c27aa8d"
                "8506024362932c3260cb1b05bb46601aeb1bd6898345309268020026784ecb3e46178b601884e2b69"
                "52");
}

TEST(aead_vector) /* RFC 8439, 2.8.2 */
{
        static const char plain[] = "Ladies and Gentlemen of the class of '99: If I could offer "
                                    "you only one tip for the future, sunscreen would be it.";
        uint8_t key[KEY_SIZE], nonce[NONCE_SIZE], associated[12], sealed[sizeof plain - 1 + 16];
        uint8_t opened[sizeof plain], digest[HASH_SIZE];
        size_t size = sizeof plain - 1;
        _cleanup_(aead_freep)
        struct aead *a = NULL;

        for (size_t i = 0; i < sizeof key; i++)
                key[i] = 0x80 + i;
        vectors_bytes("070000004041424344454647", nonce);
        vectors_bytes("50515253c0c1c2c3c4c5c6c7", associated);
        ASSERT_OK(aead_new(&a));
        aead_set_key(a, key);

        aead_seal(a, nonce, associated, sizeof associated, plain, size, sealed);
        ASSERT_HEX(sealed + size, TAG_SIZE, "1ae10b594f09e26a7e902ecbd0600691");
        hash(&(struct blob){ sealed, sizeof sealed }, 1, digest);
        ASSERT_HEX(digest, sizeof digest,
                "4e54427e462f3beb69677d39865c5da8d57f603a85f7bf71368dce8ec9b9933c");

        ASSERT_TRUE(
                aead_open(a, nonce, associated, sizeof associated, sealed, sizeof sealed, opened));
        ASSERT_MEMEQ(opened, plain, size);

        /* Every altered byte is noticed, and what was opened is gone. */
        for (size_t i = 0; i < sizeof sealed; i++) {
                sealed[i] ^= 1;
                memset(opened, 0xaa, sizeof opened);
                ASSERT_FALSE(aead_open(
                        a, nonce, associated, sizeof associated, sealed, sizeof sealed, opened));
                for (size_t k = 0; k < size; k++)
                        ASSERT_EQ(opened[k], 0);
                sealed[i] ^= 1;
        }
        associated[0] ^= 1;
        ASSERT_FALSE(
                aead_open(a, nonce, associated, sizeof associated, sealed, sizeof sealed, opened));
        ASSERT_FALSE(aead_open(a, nonce, NULL, 0, sealed, TAG_SIZE - 1, opened));
}

TEST(aead_in_place_and_empty)
{
        static const uint8_t key[KEY_SIZE] = { 1 }, nonce[NONCE_SIZE] = { 2 };
        uint8_t a_text[5 + TAG_SIZE] = "hello", b_text[5 + TAG_SIZE], none[TAG_SIZE];
        _cleanup_(aead_freep)
        struct aead *a = NULL;

        ASSERT_OK(aead_new(&a));
        aead_set_key(a, key);
        aead_seal(a, nonce, NULL, 0, "hello", 5, b_text);
        aead_seal(a, nonce, NULL, 0, a_text, 5, a_text);
        ASSERT_MEMEQ(a_text, b_text, sizeof a_text);
        ASSERT_TRUE(aead_open(a, nonce, NULL, 0, a_text, sizeof a_text, a_text));
        ASSERT_MEMEQ(a_text, "hello", 5);

        aead_seal(a, nonce, "x", 1, NULL, 0, none);
        ASSERT_TRUE(aead_open(a, nonce, "x", 1, none, sizeof none, NULL));
        ASSERT_FALSE(aead_open(a, nonce, "y", 1, none, sizeof none, NULL));
}

TEST(comparing_and_secrets)
{
        uint8_t *secret = secret_alloc(32);
        static const uint8_t zero[32];

        ASSERT_NOT_NULL(secret);
        ASSERT_MEMEQ(secret, zero, 32);
        ASSERT_TRUE(equal_constant_time("abc", "abd", 2));
        ASSERT_FALSE(equal_constant_time("abc", "abd", 3));
        ASSERT_TRUE(equal_constant_time(NULL, NULL, 0));
        memset(secret, 7, 32);
        wipe(secret, 32);
        ASSERT_MEMEQ(secret, zero, 32);
        ASSERT_NULL(secret_free(secret));
        ASSERT_NULL(secret_free(NULL));
}

TEST(random_is_random)
{
        _cleanup_(random_freep)
        struct random *r = NULL;
        uint64_t a, b;
        unsigned seen[5] = { 0 };

        ASSERT_OK(random_new(&r));
        a = random_u64(r);
        b = random_u64(r);
        ASSERT_NE(a, b);
        for (int i = 0; i < 500; i++)
                seen[random_below(r, 5)]++;
        for (size_t i = 0; i < ELEMENTSOF(seen); i++)
                ASSERT_GT(seen[i], 0);
        for (size_t size = 0; size < 1100; size += 37) {
                uint8_t data[1100] = { 0 };
                size_t n_zero = 0;

                random_bytes(r, data, size);
                for (size_t i = 0; i < sizeof data; i++)
                        n_zero += data[i] == 0;
                ASSERT_GE(n_zero, sizeof data - size);
                ASSERT_LE(n_zero, sizeof data - size + 30);
        }
        ASSERT_EQ(random_below(r, 1), 0);
        ASSERT_LT(random_below(r, UINT64_MAX), UINT64_MAX);
}

/* The remainder of 2^64 would fall on the first third. */
TEST(random_below_is_even)
{
        _cleanup_(random_freep)
        struct random *r = NULL;
        const uint64_t third = UINT64_C(1) << 62;
        size_t n = 0;

        ASSERT_OK(random_new_seeded(1, &r));
        for (size_t i = 0; i < 3000; i++)
                n += random_below(r, 3 * third) < third;
        ASSERT_GT(n, 850);
        ASSERT_LT(n, 1150);
}

TEST(random_repeats_for_a_seed)
{
        _cleanup_(random_freep)
        struct random *a = NULL, *b = NULL, *c = NULL;
        uint8_t x[100], y[100];

        ASSERT_OK(random_new_seeded(7, &a));
        ASSERT_OK(random_new_seeded(7, &b));
        ASSERT_OK(random_new_seeded(8, &c));
        random_bytes(a, x, sizeof x);
        random_bytes(b, y, 33);
        random_bytes(b, y + 33, sizeof y - 33);
        ASSERT_MEMEQ(x, y, sizeof x);
        random_bytes(c, y, sizeof y);
        ASSERT_TRUE(memcmp(x, y, sizeof x) != 0);
        ASSERT_NE(random_u64(a), random_u64(a));
}

TEST(identity_from_seed) /* public keys of RFC 8032, 7.1 */
{
        static const char *const vectors[][3] = {
                { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                        "eh7ddx5bksrgcytl7bkai36se4" },
                { "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                        "hh3rhufgiqst6bcssqq3t5i3tm" },
        };

        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                uint8_t seed[IDENTITY_SEED_SIZE];
                struct identity id;

                vectors_bytes(vectors[i][0], seed);
                ASSERT_OK(identity_init(&id, seed));
                ASSERT_HEX(id.public_key, PUBLIC_KEY_SIZE, vectors[i][1]);
                ASSERT_STREQ(id.id, vectors[i][2]);
                ASSERT_MEMEQ(id.seed, seed, sizeof seed);
                ASSERT_TRUE(id_is_valid(id.id));
                identity_done(&id);
                ASSERT_NULL(id.seed);
                identity_done(&id);
        }
}

TEST(ids_have_one_spelling)
{
        ASSERT_TRUE(id_is_valid("eh7ddx5bksrgcytl7bkai36se4"));
        ASSERT_FALSE(id_is_valid("eh7ddx5bksrgcytl7bkai36se5")); /* unused bits set */
        ASSERT_FALSE(id_is_valid("EH7DDX5BKSRGCYTL7BKAI36SE4"));
        ASSERT_FALSE(id_is_valid("eh7ddx5bksrgcytl7bkai36se"));
        ASSERT_FALSE(id_is_valid("eh7ddx5bksrgcytl7bkai36se44"));
        ASSERT_FALSE(id_is_valid("eh7ddx5bksrgcytl7bkai36s14"));
        ASSERT_FALSE(id_is_valid(""));
}

TEST(decimal_text)
{
        static const char nines[] = "9999999999999999999999999999999999999999999999999999999999999"
                                    "999999999999999999999999999999999999999";
        char s[DECIMAL_SIZE], long_one[DECIMAL_DIGITS_MAX + 2];
        uint8_t bytes[DECIMAL_BYTES_MAX], small[8];

        ASSERT_OK(decimal_parse("0013", 4, s));
        ASSERT_STREQ(s, "13");
        ASSERT_OK(decimal_parse("000", 3, s));
        ASSERT_STREQ(s, "0");
        ASSERT_OK(decimal_parse(nines, 100, s));
        ASSERT_STREQ(s, nines);
        memset(long_one, '1', sizeof long_one);
        ASSERT_EQ(decimal_parse(long_one, DECIMAL_DIGITS_MAX + 1, s), -EINVAL);
        ASSERT_STREQ(s, nines);
        ASSERT_EQ(decimal_parse("", 0, s), -EINVAL);
        ASSERT_EQ(decimal_parse("-1", 2, s), -EINVAL);
        ASSERT_EQ(decimal_parse("1 ", 2, s), -EINVAL);
        ASSERT_EQ(decimal_parse("1e3", 3, s), -EINVAL);

        ASSERT_OK(decimal_to_bytes(nines, bytes, sizeof bytes));
        ASSERT_HEX(bytes, sizeof bytes,
                "1249ad2594c37ceb0b2784c4ce0bf38ace408e211a7caab24308a82e8f0fffffffffffffffffffffff"
                "ff");
        ASSERT_EQ(decimal_to_bytes(nines, bytes, sizeof bytes - 1), -ERANGE);
        ASSERT_OK(decimal_to_bytes("18446744073709551615", small, 8));
        ASSERT_HEX(small, 8, "ffffffffffffffff");
        ASSERT_EQ(decimal_to_bytes("18446744073709551616", small, 8), -ERANGE);

        ASSERT_LT(decimal_compare("9", "10"), 0);
        ASSERT_GT(decimal_compare("12", "11"), 0);
        ASSERT_EQ(decimal_compare("12", "12"), 0);
}

TEST(dh_power_of_all_sizes)
{
        static const char *const vectors[][4] = {
                { "2", "5", "19", "13" },
                { "5", "0", "23", "1" },
                { "0", "5", "23", "0" },
                { "7", "3", "2", "1" },
                { "1625405912238270415581972593873994121919914093122610565249125968051486034075822"
                  "989448846791520757",
                        "181971981987985007547830663311548229361235321254876429546195601477063957"
                        "1852303448281307299",
                        "393590493224084347099165403621656725420163343951481279128153755963122707"
                        "564819635625921434539570098",
                        "916078060161046400575885937427456241526115816535571749375601239554036713"
                        "7090007500887841834539847" },
                { "1625405912238270415581972593873994121919914093122610565249125968051486034075822"
                  "989448846791520757",
                        "181971981987985007547830663311548229361235321254876429546195601477063957"
                        "1852303448281307299",
                        "393590493224084347099165403621656725420163343951481279128153755963122707"
                        "564819635625921434539570096",
                        "935963311328914285823422649269696291255756713444272291677567397757113591"
                        "57667596621181109600492157" },
        };
        char s[DECIMAL_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                ASSERT_OK(dh_power(vectors[i][0], vectors[i][1], vectors[i][2], s));
                ASSERT_STREQ(s, vectors[i][3]);
        }
        ASSERT_EQ(dh_power("2", "5", "1", s), -EINVAL);
        ASSERT_EQ(dh_power("2", "5", "0", s), -EINVAL);
}

TEST(dh_logarithms)
{
        char x[DECIMAL_SIZE], y[DECIMAL_SIZE], value[12];

        /* One public value serves both groups: 2 and 5 generate all of them. */
        for (int b = 2; b <= 17; b++) {
                snprintf(value, sizeof value, "%d", b);
                ASSERT_OK(dh_logarithm("2", value, "19", x));
                ASSERT_OK(dh_power("2", x, "19", y));
                ASSERT_STREQ(y, value);
                ASSERT_OK(dh_logarithm("5", value, "23", x));
                ASSERT_OK(dh_power("5", x, "23", y));
                ASSERT_STREQ(y, value);
        }
        ASSERT_OK(dh_logarithm("7", "512", "907", x));
        ASSERT_OK(dh_power("7", x, "907", y));
        ASSERT_STREQ(y, "512");
        ASSERT_EQ(dh_logarithm("2", "0", "19", x), -EINVAL);
        ASSERT_EQ(dh_logarithm("1", "2", "19", x), -EINVAL);
        ASSERT_EQ(dh_logarithm("2", "3", "65537", x), -EINVAL);
        ASSERT_EQ(dh_logarithm("2", "3", "1", x), -EINVAL);
        ASSERT_EQ(dh_logarithm("2", "3", "10000000", x), -EINVAL);
}

TEST(ciphers_turn_back_what_they_did)
{
        uint8_t key[LEGACY_KEY_MAX], iv[LEGACY_BLOCK_MAX], data[48], plain[48];

        for (int a = 0; a < N_LEGACY_ALGORITHMS; a++)
                for (int mode = LEGACY_ECB; mode <= LEGACY_CBC; mode++)
                        for (int weak = 0; weak < 2; weak++) {
                                _cleanup_(legacy_cipher_freep)
                                struct legacy_cipher *c = NULL;

                                for (size_t i = 0; i < sizeof key; i++)
                                        key[i] = weak ? 0 : i * 7;
                                memset(iv, 3, sizeof iv);
                                memset(plain, 'p', sizeof plain);
                                ASSERT_OK(legacy_cipher_new(a, mode, key, &c));
                                legacy_cipher_encrypt(c, iv, plain, sizeof plain, data);
                                ASSERT_TRUE(memcmp(data, plain, sizeof data) != 0);
                                legacy_cipher_decrypt(c, iv, data, sizeof data, data);
                                ASSERT_MEMEQ(data, plain, sizeof data);
                                legacy_cipher_decrypt(c, iv, data, 0, data);
                                ASSERT_EQ(legacy_block_size(a) == 8,
                                        legacy_key_size(a) != 16 && legacy_key_size(a) != 32);
                        }
}

static int setup(void)
{
        bool locked;

        ASSERT_OK(crypto_init(&locked));
        return crypto_init(&locked);
}

TEST_MAIN_WITH(setup)
