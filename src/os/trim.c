/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gives back the memory that is not used any more */
#include "os/trim.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/macro.h"

static int trim_library(struct dl_phdr_info *info, size_t size, void *userdata)
{
        const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

        for (int i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *h = &info->dlpi_phdr[i];
                uintptr_t begin = info->dlpi_addr + h->p_vaddr, end = begin + h->p_memsz;

                /* Only what nobody can have changed: the file has all of it. */
                if (h->p_type != PT_LOAD || h->p_flags & PF_W)
                        continue;
                begin = begin / page * page;
                (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
        }
        return 0;
}

void trim_memory(void)
{
        (void)malloc_trim(0);
        (void)dl_iterate_phdr(trim_library, NULL);
}
