/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of the ledger who lie, steal and keep things back */
#include "base/cursor.h"
#include "core/ledger/gossip.h"
#include "tests/sim/ledger-world.h"

static void say_lie(struct ledger_world *w, unsigned i, const void *data, size_t size)
{
        w->is_lying = true;
        ledger_world_say(w, i, data, size);
        w->is_lying = false;
}

static void say_tip(struct ledger_world *w, unsigned i, const struct block_header *h)
{
        uint8_t message[LEDGER_MESSAGE_SIZE_MAX];

        say_lie(w, i, message, gossip_tip(w->genesis.context.network, h, message));
}

/* A header that claims a lot and has no work. */
static void tell_idle(struct ledger_world *w, unsigned i)
{
        struct block_header h = { .height = (uint32_t)w->nodes[i].n_stored + 100,
                .time_usec = ledger_world_clock(w, i).real_usec,
                .total = 1000000 };
        uint8_t hash[HASH_SIZE];

        do {
                h.nonce++;
                block_header_hash(&h, hash);
        } while (block_has_work(hash, w->genesis.bits));
        say_tip(w, i, &h);
}

/* In the name of another, whose key it is not: the signature is its own. */
static void tell_stolen(struct ledger_world *w, unsigned i)
{
        uint8_t data[3 + 2 + CERTIFICATE_SIZE_MAX] = { GOSSIP_RECORDS, 1 };
        struct certificate c = { .kind = CERTIFICATE_REGISTER,
                .name = "stolen",
                .time_usec = ledger_world_clock(w, i).real_usec };
        size_t size;

        if (certificate_sign(&c, &w->nodes[i].identity, &w->genesis.context) < 0)
                abort();
        memcpy(c.public_key, w->nodes[0].identity.public_key, PUBLIC_KEY_SIZE);
        size = certificate_encode(&c, data + 4);
        data[2] = (uint8_t)(size >> 8);
        data[3] = (uint8_t)size;
        ledger_world_say(w, i, data, 4 + size);
}

/* Headers that follow its chain, make it heavier than any other, and have no blocks. Where
 * registrars sign they cost nothing; elsewhere it has worked for them. */
static void tell_promise(struct ledger_world *w, unsigned i)
{
        struct ledger_node *n = &w->nodes[i];
        bool is_free = w->genesis.context.n_registrars > 0;
        struct block_header h = { .height = 0 };
        uint8_t hash[HASH_SIZE];

        memcpy(hash, w->genesis.context.network, sizeof hash);
        if (n->n_stored > 0)
                (void)ledger_header(n->ledger, (uint32_t)n->n_stored, &h, hash);
        for (size_t k = 0; k < PROMISED; k++) {
                struct block *b = &n->promised[k];

                h.height++;
                memcpy(h.previous, hash, sizeof hash);
                h.time_usec = MAX(h.time_usec, ledger_world_clock(w, i).real_usec) + 1;
                h.total += is_free ? BLOCK_RECORDS_MAX : 1;
                random_bytes(w->random, h.root, sizeof h.root);
                b->header = h;
                while (!block_search(b, w->genesis.bits, 1000))
                        ;
                h = b->header;
                memcpy(hash, b->hash, sizeof hash);
        }
        say_tip(w, i, &n->promised[PROMISED - 1].header);
}

void ledger_hostile_act(struct ledger_world *w)
{
        for (unsigned i = 0; i < w->n_nodes; i++) {
                switch (w->nodes[i].manner) {
                case MANNER_HONEST:
                        continue;
                case MANNER_IDLER:
                        tell_idle(w, i);
                        continue;
                case MANNER_PROMISER:
                        tell_promise(w, i);
                        continue;
                case MANNER_THIEF:
                        tell_stolen(w, i);
                        break;
                case MANNER_HOARDER:
                case MANNER_MISER:
                case MANNER_FORGER:
                case MANNER_FUTURE:
                case MANNER_EDGE:
                case MANNER_PAST:
                        break;
                }
                if (!w->registrar)
                        ledger_world_register_one(w, i);
        }
}

/* Of its block a record is another than what was signed, and the work is done anew: it tells of
 * that one, and gives it. */
static void tell_forged(struct ledger_world *w, unsigned i)
{
        const struct stored_block *s = &w->nodes[i].stored[w->nodes[i].n_stored - 1];
        uint8_t message[LEDGER_MESSAGE_SIZE_MAX];
        struct block b;

        if (block_decode(s->data, s->size, &b) < 0)
                abort();
        b.records[0].signature[5] ^= 1;
        block_seal(&b);
        while (!block_search(&b, w->genesis.bits, 1000))
                ;
        say_tip(w, i, &b.header);
        message[0] = GOSSIP_BLOCK;
        ledger_world_say(w, i, message, 1 + block_encode(&b, message + 1));
}

void ledger_hostile_mined(struct ledger_world *w, unsigned i)
{
        w->n_mined[w->nodes[i].manner]++;
        if (w->nodes[i].manner == MANNER_FORGER)
                tell_forged(w, i);
}

bool ledger_hostile_withholds(struct ledger_world *w, unsigned from, const uint8_t *data)
{
        struct ledger_node *n = &w->nodes[from];
        bool does = false;

        if (n->manner == MANNER_HOARDER)
                does = data[0] == GOSSIP_BLOCK;
        else if (n->manner == MANNER_MISER)
                does = data[0] == GOSSIP_BLOCK && n->n_asked++ % 2 == 0;
        else if (n->manner == MANNER_FORGER || n->manner == MANNER_PROMISER)
                return data[0] == GOSSIP_TIP;
        w->n_withheld[n->manner] += does;
        return does;
}

static void give_promised(struct ledger_world *w, unsigned from, unsigned to)
{
        uint8_t message[3 + PROMISED * BLOCK_HEADER_SIZE];
        struct writer writer = writer_make(message, sizeof message);

        writer_u8(&writer, GOSSIP_HEADERS);
        writer_u16(&writer, PROMISED);
        for (size_t k = 0; k < PROMISED; k++) {
                uint8_t header[BLOCK_HEADER_SIZE];

                block_header_encode(&w->nodes[from].promised[k].header, header);
                writer_bytes(&writer, header, sizeof header);
        }
        ledger_world_post(w, from, to, message, writer.size);
}

bool ledger_hostile_answers(struct ledger_world *w, const struct heap_event *e)
{
        uint8_t message[LEDGER_MESSAGE_SIZE_MAX];
        struct ledger_node *n = &w->nodes[e->to];
        struct wanted wanted;
        struct gossip m;

        if (n->manner != MANNER_PROMISER || n->promised[0].header.height == 0 ||
                gossip_decode(e->data, e->size, &m) != 0)
                return false;
        if (m.kind == GOSSIP_GET_HEADERS) {
                give_promised(w, e->to, e->from);
                return true;
        }
        if (m.kind != GOSSIP_GET_BLOCK)
                return false;
        gossip_wanted(&m, 0, &wanted);
        for (size_t k = 0; k < PROMISED; k++) {
                if (memcmp(n->promised[k].hash, wanted.hash, HASH_SIZE) != 0)
                        continue;
                w->n_withheld[n->manner]++;
                if (n->n_asked++ % 2 == 0)
                        ledger_world_post(w, e->to, e->from, message,
                                gossip_one(GOSSIP_MISSING, &wanted, message));
                return true;
        }
        return false;
}
