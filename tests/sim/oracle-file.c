/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that one machine has for another
 *
 * Who accepted a file gets it whole, and is handed it once; both sides are told of its end no more
 * than once. Excused is what a person ended, blocked or forgot, and what was on a disk that was put
 * back. How much is sent twice for an interruption is counted in tests/sim/transfer.c, where it is
 * known what one is.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/oracle.h"

/* Its name is "file-" and its place in the list. */
struct shared_file {
        unsigned from, to;
        uint8_t hash[HASH_SIZE];
        size_t size;
        usec_t time_usec;
        uint64_t life_from, life_to;    /* of their disks */
        bool is_accepting, is_accepted; /* in this turn; for certain */
        bool is_given_up;               /* by a person of either side */
        bool is_handed_over;
        bool is_taking, is_taken; /* the node heard of that, in this turn; and will not forget it */
        unsigned n_offered;       /* told to its receiver */
        unsigned n_sent_told, n_came_told; /* that it ended */
};

size_t oracle_next_file(struct world *w)
{
        return w->oracle->n_files;
}

void oracle_file_offered(
        struct machine *m, struct machine *to, const uint8_t hash[static HASH_SIZE], size_t size)
{
        struct oracle *o = m->world->oracle;
        struct shared_file *f;

        o->files = realloc(o->files, (o->n_files + 1) * sizeof *o->files);
        assert(o->files);
        f = &o->files[o->n_files++];
        *f = (struct shared_file){ .from = m->index,
                .to = to->index,
                .size = size,
                .time_usec = m->world->now_usec,
                .life_from = o->disk_life[m->index],
                .life_to = o->disk_life[to->index] };
        memcpy(f->hash, hash, sizeof f->hash);
}

static struct shared_file *named(struct machine *m, const char *name)
{
        struct oracle *o = m->world->oracle;
        size_t i;

        if (sscanf(name, "file-%zu", &i) != 1 || i >= o->n_files)
                world_fail(m->world, "%c has a file %s that nobody sent", m->letter, name);
        return &o->files[i];
}

/* Nothing is promised of it. */
static bool is_excused(const struct oracle *o, const struct shared_file *f)
{
        return f->is_given_up || o->disk_life[f->from] != f->life_from ||
               o->disk_life[f->to] != f->life_to ||
               o->refused_usec[f->from][f->to] >= f->time_usec ||
               o->refused_usec[f->to][f->from] >= f->time_usec;
}

void oracle_file_accepted(struct machine *m, const char *name)
{
        named(m, name)->is_accepting = true;
}

void oracle_file_given_up(struct machine *m, const char *name)
{
        named(m, name)->is_given_up = true;
}

void oracle_file_taken(struct machine *m, const char *id, const void *data, size_t size)
{
        struct oracle *o = m->world->oracle;
        struct shared_file *f = NULL;
        struct file_view *views;
        uint8_t digest[HASH_SIZE];
        size_t n;

        if (node_list_files(m->node, machine_now(m), &views, &n) < 0)
                abort();
        for (size_t i = 0; i < n; i++)
                if (streq(views[i].id, id))
                        f = named(m, views[i].name);
        free(views);
        if (!f || f->to != m->index)
                world_fail(m->world, "%c takes a file that is not for it", m->letter);
        hash(&(struct blob){ data, size }, 1, digest);
        if (size != f->size || memcmp(digest, f->hash, HASH_SIZE) != 0)
                world_fail(m->world, "%c gets another file than was sent", m->letter);
        if (f->is_taken && !is_excused(o, f))
                world_fail(m->world, "%c is handed a file twice", m->letter);
        f->is_handed_over = f->is_taking = true;
        o->n_handed_over++;
}

void oracle_files_committed(struct machine *m)
{
        struct oracle *o = m->world->oracle;

        for (size_t i = 0; i < o->n_files; i++) {
                struct shared_file *f = &o->files[i];

                if (f->to != m->index)
                        continue;
                f->is_accepted |= f->is_accepting;
                f->is_taken |= f->is_taking;
                f->is_accepting = f->is_taking = false;
        }
}

void oracle_files_stopped(struct machine *m)
{
        struct oracle *o = m->world->oracle;

        for (size_t i = 0; i < o->n_files; i++)
                if (o->files[i].to == m->index)
                        o->files[i].is_accepting = o->files[i].is_taking = false;
}

static void finished(struct machine *m, struct shared_file *f, const struct change_file *c)
{
        unsigned *told = c->is_outgoing ? &f->n_sent_told : &f->n_came_told;

        if (is_excused(m->world->oracle, f))
                return;
        if (++*told > 1)
                world_fail(m->world, "%c is told twice that %s ended", m->letter, c->name);
        if (c->reason != TRANSFER_DONE)
                world_fail(
                        m->world, "%c is told that %s ended by %d", m->letter, c->name, c->reason);
}

void oracle_file(struct machine *m, const struct change_file *c)
{
        struct shared_file *f = named(m, c->name);

        if ((c->is_outgoing ? f->from : f->to) != m->index)
                world_fail(m->world, "%c has %s, which is another's", m->letter, c->name);
        switch (c->news) {
        case FILE_NEWS_OFFERED:
                if (++f->n_offered > 1 && !is_excused(m->world->oracle, f))
                        world_fail(m->world, "%c is offered %s twice", m->letter, c->name);
                return;
        case FILE_NEWS_PROGRESS:
                if (c->done > c->size)
                        world_fail(m->world, "%c has more of %s than there is", m->letter, c->name);
                return;
        case FILE_NEWS_FINISHED:
                finished(m, f, c);
                if (!c->is_outgoing && c->reason == TRANSFER_DONE)
                        machine_take_soon(m, c->id);
                return;
        }
}

void oracle_expect_files(struct world *w)
{
        const struct oracle *o = w->oracle;

        for (unsigned i = 0; i < w->n_machines; i++)
                machine_expect_no_files(&w->machines[i]);
        for (size_t i = 0; i < o->n_files; i++)
                if (o->files[i].is_accepted && !o->files[i].is_handed_over &&
                        !is_excused(o, &o->files[i]))
                        world_fail(w, "file-%zu was accepted and never came", i);
}
