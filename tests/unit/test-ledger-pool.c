/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ledger's pool and its mining: what waits, for how long, and what becomes of it */
#include "lib/failing-memory.h"
#include "unit/ledger-peers.h"

static struct certificate registrar_record(unsigned who, const char *name)
{
        return record_of(CERTIFICATE_REGISTER, who, name, now.real_usec, &registrar_genesis);
}

static struct ledger_status status_of(const struct ledger *l)
{
        struct ledger_status s;

        ledger_status(l, &s);
        return s;
}

TEST(a_record_of_ours_is_told_and_mined)
{
        struct ledger *l = make();
        struct remote *a = make_remote(0), *b = make_remote(1);
        struct certificate c = registration(3, "Ece", now.real_usec);
        struct ledger_name name;

        ASSERT_OK(join(l, a));
        ASSERT_OK(join(l, b));
        ASSERT_FALSE(ledger_is_mining(l, &now));
        ASSERT_OK(ledger_submit(l, &c, &now));
        ASSERT_EQ(ledger_submit(l, &c, &now), LEDGER_KNOWN);
        ASSERT_OK(serve(l));
        ASSERT_EQ(a->n_records, 1);
        ASSERT_EQ(b->n_records, 1);
        ASSERT_TRUE(ledger_is_mining(l, &now));
        seen = (struct seen){ 0 };
        mine(l);
        ASSERT_OK(serve(l));
        ASSERT_EQ(seen.n_appended, 1);
        ASSERT_EQ(seen.n_certified, 1);
        ASSERT_EQ(a->tip.height, 1);
        ASSERT_EQ(status_of(l).n_waiting, 0);
        ASSERT_EQ(status_of(l).work, 1 << genesis.bits);
        ASSERT_TRUE(ledger_find(l, "ece", now.real_usec, &name));
        ASSERT_EQ(ledger_submit(l, &c, &now), LEDGER_OUT_OF_TIME);
        c = registration(4, "ece", now.real_usec);
        ASSERT_EQ(ledger_submit(l, &c, &now), LEDGER_TAKEN);
        c.signature[3] ^= 1;
        memcpy(c.name, "bob", sizeof "bob");
        ASSERT_EQ(ledger_submit(l, &c, &now), LEDGER_NOT_GENUINE);
        ledger_free(l);
        free(a);
        free(b);
}

TEST(it_is_told_again_until_it_is_in_the_chain)
{
        struct ledger *l = make();
        struct remote *a = make_remote(0);
        struct certificate c = registration(3, "Ece", now.real_usec);

        ASSERT_OK(join(l, a));
        ASSERT_OK(ledger_submit(l, &c, &now));
        for (unsigned i = 0; i < 3; i++) {
                ASSERT_OK(serve(l));
                ASSERT_EQ(a->n_records, i + 1);
                ASSERT_EQ(ledger_deadline(l), now.mono_usec + USEC_PER_MINUTE);
                now.mono_usec = ledger_deadline(l);
                ASSERT_OK(ledger_advance(l, &now));
        }
        mine(l);
        ASSERT_EQ(ledger_deadline(l), USEC_INFINITY);
        ledger_free(l);
        free(a);
}

TEST(records_spread_once_and_forged_ones_not_at_all)
{
        struct ledger *l = make();
        struct remote *a = make_remote(0), *b = make_remote(1), *late = make_remote(2);
        struct certificate c = registration(3, "Ece", now.real_usec), taken;

        ASSERT_OK(join(l, a));
        ASSERT_OK(join(l, b));
        ASSERT_OK(say_record(l, a, &c));
        ASSERT_OK(say_record(l, a, &c));
        ASSERT_OK(say_record(l, b, &c));
        ASSERT_OK(serve(l));
        ASSERT_EQ(a->n_records, 0);
        ASSERT_EQ(b->n_records, 1);
        ASSERT_OK(join(l, late));
        ASSERT_OK(serve(l));
        ASSERT_EQ(late->n_records, 1);
        mine(l);
        /* Conflicting: nobody's fault. */
        taken = registration(4, "ece", now.real_usec);
        ASSERT_OK(say_record(l, b, &taken));
        c = registration(5, "bob", now.real_usec);
        c.time_usec++;
        ASSERT_OK(say_record(l, a, &c));
        ASSERT_OK(serve(l));
        ASSERT_EQ(b->n_records, 1);
        ASSERT_TRUE(a->is_banned);
        ASSERT_FALSE(b->is_banned);
        ASSERT_EQ(status_of(l).n_peers, 2);
        ledger_free(l);
        free(a);
        free(b);
        free(late);
}

/* The first that came has the name, the others wait no longer. */
TEST(of_two_that_wait_for_one_name_one_gets_it)
{
        struct ledger *l = make();
        struct certificate c = registration(3, "Ece", now.real_usec);
        struct certificate d = registration(4, "ECE", now.real_usec);
        struct certificate e = registration(5, "bob", now.real_usec);
        struct ledger_name name;

        ASSERT_OK(ledger_submit(l, &c, &now));
        ASSERT_OK(ledger_submit(l, &d, &now));
        ASSERT_OK(ledger_submit(l, &e, &now));
        mine(l);
        ASSERT_EQ(height_of(l), 1);
        ASSERT_EQ(status_of(l).n_records, 2);
        ASSERT_EQ(status_of(l).n_waiting, 0);
        ASSERT_TRUE(ledger_find(l, "ece", now.real_usec, &name));
        ASSERT_MEMEQ(name.public_key, people[3].public_key, PUBLIC_KEY_SIZE);
        ledger_free(l);
}

/* A key may say that it wants a hundred names. */
TEST(the_pool_is_bounded_for_each_peer_and_in_all)
{
        struct ledger *l = make();
        struct remote *remotes[LEDGER_POOL_MAX / LEDGER_POOL_PER_PEER_MAX + 1];
        unsigned n = 0;

        for (unsigned i = 0; i < ELEMENTSOF(remotes); i++) {
                remotes[i] = make_remote(i);
                ASSERT_OK(ledger_connected(l, &remotes[i]->peer, &now));
                for (unsigned k = 0; k < LEDGER_POOL_PER_PEER_MAX + 2; k++) {
                        char word[USERNAME_SIZE_MAX + 1];
                        struct certificate c;

                        (void)snprintf(word, sizeof word, "name-%u", n++);
                        c = registration(k % PEOPLE_MAX, word, now.real_usec);
                        ASSERT_OK(say_record(l, remotes[i], &c));
                }
                ASSERT_EQ(status_of(l).n_waiting,
                        MIN((i + 1) * LEDGER_POOL_PER_PEER_MAX, LEDGER_POOL_MAX));
                while (i % 4 == 3 && ledger_next_effect(l, &(struct ledger_effect){ 0 }))
                        ;
        }
        /* One block takes what it can: one name for each key. */
        mine(l);
        ASSERT_EQ(status_of(l).n_records, PEOPLE_MAX);
        ASSERT_EQ(status_of(l).n_waiting, 0);
        for (unsigned i = 0; i < ELEMENTSOF(remotes); i++)
                free(remotes[i]);
        ledger_free(l);
}

/* Of 65 people who wait. */
static void assert_blocks(const struct genesis *g, uint32_t n_blocks)
{
        struct ledger *l = make_for(g);

        for (unsigned i = 0; i < BLOCK_RECORDS_MAX + 1; i++) {
                struct certificate c = { .kind = CERTIFICATE_REGISTER, .time_usec = now.real_usec };
                uint8_t seed[IDENTITY_SEED_SIZE] = { (uint8_t)i };
                struct identity person;

                ASSERT_OK(identity_init(&person, seed));
                (void)snprintf(c.name, sizeof c.name, "name-%u", i);
                ASSERT_OK(certificate_sign(&c, &person, &g->context));
                ASSERT_OK(ledger_submit(l, &c, &now));
                identity_done(&person);
        }
        mine(l);
        ASSERT_EQ(height_of(l), n_blocks);
        ASSERT_EQ(status_of(l).n_records, 65);
        ledger_free(l);
}

TEST(blocks_hold_eight_with_work_and_sixty_four_without)
{
        struct genesis free_one = { .name = "for-nothing" };
        uint8_t data[GENESIS_SIZE_MAX];

        (void)genesis_encode(&free_one, data);
        assert_blocks(&genesis, 9);
        assert_blocks(&free_one, 2);
}

TEST(where_registrars_sign_nothing_else_gets_in)
{
        struct ledger *l = make_for(&registrar_genesis);
        struct remote *a = make_remote(0);
        struct certificate c = registrar_record(5, "Chloe"), waiting[2];

        ASSERT_OK(join(l, a));
        ASSERT_OK(ledger_submit(l, &c, &now));
        ASSERT_OK(serve(l));
        ASSERT_EQ(a->n_records, 1); /* so that a registrar hears of it */
        ASSERT_FALSE(ledger_is_mining(l, &now));
        ASSERT_EQ(ledger_unapproved(l, waiting, 2), 1);
        ASSERT_STREQ(waiting[0].name, "Chloe");
        ASSERT_OK(certificate_approve(&waiting[0], &people[1], &registrar_genesis.context));
        ASSERT_OK(ledger_submit(l, &waiting[0], &now));
        ASSERT_EQ(status_of(l).n_waiting, 1);
        ASSERT_EQ(status_of(l).n_unapproved, 0);
        mine(l);
        ASSERT_EQ(height_of(l), 1);
        ASSERT_EQ(status_of(l).work, 0);
        /* An approval by nobody. */
        c = registrar_record(6, "Dora");
        ASSERT_OK(certificate_approve(&c, &people[0], &registrar_genesis.context));
        c.registrar_signature[0] ^= 1;
        ASSERT_OK(say_record(l, a, &c));
        ASSERT_OK(serve(l));
        ASSERT_TRUE(a->is_banned);
        ledger_free(l);
        free(a);
}

/* Whoever made the record makes the block; others do when that one does not. */
TEST(blocks_without_work_are_not_made_by_all_at_once)
{
        struct ledger *l = make_for(&registrar_genesis);
        struct remote *a = make_remote(0);
        struct certificate c = registrar_record(5, "Chloe");

        ASSERT_OK(certificate_approve(&c, &people[1], &registrar_genesis.context));
        ASSERT_OK(join(l, a));
        ASSERT_OK(say_record(l, a, &c));
        ASSERT_FALSE(ledger_is_mining(l, &now));
        now.mono_usec = ledger_deadline(l);
        ASSERT_TRUE(ledger_is_mining(l, &now));
        mine(l);
        ASSERT_EQ(height_of(l), 1);
        ledger_free(l);
        free(a);
}

/* A chain of registrars weighs its records: small blocks do not make it heavier. */
TEST(small_blocks_do_not_outweigh)
{
        struct ledger *few = make_for(&registrar_genesis), *many = make_for(&registrar_genesis);
        struct block_header header;
        uint8_t hash[HASH_SIZE];
        struct ledger_effect e;
        struct remote *a = make_remote(0);
        struct certificate c[4];

        for (unsigned i = 0; i < 4; i++) {
                char name[] = { 'n', 'a', 'm', 'e', (char)('a' + i), 0 };

                c[i] = registrar_record(5 + i, name);
                ASSERT_OK(certificate_approve(&c[i], &people[0], &registrar_genesis.context));
                ASSERT_OK(ledger_submit(few, &c[i], &now));
                if (i == 3)
                        break;
                ASSERT_OK(ledger_submit(many, &c[i], &now));
                mine(many);
        }
        mine(few);
        ASSERT_EQ(height_of(few), 1);
        ASSERT_EQ(height_of(many), 3);
        ASSERT_OK(ledger_connected(few, &a->peer, &now));
        while (ledger_next_effect(few, &e))
                ;
        ASSERT_TRUE(ledger_header(many, 3, &header, hash));
        ASSERT_OK(say(few, a, gossip_tip(registrar_genesis.context.network, &header, message)));
        ASSERT_FALSE(ledger_next_effect(few, &e)); /* not worth asking for */
        ledger_free(few);
        ledger_free(many);
        free(a);
}

/* Whoever was asked for headers and goes away holds up nobody. */
TEST(when_one_goes_another_is_asked)
{
        struct ledger *l = make();
        struct remote *a = make_remote(0), *b = make_remote(1);

        for (unsigned i = 0; i < 3; i++)
                extend_with(a, i);
        memcpy(b->blocks, a->blocks, sizeof a->blocks);
        b->n = a->n;
        ASSERT_OK(ledger_connected(l, &a->peer, &now));
        ASSERT_OK(say_tip(l, a));
        ASSERT_OK(join(l, b));
        ASSERT_OK(say_tip(l, b));
        ASSERT_OK(serve(l));
        ASSERT_EQ(height_of(l), 0);
        ASSERT_OK(ledger_gone(l, &a->peer, &now));
        ASSERT_OK(serve(l));
        assert_tip(l, b);
        ledger_free(l);
        free(a);
        free(b);
}

/* Everything an engine does: a chain, a fork, records, a block of its own. */
static int live(struct ledger *l, struct remote *a, struct remote *b, const struct certificate *c)
{
        int r = offer(l, a);

        r = r < 0 ? r : offer(l, b);
        r = r < 0 ? r : say_record(l, a, &c[0]);
        r = r < 0 ? r : ledger_submit(l, &c[1], &now);
        for (unsigned i = 0; r == 0 && i < 1000 && ledger_is_mining(l, &now); i++)
                r = ledger_mine(l, 100, &now);
        return r < 0 ? r : serve(l);
}

TEST(any_allocation_may_fail)
{
        struct remote *a = make_remote(0), *b = make_remote(1);
        struct certificate c[2];
        size_t n;

        for (unsigned i = 0; i < 3; i++)
                extend_with(a, i);
        memcpy(b->blocks, a->blocks, sizeof a->blocks);
        b->n = 1;
        for (unsigned i = 0; i < 3; i++)
                extend_with(b, 10 + i);
        c[0] = registration(15, "record", BEGIN_USEC);
        c[1] = registration(16, "another", BEGIN_USEC);
        for (n = 1;; n++) {
                struct ledger_options o = { .genesis = &genesis, .random = dice };
                struct ledger *l = NULL;
                int r;

                n_around = 0;
                now.mono_usec = USEC_PER_DAY;
                now.real_usec = BEGIN_USEC + USEC_PER_HOUR;
                n_allocations = 0;
                fail_at = n;
                r = ledger_new(&o, &l);
                r = r < 0 ? r : live(l, a, b, c);
                fail_at = SIZE_MAX;
                if (n_allocations < n) {
                        ASSERT_OK(r);
                        ASSERT_EQ(status_of(l).height, 5);
                        ASSERT_EQ(status_of(l).n_names, 8);
                        ledger_free(l);
                        break;
                }
                ASSERT_TRUE(r == 0 || r == -ENOMEM);
                ledger_free(l);
        }
        ASSERT_GT(n, 50);
        free(a);
        free(b);
}

TEST_MAIN_WITH(set_up)
