/* SPDX-License-Identifier: MIT */
/* The guest's RAM. Used by machine.c, loaders and those who look at the guest. */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include "vmm/gpa.h"

#include <stdint.h>

struct guest_memory {
	gpa_t base;
	uint64_t size; /* bytes */
	uint8_t *host; /* where the first byte lies in this process, 2 MiB aligned */
	void *mapping; /* what mmap gave, and how much */
	uint64_t mapped;
};

/* Maps size bytes, not touched before the guest touches them. Dies if the host has not that much.
 */
void memory_create(struct guest_memory *memory, gpa_t base, uint64_t size);

/* The block of 2 MiB that this address in RAM is in gets no huge page, which the host would clear
 * whole: for the little that is put there before the guest runs, and that most guests leave be. */
void memory_use_small_pages(const struct guest_memory *memory, gpa_t at);
void memory_destroy(struct guest_memory *memory);

/*
 * The one way from guest-physical to pointer: where length bytes at this address lie in the
 * process, or NULL if any of them is not RAM.
 */
void *memory_at(const struct guest_memory *memory, gpa_t at, uint64_t length);

#endif
