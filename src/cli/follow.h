/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A file under way, followed until it is over
 *
 * The service tells by signals; it may leave some out when the bus is slow, and may be gone for a
 * while. So now and then it is asked, too, and when it comes back a file that is received is
 * accepted once more, for the descriptor of before is lost.
 */

#include "cli/cli.h"
#include "cli/progress.h"

enum follow_end {
        FOLLOW_DONE,
        FOLLOW_FAILED,      /* reason tells why */
        FOLLOW_NOT_WRITTEN, /* it waits in the service; likewise */
        FOLLOW_INTERRUPTED, /* by the user; it goes on */
        FOLLOW_LOST,        /* the service, or the bus, or the file was complained about */
};

struct follow {
        struct cli *cli;
        struct bus_client *client;
        struct sd_event *event;
        char *id;
        char *name; /* escaped */
        int fd;     /* to be written, or -EBADF for a file that is sent; not ours */

        struct progress progress;
        char state[16]; /* as List has it; "": not known yet */
        bool is_over;
        enum follow_end end;
        char reason[64];
        usec_t asked_usec; /* the last time that we asked */
        unsigned n_tenths; /* of it that were told without a terminal */
        bool has_line;     /* on the terminal */
        bool wants_accept; /* the service is back */
};

/* Before the call that begins it, so that nothing is missed. 0, or an exit status. */
int follow_start(struct follow *f, struct cli *cli, int fd);
/* Until it is over; @id and @name are copied, @name not escaped. */
enum follow_end follow_run(struct follow *f, const char *id, const char *name, uint64_t size);
void follow_done(struct follow *f);
