/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peers: who is connected, and how much is charged to whom */
#include "core/transfer/transfer-internal.h"

struct transfer_party *transfer_party_find(
        const struct transfers *t, const struct transfer_peer *peer)
{
        for (struct table_entry *e = table_find(&t->by_key, peer, sizeof *peer); e;
                e = table_find_next(e)) {
                struct transfer_party *p = container_of(e, struct transfer_party, by_key);

                if (memcmp(&p->peer, peer, sizeof *peer) == 0)
                        return p;
        }
        return NULL;
}

struct transfer_party *transfer_party_get(struct transfers *t, const struct transfer_peer *peer)
{
        struct transfer_party *p = transfer_party_find(t, peer);

        if (p)
                return p;
        p = calloc(1, sizeof *p);
        if (!p || table_add(&t->by_key, &p->by_key, peer, sizeof *peer) < 0) {
                free(p);
                t->error = -ENOMEM;
                return NULL;
        }
        p->peer = *peer;
        p->offers = (struct ratelimit){ .interval_usec = USEC_PER_MINUTE,
                .burst = TRANSFER_OFFERS_BURST };
        list_init(&p->transfers);
        list_append(&t->parties, &p->in_parties);
        return p;
}

void transfer_party_release(struct transfers *t, struct transfer_party *p)
{
        if (p->is_connected || !list_is_empty(&p->transfers))
                return;
        table_remove(&t->by_key, &p->by_key);
        list_remove(&p->in_parties);
        free(p);
}

/* Sessions */

/* What was to be said in a session that is no more. */
static void forget_words(struct transfers *t, const struct transfer_party *p)
{
        list_for_each_safe (i, &t->effects) {
                struct transfer_queued *q = container_of(i, struct transfer_queued, in_effects);

                if ((q->effect.type != TRANSFER_SEND && q->effect.type != TRANSFER_READY) ||
                        memcmp(&q->effect.peer, &p->peer, sizeof p->peer) != 0)
                        continue;
                list_remove(i);
                free(q);
        }
}

static void reset(struct transfers *t, struct transfer_party *p)
{
        forget_words(t, p);
        list_for_each (i, &p->transfers) {
                struct transfer *x = container_of(i, struct transfer, in_party);

                if (x->record.is_outgoing)
                        transfer_send_reset(x);
                else
                        transfer_take_reset(x);
        }
        p->is_ready = false;
        assert(p->n_loading == 0);
}

static void greet(struct transfers *t, struct transfer_party *p, struct transfer *x)
{
        const struct transfer_record *r = &x->record;

        switch (r->state) {
        case TRANSFER_OFFERED:
        case TRANSFER_ACCEPTED:
                if (r->is_outgoing)
                        transfer_send_offer(t, x);
                else
                        x->is_want_due = r->state == TRANSFER_ACCEPTED;
                break;
        case TRANSFER_VERIFYING:
                break;
        case TRANSFER_WHOLE:
        case TRANSFER_OVER:
                x->is_said = true;
                if (!r->is_told)
                        transfer_say_end(t, p, &r->id, r->reason);
                break;
        }
}

int transfer_connected(struct transfers *t, const struct transfer_peer *peer, const struct now *now)
{
        struct transfer_party *p = transfer_party_get(t, peer);

        t->now = *now;
        if (!p)
                return t->error;
        reset(t, p);
        p->is_connected = true;
        list_for_each (i, &p->transfers)
                greet(t, p, container_of(i, struct transfer, in_party));
        transfer_take_grant(t, p);
        return t->error;
}

int transfer_gone(struct transfers *t, const struct transfer_peer *peer, const struct now *now)
{
        struct transfer_party *p = transfer_party_find(t, peer);

        t->now = *now;
        if (!p)
                return t->error;
        reset(t, p);
        p->is_connected = false;
        transfer_party_release(t, p);
        return t->error;
}

/* Limits */

static struct transfer_party *noisiest(const struct transfers *t)
{
        struct transfer_party *found = NULL;

        list_for_each (i, &t->parties) {
                struct transfer_party *p = container_of(i, struct transfer_party, in_parties);

                if (!found || p->n_undecided > found->n_undecided)
                        found = p;
        }
        return found;
}

static struct transfer *newest_undecided(const struct transfer_party *p)
{
        struct transfer *found = NULL;

        list_for_each (i, &p->transfers) {
                struct transfer *x = container_of(i, struct transfer, in_party);

                if (!x->record.is_outgoing && x->record.state == TRANSFER_OFFERED &&
                        (!found || x->serial > found->serial))
                        found = x;
        }
        return found;
}

bool transfer_party_may_offer(struct transfers *t, struct transfer_party *p)
{
        struct transfer_party *other;

        if (p->n_open[TRANSFER_IN] >= TRANSFER_OPEN_MAX ||
                !ratelimit_allow(&p->offers, t->now.mono_usec))
                return false;
        if (t->n_undecided < TRANSFER_UNDECIDED_MAX)
                return true;
        other = noisiest(t);
        if (other->n_undecided <= p->n_undecided + 1)
                return false;
        transfer_end(t, newest_undecided(other), TRANSFER_TOO_MANY, false);
        return true;
}

void transfer_party_prune(
        struct transfers *t, struct transfer_party *p, enum transfer_direction direction)
{
        struct transfer *oldest = NULL;
        size_t n = 0;

        list_for_each (i, &p->transfers) {
                struct transfer *x = container_of(i, struct transfer, in_party);

                if (transfer_direction(x) != direction || transfer_is_open(x))
                        continue;
                n++;
                if (!oldest || x->serial < oldest->serial)
                        oldest = x;
        }
        if (n > TRANSFER_OVER_MAX)
                transfer_forget(t, oldest);
}

/* Questions */

bool transfer_knows(const struct transfers *t, const struct transfer_peer *peer)
{
        const struct transfer_party *p = transfer_party_find(t, peer);

        return p && !list_is_empty(&p->transfers);
}

bool transfer_may_offer(const struct transfers *t, const struct transfer_peer *peer)
{
        const struct transfer_party *p = transfer_party_find(t, peer);

        return !p || p->n_open[TRANSFER_OUT] < TRANSFER_OPEN_MAX;
}

size_t transfer_loading(const struct transfers *t, const struct transfer_peer *peer)
{
        const struct transfer_party *p = transfer_party_find(t, peer);

        return p ? p->n_loading : 0;
}

static enum transfer_need need_of(const struct transfer *x)
{
        switch (x->record.state) {
        case TRANSFER_OFFERED:
                if (!x->record.is_outgoing)
                        return TRANSFER_NEEDS_NOTHING;
                return x->is_said ? TRANSFER_NEEDS_ANSWER : TRANSFER_NEEDS_SESSION;
        case TRANSFER_ACCEPTED:
                return TRANSFER_NEEDS_SESSION;
        case TRANSFER_VERIFYING:
                return TRANSFER_NEEDS_NOTHING;
        case TRANSFER_WHOLE:
        case TRANSFER_OVER:
                if (x->record.is_told)
                        return TRANSFER_NEEDS_NOTHING;
                return x->is_said ? TRANSFER_NEEDS_ANSWER : TRANSFER_NEEDS_SESSION;
        }
        return TRANSFER_NEEDS_NOTHING;
}

enum transfer_need transfer_need(const struct transfers *t, const struct transfer_peer *peer)
{
        const struct transfer_party *p = transfer_party_find(t, peer);
        enum transfer_need most = TRANSFER_NEEDS_NOTHING;

        if (!p)
                return most;
        list_for_each (i, &p->transfers)
                most = MAX(most, need_of(container_of(i, struct transfer, in_party)));
        return most;
}
