/* SPDX-License-Identifier: MIT */
/*
 * Guest memory by the addresses that a CPU's software uses. Who uses it: vcpu.c for a message,
 * debug/ for a CPU that is not in the guest at the moment.
 */
#ifndef VMM_INSPECT_H
#define VMM_INSPECT_H

#include "vmm/kvm/kvm.h"

/* Where the CPU's page tables put this address; false if nowhere. */
bool inspect_translate(const struct vcpu *vcpu, uint64_t address, gpa_t *at);

/*
 * Copies between the buffer and the guest's memory where the CPU's page tables have it, or where it
 * is physically: `size` bytes from `address` on, as the CPU would see them with its caches on or
 * off. How many bytes were copied: fewer where what follows is no memory.
 */
enum view {
	VIEW_VIRTUAL,
	VIEW_PHYSICAL,
};
size_t inspect_memory(const struct vcpu *vcpu, enum view view, uint64_t address, void *buffer,
		      size_t size, bool is_write);

#endif
