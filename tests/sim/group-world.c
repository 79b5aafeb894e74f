/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many engines of groups on a virtual network */
#include "tests/sim/group-world.h"

#include <stdio.h>

#include "base/table.h"

#define LATENCY_MIN_USEC (20 * USEC_PER_MSEC)
#define LATENCY_MAX_USEC (80 * USEC_PER_MSEC)
#define LANES_MAX 4096

#define MUST(x)                                                                                    \
        do {                                                                                       \
                if ((x) < 0)                                                                       \
                        abort();                                                                   \
        } while (0)

/* Signatures: the same question has the same answer. */

#define ANSWERS 65536

static struct answer {
        uint8_t hash[HASH_SIZE];
        int result;
        bool is_set;
} answers[ANSWERS];

int __real_sign_verify(const uint8_t key[static PUBLIC_KEY_SIZE], const char *prefix,
        const struct blob *pieces, size_t n, const uint8_t signature[static SIGNATURE_SIZE]);
int __wrap_sign_verify(const uint8_t key[static PUBLIC_KEY_SIZE], const char *prefix,
        const struct blob *pieces, size_t n, const uint8_t signature[static SIGNATURE_SIZE]);

int __wrap_sign_verify(const uint8_t key[static PUBLIC_KEY_SIZE], const char *prefix,
        const struct blob *pieces, size_t n, const uint8_t signature[static SIGNATURE_SIZE])
{
        struct blob all[8] = { { key, PUBLIC_KEY_SIZE }, { signature, SIGNATURE_SIZE },
                { prefix, strlen(prefix) + 1 } };
        uint8_t digest[HASH_SIZE];
        struct answer *a;

        for (size_t i = 0; i < n; i++)
                all[3 + i] = pieces[i];
        hash(all, 3 + n, digest);
        a = &answers[(digest[0] << 8 | digest[1]) % ANSWERS];
        if (!a->is_set || memcmp(a->hash, digest, HASH_SIZE) != 0) {
                a->result = __real_sign_verify(key, prefix, pieces, n, signature);
                a->is_set = true;
                memcpy(a->hash, digest, HASH_SIZE);
        }
        return a->result;
}

static void fail(struct group_world *w, const char *what)
{
        if (!w->wrong)
                w->wrong = what;
}

static unsigned number_of(const struct group_world *w, const struct group_key *key)
{
        for (unsigned i = 0; i < w->n_nodes; i++)
                if (group_key_equal(&w->nodes[i].key, key))
                        return i;
        abort();
}

struct now group_world_clock(const struct group_world *w)
{
        return (struct now){ USEC_PER_DAY + w->now_usec, GROUP_BEGIN_USEC + w->now_usec };
}

/* The disk */

static uint8_t *copy(const uint8_t *data, size_t size)
{
        uint8_t *to = must_realloc(NULL, size);

        memcpy(to, data, size);
        return to;
}

static struct stored_group *disk_group(const struct group_disk *d, const struct group_id *id)
{
        for (size_t i = 0; i < d->n_groups; i++)
                if (group_id_equal(&d->groups[i].id, id))
                        return &d->groups[i];
        return NULL;
}

static void disk_store_group(struct group_disk *d, const struct group_effect *e)
{
        struct stored_group *g = disk_group(d, &e->group);

        if (!g) {
                d->groups = must_realloc(d->groups, (d->n_groups + 1) * sizeof *d->groups);
                g = &d->groups[d->n_groups++];
                *g = (struct stored_group){ .id = e->group };
        }
        free(g->data);
        g->data = copy(e->data, e->size);
        g->size = e->size;
        g->state = e->state;
        g->inviter = e->inviter;
}

static void disk_drop_leave(
        struct group_disk *d, const struct group_id *g, const struct group_key *k)
{
        for (size_t i = d->n_leaves; i-- > 0;) {
                struct stored_leave *l = &d->leaves[i];

                if (!group_id_equal(&l->group, g) || (k && !group_key_equal(&l->key, k)))
                        continue;
                free(l->data);
                *l = d->leaves[--d->n_leaves];
        }
}

static void disk_store_leave(struct group_disk *d, const struct group_effect *e)
{
        disk_drop_leave(d, &e->group, &e->peer);
        d->leaves = must_realloc(d->leaves, (d->n_leaves + 1) * sizeof *d->leaves);
        d->leaves[d->n_leaves++] =
                (struct stored_leave){ e->group, e->peer, copy(e->data, e->size), e->size };
}

static void disk_forget(struct group_disk *d, const struct group_id *id)
{
        struct stored_group *g = disk_group(d, id);

        disk_drop_leave(d, id, NULL);
        if (!g)
                return;
        free(g->data);
        *g = d->groups[--d->n_groups];
}

static const struct stored_message *disk_find(const struct group_disk *d, const struct group_id *g,
        const struct group_lane_id *lane, uint64_t number)
{
        for (size_t i = d->n_messages; i-- > 0;)
                if (d->messages[i].number == number &&
                        group_lane_id_equal(&d->messages[i].lane, lane) &&
                        group_id_equal(&d->messages[i].group, g))
                        return &d->messages[i];
        return NULL;
}

static void disk_add_message(
        struct group_world *w, struct group_disk *d, const struct group_effect *e)
{
        if (disk_find(d, &e->group, &e->lane, e->number))
                fail(w, "a message is new twice");
        if (e->number > 1 && !disk_find(d, &e->group, &e->lane, e->number - 1))
                fail(w, "a message comes before the one before it");
        d->messages = must_realloc(d->messages, (d->n_messages + 1) * sizeof *d->messages);
        d->messages[d->n_messages++] = (struct stored_message){ e->group, e->lane, e->number,
                copy(e->data, e->size), e->size };
}

static void disk_clear(struct group_disk *d)
{
        for (size_t i = 0; i < d->n_groups; i++)
                free(d->groups[i].data);
        for (size_t i = 0; i < d->n_leaves; i++)
                free(d->leaves[i].data);
        for (size_t i = 0; i < d->n_messages; i++)
                free(d->messages[i].data);
        free(d->groups);
        free(d->leaves);
        free(d->messages);
        *d = (struct group_disk){ .n_groups = 0 };
}

static void disk_copy(struct group_disk *to, const struct group_disk *from)
{
        disk_clear(to);
        *to = *from;
        to->groups = must_realloc(NULL, (from->n_groups + 1) * sizeof *to->groups);
        to->leaves = must_realloc(NULL, (from->n_leaves + 1) * sizeof *to->leaves);
        to->messages = must_realloc(NULL, (from->n_messages + 1) * sizeof *to->messages);
        for (size_t i = 0; i < from->n_groups; i++) {
                to->groups[i] = from->groups[i];
                to->groups[i].data = copy(from->groups[i].data, from->groups[i].size);
        }
        for (size_t i = 0; i < from->n_leaves; i++) {
                to->leaves[i] = from->leaves[i];
                to->leaves[i].data = copy(from->leaves[i].data, from->leaves[i].size);
        }
        for (size_t i = 0; i < from->n_messages; i++) {
                to->messages[i] = from->messages[i];
                to->messages[i].data = copy(from->messages[i].data, from->messages[i].size);
        }
}

/* Messages and effects */

static usec_t latency(unsigned from, unsigned to)
{
        static const uint8_t key[TABLE_KEY_SIZE] = "pairs of members";
        unsigned pair[2] = { from, to };

        return LATENCY_MIN_USEC +
               siphash(key, pair, sizeof pair) % (LATENCY_MAX_USEC - LATENCY_MIN_USEC);
}

void group_world_post(
        struct group_world *w, unsigned from, unsigned to, const uint8_t *data, size_t size)
{
        struct heap_event e = { .from = from, .to = to, .size = size };

        if (!w->nodes[from].is_joined[to])
                return;
        w->n_messages++;
        w->n_bytes += size;
        w->nodes[from].n_sent++;
        e.time_usec = w->now_usec + latency(from, to);
        e.data = copy(data, size);
        event_heap_push(&w->heap, e);
}

/* What goes to whom, by what the sender has stored. */
static void check_sent(struct group_world *w, const struct group_node *n, unsigned to,
        const struct group_effect *e)
{
        struct group_membership *membership;
        struct group_message m;
        const struct stored_group *g;

        if (e->data[0] != GROUP_GOSSIP_MESSAGE)
                return;
        if (group_message_decode(e->data + 1, e->size - 1, &m) != 0)
                abort();
        g = disk_group(&n->disk, &m.group);
        if (!g || g->state != GROUP_MEMBER ||
                group_membership_decode(g->data, g->size, &membership) != 0)
                abort();
        for (size_t i = 0; i < n->disk.n_leaves; i++)
                if (group_id_equal(&n->disk.leaves[i].group, &m.group) &&
                        group_key_equal(&n->disk.leaves[i].key, &w->nodes[to].key))
                        fail(w, "a message goes to somebody who said that he leaves");
        if (!group_membership_member(membership, &w->nodes[to].key))
                fail(w, "a message goes to somebody who is no member");
        if (!group_membership_had(membership, &w->nodes[to].key, m.lane.version))
                fail(w, "a message goes to somebody who did not belong then");
        free(membership);
}

static void part(struct group_world *w, unsigned a, unsigned b);

static void ban(struct group_world *w, struct group_node *n, unsigned i, unsigned other)
{
        n->n_bans++;
        if (n->manner == GROUP_HONEST)
                w->n_banned[w->nodes[other].manner]++;
        if (n->manner == GROUP_HONEST && w->nodes[other].manner == GROUP_HONEST)
                fail(w, "somebody honest is banned");
        n->is_cut[other] = w->nodes[other].is_cut[i] = true;
        part(w, i, other);
}

static void send_effect(struct group_world *w, unsigned i, const struct group_effect *e)
{
        struct group_node *n = &w->nodes[i];
        unsigned to = number_of(w, &e->peer);

        if (n->manner == GROUP_HONEST)
                check_sent(w, n, to, e);
        if (n->manner == GROUP_PROMISER && e->data[0] == GROUP_GOSSIP_MESSAGE)
                return;
        group_world_post(w, i, to, e->data, e->size);
}

static void carry_out(struct group_world *w, unsigned i, const struct group_effect *e)
{
        struct group_node *n = &w->nodes[i];
        struct now now = group_world_clock(w);
        const struct stored_message *m;

        switch (e->type) {
        case GROUP_SEND:
                if (n->crash == CRASH_NOT)
                        send_effect(w, i, e);
                break;
        case GROUP_LOAD:
                m = disk_find(&n->disk, &e->group, &e->lane, e->number);
                n->n_loads++;
                if (!m)
                        fail(w, "a message is asked for that was not stored");
                else
                        MUST(group_loaded(n->engine, &e->peer, m->data, m->size, &now));
                break;
        case GROUP_STORE:
                disk_store_group(&n->disk, e);
                break;
        case GROUP_STORE_LEAVE:
                disk_store_leave(&n->disk, e);
                break;
        case GROUP_DROP_LEAVE:
                disk_drop_leave(&n->disk, &e->group, &e->peer);
                break;
        case GROUP_FORGET:
                disk_forget(&n->disk, &e->group);
                break;
        case GROUP_STORE_LIFE:
                n->disk.life = e->life;
                n->n_lives++;
                break;
        case GROUP_NEW:
                disk_add_message(w, &n->disk, e);
                n->n_new++;
                break;
        case GROUP_HELD:
                n->n_held++;
                break;
        case GROUP_INVITATION:
                n->n_invited++;
                if (n->is_accepting)
                        MUST(group_accept(n->engine, &e->group, &now));
                break;
        case GROUP_CHANGED:
                n->n_changed++;
                n->n_contradicted += e->is_contradicted;
                break;
        case GROUP_BAN:
                ban(w, n, i, number_of(w, &e->peer));
                break;
        }
}

void group_world_after(struct group_world *w, unsigned i)
{
        struct group_node *n = &w->nodes[i];
        struct group_effect e;
        usec_t deadline;

        while (n->crash != CRASH_UNSTORED && group_next_effect(n->engine, &e))
                carry_out(w, i, &e);
        if (n->crash != CRASH_NOT) {
                group_world_crash(w, i);
                return;
        }
        deadline = group_deadline(n->engine);
        if (deadline == USEC_INFINITY)
                return;
        deadline = MAX(usec_sub(deadline, USEC_PER_DAY), w->now_usec);
        if (deadline < n->wake_usec) {
                n->wake_usec = deadline;
                event_heap_push(
                        &w->heap, (struct heap_event){ .time_usec = deadline, .from = i, .to = i });
        }
}

static void deliver(struct group_world *w, const struct heap_event *e)
{
        struct group_node *n = &w->nodes[e->to];
        struct now now = group_world_clock(w);

        if (!n->is_alive || e->age < n->born)
                return;
        if (!e->data) {
                if (n->wake_usec != e->time_usec)
                        return;
                n->wake_usec = USEC_INFINITY;
                MUST(group_advance(n->engine, &now));
        } else {
                if (!n->is_joined[e->from])
                        return;
                MUST(group_receive(n->engine, &w->nodes[e->from].key, e->data, e->size, &now));
        }
        group_world_after(w, e->to);
}

void group_world_run(struct group_world *w, usec_t usec)
{
        usec_t until_usec = w->now_usec + usec;

        while (event_heap_next_usec(&w->heap) <= until_usec) {
                struct heap_event e = event_heap_pop(&w->heap);

                w->now_usec = MAX(w->now_usec, e.time_usec);
                deliver(w, &e);
                free(e.data);
        }
        w->now_usec = until_usec;
}

/* Sessions */

static void part(struct group_world *w, unsigned a, unsigned b)
{
        struct now now = group_world_clock(w);

        for (unsigned turn = 0; turn < 2; turn++) {
                struct group_node *n = &w->nodes[turn == 0 ? a : b];
                unsigned other = turn == 0 ? b : a;

                if (!n->is_joined[other])
                        continue;
                n->is_joined[other] = false;
                if (n->is_alive)
                        MUST(group_gone(n->engine, &w->nodes[other].key, &now));
        }
}

static void join(struct group_world *w, unsigned a, unsigned b)
{
        struct now now = group_world_clock(w);

        w->nodes[a].is_joined[b] = w->nodes[b].is_joined[a] = true;
        MUST(group_connected(w->nodes[a].engine, &w->nodes[b].key, &now));
        MUST(group_connected(w->nodes[b].engine, &w->nodes[a].key, &now));
        group_world_after(w, a);
        if (w->nodes[b].is_alive)
                group_world_after(w, b);
}

void group_world_relink(struct group_world *w)
{
        for (unsigned i = 0; i < w->n_nodes; i++)
                for (unsigned k = 0; k < i; k++) {
                        const struct group_node *a = &w->nodes[i], *b = &w->nodes[k];
                        bool may =
                                !a->is_cut[k] && a->is_alive && b->is_alive && a->side == b->side;

                        if ((a->is_joined[k] || b->is_joined[i]) == may)
                                continue;
                        if (may)
                                join(w, i, k);
                        else
                                part(w, i, k);
                }
}

void group_world_cut(struct group_world *w, unsigned a, unsigned b, bool is_cut)
{
        w->nodes[a].is_cut[b] = w->nodes[b].is_cut[a] = is_cut;
        group_world_relink(w);
}

void group_world_crash(struct group_world *w, unsigned i)
{
        struct group_node *n = &w->nodes[i];

        n->is_alive = false;
        n->crash = CRASH_NOT;
        n->engine = group_engine_free(n->engine);
        for (unsigned k = 0; k < w->n_nodes; k++)
                part(w, i, k);
}

static void make_engine(struct group_world *w, unsigned i)
{
        struct group_node *n = &w->nodes[i];
        struct group_options o = { &n->identity, w->random, n->disk.life };
        const struct group_disk *d = &n->disk;

        MUST(group_engine_new(&o, &n->engine));
        for (size_t k = 0; k < d->n_groups; k++)
                if (group_restore(n->engine, d->groups[k].state, &d->groups[k].inviter,
                            d->groups[k].data, d->groups[k].size) != 0)
                        fail(w, "a group cannot be restored");
        for (size_t k = 0; k < d->n_leaves; k++)
                if (group_restore_leave(n->engine, d->leaves[k].data, d->leaves[k].size) != 0)
                        fail(w, "a wish to leave cannot be restored");
        for (size_t k = 0; k < d->n_messages; k++)
                if (disk_group(d, &d->messages[k].group) &&
                        group_restore_lane(n->engine, &d->messages[k].group, &d->messages[k].lane,
                                d->messages[k].number) != 0)
                        fail(w, "a lane cannot be restored");
        n->is_alive = true;
        n->born = w->heap.age_last + 1;
        n->wake_usec = USEC_INFINITY;
        group_world_after(w, i);
}

void group_world_start(struct group_world *w, unsigned i)
{
        make_engine(w, i);
        group_world_relink(w);
}

void group_world_back_up(struct group_world *w, unsigned i)
{
        disk_copy(&w->nodes[i].backup, &w->nodes[i].disk);
}

void group_world_start_from_backup(struct group_world *w, unsigned i)
{
        disk_copy(&w->nodes[i].disk, &w->nodes[i].backup);
        w->nodes[i].disk.life = 0;
        group_world_start(w, i);
}

void group_world_open(struct group_world *w, uint64_t seed, size_t n_nodes)
{
        *w = (struct group_world){ .n_nodes = n_nodes };
        MUST(random_new_seeded(seed, &w->random));
        for (unsigned i = 0; i < n_nodes; i++) {
                struct group_node *n = &w->nodes[i];
                uint8_t bytes[IDENTITY_SEED_SIZE];

                random_bytes(w->random, bytes, sizeof bytes);
                MUST(identity_init(&n->identity, bytes));
                memcpy(n->key.bytes, n->identity.public_key, sizeof n->key.bytes);
                n->is_accepting = true;
                make_engine(w, i);
        }
        group_world_relink(w);
}

void group_world_close(struct group_world *w)
{
        for (unsigned i = 0; i < w->n_nodes; i++) {
                group_engine_free(w->nodes[i].engine);
                identity_done(&w->nodes[i].identity);
                disk_clear(&w->nodes[i].disk);
                disk_clear(&w->nodes[i].backup);
        }
        event_heap_done(&w->heap);
        random_free(w->random);
}

/* Users */

static int done(struct group_world *w, unsigned i, int r)
{
        MUST(r);
        group_world_after(w, i);
        return r;
}

int group_world_create(struct group_world *w, unsigned i, unsigned n, struct group_id *ret)
{
        struct now now = group_world_clock(w);
        struct group_key keys[GROUP_WORLD_MAX];

        for (unsigned k = 0; k < n; k++)
                keys[k] = w->nodes[k].key;
        return done(w, i, group_create(w->nodes[i].engine, "team", keys, n, &now, ret));
}

int group_world_invite(struct group_world *w, unsigned i, const struct group_id *id, unsigned who)
{
        struct now now = group_world_clock(w);

        return done(w, i, group_invite(w->nodes[i].engine, id, &w->nodes[who].key, 1, &now));
}

int group_world_remove(struct group_world *w, unsigned i, const struct group_id *id, unsigned who)
{
        struct now now = group_world_clock(w);

        return done(w, i, group_remove(w->nodes[i].engine, id, &w->nodes[who].key, &now));
}

int group_world_leave(struct group_world *w, unsigned i, const struct group_id *id)
{
        struct now now = group_world_clock(w);

        return done(w, i, group_leave(w->nodes[i].engine, id, &now));
}

int group_world_say(struct group_world *w, unsigned i, const struct group_id *id)
{
        struct now now = group_world_clock(w);
        char text[64];
        int size = snprintf(text, sizeof text, "node %u at %ju", i, (uintmax_t)w->now_usec);

        return done(w, i, group_send(w->nodes[i].engine, id, text, (size_t)size, &now));
}

/* Agreement */

bool group_world_is_member(const struct group_world *w, unsigned i, const struct group_id *id)
{
        struct group_info info;

        return w->nodes[i].is_alive && w->nodes[i].manner == GROUP_HONEST &&
               group_find(w->nodes[i].engine, id, &info) && info.state == GROUP_MEMBER;
}

size_t group_world_stored(const struct group_world *w, unsigned i, unsigned author)
{
        const struct group_disk *d = &w->nodes[i].disk;
        size_t n = 0;

        for (size_t k = 0; k < d->n_messages; k++)
                n += group_key_equal(&d->messages[k].lane.author, &w->nodes[author].key);
        return n;
}

uint64_t group_world_count(const struct group_world *w, unsigned i, const struct group_id *id)
{
        static struct group_lane_info lanes[LANES_MAX];
        size_t n = group_lanes(w->nodes[i].engine, id, lanes, LANES_MAX);
        uint64_t sum = 0;

        for (size_t k = 0; k < n && k < LANES_MAX; k++)
                sum += lanes[k].number;
        return sum;
}

static bool is_honest_author(const struct group_world *w, const struct group_key *key)
{
        return w->nodes[number_of(w, key)].manner == GROUP_HONEST;
}

/* Of each lane as much as any member has. */
struct merged {
        struct group_lane_info lanes[LANES_MAX];
        size_t n;
};

static struct group_lane_info *find_merged(struct merged *m, const struct group_lane_id *id)
{
        for (size_t i = 0; i < m->n; i++)
                if (group_lane_id_equal(&m->lanes[i].id, id))
                        return &m->lanes[i];
        return NULL;
}

static void merge(
        const struct group_world *w, unsigned i, const struct group_id *id, struct merged *m)
{
        static struct group_lane_info lanes[LANES_MAX];
        size_t n = group_lanes(w->nodes[i].engine, id, lanes, LANES_MAX);

        for (size_t k = 0; k < n; k++) {
                struct group_lane_info *l = find_merged(m, &lanes[k].id);

                if (!is_honest_author(w, &lanes[k].id.author))
                        continue;
                if (!l) {
                        if (m->n == LANES_MAX)
                                abort();
                        m->lanes[m->n++] = lanes[k];
                } else {
                        l->number = MAX(l->number, lanes[k].number);
                }
        }
}

static bool has_all(const struct group_world *w, unsigned i, const struct group_id *id,
        const struct merged *all, const struct group_membership *m)
{
        static struct merged own;

        own.n = 0;
        merge(w, i, id, &own);
        for (size_t k = 0; k < all->n; k++) {
                const struct group_lane_info *l = find_merged(&own, &all->lanes[k].id);

                if (group_membership_had(m, &w->nodes[i].key, all->lanes[k].id.version) &&
                        (!l || l->number < all->lanes[k].number))
                        return false;
        }
        return true;
}

/* The best that any of them has; to be freed. NULL: there is none. */
static struct group_membership *best_membership(
        const struct group_world *w, const struct group_id *id)
{
        struct group_membership *best = NULL;

        for (unsigned i = 0; i < w->n_nodes; i++) {
                const struct stored_group *g = disk_group(&w->nodes[i].disk, id);
                struct group_membership *m;

                if (!group_world_is_member(w, i, id))
                        continue;
                if (group_membership_decode(g->data, g->size, &m) != 0)
                        abort();
                if (!best || group_membership_is_better(
                                     m->version, m->hash, best->version, best->hash)) {
                        free(best);
                        best = m;
                } else {
                        free(m);
                }
        }
        return best;
}

/* By it; who only believes that he is one does not count. */
static bool is_in(const struct group_world *w, unsigned i, const struct group_id *id,
        const struct group_membership *m)
{
        return group_world_is_member(w, i, id) && group_membership_member(m, &w->nodes[i].key);
}

static bool has_hash(const struct group_world *w, unsigned i, const struct group_id *id,
        const struct group_membership *m)
{
        struct group_info info;

        return group_find(w->nodes[i].engine, id, &info) &&
               memcmp(info.hash, m->hash, HASH_SIZE) == 0;
}

const char *group_world_difference(const struct group_world *w, const struct group_id *id)
{
        struct group_membership *m = best_membership(w, id);
        const char *difference = NULL;
        static struct merged all;

        if (!m)
                return NULL;
        all.n = 0;
        for (unsigned i = 0; i < w->n_nodes; i++) {
                if (!is_in(w, i, id, m))
                        continue;
                merge(w, i, id, &all);
                if (!has_hash(w, i, id, m))
                        difference = "two memberships";
        }
        for (unsigned i = 0; i < w->n_nodes && !difference; i++)
                if (is_in(w, i, id, m) && !has_all(w, i, id, &all, m))
                        difference = "somebody lacks messages";
        free(m);
        return difference;
}

usec_t group_world_settle(struct group_world *w, const struct group_id *id, usec_t usec_max)
{
        usec_t begin_usec = w->now_usec;

        while (group_world_difference(w, id)) {
                if (w->now_usec - begin_usec > usec_max)
                        return USEC_INFINITY;
                group_world_run(w, USEC_PER_SEC);
        }
        return w->now_usec - begin_usec;
}
