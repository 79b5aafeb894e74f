/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Announcements */
#include "core/crypto/identity.h"
#include "core/legacy/legacy.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        for (int dialect = 0; dialect < N_DIALECTS; dialect++) {
                struct announce a;
                size_t n;

                if (legacy_decode_announce(dialect, data, size, &a) != 0)
                        continue;
                n = strlen(a.username);
                if (n == 0 || n > NAME_SIZE_MAX || !text_is_printable(a.username, n))
                        abort();
                if (a.id[0] && !id_is_valid(a.id))
                        abort();
        }
        return 0;
}
