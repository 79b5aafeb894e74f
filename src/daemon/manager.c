/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon: owns everything, feeds the node */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "core/crypto/random.h"
#include "daemon/bus.h"
#include "daemon/history-log.h"
#include "daemon/manager.h"
#include "daemon/username.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/journal.h"
#include "os/log.h"
#include "os/socket.h"

#define ANNOUNCE_PORT 6000
#define TIMER_ACCURACY_USEC (20 * USEC_PER_MSEC)
#define LOADS_PER_WAKE_UP 32
#define STOP_USEC_MAX (GOODBYE_USEC_MAX + 200 * USEC_PER_MSEC)

/*
 * Inputs
 */
struct now manager_now(struct manager *m)
{
        if (m->n_inputs == 0)
                m->now = clock_now();
        return m->now;
}

bool manager_is_failing(const struct manager *m)
{
        return m->exit_status != EXIT_SUCCESS;
}

void manager_fail(struct manager *m, int error, const char *what)
{
        if (manager_is_failing(m))
                return;
        log_error_errno(error, "%s: %m; ending", what);
        m->exit_status = EXIT_FAILURE;
        (void)sd_event_exit(m->event, EXIT_FAILURE);
}

int manager_take(struct manager *m, int r)
{
        m->n_inputs++;
        if (r < 0)
                manager_fail(m, r, "The node failed");
        return r;
}

static int on_node_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct manager *m = userdata;

        (void)manager_take(m, node_advance(m->node, manager_now(m)));
        return 0;
}

static int on_load(sd_event_source *s, void *userdata)
{
        struct manager *m = userdata;
        struct loads *l = &m->loads;
        size_t n = MIN(l->n, (size_t)LOADS_PER_WAKE_UP);

        for (size_t i = 0; i < n; i++) {
                _cleanup_(freep)
                char *text = NULL;
                usec_t time_usec = 0;
                size_t size = 0;
                int r;

                r = store_load_text(m->memory.store, &l->items[i], &time_usec, &text, &size);
                if (r < 0 && r != -ENOENT) {
                        manager_fail(m, r, "Failed to read a message of the queue");
                        return 0;
                }
                if (manager_take(m, node_loaded(m->node, &l->items[i], time_usec, text, size,
                                            manager_now(m))) < 0)
                        return 0;
        }
        l->n -= n;
        memmove(l->items, l->items + n, l->n * sizeof *l->items);
        return sd_event_source_set_enabled(s, l->n > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static bool log_slice(void *userdata)
{
        struct manager *m = userdata;
        bool more = history_log_flush(m->memory.log, manager_now(m));

        if (!more)
                m->n_inputs++; /* with the next commit the store keeps how far the file has come */
        return more;
}

static int on_journal(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
        struct manager *m = userdata;

        (void)journal_flush(m->journal);
        return 0;
}

/*
 * Signals
 */
static int on_goodbye_late(sd_event_source *s, uint64_t usec, void *userdata)
{
        struct manager *m = userdata;

        return sd_event_exit(m->event, EXIT_SUCCESS);
}

void manager_stop(struct manager *m)
{
        int r;

        if (m->goodbye_timer) {
                (void)sd_event_exit(m->event, EXIT_SUCCESS);
                return;
        }
        r = sd_event_add_time_relative(m->event, &m->goodbye_timer, CLOCK_MONOTONIC, STOP_USEC_MAX,
                TIMER_ACCURACY_USEC, on_goodbye_late, m);
        if (r >= 0 && manager_take(m, node_say_goodbye(m->node, manager_now(m))) >= 0)
                r = manager_flush(m);
        if (r < 0)
                (void)sd_event_exit(m->event, EXIT_SUCCESS);
}

void manager_restart(struct manager *m)
{
        m->is_restarting = true;
        manager_stop(m);
}

static int on_stop(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
        manager_stop(userdata);
        return 0;
}

/* Username, Interfaces, Broadcast and Bootstrap may change while we run; the rest is for the next
 * start. */
static void take_config(struct manager *m, struct config *new)
{
        const struct config_endpoints broadcast = m->config.broadcast;
        const struct config_words interfaces = m->config.interfaces;
        const struct config_words bootstrap = m->config.bootstrap;

        memcpy(m->config.username, new->username, sizeof m->config.username);
        m->config.broadcast = new->broadcast;
        m->config.interfaces = new->interfaces;
        m->config.bootstrap = new->bootstrap;
        m->config.n_mistakes = new->n_mistakes;
        new->broadcast = broadcast;
        new->interfaces = interfaces;
        new->bootstrap = bootstrap;
        if (m->config.username[0] && manager_take(m, node_set_username(m->node, m->config.username,
                                                             manager_now(m), NULL)) < 0)
                return;
        network_refresh(&m->network);
        ring_refresh(&m->ring);
}

static void reload(struct manager *m)
{
        struct config config;
        int r;

        config_init(&config);
        r = config_load(&config, m->settings->config, NULL, NULL);
        if (r < 0)
                log_warning_errno(
                        r, "Failed to read %s, going on as before: %m", m->settings->config);
        else
                take_config(m, &config);
        config_done(&config);
        history_log_reopen(m->memory.log);
}

static int on_reload(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
        struct manager *m = userdata;

        (void)sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                clock_now().mono_usec - USEC_PER_DAY);
        reload(m);
        (void)sd_notify(false, "READY=1");
        return 0;
}

/*
 * Life
 */
static int add_sources(struct manager *m)
{
        sigset_t signals;
        int r;

        if (sigemptyset(&signals) < 0 || sigaddset(&signals, SIGTERM) < 0 ||
                sigaddset(&signals, SIGINT) < 0 || sigaddset(&signals, SIGHUP) < 0 ||
                sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        r = sd_event_add_signal(m->event, NULL, SIGTERM, on_stop, m);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGINT, on_stop, m);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGHUP, on_reload, m);
        if (r >= 0)
                r = sd_event_add_time(m->event, &m->node_timer, CLOCK_BOOTTIME, 0,
                        TIMER_ACCURACY_USEC, on_node_timer, m);
        if (r >= 0)
                r = sd_event_add_defer(m->event, &m->load_source, on_load, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->load_source, SD_EVENT_OFF);
        if (r >= 0)
                r = chore_start(&m->log_chore, m, log_slice, m);
        if (r >= 0)
                r = ledger_host_start(&m->ledger);
        if (r >= 0)
                r = team_host_start(&m->teams);
        if (r >= 0)
                r = retention_start(&m->retention, m);
        if (r >= 0 && m->journal)
                r = sd_event_add_io(m->event, NULL, journal_fd(m->journal), EPOLLIN, on_journal, m);
        return r < 0 ? r : 0;
}

static int restore_peer(const struct peer_record *peer, void *userdata)
{
        struct manager *m = userdata;

        return node_restore_peer(m->node, peer, m->now);
}

static int restore_stream(const struct stream_record *stream, void *userdata)
{
        struct manager *m = userdata;

        return node_restore_stream(m->node, stream);
}

static int restore_mark(const struct mark_record *mark, void *userdata)
{
        struct manager *m = userdata;

        return node_restore_mark(m->node, mark);
}

static int restore_refused(const struct refused_record *refused, void *userdata)
{
        struct manager *m = userdata;

        return node_restore_refused(m->node, refused);
}

static int restore_queued(const struct queued_record *queued, void *userdata)
{
        struct manager *m = userdata;

        return node_restore_queued(m->node, queued, m->now);
}

static int restore_ring(struct manager *m)
{
        struct ring_record ring;
        int r;

        r = store_load_ring(m->memory.store, &ring);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return node_restore_ring(m->node, &ring, m->now);
}

/* Of what comes, the spool knows best how much of it there is. */
static int restore_transfer(const struct file_record *file, void *userdata)
{
        const struct transfer_record *t = &file->transfer;
        struct manager *m = userdata;
        uint64_t done = 0;
        int r = 0;

        if (!t->is_outgoing && t->state != TRANSFER_OVER)
                r = spool_certain(&m->spool, &file->spool_id, t->size, &done);
        return r < 0 ? r : node_restore_transfer(m->node, file, done, m->now);
}

static int restore(struct manager *m)
{
        struct store *s = m->memory.store;
        int r;

        r = store_load_peers(s, restore_peer, m);
        if (r >= 0)
                r = store_load_streams(s, restore_stream, m);
        if (r >= 0)
                r = store_load_marks(s, restore_mark, m);
        if (r >= 0)
                r = store_load_refused(s, restore_refused, m);
        if (r >= 0)
                r = team_host_restore(&m->teams);
        if (r >= 0)
                r = restore_ring(m);
        if (r >= 0)
                r = ledger_host_restore(&m->ledger);
        if (r >= 0)
                r = store_load_queued(s, restore_queued, m);
        return r < 0 ? r : store_load_transfers(s, restore_transfer, m);
}

static int choose_username(struct manager *m, char ret[static USERNAME_SIZE_MAX + 1])
{
        _cleanup_(freep)
        char *stored = NULL;
        char host[256] = "";
        int r;

        if (m->config.username[0]) {
                memcpy(ret, m->config.username, sizeof m->config.username);
                return 0;
        }
        r = store_load_username(m->memory.store, &stored);
        if (r < 0 && r != -ENOENT)
                return r;
        if (r == 0 && username_is_valid(stored)) {
                memcpy(ret, stored, strlen(stored) + 1);
                return 0;
        }
        if (gethostname(host, sizeof host - 1) < 0)
                host[0] = 0;
        username_default(host, m->memory.identity.id, ret);
        return 0;
}

static const char *group_word(
        const struct message_record *message, char buffer[static WORD_SIZE], void *userdata)
{
        struct manager *m = userdata;

        return node_word(
                m->node, message->peer, message->name, &message->endpoint, manager_now(m), buffer);
}

static int make_node(struct manager *m)
{
        const struct config *c = &m->config;
        char username[USERNAME_SIZE_MAX + 1];
        struct node_options options;
        int r;

        r = choose_username(m, username);
        if (r < 0)
                return r;
        for (size_t i = 0; i < c->peers.n; i++)
                if (c->peers.items[i].port == 0)
                        c->peers.items[i].port = ANNOUNCE_PORT;
        options = (struct node_options){
                .username = username,
                .identity = &m->memory.identity,
                .random = m->memory.random,
                .port = ENDPOINT_PORT_DEFAULT,
                .announce = c->announce,
                .compat = c->compat,
                .second = c->second,
                .third_port = (uint16_t)c->node_port,
                .third_peers = c->node_peers.items,
                .n_third_peers = c->node_peers.n,
                .ring = c->ring,
                .ring_links_max = c->ring_links_max,
                .ledger = c->ledger,
                .network = c->network[0] ? c->network : NULL,
                .peers = c->peers.items,
                .n_peers = c->peers.n,
                .peers_max = c->users_max,
                .links_max = c->links_max,
                .links_per_address_max = c->links_per_address_max,
                .links_strange_max = c->strangers_max,
                .queue_max = c->queue_messages_max,
                .queue_size_max = c->queue_bytes_max,
        };
        r = node_new(&options, manager_now(m), &m->node);
        if (r < 0)
                return r;
        history_log_set_word(m->memory.log, group_word, m);
        return restore(m);
}

int manager_new(const struct settings *settings, struct manager **ret)
{
        _cleanup_(manager_freep)
        struct manager *m = calloc(1, sizeof *m);
        int r;

        if (!m)
                return log_oom();
        m->settings = settings;
        m->started_usec = clock_now().real_usec;
        config_init(&m->config);
        links_init(&m->links, m);
        datagrams_init(&m->datagrams, m);
        listener_init(&m->listener, m, false);
        listener_init(&m->third_listener, m, true);
        network_init(&m->network, m);
        ring_init(&m->ring, m);
        ledger_host_init(&m->ledger, m);
        team_host_init(&m->teams, m);
        spool_init(&m->spool, m);
        files_init(&m->files, m);

        r = journal_new(NULL, &m->journal);
        if (r < 0)
                log_warning_errno(r, "Failed to reach the journal: %m");
        log_setup(m->journal);
        r = config_load(&m->config, settings->config, NULL, NULL);
        if (r < 0)
                log_warning_errno(
                        r, "Failed to read %s, its rest is ignored: %m", settings->config);

        r = memory_open(&m->memory, settings->state, settings->log, &m->config, m->journal);
        if (r != 0)
                return r;
        r = spool_open(&m->spool);
        if (r < 0)
                return r;
        r = make_node(m);
        if (r < 0)
                return log_error_errno(
                        r, "Failed to load what database %s remembers: %m", m->memory.database);
        r = sd_event_new(&m->event);
        if (r >= 0)
                r = sd_event_set_watchdog(m->event, true);
        if (r >= 0)
                r = add_sources(m);
        if (r >= 0)
                r = spool_start(&m->spool);
        if (r >= 0)
                r = files_start(&m->files);
        if (r >= 0)
                r = links_start(&m->links);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the event loop: %m");
        *ret = TAKE_PTR(m);
        return 0;
}

/* Whatever comes of it, everything else goes on. */
static void start_third(struct manager *m)
{
        const struct config *c = &m->config;
        int fd = -EBADF;

        if (c->node_port > 0)
                (void)listener_start(&m->third_listener, (uint16_t)c->node_port, &fd);
        else if (c->node_peers.n > 0)
                log_warning("[Legacy] NodePeers= is ignored, for there is no NodePort=.");
}

static int start_sockets(struct manager *m)
{
        int passed[N_PASSED_SOCKETS], r;

        r = socket_take_passed(passed);
        if (r < 0)
                return log_error_errno(r, "Failed to take passed sockets: %m");
        r = network_prepare(&m->network);
        if (r < 0) {
                log_error_errno(r, "Failed to learn this machine's addresses: %m");
                goto finish;
        }
        r = listener_start(&m->listener, ENDPOINT_PORT_DEFAULT, &passed[PASSED_CHAT]);
        if (r < 0)
                goto finish;
        start_third(m);
        r = datagrams_start(&m->datagrams, &passed[PASSED_ANNOUNCE], &passed[PASSED_ANNOUNCE6],
                &passed[PASSED_SECOND]);
finish:
        for (size_t i = 0; i < N_PASSED_SOCKETS; i++)
                fd_close(passed[i]);
        return r;
}

int manager_start(struct manager *m)
{
        int r;

        r = start_sockets(m);
        if (r < 0)
                return r;
        if (!streq(m->settings->bus, "none")) {
                r = bus_new(m, &m->bus);
                if (r < 0)
                        return log_oom();
                r = bus_start(m->bus);
                if (r < 0)
                        return r;
        }
        r = network_start(&m->network);
        if (r < 0)
                return log_error_errno(r, "Failed to watch this machine's addresses: %m");
        r = ring_start(&m->ring);
        if (r < 0)
                return log_error_errno(r, "Failed to prepare for the ring: %m");
        return manager_flush(m);
}

/* A turn ends when nothing is left to be done, or at the latest when it is full or old: who asks
 * without a pause, as a search does too, must not keep others from what they wait for. */
static bool is_turn_over(const struct manager *m, bool is_idle)
{
        if (m->n_inputs == 0)
                return false;
        return is_idle || m->n_inputs >= MANAGER_TURN_INPUTS_MAX ||
               clock_now().mono_usec >= usec_add(m->now.mono_usec, MANAGER_TURN_USEC_MAX);
}

int manager_run(struct manager *m)
{
        while (sd_event_get_state(m->event) != SD_EVENT_FINISHED) {
                int r = sd_event_run(m->event, m->n_inputs > 0 ? 0 : UINT64_MAX);

                if (r < 0) {
                        log_error_errno(r, "The event loop failed: %m");
                        return EXIT_FAILURE;
                }
                if (is_turn_over(m, r == 0))
                        (void)manager_flush(m);
                if (m->goodbye_timer && m->n_inputs == 0 && !node_is_saying_goodbye(m->node) &&
                        !links_are_flushing(&m->links))
                        (void)sd_event_exit(m->event, EXIT_SUCCESS);
        }
        if (!manager_is_failing(m) && manager_take(m, node_answer_all(m->node)) >= 0)
                (void)manager_flush(m);
        bus_stop(m->bus);
        if (!manager_is_failing(m) && m->is_restarting)
                return EXIT_RESTART;
        return m->exit_status;
}

struct manager *manager_free(struct manager *m)
{
        if (!m)
                return NULL;
        m->bus = bus_free(m->bus);
        spool_done(&m->spool);
        files_done(&m->files);
        ring_done(&m->ring);
        ledger_host_done(&m->ledger);
        team_host_done(&m->teams);
        network_done(&m->network);
        listener_done(&m->listener);
        listener_done(&m->third_listener);
        datagrams_done(&m->datagrams);
        links_done(&m->links);
        m->node = node_free(m->node);
        memory_done(&m->memory);
        sd_event_source_unref(m->node_timer);
        sd_event_source_unref(m->goodbye_timer);
        retention_done(&m->retention);
        sd_event_source_unref(m->load_source);
        chore_done(&m->log_chore);
        sd_event_unref(m->event);
        log_setup(NULL);
        journal_free(m->journal);
        config_done(&m->config);
        free(m->loads.items);
        free(m);
        return NULL;
}
