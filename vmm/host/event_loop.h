/* SPDX-License-Identifier: MIT */
/*
 * The event loop: waits for descriptors and timers, and calls their owners.
 *
 * Who uses it: each struct run has one, which serve.c runs on the program's first thread while the
 * vCPUs have theirs. Owners add a source for each descriptor and a timer for each timeout; both are
 * part of the owner's struct and are never removed. Timers can be set from any thread.
 */
#ifndef VMM_EVENT_LOOP_H
#define VMM_EVENT_LOOP_H

#include "crt/crt.h"

#include <stdbool.h>
#include <stdint.h>

#define LOOP_SOURCES 80	      /* max; one more is a bug */
#define LOOP_NEVER UINT64_MAX /* nanoseconds until a timer that is off expires */

struct loop;

/* A descriptor to wait for. Its functions are called on the event loop's thread. */
struct loop_source {
	int fd; /* -1: none; the owner may change it, on the event loop's thread */
	/*
	 * Returns the events to wait for now: POLLIN, POLLOUT, or 0 for none. NULL: always POLLIN.
	 */
	short (*events)(void *context);
	void (*ready)(void *context, short events); /* these events have occurred */
	void *context;
	struct loop_source *next; /* used by the loop */
};

/* A one-shot timer, protected by its owner's lock: the owner holds it to set the timer, and the
 * event loop takes it to call the owner. */
struct loop_timer {
	void (*expire)(void *context);
	/* Wall-clock time has jumped relative to the guest's time. NULL if that does not matter. */
	void (*day_set)(void *context);
	void *context;
	struct lock *lock;
	bool is_host_time; /* of clock_host_ns, which never stops; else of the guest's, clock_ns */

	/* Used by the loop. */
	uint64_t deadline; /* LOOP_NEVER: off */
	struct loop *loop;
	struct loop_timer *next;
};

struct loop {
	int wake; /* eventfd that any thread may write (wake.h) */
	struct loop_source *sources;
	unsigned source_count;
	struct loop_timer *timers;
	struct loop_source woken,
		day;	 /* sources: that eventfd; a timerfd for jumps of the wall clock */
	uint64_t behind; /* clock_behind at the last call of day_set */
	/* Nanoseconds for which the process was last suspended (SIGSTOP); when that was noticed,
	 * and when the loop last looked for it, of clock_host_ns. */
	uint64_t suspended, noticed, looked;
};

/* Creates the loop's descriptors; dies if the host cannot. */
void loop_create(struct loop *loop);
/*
 * From now on the event loop's thread does not preempt the vCPU that wakes it, so that one turn
 * serves several requests where they have to share a CPU; the terminal's turn comes later, too.
 * Threads that it creates are ordinary ones. Nothing changes if the host refuses. Before the run.
 */
void loop_become_batch(void);
/* Adds a source. Before the run, or on the event loop's thread. */
void loop_add_source(struct loop *loop, struct loop_source *source);
/* Adds a timer, switched off; adding it again only switches it off. Before the run, or on the event
 * loop's thread. */
void loop_add_timer(struct loop *loop, struct loop_timer *timer);

/* Sets the timer to expire in so many nanoseconds; LOOP_NEVER switches it off. From any thread. Is
 * a struct timer_line's `set`, whose clock is a struct loop_timer. */
void loop_set_timer(void *timer, unsigned number, uint64_t nanoseconds);
/* Nanoseconds until it expires, or LOOP_NEVER. Is a struct timer_line's `left`. */
uint64_t loop_timer_left(void *timer, unsigned number);

/* One turn: calls owners of expired timers, waits until a descriptor is ready or the next timer is
 * due, and calls the owners of ready descriptors. */
void loop_turn(struct loop *loop);
/* The same without timers of the guest's time, and waits for at most so many nanoseconds. */
void loop_wait(struct loop *loop, uint64_t nanoseconds);

/* What kept the thread from its loop until now was no suspension of the process: it has done
 * something that takes long, or the guest's time starts only here. */
void loop_was_busy(struct loop *loop);
/* For how many nanoseconds the whole process was suspended by SIGSTOP, less a quarter of a second
 * that may be something else, if that was noticed within the last second and not returned before;
 * else 0. */
uint64_t loop_take_suspension(struct loop *loop);

#endif
