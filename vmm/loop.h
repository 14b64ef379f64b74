/* SPDX-License-Identifier: MIT */
/*
 * The event loop: one thread that waits for the console's input, for its output to flow again, and
 * for devices' timers.
 *
 * Who uses it: machine.c runs it beside the vCPUs; devices set their timers from any thread.
 */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include "../devices/device.h"
#include "console.h"
#include "crt.h"
#include "run.h"

#define LOOP_TIMERS 2

/* A device's timer, under that device's lock: it sets it, and is told of its end. */
struct loop_timer {
	uint64_t deadline; /* CLOCK_MONOTONIC in ns; TIMER_OFF */
	const struct device_ops *ops;
	void *device;
	struct lock *device_lock;
};

struct loop {
	int wake; /* eventfd: something has changed */
	struct run *run;
	struct console *console;
	struct loop_timer timers[LOOP_TIMERS];
	struct thread thread;
};

/* Makes the eventfd; dies if the host cannot. */
void loop_create(struct loop *loop, struct run *run, struct console *console);
void loop_destroy(struct loop *loop);

/* Timer `number` is this device's, and off. */
void loop_add_timer(struct loop *loop, unsigned number, const struct device_ops *ops, void *device,
		    struct lock *lock);

/* Starts the thread, and waits for its end, which comes with the run's. */
void loop_start(struct loop *loop);
void loop_join(struct loop *loop);

/* A struct timer_line's `set`: the clock is a struct loop, the number that of one of its timers. */
void loop_set_timer(void *loop, unsigned number, uint64_t nanoseconds);

/* Makes the loop look again at all it waits for. From any thread. */
void loop_wake(int wake);

/* Nanoseconds of CLOCK_MONOTONIC or seconds of CLOCK_REALTIME. */
uint64_t monotonic_ns(void);
uint64_t realtime_seconds(void);

#endif
