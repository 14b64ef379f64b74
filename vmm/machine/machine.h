/* SPDX-License-Identifier: MIT */
/* One guest with all that is emulated for it. Used by main. */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include "bus.h"
#include "devices/finisher.h"
#include "devices/flash.h"
#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/virtio_mmio.h"
#include "memory.h"
#include "stuck.h"
#include "uart_fast.h"
#include "vmm/host/event_loop.h"
#include "vmm/kvm/kvm.h"
#include "vmm/options.h"

/* Lives on main's stack; machine_create fills it. */
struct machine {
	const struct kvm_system *kvm;
	const struct options *options;
	struct console *console;
	struct outlet *trace;
	bool uart_is_plain; /* each access to it is an exit, so that a trace sees it */
	/* These stay the same through resets. */
	struct run run;
	struct loop loop;
	bool needs_stolen_time; /* it has more CPUs than the host */

	struct guest_memory memory;
	struct vm vm;
	struct cpu_features features;
	void *stolen_time; /* STEAL_SIZE bytes that the guest is shown; NULL: the host has none */
	struct bus bus;

	struct pl011 uart;
	struct shortcut shortcut;
	struct stuck stuck;
	struct pl031 rtc;
	struct finisher finisher;
	struct flash flash;
	struct lock uart_lock, rtc_lock, finisher_lock, flash_lock, virtio_lock;
	/* What the flash window shows first: what was loaded there. Size 0: nothing was. */
	struct guest_memory flash_image;
};

/*
 * Makes what stays the same through resets: threads' structs, event loop, outlets. Keeps what it is
 * given; `trace` is the trace's file, NULL: it has none of its own. Dies if the host cannot.
 */
void machine_create(struct machine *machine, const struct kvm_system *kvm, struct console *console,
		    const struct options *options, struct outlet *trace);

/* Makes VM, memory, devices and CPUs, all in the state after power-on. Dies if the host cannot. */
void machine_power_on(struct machine *machine);

/* Shows the guest what a loader has put into the flash window. */
void machine_show_flash(struct machine *machine);

/* Runs the guest until it ends or resets itself; its status is in machine->run then. */
void machine_run(struct machine *machine);

/* Makes all of that anew: what machine_power_on makes. */
void machine_reset(struct machine *machine);

#endif
