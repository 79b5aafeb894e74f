/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must hold of many engines of the ledger */
#include "tests/sim/ledger-world.h"

static bool is_honest(const struct ledger_node *n)
{
        return n->is_alive && n->manner == MANNER_HONEST;
}

static bool is_same_chain(const struct ledger_node *a, const struct ledger_node *b)
{
        if (a->n_stored != b->n_stored)
                return false;
        for (size_t i = 0; i < a->n_stored; i++)
                if (a->stored[i].size != b->stored[i].size ||
                        memcmp(a->stored[i].data, b->stored[i].data, a->stored[i].size) != 0)
                        return false;
        return true;
}

static const struct ledger_node *first_honest(const struct ledger_world *w)
{
        size_t i = 0;

        while (!is_honest(&w->nodes[i]))
                i++;
        return &w->nodes[i];
}

bool ledger_world_is_agreed(const struct ledger_world *w)
{
        const struct ledger_node *first = first_honest(w);
        struct ledger_status s, ours;

        ledger_status(first->ledger, &ours);
        for (size_t i = 0; i < w->n_nodes; i++) {
                if (!is_honest(&w->nodes[i]))
                        continue;
                ledger_status(w->nodes[i].ledger, &s);
                if (s.height != ours.height || memcmp(s.tip, ours.tip, HASH_SIZE) != 0 ||
                        s.n_waiting > 0)
                        return false;
        }
        return true;
}

usec_t ledger_world_settle(struct ledger_world *w, usec_t usec_max)
{
        usec_t begin_usec = w->now_usec;

        while (w->now_usec - begin_usec <= usec_max) {
                if (ledger_world_is_agreed(w))
                        return w->now_usec - begin_usec;
                ledger_world_run(w, USEC_PER_SEC);
        }
        return USEC_INFINITY;
}

/* The key that registered this name first, by reading the blocks one after the other: nothing ends
 * or is revoked in these runs. */
static const char *check_owner(const struct ledger_world *w, const struct ledger_node *n,
        const struct certificate *c, size_t height)
{
        struct ledger_name name;

        if (!ledger_find(n->ledger, c->name, LEDGER_BEGIN_USEC + w->now_usec, &name))
                return "a name of the chain is not known";
        if (memcmp(name.public_key, c->public_key, PUBLIC_KEY_SIZE) != 0 || name.height != height)
                return "a name does not belong to who registered it first";
        return NULL;
}

static const char *check_chain(const struct ledger_world *w, const struct ledger_node *n)
{
        struct ledger_options o = { .genesis = &w->genesis, .random = w->random };
        struct ledger *fresh;
        const char *wrong = NULL;
        struct block b;
        size_t bad;

        if (ledger_new(&o, &fresh) < 0)
                abort();
        for (size_t i = 0; i < n->n_stored && !wrong; i++) {
                const struct stored_block *s = &n->stored[i];

                if (ledger_check(fresh, s->data, s->size, &bad) != 0)
                        wrong = "the stored chain is not valid";
                else if (block_decode(s->data, s->size, &b) < 0)
                        abort();
                for (size_t k = 0; k < b.n_records && !wrong; k++)
                        wrong = check_owner(w, n, &b.records[k], i + 1);
        }
        ledger_free(fresh);
        return wrong;
}

static const char *check_node(const struct ledger_world *w, const struct ledger_node *n)
{
        uint8_t hash[HASH_SIZE];
        struct block_header h;
        struct ledger_status s;
        struct block b;

        ledger_status(n->ledger, &s);
        if (n->is_restored_badly)
                return "what was stored could not be restored";
        if (s.height != n->n_stored)
                return "the disk has another height than the engine";
        for (size_t i = 0; i < n->n_stored; i++) {
                if (block_decode(n->stored[i].data, n->stored[i].size, &b) < 0 ||
                        !ledger_header(n->ledger, (uint32_t)i + 1, &h, hash) ||
                        memcmp(hash, b.hash, HASH_SIZE) != 0)
                        return "the disk has another block than the engine";
        }
        return n->deepest > LEDGER_FINAL_DEPTH ? "a final block was left" : NULL;
}

const char *ledger_world_check(const struct ledger_world *w)
{
        const struct ledger_node *first = first_honest(w);
        const char *wrong = check_chain(w, first);

        for (size_t i = 0; i < w->n_nodes && !wrong; i++) {
                const struct ledger_node *n = &w->nodes[i];

                if (!is_honest(n))
                        continue;
                wrong = check_node(w, n);
                if (!wrong && !is_same_chain(n, first))
                        wrong = check_chain(w, n);
        }
        return wrong;
}
