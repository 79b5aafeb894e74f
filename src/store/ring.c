/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is remembered of the ring: one setting, which may be given up when it cannot be read */
#include "store/store-internal.h"

#define RING_VERSION 1
#define PLACE_SIZE (2 + ID_STRING_SIZE + ENDPOINT_SIZE)
#define RING_SIZE_MAX (3 + RING_PLACES_MAX * PLACE_SIZE)

int store_apply_ring(struct store *s, const struct ring_record *ring)
{
        uint8_t data[RING_SIZE_MAX];
        struct writer w = writer_make(data, sizeof data);

        writer_u8(&w, RING_VERSION);
        writer_u8(&w, ring->is_joined);
        writer_u8(&w, (uint8_t)ring->n_places);
        for (size_t i = 0; i < ring->n_places; i++) {
                writer_blob(&w, ring->places[i].id, strlen(ring->places[i].id));
                store_write_endpoint(&w, &ring->places[i].endpoint);
        }
        assert(!w.failed);
        return store_set_setting(s, "ring", data, w.size);
}

static bool decode(const void *data, size_t size, struct ring_record *ret)
{
        struct reader in = reader_make(data, size);
        struct ring_record ring = {};

        if (reader_u8(&in) != RING_VERSION)
                return false;
        ring.is_joined = reader_u8(&in) != 0;
        ring.n_places = reader_u8(&in);
        if (ring.n_places > RING_PLACES_MAX)
                return false;
        for (size_t i = 0; i < ring.n_places; i++) {
                store_read_string(&in, ring.places[i].id, ID_STRING_SIZE - 1);
                ring.places[i].endpoint = store_read_endpoint(&in);
        }
        if (!reader_is_done(&in))
                return false;
        *ret = ring;
        return true;
}

int store_load_ring(struct store *s, struct ring_record *ret)
{
        int r;

        r = store_get_setting(s, "ring");
        if (r < 0)
                return store_needed(s, r);
        return decode(s->plain.data, s->plain.size, ret) ? 0 : -ENOENT;
}
