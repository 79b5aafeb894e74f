/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Following a path: the blocks that are here become the end of our chain
 *
 * All or nothing: when a block of a fork turns out to be invalid, we are back where we were.
 */
#include "core/ledger/ledger-internal.h"

/* Also who went but part of the way has another tip, of which nobody has heard. */
static void end_path(struct ledger *l)
{
        bool has_followed = l->path.next > 0;

        path_clear(l);
        if (has_followed)
                peers_tell_tip(l);
}

void path_give_up(struct ledger *l)
{
        end_path(l);
        path_begin(l);
}

static void blame(struct ledger *l)
{
        struct ledger_peer giver = l->path.giver;

        end_path(l);
        ledger_ban(l, &giver);
        path_begin(l);
}

/* The next block of the path behind our tip: 0, enum ledger_fault or -ENOMEM. */
static int append_step(struct ledger *l, const struct step *s)
{
        struct block b;
        size_t bad;

        if (block_decode(s->data, s->size, &b) < 0)
                return LEDGER_INVALID;
        return chain_append(l, &b, s->data, s->size, VERIFY_RECORDS, l->now.real_usec, &bad);
}

static void announce_step(struct ledger *l, const struct step *s)
{
        struct block b;

        if (block_decode(s->data, s->size, &b) < 0)
                abort(); /* it was appended */
        chain_appended(l, &b, s->data, s->size);
}

static void done_with(struct ledger *l, size_t n)
{
        struct path *p = &l->path;
        struct member *giver = peers_find(l, &p->giver);

        if (giver)
                giver->n_failures = 0;
        for (size_t i = 0; i < n; i++) {
                free(p->steps[p->next].data);
                p->steps[p->next++].data = NULL;
        }
        p->deadline_usec = usec_add(l->now.mono_usec, PATH_USEC);
        chain_update_final(l);
        pool_review(l);
        if (p->next < p->n) {
                path_pump(l);
                return;
        }
        end_path(l);
        path_begin(l);
}

static void follow_one(struct ledger *l)
{
        const struct step *s = &l->path.steps[l->path.next];
        int r = append_step(l, s);

        if (r < 0) {
                l->error = r;
        } else if (r > 0) {
                blame(l);
        } else {
                announce_step(l, s);
                done_with(l, 1);
        }
}

/* So many steps of the fork are here and end with one that makes it better than ours; or 0. */
static size_t steps_to_better(const struct ledger *l)
{
        const struct path *p = &l->path;

        for (size_t i = p->next; i < p->n && p->steps[i].data; i++)
                if (chain_is_better(l, &p->steps[i].header, p->steps[i].hash))
                        return i + 1 - p->next;
        return 0;
}

/* A few records of the next @n steps: true when there are no more to verify. What is bad is found
 * again when its block is appended. */
static bool verify_some(struct ledger *l, size_t n)
{
        size_t n_done = 0;

        for (size_t i = 0; i < n; i++) {
                struct step *s = &l->path.steps[l->path.next + i];
                struct block b;

                if (s->is_verified)
                        continue;
                if (block_decode(s->data, s->size, &b) < 0)
                        return true;
                for (; s->n_verified < b.n_records; s->n_verified++) {
                        int r;

                        if (n_done++ == VERIFIED_AT_ONCE)
                                return false;
                        r = chain_verify_record(l, &b.records[s->n_verified]);
                        if (r < 0)
                                l->error = r;
                        if (r != 0)
                                return true;
                }
                s->is_verified = true;
        }
        return true;
}

static void leave_to(struct ledger *l, uint32_t height, struct link *ret, size_t *ret_n)
{
        *ret_n = 0;
        while (chain_tip(l)->header.height > height)
                ret[(*ret_n)++] = chain_leave(l);
}

/* Back on what was left, which had been verified. */
static void return_to(struct ledger *l, uint32_t height, struct link *left, size_t n)
{
        while (chain_tip(l)->header.height > height)
                free(chain_leave(l).body);
        while (n-- > 0) {
                struct block b;
                size_t bad;
                int r = block_decode(left[n].body->data, left[n].body->size, &b);

                if (r == 0)
                        r = chain_append(l, &b, left[n].body->data, left[n].body->size,
                                VERIFY_NOTHING, left[n].held_usec, &bad);
                if (r != 0)
                        l->error = -ENOMEM;
        }
}

static void wait_again(struct ledger *l, const struct link *left, size_t n)
{
        while (n-- > 0) {
                struct block b;

                if (block_decode(left[n].body->data, left[n].body->size, &b) < 0)
                        abort();
                for (size_t i = 0; i < b.n_records; i++)
                        pool_return(l, &b.records[i]);
        }
}

static void reorganise(struct ledger *l, size_t n_steps)
{
        struct path *p = &l->path;
        uint32_t fork_height = p->steps[p->next].header.height - 1;
        struct link left[LEDGER_FINAL_DEPTH];
        struct ledger_effect *e;
        size_t n_left;
        int r = 0;

        leave_to(l, fork_height, left, &n_left);
        for (size_t i = 0; i < n_steps && r == 0; i++)
                r = append_step(l, &p->steps[p->next + i]);
        if (r != 0) {
                return_to(l, fork_height, left, n_left);
        } else {
                e = ledger_add_effect(l, LEDGER_REORGANISE, 0);
                if (e)
                        e->height = fork_height;
                for (size_t i = 0; i < n_steps; i++)
                        announce_step(l, &p->steps[p->next + i]);
                wait_again(l, left, n_left);
        }
        for (size_t i = 0; i < n_left; i++)
                free(left[i].body);
        if (r < 0)
                l->error = r;
        else if (r > 0)
                blame(l);
        else
                done_with(l, n_steps);
}

bool path_can_follow(const struct ledger *l)
{
        const struct path *p = &l->path;

        if (p->n == 0)
                return false;
        return path_is_fork(l) ? steps_to_better(l) > 0 : p->steps[p->next].data != NULL;
}

void path_follow(struct ledger *l)
{
        const struct path *p = &l->path;

        if (!path_can_follow(l))
                return;
        if (!path_is_fork(l)) {
                if (verify_some(l, 1))
                        follow_one(l);
        } else if (p->steps[p->next].header.height <= l->final_height) {
                path_give_up(l); /* has become final meanwhile; asked again, it is reported */
        } else if (verify_some(l, steps_to_better(l))) {
                reorganise(l, steps_to_better(l));
        }
}
