/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command send */

#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "bus/names.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"

/* One byte more than fits, so that the service sees and refuses what is too long. */
static int read_text(struct buffer *b)
{
        ssize_t k;
        int r;

        for (;;) {
                r = buffer_reserve(b, 4096);
                if (r == -E2BIG)
                        return cli_error("the text on standard input is too long: more than %u "
                                         "bytes",
                                P2PCHAT_BUS_TEXT_SIZE_MAX);
                if (r < 0)
                        return cli_error_errno(r, "cannot read standard input");
                k = read(STDIN_FILENO, b->data + b->size, 4096);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return cli_error_errno(-errno, "cannot read standard input");
                if (k == 0)
                        break;
                b->size += (size_t)k;
                b->data[b->size] = 0;
        }
        if (memchr(b->data, 0, b->size))
                return cli_error("the text on standard input holds a zero byte");
        /* The line end that every tool puts behind its output is not part of the message. */
        if (b->size > 0 && b->data[b->size - 1] == '\n')
                b->data[--b->size] = 0;
        return 0;
}

/* send bob hello there: the words are one text. */
static int join_words(char *const *words, size_t n_words, struct buffer *b)
{
        int r = 0;

        for (size_t i = 0; i < n_words && r >= 0; i++) {
                if (i > 0)
                        r = buffer_append_string(b, " ");
                if (r >= 0)
                        r = buffer_append_string(b, words[i]);
        }
        return r < 0 ? cli_error_errno(r, "cannot send the text") : 0;
}

static int report(struct cli *cli, const char *user, const char *id, const char *state)
{
        _cleanup_(freep)
        char *shown = NULL;
        int r = EXIT_DONE;

        if (cli->json)
                r = cli_print_json(json_sent(id, state));
        else
                printf("%s %s\n", id, state);
        if (r != EXIT_DONE)
                return r;
        if (streq(state, "queued")) {
                fflush(stdout);
                cli_explain_queued(user);
                return EXIT_QUEUED;
        }
        if (streq(state, "sent") || streq(state, "delivered"))
                return EXIT_DONE;
        shown = format_escape(user, ESCAPE_LINE);
        return cli_error("the message to %s will not be sent: %s", shown ? shown : "?", state);
}

int run_send(struct cli *cli, const struct arguments *a)
{
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        _cleanup_(buffer_done)
        struct buffer text;
        bool full = a->given & (OPTION_PLAIN | OPTION_NUMBER | OPTION_WAIT);
        struct bus_send_options options = {
                .security = a->given & OPTION_PLAIN ? "plain" : NULL,
                .number = a->number,
                .wait_usec = a->wait_usec,
        };
        struct bus_client *client;
        const char *id, *state;
        int r;

        buffer_init(&text, 2 * P2PCHAT_BUS_TEXT_SIZE_MAX);
        if (a->n_words == 2 && streq(a->words[1], "-"))
                r = read_text(&text);
        else
                r = join_words(a->words + 1, a->n_words - 1, &text);
        if (r != 0)
                return r;

        r = cli_client(cli, &client);
        if (r != 0)
                return r;
        r = bus_client_send(client, a->words[0], text.size > 0 ? (char *)text.data : "",
                full ? &options : NULL, &m, &id, &state);
        if (r < 0)
                return cli_call_failed(client);
        return report(cli, a->words[0], id, state);
}
