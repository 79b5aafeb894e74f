/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who has which name
 *
 * One holding for each name that was ever registered, changed by one record at a time; the claim
 * before it is all that taking a record back needs. A name that has ended or was revoked stays
 * until somebody registers it, so the time of its last record is known for as long as that record
 * could be said again: it rests for longer than a record may be old.
 */
#include "core/ledger/ledger-internal.h"

void names_init(struct names *n, struct random *random)
{
        uint8_t key[TABLE_KEY_SIZE];

        random_bytes(random, key, sizeof key);
        table_init(&n->by_name, key);
        table_init(&n->by_key, key);
}

void names_done(struct names *n)
{
        for (size_t i = 0; i < n->by_name.n_buckets; i++)
                for (struct table_entry *e = n->by_name.buckets[i], *next; e; e = next) {
                        next = e->next;
                        free(container_of(e, struct holding, by_name));
                }
        table_done(&n->by_name);
        table_done(&n->by_key);
}

struct holding *names_find(const struct names *n, const char *name)
{
        char folded[NAME_SIZE_MAX + 1];

        name_fold(name, folded);
        for (struct table_entry *e = table_find(&n->by_name, folded, strlen(folded)); e;
                e = table_find_next(e)) {
                struct holding *h = container_of(e, struct holding, by_name);

                if (name_equal(h->claim.name, name))
                        return h;
        }
        return NULL;
}

static bool is_held(const struct claim *c, usec_t time_usec)
{
        return !c->is_revoked && time_usec < c->until_usec;
}

struct holding *names_find_key(
        const struct names *n, const uint8_t key[static PUBLIC_KEY_SIZE], usec_t time_usec)
{
        for (struct table_entry *e = table_find(&n->by_key, key, PUBLIC_KEY_SIZE); e;
                e = table_find_next(e)) {
                struct holding *h = container_of(e, struct holding, by_key);

                if (memcmp(h->claim.public_key, key, PUBLIC_KEY_SIZE) == 0 &&
                        is_held(&h->claim, time_usec))
                        return h;
        }
        return NULL;
}

static bool is_key(const uint8_t a[static PUBLIC_KEY_SIZE], const uint8_t b[static PUBLIC_KEY_SIZE])
{
        return memcmp(a, b, PUBLIC_KEY_SIZE) == 0;
}

static int check_register(const struct names *n, const struct claim *claim,
        const struct certificate *c, usec_t time_usec)
{
        const struct holding *other = names_find_key(n, c->public_key, time_usec);

        if (claim && is_held(claim, time_usec)) {
                if (!is_key(claim->public_key, c->public_key))
                        return LEDGER_TAKEN;
                return time_usec < usec_add(claim->block_usec, LEDGER_RENEW_USEC) ? LEDGER_TOO_SOON
                                                                                  : 0;
        }
        if (claim && claim->is_revoked && time_usec < claim->until_usec &&
                !(claim->has_successor && is_key(claim->successor, c->public_key)))
                return LEDGER_RESTS;
        return other ? LEDGER_HAS_NAME : 0;
}

int names_check(const struct names *n, const struct certificate *c, usec_t time_usec)
{
        const struct holding *h = names_find(n, c->name);
        const struct claim *claim = h ? &h->claim : NULL;

        if (c->time_usec > usec_add(time_usec, LEDGER_AHEAD_USEC) ||
                c->time_usec < usec_sub(time_usec, LEDGER_RECORD_AGE_USEC))
                return LEDGER_OUT_OF_TIME;
        if (claim && is_key(claim->public_key, c->public_key) && c->time_usec <= claim->time_usec)
                return LEDGER_OUT_OF_TIME;
        if (c->kind == CERTIFICATE_REGISTER)
                return check_register(n, claim, c, time_usec);
        return claim && is_held(claim, time_usec) && is_key(claim->public_key, c->public_key)
                       ? 0
                       : LEDGER_NOT_OWNER;
}

static struct claim claim_after(
        const struct claim *before, const struct certificate *c, const struct block_header *h)
{
        struct claim claim = {
                .height = h->height,
                .since_usec = h->time_usec,
                .until_usec = usec_add(h->time_usec, LEDGER_VALID_USEC),
                .time_usec = c->time_usec,
                .block_usec = h->time_usec,
        };

        memcpy(claim.name, c->name, sizeof claim.name);
        memcpy(claim.public_key, c->public_key, sizeof claim.public_key);
        if (before && is_held(before, h->time_usec))
                claim.since_usec = before->since_usec;
        if (c->kind == CERTIFICATE_REGISTER)
                return claim;
        claim.is_revoked = true;
        claim.until_usec = usec_add(h->time_usec, LEDGER_REST_USEC);
        claim.has_successor = c->kind == CERTIFICATE_REVOKE_SUCCESSOR;
        memcpy(claim.successor, c->successor, sizeof claim.successor);
        return claim;
}

/* The tables have their first buckets by now: nothing can fail. */
static void change(struct names *n, struct holding *h, const struct claim *claim)
{
        bool is_other = !is_key(h->claim.public_key, claim->public_key);

        if (is_other)
                table_remove(&n->by_key, &h->by_key);
        h->claim = *claim;
        if (is_other && table_add(&n->by_key, &h->by_key, claim->public_key, PUBLIC_KEY_SIZE) < 0)
                abort();
}

static int add(struct names *n, const struct claim *claim)
{
        struct holding *h = calloc(1, sizeof *h);
        char folded[NAME_SIZE_MAX + 1];

        if (!h)
                return -ENOMEM;
        h->claim = *claim;
        name_fold(claim->name, folded);
        if (table_add(&n->by_name, &h->by_name, folded, strlen(folded)) < 0) {
                free(h);
                return -ENOMEM;
        }
        if (table_add(&n->by_key, &h->by_key, claim->public_key, PUBLIC_KEY_SIZE) < 0) {
                table_remove(&n->by_name, &h->by_name);
                free(h);
                return -ENOMEM;
        }
        return 0;
}

int names_apply(struct names *n, const struct certificate *c, const struct block_header *h,
        struct undo *ret_undo)
{
        struct holding *holding = names_find(n, c->name);
        struct undo undo = { .was_there = holding };
        struct claim claim;
        int r = names_check(n, c, h->time_usec);

        if (r != 0)
                return r;
        claim = claim_after(holding ? &holding->claim : NULL, c, h);
        undo.before = holding ? holding->claim : claim;
        if (holding)
                change(n, holding, &claim);
        else
                r = add(n, &claim);
        if (r == 0)
                *ret_undo = undo;
        return r;
}

void names_undo(struct names *n, const struct undo *u)
{
        struct holding *h = names_find(n, u->before.name);

        assert(h);
        if (u->was_there) {
                change(n, h, &u->before);
                return;
        }
        table_remove(&n->by_name, &h->by_name);
        table_remove(&n->by_key, &h->by_key);
        free(h);
}
