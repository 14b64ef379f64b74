// SPDX-License-Identifier: MIT
/*
 * Claim: however a driver violates virtio's rules, a block device gives the defined answer, changes
 * no other memory, and works again after a reset. Uses the first disk, which must not block, and
 * changes nothing on it.
 */
#include "virtio.h"

/* Bits of Status (2.1). */
#define SET_UP 3 /* ACKNOWLEDGE and DRIVER */
#define DRIVER_OK 4
#define FEATURES_OK 8
#define NEEDS_RESET 64

#define F_INDIRECT (1ull << 28)
#define F_VERSION_1 (1ull << 32)

#define INDIRECT 4 /* flag of a descriptor (2.7.5) */

#define SIZE 8	       /* entries of the queue */
#define UNTOUCHED 0x5a /* bytes that the device has not written */

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};

/* All memory that the device uses. Each part is on its own page, so that an access beyond its end
 * does not hit another part. */
static struct {
	_Alignas(4096) struct descriptor table[SIZE + 1];
	_Alignas(4096) struct descriptor indirect[SIZE];
	_Alignas(4096) struct {
		uint16_t flags, index, ring[SIZE], event;
	} available;
	_Alignas(4096) struct {
		uint16_t flags, index;
		struct {
			uint32_t id, length;
		} ring[SIZE];
		uint16_t event;
	} used;
	_Alignas(4096) struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header;
	_Alignas(4096) uint32_t data[1024];
	_Alignas(4096) uint8_t status;
} memory;

/* What the driver writes to the device's registers. */
static struct {
	uint64_t features, table, available, used;
	uint32_t size, notified, status;
	uint16_t index; /* of the available ring, at the notification */
	int is_ready;
} driver;

/* How the device answers. */
enum answer {
	OK,
	IO_ERROR,
	UNSUPPORTED,
	NOTHING,	  /* the request stays in the ring, and nothing else happens */
	NEEDS_A_RESET,	  /* DEVICE_NEEDS_RESET is set, with an interrupt */
	QUEUE_REFUSED,	  /* QueueReady stays 0 */
	FEATURES_REFUSED, /* FEATURES_OK stays clear */
};

/* What a case changes in a read of one sector, which has three descriptors: for header, data and
 * status. */
enum what {
	END,
	ADDRESS, /* of descriptor n */
	LENGTH,
	FLAGS,
	FOLLOWED_BY,
	INDIRECT_FLAGS, /* of descriptor n of the indirect table, which has the same three */
	INDIRECT_FOLLOWED_BY,
	USE_INDIRECT, /* descriptor n points to the indirect table, with so many bytes */
	HEAD,
	INDEX,
	TYPE,
	SECTOR,
	DATA, /* word n */
	FEATURES,
	QUEUE_SIZE,
	TABLE_AT,
	AVAILABLE_AT,
	USED_AT,
	NOTIFIED,
	READY,
	FINAL_STATUS,
};

static const struct {
	const char *name;
	enum answer answer;
	struct change {
		enum what what;
		unsigned n;
		uint64_t value;
	} changes[5];
} cases[] = {
	{ "a read", OK, { { END, 0, 0 } } },
	{ "an indirect read", OK, { { USE_INDIRECT, 0, 48 } } },
	{ "head out of range", NEEDS_A_RESET, { { HEAD, 0, 8 } } },
	{ "head far out of range", NEEDS_A_RESET, { { HEAD, 0, 0xffff } } },
	{ "index ahead of the queue", NEEDS_A_RESET, { { INDEX, 0, 9 } } },
	{ "index behind", NEEDS_A_RESET, { { INDEX, 0, 0xffff } } },
	{ "loop of one", NEEDS_A_RESET, { { FOLLOWED_BY, 0, 0 } } },
	{ "loop of three",
	  NEEDS_A_RESET,
	  { { FLAGS, 1, NEXT }, { FLAGS, 2, NEXT }, { FOLLOWED_BY, 2, 0 } } },
	{ "next out of range", NEEDS_A_RESET, { { FOLLOWED_BY, 0, 8 } } },
	{ "next far out of range", NEEDS_A_RESET, { { FOLLOWED_BY, 1, 0xffff } } },
	{ "read behind written", NEEDS_A_RESET, { { FLAGS, 2, 0 } } },
	{ "data in flash", NEEDS_A_RESET, { { ADDRESS, 1, FLASH_BASE } } },
	{ "data in a device", NEEDS_A_RESET, { { ADDRESS, 1, UART_BASE } } },
	{ "data in front of RAM", NEEDS_A_RESET, { { ADDRESS, 1, RAM_BASE - 256 } } },
	{ "data behind RAM", NEEDS_A_RESET, { { ADDRESS, 1, 0x4000000000 } } },
	{ "data over the end of RAM", NEEDS_A_RESET, { { LENGTH, 1, 0xfffffe00 } } },
	{ "data round 2^64", NEEDS_A_RESET, { { ADDRESS, 1, -256ull } } },
	{ "data round 2^64 into RAM",
	  NEEDS_A_RESET,
	  { { ADDRESS, 1, -512ull }, { LENGTH, 1, RAM_BASE + 1024 } } },
	{ "header in a device", NEEDS_A_RESET, { { ADDRESS, 0, UART_BASE } } },
	{ "status in a device", NEEDS_A_RESET, { { ADDRESS, 2, UART_BASE } } },
	{ "indirect without the feature",
	  NEEDS_A_RESET,
	  { { FEATURES, 0, F_VERSION_1 }, { USE_INDIRECT, 0, 48 } } },
	{ "indirect with NEXT",
	  NEEDS_A_RESET,
	  { { USE_INDIRECT, 0, 48 }, { FLAGS, 0, INDIRECT | NEXT } } },
	{ "indirect behind another", NEEDS_A_RESET, { { USE_INDIRECT, 1, 48 } } },
	{ "indirect in indirect",
	  NEEDS_A_RESET,
	  { { USE_INDIRECT, 0, 48 }, { INDIRECT_FLAGS, 0, INDIRECT } } },
	{ "indirect of no length", NEEDS_A_RESET, { { USE_INDIRECT, 0, 0 } } },
	{ "indirect of an odd length", NEEDS_A_RESET, { { USE_INDIRECT, 0, 49 } } },
	{ "indirect of 257 entries", NEEDS_A_RESET, { { USE_INDIRECT, 0, 4112 /* bytes */ } } },
	{ "indirect in a device",
	  NEEDS_A_RESET,
	  { { USE_INDIRECT, 0, 48 }, { ADDRESS, 0, UART_BASE } } },
	{ "indirect round 2^64",
	  NEEDS_A_RESET,
	  { { USE_INDIRECT, 0, 48 }, { ADDRESS, 0, -16ull } } },
	{ "loop in indirect",
	  NEEDS_A_RESET,
	  { { USE_INDIRECT, 0, 48 }, { INDIRECT_FOLLOWED_BY, 1, 1 } } },
	{ "next out of range in indirect",
	  NEEDS_A_RESET,
	  { { USE_INDIRECT, 0, 32 }, { INDIRECT_FOLLOWED_BY, 1, 2 } } },
	{ "no status", NEEDS_A_RESET, { { FLAGS, 0, 0 } } },
	{ "status of no length", NEEDS_A_RESET, { { LENGTH, 1, 0 }, { LENGTH, 2, 0 } } },
	{ "header too short", NEEDS_A_RESET, { { LENGTH, 0, 15 } } },
	{ "behind the disk's end", IO_ERROR, { { SECTOR, 0, 1ull << 40 } } },
	{ "sector round 2^64", IO_ERROR, { { SECTOR, 0, -1ull } } },
	{ "bytes round 2^64", IO_ERROR, { { SECTOR, 0, 1ull << 55 } } },
	{ "part of a sector", IO_ERROR, { { LENGTH, 1, 511 } } },
	{ "more than a sector", IO_ERROR, { { LENGTH, 1, 513 } } },
	{ "unknown type", UNSUPPORTED, { { TYPE, 0, 99 } } },
	{ "zeroes behind the disk's end",
	  IO_ERROR,
	  { { TYPE, 0, ZEROES },
	    { FLAGS, 1, NEXT },
	    { LENGTH, 1, 16 },
	    { DATA, 1, 0x100 },
	    { DATA, 2, 1 } } },
	{ "discard with a flag",
	  UNSUPPORTED,
	  { { TYPE, 0, DISCARD }, { FLAGS, 1, NEXT }, { LENGTH, 1, 16 }, { DATA, 3, 1 } } },
	{ "discard of part of a segment",
	  UNSUPPORTED,
	  { { TYPE, 0, DISCARD }, { FLAGS, 1, NEXT }, { LENGTH, 1, 15 } } },
	{ "discard of two segments",
	  UNSUPPORTED,
	  { { TYPE, 0, DISCARD }, { FLAGS, 1, NEXT }, { LENGTH, 1, 32 } } },
	{ "a queue of no size", QUEUE_REFUSED, { { QUEUE_SIZE, 0, 0 } } },
	{ "a queue of 6", QUEUE_REFUSED, { { QUEUE_SIZE, 0, 6 } } },
	{ "a queue of 512", QUEUE_REFUSED, { { QUEUE_SIZE, 0, 512 } } },
	{ "a queue of 2^16 + 8", QUEUE_REFUSED, { { QUEUE_SIZE, 0, 0x10008 } } },
	{ "table not aligned", QUEUE_REFUSED, { { TABLE_AT, 0, RAM_BASE + 8 } } },
	{ "available ring not aligned", QUEUE_REFUSED, { { AVAILABLE_AT, 0, RAM_BASE + 1 } } },
	{ "used ring not aligned", QUEUE_REFUSED, { { USED_AT, 0, RAM_BASE + 2 } } },
	{ "table in a device", QUEUE_REFUSED, { { TABLE_AT, 0, UART_BASE } } },
	{ "available ring behind RAM", QUEUE_REFUSED, { { AVAILABLE_AT, 0, 0x4000000000 } } },
	{ "used ring round 2^64", QUEUE_REFUSED, { { USED_AT, 0, -4ull } } },
	{ "not version 1", FEATURES_REFUSED, { { FEATURES, 0, F_INDIRECT } } },
	{ "a feature not offered", FEATURES_REFUSED, { { FEATURES, 0, F_VERSION_1 | 1 } } },
	{ "a queue that there is not", NOTHING, { { NOTIFIED, 0, 1 } } },
	{ "a queue that is not ready", NOTHING, { { READY, 0, 0 } } },
	{ "without DRIVER_OK", NOTHING, { { FINAL_STATUS, 0, SET_UP | FEATURES_OK } } },
	{ "without FEATURES_OK", NOTHING, { { FINAL_STATUS, 0, SET_UP | DRIVER_OK } } },
};

static uintptr_t device;

static void write_address(unsigned offset, uint64_t address)
{
	write32(device + offset, (uint32_t)address);
	write32(device + offset + 4, (uint32_t)(address >> 32));
}

/* ---- a read of the first sector ---- */

static void fill(volatile void *at, uint8_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((volatile uint8_t *)at)[i] = value;
}

static void make_chain(struct descriptor *table)
{
	table[0] = (struct descriptor){ (uintptr_t)&memory.header, 16, NEXT, 1 };
	table[1] = (struct descriptor){ (uintptr_t)memory.data, 512, NEXT | WRITE, 2 };
	table[2] = (struct descriptor){ (uintptr_t)&memory.status, 1, WRITE, 0 };
}

static void make_read(void)
{
	fill(&memory, 0, sizeof memory);
	fill(memory.data, UNTOUCHED, 2048);
	memory.status = UNTOUCHED;
	make_chain(memory.table);
	make_chain(memory.indirect);
	/* Behind the table's end: an entry that would be a valid request if the device read it. */
	memory.table[SIZE] = (struct descriptor){ (uintptr_t)memory.indirect, 48, INDIRECT, 0 };
	driver.index = 1;
	driver.features = F_VERSION_1 | F_INDIRECT;
	driver.table = (uintptr_t)memory.table;
	driver.available = (uintptr_t)&memory.available;
	driver.used = (uintptr_t)&memory.used;
	driver.size = SIZE;
	driver.notified = 0;
	driver.status = SET_UP | FEATURES_OK | DRIVER_OK;
	driver.is_ready = 1;
}

static void change_descriptor(const struct change *change)
{
	struct descriptor *direct = &memory.table[change->n];
	struct descriptor *indirect = &memory.indirect[change->n];

	switch (change->what) {
	case ADDRESS:
		direct->address = change->value;
		break;
	case LENGTH:
		direct->length = (uint32_t)change->value;
		break;
	case FLAGS:
		direct->flags = (uint16_t)change->value;
		break;
	case FOLLOWED_BY:
		direct->next = (uint16_t)change->value;
		break;
	case INDIRECT_FLAGS:
		indirect->flags = (uint16_t)change->value;
		break;
	case INDIRECT_FOLLOWED_BY:
		indirect->next = (uint16_t)change->value;
		break;
	default: /* USE_INDIRECT */
		*direct = (struct descriptor){ (uintptr_t)memory.indirect, (uint32_t)change->value,
					       INDIRECT, 0 };
	}
}

static void change_driver(const struct change *change)
{
	switch (change->what) {
	case FEATURES:
		driver.features = change->value;
		break;
	case QUEUE_SIZE:
		driver.size = (uint32_t)change->value;
		break;
	case TABLE_AT:
		driver.table = change->value;
		break;
	case AVAILABLE_AT:
		driver.available = change->value;
		break;
	case USED_AT:
		driver.used = change->value;
		break;
	case NOTIFIED:
		driver.notified = (uint32_t)change->value;
		break;
	case READY:
		driver.is_ready = (int)change->value;
		break;
	default: /* FINAL_STATUS */
		driver.status = (uint32_t)change->value;
	}
}

static void change(const struct change *change)
{
	switch (change->what) {
	case END:
		break;
	case HEAD:
		memory.available.ring[0] = (uint16_t)change->value;
		break;
	case INDEX:
		driver.index = (uint16_t)change->value;
		break;
	case TYPE:
		memory.header.type = (uint32_t)change->value;
		break;
	case SECTOR:
		memory.header.sector = change->value;
		break;
	case DATA: /* for requests with a segment, whose other words are zero */
		memory.data[change->n] = (uint32_t)change->value;
		break;
	default:
		if (change->what < HEAD)
			change_descriptor(change);
		else
			change_driver(change);
	}
}

/* ---- the device's answer ---- */

static enum answer set_up(void)
{
	write32(device + STATUS, 0);
	check(read32(device + STATUS) == 0 && read32(device + INTERRUPT_STATUS) == 0);
	write32(device + STATUS, SET_UP);
	for (unsigned half = 0; half < 2; half++) {
		write32(device + DRIVER_FEATURES_SEL, half);
		write32(device + DRIVER_FEATURES, (uint32_t)(driver.features >> 32 * half));
	}
	write32(device + STATUS, SET_UP | FEATURES_OK);
	if (!(read32(device + STATUS) & FEATURES_OK))
		return FEATURES_REFUSED;
	write32(device + QUEUE_NUM, driver.size);
	write_address(QUEUE_DESC, driver.table);
	write_address(QUEUE_DRIVER, driver.available);
	write_address(QUEUE_DEVICE, driver.used);
	write32(device + QUEUE_READY, (uint32_t)driver.is_ready);
	if (driver.is_ready && !read32(device + QUEUE_READY)) {
		check(read32(device + STATUS) & NEEDS_RESET);
		return QUEUE_REFUSED;
	}
	write32(device + STATUS, driver.status);
	return OK;
}

static enum answer notify(void)
{
	__asm__ volatile("dmb ish" ::: "memory");
	memory.available.index = driver.index;
	__asm__ volatile("dmb ish" ::: "memory");
	write32(device + QUEUE_NOTIFY, driver.notified);
	if (memory.used.index == 1) {
		check(read32(device + INTERRUPT_STATUS) == 1);
		check(memory.used.ring[0].id == 0 && memory.status <= UNSUPPORTED);
		return (enum answer)memory.status;
	}
	check(memory.used.index == 0 && memory.status == UNTOUCHED);
	if (!(read32(device + STATUS) & NEEDS_RESET)) {
		check(read32(device + INTERRUPT_STATUS) == 0);
		return NOTHING;
	}
	check(read32(device + INTERRUPT_STATUS) == 2);
	write32(device + INTERRUPT_ACK, 2);
	write32(device + QUEUE_NOTIFY, driver.notified); /* ignored now */
	check(read32(device + INTERRUPT_STATUS) == 0);
	return NEEDS_A_RESET;
}

static enum answer make_request(void)
{
	enum answer answer = set_up();

	return answer == OK ? notify() : answer;
}

/* A successful read has changed the 512 bytes of the sector, and nothing else in the page. */
static void check_data(enum answer answer)
{
	for (unsigned i = 0; i < 512; i++) {
		uint32_t before = 0x01010101u * UNTOUCHED;

		check(memory.data[i] == (answer == OK && i < 128 ? 0 : before));
	}
}

static void prove(unsigned n)
{
	int is_segment = 0;
	enum answer answer;

	make_read();
	for (unsigned i = 0; i < 5; i++)
		is_segment |= cases[n].changes[i].what == TYPE;
	if (is_segment)
		fill(memory.data, 0, 2048);
	for (unsigned i = 0; i < 5; i++)
		change(&cases[n].changes[i]);
	answer = make_request();
	if (answer != cases[n].answer) {
		print(cases[n].name);
		print(": answer ");
		print_decimal(answer);
		print("\n");
	}
	check(answer == cases[n].answer);
	if (!is_segment)
		check_data(answer);
	/* After a reset the device works again. */
	make_read();
	check(make_request() == OK);
	check_data(OK);
}

void guest_main(const void *device_tree)
{
	(void)device_tree;
	mmu_on();
	for (device = VIRTIO_BASE; read32(device + DEVICE_ID) != BLOCK_ID; device += VIRTIO_SLOT)
		check(device < VIRTIO_BASE + (VIRTIO_SLOTS - 1) * VIRTIO_SLOT);
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
		prove(i);
	print_decimal(sizeof cases / sizeof *cases);
	print(" cases ok\n");
	finish(0);
}
