/* SPDX-License-Identifier: MIT */
/*
 * The event loop: waits for the console's input, for output to flow again, for devices' timers and
 * for the end of the run.
 *
 * Who uses it: machine.c runs it on the program's first thread, while the vCPUs are on theirs;
 * devices set their timers from any thread.
 */
#ifndef VMM_EVENT_LOOP_H
#define VMM_EVENT_LOOP_H

#include "clock.h"
#include "console.h"
#include "crt/crt.h"
#include "devices/device.h"
#include "vmm/machine/run.h"

#define LOOP_TIMERS 4
#define LOOP_OUTLETS 4

/* A device's timer, under that device's lock: it sets it, and is told of its end. */
struct loop_timer {
	uint64_t deadline; /* of clock_ns; TIMER_OFF */
	const struct device_ops *ops;
	void *device;
	struct lock *device_lock;
};

struct loop {
	int wake;	 /* eventfd: something has changed */
	int sigterm;	 /* signalfd */
	int day;	 /* timerfd: the time of day was set */
	uint64_t behind; /* nanoseconds, of clock_behind, when devices were last told */
	/* Nanoseconds for which the process was stopped last, and when that was noticed; of
	 * clock_host_ns. */
	uint64_t stopped, noticed;
	struct run *run;
	struct console *console;
	struct gdb *gdb; /* NULL: none was asked for */
	struct loop_timer timers[LOOP_TIMERS];
	struct outlet *outlets[LOOP_OUTLETS];
	unsigned outlet_count;
};

/* Makes its descriptors, for all runs; dies if the host cannot. */
void loop_create(struct loop *loop, struct run *run, struct console *console);
/* Timer `number` is this device's, and off. */
void loop_add_timer(struct loop *loop, unsigned number, const struct device_ops *ops, void *device,
		    struct lock *lock);

/*
 * From now on SIGTERM ends the run, rather than the program at once: what the guest has printed
 * till then is not lost. Before the run's threads are started, for they must not get it.
 */
void loop_take_sigterm(struct loop *loop);

/* Output that it shall flush from now on: what waits is in this ring of `size` bytes; from hold_at
 * of them on CPUs are held, by this bit of the run's gate. */
void loop_add_outlet(struct loop *loop, struct outlet *outlet, void *ring, unsigned size,
		     unsigned hold_at, uint32_t held);

/* Does what there is to do, until the run has ended. */
void loop_run(struct loop *loop);

/*
 * The guest is over: writes all output that waits, however long that takes, unless the user or a
 * signal has ended the run, or now does; then only as long as something is taken every now and then
 * (OUTLET_PATIENCE_MS).
 */
void loop_finish(struct loop *loop);

/* A struct timer_line's `set`: the clock is a struct loop, the number that of one of its timers. */
void loop_set_timer(void *loop, unsigned number, uint64_t nanoseconds);
/* Its `left`. */
uint64_t loop_timer_left(void *loop, unsigned number);

/* Makes the loop look again at all it waits for. From any thread. */
void loop_wake(int wake);

#endif
