/* SPDX-License-Identifier: MIT */
/* Guest memory by virtual or physical address. Who uses it: exits.c for a message, debug/, for a
 * CPU that is not in the guest. */
#ifndef VMM_INSPECT_H
#define VMM_INSPECT_H

#include "vmm/kvm/kvm.h"

/* Translates a virtual address by the CPU's page tables; false if it is not mapped. */
bool inspect_translate(const struct vcpu *vcpu, uint64_t address, gpa_t *at);

/*
 * Copies `size` bytes between `buffer` and guest memory at a virtual or physical address, coherent
 * with accesses of the guest with its caches on or off. Returns the bytes copied: fewer if the rest
 * is not mapped RAM.
 */
enum view {
	VIEW_VIRTUAL,
	VIEW_PHYSICAL,
};
size_t inspect_memory(const struct vcpu *vcpu, enum view view, uint64_t address, void *buffer,
		      size_t size, bool is_write);

#endif
