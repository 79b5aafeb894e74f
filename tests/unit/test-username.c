/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The username that a machine has before anybody gave it one */
#include "daemon/username.h"
#include "lib/test.h"

#define ID "k3f7q2mxabcdefghijklmnopqr"

TEST(from_host_names)
{
        static const struct {
                const char *host, *username;
        } cases[] = {
                { "ece", "ece" },
                { "Ece-2_b", "Ece-2_b" },
                { "ece.example.net", "ece" },
                { "a b!c", "a-b-c" },
                { "\xc3\xa7i\xc4\x9f", "--i--" },
                { "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrst" },
                { "abc", "abc" },
                { "ab", "user-k3f7" },
                { "", "user-k3f7" },
                { ".example.net", "user-k3f7" },
                { "localhost", "user-k3f7" },
                { "LocalHost.localdomain", "user-k3f7" },
                { "localhost2", "localhost2" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char username[USERNAME_SIZE_MAX + 1];

                username_default(cases[i].host, ID, username);
                ASSERT_STREQ(username, cases[i].username);
                ASSERT_TRUE(username_is_valid(username));
        }
}

TEST_MAIN()
