/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine that means harm
 *
 * It says that it is somebody else: with the name, the id or the address of a victim. It keeps what
 * it hears and says it again, dials and talks garbage, or copies the bytes of somebody's handshake.
 * What it cannot do is what nobody can: prove another one's identity, or take connections at an
 * address that is not its own.
 */
#include <stdio.h>

#include "tests/sim/oracle.h"
#include "tests/sim/wire.h"

static void keep(struct tape *tape, const void *data, size_t size)
{
        free(tape->data);
        tape->data = malloc(size + 1);
        assert(tape->data);
        if (size > 0)
                memcpy(tape->data, data, size);
        tape->size = size;
}

void record_datagram(struct world *w, const struct endpoint *from, const struct effect *effect)
{
        struct tape *tape = &w->datagrams[w->n_datagrams % TAPES_MAX];

        if (!w->records || !world_chance(w, 100))
                return;
        w->n_datagrams++;
        keep(tape, effect->datagram.data, effect->datagram.size);
        tape->from = *from;
        tape->dialect = effect->datagram.dialect;
}

void record_wire(struct world *w, const struct wire *wire)
{
        if (!w->records)
                return;
        for (int k = 0; k < 2; k++) {
                const struct end *end = &wire->ends[k];
                struct tape *tape = &w->calls[w->n_calls % TAPES_MAX];

                if (!end->machine || end->machine->is_foreign || end->head.size == 0)
                        continue;
                w->n_calls++;
                keep(tape, end->head.data, end->head.size);
                tape->is_answer = k == 1;
        }
}

/* What somebody said once, or NULL. */
static const struct tape *any_call(struct world *w, bool is_answer)
{
        for (int i = 0; i < 4 && w->n_calls > 0; i++) {
                const struct tape *tape =
                        &w->calls[random_below(w->random, MIN(w->n_calls, (uint64_t)TAPES_MAX))];

                if (tape->is_answer == is_answer)
                        return tape;
        }
        return NULL;
}

static size_t make_garbage(struct world *w, uint8_t *data, size_t size_max)
{
        size_t size = 1 + random_below(w->random, size_max);

        random_bytes(w->random, data, size);
        return size;
}

/* Begins like a session, or goes on like one: a packet with its length in front. */
static size_t make_packet(struct world *w, uint8_t *data, size_t size_max, bool has_magic)
{
        size_t at = has_magic ? 5 : 0, size = 1 + random_below(w->random, size_max - 8);

        random_bytes(w->random, data, at + 2 + size);
        if (has_magic) {
                memcpy(data, "P2PC", 4);
                data[4] = world_chance(w, 100) ? 2 : 1;
                if (world_chance(w, 500))
                        size = 32;
        }
        data[at] = (uint8_t)(size >> 8);
        data[at + 1] = (uint8_t)size;
        return at + 2 + size;
}

void rogue_received(struct world *w, struct wire *wire, struct end *end)
{
        bool has_dialled = wire_side(wire, end) == 0;
        const struct tape *tape;
        uint8_t data[600];
        size_t size;

        switch (random_below(w->random, 6)) {
        case 0:
                size = make_garbage(w, data, sizeof data);
                foreign_write(w, wire, end, data, size);
                return;
        case 1:
                size = make_packet(w, data, sizeof data, false);
                foreign_write(w, wire, end, data, size);
                return;
        case 2:
        case 3:
                tape = any_call(w, !has_dialled);
                if (tape)
                        foreign_write(w, wire, end, tape->data, tape->size);
                return;
        case 4:
                foreign_close(w, wire, end, random_below(w->random, 2));
                return;
        case 5:
                return; /* lets it wait */
        }
}

static void announce(struct world *w, const struct endpoint *from, enum dialect dialect,
        const char *name, const char *id, bool is_native)
{
        char data[256];
        int n;

        n = snprintf(data, sizeof data, "{\"username\":\"%s\",\"port\":6001", name);
        if (id)
                n += snprintf(data + n, sizeof data - (size_t)n, ",\"id\":\"%s\"%s", id,
                        is_native ? ",\"p2pchat\":1" : "");
        n += snprintf(data + n, sizeof data - (size_t)n, "}");
        for (unsigned i = 0; i < w->n_machines; i++)
                if (!w->machines[i].is_foreign)
                        world_datagram(w, dialect, from, &w->machines[i], data, (size_t)n);
}

static void replay(struct machine *m)
{
        struct world *w = m->world;
        const struct tape *tape;

        if (w->n_datagrams == 0)
                return;
        tape = &w->datagrams[random_below(w->random, MIN(w->n_datagrams, (uint64_t)TAPES_MAX))];
        for (unsigned i = 0; i < w->n_machines; i++)
                if (!w->machines[i].is_foreign)
                        world_datagram(w, tape->dialect,
                                world_chance(w, 500) ? &tape->from : &m->address, &w->machines[i],
                                tape->data, tape->size);
}

static void dial(struct machine *m, const struct machine *victim, struct machine *to)
{
        struct world *w = m->world;
        const struct tape *tape = any_call(w, false);
        uint8_t data[600];
        size_t size;

        switch (random_below(w->random, 4)) {
        case 0:
                size = make_garbage(w, data, sizeof data);
                break;
        case 1:
                size = make_packet(w, data, sizeof data, true);
                break;
        case 2:
                size = (size_t)snprintf((char *)data, sizeof data,
                        "{\"unencrypted_message\": \"it is me\", \"username\": \"%s\"}",
                        victim->username);
                break;
        default:
                if (!tape)
                        return;
                (void)foreign_dial(m, NULL, to, tape->data, tape->size, world_chance(w, 300));
                return;
        }
        (void)foreign_dial(m, NULL, to, data, size, world_chance(w, 300));
}

void rogue_act(struct machine *m, struct machine *victim, struct machine *to)
{
        struct world *w = m->world;
        enum dialect dialect = world_chance(w, 800) ? DIALECT_CLASSIC : DIALECT_SECOND;
        uint8_t key[16];
        char id[ID_STRING_SIZE];

        random_bytes(w->random, key, sizeof key);
        base32_encode(key, sizeof key, id);
        switch (random_below(w->random, 10)) {
        case 0: /* the name */
                announce(w, &m->address, dialect, victim->username, NULL, false);
                return;
        case 1: /* the id, and the name */
        case 2:
                announce(w, &m->address, dialect, victim->username, victim->identity.id,
                        world_chance(w, 800));
                return;
        case 3: /* the id, and another name */
                announce(w, &m->address, dialect, "Mallory", victim->identity.id, true);
                return;
        case 4: /* the address, and no id: as if it were an old program */
                announce(w, &victim->address, dialect, victim->username, NULL, false);
                return;
        case 5: /* the address, and another id */
                announce(w, &victim->address, dialect, victim->username, id, true);
                return;
        case 6: /* the name, and an id that nobody has */
                announce(w, &m->address, dialect, victim->username, id, true);
                return;
        case 7:
                replay(m);
                return;
        default:
                dial(m, victim, to);
                return;
        }
}
