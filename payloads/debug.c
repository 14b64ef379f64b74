// SPDX-License-Identifier: MIT
/*
 * Claim: a debugger can stop, step and change the guest on all its CPUs; the guest's own BRKs still
 * reach the guest. The debugger stops at a symbol, watches variables and changes them. Ends with
 * the status that the debugger has put into `verdict`.
 */
#include "guest.h"

#define ESR_BRK 0x3c
#define OWN_BRKS 3

static volatile unsigned rounds, verdict = 1, other_cpu_runs;
static unsigned own_brks;

void guest_exception(struct frame *frame)
{
	check(frame->esr >> 26 == ESR_BRK && (frame->esr & 0xffff) == 0x123);
	check(frame->elr == (frame->elr & ~3ul));
	own_brks++;
	frame->elr += 4;
}

void guest_interrupt(unsigned intid)
{
	(void)intid;
}

static void __attribute__((noinline)) round_begins(unsigned number)
{
	__asm__ volatile("" ::"r"(number) : "memory");
}

void guest_secondary(unsigned index)
{
	(void)index;
	other_cpu_runs = 1;
	for (;;)
		;
}

void guest_main(const void *device_tree)
{
	catch_exceptions();
	for (unsigned cpu = 1; cpu < tree_cpus(device_tree); cpu++)
		check(psci(PSCI_CPU_ON, cpu, (uintptr_t)secondary_start, cpu) == 0);
	while (tree_cpus(device_tree) > 1 && !other_cpu_runs)
		;
	for (unsigned i = 0; i < OWN_BRKS; i++) {
		round_begins(i);
		__asm__ volatile("brk	#0x123" ::: "memory");
		rounds++;
	}
	check(own_brks == OWN_BRKS);
	print("rounds: ");
	print_decimal(rounds);
	print("\n");
	finish(verdict);
}
