/* SPDX-License-Identifier: MIT */
/*
 * The fast path of virtio devices. It is for regular drivers, which for each interrupt read
 * InterruptStatus once and acknowledge it once. The guest then reads the registers from a shadow
 * page, and KVM coalesces its acknowledgements in the ring that uart_fast.c drains, so that a
 * request costs one exit, the notification.
 *
 * A coalesced acknowledgement takes effect at the next exit of any vCPU. Therefore the interrupt
 * must be edge-triggered: a level-sensitive one would be signalled again until then.
 *
 * Who uses it: devices by their fast-path functions, on any thread; the event loop's thread, while
 * vCPUs are paused.
 */
#ifndef VMM_VIRTIO_FAST_H
#define VMM_VIRTIO_FAST_H

#include "devices/virtio/mmio.h"
#include "map.h"
#include "run.h"
#include "vmm/kvm/kvm.h"

#include <linux/kvm.h>

#define VIRTIO_FAST_PAGE 4096
#define VIRTIO_FAST_SLOT 128 /* memory slot of the first shadow page */

struct virtio_fast {
	struct run *run;
	struct vm *vm;
	struct virtio *devices[VIRTIO_SLOTS]; /* by slot */
	struct lock *locks[VIRTIO_SLOTS];     /* the devices' */
	uint32_t wanted; /* a bit for each slot: begin at the next pause; atomic */
	uint32_t fast;	 /* a bit for each slot on the fast path; atomic */
	const struct kvm_coalesced_mmio_ring *ring;
	uint32_t interrupted_at[VIRTIO_SLOTS]; /* the ring's `last` at the latest interrupt */
	uint32_t *pages;		       /* shadow pages; NULL: there is no fast path */
};

/* To be called once, before devices are reset. `plain`: without the fast path. */
void virtio_fast_create(struct virtio_fast *fast, struct run *run, struct vm *vm, bool plain);
/* Sets the device in a slot, and its lock. */
void virtio_fast_add(struct virtio_fast *fast, unsigned slot, struct virtio *device,
		     struct lock *lock);

/* Carries out a coalesced write to one of the devices, which is at this index of the ring. Called
 * with the ring's lock (the UART's) held. */
void virtio_fast_take(struct virtio_fast *fast, unsigned entry);

/* Begins the fast path for those devices whose drivers have become regular. Called while all vCPUs
 * are paused. */
void virtio_fast_begin(void *fast);

#endif
