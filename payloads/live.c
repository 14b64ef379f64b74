// SPDX-License-Identifier: MIT
/*
 * Claim: a guest that writes memory all the time, while it is saved, is saved as it was at one
 * instant. Each CPU goes round its part of a piece of memory, whose size in MiB is bootargs'
 * number, and counts in each page how often it was there: at any instant that is one more up to
 * where the CPU is than behind it. From time to time it comes to use memory that was zero. Keys: s
 * has it saved, at this instruction; r resets it; any other ends it, and it says whether it was
 * resumed.
 */
#include "guest.h"

#define PAGE 4096
#define AREA (RAM_BASE + 0x400000)
#define STRIDE 0x18000 /* of places behind that, where nothing is at first */
#define STEPS 40
#define ROUNDS_TO_A_STEP 50

static volatile unsigned is_over, ended;
static unsigned pages; /* of a CPU's part */
static uintptr_t rest; /* what is behind them all */

/* The words after the first are there to be copied at another moment than that. */
static void visit(volatile uint64_t *page, uint64_t count)
{
	for (unsigned i = 0; i < PAGE / sizeof *page; i += 100) {
		check(page[i] == count);
		page[i] = count + 1;
	}
}

/* Uses one more place, if the others are as they were left. */
static void go_further(uintptr_t further, unsigned steps)
{
	for (unsigned i = 0; i < steps; i++)
		check(*(volatile uint64_t *)(further + (uintptr_t)i * STRIDE) == i + 1);
	*(volatile uint64_t *)(further + (uintptr_t)steps * STRIDE) = steps + 1;
}

static void act(uint32_t key)
{
	if (key == 'r')
		psci(PSCI_SYSTEM_RESET, 0, 0, 0);
	if (key != 's') {
		is_over = 1;
		return;
	}
	write32(FINISHER_BASE, FINISHER_SAVE);
	print(read32(FINISHER_BASE) ? "again\n" : "saved\n");
}

static void go_round(unsigned cpu, uint64_t count)
{
	uintptr_t area = AREA + (uintptr_t)cpu * pages * PAGE;

	for (unsigned i = 0; i < pages && !is_over; i++) {
		visit((volatile uint64_t *)(area + (uintptr_t)i * PAGE), count);
		/* CPU 0 looks for keys. */
		if (cpu == 0 && i % 128 == 0 && !(read32(UART_FR) & FR_RXFE))
			act(read32(UART_DR));
	}
}

static void go_on(unsigned cpu)
{
	unsigned steps = 0;

	for (uint64_t count = 0; !is_over; count++) {
		go_round(cpu, count);
		if (cpu == 0 && count == 0)
			print("writes\n");
		if (count % ROUNDS_TO_A_STEP == 0 && steps < STEPS)
			go_further(rest + (uintptr_t)cpu * PAGE, steps++);
	}
}

void guest_secondary(unsigned cpu)
{
	mmu_on();
	go_on(cpu);
	__atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
	psci(PSCI_CPU_OFF, 0, 0, 0);
}

void guest_main(const void *device_tree)
{
	unsigned cpus = tree_cpus(device_tree);
	uint64_t size = bootargs_number(device_tree) * 0x100000;

	mmu_on();
	pages = (unsigned)(size / PAGE / cpus);
	rest = AREA + size;
	for (unsigned cpu = 1; cpu < cpus; cpu++)
		check(psci(PSCI_CPU_ON, cpu, (uintptr_t)secondary_start, cpu) == 0);
	go_on(0);
	while (ended != cpus - 1)
		;
	print(read32(FINISHER_BASE) ? "resumed\n" : "over\n");
}
