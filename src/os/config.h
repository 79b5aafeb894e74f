/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The configuration file
 *
 * FILE and FILE.d's *.conf in the order of their names, later ones on top of earlier ones. A
 * mistake is reported with file and line, and the default stands. A list is one line of words
 * between blanks or commas; further lines add to it, an empty one clears it.
 */
#include "base/encode.h"
#include "base/endpoint.h"
#include "base/text.h"
#include "base/usec.h"

#define CONFIG_PATH "/etc/p2pchat/p2pchat.conf"
#define CONFIG_LIST_MAX 256      /* entries of one list */
#define CONFIG_NODE_PEERS_MAX 16 /* of that one */
#define CONFIG_BOOTSTRAP_MAX 16
#define CONFIG_PATH_MAX 256
#define CONFIG_NETWORK_BYTES 16 /* of the hash in the word of a network */
#define CONFIG_NETWORK_SIZE (USERNAME_SIZE_MAX + 1 + BASE32_SIZE(CONFIG_NETWORK_BYTES))

enum config_keep {
        CONFIG_KEEP_FULL,
        CONFIG_KEEP_SEALED,
        CONFIG_KEEP_NONE,
};

/* Whose offers are accepted without asking. */
enum config_accept {
        CONFIG_ACCEPT_NOBODY,
        CONFIG_ACCEPT_VERIFIED,
        CONFIG_ACCEPT_CONTACTS,
};

struct config_endpoints {
        struct endpoint *items;
        size_t n;
};

struct config_words {
        char **items;
        size_t n;
};

struct config {
        /* [Identity] */
        char username[USERNAME_SIZE_MAX + 1]; /* "": not fixed */

        /* [Lan] */
        bool announce;
        struct config_endpoints broadcast; /* directed broadcast addresses, IPv4, port 0 */
        struct config_endpoints peers;     /* announced to by unicast; port 0 when not written */
        struct config_words interfaces;    /* names; none: all */

        /* [Link] */
        uint64_t links_max;
        uint64_t links_per_address_max;
        uint64_t strangers_max;

        /* [Legacy] */
        bool compat;
        bool second;
        uint64_t node_port;                 /* TCP, of the third dialect; 0: it is not spoken */
        struct config_endpoints node_peers; /* that a connection of it is kept to */

        /* [History] */
        enum config_keep keep;
        usec_t age_max_usec; /* USEC_INFINITY: for ever */

        /* [Ring] */
        bool ring;
        struct config_words bootstrap; /* as host_parse() takes them (os/resolve.h) */
        uint64_t ring_links_max;

        /* [Ledger] */
        bool ledger;
        char network[CONFIG_NETWORK_SIZE]; /* NAME#hash; "": not fixed */

        /* [Files] */
        enum config_accept accept_from;
        char accept_into[CONFIG_PATH_MAX]; /* a directory; "": the default */
        uint64_t accept_size_max;

        /* [Limits] */
        uint64_t users_max;
        uint64_t queue_messages_max;
        uint64_t queue_bytes_max;
        uint64_t spool_user_max; /* bytes of files under way: of one user of this machine, */
        uint64_t spool_max;      /* and of all */

        unsigned n_mistakes; /* reported while loading */
};

const char *config_keep_word(enum config_keep k);

/* @line 0: the file as a whole. */
typedef void (*config_mistake_fn)(
        const char *path, unsigned line, const char *sentence, void *userdata);

void config_init(struct config *c);
void config_done(struct config *c);
/* Into an initialised @c. A missing file is fine. @fn NULL: mistakes are logged as warnings. 0, or
 * -errno when a file is there but cannot be read; what could be read is taken then. */
int config_load(struct config *c, const char *path, config_mistake_fn fn, void *userdata);

/* "30d", "1h 30min", "10min", "90" (seconds), "infinity". 0 or -EINVAL. */
int config_parse_span(const char *s, usec_t *ret);
/* "64M", "4K", "1G", "512" (bytes). 0 or -EINVAL. */
int config_parse_size(const char *s, uint64_t *ret);
/* "yes", "true", "on", "1" and their opposites. 0 or -EINVAL. */
int config_parse_bool(const char *s, bool *ret);
