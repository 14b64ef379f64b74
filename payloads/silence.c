// SPDX-License-Identifier: MIT
/*
 * Claim: a byte is written soon, whatever was printed before it, and a silent guest costs no work.
 * Never ends by itself.
 *
 * After bursts and pauses of many lengths it prints an x, is silent for a while, and then prints
 * when that was, by the physical counter, which it shares with its host. In the end it prints a
 * burst and "idle", and sleeps.
 */
#include "guest.h"

static void burst(unsigned bytes)
{
	while (bytes--)
		print(".");
}

void guest_main(const void *device_tree)
{
	static const uint32_t pauses[] = { 0, 10, 1500, 3990, 4100, 8050, 12000 };
	static const unsigned bursts[] = { 0, 100, 400 };

	(void)device_tree;
	for (unsigned i = 0; i < sizeof pauses / sizeof *pauses; i++)
		for (unsigned j = 0; j < sizeof bursts / sizeof *bursts; j++) {
			uint64_t time;

			burst(bursts[j]);
			pause(pauses[i]);
			time = read_system_register("cntpct_el0");
			write32(UART_DR, 'x');
			pause(12000);
			print_decimal(time);
			print("\n");
		}
	burst(1000);
	print("idle\n");
	for (;;)
		wait_for_interrupt();
}
