/* SPDX-License-Identifier: MIT */
/*
 * The guest's power button: a guest is asked to switch itself off before the run is ended.
 *
 * Who uses it: main, Ctrl-A's commands and machine.c, on the event loop's thread.
 */
#ifndef VMM_POWER_H
#define VMM_POWER_H

#include "devices/pl061.h"
#include "run.h"

struct power {
	struct run *run;
	struct pl061 *gpio; /* the button's */
	struct lock *gpio_lock;
	uint64_t grace; /* nanoseconds of the host's time that the guest has; 0: none */
	int status;	/* with which the run ends if the guest does not end itself; 0: not asked */
	uint64_t asked; /* when, of clock_host_ns */
	struct loop_timer release;  /* of the button; protected by the gpio's lock */
	struct loop_timer deadline; /* of the grace */
	struct lock lock;	    /* that timer's */
	struct loop_source signals;
};

/*
 * Lets SIGTERM, and SIGINT and SIGPWR if they are not ignored, call power_ask instead of ending the
 * program. Call it before the run's threads are started, so that they inherit the blocked signals.
 */
void power_create(struct power *power, struct run *run, uint64_t grace);
/* Connects the button, before the run. */
void power_connect(struct power *power, struct pl061 *gpio, struct lock *gpio_lock);

/*
 * Presses the power button. The run ends with this status when the grace is over. It does so at
 * once if there is no grace, if the guest cannot hear the button because its driver has not enabled
 * the interrupt or gdb holds the guest, if the guest is over already, and if it was asked before.
 */
void power_ask(struct power *power, int status);

/* After a run: a guest that was asked to switch itself off, and resets itself, is not started
 * again. */
void power_finish(struct power *power);

#endif
