// SPDX-License-Identifier: MIT
/*
 * Claim: the interrupt controller is the one in the device tree, and delivers what is enabled. It
 * delivers software-generated interrupts, and the UART's interrupt as long as its level is high.
 * Every shared interrupt starts as level-sensitive.
 */
#include "guest.h"

#define GICD_ICFGR 0xc00
#define UART_INTID (32 + UART_SPI)

static volatile unsigned software, uart;

void guest_interrupt(unsigned intid)
{
	if (intid == UART_INTID) {
		/* Level-sensitive: it is taken again until its cause is cleared. */
		if (++uart % 3 == 0)
			write32(UART_ICR, UART_TX);
	} else {
		check(intid == 5);
		software++;
	}
}

/* Takes all pending interrupts. */
static void take_interrupts(void)
{
	unmask_interrupts();
	for (unsigned i = 0; i < 1000; i++)
		__asm__ volatile("isb" ::: "memory");
	mask_interrupts();
}

void guest_main(const void *device_tree)
{
	unsigned typer = read32(GIC_DIST_BASE + 4);
	unsigned version = gic_version(device_tree);

	/* GICv3's PIDR2 is beyond GICv2's distributor. */
	check(version == 2 || (read32(GIC_DIST_BASE + 0xffe8) >> 4 & 0xf) == 3);
	check(((typer & 0x1f) + 1) * 32 == 32 + GIC_SPIS);
	for (unsigned intid = 32; intid < 32 + GIC_SPIS; intid += 16)
		check(read32(GIC_DIST_BASE + GICD_ICFGR + intid / 4) == 0);
	gic_start(device_tree);
	gic_enable(5);
	gic_send(5, 0);
	check(software == 0); /* masked */
	take_interrupts();
	check(software == 1);

	write32(UART_DR, '\n');
	write32(UART_IMSC, UART_TX);
	take_interrupts();
	check(uart == 0); /* not enabled */
	gic_enable(UART_INTID);
	take_interrupts();
	check(uart == 3); /* guest_interrupt has cleared the cause the third time */
	gic_disable(UART_INTID);
	write32(UART_DR, '\n');
	take_interrupts();
	check(uart == 3);
	write32(UART_ICR, UART_TX);
	gic_enable(UART_INTID);
	take_interrupts();
	check(uart == 3); /* the level had fallen before the interrupt was enabled */
	write32(UART_IMSC, 0);
	print("ok\n");
}
