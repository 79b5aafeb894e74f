/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bulk through a session, with the largest frame, beside the cipher of libgcrypt alone on the same
 * bytes; both in turns, so that whatever disturbs them disturbs both
 *
 *     bench-session [ROUNDS]
 */
#include <gcrypt.h>

#include "bench/bench.h"
#include "core/crypto/crypto.h"
#include "lib/session-pair.h"

#define FRAMES 16 /* of one round: two changes of the key */

struct sums {
        double seal, open, cipher_seal, cipher_open;
        double bytes;
};

static char text[MESSAGE_TEXT_MAX];
static struct buffer wire;

static void take(struct session *s, bool keep)
{
        struct session_effect e;

        while (session_next_effect(s, &e))
                if (e.type == SESSION_SEND && keep)
                        must(buffer_append(&wire, e.send.data, e.send.size), "buffer_append");
}

static void through_session(struct pair *p, struct sums *sums)
{
        static uint64_t number;
        uint8_t *data;
        size_t size;

        for (size_t i = 0; i < FRAMES; i++) {
                const struct message m = { .type = FRAME_MESSAGE,
                        .text = { .number = ++number, .text = text, .size = sizeof text } };
                double start = bench_cpu();

                must(session_send(p->a.session, &m, p->now_usec), "session_send");
                take(p->a.session, true);
                sums->seal += bench_cpu() - start;

                data = buffer_take(&wire, &size);
                start = bench_cpu();
                must(session_receive(p->b.session, data, size, p->now_usec), "session_receive");
                take(p->b.session, false);
                sums->open += bench_cpu() - start;
                free(data);
                sums->bytes += sizeof text;
        }
}

static void through_cipher(gcry_cipher_hd_t h, struct sums *sums)
{
        static uint8_t sealed[sizeof text], opened[sizeof text], tag[16], nonce[12];
        double start = bench_cpu();

        for (size_t i = 0; i < FRAMES; i++) {
                nonce[0]++;
                start = bench_cpu();
                must((int)gcry_cipher_setiv(h, nonce, sizeof nonce), "setiv");
                must((int)gcry_cipher_encrypt(h, sealed, sizeof sealed, text, sizeof text),
                        "encrypt");
                must((int)gcry_cipher_gettag(h, tag, sizeof tag), "gettag");
                sums->cipher_seal += bench_cpu() - start;

                start = bench_cpu();
                must((int)gcry_cipher_setiv(h, nonce, sizeof nonce), "setiv");
                must((int)gcry_cipher_decrypt(h, opened, sizeof opened, sealed, sizeof sealed),
                        "decrypt");
                must((int)gcry_cipher_checktag(h, tag, sizeof tag), "checktag");
                sums->cipher_open += bench_cpu() - start;
        }
}

int main(int argc, char **argv)
{
        size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 200;
        static const uint8_t key[32] = "bench";
        struct sums sums = {};
        gcry_cipher_hd_t h;
        struct pair p;
        bool locked;

        must(crypto_init(&locked), "crypto_init");
        memset(text, 'x', sizeof text);
        buffer_init(&wire, 1024 * 1024);
        pair_open(&p);
        must((int)gcry_cipher_open(&h, GCRY_CIPHER_CHACHA20, GCRY_CIPHER_MODE_POLY1305, 0), "open");
        must((int)gcry_cipher_setkey(h, key, sizeof key), "setkey");

        for (size_t i = 0; i < rounds; i++) {
                through_session(&p, &sums);
                through_cipher(h, &sums);
        }
        row("frame", FRAME_SIZE_MAX);
        row("session-seal", sums.bytes / sums.seal);
        row("session-open", sums.bytes / sums.open);
        row("cipher-seal", sums.bytes / sums.cipher_seal);
        row("cipher-open", sums.bytes / sums.cipher_open);
        gcry_cipher_close(h);
        buffer_done(&wire);
        pair_done(&p);
        return 0;
}
