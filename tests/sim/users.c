/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What users do: write, and meddle with the rest */
#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/sim.h"

/* Unlike any other in every piece of it. */
static size_t make_text(struct run *r, char *buffer, size_t size_max)
{
        static const char *const letters[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "k",
                "l", "m", "\n", "ç", "ü", "ğ", "€", "\U0001f600", " ", "\"", "\\", "z" };
        size_t size = below(r, 8) == 0 ? 1 + below(r, size_max - 40) : 1 + below(r, 60);
        size_t used;

        used = (size_t)snprintf(buffer, size_max, "%" PRIu64 ":", ++r->n_texts);
        while (used < size) {
                const char *letter = letters[below(r, ELEMENTSOF(letters))];

                memcpy(buffer + used, letter, strlen(letter));
                used += strlen(letter);
        }
        return used;
}

/* The names that a machine may have; the last is that of the beginning. */
static const char *name_of(const struct run *r, const struct machine *m, unsigned k, char *buffer)
{
        if (k < NAMES_MAX)
                (void)snprintf(buffer, USERNAME_SIZE_MAX + 1, "%.12s-%u", r->names[m->index], k);
        else
                (void)snprintf(buffer, USERNAME_SIZE_MAX + 1, "%s", r->names[m->index]);
        return buffer;
}

static const char *alias_of(const struct machine *m, char *buffer)
{
        (void)snprintf(buffer, USERNAME_SIZE_MAX + 1, "pal-%c", m->letter);
        return buffer;
}

/* How @m may call @to. */
static const char *make_word(
        struct run *r, const struct machine *m, const struct machine *to, char *buffer)
{
        char address[ENDPOINT_STRING_MAX], name[USERNAME_SIZE_MAX + 1];
        bool is_native = !m->is_classic && !to->is_classic;
        unsigned way = (unsigned)below(r, 10);

        if (is_native && way < 5)
                (void)snprintf(buffer, WORD_SIZE, "%s", to->identity.id);
        else if (is_native && way == 5)
                (void)snprintf(buffer, WORD_SIZE, "%s#%.5s", to->username, to->identity.id);
        else if (way == 6)
                (void)snprintf(buffer, WORD_SIZE, "%s@%s", to->username,
                        endpoint_format_address(&to->address, address));
        else if (is_native && way == 7)
                (void)snprintf(buffer, WORD_SIZE, "%s", alias_of(to, name));
        else
                (void)snprintf(buffer, WORD_SIZE, "%s", to->username);
        return buffer;
}

static void send_one(struct run *r, struct machine *m, const struct machine *to)
{
        static char text[TEXT_SIZE_MAX]; /* too large for a stack */
        char word[WORD_SIZE];
        struct send_options options = {
                .security = below(r, 3) == 0 ? SECURITY_PLAIN : -1,
                .wait_usec = below(r, 2) == 0 ? SEND_WAIT_USEC : 0,
                .number = below(r, 4) == 0 ? "17" : NULL,
        };
        size_t size = make_text(r, text, below(r, 40) == 0 ? sizeof text : 4000);

        if (machine_try_send(m, make_word(r, m, to, word), text, size, &options, NULL) == 0 &&
                below(r, 20) == 0) {
                node_forget_call(m->node, m->call_last);
                oracle_forget_call(m, m->call_last);
        }
}

static void cancel_one(struct run *r, struct machine *m)
{
        struct oracle *o = r->world->oracle;

        for (size_t i = o->n_said; i > 0 && i + 50 > o->n_said; i--) {
                const struct said *s = o->said[i - 1];

                if (s->from != m->index || s->state != MESSAGE_QUEUED || below(r, 3) > 0)
                        continue;
                machine_begin(m);
                if (node_cancel(m->node, &s->id, machine_now(m), NULL) < 0)
                        world_fail(r->world, "%c: node_cancel() fails", m->letter);
                return;
        }
}

/* An id bears one row, a classic machine a row for each of its names. */
static void block_one(struct run *r, struct machine *m, const struct machine *other)
{
        char word[WORD_SIZE], address[ENDPOINT_STRING_MAX], name[USERNAME_SIZE_MAX + 1];

        machine_begin(m);
        if (!m->is_classic && !other->is_classic) {
                (void)node_block(m->node, other->identity.id, true, machine_now(m), NULL);
                return;
        }
        for (unsigned k = 0; k <= NAMES_MAX; k++) {
                (void)snprintf(word, sizeof word, "%s@%s", name_of(r, other, k, name),
                        endpoint_format_address(&other->address, address));
                (void)node_block(m->node, word, true, machine_now(m), NULL);
        }
}

/* Those who are blocked under a name of another time are found in the list. */
void unblock_all(struct machine *m)
{
        struct user *users;
        size_t n_users;

        if (node_list_users(m->node, machine_now(m), &users, &n_users) < 0)
                abort();
        for (size_t k = 0; k < n_users; k++) {
                struct refusal refusal = { 0 };
                char buffer[WORD_SIZE];
                const char *word;

                if (!users[k].blocked)
                        continue;
                machine_begin(m);
                word = node_word(m->node, users[k].number, users[k].name, &users[k].endpoint,
                        machine_now(m), buffer);
                /* A classic row, by a forgery, where native peers have the same name. */
                if (node_block(m->node, word, false, machine_now(m), &refusal) != 0 &&
                        !(m->world->oracle->is_loose && !users[k].id[0]))
                        world_fail(m->world, "%c cannot unblock %s: %s", m->letter, word,
                                refusal.sentence);
        }
        free(users);
}

void rename_one(struct machine *m, const char *name)
{
        machine_begin(m);
        if (node_set_username(m->node, name, machine_now(m), NULL) != 0)
                world_fail(m->world, "%c: node_set_username() fails", m->letter);
        if (streq(m->username, name))
                return;
        memcpy(m->username, name, strlen(name) + 1);
        m->renamed_usec = m->world->now_usec;
}

/* Both look at their screens, and one of them types what the other one says. */
static void compare_one(struct machine *m, struct machine *other)
{
        char ours[FINGERPRINT_SIZE], theirs[FINGERPRINT_SIZE];
        int r;

        if (m->is_classic || other->is_classic || !other->node ||
                node_fingerprint(m->node, other->identity.id, ours, NULL) != 0 ||
                node_fingerprint(other->node, m->identity.id, theirs, NULL) != 0)
                return;
        r = node_verify(m->node, other->identity.id, theirs, machine_now(m), NULL);
        if (!streq(ours, theirs) || r == REFUSAL_FINGERPRINT_MISMATCH)
                world_fail(
                        m->world, "%c and %c see different fingerprints", m->letter, other->letter);
}

/* What is done with a user, and what with oneself. */
static void meddle_with(struct run *r, struct machine *m, struct machine *other)
{
        struct now now = machine_now(m);
        char word[WORD_SIZE], alias[USERNAME_SIZE_MAX + 1];

        machine_begin(m);
        (void)make_word(r, m, other, word);
        switch (below(r, 7)) {
        case 0:
                (void)node_mute(m->node, word, below(r, 2) ? now.real_usec + USEC_PER_MINUTE : 0,
                        now, NULL);
                return;
        case 1:
                (void)node_forget(m->node, word, now, NULL);
                return;
        case 2:
                (void)node_trust(m->node, word, now, NULL);
                return;
        case 3:
                (void)node_alias(m->node, word, alias_of(other, alias), now, NULL);
                return;
        case 4:
        case 5:
                (void)node_end_session(m->node, word, now, NULL);
                return;
        case 6:
                compare_one(m, other);
                return;
        }
}

static void meddle(struct run *r, struct machine *m, struct machine *other)
{
        char name[USERNAME_SIZE_MAX + 1];

        if (r->has_ledger && below(r, 3) == 0) {
                if (below(r, 6) == 0)
                        machine_revoke(m);
                else
                        machine_register(m);
                return;
        }
        switch (below(r, 10)) {
        case 0:
        case 1:
        case 2:
                cancel_one(r, m);
                return;
        case 3:
                block_one(r, m, other);
                return;
        case 4:
        case 5:
                unblock_all(m);
                return;
        case 6:
                rename_one(m, name_of(r, m, (unsigned)below(r, NAMES_MAX), name));
                return;
        default:
                meddle_with(r, m, other);
                return;
        }
}

/* More than a window now and then, but not to those who take one after the other. */
static uint64_t how_many(struct run *r, bool is_native)
{
        if (below(r, 400) == 0)
                return below(r, is_native ? 400 : 20);
        return below(r, 10) == 0 ? below(r, 12) : 1;
}

static void back_up_now(struct world *w, void *userdata)
{
        (void)w;
        machine_back_up(userdata);
}

static void put_back_now(struct world *w, void *userdata)
{
        struct machine *m = userdata;

        if (m->n_backups > 0)
                machine_put_back(m, &m->backups[random_below(w->random, m->n_backups)]);
}

static void send_some(struct run *r, struct machine *m, struct machine *other)
{
        struct world *w = r->world;
        uint64_t n = how_many(r, !m->is_classic && !other->is_classic);

        /* Disks are most interesting while something is on its way. */
        if (n > 1 && r->faults & STRIKE_BACKUP && below(r, 2) == 0 &&
                w->now_usec + USEC_PER_SEC < r->end_usec)
                world_at(w, w->now_usec + below(r, 200 * USEC_PER_MSEC),
                        below(r, 2) ? back_up_now : put_back_now, below(r, 2) ? m : other);
        for (; n > 0; n--)
                send_one(r, m, other);
}

void tick_user(struct world *w, void *userdata)
{
        struct run *r = userdata;
        struct machine *m = any(r), *other = any(r);

        if (w->now_usec >= r->end_usec)
                return;
        if (m->node && m != other && !machine_is_paused(m)) {
                if (r->faults & STRIKE_USER && below(r, 12) == 0)
                        meddle(r, m, other);
                else
                        send_some(r, m, other);
        }
        world_at(w, w->now_usec + below(r, 20 * USEC_PER_SEC), tick_user, r);
}

/* Small ones mostly; some take many windows. */
static size_t size_of_file(struct run *r)
{
        static const uint64_t limits[] = { 3, 2000, TRANSFER_WINDOW, 40 * TRANSFER_CHUNK_SIZE };

        return (size_t)below(r, limits[below(r, ELEMENTSOF(limits))]);
}

void tick_file(struct world *w, void *userdata)
{
        struct run *r = userdata;
        struct machine *m = any(r), *other = any(r);

        if (w->now_usec >= r->end_usec)
                return;
        if (m->node && !m->is_classic && !machine_is_paused(m)) {
                if (m != other && !other->is_classic && below(r, 3) == 0)
                        machine_offer(m, other, size_of_file(r));
                else
                        machine_decide(m);
        }
        world_at(w, w->now_usec + below(r, 10 * USEC_PER_SEC), tick_file, r);
}
