/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is said in a session: from the queue to the peer, from the peer to the history
 *
 * The outbox has what waits and is where a message is looked up; the stream has the same in the
 * order in which it goes. A stream is filled when it is first needed, so that a queue put together
 * from several conversations goes in the order of writing.
 */
#include "core/node/node-private.h"

static void moved(struct node *n, struct native *native)
{
        if (list_is_empty(&native->moved))
                list_append(&n->moved, &native->moved);
}

static struct native *moved_of(struct list *i)
{
        return container_of(i, struct native, moved);
}

static struct queued *queued_of(struct list *i)
{
        return container_of(i, struct queued, waiting);
}

/*
 * The queue
 */
static int add(struct native *native, struct queued *q, uint64_t number)
{
        q->is_streamed = true;
        return stream_out_add(&native->out, &q->id, q->size, number);
}

static int tell_number(struct node *n, struct queued *q, uint64_t number)
{
        q->stream_number = number;
        return agenda_add_change(&n->agenda, &(struct change){
                                                     .type = CHANGE_NUMBER,
                                                     .numbered = { .id = q->id, .number = number },
                                             });
}

static int compare_numbers(const void *a, const void *b)
{
        const struct queued *x = *(struct queued *const *)a, *y = *(struct queued *const *)b;

        return (x->stream_number > y->stream_number) - (x->stream_number < y->stream_number);
}

/* Those with numbers, in their order. 0 and memory to be freed, or -ENOMEM. */
static int list_numbered(const struct outbox *o, struct queued ***ret, size_t *ret_n)
{
        struct queued **numbered;
        size_t n = 0;

        list_for_each (i, &o->messages)
                n += queued_of(i)->stream_number > 0;
        numbered = calloc(MAX(n, (size_t)1), sizeof(struct queued *));
        if (!numbered)
                return -ENOMEM;
        n = 0;
        list_for_each (i, &o->messages)
                if (queued_of(i)->stream_number > 0)
                        numbered[n++] = queued_of(i);
        qsort(numbered, n, sizeof(struct queued *), compare_numbers);
        *ret = numbered;
        *ret_n = n;
        return 0;
}

/* A number that cannot be, because some of what was remembered got lost, is none. */
static int fill(struct node *n, struct native *native)
{
        struct outbox *o = &native->peer->outbox;
        _cleanup_(freep)
        struct queued **numbered = NULL;
        uint64_t last = 0;
        size_t n_numbered;
        int r;

        r = list_numbered(o, &numbered, &n_numbered);
        for (size_t i = 0; r == 0 && i < n_numbered; i++) {
                uint64_t number = numbered[i]->stream_number;

                if (number <= last || number > native->out.given) {
                        r = tell_number(n, numbered[i], 0);
                        continue;
                }
                last = number;
                r = add(native, numbered[i], number);
        }
        list_for_each (i, &o->messages)
                if (r == 0 && !queued_of(i)->is_streamed)
                        r = add(native, queued_of(i), 0);
        native->is_filled = r == 0;
        return r;
}

int node_stream_add(struct node *n, struct peer *peer, struct queued *q)
{
        struct native *native = peer->native;

        if (!native || !native->is_filled)
                return 0;
        moved(n, native);
        return add(native, q, 0);
}

int node_stream_cancel(struct node *n, struct peer *peer, struct queued *q)
{
        struct native *native = peer->native;

        if (!q->is_streamed)
                return 0;
        moved(n, native);
        if (stream_out_cancel(&native->out, &q->id) == STREAM_UNKNOWN)
                return 1;
        q->is_streamed = false;
        return 0;
}

bool node_stream_is_sent(const struct peer *peer, const struct queued *q)
{
        const struct native *native = peer->native;

        return q->is_streamed && native->out.state == STREAM_OUT_OPEN && q->stream_number > 0 &&
               q->stream_number <= native->out.sent;
}

static int take_changes(struct node *n, struct native *native);

int node_stream_reorder(struct node *n, struct peer *peer)
{
        struct native *native = peer->native;
        int r;

        if (!native || !native->is_filled)
                return 0;
        moved(n, native);
        /* Then all numbers that were given are known in the outbox. */
        r = take_changes(n, native);
        list_for_each (i, &peer->outbox.messages) {
                struct queued *q = queued_of(i);

                if (q->stream_number > 0 || !q->is_streamed)
                        continue;
                (void)stream_out_cancel(&native->out, &q->id);
                q->is_streamed = false;
        }
        list_for_each (i, &peer->outbox.messages)
                if (r == 0 && !queued_of(i)->is_streamed)
                        r = add(native, queued_of(i), 0);
        return r;
}

/*
 * The session
 */
int node_streams_open(struct node *n, struct native *native, struct now now)
{
        int r = native->is_filled ? 0 : fill(n, native);

        if (r < 0)
                return r;
        stream_out_open(&native->out);
        stream_in_open(&native->in);
        moved(n, native);
        return 0;
}

void node_streams_close(struct native *native)
{
        stream_out_close(&native->out);
}

static int store_text(
        struct node *n, struct native *native, const struct message *m, struct now now)
{
        struct peer *peer = native->peer;
        struct change c = {
                .type = CHANGE_MESSAGE,
                .message = {
                        .peer = peer->record.number,
                        .direction = DIRECTION_RECEIVED,
                        .security = peer_security(peer),
                        .state = peer_is_muted(peer, now.real_usec) ? MESSAGE_MUTED :
                                                                      MESSAGE_RECEIVED,
                        .time_usec = now.real_usec,
                        .endpoint = peer_endpoint(peer),
                        .text = m->text.text,
                        .size = m->text.size,
                        .stream_number = m->text.number,
                        .origin = m->text.id,
                },
        };
        uint8_t random[10];

        random_bytes(n->random, random, sizeof random);
        c.message.id = ulid_make(now.real_usec, random);
        memcpy(c.message.name, peer_name(peer), strlen(peer_name(peer)) + 1);
        if (!peer->record.has_history) {
                peer->record.has_history = true;
                peer_touch(&n->peers, peer);
        }
        return agenda_add_change(&n->agenda, &c);
}

static int take_text(struct node *n, struct native *native, const struct message *m, struct now now)
{
        int r;

        if (m->text.size > TEXT_SIZE_MAX)
                return stream_in_refuse(&native->in, REFUSED_TOO_LARGE);
        if (m->text.size == 0 || !text_is_printable(m->text.text, m->text.size))
                return stream_in_refuse(&native->in, REFUSED_INVALID_TEXT);
        r = store_text(n, native, m, now);
        if (r < 0)
                return r;
        native->has_taken = true;
        stream_in_take(&native->in);
        return 0;
}

int node_stream_receive(
        struct node *n, struct native *native, const struct message *m, struct now now)
{
        int r;

        moved(n, native);
        native->is_mixed |= m->type == FRAME_HELLO && native->has_taken;
        r = stream_in_receive(&native->in, m);
        if (r == STREAM_NEXT)
                return take_text(n, native, m, now);
        if (r == 0)
                r = stream_out_receive(&native->out, m);
        /* It takes what it is given: the next search for a session need not wait. */
        if (r == 0 && m->type == FRAME_RESUME)
                outbox_awake(&native->peer->outbox);
        return r;
}

int node_stream_loaded(struct node *n, struct peer *peer, struct queued *q, usec_t time_usec,
        const char *text, size_t size, struct now now)
{
        struct native *native = peer->native;
        const char *reason = !text ? "NoSuchMessage" : "NotSecure";
        struct message m;

        if (!q->is_streamed)
                return 0;
        moved(n, native);
        /* It may have been accepted when the peer was better trusted than now. */
        if (!text || q->security > (int)peer_security(peer)) {
                if (node_stream_cancel(n, peer, q) != 0)
                        return 0;
                return node_settle(n, peer, q, MESSAGE_FAILED, reason);
        }
        if (!stream_out_loaded(&native->out, &q->id, time_usec, text, size, &m))
                return 0;
        return node_native_say(n, native, &m, now);
}

/*
 * The end of a turn
 */
static const char *reason_word(enum refused reason)
{
        switch (reason) {
        case REFUSED_INVALID_TEXT:
                return "InvalidText";
        case REFUSED_TOO_LARGE:
                return "TooLarge";
        case REFUSED_OTHER:
        case REFUSED_KNOWN_ID:
                break;
        }
        return "Refused";
}

/* It has left the stream by the peer's word. */
static int settle(struct node *n, struct peer *peer, const struct stream_change *c)
{
        bool is_delivered = c->type == STREAM_CHANGE_DELIVERED;
        struct queued *q = node_queued(n, &c->id);

        if (!q)
                return 0;
        q->is_streamed = false;
        return node_settle(n, peer, q, is_delivered ? MESSAGE_DELIVERED : MESSAGE_FAILED,
                is_delivered ? "" : reason_word(c->reason));
}

static int forget_numbers(struct node *n, struct peer *peer)
{
        list_for_each (i, &peer->outbox.messages) {
                int r = queued_of(i)->stream_number > 0 ? tell_number(n, queued_of(i), 0) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Changes of the stream itself are told once, after all others. */
static int take_out_changes(struct node *n, struct native *native)
{
        struct change c = { .type = CHANGE_STREAM, .stream.peer = native->peer->record.number };
        struct stream_change s;
        bool has_stream = false;
        int r = 0;

        while (r == 0 && stream_out_next_change(&native->out, &s)) {
                switch (s.type) {
                case STREAM_CHANGE_DELIVERED:
                case STREAM_CHANGE_FAILED:
                        r = settle(n, native->peer, &s);
                        continue;
                case STREAM_CHANGE_STREAM:
                        r = forget_numbers(n, native->peer);
                        s.oldest = 1;
                        break;
                case STREAM_CHANGE_NUMBER: {
                        struct queued *q = node_queued(n, &s.id);

                        r = q ? tell_number(n, q, s.number) : 0;
                        break;
                }
                case STREAM_CHANGE_MARK:
                case STREAM_CHANGE_MARK_GONE:
                case STREAM_CHANGE_REFUSAL:
                        abort();
                }
                has_stream = true;
                c.stream.stream = s.stream;
                c.stream.given = s.number;
                c.stream.oldest = s.oldest;
        }
        return r == 0 && has_stream ? agenda_add_change(&n->agenda, &c) : r;
}

static int take_in_changes(struct node *n, struct native *native)
{
        uint64_t peer = native->peer->record.number;
        struct stream_change s;

        while (stream_in_next_change(&native->in, &s)) {
                struct change c = { 0 };
                int r;

                switch (s.type) {
                case STREAM_CHANGE_MARK:
                case STREAM_CHANGE_MARK_GONE:
                        c.type = s.type == STREAM_CHANGE_MARK ? CHANGE_MARK : CHANGE_MARK_GONE;
                        c.mark = (struct mark_record){ peer, s.stream, s.number };
                        break;
                case STREAM_CHANGE_REFUSAL:
                        c.type = CHANGE_REFUSED;
                        c.refused = (struct refused_record){ peer, s.stream, s.number, s.reason };
                        break;
                case STREAM_CHANGE_STREAM:
                case STREAM_CHANGE_NUMBER:
                case STREAM_CHANGE_DELIVERED:
                case STREAM_CHANGE_FAILED:
                        abort();
                }
                r = agenda_add_change(&n->agenda, &c);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int take_changes(struct node *n, struct native *native)
{
        int r = take_out_changes(n, native);

        return r < 0 ? r : take_in_changes(n, native);
}

int node_streams_end_turn(struct node *n)
{
        list_for_each (i, &n->moved) {
                int r = take_changes(n, moved_of(i));

                if (r < 0)
                        return r;
        }
        return 0;
}

/* A gap has come into the stream: the session ends, and the next one begins without it. */
static int reopen(struct node *n, struct native *native, struct now now)
{
        struct peer *peer = native->peer;
        int r;

        r = node_hang_up(n, peer, GOODBYE_REPLACED, now);
        if (r < 0 || peer->outbox.n == 0)
                return r;
        outbox_awake(&peer->outbox);
        return node_seek_session(n, peer, now);
}

static int take_effect(
        struct node *n, struct native *native, const struct stream_out_effect *e, struct now now)
{
        switch (e->type) {
        case STREAM_SEND:
                return node_native_say(n, native, &e->frame, now);
        case STREAM_LOAD:
                return agenda_add_effect(&n->agenda,
                        &(struct effect){ .type = EFFECT_LOAD, .load = { .id = e->id } });
        case STREAM_REOPEN:
                return reopen(n, native, now);
        }
        return 0;
}

static int speak(struct node *n, struct native *native, struct now now)
{
        struct stream_out_effect e;
        struct message m;
        int r = 0;

        stream_in_committed(&native->in);
        native->has_taken = native->is_mixed = false;
        while (r == 0 && native->link != 0 && stream_in_next_frame(&native->in, &m))
                r = node_native_say(n, native, &m, now);
        while (r == 0 && native->link != 0 && stream_out_next_effect(&native->out, &e))
                r = take_effect(n, native, &e, now);
        return r < 0 ? r : node_native_flush(n, native, now);
}

int node_streams_committed(struct node *n, struct now now)
{
        struct list *first;

        while ((first = list_first(&n->moved))) {
                int r;

                list_remove(first);
                r = speak(n, moved_of(first), now);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Only of the stream that is spoken now a number can be said to be known. What is not said is
 * acknowledged, which means the same. */
int node_known(struct node *n, uint64_t number, uint64_t stream_number)
{
        struct peer *peer = peers_by_number(&n->peers, number);

        if (!peer || !peer->native || peer->native->is_mixed)
                return 0;
        return stream_in_known(&peer->native->in, stream_number);
}

/*
 * Restoring
 */

/* What cannot be is left out: then the stream begins anew, and what was taken is known by its id.
 */
int node_restore_stream(struct node *n, const struct stream_record *s)
{
        struct peer *peer = peers_by_number(&n->peers, s->peer);
        struct native *native;
        int r;

        if (!peer || !peer_is_native(peer) || s->stream == 0 || s->given > STREAM_NUMBER_MAX ||
                s->oldest == 0 || s->oldest > s->given + 1)
                return 0;
        r = node_get_native(n, peer, &native);
        if (r == 0)
                stream_out_restore(&native->out, s->stream, s->given, s->oldest);
        return r;
}

int node_restore_mark(struct node *n, const struct mark_record *mark)
{
        struct peer *peer = peers_by_number(&n->peers, mark->peer);
        struct native *native;
        int r;

        if (!peer || !peer_is_native(peer) || mark->stream == 0 || mark->number > STREAM_NUMBER_MAX)
                return 0;
        r = node_get_native(n, peer, &native);
        if (r == 0 && native->in.n_marks < STREAM_MARKS_MAX)
                stream_in_restore_mark(&native->in, mark->stream, mark->number);
        return r;
}

int node_restore_refused(struct node *n, const struct refused_record *refused)
{
        struct peer *peer = peers_by_number(&n->peers, refused->peer);

        if (!peer || !peer->native)
                return 0;
        return stream_in_restore_refusal(
                &peer->native->in, refused->stream, refused->number, refused->reason);
}
