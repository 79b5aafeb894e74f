/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Whole nodes on one wire: no sockets, no store, no clock
 *
 * Each machine has a node and a disk, which is no more than what the changes said. The wire carries
 * the bytes of connections and the announcements, and remembers them all. net_run() lets everybody
 * have his turns until nothing is left to do; time passes only in net_pass().
 */
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "core/node/node.h"
#include "lib/node-spool.h"
#include "lib/test.h"

#define MACHINES_MAX 12
#define PIPES_MAX 4096
#define ROWS_MAX 512
#define TURNS_MAX 20000 /* of one net_run(): more is a loop */
#define NET_MONO (2 * USEC_PER_DAY)
#define NET_REAL (UINT64_C(1700000000) * USEC_PER_SEC)

/* How a node is called: a test may want it to fail. */
#ifndef NODE_OK
#define NODE_OK(x) ASSERT_OK(x)
#endif

struct bytes {
        uint8_t *data;
        size_t used, size;
};

static inline void bytes_append(struct bytes *b, const void *data, size_t size)
{
        b->data = realloc(b->data, b->size + size + 1);
        ASSERT_TRUE(b->data);
        if (size > 0)
                memcpy(b->data + b->size, data, size);
        b->size += size;
}

static inline bool bytes_contain(const struct bytes *b, const void *data, size_t size)
{
        return b->size >= size && memmem(b->data, b->size, data, size);
}

/* One end of a connection. */
struct end {
        int machine;
        uint64_t link;
        bool is_told;   /* that it stands, or that it was refused */
        bool is_closed; /* by this side: nothing is told to it any more */
        struct bytes in;
        bool is_ended;        /* the other side will send no more, */
        enum close_how ended; /* and ended it so */
};

struct pipe {
        bool is_refused, is_reset;
        struct end ends[2]; /* who dialled, who accepted */
};

struct row {
        struct message_record message;
        char *text;
        uint64_t stream_number;
        char reason[32];
};

struct group_row {
        struct group_record group;
        uint8_t *data;
};

struct leave_row {
        struct leave_record leave;
        uint8_t data[GROUP_LEAVE_SIZE_MAX];
};

struct disk {
        size_t n_peers, n_rows, n_streams, n_marks, n_refused;
        struct peer_record peers[64];
        struct row rows[ROWS_MAX];
        struct stream_record streams[64];
        struct mark_record marks[64];
        struct refused_record refused[64];
        struct ring_record ring;
        struct ledger_record ledger;
        size_t n_blocks;
        struct block_record blocks[64]; /* each with its own memory */
        size_t n_groups, n_leaves, n_lanes;
        struct group_row groups[32];
        struct leave_row leaves[16];
        struct lane_record lanes[256];
};

struct machine {
        struct net *net;
        int index;
        char name[USERNAME_SIZE_MAX + 1];
        struct endpoint address;
        struct identity identity;
        bool is_native;
        struct random *random;
        struct node *node;
        bool is_up;
        bool is_full; /* its disk takes nothing now: its turn stays open */
        int lan;      /* announcements are heard by those of the same one */
        bool is_shut; /* nobody of another one can connect to it */
        struct disk disk;
        struct spools files;
        size_t n_loads;
        struct ulid loads[ROWS_MAX];
        struct effect reply; /* the last one */
        size_t n_replies;
        struct effect answer; /* the last one about the ring */
        char sentence[SENTENCE_SIZE];
        size_t n_answers;
        size_t n_dials;
        char warnings[16][2][SENTENCE_SIZE]; /* kind, sentence */
        size_t n_warnings;
        size_t n_proven;
        char session_end[32]; /* why the last session ended */
        struct change_session session;
        struct change_certified certified[64];
        size_t n_certified;
        bool wants_chain;
        size_t n_wanted; /* blocks that are to be loaded */
        struct effect wanted[64];
        size_t n_asked; /* messages of groups that are to be loaded */
        struct effect asked[256];
        struct change_invited invited; /* the last time; what its pointers point to is gone */
        char invited_word[WORD_SIZE], invited_by[WORD_SIZE];
        size_t n_invited;
};

struct net {
        struct now now;
        struct machine machines[MACHINES_MAX];
        struct pipe *pipes[PIPES_MAX];
        size_t n_pipes;
        uint64_t accepted_last;
        struct bytes capture; /* of connections */
        bool is_deaf;         /* announcements are lost */
        bool has_ring, has_ledger;
        struct genesis genesis; /* of the network that all are in at first */
        bool is_busy;           /* somebody was told something in this round */
};

/*
 * Disks
 */
static inline struct peer_record *disk_peer(struct disk *d, uint64_t number)
{
        for (size_t i = 0; i < d->n_peers; i++)
                if (d->peers[i].number == number)
                        return &d->peers[i];
        return NULL;
}

static inline struct row *disk_row(struct disk *d, const struct ulid *id)
{
        for (size_t i = 0; i < d->n_rows; i++)
                if (ulid_equal(&d->rows[i].message.id, id))
                        return &d->rows[i];
        return NULL;
}

/* The @n-th of those received, or sent. */
static inline struct row *disk_nth(struct disk *d, enum direction direction, size_t n)
{
        for (size_t i = 0; i < d->n_rows; i++)
                if (d->rows[i].message.direction == direction && n-- == 0)
                        return &d->rows[i];
        return NULL;
}

static inline size_t disk_count(struct disk *d, enum direction direction)
{
        size_t n = 0;

        while (disk_nth(d, direction, n))
                n++;
        return n;
}

/* True when it is there already. */
static inline bool disk_add_message(struct disk *d, const struct message_record *m)
{
        struct row *row = &d->rows[d->n_rows];

        for (size_t i = 0; i < d->n_rows && m->group.number > 0; i++)
                if (d->rows[i].message.peer == m->peer &&
                        d->rows[i].message.group.number == m->group.number &&
                        group_lane_id_equal(&d->rows[i].message.group.lane, &m->group.lane))
                        return true;
        for (size_t i = 0; i < d->n_rows && m->stream_number > 0; i++)
                if (d->rows[i].message.peer == m->peer && d->rows[i].message.stream_number > 0 &&
                        ulid_equal(&d->rows[i].message.origin, &m->origin))
                        return true;
        ASSERT_LT(d->n_rows++, ROWS_MAX);
        *row = (struct row){ .message = *m, .text = malloc(m->size + 1) };
        ASSERT_TRUE(row->text);
        memcpy(row->text, m->text, m->size);
        row->text[m->size] = 0;
        row->message.text = row->text;
        return false;
}

#define DISK_PUT(d, rows, n, record, is_same)                                                      \
        do {                                                                                       \
                size_t _i;                                                                         \
                                                                                                   \
                for (_i = 0; _i < (d)->n; _i++)                                                    \
                        if (is_same((d)->rows[_i], record))                                        \
                                break;                                                             \
                ASSERT_LT(_i, ELEMENTSOF((d)->rows));                                              \
                (d)->n += _i == (d)->n;                                                            \
                (d)->rows[_i] = record;                                                            \
        } while (0)
#define SAME_BLOCK(a, b)                                                                           \
        ((a).height == (b).height && memcmp((a).network, (b).network, HASH_SIZE) == 0)
#define SAME_NUMBER(a, b) ((a).number == (b).number)
#define SAME_PEER(a, b) ((a).peer == (b).peer)
#define SAME_STREAM(a, b) ((a).peer == (b).peer && (a).stream == (b).stream)
#define SAME_REFUSED(a, b) (SAME_STREAM(a, b) && (a).number == (b).number)

static inline void disk_drop_mark(struct disk *d, const struct mark_record *m)
{
        for (size_t i = 0; i < d->n_marks; i++)
                if (SAME_STREAM(d->marks[i], *m)) {
                        memmove(&d->marks[i], &d->marks[i + 1],
                                (--d->n_marks - i) * sizeof d->marks[0]);
                        return;
                }
}

static inline void disk_drop_block(struct disk *d, size_t i)
{
        free((uint8_t *)d->blocks[i].data);
        d->blocks[i] = d->blocks[--d->n_blocks];
}

static inline void disk_put_block(struct disk *d, const struct block_record *b)
{
        struct block_record copy = *b;
        uint8_t *data = malloc(b->size + 1);

        ASSERT_TRUE(data);
        memcpy(data, b->data, b->size);
        copy.data = data;
        for (size_t i = 0; i < d->n_blocks; i++)
                if (SAME_BLOCK(d->blocks[i], *b))
                        disk_drop_block(d, i);
        ASSERT_LT(d->n_blocks, ELEMENTSOF(d->blocks));
        d->blocks[d->n_blocks++] = copy;
}

static inline void disk_drop_blocks(struct disk *d, const struct block_record *above)
{
        for (size_t i = d->n_blocks; i-- > 0;)
                if (d->blocks[i].height > above->height &&
                        memcmp(d->blocks[i].network, above->network, HASH_SIZE) == 0)
                        disk_drop_block(d, i);
}

static inline const struct block_record *disk_block(
        const struct disk *d, const uint8_t *network, uint32_t height)
{
        for (size_t i = 0; i < d->n_blocks; i++)
                if (d->blocks[i].height == height &&
                        memcmp(d->blocks[i].network, network, HASH_SIZE) == 0)
                        return &d->blocks[i];
        return NULL;
}

static inline void disk_put_group(struct disk *d, const struct group_record *g)
{
        size_t i;

        for (i = 0; i < d->n_groups; i++)
                if (d->groups[i].group.number == g->number)
                        break;
        ASSERT_LT(i, ELEMENTSOF(d->groups));
        if (i == d->n_groups)
                d->groups[d->n_groups++] = (struct group_row){ 0 };
        free(d->groups[i].data);
        d->groups[i].data = malloc(g->size);
        ASSERT_TRUE(d->groups[i].data);
        memcpy(d->groups[i].data, g->membership, g->size);
        usec_t muted_until_usec = d->groups[i].group.muted_until_usec;
        d->groups[i].group = *g;
        d->groups[i].group.muted_until_usec = muted_until_usec;
        d->groups[i].group.membership = d->groups[i].data;
}

static inline void disk_put_lane(
        struct disk *d, uint64_t group, const struct group_lane_id *lane, uint64_t number)
{
        for (size_t i = 0; i < d->n_lanes; i++)
                if (d->lanes[i].group == group && group_lane_id_equal(&d->lanes[i].lane, lane)) {
                        d->lanes[i].number = MAX(d->lanes[i].number, number);
                        return;
                }
        ASSERT_LT(d->n_lanes, ELEMENTSOF(d->lanes));
        d->lanes[d->n_lanes++] = (struct lane_record){ group, *lane, number };
}

static inline void disk_drop_leave(struct disk *d, const struct leave_record *l)
{
        for (size_t i = 0; i < d->n_leaves; i++)
                if (d->leaves[i].leave.group == l->group &&
                        group_key_equal(&d->leaves[i].leave.key, &l->key))
                        d->leaves[i--] = d->leaves[--d->n_leaves];
}

static inline void disk_put_leave(struct disk *d, const struct leave_record *l)
{
        struct leave_row *row;

        disk_drop_leave(d, l);
        ASSERT_LT(d->n_leaves, ELEMENTSOF(d->leaves));
        row = &d->leaves[d->n_leaves++];
        row->leave = *l;
        memcpy(row->data, l->data, l->size);
}

static inline void disk_forget(struct disk *d, uint64_t number)
{
        for (size_t i = 0; i < d->n_rows; i++) {
                if (d->rows[i].message.peer != number)
                        continue;
                free(d->rows[i].text);
                memmove(&d->rows[i], &d->rows[i + 1], (--d->n_rows - i) * sizeof d->rows[0]);
                i--;
        }
}

static inline void disk_drop_group(struct disk *d, uint64_t number)
{
        disk_forget(d, number);
        for (size_t i = 0; i < d->n_groups; i++)
                if (d->groups[i].group.number == number) {
                        free(d->groups[i].data);
                        d->groups[i--] = d->groups[--d->n_groups];
                }
        for (size_t i = 0; i < d->n_lanes; i++)
                if (d->lanes[i].group == number)
                        d->lanes[i--] = d->lanes[--d->n_lanes];
        for (size_t i = 0; i < d->n_leaves; i++)
                if (d->leaves[i].leave.group == number)
                        d->leaves[i--] = d->leaves[--d->n_leaves];
}

static inline const struct message_record *disk_group_message(
        const struct disk *d, const struct effect *e)
{
        for (size_t i = 0; i < d->n_rows; i++) {
                const struct message_record *m = &d->rows[i].message;

                if (m->peer == e->load_group_message.group &&
                        m->group.number == e->load_group_message.number &&
                        group_lane_id_equal(&m->group.lane, &e->load_group_message.lane))
                        return m;
        }
        return NULL;
}

static inline void machine_apply(struct machine *m, const struct change *c)
{
        struct disk *d = &m->disk;
        struct row *row;

        switch (c->type) {
        case CHANGE_PEER:
                DISK_PUT(d, peers, n_peers, c->peer, SAME_NUMBER);
                break;
        case CHANGE_MESSAGE:
                if (disk_add_message(d, &c->message) && c->message.stream_number > 0)
                        NODE_OK(node_known(m->node, c->message.peer, c->message.stream_number));
                if (c->message.group.number > 0)
                        disk_put_lane(d, c->message.peer, &c->message.group.lane,
                                c->message.group.number);
                break;
        case CHANGE_STATE:
                row = disk_row(d, &c->state.id);
                ASSERT_TRUE(row);
                row->message.state = c->state.state;
                row->message.security = c->state.security;
                snprintf(row->reason, sizeof row->reason, "%s", c->state.reason);
                break;
        case CHANGE_NUMBER:
                row = disk_row(d, &c->numbered.id);
                ASSERT_TRUE(row);
                row->stream_number = c->numbered.number;
                break;
        case CHANGE_STREAM:
                DISK_PUT(d, streams, n_streams, c->stream, SAME_PEER);
                break;
        case CHANGE_MARK:
                DISK_PUT(d, marks, n_marks, c->mark, SAME_STREAM);
                break;
        case CHANGE_MARK_GONE:
                disk_drop_mark(d, &c->mark);
                break;
        case CHANGE_REFUSED:
                DISK_PUT(d, refused, n_refused, c->refused, SAME_REFUSED);
                break;
        case CHANGE_WARNING:
                ASSERT_LT(m->n_warnings, ELEMENTSOF(m->warnings));
                snprintf(m->warnings[m->n_warnings][0], SENTENCE_SIZE, "%s", c->warning.kind);
                snprintf(m->warnings[m->n_warnings++][1], SENTENCE_SIZE, "%s", c->warning.sentence);
                break;
        case CHANGE_SESSION:
                m->n_proven += streq(c->session.what, "proven");
                if (!streq(c->session.what, "proven")) {
                        snprintf(m->session_end, sizeof m->session_end, "%s", c->session.what);
                        m->session = c->session;
                }
                break;
        case CHANGE_RING:
                d->ring = c->ring;
                break;
        case CHANGE_LEDGER:
                d->ledger = c->ledger;
                break;
        case CHANGE_BLOCK:
                disk_put_block(d, &c->block);
                break;
        case CHANGE_BLOCKS_GONE:
                disk_drop_blocks(d, &c->block);
                break;
        case CHANGE_CERTIFIED:
                ASSERT_LT(m->n_certified, ELEMENTSOF(m->certified));
                m->certified[m->n_certified++] = c->certified;
                break;
        case CHANGE_GROUP:
                disk_put_group(d, &c->group);
                break;
        case CHANGE_GROUP_GONE:
                disk_drop_group(d, c->number);
                break;
        case CHANGE_GROUP_MUTED:
                for (size_t i = 0; i < d->n_groups; i++)
                        if (d->groups[i].group.number == c->muted.number)
                                d->groups[i].group.muted_until_usec = c->muted.until_usec;
                break;
        case CHANGE_LEAVE:
                disk_put_leave(d, &c->leave);
                break;
        case CHANGE_LEAVE_GONE:
                disk_drop_leave(d, &c->leave);
                break;
        case CHANGE_LANE:
                disk_put_lane(d, c->lane.group, &c->lane.lane, c->lane.number);
                break;
        case CHANGE_INVITED:
                m->invited = c->invited;
                snprintf(m->invited_word, sizeof m->invited_word, "%s", c->invited.word);
                snprintf(m->invited_by, sizeof m->invited_by, "%s", c->invited.by);
                m->n_invited++;
                break;
        case CHANGE_FORGET:
                for (size_t i = 0; i < d->n_groups; i++)
                        if (d->groups[i].group.number == c->number)
                                disk_forget(d, c->number);
                break;
        case CHANGE_TRANSFER:
                spools_put(&m->files, &c->transfer);
                break;
        case CHANGE_TRANSFER_GONE:
                spools_forget(&m->files, &c->transfer_id);
                break;
        case CHANGE_FILE:
                spools_tell(&m->files, &c->file);
                break;
        case CHANGE_PEER_GONE:
        case CHANGE_PROGRESS:
        case CHANGE_USERNAME:
        case CHANGE_PRESENCE:
                break;
        }
}

/*
 * The wire
 */
static inline struct machine *net_at(struct net *net, const struct endpoint *e)
{
        for (int i = 0; i < MACHINES_MAX; i++)
                if (net->machines[i].is_up && endpoint_same_address(&net->machines[i].address, e))
                        return &net->machines[i];
        return NULL;
}

static inline struct end *net_end(
        struct net *net, const struct machine *m, uint64_t link, struct end **ret_other)
{
        for (size_t i = 0; i < net->n_pipes; i++)
                for (int k = 0; k < 2; k++) {
                        struct end *e = &net->pipes[i]->ends[k];

                        if (e->machine != m->index || e->link != link || e->is_closed)
                                continue;
                        *ret_other = &net->pipes[i]->ends[1 - k];
                        return e;
                }
        return NULL;
}

/* A connection to @to; refused when nobody listens there. */
static inline struct pipe *net_dial(
        struct net *net, int from, uint64_t link, const struct endpoint *to)
{
        struct machine *m = net_at(net, to);
        struct pipe *p = calloc(1, sizeof *p);

        ASSERT_LT(net->n_pipes, PIPES_MAX);
        ASSERT_TRUE(p);
        net->pipes[net->n_pipes++] = p;
        p->ends[0] = (struct end){ .machine = from, .link = link };
        p->is_refused = !m || to->port != m->address.port ||
                        (m->is_shut && from >= 0 && m->lan != net->machines[from].lan);
        p->ends[1] = (struct end){ .machine = m ? m->index : -1,
                .link = net->accepted_last += 2,
                .is_closed = p->is_refused };
        return p;
}

static inline void machine_carry_out(struct machine *m, const struct effect *e)
{
        struct net *net = m->net;
        struct end *own, *other;

        switch (e->type) {
        case EFFECT_SEND:
                own = net_end(net, m, e->send.link, &other);
                ASSERT_TRUE(own);
                bytes_append(&net->capture, e->send.data, e->send.size);
                bytes_append(&other->in, e->send.data, e->send.size);
                break;
        case EFFECT_DIAL:
                m->n_dials++;
                net_dial(net, m->index, e->dial.link, &e->dial.to);
                break;
        case EFFECT_CLOSE:
                own = net_end(net, m, e->close.link, &other);
                if (!own)
                        break;
                own->is_closed = e->close.how != CLOSE_FINISH;
                other->is_ended = true;
                other->ended = e->close.how;
                break;
        case EFFECT_DATAGRAM:
                net->is_busy = true;
                for (int i = 0; i < MACHINES_MAX && !net->is_deaf; i++)
                        if (i != m->index && net->machines[i].is_up &&
                                net->machines[i].lan == m->lan)
                                NODE_OK(node_datagram(net->machines[i].node, e->datagram.dialect,
                                        &m->address, e->datagram.data, e->datagram.size, net->now));
                break;
        case EFFECT_REPLY:
                m->reply = *e;
                m->n_replies++;
                break;
        case EFFECT_REFUSE:
                snprintf(m->sentence, sizeof m->sentence, "%s", e->refuse.sentence);
                m->answer = *e;
                m->n_answers++;
                break;
        case EFFECT_JOINED:
        case EFFECT_FOUND:
                m->answer = *e;
                m->n_answers++;
                break;
        case EFFECT_LOAD:
                ASSERT_LT(m->n_loads, ELEMENTSOF(m->loads));
                m->loads[m->n_loads++] = e->load.id;
                break;
        case EFFECT_LOAD_BLOCK:
                ASSERT_LT(m->n_wanted, ELEMENTSOF(m->wanted));
                m->wanted[m->n_wanted++] = *e;
                break;
        case EFFECT_LOAD_CHAIN:
                m->wants_chain = true;
                break;
        case EFFECT_LOAD_GROUP_MESSAGE:
                ASSERT_LT(m->n_asked, ELEMENTSOF(m->asked));
                m->asked[m->n_asked++] = *e;
                break;
        case EFFECT_SPOOL_WRITE:
        case EFFECT_SPOOL_READ:
        case EFFECT_SPOOL_HASH:
        case EFFECT_SPOOL_DISCARD:
        case EFFECT_ASK_ROOM:
                spools_ask(&m->files, e);
                break;
        }
}

/* Ends the turn of @m. */
static inline void machine_end_turn(struct machine *m)
{
        struct change c;
        struct effect e;

        NODE_OK(node_end_turn(m->node, m->net->now));
        while (node_next_change(m->node, &c))
                machine_apply(m, &c);
        NODE_OK(node_committed(m->node, m->net->now));
        while (node_next_effect(m->node, &e))
                machine_carry_out(m, &e);
}

static inline bool machine_load(struct machine *m)
{
        struct row *row;

        if (m->n_loads == 0)
                return false;
        for (size_t i = 0; i < m->n_loads; i++) {
                row = disk_row(&m->disk, &m->loads[i]);
                if (row && row->message.state == MESSAGE_QUEUED)
                        NODE_OK(node_loaded(m->node, &m->loads[i], row->message.time_usec,
                                row->text, row->message.size, m->net->now));
                else
                        NODE_OK(node_loaded(m->node, &m->loads[i], 0, NULL, 0, m->net->now));
        }
        m->n_loads = 0;
        return true;
}

static inline void machine_restore_ledger(struct machine *m)
{
        const struct block_record *genesis = NULL, *b;
        struct disk *d = &m->disk;

        m->wants_chain = false;
        for (size_t i = 0; i < d->n_blocks; i++)
                if (d->blocks[i].height == 0 && node_ledger_is_network(m->node, &d->ledger,
                                                        d->blocks[i].data, d->blocks[i].size))
                        genesis = &d->blocks[i];
        NODE_OK(node_restore_ledger(m->node, &d->ledger, genesis, m->net->now));
        for (uint32_t h = 1; genesis && (b = disk_block(d, genesis->network, h)); h++) {
                int r = node_restore_block(m->node, b, m->net->now);

                NODE_OK(MIN(r, 0));
                if (r != 0)
                        break;
        }
}

/* What a daemon does for the ledger between turns. True when there was something. */
static inline bool machine_serve_ledger(struct machine *m)
{
        bool was_busy = m->wants_chain || m->n_wanted > 0;

        if (m->wants_chain)
                machine_restore_ledger(m);
        for (size_t i = 0; i < m->n_wanted; i++) {
                const struct effect *e = &m->wanted[i];
                const struct block_record *b =
                        disk_block(&m->disk, e->load_block.network, e->load_block.height);

                NODE_OK(node_block_loaded(m->node, &e->load_block.peer, b ? b->data : NULL,
                        b ? b->size : 0, m->net->now));
        }
        m->n_wanted = 0;
        if (!node_ledger_is_mining(m->node, m->net->now))
                return was_busy;
        NODE_OK(node_ledger_mine(m->node, 1000, m->net->now));
        return true;
}

/* The same for groups. */
static inline bool machine_serve_groups(struct machine *m)
{
        bool was_busy = m->n_asked > 0;

        for (size_t i = 0; i < m->n_asked; i++)
                NODE_OK(node_group_message_loaded(m->node, m->asked[i].load_group_message.group,
                        &m->asked[i].load_group_message.peer,
                        disk_group_message(&m->disk, &m->asked[i]), m->net->now));
        m->n_asked = 0;
        return was_busy;
}

/* What a daemon does for files between turns. True when there was something. */
static inline bool machine_serve_files(struct machine *m)
{
        struct spools *s = &m->files;
        struct effect asked[ELEMENTSOF(s->asked)];
        size_t n = s->n_asked, n_kept = 0;

        if (s->is_holding || n == 0)
                return false;
        memcpy(asked, s->asked, n * sizeof *asked);
        s->n_asked = 0;
        for (size_t i = 0; i < n; i++) {
                if (asked[i].type == EFFECT_ASK_ROOM && s->is_deaf)
                        s->asked[n_kept++] = asked[i];
                else
                        NODE_OK(spools_answer(s, m->node, &asked[i], m->net->now));
        }
        s->n_asked = n_kept;
        return n_kept < n;
}

/* Tells one end what has happened. True when there was something. */
static inline bool end_step(struct net *net, struct pipe *p, int k)
{
        struct end *e = &p->ends[k];
        struct machine *m = e->machine >= 0 ? &net->machines[e->machine] : NULL;

        if (e->is_closed || !m || !m->node)
                return false;
        if (!e->is_told) {
                e->is_told = true;
                if (p->is_refused) {
                        e->is_closed = true;
                        NODE_OK(node_closed(m->node, e->link, LINK_REFUSED, net->now));
                } else if (k == 0) {
                        NODE_OK(node_connected(m->node, e->link, net->now));
                } else {
                        struct endpoint from = p->ends[0].machine >= 0
                                                       ? net->machines[p->ends[0].machine].address
                                                       : endpoint_ipv4(10, 0, 0, 99, 0);

                        from.port = 40000;
                        NODE_OK(node_accepted(m->node, e->link, &from, net->now));
                }
                return true;
        }
        if (p->is_reset) {
                e->is_closed = true;
                NODE_OK(node_closed(m->node, e->link, LINK_RESET, net->now));
                return true;
        }
        if (e->in.size > 0) {
                NODE_OK(node_received(m->node, e->link, e->in.data, e->in.size, net->now));
                free(e->in.data);
                e->in = (struct bytes){ 0 };
                return true;
        }
        if (!e->is_ended)
                return false;
        e->is_closed = true;
        NODE_OK(node_ended(m->node, e->link, net->now));
        NODE_OK(node_closed(m->node, e->link, LINK_CLOSED, net->now));
        return true;
}

/* Until nobody has anything to do at this time. */
static inline void net_run(struct net *net)
{
        int turns = 0;

        do {
                ASSERT_LT(turns++, TURNS_MAX);
                net->is_busy = false;
                for (int i = 0; i < MACHINES_MAX; i++) {
                        struct machine *m = &net->machines[i];

                        if (!m->is_up)
                                continue;
                        if (node_deadline(m->node) <= net->now.mono_usec) {
                                NODE_OK(node_advance(m->node, net->now));
                                net->is_busy = true;
                        }
                        if (!m->is_full)
                                machine_end_turn(m);
                        net->is_busy |= machine_load(m);
                        net->is_busy |= machine_serve_ledger(m);
                        net->is_busy |= machine_serve_groups(m);
                        net->is_busy |= machine_serve_files(m);
                }
                for (size_t i = 0; i < net->n_pipes; i++)
                        for (int k = 0; k < 2; k++)
                                net->is_busy |= end_step(net, net->pipes[i], k);
        } while (net->is_busy);
}

static inline void net_pass(struct net *net, usec_t span_usec)
{
        usec_t end_usec = net->now.mono_usec + span_usec;

        for (;;) {
                usec_t next_usec = end_usec;

                net_run(net);
                for (int i = 0; i < MACHINES_MAX; i++)
                        if (net->machines[i].is_up)
                                next_usec =
                                        usec_min(next_usec, node_deadline(net->machines[i].node));
                net->now.real_usec += next_usec - net->now.mono_usec;
                net->now.mono_usec = next_usec;
                if (next_usec == end_usec)
                        break;
        }
        net_run(net);
}

/* All connections break, without a word. */
static inline void net_cut(struct net *net)
{
        for (size_t i = 0; i < net->n_pipes; i++)
                net->pipes[i]->is_reset = true;
        net_run(net);
}

static inline void net_forget_links(struct net *net, int machine)
{
        for (size_t i = 0; i < net->n_pipes; i++)
                for (int k = 0; k < 2; k++)
                        if (net->pipes[i]->ends[k].machine == machine) {
                                net->pipes[i]->ends[k].is_closed = true;
                                net->pipes[i]->is_reset = true;
                        }
}

/*
 * Machines
 */
static inline void net_init(struct net *net)
{
        *net = (struct net){ .now = { NET_MONO, NET_REAL } };
}

static inline void machine_restore_groups(struct machine *m)
{
        struct disk *d = &m->disk;

        for (size_t i = 0; i < d->n_groups; i++)
                NODE_OK(node_restore_group(m->node, &d->groups[i].group, m->net->now));
        for (size_t i = 0; i < d->n_leaves; i++) {
                struct leave_record leave = d->leaves[i].leave;

                leave.data = d->leaves[i].data;
                NODE_OK(node_restore_leave(m->node, &leave));
        }
        for (size_t i = 0; i < d->n_lanes; i++)
                NODE_OK(node_restore_lane(m->node, &d->lanes[i]));
        for (size_t i = 0; i < d->n_rows; i++) {
                const struct message_record *r = &d->rows[i].message;
                const struct told_record told = { r->id, r->peer, r->group.lane, r->group.number,
                        r->state, r->size };

                if (r->group.number > 0 && r->direction == DIRECTION_SENT &&
                        (r->state == MESSAGE_QUEUED || r->state == MESSAGE_SENT))
                        NODE_OK(node_restore_told(m->node, &told, m->net->now));
        }
}

static inline void machine_start(struct machine *m, const char *name)
{
        struct interface interface = {
                .index = 1,
                .address = m->address,
                .broadcast = { endpoint_ipv4(255, 255, 255, 255, 0) },
                .n_broadcast = 1,
        };
        struct node_options options = {
                .username = name,
                .identity = m->is_native ? &m->identity : NULL,
                .random = m->random,
                .port = m->address.port,
                .announce = true,
                .ring = m->net->has_ring,
                .ledger = m->net->has_ledger,
        };

        if (m->name != name)
                snprintf(m->name, sizeof m->name, "%s", name);
        NODE_OK(node_new(&options, m->net->now, &m->node));
        for (size_t i = 0; i < m->disk.n_peers; i++)
                NODE_OK(node_restore_peer(m->node, &m->disk.peers[i], m->net->now));
        for (size_t i = 0; i < m->disk.n_streams; i++)
                NODE_OK(node_restore_stream(m->node, &m->disk.streams[i]));
        for (size_t i = 0; i < m->disk.n_marks; i++)
                NODE_OK(node_restore_mark(m->node, &m->disk.marks[i]));
        for (size_t i = 0; i < m->disk.n_refused; i++)
                NODE_OK(node_restore_refused(m->node, &m->disk.refused[i]));
        machine_restore_groups(m);
        for (size_t i = 0; i < m->disk.n_rows; i++) {
                const struct message_record *r = &m->disk.rows[i].message;
                struct queued_record queued = {
                        .id = r->id,
                        .peer = r->peer,
                        .security = r->security,
                        .size = r->size,
                        .stream_number = m->disk.rows[i].stream_number,
                };

                if (r->direction == DIRECTION_SENT && r->state == MESSAGE_QUEUED &&
                        r->group.number == 0)
                        NODE_OK(node_restore_queued(m->node, &queued, m->net->now));
        }
        for (size_t i = 0; i < m->files.n_rows; i++) {
                struct file_row *row = &m->files.rows[i];
                struct spool *spool = spools_find(&m->files, &row->record.spool_id);

                row->record.transfer.name = row->name;
                NODE_OK(node_restore_transfer(
                        m->node, &row->record, spool ? spool->n_certain : 0, m->net->now));
        }
        NODE_OK(node_restore_ring(m->node, &m->disk.ring, m->net->now));
        if (m->net->has_ledger)
                machine_restore_ledger(m);
        m->is_up = true;
        NODE_OK(node_network(m->node, &interface, 1, m->net->now));
}

static inline void machine_stop(struct machine *m)
{
        net_forget_links(m->net, m->index);
        m->node = node_free(m->node);
        m->is_up = false;
        spools_stop(&m->files);
        m->n_loads = m->n_wanted = m->n_asked = 0;
        m->wants_chain = false;
}

/* A new machine; of two with the same @seed one is a copy of the other. Its address is 10.0.0.N
 * with N = @index + 1. */
static inline struct machine *net_add_at(
        struct net *net, int lan, int index, const char *name, unsigned seed, bool is_native)
{
        struct machine *m = &net->machines[index];
        uint8_t key[IDENTITY_SEED_SIZE] = { (uint8_t)seed, 7 };

        *m = (struct machine){
                .net = net,
                .index = index,
                .address = endpoint_ipv4(10, 0, 0, (uint8_t)(index + 1), ENDPOINT_PORT_DEFAULT),
                .is_native = is_native,
                .lan = lan,
        };
        ASSERT_OK(identity_init(&m->identity, key));
        ASSERT_OK(random_new_seeded((unsigned)index + 1, &m->random));
        if (net->genesis.name[0]) {
                uint8_t data[GENESIS_SIZE_MAX];
                struct block_record genesis = { .data = data };

                genesis.size = genesis_encode(&net->genesis, data);
                memcpy(genesis.network, net->genesis.context.network, HASH_SIZE);
                genesis_word(&net->genesis, m->disk.ledger.network);
                disk_put_block(&m->disk, &genesis);
        }
        machine_start(m, name);
        return m;
}

static inline struct machine *net_add(
        struct net *net, int index, const char *name, unsigned seed, bool is_native)
{
        return net_add_at(net, 0, index, name, seed, is_native);
}

static inline void machine_restart(struct machine *m)
{
        char name[sizeof m->name];

        memcpy(name, m->name, sizeof name);
        if (m->node)
                machine_stop(m);
        machine_start(m, name);
}

static inline void net_done(struct net *net)
{
        for (int i = 0; i < MACHINES_MAX; i++) {
                struct machine *m = &net->machines[i];

                node_free(m->node);
                random_free(m->random);
                identity_done(&m->identity);
                for (size_t k = 0; k < m->disk.n_rows; k++)
                        free(m->disk.rows[k].text);
                spools_done(&m->files);
                while (m->disk.n_blocks > 0)
                        disk_drop_block(&m->disk, 0);
                for (size_t k = 0; k < m->disk.n_groups; k++)
                        free(m->disk.groups[k].data);
        }
        for (size_t i = 0; i < net->n_pipes; i++) {
                free(net->pipes[i]->ends[0].in.data);
                free(net->pipes[i]->ends[1].in.data);
                free(net->pipes[i]);
        }
        free(net->capture.data);
}

/* As a person at @m; 0 or the refusal. */
static inline int machine_send_as(
        struct machine *m, const char *word, const char *text, int security, usec_t wait_usec)
{
        const struct send_options options = { .security = security, .wait_usec = wait_usec };

        return node_send(m->node, 1, word, text, strlen(text), &options, m->net->now, NULL);
}

static inline int machine_send(struct machine *m, const char *word, const char *text)
{
        return machine_send_as(m, word, text, -1, SEND_WAIT_USEC);
}

static inline int net_set_up(void)
{
        bool is_locked;

        return crypto_init(&is_locked) < 0 ? 1 : 0;
}
