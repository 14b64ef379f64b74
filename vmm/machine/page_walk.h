/* SPDX-License-Identifier: MIT */
/* The guest's own stage-1 translation. Used by inspect.c, wherever a virtual address is to be
 * looked at. */
#ifndef VMM_PAGE_WALK_H
#define VMM_PAGE_WALK_H

#include "vmm/machine/memory.h"

#include <stdbool.h>

/* A CPU's translation regime at EL1 (SCTLR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1). */
struct translation {
	uint64_t sctlr, tcr, ttbr0, ttbr1;
};

/*
 * Where the guest's page tables put this address (Arm ARM, D8.2), whatever the permissions are; the
 * address itself while the MMU is off. False if they put it nowhere, or do not lie in RAM.
 */
bool walk(const struct translation *regime, const struct guest_memory *memory, uint64_t address,
	  gpa_t *at);

#endif
