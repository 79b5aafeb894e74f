/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * User words: "ece", or "ece@192.168.1.7" where the name alone does not tell
 *
 * A bare name means the one who is present under it, be he heard at several addresses with one id.
 * If nobody is, those who were are taken for one user that changed its address, as the queue does
 * too, and the one heard last stands for them.
 */
#include <stdarg.h>
#include <stdio.h>

#include "core/node/node-private.h"

int refuse(struct refusal *ret, enum refusal_code code, const char *format, ...)
{
        va_list arguments;

        if (ret) {
                va_start(arguments, format);
                (void)vsnprintf(ret->sentence, sizeof ret->sentence, format, arguments);
                va_end(arguments);
                utf8_repair(ret->sentence); /* words are cut where they may be inside a character */
        }
        return (int)code;
}

static int refuse_unknown(struct refusal *ret, const char *word)
{
        return refuse(ret, REFUSAL_UNKNOWN_USER,
                "No user \"%.100s\" is known here. Users appear when they are heard on the "
                "network: "
                "see \"p2pchat users --all\".",
                word);
}

static int refuse_ambiguous(const struct node *n, const char *name, struct refusal *ret)
{
        char list[SENTENCE_SIZE - 160] = "";
        size_t used = 0;

        for (struct peer *i = peers_next_named(&n->peers, name, NULL); i;
                i = peers_next_named(&n->peers, name, i)) {
                struct endpoint e = peer_endpoint(i);
                char address[ENDPOINT_STRING_MAX], item[WORD_SIZE + 2];
                size_t size;

                if (!peer_is_present(i))
                        continue;
                size = (size_t)snprintf(item, sizeof item, "%s%s@%s", used > 0 ? ", " : "",
                        i->record.name, endpoint_format(&e, address));
                if (used + size >= sizeof list)
                        break;
                memcpy(list + used, item, size + 1);
                used += size;
        }
        return refuse(ret, REFUSAL_AMBIGUOUS_USER,
                "Several users are called \"%.100s\"; name one of them: %s.", name, list);
}

static int find_named(
        const struct node *n, const char *name, struct peer **ret, struct refusal *ret_refusal)
{
        bool several;
        struct peer *last = peers_bearer(&n->peers, name, &several);

        if (several)
                return refuse_ambiguous(n, name, ret_refusal);
        if (last) {
                *ret = last;
                return 0;
        }
        for (struct peer *i = peers_next_named(&n->peers, name, NULL); i;
                i = peers_next_named(&n->peers, name, i))
                if (!last || i->record.heard_usec > last->record.heard_usec)
                        last = i;
        if (!last)
                return refuse_unknown(ret_refusal, name);
        *ret = last;
        return 0;
}

static int find_at(const struct node *n, const char *word, const char *at, struct peer **ret,
        struct refusal *ret_refusal)
{
        char name[NAME_SIZE_MAX + 1];
        struct endpoint e;
        struct peer *peer;

        if ((size_t)(at - word) > NAME_SIZE_MAX || endpoint_parse(at + 1, 0, &e) < 0)
                return refuse(ret_refusal, REFUSAL_UNKNOWN_USER,
                        "\"%.150s\" is no user: after the @ comes a numeric address, as in "
                        "ece@192.168.1.7.",
                        word);
        memcpy(name, word, (size_t)(at - word));
        name[at - word] = 0;

        peer = peers_at(&n->peers, &e, name);
        if (!peer || (e.port != 0 && e.port != peer_endpoint(peer).port))
                return refuse_unknown(ret_refusal, word);
        *ret = peer;
        return 0;
}

int node_find_user(
        const struct node *n, const char *word, struct peer **ret, struct refusal *ret_refusal)
{
        const char *at = strrchr(word, '@');

        if (!word[0])
                return refuse(ret_refusal, REFUSAL_UNKNOWN_USER, "The name of the user is empty.");
        if (at)
                return find_at(n, word, at, ret, ret_refusal);
        return find_named(n, word, ret, ret_refusal);
}

static int compare_heard(const void *a, const void *b)
{
        const struct peer *x = *(struct peer *const *)a, *y = *(struct peer *const *)b;

        return (x->record.heard_usec < y->record.heard_usec) -
               (x->record.heard_usec > y->record.heard_usec);
}

int node_find_conversations(const struct node *n, const char *word, struct now now,
        uint64_t *ret_numbers, size_t max, size_t *ret_n, struct refusal *ret_refusal)
{
        struct peer *found, *peers[64];
        size_t n_peers = 0;
        int r;

        r = node_find_user(n, word, &found, ret_refusal);
        if (r != 0)
                return r;

        max = MIN(max, ELEMENTSOF(peers));
        peers[n_peers++] = found;
        if (!strchr(word, '@'))
                for (struct peer *i = peers_next_named(&n->peers, word, NULL); i && n_peers < max;
                        i = peers_next_named(&n->peers, word, i))
                        if (i != found && (!peer_is_present(i) || peer_is_same_machine(i, found)))
                                peers[n_peers++] = i;
        qsort(peers, n_peers, sizeof peers[0], compare_heard);
        for (size_t i = 0; i < n_peers; i++)
                ret_numbers[i] = peers[i]->record.number;
        *ret_n = n_peers;
        return 0;
}

const char *node_word(const struct node *n, uint64_t number, const char *name,
        const struct endpoint *endpoint, struct now now, char buffer[static WORD_SIZE])
{
        struct peer *peer = peers_by_number(&n->peers, number), *found = NULL;
        char address[ENDPOINT_STRING_MAX];
        struct endpoint e;

        if (peer) {
                name = peer->record.name;
                e = peer_endpoint(peer);
        } else {
                e = *endpoint;
        }
        if (peer && find_named(n, name, &found, NULL) == 0 && found == peer)
                (void)snprintf(buffer, WORD_SIZE, "%s", name);
        else
                (void)snprintf(buffer, WORD_SIZE, "%s@%s", name, endpoint_format(&e, address));
        return buffer;
}
