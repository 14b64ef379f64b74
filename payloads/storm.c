// SPDX-License-Identifier: MIT
/*
 * Claim: whatever all CPUs do at once to devices, PSCI and timers, the monitor neither ends nor
 * hangs. The guest comes to its own end. Accesses are of every size, at every alignment, with and
 * without a syndrome, to all that there is and to what there is not.
 *
 * Bootargs give the seed, which it says. Without, it takes a new one at every start, and resets for
 * ever.
 * Never ends by itself without a number as bootargs.
 */
#include "guest.h"

#define ROUNDS 2000
#define PSCI_AFFINITY_INFO_32 0x84000004

static uint64_t seeds[MOST_CPUS];

static uint64_t next(unsigned cpu)
{
	uint64_t value = seeds[cpu];

	value ^= value << 13;
	value ^= value >> 7;
	value ^= value << 17;
	return seeds[cpu] = value;
}

/* An abort, an alignment fault: what it was is not done. */
void guest_exception(struct frame *frame)
{
	frame->elr += 4;
}

/*
 * Where something is, something is not, and where one ends, up to 95 bytes on; the finisher apart,
 * and a GICv2's CPU interface, of which a read takes an interrupt that somebody sleeps for.
 */
static const uint64_t places[] = {
	UART_BASE,     UART_BASE,	UART_BASE + 0xfc0, RTC_BASE,	       RTC_BASE + 0xfc0,
	FLASH_BASE,    FLASH_SIZE - 64, GIC_DIST_BASE,	   0x0a000000,	       0x30000000,
	RAM_BASE - 96, 0x4010000000,	0xffffffffc0,	   0xfffffffffffffff8,
};

static uint64_t place(unsigned cpu)
{
	return places[next(cpu) % (sizeof places / sizeof *places)] + next(cpu) % 80;
}

/* Interrupt controllers are the kernel's; what is written there would keep interrupts from us. */
static int is_ours(uint64_t at)
{
	return at - GIC_DIST_BASE >= UART_BASE - GIC_DIST_BASE;
}

static void load(unsigned cpu)
{
	uint64_t at = place(cpu), value;

	switch (next(cpu) % 7) {
	case 0:
		__asm__ volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(at) : "memory");
		break;
	case 1:
		__asm__ volatile("ldrsh %0, [%1]" : "=r"(value) : "r"(at) : "memory");
		break;
	case 2:
		__asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(at) : "memory");
		break;
	case 3:
		__asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(at) : "memory");
		break;
	case 4:
		__asm__ volatile("ldp %0, xzr, [%1]" : "=r"(value) : "r"(at) : "memory");
		break;
	case 5:
		__asm__ volatile("ldr %w0, [%1], #4" : "=&r"(value), "+r"(at) : : "memory");
		break;
	default:
		__asm__ volatile("ldxr %0, [%1]" : "=r"(value) : "r"(at) : "memory");
	}
}

static void store(unsigned cpu)
{
	uint64_t at = place(cpu), value = next(cpu);

	if (!is_ours(at))
		return;
	switch (next(cpu) % 6) {
	case 0:
		__asm__ volatile("strb %w0, [%1]" : : "r"(value), "r"(at) : "memory");
		break;
	case 1:
		__asm__ volatile("strh %w0, [%1]" : : "r"(value), "r"(at) : "memory");
		break;
	case 2:
		__asm__ volatile("str %w0, [%1]" : : "r"(value), "r"(at) : "memory");
		break;
	case 3:
		__asm__ volatile("str %0, [%1]" : : "r"(value), "r"(at) : "memory");
		break;
	case 4:
		__asm__ volatile("stp %0, xzr, [%1]" : : "r"(value), "r"(at) : "memory");
		break;
	default:
		__asm__ volatile("dc zva, %0" : : "r"(at) : "memory");
	}
}

/* Every value but the three that mean something. */
static void finisher(unsigned cpu)
{
	uint64_t value = next(cpu), low = value & 0xffff;

	if (low != 0x5555 && low != 0x3333 && low != 0x7777)
		write32(FINISHER_BASE + next(cpu) % 16 * 4, (uint32_t)value);
}

/* Functions that exist and that do not; those that end this CPU or the guest are left out. */
static void call(unsigned cpu)
{
	uint32_t function = (uint32_t)(0x84000000 | (next(cpu) & 0x4000003f));

	switch (function & ~0x40000000u) {
	case PSCI_CPU_OFF:
	case PSCI_SYSTEM_OFF:
	case PSCI_SYSTEM_RESET:
	case PSCI_SYSTEM_RESET2 & ~0x40000000u:
	case PSCI_CPU_SUSPEND & ~0x40000000u: /* wakes up by an interrupt: see sleep */
	case PSCI_CPU_ON & ~0x40000000u:      /* could start one in the middle of nowhere */
		psci(PSCI_AFFINITY_INFO_32, next(cpu), next(cpu), next(cpu));
		psci(PSCI_CPU_ON, next(cpu) | 1ull << 32, next(cpu), next(cpu));
		break;
	default:
		psci(function, next(cpu), next(cpu), next(cpu));
	}
}

/* Up to 64 us, or a time that never comes and one that has long been; a wake-up may win the race.
 */
static void sleep(unsigned cpu)
{
	write_system_register("cntv_cval_el0", next(cpu));
	write_system_register("cntv_ctl_el0", 1);
	write_system_register("cntv_tval_el0", next(cpu) % 4000);
	if (next(cpu) & 1)
		wait_for_interrupt();
	else
		psci(PSCI_CPU_SUSPEND, 0, 0, 0);
	write_system_register("cntv_ctl_el0", 0);
}

static void (*const acts[])(unsigned cpu) = { load,  load,     load, store, store,
					      store, finisher, call, sleep };

static void storm(unsigned cpu)
{
	catch_exceptions();
	write_system_register("cpacr_el1", 3ull << 20);
	for (unsigned i = 0; i < ROUNDS; i++)
		acts[next(cpu) % (sizeof acts / sizeof *acts)](cpu);
}

/* The timer's interrupt, which stays masked, wakes a CPU up all the same if it is enabled. */
static void prepare(const void *tree)
{
	gic_start(tree);
	gic_enable(16 + TIMER_VIRTUAL_PPI);
}

static const void *tree;

void guest_interrupt(unsigned intid)
{
	(void)intid;
}

void guest_secondary(unsigned cpu)
{
	prepare(tree);
	storm(cpu);
	psci(PSCI_CPU_OFF, 0, 0, 0);
}

static uint64_t choose_seed(uint64_t given)
{
	const char *fresh = tree_property(tree, "kaslr-seed", 0);

	return given ? given : (uint64_t)big_endian(fresh) << 32 | big_endian(fresh + 4);
}

void guest_main(const void *device_tree)
{
	uint64_t given = bootargs_number(device_tree);
	unsigned cpus = tree_cpus(device_tree);
	uint64_t seed;

	tree = device_tree;
	seed = choose_seed(given);
	print("\nseed ");
	print_decimal(seed);
	print("\n");
	for (unsigned i = 0; i < cpus; i++)
		seeds[i] = (seed + i) * 0x9e3779b97f4a7c15 | 1;
	prepare(tree);
	/* One after the other: what they share has no lock with the MMU off. */
	for (unsigned i = 1; i < cpus; i++)
		psci(PSCI_CPU_ON, i, (uintptr_t)secondary_start, i);
	storm(0);
	for (unsigned i = 1; i < cpus; i++)
		while (psci(PSCI_AFFINITY_INFO, i, 0, 0) == 0)
			;
	if (!given)
		psci(PSCI_SYSTEM_RESET, 0, 0, 0);
	write32(UART_BASE + 0x30, 0x301);
	print("\nover\n");
}
