/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints, watchpoints and steps of a guest by KVM_SET_GUEST_DEBUG (api.rst, 4.87).
 *
 * Who uses it: gdb.c, on the event loop's thread, while the guest is paused.
 */
#ifndef VMM_BREAKPOINTS_H
#define VMM_BREAKPOINTS_H

#include "vmm/kvm/kvm.h"

/* What gdb's packets Z0 to Z4 call them. */
enum point_kind {
	SOFTWARE_BREAKPOINT, /* a BRK in the guest's memory */
	HARDWARE_BREAKPOINT,
	WRITE_WATCHPOINT,
	READ_WATCHPOINT,
	ACCESS_WATCHPOINT,
};

struct point {
	uint64_t address; /* virtual */
	uint64_t size;	  /* bytes; of watchpoints */
	enum point_kind kind;
	/* Of a software breakpoint: where its BRK stands, and instead of what, if it does. */
	bool in_memory;
	gpa_t at;
	uint32_t instruction;
};

#define POINTS 64

struct debug {
	struct run *run;
	/* How many the host's CPU has of the debug registers. */
	unsigned breakpoints, watchpoints;
	struct point points[POINTS];
	unsigned count;
};

/* Why the guest was stopped: by which CPU, and which watchpoint of this kind; else it has none. */
struct stop {
	unsigned cpu;
	enum point_kind kind;
	uint64_t address;
};

/* No points; asks the VM how many there can be. */
void debug_create(struct debug *debug, struct run *run, const struct vm *vm);

/*
 * A point as this CPU sees memory; one that is there stays. False if it cannot be, or there is none
 * left: where there is no memory for a BRK a hardware breakpoint stands in. For `remove`: no such.
 */
bool debug_insert(struct debug *debug, const struct vcpu *vcpu, struct point point);
bool debug_remove(struct debug *debug, struct point point);
void debug_remove_all(struct debug *debug);
/* Memory and CPUs are new: points go there again. */
void debug_start(struct debug *debug);

/* Lets all CPUs go on that are not frozen; those that are `stepping` for one instruction. */
void debug_resume(struct debug *debug);

/*
 * The guest is paused: has one of the points or a step stopped it? Of several CPUs the next after
 * `stop->cpu` is told. A BRK that is the guest's own is delivered to it.
 */
bool debug_find_stop(struct debug *debug, struct stop *stop);

#endif
