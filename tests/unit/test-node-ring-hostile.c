/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole nodes in the ring, and others who use it against them */
#include "core/chord/chord-internal.h"
#include "unit/node-ring-fixture.h"

static struct link *session(int of, int with)
{
        struct link *link = node_session_with(machine(of)->node, machine(with)->identity.id);

        ASSERT_TRUE(link);
        return link;
}

/* Puts it behind what @by has to say to @to; all of it goes at once, by utter(). */
static void mutter(int by, int to, const struct message *m)
{
        ASSERT_OK(session_send(session(by, to)->session, m, net.now.mono_usec));
}

static void utter(int by, int to, const struct message *m)
{
        ASSERT_OK(node_native_tell(machine(by)->node, session(by, to), m, net.now));
}

/* What @by has said is taken by the others before anything else happens. */
static void deliver(int by)
{
        machine_end_turn(machine(by));
        for (size_t i = 0; i < net.n_pipes; i++)
                for (int k = 0; k < 2; k++)
                        if (net.pipes[i]->ends[1 - k].machine == by &&
                                net.pipes[i]->ends[k].in.size > 0)
                                (void)end_step(&net, net.pipes[i], k);
}

/* What comes behind a message is not looked at before the message is: here the first stream message
 * of a session for the ring alone makes it a user's, and by that other things are said in it. */
TEST(messages_are_taken_in_their_order)
{
        static char text[30 * 1024];
        struct message m = { .type = FRAME_MESSAGE,
                .text = { .number = 1, .text = text, .size = sizeof text } };
        struct message hello = { .type = FRAME_HELLO, .hello = { .stream = 7, .oldest = 1 } };
        uint64_t number;

        two_networks();
        memset(text, 'x', sizeof text);
        ASSERT_TRUE(node_ring_link(machine(0)->node, machine(3)->identity.id));
        machine(0)->node->ring.record.is_joined = true;
        machine(0)->node->ring.is_unsure = true;
        machine(0)->node->ring.ask_usec = 0;
        number = session(0, 3)->number;
        mutter(3, 0, &m);
        utter(3, 0, &hello);
        deliver(3);
        ASSERT_GT(machine(0)->node->ring.ask_usec, 0);
        net_run(&net);
        ASSERT_FALSE(node_link(machine(0)->node, number));
        ASSERT_EQ(disk_count(&machine(0)->disk, DIRECTION_RECEIVED), 0);
        net_done(&net);
}

/* Who is turned away in the moment of his proof is gone, and nothing is said to him any more. */
TEST(a_full_house_turns_the_ring_away)
{
        struct endpoint e;

        set_up();
        for (int i = 0; i < 5; i++)
                add_lan(i, i, 1);
        net_run(&net);
        for (int i = 1; i < 4; i++)
                join(i, 0);
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(node_links(machine(0)->node), 3);
        machine(0)->node->options.links_max = 4;
        e = place(0);
        ASSERT_OK(node_ring_join(machine(4)->node, 7, "there", &e, 1, net.now, NULL));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_FALSE(node_session_with(machine(0)->node, machine(4)->identity.id));
        ASSERT_STREQ(machine(0)->session_end, "no-room");
        net_done(&net);
}

static bool stands_at(int i, const struct endpoint *e)
{
        return endpoint_equal(&machine(i)->node->ring.endpoint, e);
}

/* What the asked one says of us in the stead of what it has seen. */
static void lie_about(int of, int by, const struct endpoint *endpoint, bool is_asked)
{
        struct message m = { .type = FRAME_REACHED, .reached.endpoint = *endpoint };
        struct ring *g = &machine(of)->node->ring;

        if (is_asked) {
                memcpy(g->asked_id, machine(by)->identity.id, sizeof g->asked_id);
                g->answer_usec = usec_add(net.now.mono_usec, USEC_PER_SEC);
        }
        utter(by, of, &m);
        net_run(&net);
}

TEST(nobody_says_where_we_are_but_who_was_asked_and_could_know)
{
        const struct endpoint lies[] = {
                endpoint_ipv4(10, 0, 0, 1, 22),    /* another port */
                endpoint_ipv4(10, 0, 0, 2, 6001),  /* Bob */
                endpoint_ipv4(10, 0, 0, 4, 6001),  /* the liar itself */
                endpoint_ipv4(127, 0, 0, 1, 6001), /* worth nothing elsewhere */
        };
        const struct endpoint router = endpoint_ipv4(10, 0, 0, 250, 6001);
        struct endpoint own;

        two_networks();
        own = place(0);
        for (size_t i = 0; i < ELEMENTSOF(lies); i++) {
                lie_about(0, 3, &lies[i], false);
                lie_about(0, 3, &lies[i], true);
                ASSERT_TRUE(stands_at(0, &own));
        }
        lie_about(0, 3, &router, false);
        ASSERT_TRUE(stands_at(0, &own));
        lie_about(0, 3, &router, true);
        ASSERT_TRUE(stands_at(0, &router));
        net_done(&net);
}

/* Whoever asked for it once has his answer, and then no more. */
TEST(who_was_asked_answers_once)
{
        const struct endpoint routers[] = { endpoint_ipv4(10, 0, 0, 250, 6001),
                endpoint_ipv4(10, 0, 0, 251, 6001) };

        two_networks();
        lie_about(0, 3, &routers[0], true);
        lie_about(0, 3, &routers[1], false);
        ASSERT_TRUE(stands_at(0, &routers[0]));
        net_done(&net);
}

TEST(one_who_does_not_answer_is_not_asked_again_and_again)
{
        struct node *n;
        char first[ID_STRING_SIZE];

        two_networks();
        n = machine(0)->node;
        ASSERT_OK(node_reach_ask(n, node_reach_somebody(n), net.now));
        memcpy(first, n->ring.asked_id, sizeof first);
        net_pass(&net, USEC_PER_SEC);
        ASSERT_OK(node_reach_ask(n, node_reach_somebody(n), net.now));
        ASSERT_FALSE(streq(first, n->ring.asked_id));
        /* And ever more seldom. */
        for (int i = 0; i < 20; i++)
                ASSERT_OK(node_reach_ask(n, node_reach_somebody(n), net.now));
        ASSERT_GT(n->ring.ask_usec, usec_add(net.now.mono_usec, 10 * USEC_PER_MINUTE));
        net_done(&net);
}

/* Ports of a machine, or of others behind its address, are not tried for it; and its own one not
 * often. */
TEST(dialling_back_is_no_scan)
{
        struct message m = { .type = FRAME_DIAL_BACK };
        size_t n_dials;

        two_networks();
        n_dials = machine(0)->n_dials;
        for (unsigned port = 1; port < 100; port++) {
                m.dial_back.port = (uint16_t)port;
                utter(3, 0, &m);
        }
        net_pass(&net, USEC_PER_SEC);
        ASSERT_EQ(machine(0)->n_dials, n_dials);
        m.dial_back.port = place(3).port;
        for (unsigned i = 0; i < 100; i++)
                utter(3, 0, &m);
        net_pass(&net, USEC_PER_SEC);
        ASSERT_GT(machine(0)->n_dials, n_dials);
        ASSERT_LT(machine(0)->n_dials, n_dials + 5);
        ASSERT_TRUE(node_session_with(machine(0)->node, machine(3)->identity.id));
        net_done(&net);
}

/* Also when there was a session for the ring before he was known as a user. */
TEST(who_is_blocked_is_gone_from_the_ring_too)
{
        char word[ID_STRING_SIZE];

        two_networks();
        machine(0)->lan = 1;
        net_pass(&net, 10 * USEC_PER_SEC);
        machine(0)->lan = 0;
        ASSERT_TRUE(node_ring_link(machine(0)->node, machine(3)->identity.id));
        memcpy(word, machine(3)->identity.id, sizeof word);
        ASSERT_OK(node_block(machine(0)->node, word, true, net.now, NULL));
        net_run(&net);
        ASSERT_FALSE(node_session_with(machine(0)->node, word));
        net_pass(&net, SETTLE_USEC);
        ASSERT_FALSE(node_session_with(machine(0)->node, word));
        net_done(&net);
}

/* Dan says that there is a newer session, and there is none. */
TEST(what_waits_for_a_session_that_was_promised_does_not_wait_for_ever)
{
        struct chord_peer dan;

        two_networks();
        dan = (struct chord_peer){ .id = session(0, 3)->position, .endpoint = place(3) };
        ASSERT_OK(node_native_retire(machine(3)->node, session(3, 0), false, net.now));
        net_run(&net);
        ASSERT_OK(node_ring_send(machine(0)->node, &dan, "?", 1, net.now));
        net_run(&net);
        ASSERT_TRUE(node_ring_is_waiting(machine(0)->node));
        net_pass(&net, 5 * USEC_PER_SEC);
        ASSERT_FALSE(node_ring_is_waiting(machine(0)->node));
        ASSERT_TRUE(node_session_with(machine(0)->node, machine(3)->identity.id));
        net_done(&net);
}

/* The numbers of its questions are given again by the ring that comes after. */
TEST(who_leaves_looks_for_nobody_any_more)
{
        size_t n;

        two_networks();
        n = machine(2)->n_answers;
        ASSERT_OK(node_ring_find(machine(2)->node, 8, "Zoe#k3f7q2mx", net.now, NULL));
        ASSERT_OK(node_ring_leave(machine(2)->node, net.now, NULL));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_EQ(machine(2)->n_answers, n + 1);
        ASSERT_EQ(machine(2)->answer.type, EFFECT_REFUSE);
        ASSERT_TRUE(list_is_empty(&machine(2)->node->ring.searches));
        net_done(&net);
}

/* Whose only way to the ring leads into the world is told nothing about networks like its own. */
TEST(a_client_of_the_world_does_not_believe_in_private_addresses)
{
        struct endpoint private = endpoint_ipv4(10, 0, 0, 99, 6001);
        struct endpoint public = endpoint_ipv4(198, 51, 100, 7, 6001);
        struct machine *hal;

        set_up();
        add_lan(0, 0, 1);
        machine_stop(machine(0));
        machine(0)->address = endpoint_ipv4(203, 0, 113, 1, ENDPOINT_PORT_DEFAULT);
        machine_restart(machine(0));
        hal = net_add_at(&net, 1, 7, "Hal", 8, true);
        hal->is_shut = true;
        net_run(&net);
        ASSERT_TRUE(node_ring_is_plausible(hal->node, &private));
        join(7, 0);
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(status(7).chord.state, CHORD_CLIENT);
        ASSERT_FALSE(node_ring_is_plausible(hal->node, &private));
        ASSERT_TRUE(node_ring_is_plausible(hal->node, &public));
        net_done(&net);
}

static struct chord_peer nobody(unsigned i, const struct endpoint *at)
{
        struct chord_peer p = { .endpoint = *at };

        /* Just behind us, where a successor would be. */
        p.id = machine(0)->node->ring.position;
        p.id.bytes[ID_SIZE - 2] ^= (uint8_t)(i >> 8);
        p.id.bytes[ID_SIZE - 1] ^= (uint8_t)i + 1;
        return p;
}

TEST(places_that_others_name_are_dialled_so_often_and_no_more)
{
        size_t n_dials;

        two_networks();
        n_dials = machine(0)->n_dials;
        for (unsigned i = 0; i < 200; i++) {
                struct endpoint at = endpoint_ipv4(10, 1, 1, 1, (uint16_t)(i + 1));
                struct chord_peer p = nobody(i, &at);

                ASSERT_OK(node_ring_send(machine(0)->node, &p, "?", 1, net.now));
        }
        net_run(&net);
        ASSERT_LT(machine(0)->n_dials, n_dials + 17);
        for (unsigned i = 0; i < 250; i++) {
                struct endpoint at = endpoint_ipv4(10, 1, 2, (uint8_t)(i + 1), 6001);
                struct chord_peer p = nobody(i, &at);

                ASSERT_OK(node_ring_send(machine(0)->node, &p, "?", 1, net.now));
        }
        net_run(&net);
        ASSERT_LT(machine(0)->n_dials, n_dials + 65);
        ASSERT_FALSE(node_ring_is_waiting(machine(0)->node));
        /* Who was seen there is not meant. */
        for (int i = 3; i < 6; i++)
                ASSERT_TRUE(node_session_with(machine(0)->node, machine(i)->identity.id));
        net_pass(&net, SETTLE_USEC);
        assert_one_ring(0, 6);
        net_done(&net);
}

TEST(a_flood_of_introductions)
{
        struct endpoint victim = endpoint_ipv4(10, 1, 1, 1, 80);
        uint8_t data[CHORD_MESSAGE_SIZE_MAX];
        size_t n_dials;

        two_networks();
        n_dials = machine(0)->n_dials;
        for (unsigned second = 0; second < 30; second++) {
                for (unsigned i = 0; i < 100; i++) {
                        struct rpc told = { .kind = RPC_INTRODUCE,
                                .peer = nobody(second * 100 + i, &victim) };
                        struct message m = { .type = FRAME_RING,
                                .ring = { .data = data, .size = rpc_encode(&told, data) } };

                        utter(3, 0, &m);
                }
                net_pass(&net, USEC_PER_SEC);
        }
        ASSERT_LT(machine(0)->n_dials, n_dials + 33);
        assert_found(0, 3);
        net_pass(&net, 2 * SETTLE_USEC);
        assert_one_ring(0, 6);
        net_done(&net);
}

/* Small questions with large answers: what one turn takes stays small. */
TEST(a_flood_of_questions)
{
        struct rpc ask = { .kind = RPC_FIND_SUCCESSOR, .number = 1 };
        uint8_t data[CHORD_MESSAGE_SIZE_MAX];
        struct message m = { .type = FRAME_RING,
                .ring = { .data = data, .size = rpc_encode(&ask, data) } };
        uint64_t before, size;

        two_networks();
        before = session_received(session(3, 0)->session)->size;
        for (unsigned i = 0; i < 10000; i++)
                mutter(3, 0, &m);
        utter(3, 0, &m);
        net_run(&net);
        size = session_received(session(3, 0)->session)->size - before;
        ASSERT_GT(size, 1000);
        ASSERT_LT(size, 256 * 1000);
        net_pass(&net, SETTLE_USEC);
        assert_one_ring(0, 6);
        net_done(&net);
}

static struct chord *engine(int i)
{
        return machine(i)->node->ring.engine;
}

/* What @by gives to everybody who asks for what @of has published: a record of @signer, with this
 * number and place. */
static void falsify(int by, int of, int signer, uint64_t sequence, const struct endpoint *at)
{
        struct record r = { .sequence = sequence, .endpoints = { *at }, .n_endpoints = 1 };
        struct holding *h;

        memcpy(r.public_key, machine(signer)->identity.public_key, PUBLIC_KEY_SIZE);
        snprintf(r.name, sizeof r.name, "%s", names[of]);
        for (unsigned point = 0; point < RING_POINTS; point++) {
                h = calloc(1, sizeof *h + CHORD_RECORD_SIZE_MAX);
                ASSERT_TRUE(h);
                ring_id_of_name(names[of], machine(of)->identity.id, point, &h->key);
                h->sequence = sequence;
                h->until_usec = usec_add(net.now.mono_usec, USEC_PER_HOUR);
                ASSERT_OK(record_encode(&r, &machine(signer)->identity, machine(signer)->random,
                        h->data, &h->size));
                list_append(&engine(by)->holdings, &h->in_holdings);
                engine(by)->n_holdings++;
        }
}

/* Eve answers with her own record, under the name and id of Dan. */
TEST(an_impostor_among_the_holders)
{
        struct machine *eve;
        struct endpoint e;

        two_networks();
        eve = machine(4);
        e = place(4);
        for (int i = 0; i < 6; i++) {
                holder_clear(engine(i));
                falsify(i, 3, 4, 1, &e);
        }
        ASSERT_OK(machine_send(machine(2), word(3), "for Dan"));
        net_pass(&net, 30 * USEC_PER_SEC);
        ASSERT_EQ(machine(2)->answer.type, EFFECT_REFUSE);
        ASSERT_EQ(machine(2)->answer.refuse.code, REFUSAL_UNKNOWN_USER);
        ASSERT_EQ(disk_count(&eve->disk, DIRECTION_RECEIVED), 0);
        ASSERT_EQ(disk_count(&machine(2)->disk, DIRECTION_SENT), 0);
        net_done(&net);
}

/* An old record is genuine, too. */
TEST(a_holder_of_what_is_old)
{
        struct endpoint old = endpoint_ipv4(10, 0, 0, 99, 6001);
        char whole[64];

        two_networks();
        holder_clear(engine(4));
        falsify(4, 3, 3, 1, &old);
        assert_found(2, 3);
        assert_found(5, 3);
        for (int by = 0; by < 6; by++) {
                if (by == 3 || by == 4)
                        continue;
                snprintf(whole, sizeof whole, "%s#%s", names[3], machine(3)->identity.id);
                ASSERT_EQ(find(by, whole)->type, EFFECT_FOUND);
                ASSERT_TRUE(endpoint_equal(
                        &machine(by)->answer.found.users[0].endpoints[0], &machine(3)->address));
        }
        net_done(&net);
}

TEST(members_that_keep_nothing)
{
        two_networks();
        for (int i = 0; i < 6; i++)
                if (i == 0 || i == 4)
                        holder_clear(engine(i));
        assert_found(2, 3);
        assert_found(5, 3);
        net_done(&net);
}

/* Dan is gone, and somebody else is where his record says that he is. */
TEST(somebody_else_where_a_found_user_was)
{
        struct machine *cem, *eve;

        two_networks();
        cem = machine(2);
        machine_stop(machine(3));
        net.has_ring = false;
        eve = net_add_at(&net, 2, 7, "Dan", 8, true);
        machine_stop(eve);
        eve->address = place(3);
        machine_restart(eve);
        net.has_ring = true;
        ASSERT_OK(machine_send(cem, word(3), "for Dan alone"));
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(cem->n_replies, 1);
        ASSERT_EQ(cem->reply.reply.state, MESSAGE_QUEUED);
        ASSERT_EQ(node_messages_queued(cem->node), 1);
        ASSERT_EQ(disk_count(&eve->disk, DIRECTION_RECEIVED), 0);
        /* Nobody has shown her who he is. */
        ASSERT_EQ(eve->n_proven, 0);
        ASSERT_EQ(eve->disk.n_peers, 0);

        machine_stop(eve);
        machine_restart(machine(3));
        net_pass(&net, 10 * USEC_PER_MINUTE);
        assert_received(machine(3), 1, "for Dan alone");
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
