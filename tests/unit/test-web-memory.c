/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The page's parts when memory ends: the n-th allocation fails, for each n */

#include <systemd/sd-bus.h>

#include "bus/client.h"
#include "lib/failing-memory.h"
#include "lib/test.h"
#include "web/feed.h"
#include "web/json.h"
#include "web/page.h"

/* Calls @try until no allocation of it fails; each failure is told, and leaves nothing behind. */
static void try_all(int (*try)(void))
{
        size_t n_failed = 0;
        int r = -ENOMEM;

        for (size_t n = 1; r == -ENOMEM; n++) {
                n_allocations = 0;
                fail_at = n;
                r = try();
                fail_at = SIZE_MAX;
                if (r == -ENOMEM)
                        n_failed++;
        }
        ASSERT_EQ(r, 0);
        ASSERT_TRUE(n_failed > 0);
}

static int try_message(void)
{
        static const struct bus_message m = {
                .sequence = 7,
                .id = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                .direction = "sent",
                .conversation = "Bob",
                .user = "Bob",
                .time_usec = 1,
                .address = "192.0.2.1",
                .user_id = "k3f7q2mxaaaaaaaaaaaaaaaaaa",
                .state = "queued",
                .security = "encrypted",
                .text = "a \"quoted\" text\n",
        };
        _cleanup_(buffer_done)
        struct buffer b;

        buffer_init(&b, 4096);
        return json_append_message(&b, &m);
}

TEST(a_message_as_json)
{
        try_all(try_message);
}

static int try_text(void)
{
        _cleanup_(buffer_done)
        struct buffer b;
        int r;

        buffer_init(&b, 4096);
        r = page_append_log(&b, "a long line\twith\\marks \x1b, long enough for more than a piece");
        return r < 0 ? r : page_append_json(&b, "and the same as JSON \x1b, which is longer still");
}

TEST(texts)
{
        try_all(try_text);
}

static int try_feed(void)
{
        uint64_t position;
        struct feed f;
        char data[64];
        int r;

        feed_init(&f);
        position = feed_end(&f);
        r = feed_append(&f, "a line of some length, which is told to all who are there", 57);
        if (r < 0)
                /* Nobody misses it unnoticed. */
                ASSERT_EQ(feed_read(&f, &position, data, sizeof(data)), -ESTALE);
        else
                ASSERT_EQ(feed_read(&f, &position, data, sizeof(data)), 58);
        feed_done(&f);
        return r;
}

TEST(the_feed)
{
        try_all(try_feed);
}

TEST_MAIN()
