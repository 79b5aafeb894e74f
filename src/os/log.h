/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What a program says about itself
 *
 * To the journal when standard error is the journal, else to standard error: plain on a terminal,
 * with "<level>" in front otherwise, as service managers expect. It never waits: a line that
 * standard error cannot take at once is dropped.
 *
 * Errors are logged once, at the top:
 *
 *     if (r < 0)
 *             return log_error_errno(r, "Failed to open %s: %m", path);
 *
 * where %m tells r. All of them return r, the plain ones 0.
 */
#include <syslog.h>

#include "base/macro.h"

struct journal;

/* Call it first; without it, everything goes to standard error. @journal may be NULL; borrowed
 * until log_setup(NULL). It is used only when standard error is the journal. */
void log_setup(struct journal *journal);
/* True when log lines go to the journal. */
bool log_is_journal(void);

/* LOG_DEBUG to LOG_EMERG; LOG_INFO at first. */
void log_set_level(int level);
int log_get_level(void);
/* "debug", "info", "notice", "warning", "err", "crit", "alert", "emerg"; -EINVAL for others. */
int log_level_from_word(const char *word);
const char *log_level_word(int level);

_printf_(3, 4) int log_full(int level, int error, const char *format, ...);

#define log_debug(...) log_full(LOG_DEBUG, 0, __VA_ARGS__)
#define log_info(...) log_full(LOG_INFO, 0, __VA_ARGS__)
#define log_notice(...) log_full(LOG_NOTICE, 0, __VA_ARGS__)
#define log_warning(...) log_full(LOG_WARNING, 0, __VA_ARGS__)
#define log_error(...) log_full(LOG_ERR, 0, __VA_ARGS__)
#define log_debug_errno(r, ...) log_full(LOG_DEBUG, (r), __VA_ARGS__)
#define log_info_errno(r, ...) log_full(LOG_INFO, (r), __VA_ARGS__)
#define log_warning_errno(r, ...) log_full(LOG_WARNING, (r), __VA_ARGS__)
#define log_error_errno(r, ...) log_full(LOG_ERR, (r), __VA_ARGS__)
#define log_oom() log_error_errno(-ENOMEM, "Out of memory")
