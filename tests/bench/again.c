// SPDX-License-Identifier: MIT
/*
 * Measures how long a reset takes a guest back to its snapshot. It asks to be saved; resumed, it
 * prints the physical counter, which on this host is the host's, and waits for a key: r has it
 * write to 1 MiB, which the snapshot has, and reset itself when the counter is what it prints. Any
 * other key ends it.
 */
#include "payloads/guest.h"

#define TOUCHED (RAM_BASE + 0x400000)
#define TOUCHED_SIZE 0x100000
#define PAGE 4096

static uint64_t counter(void)
{
	uint64_t value;

	__asm__ volatile("isb; mrs %0, cntpct_el0" : "=r"(value)::"memory");
	return value;
}

static void touch(void)
{
	for (uintptr_t at = 0; at < TOUCHED_SIZE; at += PAGE)
		*(volatile uint64_t *)(TOUCHED + at) += 1;
}

/* What a reset takes includes nothing of what printing the time before it takes. */
static void reset_soon(void)
{
	uint64_t at = counter() + read_system_register("cntfrq_el0") / 50;

	print("reset ");
	print_decimal(at);
	print("\n");
	while (counter() < at)
		;
	psci(PSCI_SYSTEM_RESET, 0, 0, 0);
}

void guest_main(const void *device_tree)
{
	uint64_t start;

	(void)device_tree;
	touch();
	write32(FINISHER_BASE, FINISHER_SAVE);
	start = counter();
	print("start ");
	print_decimal(start);
	print("\n");
	if (take_key() != 'r')
		return;
	touch();
	reset_soon();
}
