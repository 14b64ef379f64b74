/* SPDX-License-Identifier: MIT */
/*
 * VM generation ID (the kernel's binding microsoft,vmgenid): 16 bytes that are others whenever the
 * guest goes on from a state that it may have gone on from before, and an interrupt then. Its
 * kernel makes its random number generator anew.
 *
 * Who uses it: machine.c places it; a resume changes it.
 */
#ifndef DEVICES_VMGENID_H
#define DEVICES_VMGENID_H

#include "device.h"

struct vmgenid {
	struct wires wires;
	uint64_t id[2]; /* not part of its state */
};

extern const struct device_ops vmgenid_ops;

/* To be called after `id` has been changed: raises the interrupt, which is an edge. */
void vmgenid_changed(struct vmgenid *vmgenid);

#endif
