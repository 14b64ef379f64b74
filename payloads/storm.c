// SPDX-License-Identifier: MIT
/*
 * Claim: whatever all CPUs do at once to devices, PSCI and timers, the monitor neither ends nor
 * hangs. The guest reaches its own end. Accesses have every size and alignment, with and without a
 * syndrome, to all devices and to addresses without one. Disks get random descriptors, queues that
 * change while they are used, and resets in between; afterwards each can still be read.
 *
 * Bootargs are the seed, and the number of rounds if it is not to be 2,000. Without a seed it takes
 * a random one at every start, prints it, and resets itself for ever.
 * Never ends by itself without a number as bootargs.
 */
#include "virtio.h"

#define ROUNDS 2000	      /* with a seed in bootargs */
#define ROUNDS_TO_A_RESET 400 /* without */
#define PSCI_AFFINITY_INFO_32 0x84000004

static uint64_t seeds[MAX_CPUS];
static unsigned rounds = ROUNDS;

static uint64_t next(unsigned cpu)
{
	uint64_t value = seeds[cpu];

	value ^= value << 13;
	value ^= value >> 7;
	value ^= value << 17;
	return seeds[cpu] = value;
}

/* Skips the instruction that has caused an abort or an alignment fault. */
void guest_exception(struct frame *frame)
{
	frame->elr += 4;
}

/*
 * Addresses with a device, without one, and near the end of one; place() adds up to 79 bytes. Left
 * out are the finisher, which would end the run, and GICv2's CPU interface, where a read would take
 * an interrupt for which a CPU sleeps.
 */
static const uint64_t places[] = {
	UART_BASE,	  UART_BASE,	 UART_BASE + 0xfc0, RTC_BASE,
	RTC_BASE + 0xfc0, GPIO_BASE,	 GPIO_BASE + 0x400, FLASH_BASE,
	FLASH_SIZE - 64,  GIC_DIST_BASE, 0x0a000000,	    0x30000000,
	RAM_BASE - 96,	  0x4010000000,	 0xffffffffc0,	    0xfffffffffffffff8,
};

static uint64_t place(unsigned cpu)
{
	return places[next(cpu) % (sizeof places / sizeof *places)] + next(cpu) % 80;
}

/* May this address be written? A write to the interrupt controller could disable the interrupts
 * that are needed here, and one to a disk could set a ring's address, so that the disk overwrites
 * this program. */
static int may_write(uint64_t at)
{
	return at - GIC_DIST_BASE >= UART_BASE - GIC_DIST_BASE &&
	       at - VIRTIO_BASE >= (uint64_t)VIRTIO_SLOT * VIRTIO_SLOTS;
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

	if (!may_write(at))
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

/* Writes any value to the finisher but those that end or reset the run. */
static void finisher(unsigned cpu)
{
	uint64_t value = next(cpu), low = value & 0xffff;

	if (low != 0x5555 && low != 0x3333 && low != 0x7777)
		write32(FINISHER_BASE + next(cpu) % 16 * 4, (uint32_t)value);
}

/* Calls PSCI functions that exist and that do not exist, but not those that end this CPU or the
 * guest. */
static void call(unsigned cpu)
{
	uint32_t function = (uint32_t)(0x84000000 | (next(cpu) & 0x4000003f));

	switch (function & ~0x40000000u) {
	case PSCI_CPU_OFF:
	case PSCI_SYSTEM_OFF:
	case PSCI_SYSTEM_RESET:
	case PSCI_SYSTEM_RESET2 & ~0x40000000u:
	case PSCI_CPU_SUSPEND & ~0x40000000u: /* would sleep for ever: see sleep() */
	case PSCI_CPU_ON & ~0x40000000u:      /* could start a CPU at a random address */
		psci(PSCI_AFFINITY_INFO_32, next(cpu), next(cpu), next(cpu));
		psci(PSCI_CPU_ON, next(cpu) | 1ull << 32, next(cpu), next(cpu));
		break;
	default:
		psci(function, next(cpu), next(cpu), next(cpu));
	}
}

/* Sets the timer to a random time, which may never come or have passed, and then sleeps until one
 * within 64 us. The timer may expire before the CPU sleeps. */
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

/* ---- disks ---- */

/* The memory that disks may write to: a queue, as version 1 places its parts for 8 entries and
 * pages of 4 KiB, and buffers. Valid requests have buffers of up to MAX_LENGTH bytes, so none
 * begins less than that before the end. */
#define AVAILABLE 128
#define USED 4096
#define BUFFERS 0x4000
#define MAX_LENGTH 0x1fff
static uint8_t arena[0x10000] __attribute__((aligned(4096)));

static uintptr_t disks[4];
static unsigned disk_count;

static void find_disks(void)
{
	uintptr_t at = VIRTIO_BASE;

	for (unsigned i = 0; i < VIRTIO_SLOTS && disk_count < 4; i++, at += VIRTIO_SLOT)
		if (read32(at + DEVICE_ID) == BLOCK_ID)
			disks[disk_count++] = at;
}

static void put_descriptor(unsigned n, uint64_t address, uint64_t length, uint64_t flags,
			   uint64_t next_one)
{
	uintptr_t at = (uintptr_t)arena + 16ul * n;

	write64(at, address);
	write32(at + 8, (uint32_t)length);
	write16(at + 12, (uint16_t)flags);
	write16(at + 14, (uint16_t)next_one);
}

static void make_available(uint64_t head)
{
	uintptr_t ring = (uintptr_t)arena + AVAILABLE;
	uint16_t index = read16(ring + 2);

	write16(ring + 4 + 2ul * (index % 8), (uint16_t)head);
	write16(ring + 2, (uint16_t)(index + 1));
}

/* An address for a buffer or a ring: mostly in the arena, sometimes where there is no RAM. */
static uint64_t target(unsigned cpu)
{
	return next(cpu) % 8 ? (uintptr_t)arena + next(cpu) % (sizeof arena - MAX_LENGTH)
			     : place(cpu);
}

static void set_up(uintptr_t disk, uint64_t features)
{
	uint64_t base = (uintptr_t)arena;

	write32(disk + STATUS, 3);
	write32(disk + DRIVER_FEATURES_SEL, 1);
	write32(disk + DRIVER_FEATURES, 1);
	write32(disk + DRIVER_FEATURES_SEL, 0);
	write32(disk + DRIVER_FEATURES, (uint32_t)features);
	write32(disk + STATUS, 11);
	write32(disk + QUEUE_SEL, 0);
	write32(disk + QUEUE_NUM, 8);
	write32(disk + GUEST_PAGE_SIZE, 4096);
	write32(disk + QUEUE_PFN, (uint32_t)(base / 4096));
	for (unsigned i = 0; i < 3; i++) {
		static const unsigned offsets[] = { 0, AVAILABLE, USED };

		write32(disk + QUEUE_DESC + 16ul * i, (uint32_t)base + offsets[i]);
		write32(disk + QUEUE_DESC + 16ul * i + 4, (uint32_t)(base >> 32));
	}
	write32(disk + QUEUE_READY, 1);
	write32(disk + STATUS, 15);
}

/* Makes a request of any type for so many sectors from `sector` on available. */
static void put_request(uint64_t type, uint64_t sector, uint64_t sectors)
{
	uintptr_t buffer = (uintptr_t)arena + BUFFERS;

	write32(buffer, (uint32_t)type);
	write64(buffer + 8, sector);
	put_descriptor(0, buffer, 16, 1, 1);
	put_descriptor(1, buffer + 0x1000, 512 * sectors, type ? 1 : 3, 2);
	put_descriptor(2, buffer + 0x800, 1, 2, 0);
	make_available(0);
}

static void put_anything(unsigned cpu)
{
	uint64_t random = next(cpu);
	uint64_t length = random % 16 ? next(cpu) % MAX_LENGTH : next(cpu) | 0xf0000000;

	put_descriptor(random >> 8 & 15, target(cpu), length, random >> 16 & 7, random >> 24 & 15);
	make_available(random >> 32 & 15);
}

/* Writes any register but those that set or confirm a ring's address. */
static void write_any_register(uintptr_t disk, unsigned cpu)
{
	static const uint16_t registers[] = {
		0x14,	     DRIVER_FEATURES, DRIVER_FEATURES_SEL, QUEUE_SEL, QUEUE_NUM,
		QUEUE_READY, QUEUE_NOTIFY,    INTERRUPT_ACK,	   STATUS,    CONFIG + 32,
	};
	uint64_t random = next(cpu);

	write32(disk + registers[random % (sizeof registers / sizeof *registers)],
		(uint32_t)(random >> 8 & (random >> 40 & 1 ? 0xff : 0xffffffff)));
}

/* Moves a ring, perhaps while it is used. */
static void move_ring(uintptr_t disk, unsigned cpu)
{
	uint64_t at = target(cpu) & (next(cpu) % 4 ? ~15ull : ~0ull);
	unsigned which = (unsigned)(next(cpu) % 3);

	write32(disk + QUEUE_READY, 0);
	write32(disk + QUEUE_DESC + 16ul * which, (uint32_t)at);
	write32(disk + QUEUE_DESC + 16ul * which + 4, (uint32_t)(at >> 32));
	write32(disk + QUEUE_READY, 1);
	write32(disk + QUEUE_ALIGN, (uint32_t)(next(cpu) % 4096));
	write32(disk + QUEUE_PFN, next(cpu) % 2 ? (uint32_t)((uintptr_t)arena / 4096) : 0);
}

static void ring(unsigned cpu)
{
	uintptr_t disk;

	if (disk_count == 0)
		return;
	disk = disks[next(cpu) % disk_count];
	switch (next(cpu) % 8) {
	case 0:
		write32(disk + STATUS, 0);
		set_up(disk, next(cpu));
		break;
	case 1:
		set_up(disk, (next(cpu) & 3) << 28);
		break;
	case 2:
		put_request(next(cpu) % 16, next(cpu) % 4096, next(cpu) % 16);
		break;
	case 3:
		put_anything(cpu);
		break;
	case 4:
		write_any_register(disk, cpu);
		break;
	case 5:
		move_ring(disk, cpu);
		break;
	case 6:
		write16((uintptr_t)arena + AVAILABLE + 2, (uint16_t)next(cpu));
		break;
	default:
		write32(disk + STATUS, 0);
		write16((uintptr_t)arena + AVAILABLE + 2, 0);
		set_up(disk, 0);
		put_request(next(cpu) % 2, next(cpu) % 16, next(cpu) % 8);
	}
	write32(disk + QUEUE_NOTIFY, 0);
}

/* After the storm: a disk that is reset can read a sector. */
static void check_disk(uintptr_t disk)
{
	write32(disk + STATUS, 0);
	for (unsigned i = 0; i < USED + 8; i += 8)
		write64((uintptr_t)arena + i, 0);
	set_up(disk, 0);
	write8((uintptr_t)arena + BUFFERS + 0x800, 0xff);
	put_request(0, 0, 1);
	write32(disk + QUEUE_NOTIFY, 0);
	while (read16((uintptr_t)arena + USED + 2) != 1)
		;
	check(read8((uintptr_t)arena + BUFFERS + 0x800) == 0);
}

static void (*const acts[])(unsigned cpu) = { load, load, load,	    store, store, store,
					      ring, ring, finisher, call,  sleep };

static void storm(unsigned cpu)
{
	catch_exceptions();
	write_system_register("cpacr_el1", 3ull << 20);
	for (unsigned i = 0; i < rounds; i++)
		acts[next(cpu) % (sizeof acts / sizeof *acts)](cpu);
}

/* Enables the timer's interrupt: it wakes up a CPU although PSTATE masks it. */
static void prepare(const void *tree)
{
	gic_start(tree);
	gic_enable(virtual_timer_intid());
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
	if (!given)
		rounds = ROUNDS_TO_A_RESET;
	if (bootargs_second_number(tree))
		rounds = (unsigned)bootargs_second_number(tree);
	seed = choose_seed(given);
	print("\nseed ");
	print_decimal(seed);
	print("\n");
	for (unsigned i = 0; i < cpus; i++)
		seeds[i] = (seed + i) * 0x9e3779b97f4a7c15 | 1;
	prepare(tree);
	find_disks();
	/* CPU 0 alone does what is above: with the MMU off there are no locks. */
	for (unsigned i = 1; i < cpus; i++)
		psci(PSCI_CPU_ON, i, (uintptr_t)secondary_start, i);
	storm(0);
	for (unsigned i = 1; i < cpus; i++)
		while (psci(PSCI_AFFINITY_INFO, i, 0, 0) == 0)
			;
	for (unsigned i = 0; i < disk_count; i++)
		check_disk(disks[i]);
	if (!given)
		psci(PSCI_SYSTEM_RESET, 0, 0, 0);
	write32(UART_CR, UART_ON);
	print("\nover\n");
}
