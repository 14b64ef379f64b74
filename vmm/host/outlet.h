/* SPDX-License-Identifier: MIT */
/*
 * Output that nobody waits for: bytes are written if the descriptor takes them at once, else they
 * wait in a ring until the event loop can write them. So whoever does not read what we print, a
 * stalled terminal or a full pipe, keeps no thread from noticing that the run has ended.
 *
 * Who uses it: console.c for what the guest prints, report.c for messages, trace.c for its file,
 * gdb_line.c for its answers. The event loop polls and flushes them.
 *
 * The descriptor is never made non-blocking: it is shared with whoever started us. Instead poll is
 * asked first, and no more is written than then cannot block.
 */
#ifndef VMM_OUTLET_H
#define VMM_OUTLET_H

#include "vmm/machine/run.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero but for fd: writes wait, as long as there is no run. */
struct outlet {
	int fd;
	unsigned at_once; /* bytes that can be written without waiting if one can; 0: any number */
	const char *name; /* for messages about it */
	void (*failed)(int error); /* called when it takes no bytes any more; may be NULL */

	struct run *run; /* whose event loop flushes it; NULL: none yet */
	uint8_t *ring;
	uint32_t held; /* its bit of run->gate */
	unsigned
		hold_at; /* bytes that wait, from which on CPUs are held; they are let go at half */

	/* Under run->output_lock. */
	unsigned size, first, count; /* bytes of the ring, and those that wait */
	unsigned lost;		     /* lines that have found no room, and were not reported yet */
	bool discard;		     /* what is not taken at once is nobody's; set for good */
};

/* Learns what kind of file the descriptor is. Before the sandbox. */
void outlet_open(struct outlet *outlet, int fd, const char *name);

/*
 * Writes them, or has them wait, all of them or none. False if they are lost: there is no room, or
 * the descriptor has failed. From any thread, with any lock but run->output_lock.
 */
bool outlet_put(struct outlet *outlet, const void *bytes, size_t size);
/* Do fewer bytes wait than half of what holds CPUs? */
bool outlet_has_room(const struct outlet *outlet);

/* Do some wait? */
bool outlet_waits(const struct outlet *outlet);
/* Writes what waits and can be written; returns how many lines were lost, if there is room again to
 * say so. The event loop's. */
unsigned outlet_flush(struct outlet *outlet);
/* Writes what it takes at once; what waits, and what it does not take later, is dropped. */
void outlet_discard(struct outlet *outlet);

#define OUTLET_PATIENCE_MS 2000

/*
 * For messages that are the last: writes all that waits, giving up when nothing was taken for
 * OUTLET_PATIENCE_MS; and the same with these bytes, without a lock, so from a signal handler, too.
 */
void outlet_finish(struct outlet *outlet);
void outlet_put_last(const struct outlet *outlet, const void *bytes, size_t size);

#endif
