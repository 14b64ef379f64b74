/* SPDX-License-Identifier: MIT */
/*
 * Virtio memory balloon (virtio 1.2, 5.5): returns memory that the guest does not need to the host.
 *
 * Who uses it: the machine, for --balloon. The device never asks the guest for memory (num_pages
 * is 0), so memory comes from free page reporting, and from drivers that inflate it unasked.
 */
#ifndef DEVICES_VIRTIO_BALLOON_H
#define DEVICES_VIRTIO_BALLOON_H

#include "mmio.h"

struct virtio_balloon {
	struct virtio virtio;
	/* Returns these bytes of guest memory to the host, as far as they are whole host pages;
	 * their contents are undefined afterwards. Called when the timer expires. Set once, with
	 * the wires. */
	void (*give_back)(void *memory, void *bytes, uint64_t length);
	void *memory;
};

/* To be called once, before the first reset. */
void virtio_balloon_init(struct virtio_balloon *balloon, bool legacy);

#endif
