// SPDX-License-Identifier: MIT
/* Private memory whose size is known at run time only. Who calls it: all of vmm/. */
#include "pages.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "report.h"

#include <sys/mman.h>

void *pages_take(size_t size, int flags, const char *what)
{
	long pages = sys_mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags,
			      -1, 0);

	if (pages < 0)
		die(STATUS_HOST, "%.200s: %lu bytes of memory for it: %s", what, size,
		    error_text((int)-pages));
	return (void *)pages;
}
