/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * An engine of groups, and people by hand who speak to it
 *
 * What it does is counted; the last frame of each kind is kept. Person 0 creates groups with
 * version_of_group().
 */
#include "core/group/group.h"
#include "unit/group-fixture.h"

#define KINDS (GROUP_GOSSIP_MESSAGE + 1)

static struct now now = { USEC_PER_DAY, BEGIN_USEC };

static struct seen {
        unsigned n_frames, n_sent[KINDS], n_of[GROUP_BAN + 1];
        unsigned n_to[PEOPLE_MAX]; /* frames */
        struct group_effect last[GROUP_BAN + 1];
        uint8_t frames[KINDS][GROUP_FRAME_SIZE_MAX];
        size_t sizes[KINDS];
        uint8_t stored[GROUP_MEMBERSHIP_SIZE_MAX], message[GROUP_MESSAGE_SIZE_MAX];
        size_t stored_size, message_size;
        uint8_t leave[GROUP_LEAVE_SIZE_MAX];
        size_t leave_size;
} seen;

static unsigned who_is(const struct group_key *key)
{
        for (unsigned i = 0; i < PEOPLE_MAX; i++)
                if (memcmp(people[i].public_key, key->bytes, sizeof key->bytes) == 0)
                        return i;
        return 0;
}

/* Forgets what was before, and takes all effects. */
static void drain(struct group_engine *e)
{
        struct group_effect effect;

        memset(&seen, 0, sizeof seen);
        while (group_next_effect(e, &effect)) {
                seen.n_of[effect.type]++;
                seen.last[effect.type] = effect;
                seen.last[effect.type].data = NULL;
                if (effect.type == GROUP_SEND) {
                        uint8_t kind = effect.data[0];

                        ASSERT_LT(kind, KINDS);
                        ASSERT_LE(effect.size, (size_t)GROUP_FRAME_SIZE_MAX);
                        seen.n_frames++;
                        seen.n_sent[kind]++;
                        seen.n_to[who_is(&effect.peer)]++;
                        memcpy(seen.frames[kind], effect.data, effect.size);
                        seen.sizes[kind] = effect.size;
                } else if (effect.type == GROUP_STORE) {
                        memcpy(seen.stored, effect.data, effect.size);
                        seen.stored_size = effect.size;
                } else if (effect.type == GROUP_STORE_LEAVE) {
                        memcpy(seen.leave, effect.data, effect.size);
                        seen.leave_size = effect.size;
                } else if (effect.type == GROUP_NEW) {
                        memcpy(seen.message, effect.data, effect.size);
                        seen.message_size = effect.size;
                }
        }
}

static struct group_engine *make_engine(unsigned who, uint64_t life)
{
        struct group_options o = { &people[who], dice, life };
        struct group_engine *e;

        ASSERT_OK(group_engine_new(&o, &e));
        drain(e);
        return e;
}

__attribute__((unused)) static void meet(struct group_engine *e, unsigned who)
{
        struct group_key k = key_of(who);

        ASSERT_OK(group_connected(e, &k, &now));
        drain(e);
}

__attribute__((unused)) static void part(struct group_engine *e, unsigned who)
{
        struct group_key k = key_of(who);

        ASSERT_OK(group_gone(e, &k, &now));
        drain(e);
}

static void say(struct group_engine *e, unsigned who, const uint8_t *data, size_t size)
{
        struct group_key k = key_of(who);

        ASSERT_OK(group_receive(e, &k, data, size, &now));
        drain(e);
}

__attribute__((unused)) static void say_record(struct group_engine *e, unsigned who,
        enum group_gossip_kind kind, const uint8_t *data, size_t size)
{
        static uint8_t frame[GROUP_FRAME_SIZE_MAX];

        frame[0] = (uint8_t)kind;
        memcpy(frame + 1, data, size);
        say(e, who, frame, 1 + size);
}

__attribute__((unused)) static void wait_for(struct group_engine *e, usec_t usec)
{
        now.mono_usec += usec;
        now.real_usec += usec;
        ASSERT_OK(group_advance(e, &now));
        drain(e);
}

/* Members are the people whose bits are set, since the version before which none of them left:
 * joined[i], or 1. To be freed. */
static struct group_membership *version_of_group(
        uint32_t version, unsigned members, const uint32_t *joined)
{
        struct group_membership *m = group_membership_new(PEOPLE_MAX, 0, 0);

        m->n_members = 0;
        m->creator = key_of(0);
        memcpy(m->nonce, "sixteen bytes...", sizeof m->nonce);
        memcpy(m->name, "team", sizeof "team");
        m->version = version;
        if (version > 1)
                memset(m->previous, 7, sizeof m->previous);
        for (unsigned i = 0; i < PEOPLE_MAX; i++)
                if (members >> i & 1)
                        m->members[m->n_members++] =
                                (struct group_member){ key_of(i), joined ? joined[i] : 1 };
        ASSERT_OK(group_membership_sign(m, &people[0]));
        return m;
}

__attribute__((unused)) static void say_membership(
        struct group_engine *e, unsigned who, const struct group_membership *m)
{
        static uint8_t data[GROUP_MEMBERSHIP_SIZE_MAX];

        say_record(e, who, GROUP_GOSSIP_MEMBERSHIP, data, group_membership_encode(m, data));
}

/* Message @number of a person in a stream. */
static size_t make_message(uint8_t *data, const struct group_id *id, unsigned author,
        uint64_t stream, uint32_t version, uint64_t number)
{
        struct group_message m = { .group = *id,
                .lane = { .stream = stream, .version = version },
                .number = number,
                .text = "hello",
                .text_size = 5 };
        size_t size;

        ASSERT_OK(group_message_sign(&m, &people[author], data, &size));
        return size;
}

__attribute__((unused)) static void say_message(struct group_engine *e, unsigned who,
        const struct group_id *id, unsigned author, uint64_t stream, uint32_t version,
        uint64_t number)
{
        static uint8_t data[GROUP_MESSAGE_SIZE_MAX];

        say_record(e, who, GROUP_GOSSIP_MESSAGE, data,
                make_message(data, id, author, stream, version, number));
}

__attribute__((unused)) static void say_tip(
        struct group_engine *e, unsigned who, const struct group_membership *m, uint64_t digest)
{
        struct group_gossip t = { .group = m->id, .version = m->version, .digest = digest };
        static uint8_t frame[GROUP_FRAME_SIZE_MAX];

        memcpy(t.hash, m->hash, sizeof t.hash);
        say(e, who, frame, group_gossip_tip(&t, frame));
}

__attribute__((unused)) static void say_have(struct group_engine *e, unsigned who,
        const struct group_id *id, enum group_have_flags flags, unsigned author, uint64_t stream,
        uint32_t version, uint64_t number)
{
        static uint8_t frame[GROUP_FRAME_SIZE_MAX];
        size_t size = group_gossip_have(id, flags, frame);
        struct group_lane_id lane = { key_of(author), stream, version };

        if (number > 0)
                size = group_gossip_have_lane(frame, size, &lane, number);
        say(e, who, frame, size);
}

__attribute__((unused)) static void say_get(struct group_engine *e, unsigned who,
        const struct group_id *id, unsigned author, uint64_t stream, uint32_t version,
        uint64_t number, size_t n)
{
        struct group_gossip get = {
                .group = *id, .lane = { key_of(author), stream, version }, .number = number, .n = n
        };
        static uint8_t frame[GROUP_FRAME_SIZE_MAX];

        say(e, who, frame, group_gossip_get(&get, frame));
}

__attribute__((unused)) static struct group_info info_of(
        const struct group_engine *e, const struct group_id *id)
{
        struct group_info info = { .version = 0 };

        (void)group_find(e, id, &info);
        return info;
}

/* An engine of person 1, who accepted version 1 with people 0 to 3; all but it are connected. */
__attribute__((unused)) static struct group_engine *make_member(struct group_membership **ret)
{
        struct group_engine *e = make_engine(1, 0);

        *ret = version_of_group(1, 0xf, NULL);
        meet(e, 0);
        meet(e, 2);
        meet(e, 3);
        say_membership(e, 0, *ret);
        ASSERT_EQ(seen.n_of[GROUP_INVITATION], 1);
        ASSERT_OK(group_accept(e, &(*ret)->id, &now));
        drain(e);
        ASSERT_EQ(info_of(e, &(*ret)->id).state, GROUP_MEMBER);
        return e;
}
