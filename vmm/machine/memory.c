// SPDX-License-Identifier: MIT
/* The guest's RAM. Who calls it: machine.c, loaders. Touches its mapping only. */
#include "memory.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/report.h"

#include <sys/mman.h>

/* Stage-2 tables hold blocks of this size where guest and host address agree below it. */
#define BLOCK (2ull << 20)

void memory_create(struct guest_memory *memory, gpa_t base, uint64_t size)
{
	long mapping;

	/* Without MAP_NORESERVE: what the host can never have is refused now, not when touched. */
	memory->mapped = size + BLOCK;
	mapping = sys_mmap(0, memory->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	if (mapping < 0)
		die(STATUS_HOST, "--memory: %lu MiB: %s; take less than the host's own RAM",
		    size >> 20, error_text((int)-mapping));
	memory->base = base;
	memory->size = size;
	memory->mapping = (void *)mapping;
	memory->host = (uint8_t *)(((uint64_t)mapping + BLOCK - 1) & -BLOCK);
	/* Fewer faults, and blocks at stage 2; but not for the first one, where a small payload or
	 * the device tree comes. A host that cannot do that says so, and it is no loss. */
	memory_use_small_pages(memory, base);
	(void)sys_madvise((uintptr_t)memory->host + BLOCK, size - BLOCK, MADV_HUGEPAGE);
}

void memory_use_small_pages(const struct guest_memory *memory, gpa_t at)
{
	uint64_t offset = (at.address - memory->base.address) & -BLOCK;

	(void)sys_madvise((uintptr_t)memory->host + offset, BLOCK, MADV_NOHUGEPAGE);
}

void memory_destroy(struct guest_memory *memory)
{
	sys_munmap((uintptr_t)memory->mapping, memory->mapped);
}

void *memory_at(const struct guest_memory *memory, gpa_t at, uint64_t length)
{
	uint64_t offset = at.address - memory->base.address; /* huge if below base */

	if (offset > memory->size || length > memory->size - offset)
		return NULL;
	return memory->host + offset;
}
