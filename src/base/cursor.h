/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Bounded reading and writing of integers and blobs
 *
 * All bounds checks are in one place here. Integers are big-endian. A cursor that once ran over its
 * end stays failed, reads zeros and writes nothing, so that a codec may check once, at its end.
 */
#include "base/macro.h"

struct reader {
        const uint8_t *data;
        size_t left;
        bool failed;
};

struct writer {
        uint8_t *data;
        size_t size; /* bytes written */
        size_t left;
        bool failed;
};

static inline struct reader reader_make(const void *data, size_t size)
{
        return (struct reader){ .data = data, .left = size };
}

static inline struct writer writer_make(void *data, size_t size)
{
        return (struct writer){ .data = data, .left = size };
}

uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* The next @size bytes in place, or NULL. */
const uint8_t *reader_bytes(struct reader *r, size_t size);
/* A blob written by writer_blob(); *ret_size is 0 after a failure. */
const uint8_t *reader_blob(struct reader *r, size_t *ret_size);
/* Nothing failed and nothing is left. */
bool reader_is_done(const struct reader *r);

void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_bytes(struct writer *w, const void *data, size_t size);
/* Size in 16 bits, then the bytes. */
void writer_blob(struct writer *w, const void *data, size_t size);
