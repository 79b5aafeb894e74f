/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of the ledger as bytes, and their signatures */
#include "core/ledger/certificate.h"
#include "base/cursor.h"

#define CERTIFICATE_VERSION 1
#define REGISTRAR_NONE 255

static const char *prefix_of(enum certificate_kind kind)
{
        return kind == CERTIFICATE_REGISTER ? "p2pchat/1 register" : "p2pchat/1 revoke";
}

/* What the owner signs. */
static void write_body(struct writer *w, const struct certificate *c)
{
        writer_u8(w, CERTIFICATE_VERSION);
        writer_u8(w, (uint8_t)c->kind);
        writer_blob(w, c->name, strlen(c->name));
        writer_bytes(w, c->public_key, sizeof c->public_key);
        writer_u64(w, c->time_usec);
        if (c->kind == CERTIFICATE_REVOKE_SUCCESSOR)
                writer_bytes(w, c->successor, sizeof c->successor);
}

static size_t encode_body(const struct certificate *c, uint8_t ret[static CERTIFICATE_SIZE_MAX])
{
        struct writer w = writer_make(ret, CERTIFICATE_SIZE_MAX);

        write_body(&w, c);
        assert(!w.failed);
        return w.size;
}

size_t certificate_encode(const struct certificate *c, uint8_t ret[static CERTIFICATE_SIZE_MAX])
{
        struct writer w = writer_make(ret, CERTIFICATE_SIZE_MAX);

        write_body(&w, c);
        writer_bytes(&w, c->signature, sizeof c->signature);
        writer_u8(&w, c->has_registrar ? c->registrar : REGISTRAR_NONE);
        if (c->has_registrar)
                writer_bytes(&w, c->registrar_signature, sizeof c->registrar_signature);
        assert(!w.failed);
        return w.size;
}

static bool read_kind(struct reader *r, struct certificate *c)
{
        uint8_t version = reader_u8(r), kind = reader_u8(r);

        c->kind = kind;
        return version == CERTIFICATE_VERSION && kind >= CERTIFICATE_REGISTER &&
               kind <= CERTIFICATE_REVOKE_SUCCESSOR;
}

static bool read_name(struct reader *r, struct certificate *c)
{
        size_t size;
        const uint8_t *name = reader_blob(r, &size);

        if (!name || size > USERNAME_SIZE_MAX || memchr(name, 0, size))
                return false;
        memcpy(c->name, name, size);
        return username_is_valid(c->name);
}

static void read_into(struct reader *r, void *ret, size_t size)
{
        const uint8_t *bytes = reader_bytes(r, size);

        if (bytes)
                memcpy(ret, bytes, size);
}

static bool read_registrar(struct reader *r, struct certificate *c)
{
        uint8_t registrar = reader_u8(r);

        if (registrar == REGISTRAR_NONE)
                return true;
        c->has_registrar = true;
        c->registrar = registrar;
        read_into(r, c->registrar_signature, sizeof c->registrar_signature);
        /* A revocation is the owner's own affair. */
        return registrar < REGISTRARS_MAX && c->kind == CERTIFICATE_REGISTER;
}

int certificate_decode(const void *data, size_t size, struct certificate *ret)
{
        struct reader r = reader_make(data, size);
        struct certificate c = { .time_usec = 0 };
        size_t body_size;

        if (!read_kind(&r, &c) || !read_name(&r, &c))
                return CERTIFICATE_MALFORMED;
        read_into(&r, c.public_key, sizeof c.public_key);
        c.time_usec = reader_u64(&r);
        if (c.kind == CERTIFICATE_REVOKE_SUCCESSOR)
                read_into(&r, c.successor, sizeof c.successor);
        body_size = size - r.left;
        read_into(&r, c.signature, sizeof c.signature);
        if (!read_registrar(&r, &c) || !reader_is_done(&r))
                return CERTIFICATE_MALFORMED;
        if (c.kind == CERTIFICATE_REVOKE_SUCCESSOR &&
                memcmp(c.successor, c.public_key, sizeof c.successor) == 0)
                return CERTIFICATE_MALFORMED;
        hash(&(struct blob){ data, body_size }, 1, c.id);
        *ret = c;
        return 0;
}

int certificate_sign(
        struct certificate *c, const struct identity *i, const struct certificate_context *x)
{
        uint8_t body[CERTIFICATE_SIZE_MAX];
        struct blob pieces[2] = { { x->network, HASH_SIZE }, { body, 0 } };

        memcpy(c->public_key, i->public_key, sizeof c->public_key);
        c->has_registrar = false;
        pieces[1].size = encode_body(c, body);
        hash(&pieces[1], 1, c->id);
        return sign(i, prefix_of(c->kind), pieces, ELEMENTSOF(pieces), c->signature);
}

#define APPROVE_PREFIX "p2pchat/1 approve"

int certificate_approve(
        struct certificate *c, const struct identity *i, const struct certificate_context *x)
{
        uint8_t body[CERTIFICATE_SIZE_MAX];
        struct blob pieces[3] = { { x->network, HASH_SIZE }, { body, encode_body(c, body) },
                { c->signature, SIGNATURE_SIZE } };

        for (size_t k = 0; k < x->n_registrars; k++) {
                if (memcmp(x->registrars[k], i->public_key, PUBLIC_KEY_SIZE) != 0)
                        continue;
                c->has_registrar = true;
                c->registrar = (uint8_t)k;
                return sign(i, APPROVE_PREFIX, pieces, ELEMENTSOF(pieces), c->registrar_signature);
        }
        return CERTIFICATE_BAD_KEY;
}

static int fault_of(int sign_result)
{
        if (sign_result == SIGN_BAD_KEY)
                return CERTIFICATE_BAD_KEY;
        return sign_result > 0 ? CERTIFICATE_NOT_GENUINE : sign_result;
}

int certificate_verify(const struct certificate *c, const struct certificate_context *x)
{
        uint8_t body[CERTIFICATE_SIZE_MAX];
        struct blob pieces[3] = { { x->network, HASH_SIZE }, { body, encode_body(c, body) },
                { c->signature, SIGNATURE_SIZE } };
        int r;

        if (c->kind == CERTIFICATE_REVOKE_SUCCESSOR && !sign_key_check(c->successor))
                return CERTIFICATE_BAD_KEY;
        r = sign_verify(c->public_key, prefix_of(c->kind), pieces, 2, c->signature);
        if (r != 0)
                return fault_of(r);
        if (c->has_registrar) {
                if (c->registrar >= x->n_registrars)
                        return CERTIFICATE_NOT_APPROVED;
                r = sign_verify(x->registrars[c->registrar], APPROVE_PREFIX, pieces, 3,
                        c->registrar_signature);
                return fault_of(r);
        }
        return c->kind == CERTIFICATE_REGISTER && x->n_registrars > 0 ? CERTIFICATE_NOT_APPROVED
                                                                      : 0;
}
