/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files and their transfers: what is told and remembered of them */
#include <stdio.h>

#include "core/node/node-private.h"

#define STORE_AGAIN_USEC USEC_PER_DAY /* the end of its seven days is stored anew after this */

struct file *node_file(const struct node *n, const struct transfer_id *id)
{
        const struct table *t = &n->files.by_id;

        for (struct table_entry *e = table_find(t, id, sizeof *id); e; e = table_find_next(e)) {
                struct file *file = container_of(e, struct file, by_id);

                if (memcmp(&file->id, id, sizeof *id) == 0)
                        return file;
        }
        return NULL;
}

struct file_part *node_file_part(const struct node *n, const struct transfer_id *id)
{
        const struct table *t = &n->files.parts_by_id;

        for (struct table_entry *e = table_find(t, id, sizeof *id); e; e = table_find_next(e)) {
                struct file_part *part = container_of(e, struct file_part, by_id);

                if (memcmp(&part->id, id, sizeof *id) == 0)
                        return part;
        }
        return NULL;
}

static void release(struct node *n, struct file *file)
{
        if (!list_is_empty(&file->parts))
                return;
        table_remove(&n->files.by_id, &file->by_id);
        list_remove(&file->moved);
        free(file);
}

static int get(struct node *n, const struct transfer_id *id, bool is_outgoing, struct file **ret)
{
        struct file *file = node_file(n, id);
        int r;

        if (!file) {
                file = calloc(1, sizeof *file);
                if (!file)
                        return -ENOMEM;
                file->id = *id;
                file->is_outgoing = is_outgoing;
                list_init(&file->parts);
                list_init(&file->moved);
                r = table_add(&n->files.by_id, &file->by_id, id, sizeof *id);
                if (r < 0) {
                        free(file);
                        return r;
                }
        }
        *ret = file;
        return 0;
}

int node_file_add(struct node *n, const struct transfer_id *id, const struct transfer_id *spool_id,
        bool is_outgoing, struct file_part **ret)
{
        struct file_part *part;
        struct file *file;
        int r;

        r = get(n, spool_id, is_outgoing, &file);
        if (r < 0)
                return r;
        part = calloc(1, sizeof *part);
        r = part ? table_add(&n->files.parts_by_id, &part->by_id, id, sizeof *id) : -ENOMEM;
        if (r < 0) {
                free(part);
                release(n, file);
                return r;
        }
        part->id = *id;
        part->file = file;
        list_init(&part->gone);
        list_append(&file->parts, &part->in_file);
        *ret = part;
        return 0;
}

void node_file_sweep(struct node *n)
{
        struct list *first;

        while ((first = list_first(&n->files.gone))) {
                struct file_part *part = container_of(first, struct file_part, gone);
                struct file *file = part->file;

                list_remove(first);
                list_remove(&part->in_file);
                table_remove(&n->files.parts_by_id, &part->by_id);
                free(part);
                release(n, file);
        }
}

static struct file_part *part_at(struct list *i)
{
        return container_of(i, struct file_part, in_file);
}

/*
 * What is remembered
 */
static int emit(struct node *n, struct file_part *part, const struct transfer_record *record)
{
        const struct file *file = part->file;
        struct change c = { .type = CHANGE_TRANSFER,
                .transfer = {
                        .transfer = *record,
                        .spool_id = file->id,
                        .is_to_group = file->is_to_group,
                        .group = file->group,
                        .n_members = file->n_members,
                        .n_done = file->n_done,
                        .n_missed = file->n_missed,
                        .group_reason = file->reason,
                } };

        part->had = *record;
        part->had.name = NULL;
        part->is_stored = true;
        return agenda_add_change(&n->agenda, &c);
}

/* How far a file has come, its spool knows; that alone is not worth a commit. */
static bool is_news(const struct file_part *part, const struct transfer_record *record)
{
        const struct transfer_record *had = &part->had;

        return !part->is_stored || record->state != had->state || record->reason != had->reason ||
               record->is_told != had->is_told || record->user != had->user ||
               record->until_usec > usec_add(had->until_usec, STORE_AGAIN_USEC);
}

/* Under an id that has just become free the peer may have begun anew. */
static void begin_again(struct file_part *part)
{
        list_remove(&part->gone);
        part->is_stored = part->is_finished = part->is_discarded = false;
}

int node_file_store(struct node *n, const struct transfer_effect *e)
{
        struct file_part *part = node_file_part(n, &e->ref.id);
        int r;

        if (!part) {
                r = node_file_add(n, &e->ref.id, &e->ref.id, false, &part);
                if (r < 0)
                        return r;
        } else if (!list_is_empty(&part->gone) && part->is_finished) {
                begin_again(part);
        }
        return is_news(part, &e->record) ? emit(n, part, &e->record) : 0;
}

int node_file_forget(struct node *n, const struct transfer_effect *e)
{
        struct file_part *part = node_file_part(n, &e->ref.id);

        if (list_is_empty(&part->gone))
                list_append(&n->files.gone, &part->gone);
        return agenda_add_change(&n->agenda,
                &(struct change){ .type = CHANGE_TRANSFER_GONE, .transfer_id = e->ref.id });
}

int node_file_discard(struct node *n, const struct transfer_effect *e)
{
        struct file_part *part = node_file_part(n, &e->ref.id);
        struct effect out = { .type = EFFECT_SPOOL_DISCARD,
                .spool = { .ref = e->ref,
                        .id = part->file->id,
                        .size = e->record.size,
                        .uid = e->record.user } };

        part->is_discarded = true;
        list_for_each (i, &part->file->parts)
                if (!part_at(i)->is_discarded)
                        return 0;
        return agenda_add_effect(&n->agenda, &out);
}

/*
 * What is told
 */
static struct peer *peer_of(const struct node *n, const struct transfer_peer *key)
{
        char id[ID_STRING_SIZE];

        identity_id(key->bytes, id);
        return peers_by_id(&n->peers, id);
}

const char *node_file_user(const struct node *n, const struct transfer_peer *key, struct now now,
        char buffer[static WORD_SIZE])
{
        const struct peer *peer = peer_of(n, key);

        if (peer)
                return node_word(n, peer->record.number, NULL, NULL, now, buffer);
        identity_id(key->bytes, buffer);
        return buffer;
}

uint64_t node_file_owner(const struct transfer_record *record)
{
        return record->user == TRANSFER_NOBODY ? FILE_NOBODY : record->user;
}

/* The word of a group, or its id when we know it no more. */
static const char *group_word(
        const struct node *n, const struct group_id *group, char buffer[static WORD_SIZE])
{
        const struct team *team = node_team_by_id(n, group);

        return team ? node_team_word(n, team, buffer) : node_team_id(group, buffer);
}

/* Of a file to a group: of all its transfers together. */
static void add_up(const struct node *n, const struct file *file, struct change_file *c)
{
        uint64_t size = c->size;

        c->done = file->n_done * size;
        c->size = file->n_members * size;
        list_for_each (i, &file->parts) {
                struct transfer_record record;

                if (!part_at(i)->is_finished &&
                        transfer_find(n->files.engine, &part_at(i)->id, &record))
                        c->done += record.done;
        }
}

static int tell(struct node *n, const struct file *file, enum file_news news,
        const struct transfer_record *record, enum transfer_reason reason, struct now now)
{
        const struct peer *peer = peer_of(n, &record->peer);
        char word[WORD_SIZE], detail[64] = "";
        struct change c = { .type = CHANGE_FILE,
                .file = { .news = news,
                        .spool_id = file->id,
                        .user = word,
                        .name = record->name,
                        .security = peer ? peer_security(peer) : SECURITY_ENCRYPTED,
                        .uid = node_file_owner(record),
                        .size = record->size,
                        .done = record->done,
                        .is_outgoing = file->is_outgoing,
                        .state = record->state,
                        .reason = reason,
                        .detail = detail } };

        hex_encode(file->id.bytes, sizeof file->id.bytes, c.file.id);
        if (file->is_to_group) {
                (void)group_word(n, &file->group, word);
                add_up(n, file, &c.file);
                (void)snprintf(detail, sizeof detail, "%u of %u have it", (unsigned)file->n_done,
                        (unsigned)file->n_members);
        } else {
                (void)node_file_user(n, &record->peer, now, word);
        }
        return agenda_add_change(&n->agenda, &c);
}

int node_file_offered(struct node *n, const struct transfer_effect *e, struct now now)
{
        const struct file_part *part = node_file_part(n, &e->ref.id);
        const struct peer *peer = peer_of(n, &e->peer);

        if (peer && peer_is_muted(peer, now.real_usec))
                return 0;
        return tell(n, part->file, FILE_NEWS_OFFERED, &e->record, TRANSFER_DONE, now);
}

static void moved(struct node *n, struct file *file)
{
        if (list_is_empty(&file->moved))
                list_append(&n->files.moved, &file->moved);
}

int node_file_progress(struct node *n, const struct transfer_effect *e)
{
        struct file_part *part = node_file_part(n, &e->ref.id);

        moved(n, part->file);
        /* What goes out is stored when it is accepted; that it is not left for long is news, too.
         */
        return e->record.is_outgoing && is_news(part, &e->record) ? emit(n, part, &e->record) : 0;
}

/* One of the transfers that go on tells of those that are over. */
static int store_group(struct node *n, struct file *file)
{
        list_for_each (i, &file->parts) {
                struct transfer_record record;

                if (!part_at(i)->is_finished &&
                        transfer_find(n->files.engine, &part_at(i)->id, &record))
                        return emit(n, part_at(i), &record);
        }
        return 0;
}

static bool is_finished(const struct file *file)
{
        list_for_each (i, &file->parts)
                if (!part_at(i)->is_finished)
                        return false;
        return true;
}

int node_file_finished(struct node *n, const struct transfer_effect *e, struct now now)
{
        struct file_part *part = node_file_part(n, &e->ref.id);
        struct file *file = part->file;
        enum transfer_reason reason = e->record.reason;

        part->is_finished = true;
        if (!file->is_to_group) {
                list_remove(&file->moved);
                return tell(n, file, FILE_NEWS_FINISHED, &e->record, reason, now);
        }
        if (reason == TRANSFER_DONE) {
                file->n_done++;
        } else {
                file->n_missed++;
                file->reason = reason;
        }
        if (!is_finished(file)) {
                moved(n, file);
                return store_group(n, file);
        }
        list_remove(&file->moved);
        return tell(n, file, FILE_NEWS_FINISHED, &e->record,
                file->n_missed == 0 ? TRANSFER_DONE : file->reason, now);
}

/* Of one of its transfers that goes on. */
static int tell_progress(struct node *n, const struct file *file, struct now now)
{
        list_for_each (i, &file->parts) {
                struct transfer_record record;

                if (!part_at(i)->is_finished &&
                        transfer_find(n->files.engine, &part_at(i)->id, &record))
                        return tell(n, file, FILE_NEWS_PROGRESS, &record, TRANSFER_DONE, now);
        }
        return 0;
}

int node_files_tell(struct node *n, struct now now)
{
        struct list *first;
        int r = 0;

        while (r == 0 && (first = list_first(&n->files.moved))) {
                list_remove(first);
                r = tell_progress(n, container_of(first, struct file, moved), now);
        }
        return r;
}
