/* SPDX-License-Identifier: MIT */
/* Reports a guest that loops in its exception vectors, which looks like one that hangs. Used by
 * machine.c, which gives it a timer of the event loop. */
#ifndef VMM_STUCK_H
#define VMM_STUCK_H

#include "devices/device.h"
#include "run.h"
#include "console.h"

struct stuck {
	struct run *run;
	const struct console *console;
	struct timer_line timer;
	struct lock lock; /* the timer's */
	uint64_t printed; /* bytes that the guest had printed when the run began */
	unsigned looks;	  /* looks that found nothing */
	unsigned cpu;	  /* the CPU that was in its vectors at the last look */
	unsigned hits;	  /* consecutive looks that found that CPU there */
};

/* Starts watching a run; ends by itself once the guest has printed something. */
void stuck_start(struct stuck *stuck);

/* Used for its timer only; it is not a device. */
extern const struct device_ops stuck_ops;

#endif
