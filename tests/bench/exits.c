// SPDX-License-Identifier: MIT
/*
 * Measures exits, in nanoseconds: a read of a register of the first and of the last device on
 * nestling's bus, one where no device is, and a byte on the polled UART. Everything twice, because
 * the first time includes what monitor and host do only once.
 */
#include "payloads/guest.h"

#define READS 2000
#define BYTES 1000
#define NOTHING 0x30000000
#define NS_PER_S 1000000000

static uint64_t counter(void)
{
	uint64_t value;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value)::"memory");
	return value;
}

static void say(const char *what, uint64_t ticks, unsigned times)
{
	print(what);
	print_decimal(ticks * NS_PER_S / read_system_register("cntfrq_el0") / times);
	print("\n");
}

static void reads(const char *what, uintptr_t at)
{
	uint64_t before = counter();

	for (unsigned i = 0; i < READS; i++)
		read32(at);
	say(what, counter() - before, READS);
}

static void bytes(void)
{
	uint64_t before = counter();

	for (unsigned i = 0; i < BYTES; i++) {
		while (read32(UART_FR) & FR_TXFF)
			;
		write32(UART_DR, '.');
	}
	before = counter() - before;
	print("\n");
	say("byte ", before, BYTES);
}

void guest_main(const void *device_tree)
{
	(void)device_tree;
	for (int i = 0; i < 2; i++) {
		reads("read ", UART_FR);
		reads("read-last ", VIRTIO_BASE);
		reads("read-nothing ", NOTHING);
		bytes();
	}
}
