/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The command doctor
 *
 * The service looks at itself, its sockets and its neighbours. What stands between it and us we see
 * ourselves: the bus, its policy, the groups of this account, whether it runs at all.
 */

#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"

#define GROUP "p2pchat"
#define GROUPS_MAX 256

struct report {
        struct cli *cli;
        struct columns *columns;
        bool failed;
};

/* 0, or an exit status after a complaint. */
static int add(struct report *p, const struct bus_check *k)
{
        enum style style = streq(k->result, "ok")        ? STYLE_GREEN
                           : streq(k->result, "warning") ? STYLE_YELLOW
                                                         : STYLE_RED;

        p->failed = p->failed || streq(k->result, "failed");
        if (p->cli->json)
                return cli_print_json(json_check(k));
        if (columns_add_owned(p->columns, format_escape(k->stage, ESCAPE_LINE), STYLE_NONE) < 0 ||
                columns_add_owned(p->columns, format_escape(k->result, ESCAPE_LINE), style) < 0 ||
                columns_add_owned(p->columns, format_escape(k->sentence, ESCAPE_LINE), STYLE_NONE) <
                        0)
                return cli_error_errno(-ENOMEM, "cannot show the result");
        return 0;
}

_printf_(3, 4) static int add_failure(struct report *p, const char *stage, const char *format, ...)
{
        char sentence[512];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(sentence, sizeof sentence, format, ap);
        va_end(ap);
        return add(
                p, &(struct bus_check){ .stage = stage, .result = "failed", .sentence = sentence });
}

/* Is @gid one of @n? */
static bool has_group(const gid_t *groups, int n, gid_t gid)
{
        for (int i = 0; i < n; i++)
                if (groups[i] == gid)
                        return true;
        return false;
}

/* The bus keeps us away, which groups decide: those of this login, which may be older than those of
 * the account. */
static int explain_denial(struct report *p)
{
        const struct passwd *pw = getpwuid(geteuid());
        const struct group *group = getgrnam(GROUP);
        const char *user = pw ? pw->pw_name : "USER";
        gid_t ours[GROUPS_MAX], theirs[GROUPS_MAX];
        int n_ours, n_theirs = GROUPS_MAX;

        if (!group)
                return add_failure(p, "policy",
                        "There is no group " GROUP
                        " on this machine: install the package again, or "
                        "run systemd-sysusers.");
        n_ours = getgroups(GROUPS_MAX, ours);
        if (!pw || getgrouplist(user, pw->pw_gid, theirs, &n_theirs) < 0)
                n_theirs = 0;
        if (geteuid() == 0 || getegid() == group->gr_gid || has_group(ours, n_ours, group->gr_gid))
                return add_failure(p, "policy",
                        "The bus keeps this account away although it may use the service: its "
                        "policy "
                        "org.example.P2PChat.conf is missing or was not read. As administrator: "
                        "systemctl reload dbus.");
        if (has_group(theirs, n_theirs, group->gr_gid))
                return add_failure(p, "membership",
                        "This account (%s) came into the group " GROUP " after this login: log in "
                        "again, or use sg " GROUP " -c 'p2pchat doctor'.",
                        user);
        return add_failure(p, "membership",
                "This account (%s) is not in the group " GROUP
                ". As administrator: adduser %s " GROUP "; then log in again.",
                user, user);
}

static int explain_failure(struct report *p, const struct bus_client *client)
{
        enum bus_outcome outcome = bus_client_outcome(client);

        if (outcome == BUS_ACCESS_DENIED)
                return explain_denial(p);
        if (outcome == BUS_NO_SERVICE)
                return add_failure(p, "service",
                        "The chat service does not run: systemctl start p2pchatd.socket "
                        "p2pchatd.service; if it does not start, journalctl -u p2pchatd tells "
                        "why.");
        if (outcome == BUS_TIMEOUT)
                return add_failure(p, "service",
                        "The chat service does not answer: systemctl restart p2pchatd; journalctl "
                        "-u "
                        "p2pchatd tells what it was doing.");
        return cli_call_failed(client);
}

static int report_checks(struct report *p, sd_bus_message *m)
{
        struct bus_check k;
        int r, status;

        while ((r = bus_check_next(m, &k)) > 0) {
                status = add(p, &k);
                if (status != 0)
                        return status;
        }
        return r < 0 ? cli_error_errno(r, "cannot read the answer of the service") : 0;
}

int run_doctor(struct cli *cli, const struct arguments *a)
{
        _cleanup_(columns_freep)
        struct columns *columns = NULL;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        struct report report = { .cli = cli };
        struct bus_client *client;
        int r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        r = columns_new(3, &columns);
        if (r < 0)
                return cli_error_errno(r, "cannot show the result");
        report.columns = columns;
        if (bus_client_diagnose(client, &m) < 0)
                r = explain_failure(&report, client);
        else
                r = report_checks(&report, m);
        columns_print(columns, stdout, cli->colour);
        if (r != 0)
                return r;
        return report.failed ? EXIT_FAILED : EXIT_DONE;
}
