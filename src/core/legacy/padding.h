/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Padding of whole blocks (PKCS #7, RFC 5652 section 6.3; PKCS #5 for blocks of 8): n bytes of the
 * value n, always at least one
 */
#include "base/macro.h"

static inline size_t padded_size(size_t size, size_t block_size)
{
        return (size / block_size + 1) * block_size;
}

/* @data has room for padded_size(). */
static inline void padding_add(uint8_t *data, size_t size, size_t block_size)
{
        size_t n = block_size - size % block_size;

        memset(data + size, (int)n, n);
}

/* How many bytes of padding the last block has, 0 when it is not strictly so. */
static inline size_t padding_find(const uint8_t *last_block, size_t block_size)
{
        size_t n = last_block[block_size - 1];

        if (n == 0 || n > block_size)
                return 0;
        for (size_t i = block_size - n; i < block_size; i++)
                if (last_block[i] != n)
                        return 0;
        return n;
}
