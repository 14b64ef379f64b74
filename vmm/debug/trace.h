/* SPDX-License-Identifier: MIT */
/*
 * --trace: a line for each event, in order.
 *
 * Who uses it: main opens and closes it; the layers of KVM call it as their observer; the vCPUs'
 * threads run its loop (run->watch) in place of the one in exits.c. Without a trace, exits cost
 * nothing extra.
 */
#ifndef VMM_TRACE_H
#define VMM_TRACE_H

#include "describe.h"
#include "devices/virtio/mmio.h"
#include "vmm/options.h"

/* Opens the trace, before the first event. Dies if the file cannot be created. */
void trace_open(const struct options *options);
/* Is any event traced? */
bool trace_is_on(void);
/* The outlet of the trace's file, for the event loop to flush; NULL if the trace goes to standard
 * error. */
struct outlet *trace_outlet(void);
/* Ends the trace. */
void trace_close(void);
/* Sets the guest that is traced, while it is being created. */
void trace_attach(struct run *run);
/*
 * Traces these events from now on, also if there was no trace before. On the event loop's thread.
 */
void trace_set(unsigned events);

/* Is a struct virtio's `observe`. */
void trace_virtio(const struct virtio *device, const struct virtio_event *event);

/* How often the guest has accessed a register while traced. trace_accesses gives the n-th entry;
 * false if there are no more. */
struct access_count {
	const struct device_ops *ops;	 /* NULL: no device there */
	const struct register_name *row; /* NULL: it has no name */
	uint64_t of[2];			 /* reads, writes */
};
bool trace_accesses(unsigned n, struct access_count *count);

#endif
