/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Gives back the memory that is not used any more
 *
 * Starting touches much of the program and its libraries that is never needed again. What is in
 * their files can be read from there again, so the kernel may take those pages out of this process,
 * and freed memory, too. Costs a millisecond, and what is still needed comes back page by page.
 */
void trim_memory(void);
