/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Transfers of files
 *
 *     sessions --frames--> the engine --> writes, reads and hashes of the spool, frames to others
 *                              |
 *                              +--> records to the store, news to people (file.c)
 *
 * The peer of a transfer is a native user by the key that it has proven. What waits for it is a
 * reason to look for a session as a message is (seek.c), but for one thing: with who has heard all
 * that we have to say, and decides, a session that has ended in peace is not begun anew at once.
 * Whoever accepts calls himself.
 *
 * Chunks go one after the other, and only when the world has told that nothing waits unsent on that
 * link. So a message never waits for more than CHUNKS_AT_ONCE of them.
 */
#include "core/node/node-private.h"
#include "core/transfer/wire.h"

#define CHUNKS_AT_ONCE 2 /* one is on its way while the other is read */
#define ANSWER_REST_USEC (30 * USEC_PER_MINUTE)

int node_files_init(struct node *n, const uint8_t key[static TABLE_KEY_SIZE])
{
        struct files *f = &n->files;

        table_init(&f->by_id, key);
        table_init(&f->parts_by_id, key);
        return n->options.identity ? transfer_new(n->random, &f->engine) : 0;
}

void node_files_done(struct node *n)
{
        struct files *f = &n->files;

        f->engine = transfer_free(f->engine);
        for (size_t i = 0; i < f->parts_by_id.n_buckets; i++)
                for (struct table_entry *e = f->parts_by_id.buckets[i]; e; e = e->next) {
                        struct file_part *part = container_of(e, struct file_part, by_id);

                        list_remove(&part->gone);
                        list_append(&f->gone, &part->gone);
                }
        node_file_sweep(n);
        table_done(&f->by_id);
        table_done(&f->parts_by_id);
}

int node_files_advance(struct node *n, struct now now)
{
        return n->files.engine ? transfer_advance(n->files.engine, &now) : 0;
}

usec_t node_files_deadline(const struct node *n)
{
        return n->files.engine ? transfer_deadline(n->files.engine) : USEC_INFINITY;
}

/*
 * Peers
 */
struct transfer_peer node_file_peer(const struct peer *peer)
{
        struct transfer_peer key;

        memcpy(key.bytes, peer->record.key, sizeof key.bytes);
        return key;
}

static struct peer *peer_of(const struct node *n, const struct transfer_peer *key)
{
        char id[ID_STRING_SIZE];

        identity_id(key->bytes, id);
        return peers_by_id(&n->peers, id);
}

static struct link *session_of(const struct node *n, const struct transfer_peer *key)
{
        const struct peer *peer = peer_of(n, key);

        return peer && peer->native && peer->native->link != 0 ? node_link(n, peer->native->link)
                                                               : NULL;
}

void node_files_changed(struct node *n, struct peer *peer)
{
        const struct transfer_peer key = node_file_peer(peer);

        peer->has_files = transfer_knows(n->files.engine, &key);
        peer->files_need = transfer_need(n->files.engine, &key);
        peer_queue_changed(&n->peers, peer);
}

/* Something of the transfers with it is another now: it may need a session. */
static int changed(struct node *n, const struct transfer_peer *key, struct now now)
{
        struct peer *peer = peer_of(n, key);

        if (!peer)
                return 0;
        node_files_changed(n, peer);
        return node_deliver(n, peer, now);
}

bool node_files_rest(struct node *n, const struct peer *peer, struct now now)
{
        const struct native *native = peer->native;

        if (peer->outbox.n > 0 || peer->files_need != TRANSFER_NEEDS_ANSWER || !native ||
                native->answers_usec <= now.mono_usec)
                return false;
        n->retry_usec = usec_min(n->retry_usec, native->answers_usec);
        return true;
}

/*
 * Sessions
 */
static void forget_chunks(struct native *native)
{
        list_remove(&native->ready);
        native->is_asking = false;
}

int node_files_met(struct node *n, struct native *native, struct now now)
{
        const struct transfer_peer key = node_file_peer(native->peer);
        int r;

        forget_chunks(native);
        native->answers_usec = 0;
        r = transfer_connected(n->files.engine, &key, &now);
        if (r == 0)
                node_files_changed(n, native->peer);
        return r;
}

int node_files_lost(struct node *n, struct native *native, bool in_peace, struct now now)
{
        const struct transfer_peer key = node_file_peer(native->peer);
        int r;

        forget_chunks(native);
        native->answers_usec = in_peace ? usec_add(now.mono_usec, ANSWER_REST_USEC) : 0;
        r = transfer_gone(n->files.engine, &key, &now);
        if (r == 0)
                node_files_changed(n, native->peer);
        return r;
}

static int say(struct node *n, struct link *link, const void *data, size_t size, struct now now)
{
        struct message m = { .type = FRAME_FILE, .file = { .data = data, .size = size } };

        return node_native_tell(n, link, &m, now);
}

/* An offer under the id of a file of ours: its spool would be that of ours. */
static bool is_stolen(const struct node *n, const void *data, size_t size)
{
        const struct file *file;
        struct transfer_wire m;

        if (!transfer_wire_peek(data, size, &m) || m.kind != TRANSFER_WIRE_OFFER)
                return false;
        file = node_file(n, &m.id);
        return file && file->is_outgoing;
}

static int refuse_stolen(
        struct node *n, struct native *native, const void *data, size_t size, struct now now)
{
        uint8_t answer[TRANSFER_MESSAGE_SIZE_MAX];
        struct transfer_wire m;

        (void)transfer_wire_peek(data, size, &m);
        m.kind = TRANSFER_WIRE_END;
        m.reason = TRANSFER_MALFORMED;
        transfer_wire_encode(&m, answer);
        return say(n, node_link(n, native->link), answer, transfer_wire_size(&m), now);
}

static int drain(struct node *n, struct now now);

int node_files_receive(
        struct node *n, struct native *native, const void *data, size_t size, struct now now)
{
        const struct transfer_peer key = node_file_peer(native->peer);
        int r;

        if (is_stolen(n, data, size))
                return refuse_stolen(n, native, data, size, now);
        r = transfer_receive(n->files.engine, &key, data, size, &now);
        /* Answers are not kept for the end of the turn: many frames may come in one. */
        return r < 0 ? r : drain(n, now);
}

int node_files_break_off(struct node *n, struct peer *peer, bool even_whole, struct now now)
{
        const struct transfer_peer key = node_file_peer(peer);

        if (!peer->has_files)
                return 0;
        return transfer_break_off(n->files.engine, &key, even_whole, &now);
}

/*
 * Chunks
 */
static int ask_for_room(struct node *n)
{
        list_for_each_safe (i, &n->files.ready) {
                struct native *native = container_of(i, struct native, ready);
                const struct transfer_peer key = node_file_peer(native->peer);
                int r;

                if (native->is_asking || transfer_loading(n->files.engine, &key) > 0)
                        continue;
                native->is_asking = true;
                r = agenda_add_effect(&n->agenda, &(struct effect){ .type = EFFECT_ASK_ROOM,
                                                          .ask_room = { .link = native->link } });
                if (r < 0)
                        return r;
        }
        return 0;
}

static int load(struct node *n, const struct transfer_load *load)
{
        const struct file_part *part = node_file_part(n, &load->ref.id);
        struct effect e = { .type = EFFECT_SPOOL_READ,
                .spool = { .ref = load->ref,
                        .id = part->file->id,
                        .size = part->had.size,
                        .uid = part->had.user,
                        .offset = load->offset,
                        .n = load->size } };

        return agenda_add_effect(&n->agenda, &e);
}

int node_has_room_on(struct node *n, uint64_t number, struct now now)
{
        struct link *link = node_link(n, number);
        struct native *native = link && link->peer ? link->peer->native : NULL;
        struct transfer_peer key;
        struct transfer_load next;
        int r = 0;

        if (!native || native->link != number || !native->is_asking)
                return 0;
        native->is_asking = false;
        key = node_file_peer(native->peer);
        for (int i = 0; i < CHUNKS_AT_ONCE && r == 0; i++) {
                if (!transfer_next_chunk(n->files.engine, &key, &next)) {
                        list_remove(&native->ready);
                        break;
                }
                r = load(n, &next);
        }
        return r;
}

/*
 * What comes of it
 */
static int send(struct node *n, const struct transfer_effect *e, struct now now)
{
        struct link *link = session_of(n, &e->peer);

        return link ? say(n, link, e->data, e->size, now) : 0;
}

static void take_ready(struct node *n, const struct transfer_effect *e)
{
        struct peer *peer = peer_of(n, &e->peer);
        struct native *native = peer ? peer->native : NULL;

        if (native && native->link != 0 && list_is_empty(&native->ready))
                list_append(&n->files.ready, &native->ready);
}

static int use_spool(struct node *n, enum effect_type type, const struct transfer_effect *e)
{
        struct effect out = { .type = type,
                .spool = { .ref = e->ref,
                        .id = e->record.id,
                        .size = e->record.size,
                        .uid = e->record.user,
                        .offset = e->offset,
                        .data = e->data,
                        .n = e->size } };

        return agenda_add_effect(&n->agenda, &out);
}

static int take_effect(struct node *n, const struct transfer_effect *e, struct now now)
{
        switch (e->type) {
        case TRANSFER_STORE:
                return node_file_store(n, e);
        case TRANSFER_FORGET:
                return node_file_forget(n, e);
        case TRANSFER_SEND:
                return send(n, e, now);
        case TRANSFER_WRITE:
                return use_spool(n, EFFECT_SPOOL_WRITE, e);
        case TRANSFER_VERIFY:
                return use_spool(n, EFFECT_SPOOL_HASH, e);
        case TRANSFER_DISCARD:
                return node_file_discard(n, e);
        case TRANSFER_READY:
                take_ready(n, e);
                return 0;
        case TRANSFER_NEWS:
                return node_file_offered(n, e, now);
        case TRANSFER_PROGRESS:
                return node_file_progress(n, e);
        case TRANSFER_FINISHED:
                return node_file_finished(n, e, now);
        }
        return 0;
}

/* Does a record change by it, so that the peer of it may need something else? */
static bool is_turn_of_life(enum transfer_effect_type type)
{
        return type == TRANSFER_STORE || type == TRANSFER_FORGET;
}

/* What is said may end a session, and that say something more. */
static int drain(struct node *n, struct now now)
{
        struct files *f = &n->files;
        struct transfer_effect e;
        int r = 0;

        if (f->is_draining)
                return 0;
        f->is_draining = true;
        while (r == 0 && transfer_next_effect(f->engine, &e)) {
                r = take_effect(n, &e, now);
                if (r == 0 && is_turn_of_life(e.type))
                        r = changed(n, &e.peer, now);
        }
        f->is_draining = false;
        return r;
}

int node_files_end_turn(struct node *n, struct now now)
{
        int r = n->files.engine ? drain(n, now) : 0;

        if (r == 0)
                r = node_files_tell(n, now);
        if (r < 0)
                return r;
        node_file_sweep(n);
        return ask_for_room(n);
}

/*
 * Answers of the spool
 */
int node_spool_read(struct node *n, const struct transfer_ref *ref, const void *data, size_t size,
        struct now now)
{
        return transfer_loaded(n->files.engine, ref, data, size, &now);
}

int node_spool_written(
        struct node *n, const struct transfer_ref *ref, uint64_t done, struct now now)
{
        return transfer_written(n->files.engine, ref, done, &now);
}

int node_spool_hashed(struct node *n, const struct transfer_ref *ref,
        const uint8_t hash[static HASH_SIZE], struct now now)
{
        return transfer_verified(n->files.engine, ref, hash, &now);
}

int node_spool_failed(
        struct node *n, const struct transfer_ref *ref, enum transfer_reason reason, struct now now)
{
        return transfer_failed(n->files.engine, ref, reason, &now);
}

/*
 * Restoring
 */
/* Of a user whom we do not know any more nothing can come, and nothing can go to him. */
static int forget_stranger(struct node *n, const struct file_record *file)
{
        return agenda_add_change(&n->agenda,
                &(struct change){ .type = CHANGE_TRANSFER_GONE, .transfer_id = file->transfer.id });
}

static void restore_group(struct file *file, const struct file_record *record)
{
        if (!record->is_to_group || (file->is_to_group && record->n_done + record->n_missed <=
                                                                  file->n_done + file->n_missed))
                return;
        file->is_to_group = true;
        file->group = record->group;
        file->n_members = record->n_members;
        file->n_done = record->n_done;
        file->n_missed = record->n_missed;
        file->reason = record->group_reason;
}

int node_restore_transfer(
        struct node *n, const struct file_record *file, uint64_t done_on_disk, struct now now)
{
        struct transfer_record record = file->transfer;
        struct peer *peer = peer_of(n, &record.peer);
        struct file_part *part;
        int r;

        if (!n->files.engine)
                return 0;
        if (!peer || !peer->record.is_proven ||
                memcmp(peer->record.key, record.peer.bytes, PUBLIC_KEY_SIZE) != 0)
                return forget_stranger(n, file);
        if (!record.is_outgoing && record.state == TRANSFER_ACCEPTED)
                record.done = MIN(done_on_disk, record.size);
        r = transfer_restore(n->files.engine, &record, &now);
        if (r != 0)
                return r < 0 ? r : forget_stranger(n, file);
        r = node_file_add(n, &record.id, record.is_outgoing ? &file->spool_id : &record.id,
                record.is_outgoing, &part);
        if (r < 0)
                return r;
        part->had = record;
        part->is_stored = true;
        part->is_finished = record.state == TRANSFER_WHOLE || record.state == TRANSFER_OVER;
        restore_group(part->file, file);
        node_files_changed(n, peer);
        n->retry_usec = now.mono_usec;
        return 0;
}
