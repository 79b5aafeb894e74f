/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole nodes, and others who are not what they say: impostors, copies, the silent, the blocked */
#include "unit/node-native-fixture.h"

TEST(nothing_comes_from_who_is_blocked)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(bob, "Ece", "one"));
        net_run(&net);
        ASSERT_OK(node_block(ece->node, "Bob", true, net.now, NULL));
        net_run(&net);
        ASSERT_EQ(node_sessions(ece->node), 0);
        ASSERT_EQ(node_links(ece->node), 0);
        ASSERT_OK(machine_send(bob, "Ece", "two"));
        net_pass(&net, USEC_PER_HOUR);
        assert_received(ece, 1, "one");
        ASSERT_EQ(machine_send(ece, "Bob", "no"), REFUSAL_BLOCKED);
        /* He does not knock all the time. */
        ASSERT_LT(bob->n_dials, 40);
        ASSERT_EQ(sent(bob, 1)->message.state, MESSAGE_QUEUED);
        /* Nor is anything learnt from him. */
        machine_stop(bob);
        machine_start(bob, "Rob");
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_STREQ(record_of(ece, bob)->name, "Bob");

        ASSERT_OK(node_block(ece->node, "Bob", false, net.now, NULL));
        net_pass(&net, 10 * USEC_PER_MINUTE);
        assert_received(ece, 2, "two");
        ASSERT_STREQ(record_of(ece, bob)->name, "Rob");
        net_done(&net);
}

/* Somebody else sits at Bob's address, and calls himself Bob. */
TEST(an_impostor_gets_nothing)
{
        struct machine *ece, *bob, *eve;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        machine_stop(bob);
        eve = net_add(&net, 2, "Bob", 3, true);
        machine_stop(eve);
        eve->address = bob->address;
        machine_restart(eve);
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_OK(machine_send(ece, "Bob", "secret"));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_EQ(disk_count(&eve->disk, DIRECTION_RECEIVED), 0);
        ASSERT_EQ(sent(ece, 1)->message.state, MESSAGE_QUEUED);
        ASSERT_TRUE(was_warned(ece, "KeyChanged") || was_warned(ece, "Namesake"));

        /* The real one is found elsewhere. */
        bob->address = endpoint_ipv4(10, 0, 0, 77, 6001);
        machine_restart(bob);
        net_pass(&net, 10 * USEC_PER_MINUTE);
        assert_received(bob, 2, "secret");
        ASSERT_EQ(disk_count(&eve->disk, DIRECTION_RECEIVED), 0);
        net_done(&net);
}

TEST(a_forged_announcement_leads_nobody_astray)
{
        static const char forged[] = "{\"username\": \"Bob\", \"id\": \"%s\", \"port\": 6001}";
        struct endpoint at = endpoint_ipv4(10, 0, 0, 3, 5000);
        struct machine *ece, *bob, *eve;
        char data[256];

        begin(&ece, &bob);
        eve = net_add(&net, 2, "Eve", 3, true);
        snprintf(data, sizeof data, forged, bob->identity.id);
        ASSERT_OK(node_datagram(ece->node, DIALECT_CLASSIC, &at, data, strlen(data), net.now));
        ASSERT_OK(machine_send(ece, "Bob", "secret"));
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 1, "secret");
        ASSERT_EQ(disk_count(&eve->disk, DIRECTION_RECEIVED), 0);
        net_done(&net);
}

/* A classic program at the address of a native peer, under its name. */
TEST(no_classic_byte_goes_to_a_native_peer)
{
        struct machine *ece, *bob, *old;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        machine_stop(bob);
        old = net_add(&net, 2, "Bob", 3, false);
        machine_stop(old);
        old->address = bob->address;
        machine_restart(old);
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        ASSERT_OK(machine_send_as(ece, "Bob", "three", SECURITY_PLAIN, 0));
        net_pass(&net, 20 * USEC_PER_MINUTE);
        ASSERT_EQ(disk_count(&old->disk, DIRECTION_RECEIVED), 0);
        ASSERT_EQ(sent(ece, 1)->message.state, MESSAGE_QUEUED);
        ASSERT_EQ(sent(ece, 2)->message.state, MESSAGE_QUEUED);
        ASSERT_EQ(sent(ece, 2)->message.security, SECURITY_ENCRYPTED);
        net_done(&net);
}

TEST(security_that_cannot_be_had_is_refused)
{
        struct machine *ece, *bob, *old;

        begin(&ece, &bob);
        old = net_add(&net, 2, "Old", 3, false);
        net_run(&net);
        ASSERT_EQ(machine_send_as(ece, "Old", "x", SECURITY_ENCRYPTED, 0), REFUSAL_NOT_SECURE);
        ASSERT_EQ(machine_send_as(ece, "Bob", "x", SECURITY_VERIFIED, 0), REFUSAL_NOT_SECURE);
        ASSERT_EQ(machine_send_as(ece, "Bob", "x", SECURITY_CERTIFIED, 0), REFUSAL_NOT_SECURE);
        ASSERT_OK(machine_send_as(ece, "Bob", "x", SECURITY_UNPROVEN, 0));
        ASSERT_OK(machine_send(ece, "Old", "x"));
        net_pass(&net, 20 * USEC_PER_SEC);
        ASSERT_EQ(disk_count(&old->disk, DIRECTION_RECEIVED), 1);
        ASSERT_EQ(received(old, 0)->message.security, SECURITY_LEGACY);
        net_done(&net);
}

TEST(verified_is_what_a_person_compared)
{
        char digits[FINGERPRINT_SIZE];
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        ASSERT_OK(node_fingerprint(bob->node, "Ece", digits, NULL));
        ASSERT_OK(node_verify(ece->node, "Bob", digits, net.now, NULL));
        ASSERT_OK(machine_send_as(ece, "Bob", "two", SECURITY_VERIFIED, 0));
        ASSERT_OK(machine_send(ece, "Bob", "three"));
        ASSERT_OK(machine_send(bob, "Ece", "four"));
        net_run(&net);
        ASSERT_EQ(sent(ece, 1)->message.security, SECURITY_VERIFIED);
        ASSERT_EQ(sent(ece, 2)->message.security, SECURITY_VERIFIED);
        ASSERT_EQ(received(ece, 0)->message.security, SECURITY_VERIFIED);
        ASSERT_EQ(received(bob, 2)->message.security, SECURITY_ENCRYPTED);
        net_done(&net);
}

/* What was to go verified only does not go otherwise. */
TEST(trust_that_is_lost_is_lost_for_what_waits)
{
        char digits[FINGERPRINT_SIZE], word[40];
        struct machine *ece, *bob, *other;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        ASSERT_OK(node_fingerprint(bob->node, "Ece", digits, NULL));
        ASSERT_OK(node_verify(ece->node, "Bob", digits, net.now, NULL));
        machine_stop(bob);
        net_run(&net);
        ASSERT_OK(machine_send_as(ece, "Bob", "two", SECURITY_VERIFIED, 0));
        ASSERT_OK(machine_send(ece, "Bob", "three"));
        other = net_add(&net, 2, "Bob", 3, true);
        net_run(&net);
        ASSERT_OK(machine_send(other, "Ece", "I am Bob, too"));
        net_pass(&net, 2 * USEC_PER_SEC);
        snprintf(word, sizeof word, "Bob#%.8s", other->identity.id);
        ASSERT_OK(node_trust(ece->node, word, net.now, NULL));
        machine_restart(bob);
        net_pass(&net, 10 * USEC_PER_MINUTE);
        ASSERT_EQ(sent(ece, 1)->message.state, MESSAGE_FAILED);
        ASSERT_STREQ(sent(ece, 1)->reason, "NotSecure");
        ASSERT_EQ(sent(ece, 2)->message.state, MESSAGE_DELIVERED);
        assert_received(bob, 2, "three");
        ASSERT_EQ(disk_count(&other->disk, DIRECTION_RECEIVED), 0);
        net_done(&net);
}

/* Announcements cost nothing, dials do: who announces many gets few. */
TEST(unproven_places_are_dialled_one_a_second)
{
        static const char forged[] = "{\"username\": \"U%u\", \"id\": \"%s\", \"port\": 6001}";
        struct machine *ece;
        char data[256], id[ID_STRING_SIZE], word[8];

        net_init(&net);
        ece = net_add(&net, 0, "Ece", 1, true);
        net_run(&net);
        for (unsigned i = 0; i < 5; i++) {
                struct endpoint at = endpoint_ipv4(10, 0, 1, (uint8_t)i, 5000);

                base32_encode(&(uint8_t[16]){ (uint8_t)i }, 16, id);
                snprintf(data, sizeof data, forged, i, id);
                ASSERT_OK(node_datagram(
                        ece->node, DIALECT_CLASSIC, &at, data, strlen(data), net.now));
                snprintf(word, sizeof word, "U%u", i);
                ASSERT_OK(machine_send(ece, word, "hello"));
                ASSERT_OK(machine_send(ece, word, "hello again"));
        }
        net_run(&net);
        ASSERT_EQ(ece->n_dials, 1);
        net_pass(&net, USEC_PER_SEC - 1);
        ASSERT_EQ(ece->n_dials, 1);
        net_pass(&net, 1);
        ASSERT_EQ(ece->n_dials, 2);
        net_pass(&net, 10 * USEC_PER_SEC);
        ASSERT_LE(ece->n_dials, 12);
        net_done(&net);
}

/* Announced by whoever sends from @at. */
static void forge(struct machine *m, struct endpoint at, const char *name, const char *id)
{
        char data[256];

        (void)snprintf(data, sizeof data, "{\"username\": \"%s\", \"id\": \"%s\"}", name, id);
        ASSERT_OK(node_datagram(m->node, DIALECT_CLASSIC, &at, data, strlen(data), net.now));
}

/* Always a new place, heard later than the one where he is. */
TEST(forged_places_hide_nobody)
{
        struct machine *ece, *bob;
        uint8_t i = 1;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        ASSERT_OK(node_end_session(ece->node, "Bob", net.now, NULL));
        net_run(&net);
        net.is_deaf = true;
        for (; i < 5; i++)
                forge(ece, endpoint_ipv4(10, 0, 1, i, 5000), "Bob", bob->identity.id);
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        for (; i < 30; i++) {
                forge(ece, endpoint_ipv4(10, 0, 1, i, 5000), "Bob", bob->identity.id);
                net_pass(&net, USEC_PER_SEC / 2);
        }
        assert_received(bob, 2, "two");
        net_done(&net);
}

/* Somebody has announced many in the name of his address before he came. */
TEST(forged_neighbours_take_no_room_from_who_proves_himself)
{
        struct endpoint at = endpoint_ipv4(10, 0, 0, 2, 5000);
        struct machine *ece, *bob;
        char id[ID_STRING_SIZE];

        for (int is_full = 0; is_full < 2; is_full++) {
                net_init(&net);
                ece = net_add(&net, 0, "Ece", 1, true);
                net_run(&net);
                for (unsigned i = 0; i < PEERS_PER_ADDRESS_MAX; i++) {
                        base32_encode(&(uint8_t[16]){ (uint8_t)i }, 16, id);
                        at.address[3] = (uint8_t)(is_full ? 100 + i : 2);
                        forge(ece, at, "many", id);
                        net_pass(&net, USEC_PER_SEC / 10);
                }
                if (is_full)
                        ece->node->peers.n_max = PEERS_PER_ADDRESS_MAX;
                bob = net_add(&net, 1, "Bob", 2, true);
                net_pass(&net, 10 * USEC_PER_SEC);
                ASSERT_NULL(peers_by_id(&ece->node->peers, bob->identity.id));
                ASSERT_OK(machine_send(bob, "Ece", "one"));
                net_run(&net);
                assert_received(ece, 1, "one");
                ASSERT_EQ(ece->node->peers.by_number.n, PEERS_PER_ADDRESS_MAX);
                net_done(&net);
        }
}

/* Nor does it delay others that our own id is announced. */
TEST(forged_copies_of_us_are_not_looked_for_in_place_of_others)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        forge(ece, endpoint_ipv4(10, 0, 1, 1, 5000), "Ece", ece->identity.id);
        forge(ece, endpoint_ipv4(10, 0, 1, 2, 5000), "Ece", ece->identity.id);
        net_run(&net);
        ASSERT_EQ(ece->n_dials, 1);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        assert_received(bob, 1, "one");
        net_done(&net);
}

/* What waits for a classic namesake of a contact is not for whoever bears that name, too. */
TEST(a_namesake_inherits_nothing)
{
        struct machine *ece, *bob, *old, *eve;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        old = net_add(&net, 2, "Bob", 3, false);
        net_run(&net);
        machine_stop(old);
        net_pass(&net, USEC_PER_HOUR);
        ASSERT_OK(machine_send(ece, "Bob@10.0.0.3", "for the old one"));
        eve = net_add(&net, 3, "Bob", 4, true);
        net_run(&net);
        ASSERT_OK(machine_send(eve, "Ece", "hello"));
        net_pass(&net, USEC_PER_MINUTE);
        assert_received(ece, 1, "hello");
        ASSERT_EQ(disk_count(&eve->disk, DIRECTION_RECEIVED), 0);
        assert_received(bob, 1, "one");
        machine_restart(old);
        net_pass(&net, USEC_PER_MINUTE);
        assert_received(old, 1, "for the old one");
        net_done(&net);
}

TEST(a_lost_store_doubles_nothing)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        ASSERT_OK(machine_send(ece, "Bob", "two"));
        net_run(&net);
        ASSERT_EQ(ece->n_dials, 1);
        machine_stop(ece);
        ece->disk.n_streams = ece->disk.n_marks = 0; /* its peers and its history are there */
        machine_restart(ece);
        ASSERT_OK(machine_send(ece, "Bob", "three"));
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 3, "three");
        ASSERT_EQ(bob->disk.n_marks, 2);

        /* Put back to when "three" was not delivered. */
        machine_stop(ece);
        sent(ece, 2)->message.state = MESSAGE_QUEUED;
        ASSERT_EQ(sent(ece, 2)->stream_number, 1);
        ece->disk.n_streams = 0;
        machine_restart(ece);
        net_pass(&net, 10 * USEC_PER_SEC);
        assert_received(bob, 3, "three");
        ASSERT_EQ(sent(ece, 2)->message.state, MESSAGE_DELIVERED);
        net_done(&net);
}

TEST(what_nobody_may_see_is_refused)
{
        struct machine *ece, *bob;
        struct native *native;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(bob, "Ece", "one"));
        net_run(&net);
        native = container_of(list_first(&ece->node->natives), struct native, list);
        ASSERT_OK(node_native_say(ece->node, native,
                &(struct message){
                        .type = FRAME_MESSAGE, .text = { .number = 1, .text = "\a", .size = 1 } },
                net.now));
        ASSERT_OK(node_native_flush(ece->node, native, net.now));
        net_run(&net);
        ASSERT_EQ(disk_count(&bob->disk, DIRECTION_RECEIVED), 0);
        ASSERT_EQ(bob->disk.n_refused, 1);
        ASSERT_EQ(bob->disk.refused[0].reason, REFUSED_INVALID_TEXT);
        ASSERT_EQ(bob->disk.marks[0].number, 1);
        ASSERT_STREQ(ece->session_end, "broken");
        net_done(&net);
}

TEST(a_copy_of_us_is_noticed)
{
        struct machine *ece, *copy;
        struct endpoint at;

        net_init(&net);
        ece = net_add(&net, 0, "Ece", 1, true);
        net_run(&net);
        ASSERT_FALSE(node_clone(ece->node, &at));
        copy = net_add(&net, 1, "Ece", 1, true);
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_TRUE(node_clone(ece->node, &at));
        ASSERT_TRUE(endpoint_same_address(&at, &copy->address));
        ASSERT_EQ(ece->n_warnings, 1);
        ASSERT_STREQ(ece->warnings[0][0], "Clone");
        net_pass(&net, 50 * USEC_PER_MINUTE);
        ASSERT_EQ(ece->n_warnings, 1);
        ASSERT_EQ(node_sessions(ece->node), 0);
        net_done(&net);
}

TEST(our_own_address_is_no_copy_of_us)
{
        struct machine *ece;
        struct endpoint at;

        net_init(&net);
        ece = net_add(&net, 0, "Ece", 1, true);
        net_run(&net);
        ASSERT_OK(node_check_clone(ece->node, &ece->address, net.now));
        net_run(&net);
        ASSERT_EQ(ece->n_dials, 1);
        ASSERT_FALSE(node_clone(ece->node, &at));
        ASSERT_EQ(ece->n_warnings, 0);
        ASSERT_EQ(node_links(ece->node), 0);
        /* Nor is it looked at all the time. */
        ASSERT_OK(node_check_clone(ece->node, &ece->address, net.now));
        net_pass(&net, USEC_PER_MINUTE);
        ASSERT_OK(node_check_clone(ece->node, &ece->address, net.now));
        net_run(&net);
        ASSERT_EQ(ece->n_dials, 1);
        net_done(&net);
}

/* A stranger's connection that says @text. */
static struct end *knock(struct machine *m, const char *text)
{
        struct pipe *p = net_dial(&net, -1, 0, &m->address);

        bytes_append(&p->ends[1].in, text, strlen(text));
        net_run(&net);
        return &p->ends[1];
}

/*
 * Who is blocked sees what one sees for whom there is no room
 */
#define SEEN_MAX 8
struct seen {
        size_t sizes[SEEN_MAX]; /* of what came, each time that something came */
        size_t n;
        uint8_t goodbye;
        bool is_proven, is_ended;
        enum close_how ended;
};

/* A machine of its own, with the key of @seed, that dials @m and looks at what it gets. */
static struct seen look(struct machine *m, unsigned seed, uint64_t features)
{
        const uint8_t bytes[IDENTITY_SEED_SIZE] = { (uint8_t)seed, 7 };
        struct session_self self = { .username = "Eve", .port = 6001, .run = 1 };
        struct pipe *p = net_dial(&net, -1, 0, &m->address);
        struct identity identity;
        struct x25519_key key;
        struct seen seen = { .n = 0 };
        struct session_effect e;
        struct session *s;

        ASSERT_OK(identity_init(&identity, bytes));
        ASSERT_OK(x25519_key_init_random(&key, m->random));
        self.identity = &identity;
        self.static_key = &key;
        self.random = m->random;
        ASSERT_OK(session_new(&self, SESSION_DIALLER, NULL, net.now.mono_usec, &s));
        session_declare(s, features);
        for (;;) {
                struct end *end = &p->ends[0];

                while (session_next_effect(s, &e))
                        switch (e.type) {
                        case SESSION_SEND:
                                bytes_append(&p->ends[1].in, e.send.data, e.send.size);
                                break;
                        case SESSION_PROVEN:
                                seen.is_proven = true;
                                break;
                        case SESSION_ENDED:
                                seen.goodbye = e.ended.how == SESSION_GOODBYE ? e.ended.goodbye
                                                                              : UINT8_MAX;
                                break;
                        case SESSION_MESSAGE:
                        case SESSION_RENEW:
                                break;
                        }
                net_run(&net);
                if (end->in.size == 0) {
                        seen.is_ended = end->is_ended;
                        seen.ended = end->ended;
                        break;
                }
                ASSERT_LT(seen.n, SEEN_MAX);
                seen.sizes[seen.n++] = end->in.size;
                ASSERT_OK(session_receive(s, end->in.data, end->in.size, net.now.mono_usec));
                end->in.size = 0;
        }
        session_free(s);
        x25519_key_done(&key);
        identity_done(&identity);
        return seen;
}

static void assert_same_sight(const struct seen *a, const struct seen *b)
{
        ASSERT_EQ(a->n, b->n);
        for (size_t i = 0; i < a->n; i++)
                ASSERT_EQ(a->sizes[i], b->sizes[i]);
        ASSERT_EQ(a->is_proven, b->is_proven);
        ASSERT_EQ(a->is_ended, b->is_ended);
        ASSERT_EQ(a->goodbye, b->goodbye);
        ASSERT_EQ(a->ended, b->ended);
}

/* As a user, as one of the ring, and as one who only asks whether he gets through. */
TEST(who_is_blocked_sees_what_one_too_many_sees)
{
        static const uint64_t features[] = { 0, FEATURE_FOR_RING, FEATURE_PROBE };
        struct machine *ece, *bob;

        for (int has_ring = 0; has_ring < 2; has_ring++)
                for (size_t i = 0; i < ELEMENTSOF(features); i++) {
                        struct seen blocked, welcome, too_many;

                        net_init(&net);
                        net.has_ring = has_ring;
                        ece = net_add(&net, 0, "Ece", 1, true);
                        bob = net_add(&net, 1, "Bob", 2, true);
                        net_run(&net);
                        ASSERT_OK(machine_send(bob, "Ece", "one"));
                        net_run(&net);
                        ASSERT_OK(node_block(ece->node, "Bob", true, net.now, NULL));
                        machine_stop(bob);
                        net_run(&net);

                        welcome = look(ece, 3, features[i]);
                        blocked = look(ece, 2, features[i]);
                        net_pass(&net, 2 * USEC_PER_SEC); /* for handshakes are limited */
                        ece->node->options.links_max = 4; /* of which one is not for strangers */
                        for (unsigned seed = 4; seed < 7; seed++)
                                (void)look(ece, seed, 0);
                        too_many = look(ece, 7, features[i]);
                        ASSERT_TRUE(blocked.is_proven);
                        ASSERT_TRUE(blocked.is_ended);
                        ASSERT_EQ(blocked.goodbye, GOODBYE_OTHER);
                        assert_same_sight(&blocked, &too_many);
                        ASSERT_TRUE(!welcome.is_ended || welcome.goodbye != blocked.goodbye);
                        net_done(&net);
                }
}

TEST(handshakes_are_limited)
{
        struct machine *ece, *bob;
        struct end *ends[2 * HANDSHAKES_PER_ADDRESS_MAX];

        begin(&ece, &bob);
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                ends[i] = knock(ece, "P2PC");
                ASSERT_EQ(ends[i]->is_closed, i >= HANDSHAKES_PER_ADDRESS_MAX);
        }
        ASSERT_TRUE(was_warned(ece, "Limit"));
        ASSERT_FALSE(knock(ece, "{")->is_closed);
        /* Others notice nothing, and our own dials are not counted. */
        ASSERT_OK(machine_send(bob, "Ece", "one"));
        net_run(&net);
        assert_received(ece, 1, "one");
        net_pass(&net, USEC_PER_SEC);
        ASSERT_FALSE(knock(ece, "P2PC")->is_closed);
        net_done(&net);
}

/* A session that was used much may be made anew at once, but once. */
TEST(handshakes_of_a_used_session_are_limited)
{
        struct machine *ece, *bob;
        size_t n_open = 0;

        begin(&ece, &bob);
        ASSERT_OK(machine_send(bob, "Ece", "one"));
        net_run(&net);
        list_for_each (i, &ece->node->links) {
                struct link *link = container_of(i, struct link, list);

                link->remote = endpoint_ipv4(10, 0, 0, 99, 6001); /* where strangers knock from */
                ((struct flow *)session_received(link->session))->n_messages =
                        SESSION_RENEW_MESSAGES;
        }
        for (size_t i = 0; i < 3 * HANDSHAKES_PER_ADDRESS_MAX; i++)
                n_open += !knock(ece, "P2PC")->is_closed;
        ASSERT_EQ(n_open, HANDSHAKES_PER_ADDRESS_MAX + 1);
        net_done(&net);
}

TEST(the_silent_are_closed)
{
        static const char *const begins[] = { "", "P", "P2P", "P2PC", "P2PC\1", "P2PC\2" };
        struct machine *ece, *bob;

        for (size_t i = 0; i < ELEMENTSOF(begins); i++) {
                struct end *end;

                begin(&ece, &bob);
                end = knock(ece, "");
                ASSERT_FALSE(end->is_closed);
                net_pass(&net, 9 * USEC_PER_SEC);
                ASSERT_FALSE(end->is_closed);
                bytes_append(&end->in, begins[i], strlen(begins[i]));
                net_pass(&net, USEC_PER_SEC);
                ASSERT_TRUE(end->is_closed);
                ASSERT_EQ(node_links(ece->node), 0);
                net_done(&net);
        }
}

TEST(a_magic_in_pieces_is_one)
{
        static const char plain[] = "{\"unencrypted_message\": \"hello\"}";
        struct machine *ece, *bob;
        struct end *end;

        begin(&ece, &bob);
        end = knock(ece, "P2");
        ASSERT_FALSE(end->is_closed);
        bytes_append(&end->in, "PC\2", 3); /* a version that nobody speaks */
        net_run(&net);
        ASSERT_TRUE(end->is_closed);
        ASSERT_STREQ(ece->session_end, "not-native");

        end = knock(ece, plain);
        end->is_ended = true;
        net_run(&net);
        assert_received(ece, 1, "hello");
        net_done(&net);
}

static void assert_hidden(const struct bytes *b, const char *word)
{
        ASSERT_FALSE(bytes_contain(b, word, strlen(word)));
}

TEST(nothing_can_be_read_on_the_wire)
{
        struct machine *ece, *bob;
        uint8_t digest[16];

        begin(&ece, &bob);
        ASSERT_OK(machine_send(ece, "Bob", "the quick brown fox jumps"));
        ASSERT_OK(machine_send(bob, "Ece", "over the lazy dog"));
        net_pass(&net, 3 * USEC_PER_MINUTE);
        ASSERT_GT(net.capture.size, 500);
        for (int i = 0; i < 2; i++) {
                const struct identity *own = &net.machines[i].identity;

                ASSERT_EQ(base32_decode(own->id, digest, sizeof digest), 0);
                ASSERT_FALSE(bytes_contain(&net.capture, digest, sizeof digest));
                ASSERT_FALSE(bytes_contain(&net.capture, own->public_key, sizeof own->public_key));
                assert_hidden(&net.capture, own->id);
                assert_hidden(&net.capture, net.machines[i].name);
        }
        assert_hidden(&net.capture, "quick");
        assert_hidden(&net.capture, "lazy");
        assert_hidden(&net.capture, "username");
        net_done(&net);
}

/* Who has proven himself and said nothing is forgotten for a newcomer; who said something is not.
 */
TEST(a_proof_takes_no_room_for_ever)
{
        static const char newcomer[] = "{\"username\": \"Newcomer\"}";
        struct endpoint at = endpoint_ipv4(10, 0, 1, 1, 5000);
        struct machine *ece, *bob, *cem;

        begin(&ece, &bob);
        cem = net_add(&net, 2, "Cem", 3, true);
        net_run(&net);
        ASSERT_OK(node_seek_session(
                bob->node, peers_by_id(&bob->node->peers, ece->identity.id), net.now));
        ASSERT_OK(machine_send(cem, "Ece", "hello"));
        net_pass(&net, 2 * USEC_PER_SEC);
        ASSERT_EQ(node_sessions(ece->node), 2);
        machine_stop(bob);
        machine_stop(cem);
        net_pass(&net, USEC_PER_HOUR);
        ece->node->peers.n_max = 2;
        ASSERT_OK(node_datagram(
                ece->node, DIALECT_CLASSIC, &at, newcomer, strlen(newcomer), net.now));
        net_run(&net);
        ASSERT_NULL(peers_by_id(&ece->node->peers, bob->identity.id));
        ASSERT_TRUE(peers_by_id(&ece->node->peers, cem->identity.id));
        ASSERT_TRUE(peers_at(&ece->node->peers, &at, "Newcomer"));

        /* He is as new as anybody when he comes back. */
        ece->node->peers.n_max = 10;
        machine_restart(bob);
        net_run(&net);
        ASSERT_OK(machine_send(bob, "Ece", "one"));
        net_pass(&net, 2 * USEC_PER_SEC);
        assert_received(ece, 2, "one");
        net_done(&net);
}

/* Sessions of one address are counted, too, proven or not. */
TEST(one_address_has_its_share_of_links)
{
        struct machine *ece, *bob;
        struct end *ends[20];
        size_t n_open = 0;

        begin(&ece, &bob);
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                net_pass(&net, USEC_PER_SEC / 4);
                ends[i] = knock(ece, "P2PC\1");
                n_open += !ends[i]->is_closed;
        }
        ASSERT_EQ(n_open, 16);
        ASSERT_OK(machine_send(bob, "Ece", "one"));
        net_run(&net);
        assert_received(ece, 1, "one");
        net_done(&net);
}

TEST(own_dials_leave_room_for_others)
{
        struct machine *ece, *bob;

        begin(&ece, &bob);
        ece->node->options.links_max = 8;
        for (int i = 0; i < 7; i++)
                ASSERT_FALSE(knock(ece, "")->is_closed);
        ASSERT_OK(machine_send(ece, "Bob", "one"));
        net_run(&net);
        ASSERT_EQ(ece->n_dials, 0);
        ASSERT_EQ(ece->reply.reply.state, MESSAGE_QUEUED);
        ASSERT_FALSE(knock(ece, "")->is_closed);
        net_pass(&net, USEC_PER_MINUTE);
        assert_received(bob, 1, "one");
        net_done(&net);
}

TEST_MAIN_WITH(net_set_up)
