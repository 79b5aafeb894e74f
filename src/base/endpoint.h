/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Address and port as a value
 *
 * IPv4 and IPv6 in one fixed form without padding, so that two endpoints are equal when their bytes
 * are. Text: "192.168.1.7", "192.168.1.7:7001", "fe80::1%2", "[fe80::1%2]:7001"; the port is left
 * out when it is ENDPOINT_PORT_DEFAULT. A scope is written as the number of its interface.
 */
#include "base/macro.h"

struct reader;
struct writer;

#define ENDPOINT_PORT_DEFAULT 6001
#define ENDPOINT_STRING_MAX 72 /* with the zero byte */

enum endpoint_family {
        ENDPOINT_NONE = 0,
        ENDPOINT_IPV4 = 4,
        ENDPOINT_IPV6 = 6,
};

struct endpoint {
        uint8_t address[16]; /* IPv4 in the first four, the rest zero */
        uint32_t scope;      /* interface index of an IPv6 link-local address, else 0 */
        uint16_t port;       /* host byte order */
        uint16_t family;     /* enum endpoint_family */
};

struct endpoint endpoint_ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);

/* 0, or -EINVAL; a port that is not written becomes @port_default. IPv4-mapped IPv6 becomes IPv4.
 */
int endpoint_parse(const char *s, uint16_t port_default, struct endpoint *ret);
/* Writes into @buffer and returns it. */
const char *endpoint_format(const struct endpoint *e, char buffer[static ENDPOINT_STRING_MAX]);
/* The same without any port. */
const char *endpoint_format_address(
        const struct endpoint *e, char buffer[static ENDPOINT_STRING_MAX]);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
bool endpoint_same_address(const struct endpoint *a, const struct endpoint *b);
/* An address that one peer can have: not unspecified, multicast or the IPv4 broadcast. */
bool endpoint_is_unicast(const struct endpoint *e);

#define ENDPOINT_ENCODED_MAX (1 + 16 + 2)
/* As bytes: family, address, port. No scope: that says nothing on another machine. @e has a family;
 * false when what is read has none. */
void endpoint_write(struct writer *w, const struct endpoint *e);
bool endpoint_read(struct reader *r, struct endpoint *ret);
