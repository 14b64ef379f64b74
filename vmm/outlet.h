/* SPDX-License-Identifier: MIT */
/*
 * Output that never blocks the caller: bytes are written if the descriptor accepts them at once,
 * else they are queued in a ring until the event loop can write them. A reader that does not read,
 * such as a stalled terminal or a full pipe, thus keeps no thread from noticing that the run has
 * ended.
 *
 * Who uses it: console.c for what the guest prints, report.c for messages, trace.c for its file,
 * gdb_line.c for gdb's packets. serve.c lets the event loop flush them. It uses crt/ only.
 *
 * The descriptor is never made non-blocking, because that would affect every process that shares
 * it. Instead poll is called first, and no more is written than surely does not block then.
 */
#ifndef VMM_OUTLET_H
#define VMM_OUTLET_H

#include "crt/crt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The queue of an outlet, how the event loop is woken, and how vCPUs are held while much is queued.
 */
struct outlet_room {
	uint8_t *ring; /* NULL: no queue yet */
	unsigned size; /* bytes */
	/* Queued bytes from which on vCPUs are held; they are released below half of that. */
	unsigned hold_at;
	int wake; /* eventfd of the event loop that flushes the queue (wake.h) */
	/* Holds the vCPUs, or releases them; `by` identifies the outlet. Called with the outlet's
	 * lock held. */
	void (*hold)(void *run, uint32_t by, bool on);
	void *run;
	uint32_t by;
};

/* May be all zero but for fd: without a queue, writes block. */
struct outlet {
	int fd;
	unsigned at_once; /* max bytes of a write that does not block after poll; 0: any number */
	const char *name; /* for error messages */
	void (*failed)(int error); /* called when the descriptor has failed; may be NULL */
	/* Called on the event loop's thread after queued bytes were written; may be NULL. */
	void (*flushed)(void *context);
	void *context;
	struct outlet_room room;
	struct outlet *next; /* list of outlets with a queue */

	struct lock lock;
	/* Under the lock. */
	unsigned first, count; /* of the queued bytes in the ring */
	unsigned lost;	       /* lines dropped for lack of room and not reported yet */
	bool discard; /* drop what cannot be written at once; never cleared but by gdb_line.c */
};

/* Examines the kind of file that fd is. Call it before the sandbox forbids that. */
void outlet_open(struct outlet *outlet, int fd, const char *name);
/* Gives the outlet a queue. Call it before other threads are started. */
void outlet_attach(struct outlet *outlet, const struct outlet_room *room);

/* Writes or queues all of the bytes, or none. False if they are dropped: the queue is full, or the
 * descriptor has failed. From any thread; the caller may hold any lock but the outlet's. */
bool outlet_put(struct outlet *outlet, const void *bytes, size_t size);
/* Is less queued than half of what makes vCPUs be held? */
bool outlet_has_room(const struct outlet *outlet);

/* Is anything queued? */
bool outlet_waits(const struct outlet *outlet);
/* Writes as much of the queue as does not block. Returns how many lines were dropped, once there is
 * room to report that. Called by the event loop. */
unsigned outlet_flush(struct outlet *outlet);

/* ---- all outlets with a queue ---- */

/* Bytes queued in all of them. */
size_t outlets_waiting(void);

#define OUTLET_PATIENCE_MS 2000

/* Writes all that is queued, skipping outlets that accept nothing for OUTLET_PATIENCE_MS. For the
 * end of the program; needs no event loop. */
void outlets_finish(void);
/* Writes these bytes with the same time limit, without taking a lock: safe in a signal handler. */
void outlet_put_last(const struct outlet *outlet, const void *bytes, size_t size);

#endif
