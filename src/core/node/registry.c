/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our network of the ledger
 *
 *     sessions --frames--> the engine --> blocks to the store, frames to others
 *                              |
 *                              +--> what names mean (certify.c), what became of our own
 * (register.c)
 *
 * Members talk in whatever session there is, for a chat or for the ring; none is opened for the
 * ledger. Whose network is another one is no member of ours, until its tip says otherwise. Who
 * knows of a network no more than its word asks all it meets for the genesis.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/ledger/gossip.h"
#include "core/node/node-private.h"

#define LOOK_USEC USEC_PER_HOUR
#define BANNED_USEC USEC_PER_HOUR
/* Questions that are answered in a turn: an answer is up to 60 kB, and all of a turn are in memory
 * at once. An honest member has no more than five of them open. */
#define TURN_QUESTIONS_MAX 256
#define TURN_QUESTIONS_LINK_MAX 16
#define LOADING_LINK_MAX 8 /* blocks that are read for one session */
#define MEETING_SOURCES 512
#define MEETINGS_MAX 32 /* of one address, in a minute */

int node_registry_init(struct node *n, const uint8_t key[static TABLE_KEY_SIZE])
{
        struct registry *g = &n->registry;
        struct genesis built_in;

        g->look_usec = USEC_INFINITY;
        g->ban_warnings = (struct ratelimit){ .interval_usec = USEC_PER_MINUTE, .burst = 5 };
        g->dispute_warnings = g->borrower_warnings = g->ban_warnings;
        if (!n->options.ledger || !n->options.identity)
                return 0;
        g->is_on = g->is_loading = true;
        n->self.features |= FEATURE_LEDGER;
        genesis_built_in(&built_in);
        genesis_word(&built_in, g->network);
        if (n->options.network)
                (void)snprintf(g->fixed, sizeof g->fixed, "%s", n->options.network);
        n->options.network = NULL;
        return ratelimits_init(
                &g->meetings_at, MEETING_SOURCES, USEC_PER_MINUTE, MEETINGS_MAX, key);
}

void node_registry_done(struct node *n)
{
        n->registry.engine = ledger_free(n->registry.engine);
        ratelimits_done(&n->registry.meetings_at);
}

/*
 * Which network
 */
static void choose_word(const struct node *n, const struct ledger_record *record,
        char ret[static GENESIS_WORD_SIZE])
{
        struct genesis built_in;

        if (n->registry.fixed[0]) {
                memcpy(ret, n->registry.fixed, GENESIS_WORD_SIZE);
        } else if (record->network[0]) {
                memcpy(ret, record->network, GENESIS_WORD_SIZE);
        } else {
                genesis_built_in(&built_in);
                genesis_word(&built_in, ret);
        }
}

static bool is_of_word(const struct genesis *genesis, const char *word)
{
        char its[GENESIS_WORD_SIZE];

        genesis_word(genesis, its);
        return streq(its, word);
}

bool node_ledger_is_network(
        const struct node *n, const struct ledger_record *ledger, const void *data, size_t size)
{
        char word[GENESIS_WORD_SIZE];
        struct genesis genesis;

        choose_word(n, ledger, word);
        return genesis_decode(data, size, &genesis) == 0 && is_of_word(&genesis, word);
}

int node_restore_ledger(struct node *n, const struct ledger_record *ledger,
        const struct block_record *genesis, struct now now)
{
        struct registry *g = &n->registry;
        struct ledger_options options = { .random = n->random };
        struct genesis own;

        if (!g->is_on)
                return 0;
        g->record = *ledger;
        choose_word(n, ledger, g->network);
        g->is_fresh = g->is_changed = true;
        g->is_loading = g->has_debris = false;
        g->engine = ledger_free(g->engine);
        genesis_built_in(&own);
        if (!is_of_word(&own, g->network) &&
                (!genesis || genesis_decode(genesis->data, genesis->size, &own) < 0))
                return 0;
        options.genesis = &own;
        return ledger_new(&options, &g->engine);
}

static int give_up_blocks(struct node *n, uint32_t height)
{
        char sentence[SENTENCE_SIZE];

        n->registry.has_debris = true;
        (void)snprintf(sentence, sizeof sentence,
                "Block %" PRIu32 " of the ledger %s is damaged on disk: the chain is got anew from "
                "others from there on. \"p2pchat ledger verify\" tells more.",
                height, n->registry.network);
        return node_warn(n, "Ledger", "", sentence);
}

int node_restore_block(struct node *n, const struct block_record *block, struct now now)
{
        struct registry *g = &n->registry;
        struct ledger_status status;
        int r = LEDGER_INVALID;

        if (!g->engine || g->has_debris)
                return 1;
        ledger_status(g->engine, &status);
        if (block->size > 0 && block->height == status.height + 1)
                r = ledger_restore(g->engine, block->data, block->size, block->held_usec);
        if (r <= 0)
                return r;
        r = give_up_blocks(n, status.height + 1);
        return r < 0 ? r : 1;
}

int node_registry_store(struct node *n)
{
        return agenda_add_change(&n->agenda,
                &(struct change){ .type = CHANGE_LEDGER, .ledger = n->registry.record });
}

int node_registry_switch(struct node *n, const char *word)
{
        struct registry *g = &n->registry;
        struct genesis built_in;
        int r;

        genesis_built_in(&built_in);
        g->record = (struct ledger_record){ 0 };
        if (!is_of_word(&built_in, word))
                memcpy(g->record.network, word, strlen(word) + 1);
        choose_word(n, &g->record, g->network);
        g->engine = ledger_free(g->engine);
        g->disputed[0] = 0;
        memset(g->banned, 0, sizeof g->banned);
        g->is_loading = true;
        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);

                link->is_member = false;
                link->n_loading = 0;
        }
        r = node_registry_store(n);
        return r < 0 ? r
                     : agenda_add_effect(&n->agenda, &(struct effect){ .type = EFFECT_LOAD_CHAIN });
}

/*
 * Sessions
 */
static struct ledger_peer peer_of(const struct ring_id *position)
{
        struct ledger_peer peer;

        memcpy(peer.bytes, position->bytes, sizeof peer.bytes);
        return peer;
}

static struct link *session_of(const struct node *n, const struct ledger_peer *peer)
{
        char id[ID_STRING_SIZE];
        struct ring_id position;

        memcpy(position.bytes, peer->bytes, sizeof position.bytes);
        ring_id_to_id(&position, id);
        return node_session_with(n, id);
}

static bool is_banned(const struct node *n, const struct ledger_peer *peer, struct now now)
{
        const struct registry *g = &n->registry;

        for (size_t i = 0; i < BANNED_MAX; i++)
                if (g->banned[i].until_usec > now.mono_usec &&
                        memcmp(&g->banned[i].peer, peer, sizeof *peer) == 0)
                        return true;
        return false;
}

static int say(struct node *n, struct link *link, const void *data, size_t size, struct now now)
{
        struct message m = { .type = FRAME_LEDGER, .ledger = { .data = data, .size = size } };

        return node_native_tell(n, link, &m, now);
}

static int ask_for_genesis(struct node *n, struct link *link, struct now now)
{
        static const uint8_t ask = GOSSIP_GET_GENESIS;

        return say(n, link, &ask, sizeof ask, now);
}

/* The engine has so many places, and keys cost nothing: a fourth is for contacts. */
static bool has_place_for(const struct node *n, const struct link *link)
{
        size_t count = 0, max = LEDGER_PEERS_MAX;

        if (!link->peer || !peer_is_contact(link->peer))
                max -= max / 4;
        list_for_each (i, &n->links) {
                const struct link *other = container_of(i, const struct link, list);

                count += other->is_member &&
                         memcmp(&other->position, &link->position, sizeof link->position) != 0;
        }
        return count < max;
}

/* Who is not taken now comes again with his next tip. */
int node_registry_met(struct node *n, struct link *link, struct now now)
{
        struct registry *g = &n->registry;
        struct ledger_peer peer = peer_of(&link->position);

        if (!g->is_on || !(session_peer(link->session)->features & FEATURE_LEDGER) ||
                is_banned(n, &peer, now))
                return 0;
        if (g->is_loading || g->is_fresh)
                return 0; /* soon */
        if (!ratelimits_allow(&g->meetings_at, &link->remote, now.mono_usec))
                return 0;
        if (!g->engine)
                return ask_for_genesis(n, link, now);
        if (!has_place_for(n, link))
                return 0;
        link->is_member = true;
        return ledger_connected(g->engine, &peer, &now);
}

int node_registry_lost(struct node *n, const struct ring_id *position, struct now now)
{
        struct ledger_peer peer = peer_of(position);

        return n->registry.engine ? ledger_gone(n->registry.engine, &peer, &now) : 0;
}

/* All with whom there is a session hear of the chain that was restored. */
static int meet_all(struct node *n, struct now now)
{
        uint64_t *numbers;
        size_t count = 0;
        int r = 0;

        numbers = calloc(n->links_by_number.n + 1, sizeof *numbers);
        if (!numbers)
                return -ENOMEM;
        n->registry.is_fresh = false;
        list_for_each (i, &n->links) {
                struct link *link = container_of(i, struct link, list);

                if (link->session && link->is_proven)
                        numbers[count++] = link->number;
        }
        for (size_t i = 0; i < count && r == 0; i++) {
                struct link *link = node_link(n, numbers[i]);

                r = link ? node_registry_met(n, link, now) : 0;
        }
        free(numbers);
        return r;
}

static int take_genesis(struct node *n, const struct gossip *m)
{
        struct registry *g = &n->registry;
        struct change c = { .type = CHANGE_BLOCK, .block = { .data = m->data, .size = m->size } };
        struct genesis genesis;
        int r;

        if (g->engine || g->is_loading || genesis_decode(m->data, m->size, &genesis) < 0 ||
                !is_of_word(&genesis, g->network))
                return 0;
        memcpy(c.block.network, genesis.context.network, sizeof c.block.network);
        r = agenda_add_change(&n->agenda, &c);
        if (r < 0)
                return r;
        g->is_loading = true;
        return agenda_add_effect(&n->agenda, &(struct effect){ .type = EFFECT_LOAD_CHAIN });
}

static int give_genesis(struct node *n, struct link *link, struct now now)
{
        struct genesis genesis;
        uint8_t data[1 + GENESIS_SIZE_MAX] = { GOSSIP_GENESIS };

        if (!n->registry.engine)
                return 0;
        genesis = *ledger_genesis(n->registry.engine);
        return say(n, link, data, 1 + genesis_encode(&genesis, data + 1), now);
}

static int tell_tip(struct node *n, struct link *link, struct now now)
{
        uint8_t data[LEDGER_MESSAGE_SIZE_MAX];

        return say(n, link, data, ledger_write_tip(n->registry.engine, data), now);
}

/* Who has come to our network becomes a member; who is in another one is none, and hears that. */
static int take_tip(struct node *n, struct link *link, const struct gossip *m, struct now now)
{
        const struct genesis *ours = ledger_genesis(n->registry.engine);
        bool is_ours = memcmp(m->network, ours->context.network, HASH_SIZE) == 0;
        bool was_member = link->is_member;
        uint64_t number = link->number;
        int r;

        if (is_ours)
                return was_member ? 0 : node_registry_met(n, link, now);
        link->is_member = false;
        if (!was_member)
                return 0;
        r = tell_tip(n, link, now);
        link = node_link(n, number);
        return r < 0 || !link ? r : node_registry_lost(n, &link->position, now);
}

static bool is_flood(struct registry *g, struct link *link)
{
        if (link->ledger_turn != g->turn)
                link->n_questions = 0;
        link->ledger_turn = g->turn;
        return link->n_questions++ >= TURN_QUESTIONS_LINK_MAX ||
               g->n_questions++ >= TURN_QUESTIONS_MAX;
}

static bool is_question(const struct gossip *m)
{
        return m->kind == GOSSIP_GET_HEADERS || m->kind == GOSSIP_GET_BLOCK ||
               m->kind == GOSSIP_GET_GENESIS;
}

int node_registry_receive(
        struct node *n, struct link *link, const void *data, size_t size, struct now now)
{
        struct registry *g = &n->registry;
        struct ledger_peer peer = peer_of(&link->position);
        struct gossip m;
        int r = 0;

        if (!g->is_on || !link->is_proven || is_banned(n, &peer, now))
                return 0;
        if (gossip_decode(data, size, &m) == 0) {
                if (is_question(&m) && is_flood(g, link))
                        return 0;
                if (m.kind == GOSSIP_GENESIS)
                        return take_genesis(n, &m);
                if (m.kind == GOSSIP_GET_GENESIS)
                        return give_genesis(n, link, now);
                if (m.kind == GOSSIP_TIP && g->engine)
                        r = take_tip(n, link, &m, now);
        }
        if (r < 0 || !g->engine)
                return r;
        return ledger_receive(g->engine, &peer, data, size, &now);
}

int node_block_loaded(struct node *n, const struct ledger_peer *peer, const void *data, size_t size,
        struct now now)
{
        struct link *link = session_of(n, peer);

        if (link && link->n_loading > 0)
                link->n_loading--;
        if (!n->registry.engine || !data)
                return 0;
        return ledger_loaded(n->registry.engine, peer, data, size, &now);
}

/*
 * What comes of it
 */
static int ban(struct node *n, const struct ledger_peer *peer, struct now now)
{
        struct registry *g = &n->registry;
        struct link *link = session_of(n, peer);
        char sentence[SENTENCE_SIZE], address[ENDPOINT_STRING_MAX];

        g->banned[g->banned_next++ % BANNED_MAX] = (struct banned){
                .peer = *peer,
                .until_usec = usec_add(now.mono_usec, BANNED_USEC),
        };
        if (!link)
                return 0;
        link->is_member = false;
        if (!ratelimit_allow(&g->ban_warnings, now.mono_usec))
                return 0;
        (void)snprintf(sentence, sizeof sentence,
                "%.8s… at %s sends records or blocks that no honest member of the ledger has: it "
                "is not listened to about the ledger for an hour.",
                session_peer(link->session)->id, endpoint_format(&link->remote, address));
        return node_warn(n, "Ledger", "", sentence);
}

static int report(struct node *n, const struct ledger_effect *e, struct now now)
{
        struct registry *g = &n->registry;

        (void)snprintf(g->disputed, sizeof g->disputed,
                "There is a heavier chain of %s whose block %" PRIu32
                " is %02x%02x%02x%02x… and not "
                "the one that is final here: the two parts of the network were apart for too long. "
                "Neither is given up; decide which to keep, and have the others join anew.",
                g->network, e->height, e->hash[0], e->hash[1], e->hash[2], e->hash[3]);
        /* Where blocks need no work, it costs nothing to say so. */
        return ratelimit_allow(&g->dispute_warnings, now.mono_usec)
                       ? node_warn(n, "Ledger", "", g->disputed)
                       : 0;
}

static int store_block(struct node *n, const struct ledger_effect *e)
{
        struct registry *g = &n->registry;
        struct change c = { .type = CHANGE_BLOCK,
                .block = { .height = e->height,
                        .held_usec = e->held_usec,
                        .data = e->data,
                        .size = e->size } };
        int r;

        memcpy(c.block.network, ledger_genesis(g->engine)->context.network, HASH_SIZE);
        g->is_changed = true;
        r = agenda_add_change(&n->agenda, &c);
        if (r < 0 || !g->has_debris)
                return r;
        g->has_debris = false;
        c.type = CHANGE_BLOCKS_GONE;
        c.block.size = 0;
        return agenda_add_change(&n->agenda, &c);
}

static int drop_blocks(struct node *n, const struct ledger_effect *e)
{
        struct change c = { .type = CHANGE_BLOCKS_GONE, .block = { .height = e->height } };

        n->registry.is_changed = true;
        memcpy(c.block.network, ledger_genesis(n->registry.engine)->context.network, HASH_SIZE);
        return agenda_add_change(&n->agenda, &c);
}

static int load_block(struct node *n, const struct ledger_effect *e)
{
        struct effect out = { .type = EFFECT_LOAD_BLOCK,
                .load_block = { .height = e->height, .peer = e->peer } };
        struct link *link = session_of(n, &e->peer);

        if (!link || link->n_loading >= LOADING_LINK_MAX)
                return 0;
        link->n_loading++;
        memcpy(out.load_block.network, ledger_genesis(n->registry.engine)->context.network,
                HASH_SIZE);
        return agenda_add_effect(&n->agenda, &out);
}

static int take_effect(struct node *n, const struct ledger_effect *e, struct now now)
{
        struct link *link;

        switch (e->type) {
        case LEDGER_SEND:
                link = session_of(n, &e->peer);
                return link ? say(n, link, e->data, e->size, now) : 0;
        case LEDGER_LOAD:
                return load_block(n, e);
        case LEDGER_APPEND:
                return store_block(n, e);
        case LEDGER_REORGANISE:
                return drop_blocks(n, e);
        case LEDGER_CERTIFIED:
                return node_certified(n, e, now);
        case LEDGER_REPORT:
                return report(n, e, now);
        case LEDGER_BAN:
                return ban(n, &e->peer, now);
        }
        return 0;
}

static int drain(struct node *n, struct now now)
{
        struct ledger_effect e;
        int r = 0;

        while (r >= 0 && n->registry.engine && ledger_next_effect(n->registry.engine, &e))
                r = take_effect(n, &e, now);
        return r < 0 ? r : 0;
}

int node_registry_end_turn(struct node *n, struct now now)
{
        struct registry *g = &n->registry;
        int r = 0;

        g->turn++;
        g->n_questions = 0;
        if (!g->is_on)
                return 0;
        if (g->is_fresh)
                r = meet_all(n, now);
        if (r >= 0)
                r = drain(n, now);
        if (r < 0 || !g->is_changed)
                return r;
        g->is_changed = false;
        g->look_usec = usec_add(now.mono_usec, LOOK_USEC);
        r = node_certify_all(n, now);
        if (r >= 0)
                r = node_registration_look(n, now);
        return r < 0 ? r : drain(n, now);
}

int node_registry_advance(struct node *n, struct now now)
{
        struct registry *g = &n->registry;

        if (!g->engine)
                return 0;
        g->is_changed |= g->look_usec <= now.mono_usec;
        return ledger_advance(g->engine, &now);
}

usec_t node_registry_deadline(const struct node *n)
{
        const struct registry *g = &n->registry;

        return g->engine ? usec_min(ledger_deadline(g->engine), g->look_usec) : USEC_INFINITY;
}

bool node_ledger_is_mining(const struct node *n, struct now now)
{
        return n->registry.engine && ledger_is_mining(n->registry.engine, &now);
}

int node_ledger_mine(struct node *n, unsigned n_hashes, struct now now)
{
        return n->registry.engine ? ledger_mine(n->registry.engine, n_hashes, &now) : 0;
}
