/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The username that a machine has before anybody gave it one
 */
#include "base/text.h"

/* From the first label of the host name: other characters become '-', cut to USERNAME_SIZE_MAX.
 * "user-" and four characters of @id when that is too short, or "localhost". */
void username_default(const char *host, const char *id, char ret[static USERNAME_SIZE_MAX + 1]);
