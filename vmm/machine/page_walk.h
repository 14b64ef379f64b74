/* SPDX-License-Identifier: MIT */
/* The guest's stage-1 translation. Used by inspect.c. */
#ifndef VMM_PAGE_WALK_H
#define VMM_PAGE_WALK_H

#include "vmm/machine/memory.h"

#include <stdbool.h>

/* A CPU's translation regime at EL1 (SCTLR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1). */
struct translation {
	uint64_t sctlr, tcr, ttbr0, ttbr1;
};

/* Translates an address by the guest's page tables (Arm ARM, D8.2), ignoring permissions; it is its
 * own translation while the MMU is off. False if it is not mapped, or a table is outside RAM. */
bool walk(const struct translation *regime, const struct guest_memory *memory, uint64_t address,
	  gpa_t *at);

#endif
