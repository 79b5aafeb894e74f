/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Another state directory takes the place of this one: as a whole, or not at all */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "daemon/staging.h"
#include "os/file.h"
#include "os/log.h"
#include "store/store.h"

#define NAMES_PER_SECOND 100

/* All that a state directory holds of one life. Of the spool nothing comes with an archive, but
 * what was there belongs to what is put aside. */
static const char *const names[] = { "p2pchat.db-wal", "p2pchat.db-journal", "p2pchat.db",
        "p2pchat.db.damaged", "identity", "secret", "spool" };

static char *join(const char *directory, const char *name)
{
        char *path;

        return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* Of files only; nobody but us makes anything there. */
static int remove_directory(const char *path)
{
        DIR *d = opendir(path);
        struct dirent *e;
        int r = 0;

        if (!d)
                return errno == ENOENT ? 0 : -errno;
        while (r == 0 && (e = readdir(d)))
                if (!streq(e->d_name, ".") && !streq(e->d_name, ".."))
                        r = unlinkat(dirfd(d), e->d_name, 0) < 0 ? -errno : 0;
        (void)closedir(d);
        return r < 0 || rmdir(path) == 0 ? r : -errno;
}

int staging_begin(const char *state, char **ret_path)
{
        _cleanup_(freep)
        char *path = join(state, "import.part");
        int r;

        if (!path)
                return -ENOMEM;
        r = remove_directory(path);
        if (r < 0)
                return r;
        if (mkdir(path, 0700) < 0)
                return -errno;
        *ret_path = TAKE_PTR(path);
        return 0;
}

void staging_abort(const char *state)
{
        _cleanup_(freep)
        char *path = join(state, "import.part");
        int r = path ? remove_directory(path) : -ENOMEM;

        if (r < 0)
                log_warning_errno(r, "Failed to remove %s/import.part: %m", state);
}

/*
 * Checking
 */
static int ignore_peer(const struct peer_record *peer, void *userdata)
{
        return 0;
}

static int ignore_stream(const struct stream_record *stream, void *userdata)
{
        return 0;
}

static int ignore_mark(const struct mark_record *mark, void *userdata)
{
        return 0;
}

static int ignore_refused(const struct refused_record *refused, void *userdata)
{
        return 0;
}

static int ignore_queued(const struct queued_record *queued, void *userdata)
{
        return 0;
}

static int ignore_block(const struct block_record *block, void *userdata)
{
        return 0;
}

static int ignore_transfer(const struct file_record *file, void *userdata)
{
        return 0;
}

static int check_ring(struct store *s)
{
        struct ring_record ring;
        int r = store_load_ring(s, &ring);

        return r == -ENOENT ? 0 : r;
}

/* A damaged block hinders no start: it is got anew from others. */
static int check_ledger(struct store *s)
{
        struct ledger_record ledger;
        int r = store_load_ledger(s, &ledger);

        return r < 0 && r != -ENOENT ? r : store_load_genesis(s, ignore_block, NULL);
}

/* All that a start would load. */
static int check_store(const char *path, const uint8_t *secret, struct random *random)
{
        _cleanup_(freep)
        char *database = join(path, "p2pchat.db");
        const struct store_options options = {
                .path = database,
                .secret = secret,
                .random = random,
                .age_max_usec = USEC_INFINITY,
        };
        struct store *s = NULL;
        int r;

        if (!database)
                return -ENOMEM;
        r = store_open(&options, &s);
        if (r == 0)
                r = store_load_peers(s, ignore_peer, NULL);
        if (r >= 0 && s)
                r = store_load_streams(s, ignore_stream, NULL);
        if (r >= 0 && s)
                r = store_load_marks(s, ignore_mark, NULL);
        if (r >= 0 && s)
                r = store_load_refused(s, ignore_refused, NULL);
        if (r >= 0 && s)
                r = check_ring(s);
        if (r >= 0 && s)
                r = check_ledger(s);
        if (r >= 0 && s)
                r = store_load_transfers(s, ignore_transfer, NULL);
        if (r >= 0 && s)
                r = store_load_queued(s, ignore_queued, NULL);
        store_free(s);
        if (r == STORE_NEWER)
                return STAGING_NEWER;
        return r > 0 || r == -EUCLEAN ? STAGING_DAMAGED : r;
}

int staging_check(const char *path, struct random *random)
{
        uint8_t *secret = secret_alloc(STORE_SECRET_SIZE);
        int r = -ENOMEM;

        if (secret)
                r = secret_read(path, secret);
        if (r == 0)
                r = secret_opens_identity(path, secret);
        if (r == SECRET_REFUSED)
                r = STAGING_DAMAGED;
        if (r == 0 && secret_is_overridden(secret))
                r = STAGING_OTHER_SECRET;
        if (r == 0)
                r = check_store(path, secret, random);
        secret_free(secret);
        return r;
}

/*
 * Moving
 */
static int rename_in(const char *state, const char *from, const char *to)
{
        _cleanup_(freep)
        char *old = join(state, from);
        _cleanup_(freep)
        char *new = join(state, to);

        if (!old || !new)
                return -ENOMEM;
        if (rename(old, new) < 0)
                return -errno;
        return file_sync_directory(new);
}

int staging_commit(const char *state)
{
        _cleanup_(freep)
        char *inside = join(state, "import.part/secret");
        int r = inside ? file_sync_directory(inside) : -ENOMEM;

        return r < 0 ? r : rename_in(state, "import.part", "import");
}

/* Those of our files that are there. */
static int move_files(const char *from, const char *to)
{
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_(freep)
                char *old = join(from, names[i]);
                _cleanup_(freep)
                char *new = join(to, names[i]);
                int r;

                if (!old || !new)
                        return -ENOMEM;
                if (rename(old, new) < 0) {
                        if (errno == ENOENT)
                                continue;
                        return -errno;
                }
                r = file_sync_directory(new);
                if (r == 0)
                        r = file_sync_directory(old);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int move_aside(const char *state, const char *aside)
{
        int r;

        if (mkdir(aside, 0700) < 0 && errno != EEXIST)
                return -errno;
        r = move_files(state, aside);
        return r < 0 ? r : rename_in(state, "import", "import.ready");
}

static int move_in(const char *state, const char *ready)
{
        int r = move_files(ready, state);

        return r < 0 ? r : remove_directory(ready);
}

static int name_by_time(const char *state, usec_t real_usec)
{
        time_t seconds = (time_t)(real_usec / USEC_PER_SEC);
        char day[32] = "", name[64];
        int r = -EEXIST;
        struct tm tm;

        if (gmtime_r(&seconds, &tm))
                (void)strftime(day, sizeof day, "%Y%m%dT%H%M%SZ", &tm);
        for (unsigned i = 0; i < NAMES_PER_SECOND && (r == -EEXIST || r == -ENOTEMPTY); i++) {
                (void)snprintf(
                        name, sizeof name, "before-import-%s%s%.0u", day, i > 0 ? "-" : "", i);
                r = rename_in(state, "before-import", name);
        }
        if (r == 0)
                log_notice("The imported state is in place; what was here before is in %s/%s.",
                        state, name);
        return r;
}

static int resume(const char *state, usec_t real_usec)
{
        _cleanup_(freep)
        char *whole = join(state, "import");
        _cleanup_(freep)
        char *ready = join(state, "import.ready");
        _cleanup_(freep)
        char *aside = join(state, "before-import");
        int r;

        if (!whole || !ready || !aside)
                return -ENOMEM;
        r = file_exists(whole);
        if (r > 0)
                r = move_aside(state, aside);
        if (r >= 0)
                r = file_exists(ready);
        if (r > 0)
                r = move_in(state, ready);
        if (r >= 0)
                r = file_exists(aside);
        return r > 0 ? name_by_time(state, real_usec) : r;
}

int staging_resume(const char *state, usec_t real_usec)
{
        int r = resume(state, real_usec);

        if (r < 0)
                return log_error_errno(r, "Failed to put the imported state into %s: %m", state);
        staging_abort(state);
        return 0;
}
