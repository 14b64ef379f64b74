// SPDX-License-Identifier: MIT
/*
 * Claim: loads and stores for which the CPU gives no syndrome (write-back, pairs, vectors) do at a
 * device and at the interrupt controller what they do in RAM. The same registers change, and the
 * same bytes; all other CPUs run meanwhile, and access registers of their own.
 */
#include "guest.h"

#define WINDOW 32 /* bytes that are accessed */

/* What an instruction has and leaves: x2 is its base, x6 an index. */
struct context {
	uint64_t x2, x3, x4, x5, x6, unused;
	uint64_t vectors[2][2]; /* v3, v4 */
};

/* Each instruction is a function of its own. Some have sp as base. */
#define FORM(number, text)                                                                         \
	__asm__(".arch_extension simd\n"                                                           \
		".arch_extension fp\n"                                                             \
		".text\n"                                                                          \
		"form_" #number ":\n"                                                              \
		"mov	x9, x0\n"                                                                     \
		"mov	x10, sp\n"                                                                    \
		"ldp	x2, x3, [x9]\n"                                                               \
		"ldp	x4, x5, [x9, #16]\n"                                                          \
		"ldr	x6, [x9, #32]\n"                                                              \
		"ldp	q3, q4, [x9, #48]\n" text "\n"                                             \
		"mov	sp, x10\n"                                                                    \
		"stp	x2, x3, [x9]\n"                                                               \
		"stp	x4, x5, [x9, #16]\n"                                                          \
		"str	x6, [x9, #32]\n"                                                              \
		"stp	q3, q4, [x9, #48]\n"                                                          \
		"ret\n");                                                                          \
	void form_##number(struct context *context);

#define SP(text) "mov sp, x2\n" text "\nmov x2, sp"

/* ROW(number, instruction, L or S, base's offset in the window, x6, first byte, bytes) */
#define ROWS                                                                                       \
	ROW(0, "str w3, [x2], #4", S, 0, 0, 0, 4)                                                  \
	ROW(1, "stp xzr, x5, [x2], #16", S, 0, 0, 0, 16)                                           \
	ROW(2, "str x3, [x2], #-8", S, 16, 0, 16, 8)                                               \
	ROW(3, "str w3, [x2, #8]!", S, 4, 0, 12, 4)                                                \
	ROW(4, "str x3, [x2, #-8]!", S, 16, 0, 8, 8)                                               \
	ROW(5, "strb w3, [x2], #1", S, 4, 0, 4, 1)                                                 \
	ROW(6, "strh w3, [x2, #4]!", S, 4, 0, 8, 2)                                                \
	ROW(7, "stp w3, w4, [x2]", S, 8, 0, 8, 8)                                                  \
	ROW(8, "stp w3, wzr, [x2, #8]!", S, 8, 0, 16, 8)                                           \
	ROW(9, "stp x3, x4, [x2, #-16]", S, 16, 0, 0, 16)                                          \
	ROW(10, "stnp x3, x4, [x2, #8]", S, 8, 0, 16, 16)                                          \
	ROW(11, "stp q3, q4, [x2]", S, 0, 0, 0, 32)                                                \
	ROW(12, "str q3, [x2], #16", S, 16, 0, 16, 16)                                             \
	ROW(13, "stp d3, d4, [x2, #8]!", S, 0, 0, 8, 16)                                           \
	ROW(14, "stp s3, s4, [x2], #8", S, 0, 0, 0, 8)                                             \
	ROW(15, "str b3, [x2]", S, 4, 0, 4, 1)                                                     \
	ROW(16, "str h3, [x2, #4]", S, 0, 0, 4, 2)                                                 \
	ROW(17, "stur s3, [x2, #-4]", S, 8, 0, 4, 4)                                               \
	ROW(18, "str d3, [x2, x6, lsl #3]", S, 8, 2, 24, 8)                                        \
	ROW(19, "str q3, [x2, w6, sxtw #4]", S, 16, 0xffffffff, 0, 16)                             \
	ROW(20, "str w3, [x2, x6]", S, 4, 8, 12, 4)                                                \
	ROW(21, "str w3, [x2, w6, sxtw #2]", S, 16, 0xfffffffe, 8, 4)                              \
	ROW(22, "stlr w3, [x2]", S, 4, 0, 4, 4)                                                    \
	ROW(23, "sttr w3, [x2, #8]", S, 0, 0, 8, 4)                                                \
	ROW(24, SP("str x3, [sp, #-16]!"), S, 16, 0, 0, 8)                                         \
	ROW(25, SP("stp x3, x4, [sp], #16"), S, 0, 0, 0, 16)                                       \
	ROW(26, "ldr w3, [x2], #4", L, 0, 0, 0, 4)                                                 \
	ROW(27, "ldr x3, [x2, #8]!", L, 8, 0, 16, 8)                                               \
	ROW(28, "ldrb w3, [x2], #-1", L, 4, 0, 4, 1)                                               \
	ROW(29, "ldrsb x3, [x2], #1", L, 4, 0, 4, 1)                                               \
	ROW(30, "ldrsb w3, [x2, #4]!", L, 4, 0, 8, 1)                                              \
	ROW(31, "ldrh w3, [x2], #2", L, 8, 0, 8, 2)                                                \
	ROW(32, "ldrsh x3, [x2], #2", L, 8, 0, 8, 2)                                               \
	ROW(33, "ldrsh w3, [x2, #4]!", L, 0, 0, 4, 2)                                              \
	ROW(34, "ldrsw x3, [x2], #4", L, 4, 0, 4, 4)                                               \
	ROW(35, "ldp w3, w4, [x2]", L, 8, 0, 8, 8)                                                 \
	ROW(36, "ldp x3, x4, [x2], #16", L, 0, 0, 0, 16)                                           \
	ROW(37, "ldpsw x3, x4, [x2, #8]!", L, 8, 0, 16, 8)                                         \
	ROW(38, "ldnp w3, w4, [x2, #-8]", L, 8, 0, 0, 8)                                           \
	ROW(39, "ldp x2, x3, [x2]", L, 8, 0, 8, 16)                                                \
	ROW(40, "ldr q3, [x2], #16", L, 16, 0, 16, 16)                                             \
	ROW(41, "ldp q3, q4, [x2]", L, 0, 0, 0, 32)                                                \
	ROW(42, "ldp d3, d4, [x2, #8]!", L, 0, 0, 8, 16)                                           \
	ROW(43, "ldp s3, s4, [x2], #8", L, 8, 0, 8, 8)                                             \
	ROW(44, "ldr b3, [x2]", L, 4, 0, 4, 1)                                                     \
	ROW(45, "ldr h3, [x2, #4]", L, 0, 0, 4, 2)                                                 \
	ROW(46, "ldr s3, [x2, w6, uxtw #2]", L, 8, 2, 16, 4)                                       \
	ROW(47, "ldur d3, [x2, #-8]", L, 8, 0, 0, 8)                                               \
	ROW(48, "ldr w3, [x2, x6, sxtx #2]", L, 24, -1, 20, 4)                                     \
	ROW(49, "ldar w3, [x2]", L, 8, 0, 8, 4)                                                    \
	ROW(50, "ldtr w3, [x2, #4]", L, 0, 0, 4, 4)                                                \
	ROW(51, SP("ldr x3, [sp], #16"), L, 0, 0, 0, 8)                                            \
	ROW(52, SP("ldp w3, w4, [sp, #16]!"), L, 0, 0, 16, 8)

#define ROW(number, text, kind, base, index, at, bytes) FORM(number, text)
ROWS
#undef ROW

	enum { L,
	       S }; /* load, store */

static const struct row {
	void (*run)(struct context *context);
	const char *text;
	unsigned kind, base;
	int64_t index;
	unsigned at, bytes;
} rows[] = {
#define ROW(number, text, kind, base, index, at, bytes)                                            \
	{ form_##number, text, kind, base, index, at, bytes },
	ROWS
#undef ROW
};

static uint32_t ram[WINDOW / 4] __attribute__((aligned(64)));

/* Runs an instruction with its base in this window. Vectors and registers have different bytes. */
static void run(const struct row *row, uintptr_t window, struct context *context)
{
	context->x2 = window + row->base;
	context->x3 = 0x1020304050607088;
	context->x4 = 0x1828384858687890;
	context->x5 = 0x203040506070a0b0;
	context->x6 = (uint64_t)row->index;
	for (unsigned i = 0; i < 4; i++)
		context->vectors[i / 2][i % 2] = 0x7060504030201008u + i * 0x0808080808080808u;
	row->run(context);
}

/* Have they left the same, but for where their windows are? */
static int is_same(const struct context *a, uintptr_t window_a, const struct context *b,
		   uintptr_t window_b)
{
	return (a->x2 == b->x2 || a->x2 - window_a == b->x2 - window_b) && a->x3 == b->x3 &&
	       a->x4 == b->x4 && a->x5 == b->x5 && a->x6 == b->x6 &&
	       a->vectors[0][0] == b->vectors[0][0] && a->vectors[0][1] == b->vectors[0][1] &&
	       a->vectors[1][0] == b->vectors[1][0] && a->vectors[1][1] == b->vectors[1][1];
}

static void fill(uintptr_t window, uint32_t first, uint32_t step)
{
	for (unsigned i = 0; i < WINDOW; i += 4, first += step)
		write32(window + i, first);
}

static void copy(uintptr_t window, uint32_t *words)
{
	for (unsigned i = 0; i < WINDOW; i += 4)
		words[i / 4] = read32(window + i);
}

/* What the row has stored in RAM, stored at the window by accesses that have a syndrome. */
static void store_plainly(const struct row *row, uintptr_t window)
{
	uintptr_t from = (uintptr_t)ram;
	/* KVM's interrupt controller ignores 2 bytes that have a syndrome. */
	unsigned size = row->bytes >= 4 ? 4 : window < UART_BASE ? 1 : row->bytes;

	for (unsigned i = row->at; i < row->at + row->bytes; i += size)
		if (size == 1)
			write8(window + i, read8(from + i));
		else if (size == 2)
			write16(window + i, read16(from + i));
		else
			write32(window + i, read32(from + i));
}

static int stores_same(const struct row *row, uintptr_t window)
{
	uint32_t wanted[WINDOW / 4], got[WINDOW / 4];
	struct context in_ram, there;
	int same;

	fill((uintptr_t)ram, 0, 0);
	run(row, (uintptr_t)ram, &in_ram);
	fill(window, 0, 0);
	store_plainly(row, window);
	copy(window, wanted);
	fill(window, 0, 0);
	run(row, window, &there);
	copy(window, got);
	same = is_same(&in_ram, (uintptr_t)ram, &there, window);
	for (unsigned i = 0; i < WINDOW / 4; i++)
		same = same && got[i] == wanted[i];
	return same;
}

static int loads_same(const struct row *row, uintptr_t window)
{
	struct context in_ram, there;

	copy(window, ram);
	run(row, (uintptr_t)ram, &in_ram);
	run(row, window, &there);
	return is_same(&in_ram, (uintptr_t)ram, &there, window);
}

static void try_rows(const char *name, uintptr_t window, unsigned kind)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int same;

		if (rows[i].kind != kind)
			continue;
		same = kind == S ? stores_same(&rows[i], window) : loads_same(&rows[i], window);
		if (same)
			continue;
		write32(UART_CR, UART_ON);
		print(name);
		print(": ");
		print(rows[i].text);
		print("\n");
		finish(1);
	}
}

/* ---- the interrupt controller ---- */

#define GICD_SGIR 0xf00
#define ISENABLER 0x100
#define ICENABLER 0x180
#define ISPENDR 0x200
#define ICPENDR 0x280
#define IPRIORITYR 0x400
#define REDIST_STRIDE 0x20000ul
#define REDIST_SGI 0x10000

/* A CPU's own interrupts: GICv2's distributor shows each CPU those, GICv3 has a frame for each. */
static uintptr_t own_frame(unsigned version, unsigned cpu)
{
	return version == 2 ? GIC_DIST_BASE : GICV3_REDIST_BASE + cpu * REDIST_STRIDE + REDIST_SGI;
}

static void store_post(uintptr_t at, uint32_t value)
{
	uintptr_t end = at;

	__asm__ volatile("str %w1, [%0], #4" : "+r"(end) : "r"(value) : "memory");
	check(end == at + 4);
}

static uint32_t load_post(uintptr_t at)
{
	uintptr_t end = at;
	uint32_t value;

	__asm__ volatile("ldr %w1, [%0], #4" : "+r"(end), "=&r"(value) : : "memory");
	check(end == at + 4);
	return value;
}

static volatile unsigned interrupts;

void guest_interrupt(unsigned intid)
{
	check(intid == 5);
	interrupts++;
}

static void take_interrupts(void)
{
	unmask_interrupts();
	for (unsigned i = 0; i < 1000; i++)
		__asm__ volatile("isb" ::: "memory");
	mask_interrupts();
}

/* An interrupt that such stores have enabled and raised is taken; one that they have not is not. */
static void try_interrupts(unsigned version)
{
	uintptr_t frame = own_frame(version, 0);

	store_post(frame + ISENABLER, 1 << 5);
	check(load_post(frame + ICENABLER) & 1 << 5);
	if (version == 2)
		store_post(GIC_DIST_BASE + GICD_SGIR, 2 << 24 | 5);
	else
		store_post(frame + ISPENDR, 1 << 5);
	check(load_post(frame + ISPENDR) & 1 << 5);
	take_interrupts();
	check(interrupts == 1);
	check((load_post(frame + ISPENDR) & 1 << 5) == 0);
	if (version == 3) {
		store_post(frame + ISPENDR, 1 << 5);
		store_post(frame + ICPENDR, 1 << 5);
		take_interrupts();
		check(interrupts == 1);
	}
	store_post(frame + ICENABLER, 1 << 5);
	check((load_post(frame + ISENABLER) & 1 << 5) == 0);
}

/* The level of the UART's line is pending, without a latch of the controller's. */
static void try_level(void)
{
	uintptr_t pending = GIC_DIST_BASE + ISPENDR + 4;
	uint32_t line = 1 << UART_SPI;

	check((load_post(pending) & line) == 0);
	write32(UART_CR, UART_ON);
	write32(UART_DR, '\n');
	write32(UART_IMSC, UART_TX);
	check(load_post(pending) & line);
	check((load_post(pending) & line) == (read32(pending) & line));
	write32(UART_ICR, UART_TX);
	write32(UART_IMSC, 0);
	check((load_post(pending) & line) == 0);
	store_post(pending, 1u << 31);
	check(read32(pending) >> 31);
	store_post(pending + ICPENDR - ISPENDR, 1u << 31);
	check(read32(pending) >> 31 == 0);
}

/* ---- all CPUs ---- */

static unsigned version;
static volatile unsigned ready[MAX_CPUS], over;

#define ROUNDS 20

/* Priorities of interrupts 16 to 23, which no other CPU has. */
static void access_own(unsigned cpu)
{
	uintptr_t at = own_frame(version, cpu) + IPRIORITYR + 16;

	for (uint64_t i = 1; i <= ROUNDS; i++) {
		uint64_t value = i * 0x0808080808080808 + cpu * 0x80ul, end = at;

		__asm__ volatile("stp xzr, %1, [%0], #16" : "+r"(end) : "r"(value) : "memory");
		check(end == at + 16);
		check(read32(at) == 0 && read32(at + 4) == 0);
		check((read32(at + 8) | (uint64_t)read32(at + 12) << 32) ==
		      (value & 0xf8f8f8f8f8f8f8f8));
	}
}

void guest_secondary(unsigned cpu)
{
	access_own(cpu);
	ready[cpu] = 1;
	while (!over)
		;
	ready[cpu] = 2;
	for (;;)
		wait_for_interrupt();
}

static void wait_for_others(unsigned cpus, unsigned state)
{
	for (unsigned cpu = 1; cpu < cpus; cpu++)
		while (ready[cpu] != state)
			;
}

void guest_main(const void *device_tree)
{
	unsigned cpus = tree_cpus(device_tree);

	catch_exceptions();
	version = gic_version(device_tree);
	write_system_register("cpacr_el1", 3ull << 20); /* vector registers do not trap */
	gic_start(device_tree);
	for (unsigned cpu = 1; cpu < cpus; cpu++)
		check(psci(PSCI_CPU_ON, cpu, (uintptr_t)secondary_start, cpu) == 0);
	access_own(0);
	try_rows("distributor", GIC_DIST_BASE + IPRIORITYR + 32, S);
	fill(GIC_DIST_BASE + IPRIORITYR + 32, 0x88f81018, 0x08101820);
	try_rows("distributor", GIC_DIST_BASE + IPRIORITYR + 32, L);
	wait_for_others(cpus, 1);
	try_interrupts(version);
	try_level();
	over = 1;
	wait_for_others(cpus, 2);
	try_rows("pl031", RTC_BASE + 0xfe0, L);
	try_rows("flash", FLASH_SIZE - WINDOW, L);
	try_rows("pl011", UART_BASE + 0x20, S);
	fill(UART_BASE + 0x20, 0x23, 0x11);
	try_rows("pl011", UART_BASE + 0x20, L);
	fill(UART_BASE + 0x20, 0, 0);
	write32(UART_CR, UART_ON);
	print("ok\n");
}
