/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of hosts: their shape, and answers that come late, in a crowd, or for nobody any more */
#include <netdb.h>
#include <pthread.h>

#include "base/usec.h"
#include "lib/test.h"
#include "os/resolve.h"

/*
 * A name service of our own (the linker puts it in the stead of the real one): "slow…" waits at the
 * gate until it is opened, "none…" is not known, others have the address 203.0.113.7, twice.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_open;
static size_t n_inside, n_inside_most, n_left;

int __wrap_getaddrinfo(
        const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret);
int __real_getaddrinfo(
        const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret);

static void pass_gate(bool is_slow)
{
        (void)pthread_mutex_lock(&lock);
        n_inside++;
        n_inside_most = MAX(n_inside_most, n_inside);
        (void)pthread_cond_broadcast(&changed);
        while (is_slow && !is_open)
                (void)pthread_cond_wait(&changed, &lock);
        n_inside--;
        n_left++;
        (void)pthread_cond_broadcast(&changed);
        (void)pthread_mutex_unlock(&lock);
}

int __wrap_getaddrinfo(
        const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
        struct addrinfo *more;
        int r;

        pass_gate(strncmp(name, "slow", 4) == 0);
        if (strncmp(name, "none", 4) == 0)
                return EAI_NONAME;
        r = __real_getaddrinfo("203.0.113.7", service, hints, ret);
        if (r == 0 && __real_getaddrinfo("203.0.113.7", service, hints, &more) == 0)
                (*ret)->ai_next = more;
        return r;
}

static void wait_inside(size_t n)
{
        (void)pthread_mutex_lock(&lock);
        while (n_inside < n)
                (void)pthread_cond_wait(&changed, &lock);
        (void)pthread_mutex_unlock(&lock);
}

static void wait_left(size_t n)
{
        (void)pthread_mutex_lock(&lock);
        while (n_left < n)
                (void)pthread_cond_wait(&changed, &lock);
        (void)pthread_mutex_unlock(&lock);
}

static void open_gate(bool open)
{
        (void)pthread_mutex_lock(&lock);
        is_open = open;
        (void)pthread_cond_broadcast(&changed);
        (void)pthread_mutex_unlock(&lock);
}

struct heard {
        size_t n_answers, n;
        struct endpoint first;
        char why[128];
};

static void hear(const struct endpoint *endpoints, size_t n, const char *why, void *userdata)
{
        struct heard *h = userdata;

        h->n_answers++;
        h->n = n;
        if (n > 0)
                h->first = endpoints[0];
        (void)snprintf(h->why, sizeof h->why, "%s", why ? why : "");
}

static struct question *ask(struct resolver *r, const char *text, struct heard *h)
{
        struct question *q = NULL;
        struct host host;

        ASSERT_OK(host_parse(text, 6001, &host));
        ASSERT_OK(resolver_ask(r, &host, hear, h, &q));
        ASSERT_EQ(h->n_answers, 0); /* never at once */
        return q;
}

static struct resolver *make(sd_event **ret_event)
{
        struct resolver *r = NULL;

        n_inside = n_inside_most = n_left = 0;
        open_gate(false);
        ASSERT_OK(sd_event_new(ret_event));
        ASSERT_OK(resolver_new(*ret_event, &r));
        return r;
}

static void run_until(sd_event *e, const struct heard *h, size_t n_answers)
{
        while (h->n_answers < n_answers)
                ASSERT_GT(sd_event_run(e, 60 * USEC_PER_SEC), 0);
}

TEST(shapes)
{
        static const struct {
                const char *text, *name; /* NULL: refused */
                uint16_t port;
        } cases[] = {
                { "chat.example.net", "chat.example.net", 6001 },
                { "chat.example.net.", "chat.example.net.", 6001 },
                { "chat.example.net:7001", "chat.example.net", 7001 },
                { "pc-7", "pc-7", 6001 },
                { "_x.4you.example", "_x.4you.example", 6001 },
                { "10.0.0.1", "", 6001 },
                { "10.0.0.1:99", "", 99 },
                { "2001:db8::1", "", 6001 },
                { "[2001:db8::1]:7002", "", 7002 },
                { "", NULL, 0 },
                { ".", NULL, 0 },
                { "a..b", NULL, 0 },
                { "-a.b", NULL, 0 },
                { "a-.b", NULL, 0 },
                { "a b", NULL, 0 },
                { "a/b", NULL, 0 },
                { "\xc3\xa7.example", NULL, 0 },
                { "192.168.1", NULL, 0 },
                { "10.0.0.256", NULL, 0 },
                { "224.0.0.1", NULL, 0 },
                { "255.255.255.255", NULL, 0 },
                { "0.0.0.0", NULL, 0 },
                { "a:", NULL, 0 },
                { "a:0", NULL, 0 },
                { "a:65536", NULL, 0 },
                { "a:+1", NULL, 0 },
                { "a:1:2", NULL, 0 },
                { ":6001", NULL, 0 },
                { "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.a."
                  "b123456789b123456789b123456789b123456789b123456789b123456789b123",
                        NULL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct host h = {};
                int r = host_parse(cases[i].text, 6001, &h);

                if ((r == 0) != (cases[i].name != NULL))
                        TEST_FAIL("\"%s\": %d", cases[i].text, r);
                if (r < 0)
                        continue;
                ASSERT_STREQ(h.name, cases[i].name);
                ASSERT_EQ(h.port, cases[i].port);
                ASSERT_EQ(h.endpoint.family == ENDPOINT_NONE, h.name[0] != 0);
        }
}

TEST(a_name_has_no_more_than_253_characters)
{
        char text[300] = "";
        struct host h;

        while (strlen(text) < 250)
                strcat(text, "a.");
        strcat(text, "net");
        ASSERT_EQ(strlen(text), HOST_NAME_SIZE_MAX);
        ASSERT_OK(host_parse(text, 6001, &h));
        text[0] = 'b';
        strcat(text, "s");
        ASSERT_EQ(host_parse(text, 6001, &h), -EINVAL);
}

TEST(an_address_needs_nobody)
{
        sd_event *e = NULL;
        struct resolver *r = make(&e);
        struct heard h = {};

        (void)ask(r, "[2001:db8::1]:7002", &h);
        run_until(e, &h, 1);
        ASSERT_EQ(h.n, 1);
        ASSERT_EQ(h.first.port, 7002);
        ASSERT_STREQ(h.why, "");
        ASSERT_EQ(n_left, 0);
        resolver_free(r);
        sd_event_unref(e);
}

TEST(a_name_is_looked_up)
{
        sd_event *e = NULL;
        struct resolver *r = make(&e);
        struct heard h = {}, none = {};

        (void)ask(r, "chat.example.net:7001", &h);
        (void)ask(r, "none.example.net", &none);
        run_until(e, &h, 1);
        run_until(e, &none, 1);
        ASSERT_EQ(h.n, 1);
        ASSERT_EQ(h.first.address[0], 203);
        ASSERT_EQ(h.first.port, 7001);
        ASSERT_EQ(none.n, 0);
        ASSERT_NE(none.why[0], 0);
        resolver_free(r);
        sd_event_unref(e);
}

TEST(a_few_at_a_time)
{
        sd_event *e = NULL;
        struct resolver *r = make(&e);
        struct heard h[10] = {}, quick = {};

        for (size_t i = 0; i < ELEMENTSOF(h); i++)
                (void)ask(r, "slow.example.net", &h[i]);
        wait_inside(RESOLVER_THREADS_MAX);
        (void)ask(r, "10.0.0.1", &quick); /* waits for nobody */
        run_until(e, &quick, 1);
        ASSERT_EQ(h[0].n_answers, 0);
        open_gate(true);
        for (size_t i = 0; i < ELEMENTSOF(h); i++)
                run_until(e, &h[i], 1);
        ASSERT_EQ(n_inside_most, RESOLVER_THREADS_MAX);
        resolver_free(r);
        sd_event_unref(e);
}

TEST(who_is_cancelled_hears_nothing)
{
        sd_event *e = NULL;
        struct resolver *r = make(&e);
        struct heard gone[6] = {}, h = {};
        struct question *q[6];

        for (size_t i = 0; i < ELEMENTSOF(q); i++)
                q[i] = ask(r, "slow.example.net", &gone[i]);
        (void)ask(r, "chat.example.net", &h);
        wait_inside(RESOLVER_THREADS_MAX);
        for (size_t i = 0; i < ELEMENTSOF(q); i++)
                ASSERT_NULL(question_cancel(q[i]));
        ASSERT_NULL(question_cancel(NULL));
        ASSERT_EQ(sd_event_run(e, 0), 0); /* no thread has come back, so none is free */
        open_gate(true);
        run_until(e, &h, 1);
        wait_left(RESOLVER_THREADS_MAX + 1); /* two never began */
        for (size_t i = 0; i < ELEMENTSOF(q); i++)
                ASSERT_EQ(gone[i].n_answers, 0);
        resolver_free(r);
        sd_event_unref(e);
}

/* Threads outlive whoever sent them, and touch nothing of his. */
TEST(the_end_with_threads_under_way)
{
        sd_event *e = NULL;
        struct resolver *r = make(&e);
        struct heard h[6] = {};

        for (size_t i = 0; i < ELEMENTSOF(h); i++)
                (void)ask(r, "slow.example.net", &h[i]);
        wait_inside(RESOLVER_THREADS_MAX);
        resolver_free(r);
        sd_event_unref(e);
        open_gate(true);
        wait_left(RESOLVER_THREADS_MAX);
        for (size_t i = 0; i < ELEMENTSOF(h); i++)
                ASSERT_EQ(h[i].n_answers, 0);
}

TEST_MAIN()
