/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our own record on the ring, and finding those of others */
#include "core/chord/chord-internal.h"

#define RETRY_USEC (5 * USEC_PER_SEC)

/* Publishing */

/* Once for every time that it was tried. */
static void retry(struct chord *c)
{
        struct publication *p = &c->publication;
        usec_t wait_usec = usec_min(RETRY_USEC << MIN(p->n_failures, 6U), CHORD_ROUND_USEC_MAX);

        if (p->has_failed)
                return;
        p->has_failed = true;
        p->next_usec = usec_min(p->next_usec, usec_add(c->now_usec, wait_usec));
        p->n_failures++;
}

static void look_up_point(struct chord *c, unsigned point)
{
        const struct record *r = &c->publication.record;
        char id[ID_STRING_SIZE];
        struct ring_id key;
        struct lookup *l;

        identity_id(r->public_key, id);
        ring_id_of_name(r->name, id, point, &key);
        l = lookup_new(c, LOOKUP_PUBLISH, point, &key);
        if (!l) {
                retry(c);
                return;
        }
        lookup_seed(c, l, c->publication.n_failures > 0 ? SEEDS_ALL : (int)point);
        lookup_pump(c, l);
}

void owner_refresh(struct chord *c)
{
        struct publication *p = &c->publication;
        int r;

        p->next_usec = USEC_INFINITY;
        if (!p->is_wanted)
                return;
        if (!p->has_failed)
                p->n_failures = 0;
        p->has_failed = false;
        if (c->state != CHORD_MEMBER && c->n_contacts == 0) {
                retry(c);
                return;
        }
        p->record.sequence++;
        r = record_encode(&p->record, c->options.identity, c->options.random, p->data, &p->size);
        if (r < 0) {
                c->error = r;
                return;
        }
        p->next_usec = usec_add(c->now_usec, RECORD_REFRESH_USEC);
        for (unsigned i = 0; i < RING_POINTS; i++) {
                p->n_kept[i] = 0;
                look_up_point(c, i);
        }
}

static void remember_holder(struct publication *p, size_t point, const struct chord_peer *peer)
{
        size_t n = MIN(p->holder_next[point], ELEMENTSOF(p->holders[point]));

        for (size_t i = 0; i < n; i++)
                if (ring_id_equal(&p->holders[point][i].id, &peer->id))
                        return;
        p->holders[point][p->holder_next[point]++ % ELEMENTSOF(p->holders[point])] = *peer;
}

void owner_looked_up(struct chord *c, const struct lookup *l)
{
        struct publication *p = &c->publication;
        const struct rpc_blob blob = { .data = p->data, .size = p->size };
        struct rpc m = {
                .kind = RPC_STORE,
                .target = l->target,
                .ttl_sec = RECORD_TTL_USEC / USEC_PER_SEC,
                .records = { blob },
                .n_records = 1,
        };

        if (!p->is_wanted)
                return;
        if (l->claim.n == 0)
                retry(c);
        for (size_t i = 0; i < l->claim.n && i < RECORD_HOLDERS; i++) {
                const struct chord_peer *peer = &l->claim.peers[i];

                /* Also who does not answer may keep it. */
                remember_holder(p, l->reference, peer);
                if (!ring_id_equal(&peer->id, &c->id))
                        chord_ask(c, peer, &m, ASK_STORE, l->reference);
                else if (holder_keep(c, &l->target, &blob, m.ttl_sec, &c->id) == STORED_KEPT)
                        p->n_kept[l->reference]++;
        }
}

/* One who is silent leaves a gap that we fill soon; one who does not want it has its reasons. */
void owner_stored(struct chord *c, const struct ask *a, const struct rpc *m)
{
        if (!c->publication.is_wanted)
                return;
        if (!m)
                retry(c);
        else if (m->stored == STORED_KEPT)
                c->publication.n_kept[a->reference]++;
}

static bool keeps(const struct publication *p, size_t point, const struct ring_id *id)
{
        size_t n = MIN(p->holder_next[point], ELEMENTSOF(p->holders[point]));

        for (size_t i = 0; i < n; i++)
                if (ring_id_equal(&p->holders[point][i].id, id))
                        return true;
        return false;
}

void owner_holder_gone(struct chord *c, const struct ring_id *id)
{
        struct publication *p = &c->publication;

        for (size_t i = 0; p->is_wanted && i < RING_POINTS; i++)
                if (keeps(p, i, id))
                        p->next_usec = usec_min(p->next_usec, usec_add(c->now_usec, RETRY_USEC));
}

void owner_withdraw(struct chord *c)
{
        struct publication *p = &c->publication;
        uint8_t data[WITHDRAWAL_SIZE];
        struct rpc m = { .kind = RPC_WITHDRAW,
                .records = { { .data = data, .size = sizeof data } },
                .n_records = 1 };
        int r;

        if (!p->is_wanted)
                return;
        p->is_wanted = false;
        p->next_usec = USEC_INFINITY;
        r = withdrawal_encode(c->options.identity, p->record.sequence, data);
        if (r < 0) {
                c->error = r;
                return;
        }
        for (size_t i = 0; i < RING_POINTS; i++) {
                size_t n = MIN(p->holder_next[i], ELEMENTSOF(p->holders[i]));

                for (size_t k = 0; k < n; k++)
                        chord_send(c, &p->holders[i][k], &m);
                p->holder_next[i] = p->n_kept[i] = 0;
        }
        /* What we keep of it ourselves, and others have a copy of. */
        holder_withdraw(c, &m.records[0], &c->id);
}

int chord_publish(struct chord *c, const char *name, const struct endpoint *endpoints,
        size_t n_endpoints, usec_t now_usec)
{
        struct record *r = &c->publication.record;

        assert(c->options.identity && n_endpoints <= RECORD_ENDPOINTS_MAX);
        c->now_usec = now_usec;
        if (c->publication.is_wanted && !name_equal(r->name, name))
                owner_withdraw(c);
        memcpy(r->public_key, c->options.identity->public_key, PUBLIC_KEY_SIZE);
        memset(r->name, 0, sizeof r->name);
        memcpy(r->name, name, MIN(strlen(name), sizeof r->name - 1));
        memset(r->endpoints, 0, sizeof r->endpoints);
        memcpy(r->endpoints, endpoints, n_endpoints * sizeof *endpoints);
        r->n_endpoints = n_endpoints;
        c->publication.is_wanted = true;
        c->publication.has_failed = false;
        owner_refresh(c);
        return c->error;
}

int chord_withdraw(struct chord *c, usec_t now_usec)
{
        c->now_usec = now_usec;
        owner_withdraw(c);
        return c->error;
}

/* Finding */

static struct find *find_find(const struct chord *c, uint64_t number)
{
        for (size_t i = 0; i < c->n_finds; i++)
                if (c->finds[i]->number == number)
                        return c->finds[i];
        return NULL;
}

static void end(struct chord *c, struct find *f)
{
        struct chord_effect *e = chord_add_effect(c, CHORD_FOUND, 0);

        for (size_t i = 0; i < c->n_finds; i++)
                if (c->finds[i] == f)
                        c->finds[i] = c->finds[--c->n_finds];
        if (e) {
                e->number = f->number;
                memcpy(e->records, f->records, sizeof f->records);
                e->n_records = f->n_records;
        }
        free(f);
}

/* It may be no more then. */
static void end_if_done(struct chord *c, struct find *f)
{
        for (size_t i = 0; i < RING_POINTS; i++)
                if (!f->points[i].is_done)
                        return;
        end(c, f);
}

static void look_up(struct chord *c, struct find *f, size_t i)
{
        struct find_point *p = &f->points[i];
        struct lookup *l = lookup_new(c, LOOKUP_FIND, f->number * RING_POINTS + i, &p->key);

        if (!l) {
                p->is_done = true;
                end_if_done(c, f);
                return;
        }
        if (p->is_retried) {
                l->has_excluded = true;
                l->excluded = p->claimant;
        }
        lookup_seed(c, l, (int)(p->is_retried ? 1 - i : i));
        lookup_pump(c, l);
}

/* The newest of each owner, if it is genuine and asked for. True when it is. */
static bool take_record(
        struct chord *c, struct find *f, const struct rpc_blob *blob, const struct ring_id *key)
{
        char id[ID_STRING_SIZE];
        uint8_t digest[HASH_SIZE];
        struct record r;
        size_t k;
        int e;

        hash(&(struct blob){ blob->data, blob->size }, 1, digest);
        /* Most holders have the same. */
        for (k = 0; k < f->n_records; k++)
                if (memcmp(f->digests[k], digest, sizeof digest) == 0)
                        return record_point(&f->records[k], key) >= 0;
        e = chord_decode_record(c, blob, &r);
        if (e < 0)
                c->error = e;
        if (e != 0 || record_point(&r, key) < 0)
                return false;
        identity_id(r.public_key, id);
        if (strncmp(id, f->id, strlen(f->id)) != 0)
                return false;
        k = 0;
        while (k < f->n_records &&
                memcmp(f->records[k].public_key, r.public_key, PUBLIC_KEY_SIZE) != 0)
                k++;
        if (k == CHORD_OWNERS_MAX)
                return true;
        if (k == f->n_records)
                f->n_records++;
        else if (f->records[k].sequence >= r.sequence)
                return true;
        f->records[k] = r;
        memcpy(f->digests[k], digest, sizeof digest);
        return true;
}

/* One holder may have an old one: at the other point one may still answer, also when no more than
 * this owner is wanted. */
static void has_found(struct chord *c, struct find *f, size_t i)
{
        bool is_whole_id = strlen(f->id) == ID_STRING_SIZE - 1;

        f->points[i].has_record = true;
        for (size_t k = 0; k < RING_POINTS; k++)
                if (k == i || is_whole_id)
                        f->points[k].until_usec = usec_min(f->points[k].until_usec,
                                usec_add(c->now_usec, CHORD_PATIENCE_USEC));
}

static bool take_own(struct chord *c, struct find *f, const struct ring_id *key)
{
        struct rpc own = { .kind = RPC_RECORDS };
        bool is_found = false;

        holder_fetch(c, key, &own);
        for (size_t i = 0; i < own.n_records; i++)
                is_found |= take_record(c, f, &own.records[i], key);
        return is_found;
}

/* Asks the next holder of a point when none lets us hope, or is done with it. Afterwards the find
 * may be no more. */
static void go_on(struct chord *c, struct find *f, size_t i)
{
        struct find_point *p = &f->points[i];
        uint64_t reference = f->number * RING_POINTS + i;

        while (!p->is_done && !p->has_record && chord_count_asked(c, ASK_FETCH, reference) == 0 &&
                p->n_asked < p->holders.n && p->n_asked < RECORD_HOLDERS) {
                const struct chord_peer *peer = &p->holders.peers[p->n_asked++];
                struct rpc m = { .kind = RPC_FETCH, .target = p->key };

                if (ring_id_equal(&peer->id, &c->id)) {
                        if (take_own(c, f, &p->key))
                                has_found(c, f, i);
                        continue;
                }
                p->n_open++;
                chord_ask(c, peer, &m, ASK_FETCH, reference);
        }
        if (!p->is_done && p->n_open == 0) {
                if (f->n_records == 0 && !p->is_retried && p->holders.n > 0) {
                        p->is_retried = true;
                        p->n_asked = 0;
                        p->holders.n = 0;
                        look_up(c, f, i);
                        return;
                }
                p->is_done = true;
        }
        end_if_done(c, f);
}

void find_looked_up(struct chord *c, const struct lookup *l)
{
        struct find *f = find_find(c, l->reference / RING_POINTS);
        size_t i = l->reference % RING_POINTS;

        if (!f || f->points[i].is_done)
                return;
        f->points[i].claimant = l->claimant.id;
        f->points[i].holders = l->claim;
        go_on(c, f, i);
}

void find_records(struct chord *c, const struct ask *a, const struct rpc *m)
{
        struct find *f = find_find(c, a->reference / RING_POINTS);
        size_t i = a->reference % RING_POINTS;

        if (!f)
                return;
        f->points[i].n_open--;
        for (size_t k = 0; m && k < m->n_records; k++)
                if (take_record(c, f, &m->records[k], &f->points[i].key))
                        has_found(c, f, i);
        go_on(c, f, i);
}

void find_advance(struct chord *c)
{
        for (size_t k = c->n_finds; k-- > 0;) {
                struct find *f = c->finds[k];
                uint64_t number = f->number;

                for (size_t i = 0; i < RING_POINTS; i++)
                        if (f->points[i].until_usec <= c->now_usec)
                                f->points[i].is_done = true;
                for (size_t i = 0; i < RING_POINTS && find_find(c, number); i++)
                        if (f->points[i].is_done || f->points[i].n_open > 0)
                                go_on(c, f, i);
        }
}

usec_t find_deadline(const struct chord *c)
{
        usec_t next = USEC_INFINITY;

        for (size_t k = 0; k < c->n_finds; k++)
                for (size_t i = 0; i < RING_POINTS; i++)
                        if (!c->finds[k]->points[i].is_done)
                                next = usec_min(next, c->finds[k]->points[i].until_usec);
        return next;
}

int chord_find(
        struct chord *c, const char *name, const char *id, usec_t now_usec, uint64_t *ret_number)
{
        struct find *f;
        uint64_t number;

        assert(strlen(id) >= RING_ID_CHARACTERS && strlen(id) < ID_STRING_SIZE);
        c->now_usec = now_usec;
        if (c->state != CHORD_MEMBER && c->n_contacts == 0)
                return CHORD_NOBODY;
        if (c->n_finds == FINDS_MAX)
                return CHORD_BUSY;
        f = calloc(1, sizeof *f);
        if (!f)
                return c->error = -ENOMEM;
        f->number = number = ++c->lookup_last;
        memcpy(f->id, id, strlen(id));
        c->finds[c->n_finds++] = f;
        for (unsigned i = 0; i < RING_POINTS; i++) {
                ring_id_of_name(name, id, i, &f->points[i].key);
                f->points[i].until_usec = USEC_INFINITY;
        }
        for (unsigned i = 0; i < RING_POINTS && find_find(c, number); i++)
                look_up(c, f, i);
        *ret_number = number;
        return c->error;
}
