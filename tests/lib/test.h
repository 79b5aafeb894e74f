/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Unit tests in C
 *
 *     TEST(cursor_stops_at_its_end)
 *     {
 *             ASSERT_EQ(reader_u8(&r), 7);
 *             ASSERT_STREQ(name, "Ece");
 *     }
 *
 *     TEST_MAIN()
 *
 * One program per test file: TEST() registers, TEST_MAIN() at the end of the file runs what was
 * registered, in the order of the file. Arguments choose: a test runs when its name contains one of
 * them. Output is TAP. A failed assertion shows both sides and ends the program with 1; a program
 * that cannot run here returns TEST_SKIP from its set-up.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/macro.h"

#define TEST_SKIP 77

struct test {
        const char *name;
        void (*run)(void);
        struct test *next;
};

static struct test *test_first;
__attribute__((unused)) static struct test **test_last = &test_first;
static const char *test_now = "set-up";

#define TEST(n)                                                                                    \
        static void test_##n(void);                                                                \
        __attribute__((constructor)) static void test_register_##n(void)                           \
        {                                                                                          \
                static struct test t = { .name = #n, .run = test_##n };                            \
                                                                                                   \
                *test_last = &t;                                                                   \
                test_last = &t.next;                                                               \
        }                                                                                          \
        static void test_##n(void)

#define TEST_MAIN() TEST_MAIN_WITH(NULL)

/* @setup: int (*)(void), called once before the first test; 0, or what the program shall return. */
#define TEST_MAIN_WITH(setup)                                                                      \
        int main(int argc, char **argv)                                                            \
        {                                                                                          \
                return test_run(argc, argv, setup);                                                \
        }

static inline int test_run(int argc, char **argv, int (*setup)(void))
{
        size_t n = 0;
        int r;

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        r = setup ? setup() : 0;
        if (r != 0)
                return r;
        for (struct test *t = test_first; t; t = t->next) {
                bool chosen = argc < 2;

                for (int i = 1; i < argc; i++)
                        chosen = chosen || strstr(t->name, argv[i]);
                if (!chosen)
                        continue;
                test_now = t->name;
                t->run();
                printf("ok %zu - %s\n", ++n, t->name);
        }
        printf("1..%zu\n", n);
        return n > 0 ? 0 : 1;
}

#define TEST_FAIL(...)                                                                             \
        do {                                                                                       \
                fflush(stdout);                                                                    \
                fprintf(stderr, "not ok - %s\n# %s:%d: ", test_now, __FILE__, __LINE__);           \
                fprintf(stderr, __VA_ARGS__);                                                      \
                fputc('\n', stderr);                                                               \
                exit(1);                                                                           \
        } while (0)

#define ASSERT_TRUE(x)                                                                             \
        do {                                                                                       \
                if (!(x))                                                                          \
                        TEST_FAIL("%s is false", #x);                                              \
        } while (0)
#define ASSERT_FALSE(x)                                                                            \
        do {                                                                                       \
                if (x)                                                                             \
                        TEST_FAIL("%s is true", #x);                                               \
        } while (0)

/* Integers, enums, booleans: shown signed, and large ones unsigned too. */
#define ASSERT_COMPARE(a, op, b)                                                                   \
        do {                                                                                       \
                __typeof__((a) + 0) _a = (a);                                                      \
                __typeof__((b) + 0) _b = (b);                                                      \
                                                                                                   \
                if (!(_a op _b))                                                                   \
                        TEST_FAIL("%s %s %s, but %jd (%ju) and %jd (%ju)", #a, #op, #b,            \
                                (intmax_t)_a, (uintmax_t)_a, (intmax_t)_b, (uintmax_t)_b);         \
        } while (0)
#define ASSERT_EQ(a, b) ASSERT_COMPARE(a, ==, b)
#define ASSERT_NE(a, b) ASSERT_COMPARE(a, !=, b)
#define ASSERT_LT(a, b) ASSERT_COMPARE(a, <, b)
#define ASSERT_LE(a, b) ASSERT_COMPARE(a, <=, b)
#define ASSERT_GT(a, b) ASSERT_COMPARE(a, >, b)
#define ASSERT_GE(a, b) ASSERT_COMPARE(a, >=, b)

/* 0: fine. Shows the errno of what is not. */
#define ASSERT_OK(x)                                                                               \
        do {                                                                                       \
                int _r = (x);                                                                      \
                                                                                                   \
                if (_r != 0)                                                                       \
                        TEST_FAIL("%s gives %d%s%s", #x, _r, _r < 0 ? ": " : "",                   \
                                _r < 0 ? strerror(-_r) : "");                                      \
        } while (0)

#define ASSERT_NULL(x)                                                                             \
        do {                                                                                       \
                const void *_x = (x);                                                              \
                                                                                                   \
                if (_x)                                                                            \
                        TEST_FAIL("%s is %p", #x, _x);                                             \
        } while (0)
#define ASSERT_NOT_NULL(x)                                                                         \
        do {                                                                                       \
                if (!(x))                                                                          \
                        TEST_FAIL("%s is NULL", #x);                                               \
        } while (0)

#define ASSERT_STREQ(a, b)                                                                         \
        do {                                                                                       \
                const char *_a = (a), *_b = (b);                                                   \
                                                                                                   \
                if (!_a || !_b || !streq(_a, _b))                                                  \
                        TEST_FAIL("%s == %s, but\n#   \"%s\"\n#   \"%s\"", #a, #b,                 \
                                _a ? _a : "(null)", _b ? _b : "(null)");                           \
        } while (0)

static inline void test_show_bytes(const char *label, const void *data, size_t size)
{
        const uint8_t *d = data;

        fprintf(stderr, "#   %s", label);
        for (size_t i = 0; i < size && i < 256; i++)
                fprintf(stderr, "%02x", d[i]);
        fprintf(stderr, size > 256 ? "... (%zu bytes)\n" : " (%zu bytes)\n", size);
}

#define ASSERT_MEMEQ(a, b, n)                                                                      \
        do {                                                                                       \
                const void *_a = (a), *_b = (b);                                                   \
                size_t _n = (n);                                                                   \
                                                                                                   \
                if (_n > 0 && memcmp(_a, _b, _n) != 0) {                                           \
                        test_show_bytes(#a " ", _a, _n);                                           \
                        test_show_bytes(#b " ", _b, _n);                                           \
                        TEST_FAIL("%s and %s differ", #a, #b);                                     \
                }                                                                                  \
        } while (0)
