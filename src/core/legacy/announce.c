/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Announcements ↔ JSON */
#include <json-c/json.h>
#include <stdio.h>

#include "core/crypto/identity.h"
#include "core/legacy/legacy.h"
#include "core/legacy/object.h"

static void take_port(const char *s, size_t n, struct announce *a)
{
        char number[DECIMAL_SIZE];

        if (decimal_parse(s, n, number) < 0 || strlen(number) > 5)
                return;
        if (atoi(number) <= UINT16_MAX)
                a->port = (uint16_t)atoi(number);
}

static void take_id(const char *s, size_t n, struct announce *a)
{
        char id[ID_STRING_SIZE];

        if (n != sizeof id - 1)
                return;
        memcpy(id, s, n);
        id[n] = 0;
        if (id_is_valid(id))
                memcpy(a->id, id, sizeof id);
}

static void take_member(struct announce *a, const char *name, struct json_object *value)
{
        bool is_number;
        size_t n;
        const char *s = object_text(value, &n, &is_number);

        if (object_name_is(name, "chunks"))
                a->cannot_chat = true;
        else if (object_name_is(name, "uuid"))
                a->has_uuid = true;
        else if (!s)
                return;
        else if (object_name_is(name, "username"))
                (void)name_clean(s, n, a->username);
        else if (object_name_is(name, "port"))
                take_port(s, n, a);
        else if (streq(name, "id"))
                take_id(s, n, a);
}

int legacy_decode_announce(
        enum dialect dialect, const void *data, size_t size, struct announce *ret)
{
        struct announce a = { 0 };
        struct json_object *json;
        int r;

        if (size > LEGACY_OBJECT_MAX)
                return OBJECT_RUBBISH;
        r = object_parse_one(data, size, &json);
        if (r != OBJECT_READ)
                return r;
        json_object_object_foreach (json, name, value)
                take_member(&a, name, value);
        json_object_put(json);

        if (!a.username[0])
                return OBJECT_RUBBISH;
        if (a.id[0])
                a.has_uuid = false; /* it is ours, said once more for old listeners */
        *ret = a;
        return 0;
}

/* Members that only native peers understand. */
static void format_native(enum dialect dialect, const struct announce *a, char *buffer, size_t size)
{
        buffer[0] = 0;
        if (a->id[0])
                (void)snprintf(buffer, size, ",\"id\":\"%s\"%s", a->id,
                        dialect == DIALECT_CLASSIC ? ",\"p2pchat\":1" : "");
}

/* Members that some listeners of the first dialect insist on; they know IPv4 alone. */
static void format_compat(const struct announce *a, const char *address, char *buffer, size_t size)
{
        size_t n;

        n = (size_t)snprintf(buffer, size, ",\"ip_address\":\"%s\"", address);
        if (a->id[0])
                (void)snprintf(buffer + n, size - n, ",\"uuid\":\"%s\"", a->id);
}

/* Our own values need no escapes: a valid username, numbers, an id. */
int legacy_encode_announce(enum dialect dialect, const struct announce *a,
        const struct endpoint *ip, bool compat, char buffer[static ANNOUNCE_SIZE_MAX + 1],
        size_t *ret_size)
{
        char address[ENDPOINT_STRING_MAX], native[ID_STRING_SIZE + 32], more[160] = "";
        struct endpoint plain = *ip;
        int n;

        assert(username_is_valid(a->username));

        plain.scope = 0; /* the number of our interface means nothing to others */
        endpoint_format_address(&plain, address);
        format_native(dialect, a, native, sizeof native);
        if (compat && dialect == DIALECT_CLASSIC && ip->family != ENDPOINT_IPV6)
                format_compat(a, address, more, sizeof more);
        n = snprintf(buffer, ANNOUNCE_SIZE_MAX + 1,
                "{\"username\":\"%s\",\"ip\":\"%s\",\"port\":%u%s%s}", a->username, address,
                a->port, native, more);
        assert(n > 0 && n <= ANNOUNCE_SIZE_MAX);
        *ret_size = (size_t)n;
        return 0;
}
