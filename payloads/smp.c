// SPDX-License-Identifier: MIT
/*
 * Claim: every CPU of the device tree can be started, stopped and started again by PSCI, at the
 * exception level of its caller. It also receives interrupts from another CPU, and its exclusive
 * accesses are atomic (PSCI: Arm DEN 0022).
 */
#include "guest.h"

#define ROUNDS 1000
#define ON 0
#define OFF 1
#define NOT_SUPPORTED (-1)
#define INVALID_PARAMETERS (-2)
#define ALREADY_ON (-4)

static const void *tree;
static bool first_is_at_el2;
static uint64_t counter;		    /* changed by exclusive accesses of all CPUs */
static volatile unsigned started[MAX_CPUS]; /* how often each CPU has started */
static volatile unsigned seen[MAX_CPUS];    /* interrupts that each CPU has taken */

void guest_interrupt(unsigned intid)
{
	unsigned cpu = read_system_register("mpidr_el1") & 0xff;

	check(intid == cpu);
	seen[cpu]++;
}

static void add_one(void)
{
	uint64_t value, failed_store;

	__asm__ volatile("1:	ldxr	%0, [%2]\n"
			 "	add	%0, %0, #1\n"
			 "	stxr	%w1, %0, [%2]\n"
			 "	cbnz	%w1, 1b\n"
			 : "=&r"(value), "=&r"(failed_store)
			 : "r"(&counter)
			 : "memory");
}

void guest_secondary(unsigned index)
{
	check(is_at_el2() == first_is_at_el2);
	mmu_on();
	gic_start(tree);
	gic_enable(index);
	for (unsigned i = 0; i < ROUNDS; i++)
		add_one();
	started[index]++;
	while (seen[index] < started[index]) {
		wait_for_interrupt();
		unmask_interrupts();
		mask_interrupts();
	}
	psci(PSCI_CPU_OFF, 0, 0, 0);
}

static void start_and_stop(unsigned cpus, unsigned time)
{
	for (unsigned cpu = 1; cpu < cpus; cpu++) {
		check(psci(PSCI_AFFINITY_INFO, cpu, 0, 0) == OFF);
		check(psci(PSCI_CPU_ON, cpu, (uintptr_t)secondary_start, cpu) == 0);
	}
	for (unsigned cpu = 1; cpu < cpus; cpu++)
		while (started[cpu] < time)
			;
	for (unsigned cpu = 1; cpu < cpus; cpu++) {
		check(psci(PSCI_AFFINITY_INFO, cpu, 0, 0) == ON);
		check(psci(PSCI_CPU_ON, cpu, (uintptr_t)secondary_start, cpu) == ALREADY_ON);
		gic_send(cpu, cpu);
		while (psci(PSCI_AFFINITY_INFO, cpu, 0, 0) != OFF)
			;
		check(seen[cpu] == time);
	}
}

void guest_main(const void *device_tree)
{
	unsigned cpus = tree_cpus(device_tree);

	tree = device_tree;
	first_is_at_el2 = is_at_el2();
	mmu_on();
	gic_start(device_tree);
	check(psci(PSCI_VERSION, 0, 0, 0) >= 0x10000);
	check(psci(PSCI_CPU_ON, 0x1234, (uintptr_t)secondary_start, 0) == INVALID_PARAMETERS);
	check(psci(PSCI_AFFINITY_INFO, 0x1234, 0, 0) == INVALID_PARAMETERS);
	/* With --save it is there, and would suspend. */
	if (psci(PSCI_FEATURES, PSCI_SYSTEM_SUSPEND, 0, 0) == NOT_SUPPORTED)
		check(psci(PSCI_SYSTEM_SUSPEND, (uintptr_t)secondary_start, 0, 0) == NOT_SUPPORTED);
	start_and_stop(cpus, 1);
	start_and_stop(cpus, 2);
	check(counter == 2ull * ROUNDS * (cpus - 1));
	print_decimal(cpus);
	print(" CPUs ok\n");
}
