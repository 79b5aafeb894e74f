/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Bare Ed25519, for sign.c and for published vectors only: no prefix says what was meant
 */
#include "core/crypto/sign.h"

void sign_bare(const struct identity *i, const void *message, size_t size,
        uint8_t ret[static SIGNATURE_SIZE]);
int sign_verify_bare(const uint8_t key[static PUBLIC_KEY_SIZE], const void *message, size_t size,
        const uint8_t signature[static SIGNATURE_SIZE]);
