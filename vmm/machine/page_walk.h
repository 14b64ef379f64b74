/* SPDX-License-Identifier: MIT */
/* Translation of the guest's addresses, as its CPUs do it. Used by inspect.c. */
#ifndef VMM_PAGE_WALK_H
#define VMM_PAGE_WALK_H

#include "vmm/machine/memory.h"

#include <stdbool.h>

/* A stage of a CPU's translation regime (SCTLR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1, or EL2's). */
struct translation {
	uint64_t sctlr, tcr, ttbr0, ttbr1;
	bool is_stage2; /* tcr and ttbr0 are VTCR_EL2 and VTTBR_EL2 */
	/* What translates this stage's output, and the addresses of its tables; NULL: nothing. */
	const struct translation *next;
};

/* Translates an address by this stage and those behind it (Arm ARM, D8.2), ignoring permissions; it
 * is its own translation while the stage is off, or NULL. False if it is not mapped, or a table is
 * outside RAM. */
bool walk(const struct translation *stage, const struct guest_memory *memory, uint64_t address,
	  gpa_t *at);

#endif
