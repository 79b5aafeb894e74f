/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Packets of the third dialect
 *
 * Those programs read without any limit; here everything has one, also what comes out of the
 * decompressor, for a thousand times the input may be in it.
 */
#include <json-c/json.h>
#include <zlib.h>

#include "base/encode.h"
#include "core/legacy/packet.h"

void packet_reader_init(struct packet_reader *r)
{
        *r = (struct packet_reader){ 0 };
        buffer_init(&r->bytes, PACKET_SIZE_MAX);
}

void packet_reader_done(struct packet_reader *r)
{
        buffer_done(&r->bytes);
}

/* More of the packet under way. */
static int take_bytes(struct packet_reader *r, const void *data, size_t size)
{
        int k = r->n_skipped > 0 ? -E2BIG : buffer_append(&r->bytes, data, size);

        if (k != -E2BIG)
                return k;
        r->n_skipped += r->bytes.size + size;
        buffer_clear(&r->bytes);
        return 0;
}

static int finish_packet(struct packet_reader *r)
{
        bool is_too_large = r->n_skipped > 0;

        r->n_skipped = 0;
        if (is_too_large)
                return PACKET_TOO_LARGE;
        r->is_read = r->bytes.size > 0;
        return r->is_read ? PACKET_READ : PACKET_MORE;
}

int packet_read(struct packet_reader *r, const void *data, size_t size, size_t *ret_used,
        const struct buffer **ret)
{
        const uint8_t *p = data, *end = p + size;
        int k = PACKET_MORE;

        if (r->is_read)
                buffer_clear(&r->bytes);
        r->is_read = false;
        while (k == PACKET_MORE && p < end) {
                const uint8_t *terminator = memchr(p, PACKET_END, (size_t)(end - p));

                k = take_bytes(r, p, (size_t)((terminator ?: end) - p));
                p = terminator ? terminator + 1 : end;
                if (k == 0 && terminator)
                        k = finish_packet(r);
        }
        if (k == PACKET_MORE && r->n_skipped > PACKET_SKIPPED_MAX)
                k = PACKET_ENDLESS;
        *ret_used = (size_t)(p - (const uint8_t *)data);
        *ret = &r->bytes;
        return k;
}

/* 0, -ENOMEM, -E2BIG or -EBADMSG. */
static int unpack_zlib(uint8_t *data, size_t size, struct buffer *b)
{
        z_stream z = { .next_in = data, .avail_in = (uInt)size };
        int r, k;

        r = buffer_reserve(b, PACKET_SIZE_MAX);
        if (r < 0)
                return r;
        k = inflateInit(&z);
        if (k != Z_OK)
                return -ENOMEM;
        z.next_out = b->data;
        z.avail_out = PACKET_SIZE_MAX;
        k = inflate(&z, Z_FINISH);
        b->size = PACKET_SIZE_MAX - z.avail_out;
        b->data[b->size] = 0;
        (void)inflateEnd(&z);
        switch (k) {
        case Z_STREAM_END:
                return 0;
        case Z_MEM_ERROR:
                return -ENOMEM;
        default:
                return z.avail_out == 0 ? -E2BIG : -EBADMSG;
        }
}

static bool ends_with(const uint8_t *data, size_t size, const char *word)
{
        size_t n = strlen(word);

        return size >= n && memcmp(data + size - n, word, n) == 0;
}

/* 0; 1 and *ret_why; or -ENOMEM. */
static int unpack(const struct buffer *packet, struct buffer *b, const char **ret_why)
{
        _cleanup_(freep)
        uint8_t *data = malloc(packet->size);
        size_t size;
        int r;

        if (!data)
                return -ENOMEM;
        *ret_why = "it is compressed in a way that is not known here.";
        if (base64_decode((char *)packet->data, packet->size - 1, false, data, &size) < 0)
                return 1;
        if (ends_with(data, size, "bzip2") || ends_with(data, size, "lzma")) {
                *ret_why = "it is compressed by bzip2 or lzma. Ask for zlib, or for none at all.";
                return 1;
        }
        if (!ends_with(data, size, "zlib"))
                return 1;
        r = unpack_zlib(data, size - strlen("zlib"), b);
        if (r == -ENOMEM)
                return r;
        if (r == -E2BIG)
                *ret_why = "it is too large when it is unpacked.";
        else if (r < 0)
                *ret_why = "it is damaged, or was compressed by something else than zlib.";
        return r < 0;
}

/* Their parser looks at the first one only, too. */
static bool is_compressed(const struct buffer *packet)
{
        const uint8_t *mark = memchr(packet->data, PACKET_COMPRESSED, packet->size);

        return mark && mark == packet->data + packet->size - 1;
}

static int take_member(struct object *o, const char *name, struct json_object *value)
{
        bool is_number;
        size_t size;
        const char *text = object_text(value, &size, &is_number);

        if (!text)
                return 0;
        if (!o->name[0] && (object_name_is(name, "username") || object_name_is(name, "user") ||
                                   object_name_is(name, "name")))
                (void)name_clean(text, size, o->name);
        if (o->type != OBJECT_OTHER || size == 0 ||
                !(object_name_is(name, "message") || object_name_is(name, "unencryptedmessage")))
                return 0;
        o->type = OBJECT_PLAIN;
        return object_set_printable(o, text, size);
}

static int understand_object(struct json_object *json, struct object *o)
{
        json_object_object_foreach (json, name, value) {
                int r = take_member(o, name, value);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* What is no JSON object is text as it is. */
static int understand_payload(const struct buffer *payload, struct object *o, const char **ret_why)
{
        struct json_object *json = NULL;
        int r;

        r = object_parse_one(payload->data, payload->size, &json);
        if (r < 0)
                return r;
        if (r == OBJECT_READ) {
                r = understand_object(json, o);
                json_object_put(json);
                return r;
        }
        *ret_why = "it is neither text nor JSON.";
        if (!utf8_is_valid((char *)payload->data, payload->size))
                return 1;
        if (payload->size == 0)
                return 0;
        o->type = OBJECT_PLAIN;
        return object_set_printable(o, (char *)payload->data, payload->size);
}

int packet_understand(const struct buffer *packet, struct object *ret, const char **ret_why)
{
        struct object o = { .type = OBJECT_OTHER };
        struct buffer unpacked;
        int r = 0;

        buffer_init(&unpacked, PACKET_SIZE_MAX);
        if (is_compressed(packet)) {
                r = unpack(packet, &unpacked, ret_why);
                packet = &unpacked;
        }
        if (r == 0)
                r = understand_payload(packet, &o, ret_why);
        buffer_done(&unpacked);
        if (r != 0)
                object_done(&o);
        else
                *ret = o;
        return r;
}
