/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Noise after the handshake */
#include "core/noise/transport.h"

void noise_nonce(uint64_t n, uint8_t ret[static NONCE_SIZE])
{
        memset(ret, 0, NONCE_SIZE);
        for (size_t i = 0; i < 8; i++)
                ret[4 + i] = n >> 8 * i;
}

int transport_init(struct transport *t, const uint8_t send_key[static KEY_SIZE],
        const uint8_t receive_key[static KEY_SIZE])
{
        _cleanup_(aead_freep)
        struct aead *send = NULL;
        _cleanup_(aead_freep)
        struct aead *receive = NULL;

        if (aead_new(&send) < 0 || aead_new(&receive) < 0)
                return -ENOMEM;
        aead_set_key(send, send_key);
        aead_set_key(receive, receive_key);
        *t = (struct transport){
                .send = { .aead = TAKE_PTR(send) },
                .receive = { .aead = TAKE_PTR(receive) },
        };
        return 0;
}

void transport_done(struct transport *t)
{
        t->send.aead = aead_free(t->send.aead);
        t->receive.aead = aead_free(t->receive.aead);
}

bool transport_seal(struct transport *t, const void *plain, size_t size, void *ret)
{
        uint8_t nonce[NONCE_SIZE];

        /* The last nonce is the one that makes keys. */
        if (t->send.nonce == UINT64_MAX)
                return false;
        noise_nonce(t->send.nonce++, nonce);
        aead_seal(t->send.aead, nonce, NULL, 0, plain, size, ret);
        return true;
}

bool transport_open(struct transport *t, const void *sealed, size_t size, void *ret)
{
        uint8_t nonce[NONCE_SIZE];

        if (t->receive.nonce == UINT64_MAX)
                return false;
        noise_nonce(t->receive.nonce, nonce);
        if (!aead_open(t->receive.aead, nonce, NULL, 0, sealed, size, ret))
                return false;
        t->receive.nonce++;
        return true;
}

void transport_rekey(struct transport_cipher *c)
{
        uint8_t nonce[NONCE_SIZE], key[KEY_SIZE + TAG_SIZE] = { 0 };

        noise_nonce(UINT64_MAX, nonce);
        aead_seal(c->aead, nonce, NULL, 0, key, KEY_SIZE, key);
        aead_set_key(c->aead, key);
        wipe(key, sizeof key);
}
