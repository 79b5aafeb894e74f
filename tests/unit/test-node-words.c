/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words: whom each means, and that the word for each user leads back to it */
#include "unit/people-fixture.h"

/* They begin alike. */
#define ID_A "k3f7aaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "k3f7abbbbbbbbbbbbbbbbbbbba"
#define ID_C "zzzz222222222222222222222a"

enum {
        ECE = 1,  /* a contact, called Ece by itself */
        NAMESAKE, /* native, called Ece */
        OLD_ECE,  /* classic, called Ece, elsewhere */
        BOB_A,    /* two native ones of one name, whose ids begin alike */
        BOB_B,
        ZOE,     /* classic, on a port of its own */
        TOM,     /* native ... */
        OLD_TOM, /* ... and classic at one place, not yet proven to be one */
        MIA_1,   /* two classic ones */
        MIA_2,
        ALIASED, /* called Max by itself, Moritz here */
};

static void people(struct fixture *f)
{
        struct introduction ece = introduction(1, "Ece"), max = introduction(2, "Max");

        ASSERT_OK(fixture_init(f, NULL));
        prove_contact(f, 2, &ece);
        announce(f, 3, "ece", ID_C);
        announce(f, 4, "Ece", NULL);
        announce(f, 5, "Bob", ID_A);
        announce(f, 6, "bob", ID_B);
        ASSERT_OK(fixture_hear(f, 7, "{\"username\": \"Zoe\", \"port\": 7001}"));
        announce(f, 8, "Tom", OTHER_ID);
        announce(f, 8, "Tom", NULL);
        announce(f, 9, "Mia", NULL);
        announce(f, 10, "Mia", NULL);
        prove(f, 11, &max);
        ASSERT_EQ(node_alias(f->node, "Max", "Moritz", f->now, NULL), 0);
        fixture_drain(f);
}

TEST(what_words_mean)
{
        static const struct {
                const char *word;
                int outcome; /* enum refusal_code, or 0 */
                uint64_t number;
                const char *sentence; /* part of it */
        } cases[] = {
                { "ece", 0, ECE, NULL },
                { "ECE", 0, ECE, NULL },
                { "Ece@10.0.0.2", 0, ECE, NULL },
                { "Ece@10.0.0.2:6001", 0, ECE, NULL },
                { "Ece@10.0.0.2:6002", REFUSAL_UNKNOWN_USER, 0, "Ece@10.0.0.2:6002" },
                { "ece#zzzz", 0, NAMESAKE, NULL },
                { "#zzzz", 0, NAMESAKE, NULL },
                { ID_C, 0, NAMESAKE, NULL },
                { "ece#" ID_C, 0, NAMESAKE, NULL },
                { "ece@10.0.0.3", 0, NAMESAKE, NULL },
                { "Ece@10.0.0.4", 0, OLD_ECE, NULL },
                { "Ece@10.0.0.5", REFUSAL_UNKNOWN_USER, 0, "10.0.0.5" },
                { "ece#zzz", REFUSAL_UNKNOWN_USER, 0, "at least 4" },
                { "ece#k3f7", REFUSAL_UNKNOWN_USER, 0, "ece#k3f7" },
                { "ece#ZZZZ", REFUSAL_UNKNOWN_USER, 0, "ece#ZZZZ" },
                { "ece#" ID_C "a", REFUSAL_UNKNOWN_USER, 0, "all 26" },
                { "bob", REFUSAL_AMBIGUOUS_USER, 0, "#k3f7aa" },
                { "bob", REFUSAL_AMBIGUOUS_USER, 0, "bob#k3f7ab" },
                { "bob#k3f7", REFUSAL_AMBIGUOUS_USER, 0, "bob#k3f7ab" },
                { "#k3f7", REFUSAL_AMBIGUOUS_USER, 0, "Bob#k3f7aa" },
                { "bob#k3f7a", REFUSAL_AMBIGUOUS_USER, 0, "Bob#k3f7aa" },
                { "bob#k3f7aa", 0, BOB_A, NULL },
                { "bob@10.0.0.6", 0, BOB_B, NULL },
                { "Zoe", 0, ZOE, NULL },
                { "Zoe@10.0.0.7", 0, ZOE, NULL },
                { "Zoe@10.0.0.7:7001", 0, ZOE, NULL },
                { "Zoe@10.0.0.7:6001", REFUSAL_UNKNOWN_USER, 0, "6001" },
                { "tom", 0, TOM, NULL },
                { "tom@10.0.0.8", 0, TOM, NULL },
                { "mia", REFUSAL_AMBIGUOUS_USER, 0, "Mia@10.0.0.10" },
                { "mia@10.0.0.9", 0, MIA_1, NULL },
                { "moritz", 0, ALIASED, NULL },
                { "max", 0, ALIASED, NULL },
                { "moritz@10.0.0.11", 0, ALIASED, NULL },
                { "", REFUSAL_UNKNOWN_USER, 0, "empty" },
                { "#", REFUSAL_UNKNOWN_USER, 0, "#" },
                { "@10.0.0.2", REFUSAL_UNKNOWN_USER, 0, "@10.0.0.2" },
                { "nobody", REFUSAL_UNKNOWN_USER, 0, "p2pchat users" },
                { "nobody@host", REFUSAL_UNKNOWN_USER, 0, "numeric address" },
                { "aaaaaaaaaaaaaaaaaaaaaaaaaa", REFUSAL_UNKNOWN_USER, 0, "p2pchat users" },
                { "+team", REFUSAL_UNKNOWN_USER, 0, "group" },
                { "fe80::1", REFUSAL_UNKNOWN_USER, 0, "fe80::1" },
                { "ece@fe80::1%2", REFUSAL_UNKNOWN_USER, 0, "fe80::1%2" },
        };
        struct fixture f;

        people(&f);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct refusal refusal = { 0 };
                struct peer *peer = NULL;
                int r;

                r = node_find_user(f.node, cases[i].word, &peer, &refusal);
                if (r != cases[i].outcome)
                        TEST_FAIL("\"%s\" gives %d (%s)", cases[i].word, r, refusal.sentence);
                if (r == 0 && peer->record.number != cases[i].number)
                        TEST_FAIL("\"%s\" is user %d", cases[i].word, (int)peer->record.number);
                if (r > 0 && !strstr(refusal.sentence, cases[i].sentence))
                        TEST_FAIL("\"%s\" is not in \"%s\"", cases[i].sentence, refusal.sentence);
                ASSERT_EQ(node_find_user(f.node, cases[i].word, &peer, NULL), r);
        }
        fixture_done(&f);
}

TEST(the_word_of_each_leads_to_it)
{
        static const struct {
                uint64_t number;
                const char *word;
        } cases[] = {
                { ECE, "Ece" },
                { NAMESAKE, "ece#zzzz" },
                { OLD_ECE, "Ece@10.0.0.4" },
                { BOB_A, "Bob#k3f7aa" },
                { BOB_B, "bob#k3f7ab" },
                { ZOE, "Zoe" },
                { TOM, "Tom" },
                { MIA_2, "Mia@10.0.0.10" },
                { ALIASED, "Moritz" },
        };
        char word[WORD_SIZE];
        struct peer *peer;
        struct fixture f;

        people(&f);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                node_word(f.node, cases[i].number, NULL, NULL, f.now, word);
                ASSERT_STREQ(word, cases[i].word);
                ASSERT_EQ(node_find_user(f.node, word, &peer, NULL), 0);
                ASSERT_EQ(peer->record.number, cases[i].number);
        }
        /* Behind a native one, it has the word that it would have alone. */
        ASSERT_STREQ(node_word(f.node, OLD_TOM, NULL, NULL, f.now, word), "Tom@10.0.0.8");
        /* Who is known no longer is named by what is remembered. */
        ASSERT_STREQ(node_word(f.node, 99, "Gone", &(struct endpoint){ .family = ENDPOINT_IPV4 },
                             f.now, word),
                "Gone@0.0.0.0:0");
        fixture_done(&f);
}

/* A name that looks like an id is never a name. */
TEST(names_like_ids)
{
        struct introduction odd = introduction(5, ID_A);
        char word[WORD_SIZE];
        struct fixture f;
        struct peer *peer;

        ASSERT_OK(fixture_init(&f, NULL));
        peer = prove_contact(&f, 2, &odd);
        ASSERT_NULL(find(&f, ID_A));
        node_word(f.node, 1, NULL, NULL, f.now, word);
        ASSERT_NOT_NULL(strchr(word, '#'));
        ASSERT_TRUE(find(&f, word) == peer);
        fixture_done(&f);
}

TEST(when_nobody_of_a_name_is_here)
{
        struct refusal refusal;
        struct fixture f;
        struct peer *peer;

        ASSERT_OK(fixture_init(&f, NULL));
        announce(&f, 2, "Ann", NULL);
        fixture_pass(&f, USEC_PER_SEC);
        announce(&f, 3, "Ann", NULL);
        announce(&f, 4, "Bea", NULL);
        fixture_pass(&f, USEC_PER_SEC);
        announce(&f, 5, "Bea", ID_A);
        announce(&f, 6, "Cem", ID_B);
        fixture_pass(&f, USEC_PER_SEC);
        announce(&f, 7, "Cem", NULL);
        announce(&f, 8, "Dan", ID_C);
        announce(&f, 9, "Dan", OTHER_ID);
        pass(&f, USEC_PER_HOUR);

        /* One that moved: the one heard last. */
        ASSERT_EQ(find(&f, "Ann")->record.endpoint.address[3], 3);
        /* The native one came later. */
        ASSERT_STREQ(find(&f, "Bea")->record.id, ID_A);
        /* Somebody who was heard later without an id may not be the same. */
        ASSERT_EQ(node_find_user(f.node, "Cem", &peer, &refusal), REFUSAL_AMBIGUOUS_USER);
        ASSERT_NOT_NULL(strstr(refusal.sentence, "Cem#k3f7"));
        ASSERT_NOT_NULL(strstr(refusal.sentence, "Cem@10.0.0.7"));
        /* Two ids are two. */
        ASSERT_EQ(node_find_user(f.node, "Dan", &peer, &refusal), REFUSAL_AMBIGUOUS_USER);
        ASSERT_NOT_NULL(strstr(refusal.sentence, "Dan#zzzz"));
        fixture_done(&f);
}

static size_t conversations(struct fixture *f, const char *word)
{
        uint64_t numbers[16];
        size_t n = 0;

        ASSERT_OK(node_find_conversations(f->node, word, f->now, numbers, 16, &n, NULL));
        return n;
}

TEST(conversations_of_a_word)
{
        struct introduction ann = introduction(1, "Ann");
        struct fixture f;

        ASSERT_OK(fixture_init(&f, NULL));
        announce(&f, 2, "Ann", NULL);
        announce(&f, 3, "Ann", NULL);
        pass(&f, USEC_PER_HOUR);
        ASSERT_EQ(conversations(&f, "Ann"), 2);
        ASSERT_EQ(conversations(&f, "Ann@10.0.0.2"), 1);

        /* Those of before belong to it, whoever came later does not. */
        prove_contact(&f, 3, &ann);
        announce(&f, 4, "Ann", NULL);
        announce(&f, 3, "Ann", NULL);
        pass(&f, USEC_PER_HOUR);
        ASSERT_EQ(conversations(&f, "Ann"), 3);
        ASSERT_EQ(conversations(&f, "Ann@10.0.0.3"), 2);
        ASSERT_EQ(conversations(&f, "Ann@10.0.0.4"), 1);
        ASSERT_EQ(conversations(&f, ann.id), 1);
        fixture_done(&f);
}

TEST_MAIN_WITH(fixture_set_up)
