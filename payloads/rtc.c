// SPDX-License-Identifier: MIT
/*
 * Claim: the PL031 has the time of day, and interrupts when its alarm is due. The alarm is set for
 * one second later, or for as many as bootargs say. It follows the host's clock, even if that is
 * set meanwhile.
 */
#include "guest.h"

#define DR 0x00
#define MR 0x04
#define LR 0x08
#define IMSC 0x10
#define MIS 0x18
#define ICR 0x1c

static volatile unsigned interrupts;

void guest_interrupt(unsigned intid)
{
	check(intid == 32 + RTC_SPI);
	check(read32(RTC_BASE + MIS) == 1);
	write32(RTC_BASE + ICR, 1);
	check(read32(RTC_BASE + MIS) == 0);
	interrupts++;
}

void guest_main(const void *device_tree)
{
	uint32_t seconds = (uint32_t)bootargs_number(device_tree);

	gic_start(device_tree);
	gic_enable(32 + RTC_SPI);
	check(read32(RTC_BASE + DR) > 1600000000); /* 2020 */
	write32(RTC_BASE + IMSC, 1);
	write32(RTC_BASE + LR, 1000);
	check(read32(RTC_BASE + DR) - 1000 <= 1);
	write32(RTC_BASE + MR, read32(RTC_BASE + DR) + (seconds ? seconds : 1));
	if (seconds)
		print("waiting\n");
	while (!interrupts) {
		wait_for_interrupt();
		unmask_interrupts();
		mask_interrupts();
	}
	check(read32(RTC_BASE + DR) >= read32(RTC_BASE + MR));
	check(interrupts == 1);
	print("ok\n");
}
