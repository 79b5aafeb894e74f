/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records of our own, and networks of our own
 *
 *     register, revoke --> signed --> the pool, the store --> a block, by anybody --> done
 *                             ^                                    |
 *                             +-- 30 days before it ends, again <--+
 *
 * A record that is not in the chain yet is stored, and told anew after a restart. What we have
 * registered is renewed for as long as this machine has its key; nobody has to think of it.
 */
#include <stdio.h>

#include "core/node/node-private.h"

#define RENEW_BEFORE_USEC (30 * USEC_PER_DAY)
#define APPROVABLE_MAX (LEDGER_POOL_MAX / 2)

static const uint8_t *own_key(const struct node *n)
{
        return n->options.identity->public_key;
}

static int check_ready(const struct node *n, struct refusal *ret_refusal)
{
        const struct registry *g = &n->registry;

        if (!g->is_on)
                return refuse(ret_refusal, REFUSAL_NOT_REACHABLE,
                        "This machine is no member of the ledger: set Enabled=yes in section "
                        "[Ledger] of its configuration.");
        if (!g->engine)
                return refuse(ret_refusal, REFUSAL_NOT_REACHABLE,
                        "Nothing is known of the network %s yet but its name: it begins when a "
                        "member of it is met. \"p2pchat ledger join --built-in\" goes back.",
                        g->network);
        return 0;
}

static unsigned days_until(usec_t until_usec, struct now now)
{
        return (unsigned)((usec_sub(until_usec, now.real_usec) + USEC_PER_DAY - 1) / USEC_PER_DAY);
}

static int refuse_name(const struct node *n, int fault, const char *name, struct now now,
        struct refusal *ret_refusal)
{
        struct ledger_name held = { 0 };
        char id[ID_STRING_SIZE];

        (void)ledger_find(n->registry.engine, name, now.real_usec, &held);
        identity_id(held.public_key, id);
        switch (fault) {
        case LEDGER_TAKEN:
                return refuse(ret_refusal, REFUSAL_NAME_TAKEN,
                        "%s is registered to somebody else (%s#%.8s) for %u more days: choose "
                        "another name by \"p2pchat name\".",
                        name, held.name, id, days_until(held.until_usec, now));
        case LEDGER_RESTS:
                return refuse(ret_refusal, REFUSAL_NAME_TAKEN,
                        "%s was revoked and rests for %u more days; only the successor that was "
                        "named may have it now.",
                        name, days_until(held.until_usec, now));
        case LEDGER_HAS_NAME:
                (void)ledger_find_key(n->registry.engine, own_key(n), now.real_usec, &held);
                return refuse(ret_refusal, REFUSAL_NAME_TAKEN,
                        "This machine has registered the name %s, and a key has one name: "
                        "\"p2pchat revoke\" gives that up first.",
                        held.name);
        case LEDGER_FULL:
                return refuse(ret_refusal, REFUSAL_QUEUE_FULL,
                        "Too many records wait for a block already: try again in a minute.");
        case LEDGER_OUT_OF_TIME:
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "The clock of this machine does not agree with that of the ledger: set it "
                        "right, and try again.");
        default:
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT, "%s cannot be registered now.",
                        name);
        }
}

/* Into the pool, and into the store until it is in the chain. 0, enum ledger_fault or -errno. */
static int submit(struct node *n, struct certificate *c, struct now now)
{
        struct registry *g = &n->registry;
        int r;

        c->time_usec = now.real_usec;
        r = certificate_sign(c, n->options.identity, &ledger_genesis(g->engine)->context);
        if (r == 0)
                r = ledger_submit(g->engine, c, &now);
        if (r != 0)
                return r;
        g->record.n_waiting = certificate_encode(c, g->record.waiting);
        return node_registry_store(n);
}

/* Ours that is not in the chain yet. */
static bool get_waiting(const struct node *n, struct certificate *ret)
{
        const struct ledger_record *record = &n->registry.record;

        return record->n_waiting > 0 &&
               certificate_decode(record->waiting, record->n_waiting, ret) == 0;
}

static void write_word(const struct node *n, const char *name, char ret[static WORD_SIZE])
{
        (void)snprintf(ret, WORD_SIZE, "%s#%s", name, n->id);
}

int node_ledger_register(struct node *n, struct now now, char ret_word[static WORD_SIZE],
        struct refusal *ret_refusal)
{
        struct certificate c = { .kind = CERTIFICATE_REGISTER }, waiting;
        struct ledger_name held;
        int r;

        r = check_ready(n, ret_refusal);
        if (r != 0)
                return r;
        memcpy(c.name, n->username, strlen(n->username) + 1);
        write_word(n, n->username, ret_word);
        if (get_waiting(n, &waiting) && waiting.kind == CERTIFICATE_REGISTER &&
                name_equal(waiting.name, c.name))
                return 0;
        r = submit(n, &c, now);
        if (r == LEDGER_TOO_SOON && node_name_holder(n, c.name, now.real_usec, &held))
                return 0; /* it is ours, and was renewed lately */
        return r > 0 ? refuse_name(n, r, c.name, now, ret_refusal) : r;
}

/* The key of a user, in whatever way it is named. */
static int find_key(const struct node *n, const char *word, uint8_t ret[static PUBLIC_KEY_SIZE],
        struct refusal *ret_refusal)
{
        struct peer *peer;
        size_t size;
        int r;

        if (strlen(word) == 2 * (size_t)PUBLIC_KEY_SIZE &&
                hex_decode(word, strlen(word), ret, &size) == 0) {
                if (sign_key_check(ret))
                        return 0;
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT, "\"%s\" is no key.", word);
        }
        if (streq(word, n->id) || name_equal(word, n->username)) {
                memcpy(ret, own_key(n), PUBLIC_KEY_SIZE);
                return 0;
        }
        r = node_find_user(n, word, &peer, ret_refusal);
        if (r != 0)
                return r;
        if (!peer->record.is_proven)
                return refuse(ret_refusal, REFUSAL_NOT_REACHABLE,
                        "%s has not proven its key yet: send it a message, and try again once that "
                        "has arrived.",
                        word);
        memcpy(ret, peer->record.key, PUBLIC_KEY_SIZE);
        return 0;
}

int node_ledger_revoke(
        struct node *n, const char *successor, struct now now, struct refusal *ret_refusal)
{
        struct certificate c = { .kind = CERTIFICATE_REVOKE };
        struct ledger_name held;
        int r;

        r = check_ready(n, ret_refusal);
        if (r != 0)
                return r;
        if (!ledger_find_key(n->registry.engine, own_key(n), now.real_usec, &held))
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "This machine has no name in the ledger that could be revoked%s.",
                        n->registry.record.n_waiting > 0
                                ? "; what it has registered is not in a block yet"
                                : "");
        if (successor[0]) {
                c.kind = CERTIFICATE_REVOKE_SUCCESSOR;
                r = find_key(n, successor, c.successor, ret_refusal);
                if (r != 0)
                        return r;
                if (memcmp(c.successor, own_key(n), PUBLIC_KEY_SIZE) == 0)
                        return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                                "The successor cannot be this machine itself.");
        }
        memcpy(c.name, held.name, sizeof c.name);
        r = submit(n, &c, now);
        return r > 0 ? refuse_name(n, r, c.name, now, ret_refusal) : r;
}

/*
 * Whoever waits for a registrar
 */
static bool is_meant(const struct certificate *c, const char *word)
{
        const char *hash = strchr(word, '#');
        char id[ID_STRING_SIZE], name[USERNAME_SIZE_MAX + 1] = "";

        if (!hash)
                return name_equal(c->name, word);
        if ((size_t)(hash - word) > USERNAME_SIZE_MAX)
                return false;
        memcpy(name, word, (size_t)(hash - word));
        identity_id(c->public_key, id);
        return name_equal(c->name, name) && strncmp(id, hash + 1, strlen(hash + 1)) == 0;
}

static int find_unapproved(
        struct node *n, const char *word, struct certificate *ret, struct refusal *ret_refusal)
{
        struct certificate *waiting;
        size_t count, n_meant = 0;

        waiting = calloc(APPROVABLE_MAX, sizeof *waiting);
        if (!waiting)
                return -ENOMEM;
        count = ledger_unapproved(n->registry.engine, waiting, APPROVABLE_MAX);
        for (size_t i = 0; i < count; i++)
                if (is_meant(&waiting[i], word) && n_meant++ == 0)
                        *ret = waiting[i];
        free(waiting);
        if (n_meant == 0)
                return refuse(ret_refusal, REFUSAL_UNKNOWN_USER,
                        "Nothing waits for approval that is called \"%.100s\": see \"p2pchat "
                        "ledger "
                        "pending\".",
                        word);
        if (n_meant > 1)
                return refuse(ret_refusal, REFUSAL_AMBIGUOUS_USER,
                        "Several wait who want to be \"%.100s\": name one as name#id, as \"p2pchat "
                        "ledger pending\" shows them.",
                        word);
        return 0;
}

int node_ledger_approve(
        struct node *n, const char *word, struct now now, struct refusal *ret_refusal)
{
        struct registry *g = &n->registry;
        struct certificate c;
        int r;

        r = check_ready(n, ret_refusal);
        if (r == 0)
                r = find_unapproved(n, word, &c, ret_refusal);
        if (r != 0)
                return r;
        r = certificate_approve(&c, n->options.identity, &ledger_genesis(g->engine)->context);
        if (r > 0)
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "This machine is no registrar of %s: a registrar's machine has to approve "
                        "it.",
                        g->network);
        if (r == 0)
                r = ledger_submit(g->engine, &c, &now);
        return r > 0 && r != LEDGER_KNOWN ? refuse_name(n, r, c.name, now, ret_refusal) : MIN(r, 0);
}

/*
 * What became of ours
 */
static int warn_lost(struct node *n, const char *name)
{
        char sentence[SENTENCE_SIZE];

        (void)snprintf(sentence, sizeof sentence,
                "The name %s was not registered for this machine: somebody else has it in the "
                "ledger. Choose another one by \"p2pchat name\", and register that.",
                name);
        return node_warn(n, "NameTaken", "", sentence);
}

static int done_waiting(struct node *n)
{
        n->registry.record.n_waiting = 0;
        return node_registry_store(n);
}

/* It goes into the pool again if it is not there, and the answer tells why it cannot. */
static int look_at_waiting(struct node *n, struct certificate *c, struct now now)
{
        struct ledger_name held;
        bool is_ours = ledger_find_key(n->registry.engine, own_key(n), now.real_usec, &held) &&
                       name_equal(held.name, c->name);
        int r;

        r = ledger_submit(n->registry.engine, c, &now);
        switch (r) {
        case 0:
        case LEDGER_KNOWN:
        case LEDGER_FULL:
                return 0;
        case LEDGER_OUT_OF_TIME:
                /* It has waited for a week, or is in the chain. */
                if (c->kind != CERTIFICATE_REGISTER || is_ours)
                        return done_waiting(n);
                r = submit(n, c, now);
                return r > 0 ? done_waiting(n) : r;
        case LEDGER_TAKEN:
        case LEDGER_RESTS:
                r = c->kind == CERTIFICATE_REGISTER ? warn_lost(n, c->name) : 0;
                return r < 0 ? r : done_waiting(n);
        default:
                return r < 0 ? r : done_waiting(n);
        }
}

int node_registration_look(struct node *n, struct now now)
{
        struct registry *g = &n->registry;
        struct certificate c = { .kind = CERTIFICATE_REGISTER };
        struct ledger_name held;
        int r;

        if (!g->engine)
                return 0;
        if (get_waiting(n, &c))
                return look_at_waiting(n, &c, now);
        if (!ledger_find_key(g->engine, own_key(n), now.real_usec, &held) ||
                usec_sub(held.until_usec, now.real_usec) > RENEW_BEFORE_USEC)
                return 0;
        c = (struct certificate){ .kind = CERTIFICATE_REGISTER };
        memcpy(c.name, held.name, sizeof c.name);
        r = submit(n, &c, now);
        return r < 0 ? r : 0;
}

/*
 * Networks
 */
static int check_free(const struct node *n, struct refusal *ret_refusal)
{
        const struct registry *g = &n->registry;

        if (!g->is_on)
                return check_ready(n, ret_refusal);
        if (g->fixed[0])
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "The configuration says Network=%s in section [Ledger]: change it there.",
                        g->fixed);
        return 0;
}

static int add_registrars(const struct node *n, const char *const *words, size_t n_words,
        struct genesis *g, struct refusal *ret_refusal)
{
        struct certificate_context *x = &g->context;

        if (n_words > REGISTRARS_MAX)
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "%zu registrars are too many: at most %d.", n_words, REGISTRARS_MAX);
        for (size_t i = 0; i < n_words; i++) {
                uint8_t *key = x->registrars[x->n_registrars];
                int r = find_key(n, words[i], key, ret_refusal);

                if (r != 0)
                        return r;
                for (size_t k = 0; k < x->n_registrars; k++)
                        if (memcmp(x->registrars[k], key, PUBLIC_KEY_SIZE) == 0)
                                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                                        "\"%.100s\" is named twice.", words[i]);
                x->n_registrars++;
        }
        return 0;
}

int node_ledger_create(struct node *n, const char *name, const char *const *registrars,
        size_t n_registrars, struct now now, char ret_word[static GENESIS_WORD_SIZE],
        struct refusal *ret_refusal)
{
        struct genesis genesis = { 0 }, built_in;
        uint8_t data[GENESIS_SIZE_MAX];
        struct change c = { .type = CHANGE_BLOCK, .block = { .data = data } };
        int r;

        r = check_free(n, ret_refusal);
        if (r == 0 && !username_is_valid(name))
                r = refuse(ret_refusal, REFUSAL_INVALID_NAME,
                        "\"%.100s\" cannot be the name of a network: 3 to 20 of letters, digits, _ "
                        "and -.",
                        name);
        if (r == 0)
                r = add_registrars(n, registrars, n_registrars, &genesis, ret_refusal);
        if (r != 0)
                return r;
        genesis_built_in(&built_in);
        memcpy(genesis.name, name, strlen(name) + 1);
        genesis.bits = n_registrars > 0 ? 0 : built_in.bits;
        c.block.size = genesis_encode(&genesis, data);
        c.block.held_usec = now.real_usec;
        memcpy(c.block.network, genesis.context.network, sizeof c.block.network);
        genesis_word(&genesis, ret_word);
        r = agenda_add_change(&n->agenda, &c);
        return r < 0 ? r : node_registry_switch(n, ret_word);
}

static bool is_network_word(const char *word)
{
        const char *hash = strchr(word, '#');
        char name[USERNAME_SIZE_MAX + 1] = "";

        if (!hash || (size_t)(hash - word) > USERNAME_SIZE_MAX)
                return false;
        memcpy(name, word, (size_t)(hash - word));
        return username_is_valid(name) && word_is_id(hash + 1);
}

int node_ledger_join(struct node *n, const char *word, struct now now, struct refusal *ret_refusal)
{
        char built_in_word[GENESIS_WORD_SIZE];
        struct genesis built_in;
        int r;

        r = check_free(n, ret_refusal);
        if (r != 0)
                return r;
        genesis_built_in(&built_in);
        genesis_word(&built_in, built_in_word);
        if (!word[0])
                word = built_in_word;
        if (!is_network_word(word))
                return refuse(ret_refusal, REFUSAL_INVALID_ARGUMENT,
                        "\"%.100s\" is no network: it is called by a word like %s, as \"p2pchat "
                        "ledger\" shows it on a machine in it.",
                        word, built_in_word);
        if (streq(word, n->registry.network))
                return 0;
        return node_registry_switch(n, word);
}

/*
 * What there is
 */
void node_ledger_view(const struct node *n, struct now now, struct ledger_view *ret)
{
        const struct registry *g = &n->registry;
        struct certificate waiting;
        struct genesis built_in;

        *ret = (struct ledger_view){ .is_there = g->is_on };
        if (!g->is_on)
                return;
        genesis_built_in(&built_in);
        genesis_word(&built_in, ret->network);
        ret->is_built_in = streq(ret->network, g->network);
        memcpy(ret->network, g->network, sizeof ret->network);
        ret->is_fixed = g->fixed[0];
        ret->ledger = g->engine;
        memcpy(ret->disputed, g->disputed, sizeof ret->disputed);
        if (!g->engine)
                return;
        if (ledger_find_key(g->engine, own_key(n), now.real_usec, &ret->own))
                ret->registration = REGISTRATION_HELD;
        else if (get_waiting(n, &waiting) && waiting.kind == CERTIFICATE_REGISTER)
                ret->registration = REGISTRATION_WAITING;
}
