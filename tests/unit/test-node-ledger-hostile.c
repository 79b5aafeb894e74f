/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole nodes with a ledger, and others who use it against them */
#include "core/ledger/gossip.h"
#include "unit/node-ledger-fixture.h"

static struct link *session(int of, int with)
{
        struct link *link = node_session_with(machine(of)->node, machine(with)->identity.id);

        ASSERT_TRUE(link);
        return link;
}

static struct message frame(const void *data, size_t size)
{
        return (struct message){ .type = FRAME_LEDGER, .ledger = { .data = data, .size = size } };
}

/* Puts it behind what @by has to say to @to; all of it goes at once, by utter(). */
static void mutter(int by, int to, const void *data, size_t size)
{
        struct message m = frame(data, size);

        ASSERT_OK(session_send(session(by, to)->session, &m, net.now.mono_usec));
}

static void utter(int by, int to, const void *data, size_t size)
{
        struct message m = frame(data, size);

        ASSERT_OK(node_native_tell(machine(by)->node, session(by, to), &m, net.now));
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

/* It does not answer any more, and only says what the test has it say. */
static void silence(int i)
{
        struct registry *g = &machine(i)->node->registry;

        g->engine = ledger_free(g->engine);
        g->is_loading = true;
}

static uint64_t heard(int of, int by)
{
        return session_received(session(of, by)->session)->size;
}

static const uint8_t *network(void)
{
        return net.genesis.context.network;
}

/* Tells of a block of that height, with its work, which does not exist. */
static void promise(int by, int to, uint32_t height)
{
        uint8_t data[LEDGER_MESSAGE_SIZE_MAX], hash[HASH_SIZE];
        struct block_header h = {
                .height = height, .total = height, .time_usec = net.now.real_usec
        };

        do {
                h.nonce++;
                block_header_hash(&h, hash);
        } while (!block_has_work(hash, net.genesis.bits));
        utter(by, to, data, gossip_tip(network(), &h, data));
}

static void tell_network(int by, int to, const uint8_t *which, bool at_once)
{
        uint8_t data[LEDGER_MESSAGE_SIZE_MAX];
        size_t size = gossip_tip(which, NULL, data);

        if (at_once)
                utter(by, to, data, size);
        else
                mutter(by, to, data, size);
}

static size_t make_record(int owner, const char *name, usec_t time_usec, uint8_t *ret)
{
        struct certificate c = { .kind = CERTIFICATE_REGISTER, .time_usec = time_usec };

        snprintf(c.name, sizeof c.name, "%s", name);
        ASSERT_OK(certificate_sign(&c, &machine(owner)->identity, &net.genesis.context));
        ret[0] = GOSSIP_RECORDS;
        ret[1] = 1;
        ret[2] = 0;
        ret[3] = (uint8_t)certificate_encode(&c, ret + 4);
        return 4 + (size_t)ret[3];
}

static size_t count_warnings(int i, const char *kind)
{
        size_t n = 0;

        for (size_t k = 0; k < machine(i)->n_warnings; k++)
                n += streq(machine(i)->warnings[k][0], kind);
        return n;
}

/* Another session beside the one that there is, as after much use. */
static void dial_anew(int by, int to)
{
        struct peer *peer = peers_by_id(&machine(by)->node->peers, machine(to)->identity.id);
        struct endpoint e = place(to);
        struct link *link;

        ASSERT_OK(node_dial_native(machine(by)->node, peer, LINK_FOR_USER, &e, net.now, &link));
        peer->native->dial_link = link->number;
        net_run(&net);
}

static void write_to_each_other(int a, int b)
{
        ASSERT_OK(machine_send(machine(a), names[b], "hello"));
        net_pass(&net, USEC_PER_SEC);
}

static void rename_machine(int i, const char *name)
{
        ASSERT_OK(node_set_username(machine(i)->node, name, net.now, NULL));
        net_cut(&net);
        net_pass(&net, SETTLE_USEC);
}

/*
 * Floods
 */

/* Small questions with large answers: what one turn takes stays small. */
TEST(a_flood_of_questions)
{
        static const uint8_t kinds[][2] = { { GOSSIP_GET_HEADERS, 0 }, { GOSSIP_GET_GENESIS } };

        begin_ledger(3);
        register_name(2);
        for (size_t k = 0; k < ELEMENTSOF(kinds); k++) {
                uint64_t before = heard(1, 0);
                size_t size = 2 - k;

                for (unsigned i = 0; i < 10000; i++)
                        mutter(1, 0, kinds[k], size);
                utter(1, 0, kinds[k], size);
                net_run(&net);
                ASSERT_GT(heard(1, 0), before);
                ASSERT_LT(heard(1, 0), before + 10000);
        }
        register_name(1);
        assert_one_chain(3, 2);
        net_done(&net);
}

/* The same of blocks that are on the disk only. */
TEST(blocks_are_read_for_one_so_many_at_a_time)
{
        struct wanted wanted = { .height = 1 };
        uint8_t data[LEDGER_MESSAGE_SIZE_MAX];
        struct block_header header;
        size_t size;

        begin_ledger(8);
        for (int i = 0; i < 6; i++) {
                register_name(i);
                ASSERT_OK(node_ledger_revoke(machine(i)->node, "", net.now, NULL));
                net_pass(&net, USEC_PER_MINUTE);
        }
        assert_one_chain(8, 12);
        ASSERT_OK(machine_send(machine(1), machine(0)->identity.id, "are you there?"));
        net_pass(&net, USEC_PER_SEC);
        ASSERT_TRUE(ledger_header(view(0).ledger, 1, &header, wanted.hash));
        size = gossip_one(GOSSIP_GET_BLOCK, &wanted, data);
        for (unsigned turn = 0; turn < 20; turn++) {
                utter(1, 0, data, size);
                for (unsigned i = 0; i < 4; i++)
                        utter(1, 0, data, size);
                deliver(1);
                machine_end_turn(machine(0));
        }
        ASSERT_GT(machine(0)->n_wanted, 0);
        ASSERT_LT(machine(0)->n_wanted, 9);
        net_run(&net);
        utter(1, 0, data, size);
        deliver(1);
        machine_end_turn(machine(0));
        ASSERT_EQ(machine(0)->n_wanted, 1);
        net_done(&net);
}

/* Each time would be a new member, with a fresh allowance, to whom all is told that waits. */
TEST(who_changes_networks_without_end_is_not_met_without_end)
{
        static const uint8_t other[HASH_SIZE] = { 7 };
        uint64_t before;

        begin_ledger(3);
        silence(1);
        before = heard(1, 0);
        for (unsigned i = 0; i < 1000; i++) {
                tell_network(1, 0, other, false);
                tell_network(1, 0, network(), i % 100 == 99);
        }
        net_run(&net);
        ASSERT_LT(heard(1, 0), before + 10000);
        net_pass(&net, 2 * USEC_PER_MINUTE);
        tell_network(1, 0, network(), true);
        net_run(&net);
        ASSERT_EQ(chain(0).n_peers, 2);
        net_done(&net);
}

/* Its promises cost nothing, and nobody else is asked while one is looked into. */
TEST(who_has_not_what_it_promises_is_asked_ever_more_seldom)
{
        static const uint8_t nothing[] = { GOSSIP_HEADERS, 0, 0 };
        uint64_t before;

        begin_ledger(3);
        register_name(0);
        silence(1);
        net_run(&net);
        before = heard(1, 0);
        for (unsigned i = 0; i < 60; i++) {
                promise(1, 0, 1000 + i);
                net_run(&net);
                utter(1, 0, nothing, sizeof nothing);
                net_pass(&net, USEC_PER_SEC);
        }
        ASSERT_GT(heard(1, 0), before);
        ASSERT_LT(heard(1, 0), before + 500);
        register_name(2);
        ASSERT_EQ(chain(0).height, 2);
        net_done(&net);
}

/* It fits today and not any more when a block is made. */
TEST(a_record_that_gets_too_old_keeps_nobody_busy)
{
        uint8_t data[4 + CERTIFICATE_SIZE_MAX];
        usec_t time_usec;

        begin_ledger(3);
        time_usec = net.now.real_usec - LEDGER_RECORD_AGE_USEC + USEC_PER_SEC;
        utter(1, 0, data, make_record(1, "late", time_usec, data));
        deliver(1);
        ASSERT_EQ(chain(0).n_waiting, 1);
        net.now.real_usec += 2 * USEC_PER_SEC;
        net_run(&net);
        ASSERT_FALSE(node_ledger_is_mining(machine(0)->node, net.now));
        ASSERT_EQ(chain(0).n_waiting, 0);
        assert_one_chain(3, 0);
        net_done(&net);
}

/* Any kinds, half of a message, bits that are changed: whoever says so loses nothing but his say.
 */
TEST(any_bytes)
{
        static uint8_t data[LEDGER_MESSAGE_SIZE_MAX];
        unsigned seed = 1;

        begin_ledger(3);
        register_name(0);
        silence(1);
        for (unsigned i = 0; i < 3000; i++) {
                size_t size = make_record(1, "name", net.now.real_usec + i, data);

                if (i % 3 == 0)
                        size = gossip_tip(network(), NULL, data);
                for (unsigned k = 0; k < i % 7; k++) {
                        seed = seed * 1103515245 + 12345;
                        data[(seed >> 8) % (i % 2 == 0 ? 4 : size)] ^= (uint8_t)(seed >> 24);
                }
                utter(1, 0, data, i % 5 == 0 ? 1 + (seed >> 4) % size : size);
                if (i % 16 == 0) {
                        net_run(&net);
                        memset(machine(0)->node->registry.banned, 0,
                                sizeof machine(0)->node->registry.banned);
                        machine(0)->n_warnings = 0;
                        net.now.mono_usec += USEC_PER_SEC;
                }
        }
        net_run(&net);
        ASSERT_TRUE(node_session_with(machine(0)->node, machine(1)->identity.id));
        register_name(2);
        ASSERT_GT(chain(0).height, 1);
        net_done(&net);
}

/*
 * Members
 */

/* One who was a member and says in a newer session that it is none is no member when it goes. Of
 * sessions that cross, that stays which the smaller id has dialled. */
TEST(who_is_no_member_any_more_keeps_no_place)
{
        int host = 0, guest = 1;

        begin_ledger(2);
        if (strcmp(machine(host)->identity.id, machine(guest)->identity.id) > 0) {
                host = 1;
                guest = 0;
        }
        write_to_each_other(guest, host);
        ASSERT_EQ(chain(host).n_peers, 1);
        silence(guest);
        machine(guest)->node->self.features &= ~FEATURE_LEDGER;
        dial_anew(host, guest);
        net_pass(&net, SESSION_FINISH_USEC);
        ASSERT_EQ(session_peer(session(host, guest)->session)->features & FEATURE_LEDGER, 0);
        ASSERT_EQ(chain(host).n_peers, 0);
        net_done(&net);
}

/* Keys cost nothing: of the places that the engine has, strangers get three in four. */
TEST(strangers_leave_places_for_contacts)
{
        struct link *strangers[LEDGER_PEERS_MAX * 3 / 4];

        begin_ledger(3);
        write_to_each_other(0, 1);
        for (size_t i = 0; i < ELEMENTSOF(strangers); i++) {
                strangers[i] = calloc(1, sizeof *strangers[i]);
                ASSERT_TRUE(strangers[i]);
                strangers[i]->is_member = true;
                strangers[i]->position.bytes[0] = (uint8_t)(i + 1);
                list_append(&machine(0)->node->links, &strangers[i]->list);
        }
        net_cut(&net);
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(chain(0).n_peers, 1);
        ASSERT_TRUE(session(0, 1)->is_member);
        ASSERT_FALSE(session(0, 2)->is_member);
        for (size_t i = 0; i < ELEMENTSOF(strangers); i++) {
                list_remove(&strangers[i]->list);
                free(strangers[i]);
        }
        /* With the next block there is room. */
        register_name(2);
        ASSERT_TRUE(session(0, 2)->is_member);
        ASSERT_EQ(chain(0).height, 1);
        net_done(&net);
}

/* Before a session has proven who somebody is there are no frames; where both are in one network
 * and nobody asked, a genesis is nothing. */
TEST(a_genesis_that_nobody_asked_for)
{
        struct genesis false_one = { .name = "other", .bits = 1 };
        char its[GENESIS_WORD_SIZE], real[GENESIS_WORD_SIZE];
        uint8_t data[1 + GENESIS_SIZE_MAX] = { GOSSIP_GENESIS };
        size_t size;

        begin_ledger(3);
        size = 1 + genesis_encode(&false_one, data + 1);
        utter(1, 0, data, size);
        net_run(&net);
        ASSERT_EQ(machine(0)->disk.n_blocks, 1);
        ASSERT_STREQ(ledger_genesis(view(0).ledger)->name, "test");

        /* Only the name is the same. */
        genesis_word(&false_one, its);
        memcpy(real, its, sizeof real);
        real[strlen("other#")] = its[strlen("other#")] == 'a' ? 'b' : 'a';
        ASSERT_OK(node_ledger_join(machine(0)->node, real, net.now, NULL));
        net_run(&net);
        utter(1, 0, data, size);
        net_run(&net);
        ASSERT_NULL(view(0).ledger);
        ASSERT_EQ(machine(0)->disk.n_blocks, 1);
        machine_restart(machine(0));
        net_pass(&net, SETTLE_USEC);
        ASSERT_NULL(view(0).ledger);
        ASSERT_STREQ(view(0).network, real);

        /* Until somebody has it. */
        ASSERT_OK(node_ledger_join(machine(0)->node, its, net.now, NULL));
        net_run(&net);
        for (unsigned i = 0; i < 10; i++)
                mutter(1, 0, data, size);
        utter(1, 0, data, size);
        net_run(&net);
        ASSERT_TRUE(view(0).ledger);
        ASSERT_EQ(machine(0)->disk.n_blocks, 2);
        net_done(&net);
}

TEST(a_power_cut_while_a_network_is_made)
{
        char made[GENESIS_WORD_SIZE], before[GENESIS_WORD_SIZE];

        begin_ledger(2);
        memcpy(before, view(0).network, sizeof before);
        ASSERT_OK(node_ledger_create(machine(0)->node, "office", NULL, 0, net.now, made, NULL));
        machine_restart(machine(0)); /* nothing was stored */
        ASSERT_STREQ(view(0).network, before);
        ASSERT_TRUE(view(0).ledger);
        ASSERT_OK(node_ledger_create(machine(0)->node, "office", NULL, 0, net.now, made, NULL));
        machine_end_turn(machine(0));
        machine_restart(machine(0)); /* all was */
        ASSERT_STREQ(view(0).network, made);
        ASSERT_TRUE(view(0).ledger);
        ASSERT_OK(node_ledger_join(machine(1)->node, made, net.now, NULL));
        net_run(&net);
        machine_restart(machine(1));
        net_pass(&net, SETTLE_USEC);
        ASSERT_TRUE(view(1).ledger);
        ASSERT_STREQ(view(1).network, made);
        net_done(&net);
}

/* Whoever is blocked says nothing of the ledger, and hears nothing. */
TEST(who_is_blocked_is_no_member)
{
        begin_ledger(3);
        ASSERT_OK(node_block(machine(0)->node, machine(1)->identity.id, true, net.now, NULL));
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(chain(0).n_peers, 1);
        register_name(1);
        ASSERT_EQ(chain(0).height, 1); /* by the third, who is not */
        net_done(&net);
}

/* Two machines with one identity, both of which register and renew. */
TEST(copies_of_one_machine)
{
        begin_ledger(2);
        net_add(&net, 2, "Ana", 1, true);
        net_pass(&net, SETTLE_USEC);
        ASSERT_OK(try_register(0));
        ASSERT_OK(try_register(2));
        net_pass(&net, USEC_PER_HOUR);
        ASSERT_EQ(chain(1).n_records, 1);
        ASSERT_EQ(chain(1).n_waiting, 0);
        net_done(&net);
}

/*
 * Names
 */

/* An "Ana" that a person has made a contact calls itself by a name that is registered to it. */
TEST(another_name_certifies_no_contact)
{
        begin_ledger(3);
        write_to_each_other(0, 1);
        ASSERT_TRUE(user(0, 1)->contact);
        rename_machine(1, "Zed");
        register_name(1);
        ASSERT_STREQ(user(0, 1)->name, "Bob");
        ASSERT_EQ(user(0, 1)->security, SECURITY_ENCRYPTED);
        ASSERT_STREQ(user(2, 1)->name, "Zed");
        ASSERT_EQ(user(2, 1)->security, SECURITY_CERTIFIED);
        ASSERT_OK(node_alias(machine(0)->node, "Bob", "Zed", net.now, NULL));
        ASSERT_EQ(user(0, 1)->security, SECURITY_CERTIFIED);
        net_done(&net);
}

/* Bob is called Uncle here. Somebody else registers the name Bob. */
TEST(a_contact_by_another_name_stays_what_it_is)
{
        const struct peer *uncle;

        begin_ledger(3);
        write_to_each_other(0, 1);
        ASSERT_OK(node_alias(machine(0)->node, "Bob", "Uncle", net.now, NULL));
        ASSERT_OK(node_set_username(machine(2)->node, "bOB", net.now, NULL));
        register_name(2);
        dial_anew(1, 0);
        net_pass(&net, SETTLE_USEC);
        uncle = peers_by_id(&machine(0)->node->peers, machine(1)->identity.id);
        ASSERT_STREQ(uncle->record.name, "Bob"); /* under which he is on the ring */
        ASSERT_STREQ(uncle->record.contact, "Uncle");
        ASSERT_STREQ(user(0, 1)->name, "Uncle");
        ASSERT_OK(machine_send(machine(0), "Uncle", "still you"));
        net_pass(&net, USEC_PER_SEC);
        assert_received(machine(1), 2, "still you");
        ASSERT_EQ(node_trust(machine(0)->node, "Uncle", net.now, NULL), REFUSAL_INVALID_NAME);
        ASSERT_OK(node_alias(machine(0)->node, "Uncle", "Bob", net.now, NULL));
        ASSERT_OK(machine_send(machine(0), "Bob", "by my own will"));
        net_pass(&net, USEC_PER_SEC);
        assert_received(machine(1), 3, "by my own will");
        /* Under any other name he is not meant by what is another's. */
        ASSERT_OK(node_alias(machine(0)->node, "Bob", "Uncle", net.now, NULL));
        net_run(&net);
        ASSERT_OK(machine_send(machine(0), "Bob", "for who is Bob"));
        net_pass(&net, USEC_PER_SEC);
        assert_received(machine(2), 1, "for who is Bob");
        ASSERT_EQ(disk_count(&machine(1)->disk, DIRECTION_RECEIVED), 3);
        net_done(&net);
}

/* Who was told about for one name is told about for a contact's, too. */
TEST(a_borrowed_name_hides_no_changed_key)
{
        begin_ledger(3);
        write_to_each_other(0, 1);
        register_name(0);
        ASSERT_OK(node_set_username(machine(0)->node, "Ada", net.now, NULL));
        net_add(&net, 3, "Ana", 44, true); /* a name of this very machine, by the ledger */
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(user(0, 3)->name[0], '#');
        ASSERT_EQ(count_warnings(0, "KeyChanged"), 1);
        machine_stop(machine(1));
        net_pass(&net, SETTLE_USEC);
        rename_machine(3, "Bob");
        ASSERT_EQ(count_warnings(0, "KeyChanged"), 2);
        net_done(&net);
}

TEST(many_borrowed_names_hide_no_changed_key)
{
        begin_ledger(3);
        write_to_each_other(0, 1);
        register_name(2);
        machine_stop(machine(1));
        net_pass(&net, SETTLE_USEC);
        for (int i = 3; i < 10; i++)
                net_add(&net, i, "Cem", (unsigned)i + 40, true);
        net_pass(&net, 10 * USEC_PER_SEC);
        ASSERT_GT(count_warnings(0, "KeyChanged"), 3);
        net_add(&net, 10, "Bob", 60, true);
        net_pass(&net, 20 * USEC_PER_SEC);
        for (size_t i = 0; i < machine(0)->n_warnings; i++)
                if (strstr(machine(0)->warnings[i][1], "another key than your contact Bob"))
                        goto found;
        TEST_FAIL("nothing was told of the key of the contact");
found:
        ASSERT_LT(count_warnings(0, "KeyChanged"), 8);
        net_done(&net);
}

/* Who announces the name, and never proves anything, is known as what he is. */
TEST(who_only_announces_a_name_gets_nothing_by_it)
{
        struct endpoint from = endpoint_ipv4(10, 0, 0, 77, CLASSIC_PORT);
        struct announce a = { .username = "ANA", .id = "aaaaaaaaaaaaaaaaaaaaaaaaaa" };
        char data[ANNOUNCE_SIZE_MAX + 1];
        const struct user *u;
        size_t size;

        begin_ledger(2);
        register_name(0);
        machine_stop(machine(0));
        net_pass(&net, 10 * USEC_PER_MINUTE);
        ASSERT_OK(legacy_encode_announce(DIALECT_CLASSIC, &a, &from, false, data, &size));
        ASSERT_OK(node_datagram(machine(1)->node, DIALECT_CLASSIC, &from, data, size, net.now));
        net_run(&net);
        u = user_of(1, a.id);
        ASSERT_STREQ(u->name, "#aaaaaaaa");
        ASSERT_EQ(u->security, SECURITY_UNPROVEN);
        ASSERT_OK(machine_send(machine(1), "Ana", "for Ana")); /* who is not here */
        net_pass(&net, USEC_PER_SEC);
        ASSERT_EQ(node_messages_queued(machine(1)->node), 1);
        ASSERT_EQ(node_trust(machine(1)->node, u->name, net.now, NULL), REFUSAL_NOT_REACHABLE);
        ASSERT_EQ(
                node_alias(machine(1)->node, u->name, "Ana", net.now, NULL), REFUSAL_NOT_REACHABLE);
        ASSERT_EQ(count_warnings(1, "KeyChanged"), 0); /* he has shown no key */
        net_done(&net);
}

/* One who has proven himself calls himself otherwise in the next session. */
TEST(who_takes_a_registered_name_later_does_not_get_it)
{
        begin_ledger(3);
        register_name(0);
        write_to_each_other(1, 0);
        ASSERT_STREQ(user(1, 2)->name, "Cem");
        rename_machine(2, "aNA");
        ASSERT_EQ(user(1, 2)->name[0], '#');
        ASSERT_EQ(node_verify(machine(1)->node, user(1, 2)->name, "0", net.now, NULL),
                REFUSAL_INVALID_NAME);
        ASSERT_OK(node_forget(machine(1)->node, user(1, 2)->name, net.now, NULL));
        net_run(&net);
        ASSERT_EQ(user(1, 2)->name[0], '#');
        rename_machine(2, "Cem");
        ASSERT_STREQ(user(1, 2)->name, "Cem");
        net_done(&net);
}

/* It has no key, so the ledger says nothing of it, and it is not taken for who has. */
TEST(a_classic_program_with_a_registered_name)
{
        begin_ledger(2);
        register_name(0);
        write_to_each_other(1, 0);
        net_add(&net, 2, "Ana", 9, false);
        net_pass(&net, SETTLE_USEC);
        ASSERT_EQ(user(1, 0)->security, SECURITY_CERTIFIED);
        ASSERT_OK(machine_send(machine(1), "Ana", "for who has the key"));
        net_pass(&net, USEC_PER_SEC);
        assert_received(machine(0), 2, "for who has the key");
        ASSERT_EQ(disk_count(&machine(2)->disk, DIRECTION_RECEIVED), 0);
        net_done(&net);
}

/* From one key to another and back, in one block and in the next. */
TEST(a_name_that_changes_hands_without_end)
{
        struct ledger_effect e = { .type = LEDGER_CERTIFIED };

        begin_ledger(3);
        write_to_each_other(0, 1);
        for (unsigned i = 0; i < 60; i++) {
                snprintf(e.name, sizeof e.name, "%s", names[i % 2]);
                memcpy(e.public_key, machine(2)->identity.public_key, PUBLIC_KEY_SIZE);
                ASSERT_OK(node_certified(machine(0)->node, &e, net.now));
        }
        machine_end_turn(machine(0));
        ASSERT_EQ(count_warnings(0, "KeyChanged"), 1); /* Bob's */
        ASSERT_EQ(count_warnings(0, "NameTaken"), 1);  /* its own */
        net_done(&net);
}

/* A machine hears that others know it no more by what it calls itself. */
TEST(the_name_of_this_machine_is_taken)
{
        begin_ledger(3);
        rename_machine(2, "ana");
        register_name(2);
        ASSERT_TRUE(was_warned(machine(0), "NameTaken"));
        ASSERT_FALSE(was_warned(machine(1), "NameTaken"));
        ASSERT_FALSE(was_warned(machine(2), "NameTaken"));
        ASSERT_EQ(user(1, 0)->name[0], '#');
        net_done(&net);
}

/* The clock of this machine goes back and forth: what has ended is held again. */
TEST(a_wrong_clock_touches_no_contact)
{
        begin_ledger(3);
        register_name(0);
        write_to_each_other(1, 0);
        net.now.real_usec += 500 * USEC_PER_DAY;
        net_pass(&net, 2 * USEC_PER_HOUR);
        ASSERT_EQ(user(1, 0)->security, SECURITY_ENCRYPTED);
        ASSERT_STREQ(user(1, 0)->name, "Ana");
        net.now.real_usec -= 500 * USEC_PER_DAY;
        net_pass(&net, 2 * USEC_PER_HOUR);
        ASSERT_EQ(user(1, 0)->security, SECURITY_CERTIFIED);
        ASSERT_STREQ(user(1, 0)->name, "Ana");
        ASSERT_EQ(count_warnings(1, "KeyChanged"), 0);
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
