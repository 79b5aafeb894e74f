/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Gives back the memory that is not used while nobody is there
 *
 * libmicrohttpd brings libraries for TLS, whose start touches much that is never used again here.
 * What is in their files can be read from there again, so the kernel may take those pages out of
 * this process.
 */
void trim_memory(void);
