/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Keyed hash table of intrusive entries
 *
 * Elements embed a struct table_entry; the table never owns them. Hashing is SipHash-2-4 (Aumasson
 * and Bernstein, 2012) under a key that is handed in, so that who chooses the hashed bytes cannot
 * choose the bucket. The table grows by itself; when memory is short it goes on with longer chains.
 */
#include "base/macro.h"

#define TABLE_KEY_SIZE 16

struct table_entry {
        struct table_entry *next;
        uint64_t hash;
};

struct table {
        uint8_t key[TABLE_KEY_SIZE];
        struct table_entry **buckets; /* n_buckets is 0 or a power of two */
        size_t n_buckets;
        size_t n;
};

uint64_t siphash(const uint8_t key[static TABLE_KEY_SIZE], const void *data, size_t size);

void table_init(struct table *t, const uint8_t key[static TABLE_KEY_SIZE]);
void table_done(struct table *t);
/* 0 or -ENOMEM (only when not even the first buckets could be had). Equal keys are the caller's
 * care. */
int table_add(struct table *t, struct table_entry *e, const void *key, size_t size);
void table_remove(struct table *t, struct table_entry *e);
/* The first entry whose hash is that of @key, then further ones; the caller compares whole keys. */
struct table_entry *table_find(const struct table *t, const void *key, size_t size);
struct table_entry *table_find_next(const struct table_entry *e);
