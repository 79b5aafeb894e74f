/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The page as the browser gets it, and what a request must look like */
#include "web/page.h"

#include <stdio.h>
#include <strings.h>

#include "base/text.h"
#include "web/page-files.h"

static const struct page_file files[] = {
        { "/", "text/html; charset=utf-8", page_index_html },
        { "/app.js", "text/javascript; charset=utf-8", page_app_js },
        { "/dialogs.js", "text/javascript; charset=utf-8", page_dialogs_js },
        { "/files.js", "text/javascript; charset=utf-8", page_files_js },
        { "/view.js", "text/javascript; charset=utf-8", page_view_js },
        { "/link.js", "text/javascript; charset=utf-8", page_link_js },
        { "/style.css", "text/css; charset=utf-8", page_style_css },
        { "/icon.svg", "image/svg+xml", page_icon_svg },
};

/* No script but ours, nothing from elsewhere, nobody around us, and no text that becomes markup. */
const struct page_header page_headers[] = {
        { "Content-Security-Policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                "require-trusted-types-for 'script'; trusted-types 'none'" },
        { "X-Content-Type-Options", "nosniff" },
        { "X-Frame-Options", "DENY" },
        { "Referrer-Policy", "no-referrer" },
        { "Cross-Origin-Opener-Policy", "same-origin" },
        { "Cross-Origin-Resource-Policy", "same-origin" },
        { "Cache-Control", "no-store" },
        { NULL, NULL },
};

const struct page_file *page_find(const char *path)
{
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                if (streq(files[i].path, path))
                        return &files[i];
        return NULL;
}

bool page_host_is_ours(const char *host)
{
        return host && (streq(host, PAGE_HOST) || streq(host, PAGE_HOST_BY_NAME));
}

bool page_origin_is_ours(const char *origin)
{
        return !origin || streq(origin, "http://" PAGE_HOST) ||
               streq(origin, "http://" PAGE_HOST_BY_NAME);
}

bool page_type_is_json(const char *type)
{
        static const char json[] = "application/json";
        const size_t n = sizeof(json) - 1;

        if (!type || strncasecmp(type, json, n) != 0)
                return false;
        type += n + strspn(type + n, " \t");
        return type[0] == 0 || type[0] == ';';
}

const char *page_bearer(const char *authorization)
{
        static const char scheme[] = "Bearer ";
        const size_t n = sizeof(scheme) - 1;

        if (!authorization || strncasecmp(authorization, scheme, n) != 0)
                return NULL;
        return authorization + n + strspn(authorization + n, " ");
}

static int append_json_character(struct buffer *b, const char *s, size_t size, uint32_t c)
{
        char escape[8];

        if (c == '"' || c == '\\') {
                (void)snprintf(escape, sizeof(escape), "\\%c", (char)c);
                return buffer_append_string(b, escape);
        }
        if (c == '\n')
                return buffer_append_string(b, "\\n");
        if (c == '\t')
                return buffer_append_string(b, "\\t");
        /* All of these are below U+10000. */
        if (codepoint_is_control(c) || codepoint_is_bidi(c)) {
                (void)snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)c);
                return buffer_append_string(b, escape);
        }
        return buffer_append(b, s, size);
}

int page_append_json(struct buffer *b, const char *s)
{
        size_t n = strlen(s);
        int r = buffer_append(b, "\"", 1);

        while (r == 0 && n > 0) {
                uint32_t c;
                int size = utf8_decode(s, n, &c);

                if (size < 0) {
                        size = 1;
                        r = buffer_append_string(b, "\xef\xbf\xbd");
                } else
                        r = append_json_character(b, s, (size_t)size, c);
                s += size;
                n -= (size_t)size;
        }
        return r < 0 ? r : buffer_append(b, "\"", 1);
}

static int append_log_byte(struct buffer *b, char byte)
{
        char escape[8];

        switch (byte) {
        case '\n':
                return buffer_append_string(b, "\\n");
        case '\t':
                return buffer_append_string(b, "\\t");
        case '\r':
                return buffer_append_string(b, "\\r");
        case '\\':
                return buffer_append_string(b, "\\\\");
        default:
                (void)snprintf(escape, sizeof(escape), "\\%03o", (unsigned)(uint8_t)byte);
                return buffer_append_string(b, escape);
        }
}

int page_append_log(struct buffer *b, const char *s)
{
        size_t n = strlen(s);
        int r = 0;

        while (r == 0 && n > 0) {
                uint32_t c;
                int size = utf8_decode(s, n, &c);

                if (size > 0 && c != '\\' && !codepoint_is_control(c) && !codepoint_is_bidi(c))
                        r = buffer_append(b, s, (size_t)size);
                else {
                        size = 1;
                        r = append_log_byte(b, *s);
                }
                s += size;
                n -= (size_t)size;
        }
        return r;
}
