/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Another state directory takes the place of this one: as a whole, or not at all
 *
 *     import.part     comes into being; whatever ends here is thrown away at the next start
 *     import          is whole: the next start moves the old files into
 *     before-import   and then calls it
 *     import.ready    whose files move into the state directory; last,
 *     before-import   is named by the time, and kept: a person may want it back
 *
 * Each step is one rename() that was made safe before the next begins, and each start goes on where
 * the last one was cut off. Only a start moves anything, for then nobody has these files open.
 */
#include "base/usec.h"
#include "daemon/secret.h"

enum staging_outcome {
        STAGING_OTHER_SECRET = 1, /* the credential of this machine is not the secret in it */
        STAGING_DAMAGED,          /* its files do not belong together, or cannot be read */
        STAGING_NEWER,            /* its database was written by a newer version */
};

/* An empty STATE/import.part: 0 and its path, to be freed. */
int staging_begin(const char *state, char **ret_path);
/* Its files are whole and this version can live with them. 0, an outcome, or -errno. */
int staging_check(const char *path, struct random *random);
/* From now on the next start takes it. */
int staging_commit(const char *state);
/* Whatever was not committed goes. */
void staging_abort(const char *state);

/* At a start, before anything is opened. 0, or -errno, logged. */
int staging_resume(const char *state, usec_t real_usec);
