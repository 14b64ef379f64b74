/* SPDX-License-Identifier: MIT */
/*
 * The UART's shortcuts: accesses of the guest's that KVM answers, so that they cost no exit.
 *
 * Reads: as long as none changes anything, the guest reads a page of ours in place of the device.
 * When input comes the page goes, even if it still waits: whether the guest polls for it shows by
 * its exits. The page comes back when the guest asks again and again for input that is not there.
 * Writes to DR: while the guest prints much and they change nothing that it could see, KVM collects
 * them in its ring. Who empties that hands them on in their order: every exit, before it is
 * handled, a timer, and the end of the run.
 *
 * Who uses it: machine.c connects it, between the UART's wires and the console; each vCPU empties
 * the ring.
 */
#ifndef VMM_UART_FAST_H
#define VMM_UART_FAST_H

#include "devices/device.h"
#include "vmm/host/console.h"
#include "vmm/kvm/kvm.h"

#include <linux/kvm.h>

#define SHORTCUT_SLOT 1 /* of memory, for the page */

/* All but the first under the UART's lock. */
struct shortcut {
	struct kvm_coalesced_mmio_ring *ring; /* KVM's; one of nothing if it has none */
	struct vm *vm;
	struct console *console;
	struct timer_line timer;
	uint32_t *page; /* what the guest is shown; NULL: this host cannot, or the user said no */
	unsigned polls; /* times the guest has asked for input in vain */
	unsigned burst; /* bytes that came by exits, since then */
	uint64_t began; /* of clock_ns */
	bool silent;	/* no byte has come since the timer ran out */
};

/* In the state after power-on, once the vCPUs exist; the ring is in any one's kvm_run. Reads and
 * writes stay plain if `plain`. */
void shortcut_connect(struct shortcut *shortcut, const struct vcpu *vcpu, struct vm *vm,
		      struct console *console, struct timer_line timer, bool plain);

/* A struct pl011's wires; the other way round to the console. */
bool shortcut_transmit(void *shortcut, const uint8_t *bytes, unsigned count);
void shortcut_empty(void *shortcut, unsigned room);
void shortcut_idle(void *shortcut);
void shortcut_shown(void *shortcut, const uint32_t *word);
void shortcut_hide(void *shortcut);
void shortcut_unpost(void *shortcut);

/* Its timer. */
extern const struct device_ops shortcut_ops;

/* Hands on what is in the ring. From any thread, without the UART's lock. */
void shortcut_take(struct shortcut *shortcut);

/* The same, for every exit: nearly always there is nothing. */
static inline void shortcut_drain(struct shortcut *shortcut)
{
	if (shortcut->ring->first != shortcut->ring->last)
		shortcut_take(shortcut);
}

#endif
