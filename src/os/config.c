/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration file
 *
 * One table says for each option where it goes, how it is read and between which limits; the
 * defaults are in config_init(). The reader of INI files does not tell line numbers, so lines are
 * counted here while they are handed to it.
 */
#include <dirent.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>

#include "os/config.h"
#include "os/log.h"
#include "os/resolve.h"

struct option {
        const char *section, *name;
        /* 0, or -EINVAL and in @why what is wanted; -ENOMEM. */
        int (*parse)(const struct option *o, const char *value, void *field, const char **why);
        size_t offset;
        uint64_t min, max;
        const char *wanted;
};

struct load {
        struct config *config;
        const char *path;
        FILE *file;
        unsigned line;
        config_mistake_fn fn;
        void *userdata;
        int error; /* -ENOMEM */
};

_printf_(2, 3) static void mistake(const struct load *l, const char *format, ...)
{
        char sentence[512];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(sentence, sizeof sentence, format, ap);
        va_end(ap);
        l->config->n_mistakes++;
        if (l->fn)
                l->fn(l->path, l->line, sentence, l->userdata);
        else if (l->line > 0)
                log_warning("%s:%u: %s", l->path, l->line, sentence);
        else
                log_warning("%s: %s", l->path, sentence);
}

/*
 * Options. Each parser knows the type of its field.
 */
static int parse_bool(const struct option *o, const char *value, void *field, const char **why)
{
        *why = "yes or no";
        return config_parse_bool(value, field);
}

static int parse_size(const struct option *o, const char *value, void *field, const char **why)
{
        uint64_t v;

        *why = o->wanted;
        if (config_parse_size(value, &v) < 0 || v < o->min || v > o->max)
                return -EINVAL;
        *(uint64_t *)field = v;
        return 0;
}

static int parse_span(const struct option *o, const char *value, void *field, const char **why)
{
        usec_t v;

        *why = o->wanted;
        if (config_parse_span(value, &v) < 0 || v < o->min || v > o->max)
                return -EINVAL;
        *(usec_t *)field = v;
        return 0;
}

static int parse_username(const struct option *o, const char *value, void *field, const char **why)
{
        *why = "3 to 20 of A-Z a-z 0-9 _ -";
        if (*value && !username_is_valid(value))
                return -EINVAL;
        memcpy(field, value, strlen(value) + 1);
        return 0;
}

static const char *const keep_words[] = {
        [CONFIG_KEEP_FULL] = "full",
        [CONFIG_KEEP_SEALED] = "sealed",
        [CONFIG_KEEP_NONE] = "none",
};

const char *config_keep_word(enum config_keep k)
{
        return keep_words[k];
}

static int parse_keep(const struct option *o, const char *value, void *field, const char **why)
{
        *why = "full, sealed or none";
        for (size_t i = 0; i < ELEMENTSOF(keep_words); i++)
                if (streq(value, keep_words[i])) {
                        *(enum config_keep *)field = (enum config_keep)i;
                        return 0;
                }
        return -EINVAL;
}

static int parse_accept_from(
        const struct option *o, const char *value, void *field, const char **why)
{
        static const char *const words[] = {
                [CONFIG_ACCEPT_NOBODY] = "nobody",
                [CONFIG_ACCEPT_VERIFIED] = "verified",
                [CONFIG_ACCEPT_CONTACTS] = "contacts",
        };

        *why = "nobody, verified or contacts";
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(value, words[i])) {
                        *(enum config_accept *)field = (enum config_accept)i;
                        return 0;
                }
        return -EINVAL;
}

static int parse_directory(const struct option *o, const char *value, void *field, const char **why)
{
        *why = "a path from the root, as /srv/files, of at most 255 bytes";
        if ((*value && *value != '/') || strlen(value) >= CONFIG_PATH_MAX)
                return -EINVAL;
        memcpy(field, value, strlen(value) + 1);
        return 0;
}

/*
 * Lists: one word of the line at a time
 */
static int add_endpoint(struct config_endpoints *list, const struct endpoint *e)
{
        struct endpoint *items = reallocarray(list->items, list->n + 1, sizeof *items);

        if (!items)
                return -ENOMEM;
        items[list->n++] = *e;
        list->items = items;
        return 0;
}

static int parse_broadcast(const struct option *o, const char *value, void *field, const char **why)
{
        struct config_endpoints *list = field;
        struct endpoint e;

        *why = "IPv4 addresses";
        if (!*value) {
                list->n = 0;
                return 0;
        }
        /* No port can be written: the dialects have theirs. */
        if (strchr(value, ':') || endpoint_parse(value, 0, &e) < 0 || list->n >= CONFIG_LIST_MAX)
                return -EINVAL;
        return add_endpoint(list, &e);
}

static int parse_peer(const struct option *o, const char *value, void *field, const char **why)
{
        struct config_endpoints *list = field;
        struct endpoint e;

        *why = "IPv4 addresses of peers, each with :port if it is not the usual one";
        if (!*value) {
                list->n = 0;
                return 0;
        }
        if (endpoint_parse(value, 0, &e) < 0 || e.family != ENDPOINT_IPV4 ||
                !endpoint_is_unicast(&e) || list->n >= CONFIG_LIST_MAX)
                return -EINVAL;
        return add_endpoint(list, &e);
}

static int parse_node_peer(const struct option *o, const char *value, void *field, const char **why)
{
        struct config_endpoints *list = field;
        struct endpoint e;

        *why = "at most 16 IPv4 addresses, each with :port";
        if (!*value) {
                list->n = 0;
                return 0;
        }
        if (endpoint_parse(value, 0, &e) < 0 || e.family != ENDPOINT_IPV4 || e.port == 0 ||
                !endpoint_is_unicast(&e) || list->n >= CONFIG_NODE_PEERS_MAX)
                return -EINVAL;
        return add_endpoint(list, &e);
}

static void clear_words(struct config_words *list)
{
        while (list->n > 0)
                free(list->items[--list->n]);
}

static int add_word(struct config_words *list, const char *word)
{
        char **items, *item;

        items = reallocarray(list->items, list->n + 1, sizeof *items);
        if (!items)
                return -ENOMEM;
        list->items = items;
        item = strdup(word);
        if (!item)
                return -ENOMEM;
        items[list->n++] = item;
        return 0;
}

static int parse_interface(const struct option *o, const char *value, void *field, const char **why)
{
        struct config_words *list = field;

        *why = "names of interfaces";
        if (!*value) {
                clear_words(list);
                return 0;
        }
        if (strlen(value) > 15 || strchr(value, '/') || list->n >= CONFIG_LIST_MAX)
                return -EINVAL;
        return add_word(list, value);
}

static int parse_bootstrap(const struct option *o, const char *value, void *field, const char **why)
{
        struct config_words *list = field;
        struct host host;

        *why = "at most 16 names or addresses of hosts, each with :port if it is not 6001";
        if (!*value) {
                clear_words(list);
                return 0;
        }
        if (host_parse(value, ENDPOINT_PORT_DEFAULT, &host) < 0 || list->n >= CONFIG_BOOTSTRAP_MAX)
                return -EINVAL;
        return add_word(list, value);
}

static int parse_network(const struct option *o, const char *value, void *field, const char **why)
{
        const char *hash = strchr(value, '#');
        char name[USERNAME_SIZE_MAX + 1] = "";
        uint8_t bytes[CONFIG_NETWORK_BYTES];

        *why = "NAME#HASH, the word of a network as p2pchat ledger shows it";
        if (*value) {
                if (!hash || hash - value > USERNAME_SIZE_MAX)
                        return -EINVAL;
                memcpy(name, value, (size_t)(hash - value));
                if (!username_is_valid(name) || base32_decode(hash + 1, bytes, sizeof bytes) < 0)
                        return -EINVAL;
        }
        memcpy(field, value, strlen(value) + 1);
        return 0;
}

#define COUNT_MAX UINT64_C(1000000)
#define FIELD(f) offsetof(struct config, f)
static const struct option options[] = {
        { "Identity", "Username", parse_username, FIELD(username) },
        { "Lan", "Announce", parse_bool, FIELD(announce) },
        { "Lan", "Broadcast", parse_broadcast, FIELD(broadcast) },
        { "Lan", "Peers", parse_peer, FIELD(peers) },
        { "Lan", "Interfaces", parse_interface, FIELD(interfaces) },
        { "Link", "MaxLinks", parse_size, FIELD(links_max), 1, 65536, "a number from 1 to 65536" },
        { "Link", "MaxLinksPerAddress", parse_size, FIELD(links_per_address_max), 1, 65536,
                "a number from 1 to 65536" },
        { "Link", "MaxStrangers", parse_size, FIELD(strangers_max), 1, 65536,
                "a number from 1 to 65536" },
        { "Legacy", "Compat", parse_bool, FIELD(compat) },
        { "Legacy", "Second", parse_bool, FIELD(second) },
        { "Legacy", "NodePort", parse_size, FIELD(node_port), 0, UINT16_MAX,
                "a number from 0 (off) to 65535" },
        { "Legacy", "NodePeers", parse_node_peer, FIELD(node_peers) },
        { "History", "Keep", parse_keep, FIELD(keep) },
        { "History", "MaxAge", parse_span, FIELD(age_max_usec), USEC_PER_MINUTE, USEC_INFINITY,
                "a time of at least 1min, such as 30d, or infinity" },
        { "Ring", "Enabled", parse_bool, FIELD(ring) },
        { "Ring", "Bootstrap", parse_bootstrap, FIELD(bootstrap) },
        { "Ring", "Links", parse_size, FIELD(ring_links_max), 8, 448, "a number from 8 to 448" },
        { "Ledger", "Enabled", parse_bool, FIELD(ledger) },
        { "Ledger", "Network", parse_network, FIELD(network) },
        { "Files", "AcceptFrom", parse_accept_from, FIELD(accept_from) },
        { "Files", "AcceptInto", parse_directory, FIELD(accept_into) },
        { "Files", "AcceptMax", parse_size, FIELD(accept_size_max), 1, UINT64_C(4) << 30,
                "a size from 1 to 4G" },
        { "Limits", "Users", parse_size, FIELD(users_max), 1, COUNT_MAX,
                "a number from 1 to 1000000" },
        { "Limits", "QueueMessages", parse_size, FIELD(queue_messages_max), 1, COUNT_MAX,
                "a number from 1 to 1000000" },
        { "Limits", "QueueBytes", parse_size, FIELD(queue_bytes_max), 64 * 1024, UINT64_C(1) << 40,
                "a size from 64K to 1T" },
        { "Limits", "SpoolPerUser", parse_size, FIELD(spool_user_max), 1, UINT64_C(1) << 50,
                "a size from 1 to 1024T" },
        { "Limits", "SpoolTotal", parse_size, FIELD(spool_max), 1, UINT64_C(1) << 50,
                "a size from 1 to 1024T" },
};

static bool is_list(const struct option *o)
{
        return o->parse == parse_broadcast || o->parse == parse_peer ||
               o->parse == parse_node_peer || o->parse == parse_interface ||
               o->parse == parse_bootstrap;
}

void config_init(struct config *c)
{
        *c = (struct config){
                .announce = true,
                .links_max = 512,
                .links_per_address_max = 16,
                .strangers_max = 64,
                .compat = true,
                .second = true,
                .keep = CONFIG_KEEP_FULL,
                .age_max_usec = USEC_INFINITY,
                .ring = true,
                .ring_links_max = 64,
                .ledger = true,
                .users_max = 10000,
                .queue_messages_max = 10000,
                .queue_bytes_max = UINT64_C(64) << 20,
                .accept_size_max = UINT64_C(1) << 30,
                .spool_user_max = UINT64_C(8) << 30,
                .spool_max = UINT64_C(16) << 30,
        };
}

void config_done(struct config *c)
{
        free(c->broadcast.items);
        free(c->peers.items);
        free(c->node_peers.items);
        clear_words(&c->interfaces);
        free(c->interfaces.items);
        clear_words(&c->bootstrap);
        free(c->bootstrap.items);
        config_init(c);
}

/*
 * Files
 */
static void take_value(struct load *l, const struct option *o, const char *value)
{
        const char *why = NULL;
        int r = o->parse(o, value, (uint8_t *)l->config + o->offset, &why);

        if (r == -EINVAL)
                mistake(l, "%s=: \"%s\" is ignored: wanted are %s", o->name, value, why);
        else if (r < 0)
                l->error = r;
}

static void take_list(struct load *l, const struct option *o, const char *value)
{
        size_t n = 0;

        for (;;) {
                char word[256]; /* longer than any line */
                size_t size;

                value += strspn(value, " \t,");
                size = strcspn(value, " \t,");
                if (size == 0)
                        break;
                (void)snprintf(word, sizeof word, "%.*s", (int)MIN(size, sizeof word), value);
                take_value(l, o, word);
                value += size;
                n++;
        }
        if (n == 0)
                take_value(l, o, "");
}

/* Always 1: a mistake in one line says nothing about the next. */
static int on_option(void *userdata, const char *section, const char *name, const char *value)
{
        struct load *l = userdata;
        bool known = false;

        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                const struct option *o = &options[i];

                if (!streq(o->section, section))
                        continue;
                known = true;
                if (!streq(o->name, name))
                        continue;
                if (is_list(o))
                        take_list(l, o, value);
                else
                        take_value(l, o, value);
                return 1;
        }
        if (known)
                mistake(l, "unknown option %s= in section [%s], ignored", name, section);
        else
                mistake(l, "unknown section [%s], %s= ignored", section, name);
        return 1;
}

/* What the INI reader would pass over without a word about the line. */
static const char *line_mistake(const char *s)
{
        if (*s == '[')
                return strchr(s, ']') ? NULL : "a section must end with \"]\", ignored";
        if (strchr(" \t\r\n;#", *s))
                return NULL;
        return strpbrk(s, "=:") ? NULL : "neither \"[Section]\" nor \"Option=value\", ignored";
}

static char *read_line(char *line, int size, void *userdata)
{
        struct load *l = userdata;
        const char *why;
        int c;

        if (!fgets(line, size, l->file))
                return NULL;
        l->line++;

        if (!strchr(line, '\n') && (c = getc(l->file)) != EOF) {
                if (c != '\n') {
                        while ((c = getc(l->file)) != EOF && c != '\n')
                                ;
                        mistake(l, "line is too long, ignored; a list may go on in further lines");
                        line[0] = 0;
                }
                return line;
        }
        why = line_mistake(line);
        if (why) {
                mistake(l, "%s", why);
                line[0] = 0;
        }
        return line;
}

/* Some editors put a byte order mark in front. */
static void skip_order_mark(FILE *f)
{
        char mark[3];

        if (fread(mark, 1, sizeof mark, f) != sizeof mark || memcmp(mark, "\xef\xbb\xbf", 3) != 0)
                rewind(f);
}

static int load_file(struct load *l, const char *path)
{
        int r = 0;

        l->path = path;
        l->line = 0;
        l->file = fopen(path, "re");
        if (!l->file) {
                r = -errno;
                if (r == -ENOENT)
                        return 0;
                mistake(l, "cannot be read: %s", strerror(-r));
                return r;
        }
        skip_order_mark(l->file);
        if (ini_parse_stream(read_line, l, on_option, l) < 0)
                r = -ENOMEM;
        if (r == 0 && ferror(l->file)) {
                r = -EIO;
                l->line = 0;
                mistake(l, "cannot be read: %s", strerror(-r));
        }
        (void)fclose(l->file);
        return r < 0 ? r : l->error;
}

static int is_fragment(const struct dirent *d)
{
        size_t n = strlen(d->d_name);

        return d->d_name[0] != '.' && n > 5 && streq(d->d_name + n - 5, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

int config_load(struct config *c, const char *path, config_mistake_fn fn, void *userdata)
{
        struct load l = { .config = c, .fn = fn, .userdata = userdata };
        _cleanup_(freep)
        char *directory = NULL;
        struct dirent **entries = NULL;
        int r, n;

        r = load_file(&l, path);
        if (asprintf(&directory, "%s.d", path) < 0) {
                directory = NULL;
                return -ENOMEM;
        }
        n = scandir(directory, &entries, is_fragment, by_name);
        if (n < 0)
                return errno == ENOENT || errno == ENOTDIR ? r : -errno;

        for (int i = 0; i < n; i++) {
                _cleanup_(freep)
                char *fragment = NULL;
                int k = -ENOMEM;

                if (asprintf(&fragment, "%s/%s", directory, entries[i]->d_name) < 0)
                        fragment = NULL;
                else
                        k = load_file(&l, fragment);
                if (r == 0)
                        r = k;
                free(entries[i]);
        }
        free(entries);
        return r;
}
