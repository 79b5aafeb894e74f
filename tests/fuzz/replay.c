/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzz target once per kept input: the files in the folders that are named
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "fuzz.h"

#define INPUT_MAX (1024 * 1024)

static int replay(const char *path)
{
        FILE *f = fopen(path, "re");
        struct buffer b;
        size_t n = 1;
        int r = 0;

        if (!f) {
                perror(path);
                return -errno;
        }
        buffer_init(&b, INPUT_MAX);
        while (r == 0 && n > 0) {
                r = buffer_reserve(&b, 4096);
                if (r == 0) {
                        n = fread(b.data + b.size, 1, 4096, f);
                        b.size += n;
                }
        }
        fclose(f);
        if (r == 0)
                (void)LLVMFuzzerTestOneInput(b.data, b.size);
        buffer_done(&b);
        return r;
}

static int replay_folder(const char *folder, size_t *n)
{
        DIR *d = opendir(folder);
        char path[4096];
        int r = 0;

        if (!d) {
                perror(folder);
                return -errno;
        }
        for (struct dirent *e; r == 0 && (e = readdir(d));) {
                if (e->d_name[0] == '.')
                        continue;
                (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
                r = replay(path);
                (*n)++;
        }
        closedir(d);
        return r;
}

int main(int argc, char **argv)
{
        size_t n = 0;

        for (int i = 1; i < argc; i++)
                if (replay_folder(argv[i], &n) < 0)
                        return 1;
        printf("%zu inputs\n", n);
        return n > 0 ? 0 : 1;
}
