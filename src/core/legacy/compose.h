/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What we say, as JSON: one object at a time, in the spelling that the other side understands
 */
#include "base/buffer.h"
#include "core/legacy/legacy.h"
#include "core/legacy/object.h"

/* All append to @b; 0, -ENOMEM or -E2BIG. */
int compose_key(enum key_form form, bool is_public_key, const char *number, struct buffer *b);
int compose_choice(enum legacy_choice choice, bool is_secure, struct buffer *b);
int compose_accept(struct buffer *b);
/* @secret: of the key exchange, when @security is LEGACY_ENCRYPTED. */
int compose_message(const struct legacy_memory *memory, struct random *random,
        enum legacy_security security, const char *secret, const char *username, const char *text,
        size_t size, struct buffer *b);
/* A packet of the third dialect, with its terminator: {"message": "..."} and 0x04. */
int compose_packet(const char *text, size_t size, struct buffer *b);
