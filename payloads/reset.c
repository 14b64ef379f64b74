// SPDX-License-Identifier: MIT
/*
 * Claim: a guest that resets itself starts again as it first did. Prints "start" and resets itself,
 * for ever: by PSCI SYSTEM_RESET (Arm DEN 0022, 5.11), with bootargs "2" by SYSTEM_RESET2 (5.15),
 * with "f" by the finisher.
 * Never ends by itself without --no-reboot.
 */
#include "guest.h"

static uint32_t dirty;
static uint32_t data = 1;

void guest_main(const void *device_tree)
{
	const char *how = tree_property(device_tree, "bootargs", 0);

	check(dirty == 0 && data == 1);
	check(entry_state.x1 == 0); /* x0 is the tree, which was read above */
	check(read32(UART_IBRD) == 0 && read32(UART_IMSC) == 0);
	check(read32(RTC_BASE + 0x04) == 0);
	check(read32(GIC_DIST_BASE + 0x104) == 0);
	dirty = data = 2;
	write32(UART_IBRD, 0x1234);
	write32(UART_IMSC, 0x7ff);
	write32(RTC_BASE + 0x04, 0x1234);
	write32(GIC_DIST_BASE + 0x104, ~0u); /* all interrupts enabled */
	print("start\n");
	if (*how == 'f')
		write32(FINISHER_BASE, 0x7777);
	else if (*how == '2')
		psci(PSCI_SYSTEM_RESET2, 0, 0, 0);
	else
		psci(PSCI_SYSTEM_RESET, 0, 0, 0);
	for (;;)
		;
}
