/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the store remembers of the ring */
#include "lib/store-fixture.h"
#include "store/store-internal.h"

static struct change ring(bool is_joined, size_t n_places)
{
        struct change c = { .type = CHANGE_RING,
                .ring = { .is_joined = is_joined, .n_places = n_places } };

        for (size_t i = 0; i < n_places; i++) {
                memcpy(c.ring.places[i].id, "abcdefghijklmnopqrstuvwxya", ID_STRING_SIZE);
                c.ring.places[i].id[0] = (char)('a' + i);
                c.ring.places[i].endpoint =
                        endpoint_ipv4(203, 0, 113, (uint8_t)i, (uint16_t)(6001 + i));
        }
        return c;
}

TEST(ring_is_absent_at_first)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct ring_record r;

        ASSERT_EQ(store_load_ring(s, &r), -ENOENT);
        store_free(s);
}

TEST(ring_comes_back_whole)
{
        _cleanup_(freep)
        char *path = fixture_path("ring.db");
        struct store *s = fixture_open(path, NULL);
        const struct change full = ring(true, RING_PLACES_MAX);
        struct ring_record r;

        fixture_apply(s, ring(false, 1));
        fixture_apply(s, full);
        ASSERT_OK(store_commit(s));
        store_free(s);

        s = fixture_open(path, NULL);
        ASSERT_OK(store_load_ring(s, &r));
        ASSERT_TRUE(r.is_joined);
        ASSERT_EQ(r.n_places, RING_PLACES_MAX);
        for (size_t i = 0; i < r.n_places; i++) {
                ASSERT_STREQ(r.places[i].id, full.ring.places[i].id);
                ASSERT_TRUE(endpoint_equal(&r.places[i].endpoint, &full.ring.places[i].endpoint));
        }
        fixture_apply(s, ring(false, 0));
        ASSERT_OK(store_commit(s));
        ASSERT_OK(store_load_ring(s, &r));
        ASSERT_FALSE(r.is_joined);
        ASSERT_EQ(r.n_places, 0);
        store_free(s);
}

/* The node does without it; nothing of it is worth a database that does not open. */
TEST(what_is_not_understood_is_ignored)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct ring_record r;
        uint8_t good[2048];
        size_t size;

        fixture_apply(s, ring(true, 3));
        ASSERT_OK(store_get_setting(s, "ring"));
        size = s->plain.size;
        ASSERT_LT(size, sizeof good - 1);
        memcpy(good, s->plain.data, size);
        good[size] = 0;

        for (size_t cut = 0; cut <= size + 1; cut++) {
                ASSERT_OK(store_set_setting(s, "ring", good, cut));
                ASSERT_EQ(store_load_ring(s, &r), cut == size ? 0 : -ENOENT);
        }
        good[0]++; /* the version */
        ASSERT_OK(store_set_setting(s, "ring", good, size));
        ASSERT_EQ(store_load_ring(s, &r), -ENOENT);
        store_free(s);
}

TEST(more_places_than_there_is_room_for_are_none)
{
        struct store *s = fixture_open(":memory:", NULL);
        struct ring_record r;
        uint8_t data[2048];
        size_t size, place;

        fixture_apply(s, ring(true, RING_PLACES_MAX));
        ASSERT_OK(store_get_setting(s, "ring"));
        size = s->plain.size;
        place = (size - 3) / RING_PLACES_MAX;
        ASSERT_LT(size + place, sizeof data);
        memcpy(data, s->plain.data, size);
        memcpy(data + size, data + size - place, place);
        ASSERT_EQ(data[2], RING_PLACES_MAX);
        data[2]++;
        ASSERT_OK(store_set_setting(s, "ring", data, size + place));
        ASSERT_EQ(store_load_ring(s, &r), -ENOENT);
        store_free(s);
}

TEST_MAIN_WITH(fixture_setup)
