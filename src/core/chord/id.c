/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arithmetic on the circle */
#include "core/chord/id.h"
#include "base/encode.h"
#include "base/text.h"

void ring_id_of_key(const uint8_t public_key[static PUBLIC_KEY_SIZE], struct ring_id *ret)
{
        hash(&(struct blob){ public_key, PUBLIC_KEY_SIZE }, 1, ret->bytes);
}

void ring_id_to_id(const struct ring_id *position, char ret[static ID_STRING_SIZE])
{
        base32_encode(position->bytes, ID_SIZE, ret);
}

void ring_id_of_id(const char *id, struct ring_id *ret)
{
        *ret = (struct ring_id){ 0 };
        (void)base32_decode(id, ret->bytes, ID_SIZE);
}

void ring_id_of_name(const char *name, const char *id, unsigned point, struct ring_id *ret)
{
        static const char prefix[] = "p2pchat/1 name";
        char folded[NAME_SIZE_MAX + 1];
        uint8_t salt = point;

        name_fold(name, folded);
        hash((struct blob[]){ { prefix, strlen(prefix) }, { &salt, 1 }, { folded, strlen(folded) },
                     { "#", 1 }, { id, RING_ID_CHARACTERS } },
                5, ret->bytes);
}

struct ring_id ring_distance(const struct ring_id *a, const struct ring_id *b)
{
        struct ring_id d;
        int borrow = 0;

        for (size_t i = RING_ID_SIZE; i-- > 0;) {
                int v = b->bytes[i] - a->bytes[i] - borrow;

                borrow = v < 0;
                d.bytes[i] = (uint8_t)v;
        }
        return d;
}

bool ring_is_nearer(const struct ring_id *from, const struct ring_id *a, const struct ring_id *b)
{
        bool a_wraps = memcmp(a->bytes, from->bytes, RING_ID_SIZE) < 0;
        bool b_wraps = memcmp(b->bytes, from->bytes, RING_ID_SIZE) < 0;

        if (a_wraps != b_wraps)
                return b_wraps;
        return memcmp(a->bytes, b->bytes, RING_ID_SIZE) < 0;
}

bool ring_between(const struct ring_id *a, const struct ring_id *x, const struct ring_id *b)
{
        if (ring_id_equal(a, x) || ring_id_equal(x, b))
                return false;
        return ring_id_equal(a, b) || ring_is_nearer(a, x, b);
}

bool ring_between_or_end(const struct ring_id *a, const struct ring_id *x, const struct ring_id *b)
{
        return ring_id_equal(x, b) || ring_between(a, x, b);
}

struct ring_id ring_add_power(const struct ring_id *a, unsigned exponent)
{
        struct ring_id sum = *a;
        unsigned carry = 1U << exponent % 8;

        assert(exponent < RING_BITS);
        for (size_t i = RING_ID_SIZE - exponent / 8; carry > 0 && i-- > 0;) {
                carry += sum.bytes[i];
                sum.bytes[i] = (uint8_t)carry;
                carry >>= 8;
        }
        return sum;
}

double ring_part(const struct ring_id *distance)
{
        double part = 0;

        for (size_t i = 8; i-- > 0;)
                part = (part + distance->bytes[i]) / 256;
        return part;
}

/* How far an address is worth something: the more, the farther. */
enum reach {
        REACH_MACHINE,
        REACH_LINK,
        REACH_SITE,
        REACH_WORLD,
};

static enum reach reach_ipv4(const uint8_t a[static 4])
{
        if (a[0] == 127)
                return REACH_MACHINE;
        if (a[0] == 169 && a[1] == 254)
                return REACH_LINK;
        if (a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
                (a[0] == 100 && (a[1] & 0xc0) == 64))
                return REACH_SITE;
        return REACH_WORLD;
}

static enum reach reach_ipv6(const uint8_t a[static 16])
{
        static const uint8_t loopback[16] = { [15] = 1 };

        if (memcmp(a, loopback, sizeof loopback) == 0)
                return REACH_MACHINE;
        if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
                return REACH_LINK;
        if ((a[0] & 0xfe) == 0xfc)
                return REACH_SITE;
        return REACH_WORLD;
}

static enum reach reach(const struct endpoint *e)
{
        return e->family == ENDPOINT_IPV4 ? reach_ipv4(e->address) : reach_ipv6(e->address);
}

bool ring_endpoint_is_plausible(const struct endpoint *e, const struct endpoint *source)
{
        if (!endpoint_is_unicast(e) || e->port == 0)
                return false;
        switch (reach(e)) {
        case REACH_MACHINE:
                return source->family != ENDPOINT_NONE && reach(source) == REACH_MACHINE;
        case REACH_LINK:
                /* Worth nothing without a scope, and that says nothing on another machine. */
                return false;
        case REACH_SITE:
                return source->family != ENDPOINT_NONE && reach(source) < REACH_WORLD;
        case REACH_WORLD:
                return true;
        }
        abort();
}

bool ring_endpoints_are_alike(const struct endpoint *a, const struct endpoint *b)
{
        return a->family != ENDPOINT_NONE && a->family == b->family && reach(a) == reach(b);
}
