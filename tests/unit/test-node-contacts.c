/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is who: what a proof changes, and what persons decide */
#include "core/crypto/sign.h"
#include "unit/people-fixture.h"

static const struct send_options by_default = { .security = -1 };

static void send_to(struct fixture *f, const char *word)
{
        ASSERT_EQ(node_send(f->node, 1, word, "x", 1, &by_default, f->now, NULL), 0);
}

TEST(a_proof_says_who_and_where)
{
        struct introduction ece = introduction(1, "Ece"), nobody = introduction(2, "");
        struct fixture f;
        struct change c;
        struct peer *peer;

        ASSERT_OK(fixture_init(&f, NULL));
        announce(&f, 2, "debian", ece.id);
        fixture_drain(&f);
        ece.port = 7001;
        peer = prove(&f, 3, &ece);
        ASSERT_TRUE(fixture_change(&f, CHANGE_PEER, &c));
        ASSERT_EQ(c.peer.number, 1);
        ASSERT_STREQ(c.peer.name, "Ece");
        ASSERT_STREQ(c.peer.contact, "");
        ASSERT_TRUE(c.peer.is_proven);
        ASSERT_EQ(memcmp(c.peer.key, ece.key, sizeof ece.key), 0);
        ASSERT_EQ(c.peer.endpoint.address[3], 3);
        ASSERT_EQ(c.peer.endpoint.port, 7001);
        ASSERT_EQ(peer_security(peer), SECURITY_ENCRYPTED);
        ASSERT_TRUE(find(&f, "ece") == peer);
        ASSERT_NULL(find(&f, "debian"));

        /* Who has no name is called by the beginning of his id. */
        peer = prove(&f, 4, &nobody);
        ASSERT_EQ(strlen(peer->record.name), 8);
        ASSERT_EQ(strncmp(peer->record.name, nobody.id, 8), 0);

        /* The same again is no news. */
        fixture_drain(&f);
        ASSERT_TRUE(prove(&f, 4, &nobody) == peer);
        ASSERT_FALSE(fixture_change(&f, CHANGE_PEER, &c));
        fixture_done(&f);
}

/* Through a forwarded port it is reached at the one that we dialled. */
TEST(where_it_was_dialled_it_takes_connections)
{
        struct introduction ece = introduction(1, "Ece");
        struct endpoint at = host(2);
        struct fixture f;
        struct peer *peer;

        ASSERT_OK(fixture_init(&f, NULL));
        announce(&f, 2, "Ece", ece.id);
        peer = peers_by_id(&f.node->peers, ece.id);
        at.port = 7001;
        ASSERT_TRUE(peer_sighted(peer, &at));
        ASSERT_OK(node_take_proof(f.node, &ece, &at, f.now, &peer));
        ASSERT_EQ(peer->record.endpoint.port, 7001);
        fixture_done(&f);
}

TEST(sending_makes_a_contact_once_it_is_proven)
{
        struct introduction ece = introduction(1, "Ece"), eve = introduction(2, "ECE");
        struct fixture f;
        struct peer *peer, *other;

        ASSERT_OK(fixture_init(&f, NULL));
        announce(&f, 2, "Ece", ece.id);
        send_to(&f, "Ece");
        peer = find(&f, "Ece");
        ASSERT_FALSE(peer_is_contact(peer));
        fixture_drain(&f);
        prove(&f, 2, &ece);
        ASSERT_STREQ(peer->record.contact, "Ece");
        ASSERT_TRUE(listed(&f, peer).contact);

        /* A name means one. */
        other = prove(&f, 3, &eve);
        ASSERT_OK(node_make_contact(f.node, other, f.now));
        ASSERT_FALSE(peer_is_contact(other));

        /* Its own name may change; what it is called here does not. */
        ece = introduction(1, "Renamed");
        prove(&f, 2, &ece);
        ASSERT_STREQ(listed(&f, peer).name, "Ece");
        ASSERT_TRUE(find(&f, "ece") == peer);
        ASSERT_TRUE(find(&f, "renamed") == peer);
        fixture_done(&f);
}

TEST(an_impostor_is_a_namesake)
{
        struct introduction ece = introduction(1, "Ece"), eve = introduction(2, "Ece");
        const struct change_warning *w;
        char word[WORD_SIZE];
        struct fixture f;
        struct peer *contact, *other;

        ASSERT_OK(fixture_init(&f, NULL));
        contact = prove_contact(&f, 2, &ece);
        fixture_drain(&f);

        announce(&f, 3, "eCE", eve.id);
        other = peers_by_id(&f.node->peers, eve.id);
        w = fixture_warning(&f);
        ASSERT_NOT_NULL(w);
        ASSERT_STREQ(w->kind, "Namesake");
        ASSERT_NOT_NULL(strstr(w->sentence, node_word(f.node, 2, NULL, NULL, f.now, word)));
        ASSERT_NOT_NULL(strchr(word, '#'));
        ASSERT_STREQ(w->user, word);
        fixture_drain(&f);
        ASSERT_TRUE(listed(&f, other).namesake);
        ASSERT_FALSE(listed(&f, contact).namesake);
        ASSERT_TRUE(find(&f, "ece") == contact);
        ASSERT_TRUE(find(&f, word) == other);

        /* It was told once, whatever it does: comes back, or proves that it is somebody. */
        pass(&f, USEC_PER_HOUR);
        announce(&f, 2, "Ece", ece.id);
        announce(&f, 3, "Ece", eve.id);
        ASSERT_NULL(fixture_warning(&f));
        prove(&f, 3, &eve);
        ASSERT_NULL(fixture_warning(&f));
        ASSERT_FALSE(peer_is_contact(other));
        ASSERT_TRUE(find(&f, "ece") == contact);
        fixture_done(&f);
}

static void assert_key_changed(
        struct fixture *f, const struct change_warning *w, const struct peer *other)
{
        char word[WORD_SIZE], remedy[WORD_SIZE + 32];

        ASSERT_NOT_NULL(w);
        ASSERT_STREQ(w->kind, "KeyChanged");
        node_word(f->node, other->record.number, NULL, NULL, f->now, word);
        ASSERT_STREQ(w->user, word);
        (void)snprintf(remedy, sizeof remedy, "\"p2pchat trust %s\"", word);
        ASSERT_NOT_NULL(strstr(w->sentence, remedy));
        ASSERT_NOT_NULL(strstr(w->sentence, "p2pchat fingerprint"));
}

TEST(another_key_under_the_name_of_an_absent_contact)
{
        struct introduction ece = introduction(1, "Ece"), again = introduction(2, "Ece");
        struct fixture f;
        struct peer *other;

        ASSERT_OK(fixture_init(&f, NULL));
        prove_contact(&f, 2, &ece);
        pass(&f, 20 * USEC_PER_SEC);
        other = prove(&f, 3, &again);
        assert_key_changed(&f, fixture_warning(&f), other);
        fixture_drain(&f);
        prove(&f, 3, &again);
        ASSERT_NULL(fixture_warning(&f));
        fixture_done(&f);
}

/* Namesakes are made at will, so they must not use up what may be said about keys. */
TEST(namesakes_hide_no_changed_key)
{
        struct introduction ece = introduction(1, "Ece"), again = introduction(2, "Ece");
        struct fixture f;
        struct peer *other;

        ASSERT_OK(fixture_init(&f, NULL));
        prove_contact(&f, 2, &ece);
        pass(&f, 20 * USEC_PER_SEC);
        for (unsigned i = 0; i < 20; i++)
                announce(&f, 10 + i, "Ece", introduction(10 + i, "Ece").id);
        fixture_drain(&f);
        other = prove(&f, 3, &again);
        assert_key_changed(&f, fixture_warning(&f), other);
        fixture_done(&f);
}

/* Its name is not asked for: it is there, and the contact is not. */
TEST(another_key_where_a_contact_was_dialled)
{
        struct introduction ece = introduction(1, "Ece"), again = introduction(2, "fresh");
        struct fixture f;
        struct peer *contact;

        ASSERT_OK(fixture_init(&f, NULL));
        contact = prove_contact(&f, 2, &ece);
        announce(&f, 3, "Ece", ece.id);
        fixture_drain(&f);
        /* It only was announced there. */
        ASSERT_OK(node_found_other(f.node, contact, &again, &contact->whereabouts[0], f.now));
        ASSERT_NULL(fixture_warning(&f));
        fixture_drain(&f);
        ASSERT_OK(node_found_other(f.node, contact, &again, &contact->record.endpoint, f.now));
        assert_key_changed(&f, fixture_warning(&f), find(&f, "fresh"));
        fixture_drain(&f);
        ASSERT_OK(node_found_other(f.node, contact, &again, &contact->record.endpoint, f.now));
        ASSERT_NULL(fixture_warning(&f));
        ASSERT_TRUE(find(&f, "Ece") == contact);

        /* Of who is blocked nothing is learnt. */
        ASSERT_OK(node_block(f.node, "fresh", true, f.now, NULL));
        strcpy(again.name, "fresher");
        ASSERT_OK(node_found_other(f.node, contact, &again, &contact->record.endpoint, f.now));
        ASSERT_NOT_NULL(find(&f, "fresh"));
        fixture_done(&f);
}

TEST(a_set_up_anew_machine_is_told_even_after_its_announcement)
{
        struct introduction ece = introduction(1, "Ece"), again = introduction(2, "Ece");
        struct fixture f;
        struct peer *contact;

        ASSERT_OK(fixture_init(&f, NULL));
        contact = prove_contact(&f, 2, &ece);
        announce(&f, 2, "Ece", again.id);
        ASSERT_STREQ(fixture_warning(&f)->kind, "Namesake");
        fixture_drain(&f);
        ASSERT_OK(node_found_other(f.node, contact, &again, &contact->record.endpoint, f.now));
        assert_key_changed(&f, fixture_warning(&f), peers_by_id(&f.node->peers, again.id));
        fixture_done(&f);
}

TEST(a_downgrade_touches_no_contact)
{
        static const char text[] = "{\"unencrypted_message\": \"x\", \"user\": \"Ece\"}";
        struct introduction ece = introduction(1, "Ece");
        struct endpoint from = host(2);
        struct peer *contact, *classic;
        struct peer_record before;
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, NULL));
        contact = prove_contact(&f, 2, &ece);
        fixture_drain(&f);
        before = contact->record;

        ASSERT_OK(node_accepted(f.node, 2, &from, f.now));
        ASSERT_OK(node_received(f.node, 2, text, sizeof text - 1, f.now));
        ASSERT_TRUE(fixture_change(&f, CHANGE_MESSAGE, &c));
        ASSERT_NE(c.message.peer, contact->record.number);
        ASSERT_EQ(c.message.security, SECURITY_PLAIN);
        classic = peers_by_number(&f.node->peers, c.message.peer);
        ASSERT_FALSE(peer_is_native(classic));
        ASSERT_TRUE(classic->record.is_warned_of);
        fixture_drain(&f);

        announce(&f, 2, "Ece", NULL);
        ASSERT_TRUE(listed(&f, classic).namesake);
        ASSERT_EQ(memcmp(&before, &contact->record, sizeof before), 0);
        ASSERT_TRUE(find(&f, "Ece") == contact);
        /* Not even by its place does it come between. */
        ASSERT_TRUE(find(&f, "Ece@10.0.0.2") == contact);
        /* Nor does it become one with the contact by another proof. */
        prove(&f, 2, &ece);
        ASSERT_EQ(classic->record.successor, 0);
        fixture_done(&f);
}

TEST(a_classic_namesake_elsewhere_is_reached_at_its_address)
{
        struct introduction ece = introduction(1, "Ece");
        struct fixture f;
        struct peer *contact;
        const struct change_warning *w;

        ASSERT_OK(fixture_init(&f, NULL));
        contact = prove_contact(&f, 2, &ece);
        fixture_drain(&f);
        announce(&f, 3, "Ece", NULL);
        w = fixture_warning(&f);
        ASSERT_STREQ(w->kind, "Namesake");
        ASSERT_STREQ(w->user, "Ece@10.0.0.3");
        ASSERT_NOT_NULL(strstr(w->sentence, "Ece@10.0.0.3"));
        fixture_drain(&f);
        ASSERT_TRUE(find(&f, "Ece") == contact);
        ASSERT_EQ(find(&f, "Ece@10.0.0.3")->record.number, 2);
        fixture_done(&f);
}

TEST(trust_moves_the_name)
{
        struct introduction ece = introduction(1, "Ece"), again = introduction(2, "Ece");
        struct peer *old, *new;
        char word[WORD_SIZE];
        struct fixture f;

        ASSERT_OK(fixture_init(&f, NULL));
        old = prove_contact(&f, 2, &ece);
        old->record.is_verified = true;
        send_to(&f, "Ece");
        new = prove(&f, 3, &again);
        node_word(f.node, new->record.number, NULL, NULL, f.now, word);
        ASSERT_EQ(node_trust(f.node, word, f.now, NULL), 0);
        ASSERT_FALSE(peer_is_contact(old));
        ASSERT_FALSE(old->record.is_verified);
        ASSERT_TRUE(old->record.has_history);
        ASSERT_EQ(old->outbox.n, 1);
        ASSERT_EQ(new->outbox.n, 0);
        ASSERT_TRUE(find(&f, "Ece") == new);
        ASSERT_EQ(peer_security(new), SECURITY_ENCRYPTED);
        ASSERT_TRUE(listed(&f, old).namesake);
        fixture_drain(&f);
        pass(&f, 20 * USEC_PER_SEC);
        announce(&f, 2, "Ece", ece.id);
        ASSERT_NULL(fixture_warning(&f));

        /* Back again. */
        node_word(f.node, old->record.number, NULL, NULL, f.now, word);
        ASSERT_EQ(node_trust(f.node, word, f.now, NULL), 0);
        ASSERT_TRUE(find(&f, "Ece") == old);
        fixture_done(&f);
}

TEST(only_keys_can_be_trusted_or_compared)
{
        char fingerprint[FINGERPRINT_SIZE];
        struct refusal refusal;
        struct fixture f;

        ASSERT_OK(fixture_init(&f, NULL));
        announce(&f, 2, "old", NULL);
        announce(&f, 3, "new", OTHER_ID);
        ASSERT_EQ(node_trust(f.node, "old", f.now, &refusal), REFUSAL_NOT_SECURE);
        ASSERT_EQ(node_verify(f.node, "old", "1", f.now, &refusal), REFUSAL_NOT_SECURE);
        ASSERT_EQ(node_alias(f.node, "old", "x", f.now, &refusal), REFUSAL_NOT_SECURE);
        ASSERT_EQ(node_fingerprint(f.node, "old", fingerprint, &refusal), REFUSAL_NOT_SECURE);
        ASSERT_EQ(node_trust(f.node, "new", f.now, &refusal), REFUSAL_NOT_REACHABLE);
        ASSERT_EQ(node_verify(f.node, "new", "1", f.now, &refusal), REFUSAL_NOT_REACHABLE);
        ASSERT_EQ(node_alias(f.node, "new", "x", f.now, &refusal), REFUSAL_NOT_REACHABLE);
        ASSERT_EQ(node_fingerprint(f.node, "new", fingerprint, &refusal), REFUSAL_NOT_REACHABLE);
        ASSERT_NOT_NULL(strstr(refusal.sentence, "new"));
        ASSERT_EQ(node_trust(f.node, "none", f.now, &refusal), REFUSAL_UNKNOWN_USER);
        fixture_done(&f);
}

TEST(verified_is_who_was_compared)
{
        struct introduction ece = introduction(1, "Ece"), eve = introduction(2, "Ece");
        char fingerprint[FINGERPRINT_SIZE], typed[FINGERPRINT_SIZE], word[WORD_SIZE];
        struct refusal refusal;
        struct fixture f;
        struct peer *peer;
        size_t n = 0;

        ASSERT_OK(fixture_init(&f, NULL));
        peer = prove(&f, 2, &ece);
        ASSERT_EQ(node_fingerprint(f.node, "Ece", fingerprint, &refusal), 0);
        fingerprint_pair(ece.key, f.identity.public_key, typed);
        ASSERT_STREQ(fingerprint, typed);

        typed[0] = typed[0] == '1' ? '2' : '1';
        ASSERT_EQ(node_verify(f.node, "Ece", typed, f.now, &refusal), REFUSAL_FINGERPRINT_MISMATCH);
        ASSERT_FALSE(peer->record.is_verified);
        ASSERT_FALSE(peer_is_contact(peer));
        for (size_t i = 0; fingerprint[i]; i++)
                if (fingerprint[i] != ' ')
                        typed[n++] = fingerprint[i];
        typed[n] = 0;
        ASSERT_EQ(node_verify(f.node, "Ece", typed, f.now, &refusal), 0);
        ASSERT_TRUE(peer_is_contact(peer));
        ASSERT_EQ(listed(&f, peer).security, SECURITY_VERIFIED);

        /* It takes no name from another contact. */
        peer = prove(&f, 3, &eve);
        node_word(f.node, peer->record.number, NULL, NULL, f.now, word);
        ASSERT_EQ(node_fingerprint(f.node, word, fingerprint, NULL), 0);
        ASSERT_EQ(node_verify(f.node, word, fingerprint, f.now, &refusal), REFUSAL_NAME_TAKEN);
        ASSERT_FALSE(peer->record.is_verified);
        fixture_done(&f);
}

/* A record of the store with a point on which libgcrypt would abort: no such key was ever proven,
 * but whoever can write the database must not end the service with it either. */
TEST(keys_made_to_hurt_are_only_compared)
{
        struct introduction ece = introduction(6, "Ece");
        char digits[FINGERPRINT_SIZE];
        struct peer_record record;
        struct fixture f;

        ASSERT_OK(fixture_init(&f, NULL));
        record = prove_contact(&f, 2, &ece)->record;
        fixture_done(&f);

        ASSERT_FALSE(sign_key_check(record.key));
        ASSERT_OK(fixture_init(&f, NULL));
        ASSERT_OK(node_restore_peer(f.node, &record, f.now));
        announce(&f, 2, "Ece", ece.id);
        ASSERT_OK(node_fingerprint(f.node, "Ece", digits, NULL));
        ASSERT_OK(node_verify(f.node, "Ece", digits, f.now, NULL));
        ASSERT_OK(node_trust(f.node, "Ece", f.now, NULL));
        ASSERT_OK(node_alias(f.node, "Ece", "Sister", f.now, NULL));
        send_to(&f, "Sister");
        prove(&f, 2, &ece);
        fixture_drain(&f);
        fixture_done(&f);
}

TEST(an_alias_is_a_name_of_ones_own)
{
        static const char *const bad[] = { "", "a#b", "a@b", "+team", " a", "a ",
                "a\x07"
                "b",
                "\xff", "bcdefghijklmnopqrstuvwxyza",
                "a\xe2\x80\xae"
                "b",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
        struct introduction ece = introduction(1, "Ece"), bob = introduction(2, "Bob");
        struct peer *first, *second;
        struct refusal refusal;
        struct fixture f;

        ASSERT_OK(fixture_init(&f, NULL));
        first = prove_contact(&f, 2, &ece);
        second = prove(&f, 3, &bob);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ASSERT_EQ(node_alias(f.node, "Ece", bad[i], f.now, &refusal), REFUSAL_INVALID_NAME);
        ASSERT_EQ(node_alias(f.node, "Bob", "eCE", f.now, &refusal), REFUSAL_NAME_TAKEN);
        ASSERT_NOT_NULL(strstr(refusal.sentence, "eCE"));

        ASSERT_EQ(node_alias(f.node, "Bob", "Küche 2", f.now, &refusal), 0);
        ASSERT_TRUE(find(&f, "Küche 2") == second);
        ASSERT_TRUE(listed(&f, second).contact);
        ASSERT_STREQ(listed(&f, second).name, "Küche 2");
        ASSERT_EQ(node_alias(f.node, "Küche 2", "küche 2", f.now, &refusal), 0);
        ASSERT_STREQ(second->record.contact, "küche 2");
        /* A name that was given up is free. */
        ASSERT_EQ(node_alias(f.node, "Ece", "Ada", f.now, &refusal), 0);
        ASSERT_EQ(node_alias(f.node, "Bob", "Ece", f.now, &refusal), 0);
        ASSERT_TRUE(find(&f, "Ece") == second);
        ASSERT_TRUE(find(&f, "Ada") == first);
        /* A contact bears the name of another, but nobody takes it for that one. */
        ASSERT_FALSE(listed(&f, first).namesake);
        fixture_done(&f);
}

TEST(the_first_proof_finds_who_it_was)
{
        struct introduction ece = introduction(1, "Ece");
        struct peer *classic, *native;
        uint64_t numbers[4];
        char word[WORD_SIZE];
        struct fixture f;
        size_t n;

        ASSERT_OK(fixture_init(&f, NULL));
        announce(&f, 2, "ece", NULL);
        send_to(&f, "ece");
        classic = find(&f, "ece");
        ASSERT_OK(node_mute(f.node, "ece", USEC_INFINITY, f.now, NULL));
        announce(&f, 2, "Ece", ece.id);
        native = prove(&f, 2, &ece);
        ASSERT_EQ(classic->record.successor, native->record.number);
        ASSERT_STREQ(native->record.contact, "Ece");
        ASSERT_TRUE(native->record.muted_until_usec == USEC_INFINITY);
        ASSERT_TRUE(find(&f, "ece") == native);
        ASSERT_STREQ(node_word(f.node, 1, NULL, NULL, f.now, word), "Ece");
        ASSERT_OK(node_find_conversations(f.node, "Ece", f.now, numbers, 4, &n, NULL));
        ASSERT_EQ(n, 2);

        /* It lives on in the old way: then it is another. */
        announce(&f, 2, "ece", NULL);
        ASSERT_EQ(classic->record.successor, 0);
        ASSERT_TRUE(listed(&f, classic).namesake);
        prove(&f, 2, &ece);
        ASSERT_EQ(classic->record.successor, 0);
        fixture_done(&f);
}

TEST(who_was_nobody_to_us_becomes_no_contact)
{
        struct introduction ece = introduction(1, "Ece");
        struct peer *classic, *native;
        struct fixture f;

        ASSERT_OK(fixture_init(&f, NULL));
        announce(&f, 2, "Ece", NULL);
        announce(&f, 3, "Ece", NULL);
        classic = find(&f, "Ece@10.0.0.2");
        native = prove(&f, 2, &ece);
        ASSERT_EQ(classic->record.successor, native->record.number);
        ASSERT_FALSE(peer_is_contact(native));
        ASSERT_EQ(listed(&f, classic).number, 0);
        /* At another address it is somebody else. */
        ASSERT_EQ(find(&f, "Ece@10.0.0.3")->record.successor, 0);
        ASSERT_NULL(find(&f, "Ece"));
        fixture_done(&f);
}

/* As when it moved, and its queue went to the native peer of its name. */
TEST(who_was_succeeded_stands_behind_his_successor)
{
        struct introduction ece = introduction(1, "Ece");
        struct peer *classic, *native;
        char word[WORD_SIZE];
        struct fixture f;
        struct change c;

        ASSERT_OK(fixture_init(&f, NULL));
        announce(&f, 2, "Ece", NULL);
        classic = find(&f, "Ece");
        native = prove(&f, 3, &ece);
        ASSERT_NULL(find(&f, "Ece"));
        fixture_drain(&f);
        classic->record.successor = native->record.number;
        ASSERT_TRUE(find(&f, "Ece") == native);
        ASSERT_EQ(listed(&f, classic).number, 0);
        ASSERT_STREQ(node_word(f.node, 1, NULL, NULL, f.now, word), "Ece");

        /* That nobody hears it any more is not told of the other one. */
        fixture_pass(&f, 12 * USEC_PER_SEC);
        ASSERT_OK(node_advance(f.node, f.now));
        ASSERT_EQ(classic->neighbour.presence, PRESENCE_AWAY);
        ASSERT_FALSE(fixture_change(&f, CHANGE_PRESENCE, &c));
        fixture_done(&f);
}

/* Who comes after the id was heard, with its name and at its address, is not who it was. */
TEST(a_late_comer_is_not_succeeded)
{
        struct introduction ece = introduction(1, "Ece");
        struct peer *classic, *native;
        struct fixture f;

        ASSERT_OK(fixture_init(&f, NULL));
        announce(&f, 2, "Ece", ece.id);
        announce(&f, 2, "Ece", NULL);
        classic = peers_by_number(&f.node->peers, 2);
        native = prove_contact(&f, 2, &ece);
        ASSERT_EQ(classic->record.successor, 0);
        ASSERT_TRUE(listed(&f, classic).namesake);
        ASSERT_TRUE(find(&f, "Ece") == native);
        fixture_done(&f);
}

TEST(a_key_that_is_not_the_pinned_one_is_turned_away)
{
        struct introduction ece = introduction(1, "Ece");
        struct endpoint remote = host(2);
        struct fixture f;
        struct peer *peer;

        ASSERT_OK(fixture_init(&f, NULL));
        prove_contact(&f, 2, &ece);
        ece.key[31] ^= 1;
        ASSERT_EQ(node_take_proof(f.node, &ece, &remote, f.now, &peer), 1);
        fixture_done(&f);
}

TEST_MAIN_WITH(fixture_set_up)
