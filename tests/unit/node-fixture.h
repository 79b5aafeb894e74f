/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One node, without world: time and what comes out of it are in the test's hands */
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "core/node/node.h"
#include "lib/test.h"

#define OWN_ID "abcdefghijklmnopqrstuvwxya"
#define OTHER_ID "bcdefghijklmnopqrstuvwxyza"
#define START_MONO (2 * USEC_PER_DAY)
#define START_REAL (UINT64_C(1700000000) * USEC_PER_SEC)

struct fixture {
        struct random *random;
        struct identity identity;
        struct node *node;
        struct now now;
};

/* 0, or -ENOMEM. */
static inline int fixture_init(struct fixture *f, const struct node_options *options)
{
        struct node_options o = options ? *options : (struct node_options){ .announce = true };
        int r;

        *f = (struct fixture){ .now = { .mono_usec = START_MONO, .real_usec = START_REAL } };
        r = random_new_seeded(1, &f->random);
        if (r < 0)
                return r;
        o.username = "Ada";
        memcpy(f->identity.id, OWN_ID, sizeof f->identity.id);
        o.identity = &f->identity;
        o.random = f->random;
        o.port = ENDPOINT_PORT_DEFAULT;
        return node_new(&o, f->now, &f->node);
}

static inline void fixture_done(struct fixture *f)
{
        f->node = node_free(f->node);
        f->random = random_free(f->random);
}

static inline void fixture_pass(struct fixture *f, usec_t span_usec)
{
        f->now.mono_usec += span_usec;
        f->now.real_usec += span_usec;
}

static inline struct endpoint host(unsigned n)
{
        return endpoint_ipv4(10, 0, 0, (uint8_t)n, 5000);
}

static inline int fixture_hear(struct fixture *f, unsigned from, const char *json)
{
        struct endpoint e = host(from);

        return node_datagram(f->node, DIALECT_CLASSIC, &e, json, strlen(json), f->now);
}

/* The first of @type in the lists of this turn, which ends. False when there is none. */
static inline bool fixture_change(struct fixture *f, enum change_type type, struct change *ret)
{
        struct change c;

        ASSERT_OK(node_end_turn(f->node, f->now));
        while (node_next_change(f->node, &c))
                if (c.type == type) {
                        *ret = c;
                        return true;
                }
        return false;
}

static inline bool fixture_effect(struct fixture *f, enum effect_type type, struct effect *ret)
{
        struct effect e;

        while (node_next_effect(f->node, &e))
                if (e.type == type) {
                        *ret = e;
                        return true;
                }
        return false;
}

static inline void fixture_drain(struct fixture *f)
{
        struct change c;
        struct effect e;

        ASSERT_OK(node_end_turn(f->node, f->now));
        while (node_next_change(f->node, &c))
                ;
        while (node_next_effect(f->node, &e))
                ;
}

/* The first warning of this turn, which ends; NULL when there is none. Valid until the next one. */
static inline const struct change_warning *fixture_warning(struct fixture *f)
{
        static struct change c;

        return fixture_change(f, CHANGE_WARNING, &c) ? &c.warning : NULL;
}

static inline int fixture_set_up(void)
{
        bool is_locked;

        return crypto_init(&is_locked) < 0 ? 1 : 0;
}
