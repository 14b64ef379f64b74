/* SPDX-License-Identifier: MIT */
/*
 * --trace: what happens, a line an event, in the order it happens.
 *
 * Who uses it: main opens and closes it; KVM's layers call it as their observer; vCPUs' threads run
 * their CPUs in its loop as run->watch. Without that an exit costs what it costs without this
 * file.
 */
#ifndef VMM_TRACE_H
#define VMM_TRACE_H

#include "describe.h"
#include "vmm/options.h"

/* Before anything is told. Dies if there is no such file. */
void trace_open(const struct options *options);
/* Is anything told? */
bool trace_is_on(void);
/* Where it goes, for the event loop; NULL if it goes where messages go. */
struct outlet *trace_outlet(void);
/* Nothing more will come. */
void trace_close(void);
/* The guest that it is about, while that is made: its CPUs are watched if that was asked for. */
void trace_attach(struct run *run);
/* Tells these from now on, also if it told none before. The event loop's, while CPUs have threads.
 */
void trace_set(unsigned events);

/* Accesses of the guest's to a register, while it is watched. The n-th register; false: no more. */
struct access_count {
	const struct device_ops *ops;	 /* NULL: where no device is */
	const struct register_name *row; /* NULL: it has no name */
	uint64_t of[2];			 /* reads, writes */
};
bool trace_accesses(unsigned n, struct access_count *count);

#endif
