/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of the page, in both directions
 *
 *     file-begin, file-piece …, file-send    the browser's file, piece by piece, into one without a
 *                                            name, which the chat service then copies; or file-stop
 *     file-accept, … "arrived", file         the chat service's file, by way of arrivals.h
 *     file-done                              the browser has it: it goes
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "bus/names.h"
#include "os/fd.h"
#include "web/arrivals.h"
#include "web/json.h"
#include "web/web.h"

#define UPLOAD_ID_BYTES 16
#define UPLOAD_ID_SIZE BASE32_SIZE(UPLOAD_ID_BYTES)
#define PIECE_SIZE_MAX (BODY_SIZE_MAX / 4 * 3)
#define ANSWER_SIZE_MAX 256

struct upload {
        struct list list; /* in web.uploads */
        struct session *session;
        char id[UPLOAD_ID_SIZE];
        char *user, *name;
        int fd;
        uint64_t size;
};

static void upload_free(struct web *w, struct upload *u)
{
        list_remove(&u->list);
        w->n_uploads--;
        fd_close(u->fd);
        free(u->user);
        free(u->name);
        free(u);
}

void files_forget_closed(struct web *w)
{
        list_for_each_safe (i, &w->uploads) {
                struct upload *u = container_of(i, struct upload, list);

                if (!u->session->is_open)
                        upload_free(w, u);
        }
}

void files_done(struct web *w)
{
        list_for_each_safe (i, &w->uploads)
                upload_free(w, container_of(i, struct upload, list));
        w->directory = fd_close(w->directory);
}

static struct upload *find_upload(struct visit *v, struct json_object *body)
{
        const char *id;

        if (json_get_text(body, "upload", &id) <= 0)
                return NULL;
        list_for_each (i, &v->web->uploads) {
                struct upload *u = container_of(i, struct upload, list);

                if (u->session == v->session && streq(u->id, id))
                        return u;
        }
        return NULL;
}

static void refuse_upload(struct visit *v)
{
        visit_refuse(v, 404, "NoSuchTransfer", "There is no such upload; begin anew.");
}

static void refuse_disk(struct visit *v, int r)
{
        if (r == -ENOMEM)
                visit_out_of_memory(v);
        else if (r == -ENOBUFS)
                visit_refuse(v, 429, "QueueFull",
                        "%d files wait for being saved already; save or remove some.",
                        ARRIVALS_MAX);
        else
                visit_refuse(v, 507, "StorageFull", "The file cannot be kept: %s.", strerror(-r));
}

/* The object that the body is; NULL after a refusal. */
static struct json_object *parse_body(struct visit *v)
{
        struct json_object *o = NULL;
        const char *text;
        size_t size;

        text = request_body(v->request, &size);
        if (json_parse(text, size, &o) < 0)
                visit_refuse(v, 400, "InvalidArgs", "The body is not one JSON object.");
        return o;
}

/* Without a directory of ours nothing can be kept. */
static bool check_directory(struct visit *v)
{
        if (v->web->directory >= 0)
                return true;
        visit_refuse(v, 501, "NotThere", "Files need a directory: p2pchat-web --state=DIRECTORY.");
        return false;
}

static void answer_word(struct visit *v, const char *key, const char *word)
{
        _cleanup_(buffer_done)
        struct buffer b;

        buffer_init(&b, ANSWER_SIZE_MAX);
        if (buffer_append(&b, "{", 1) < 0 || json_append_member(&b, key, word) < 0 ||
                buffer_append(&b, "}\n", 2) < 0)
                visit_out_of_memory(v);
        else
                visit_answer(v, &b);
}

/*
 * From the browser
 */
/* A file without a name, as soon as it is open. */
static int open_upload(int directory, const char *id)
{
        int fd = openat(directory, id, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return -errno;
        (void)unlinkat(directory, id, 0);
        return fd;
}

static unsigned count_uploads(const struct visit *v)
{
        unsigned n = 0;

        list_for_each (i, &v->web->uploads)
                n += container_of(i, struct upload, list)->session == v->session;
        return n;
}

static int upload_new(struct visit *v, const char *user, const char *name, struct upload **ret)
{
        struct upload *u = calloc(1, sizeof(*u));
        uint8_t random[UPLOAD_ID_BYTES];

        if (!u)
                return -ENOMEM;
        list_init(&u->list);
        list_append(&v->web->uploads, &u->list);
        v->web->n_uploads++;
        u->session = v->session;
        u->user = strdup(user);
        u->name = strdup(name);
        u->fd = -ENOMEM;
        if (u->user && u->name && getrandom(random, sizeof(random), 0) == sizeof(random)) {
                base32_encode(random, sizeof(random), u->id);
                u->fd = open_upload(v->web->directory, u->id);
        }
        if (u->fd < 0) {
                int r = u->fd;

                upload_free(v->web, u);
                return r;
        }
        *ret = u;
        return 0;
}

void files_begin(struct visit *v)
{
        _cleanup_(json_freep)
        struct json_object *body = parse_body(v);
        const char *user, *name;
        struct upload *u = NULL;
        int r;

        if (!body || !check_directory(v))
                return;
        if (json_get_text(body, "user", &user) <= 0 || json_get_text(body, "name", &name) <= 0) {
                visit_refuse(v, 400, "InvalidArgs", "Texts are wanted as \"user\" and \"name\".");
                return;
        }
        if (v->web->n_uploads >= UPLOADS_MAX || count_uploads(v) >= SESSION_UPLOADS_MAX) {
                visit_refuse(v, 429, "LimitsExceeded",
                        "Too many files are being sent already; wait until one is through.");
                return;
        }
        r = upload_new(v, user, name, &u);
        if (r < 0)
                refuse_disk(v, r);
        else
                answer_word(v, "upload", u->id);
}

void files_piece(struct visit *v)
{
        _cleanup_(json_freep)
        struct json_object *body = parse_body(v);
        _cleanup_(freep)
        uint8_t *data = NULL;
        struct upload *u;
        const char *text;
        size_t size;
        int r;

        if (!body)
                return;
        u = find_upload(v, body);
        if (!u) {
                refuse_upload(v);
                return;
        }
        data = malloc(PIECE_SIZE_MAX);
        if (!data) {
                visit_out_of_memory(v);
                return;
        }
        if (json_get_text(body, "data", &text) <= 0 ||
                base64_decode(text, strlen(text), false, data, &size) < 0) {
                visit_refuse(v, 400, "InvalidArgs", "Bytes in base64 are wanted as \"data\".");
                return;
        }
        if (u->size + size > UPLOAD_SIZE_MAX) {
                visit_refuse(v, 413, "TooLarge", "A file may have 4 GiB at most.");
                upload_free(v->web, u);
                return;
        }
        r = fd_write_all(u->fd, data, size);
        if (r < 0) {
                refuse_disk(v, r);
                upload_free(v->web, u);
                return;
        }
        u->size += size;
        answer_word(v, "upload", u->id);
}

void files_stop(struct visit *v)
{
        _cleanup_(json_freep)
        struct json_object *body = parse_body(v);
        struct upload *u;

        if (!body)
                return;
        u = find_upload(v, body);
        if (!u) {
                refuse_upload(v);
                return;
        }
        answer_word(v, "upload", u->id);
        upload_free(v->web, u);
}

/* The descriptor is given away with the call, and the chat service copies what it leads to. */
int files_append_upload(struct visit *v, struct json_object *body)
{
        struct upload *u = find_upload(v, body);
        int r;

        if (!u) {
                refuse_upload(v);
                return 0;
        }
        r = sd_bus_message_append(v->call, "ssh", u->user, u->name, u->fd);
        upload_free(v->web, u);
        return r < 0 ? r : 1;
}

/*
 * To the browser
 */
/* @body names the file as the list has it. */
static int describe(struct buffer *b, struct json_object *body, const char **ret_id)
{
        const char *user, *name;
        uint64_t size;
        int r;

        if (json_get_text(body, "id", ret_id) <= 0 || json_get_text(body, "user", &user) <= 0 ||
                json_get_text(body, "name", &name) <= 0 ||
                json_get_number(body, "size", &size) <= 0)
                return -EINVAL;
        r = buffer_append(b, "{", 1);
        if (r == 0)
                r = json_append_member(b, "id", *ret_id);
        if (r == 0)
                r = json_append_member(b, "user", user);
        if (r == 0)
                r = json_append_member(b, "name", name);
        if (r == 0)
                r = buffer_append_string(b, ",\"size\":");
        if (r == 0)
                r = json_append_number(b, size);
        if (r == 0)
                r = buffer_append(b, "}", 1);
        return r == -E2BIG ? -EINVAL : r;
}

int files_append_arrival(struct visit *v, struct json_object *body)
{
        _cleanup_(buffer_done)
        struct buffer about;
        _cleanup_(fd_closep)
        int fd = -EBADF;
        const char *id;
        int r;

        if (!check_directory(v))
                return 0;
        buffer_init(&about, ABOUT_SIZE_MAX);
        r = describe(&about, body, &id);
        if (r == 0)
                r = arrival_make(v->web->directory, id, &about, &fd);
        if (r == -EINVAL)
                visit_refuse(v, 400, "InvalidArgs",
                        "The file's id, user, name and size are wanted, as the list has them.");
        else if (r < 0)
                refuse_disk(v, r);
        if (r < 0)
                return 0;
        r = sd_bus_message_append(v->call, "sh", id, fd);
        return r < 0 ? r : 1;
}

/* Rows of the list, read again for each name: both are few. */
static bool is_in_list(const char *id, void *userdata)
{
        sd_bus_message *reply = userdata;
        const char *other;
        bool found = false;

        if (sd_bus_message_rewind(reply, true) < 0 ||
                sd_bus_message_enter_container(reply, 'a', "(" P2PCHAT_BUS_FILE_ROW ")") < 0)
                return true;
        while (!found && sd_bus_message_enter_container(reply, 'r', P2PCHAT_BUS_FILE_ROW) > 0) {
                if (sd_bus_message_read(reply, "s", &other) < 0 ||
                        sd_bus_message_skip(reply, "ssttss") < 0 ||
                        sd_bus_message_exit_container(reply) < 0)
                        return true;
                found = streq(other, id);
        }
        return found;
}

int files_append_arrived(struct visit *v, struct buffer *b, sd_bus_message *reply)
{
        int r = buffer_append_string(b, ",\"arrived\":");

        if (r < 0)
                return r;
        if (v->web->directory < 0)
                return buffer_append_string(b, "[]");
        return arrivals_append(v->web->directory, b, is_in_list, reply);
}

static ssize_t read_file(struct request *request, char *data, size_t size)
{
        struct visit *v = request_data(request);
        ssize_t n = v->session->is_open ? read(v->file, data, size) : -1;

        return n < 0 ? SOURCE_BROKEN : n == 0 ? SOURCE_END : n;
}

void files_give(struct visit *v)
{
        const char *id;
        int r;

        if (!check_directory(v))
                return;
        r = request_argument(v->request, "id", &id);
        r = r <= 0 ? -ENOENT : arrival_take(v->web->directory, id, &v->file);
        if (r == -ENOMEM)
                visit_out_of_memory(v);
        else if (r < 0)
                visit_refuse(v, 404, "NoSuchTransfer", "There is no such file, or not all of it.");
        else
                request_answer_source(v->request, "application/octet-stream", "file", read_file);
}

void files_remove(struct visit *v)
{
        _cleanup_(json_freep)
        struct json_object *body = parse_body(v);
        const char *id;

        if (!body || !check_directory(v))
                return;
        if (json_get_text(body, "id", &id) <= 0 || !file_id_is_valid(id)) {
                visit_refuse(v, 400, "InvalidArgs", "The id of a file is wanted as \"id\".");
                return;
        }
        arrival_remove(v->web->directory, id);
        answer_word(v, "id", id);
}

void files_end(struct visit *v)
{
        v->file = fd_close(v->file);
}
