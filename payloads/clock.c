// SPDX-License-Identifier: MIT
/*
 * Claim: time for which a guest is held does not pass for it, and its time never goes backwards.
 * All CPUs read the virtual counter in a loop, the last one with sleeps in between, while a
 * debugger holds the guest or its monitor is suspended. When a key is pressed, the longest gap that
 * each has seen is printed, in ms.
 */
#include "guest.h"

#define NAP_US 1000
#define ENABLE 1 /* of CNTV_CTL_EL0 */

static volatile uint64_t longest[MAX_CPUS]; /* gap by CPU, in counts of the virtual counter */

/* The timer's interrupt has only to end a nap. */
void guest_interrupt(unsigned intid)
{
	(void)intid;
	write_system_register("cntv_ctl_el0", 0);
}

/* A debugger sets a breakpoint here to hold the guest. */
static void __attribute__((noinline)) look_again(void)
{
	__asm__ volatile("" ::: "memory");
}

static uint64_t now(void)
{
	__asm__ volatile("isb" ::: "memory");
	return read_system_register("cntvct_el0");
}

static uint64_t look(unsigned cpu, uint64_t before)
{
	uint64_t time;

	look_again();
	time = now();
	check(time >= before);
	if (time - before > longest[cpu])
		longest[cpu] = time - before;
	return time;
}

static void nap(void)
{
	write_system_register("cntv_tval_el0",
			      read_system_register("cntfrq_el0") / 1000000 * NAP_US);
	write_system_register("cntv_ctl_el0", ENABLE);
	wait_for_interrupt();
	unmask_interrupts();
	mask_interrupts();
}

static const void *tree;
static unsigned cpus;

void guest_secondary(unsigned index)
{
	uint64_t time = now();

	gic_start(tree);
	gic_enable(virtual_timer_intid());
	for (;;) {
		if (index == cpus - 1)
			nap();
		time = look(index, time);
	}
}

void guest_main(const void *device_tree)
{
	uint64_t time;

	tree = device_tree;
	cpus = tree_cpus(device_tree);
	gic_start(device_tree);
	for (unsigned cpu = 1; cpu < cpus; cpu++)
		check(psci(PSCI_CPU_ON, cpu, (uintptr_t)secondary_start, cpu) == 0);
	time = now();
	print("looking\n");
	while (read32(UART_FR) & FR_RXFE)
		time = look(0, time);
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		print_decimal(longest[cpu] * 1000 / read_system_register("cntfrq_el0"));
		print(cpu + 1 < cpus ? " " : " ms\n");
	}
}
