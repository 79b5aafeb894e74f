/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A program that has scenarios, of which one says which:
 *
 *     program [--seed N] [--seeds N] [--long] SCENARIO...
 *
 * A word that is none of them is an error, or a mistake in a list of tests would pass for ever.
 */
#include <getopt.h>
#include <stdio.h>

#include "core/crypto/crypto.h"

static uint64_t seed = 1; /* of the world that is to be */
__attribute__((unused)) static bool is_long;

struct scenario {
        const char *name;
        void (*run)(void);
};

static const struct scenario *scenario_find(
        const struct scenario *scenarios, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (streq(scenarios[i].name, name))
                        return &scenarios[i];
        fprintf(stderr, "There is no scenario %s.\n", name);
        return NULL;
}

/* The exit status, when nothing has ended the program before. */
static int scenarios_main(int argc, char **argv, const struct scenario *scenarios, size_t n)
{
        static const struct option options[] = {
                { "seed", required_argument, NULL, 's' },
                { "seeds", required_argument, NULL, 'n' },
                { "long", no_argument, NULL, 'l' },
                { 0 },
        };
        uint64_t first = seed, n_seeds = 1;
        bool is_locked;
        int o;

        while ((o = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (o == 's')
                        first = strtoull(optarg, NULL, 10);
                else if (o == 'n')
                        n_seeds = strtoull(optarg, NULL, 10);
                else if (o == 'l')
                        is_long = true;
                else
                        return 2;
        }
        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        if (crypto_init(&is_locked) < 0)
                return 77;
        for (int i = optind; i < argc; i++) {
                const struct scenario *s = scenario_find(scenarios, n, argv[i]);

                if (!s)
                        return 2;
                for (seed = first; seed < first + n_seeds; seed++)
                        s->run();
        }
        return optind < argc ? 0 : 2;
}
