// SPDX-License-Identifier: MIT
/* The guest's RAM. Who calls it: machine.c, loaders. Touches its mapping only. */
#include "memory.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/report.h"

#include <linux/auxvec.h>
#include <sys/mman.h>

/* Size of a stage-2 block mapping, which requires guest and host address to be equal modulo it. */
#define BLOCK (2ull << 20)

void memory_create(struct guest_memory *memory, gpa_t base, uint64_t size)
{
	long mapping;

	/* Without MAP_NORESERVE, so that more than the host can have is refused now. */
	memory->mapped = size + BLOCK;
	mapping = sys_mmap(0, memory->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	if (mapping < 0)
		die(STATUS_HOST, "--memory: %lu MiB: %s; take less than the host's own RAM",
		    size >> 20, error_text((int)-mapping));
	memory->base = base;
	memory->size = size;
	memory->dirty = NULL;
	memory->has_file_pages = false;
	memory->mapping = (void *)mapping;
	memory->host = (uint8_t *)(((uint64_t)mapping + BLOCK - 1) & -BLOCK);
	/* Huge pages mean fewer faults and block mappings at stage 2. Failure is harmless. */
	(void)sys_madvise((uintptr_t)memory->host, size, MADV_HUGEPAGE);
}

void memory_use_small_pages(const struct guest_memory *memory, gpa_t at)
{
	uint64_t offset = (at.address - memory->base.address) & -BLOCK;

	(void)sys_madvise((uintptr_t)memory->host + offset, BLOCK, MADV_NOHUGEPAGE);
}

void memory_give_back(void *opaque, void *bytes, uint64_t length)
{
	struct guest_memory *memory = opaque;
	uint64_t page = getauxval(AT_PAGESZ);
	uint64_t start = ((uint64_t)bytes + page - 1) & -page;
	uint64_t end = ((uint64_t)bytes + length) & -page;

	if (start < end && sys_madvise(start, end - start, MADV_DONTNEED) == 0)
		memory->given_back += end - start;
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

void *memory_dma_map(void *memory, uint64_t at, uint64_t length)
{
	return memory_at(memory, GPA(at), length);
}

void memory_dma_written(void *memory, const void *bytes, uint64_t length)
{
	memory_mark(memory, bytes, length);
}
