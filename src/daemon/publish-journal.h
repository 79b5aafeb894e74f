/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Committed changes as journal entries
 *
 * Each kind has a MESSAGE_ID with an entry in the catalogue. Never waits (os/journal.h). A NULL
 * journal takes nothing.
 */
#include "store/store.h"

#define JOURNAL_ID_MESSAGE "6f4f6c2d4d0e4b3f9a6f0e1c2b7d5a11"
#define JOURNAL_ID_PRESENCE "0b6f2a9be1c944d6a3c8f27f5d1e6c22"
#define JOURNAL_ID_WARNING "9d1a7f0c5e2b4c0f8b3ad6e4172f8c33"
#define JOURNAL_ID_LIMIT "3e8c5b71f4a24d1c9d0b6a52e7f91d44"
#define JOURNAL_ID_KEY_CHANGED "c7f01b5ad3e94f2e8a46b90d7e135f66"
#define JOURNAL_ID_NAMESAKE "58d3a6e2f07b4c19b1e58f24c0a96d77"
#define JOURNAL_ID_CLONE "e16b94c08d2a4f75a3c7d05b6f2e8188"
#define JOURNAL_ID_SESSION "7b2ce5f8146d4a03928f1da4b7c06e99"
#define JOURNAL_ID_CERTIFIED "2f8d6b13c95e4e70a1d4c7f30b6e58aa"
#define JOURNAL_ID_FILE "d85e1c3a70b94b62a9f47e2d06c18fbb"
#define JOURNAL_ID_INVITED "67b7bfe92638424c8186f55677c05396"
#define JOURNAL_ID_STORE "a4b2d9e07c6141f5b8e3c0f61a2d7e55"

struct journal;

/* With STORE_KEEP_SEALED without the text, with STORE_KEEP_NONE not at all. @id: of the user.
 * @group: its word, or "". */
void publish_journal_message(struct journal *j, enum store_keep keep,
        const struct message_record *message, const char *id, const char *group);
void publish_journal_presence(struct journal *j, const struct change_presence *presence);
/* Kinds "Limit", "KeyChanged", "Namesake" and "Clone" have ids of their own. */
void publish_journal_warning(struct journal *j, const struct change_warning *warning);
/* A session began or ended, with what went over it; and the same in a sentence. */
#define PUBLISH_SESSION_SIZE 512
void publish_session_sentence(
        const struct change_session *session, char ret[static PUBLISH_SESSION_SIZE]);
void publish_journal_session(
        struct journal *j, const struct change_session *session, const char *sentence);
void publish_journal_invited(struct journal *j, const struct change_invited *invited);
/* A name is registered in the ledger, or its registration renewed. */
void publish_journal_certified(struct journal *j, const struct change_certified *certified);
/* A file is offered to us, or it is over. */
void publish_journal_file(struct journal *j, const struct change_file *file);
/* Something about the store that a person must know: damaged, moved aside, full. */
void publish_journal_store(struct journal *j, const char *sentence);
