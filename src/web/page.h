/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The page as the browser gets it, and what a request must look like
 *
 * Another page that the browser shows can make it send requests here, and a name server can make
 * its name ours. So a request names us as its host, exactly; what says where it comes from comes
 * from us; and what changes something is JSON, which a foreign form cannot send.
 */
#include "base/buffer.h"

#define PAGE_ADDRESS "127.0.0.1"
#define PAGE_PORT 6002
#define PAGE_HOST "127.0.0.1:6002"
#define PAGE_HOST_BY_NAME "localhost:6002"

struct page_file {
        const char *path;
        const char *type;
        const char *data;
};

struct page_header {
        const char *name;
        const char *value;
};

/* What is sent with every answer; ends with a NULL. */
extern const struct page_header page_headers[];

/* NULL when there is no such file. */
const struct page_file *page_find(const char *path);

/* Each takes the value of a header, or NULL when there is none. */
bool page_host_is_ours(const char *host);
bool page_origin_is_ours(const char *origin);
bool page_type_is_json(const char *type);
/* The session that "Bearer SESSION" names, or NULL. */
const char *page_bearer(const char *authorization);

/* A string of JSON, in quotes; what is not UTF-8 becomes U+FFFD, and what reorders the text around
 * it or cannot be seen is written as an escape. 0 or what buffer_append() says. */
int page_append_json(struct buffer *b, const char *s);
/* The field of a line of the log: with C escapes, as in history.log. */
int page_append_log(struct buffer *b, const char *s);
