/* SPDX-License-Identifier: MIT */
/* Private memory whose size is known at run time only. Used all over vmm/, before a guest runs. */
#ifndef VMM_PAGES_H
#define VMM_PAGES_H

#include <stddef.h>

/*
 * Zeroed memory of at least size bytes, at a page's start; the caller owns it, and may unmap it.
 * With MAP_NORESERVE in flags the host need not have all of it, because few of its pages are ever
 * touched. Dies if the host cannot give it; what says for whom it is, such as a file's name.
 */
void *pages_take(size_t size, int flags, const char *what);

#endif
