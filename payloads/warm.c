// SPDX-License-Identifier: MIT
/*
 * Claim: a guest that asks to be saved goes on where it was, at once and when it is resumed, and
 * can tell which. Registers of all kinds are as before, interrupts that were pending come, each
 * once, a timer that was armed expires, and of the other CPUs one is off, one sleeps, and the
 * others work. Then it waits for a key: r resets it, which takes a resumed guest back to the
 * snapshot; any other ends it.
 */
#include "guest.h"

#include <stdbool.h>

#define RTC_DR 0x00
#define RTC_LR 0x08
#define ENABLE 1
#define MASK 2
#define PENDING_SGI 5
#define WAKE_SGI 6
#define FPEN (3ul << 20) /* of CPACR_EL1 */
#define ZEN (3ul << 16)

static const void *tree;
static volatile unsigned seen[64]; /* interrupts by INTID */
static volatile unsigned woken, stops;
static volatile uint64_t work[MAX_CPUS], started[MAX_CPUS];
static bool has_sve, has_keys; /* scalable vectors, pointer authentication */

void guest_interrupt(unsigned intid)
{
	seen[intid]++;
	if (intid == virtual_timer_intid())
		write_system_register("cntv_ctl_el0", MASK);
	if (intid == 32 + UART_SPI)
		write32(UART_IMSC, 0);
	if (intid == WAKE_SGI)
		woken++;
}

/* CPU 2 is off, CPU 3 sleeps, the others work. */
void guest_secondary(unsigned index)
{
	mmu_on();
	gic_start(tree);
	gic_enable(WAKE_SGI);
	started[index]++;
	if (index == 2)
		psci(PSCI_CPU_OFF, 0, 0, 0);
	while (index == 3 && !woken) {
		wait_for_interrupt();
		unmask_interrupts();
		mask_interrupts();
	}
	while (!stops)
		work[index]++;
	psci(PSCI_CPU_OFF, 0, 0, 0);
}

static void start_cpu(unsigned cpu)
{
	uint64_t before = started[cpu];

	check(psci(PSCI_CPU_ON, cpu, (uintptr_t)secondary_start, cpu) == 0);
	while (started[cpu] == before)
		;
}

static bool is_off(unsigned cpu)
{
	return psci(PSCI_AFFINITY_INFO, cpu, 0, 0) == 1;
}

/* The longest vectors that there are. */
static void set_vectors(void)
{
	write_system_register("s3_0_c1_c2_0", 0xf); /* ZCR_EL1 */
	__asm__ volatile(".arch_extension sve\n\tdup z5.b, #0x37\n\tptrue p3.h\n\tsetffr");
}

static void check_vectors(void)
{
	static uint8_t vector[256], predicate[256 / 8], first_fault[256 / 8];
	uint64_t size;

	check(read_system_register("s3_0_c1_c2_0") == 0xf);
	__asm__ volatile("rdvl %0, #1\n\tstr z5, [%1]\n\tstr p3, [%2]\n\trdffr p0.b\n\tstr p0, [%3]"
			 : "=&r"(size)
			 : "r"(vector), "r"(predicate), "r"(first_fault)
			 : "memory");
	for (uint64_t i = 0; i < size; i++)
		check(vector[i] == 0x37);
	for (uint64_t i = 0; i < size / 8; i++)
		check(predicate[i] == 0x55 && first_fault[i] == 0xff);
}

/* The first half of APIAKey_EL1, and the second of APGAKey_EL1 (Arm ARM, D17.2). */
#define IA_KEY "s3_0_c2_c1_0"
#define GA_KEY "s3_0_c2_c3_1"

static void set_keys(void)
{
	write_system_register(IA_KEY, 0x1122334455667788);
	write_system_register(GA_KEY, 0x99aabbccddeeff00);
}

static void check_keys(void)
{
	check(read_system_register(IA_KEY) == 0x1122334455667788);
	check(read_system_register(GA_KEY) == 0x99aabbccddeeff00);
}

static void set_up(unsigned cpus)
{
	has_sve = read_system_register("id_aa64pfr0_el1") >> 32 & 0xf;
	has_keys = read_system_register("id_aa64isar1_el1") >> 4 & 0xff;
	for (unsigned cpu = 1; cpu < cpus; cpu++)
		start_cpu(cpu);
	while (cpus > 2 && !is_off(2))
		;
	gic_enable(PENDING_SGI);
	gic_enable(virtual_timer_intid());
	gic_enable(32 + UART_SPI);
	gic_send(PENDING_SGI, 0);
	write32(UART_CR, UART_ON);
	write32(UART_IMSC, UART_TX);
	check(read32(UART_MIS) == UART_TX); /* the print before has set it */
	write32(RTC_BASE + RTC_LR, 5000);
	write_system_register("tpidr_el0", 0x0123456789abcdef);
	write_system_register("par_el1", 0x1234000);
	write_system_register("cpacr_el1", FPEN | (has_sve ? ZEN : 0));
	if (has_sve)
		set_vectors();
	if (has_keys)
		set_keys();
	__asm__ volatile("movi v17.16b, #0x5a\n\tmsr fpsr, %0" : : "r"(0x10ul));
	write_system_register("cntv_tval_el0", read_system_register("cntfrq_el0") / 50);
	write_system_register("cntv_ctl_el0", ENABLE);
}

static void check_registers(void)
{
	uint64_t low, high, status;

	check(read_system_register("tpidr_el0") == 0x0123456789abcdef);
	check(read_system_register("par_el1") == 0x1234000);
	check(read_system_register("cpacr_el1") == (FPEN | (has_sve ? ZEN : 0)));
	if (has_sve)
		check_vectors();
	if (has_keys)
		check_keys();
	__asm__ volatile("mov %0, v17.d[0]\n\tmov %1, v17.d[1]\n\tmrs %2, fpsr"
			 : "=r"(low), "=r"(high), "=r"(status));
	check(low == 0x5a5a5a5a5a5a5a5a && high == low && status == 0x10);
	check(read32(RTC_BASE + RTC_DR) >= 5000);
	check(read32(UART_MIS) == UART_TX && read32(UART_CR) == UART_ON);
}

static void check_interrupts(void)
{
	check(!seen[PENDING_SGI] && !seen[32 + UART_SPI]);
	while (!seen[virtual_timer_intid()]) {
		wait_for_interrupt();
		unmask_interrupts();
		mask_interrupts();
	}
	pause(1000);
	unmask_interrupts();
	mask_interrupts();
	check(seen[PENDING_SGI] == 1 && seen[32 + UART_SPI] == 1);
	check(seen[virtual_timer_intid()] == 1);
}

static void check_cpus(unsigned cpus)
{
	if (cpus > 2) {
		check(is_off(2));
		start_cpu(2);
	}
	if (cpus > 3) {
		check(!woken);
		gic_send(WAKE_SGI, 3);
	}
	for (unsigned cpu = 1; cpu < cpus; cpu++) {
		uint64_t before = work[cpu];

		while (cpu != 2 && work[cpu] == before)
			;
	}
	stops = 1;
	for (unsigned cpu = 1; cpu < cpus; cpu++)
		while (!is_off(cpu))
			;
}

void guest_main(const void *device_tree)
{
	unsigned cpus;
	uint64_t before;
	uint32_t key;

	tree = device_tree;
	mmu_on();
	cpus = tree_cpus(device_tree);
	print("asks\n");
	gic_start(device_tree);
	set_up(cpus);
	before = read_system_register("cntvct_el0");
	write32(FINISHER_BASE, FINISHER_SAVE);
	check(read_system_register("cntvct_el0") >= before);
	check_registers();
	check_interrupts();
	check_cpus(cpus);
	print(read32(FINISHER_BASE) ? "resumed\n" : "saved\n");
	key = take_key();
	if (key == 'r')
		psci(PSCI_SYSTEM_RESET, 0, 0, 0);
}
