/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Outcomes of calls and their names on the bus
 *
 * The service answers a call that it understood but does not do with an error of ours; the word
 * after the prefix is the contract, the sentence is for people. Programs decide by the outcome.
 */

#include <systemd/sd-bus.h>

enum bus_outcome {
        BUS_OK, /* no error */

        BUS_UNKNOWN_USER,
        BUS_AMBIGUOUS_USER,
        BUS_NOT_REACHABLE,
        BUS_KEY_CHANGED,
        BUS_NOT_SECURE,
        BUS_BLOCKED,
        BUS_INVALID_TEXT,
        BUS_TOO_LARGE,
        BUS_QUEUE_FULL,
        BUS_INVALID_NAME,
        BUS_NAME_TAKEN,
        BUS_NO_SUCH_MESSAGE,
        BUS_NO_SUCH_TRANSFER,
        BUS_FINGERPRINT_MISMATCH,
        BUS_STORAGE_FULL,
        BUS_CANNOT_CHAT,

        /* Not ours, but told apart by what the caller should do next. */
        BUS_NO_SERVICE,    /* nobody owns the name and nobody can start it, or no bus */
        BUS_ACCESS_DENIED, /* the policy of the bus keeps this caller away */
        BUS_READ_ONLY,     /* the property is fixed by the configuration */
        BUS_INVALID_ARGS,  /* an argument that no service could take */
        BUS_LIMIT,         /* too many calls at a time */
        BUS_TIMEOUT,       /* no answer in time; whether the call was done is not known */
        BUS_OTHER,         /* any other error */

        _BUS_OUTCOME_MAX,
};

/* The full D-Bus error name of an outcome; never NULL. For the last group it is the standard name
 * that stands for it best, for BUS_OK and BUS_OTHER org.freedesktop.DBus.Error.Failed. */
const char *bus_error_name(enum bus_outcome outcome);

/* What an error means. An error that is not set is BUS_OK; an unknown name BUS_OTHER. */
enum bus_outcome bus_outcome_from_error(const sd_bus_error *error);
