/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One engine of the ledger: rules of names and blocks, which chain it follows, and what it stores
 */
#include "unit/ledger-peers.h"

/* Can this record be in the block behind @r's, whose time is @time_usec? */
static int try_record(struct remote *r, const struct certificate *c, usec_t time_usec)
{
        struct ledger *l = make();
        uint8_t data[BLOCK_SIZE_MAX];
        struct block b = block_behind(r->n > 0 ? &r->blocks[r->n - 1] : NULL, time_usec, c);
        size_t bad;
        int e;

        for (size_t i = 0; i < r->n; i++)
                ASSERT_OK(ledger_check(l, data, block_encode(&r->blocks[i], data), &bad));
        e = ledger_check(l, data, block_encode(&b, data), &bad);
        ledger_free(l);
        if (e == 0)
                r->blocks[r->n++] = b;
        return e;
}

static struct certificate revocation(
        enum certificate_kind kind, unsigned who, const char *name, usec_t time_usec)
{
        return record_of(kind, who, name, time_usec, &genesis);
}

TEST(a_name_has_one_key_and_a_key_one_name)
{
        struct remote *r = make_remote(0);
        usec_t t = BEGIN_USEC;
        struct certificate c = registration(0, "Ece", t);

        ASSERT_OK(try_record(r, &c, t));
        t += USEC_PER_HOUR;
        ASSERT_EQ(try_record(r, &c, t), LEDGER_OUT_OF_TIME); /* the same again */
        c = registration(1, "ECE", t);
        ASSERT_EQ(try_record(r, &c, t), LEDGER_TAKEN);
        c = registration(0, "bob", t);
        ASSERT_EQ(try_record(r, &c, t), LEDGER_HAS_NAME);
        c = registration(1, "bob", t);
        ASSERT_OK(try_record(r, &c, t));
        free(r);
}

TEST(a_name_ends_unless_it_is_renewed)
{
        struct remote *r = make_remote(0);
        usec_t t = BEGIN_USEC, end;
        struct certificate c = registration(0, "Ece", t);

        ASSERT_OK(try_record(r, &c, t));
        t += LEDGER_RENEW_USEC;
        c = registration(0, "eCe", t - 1);
        ASSERT_EQ(try_record(r, &c, t - 1), LEDGER_TOO_SOON);
        ASSERT_OK(try_record(r, &c, t));
        end = t + LEDGER_VALID_USEC;
        c = registration(1, "ece", end - 1);
        ASSERT_EQ(try_record(r, &c, end - 1), LEDGER_TAKEN);
        ASSERT_OK(try_record(r, &c, end));
        /* Who lost it may have another one. */
        c = registration(0, "bob", end + 1);
        ASSERT_OK(try_record(r, &c, end + 1));
        free(r);
}

TEST(a_revoked_name_is_kept_for_its_successor)
{
        struct remote *r = make_remote(0);
        usec_t t = BEGIN_USEC;
        struct certificate c = registration(0, "ece", t);

        ASSERT_OK(try_record(r, &c, t));
        t++;
        c = revocation(CERTIFICATE_REVOKE_SUCCESSOR, 2, "ece", t);
        ASSERT_EQ(try_record(r, &c, t), LEDGER_NOT_OWNER);
        c = revocation(CERTIFICATE_REVOKE_SUCCESSOR, 0, "ece", t);
        ASSERT_OK(try_record(r, &c, t));
        c = revocation(CERTIFICATE_REVOKE, 0, "ece", t + 1);
        ASSERT_EQ(try_record(r, &c, t + 1), LEDGER_NOT_OWNER);
        c = registration(2, "ece", t + 1);
        ASSERT_EQ(try_record(r, &c, t + 1), LEDGER_RESTS);
        c = registration(0, "ece", t + 1);
        ASSERT_EQ(try_record(r, &c, t + 1), LEDGER_RESTS);
        /* The old key is free to have another name. */
        c = registration(0, "bob", t + 1);
        ASSERT_OK(try_record(r, &c, t + 1));
        c = registration(1, "ece", t + 2);
        ASSERT_OK(try_record(r, &c, t + 2));
        free(r);
}

TEST(a_revoked_name_rests)
{
        struct remote *r = make_remote(0);
        usec_t t = BEGIN_USEC;
        struct certificate c = registration(0, "ece", t);

        ASSERT_OK(try_record(r, &c, t));
        c = revocation(CERTIFICATE_REVOKE, 0, "ece", t + 1);
        ASSERT_OK(try_record(r, &c, t + 1));
        t += 1 + LEDGER_REST_USEC;
        c = registration(1, "ece", t);
        ASSERT_EQ(try_record(r, &c, t - 1), LEDGER_RESTS);
        ASSERT_OK(try_record(r, &c, t));
        free(r);
}

TEST(old_records_cannot_be_said_again)
{
        struct remote *r = make_remote(0);
        usec_t t = BEGIN_USEC;
        struct certificate c = registration(0, "ece", t), old;

        ASSERT_OK(try_record(r, &c, t));
        old = revocation(CERTIFICATE_REVOKE_SUCCESSOR, 0, "ece", t + 1);
        ASSERT_OK(try_record(r, &old, t + 1));
        c = registration(1, "ece", t + 2);
        ASSERT_OK(try_record(r, &c, t + 2));
        /* It goes back to the first: what that one said before is over. */
        c = revocation(CERTIFICATE_REVOKE, 1, "ece", t + 3);
        memcpy(c.successor, people[0].public_key, PUBLIC_KEY_SIZE);
        c.kind = CERTIFICATE_REVOKE_SUCCESSOR;
        ASSERT_OK(certificate_sign(&c, &people[1], &genesis.context));
        ASSERT_OK(try_record(r, &c, t + 3));
        c = registration(0, "ece", t + 4);
        ASSERT_OK(try_record(r, &c, t + 4));
        ASSERT_EQ(try_record(r, &old, t + 5), LEDGER_OUT_OF_TIME);
        free(r);
}

TEST(records_are_of_this_time)
{
        struct remote *r = make_remote(0);
        usec_t t = BEGIN_USEC;
        struct certificate c = registration(0, "ece", t);

        ASSERT_EQ(try_record(r, &c, t + LEDGER_RECORD_AGE_USEC + 1), LEDGER_OUT_OF_TIME);
        ASSERT_EQ(try_record(r, &c, t - LEDGER_AHEAD_USEC - 1), LEDGER_OUT_OF_TIME);
        ASSERT_OK(try_record(r, &c, t - LEDGER_AHEAD_USEC));
        c = registration(1, "bob", t);
        ASSERT_OK(try_record(r, &c, t + LEDGER_RECORD_AGE_USEC));
        free(r);
}

/* What is wrong with a block, each thing by itself. */
TEST(blocks_follow_the_rules)
{
        static uint8_t data[BLOCK_SIZE_MAX];
        struct ledger *l = make();
        struct certificate c = registration(0, "ece", BEGIN_USEC);
        struct block good = block_behind(NULL, BEGIN_USEC, &c), bad;
        size_t place;

        for (unsigned i = 0; i < 6; i++) {
                bad = good;
                if (i == 0)
                        bad.header.height = 2;
                else if (i == 1)
                        bad.header.previous[3] ^= 1;
                else if (i == 2)
                        bad.header.total = 2;
                else if (i == 3)
                        bad.header.time_usec = 0;
                else if (i == 4)
                        bad.records[0].signature[40] ^= 1;
                finish(&bad, genesis.bits);
                while (i == 5 && block_has_work(bad.hash, genesis.bits)) {
                        bad.header.nonce++;
                        block_header_hash(&bad.header, bad.hash);
                }
                ASSERT_EQ(ledger_check(l, data, block_encode(&bad, data), &place),
                        i == 4 ? LEDGER_NOT_GENUINE : LEDGER_INVALID);
        }
        ASSERT_OK(ledger_check(l, data, block_encode(&good, data), &place));
        ledger_free(l);
}

TEST(time_is_above_the_median)
{
        struct remote *r = make_remote(0);
        struct ledger *l = make();
        uint8_t data[BLOCK_SIZE_MAX];
        struct certificate c;
        struct block b;
        size_t bad;

        for (unsigned i = 0; i < 13; i++) {
                extend_with(r, i);
                ASSERT_OK(ledger_check(l, data, block_encode(&r->blocks[i], data), &bad));
        }
        /* The last eleven are 3 to 13 minutes after the beginning. */
        c = registration(15, "late", BEGIN_USEC);
        b = block_behind(&r->blocks[12], BEGIN_USEC + 8 * USEC_PER_MINUTE, &c);
        ASSERT_EQ(ledger_check(l, data, block_encode(&b, data), &bad), LEDGER_INVALID);
        b = block_behind(&r->blocks[12], BEGIN_USEC + 8 * USEC_PER_MINUTE + 1, &c);
        ASSERT_OK(ledger_check(l, data, block_encode(&b, data), &bad));
        ledger_free(l);
        free(r);
}

static struct ledger *restored(const struct remote *r, size_t n)
{
        struct ledger *l = make();
        static uint8_t data[BLOCK_SIZE_MAX];

        for (size_t i = 0; i < n; i++)
                ASSERT_OK(ledger_restore(l, data, block_encode(&r->blocks[i], data), BEGIN_USEC));
        return l;
}

static struct remote *make_chain(unsigned peer, size_t n)
{
        struct remote *r = make_remote(peer);

        for (unsigned i = 0; i < n; i++)
                extend_with(r, i);
        return r;
}

/* The same up to @common, then others. */
static struct remote *make_fork(const struct remote *of, unsigned peer, size_t common, size_t n)
{
        struct remote *r = make_remote(peer);

        memcpy(r->blocks, of->blocks, common * sizeof *r->blocks);
        r->n = common;
        for (unsigned i = 0; r->n < n; i++)
                extend_with(r, PEOPLE_MAX - 1 - i);
        return r;
}

TEST(a_newcomer_gets_the_chain_and_tells_of_it)
{
        struct ledger *l = make();
        struct remote *r = make_chain(0, 15), *other = make_remote(1);
        struct ledger_name name;

        ASSERT_OK(join(l, other));
        ASSERT_OK(join(l, r));
        ASSERT_OK(say_tip(l, r));
        seen = (struct seen){ 0 };
        ASSERT_OK(serve(l));
        assert_tip(l, r);
        ASSERT_EQ(seen.n_appended, 15);
        ASSERT_EQ(seen.n_certified, 15);
        ASSERT_EQ(other->tip.height, 15);
        ASSERT_TRUE(ledger_find(l, "USER-3", now.real_usec, &name));
        ASSERT_EQ(name.state, LEDGER_HELD);
        ASSERT_EQ(name.height, 4);
        ASSERT_MEMEQ(name.public_key, people[3].public_key, PUBLIC_KEY_SIZE);
        ASSERT_MEMEQ(name.block, r->blocks[3].hash, HASH_SIZE);
        ASSERT_TRUE(ledger_find_key(l, people[14].public_key, now.real_usec, &name));
        ASSERT_STREQ(name.name, "user-14");
        ASSERT_FALSE(ledger_find_key(l, people[15].public_key, now.real_usec, &name));
        ASSERT_FALSE(ledger_find(l, "user-15", now.real_usec, &name));
        ASSERT_TRUE(ledger_find(l, "user-3", BEGIN_USEC + 401 * USEC_PER_DAY, &name));
        ASSERT_EQ(name.state, LEDGER_ENDED);
        ledger_free(l);
        free(r);
        free(other);
}

TEST(names_are_listed_in_order)
{
        struct remote *r = make_chain(0, 15);
        struct ledger *l = restored(r, 15);
        struct ledger_name names[20];
        size_t n = ledger_list(l, "", BEGIN_USEC, names, 20);

        ASSERT_EQ(n, 15);
        for (size_t i = 1; i < n; i++)
                ASSERT_LT(strcmp(names[i - 1].name, names[i].name), 0);
        n = ledger_list(l, "User-12", BEGIN_USEC, names, 3);
        ASSERT_EQ(n, 3);
        ASSERT_STREQ(names[0].name, "user-13");
        ASSERT_STREQ(names[1].name, "user-14");
        ASSERT_STREQ(names[2].name, "user-2");
        ASSERT_EQ(ledger_list(l, "user-9", BEGIN_USEC, names, 3), 0);
        ledger_free(l);
        free(r);
}

TEST(blocks_are_asked_of_all_who_have_them)
{
        struct ledger *l = make();
        struct remote *a = make_chain(0, 15), *b = make_remote(1), *c = make_remote(2);

        memcpy(b->blocks, a->blocks, sizeof a->blocks);
        memcpy(c->blocks, a->blocks, sizeof a->blocks);
        b->n = c->n = a->n;
        c->is_lacking = true;
        ASSERT_OK(join(l, a));
        ASSERT_OK(join(l, b));
        ASSERT_OK(join(l, c));
        ASSERT_OK(say_tip(l, b));
        ASSERT_OK(say_tip(l, c));
        ASSERT_OK(say_tip(l, a));
        ASSERT_OK(serve(l));
        assert_tip(l, a);
        ASSERT_GT(a->n_asked, 2);
        ASSERT_GT(b->n_asked, 2);
        ASSERT_LE(c->n_asked, 4); /* as many as at once, and then not again */
        ASSERT_FALSE(c->is_banned);
        ledger_free(l);
        free(a);
        free(b);
        free(c);
}

TEST(who_withholds_blocks_is_gone_round)
{
        struct ledger *l = make();
        struct remote *a = make_chain(0, 5), *b = make_remote(1);

        a->is_withholding = true;
        ASSERT_OK(offer(l, a));
        ASSERT_EQ(height_of(l), 0);
        memcpy(b->blocks, a->blocks, sizeof a->blocks);
        b->n = 5;
        ASSERT_OK(join(l, b));
        ASSERT_OK(say_tip(l, b));
        for (unsigned i = 0; i < 4 && height_of(l) < 5; i++) {
                ASSERT_OK(serve(l));
                now.mono_usec = ledger_deadline(l);
                ASSERT_OK(ledger_advance(l, &now));
        }
        assert_tip(l, b);
        ASSERT_FALSE(a->is_banned);
        ledger_free(l);
        free(a);
        free(b);
}

TEST(who_lacks_what_it_promised_is_asked_ever_later)
{
        struct ledger *l = make();
        struct remote *a = make_chain(0, 2);

        a->is_lacking = true;
        ASSERT_OK(offer(l, a));
        for (unsigned i = 0; i < 6; i++) {
                ASSERT_EQ(ledger_deadline(l), now.mono_usec + (5 * USEC_PER_SEC << i));
                now.mono_usec = ledger_deadline(l);
                ASSERT_OK(ledger_advance(l, &now));
                a->is_lacking = i < 5;
                ASSERT_OK(serve(l));
        }
        assert_tip(l, a);
        ASSERT_FALSE(a->is_banned);
        ledger_free(l);
        free(a);
}

TEST(who_goes_part_of_the_way_tells_how_far)
{
        struct ledger *l = make();
        struct remote *a = make_chain(0, 5), *b = make_remote(1);

        a->n_missing = 2;
        ASSERT_OK(join(l, b));
        ASSERT_OK(offer(l, a));
        ASSERT_EQ(height_of(l), 3);
        ASSERT_EQ(b->tip.height, 3);
        ledger_free(l);
        free(a);
        free(b);
}

TEST(the_longer_chain_wins_and_what_was_left_waits_again)
{
        struct remote *a = make_chain(0, 5), *b = make_fork(a, 1, 3, 6);
        struct ledger *l = make();
        struct ledger_name name;
        struct ledger_status s;

        ASSERT_OK(offer(l, a));
        assert_tip(l, a);
        seen = (struct seen){ 0 };
        ASSERT_OK(offer(l, b));
        assert_tip(l, b);
        ASSERT_TRUE(seen.is_reorganised);
        ASSERT_EQ(seen.reorganised_to, 3);
        ASSERT_EQ(seen.n_appended, 3);
        ledger_status(l, &s);
        ASSERT_EQ(s.n_waiting, 2);
        ASSERT_FALSE(ledger_find(l, "user-4", now.real_usec, &name));
        mine(l);
        ASSERT_EQ(height_of(l), 7);
        ASSERT_TRUE(ledger_find(l, "user-4", now.real_usec, &name));
        ASSERT_TRUE(ledger_find(l, "user-3", now.real_usec, &name));
        ASSERT_EQ(name.height, 7);
        ledger_free(l);
        free(a);
        free(b);
}

TEST(of_two_the_smaller_hash_wins)
{
        struct remote *a = make_chain(0, 5), *b = make_fork(a, 1, 4, 5), *low, *high;
        struct ledger *l;

        low = memcmp(a->blocks[4].hash, b->blocks[4].hash, HASH_SIZE) < 0 ? a : b;
        high = low == a ? b : a;
        for (unsigned i = 0; i < 2; i++) {
                l = make();
                ASSERT_OK(offer(l, i == 0 ? low : high));
                ASSERT_OK(offer(l, i == 0 ? high : low));
                assert_tip(l, low);
                ledger_free(l);
        }
        free(a);
        free(b);
}

TEST(after_a_fork_that_is_not_valid_all_is_as_it_was)
{
        struct remote *a = make_chain(0, 5), *b = make_fork(a, 1, 2, 5);
        struct certificate c = registration(0, "user-0", BEGIN_USEC + 1);
        struct ledger *l = make();
        struct ledger_name name;

        extend(b, &c, BEGIN_USEC + USEC_PER_HOUR); /* too soon for a renewal */
        ASSERT_OK(offer(l, a));
        seen = (struct seen){ 0 };
        ASSERT_OK(offer(l, b));
        assert_tip(l, a);
        ASSERT_TRUE(b->is_banned);
        ASSERT_FALSE(seen.is_reorganised);
        for (unsigned i = 0; i < 5; i++)
                ASSERT_TRUE(ledger_find_key(l, people[i].public_key, now.real_usec, &name));
        ASSERT_FALSE(ledger_find_key(l, people[19].public_key, now.real_usec, &name));
        ledger_free(l);
        free(a);
        free(b);
}

TEST(ten_deep_is_final)
{
        struct remote *a = make_chain(0, 12), *b = make_fork(a, 1, 1, 14);
        struct remote *c = make_fork(a, 2, 2, 14);
        struct ledger *l = make();

        ASSERT_OK(offer(l, a));
        seen = (struct seen){ 0 };
        ASSERT_OK(offer(l, b));
        assert_tip(l, a);
        ASSERT_EQ(seen.n_reports, 1);
        ASSERT_EQ(seen.report_height, 2);
        ASSERT_FALSE(b->is_banned);
        ASSERT_OK(say_tip(l, b));
        ASSERT_OK(serve(l));
        ASSERT_EQ(seen.n_reports, 1); /* once */
        ASSERT_OK(offer(l, c));
        assert_tip(l, c);
        ledger_free(l);
        free(a);
        free(b);
        free(c);
}

TEST(a_day_makes_final)
{
        struct remote *a = make_chain(0, 5), *b = make_fork(a, 1, 3, 8);

        for (unsigned i = 0; i < 2; i++) {
                struct ledger *l = make();

                ASSERT_OK(offer(l, a));
                now.real_usec += LEDGER_FINAL_USEC - 1 + i;
                seen = (struct seen){ 0 };
                ASSERT_OK(offer(l, b));
                assert_tip(l, i == 0 ? b : a);
                ASSERT_EQ(seen.n_reports, i);
                ledger_free(l);
        }
        free(a);
        free(b);
}

TEST(blocks_from_the_future_have_to_wait)
{
        struct remote *a = make_chain(0, 3);
        struct certificate c = registration(9, "early", BEGIN_USEC + LEDGER_AHEAD_USEC);
        struct ledger *l = make();

        extend(a, &c, BEGIN_USEC + LEDGER_AHEAD_USEC + 5 * USEC_PER_MINUTE);
        ASSERT_OK(offer(l, a));
        ASSERT_EQ(height_of(l), 0);
        ASSERT_FALSE(a->is_banned);
        now.real_usec += 6 * USEC_PER_MINUTE;
        now.mono_usec += 6 * USEC_PER_MINUTE;
        ASSERT_OK(ledger_advance(l, &now));
        ASSERT_OK(serve(l));
        assert_tip(l, a);
        ledger_free(l);
        free(a);
}

/* Clocks differ, and others may go on from there already. */
TEST(a_block_that_is_hardly_early_has_to_wait_no_longer_than_that)
{
        struct remote *a = make_chain(0, 3);
        struct certificate c = registration(9, "early", BEGIN_USEC + LEDGER_AHEAD_USEC);
        struct ledger *l = make();

        extend(a, &c, BEGIN_USEC + LEDGER_AHEAD_USEC + 20 * USEC_PER_SEC);
        ASSERT_OK(offer(l, a));
        ASSERT_EQ(height_of(l), 0);
        ASSERT_EQ(ledger_deadline(l), now.mono_usec + 20 * USEC_PER_SEC);
        now.real_usec += 20 * USEC_PER_SEC;
        now.mono_usec += 20 * USEC_PER_SEC;
        ASSERT_OK(ledger_advance(l, &now));
        ASSERT_OK(serve(l));
        assert_tip(l, a);
        ledger_free(l);
        free(a);
}

TEST(headers_without_work_are_banned)
{
        struct remote *a = make_chain(0, 3), *b = make_chain(1, 3), *c = make_chain(2, 3);
        struct ledger *l = make();

        do {
                a->blocks[2].header.nonce++;
                block_header_hash(&a->blocks[2].header, a->blocks[2].hash);
        } while (block_has_work(a->blocks[2].hash, genesis.bits));
        ASSERT_OK(offer(l, a));
        ASSERT_TRUE(a->is_banned);
        /* In the middle of headers; and a block that is not that of its header. */
        b->blocks[1].header.total = 9;
        ASSERT_OK(offer(l, b));
        ASSERT_TRUE(b->is_banned);
        c->blocks[0].records[0].time_usec++;
        ASSERT_OK(offer(l, c));
        ASSERT_TRUE(c->is_banned);
        ASSERT_EQ(height_of(l), 0);
        ledger_free(l);
        free(a);
        free(b);
        free(c);
}

TEST(of_another_network_nothing_is_heard)
{
        struct remote *a = make_chain(0, 3);
        struct ledger *l = make_for(&registrar_genesis);
        struct ledger_status s;

        ASSERT_OK(offer(l, a));
        ledger_status(l, &s);
        ASSERT_EQ(s.n_peers, 0);
        ASSERT_FALSE(a->is_banned);
        ledger_free(l);
        free(a);
}

TEST(a_stored_chain_comes_back_and_damage_is_found)
{
        struct remote *a = make_chain(0, 4);
        static uint8_t data[BLOCK_SIZE_MAX];
        struct ledger *l = restored(a, 3), *fresh;
        size_t size = block_encode(&a->blocks[3], data);
        struct remote *b = make_fork(a, 1, 2, 5);

        for (size_t k = 0; k < 8 * size; k++) {
                data[k / 8] ^= 1 << k % 8;
                /* A header of enough work by chance is still one that nothing follows. */
                fresh = restored(a, 3);
                if (ledger_restore(fresh, data, size, 0) == 0) {
                        uint8_t next[BLOCK_SIZE_MAX];

                        ASSERT_LT(k / 8, BLOCK_HEADER_SIZE);
                        extend_with(a, 4);
                        ASSERT_EQ(ledger_restore(fresh, next, block_encode(&a->blocks[4], next), 0),
                                LEDGER_INVALID);
                        a->n--;
                }
                ledger_free(fresh);
                data[k / 8] ^= 1 << k % 8;
        }
        ASSERT_OK(ledger_restore(l, data, size, BEGIN_USEC));
        assert_tip(l, a);
        /* It goes on as if it had never been away. */
        ASSERT_OK(offer(l, b));
        assert_tip(l, b);
        ledger_free(l);
        free(a);
        free(b);
}

/* A full block is not verified in one turn. */
TEST(records_are_verified_a_few_at_a_time)
{
        struct ledger *l = make();
        struct remote *a = make_remote(0);
        struct ledger_effect e;
        struct block *b = &a->blocks[a->n++];
        unsigned n_turns = 0;

        *b = (struct block){
                .header = { .height = 1, .total = PEOPLE_MAX, .time_usec = BEGIN_USEC },
                .n_records = PEOPLE_MAX
        };
        memcpy(b->header.previous, genesis.context.network, HASH_SIZE);
        for (unsigned i = 0; i < PEOPLE_MAX; i++) {
                char name[] = { 'n', 'a', 'm', 'e', (char)('a' + i), 0 };

                b->records[i] = registration(i, name, BEGIN_USEC);
        }
        finish(b, genesis.bits);
        ASSERT_OK(join(l, a));
        ASSERT_OK(say_tip(l, a));
        while (ledger_next_effect(l, &e))
                ;
        message[0] = GOSSIP_BLOCK;
        ASSERT_OK(say(l, a, 1 + block_encode(b, message + 1)));
        for (; height_of(l) == 0; n_turns++) {
                ASSERT_EQ(ledger_deadline(l), now.mono_usec);
                ASSERT_OK(ledger_advance(l, &now));
        }
        ASSERT_EQ(n_turns, PEOPLE_MAX / 4 - 1);
        ledger_free(l);
        free(a);
}

TEST(old_blocks_are_loaded_for_who_asks)
{
        struct remote *a = make_chain(0, 15), *b = make_remote(1);
        struct ledger *l = restored(a, 15);
        struct wanted w = { .height = 1 };
        struct ledger_effect e;
        bool is_loading = false;

        ASSERT_OK(join(l, b));
        memcpy(w.hash, a->blocks[0].hash, HASH_SIZE);
        ASSERT_OK(say(l, b, gossip_one(GOSSIP_GET_BLOCK, &w, message)));
        while (ledger_next_effect(l, &e))
                is_loading |= e.type == LEDGER_LOAD && e.height == 1;
        ASSERT_TRUE(is_loading);
        ASSERT_OK(ledger_loaded(l, &b->peer, message, block_encode(&a->blocks[0], message), &now));
        ASSERT_TRUE(ledger_next_effect(l, &e));
        ASSERT_EQ(e.data[0], GOSSIP_BLOCK);
        ledger_free(l);
        free(a);
        free(b);
}

TEST_MAIN_WITH(set_up)
