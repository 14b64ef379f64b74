/* SPDX-License-Identifier: MIT */
/*
 * What the event loop's thread does for a run: serves console, output and pauses while the vCPUs
 * run, and writes queued output when the run has ended.
 *
 * Who uses it: machine.c, gdb_line.c and main, on the program's first thread.
 */
#ifndef VMM_SERVE_H
#define VMM_SERVE_H

#include "console.h"
#include "run.h"
#include "vmm/outlet.h"

/* Lets the event loop call `ready`, which calls serve_take_signal, for these signals. `source` must
 * outlive the loop. */
void serve_signals(struct run *run, struct loop_source *source, uint64_t signals,
		   void (*ready)(void *context, short events), void *context);
/* The number of the signal that has come; 0: none. */
int serve_take_signal(const struct loop_source *source);

/* Gives an outlet a queue, which the event loop flushes: `room` has the ring and, by hold_at and
 * `by`, from when on the vCPUs are held. `source` must outlive the loop. */
void serve_outlet(struct run *run, struct loop_source *source, struct outlet *outlet,
		  struct outlet_room room);

/* Serves the run until it has ended. */
void serve_run(struct run *run, struct console *console);

/* After the run: writes all queued output, however long that takes. If the user or a signal ends
 * the run, or has ended it, only as long as something is accepted every OUTLET_PATIENCE_MS. */
void serve_rest(struct run *run, struct console *console);

#endif
