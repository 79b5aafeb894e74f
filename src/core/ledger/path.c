/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way to a heavier chain
 *
 * Headers come from the one who announced it, and what is wrong with them, or with the blocks that
 * they promise, is that one's fault: honest members announce what they have verified. Blocks come
 * from whoever has them, and are asked of another one when they do not. Where the path leads on
 * from our tip each block is followed as it comes; where it forks, only when all up to one that
 * makes it heavier are here. One block is verified at a time, so that nobody else waits for long.
 */
#include "core/ledger/ledger-internal.h"

void path_clear(struct ledger *l)
{
        for (size_t i = 0; i < l->path.n; i++)
                free(l->path.steps[i].data);
        free(l->path.steps);
        l->path = (struct path){ .n = 0 };
        for (size_t i = 0; i < l->n_members; i++) {
                l->members[i].n_asked = 0;
                l->members[i].is_lacking = false;
        }
}

static void let_wait(struct ledger *l, const struct ledger_peer *peer, usec_t usec)
{
        struct member *m = peers_find(l, peer);

        if (m)
                m->wait_usec = usec_add(l->now.mono_usec, usec);
}

/* Each time in a row for twice as long: whoever promises without end is not believed for long. */
static void let_wait_longer(struct ledger *l, struct member *m, usec_t usec)
{
        m->wait_usec = usec_add(l->now.mono_usec, usec << MIN(m->n_failures++, WITHHELD_DOUBLINGS));
}

static void withheld(struct ledger *l, const struct ledger_peer *peer)
{
        struct member *m = peers_find(l, peer);

        if (m)
                let_wait_longer(l, m, WITHHELD_USEC);
}

/* What it announced does not exist, or not any more: it will tell what does. */
static void broke_promise(struct ledger *l, struct member *m)
{
        m->is_tip_done = true;
        let_wait_longer(l, m, ASK_USEC);
}

/* Asking */

static bool is_willing(const struct ledger *l, const struct member *m)
{
        return m->has_tip && m->wait_usec <= l->now.mono_usec;
}

static struct member *choose_for(struct ledger *l, const struct step *s)
{
        struct member *best = NULL;

        for (size_t i = 0; i < l->n_members; i++) {
                struct member *m = &l->members[i];

                if (!is_willing(l, m) || m->is_lacking || m->n_asked >= PATH_PER_PEER ||
                        m->tip.height < s->header.height)
                        continue;
                if (!best || m->n_asked < best->n_asked)
                        best = m;
        }
        return best;
}

static void ask_for(struct ledger *l, struct step *s)
{
        struct member *m = choose_for(l, s);
        struct wanted w = { .height = s->header.height };

        if (!m)
                return;
        m->n_asked++;
        s->is_asked = true;
        s->asked = m->peer;
        s->deadline_usec = usec_add(l->now.mono_usec, ASK_USEC);
        memcpy(w.hash, s->hash, HASH_SIZE);
        ledger_send(l, &m->peer, gossip_one(GOSSIP_GET_BLOCK, &w, l->message));
}

static void not_asked(struct ledger *l, struct step *s)
{
        struct member *m = s->is_asked ? peers_find(l, &s->asked) : NULL;

        s->is_asked = false;
        if (m && m->n_asked > 0)
                m->n_asked--;
}

bool path_is_fork(const struct ledger *l)
{
        return l->path.n > 0 &&
               !hash_equal(l->path.steps[l->path.next].header.previous, chain_tip(l)->hash);
}

/* Behind the first step that is better than our tip. */
static size_t end_of_fork(const struct ledger *l)
{
        const struct path *p = &l->path;
        size_t i = p->next;

        while (i < p->n && !chain_is_better(l, &p->steps[i].header, p->steps[i].hash))
                i++;
        return MIN(p->n, i + 1);
}

void path_pump(struct ledger *l)
{
        struct path *p = &l->path;
        size_t end = path_is_fork(l) ? end_of_fork(l) : MIN(p->n, p->next + PATH_WINDOW);

        for (size_t i = p->next; i < end; i++) {
                struct step *s = &p->steps[i];

                if (s->data)
                        continue;
                if (s->is_asked && s->deadline_usec <= l->now.mono_usec) {
                        withheld(l, &s->asked);
                        not_asked(l, s);
                }
                if (!s->is_asked)
                        ask_for(l, s);
        }
}

/* Beginning */

static size_t write_locator(struct ledger *l)
{
        struct wanted have[GOSSIP_LOCATOR_MAX];
        size_t n = 0;
        uint32_t height = chain_tip(l)->header.height, back = 1;

        /* Those that may be left one by one, then ever farther apart. */
        while (height > 0 && n < ELEMENTSOF(have)) {
                have[n].height = height;
                memcpy(have[n++].hash, l->links[height].hash, HASH_SIZE);
                if (n > LEDGER_FINAL_DEPTH)
                        back *= 2;
                height = height > back ? height - back : 0;
        }
        return gossip_get_headers(have, n, l->message);
}

static void take_path(struct ledger *l, struct member *m, struct step *steps, size_t n)
{
        path_clear(l);
        l->path = (struct path){ .giver = m->peer,
                .steps = steps,
                .n = n,
                .deadline_usec = usec_add(l->now.mono_usec, PATH_USEC) };
        path_pump(l);
}

/* Its last block follows one of ours that is not final: no need to ask for headers. */
static bool begin_at_tip(struct ledger *l, struct member *m)
{
        uint32_t before = m->tip.height - 1;
        usec_t times[LEDGER_MEDIAN];
        struct step *step;

        if (before < l->final_height || !chain_has(l, before, m->tip.previous) ||
                m->tip.time_usec > usec_add(l->now.real_usec, LEDGER_AHEAD_USEC) ||
                !chain_header_follows(l, &l->links[before], times, chain_times(l, before, times),
                        &m->tip, m->tip_hash))
                return false;
        step = calloc(1, sizeof *step);
        if (!step) {
                l->error = -ENOMEM;
                return true;
        }
        step->header = m->tip;
        memcpy(step->hash, m->tip_hash, HASH_SIZE);
        take_path(l, m, step, 1);
        return true;
}

static struct member *choose_giver(struct ledger *l)
{
        struct member *best = NULL;

        for (size_t i = 0; i < l->n_members; i++) {
                struct member *m = &l->members[i];

                if (m->asked_headers_usec > 0)
                        return NULL;
                if (!is_willing(l, m) || m->is_tip_done)
                        continue;
                m->is_tip_done = !chain_is_better(l, &m->tip, m->tip_hash);
                if (!m->is_tip_done && (!best || m->tip.total > best->tip.total))
                        best = m;
        }
        return best;
}

void path_begin(struct ledger *l)
{
        struct member *m = l->path.n == 0 ? choose_giver(l) : NULL;

        if (!m || begin_at_tip(l, m))
                return;
        m->asked_headers_usec = usec_add(l->now.mono_usec, ASK_USEC);
        ledger_send(l, &m->peer, write_locator(l));
}

/* Headers */

/* The times that the header of step @i has before it, the last first. */
static size_t times_before(const struct ledger *l, const struct step *steps, size_t i,
        usec_t ret[static LEDGER_MEDIAN])
{
        usec_t ours[LEDGER_MEDIAN];
        size_t n = 0, n_ours;

        for (; i > 0 && n < LEDGER_MEDIAN; i--)
                ret[n++] = steps[i - 1].header.time_usec;
        if (i > 0)
                return n;
        n_ours = chain_times(l, steps[0].header.height - 1, ours);
        for (size_t k = 0; k < n_ours && n < LEDGER_MEDIAN; k++)
                ret[n++] = ours[k];
        return n;
}

enum headers {
        HEADERS_FINE,
        HEADERS_STRANGE, /* do not follow what we have; we may have changed meanwhile */
        HEADERS_EARLY,   /* too far ahead of our clock */
        HEADERS_DISHONEST,
};

/* *ret_early_usec: when early, for how long. */
static enum headers read_headers(const struct ledger *l, const struct gossip *message,
        struct step *steps, usec_t *ret_early_usec)
{
        usec_t latest_usec = usec_add(l->now.real_usec, LEDGER_AHEAD_USEC);
        struct link previous;

        for (size_t i = 0; i < message->n; i++) {
                struct step *s = &steps[i];
                usec_t times[LEDGER_MEDIAN];

                if (!gossip_header(message, i, &s->header))
                        return HEADERS_DISHONEST;
                block_header_hash(&s->header, s->hash);
                if (i == 0) {
                        if (!chain_has(l, s->header.height - 1, s->header.previous))
                                return HEADERS_STRANGE;
                        previous = l->links[s->header.height - 1];
                }
                if (!chain_header_follows(l, &previous, times, times_before(l, steps, i, times),
                            &s->header, s->hash))
                        return HEADERS_DISHONEST;
                if (s->header.time_usec > latest_usec) {
                        *ret_early_usec = s->header.time_usec - latest_usec;
                        return HEADERS_EARLY;
                }
                previous = (struct link){ .header = s->header };
                memcpy(previous.hash, s->hash, HASH_SIZE);
        }
        return HEADERS_FINE;
}

static void report(struct ledger *l, const struct ledger_peer *peer, const struct step *s)
{
        struct ledger_effect *e;

        let_wait(l, peer, DISPUTED_USEC);
        if (hash_equal(l->reported, s->hash))
                return;
        memcpy(l->reported, s->hash, HASH_SIZE);
        e = ledger_add_effect(l, LEDGER_REPORT, 0);
        if (!e)
                return;
        e->peer = *peer;
        e->height = s->header.height;
        memcpy(e->hash, s->hash, HASH_SIZE);
}

/* Takes over @steps when it keeps them. */
static bool use_headers(struct ledger *l, struct member *m, struct step *steps, size_t n)
{
        size_t n_common = 0;
        const struct step *last = &steps[n - 1];

        while (n_common < n && chain_has(l, steps[n_common].header.height, steps[n_common].hash))
                n_common++;
        if (n_common == n ||
                (n < GOSSIP_HEADERS_MAX && !chain_is_better(l, &last->header, last->hash))) {
                broke_promise(l, m);
                return false;
        }
        if (steps[n_common].header.height <= l->final_height) {
                report(l, &m->peer, &steps[n_common]);
                return false;
        }
        memmove(steps, steps + n_common, (n - n_common) * sizeof *steps);
        take_path(l, m, steps, n - n_common);
        return true;
}

void path_headers(struct ledger *l, struct member *m, const struct gossip *message)
{
        usec_t early_usec = 0;
        struct step *steps;

        if (m->asked_headers_usec == 0)
                return;
        m->asked_headers_usec = 0;
        if (message->n == 0 || l->path.n > 0) {
                if (message->n == 0)
                        broke_promise(l, m);
                path_begin(l);
                return;
        }
        steps = calloc(message->n, sizeof *steps);
        if (!steps) {
                l->error = -ENOMEM;
                return;
        }
        switch (read_headers(l, message, steps, &early_usec)) {
        case HEADERS_FINE:
                if (use_headers(l, m, steps, message->n))
                        return;
                break;
        case HEADERS_STRANGE:
                m->wait_usec = usec_add(l->now.mono_usec, WITHHELD_USEC);
                break;
        case HEADERS_EARLY:
                /* Others, whose clocks are not quite ours, may go on from there already. */
                m->wait_usec = usec_add(
                        l->now.mono_usec, MIN(MAX(early_usec, USEC_PER_SEC), WITHHELD_USEC));
                break;
        case HEADERS_DISHONEST:
                ledger_ban(l, &m->peer);
                break;
        }
        free(steps);
        path_begin(l);
}

/* What comes */

static struct step *find_step(struct ledger *l, const uint8_t hash[static HASH_SIZE])
{
        struct path *p = &l->path;

        for (size_t i = p->next; i < p->n; i++)
                if (hash_equal(p->steps[i].hash, hash))
                        return &p->steps[i];
        return NULL;
}

void path_block(struct ledger *l, struct member *m, const uint8_t *data, size_t size)
{
        struct step *s;
        struct block b;

        if (block_decode(data, size, &b) < 0) {
                ledger_ban(l, &m->peer);
                return;
        }
        s = find_step(l, b.hash);
        if (!s || s->data)
                return;
        s->data = malloc(size);
        if (!s->data) {
                l->error = -ENOMEM;
                return;
        }
        memcpy(s->data, data, size);
        s->size = size;
        not_asked(l, s);
        l->path.deadline_usec = usec_add(l->now.mono_usec, PATH_USEC);
        path_pump(l);
        path_follow(l);
}

void path_missing(struct ledger *l, struct member *m, const struct gossip *message)
{
        struct wanted w;
        struct step *s;

        gossip_wanted(message, 0, &w);
        s = find_step(l, w.hash);
        if (!s || !s->is_asked || !peer_equal(&s->asked, &m->peer))
                return;
        not_asked(l, s);
        m->is_lacking = true;
        if (peer_equal(&m->peer, &l->path.giver)) {
                /* It has gone another way meanwhile, and will tell. */
                let_wait_longer(l, m, ASK_USEC);
                path_give_up(l);
                return;
        }
        path_pump(l);
}

void path_advance(struct ledger *l)
{
        for (size_t i = 0; i < l->n_members; i++) {
                struct member *m = &l->members[i];

                if (m->asked_headers_usec == 0 || m->asked_headers_usec > l->now.mono_usec)
                        continue;
                m->asked_headers_usec = 0;
                withheld(l, &m->peer);
        }
        if (l->path.n > 0 && l->path.deadline_usec <= l->now.mono_usec) {
                withheld(l, &l->path.giver);
                path_give_up(l);
        }
        if (l->path.n > 0)
                path_pump(l);
        path_follow(l);
        path_begin(l);
}

usec_t path_deadline(const struct ledger *l)
{
        const struct path *p = &l->path;
        usec_t next = p->n > 0 ? p->deadline_usec : USEC_INFINITY;

        if (path_can_follow(l))
                return l->now.mono_usec;
        for (size_t i = p->next; i < p->n; i++)
                if (p->steps[i].is_asked)
                        next = usec_min(next, p->steps[i].deadline_usec);
        for (size_t i = 0; i < l->n_members; i++) {
                const struct member *m = &l->members[i];

                if (m->asked_headers_usec > 0)
                        next = usec_min(next, m->asked_headers_usec);
                if (m->has_tip && !m->is_tip_done && m->wait_usec > l->now.mono_usec)
                        next = usec_min(next, m->wait_usec);
        }
        return next;
}

void path_peer_gone(struct ledger *l, const struct ledger_peer *peer)
{
        struct path *p = &l->path;

        for (size_t i = p->next; i < p->n; i++)
                if (p->steps[i].is_asked && peer_equal(&p->steps[i].asked, peer))
                        not_asked(l, &p->steps[i]);
        if (p->n > 0)
                path_pump(l);
        else
                path_begin(l); /* it may have been asked for headers */
}
