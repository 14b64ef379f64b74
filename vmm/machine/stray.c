// SPDX-License-Identifier: MIT
/* Accesses to addresses where nothing is. Who calls it: the bus and exits.c, on vCPUs' threads.
 * Touches standard error, and the run that --strict ends. */
#include "stray.h"

#include "run.h"
#include "vmm/report.h"

/* Remembers the address, if there is room. True if it is new. */
static bool remember(struct stray *stray, gpa_t at)
{
	for (unsigned i = 0; i < stray->reports; i++)
		if (stray->reported[i].address == at.address)
			return false;
	if (stray->reports < STRAY_REPORTS) {
		stray->reported[stray->reports++] = at;
		return true;
	}
	if (!stray->full)
		report("guest: %u stray addresses reported, further ones are not", STRAY_REPORTS);
	stray->full = true;
	return false;
}

bool stray_is_new(struct stray *stray, gpa_t at)
{
	bool is_new;

	lock_acquire(&stray->lock);
	is_new = remember(stray, at);
	lock_release(&stray->lock);
	return is_new;
}

void stray_access(void *opaque, gpa_t at, unsigned size, bool is_write)
{
	struct stray *stray = opaque;
	const char *what = is_write ? "write" : "read";

	if (stray->strict) {
		report("guest: %s of %u bytes at %#lx, where nothing is: ended by --strict", what,
		       size, at.address);
		run_end(stray->strict, ENDED, STATUS_PAYLOAD);
	} else if (stray_is_new(stray, at)) {
		report("guest: %s of %u bytes at %#lx, where nothing is: %s", what, size,
		       at.address, is_write ? "dropped" : "gives 0");
	}
}
