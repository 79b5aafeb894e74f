/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring: messages, records, withdrawals, and an engine driven by a small program
 *
 * The first byte chooses the target, the rest is its input. In a program a byte says what happens;
 * some take arguments from the bytes behind it. What the engine asked is remembered, so that an
 * input can answer it. Nodes stand at positions that one byte tells; one random seed and one pair
 * of identities serve all inputs, so that an input does the same each time.
 */
#include "base/cursor.h"
#include "core/chord/chord.h"
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "fuzz.h"

#define SELF 100
#define ASKED_MAX 16      /* the last messages of the engine, which may be answered */
#define EFFECTS_MAX 20000 /* of one input of the engine */
#define STEPS_MAX 400

static const struct endpoint here = {
        .family = ENDPOINT_IPV4, .address = { 127, 0, 0, 1 }, .port = 6001
};

static struct identity identities[2];

static struct chord_peer peer_of(uint8_t n)
{
        struct chord_peer p = { .endpoint = endpoint_ipv4(10, 0, 0, n, 6001) };

        p.id.bytes[0] = n;
        return p;
}

/*
 * Codecs
 */

/* What was read is read again as the same. */
static void fuzz_rpc(const uint8_t *data, size_t size)
{
        uint8_t once[CHORD_MESSAGE_SIZE_MAX], twice[CHORD_MESSAGE_SIZE_MAX];
        struct rpc m;
        size_t n;

        if (rpc_decode(data, size, &here, &m) != 0)
                return;
        if (m.closer.n > CHORD_SUCCESSORS || m.successors.n > CHORD_SUCCESSORS ||
                m.n_records > CHORD_OWNERS_MAX)
                abort();
        n = rpc_encode(&m, once);
        if (n > size || rpc_decode(once, n, &here, &m) != 0 || rpc_encode(&m, twice) != n ||
                memcmp(once, twice, n) != 0)
                abort();
}

static void fuzz_record(const uint8_t *data, size_t size)
{
        struct record r;
        struct ring_id key;
        char id[ID_STRING_SIZE];

        if (record_decode(data, size, &r) != 0)
                return;
        identity_id(r.public_key, id);
        ring_id_of_name(r.name, id, 1, &key);
        if (record_point(&r, &key) != 1 || r.n_endpoints > RECORD_ENDPOINTS_MAX ||
                size > CHORD_RECORD_SIZE_MAX)
                abort();
        for (size_t i = 0; i < r.n_endpoints; i++)
                if (!endpoint_is_unicast(&r.endpoints[i]))
                        abort();
}

static void fuzz_withdrawal(const uint8_t *data, size_t size)
{
        struct record r;

        if (withdrawal_decode(data, size, &r) == 0 && size != WITHDRAWAL_SIZE)
                abort();
}

/*
 * The engine
 */
struct asked {
        struct chord_peer peer;
        uint32_t number;
        enum rpc_kind kind;
};

struct world {
        struct chord *chord;
        struct random *random;
        usec_t now_usec;
        struct asked asked[ASKED_MAX]; /* the n-th message at n % ASKED_MAX */
        size_t n_asked;
        size_t n_waiting; /* lookups and finds without a result */
};

static void remember(struct world *w, const struct chord_effect *e)
{
        struct rpc m;

        /* Whatever we say can be understood, and is said to somebody else. */
        if (rpc_decode(e->data, e->size, &here, &m) != 0 || e->peer.id.bytes[0] == SELF)
                abort();
        w->asked[w->n_asked++ % ASKED_MAX] =
                (struct asked){ .peer = e->peer, .number = m.number, .kind = m.kind };
}

static void check(const struct world *w)
{
        struct chord_peer self = peer_of(SELF);
        const struct ring_id *before = &self.id;
        struct chord_status s;

        chord_status(w->chord, &s);
        if (s.successors.n > CHORD_SUCCESSORS || s.n_records > RECORDS_MAX || s.estimated_size < 1)
                abort();
        for (size_t i = 0; i < s.successors.n; i++) {
                if (!ring_between(before, &s.successors.peers[i].id, &self.id))
                        abort();
                before = &s.successors.peers[i].id;
        }
        if (s.has_predecessor && ring_id_equal(&s.predecessor.id, &self.id))
                abort();
}

static void drain(struct world *w)
{
        struct chord_effect e;

        for (size_t n = 0; chord_next_effect(w->chord, &e); n++) {
                if (n == EFFECTS_MAX)
                        abort();
                switch (e.type) {
                case CHORD_SEND:
                        remember(w, &e);
                        break;
                case CHORD_LOOKED_UP:
                case CHORD_FOUND:
                        if (w->n_waiting-- == 0 || e.successors.n > CHORD_SUCCESSORS ||
                                e.n_records > CHORD_OWNERS_MAX)
                                abort();
                        break;
                }
        }
        check(w);
}

static void hear(struct world *w, const struct chord_peer *from, const void *data, size_t size)
{
        if (chord_receive(w->chord, from, data, size, w->now_usec) < 0)
                abort();
}

static void hear_rpc(struct world *w, const struct chord_peer *from, const struct rpc *m)
{
        uint8_t data[CHORD_MESSAGE_SIZE_MAX];

        hear(w, from, data, rpc_encode(m, data));
}

static void read_peers(struct reader *r, struct rpc_peers *ret)
{
        size_t n = reader_u8(r) % (CHORD_SUCCESSORS + 1);

        for (size_t i = 0; i < n; i++)
                ret->peers[ret->n++] = peer_of(reader_u8(r));
}

/* A record of @identity, for which the first bytes of @r tell how new it is and where it lies. */
static void read_record(struct world *w, struct reader *r, const struct identity *identity,
        uint8_t data[static CHORD_RECORD_SIZE_MAX], struct rpc *m)
{
        struct record record = { .sequence = reader_u8(r), .name = "Ece" };
        uint8_t how = reader_u8(r);

        memcpy(record.public_key, identity->public_key, PUBLIC_KEY_SIZE);
        record.name[2] = (char)('a' + how / 2 % 16);
        record.endpoints[record.n_endpoints++] = peer_of(how).endpoint;
        if (record_encode(&record, identity, w->random, data, &m->records[0].size) < 0)
                abort();
        m->records[0].data = data;
        m->n_records = 1;
        ring_id_of_name(record.name, identity->id, how & 1, &m->target);
}

/* What belongs to one of the last messages, told by who was asked. */
static void answer(struct world *w, struct reader *r)
{
        const struct asked *a = &w->asked[reader_u8(r) % ASKED_MAX];
        uint8_t flags = reader_u8(r), record[CHORD_RECORD_SIZE_MAX];
        struct rpc m = { .number = a->number,
                .is_member = flags & 1,
                .is_whole = flags & 2,
                .has_predecessor = flags & 4 };

        switch (a->kind) {
        case RPC_FIND_SUCCESSOR:
                m.kind = RPC_FOUND;
                read_peers(r, &m.closer);
                read_peers(r, &m.successors);
                break;
        case RPC_STABILIZE:
                m.kind = RPC_STATE;
                m.peer = peer_of(reader_u8(r));
                read_peers(r, &m.successors);
                break;
        case RPC_PING_PREDECESSOR:
                m.kind = RPC_PONG;
                break;
        case RPC_STORE:
                m.kind = RPC_STORED;
                m.stored = flags % 4;
                break;
        case RPC_FETCH:
                m.kind = RPC_RECORDS;
                if (flags & 8)
                        read_record(w, r, &identities[flags >> 4 & 1], record, &m);
                break;
        case RPC_FOUND:
        case RPC_STATE:
        case RPC_PONG:
        case RPC_JOIN:
        case RPC_NOTIFY:
        case RPC_INTRODUCE:
        case RPC_LEAVE:
        case RPC_STORED:
        case RPC_RECORDS:
        case RPC_WITHDRAW:
                return;
        }
        hear_rpc(w, &a->peer, &m);
}

static void tell(struct world *w, struct reader *r, unsigned how)
{
        struct chord_peer from = peer_of(reader_u8(r));
        struct rpc m = { .peer = from };

        switch (how & 3) {
        case 0:
                m.kind = RPC_JOIN;
                m.is_whole = how & 4;
                read_peers(r, &m.successors);
                break;
        case 1:
                m.kind = RPC_NOTIFY;
                break;
        case 2:
                m.kind = RPC_INTRODUCE;
                m.peer = peer_of(reader_u8(r));
                break;
        case 3:
                m.kind = RPC_LEAVE;
                break;
        }
        hear_rpc(w, &from, &m);
}

static void keep(struct world *w, struct reader *r, unsigned how)
{
        const struct identity *identity = &identities[how & 1];
        uint8_t data[CHORD_RECORD_SIZE_MAX];
        struct chord_peer from = peer_of(reader_u8(r));
        struct rpc m = { .kind = RPC_STORE, .number = 1, .ttl_sec = reader_u8(r) * 10U };

        if (how & 2) {
                m.kind = RPC_WITHDRAW;
                m.records[0] = (struct rpc_blob){ data, WITHDRAWAL_SIZE };
                m.n_records = 1;
                if (withdrawal_encode(identity, reader_u8(r), data) < 0)
                        abort();
        } else {
                read_record(w, r, identity, data, &m);
                if (how & 4)
                        m.kind = RPC_FETCH;
        }
        hear_rpc(w, &from, &m);
}

static void want(struct world *w, struct reader *r, unsigned how)
{
        struct chord_peer p = peer_of(reader_u8(r));
        const char *id = identities[how & 1].id;
        uint64_t number;
        char begin[RING_ID_CHARACTERS + 1] = "";

        memcpy(begin, id, RING_ID_CHARACTERS);
        w->n_waiting += how & 2 ? chord_look_up(w->chord, &p.id, w->now_usec, &number) == 0
                                : chord_find(w->chord, "Eca", how & 4 ? id : begin, w->now_usec,
                                          &number) == 0;
}

static void live(struct world *w, struct reader *r, unsigned how)
{
        struct chord_peer p = peer_of(reader_u8(r));
        int e = 0;

        switch (how & 7) {
        case 0:
        case 1:
                p = peer_of(SELF);
                e = chord_start(w->chord, &p.endpoint, w->now_usec);
                break;
        case 2:
                e = chord_stop(w->chord, w->now_usec);
                break;
        case 3:
                e = chord_hear(w->chord, &p, w->now_usec);
                break;
        case 4:
                e = chord_failed(w->chord, &p.id, w->now_usec);
                break;
        case 5:
        case 6:
                e = chord_publish(w->chord, how & 8 ? "Ece" : "Bob", &p.endpoint, 1, w->now_usec);
                break;
        case 7:
                e = chord_withdraw(w->chord, w->now_usec);
                break;
        }
        if (e < 0)
                abort();
}

static void pass(struct world *w, struct reader *r)
{
        w->now_usec = usec_add(w->now_usec, USEC_PER_MSEC << reader_u8(r) % 22);
        if (chord_advance(w->chord, w->now_usec) < 0)
                abort();
}

static void act(struct world *w, struct reader *r)
{
        uint8_t op = reader_u8(r);
        struct chord_peer from;
        const uint8_t *data;
        size_t size;

        switch (op & 7) {
        case 0:
                from = peer_of(reader_u8(r));
                data = reader_blob(r, &size);
                if (data)
                        hear(w, &from, data, size);
                break;
        case 1:
        case 2:
                answer(w, r);
                break;
        case 3:
                tell(w, r, op >> 3);
                break;
        case 4:
                keep(w, r, op >> 3);
                break;
        case 5:
                want(w, r, op >> 3);
                break;
        case 6:
                live(w, r, op >> 3);
                break;
        case 7:
                pass(w, r);
                break;
        }
        drain(w);
}

static void fuzz_engine(const uint8_t *data, size_t size)
{
        struct reader r = reader_make(data, size);
        struct world w = { .now_usec = 2 * USEC_PER_DAY };
        struct chord_options options = {
                .id = peer_of(SELF).id, .identity = &identities[0], .sequence_first = 1
        };

        if (random_new_seeded(1, &w.random) < 0)
                abort();
        options.random = w.random;
        if (chord_new(&options, &w.chord) < 0)
                abort();
        for (size_t i = 0; i < STEPS_MAX && !r.failed && r.left > 0; i++)
                act(&w, &r);
        /* Nobody answers any more: what is looked up comes to an end. */
        for (size_t i = 0; i < 200; i++) {
                w.now_usec = usec_add(w.now_usec, USEC_PER_SEC);
                if (chord_advance(w.chord, w.now_usec) < 0)
                        abort();
                drain(&w);
        }
        if (w.n_waiting > 0)
                abort();
        chord_free(w.chord);
        random_free(w.random);
}

static void set_up(void)
{
        uint8_t seed[IDENTITY_SEED_SIZE] = { 0 };

        if (identities[0].id[0])
                return;
        if (crypto_init(&(bool){ false }) < 0)
                abort();
        for (size_t i = 0; i < ELEMENTSOF(identities); i++) {
                seed[0] = (uint8_t)(i + 1);
                if (identity_init(&identities[i], seed) < 0)
                        abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        set_up();
        if (size == 0)
                return 0;
        switch (data[0] & 3) {
        case 0:
                fuzz_rpc(data + 1, size - 1);
                break;
        case 1:
                fuzz_record(data + 1, size - 1);
                break;
        case 2:
                fuzz_withdrawal(data + 1, size - 1);
                break;
        case 3:
                fuzz_engine(data + 1, size - 1);
                break;
        }
        return 0;
}
