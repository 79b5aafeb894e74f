/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our addresses, and where announcements go from them */
#include "daemon/network.h"
#include "daemon/manager.h"
#include "os/fd.h"
#include "os/log.h"
#include "os/socket.h"

/* Changes come in bursts: an interface that comes up is worth one announcement. */
#define SETTLE_USEC (200 * USEC_PER_MSEC)

#define BROADCAST endpoint_ipv4(255, 255, 255, 255, 0)
#define LOOPBACK_BROADCAST endpoint_ipv4(127, 255, 255, 255, 0)

static bool is_loopback_address(const struct endpoint *e)
{
        return e->family == ENDPOINT_IPV4 && e->address[0] == 127;
}

static bool is_wanted(const struct config_words *wanted, const char *name)
{
        for (size_t i = 0; i < wanted->n; i++)
                if (streq(wanted->items[i], name))
                        return true;
        return wanted->n == 0;
}

static bool is_announced_from(
        const struct interface *list, size_t n, const struct interface_address *a)
{
        for (size_t i = 0; i < n; i++)
                if (list[i].index == a->index && list[i].n_broadcast > 0 &&
                        list[i].address.family == a->address.family)
                        return true;
        return false;
}

/* Once per interface and family, however many addresses it has. */
static bool announces(const struct config *config, const struct interface_address *a,
        const struct interface *list, size_t n)
{
        bool is_ipv6 = a->address.family == ENDPOINT_IPV6;

        return a->is_up && (is_ipv6 ? a->can_multicast : a->can_broadcast) && !a->is_loopback &&
               is_wanted(&config->interfaces, a->name) && !is_announced_from(list, n, a);
}

/* Link-local addresses are those with a scope. No other one of IPv6 is of use: on that, we know
 * ourselves by our id. */
static bool is_of_use(const struct interface_address *a, bool ipv6)
{
        return a->address.family == ENDPOINT_IPV4 || (ipv6 && a->address.scope != 0);
}

static struct endpoint destination(const struct interface_address *a)
{
        struct endpoint group = DATAGRAMS_GROUP;

        if (a->address.family == ENDPOINT_IPV4)
                return BROADCAST;
        group.scope = a->index;
        return group;
}

/* What the configuration names goes where the routing table says: interface 0. */
static size_t add_directed(const struct config *config, struct interface *list, size_t n)
{
        size_t n_own = n > 0 && list[0].address.family == ENDPOINT_IPV4 ? n : 0;

        for (size_t i = 0; i < config->broadcast.n && n_own > 0; i++) {
                struct interface *last = &list[n - 1];

                if (n == n_own || last->n_broadcast == ELEMENTSOF(last->broadcast)) {
                        last = &list[n++];
                        *last = (struct interface){ .address = list[0].address };
                }
                last->broadcast[last->n_broadcast++] = config->broadcast.items[i];
        }
        return n;
}

static int compare(const void *a, const void *b)
{
        const struct interface *x = a, *y = b;

        if (x->address.family != y->address.family)
                return x->address.family == ENDPOINT_IPV4 ? -1 : 1;
        /* Those that announce first, so that these are kept when there are too many. */
        if ((x->n_broadcast > 0) != (y->n_broadcast > 0))
                return x->n_broadcast > 0 ? -1 : 1;
        if (x->index != y->index)
                return x->index < y->index ? -1 : 1;
        return memcmp(&x->address, &y->address, sizeof x->address);
}

static size_t choose(const struct config *config, bool ipv6, const struct interface_address *all,
        size_t n_all, struct interface *list)
{
        size_t n = 0;

        for (size_t i = 0; i < n_all; i++) {
                struct interface *to = &list[n];

                if (!is_of_use(&all[i], ipv6))
                        continue;
                *to = (struct interface){ .index = all[i].index, .address = all[i].address };
                if (announces(config, &all[i], list, n))
                        to->broadcast[to->n_broadcast++] = destination(&all[i]);
                n++;
        }
        qsort(list, n, sizeof *list, compare);
        return add_directed(config, list, n);
}

/* The one interface of --bind=; all of 127.0.0.0/8 is the loopback interface. */
static size_t choose_bound(const struct endpoint *bind, const struct interface_address *all,
        size_t n_all, struct interface *list)
{
        bool loopback = is_loopback_address(bind);

        for (size_t i = 0; i < n_all; i++) {
                if (loopback ? !all[i].is_loopback : !endpoint_same_address(&all[i].address, bind))
                        continue;
                list[0] = (struct interface){ .index = all[i].index, .address = *bind };
                if (loopback)
                        list[0].broadcast[list[0].n_broadcast++] = LOOPBACK_BROADCAST;
                else if (all[i].broadcast.family != ENDPOINT_NONE)
                        list[0].broadcast[list[0].n_broadcast++] = all[i].broadcast;
                return 1;
        }
        return 0;
}

static bool is_same(const struct interface *a, const struct interface *b)
{
        if (a->index != b->index || a->n_broadcast != b->n_broadcast ||
                !endpoint_equal(&a->address, &b->address))
                return false;
        for (size_t i = 0; i < a->n_broadcast; i++)
                if (!endpoint_equal(&a->broadcast[i], &b->broadcast[i]))
                        return false;
        return true;
}

static bool is_known(const struct network *n, const struct interface *list, size_t n_list)
{
        if (n_list != n->n_interfaces)
                return false;
        for (size_t i = 0; i < n_list; i++)
                if (!is_same(&list[i], &n->interfaces[i]))
                        return false;
        return true;
}

static int look(struct network *n, bool *ret_changed)
{
        const struct config *config = &n->manager->config;
        const struct endpoint *bind = &n->manager->settings->bind;
        bool ipv6 = n->manager->datagrams.ipv6.fd >= 0;
        _cleanup_(freep)
        struct interface_address *all = NULL;
        _cleanup_(freep)
        struct interface *list = NULL;
        size_t n_all, n_list;
        int r;

        r = interface_list(&all, &n_all);
        if (r < 0)
                return r;
        list = calloc(n_all + config->broadcast.n + 1, sizeof *list);
        if (!list)
                return -ENOMEM;
        n_list = bind->family == ENDPOINT_NONE ? choose(config, ipv6, all, n_all, list)
                                               : choose_bound(bind, all, n_all, list);

        *ret_changed = !is_known(n, list, n_list);
        free(n->interfaces);
        n->interfaces = TAKE_PTR(list);
        n->n_interfaces = n_list;
        return 0;
}

static int tell(struct network *n)
{
        struct manager *m = n->manager;

        datagrams_listen(&m->datagrams, n->interfaces, n->n_interfaces);
        return manager_take(
                m, node_network(m->node, n->interfaces, n->n_interfaces, manager_now(m)));
}

static int on_settled(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct network *n = userdata;
        bool changed;
        int r;

        r = look(n, &changed);
        if (r < 0)
                log_warning_errno(r, "Failed to learn this machine's addresses: %m");
        else if (changed) {
                log_info("The network has changed: announcing from %zu addresses.",
                        network_n_announcing(n));
                if (tell(n) >= 0)
                        ring_refresh(&n->manager->ring);
        }
        return 0;
}

void network_refresh(struct network *n)
{
        int enabled = SD_EVENT_OFF;

        (void)sd_event_source_get_enabled(n->settle, &enabled);
        if (enabled == SD_EVENT_OFF &&
                sd_event_source_set_time_relative(n->settle, SETTLE_USEC) >= 0)
                (void)sd_event_source_set_enabled(n->settle, SD_EVENT_ONESHOT);
}

static int on_news(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
        struct network *n = userdata;

        if (interface_watch_drain(fd))
                network_refresh(n);
        return 0;
}

void network_init(struct network *n, struct manager *m)
{
        *n = (struct network){ .manager = m, .fd = -EBADF };
}

int network_prepare(struct network *n)
{
        const struct endpoint *bind = &n->manager->settings->bind;
        bool changed;
        int r;

        r = look(n, &changed);
        if (r == 0 && bind->family != ENDPOINT_NONE && n->n_interfaces == 0)
                r = -EADDRNOTAVAIL;
        return r;
}

int network_start(struct network *n)
{
        sd_event *e = n->manager->event;
        bool changed;
        int r;

        r = interface_watch(&n->fd);
        if (r >= 0)
                r = sd_event_add_io(e, &n->io, n->fd, EPOLLIN, on_news, n);
        if (r >= 0)
                r = sd_event_add_time(e, &n->settle, CLOCK_MONOTONIC, 0, 0, on_settled, n);
        if (r >= 0)
                r = sd_event_source_set_enabled(n->settle, SD_EVENT_OFF);
        if (r >= 0)
                r = look(n, &changed); /* what happened before we watched */
        return r < 0 ? r : tell(n);
}

void network_done(struct network *n)
{
        n->io = sd_event_source_disable_unref(n->io);
        n->settle = sd_event_source_disable_unref(n->settle);
        n->fd = fd_close(n->fd);
        free(n->interfaces);
        n->interfaces = NULL;
        n->n_interfaces = 0;
}

bool network_broadcast(const struct network *n, struct endpoint *ret)
{
        if (n->n_interfaces == 0 || n->interfaces[0].n_broadcast == 0)
                return false;
        *ret = n->interfaces[0].broadcast[0];
        return true;
}

size_t network_n_announcing(const struct network *n)
{
        size_t count = 0;

        for (size_t i = 0; i < n->n_interfaces; i++)
                count += n->interfaces[i].n_broadcast > 0;
        return count;
}
