/* SPDX-License-Identifier: MIT */
/*
 * The UART's fast path: guest accesses that KVM answers without an exit.
 *
 * Reads: as long as reads have no side effects, the guest reads a shadow page in place of the
 * device. When input is pending the page is unmapped, even before the UART receives it, because
 * polling is recognised by its exits. The page is mapped again when the guest has polled repeatedly
 * for input that is not there. Writes to DR: while the guest prints much and the writes change
 * nothing that it can see, KVM coalesces them in its ring. The ring is drained, in order, by every
 * exit before it is handled, by a timer, and at the end of the run.
 *
 * Who uses it: machine.c connects it between the UART's wires and the console; exits.c drains the
 * ring.
 */
#ifndef VMM_UART_FAST_H
#define VMM_UART_FAST_H

#include "devices/device.h"
#include "console.h"
#include "virtio_fast.h"
#include "vmm/kvm/kvm.h"

#include <linux/kvm.h>

#define UART_FAST_SLOT 1 /* memory slot of the shadow page */

/* All but `ring` is protected by the UART's lock. */
struct uart_fast {
	struct kvm_coalesced_mmio_ring *ring; /* KVM's; an empty one if it has none */
	struct vm *vm;
	struct console *console;
	struct virtio_fast *virtio; /* its writes come by the same ring */
	struct timer_line timer;
	uint32_t *page; /* the shadow page; NULL: not supported, or switched off */
	unsigned polls; /* reads of FR with no input since it was last unmapped */
	unsigned burst; /* bytes written with an exit each since `began` */
	uint64_t began; /* start of the present burst, of clock_ns */
	bool silent;	/* no byte since the timer last expired */
};

/* Sets it to the state after power-on, once the vCPUs exist; the ring is in any vCPU's kvm_run.
 * `plain`: there shall be no fast path. */
void uart_fast_connect(struct uart_fast *fast, const struct vcpu *vcpu, struct vm *vm,
		       struct console *console, struct virtio_fast *virtio, struct timer_line timer,
		       bool plain);

/* A struct pl011's wires; `fast` is a struct uart_fast. */
bool uart_fast_transmit(void *fast, const uint8_t *bytes, unsigned count);
void uart_fast_request_input(void *fast, unsigned room);
void uart_fast_idle(void *fast);
void uart_fast_page_changed(void *fast, const uint32_t *word);
void uart_fast_remove_page(void *fast);
void uart_fast_stop_coalescing(void *fast);

/* Its timer. */
extern const struct device_ops uart_fast_ops;

/* Drains the ring. From any thread, without the UART's lock. */
void uart_fast_take(struct uart_fast *fast);

/* Drains the ring unless it is empty, as it is at nearly every exit. */
static inline void uart_fast_drain(struct uart_fast *fast)
{
	if (fast->ring->first != fast->ring->last)
		uart_fast_take(fast);
}

#endif
