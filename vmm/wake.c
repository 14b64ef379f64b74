// SPDX-License-Identifier: MIT
/* Wakes the event loop. Who calls it: everything in vmm/. Touches the loop's eventfd. */
#include "wake.h"

#include "crt/crt.h"
#include "report.h"

void wake_loop(int wake)
{
	uint64_t one = 1;
	/* The eventfd's count cannot overflow, because the loop reads it whenever it wakes. */
	int result = write_all(wake, &one, sizeof one);

	if (result < 0)
		die(STATUS_HOST, "eventfd: %s", error_text(-result));
}
