/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Worlds by chance
 *
 *     sim [--seed N] [--seeds K] [--nodes N] [--hours H] [--faults LIST] [--trace] [--twice]
 *
 * For every seed some machines live for some hours, their users write, cancel, block, rename and
 * forget, and the faults of LIST strike (see faults[], "all" or "none"). Then all is repaired, an
 * hour passes, and nothing may be left over: every message was taken, everybody sees everybody.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/crypto/crypto.h"
#include "tests/sim/oracle.h"

#define NAMES_MAX 3

enum {
        STRIKE_LOSS = 1 << 0,
        STRIKE_SPLIT = 1 << 1,
        STRIKE_CABLE = 1 << 2,
        STRIKE_ONEWAY = 1 << 3,
        STRIKE_CRASH = 1 << 4,
        STRIKE_POWER = 1 << 5,
        STRIKE_CLOCK = 1 << 6,
        STRIKE_MOVE = 1 << 7,
        STRIKE_USER = 1 << 8,
        STRIKE_BATCH = 1 << 9,
        STRIKE_DISK = 1 << 10,
};

static const struct {
        const char *name;
        unsigned bit;
} faults[] = {
        { "loss", STRIKE_LOSS },     /* datagrams lost, doubled, late */
        { "split", STRIKE_SPLIT },   /* reads cut anywhere */
        { "cable", STRIKE_CABLE },   /* cables out and in */
        { "oneway", STRIKE_ONEWAY }, /* ways that are open in one direction only */
        { "crash", STRIKE_CRASH },   /* processes killed, at any line of a turn */
        { "power", STRIKE_POWER },   /* machines that are gone without a word */
        { "clock", STRIKE_CLOCK },   /* realtime jumps */
        { "move", STRIKE_MOVE },     /* new addresses */
        { "user", STRIKE_USER },     /* users who cancel, block, mute, rename, forget */
        { "batch", STRIKE_BATCH },   /* many inputs in one turn */
        { "disk", STRIKE_DISK },     /* writes and syncs that fail, and no space */
};

struct run {
        struct world *world;
        struct random *random; /* of the users; the world has its own */
        unsigned faults;
        unsigned n_nodes;
        usec_t end_usec;
        unsigned host_last;
        uint64_t n_texts;
        char names[MACHINES_MAX][USERNAME_SIZE_MAX + 1]; /* those of the beginning */
};

static uint64_t below(struct run *r, uint64_t limit)
{
        return random_below(r->random, limit);
}

static struct machine *any(struct run *r)
{
        return &r->world->machines[below(r, r->n_nodes)];
}

/* Unlike any other in every piece of it. */
static size_t make_text(struct run *r, char *buffer, size_t size_max)
{
        static const char *const letters[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "k",
                "l", "m", "\n", "ç", "ü", "ğ", "€", "\U0001f600", " ", "\"", "\\", "z" };
        size_t size = below(r, 8) == 0 ? 1 + below(r, size_max - 40) : 1 + below(r, 60);
        size_t used;

        used = (size_t)snprintf(buffer, size_max, "%" PRIu64 ":", ++r->n_texts);
        while (used < size) {
                const char *letter = letters[below(r, ELEMENTSOF(letters))];

                memcpy(buffer + used, letter, strlen(letter));
                used += strlen(letter);
        }
        return used;
}

static void send_one(struct run *r, struct machine *m, const struct machine *to)
{
        char text[6000], word[WORD_SIZE], address[ENDPOINT_STRING_MAX];
        struct send_options options = {
                .security = below(r, 3) == 0 ? SECURITY_PLAIN : -1,
                .wait_usec = below(r, 2) == 0 ? SEND_WAIT_USEC : 0,
                .number = below(r, 4) == 0 ? "17" : NULL,
        };
        size_t size = make_text(r, text, sizeof text);

        if (below(r, 3) == 0)
                (void)snprintf(word, sizeof word, "%s@%s", to->username,
                        endpoint_format_address(&to->address, address));
        else
                (void)snprintf(word, sizeof word, "%s", to->username);
        if (machine_try_send(m, word, text, size, &options, NULL) == 0 && below(r, 20) == 0) {
                node_forget_call(m->node, m->call_last);
                oracle_forget_call(m, m->call_last);
        }
}

static void cancel_one(struct run *r, struct machine *m)
{
        struct oracle *o = r->world->oracle;

        for (size_t i = o->n_said; i > 0 && i + 50 > o->n_said; i--) {
                const struct said *s = o->said[i - 1];

                if (s->from != m->index || s->state != MESSAGE_QUEUED || below(r, 3) > 0)
                        continue;
                machine_begin(m);
                if (node_cancel(m->node, &s->id, machine_now(m), NULL) < 0)
                        world_fail(r->world, "%c: node_cancel() fails", m->letter);
                return;
        }
}

/* The names that a machine may have; the last is that of the beginning. */
static const char *name_of(const struct run *r, const struct machine *m, unsigned k, char *buffer)
{
        if (k < NAMES_MAX)
                (void)snprintf(buffer, USERNAME_SIZE_MAX + 1, "%.12s-%u", r->names[m->index], k);
        else
                (void)snprintf(buffer, USERNAME_SIZE_MAX + 1, "%s", r->names[m->index]);
        return buffer;
}

static void block_one(struct run *r, struct machine *m, const struct machine *other, bool block)
{
        char word[WORD_SIZE], address[ENDPOINT_STRING_MAX], name[USERNAME_SIZE_MAX + 1];
        bool is_done = false;

        for (unsigned k = 0; k <= NAMES_MAX; k++) {
                (void)snprintf(word, sizeof word, "%s@%s", name_of(r, other, k, name),
                        endpoint_format_address(&other->address, address));
                machine_begin(m);
                is_done |= node_block(m->node, word, block, machine_now(m), NULL) == 0;
        }
        if (is_done)
                oracle_blocked(m, other, block);
}

static void rename_one(struct run *r, struct machine *m, const char *name)
{
        machine_begin(m);
        if (node_set_username(m->node, name, machine_now(m), NULL) != 0)
                world_fail(r->world, "%c: node_set_username() fails", m->letter);
        if (streq(m->username, name))
                return;
        memcpy(m->username, name, strlen(name) + 1);
        m->renamed_usec = m->world->now_usec;
}

static void forget_one(struct machine *m, const struct machine *other)
{
        machine_begin(m);
        if (node_forget(m->node, other->username, machine_now(m), NULL) == 0)
                oracle_forgot(m, other);
}

/* What users do beside writing. */
static void meddle(struct run *r, struct machine *m, const struct machine *other)
{
        char name[USERNAME_SIZE_MAX + 1];

        switch (below(r, 8)) {
        case 0:
        case 1:
                cancel_one(r, m);
                return;
        case 2:
                block_one(r, m, other, true);
                return;
        case 3:
        case 4:
                for (unsigned i = 0; i < r->n_nodes; i++)
                        block_one(r, m, &r->world->machines[i], false);
                return;
        case 5:
                machine_begin(m);
                (void)node_mute(m->node, other->username,
                        below(r, 2) ? machine_now(m).real_usec + USEC_PER_MINUTE : 0,
                        machine_now(m), NULL);
                return;
        case 6:
                (void)snprintf(
                        name, sizeof name, "%.12s-%u", r->names[m->index], (unsigned)below(r, 3));
                rename_one(r, m, name);
                return;
        case 7:
                forget_one(m, other);
                return;
        }
}

static void tick_user(struct world *w, void *userdata)
{
        struct run *r = userdata;
        struct machine *m = any(r), *other = any(r);

        if (w->now_usec >= r->end_usec)
                return;
        if (m->node && m != other) {
                if (r->faults & STRIKE_USER && below(r, 12) == 0)
                        meddle(r, m, other);
                else
                        for (uint64_t n = below(r, 10) == 0 ? below(r, 12) : 1; n > 0; n--)
                                send_one(r, m, other);
        }
        world_at(w, w->now_usec + below(r, 20 * USEC_PER_SEC), tick_user, r);
}

static void move(struct run *r, struct machine *m)
{
        if (r->host_last < 250 && m->n_former < ELEMENTSOF(m->former))
                machine_move(m, 1, ++r->host_last);
}

static void strike(struct run *r, struct machine *m, const struct machine *other)
{
        unsigned bit = 1U << below(r, ELEMENTSOF(faults));

        if (!(r->faults & bit))
                return;
        if (bit == STRIKE_CABLE)
                machine_set_cable(m, m->is_cut);
        else if (bit == STRIKE_ONEWAY)
                r->world->is_cut[m->index][other->index] =
                        m != other && !r->world->is_cut[m->index][other->index];
        else if (bit == STRIKE_CRASH && below(r, 2) == 0)
                machine_kill(m);
        else if (bit == STRIKE_CRASH)
                m->crash_next = (enum crash)(1 + below(r, N_CRASHES - 1));
        else if (bit == STRIKE_POWER)
                machine_power_off(m);
        else if (bit == STRIKE_CLOCK)
                m->real_offset_usec = (int64_t)below(r, 2 * USEC_PER_DAY) - (int64_t)USEC_PER_DAY;
        else if (bit == STRIKE_MOVE && below(r, 8) == 0)
                move(r, m);
}

static void tick_fault(struct world *w, void *userdata)
{
        struct run *r = userdata;

        if (w->now_usec >= r->end_usec)
                return;
        for (unsigned i = 0; i < r->n_nodes; i++)
                if (!w->machines[i].node && below(r, 3) == 0)
                        machine_start(&w->machines[i]);
        strike(r, any(r), any(r));
        world_at(w, w->now_usec + below(r, 40 * USEC_PER_SEC), tick_fault, r);
}

static void set_weather(struct run *r, struct weather *ret)
{
        *ret = (struct weather){
                .latency_usec_min = 1 * USEC_PER_MSEC,
                .latency_usec_max = 20 * USEC_PER_MSEC,
        };
        if (r->faults & STRIKE_LOSS) {
                ret->loss = (unsigned)below(r, 300);
                ret->duplicate = (unsigned)below(r, 100);
                ret->latency_usec_max = (1 + below(r, 500)) * USEC_PER_MSEC;
        }
        if (r->faults & STRIKE_SPLIT)
                ret->split = (unsigned)below(r, 1000);
        if (r->faults & STRIKE_CRASH)
                ret->crash = (unsigned)below(r, 10);
        if (r->faults & STRIKE_CABLE)
                ret->snap_cable = (unsigned)below(r, 10);
        if (r->faults & STRIKE_ONEWAY)
                ret->snap_way = (unsigned)below(r, 10);
        if (r->faults & STRIKE_CRASH)
                ret->snap_kill = (unsigned)below(r, 10);
        if (r->faults & STRIKE_POWER)
                ret->snap_power = (unsigned)below(r, 10);
        if (r->faults & STRIKE_DISK)
                ret->disk = (unsigned)below(r, 10);
        if (r->faults & STRIKE_BATCH)
                ret->turn_usec = below(r, 100 * USEC_PER_MSEC);
}

static void repair(struct run *r)
{
        struct world *w = r->world;

        w->weather = (struct weather){
                .latency_usec_min = w->weather.latency_usec_min,
                .latency_usec_max = w->weather.latency_usec_max,
                .split = w->weather.split,
                .turn_usec = w->weather.turn_usec,
        };
        memset(w->is_cut, 0, sizeof w->is_cut);
        for (unsigned i = 0; i < r->n_nodes; i++) {
                struct machine *m = &w->machines[i];

                machine_set_cable(m, true);
                m->crash_next = CRASH_NONE;
                fault_vfs_plan(m->disk, FAULT_NONE, 0);
                m->real_offset_usec = 0;
                if (!m->node)
                        machine_start(m);
                rename_one(r, m, r->names[i]);
        }
        /* Those who are blocked under a name of another time are found in the list. */
        for (unsigned i = 0; i < r->n_nodes; i++) {
                struct machine *m = &w->machines[i];
                struct user *users;
                size_t n_users;

                if (node_list_users(m->node, machine_now(m), &users, &n_users) < 0)
                        abort();
                for (size_t k = 0; k < n_users; k++) {
                        char word[WORD_SIZE], address[ENDPOINT_STRING_MAX];

                        (void)snprintf(word, sizeof word, "%s@%s", users[k].name,
                                endpoint_format(&users[k].endpoint, address));
                        machine_begin(m);
                        if (users[k].blocked &&
                                node_block(m->node, word, false, machine_now(m), NULL) != 0)
                                world_fail(w, "%c cannot unblock %s", m->letter, word);
                }
                free(users);
                for (unsigned k = 0; k < r->n_nodes; k++)
                        oracle_blocked(m, &w->machines[k], false);
        }
}

/* One world. Its trace's hash. */
static uint64_t run(const struct world_options *options, unsigned faults_wanted, unsigned n_nodes,
        usec_t span_usec, bool is_shown)
{
        struct run r = { .faults = faults_wanted, .n_nodes = n_nodes, .end_usec = span_usec };
        struct world *w = world_new(options);
        uint64_t hash;

        r.world = w;
        if (random_new_seeded(options->seed ^ UINT64_C(0x5eed), &r.random) < 0)
                abort();
        set_weather(&r, &w->weather);
        for (unsigned i = 0; i < n_nodes; i++) {
                (void)snprintf(r.names[i], sizeof r.names[i], "user-%c", 'a' + i);
                machine_start(world_add(w, r.names[i], 1, ++r.host_last, NULL));
        }
        world_at(w, 5 * USEC_PER_SEC, tick_user, &r);
        world_at(w, 20 * USEC_PER_SEC, tick_fault, &r);
        world_run_until(w, span_usec);
        repair(&r);
        world_run(w, USEC_PER_HOUR);
        oracle_settled(w);

        hash = w->trace_hash;
        if (is_shown)
                printf("# seed %" PRIu64 ": %" PRIu64 " steps, %" PRIu64 " turns, %" PRIu64
                       " crashes, %zu messages, %" PRIu64 " received, %" PRIu64
                       " repeated, trace %016" PRIx64 "\n",
                        options->seed, w->n_steps, w->n_turns, w->n_crashes, w->oracle->n_said,
                        w->oracle->n_received, w->oracle->n_repeats, hash);
        random_free(r.random);
        world_free(w);
        return hash;
}

static unsigned parse_faults(const char *list)
{
        unsigned bits = 0;

        if (streq(list, "all"))
                return UINT32_MAX;
        if (streq(list, "none"))
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(faults); i++)
                if (strstr(list, faults[i].name))
                        bits |= faults[i].bit;
        return bits;
}

int main(int argc, char **argv)
{
        static const struct option long_options[] = {
                { "seed", required_argument, NULL, 's' },
                { "seeds", required_argument, NULL, 'k' },
                { "nodes", required_argument, NULL, 'n' },
                { "hours", required_argument, NULL, 'h' },
                { "faults", required_argument, NULL, 'f' },
                { "trace", no_argument, NULL, 't' },
                { "twice", no_argument, NULL, '2' },
                { 0 },
        };
        struct world_options options = { .seed = 1 };
        uint64_t n_seeds = 1, n_nodes = 4;
        const char *list = "all";
        bool is_twice = false, is_locked;
        double hours = 1;
        int c;

        while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
                if (c == 's')
                        options.seed = strtoull(optarg, NULL, 10);
                else if (c == 'k')
                        n_seeds = strtoull(optarg, NULL, 10);
                else if (c == 'n')
                        n_nodes = strtoull(optarg, NULL, 10);
                else if (c == 'h')
                        hours = strtod(optarg, NULL);
                else if (c == 'f')
                        list = optarg;
                else if (c == 't')
                        options.trace = true;
                else if (c == '2')
                        is_twice = true;
                else
                        return 2;
        }
        if (n_nodes < 1 || n_nodes > MACHINES_MAX || crypto_init(&is_locked) < 0)
                return 2;

        for (; n_seeds > 0; n_seeds--, options.seed++) {
                char command[200];
                uint64_t hash;

                (void)snprintf(command, sizeof command,
                        "sim --seed %" PRIu64 " --nodes %" PRIu64
                        " --hours %g --faults %.80s --trace",
                        options.seed, n_nodes, hours, list);
                options.command = command;
                hash = run(&options, parse_faults(list), (unsigned)n_nodes,
                        (usec_t)(hours * (double)USEC_PER_HOUR), true);
                if (is_twice && run(&options, parse_faults(list), (unsigned)n_nodes,
                                        (usec_t)(hours * (double)USEC_PER_HOUR), false) != hash) {
                        fprintf(stderr, "seed %" PRIu64 " gives two different traces\nagain: %s\n",
                                options.seed, command);
                        return 1;
                }
        }
        return 0;
}
