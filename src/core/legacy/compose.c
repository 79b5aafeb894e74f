/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What we say, as JSON
 *
 * The other side parses whatever one read of 1024 bytes gives it. So the size of an object is known
 * before it is made, and a text is cut into parts by it.
 */
#include <stdio.h>

#include "base/encode.h"
#include "core/legacy/compose.h"
#include "core/legacy/dialect.h"

#define ESCAPE_SIZE 7 /* "\u001f" and a zero byte */

static size_t escape(char c, char ret[static ESCAPE_SIZE])
{
        static const char plain[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
        const char *p = c ? strchr(plain, c) : NULL;

        if (p) {
                ret[0] = '\\';
                ret[1] = letters[p - plain];
                return 2;
        }
        if ((uint8_t)c < 0x20)
                return (size_t)snprintf(ret, ESCAPE_SIZE, "\\u%04x", (uint8_t)c);
        ret[0] = c;
        return 1;
}

static size_t escaped_size(const char *s, size_t n)
{
        char text[ESCAPE_SIZE];
        size_t size = 0;

        for (size_t i = 0; i < n; i++)
                size += escape(s[i], text);
        return size;
}

static int append_string(struct buffer *b, const char *s, size_t n)
{
        char text[ESCAPE_SIZE];
        int r;

        r = buffer_append_string(b, "\"");
        for (size_t i = 0; r == 0 && i < n; i++)
                r = buffer_append(b, text, escape(s[i], text));
        return r < 0 ? r : buffer_append_string(b, "\"");
}

static int append_all(struct buffer *b, const char *const *strings)
{
        int r = 0;

        for (; r == 0 && *strings; strings++)
                r = buffer_append_string(b, *strings);
        return r;
}

int compose_key(enum key_form form, bool is_public_key, const char *number, struct buffer *b)
{
        const char *quote = form == KEY_STRING ? "\"" : "";

        if (form == KEY_BARE)
                return buffer_append_string(b, number);
        return append_all(b, (const char *const[]){ "{\"", is_public_key ? "public_key" : "key",
                                     "\": ", quote, number, quote, "}", NULL });
}

int compose_choice(enum legacy_choice choice, bool is_secure, struct buffer *b)
{
        switch (choice) {
        case LEGACY_CHOICE_NONE:
        case N_LEGACY_CHOICES:
                return 0;
        case LEGACY_CHOICE_JSON:
                return append_all(b, (const char *const[]){ "{\"choice\": \"",
                                             is_secure ? "y" : "n", "\"}", NULL });
        case LEGACY_CHOICE_BARE:
                return buffer_append_string(b, is_secure ? "y" : "n");
        case LEGACY_CHOICE_BYTE:
                return buffer_append(b, is_secure ? "\x01" : "\0", 1);
        case LEGACY_CHOICE_DIGIT:
                return buffer_append_string(b, is_secure ? "1" : "0");
        }
        return 0;
}

int compose_accept(struct buffer *b)
{
        return buffer_append_string(b, "{\"chat_request\": \"accept\"}");
}

static const char *member(const struct legacy_memory *memory, enum legacy_security security)
{
        static const char *const names[N_LEGACY_SPELLINGS][2] = {
                [LEGACY_SPELLING_USUAL] = { "unencrypted_message", "encrypted_message" },
                [LEGACY_SPELLING_BLANK] = { "unencrypted message", "encrypted message" },
                [LEGACY_SPELLING_GLUED] = { "unencryptedmessage", "encryptedmessage" },
                [LEGACY_SPELLING_MESSAGE] = { "message", "encrypted_message" },
        };

        return names[memory->spelling][security == LEGACY_ENCRYPTED];
}

static int append_plain(
        const struct legacy_memory *memory, const char *text, size_t size, struct buffer *b)
{
        _cleanup_(freep)
        char *encoded = NULL;

        if (!memory->plain_is_base64)
                return append_string(b, text, size);
        encoded = malloc(BASE64_SIZE(size));
        if (!encoded)
                return -ENOMEM;
        base64_encode(text, size, false, encoded);
        return append_string(b, encoded, strlen(encoded));
}

int compose_message(const struct legacy_memory *memory, struct random *random,
        enum legacy_security security, const char *secret, const char *username, const char *text,
        size_t size, struct buffer *b)
{
        int r;

        r = append_all(b, (const char *const[]){ "{\"", member(memory, security), "\": ", NULL });
        if (r == 0 && security == LEGACY_ENCRYPTED)
                r = dialect_encrypt(memory, random, secret, text, size, b);
        else if (r == 0)
                r = append_plain(memory, text, size, b);
        if (r == 0)
                r = buffer_append_string(b, ", \"username\": ");
        if (r == 0)
                r = append_string(b, username, strlen(username));
        if (r == 0)
                r = buffer_append_string(b, ", \"user\": ");
        if (r == 0)
                r = append_string(b, username, strlen(username));
        return r < 0 ? r : buffer_append_string(b, "}");
}

int compose_packet(const char *text, size_t size, struct buffer *b)
{
        int r;

        r = buffer_append_string(b, "{\"message\": ");
        if (r == 0)
                r = append_string(b, text, size);
        return r < 0 ? r : buffer_append_string(b, "}\x04");
}

/* The size of what compose_message() makes without the value of the text. */
static size_t frame_size(
        const struct legacy_memory *memory, enum legacy_security security, const char *username)
{
        return strlen("{\"\": , \"username\": \"\", \"user\": \"\"}") +
               strlen(member(memory, security)) + 2 * escaped_size(username, strlen(username));
}

static size_t value_size(const struct legacy_memory *memory, enum legacy_security security,
        const char *text, size_t size)
{
        if (security == LEGACY_ENCRYPTED)
                return dialect_encrypted_size(memory, size);
        if (memory->plain_is_base64)
                return BASE64_SIZE(size) - 1 + 2;
        return escaped_size(text, size) + 2;
}

size_t legacy_part_size(const struct legacy_memory *memory, enum legacy_security security,
        const char *username, const char *text, size_t size)
{
        size_t frame = frame_size(memory, security, username);
        size_t fits = 0, fits_not = MIN(size, (size_t)LEGACY_SEND_MAX) + 1, cut;
        uint32_t c;

        /* The value grows with the text, so half and half again finds the largest that fits. */
        while (fits + 1 < fits_not) {
                size_t n = fits + (fits_not - fits) / 2;

                if (frame + value_size(memory, security, text, n) < LEGACY_SEND_MAX)
                        fits = n;
                else
                        fits_not = n;
        }
        cut = utf8_cut(text, size, fits);
        if (cut > 0 || size == 0)
                return cut;
        return (size_t)MAX(utf8_decode(text, size, &c), 1);
}

size_t legacy_count_parts(const struct legacy_memory *memory, enum legacy_security security,
        const char *username, const char *text, size_t size)
{
        size_t n = 0;

        while (size > 0 && n <= LEGACY_PARTS_MAX) {
                size_t part = legacy_part_size(memory, security, username, text, size);

                text += part;
                size -= part;
                n++;
        }
        return n;
}
