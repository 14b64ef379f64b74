/* SPDX-License-Identifier: MIT */
/* One guest with all that is emulated for it. Used by main. */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include "../devices/finisher.h"
#include "../devices/flash.h"
#include "../devices/pl011.h"
#include "../devices/pl031.h"
#include "bus.h"
#include "kvm.h"
#include "load.h"
#include "loop.h"
#include "memory.h"
#include "options.h"

/* Lives on main's stack; machine_create fills it. */
struct machine {
	struct run run;
	struct guest_memory memory;
	struct vm vm;
	struct cpu_features features;
	struct bus bus;
	struct loop loop;

	struct pl011 uart;
	struct pl031 rtc;
	struct finisher finisher;
	struct flash flash;
	struct lock uart_lock, rtc_lock, finisher_lock, flash_lock;
	struct guest_memory
		erased; /* the one block that all of the flash shows; size 0: not made */
};

/* Makes VM, memory, devices and CPUs, all in the state after power-on. Dies if the host cannot. */
void machine_create(struct machine *machine, const struct kvm_system *kvm, struct console *console,
		    const struct options *options);

/* Puts payload and device tree into RAM and the first CPU at the entry (boot protocol: x0 = tree).
 */
void machine_load(struct machine *machine, const struct payload *payload,
		  const struct options *options);

/* Runs the guest until it ends or resets itself; its status is in machine->run then. */
void machine_run(struct machine *machine);

/* Gives everything back to the host. */
void machine_destroy(struct machine *machine);

#endif
