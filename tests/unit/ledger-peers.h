/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Members made by hand, with chains that an engine hears of, asks for, and gets
 */
#include "base/cursor.h"
#include "core/ledger/gossip.h"
#include "unit/ledger-fixture.h"

#define CHAIN_MAX 40

struct remote {
        struct ledger_peer peer;
        struct block blocks[CHAIN_MAX]; /* of height i + 1 */
        size_t n;
        bool is_withholding; /* blocks */
        bool is_lacking;     /* says that it does not have them */
        size_t n_missing;    /* of the last ones it says so in any case */
        unsigned n_asked;    /* for blocks */
        bool is_banned;
        unsigned n_records; /* told to it */
        struct block_header tip;
};

/* What the engine did since it was cleared. */
struct seen {
        unsigned n_appended, n_reports, n_certified, n_loads;
        uint32_t report_height, reorganised_to;
        bool is_reorganised;
};

static struct now now;
static struct remote *around[8]; /* who is connected to the engine of this test */
static size_t n_around;
static struct seen seen;
static uint8_t message[LEDGER_MESSAGE_SIZE_MAX];

static struct ledger *make_for(const struct genesis *g)
{
        struct ledger_options o = { .genesis = g, .random = dice };
        struct ledger *l = NULL;

        n_around = 0;
        now = (struct now){ .mono_usec = USEC_PER_DAY, .real_usec = BEGIN_USEC };
        ASSERT_OK(ledger_new(&o, &l));
        return l;
}

__attribute__((unused)) static struct ledger *make(void)
{
        return make_for(&genesis);
}

static struct remote *make_remote(unsigned i)
{
        struct remote *r = calloc(1, sizeof *r);

        ASSERT_NOT_NULL(r);
        r->peer.bytes[0] = (uint8_t)(i + 1);
        return r;
}

static void extend(struct remote *r, const struct certificate *c, usec_t time_usec)
{
        r->blocks[r->n] = block_behind(r->n > 0 ? &r->blocks[r->n - 1] : NULL, time_usec, c);
        r->n++;
}

/* The next block, an hour later, with the first registration of a name that its number tells. */
__attribute__((unused)) static void extend_with(struct remote *r, unsigned who)
{
        char name[USERNAME_SIZE_MAX + 1];
        struct certificate c;

        (void)snprintf(name, sizeof name, "user-%u", who);
        c = registration(who % PEOPLE_MAX, name, BEGIN_USEC);
        extend(r, &c, BEGIN_USEC + (r->n + 1) * USEC_PER_MINUTE);
}

/* 0, or the -ENOMEM of the engine. */
static int say(struct ledger *l, const struct remote *r, size_t size)
{
        return ledger_receive(l, &r->peer, message, size, &now);
}

static int say_tip(struct ledger *l, const struct remote *r)
{
        const struct block_header *h = r->n > 0 ? &r->blocks[r->n - 1].header : NULL;

        return say(l, r, gossip_tip(genesis.context.network, h, message));
}

__attribute__((unused)) static int say_record(
        struct ledger *l, const struct remote *r, const struct certificate *c)
{
        struct writer w = writer_make(message, sizeof message);
        uint8_t data[CERTIFICATE_SIZE_MAX];

        writer_u8(&w, GOSSIP_RECORDS);
        writer_u8(&w, 1);
        writer_blob(&w, data, certificate_encode(c, data));
        return say(l, r, w.size);
}

static int say_headers(struct ledger *l, const struct remote *r, const struct gossip *asked)
{
        struct writer w = writer_make(message, sizeof message);
        size_t begin = 0;

        for (size_t i = 0; i < asked->n && begin == 0; i++) {
                struct wanted have;

                gossip_wanted(asked, i, &have);
                if (have.height <= r->n &&
                        memcmp(have.hash, r->blocks[have.height - 1].hash, HASH_SIZE) == 0)
                        begin = have.height;
        }
        writer_u8(&w, GOSSIP_HEADERS);
        writer_u16(&w, (uint16_t)(r->n - begin));
        for (size_t i = begin; i < r->n; i++) {
                uint8_t header[BLOCK_HEADER_SIZE];

                block_header_encode(&r->blocks[i].header, header);
                writer_bytes(&w, header, sizeof header);
        }
        return say(l, r, w.size);
}

static int say_block(struct ledger *l, struct remote *r, const struct gossip *asked)
{
        struct wanted wanted;

        gossip_wanted(asked, 0, &wanted);
        r->n_asked++;
        if (r->is_withholding)
                return 0;
        if (r->is_lacking || wanted.height > r->n - r->n_missing ||
                memcmp(wanted.hash, r->blocks[wanted.height - 1].hash, HASH_SIZE) != 0)
                return say(l, r, gossip_one(GOSSIP_MISSING, &wanted, message));
        message[0] = GOSSIP_BLOCK;
        return say(l, r, 1 + block_encode(&r->blocks[wanted.height - 1], message + 1));
}

static int hear(struct ledger *l, struct remote *r, const struct ledger_effect *e)
{
        static uint8_t copy[LEDGER_MESSAGE_SIZE_MAX];
        struct gossip m;

        memcpy(copy, e->data, e->size);
        ASSERT_OK(gossip_decode(copy, e->size, &m));
        if (m.kind == GOSSIP_GET_HEADERS)
                return say_headers(l, r, &m);
        if (m.kind == GOSSIP_GET_BLOCK)
                return say_block(l, r, &m);
        if (m.kind == GOSSIP_RECORDS)
                r->n_records += m.n;
        if (m.kind == GOSSIP_TIP && m.has_header)
                r->tip = m.header;
        return 0;
}

static void see(const struct ledger_effect *e)
{
        seen.n_appended += e->type == LEDGER_APPEND;
        seen.n_certified += e->type == LEDGER_CERTIFIED;
        seen.n_loads += e->type == LEDGER_LOAD;
        if (e->type == LEDGER_REPORT) {
                seen.n_reports++;
                seen.report_height = e->height;
        } else if (e->type == LEDGER_REORGANISE) {
                seen.is_reorganised = true;
                seen.reorganised_to = e->height;
        }
}

/* Until nothing is to be done at once. 0, or -ENOMEM. */
static int serve(struct ledger *l)
{
        struct ledger_effect e;
        int r = 0;

        for (;;) {
                while (r == 0 && ledger_next_effect(l, &e)) {
                        see(&e);
                        for (size_t i = 0; i < n_around && r == 0; i++) {
                                if (memcmp(&around[i]->peer, &e.peer, sizeof e.peer) != 0)
                                        continue;
                                around[i]->is_banned |= e.type == LEDGER_BAN;
                                if (e.type == LEDGER_SEND)
                                        r = hear(l, around[i], &e);
                        }
                }
                if (r != 0 || ledger_deadline(l) > now.mono_usec)
                        return r;
                r = ledger_advance(l, &now);
        }
}

static int join(struct ledger *l, struct remote *r)
{
        around[n_around++] = r;
        return ledger_connected(l, &r->peer, &now);
}

/* It comes and tells its tip; what follows from that. */
__attribute__((unused)) static int offer(struct ledger *l, struct remote *r)
{
        int e = join(l, r);

        if (e == 0)
                e = say_tip(l, r);
        return e == 0 ? serve(l) : e;
}

__attribute__((unused)) static void assert_tip(const struct ledger *l, const struct remote *r)
{
        struct ledger_status s;

        ledger_status(l, &s);
        ASSERT_EQ(s.height, r->n);
        ASSERT_MEMEQ(s.tip, r->blocks[r->n - 1].hash, HASH_SIZE);
}

__attribute__((unused)) static uint32_t height_of(const struct ledger *l)
{
        struct ledger_status s;

        ledger_status(l, &s);
        return s.height;
}

/* Mines until no record waits that can be taken. */
__attribute__((unused)) static void mine(struct ledger *l)
{
        for (unsigned i = 0; i < 1000 && ledger_is_mining(l, &now); i++)
                ASSERT_OK(ledger_mine(l, 100, &now));
}
