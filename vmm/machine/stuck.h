/* SPDX-License-Identifier: MIT */
/*
 * Tells of a guest that is stuck in its own exception vectors: it looks like one that hangs. Used
 * by machine.c, which gives it a timer of the event loop's.
 */
#ifndef VMM_STUCK_H
#define VMM_STUCK_H

#include "devices/device.h"
#include "run.h"
#include "vmm/host/console.h"

struct stuck {
	struct run *run;
	const struct console *console;
	struct timer_line timer;
	struct lock lock; /* the timer's */
	uint64_t printed; /* bytes that the console had when the run began */
	unsigned looks;	  /* so far */
	unsigned cpu;	  /* that was in its vectors at the last look */
	unsigned hits;	  /* looks in a row at which it was */
};

/* Begins to watch a run; it stops by itself once the guest has printed something. */
void stuck_start(struct stuck *stuck);

/* Its timer; it is no device otherwise. */
extern const struct device_ops stuck_ops;

#endif
