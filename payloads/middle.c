// SPDX-License-Identifier: MIT
/*
 * Claim: a guest that is saved in the middle of something goes on with it when it is resumed.
 * Bootargs say in the middle of what. 1: CPU 1 has been switched on, and has hardly begun. 2: a key
 * has come, and waits in the UART's FIFO. 3: half of a line is in the UART, which is about to
 * interrupt. 4: nothing, but somebody may have made an SError pending in the snapshot, which is
 * masked, then saved once more, and taken in the end. 5: it writes a page of memory, between two
 * saves.
 */
#include "guest.h"

#define WRITTEN (RAM_BASE + 0x600000)
#define SERROR 0x2f /* exception class */

static volatile unsigned begun, interrupts, errors;
static volatile uint32_t at_interrupt;

void guest_secondary(unsigned index)
{
	begun = index;
	psci(PSCI_CPU_OFF, 0, 0, 0);
}

void guest_interrupt(unsigned intid)
{
	check(intid == 32 + UART_SPI);
	at_interrupt = read32(UART_MIS);
	write32(UART_IMSC, 0);
	interrupts++;
}

void guest_exception(struct frame *frame)
{
	check((uint32_t)frame->esr >> 26 == SERROR);
	errors++;
}

static void save(void)
{
	write32(FINISHER_BASE, FINISHER_SAVE);
}

static void cpu_on(void)
{
	check(psci(PSCI_CPU_ON, 1, (uintptr_t)secondary_start, 1) == 0);
	save();
	while (!begun)
		;
	while (psci(PSCI_AFFINITY_INFO, 1, 0, 0) != 1)
		;
	print(begun == 1 ? "on and off\n" : "begun with another context\n");
}

static void input(void)
{
	char text[] = "? came\n";

	print("waits\n");
	while (read32(UART_FR) & FR_RXFE)
		;
	save();
	check(!(read32(UART_FR) & FR_RXFE));
	text[0] = (char)read32(UART_DR);
	print(text);
}

static void output(const void *device_tree)
{
	gic_start(device_tree);
	gic_enable(32 + UART_SPI);
	write32(UART_CR, UART_ON);
	print("half of");
	write32(UART_IMSC, UART_TX);
	check(read32(UART_MIS) == UART_TX && !interrupts); /* PSTATE masks it */
	save();
	unmask_interrupts();
	pause(1000);
	mask_interrupts();
	check(interrupts == 1 && at_interrupt == UART_TX);
	print(" a line\n");
}

static void error(void)
{
	catch_exceptions();
	save();
	save();
	check(!errors);
	__asm__ volatile("msr daifclr, #4\n\tisb" ::: "memory");
	pause(1000);
	print(errors == 1 ? "an SError\n" : errors ? "several\n" : "none\n");
}

static void write_page(void)
{
	save();
	*(volatile uint64_t *)WRITTEN = 1;
	save();
}

void guest_main(const void *device_tree)
{
	uint64_t what = bootargs_number(device_tree);

	if (what == 1)
		cpu_on();
	else if (what == 2)
		input();
	else if (what == 3)
		output(device_tree);
	else if (what == 4)
		error();
	else
		write_page();
}
