// SPDX-License-Identifier: MIT
/*
 * Claim: when all CPUs print at once, each one's bytes come out in its order, and all of them. The
 * first prints A to Z over and over, the second a to z, the next ones digits; each in bursts. The
 * first one switches off as soon as the others have written their last byte, without a look at the
 * UART.
 */
#include "guest.h"

#define DR (UART_BASE + 0x000)
#define FR (UART_BASE + 0x018)
#define TXFF 0x20

#define ROUNDS 200 /* of an alphabet */
#define PAUSE 50   /* rounds between pauses */

static const char *const alphabets[] = { "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz",
					 "0123456789" };
static volatile unsigned ready[MOST_CPUS];

static void print_rounds(unsigned cpu)
{
	for (unsigned i = 1; i <= ROUNDS; i++) {
		for (const char *c = alphabets[cpu < 2 ? cpu : 2]; *c; c++) {
			while (read32(FR) & TXFF)
				;
			write32(DR, (uint8_t)*c);
		}
		if (i % PAUSE == 0 && i != ROUNDS)
			pause(10000);
	}
}

void guest_secondary(unsigned cpu)
{
	print_rounds(cpu);
	ready[cpu] = 1;
	for (;;)
		__asm__ volatile("");
}

void guest_main(const void *device_tree)
{
	unsigned cpus = tree_cpus(device_tree);

	for (unsigned cpu = 1; cpu < cpus; cpu++)
		check(psci(PSCI_CPU_ON, cpu, (uintptr_t)secondary_start, cpu) == 0);
	print_rounds(0);
	for (unsigned cpu = 1; cpu < cpus; cpu++)
		while (!ready[cpu])
			;
}
