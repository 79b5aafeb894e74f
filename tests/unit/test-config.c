/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration file: values, limits, mistakes with file and line */
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/test.h"
#include "os/config.h"
#include "os/file.h"

static char directory[] = "/tmp/p2pchat-config-XXXXXX";
static char path[128];

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(name);
}

static void clean(void)
{
        (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int setup(void)
{
        ASSERT_NOT_NULL(mkdtemp(directory));
        (void)atexit(clean);
        (void)snprintf(path, sizeof path, "%s/p2pchat.conf", directory);
        return 0;
}

static void write_text(const char *where, const char *text)
{
        ASSERT_OK(file_write_atomic(where, text, strlen(text), 0644));
}

struct mistakes {
        unsigned lines[16];
        char last_path[256], last[512];
        size_t n;
};

static void on_mistake(const char *where, unsigned line, const char *sentence, void *userdata)
{
        struct mistakes *m = userdata;

        ASSERT_LT(m->n, ELEMENTSOF(m->lines));
        m->lines[m->n++] = line;
        (void)snprintf(m->last_path, sizeof m->last_path, "%s", where);
        (void)snprintf(m->last, sizeof m->last, "%s", sentence);
}

/* Loads @text over the defaults. */
static struct mistakes load(struct config *c, const char *text)
{
        struct mistakes m = {};

        write_text(path, text);
        config_init(c);
        ASSERT_OK(config_load(c, path, on_mistake, &m));
        return m;
}

TEST(defaults)
{
        struct config c;

        config_init(&c);
        ASSERT_EQ(config_load(&c, "/nonexistent/p2pchat.conf", NULL, NULL), 0);
        ASSERT_STREQ(c.username, "");
        ASSERT_TRUE(c.announce && c.compat && c.second);
        ASSERT_EQ(c.node_port, 0);
        ASSERT_EQ(c.links_max, 512);
        ASSERT_EQ(c.links_per_address_max, 16);
        ASSERT_EQ(c.strangers_max, 64);
        ASSERT_EQ(c.keep, CONFIG_KEEP_FULL);
        ASSERT_EQ(c.age_max_usec, USEC_INFINITY);
        ASSERT_TRUE(c.ring);
        ASSERT_EQ(c.bootstrap.n, 0);
        ASSERT_EQ(c.ring_links_max, 64);
        ASSERT_EQ(c.users_max, 10000);
        ASSERT_EQ(c.queue_messages_max, 10000);
        ASSERT_EQ(c.queue_bytes_max, 64 << 20);
        ASSERT_EQ(c.accept_from, CONFIG_ACCEPT_NOBODY);
        ASSERT_STREQ(c.accept_into, "");
        ASSERT_EQ(c.accept_size_max, 1 << 30);
        ASSERT_EQ(c.spool_user_max, UINT64_C(8) << 30);
        ASSERT_EQ(c.spool_max, UINT64_C(16) << 30);
        config_done(&c);
}

TEST(everything_set)
{
        struct config c;
        struct mistakes m =
                load(&c, "# a comment\n"
                         "[Identity]\nUsername=Ece\n"
                         "[Lan]\nAnnounce=no\nBroadcast=10.1.255.255, 10.2.255.255\n"
                         "Peers=10.9.0.1 10.9.0.2:7001\nInterfaces=eth0 wlan0\n"
                         "[Link]\nMaxLinks=10\nMaxLinksPerAddress=2\nMaxStrangers=3\n"
                         "[Legacy]\nCompat=off\nSecond=0\nNodePort=9100\n"
                         "NodePeers=10.9.0.1:9200, 10.9.0.2:9201\n"
                         "[History]\nKeep=sealed\nMaxAge=1h 30min\n"
                         "[Ring]\nEnabled=no\nBootstrap=chat.example.net, "
                         "10.9.0.1:7001 [2001:db8::1]:7002\nLinks=8\n"
                         "[Ledger]\nEnabled=no\nNetwork=acme#"
                         "k3f7q2mxabcdefghijklmnopqm\n"
                         "[Files]\nAcceptFrom=contacts\nAcceptInto=/srv/in\nAcceptMax=2G\n"
                         "[Limits]\nUsers=100\nQueueMessages=5\nQueueBytes=2M\n"
                         "SpoolPerUser=3M\nSpoolTotal=4M\n");

        ASSERT_EQ(m.n, 0);
        ASSERT_STREQ(c.username, "Ece");
        ASSERT_FALSE(c.announce || c.compat || c.second);
        ASSERT_EQ(c.node_port, 9100);
        ASSERT_EQ(c.node_peers.n, 2);
        ASSERT_EQ(c.node_peers.items[1].port, 9201);
        ASSERT_EQ(c.broadcast.n, 2);
        ASSERT_EQ(c.broadcast.items[1].address[1], 2);
        ASSERT_EQ(c.peers.n, 2);
        ASSERT_EQ(c.peers.items[0].port, 0);
        ASSERT_EQ(c.peers.items[1].port, 7001);
        ASSERT_EQ(c.interfaces.n, 2);
        ASSERT_STREQ(c.interfaces.items[1], "wlan0");
        ASSERT_EQ(c.links_max, 10);
        ASSERT_EQ(c.links_per_address_max, 2);
        ASSERT_EQ(c.strangers_max, 3);
        ASSERT_EQ(c.keep, CONFIG_KEEP_SEALED);
        ASSERT_EQ(c.age_max_usec, 90 * USEC_PER_MINUTE);
        ASSERT_FALSE(c.ring);
        ASSERT_EQ(c.bootstrap.n, 3);
        ASSERT_STREQ(c.bootstrap.items[0], "chat.example.net");
        ASSERT_STREQ(c.bootstrap.items[2], "[2001:db8::1]:7002");
        ASSERT_EQ(c.ring_links_max, 8);
        ASSERT_FALSE(c.ledger);
        ASSERT_STREQ(c.network, "acme#k3f7q2mxabcdefghijklmnopqm");
        ASSERT_EQ(c.users_max, 100);
        ASSERT_EQ(c.queue_messages_max, 5);
        ASSERT_EQ(c.queue_bytes_max, 2 << 20);
        ASSERT_EQ(c.accept_from, CONFIG_ACCEPT_CONTACTS);
        ASSERT_STREQ(c.accept_into, "/srv/in");
        ASSERT_EQ(c.accept_size_max, UINT64_C(2) << 30);
        ASSERT_EQ(c.spool_user_max, 3 << 20);
        ASSERT_EQ(c.spool_max, 4 << 20);
        config_done(&c);
}

TEST(mistakes_name_their_line_and_keep_the_default)
{
        static const struct {
                const char *text;
                unsigned line;
                const char *says;
        } cases[] = {
                { "[Identity]\n\nUsername=x\n", 3, "Username=" },
                { "[Identity]\nUsername=a b c\n", 2, "\"a b c\"" },
                { "[Lan]\nAnnounce=perhaps\n", 2, "yes or no" },
                { "[Lan]\nPeers=10.0.0.1 nonsense\n", 2, "nonsense" },
                { "[Lan]\nPeers=fe80::1\n", 2, "IPv4" },
                { "[Lan]\nPeers=224.0.0.1\n", 2, "224.0.0.1" },
                { "[Lan]\nBroadcast=10.0.0.255:6000\n", 2, "10.0.0.255:6000" },
                { "[Lan]\nInterfaces=a_name_that_is_far_too_long\n", 2, "Interfaces=" },
                { "[Link]\nMaxLinks=0\n", 2, "1 to 65536" },
                { "[Link]\nMaxLinks=65537\n", 2, "65537" },
                { "[Link]\nMaxLinks=-1\n", 2, "-1" },
                { "[Legacy]\nNodePort=65536\n", 2, "0 (off)" },
                { "[Legacy]\nNodePeers=10.9.0.1\n", 2, ":port" },
                { "[Legacy]\nNodePeers=[fe80::1]:9200\n", 2, "IPv4" },
                { "[History]\nKeep=some\n", 2, "full, sealed or none" },
                { "[History]\nMaxAge=3 fortnights\n", 2, "fortnights" },
                { "[History]\nMaxAge=1s\n", 2, "1min" },
                { "[Ring]\nBootstrap=chat.example.net:0\n", 2, "chat.example.net:0" },
                { "[Ring]\nBootstrap=-chat.example.net\n", 2, "hosts" },
                { "[Ring]\nLinks=7\n", 2, "8 to 448" },
                { "[Ledger]\nNetwork=acme\n", 2, "NAME#HASH" },
                { "[Ledger]\nNetwork=#k3f7q2mxabcdefghijklmnopqm\n", 2, "NAME#HASH" },
                { "[Ledger]\nNetwork=acme#k3f7q2mxabcdefghijklmnopq\n", 2, "NAME#HASH" },
                { "[Ledger]\nNetwork=acme#K3f7q2mxabcdefghijklmnopqm\n", 2, "NAME#HASH" },
                { "[Ledger]\nNetwork=acme#k3f7q2mxabcdefghijklmnopqr\n", 2, "NAME#HASH" },
                { "[Ledger]\nNetwork=ac#k3f7q2mxabcdefghijklmnopqm\n", 2, "NAME#HASH" },
                { "[Ledger]\nNetwork=a_name_that_is_far_too_long#k3f7q2mxabcdefghijklmnopqm\n", 2,
                        "NAME#HASH" },
                { "[Files]\nAcceptFrom=everybody\n", 2, "everybody" },
                { "[Files]\nAcceptInto=received\n", 2, "received" },
                { "[Files]\nAcceptMax=5G\n", 2, "5G" },
                { "[Limits]\nSpoolTotal=0\n", 2, "0" },
                { "[Limits]\nQueueBytes=1X\n", 2, "1X" },
                { "[Limits]\nQueueBytes=99999999999999999999\n", 2, "999" },
                { "[Link]\nMaxLinkz=3\n", 2, "unknown option MaxLinkz=" },
                { "\n[Links]\nMaxLinks=3\n", 3, "unknown section [Links]" },
                { "MaxLinks=3\n", 1, "unknown section []" },
                { "[Link]\nMaxLinks\n", 2, "neither" },
                { "[Link\nMaxLinks=3\n", 1, "]" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct config c;
                struct mistakes m = load(&c, cases[i].text);

                if (m.n < 1 || m.lines[0] != cases[i].line || !strstr(m.last, cases[i].says))
                        if (m.n < 2) /* a broken section makes its options unknown too */
                                TEST_FAIL("case %zu: %zu mistakes, line %u, \"%s\"", i, m.n,
                                        m.lines[0], m.last);
                ASSERT_EQ(m.lines[0], cases[i].line);
                ASSERT_STREQ(m.last_path, path);
                ASSERT_STREQ(c.username, "");
                ASSERT_EQ(c.links_max, 512);
                ASSERT_TRUE(c.announce);
                ASSERT_EQ(c.age_max_usec, USEC_INFINITY);
                config_done(&c);
        }
}

TEST(bootstrap_has_an_end)
{
        char text[1024] = "[Ring]\n";
        struct mistakes m;
        struct config c;

        for (size_t i = 0; i <= CONFIG_BOOTSTRAP_MAX; i++)
                (void)sprintf(text + strlen(text), "Bootstrap=h%zu.example.net\n", i);
        m = load(&c, text);
        ASSERT_EQ(m.n, 1);
        ASSERT_NOT_NULL(strstr(m.last, "h16.example.net"));
        ASSERT_EQ(c.bootstrap.n, CONFIG_BOOTSTRAP_MAX);
        config_done(&c);
}

/* Cut off, it would name another one. */
TEST(a_long_host_stays_whole)
{
        char host[180] = "", text[256];
        struct mistakes m;
        struct config c;

        while (strlen(host) < 170)
                strcat(host, "label.");
        strcat(host, "net");
        (void)snprintf(text, sizeof text, "[Ring]\nBootstrap=%s\n", host);
        m = load(&c, text);
        ASSERT_EQ(m.n, 0);
        ASSERT_EQ(c.bootstrap.n, 1);
        ASSERT_STREQ(c.bootstrap.items[0], host);
        config_done(&c);
}

TEST(good_entries_of_a_list_stay)
{
        struct config c;
        struct mistakes m = load(&c, "[Lan]\nPeers=10.0.0.1 nonsense 10.0.0.2\n");

        ASSERT_EQ(m.n, 1);
        ASSERT_EQ(c.peers.n, 2);
        config_done(&c);
}

TEST(lists_go_on_and_are_cleared)
{
        struct config c;
        struct mistakes m =
                load(&c, "[Lan]\nInterfaces=eth0\nInterfaces=eth1\n  eth2\nPeers=10.0.0.1\nPeers=\n"
                         "Peers=10.0.0.2\n");

        ASSERT_EQ(m.n, 0);
        ASSERT_EQ(c.interfaces.n, 3);
        ASSERT_STREQ(c.interfaces.items[2], "eth2");
        ASSERT_EQ(c.peers.n, 1);
        ASSERT_EQ(c.peers.items[0].address[3], 2);
        config_done(&c);
}

TEST(a_line_too_long_is_told)
{
        char text[2000] = "[Lan]\nPeers=";
        struct mistakes m;
        struct config c;

        while (strlen(text) < sizeof text - 40)
                strcat(text, "10.0.0.1 ");
        strcat(text, "\n[Link]\nMaxLinks=7\n");
        m = load(&c, text);
        ASSERT_EQ(m.n, 1);
        ASSERT_EQ(m.lines[0], 2);
        ASSERT_EQ(c.links_max, 7);
        config_done(&c);
}

TEST(no_newline_at_the_end)
{
        struct config c;
        struct mistakes m = load(&c, "\xef\xbb\xbf[Link]\r\nMaxLinks=9 ; nine");

        ASSERT_EQ(m.n, 0);
        ASSERT_EQ(c.links_max, 9);
        config_done(&c);
}

TEST(fragments_in_order)
{
        char fragment[192];
        struct mistakes m = {};
        struct config c;

        write_text(path, "[Link]\nMaxLinks=1\nMaxStrangers=1\n");
        (void)snprintf(fragment, sizeof fragment, "%s.d", path);
        ASSERT_OK(mkdir(fragment, 0755));
        (void)snprintf(fragment, sizeof fragment, "%s.d/20-b.conf", path);
        write_text(fragment, "[Link]\nMaxLinks=20\nMaxLinks=bad\n");
        (void)snprintf(fragment, sizeof fragment, "%s.d/10-a.conf", path);
        write_text(fragment, "[Link]\nMaxLinks=10\nMaxLinksPerAddress=10\n");
        (void)snprintf(fragment, sizeof fragment, "%s.d/30-no.txt", path);
        write_text(fragment, "[Link]\nMaxLinks=30\n");
        (void)snprintf(fragment, sizeof fragment, "%s.d/.40-hidden.conf", path);
        write_text(fragment, "[Link]\nMaxLinks=40\n");

        config_init(&c);
        ASSERT_OK(config_load(&c, path, on_mistake, &m));
        ASSERT_EQ(c.links_max, 20);
        ASSERT_EQ(c.links_per_address_max, 10);
        ASSERT_EQ(c.strangers_max, 1);
        ASSERT_EQ(m.n, 1);
        ASSERT_EQ(m.lines[0], 3);
        ASSERT_NOT_NULL(strstr(m.last_path, "20-b.conf"));
        config_done(&c);
}

TEST(unreadable_is_an_error)
{
        struct mistakes m = {};
        struct config c;

        config_init(&c);
        ASSERT_LT(config_load(&c, directory, on_mistake, &m), 0); /* a directory */
        ASSERT_EQ(m.n, 1);
        ASSERT_EQ(m.lines[0], 0);
        config_done(&c);
}

TEST(spans)
{
        static const struct {
                const char *text;
                usec_t usec; /* 0: refused */
        } cases[] = {
                { "30d", 30 * USEC_PER_DAY },
                { "10min", 10 * USEC_PER_MINUTE },
                { "1h 30min", 90 * USEC_PER_MINUTE },
                { "1h30m", 90 * USEC_PER_MINUTE },
                { "2 weeks", 14 * USEC_PER_DAY },
                { "90", 90 * USEC_PER_SEC },
                { "500ms", 500 * USEC_PER_MSEC },
                { "infinity", USEC_INFINITY },
                { "", 0 },
                { "d", 0 },
                { "-1d", 0 },
                { "1x", 0 },
                { "1d,", 0 },
                { "99999999999999999999d", 0 },
                { "999999999999999d", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                usec_t usec = 0;
                int r = config_parse_span(cases[i].text, &usec);

                if (usec != cases[i].usec || (r < 0) != (cases[i].usec == 0))
                        TEST_FAIL("\"%s\": %d, %ju", cases[i].text, r, (uintmax_t)usec);
        }
}

TEST_MAIN_WITH(setup)
