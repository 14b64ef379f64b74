/* SPDX-License-Identifier: MIT */
/* The guest's RAM. Used by machine.c, the loaders and debug/. */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include "vmm/gpa.h"

#include <stdbool.h>
#include <stdint.h>

struct guest_memory {
	gpa_t base;
	uint64_t size; /* bytes */
	uint8_t *host; /* its address in this process, 2 MiB aligned */
	void *mapping; /* the whole mapping, and its bytes */
	uint64_t mapped;
	/* A bitmap of pages that this process has written for the guest, in addition to KVM's dirty
	 * log; NULL: not recorded. Atomic. */
	uint64_t *dirty;
	uint64_t dirty_page; /* bytes per bit of it */
	bool has_file_pages; /* parts of it are mapped from a snapshot */
	uint64_t given_back; /* bytes given back to the host since the program started */
};

/*
 * Maps `size` bytes; pages are allocated on first access. Dies if the host does not have as much.
 */
void memory_create(struct guest_memory *memory, gpa_t base, uint64_t size);

/* Returns whole pages within these bytes, which the guest does not need any more, to the host; they
 * read as zeros until they are written. On the event loop's thread. */
void memory_give_back(void *memory, void *bytes, uint64_t length);

/* Uses no huge page for the 2 MiB block at this RAM address. The host would have to clear all of
 * it, for the few bytes that are put there before the guest runs. */
void memory_use_small_pages(const struct guest_memory *memory, gpa_t at);
void memory_destroy(struct guest_memory *memory);

/* A struct dma's `map` and `written`, whose `memory` is a struct guest_memory. */
void *memory_dma_map(void *memory, uint64_t at, uint64_t length);
void memory_dma_written(void *memory, const void *bytes, uint64_t length);

/* Marks bytes as dirty, after they were written. From any thread. */
static inline void memory_mark(const struct guest_memory *memory, const void *bytes,
			       uint64_t length)
{
	uint64_t *dirty = __atomic_load_n(&memory->dirty, __ATOMIC_RELAXED);
	uint64_t start = (uint64_t)((const uint8_t *)bytes - memory->host), page;

	if (!dirty || length == 0)
		return;
	/* Who finds the bit, and clears it, finds what was written. */
	for (page = start / memory->dirty_page; page <= (start + length - 1) / memory->dirty_page;
	     page++)
		__atomic_fetch_or(&dirty[page / 64], 1ull << page % 64, __ATOMIC_RELEASE);
}

/* The only way from a guest-physical address to a pointer: `length` bytes at this address in this
 * process, or NULL if any of them is not RAM. */
void *memory_at(const struct guest_memory *memory, gpa_t at, uint64_t length);

#endif
