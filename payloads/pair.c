// SPDX-License-Identifier: MIT
/*
 * Claim: when all CPUs print at once, all bytes of each come out, in its order. The first prints A
 * to Z again and again, the second a to z, the others digits, each in bursts. The first switches
 * the guest off as soon as the others have written their last byte, without a read of the UART.
 */
#include "guest.h"

#define ROUNDS 200 /* times that a CPU prints its alphabet */
#define PAUSE 50   /* rounds between pauses */

static const char *const alphabets[] = { "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz",
					 "0123456789" };
static volatile unsigned ready[MAX_CPUS];

static void print_rounds(unsigned cpu)
{
	for (unsigned i = 1; i <= ROUNDS; i++) {
		for (const char *c = alphabets[cpu < 2 ? cpu : 2]; *c; c++) {
			while (read32(UART_FR) & FR_TXFF)
				;
			write32(UART_DR, (uint8_t)*c);
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
