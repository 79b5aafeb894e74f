/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups without memory: each allocation fails once, and nothing is lost or used twice */
#include "lib/failing-memory.h"
#include "unit/group-peers.h"

/* What is said to the engine of person 0 or 1, made while there is memory. */
static struct frame {
        unsigned who;
        uint8_t data[2048];
        size_t size;
} frames[16];
static size_t n_frames;
static struct group_id group;

static struct frame *add_frame(unsigned who, enum group_gossip_kind kind)
{
        struct frame *f = &frames[n_frames++];

        f->who = who;
        f->data[0] = (uint8_t)kind;
        f->size = 1;
        return f;
}

static void add_membership(unsigned who, uint32_t version, unsigned members)
{
        struct group_membership *m = version_of_group(version, members, NULL);
        static uint8_t data[GROUP_MEMBERSHIP_SIZE_MAX];
        struct frame *f = add_frame(who, GROUP_GOSSIP_MEMBERSHIP);
        size_t size = group_membership_encode(m, data);

        memcpy(f->data + 1, data, size);
        f->size += size;
        group = m->id;
        free(m);
}

static void add_message(unsigned who, unsigned author, uint64_t number)
{
        static uint8_t data[GROUP_MESSAGE_SIZE_MAX];
        struct frame *f = add_frame(who, GROUP_GOSSIP_MESSAGE);
        size_t size = make_message(data, &group, author, 9, 1, number);

        memcpy(f->data + 1, data, size);
        f->size += size;
}

static void add_have(unsigned who, enum group_have_flags flags)
{
        static uint8_t data[GROUP_FRAME_SIZE_MAX];
        struct frame *f = add_frame(who, GROUP_GOSSIP_HAVE);
        struct group_lane_id lane = { key_of(0), 9, 1 };

        f->size = group_gossip_have_lane(data, group_gossip_have(&group, flags, data), &lane, 9);
        group_gossip_set_flags(data, flags);
        memcpy(f->data, data, f->size);
}

static void add_get(unsigned who)
{
        static uint8_t data[GROUP_FRAME_SIZE_MAX];
        struct frame *f = add_frame(who, GROUP_GOSSIP_GET);
        struct group_gossip get = {
                .group = group, .lane = { key_of(2), 9, 1 }, .number = 1, .n = 2
        };

        f->size = group_gossip_get(&get, data);
        memcpy(f->data, data, f->size);
}

static void add_leave(unsigned who)
{
        struct frame *f = add_frame(who, GROUP_GOSSIP_LEAVE);
        struct group_leave l = { .group = group, .joined = 1 };
        uint8_t data[GROUP_LEAVE_SIZE_MAX];
        size_t size;

        ASSERT_OK(group_leave_sign(&l, &people[who]));
        size = group_leave_encode(&l, data);
        memcpy(f->data + 1, data, size);
        f->size += size;
}

static void prepare(void)
{
        add_membership(0, 1, 0xf);
        add_message(2, 2, 1);
        add_message(2, 2, 3);
        add_have(0, GROUP_HAVE_ANSWER);
        add_get(3);
        add_message(0, 0, 1);
        add_leave(3);
        add_membership(0, 2, 0x7);
}

static int carry_out(struct group_engine *e)
{
        struct group_effect effect;
        int r = 0;

        while (r == 0 && group_next_effect(e, &effect)) {
                if (effect.type == GROUP_INVITATION)
                        r = group_accept(e, &effect.group, &now);
                else if (effect.type == GROUP_LOAD)
                        r = group_loaded(
                                e, &effect.peer, frames[1].data + 1, frames[1].size - 1, &now);
        }
        return r;
}

/* A member is told this and that, and leaves. */
static int live_as_member(struct group_engine *e)
{
        int r = 0;

        for (unsigned i = 0; i < 4 && r == 0; i++) {
                struct group_key k = key_of(i);

                if (i != 1)
                        r = group_connected(e, &k, &now);
        }
        for (size_t i = 0; i < n_frames && r == 0; i++) {
                struct group_key k = key_of(frames[i].who);
                struct now later = { now.mono_usec + i * 2 * USEC_PER_SEC, now.real_usec };

                r = group_receive(e, &k, frames[i].data, frames[i].size, &later);
                if (r == 0)
                        r = carry_out(e);
                if (r == 0)
                        r = group_advance(e, &later);
                if (r == 0)
                        r = carry_out(e);
        }
        if (r == 0)
                r = group_send(e, &group, "hello", 5, &now);
        if (r == 0)
                r = group_leave(e, &group, &now);
        return r;
}

/* A creator makes a group, changes it, and leaves. */
static int live_as_creator(struct group_engine *e)
{
        struct group_key keys[] = { key_of(1), key_of(2), key_of(3) };
        struct group_id id;
        int r = group_connected(e, &keys[0], &now);

        if (r == 0)
                r = group_create(e, "team", keys, 2, &now, &id);
        if (r == 0)
                r = group_send(e, &id, "hello", 5, &now);
        if (r == 0)
                r = group_invite(e, &id, &keys[2], 1, &now);
        if (r == 0)
                r = group_remove(e, &id, &keys[0], &now);
        if (r == 0)
                r = group_leave(e, &id, &now);
        return r;
}

static int restore(struct group_engine *e)
{
        struct group_lane_id lane = { key_of(2), 9, 1 };
        struct group_key inviter = key_of(0);
        int r = group_restore(e, GROUP_MEMBER, &inviter, frames[0].data + 1, frames[0].size - 1);

        if (r == 0)
                r = group_restore_lane(e, &group, &lane, 3);
        if (r == 0)
                r = group_restore_leave(e, frames[6].data + 1, frames[6].size - 1);
        return r;
}

static int run(unsigned who, int (*live)(struct group_engine *e))
{
        struct group_options o = { &people[who], dice, 0 };
        struct group_engine *e = NULL;
        int r = group_engine_new(&o, &e);

        if (r == 0)
                r = live(e);
        fail_at = SIZE_MAX;
        group_engine_free(e);
        return r;
}

static void fail_each(unsigned who, int (*live)(struct group_engine *e))
{
        size_t n = 0;
        int r;

        do {
                n_allocations = 0;
                fail_at = ++n;
                r = run(who, live);
                ASSERT_TRUE(r == 0 || r == -ENOMEM);
        } while (r == -ENOMEM);
        ASSERT_GT(n, 5);
}

TEST(a_member_without_memory)
{
        prepare();
        fail_each(1, live_as_member);
}

TEST(a_creator_without_memory)
{
        fail_each(0, live_as_creator);
}

TEST(restoring_without_memory)
{
        fail_each(1, restore);
}

TEST_MAIN_WITH(set_up)
