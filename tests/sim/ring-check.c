/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is the ring what it should be?
 *
 * Zave's inductive invariant: each member has a live successor; at least r + 1 members are
 * principal, which is to say that no extended list (a member, followed by its list) skips them. In
 * rings that are too small for that, and beside it in all others: the first live successors make
 * one circle, in order, to which everybody leads.
 */
#include "core/chord/chord-internal.h"
#include "tests/sim/ring-world.h"

struct by_position {
        const struct ring_id *id;
        unsigned node;
};

static int compare(const void *a, const void *b)
{
        const struct by_position *x = a, *y = b;

        return memcmp(x->id->bytes, y->id->bytes, RING_ID_SIZE);
}

void world_sort(struct ring_world *w)
{
        struct by_position *members = calloc(w->n_nodes + 1, sizeof *members);
        unsigned *sorted = realloc(w->sorted, (w->n_nodes + 1) * sizeof *sorted);
        size_t n = 0;

        if (!members || !sorted)
                abort();
        for (unsigned i = 0; i < w->n_nodes; i++)
                if (world_is_member(w, i))
                        members[n++] = (struct by_position){ &w->nodes[i].peer.id, i };
        qsort(members, n, sizeof *members, compare);
        for (size_t i = 0; i < n; i++)
                sorted[i] = members[i].node;
        w->sorted = sorted;
        w->n_sorted = n;
        free(members);
}

size_t world_place_of(const struct ring_world *w, const struct ring_id *target)
{
        size_t low = 0, high = w->n_sorted;

        while (low < high) {
                size_t middle = (low + high) / 2;
                const struct ring_id *id = &w->nodes[w->sorted[middle]].peer.id;

                if (memcmp(id->bytes, target->bytes, RING_ID_SIZE) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return w->n_sorted > 0 ? low % w->n_sorted : 0;
}

/* Its place among the members, or SIZE_MAX. */
static size_t place_of_member(const struct ring_world *w, const struct ring_id *id)
{
        size_t place = world_place_of(w, id);

        if (w->n_sorted == 0 || !ring_id_equal(&w->nodes[w->sorted[place]].peer.id, id))
                return SIZE_MAX;
        return place;
}

static size_t first_live(const struct ring_world *w, const struct rpc_peers *list)
{
        for (size_t i = 0; i < list->n; i++) {
                size_t place = place_of_member(w, &list->peers[i].id);

                if (place != SIZE_MAX)
                        return place;
        }
        return SIZE_MAX;
}

/* Members strictly between two positions are skipped: marks where that begins and ends. */
static void mark_skipped(
        const struct ring_world *w, const struct ring_id *a, const struct ring_id *b, int *marks)
{
        size_t n = w->n_sorted;
        struct ring_id after_a = ring_add_power(a, 0);
        size_t from = world_place_of(w, &after_a), to = world_place_of(w, b);

        if (ring_id_equal(a, b) || !ring_between(a, &w->nodes[w->sorted[from]].peer.id, b))
                return;
        marks[from]++;
        if (to > from) {
                marks[to]--;
        } else {
                marks[n]--;
                marks[0]++;
                marks[to]--;
        }
}

/* A short list that is everybody goes round to its owner. */
static void mark_list(const struct ring_world *w, const struct ring_node *node,
        const struct rpc_peers *list, int *marks)
{
        const struct ring_id *last = &node->peer.id;

        for (size_t k = 0; k < list->n; k++) {
                mark_skipped(w, last, &list->peers[k].id, marks);
                last = &list->peers[k].id;
        }
        if (node->chord->is_whole && list->n > 0)
                mark_skipped(w, last, &node->peer.id, marks);
}

static const char *check_list(const struct rpc_peers *list, const struct ring_id *self)
{
        for (size_t i = 0; i < list->n; i++)
                if (!ring_between(i == 0 ? self : &list->peers[i - 1].id, &list->peers[i].id, self))
                        return "a list is out of order";
        return NULL;
}

/* @next: the first live successor of each, by place. */
static const char *check_circle(const struct ring_world *w, const size_t *next)
{
        size_t n = w->n_sorted, at = 0, n_on = 0, n_wraps = 0, begin;
        bool *is_on = calloc(n, sizeof *is_on);
        const char *problem = NULL;

        if (!is_on)
                abort();
        for (size_t i = 0; i < n; i++)
                at = next[at];
        begin = at;
        do {
                is_on[at] = true;
                n_on++;
                n_wraps += next[at] <= at;
                at = next[at];
        } while (at != begin && n_on <= n);
        if (n_wraps != 1)
                problem = "the circle is out of order";
        for (size_t i = 0; i < n && !problem; i++) {
                at = i;
                for (size_t k = 0; k <= n && !is_on[at]; k++)
                        at = next[at];
                if (!is_on[at])
                        problem = "there are two rings";
        }
        free(is_on);
        return problem;
}

static bool is_in_a_list(const struct ring_world *w, const struct ring_id *id)
{
        for (size_t i = 0; i < w->n_sorted; i++) {
                const struct rpc_peers *list = chord_successors(w->nodes[w->sorted[i]].chord);

                for (size_t k = 0; k < list->n; k++)
                        if (ring_id_equal(&list->peers[k].id, id))
                                return true;
        }
        return false;
}

/* Rings of one that nobody knows of. */
static void drop_lone(struct ring_world *w)
{
        size_t n = 0;

        for (size_t i = 0; i < w->n_sorted; i++) {
                const struct ring_node *node = &w->nodes[w->sorted[i]];

                if (chord_successors(node->chord)->n > 0 || is_in_a_list(w, &node->peer.id))
                        w->sorted[n++] = w->sorted[i];
        }
        w->n_sorted = n;
}

const char *world_check_invariant(struct ring_world *w)
{
        const char *problem = NULL;
        size_t *next, n, n_principals = 0;
        int *marks, level = 0;
        bool has_base;

        world_sort(w);
        if (w->allows_lone)
                drop_lone(w);
        n = w->n_sorted;
        if (n < 2)
                return NULL;
        next = calloc(n, sizeof *next);
        marks = calloc(n + 1, sizeof *marks);
        if (!next || !marks)
                abort();
        for (size_t i = 0; i < n && !problem; i++) {
                const struct ring_node *node = &w->nodes[w->sorted[i]];
                const struct rpc_peers *list = chord_successors(node->chord);

                problem = check_list(list, &node->peer.id);
                /* Who has no successor is its own. */
                next[i] = first_live(w, list);
                if (next[i] == SIZE_MAX && w->allows_lone)
                        next[i] = i;
                if (next[i] == SIZE_MAX)
                        problem = "a member has no live successor";
                mark_list(w, node, list, marks);
        }
        for (size_t i = 0; i < n; i++) {
                level += marks[i];
                n_principals += level == 0;
        }
        has_base = n_principals > CHORD_SUCCESSORS;
        if (!problem && w->has_base && n > CHORD_SUCCESSORS && !has_base)
                problem = "too few members are principal";
        if (!problem)
                problem = check_circle(w, next);
        free(next);
        free(marks);
        /* The proof begins with a ring that is large enough and ideal, and lasts while it is large
         * enough. */
        w->has_base = has_base && (w->has_base || !world_check_ideal(w));
        return problem;
}

const char *world_check_ideal(struct ring_world *w)
{
        world_sort(w);
        for (unsigned i = 0; i < w->n_nodes; i++)
                if (w->nodes[i].is_started && w->nodes[i].is_alive && !world_is_member(w, i))
                        return "somebody is still joining";
        for (size_t i = 0; i < w->n_sorted; i++) {
                struct chord *c = w->nodes[w->sorted[i]].chord;
                const struct rpc_peers *list = chord_successors(c);
                size_t n = MIN(w->n_sorted - 1, (size_t)CHORD_SUCCESSORS);
                unsigned before = w->sorted[(i + w->n_sorted - 1) % w->n_sorted];
                const struct chord_peer *predecessor = chord_predecessor(c);

                if (list->n != n)
                        return "a list is too short";
                for (size_t k = 0; k < n; k++) {
                        unsigned behind = w->sorted[(i + 1 + k) % w->n_sorted];

                        if (!ring_id_equal(&list->peers[k].id, &w->nodes[behind].peer.id))
                                return "a list has another successor";
                }
                if (n > 0 && (!predecessor ||
                                     !ring_id_equal(&predecessor->id, &w->nodes[before].peer.id)))
                        return "a predecessor is another";
        }
        return NULL;
}

/* Members without a live successor, in a ring where there is one to be had. */
static size_t n_cut_off(struct ring_world *w)
{
        size_t n = 0;

        world_sort(w);
        for (size_t i = 0; i < w->n_sorted && w->n_sorted > 1; i++)
                n += first_live(w, chord_successors(w->nodes[w->sorted[i]].chord)) == SIZE_MAX;
        return n;
}

bool world_may_fail(struct ring_world *w, unsigned node)
{
        size_t before = n_cut_off(w);
        bool has_base = w->has_base, may;

        w->nodes[node].is_alive = false;
        may = n_cut_off(w) <= before && world_check_invariant(w) == NULL;
        w->nodes[node].is_alive = true;
        w->has_base = has_base;
        return may;
}

void world_show(struct ring_world *w, FILE *out)
{
        world_sort(w);
        for (size_t i = 0; i < w->n_sorted; i++) {
                const struct ring_node *node = &w->nodes[w->sorted[i]];
                const struct rpc_peers *list = chord_successors(node->chord);
                const struct chord_peer *p = chord_predecessor(node->chord);

                (void)fprintf(out, "# %u (%02x):", w->sorted[i], node->peer.id.bytes[0]);
                for (size_t k = 0; k < list->n; k++)
                        (void)fprintf(out, " %u", list->peers[k].endpoint.address[3]);
                if (p)
                        (void)fprintf(out, " < %u", p->endpoint.address[3]);
                (void)fputc('\n', out);
        }
}
