/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a peer may try with files, as a node sees it: each row of the table in doc/files.md
 *
 * Ece is the one who tries: what her session says is put into it here, behind the back of her node,
 * which hears nothing of files.
 */
#include "core/transfer/wire.h"
#include "unit/node-files-fixture.h"

static struct machine *ece, *bob, *eve;
static uint8_t bytes[TRANSFER_CHUNK_MAX];

static struct transfer_id id_of(unsigned i)
{
        return (struct transfer_id){ .bytes = {
                                             0xe0, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i } };
}

static void say_bytes(struct machine *m, const void *data, size_t size)
{
        struct peer *peer = peers_by_id(&m->node->peers, bob->identity.id);
        struct link *link = node_session_with(m->node, bob->identity.id);
        struct message message = { .type = FRAME_FILE, .file = { .data = data, .size = size } };

        ASSERT_TRUE(peer && link);
        ASSERT_OK(node_native_tell(m->node, link, &message, net.now));
}

static void say(struct machine *m, const struct transfer_wire *w)
{
        static uint8_t data[TRANSFER_MESSAGE_SIZE_MAX];

        transfer_wire_encode(w, data);
        say_bytes(m, data, transfer_wire_size(w));
}

static struct transfer_wire offer_of(unsigned i, const char *name, uint64_t size)
{
        static uint8_t digest[HASH_SIZE];

        hash(&(struct blob){ bytes, MIN(size, sizeof bytes) }, 1, digest);
        return (struct transfer_wire){ .kind = TRANSFER_WIRE_OFFER,
                .id = id_of(i),
                .size = size,
                .hash = digest,
                .name = name,
                .name_size = strlen(name) };
}

static void offer_to_bob(unsigned i, uint64_t size)
{
        const struct transfer_wire w = offer_of(i, "a file", size);

        say(ece, &w);
        net_run(&net);
}

static void send_chunk(unsigned i, uint64_t offset, size_t size)
{
        say(ece, &(struct transfer_wire){ .kind = TRANSFER_WIRE_CHUNK,
                         .id = id_of(i),
                         .offset = offset,
                         .data = bytes,
                         .data_size = size });
        net_run(&net);
}

static void say_of(struct machine *m, enum transfer_wire_kind kind, const struct transfer_id *id)
{
        say(m, &(struct transfer_wire){ .kind = kind, .id = *id, .reason = TRANSFER_CANCELLED });
        net_run(&net);
}

/* Bob has accepted file @i of @size bytes, and has told what may come. */
static void accepted(unsigned i, uint64_t size)
{
        const struct transfer_id id = id_of(i);

        offer_to_bob(i, size);
        accept(bob, name_of_id(&id));
        net_run(&net);
        ASSERT_EQ(only_file(bob).state, TRANSFER_ACCEPTED);
}

static void set_deaf(struct machine *m, bool is_deaf)
{
        struct transfer_peer key;

        memcpy(key.bytes, bob->identity.public_key, sizeof key.bytes);
        if (is_deaf)
                ASSERT_OK(transfer_gone(m->node->files.engine, &key, &net.now));
        else
                ASSERT_OK(transfer_connected(m->node->files.engine, &key, &net.now));
}

static void set_up(void)
{
        meet(&ece, &bob);
        eve = net_add(&net, 2, "Eve", 3, true);
        net_run(&net);
        ASSERT_OK(machine_send(eve, "Bob", "I am Eve"));
        net_run(&net);
        set_deaf(ece, true);
}

static void expect_end(enum transfer_reason reason)
{
        assert_finished(bob, 1, reason);
        ASSERT_EQ(count_open(bob), 0);
        ASSERT_EQ(bob->files.n_spools, 0);
        ASSERT_EQ(node_sessions(bob->node), 2); /* messages go on */
        ASSERT_OK(machine_send(ece, "Bob", "still here"));
        net_run(&net);
        assert_received(bob, 3, "still here");
        net_done(&net);
}

TEST(chunks_that_were_not_asked_for)
{
        static const struct {
                uint64_t offset;
                size_t size;
        } chunks[] = {
                { TRANSFER_CHUNK_SIZE, TRANSFER_CHUNK_SIZE }, /* at another place */
                { 0, TRANSFER_CHUNK_SIZE - 1 },               /* a crumb */
                { 0, 1 },
                { UINT64_C(1) << 31, TRANSFER_CHUNK_SIZE },
        };

        for (size_t i = 0; i < ELEMENTSOF(chunks); i++) {
                set_up();
                accepted(1, FILE_SIZE);
                send_chunk(1, chunks[i].offset, chunks[i].size);
                expect_end(TRANSFER_BROKEN);
        }
        /* Twice; and more than may come. */
        set_up();
        accepted(1, FILE_SIZE);
        send_chunk(1, 0, TRANSFER_CHUNK_SIZE);
        send_chunk(1, 0, TRANSFER_CHUNK_SIZE);
        expect_end(TRANSFER_BROKEN);
        set_up();
        bob->files.is_holding = true;
        accepted(1, FILE_SIZE);
        send_chunk(1, 0, TRANSFER_CHUNK_MAX);
        bob->files.is_holding = true;
        send_chunk(1, TRANSFER_CHUNK_MAX, TRANSFER_CHUNK_SIZE);
        bob->files.is_holding = false;
        net_run(&net);
        expect_end(TRANSFER_BROKEN);
        /* More than there is. */
        set_up();
        accepted(1, 100);
        send_chunk(1, 0, 101);
        expect_end(TRANSFER_BROKEN);
}

TEST(chunks_of_what_nobody_accepted)
{
        set_up();
        offer_to_bob(1, FILE_SIZE);
        send_chunk(1, 0, TRANSFER_CHUNK_SIZE);
        ASSERT_EQ(bob->files.n_rows, 0); /* no trace */
        expect_end(TRANSFER_BROKEN);
}

TEST(chunks_of_what_is_unknown_or_over)
{
        set_up();
        send_chunk(1, 0, TRANSFER_CHUNK_SIZE);
        ASSERT_EQ(bob->files.n_told, 0);
        offer_to_bob(1, FILE_SIZE);
        ASSERT_OK(node_file_reject(bob->node, offered(bob), net.now, NULL));
        send_chunk(1, 0, TRANSFER_CHUNK_SIZE);
        expect_end(TRANSFER_REJECTED);
}

TEST(a_changed_offer)
{
        for (int k = 0; k < 3; k++) {
                struct transfer_wire w;

                set_up();
                offer_to_bob(1, FILE_SIZE);
                w = offer_of(1, k == 0 ? "another name" : "a file", FILE_SIZE + (k == 1));
                if (k == 2)
                        w.hash = bytes;
                say(ece, &w);
                net_run(&net);
                expect_end(TRANSFER_BROKEN);
        }
}

TEST(a_repeated_offer)
{
        set_up();
        offer_to_bob(1, FILE_SIZE);
        offer_to_bob(1, FILE_SIZE);
        ASSERT_EQ(spools_count(&bob->files, FILE_NEWS_OFFERED), 1);
        ASSERT_EQ(bob->files.n_records, 1);
        ASSERT_OK(node_file_reject(bob->node, offered(bob), net.now, NULL));
        machine_end_turn(bob);
        offer_to_bob(1, FILE_SIZE);
        expect_end(TRANSFER_REJECTED);
}

TEST(bad_names_and_sizes)
{
        static const char *const names[] = { "a/b", "..", "", "tab\t", " ", "\xff" };

        set_up();
        for (unsigned i = 0; i < ELEMENTSOF(names); i++) {
                const struct transfer_wire w = offer_of(i, names[i], 10);

                say(ece, &w);
        }
        offer_to_bob(20, TRANSFER_FILE_SIZE_MAX + 1);
        ASSERT_EQ(bob->files.n_told, 0);
        ASSERT_EQ(bob->files.n_records, 0);
        net_done(&net);
}

TEST(a_thousand_offers)
{
        set_up();
        for (unsigned i = 0; i < 1000; i++)
                offer_to_bob(i, 10);
        ASSERT_EQ(spools_count(&bob->files, FILE_NEWS_OFFERED), TRANSFER_OPEN_MAX);
        ASSERT_EQ(count_open(bob), TRANSFER_OPEN_MAX);
        ASSERT_EQ(bob->files.n_rows, TRANSFER_OPEN_MAX);
        /* Others notice nothing. */
        offer(eve, 1, "Bob");
        ASSERT_EQ(spools_count(&bob->files, FILE_NEWS_OFFERED), TRANSFER_OPEN_MAX + 1);
        net_done(&net);
}

TEST(an_id_of_somebody_else)
{
        const struct transfer_id theirs = id_of(1);
        struct transfer_wire w;

        set_up();
        offer_to_bob(1, FILE_SIZE);
        w = offer_of(1, "a file", FILE_SIZE);
        say(eve, &w);
        net_run(&net);
        ASSERT_EQ(count_open(bob), 1);
        ASSERT_STREQ(only_file(bob).user, "Ece");
        for (unsigned kind = TRANSFER_WIRE_END; kind <= TRANSFER_WIRE_ENDED; kind++)
                say_of(eve, kind, &theirs);
        say(eve, &(struct transfer_wire){ .kind = TRANSFER_WIRE_WANT, .id = theirs, .end = 100 });
        net_run(&net);
        ASSERT_EQ(only_file(bob).state, TRANSFER_OFFERED);
        net_done(&net);
}

/* Whoever learns the id of a file of ours must not get at its spool by an offer of that id. */
TEST(the_id_of_a_spool_of_ours)
{
        struct transfer_id id = spool_id_of(7);
        struct transfer_wire w;

        set_up();
        set_deaf(ece, false);
        offer(bob, 7, "Ece");
        w = offer_of(1, "a file", FILE_SIZE);
        w.id = id;
        say(eve, &w);
        net_run(&net);
        ASSERT_EQ(spools_count(&bob->files, FILE_NEWS_OFFERED), 0);
        ASSERT_TRUE(only_file(bob).is_outgoing);
        accept(ece, offered(ece));
        net_run(&net);
        assert_whole(ece, 7, FILE_SIZE);
        net_done(&net);
}

/* Ece's node answers honestly beside what is put in here, so Bob sends; her wants are too much. */
TEST(wants_that_cannot_be)
{
        static const struct {
                uint64_t have, end;
        } wants[] = {
                { 0, TRANSFER_CHUNK_MAX + TRANSFER_CHUNK_SIZE }, /* malformed: more than a window */
                { FILE_SIZE, FILE_SIZE + 10 },                   /* beyond the file */
                { 1000, 1000 },                                  /* more than was sent */
                { 0, 0 },                                        /* taken back */
                { 0, 1000 },                                     /* not on the grid */
        };

        for (size_t i = 0; i < ELEMENTSOF(wants); i++) {
                struct transfer_wire w = { .kind = TRANSFER_WIRE_WANT };

                set_up();
                set_deaf(ece, false);
                offer(bob, 7, "Ece");
                bob->files.is_deaf = true; /* nothing is sent yet */
                accept(ece, offered(ece));
                net_run(&net);
                ASSERT_EQ(only_file(bob).state, TRANSFER_ACCEPTED);
                w.id = bob->files.rows[0].record.transfer.id;
                w.have = wants[i].have;
                w.end = wants[i].end;
                say(ece, &w);
                net_run(&net);
                expect_end(TRANSFER_BROKEN);
        }
}

TEST(wants_and_ends_of_what_is_unknown)
{
        const struct transfer_id id = id_of(9);

        set_up();
        say(ece, &(struct transfer_wire){ .kind = TRANSFER_WIRE_WANT, .id = id, .end = 100 });
        say_of(ece, TRANSFER_WIRE_END, &id);
        say_of(ece, TRANSFER_WIRE_ENDED, &id);
        ASSERT_EQ(bob->files.n_told, 0);
        ASSERT_EQ(bob->files.n_records, 0);
        net_done(&net);
}

TEST(another_hash)
{
        set_up();
        accepted(1, 100);
        bytes[0] ^= 1;
        send_chunk(1, 0, 100);
        bytes[0] ^= 1;
        expect_end(TRANSFER_WRONG_HASH);
}

TEST(malformed_of_its_own_and_of_others)
{
        uint8_t data[18] = { TRANSFER_WIRE_WANT };
        struct transfer_id id = id_of(1);

        set_up();
        offer_to_bob(1, FILE_SIZE);
        memcpy(data + 1, id.bytes, sizeof id.bytes);
        say_bytes(eve, data, sizeof data);
        net_run(&net);
        ASSERT_EQ(only_file(bob).state, TRANSFER_OFFERED);
        say_bytes(ece, data, sizeof data);
        net_run(&net);
        expect_end(TRANSFER_BROKEN);
}

TEST(noise)
{
        set_up();
        offer_to_bob(1, FILE_SIZE);
        for (unsigned i = 0; i < 500; i++) {
                uint8_t data[64];
                size_t size = random_below(ece->random, sizeof data + 1);

                random_bytes(ece->random, data, sizeof data);
                if (size > 0)
                        say_bytes(ece, data, size);
        }
        net_run(&net);
        ASSERT_EQ(only_file(bob).state, TRANSFER_OFFERED);
        ASSERT_EQ(node_sessions(bob->node), 2);
        net_done(&net);
}

/* Before its session is one with a user nobody's files are heard of. */
TEST(whoever_is_turned_away_offers_nothing)
{
        set_up();
        ASSERT_OK(node_block(bob->node, "Ece", true, net.now, NULL));
        net_run(&net);
        ASSERT_NULL(node_session_with(bob->node, ece->identity.id));
        offer(ece, 3, "Bob");
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(bob->files.n_told, 0);
        ASSERT_EQ(bob->files.n_records, 0);
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
