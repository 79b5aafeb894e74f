/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Address and port as a value */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/cursor.h"
#include "base/endpoint.h"

struct endpoint endpoint_ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
        return (struct endpoint){
                .address = { a, b, c, d }, .port = port, .family = ENDPOINT_IPV4
        };
}

/* Digits only, no sign, no blank: 0, or -EINVAL. */
static int parse_number(const char *s, uint32_t max, uint32_t *ret)
{
        uint64_t v = 0;

        if (!*s)
                return -EINVAL;
        for (; *s; s++) {
                if (*s < '0' || *s > '9')
                        return -EINVAL;
                v = v * 10 + (uint64_t)(*s - '0');
                if (v > max)
                        return -EINVAL;
        }
        *ret = v;
        return 0;
}

static int parse_ipv6(char *s, struct endpoint *e)
{
        static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
        char *scope = strchr(s, '%');
        uint8_t address[16];

        if (scope) {
                *scope++ = 0;
                if (parse_number(scope, UINT32_MAX, &e->scope) < 0)
                        return -EINVAL;
        }
        if (inet_pton(AF_INET6, s, address) != 1)
                return -EINVAL;

        if (memcmp(address, mapped, sizeof mapped) == 0) {
                e->family = ENDPOINT_IPV4;
                e->scope = 0;
                memcpy(e->address, address + 12, 4);
                return 0;
        }
        e->family = ENDPOINT_IPV6;
        memcpy(e->address, address, sizeof address);
        return 0;
}

int endpoint_parse(const char *s, uint16_t port_default, struct endpoint *ret)
{
        struct endpoint e = { .port = port_default };
        char text[ENDPOINT_STRING_MAX], *address = text, *port = NULL;
        uint32_t number;

        if (strlen(s) >= sizeof text)
                return -EINVAL;
        memcpy(text, s, strlen(s) + 1);

        if (text[0] == '[') {
                char *end = strchr(text, ']');

                if (!end || (end[1] && end[1] != ':'))
                        return -EINVAL;
                port = end[1] ? end + 2 : NULL;
                *end = 0;
                address++;
                if (!strchr(address, ':'))
                        return -EINVAL;
        } else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
                port = strchr(text, ':') + 1;
                port[-1] = 0;
        }

        if (port) {
                if (parse_number(port, UINT16_MAX, &number) < 0 || number == 0)
                        return -EINVAL;
                e.port = number;
        }

        if (strchr(address, ':')) {
                if (parse_ipv6(address, &e) < 0)
                        return -EINVAL;
        } else {
                if (inet_pton(AF_INET, address, e.address) != 1)
                        return -EINVAL;
                e.family = ENDPOINT_IPV4;
        }

        *ret = e;
        return 0;
}

const char *endpoint_format_address(
        const struct endpoint *e, char buffer[static ENDPOINT_STRING_MAX])
{
        size_t n;

        buffer[0] = 0;
        if (e->family == ENDPOINT_IPV4)
                (void)inet_ntop(AF_INET, e->address, buffer, ENDPOINT_STRING_MAX);
        else if (e->family == ENDPOINT_IPV6)
                (void)inet_ntop(AF_INET6, e->address, buffer, ENDPOINT_STRING_MAX);

        n = strlen(buffer);
        if (e->scope)
                (void)snprintf(buffer + n, ENDPOINT_STRING_MAX - n, "%%%u", e->scope);
        return buffer;
}

const char *endpoint_format(const struct endpoint *e, char buffer[static ENDPOINT_STRING_MAX])
{
        char address[ENDPOINT_STRING_MAX];

        endpoint_format_address(e, address);
        if (e->port == ENDPOINT_PORT_DEFAULT || e->family == ENDPOINT_NONE)
                memcpy(buffer, address, strlen(address) + 1);
        else
                (void)snprintf(buffer, ENDPOINT_STRING_MAX,
                        e->family == ENDPOINT_IPV6 ? "[%.60s]:%u" : "%.60s:%u", address, e->port);
        return buffer;
}

bool endpoint_same_address(const struct endpoint *a, const struct endpoint *b)
{
        return a->family == b->family && a->scope == b->scope &&
               memcmp(a->address, b->address, sizeof a->address) == 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
        return endpoint_same_address(a, b) && a->port == b->port;
}

bool endpoint_is_unicast(const struct endpoint *e)
{
        static const uint8_t zero[16];

        if (e->family == ENDPOINT_NONE || memcmp(e->address, zero, sizeof zero) == 0)
                return false;
        if (e->family == ENDPOINT_IPV4)
                return e->address[0] != 0 && e->address[0] < 224;
        return e->address[0] != 0xff;
}

void endpoint_write(struct writer *w, const struct endpoint *e)
{
        assert(e->family == ENDPOINT_IPV4 || e->family == ENDPOINT_IPV6);
        writer_u8(w, (uint8_t)e->family);
        writer_bytes(w, e->address, e->family == ENDPOINT_IPV4 ? 4 : 16);
        writer_u16(w, e->port);
}

bool endpoint_read(struct reader *r, struct endpoint *ret)
{
        struct endpoint e = { .family = reader_u8(r) };
        size_t size = e.family == ENDPOINT_IPV4 ? 4 : 16;
        const uint8_t *address;

        if (e.family != ENDPOINT_IPV4 && e.family != ENDPOINT_IPV6)
                return false;
        address = reader_bytes(r, size);
        if (address)
                memcpy(e.address, address, size);
        e.port = reader_u16(r);
        if (r->failed)
                return false;
        *ret = e;
        return true;
}
