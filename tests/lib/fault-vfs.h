/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A file system for SQLite that can fail
 *
 * Files live in memory, each as two versions: what was written, and what was synced. Writes and
 * syncs are counted; the n-th from now can fail, the disk can be full, and a power cut takes away
 * what was not synced (all of it, or a random part, block by block: a torn write). After a power
 * cut every open handle is dead; open the database anew.
 */
#include "base/macro.h"

struct fault_vfs;

/* Registers a VFS @name with SQLite, from which store_options.vfs chooses it. */
int fault_vfs_new(const char *name, uint64_t seed, struct fault_vfs **ret);
struct fault_vfs *fault_vfs_free(struct fault_vfs *v);
DEFINE_CLEANUP(struct fault_vfs *, fault_vfs_free)

enum fault {
        FAULT_NONE,
        FAULT_WRITE, /* the n-th write fails, nothing of it is written */
        FAULT_SYNC,  /* the n-th sync fails, and nothing of it is kept */
        FAULT_FULL,  /* from the n-th write on there is no space */
        FAULT_POWER, /* power is cut just before the n-th write or sync */
};
/* @n counts from 1, from now. */
void fault_vfs_plan(struct fault_vfs *v, enum fault fault, uint64_t n);
/* Has it happened? */
bool fault_vfs_happened(const struct fault_vfs *v);

/* @torn: a random part of what was not synced is there all the same. */
void fault_vfs_power_cut(struct fault_vfs *v, bool torn);
/* What a planned FAULT_POWER leaves. */
void fault_vfs_set_torn(struct fault_vfs *v, bool torn);
/* The process dies: what was written stays, handles are dead. */
void fault_vfs_kill(struct fault_vfs *v);

/* A backup: all that was written so far, synced or not. NULL: no memory. */
struct fault_copy;
struct fault_copy *fault_vfs_copy(const struct fault_vfs *v);
struct fault_copy *fault_copy_free(struct fault_copy *c);
/* The disk is as it was then; handles are dead. @copy NULL: the disk is empty. 0 or -ENOMEM. */
int fault_vfs_put_back(struct fault_vfs *v, const struct fault_copy *copy);

uint64_t fault_vfs_n_writes(const struct fault_vfs *v);
uint64_t fault_vfs_n_syncs(const struct fault_vfs *v);
