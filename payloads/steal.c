// SPDX-License-Identifier: MIT
/*
 * Claim: every CPU can read for how long the host has kept it waiting (Arm DEN 0057, stolen time).
 * With more busy CPUs than the host has, that is a large part of the time for each.
 */
#include "guest.h"

#define SMCCC_ARCH_FEATURES 0x80000001
#define PV_TIME_FEATURES 0xc5000020
#define PV_TIME_ST 0xc5000021
#define NOT_SUPPORTED (-1)
#define ENTRY 64 /* bytes of each CPU's structure */
/* Offsets in it. */
#define REVISION 0
#define ATTRIBUTES 4
#define STOLEN_NS 8

#define BUSY_US 1000000

static volatile unsigned busy; /* the last CPU that has started */

static uintptr_t entry(unsigned cpu)
{
	uintptr_t at = (uintptr_t)psci(PV_TIME_ST, 0, 0, 0);

	check(at == STEAL_BASE + cpu * ENTRY);
	check(read32(at + REVISION) == 0 && read32(at + ATTRIBUTES) == 0);
	return at;
}

void guest_secondary(unsigned index)
{
	entry(index);
	busy = index;
	for (;;)
		;
}

void guest_main(const void *device_tree)
{
	unsigned cpus = tree_cpus(device_tree);

	if (psci(SMCCC_ARCH_FEATURES, PV_TIME_FEATURES, 0, 0) == NOT_SUPPORTED) {
		print("not here\n");
		return;
	}
	check(psci(PV_TIME_FEATURES, PV_TIME_ST, 0, 0) == 0);
	entry(0);
	for (unsigned cpu = 1; cpu < cpus; cpu++) {
		check(psci(PSCI_CPU_ON, cpu, (uintptr_t)secondary_start, cpu) == 0);
		while (busy != cpu)
			;
	}
	pause(BUSY_US);
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		print_decimal(read64(STEAL_BASE + cpu * ENTRY + STOLEN_NS) / 1000000);
		print(" ");
	}
	print("ms\n");
}
