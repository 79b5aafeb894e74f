/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A world for whole nodes: virtual clock, virtual network, and machines that may die
 *
 * Everything happens in the order of (time, sequence), in one thread, and every bit of chance comes
 * from one seed: the same seed gives the same world to the last byte. A machine runs the real node
 * and the real store, joined by the five lines that end a turn; each of these lines is a place at
 * which it can be killed. The oracle (oracle.h) watches from outside.
 *
 * Whatever is found wrong ends the program: world_fail() prints seed and time.
 */
#include "base/buffer.h"
#include "base/list.h"
#include "base/table.h"
#include "core/crypto/random.h"
#include "core/node/node.h"
#include "store/store.h"
#include "tests/lib/fault-vfs.h"

#define MACHINES_MAX 16
/* Seconds since the epoch at which worlds begin. */
#define WORLD_EPOCH_USEC (UINT64_C(1767225600) * USEC_PER_SEC)

struct world;
struct machine;
struct wire;
struct oracle;

/* Where in its turn a machine is killed. */
enum crash {
        CRASH_NONE,
        CRASH_BEFORE_COMMIT, /* applied, not committed */
        CRASH_AFTER_COMMIT,  /* committed, not published */
        CRASH_AFTER_EVENTS,  /* published, no effect carried out */
        CRASH_IN_EFFECTS,    /* only one of the effects carried out */
        N_CRASHES,
};

/* What the network does to everybody. Per mille. */
struct weather {
        usec_t latency_usec_min, latency_usec_max;
        unsigned loss;      /* of datagrams */
        unsigned duplicate; /* of datagrams */
        unsigned split;     /* of reads, cut at a random place */
        usec_t turn_usec;   /* inputs of so long a time may end in one turn */
        unsigned crash;     /* of turns with changes, at a random place */
        unsigned disk;      /* of turns with changes: the disk fails */
        /* Of events of a connection: what strikes one of its ends just then. */
        unsigned snap_cable, snap_way, snap_power, snap_kill;
};

/* A connection as one of its machines sees it. */
struct end {
        struct machine *machine; /* NULL: the address belongs to none */
        uint64_t link;
        bool is_attached; /* a process reads and writes here */
        bool is_gone;     /* the kernel knows nothing of it (any more) */
        struct endpoint address;
        /* What goes from here to the other end; what the network loses is sent again. */
        struct buffer out;                               /* written, not delivered */
        uint64_t n_written, n_delivered, n_acknowledged; /* bytes; an end of file counts as one */
        bool wants_fin;                                  /* an end of file follows what is in out */
        bool fin_delivered;
        bool is_pumping, is_watched;
        usec_t unacknowledged_usec; /* since when; USEC_INFINITY: nothing is */
        bool is_finishing;          /* CLOSE_FINISH was said */
        usec_t finish_usec;         /* when it has waited long enough */
};

struct wire {
        struct list list; /* in world.wires */
        uint64_t number;
        bool is_open, is_accepted;
        uint16_t port; /* that was dialled */
        usec_t dial_usec;
        struct end ends[2]; /* 0 dialled */
};

/* What a machine that is not one of ours does with connections. */
enum manner {
        MANNER_REFUSE,
        MANNER_ABSENT,  /* never answers a dial */
        MANNER_SWALLOW, /* reads, and closes when the other side does */
        MANNER_SLAM,    /* closes as soon as something came */
};

struct machine {
        struct world *world;
        unsigned index;
        char letter; /* in the trace */
        char username[USERNAME_SIZE_MAX + 1];
        struct identity identity;
        usec_t renamed_usec; /* when it took another name last */
        struct fault_vfs *disk;
        char disk_name[24];
        struct endpoint address;
        struct endpoint former[32]; /* addresses that it had */
        size_t n_former;
        unsigned lan; /* segment that its broadcasts reach */
        int64_t real_offset_usec;
        struct node_options options;
        bool is_cut; /* its cable is out */
        bool is_off; /* no power */
        bool is_foreign;
        enum manner manner;
        const char *answer; /* foreign: to the first bytes of a connection, or NULL */

        /* The process */
        struct node *node; /* NULL: not running */
        struct store *store;
        struct random *random;
        uint64_t life; /* rises with each start */
        uint64_t link_last;
        uint64_t closed[64]; /* links that ended in this turn */
        size_t n_closed;
        bool is_dirty;         /* a turn is open */
        bool has_input;        /* the end of the turn is scheduled */
        usec_t deadline_usec;  /* for which an event is scheduled */
        enum crash crash;      /* in the present turn */
        enum crash crash_next; /* at the next turn that has changes */
        unsigned n_idle;       /* deadlines that passed in a row and were not moved */
        uint64_t call_last;
};

enum event_type {
        EVENT_DATAGRAM,
        EVENT_SYN,
        EVENT_CONNECTED,
        EVENT_PUMP,
        EVENT_ACKNOWLEDGE,
        EVENT_RESET,
        EVENT_WATCH,  /* bytes unacknowledged for too long? */
        EVENT_FINISH, /* CLOSE_FINISH waited long enough? */
        EVENT_TURN,
        EVENT_DEADLINE,
        EVENT_LOADED,
        EVENT_CALL, /* of the program that made the world */
};

struct event {
        usec_t time_usec;
        uint64_t sequence;
        enum event_type type;
        struct machine *machine;
        uint64_t life; /* of machine */
        uint64_t wire;
        int end;
        uint64_t value;
        bool is_again; /* the first was lost */
        struct endpoint from;
        enum dialect dialect;
        struct ulid id;
        char *data; /* owned */
        size_t size;
        void (*call)(struct world *w, void *userdata);
        void *userdata;
};

struct world_options {
        uint64_t seed;
        struct weather weather;
        const char *command; /* that repeats this world, for a failure */
        bool trace;          /* to standard output too */
        bool keep_trace;     /* for world_trace() */
        bool trace_announcements;
};

struct world {
        struct world_options options;
        struct weather weather;
        struct random *random;
        usec_t now_usec;
        struct event *heap; /* by time and sequence */
        size_t n_events, n_allocated;
        uint64_t sequence;
        struct machine machines[MACHINES_MAX];
        unsigned n_machines;
        bool is_cut[MACHINES_MAX][MACHINES_MAX]; /* from, to */
        struct list wires;
        size_t n_wires;
        uint64_t wire_last;
        struct oracle *oracle;
        struct buffer trace;
        uint64_t trace_hash;
        uint64_t n_turns, n_steps, n_crashes;
};

/* world.c: clock, machines, turns */
struct world *world_new(const struct world_options *options);
struct world *world_free(struct world *w);
DEFINE_CLEANUP(struct world *, world_free)

/* A machine at 10.0.@lan.@host. @options may be NULL; username and the rest are filled in. It is
 * started by machine_start(). */
struct machine *world_add(struct world *w, const char *username, unsigned lan, unsigned host,
        const struct node_options *options);
/* One that is not ours; nothing runs on it. */
struct machine *world_add_foreign(
        struct world *w, const char *name, unsigned lan, unsigned host, enum manner manner);
void machine_start(struct machine *m);
/* The process dies here and now; its kernel resets what it leaves. */
void machine_kill(struct machine *m);
/* All of it: nobody is told. machine_start() gives it power again. */
void machine_power_off(struct machine *m);
void machine_set_cable(struct machine *m, bool is_in);
void machine_move(struct machine *m, unsigned lan, unsigned host);
struct now machine_now(const struct machine *m);
struct machine *world_machine_at(struct world *w, const struct endpoint *address);

/* Something was or will be given to the node: its turn is to be ended. Before an input. */
void machine_begin(struct machine *m);

/* Lives on until @time_usec (since the beginning). */
void world_run_until(struct world *w, usec_t time_usec);
void world_run(struct world *w, usec_t span_usec);
/* Takes over @event->data. */
void world_schedule(struct world *w, const struct event *event);
void world_at(struct world *w, usec_t time_usec, void (*call)(struct world *w, void *userdata),
        void *userdata);

/* Callers; they assert that the answer is @code. */
void machine_send(
        struct machine *m, const char *word, const char *text, const char *security, int code);
int machine_try_send(struct machine *m, const char *word, const char *text, size_t size,
        const struct send_options *options, struct refusal *ret_refusal);

/* network.c */
bool world_is_connected(struct world *w, const struct endpoint *from, const struct endpoint *to);
usec_t world_latency(struct world *w);
bool world_chance(struct world *w, unsigned per_mille);
void network_carry_out(struct machine *m, const struct effect *effect);
void network_event(struct world *w, struct event *e);
/* From an address that need not belong to a machine. */
void world_datagram(struct world *w, enum dialect dialect, const struct endpoint *from,
        const struct machine *to, const char *data);

/* wire.c */
struct wire *world_wire(struct world *w, uint64_t number);
void wire_carry_out(struct machine *m, const struct effect *effect);
void wire_event(struct world *w, struct event *e);
/* @is_told: its kernel lives, and resets them. */
void wires_of_process_gone(struct machine *m, bool is_told);
/* A foreign machine dials from @from (NULL: its own address), writes @data (may be NULL) and, if it
 * is so wished, ends. The number of the wire. */
uint64_t foreign_dial(struct machine *m, const struct endpoint *from, struct machine *to,
        const char *data, bool ends);

/* trace.c */
void trace_effect(struct machine *m, const struct effect *effect);
void trace_event(struct machine *m, const struct store_event *event);
void trace_line(struct world *w, const char *format, ...) _printf_(2, 3);
/* All lines so far; valid until the next. */
const char *world_trace(const struct world *w);
void world_fail(struct world *w, const char *format, ...) _printf_(2, 3) __attribute__((noreturn));
