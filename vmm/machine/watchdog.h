/* SPDX-License-Identifier: MIT */
/*
 * Reports to PID 1 that the event loop turns and that the vCPUs answer (--watchdog).
 *
 * Who uses it: main and machine.c.
 */
#ifndef VMM_WATCHDOG_H
#define VMM_WATCHDOG_H

#include "run.h"

struct watchdog {
	struct run *run;
	uint32_t *beats;	 /* shared with PID 1, which looks whether it changes; NULL: off */
	uint64_t period;	 /* nanoseconds between beats */
	struct loop_timer timer; /* of the host's time */
	struct lock lock;	 /* the timer's */
};

/* PID 1 wants a beat within so many seconds; with `beats` NULL nothing is done. SIGABRT, by which
 * it ends a monitor that has none, then says where that is. */
void watchdog_create(struct watchdog *watchdog, struct run *run, uint32_t *beats, uint64_t seconds);
/* Begins, when the vCPUs' threads are there. */
void watchdog_start(struct watchdog *watchdog);

#endif
