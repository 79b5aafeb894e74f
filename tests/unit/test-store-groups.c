/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the store remembers of groups: across restarts, erasing, older versions and damage */
#include <fcntl.h>

#include "lib/store-fixture.h"
#include "store/store-internal.h"

#define TEAM 3 /* its number */

static const struct group_key ana = { "Ana's key, of thirty-two bytes ." };
static const struct group_key bob = { "Bob's key, of thirty-two bytes ." };

static struct group_lane_id lane_of(const struct group_key *author, uint32_t version)
{
        return (struct group_lane_id){ *author, 0xfedcba9876543210, version };
}

static struct change group(uint64_t number, enum group_state state, const char *membership)
{
        return (struct change){ .type = CHANGE_GROUP,
                .group = {
                        .number = number,
                        .id = { { (uint8_t)number, 2, 3 } },
                        .state = state,
                        .inviter = ana,
                        .membership = (const uint8_t *)membership,
                        .size = strlen(membership),
                } };
}

static struct change leave(uint64_t number, const struct group_key *key, const char *data)
{
        return (struct change){ .type = CHANGE_LEAVE,
                .leave = { number, *key, (const uint8_t *)data, strlen(data) } };
}

static struct change lane(uint64_t number, const struct group_lane_id *id, uint64_t last)
{
        return (struct change){ .type = CHANGE_LANE, .lane = { number, *id, last } };
}

/* The message @n of @author in TEAM. */
static struct change said(
        const struct group_key *author, uint64_t n, enum message_state state, const char *text)
{
        struct change c = fixture_message(100 * author->bytes[0] + n, TEAM, state, text);

        c.message.endpoint = (struct endpoint){};
        c.message.security = SECURITY_ENCRYPTED;
        c.message.group = (struct group_part){
                .lane = lane_of(author, 1), .number = n, .time_usec = 1000 + n
        };
        memset(c.message.group.signature, (int)(0x40 + n), SIGNATURE_SIZE);
        return c;
}

static struct change becomes(const struct change *message, enum message_state state, bool is_open)
{
        return (struct change){ .type = CHANGE_STATE,
                .state = {
                        .id = message->message.id,
                        .state = state,
                        .security = SECURITY_ENCRYPTED,
                        .reason = "",
                        .is_open = is_open,
                } };
}

/* What is loaded, as text. */
struct loaded {
        char text[1024];
        size_t size;
};

_printf_(2, 3) static void add(struct loaded *l, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        l->size +=
                (size_t)vsnprintf(l->text + l->size, sizeof l->text - l->size, format, arguments);
        va_end(arguments);
        ASSERT_LT(l->size, sizeof l->text);
}

static int on_group(const struct group_record *g, void *userdata)
{
        ASSERT_MEMEQ(g->inviter.bytes, ana.bytes, sizeof ana.bytes);
        add(userdata, "%ju:%u:%d:%ju:%.*s ", (uintmax_t)g->number, g->id.bytes[0], (int)g->state,
                (uintmax_t)g->muted_until_usec, (int)g->size, (const char *)g->membership);
        return 0;
}

static int on_leave(const struct leave_record *l, void *userdata)
{
        add(userdata, "%ju:%c:%.*s ", (uintmax_t)l->group, l->key.bytes[0], (int)l->size,
                (const char *)l->data);
        return 0;
}

static int on_lane(const struct lane_record *l, void *userdata)
{
        ASSERT_EQ(l->lane.stream, 0xfedcba9876543210);
        add(userdata, "%ju:%c:%u:%ju ", (uintmax_t)l->group, l->lane.author.bytes[0],
                l->lane.version, (uintmax_t)l->number);
        return 0;
}

static int on_told(const struct told_record *t, void *userdata)
{
        add(userdata, "%ju:%c:%ju:%s:%zu ", (uintmax_t)t->group, t->lane.author.bytes[0],
                (uintmax_t)t->number, message_state_word(t->state), t->size);
        return 0;
}

/* Groups | leaves | lanes | told */
static const char *load(struct store *s)
{
        static struct loaded l;

        l.size = 0;
        ASSERT_OK(store_load_groups(s, on_group, &l));
        add(&l, "| ");
        ASSERT_OK(store_load_leaves(s, on_leave, &l));
        add(&l, "| ");
        ASSERT_OK(store_load_lanes(s, on_lane, &l));
        add(&l, "| ");
        ASSERT_OK(store_load_told(s, on_told, &l));
        return l.text;
}

static struct store *reopen(struct store *s, const char *path)
{
        ASSERT_OK(store_commit(s));
        store_free(s);
        return fixture_open(path, NULL);
}

TEST(groups_come_back)
{
        _cleanup_(freep)
        char *path = fixture_path("groups.db");
        const struct group_lane_id first = lane_of(&ana, 1), second = lane_of(&bob, 2);
        struct store *s = fixture_open(path, NULL);

        fixture_apply(s, group(TEAM, GROUP_INVITED, "members"));
        fixture_apply(s, group(4, GROUP_MEMBER, "others"));
        fixture_apply(s, leave(TEAM, &ana, "I go"));
        fixture_apply(s, leave(4, &ana, "I go, too"));
        fixture_apply(s, lane(TEAM, &first, 7));
        fixture_apply(s, lane(TEAM, &second, 1));
        fixture_apply(s, lane(4, &first, 2));
        s = reopen(s, path);
        ASSERT_STREQ(load(s), "3:3:1:0:members 4:4:2:0:others | 3:A:I go 4:A:I go, too | "
                              "3:A:1:7 3:B:2:1 4:A:1:2 | ");

        /* What changes takes the place of what was; a lane never goes back. */
        fixture_apply(s, (struct change){ .type = CHANGE_GROUP_MUTED,
                                 .muted = { .number = TEAM, .until_usec = USEC_INFINITY } });
        fixture_apply(s, group(TEAM, GROUP_MEMBER, "more members"));
        fixture_apply(s, leave(TEAM, &ana, "I go again"));
        fixture_apply(s, leave(TEAM, &bob, "I too"));
        fixture_apply(s, lane(TEAM, &first, 5));
        fixture_apply(s, lane(TEAM, &second, 3));
        s = reopen(s, path);
        ASSERT_STREQ(load(s), "3:3:2:18446744073709551615:more members 4:4:2:0:others | "
                              "3:A:I go again 4:A:I go, too 3:B:I too | "
                              "3:A:1:7 3:B:2:3 4:A:1:2 | ");

        /* Lanes below the floor go, of that group alone. */
        struct change c = group(TEAM, GROUP_MEMBER, "few");
        c.group.floor = 2;
        fixture_apply(s, c);
        c = leave(TEAM, &ana, "");
        c.type = CHANGE_LEAVE_GONE;
        fixture_apply(s, c);
        s = reopen(s, path);
        ASSERT_STREQ(load(s), "3:3:2:18446744073709551615:few 4:4:2:0:others | "
                              "4:A:I go, too 3:B:I too | 3:B:2:3 4:A:1:2 | ");
        fixture_apply(s, (struct change){ .type = CHANGE_GROUP_GONE, .number = TEAM });
        s = reopen(s, path);
        ASSERT_STREQ(load(s), "4:4:2:0:others | 4:A:I go, too | 4:A:1:2 | ");
        store_free(s);
}

static int check_message(const struct message_record *m, void *userdata)
{
        const struct change *c = userdata;
        char id[ID_STRING_SIZE];

        identity_id(c->message.group.lane.author.bytes, id);
        ASSERT_STREQ(m->author_id, id);
        ASSERT_TRUE(group_lane_id_equal(&m->group.lane, &c->message.group.lane));
        ASSERT_EQ(m->group.number, c->message.group.number);
        ASSERT_EQ(m->group.time_usec, c->message.group.time_usec);
        ASSERT_MEMEQ(m->group.signature, c->message.group.signature, SIGNATURE_SIZE);
        ASSERT_EQ(m->size, c->message.size);
        ASSERT_MEMEQ(m->text, c->message.text, m->size);
        ASSERT_STREQ(m->name, c->message.name);
        ASSERT_EQ(m->direction, c->message.direction);
        ASSERT_EQ(m->endpoint.family, ENDPOINT_NONE);
        return 17;
}

static int load_message(struct store *s, struct change *c)
{
        return store_load_group_message(s, c->message.peer, &c->message.group.lane,
                c->message.group.number, check_message, c);
}

TEST(messages_are_given_as_they_were_signed)
{
        _cleanup_(freep)
        char *path = fixture_path("messages.db");
        struct change heard = said(&bob, 1, MESSAGE_RECEIVED, "from Bob"),
                      own = said(&ana, 1, MESSAGE_QUEUED, "from me"),
                      other = said(&ana, 2, MESSAGE_RECEIVED, "not there");
        struct store *s = fixture_open(path, NULL);

        fixture_apply(s, group(TEAM, GROUP_MEMBER, "members"));
        fixture_apply(s, heard);
        fixture_apply(s, own);
        s = reopen(s, path);
        ASSERT_EQ(load_message(s, &heard), 17);
        ASSERT_EQ(load_message(s, &own), 17);
        ASSERT_EQ(load_message(s, &other), -ENOENT);
        heard.message.peer++;
        ASSERT_EQ(load_message(s, &heard), -ENOENT);
        ASSERT_EQ(fixture_count(s), 2);
        ASSERT_EQ(fixture_queued(s), 0); /* it is not for one peer */
        ASSERT_STREQ(load(s), "3:3:2:0:members | | 3:B:1:1 3:A:1:1 | 3:A:1:queued:7 ");
        store_free(s);
}

TEST(what_came_once_is_not_stored_twice)
{
        struct change heard = said(&bob, 1, MESSAGE_RECEIVED, "from Bob");
        struct store *s = fixture_open(":memory:", NULL);

        fixture_apply(s, group(TEAM, GROUP_MEMBER, "members"));
        fixture_apply(s, heard);
        heard.message.id = fixture_id(77);
        fixture_apply(s, heard);
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_count(s), 1);
        ASSERT_EQ(fixture_drain(s), 1);
        store_free(s);
}

/* It is over when all have it, or nobody asks any more. */
TEST(states_go_forward)
{
        _cleanup_(freep)
        char *path = fixture_path("states.db");
        struct change own = said(&ana, 1, MESSAGE_QUEUED, "one"),
                      back = said(&ana, 2, MESSAGE_SENT, "came back");
        struct store *s = fixture_open(path, NULL);

        fixture_apply(s, group(TEAM, GROUP_MEMBER, "m"));
        fixture_apply(s, own);
        fixture_apply(s, back);
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_drain(s), 2);
        fixture_apply(s, becomes(&own, MESSAGE_SENT, true));
        s = reopen(s, path);
        ASSERT_STREQ(load(s), "3:3:2:0:m | | 3:A:1:2 | 3:A:1:sent:3 3:A:2:sent:9 ");
        fixture_apply(s, becomes(&own, MESSAGE_DELIVERED, false));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_drain(s), 1);
        /* The same state once more, for ever: nothing to be shown. */
        fixture_apply(s, becomes(&back, MESSAGE_SENT, false));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(fixture_drain(s), 0);
        s = reopen(s, path);
        ASSERT_STREQ(load(s), "3:3:2:0:m | | 3:A:1:2 | ");
        ASSERT_EQ(load_message(s, &own), 17);
        store_free(s);
}

/* What is old goes, but not what some still lack; and how far lanes were taken stays. */
TEST(age_erases_texts_and_not_numbers)
{
        struct store_options options = fixture_options(":memory:", NULL);
        struct change heard = said(&bob, 1, MESSAGE_RECEIVED, "from Bob"),
                      own = said(&ana, 1, MESSAGE_QUEUED, "to all");
        struct ulid origin;
        struct store *s;
        usec_t next_usec;

        options.age_max_usec = USEC_PER_HOUR;
        ASSERT_OK(store_open(&options, &s));
        store_set_time(s, FIXTURE_TIME);
        fixture_apply(s, group(TEAM, GROUP_MEMBER, "m"));
        fixture_apply(s, heard);
        fixture_apply(s, own);
        fixture_apply(s, becomes(&own, MESSAGE_SENT, true));
        ASSERT_OK(store_commit(s));
        ASSERT_OK(store_expire(s, FIXTURE_TIME + USEC_PER_DAY, &next_usec));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(load_message(s, &heard), -ENOENT);
        ASSERT_EQ(load_message(s, &own), 17);
        ASSERT_STREQ(load(s), "3:3:2:0:m | | 3:B:1:1 3:A:1:1 | 3:A:1:sent:6 ");
        store_group_origin(s, TEAM, &heard.message.group.lane, 1, &origin);
        ASSERT_EQ(store_is_erased(s, TEAM, &origin), 0); /* it takes no place of others */

        store_set_time(s, FIXTURE_TIME + USEC_PER_DAY);
        fixture_apply(s, becomes(&own, MESSAGE_DELIVERED, false));
        ASSERT_OK(store_expire(s, FIXTURE_TIME + 2 * USEC_PER_DAY, &next_usec));
        ASSERT_OK(store_commit(s));
        ASSERT_EQ(load_message(s, &own), -ENOENT);
        store_free(s);
}

TEST(a_forgotten_conversation_keeps_the_group)
{
        _cleanup_(freep)
        char *path = fixture_path("forget.db");
        struct change heard = said(&bob, 1, MESSAGE_RECEIVED, "from Bob");
        struct store *s = fixture_open(path, NULL);

        fixture_apply(s, group(TEAM, GROUP_MEMBER, "m"));
        fixture_apply(s, heard);
        fixture_apply(s, (struct change){ .type = CHANGE_FORGET, .number = TEAM });
        s = reopen(s, path);
        ASSERT_EQ(load_message(s, &heard), -ENOENT);
        ASSERT_EQ(fixture_count(s), 0);
        ASSERT_STREQ(load(s), "3:3:2:0:m | | 3:B:1:1 | ");
        heard = said(&bob, 2, MESSAGE_RECEIVED, "again from Bob");
        fixture_apply(s, heard);
        s = reopen(s, path);
        ASSERT_EQ(load_message(s, &heard), 17);
        store_free(s);
}

static int64_t count_keys(struct store *s)
{
        sqlite3_stmt *q;
        int64_t n;

        ASSERT_OK(sqlite3_prepare_v2(
                s->db, "SELECT count(*) FROM peer WHERE key IS NOT NULL", -1, &q, NULL));
        ASSERT_EQ(sqlite3_step(q), SQLITE_ROW);
        n = sqlite3_column_int64(q, 0);
        ASSERT_OK(sqlite3_finalize(q));
        return n;
}

/* Without a trace: its key, too. */
TEST(a_group_that_goes_takes_all_with_it)
{
        _cleanup_(freep)
        char *path = fixture_path("gone.db");
        struct store *s = fixture_open(path, NULL);

        fixture_apply(s, fixture_peer(1, "Zeynep"));
        fixture_apply(s, fixture_message(1, 1, MESSAGE_RECEIVED, "of a user"));
        fixture_apply(s, group(TEAM, GROUP_MEMBER, "m"));
        fixture_apply(s, said(&bob, 1, MESSAGE_RECEIVED, "from Bob"));
        ASSERT_OK(store_commit(s));
        fixture_apply(s, (struct change){ .type = CHANGE_GROUP_GONE, .number = TEAM });
        s = reopen(s, path);
        ASSERT_EQ(fixture_count(s), 1);
        ASSERT_EQ(fixture_peers(s), 1);
        ASSERT_STREQ(load(s), "| | | ");
        ASSERT_EQ(count_keys(s), 1);
        store_free(s);
}

TEST(an_older_database_gets_groups)
{
        _cleanup_(freep)
        char *path = fixture_path("older.db");
        struct change heard = said(&bob, 1, MESSAGE_RECEIVED, "from Bob");
        struct store *s = fixture_open(path, NULL);

        fixture_apply(s, fixture_peer(1, "Zeynep"));
        fixture_apply(s, fixture_message(1, 1, MESSAGE_RECEIVED, "of before"));
        fixture_apply(s, fixture_message(2, 1, MESSAGE_QUEUED, "waits"));
        ASSERT_OK(store_commit(s));
        store_free(s);
        fixture_sql(path, "DROP TABLE team; DROP TABLE team_leave; DROP TABLE team_lane;"
                          "DROP INDEX message_told; PRAGMA user_version = 4;");
        s = fixture_open(path, NULL);
        ASSERT_EQ(fixture_count(s), 2);
        ASSERT_EQ(fixture_queued(s), 1);
        ASSERT_STREQ(load(s), "| | | ");
        fixture_apply(s, group(TEAM, GROUP_MEMBER, "m"));
        fixture_apply(s, heard);
        s = reopen(s, path);
        ASSERT_EQ(load_message(s, &heard), 17);
        store_free(s);
}

/* No bit of what is sealed changes unseen, and nothing opens in another place. */
TEST(damage_is_seen)
{
        static const char *const damages[] = {
                "UPDATE team SET sealed = substr(sealed, 1, 20) || x'00' || substr(sealed, 22)",
                "UPDATE team SET number = 9",
                "UPDATE team_leave SET team = 9",
                "UPDATE team_leave SET hash = x'00112233445566778899aabbccddeeff'",
                "UPDATE team_lane SET team = 9",
                "UPDATE team_lane SET version = 9",
                "UPDATE team_lane SET hash = x'00112233445566778899aabbccddeeff'",
                "UPDATE team_lane SET hash = x'00'",
                "UPDATE message SET peer = 9 WHERE direction = 2",
                "UPDATE message SET sealed = substr(sealed, 2) WHERE direction = 2",
        };

        for (size_t i = 0; i < ELEMENTSOF(damages); i++) {
                _cleanup_(freep)
                char *path = fixture_path("damage.db");
                _cleanup_(freep)
                char *mark = fixture_path("damage.db" DAMAGE_SUFFIX);
                const struct group_lane_id first = lane_of(&ana, 1);
                struct store *s;
                struct loaded l = { .size = 0 };
                int r;

                (void)unlink(path);
                (void)unlink(mark);
                s = fixture_open(path, NULL);
                fixture_apply(s, group(TEAM, GROUP_MEMBER, "m"));
                fixture_apply(s, leave(TEAM, &ana, "I go"));
                fixture_apply(s, lane(TEAM, &first, 1));
                fixture_apply(s, said(&ana, 1, MESSAGE_QUEUED, "one"));
                ASSERT_OK(store_commit(s));
                store_free(s);
                fixture_sql(path, damages[i]);
                s = fixture_open(path, NULL);
                r = store_load_groups(s, on_group, &l);
                if (r == 0)
                        r = store_load_leaves(s, on_leave, &l);
                if (r == 0)
                        r = store_load_lanes(s, on_lane, &l);
                if (r == 0)
                        r = store_load_told(s, on_told, &l);
                if (r != -EUCLEAN)
                        TEST_FAIL("%s: %d", damages[i], r);
                store_free(s);
        }
}

/* Who is in which group, how far all has come, and what some lack; and nothing of what is lost. */
TEST(salvage_keeps_groups)
{
        _cleanup_(freep)
        char *path = fixture_path("salvage.db"), *mark = fixture_path("salvage.db" DAMAGE_SUFFIX),
             *aside = NULL;
        const struct store_options options = fixture_options(path, NULL);
        const struct group_lane_id first = lane_of(&ana, 1);
        struct change own = said(&ana, 1, MESSAGE_QUEUED, "told to nobody"),
                      sent = said(&ana, 2, MESSAGE_QUEUED, "told to some"),
                      done = said(&ana, 3, MESSAGE_QUEUED, "told to all");
        struct store *s = fixture_open(path, NULL);
        uint64_t n_lost;
        int fd;

        fixture_apply(s, fixture_peer(1, "Zeynep"));
        fixture_apply(s, fixture_message(1, 1, MESSAGE_QUEUED, "waits"));
        fixture_apply(s, group(TEAM, GROUP_MEMBER, "members"));
        fixture_apply(s, group(4, GROUP_MEMBER, "lost"));
        fixture_apply(s, leave(TEAM, &bob, "I go"));
        fixture_apply(s, lane(4, &first, 3));
        fixture_apply(s, leave(4, &bob, "gone"));
        fixture_apply(s, said(&bob, 1, MESSAGE_RECEIVED, "from Bob"));
        fixture_apply(s, own);
        fixture_apply(s, sent);
        fixture_apply(s, done);
        fixture_apply(s, becomes(&sent, MESSAGE_SENT, true));
        fixture_apply(s, becomes(&done, MESSAGE_DELIVERED, false));
        ASSERT_OK(store_commit(s));
        store_free(s);
        fixture_sql(path, "UPDATE team SET sealed = substr(sealed, 1, 20) || x'00' || "
                          "substr(sealed, 22) WHERE number = 4");
        fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ASSERT_GE(fd, 0);
        ASSERT_OK(close(fd));
        ASSERT_EQ(store_open(&options, &s), STORE_DAMAGED);
        ASSERT_OK(store_salvage(&options, FIXTURE_TIME, &s, &aside, &n_lost));
        ASSERT_EQ(n_lost, 1);
        ASSERT_STREQ(load(s), "3:3:2:0:members | 3:B:I go | 3:B:1:1 3:A:1:3 | "
                              "3:A:1:queued:14 3:A:2:sent:12 ");
        ASSERT_EQ(fixture_queued(s), 1);
        ASSERT_EQ(load_message(s, &own), 17);
        ASSERT_EQ(load_message(s, &done), -ENOENT);
        fixture_apply(s, becomes(&own, MESSAGE_DELIVERED, false));
        ASSERT_OK(store_commit(s));
        store_free(s);
}

TEST_MAIN_WITH(fixture_setup)
