/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The classic engine, driven by a small program: the input
 *
 * A byte says what happens (its low three bits) to which of four links (the next two); some take
 * arguments from the bytes behind it.
 */
#include "base/cursor.h"
#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "core/legacy/legacy.h"
#include "fuzz.h"

#define LINKS 4
#define TEXT_MAX 4096

static void check(const struct legacy_effect *e, bool *open)
{
        uint64_t i = e->link;

        switch (e->type) {
        case LEGACY_SEND:
                if (e->size == 0 || e->size >= LEGACY_SEND_MAX)
                        abort();
                break;
        case LEGACY_CLOSE:
                open[i] = false;
                break;
        case LEGACY_MESSAGE:
                if (e->size == 0 || !text_is_printable(e->data, e->size) ||
                        !text_is_printable(e->name, strlen(e->name)))
                        abort();
                break;
        case LEGACY_NOTICE:
                if (!text_is_printable(e->sentence, strlen(e->sentence)))
                        abort();
                break;
        case LEGACY_FINISH:
        case LEGACY_LEARNED:
        case LEGACY_RESULT:
                break;
        }
}

static void initiate(struct legacy *l, uint64_t link, const struct endpoint *remote,
        const struct legacy_memory *memory, struct reader *r, usec_t now_usec)
{
        static const char text[TEXT_MAX] = "one text with \"quotes\" and \n lines, ığüşöç";
        unsigned how = reader_u8(r);
        struct legacy_order order = {
                .security = how & 1 ? LEGACY_ENCRYPTED : LEGACY_PLAIN,
                .dialect = how & 2 ? DIALECT_SECOND : DIALECT_CLASSIC,
                .text = text,
                .username = how & 4 ? "abcdefghijklmnopqrst" : "Ece",
                .number = how & 8 ? "123456789012345678901234567890" : NULL,
        };

        order.size = legacy_part_size(memory, order.security, order.username, text, strlen(text));
        if (legacy_initiate(l, link, remote, memory, &order, now_usec) < 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct reader r = reader_make(data, size);
        struct legacy_memory memory;
        struct random *random;
        struct legacy *l;
        bool open[LINKS] = { false };
        usec_t now_usec = 2 * USEC_PER_DAY;
        const uint8_t *kept;

        if (crypto_init(&(bool){ false }) < 0 || random_new_seeded(1, &random) < 0 ||
                legacy_new(random, &l) < 0)
                abort();
        kept = reader_bytes(&r, LEGACY_MEMORY_SIZE);
        legacy_memory_decode(kept, kept ? LEGACY_MEMORY_SIZE : 0, &memory);

        while (!r.failed && r.left > 0) {
                unsigned op = reader_u8(&r);
                uint64_t link = op >> 3 & (LINKS - 1);
                struct endpoint remote = endpoint_ipv4(127, 0, 0, 1 + link / 2, 6001);
                struct legacy_effect e;
                const uint8_t *bytes;
                size_t n;

                switch (op & 7) {
                case 0:
                        if (!open[link] && legacy_accepted(l, link, &remote, &memory, now_usec) < 0)
                                abort();
                        open[link] = true;
                        break;
                case 1:
                        if (!open[link])
                                initiate(l, link, &remote, &memory, &r, now_usec);
                        open[link] = true;
                        break;
                case 2:
                case 3:
                        bytes = reader_blob(&r, &n);
                        if (bytes && legacy_receive(l, link, bytes, n, now_usec) < 0)
                                abort();
                        break;
                case 4:
                        if (legacy_end(l, link, now_usec) < 0)
                                abort();
                        break;
                case 5:
                        legacy_lost(l, link);
                        open[link] = false;
                        break;
                case 6:
                        now_usec += (usec_t)reader_u8(&r) * 100 * USEC_PER_MSEC;
                        if (legacy_advance(l, now_usec) < 0)
                                abort();
                        if (legacy_deadline(l) <= now_usec)
                                abort();
                        break;
                case 7:
                        if (legacy_deadline(l) != USEC_INFINITY)
                                now_usec = MAX(now_usec, legacy_deadline(l));
                        if (legacy_advance(l, now_usec) < 0)
                                abort();
                        break;
                }
                while (legacy_next_effect(l, &e)) {
                        if (e.type == LEGACY_LEARNED)
                                memory = e.memory;
                        check(&e, open);
                }
        }
        legacy_free(l);
        random_free(random);
        return 0;
}
