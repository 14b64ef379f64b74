// SPDX-License-Identifier: MIT
/*
 * Claim: the power button is pressed once, and released, when somebody wants the guest to switch
 * itself off. It does so then; or as bootargs begin: 1 ignores that, 2 resets.
 */
#include "guest.h"

#define DATA(mask) ((mask) << 2)
#define IBE 0x408
#define IE 0x410
#define MIS 0x418
#define IC 0x41c
#define BUTTON (1u << GPIO_POWER_PIN)

static volatile unsigned interrupts;

void guest_interrupt(unsigned intid)
{
	check(intid == 32 + GPIO_SPI);
	check(read32(GPIO_BASE + MIS) == BUTTON);
	check(read32(GPIO_BASE + DATA(0xff)) == (interrupts ? 0 : BUTTON));
	write32(GPIO_BASE + IC, BUTTON);
	check(read32(GPIO_BASE + MIS) == 0);
	interrupts++;
}

void guest_main(const void *device_tree)
{
	uint64_t how = bootargs_number(device_tree);

	gic_start(device_tree);
	gic_enable(32 + GPIO_SPI);
	check(read32(GPIO_BASE + DATA(0xff)) == 0);
	write32(GPIO_BASE + IBE, BUTTON);
	write32(GPIO_BASE + IE, BUTTON);
	print("ready\n");
	while (interrupts < 2 || how == 1) {
		wait_for_interrupt();
		unmask_interrupts();
		mask_interrupts();
	}
	if (how == 2)
		psci(PSCI_SYSTEM_RESET, 0, 0, 0);
	print("pressed\n");
}
