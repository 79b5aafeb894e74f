/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection of the third dialect
 *
 * The first byte says who dialled, and in which pieces the rest comes.
 */
#include "core/crypto/crypto.h"
#include "core/legacy/third.h"
#include "fuzz.h"

static void drain(struct third *t)
{
        struct third_event e;
        int r;

        while ((r = third_next_event(t, &e)) > 0) {
                if (e.type == THIRD_MESSAGE &&
                        (e.size == 0 || !text_is_printable((const char *)e.data, e.size)))
                        abort();
                if (e.type == THIRD_NAMED && (!*e.name || strlen(e.name) > NAME_SIZE_MAX))
                        abort();
                if (e.type == THIRD_GREETED && (!*e.id || strchr(e.id, ':')))
                        abort();
        }
        if (r < 0)
                abort();
}

static void pass(struct third *t, usec_t *now_usec, usec_t span_usec)
{
        *now_usec += span_usec;
        third_advance(t, *now_usec);
        drain(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        usec_t now_usec = USEC_PER_DAY;
        struct third *t;
        bool is_locked;
        size_t step;

        if (size == 0 || crypto_init(&is_locked) < 0)
                return 0;
        if (third_new(data[0] & 1, "ourid", 9100, now_usec, &t) < 0)
                return 0;
        step = (size_t)1 << (data[0] >> 1) % 12;
        drain(t);
        for (size_t i = 1; i < size; i += step) {
                if (third_receive(t, data + i, MIN(step, size - i), now_usec) < 0)
                        abort();
                drain(t);
                if (i == 1)
                        pass(t, &now_usec, USEC_PER_SEC);
        }
        pass(t, &now_usec, 20 * USEC_PER_SEC);
        pass(t, &now_usec, 20 * USEC_PER_SEC);
        third_free(t);
        return 0;
}
