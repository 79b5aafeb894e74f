/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Questions of the classic protocol, in the shell. Each: 1, 0 at the end of input, or a negative
 * errno. */

#include "base/macro.h"

struct dialogue;

/* Whether a chat is to be encrypted. */
int question_secure(struct dialogue *d, bool *ret);
/* The private number for the key exchange, the caller's, or NULL for a random one. */
int question_number(struct dialogue *d, char **ret);
