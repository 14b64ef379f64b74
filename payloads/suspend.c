// SPDX-License-Identifier: MIT
/*
 * Claim: PSCI's SYSTEM_SUSPEND saves the guest (--save), which wakes up at once where the call
 * says, as does one that is resumed. It has its context, the MMU off and interrupts masked, and
 * memory and timers as before. While another CPU is on the call is denied. Any CPU may call.
 */
#include "guest.h"

#define DENIED (-3)
#define OFF 1
#define CONTEXT 7 /* a stack that no CPU has */

static volatile uint64_t before;
static volatile unsigned ready, goes_on;

static int64_t suspend(void)
{
	before = read_system_register("cntvct_el0");
	return psci(PSCI_SYSTEM_SUSPEND, (uintptr_t)secondary_start, CONTEXT, 0);
}

/* Where everybody wakes up, and where CPU_ON starts the others: the last of them suspends, too. */
void guest_secondary(unsigned index)
{
	uint64_t cpu = read_system_register("mpidr_el1") & 0xff;
	uint64_t mask = read_system_register("daif");

	check(!(read_system_register("sctlr_el1") & 1));
	check(mask == 0x3c0);
	if (index == CONTEXT) {
		check(read_system_register("cntvct_el0") >= before);
		print_decimal(cpu);
		print(read32(FINISHER_BASE) ? " is resumed\n" : " is awake\n");
		psci(PSCI_SYSTEM_OFF, 0, 0, 0);
	}
	ready = 1;
	while (!goes_on)
		;
	while (psci(PSCI_AFFINITY_INFO, 0, 0, 0) != OFF)
		;
	suspend();
	check(!"suspended");
}

void guest_main(const void *device_tree)
{
	if (tree_cpus(device_tree) > 1) {
		check(psci(PSCI_CPU_ON, 1, (uintptr_t)secondary_start, 1) == 0);
		while (!ready)
			;
		check(suspend() == DENIED);
		goes_on = 1;
		psci(PSCI_CPU_OFF, 0, 0, 0);
	}
	check(psci(PSCI_FEATURES, PSCI_SYSTEM_SUSPEND, 0, 0) == 0);
	suspend();
	check(!"suspended");
}
