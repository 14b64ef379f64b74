/* SPDX-License-Identifier: MIT */
/* Completes the device tree for the guest. Used by boot.c; builds natively for tests. */
#ifndef VMM_DEVICE_TREE_H
#define VMM_DEVICE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FDT_MAX_CPUS 512
#define FDT_SEED 64
/* Max bytes that fdt_build adds to a tree, apart from bootargs: for all, and for each CPU. */
#define FDT_ROOM 5120
#define FDT_ROOM_PER_CPU 128
#define FDT_MAX_RESERVED 64 /* ranges, Linux's limit for /reserved-memory */

/* Guest-physical addresses; `end` is exclusive. Empty unless it is above `start`. */
struct range {
	uint64_t start, end;
};

/* Values that are known only at run time. */
struct fdt_values {
	uint64_t memory_base, memory_size; /* bytes */
	const char *bootargs;
	uint64_t initrd_start, initrd_end; /* `end` is exclusive; equal: no initrd */
	const uint32_t *cpus;		   /* affinity of each (MPIDR_EL1) */
	unsigned cpu_count;		   /* at most FDT_MAX_CPUS */
	unsigned gic;			   /* version of the interrupt controller: 2 or 3 */
	bool has_pmu, has_its, has_el2;
	bool has_fw_cfg;
	bool is_users; /* the tree is from --dtb: its CPUs, GIC and PMU stay as they are, its
			  bootargs too unless some are given here, and its memory nodes are replaced
			  by one for the actual RAM */
	uint8_t seed[FDT_SEED];
};

/*
 * The used bytes of a complete tree, which may be much less than its total size (QEMU dumps 1 MiB).
 */
size_t fdt_used(const void *tree);

/* Has this node #address-cells and #size-cells of 2 for its children (Devicetree Specification,
 * 2.3.5)? */
bool fdt_has_two_cells(const void *tree, int node);

/*
 * Reads the ranges that the tree reserves: its /memreserve/ entries and the children of
 * /reserved-memory. Returns their number; -FDT_ERR_NOSPACE if there are more than FDT_MAX_RESERVED;
 * -FDT_ERR_BADNCELLS if /reserved-memory does not use two cells for addresses and for sizes.
 */
int fdt_reserved(const void *tree, struct range *ranges);

/* Writes the tree `base`, with these values filled in, to a buffer of `room` bytes. Returns its
 * size, or a negative FDT_ERR_*. */
int fdt_build(void *to, size_t room, const void *base, const struct fdt_values *values);

#endif
