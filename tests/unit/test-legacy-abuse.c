/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The classic engine under mutated input, and with memory that runs out */
#include "lib/failing-memory.h"
#include "unit/legacy-world.h"

#define CIPHER "{\"encrypted_message\": \"31cbti0xfHTDQ6rmee2hcg==\"}"
#define TOKEN                                                                                      \
        "{\"encrypted_message\": \"gAAAAABrAFaspFynattiBSl3-7v76t_dCJfxGpadw5CAyx9HfN_"            \
        "AreTu5CZ99AQ8EIAfcZFv6iWhb9m7Dx9exM9-0wAiwf2YUw==\"}"

static const char *const dialogues[] = {
        "{\"key\": \"13\"}" CIPHER,
        "y{\"key\": 13}" TOKEN "{\"username\": \"B\\u00e7b\", \"unencrypted_message\": \"hi\"}",
        "{\"choice\": \"y\"}{\"key\": \"20\", \"p\": 23, \"g\": 5}{\"encrypted message\": "
        "[255, 93, 242, 45, 235, 240, 111, 242, 120, 38, 189, 174, 79, 179, 174, 110]}",
        "13\n{\"encryptedmessage\": \"f4c80555695b5b2757da557d76b24cc9\"}",
        "{\"chat_request\": 1}{\"encrypted_message\": \"plain words\", \"user\": \"Bob\"}",
        "{\"unencrypted_message\": \"TWVyaGFiYQ==\"}{\"message\": \"x\\u0007\\\"\"}",
};

/* One whole conversation, as responder and as initiator. 0 or -ENOMEM. */
static int converse(const void *data, size_t size, bool is_split)
{
        struct random *random = NULL;
        struct legacy *l = NULL;
        struct legacy_memory memory = { .has_uuid = true, .choice = LEGACY_CHOICE_BARE };
        struct legacy_order order = {
                .security = LEGACY_ENCRYPTED, .text = "text", .size = 4, .username = "Ece"
        };
        struct endpoint remote = endpoint_ipv4(127, 30, 9, 9, 6001);
        usec_t now_usec = WORLD_START_USEC;
        int r;

        r = random_new_seeded(1, &random);
        if (r == 0)
                r = legacy_new(random, &l);
        if (r == 0)
                r = legacy_accepted(l, 2, &remote, &memory, now_usec);
        if (r == 0)
                r = legacy_initiate(l, 1, &remote, &memory, &order, now_usec);
        if (r == 0)
                r = legacy_advance(l, now_usec += USEC_PER_SEC / 3);
        for (uint64_t link = 1; r == 0 && link <= 2; link++) {
                size_t half = is_split ? size / 2 : 0;

                r = legacy_receive(l, link, data, half, now_usec);
                if (r == 0)
                        r = legacy_receive(
                                l, link, (const char *)data + half, size - half, now_usec);
        }
        if (r == 0)
                r = legacy_advance(l, now_usec += USEC_PER_SEC * 2 / 3);
        for (uint64_t link = 1; r == 0 && link <= 2; link++)
                r = legacy_end(l, link, now_usec);

        for (struct legacy_effect e; l && legacy_next_effect(l, &e);) {
                if (e.type == LEGACY_SEND)
                        ASSERT_LT(e.size, LEGACY_SEND_MAX);
                if (e.type == LEGACY_MESSAGE)
                        ASSERT_TRUE(e.size > 0 && text_is_printable(e.data, e.size));
        }
        legacy_free(l);
        random_free(random);
        return r;
}

TEST(mutations)
{
        for (size_t i = 0; i < ELEMENTSOF(dialogues); i++) {
                size_t n = strlen(dialogues[i]);
                char text[1024];

                for (size_t k = 0; k <= n; k++) {
                        memcpy(text, dialogues[i], n);
                        ASSERT_OK(converse(text, k, false));
                        ASSERT_OK(converse(text + k, n - k, true));
                        if (k < n) {
                                text[k] = (char)(text[k] ^ 1 << (k % 8));
                                ASSERT_OK(converse(text, n, true));
                                text[k] = 0;
                                ASSERT_OK(converse(text, n, false));
                        }
                        memcpy(text, dialogues[i], k);
                        memcpy(text + k, dialogues[i], n);
                        ASSERT_OK(converse(text, n + k, false));
                }
        }
}

/* Every allocation fails once: -ENOMEM comes out, nothing leaks, nothing is freed twice. */
TEST(memory_runs_out)
{
        for (size_t i = 0; i < ELEMENTSOF(dialogues); i++) {
                int r = -ENOMEM;
                size_t n;

                for (n = 1; r != 0; n++) {
                        n_allocations = 0;
                        fail_at = n;
                        r = converse(dialogues[i], strlen(dialogues[i]), true);
                        fail_at = SIZE_MAX;
                        if (r != 0)
                                ASSERT_EQ(r, -ENOMEM);
                        ASSERT_LT(n, 10000);
                }
                ASSERT_GT(n, 20);
        }
}

static int setup(void)
{
        bool locked;

        return crypto_init(&locked) < 0;
}

TEST_MAIN_WITH(setup)
