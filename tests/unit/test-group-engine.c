/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups: what a member takes, gives and says, and what not */
#include "unit/group-peers.h"

TEST(a_group_is_made_and_told)
{
        struct group_engine *e = make_engine(0, 0);
        struct group_key keys[] = { key_of(1), key_of(2), key_of(1) };
        struct group_member_info members[4];
        struct group_id id;

        ASSERT_EQ(group_create(e, "+team", keys, 1, &now, &id), GROUP_INVALID);
        ASSERT_EQ(group_create(e, "", keys, 1, &now, &id), GROUP_INVALID);
        meet(e, 1);
        meet(e, 3);
        ASSERT_OK(group_create(e, "team", keys, 3, &now, &id));
        drain(e);
        ASSERT_EQ(seen.n_of[GROUP_STORE], 1);
        ASSERT_EQ(seen.n_to[1], 2);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_MEMBERSHIP], 1);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_TIP], 1);
        ASSERT_EQ(seen.n_to[3], 0);
        ASSERT_EQ(group_members(e, &id, members, 4), 3);
        ASSERT_EQ(members[0].joined, 1);
        ASSERT_STREQ(info_of(e, &id).name, "team");
        group_engine_free(e);
}

TEST(only_the_creator_changes_who_belongs)
{
        struct group_engine *e = make_engine(0, 0), *other;
        struct group_key keys[] = { key_of(1), key_of(2) }, self = key_of(0), stranger = key_of(5);
        struct group_membership *m;
        struct group_id id, none = { { 1 } };

        ASSERT_OK(group_create(e, "team", keys, 1, &now, &id));
        ASSERT_EQ(group_invite(e, &none, keys, 1, &now), GROUP_UNKNOWN);
        ASSERT_EQ(group_remove(e, &none, keys, &now), GROUP_UNKNOWN);
        ASSERT_EQ(group_leave(e, &none, &now), GROUP_UNKNOWN);
        ASSERT_EQ(group_accept(e, &none, &now), GROUP_UNKNOWN);
        ASSERT_EQ(group_forget(e, &none, &now), GROUP_UNKNOWN);
        ASSERT_EQ(group_send(e, &none, "x", 1, &now), GROUP_UNKNOWN);
        ASSERT_EQ(group_invite(e, &id, keys, 1, &now), GROUP_KNOWN);
        ASSERT_OK(group_invite(e, &id, keys, 2, &now));
        ASSERT_EQ(info_of(e, &id).version, 2);
        ASSERT_EQ(info_of(e, &id).n_members, 3);
        ASSERT_EQ(group_remove(e, &id, &self, &now), GROUP_UNKNOWN);
        ASSERT_EQ(group_remove(e, &id, &stranger, &now), GROUP_UNKNOWN);
        ASSERT_OK(group_remove(e, &id, &keys[0], &now));
        ASSERT_EQ(info_of(e, &id).version, 3);
        ASSERT_EQ(group_accept(e, &id, &now), GROUP_WRONG_STATE);
        ASSERT_EQ(group_forget(e, &id, &now), GROUP_WRONG_STATE);
        other = make_member(&m);
        ASSERT_EQ(group_invite(other, &m->id, &stranger, 1, &now), GROUP_NOT_CREATOR);
        ASSERT_EQ(group_remove(other, &m->id, keys, &now), GROUP_NOT_CREATOR);
        group_engine_free(other);
        group_engine_free(e);
        free(m);
}

TEST(a_group_has_at_most_256_members)
{
        static struct group_key keys[GROUP_MEMBERS_MAX];
        struct group_engine *e = make_engine(0, 0);
        struct group_id id;

        for (unsigned i = 0; i < GROUP_MEMBERS_MAX; i++)
                keys[i] = (struct group_key){ { (uint8_t)i, 1 } };
        ASSERT_EQ(group_create(e, "team", keys, GROUP_MEMBERS_MAX, &now, &id), GROUP_FULL);
        ASSERT_OK(group_create(e, "team", keys, GROUP_MEMBERS_MAX - 1, &now, &id));
        ASSERT_EQ(group_invite(e, &id, keys + GROUP_MEMBERS_MAX - 1, 1, &now), GROUP_FULL);
        ASSERT_OK(group_remove(e, &id, &keys[0], &now));
        ASSERT_OK(group_invite(e, &id, keys + GROUP_MEMBERS_MAX - 1, 1, &now));
        group_engine_free(e);
}

TEST(before_accepting_nothing_is_said_and_nothing_taken)
{
        struct group_engine *e = make_engine(1, 0);
        struct group_membership *m = version_of_group(1, 0xf, NULL);

        meet(e, 0);
        meet(e, 2);
        say_membership(e, 0, m);
        ASSERT_EQ(seen.n_of[GROUP_INVITATION], 1);
        ASSERT_EQ(seen.n_of[GROUP_STORE], 1);
        ASSERT_EQ(seen.last[GROUP_STORE].state, GROUP_INVITED);
        ASSERT_EQ(who_is(&seen.last[GROUP_INVITATION].inviter), 0);
        ASSERT_EQ(seen.n_frames, 0);
        say_tip(e, 0, m, 1);
        ASSERT_EQ(seen.n_frames, 0);
        say_message(e, 0, &m->id, 0, 1, 1, 1);
        say_have(e, 0, &m->id, GROUP_HAVE_ANSWER, 0, 1, 1, 5);
        ASSERT_EQ(seen.n_frames + seen.n_of[GROUP_NEW], 0);
        say_membership(e, 2, m);
        ASSERT_EQ(seen.n_frames + seen.n_of[GROUP_INVITATION], 0);
        ASSERT_EQ(group_send(e, &m->id, "x", 1, &now), GROUP_WRONG_STATE);
        meet(e, 3);
        ASSERT_EQ(seen.n_frames, 0);
        ASSERT_OK(group_accept(e, &m->id, &now));
        drain(e);
        ASSERT_EQ(seen.last[GROUP_STORE].state, GROUP_MEMBER);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_TIP], 3);
        say_message(e, 0, &m->id, 0, 1, 1, 1);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 1);
        group_engine_free(e);
        free(m);
}

TEST(an_invitation_names_us_and_comes_from_a_member)
{
        struct group_engine *e = make_engine(1, 0);
        struct group_membership *m = version_of_group(1, 0xf, NULL);
        struct group_membership *without = version_of_group(1, 0xd, NULL);

        meet(e, 5);
        meet(e, 2);
        meet(e, 3);
        say_membership(e, 5, m);
        ASSERT_EQ(seen.n_of[GROUP_INVITATION] + seen.n_of[GROUP_BAN], 0);
        say_membership(e, 2, without);
        ASSERT_EQ(seen.n_of[GROUP_INVITATION] + seen.n_of[GROUP_BAN], 0);
        m->signature[5] ^= 1;
        say_membership(e, 3, m);
        ASSERT_EQ(seen.n_of[GROUP_INVITATION], 0);
        ASSERT_EQ(seen.n_of[GROUP_BAN], 1);
        m->signature[5] ^= 1;
        say_membership(e, 2, m);
        ASSERT_EQ(seen.n_of[GROUP_INVITATION], 1);
        ASSERT_EQ(who_is(&seen.last[GROUP_INVITATION].inviter), 2);
        group_engine_free(e);
        free(m);
        free(without);
}

TEST(invitations_are_bounded)
{
        struct group_engine *e = make_engine(1, 0);
        unsigned n = 0;

        meet(e, 0);
        meet(e, 2);
        meet(e, 3);
        for (unsigned i = 0; i < 30; i++) {
                struct group_membership *m = version_of_group(1, 0xf, NULL);
                unsigned expected;

                m->nonce[0] = (uint8_t)i;
                ASSERT_OK(group_membership_sign(m, &people[0]));
                /* Eight of the first, then eight of the next, which is all for one creator. */
                say_membership(e, i < 9 ? 0 : i < 18 ? 2 : 3, m);
                n += seen.n_of[GROUP_INVITATION];
                expected = i < 9 ? MIN(i + 1, 8U) : i;
                expected = MIN(expected, (unsigned)GROUP_PER_CREATOR_MAX);
                ASSERT_EQ(n, expected);
                free(m);
        }
        ASSERT_EQ(n, 16);
        group_engine_free(e);
}

TEST(declining_is_leaving)
{
        struct group_engine *e = make_engine(1, 0);
        struct group_membership *m = version_of_group(1, 0xf, NULL);

        meet(e, 2);
        say_membership(e, 2, m);
        ASSERT_OK(group_forget(e, &m->id, &now));
        drain(e);
        ASSERT_EQ(seen.n_of[GROUP_FORGET], 1);
        ASSERT_EQ(seen.n_frames, 0);
        say_membership(e, 2, m);
        ASSERT_EQ(seen.n_of[GROUP_INVITATION], 1);
        ASSERT_OK(group_leave(e, &m->id, &now));
        drain(e);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_LEAVE], 1);
        ASSERT_EQ(seen.n_of[GROUP_STORE_LEAVE], 1);
        ASSERT_EQ(info_of(e, &m->id).state, GROUP_LEAVING);
        meet(e, 5);
        ASSERT_EQ(seen.n_frames, 0);
        meet(e, 3);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_LEAVE], 1);
        group_engine_free(e);
        free(m);
}

TEST(messages_are_taken_once_and_in_order)
{
        struct group_membership *m;
        struct group_engine *e = make_member(&m);

        say_message(e, 2, &m->id, 2, 9, 1, 1);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 1);
        ASSERT_EQ(seen.last[GROUP_NEW].number, 1);
        ASSERT_FALSE(seen.last[GROUP_NEW].is_own);
        say_message(e, 2, &m->id, 2, 9, 1, 1);
        say_message(e, 3, &m->id, 2, 9, 1, 1);
        say_message(e, 3, &m->id, 2, 9, 1, 3);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 0);
        say_message(e, 3, &m->id, 2, 9, 1, 2);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 1);
        /* Another stream has its own numbers. */
        say_message(e, 3, &m->id, 2, 10, 1, 1);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 1);
        /* Others are told soon, and who had one that came too early is asked. */
        wait_for(e, 2 * USEC_PER_SEC);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_HAVE], 3);
        wait_for(e, 3 * USEC_PER_SEC);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_TIP], 1);
        ASSERT_EQ(seen.n_to[3], 1);
        group_engine_free(e);
        free(m);
}

TEST(forged_and_malformed_is_banned_and_strangers_are_ignored)
{
        static uint8_t data[GROUP_MESSAGE_SIZE_MAX];
        struct group_membership *m;
        struct group_engine *e = make_member(&m);
        size_t size = make_message(data, &m->id, 2, 9, 1, 1);

        meet(e, 5);
        say_record(e, 5, GROUP_GOSSIP_MESSAGE, data, size);
        ASSERT_EQ(seen.n_of[GROUP_NEW] + seen.n_of[GROUP_BAN] + seen.n_frames, 0);
        data[0] = 200;
        say(e, 5, data, 10);
        ASSERT_EQ(seen.n_of[GROUP_BAN], 0);
        data[0] = 1;
        data[size - 1] ^= 1;
        say_record(e, 3, GROUP_GOSSIP_MESSAGE, data, size);
        ASSERT_EQ(seen.n_of[GROUP_BAN], 1);
        ASSERT_EQ(who_is(&seen.last[GROUP_BAN].peer), 3);
        say_record(e, 2, GROUP_GOSSIP_MESSAGE, data, size - 1);
        ASSERT_EQ(seen.n_of[GROUP_BAN], 1);
        /* Nothing more is heard of them. */
        data[size - 1] ^= 1;
        say_record(e, 3, GROUP_GOSSIP_MESSAGE, data, size);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 0);
        say_record(e, 0, GROUP_GOSSIP_MESSAGE, data, size);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 1);
        for (unsigned kind = GROUP_GOSSIP_TIP; kind <= GROUP_GOSSIP_MESSAGE; kind++) {
                meet(e, 3);
                say_record(e, 3, kind, data, 3);
                ASSERT_EQ(seen.n_of[GROUP_BAN], 1);
        }
        group_engine_free(e);
        free(m);
}

TEST(a_stranger_learns_nothing)
{
        struct group_membership *m;
        struct group_engine *e = make_member(&m);
        struct group_id other = { { 3 } };

        say_message(e, 2, &m->id, 2, 9, 1, 1);
        meet(e, 5);
        ASSERT_EQ(seen.n_frames, 0);
        for (unsigned turn = 0; turn < 2; turn++) {
                const struct group_id *id = turn == 0 ? &m->id : &other;

                say_get(e, 5, id, 2, 9, 1, 1, 5);
                ASSERT_EQ(seen.n_of[GROUP_LOAD] + seen.n_frames + seen.n_of[GROUP_BAN], 0);
                say_have(e, 5, id, GROUP_HAVE_ANSWER, 2, 9, 1, 1);
                ASSERT_EQ(seen.n_frames + seen.n_of[GROUP_BAN], 0);
        }
        say_tip(e, 5, m, 1);
        ASSERT_EQ(seen.n_frames + seen.n_of[GROUP_BAN], 0);
        say_membership(e, 5, m);
        ASSERT_EQ(seen.n_frames + seen.n_of[GROUP_BAN], 0);
        group_engine_free(e);
        free(m);
}

/* Person 3 joined at version 3, person 2 left at version 2. */
static struct group_membership *version_three(void)
{
        struct group_membership *m = group_membership_new(3, 1, 1);

        m->creator = key_of(0);
        memcpy(m->nonce, "sixteen bytes...", sizeof m->nonce);
        memcpy(m->name, "team", sizeof "team");
        m->version = 3;
        memset(m->previous, 7, sizeof m->previous);
        m->members[0] = (struct group_member){ key_of(0), 1 };
        m->members[1] = (struct group_member){ key_of(1), 1 };
        m->members[2] = (struct group_member){ key_of(3), 3 };
        m->departed[0] =
                (struct group_departed){ .key = key_of(2), .joined = 1, .removed = 2, .n_cuts = 1 };
        m->cuts[0] = (struct group_cut){ 1, 9, 2 };
        ASSERT_OK(group_membership_sign(m, &people[0]));
        return m;
}

TEST(what_a_removed_member_wrote_afterwards_is_not_taken)
{
        struct group_membership *m, *three = version_three();
        struct group_engine *e = make_member(&m);

        say_message(e, 2, &m->id, 2, 9, 1, 1);
        say_membership(e, 0, three);
        ASSERT_EQ(seen.n_of[GROUP_CHANGED], 1);
        ASSERT_FALSE(seen.last[GROUP_CHANGED].is_contradicted);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_FAREWELL], 1);
        ASSERT_EQ(seen.n_to[2], 1);
        say_message(e, 2, &m->id, 2, 9, 1, 2);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 0);
        say_message(e, 3, &m->id, 2, 9, 1, 2);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 1);
        say_message(e, 3, &m->id, 2, 9, 1, 3);
        say_message(e, 3, &m->id, 2, 10, 1, 1);
        say_message(e, 3, &m->id, 2, 9, 3, 1);
        ASSERT_EQ(seen.n_of[GROUP_NEW] + seen.n_of[GROUP_BAN], 0);
        /* It is told that it was removed, and nothing else. */
        say_tip(e, 2, m, 1);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_FAREWELL], 1);
        ASSERT_EQ(seen.n_frames, 1);
        say_get(e, 2, &m->id, 2, 9, 1, 1, 2);
        ASSERT_EQ(seen.n_of[GROUP_LOAD], 0);
        ASSERT_OK(group_send(e, &m->id, "without you", 11, &now));
        drain(e);
        ASSERT_EQ(seen.n_to[2], 0);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_MESSAGE], 2);
        group_engine_free(e);
        free(m);
        free(three);
}

TEST(a_newcomer_is_given_nothing_older)
{
        static uint8_t data[GROUP_FRAME_SIZE_MAX];
        struct group_membership *m, *three = version_three();
        struct group_key newcomer = key_of(3);
        struct group_engine *e = make_member(&m);

        for (unsigned i = 1; i <= 4; i++)
                say_message(e, 0, &m->id, 0, 9, 1, i);
        say_membership(e, 0, three);
        say_message(e, 0, &m->id, 0, 9, 3, 1);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 1);
        say_get(e, 3, &m->id, 0, 9, 1, 1, 4);
        ASSERT_EQ(seen.n_of[GROUP_LOAD], 0);
        say_get(e, 3, &m->id, 0, 9, 3, 1, 4);
        ASSERT_EQ(seen.n_of[GROUP_LOAD], 1);
        ASSERT_EQ(seen.last[GROUP_LOAD].number, 1);
        say_get(e, 0, &m->id, 0, 9, 1, 2, 4);
        ASSERT_EQ(seen.n_of[GROUP_LOAD], 3);
        say_get(e, 0, &m->id, 0, 9, 1, UINT64_MAX, 4);
        say_get(e, 0, &m->id, 0, 8, 1, 1, 4);
        ASSERT_EQ(seen.n_of[GROUP_LOAD], 0);
        say_tip(e, 3, three, 1);
        ASSERT_EQ(seen.sizes[GROUP_GOSSIP_HAVE],
                group_gossip_have(&m->id, GROUP_HAVE_NEWS, data) + PUBLIC_KEY_SIZE + 8 + 4 + 8);
        /* What is loaded for it after all is not given. */
        ASSERT_OK(group_loaded(e, &newcomer, data, make_message(data, &m->id, 0, 9, 1, 1), &now));
        drain(e);
        ASSERT_EQ(seen.n_frames, 0);
        ASSERT_OK(group_loaded(e, &newcomer, data, make_message(data, &m->id, 0, 9, 3, 1), &now));
        drain(e);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_MESSAGE], 1);
        group_engine_free(e);
        free(m);
        free(three);
}

TEST(what_is_of_a_version_unknown_here_waits_where_it_is)
{
        struct group_membership *m, *three = version_three();
        struct group_engine *e = make_member(&m);

        say_message(e, 3, &m->id, 0, 9, 3, 1);
        ASSERT_EQ(seen.n_of[GROUP_NEW] + seen.n_frames, 0);
        wait_for(e, 5 * USEC_PER_SEC);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_TIP], 1);
        /* Who sees our version gives its own; then it is asked for what it has. */
        say_tip(e, 3, three, 1);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_TIP], 1);
        say_membership(e, 3, three);
        ASSERT_EQ(info_of(e, &m->id).version, 3);
        say_have(e, 3, &m->id, GROUP_HAVE_ANSWER, 0, 9, 3, 1);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_GET], 1);
        say_message(e, 3, &m->id, 0, 9, 3, 1);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 1);
        group_engine_free(e);
        free(m);
        free(three);
}

TEST(of_two_versions_of_one_number_one_wins_everywhere)
{
        struct group_membership *m, *a = version_of_group(2, 0xf, NULL);
        struct group_membership *b = version_of_group(2, 0x1f, NULL), *better, *worse;

        better = memcmp(a->hash, b->hash, HASH_SIZE) < 0 ? a : b;
        worse = better == a ? b : a;
        for (unsigned turn = 0; turn < 2; turn++) {
                struct group_engine *e = make_member(&m);

                say_membership(e, 2, turn == 0 ? better : worse);
                ASSERT_EQ(seen.n_of[GROUP_STORE], 1);
                ASSERT_TRUE(seen.last[GROUP_CHANGED].is_contradicted);
                say_membership(e, 3, turn == 0 ? worse : better);
                ASSERT_EQ(seen.n_of[GROUP_STORE], turn);
                ASSERT_MEMEQ(info_of(e, &m->id).hash, better->hash, HASH_SIZE);
                /* The other side hears that there is a better one. */
                if (turn == 0)
                        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_TIP], 1);
                group_engine_free(e);
                free(m);
        }
        free(a);
        free(b);
}

TEST(who_leaves_is_gone_at_once)
{
        struct group_leave l = { .joined = 1, .n_cuts = 1, .cuts = { { 1, 9, 2 } } };
        uint8_t data[GROUP_LEAVE_SIZE_MAX];
        struct group_member_info members[4];
        struct group_membership *m;
        struct group_engine *e = make_member(&m);
        size_t size;

        l.group = m->id;
        ASSERT_OK(group_leave_sign(&l, &people[2]));
        size = group_leave_encode(&l, data);
        say_message(e, 2, &m->id, 2, 9, 1, 1);
        data[size - 1] ^= 1;
        say_record(e, 3, GROUP_GOSSIP_LEAVE, data, size);
        ASSERT_EQ(seen.n_of[GROUP_BAN], 1);
        data[size - 1] ^= 1;
        say_record(e, 2, GROUP_GOSSIP_LEAVE, data, size);
        ASSERT_EQ(seen.n_of[GROUP_STORE_LEAVE], 1);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_LEAVE], 1); /* to person 0, for 3 was banned */
        ASSERT_EQ(group_members(e, &m->id, members, 4), 4);
        ASSERT_TRUE(members[2].is_leaving);
        /* Its last message is taken from others, and no further one. */
        say_message(e, 2, &m->id, 2, 9, 1, 2);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 0);
        say_message(e, 0, &m->id, 2, 9, 1, 2);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 1);
        say_message(e, 0, &m->id, 2, 9, 1, 3);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 0);
        ASSERT_OK(group_send(e, &m->id, "x", 1, &now));
        drain(e);
        ASSERT_EQ(seen.n_to[2], 0);
        /* Whom we meet hears of it. */
        meet(e, 3);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_LEAVE], 1);
        say_record(e, 3, GROUP_GOSSIP_LEAVE, data, size);
        ASSERT_EQ(seen.n_of[GROUP_STORE_LEAVE] + seen.n_frames, 0);
        group_engine_free(e);
        free(m);
}

/* The frame of that kind that was sent last. */
static size_t last_frame(enum group_gossip_kind kind, uint8_t *ret)
{
        memcpy(ret, seen.frames[kind], seen.sizes[kind]);
        return seen.sizes[kind];
}

TEST(the_creator_puts_a_wish_into_the_next_version)
{
        static uint8_t frame[GROUP_FRAME_SIZE_MAX];
        struct group_engine *e = make_engine(0, 0), *leaver = make_engine(1, 0);
        struct group_key keys[] = { key_of(1), key_of(2) };
        struct group_membership *m;
        struct group_id id;
        size_t size;

        meet(leaver, 0);
        meet(e, 1);
        ASSERT_OK(group_create(e, "team", keys, 2, &now, &id));
        drain(e);
        size = last_frame(GROUP_GOSSIP_MEMBERSHIP, frame);
        say(leaver, 0, frame, size);
        ASSERT_OK(group_accept(leaver, &id, &now));
        drain(leaver);
        for (unsigned i = 0; i < 3; i++)
                ASSERT_OK(group_send(leaver, &id, "hello", 5, &now));
        drain(leaver);
        /* None of them has arrived when it leaves. */
        ASSERT_OK(group_leave(leaver, &id, &now));
        drain(leaver);
        ASSERT_EQ(info_of(leaver, &id).state, GROUP_LEAVING);
        size = last_frame(GROUP_GOSSIP_LEAVE, frame);
        say(e, 1, frame, size);
        ASSERT_EQ(info_of(e, &id).version, 2);
        ASSERT_EQ(seen.n_of[GROUP_DROP_LEAVE], 1);
        ASSERT_OK(group_membership_decode(seen.stored, seen.stored_size, &m));
        ASSERT_EQ(m->n_departed, 1);
        ASSERT_EQ(m->n_cuts, 1);
        ASSERT_EQ(m->cuts[0].number, 3);
        ASSERT_OK(group_membership_verify(m));
        /* It is told, and believes nobody else. */
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_FAREWELL], 1);
        size = last_frame(GROUP_GOSSIP_FAREWELL, frame);
        frame[size - 1] ^= 1;
        say(leaver, 0, frame, size);
        ASSERT_EQ(seen.n_of[GROUP_BAN], 1);
        ASSERT_EQ(info_of(leaver, &id).state, GROUP_LEAVING);
        meet(leaver, 0);
        frame[size - 1] ^= 1;
        say(leaver, 0, frame, size);
        ASSERT_EQ(info_of(leaver, &id).state, GROUP_ENDED);
        ASSERT_EQ(seen.last[GROUP_STORE].state, GROUP_ENDED);
        /* Invited again, it is asked again. */
        ASSERT_OK(group_invite(e, &id, keys, 1, &now));
        drain(e);
        size = last_frame(GROUP_GOSSIP_MEMBERSHIP, frame);
        say(leaver, 0, frame, size);
        ASSERT_EQ(seen.n_of[GROUP_INVITATION], 1);
        ASSERT_EQ(info_of(leaver, &id).state, GROUP_INVITED);
        group_engine_free(e);
        group_engine_free(leaver);
        free(m);
}

TEST(a_group_goes_on_without_its_creator)
{
        static uint8_t frame[GROUP_FRAME_SIZE_MAX];
        struct group_engine *e = make_engine(0, 0), *other = make_engine(1, 0);
        struct group_key key = key_of(1);
        struct group_id id;
        size_t size;

        meet(other, 0);
        meet(other, 2);
        meet(e, 1);
        ASSERT_OK(group_create(e, "team", &key, 1, &now, &id));
        drain(e);
        size = last_frame(GROUP_GOSSIP_MEMBERSHIP, frame);
        say(other, 0, frame, size);
        ASSERT_OK(group_accept(other, &id, &now));
        ASSERT_OK(group_leave(e, &id, &now));
        drain(e);
        ASSERT_EQ(info_of(e, &id).state, GROUP_LEAVING);
        size = last_frame(GROUP_GOSSIP_MEMBERSHIP, frame);
        say(other, 0, frame, size);
        ASSERT_EQ(info_of(other, &id).version, 2);
        ASSERT_EQ(info_of(other, &id).n_members, 1);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_FAREWELL], 1);
        size = last_frame(GROUP_GOSSIP_FAREWELL, frame);
        say(e, 1, frame, size);
        ASSERT_EQ(info_of(e, &id).state, GROUP_ENDED);
        ASSERT_OK(group_forget(e, &id, &now));
        drain(e);
        ASSERT_EQ(seen.n_of[GROUP_FORGET], 1);
        ASSERT_OK(group_send(other, &id, "alone", 5, &now));
        /* Where there is nobody else it ends at once. */
        ASSERT_OK(group_create(e, "alone", NULL, 0, &now, &id));
        ASSERT_OK(group_leave(e, &id, &now));
        ASSERT_EQ(info_of(e, &id).state, GROUP_ENDED);
        group_engine_free(e);
        group_engine_free(other);
}

/* Its memory is older than its group: it gets it back from its members. */
TEST(a_creator_may_have_forgotten_its_group)
{
        struct group_engine *e = make_engine(0, 0);
        struct group_membership *m = version_of_group(4, 0x7, NULL);
        struct group_key key = key_of(3);

        meet(e, 1);
        say_membership(e, 1, m);
        ASSERT_EQ(seen.n_of[GROUP_INVITATION], 1);
        ASSERT_OK(group_accept(e, &m->id, &now));
        ASSERT_OK(group_invite(e, &m->id, &key, 1, &now));
        ASSERT_EQ(info_of(e, &m->id).version, 5);
        group_engine_free(e);
        free(m);
}

/* What a departed says is answered so often and no more. */
TEST(farewells_are_bounded)
{
        struct group_leave l = { .joined = 1 };
        uint8_t data[GROUP_LEAVE_SIZE_MAX];
        struct group_membership *m, *three = version_three();
        struct group_engine *e = make_member(&m);
        unsigned n = 0;
        size_t size;

        say_membership(e, 0, three);
        l.group = m->id;
        ASSERT_OK(group_leave_sign(&l, &people[2]));
        size = group_leave_encode(&l, data);
        for (unsigned i = 0; i < 2 * GROUP_SIGNATURES_BURST; i++) {
                if (i % 3 == 0)
                        say_record(e, 2, GROUP_GOSSIP_LEAVE, data, size);
                else if (i % 3 == 1)
                        say_tip(e, 2, m, 1);
                else
                        say_membership(e, 2, m);
                n += seen.n_sent[GROUP_GOSSIP_FAREWELL];
                ASSERT_EQ(seen.n_frames, seen.n_sent[GROUP_GOSSIP_FAREWELL]);
        }
        ASSERT_EQ(n, GROUP_SIGNATURES_BURST);
        group_engine_free(e);
        free(m);
        free(three);
}

TEST(a_farewell_ends_it_only_for_whom_it_is_about)
{
        uint8_t data[GROUP_FAREWELL_SIZE_MAX];
        struct group_membership *m, *three = version_three();
        struct group_engine *e = make_member(&m);
        size_t size = group_farewell_encode(three, &three->departed[0], data);

        say_record(e, 0, GROUP_GOSSIP_FAREWELL, data, size);
        ASSERT_EQ(info_of(e, &m->id).state, GROUP_MEMBER);
        three->departed[0].key = key_of(1);
        memset(three->departed[0].signature, 0, SIGNATURE_SIZE);
        three->members[1].key = key_of(2);
        ASSERT_OK(group_membership_sign(three, &people[0]));
        size = group_farewell_encode(three, &three->departed[0], data);
        say_record(e, 3, GROUP_GOSSIP_FAREWELL, data, size);
        ASSERT_EQ(info_of(e, &m->id).state, GROUP_ENDED);
        ASSERT_EQ(group_send(e, &m->id, "x", 1, &now), GROUP_WRONG_STATE);
        say_message(e, 0, &m->id, 0, 9, 1, 1);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 0);
        group_engine_free(e);
        free(m);
        free(three);
}

TEST(what_was_stored_is_all_that_is_needed)
{
        static uint8_t stored[GROUP_MEMBERSHIP_SIZE_MAX];
        struct group_membership *m;
        struct group_engine *e = make_member(&m), *again;
        struct group_key inviter = key_of(0);
        struct group_lane_id lane = { key_of(2), 9, 1 }, own;
        struct group_lane_info lanes[4];
        size_t size = group_membership_encode(m, stored);
        uint64_t life = 77;

        group_engine_free(e);
        e = make_engine(1, life);
        ASSERT_EQ(group_restore(e, GROUP_MEMBER, &inviter, stored, size - 1), GROUP_INVALID);
        ASSERT_EQ(group_restore(e, 0, &inviter, stored, size), GROUP_INVALID);
        ASSERT_OK(group_restore(e, GROUP_MEMBER, &inviter, stored, size));
        ASSERT_EQ(group_restore(e, GROUP_MEMBER, &inviter, stored, size), GROUP_INVALID);
        ASSERT_OK(group_restore_lane(e, &m->id, &lane, 5));
        ASSERT_EQ(group_lanes(e, &m->id, lanes, 4), 1);
        ASSERT_EQ(lanes[0].number, 5);
        meet(e, 2);
        say_message(e, 2, &m->id, 2, 9, 1, 5);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 0);
        say_message(e, 2, &m->id, 2, 9, 1, 6);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 1);
        ASSERT_OK(group_send(e, &m->id, "one", 3, &now));
        drain(e);
        own = seen.last[GROUP_NEW].lane;
        ASSERT_TRUE(seen.last[GROUP_NEW].is_own);
        /* In the same life numbers go on; in another one they begin anew. */
        for (unsigned turn = 0; turn < 2; turn++) {
                again = make_engine(1, turn == 0 ? life : 0);
                ASSERT_OK(group_restore(again, GROUP_MEMBER, &inviter, stored, size));
                ASSERT_OK(group_restore_lane(again, &m->id, &own, 1));
                ASSERT_OK(group_send(again, &m->id, "two", 3, &now));
                drain(again);
                ASSERT_EQ(seen.last[GROUP_NEW].number, turn == 0 ? 2 : 1);
                ASSERT_EQ(seen.last[GROUP_NEW].lane.stream == own.stream, turn == 0);
                group_engine_free(again);
        }
        group_engine_free(e);
        free(m);
}

/* Its memory is older than it was told: what it wrote comes from others. */
TEST(an_own_message_that_is_news_begins_a_new_life)
{
        struct group_membership *m;
        struct group_engine *e = make_member(&m);
        struct group_lane_id own;

        ASSERT_OK(group_send(e, &m->id, "one", 3, &now));
        drain(e);
        own = seen.last[GROUP_NEW].lane;
        say_message(e, 2, &m->id, 1, own.stream, 1, 2);
        ASSERT_EQ(seen.n_of[GROUP_STORE_LIFE], 1);
        ASSERT_NE(seen.last[GROUP_STORE_LIFE].life, 0);
        ASSERT_TRUE(seen.last[GROUP_NEW].is_own);
        ASSERT_OK(group_send(e, &m->id, "three", 5, &now));
        drain(e);
        ASSERT_EQ(seen.last[GROUP_NEW].number, 1);
        ASSERT_NE(seen.last[GROUP_NEW].lane.stream, own.stream);
        group_engine_free(e);
        free(m);
}

TEST(it_is_told_who_has_what_we_wrote)
{
        struct group_membership *m;
        struct group_engine *e = make_member(&m);
        struct group_lane_id own;
        struct group_gossip t;

        ASSERT_OK(group_send(e, &m->id, "one", 3, &now));
        drain(e);
        own = seen.last[GROUP_NEW].lane;
        say_have(e, 2, &m->id, GROUP_HAVE_NEWS, 1, own.stream, 1, 1000);
        ASSERT_EQ(seen.n_of[GROUP_HELD], 1);
        ASSERT_EQ(seen.last[GROUP_HELD].number, 1);
        ASSERT_EQ(who_is(&seen.last[GROUP_HELD].peer), 2);
        /* A promise of ours that we did not write is asked for, and not believed. */
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_GET], 1);
        ASSERT_EQ(seen.n_of[GROUP_STORE_LIFE], 0);
        part(e, 3);
        meet(e, 3);
        ASSERT_OK(group_gossip_decode(
                seen.frames[GROUP_GOSSIP_TIP], seen.sizes[GROUP_GOSSIP_TIP], &t));
        say(e, 3, seen.frames[GROUP_GOSSIP_TIP], seen.sizes[GROUP_GOSSIP_TIP]);
        ASSERT_EQ(seen.n_of[GROUP_HELD], 1);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_HAVE], 1);
        ASSERT_EQ(seen.frames[GROUP_GOSSIP_HAVE][1 + GROUP_ID_SIZE], GROUP_HAVE_SAME);
        group_engine_free(e);
        free(m);
}

TEST(who_does_not_deliver_is_not_asked_for_a_while)
{
        struct group_membership *m;
        struct group_engine *e = make_member(&m);

        say_have(e, 2, &m->id, GROUP_HAVE_NEWS, 0, 9, 1, 20);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_GET], 1);
        /* One lane, one member at a time. */
        say_have(e, 3, &m->id, GROUP_HAVE_NEWS, 0, 9, 1, 20);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_GET], 0);
        for (unsigned i = 1; i <= 16; i++) {
                say_message(e, 2, &m->id, 0, 9, 1, i);
                ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_GET], i == 16);
        }
        wait_for(e, 16 * USEC_PER_SEC);
        say_have(e, 2, &m->id, GROUP_HAVE_NEWS, 0, 9, 1, 20);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_GET], 0);
        /* The other one is compared with, and asked. */
        wait_for(e, 5 * USEC_PER_SEC);
        ASSERT_EQ(seen.n_to[3], 1);
        say_have(e, 3, &m->id, GROUP_HAVE_ANSWER, 0, 9, 1, 20);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_GET], 1);
        for (unsigned i = 17; i <= 20; i++)
                say_message(e, 3, &m->id, 0, 9, 1, i);
        wait_for(e, 60 * USEC_PER_SEC);
        say_have(e, 2, &m->id, GROUP_HAVE_NEWS, 0, 9, 1, 21);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_GET], 1);
        group_engine_free(e);
        free(m);
}

TEST(what_is_asked_and_answered_is_bounded)
{
        static uint8_t frame[GROUP_FRAME_SIZE_MAX];
        struct group_membership *m;
        struct group_engine *e = make_member(&m);
        size_t size = group_gossip_have(&m->id, GROUP_HAVE_ANSWER, frame);
        unsigned n = 0;

        for (unsigned i = 0; i < GROUP_GOSSIP_LANES_MAX; i++) {
                struct group_lane_id lane = { key_of(0), i, 1 };

                size = group_gossip_have_lane(frame, size, &lane, UINT64_MAX);
        }
        say(e, 2, frame, size);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_GET], GROUP_WINDOW / 16);
        for (unsigned i = 0; i < 2 * GROUP_ANSWERS_BURST; i++) {
                say_tip(e, 3, m, i + 1);
                n += seen.n_frames;
        }
        ASSERT_EQ(n, GROUP_ANSWERS_BURST);
        say_message(e, 2, &m->id, 2, 9, 1, 1);
        n = 0;
        for (unsigned i = 0; i < GROUP_SERVED_BURST + 10; i++) {
                say_get(e, 3, &m->id, 2, 9, 1, 1, GROUP_GOSSIP_GET_MAX);
                n += seen.n_of[GROUP_LOAD];
        }
        ASSERT_EQ(n, GROUP_SERVED_BURST);
        wait_for(e, USEC_PER_MINUTE);
        say_get(e, 3, &m->id, 2, 9, 1, 1, GROUP_GOSSIP_GET_MAX);
        ASSERT_EQ(seen.n_of[GROUP_LOAD], 1);
        group_engine_free(e);
        free(m);
}

TEST(verifying_memberships_is_bounded)
{
        struct group_membership *m;
        struct group_engine *e = make_member(&m);
        unsigned n = 0;

        for (unsigned i = 0; i < GROUP_SIGNATURES_BURST + 10; i++) {
                struct group_membership *next = version_of_group(2 + i, 0xf, NULL);

                say_membership(e, 2, next);
                n += seen.n_of[GROUP_STORE];
                free(next);
        }
        ASSERT_EQ(n, GROUP_SIGNATURES_BURST);
        ASSERT_EQ(info_of(e, &m->id).version, GROUP_SIGNATURES_BURST + 1);
        group_engine_free(e);
        free(m);
}

/* What is below the floor is forgotten and not taken any more. */
TEST(the_departed_are_not_listed_for_ever)
{
        struct group_engine *e = make_engine(0, 0);
        struct group_key key = key_of(1), other = key_of(2);
        struct group_membership *m;
        struct group_lane_info lanes[2];
        struct group_id id;

        ASSERT_OK(group_create(e, "team", &other, 1, &now, &id));
        ASSERT_OK(group_send(e, &id, "old", 3, &now));
        ASSERT_EQ(group_lanes(e, &id, lanes, 2), 1);
        for (unsigned i = 0; i < GROUP_DEPARTED_MAX + 1; i++) {
                ASSERT_OK(group_invite(e, &id, &key, 1, &now));
                ASSERT_OK(group_remove(e, &id, &key, &now));
                drain(e);
        }
        ASSERT_OK(group_membership_decode(seen.stored, seen.stored_size, &m));
        ASSERT_EQ(m->n_departed, GROUP_DEPARTED_MAX);
        ASSERT_EQ(m->floor, 3);
        ASSERT_EQ(group_lanes(e, &id, lanes, 2), 0);
        meet(e, 2);
        say_message(e, 2, &id, 2, 9, 1, 1);
        say_message(e, 2, &id, 2, 9, 2, 1);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 0);
        say_message(e, 2, &id, 2, 9, 3, 1);
        ASSERT_EQ(seen.n_of[GROUP_NEW], 1);
        group_engine_free(e);
        free(m);
}

TEST(texts_that_are_none_are_not_sent)
{
        static char text[GROUP_TEXT_SIZE_MAX + 1];
        struct group_membership *m;
        struct group_engine *e = make_member(&m);

        memset(text, 'x', sizeof text);
        ASSERT_EQ(group_send(e, &m->id, text, 0, &now), GROUP_INVALID);
        ASSERT_EQ(group_send(e, &m->id, text, sizeof text, &now), GROUP_INVALID);
        ASSERT_EQ(group_send(e, &m->id, "\x1b", 1, &now), GROUP_INVALID);
        ASSERT_OK(group_send(e, &m->id, text, GROUP_TEXT_SIZE_MAX, &now));
        drain(e);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_MESSAGE], 3);
        ASSERT_EQ(seen.sizes[GROUP_GOSSIP_MESSAGE], (size_t)GROUP_FRAME_SIZE_MAX);
        group_engine_free(e);
        free(m);
}

TEST(it_sleeps_when_nothing_happens)
{
        struct group_membership *m;
        struct group_engine *e = make_member(&m);

        ASSERT_EQ(group_deadline(e), USEC_INFINITY);
        say_message(e, 2, &m->id, 2, 9, 1, 1);
        ASSERT_LE(group_deadline(e), now.mono_usec + USEC_PER_SEC);
        wait_for(e, USEC_PER_SEC);
        ASSERT_EQ(seen.n_sent[GROUP_GOSSIP_HAVE], 3);
        ASSERT_EQ(group_deadline(e), USEC_INFINITY);
        group_engine_free(e);
        free(m);
}

TEST_MAIN_WITH(set_up)
