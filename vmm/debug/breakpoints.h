/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints, watchpoints and single steps, by KVM_SET_GUEST_DEBUG (api.rst, 4.87).
 *
 * Who uses it: gdb.c, on the event loop's thread, while the guest is paused.
 */
#ifndef VMM_BREAKPOINTS_H
#define VMM_BREAKPOINTS_H

#include "vmm/kvm/kvm.h"

/* The numbers of gdb's packets Z0 to Z4. */
enum point_kind {
	SOFTWARE_BREAKPOINT, /* a BRK in the guest's memory */
	HARDWARE_BREAKPOINT,
	WRITE_WATCHPOINT,
	READ_WATCHPOINT,
	ACCESS_WATCHPOINT,
};

struct point {
	uint64_t address; /* virtual */
	uint64_t size;	  /* bytes; only of a watchpoint */
	enum point_kind kind;
	/* For a software breakpoint: is a BRK in memory for it, at which address, in place of which
	 * instruction? */
	bool in_memory;
	gpa_t at;
	uint32_t instruction;
};

#define POINTS 64

struct debug {
	struct run *run;
	/* How many of each kind the host's debug registers allow. */
	unsigned breakpoints, watchpoints;
	struct point points[POINTS];
	unsigned count;
};

/* Why the guest has stopped: which vCPU, and for a watchpoint which one; otherwise `kind` is
 * SOFTWARE_BREAKPOINT. */
struct stop {
	unsigned cpu;
	enum point_kind kind;
	uint64_t address;
};

/* Starts without points (breakpoints or watchpoints), and asks KVM for the number of debug
 * registers. */
void debug_create(struct debug *debug, struct run *run, const struct vm *vm);

/*
 * Inserts a point; `vcpu` is the CPU whose page tables translate its address. A software breakpoint
 * where no memory is mapped becomes a hardware breakpoint. True if it is set, also if it was
 * before; false if it is invalid or none is free. debug_remove returns false if there is no such
 * point.
 */
bool debug_insert(struct debug *debug, const struct vcpu *vcpu, struct point point);
bool debug_remove(struct debug *debug, struct point point);
void debug_remove_all(struct debug *debug);
/* After a reset: inserts all points into the new memory and vCPUs. */
void debug_start(struct debug *debug);

/* Resumes all vCPUs that are not frozen; those that are `stepping` for one instruction. */
void debug_resume(struct debug *debug);

/* While the guest is paused: has a point or a step stopped it? If several vCPUs have stopped,
 * reports the next one after `stop->cpu`. A BRK of the guest's own is delivered to the guest. */
bool debug_find_stop(struct debug *debug, struct stop *stop);

#endif
