/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The next version of a membership, made by its creator
 *
 * When the departed become too many, the floor rises above the oldest of them.
 */
#include "core/group/group-internal.h"

#define DRAFT_CUTS_MAX (GROUP_CUTS_ALL_MAX + GROUP_MEMBERS_MAX * 4 + GROUP_CUTS_ALL_MAX)

static bool is_among(const struct group_key *keys, size_t n, const struct group_key *key)
{
        for (size_t i = 0; i < n; i++)
                if (group_key_equal(&keys[i], key))
                        return true;
        return false;
}

static int compare_members(const void *a, const void *b)
{
        return memcmp(((const struct group_member *)a)->key.bytes,
                ((const struct group_member *)b)->key.bytes, PUBLIC_KEY_SIZE);
}

static int compare_departed(const void *a, const void *b)
{
        const struct group_departed *x = a, *y = b;
        int r = memcmp(x->key.bytes, y->key.bytes, sizeof x->key.bytes);

        return r != 0 ? r : (x->joined > y->joined) - (x->joined < y->joined);
}

static void add_departed(struct group_membership *d, const struct group_departed *entry,
        const struct group_cut *cuts)
{
        struct group_departed *to = &d->departed[d->n_departed++];

        *to = *entry;
        to->first_cut = d->n_cuts;
        if (to->n_cuts > 0)
                memcpy(d->cuts + d->n_cuts, cuts, to->n_cuts * sizeof *cuts);
        d->n_cuts += to->n_cuts;
}

/* Who leaves by his own wish says himself how much he wrote. */
static void depart(struct group_membership *d, const struct group *g,
        const struct group_member *member, size_t n_max)
{
        const struct wish *w = group_find_wish(g, &member->key);
        struct group_departed entry = {
                .key = member->key, .joined = member->joined, .removed = d->version
        };
        struct group_cut cuts[GROUP_CUTS_MAX];
        size_t n = 0;

        if (w) {
                for (size_t i = 0; i < w->leave.n_cuts; i++)
                        if (w->leave.cuts[i].version < d->version)
                                cuts[n++] = w->leave.cuts[i];
                if (n > n_max)
                        memmove(cuts, cuts + n - n_max, n_max * sizeof *cuts);
                entry.n_cuts = MIN(n, n_max);
        } else {
                entry.n_cuts = group_author_cuts(g, &member->key, member->joined, n_max, cuts);
        }
        add_departed(d, &entry, cuts);
}

static size_t count_cuts(const struct group_membership *d)
{
        size_t n = 0;

        for (size_t i = 0; i < d->n_departed; i++)
                n += d->departed[i].n_cuts;
        return n;
}

static void raise_floor(struct group_membership *d)
{
        while (d->n_departed > GROUP_DEPARTED_MAX || count_cuts(d) > GROUP_CUTS_ALL_MAX) {
                size_t n = 0;

                d->floor = d->version;
                for (size_t i = 0; i < d->n_departed; i++)
                        d->floor = MIN(d->floor, d->departed[i].removed);
                for (size_t i = 0; i < d->n_departed; i++)
                        if (d->departed[i].removed > d->floor)
                                d->departed[n++] = d->departed[i];
                d->n_departed = n;
        }
}

/* The exact one of a draft, whose cuts lie anywhere. */
static int finish(struct group_engine *e, struct group_membership *d, struct group_membership **ret)
{
        int r = group_membership_sign(d, e->identity);

        if (r < 0)
                return r;
        r = group_membership_decode(e->message, group_membership_encode(d, e->message), ret);
        assert(r <= 0);
        return r;
}

static void fill(struct group_membership *d, const struct group *g, const struct group_key *add,
        size_t n_add, const struct group_key *drop, size_t n_drop)
{
        const struct group_membership *old = g->membership;
        size_t n_max = n_drop > 0 ? MAX(GROUP_CUTS_ALL_MAX / n_drop, (size_t)4) : 0;

        n_max = MIN(n_max, (size_t)GROUP_CUTS_MAX);
        for (size_t i = 0; i < old->n_departed; i++)
                add_departed(d, &old->departed[i], old->cuts + old->departed[i].first_cut);
        for (size_t i = 0; i < old->n_members; i++) {
                if (is_among(drop, n_drop, &old->members[i].key))
                        depart(d, g, &old->members[i], n_max);
                else
                        d->members[d->n_members++] = old->members[i];
        }
        for (size_t i = 0; i < n_add; i++)
                if (!group_membership_member(old, &add[i]) && !is_among(add, i, &add[i]))
                        d->members[d->n_members++] = (struct group_member){ add[i], d->version };
        qsort(d->members, d->n_members, sizeof *d->members, compare_members);
        raise_floor(d);
        qsort(d->departed, d->n_departed, sizeof *d->departed, compare_departed);
}

int group_draft(struct group_engine *e, const struct group *g, const struct group_key *add,
        size_t n_add, const struct group_key *drop, size_t n_drop, struct group_membership **ret)
{
        const struct group_membership *old = g->membership;
        _cleanup_(freep)
        struct group_membership *d = NULL;

        if (old->version == UINT32_MAX || n_add > GROUP_MEMBERS_MAX)
                return GROUP_FULL;
        d = group_membership_new(old->n_members + n_add, old->n_departed + n_drop, DRAFT_CUTS_MAX);
        if (!d)
                return -ENOMEM;
        d->creator = old->creator;
        memcpy(d->nonce, old->nonce, sizeof d->nonce);
        memcpy(d->name, old->name, sizeof d->name);
        d->version = old->version + 1;
        d->floor = old->floor;
        memcpy(d->previous, old->hash, sizeof d->previous);
        d->n_members = d->n_departed = d->n_cuts = 0;
        fill(d, g, add, n_add, drop, n_drop);
        if (d->n_members > GROUP_MEMBERS_MAX)
                return GROUP_FULL;
        return finish(e, d, ret);
}
