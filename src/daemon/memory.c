/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon has on disk */
#include <inttypes.h>
#include <sys/statvfs.h>

#include "core/crypto/crypto.h"
#include "core/crypto/random.h"
#include "daemon/history-log.h"
#include "daemon/memory.h"
#include "daemon/publish-journal.h"
#include "daemon/secret.h"
#include "daemon/staging.h"
#include "os/clock.h"
#include "os/log.h"

static void secret_freep(uint8_t **p)
{
        if (*p)
                secret_free(*p);
}

static int salvage(struct memory *m, const struct store_options *options, struct journal *journal)
{
        char sentence[SENTENCE_SIZE];
        int r;

        log_warning("Database %s is damaged; saving what can be read.", m->database);
        r = store_salvage(options, clock_now().real_usec, &m->store, &m->aside, &m->n_lost);
        if (r != 0)
                return r;
        (void)snprintf(sentence, sizeof sentence,
                "The database was damaged and is now %s. A new one was made with the users and the "
                "queue; %" PRIu64 " rows of them could not be read. The history is in the old "
                "file.",
                m->aside, m->n_lost);
        log_error("%s", sentence);
        publish_journal_store(journal, sentence);
        return 0;
}

static int refuse(const struct memory *m, int outcome)
{
        switch ((enum store_outcome)outcome) {
        case STORE_WRONG_SECRET:
                log_error("The secret does not fit database %s. Nothing was changed.", m->database);
                log_error("Put the right secret back (%s/secret, or the credential "
                          "p2pchat.secret); or, to start anew without the old messages, move "
                          "%s away.",
                        m->state, m->database);
                return MEMORY_REFUSED;
        case STORE_NEWER:
                log_error("Database %s was written by a newer version of p2pchat. Nothing was "
                          "changed.",
                        m->database);
                log_error("Install that version again; or, to start anew without the old "
                          "messages, move %s away.",
                        m->database);
                return MEMORY_REFUSED;
        case STORE_DAMAGED:
                break;
        }
        log_error("Database %s is damaged, and what was saved from it too.", m->database);
        log_error("Move %s away to start anew.", m->database);
        return MEMORY_REFUSED;
}

static int open_store(struct memory *m, struct journal *journal)
{
        _cleanup_(secret_freep)
        uint8_t *secret = NULL;
        struct store_options options;
        int r;

        r = secret_load(m->state, m->database, m->random, &secret);
        if (r != 0)
                return r < 0 ? r : MEMORY_REFUSED;
        r = secret_load_identity(m->state, m->database, secret, m->random, &m->identity);
        if (r != 0)
                return r < 0 ? r : MEMORY_REFUSED;

        m->spool_key = secret_alloc(KEY_SIZE);
        if (!m->spool_key)
                return log_oom();
        hkdf(NULL, 0, secret, STORE_SECRET_SIZE, "p2pchat/1 spool", m->spool_key, KEY_SIZE);

        options = (struct store_options){
                .path = m->database,
                .secret = secret,
                .random = m->random,
                .age_max_usec = m->age_max_usec,
        };
        r = store_open(&options, &m->store);
        if (r == STORE_DAMAGED)
                r = salvage(m, &options, journal);
        if (r > 0)
                return refuse(m, r);
        if (r < 0)
                return log_error_errno(r, "Failed to open database %s: %m", m->database);
        return 0;
}

static enum store_keep store_keep_from_config(enum config_keep k)
{
        switch (k) {
        case CONFIG_KEEP_FULL:
                return STORE_KEEP_FULL;
        case CONFIG_KEEP_SEALED:
                return STORE_KEEP_SEALED;
        case CONFIG_KEEP_NONE:
                return STORE_KEEP_NONE;
        }
        return STORE_KEEP_FULL;
}

int memory_open(struct memory *m, const char *state, const char *log, const struct config *config,
        struct journal *journal)
{
        int r;

        m->keep = store_keep_from_config(config->keep);
        m->age_max_usec = config->age_max_usec;
        if (m->keep == STORE_KEEP_NONE)
                m->age_max_usec = usec_min(m->age_max_usec, MEMORY_KEEP_NONE_USEC);
        m->state = strdup(state);
        if (!m->state || asprintf(&m->database, "%s/p2pchat.db", state) < 0 ||
                asprintf(&m->log_path, "%s/history.log", log) < 0)
                return log_oom();
        r = random_new(&m->random);
        if (r < 0)
                return log_oom();
        r = staging_resume(state, clock_now().real_usec);
        if (r < 0)
                return r;

        r = open_store(m, journal);
        if (r != 0)
                return r;
        r = history_log_new(m->log_path, m->keep, m->store, &m->log);
        return r < 0 ? log_oom() : 0;
}

void memory_done(struct memory *m)
{
        m->log = history_log_free(m->log);
        if (m->store && !m->failed)
                (void)store_commit(m->store); /* how far the log file has come */
        m->store = store_free(m->store);
        identity_done(&m->identity);
        m->spool_key = secret_free(m->spool_key);
        m->random = random_free(m->random);
        free(m->aside);
        free(m->log_path);
        free(m->database);
        free(m->state);
        *m = (struct memory){};
}

int64_t memory_space(const struct memory *m)
{
        struct statvfs s;

        if (statvfs(m->state, &s) < 0)
                return -errno;
        return (int64_t)s.f_bavail * (int64_t)s.f_frsize;
}
