/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lanes: how much we have of what everybody wrote
 *
 * Begun only by a message whose signature was verified, so nobody but authors fills them. Of each
 * author so many are kept whatever others do; beyond that all authors of a group share a number.
 */
#include "base/cursor.h"
#include "core/group/group-internal.h"

void group_lane_pack(const struct group_lane_id *id, uint8_t ret[static LANE_KEY_SIZE])
{
        struct writer w = writer_make(ret, LANE_KEY_SIZE);

        writer_bytes(&w, id->author.bytes, sizeof id->author.bytes);
        writer_u64(&w, id->stream);
        writer_u32(&w, id->version);
}

struct group_lane_id group_id_of_lane(const struct lane *l)
{
        return (struct group_lane_id){ l->author->key, l->stream, l->version };
}

struct lane *group_find_lane(const struct group *g, const struct group_lane_id *id)
{
        uint8_t key[LANE_KEY_SIZE];

        group_lane_pack(id, key);
        for (struct table_entry *i = table_find(&g->lanes, key, sizeof key); i;
                i = table_find_next(i)) {
                struct lane *l = container_of(i, struct lane, in_lanes);
                struct group_lane_id other = group_id_of_lane(l);

                if (group_lane_id_equal(&other, id))
                        return l;
        }
        return NULL;
}

static struct author *find_author(const struct group *g, const struct group_key *key)
{
        for (struct table_entry *i = table_find(&g->authors, key->bytes, sizeof key->bytes); i;
                i = table_find_next(i)) {
                struct author *a = container_of(i, struct author, in_authors);

                if (group_key_equal(&a->key, key))
                        return a;
        }
        return NULL;
}

bool group_lane_fits(const struct group *g, const struct group_key *author)
{
        const struct author *a = find_author(g, author);

        if (!a)
                return g->authors.n < GROUP_AUTHORS_MAX;
        if (a->n_lanes < GROUP_LANES_FREE)
                return true;
        return a->n_lanes < GROUP_LANES_PER_AUTHOR_MAX && g->n_shared < GROUP_LANES_SHARED_MAX;
}

static struct author *add_author(
        struct group_engine *e, struct group *g, const struct group_key *key)
{
        struct author *a = calloc(1, sizeof *a);

        if (!a || table_add(&g->authors, &a->in_authors, key->bytes, sizeof key->bytes) < 0) {
                e->error = -ENOMEM;
                free(a);
                return NULL;
        }
        a->key = *key;
        list_init(&a->lanes);
        list_init(&a->in_group);
        list_append(&g->all_authors, &a->in_group);
        return a;
}

struct lane *group_add_lane(struct group_engine *e, struct group *g, const struct group_lane_id *id)
{
        struct author *a = find_author(g, &id->author);
        struct lane *l;
        uint8_t key[LANE_KEY_SIZE];

        if (!a)
                a = add_author(e, g, &id->author);
        if (!a)
                return NULL;
        l = calloc(1, sizeof *l);
        group_lane_pack(id, key);
        if (!l || table_add(&g->lanes, &l->in_lanes, key, sizeof key) < 0) {
                e->error = -ENOMEM;
                free(l);
                return NULL;
        }
        l->author = a;
        l->stream = id->stream;
        l->version = id->version;
        list_init(&l->in_author);
        list_append(&a->lanes, &l->in_author);
        g->n_shared += a->n_lanes++ >= GROUP_LANES_FREE;
        return l;
}

static void drop_lane(struct group *g, struct lane *l)
{
        g->n_shared -= --l->author->n_lanes >= GROUP_LANES_FREE;
        table_remove(&g->lanes, &l->in_lanes);
        list_remove(&l->in_author);
        free(l);
}

static void drop_author(struct group *g, struct author *a)
{
        table_remove(&g->authors, &a->in_authors);
        list_remove(&a->in_group);
        free(a);
}

void group_drop_lanes_below(struct group *g, uint32_t floor)
{
        list_for_each_safe (i, &g->all_authors) {
                struct author *a = container_of(i, struct author, in_group);

                list_for_each_safe (k, &a->lanes) {
                        struct lane *l = container_of(k, struct lane, in_author);

                        if (l->version < floor)
                                drop_lane(g, l);
                }
                if (list_is_empty(&a->lanes))
                        drop_author(g, a);
        }
}

void group_clear_lanes(struct group *g)
{
        list_for_each_safe (i, &g->all_authors) {
                struct author *a = container_of(i, struct author, in_group);

                list_for_each_safe (k, &a->lanes)
                        drop_lane(g, container_of(k, struct lane, in_author));
                drop_author(g, a);
        }
}

uint64_t group_cut(const struct group *g, const struct group_lane_id *id)
{
        uint64_t cut = group_membership_cut(g->membership, id);
        const struct wish *w;

        if (cut < UINT64_MAX || list_is_empty(&g->wishes))
                return cut;
        w = group_find_wish(g, &id->author);
        if (!w || id->version < w->leave.joined)
                return cut;
        return group_cuts_find(w->leave.cuts, w->leave.n_cuts, id->version, id->stream);
}

uint64_t group_lane_number(const struct group *g, const struct lane *l)
{
        struct group_lane_id id = group_id_of_lane(l);
        uint64_t cut = group_cut(g, &id);

        return MIN(l->high, cut);
}

bool group_lane_is_for(const struct group_engine *e, const struct group *g,
        const struct group_key *peer, uint32_t version)
{
        return group_membership_had(g->membership, &e->self, version) &&
               group_membership_had(g->membership, peer, version);
}

/* The same for two that have the same, in whatever order: so that nobody can choose messages that
 * let two others believe it, the key is made for each time. */
uint64_t group_digest(const struct group_engine *e, const struct group *g,
        const struct group_key *peer, const uint8_t nonce[static GROUP_DIGEST_NONCE_SIZE])
{
        uint64_t digest = 0;

        list_for_each (i, &g->all_authors) {
                const struct author *a = container_of(i, struct author, in_group);

                list_for_each (k, &a->lanes) {
                        const struct lane *l = container_of(k, struct lane, in_author);
                        struct group_lane_id id = group_id_of_lane(l);
                        uint64_t number = group_lane_number(g, l);
                        uint8_t data[LANE_KEY_SIZE + 8];
                        struct writer w = writer_make(data + LANE_KEY_SIZE, 8);

                        if (number == 0 || !group_lane_is_for(e, g, peer, l->version))
                                continue;
                        group_lane_pack(&id, data);
                        writer_u64(&w, number);
                        digest ^= siphash(nonce, data, sizeof data);
                }
        }
        return digest;
}

uint64_t group_own_stream(const struct group_engine *e, const struct group *g)
{
        static const char prefix[] = "p2pchat/1 group stream"; /* with its zero byte */
        uint8_t digest[HASH_SIZE];
        struct reader r = reader_make(digest, sizeof digest);

        hash((struct blob[]){ { prefix, sizeof prefix }, { &e->life, sizeof e->life },
                     { g->id.bytes, sizeof g->id.bytes } },
                3, digest);
        return reader_u64(&r);
}

static bool cut_is_newer(const struct group_cut *a, const struct group_cut *b)
{
        return a->version != b->version ? a->version > b->version : a->stream > b->stream;
}

size_t group_author_cuts(const struct group *g, const struct group_key *key, uint32_t joined,
        size_t n_max, struct group_cut ret[static GROUP_CUTS_MAX])
{
        const struct author *a = find_author(g, key);
        size_t n = 0;

        if (!a)
                return 0;
        list_for_each (i, &a->lanes) {
                const struct lane *l = container_of(i, struct lane, in_author);
                struct group_cut c = { l->version, l->stream, group_lane_number(g, l) };
                size_t at = n;

                if (c.number == 0 || l->version < joined)
                        continue;
                while (at > 0 && cut_is_newer(&ret[at - 1], &c))
                        at--;
                if (n == n_max) {
                        /* The oldest makes room. */
                        if (at == 0)
                                continue;
                        memmove(ret, ret + 1, --at * sizeof *ret);
                } else {
                        memmove(ret + at + 1, ret + at, (n++ - at) * sizeof *ret);
                }
                ret[at] = c;
        }
        return n;
}
