/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What callers want of files: offer, accept, reject, cancel, list */
#include <inttypes.h>
#include <stdio.h>

#include "core/node/node-private.h"

#define LIST_PAGE 64

/*
 * To whom
 */
struct recipients {
        struct peer *peers[GROUP_MEMBERS_MAX];
        size_t n;
        bool is_group;
        struct group_id group;
        size_t n_members; /* we are not counted */
};

static int check_user(const struct node *n, const char *word, const struct peer *peer,
        struct refusal *ret_refusal)
{
        const struct transfer_peer key = node_file_peer(peer);

        if (peer->record.blocked)
                return refuse(ret_refusal, REFUSAL_BLOCKED,
                        "You have blocked %.80s: \"p2pchat unblock %.80s\" first.", word, word);
        if (!peer_is_native(peer) || !n->options.identity)
                return refuse(ret_refusal, REFUSAL_NOT_SECURE,
                        "The program of %.80s is of the classic kind, which takes no files: they "
                        "only go to programs with keys.",
                        word);
        if (!peer->record.is_proven)
                return refuse(ret_refusal, REFUSAL_NOT_REACHABLE,
                        "%.80s has not proven its key yet, and is being called: try again in a few "
                        "seconds.",
                        word);
        if (!transfer_may_offer(n->files.engine, &key))
                return refuse(ret_refusal, REFUSAL_QUEUE_FULL,
                        "%d files for %.80s are open already: wait until some are over, or cancel "
                        "some.",
                        TRANSFER_OPEN_MAX, word);
        return 0;
}

/* What a classic user turned out to be is meant instead. */
static int find_user(struct node *n, const char *word, struct now now, struct recipients *ret,
        struct refusal *ret_refusal)
{
        struct peer *peer;
        int r, k;

        r = node_find_user(n, word, &peer, ret_refusal);
        if (r != 0)
                return r;
        peer = peers_successor(&n->peers, peer) ?: peer;
        r = check_user(n, word, peer, ret_refusal);
        if (r == REFUSAL_NOT_REACHABLE) {
                k = node_seek_session(n, peer, now);
                return k < 0 ? k : r;
        }
        ret->peers[0] = peer;
        ret->n = ret->n_members = 1;
        return r;
}

/* A member to whom nothing can go misses it; one with too much already has all of it refused. */
static int add_member(const struct node *n, const struct fellow *fellow, struct now now,
        struct recipients *to, struct refusal *ret_refusal)
{
        struct peer *peer = peers_by_id(&n->peers, fellow->id);
        char word[WORD_SIZE];
        int r;

        to->n_members++;
        if (!peer)
                return 0;
        node_word(n, peer->record.number, NULL, NULL, now, word);
        r = check_user(n, word, peer, ret_refusal);
        if (r == REFUSAL_QUEUE_FULL)
                return r;
        if (r == 0)
                to->peers[to->n++] = peer;
        return 0;
}

static int find_group(struct node *n, const char *word, struct now now, struct recipients *ret,
        struct refusal *ret_refusal)
{
        char its[WORD_SIZE];
        struct team *team;
        int r;

        r = node_find_team(n, word, &team, ret_refusal);
        if (r == 0 && team->state != GROUP_MEMBER)
                r = node_refuse_team(n, team, "", ret_refusal);
        if (r == 0 && team->is_other)
                r = node_team_refresh(n, team);
        for (size_t i = 0; r == 0 && i < team->n_members; i++)
                if (team->members[i].fellow)
                        r = add_member(n, team->members[i].fellow, now, ret, ret_refusal);
        if (r != 0)
                return r;
        ret->is_group = true;
        ret->group = team->id;
        if (ret->n == 0)
                return refuse(ret_refusal, REFUSAL_NOT_REACHABLE,
                        "None of the other members of %.90s can be sent a file from here: none was "
                        "met yet, or you have blocked them.",
                        node_team_word(n, team, its));
        return 0;
}

static int check(struct node *n, const char *word, const char *name, uint64_t size, struct now now,
        char ret_name[static TRANSFER_NAME_MAX + 1], struct recipients *ret,
        struct refusal *ret_refusal)
{
        if (transfer_name_clean(name, strlen(name), ret_name) < 0)
                return refuse(ret_refusal, REFUSAL_INVALID_NAME,
                        "\"%.100s\" cannot be the name of a file: valid UTF-8, and more than "
                        "blanks, dots and slashes.",
                        name);
        if (size > TRANSFER_FILE_SIZE_MAX)
                return refuse(ret_refusal, REFUSAL_TOO_LARGE,
                        "%.100s has %" PRIu64 " bytes; a file may have at most %" PRIu64
                        " (4 GiB): "
                        "send it in parts.",
                        ret_name, size, TRANSFER_FILE_SIZE_MAX);
        *ret = (struct recipients){ 0 };
        return node_is_team_word(n, word) ? find_group(n, word, now, ret, ret_refusal)
                                          : find_user(n, word, now, ret, ret_refusal);
}

int node_file_check(struct node *n, const char *word, const char *name, uint64_t size,
        struct now now, char ret_name[static TRANSFER_NAME_MAX + 1], struct refusal *ret_refusal)
{
        struct recipients to;

        return check(n, word, name, size, now, ret_name, &to, ret_refusal);
}

/*
 * Offering
 */
static int offer_to(struct node *n, const struct file_offer *offer, const char *name,
        const struct peer *peer, struct now now, struct file **ret)
{
        struct transfer_offer o = {
                .peer = node_file_peer(peer), .user = offer->uid, .name = name, .size = offer->size
        };
        struct file_part *part;
        int r;

        transfer_make_id(n->files.engine, &o.id);
        memcpy(o.hash, offer->hash, sizeof o.hash);
        r = transfer_offer(n->files.engine, &o, &now);
        assert(r <= 0);
        if (r == 0)
                r = node_file_add(n, &o.id, &offer->spool_id, true, &part);
        if (r < 0)
                return r;
        *ret = part->file;
        return 0;
}

int node_file_offer(
        struct node *n, const struct file_offer *offer, struct now now, struct refusal *ret_refusal)
{
        char name[TRANSFER_NAME_MAX + 1];
        struct file *file = NULL;
        struct recipients to;
        int r;

        r = check(n, offer->word, offer->name, offer->size, now, name, &to, ret_refusal);
        if (r != 0)
                return r;
        if (node_file(n, &offer->spool_id))
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "There is a file with the id of %.100s already: send it anew.", name);
        for (size_t i = 0; i < to.n && r == 0; i++)
                r = offer_to(n, offer, name, to.peers[i], now, &file);
        if (r < 0)
                return r;
        if (!to.is_group)
                return node_make_contact(n, to.peers[0], now);
        file->is_to_group = true;
        file->group = to.group;
        file->n_members = (uint32_t)to.n_members;
        file->n_missed = (uint32_t)(to.n_members - to.n);
        file->reason = TRANSFER_GONE;
        return 0;
}

/*
 * Files that there are
 */
static struct file *find(const struct node *n, const char *id)
{
        struct transfer_id bytes;
        size_t size;

        if (strlen(id) != FILE_ID_STRING_SIZE - 1 ||
                hex_decode(id, strlen(id), bytes.bytes, &size) < 0)
                return NULL;
        return node_file(n, &bytes);
}

static int refuse_unknown(const char *id, struct refusal *ret_refusal)
{
        return refuse(ret_refusal, REFUSAL_NO_SUCH_TRANSFER,
                "No file \"%.60s\" is on its way: it never was, or it is over. See \"p2pchat file "
                "list\".",
                id);
}

static struct file_part *first_part(const struct file *file)
{
        return container_of(list_first(&file->parts), struct file_part, in_file);
}

/* A file that comes to us. */
static int find_coming(
        const struct node *n, const char *id, struct file **ret, struct refusal *ret_refusal)
{
        *ret = find(n, id);
        if (!*ret)
                return refuse_unknown(id, ret_refusal);
        if ((*ret)->is_outgoing)
                return refuse(ret_refusal, REFUSAL_NO_SUCH_TRANSFER,
                        "File \"%.60s\" is one that this machine sends: the other side accepts or "
                        "rejects it; here it can be cancelled.",
                        id);
        return 0;
}

int node_file_accept(struct node *n, const char *id, uint64_t uid, struct now now,
        bool *ret_is_whole, struct refusal *ret_refusal)
{
        struct file *file;
        int r;

        r = find_coming(n, id, &file, ret_refusal);
        if (r != 0)
                return r;
        r = transfer_accept(n->files.engine, &first_part(file)->id, uid, &now);
        *ret_is_whole = r == TRANSFER_IS_WHOLE;
        return r == TRANSFER_UNKNOWN ? refuse_unknown(id, ret_refusal) : MIN(r, 0);
}

int node_file_reject(struct node *n, const char *id, struct now now, struct refusal *ret_refusal)
{
        struct file *file;
        int r;

        r = find_coming(n, id, &file, ret_refusal);
        if (r != 0)
                return r;
        r = transfer_reject(n->files.engine, &first_part(file)->id, &now);
        if (r == TRANSFER_UNFIT)
                return refuse(ret_refusal, REFUSAL_NO_SUCH_TRANSFER,
                        "File \"%.60s\" was accepted already: \"p2pchat file cancel %.60s\" ends "
                        "it.",
                        id, id);
        return r > 0 ? refuse_unknown(id, ret_refusal) : r;
}

int node_file_cancel(struct node *n, const char *id, struct now now, struct refusal *ret_refusal)
{
        struct file *file = find(n, id);
        bool is_open = false;

        if (!file)
                return refuse_unknown(id, ret_refusal);
        /* What that does to parts is seen at the end of the turn. */
        list_for_each (i, &file->parts) {
                struct file_part *part = container_of(i, struct file_part, in_file);
                int r = transfer_cancel(n->files.engine, &part->id, &now);

                if (r < 0)
                        return r;
                is_open |= r == 0;
        }
        return is_open ? 0 : refuse_unknown(id, ret_refusal);
}

int node_file_taken(struct node *n, const char *id, struct now now)
{
        struct file *file = find(n, id);

        if (!file || file->is_outgoing)
                return 0;
        return MIN(transfer_taken(n->files.engine, &first_part(file)->id, &now), 0);
}

/*
 * The list
 */
static void fill_in(const struct node *n, const struct transfer_record *record, struct now now,
        struct file_view *v)
{
        const struct file_part *part = node_file_part(n, &record->id);
        const struct transfer_id *spool_id = part ? &part->file->id : &record->id;
        char id[ID_STRING_SIZE];
        const struct peer *peer;

        identity_id(record->peer.bytes, id);
        peer = peers_by_id(&n->peers, id);
        hex_encode(spool_id->bytes, sizeof spool_id->bytes, v->id);
        v->spool_id = *spool_id;
        (void)node_file_user(n, &record->peer, now, v->user);
        memcpy(v->name, record->name, strlen(record->name) + 1);
        v->security = peer ? peer_security(peer) : SECURITY_ENCRYPTED;
        v->size = record->size;
        v->done = record->done;
        v->is_outgoing = record->is_outgoing;
        v->state = record->state;
        v->uid = node_file_owner(record);
}

static size_t count_files(const struct node *n)
{
        struct transfer_record page[LIST_PAGE];
        size_t count = 0, got;

        do {
                got = transfer_list(n->files.engine, count, page, LIST_PAGE);
                count += got;
        } while (got == LIST_PAGE);
        return count;
}

int node_list_files(const struct node *n, struct now now, struct file_view **ret, size_t *ret_n)
{
        size_t count = n->files.engine ? count_files(n) : 0;
        struct transfer_record *records = calloc(MAX(count, (size_t)1), sizeof *records);
        struct file_view *views = calloc(MAX(count, (size_t)1), sizeof *views);

        if (!records || !views) {
                free(records);
                free(views);
                return -ENOMEM;
        }
        if (count > 0)
                count = transfer_list(n->files.engine, 0, records, count);
        for (size_t i = 0; i < count; i++)
                fill_in(n, &records[i], now, &views[i]);
        free(records);
        *ret = views;
        *ret_n = count;
        return 0;
}
