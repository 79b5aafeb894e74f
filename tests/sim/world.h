/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A world for whole nodes: virtual clock, virtual network, and machines that may die
 *
 * Everything happens in the order of (time, sequence), in one thread, and every bit of chance comes
 * from one seed: the same seed gives the same world to the last byte. A machine runs the real node
 * and the real store, joined by the lines that end a turn (machine.c); between any two of them it
 * can be killed. The oracle (oracle.h) watches from outside.
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
#define BACKUPS_MAX 3
#define TAPES_MAX 16
/* Seconds since the epoch at which worlds begin. */
#define WORLD_EPOCH_USEC (UINT64_C(1767225600) * USEC_PER_SEC)

struct world;
struct machine;
struct wire;
struct oracle;

/* Where in its turn a machine is killed. */
enum crash {
        CRASH_NONE,
        CRASH_BEFORE_COMMIT,  /* applied, not committed */
        CRASH_AFTER_COMMIT,   /* committed, not published */
        CRASH_AFTER_EVENTS,   /* published, the node does not know that it was committed */
        CRASH_BEFORE_EFFECTS, /* it does, no effect carried out */
        CRASH_IN_EFFECTS,     /* some of the effects carried out */
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
        unsigned snap_wire; /* both ends are reset, at a random byte */
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
        unsigned n_probes;          /* keep-alives without an answer */
        struct buffer head;         /* the first bytes written, for those who copy them */
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
        MANNER_ROGUE,   /* see impostor.c */
};

struct backup {
        struct fault_copy *copy;
        usec_t time_usec;
};

struct machine {
        struct world *world;
        unsigned index;
        char letter; /* in the trace */
        char username[USERNAME_SIZE_MAX + 1];
        struct identity identity;
        bool is_classic;     /* its node gets no identity */
        usec_t renamed_usec; /* when it took another name last */
        struct fault_vfs *disk;
        char disk_name[24];
        struct backup backups[BACKUPS_MAX];
        unsigned n_backups;
        bool was_put_back; /* its disk is not the one that it had when it stopped */
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
        uint64_t closed[256]; /* links that ended in this turn */
        size_t n_closed;
        bool is_dirty;         /* a turn is open */
        bool has_input;        /* the end of the turn is scheduled */
        usec_t deadline_usec;  /* for which an event is scheduled */
        enum crash crash;      /* in the present turn */
        enum crash crash_next; /* at the next turn that has changes */
        unsigned n_idle;       /* deadlines that passed in a row and were not moved */
        uint64_t call_last;
        usec_t resume_usec; /* it stands still until then: its kernel does not */
        struct list spools; /* machine-files.c; they outlive the process */
        struct list held;   /* of struct held, what it hears of then */
        bool is_working;    /* hashes are to be tried */
        struct ledger_peer wanted_by;
};

/* Something that a process hears of from its kernel. */
enum input_type {
        INPUT_DATAGRAM,
        INPUT_ACCEPTED,
        INPUT_CONNECTED,
        INPUT_RECEIVED,
        INPUT_ENDED,
        INPUT_CLOSED,
};

struct input {
        enum input_type type;
        uint64_t link;
        struct endpoint from;
        enum dialect dialect;
        enum link_end how;
        const void *data;
        size_t size;
};

enum event_type {
        EVENT_DATAGRAM,
        EVENT_SYN,
        EVENT_CONNECTED,
        EVENT_PUMP,
        EVENT_ACKNOWLEDGE,
        EVENT_RESET,
        EVENT_WATCH,      /* bytes unacknowledged for too long? */
        EVENT_FINISH,     /* CLOSE_FINISH waited long enough? */
        EVENT_KEEP_ALIVE, /* is the other end still there? */
        EVENT_TURN,
        EVENT_DEADLINE,
        EVENT_LOADED,
        EVENT_BLOCK, /* of the ledger is to be loaded; value: its height */
        EVENT_CHAIN, /* all of it */
        EVENT_WORK,
        EVENT_SPOOL,  /* a spool does what it was asked for */
        EVENT_ANSWER, /* and the node hears of it */
        EVENT_ROOM,   /* is there room on a link (value)? */
        EVENT_TAKE,   /* a whole file is handed over */
        EVENT_RESUME,
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
        uint8_t network[HASH_SIZE];
        struct ledger_peer peer;
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
        /* One of all commits of all machines, counted from 1 (0: none), and what happens there. */
        uint64_t crash_commit;
        enum crash crash;
        bool crash_is_power;
};

/* Something that was said on the network. */
struct tape {
        uint8_t *data;
        size_t size;
        struct endpoint from;
        enum dialect dialect;
        bool is_answer; /* of a connection: by who was dialled */
};

struct world {
        struct world_options options;
        struct weather weather;
        struct random *random;
        usec_t now_usec;
        struct event **heap; /* by time and sequence */
        size_t n_events, n_allocated;
        uint64_t sequence;
        struct machine machines[MACHINES_MAX];
        unsigned n_machines;
        bool is_cut[MACHINES_MAX][MACHINES_MAX]; /* from, to */
        struct list wires;
        size_t n_wires;
        uint64_t wire_last;
        bool records; /* on tape */
        struct tape calls[TAPES_MAX], datagrams[TAPES_MAX];
        uint64_t n_calls, n_datagrams;
        struct oracle *oracle;
        struct buffer trace;
        uint64_t trace_hash;
        uint64_t n_turns, n_commits, n_steps, n_crashes, n_put_back, n_blocks, n_names;
};

/* world.c: clock and machines */
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
struct machine *world_machine_at(struct world *w, const struct endpoint *address);

/* Lives on until @time_usec (since the beginning). */
void world_run_until(struct world *w, usec_t time_usec);
void world_run(struct world *w, usec_t span_usec);
/* Takes over @event->data. */
void world_schedule(struct world *w, const struct event *event);
void world_at(struct world *w, usec_t time_usec, void (*call)(struct world *w, void *userdata),
        void *userdata);

/* machine.c: lives, turns and disks */
void machine_start(struct machine *m);
/* The process dies here and now; its kernel resets what it leaves. */
void machine_kill(struct machine *m);
/* All of it: nobody is told. machine_start() gives it power again. */
void machine_power_off(struct machine *m);
/* The process stands still for a while, or no longer. */
void machine_pause(struct machine *m, usec_t span_usec);
void machine_go_on(struct machine *m);
void machine_set_cable(struct machine *m, bool is_in);
void machine_move(struct machine *m, unsigned lan, unsigned host);
struct now machine_now(const struct machine *m);
/* Copies its disk; the oldest copy may be forgotten. */
void machine_back_up(struct machine *m);
/* It is switched off, and @backup becomes its disk; NULL: an empty one does. */
void machine_put_back(struct machine *m, const struct backup *backup);
/* Something was or will be given to the node: its turn is to be ended. Before an input. */
void machine_begin(struct machine *m);
/* The node hears of it, now or when it goes on. */
void machine_input(struct machine *m, const struct input *input);
void machine_event(struct machine *m, struct event *e);
void machine_done(struct machine *m);

/* machine-ledger.c */
void machine_restore_ledger(struct machine *m);
void machine_load_for_ledger(struct machine *m, const struct effect *effect);
void machine_ledger_event(struct machine *m, const struct event *e);
/* At the end of a turn: are hashes to be tried? */
void machine_want_work(struct machine *m);
void machine_register(struct machine *m);
void machine_revoke(struct machine *m);
void world_expect_one_chain(struct world *w);

/* machine-files.c */
void machine_restore_files(struct machine *m);
void machine_ask_spool(struct machine *m, const struct effect *effect);
/* May take over what is in @e->data. */
void machine_files_event(struct machine *m, struct event *e);
void machine_drop_spools(struct machine *m);
/* A file of random bytes. */
void machine_offer(struct machine *m, struct machine *to, size_t size);
void machine_take_soon(struct machine *m, const char *id);
/* One of its files is accepted, rejected, cancelled or taken, by chance; or left alone. */
void machine_decide(struct machine *m);
/* All that can be is accepted and taken; how many there are. */
size_t machine_accept_all(struct machine *m);
void machine_expect_no_files(struct machine *m);

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
        const struct machine *to, const void *data, size_t size);

/* wire.c */
struct wire *world_wire(struct world *w, uint64_t number);
void wire_carry_out(struct machine *m, const struct effect *effect);
void wire_event(struct world *w, struct event *e);
/* Nothing waits to be written there, or it is gone. */
bool wire_has_room(struct machine *m, uint64_t link);
/* Both ends hear that it is over, after some more of what was written. */
void wire_cut(struct world *w, struct wire *wire);
/* @is_told: its kernel lives, and resets them. */
void wires_of_process_gone(struct machine *m, bool is_told);
/* A foreign machine dials from @from (NULL: its own address), writes @data (may be NULL) and, if it
 * is so wished, ends. The number of the wire. */
uint64_t foreign_dial(struct machine *m, const struct endpoint *from, struct machine *to,
        const void *data, size_t size, bool ends);
void foreign_write(
        struct world *w, struct wire *wire, struct end *end, const void *data, size_t size);
void foreign_close(struct world *w, struct wire *wire, struct end *end, bool is_reset);

/* impostor.c */
void record_datagram(struct world *w, const struct endpoint *from, const struct effect *effect);
void record_wire(struct world *w, const struct wire *wire);
/* Something was written to it on a connection. */
void rogue_received(struct world *w, struct wire *wire, struct end *end);
/* It does one of the things that it can do; @victim: whose name, id or address it takes. */
void rogue_act(struct machine *m, struct machine *victim, struct machine *to);

/* trace.c */
void trace_effect(struct machine *m, const struct effect *effect);
void trace_event(struct machine *m, const struct store_event *event);
void trace_line(struct world *w, const char *format, ...) _printf_(2, 3);
/* All lines so far; valid until the next. */
const char *world_trace(const struct world *w);
void world_fail(struct world *w, const char *format, ...) _printf_(2, 3) __attribute__((noreturn));

static inline bool machine_is_paused(const struct machine *m)
{
        return m->resume_usec > m->world->now_usec;
}
