/* SPDX-License-Identifier: MIT */
/*
 * Virtio entropy device (virtio 1.2, 5.4).
 *
 * Who uses it: the machine, which always has one, in the slot behind the devices of the options.
 */
#ifndef DEVICES_VIRTIO_ENTROPY_H
#define DEVICES_VIRTIO_ENTROPY_H

#include "mmio.h"

struct virtio_entropy {
	struct virtio virtio;
	/* Writes `size` random bytes. Called when the timer expires. Set by virtio_entropy_init. */
	void (*fill)(void *to, size_t size);
};

/* To be called once, before the first reset. */
void virtio_entropy_init(struct virtio_entropy *entropy, void (*fill)(void *to, size_t size));

#endif
