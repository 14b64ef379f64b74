/* SPDX-License-Identifier: MIT */
/* The device tree that the guest finds. Used by boot.c; builds natively for tests. */
#ifndef VMM_DEVICE_TREE_H
#define VMM_DEVICE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FDT_MOST_CPUS 512
#define FDT_SEED 64
/* Bytes that fdt_build adds to a tree at most, beside bootargs; and those of each CPU in that. */
#define FDT_ROOM 1024
#define FDT_ROOM_PER_CPU 128
#define FDT_MAX_RESERVED 64 /* ranges, as Linux has it for /reserved-memory */

/* Guest-physical; `end` is one past it. Nothing if that is not above `start`. */
struct range {
	uint64_t start, end;
};

/* What is known only at run time. */
struct fdt_values {
	uint64_t memory_base, memory_size; /* bytes */
	const char *bootargs;
	uint64_t initrd_start, initrd_end; /* end is one past it; equal: there is none */
	const uint32_t *cpus;		   /* their affinities (MPIDR_EL1) */
	unsigned cpu_count;		   /* at most FDT_MOST_CPUS */
	unsigned gic;			   /* version of the interrupt controller: 2 or 3 */
	bool has_pmu;
	bool is_users; /* the user's own tree: what it says of CPUs, GIC and PMU stays, and so do
			* bootargs unless there are some here; its memory nodes, all of them, give
			* way to one that says what there is */
	uint8_t seed[FDT_SEED];
};

/* Bytes of a whole tree that are in use: of 1 MiB that QEMU dumps most is empty. */
size_t fdt_used(const void *tree);

/* What the tree keeps from use: its /memreserve/ entries and the children of /reserved-memory. How
 * many ranges; or -FDT_ERR_NOSPACE if there are more than FDT_MAX_RESERVED, -FDT_ERR_BADNCELLS if
 * addresses and sizes of /reserved-memory do not have two cells each. */
int fdt_reserved(const void *tree, struct range *ranges);

/* Writes the tree `base` with these values to `to`, `room` bytes. Its size, or a negative
 * FDT_ERR_*. */
int fdt_build(void *to, size_t room, const void *base, const struct fdt_values *values);

#endif
