// SPDX-License-Identifier: MIT
/* devices/fw_cfg.c, driven as EDK2 and Linux drive it, and as no driver does. */
#include "unit.h"

#include "devices/fw_cfg.h"

#include <string.h>

#define RAM 0x40000000ull

/* Registers. */
enum { DATA = 0, SELECTOR = 8, DMA = 16 };

static struct fw_cfg fw_cfg;
static uint8_t ram[8192];
static uint8_t kernel[3000];
static uint64_t dirty; /* bytes that were reported as written */

static void *map(void *memory, uint64_t at, uint64_t length)
{
	(void)memory;
	if (at < RAM || at - RAM > sizeof ram || length > sizeof ram - (at - RAM))
		return NULL;
	return ram + (at - RAM);
}

static void written(void *memory, const void *bytes, uint64_t length)
{
	(void)memory;
	assert_true((const uint8_t *)bytes >= ram &&
		    (const uint8_t *)bytes + length <= ram + sizeof ram);
	dirty += length;
}

static int begin(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof kernel; i++)
		kernel[i] = (uint8_t)(i * 7 + i / 256 + 1);
	memset(ram, 0xee, sizeof ram);
	dirty = 0;
	fw_cfg = (struct fw_cfg){ .wires.dma = { .map = map, .written = written } };
	fw_cfg.files[FW_CFG_KERNEL].bytes = kernel;
	fw_cfg.files[FW_CFG_KERNEL].size = sizeof kernel;
	fw_cfg.files[FW_CFG_COMMAND_LINE].bytes = "quiet";
	fw_cfg.files[FW_CFG_COMMAND_LINE].size = sizeof "quiet";
	fw_cfg_ops.reset(&fw_cfg);
	return 0;
}

static uint64_t get(uint64_t offset, unsigned size)
{
	return fw_cfg_ops.read(&fw_cfg, offset, size);
}

static void choose(uint16_t item)
{
	fw_cfg_ops.write(&fw_cfg, SELECTOR, 2, __builtin_bswap16(item));
}

static void test_items(void **state)
{
	static const struct {
		uint16_t item;
		uint64_t first;
	} rows[] = {
		{ 0, 0x554d4551 },	/* "QEMU" */
		{ 1, 3 },		/* data register and DMA */
		{ 8, sizeof kernel },	/* kernel's size */
		{ 0xb, 0 },		/* initrd's: none */
		{ 0x12, 0 },		/* its bytes */
		{ 0x14, 6 },		/* command line's size, with its end */
		{ 0x15, 0x7465697571 }, /* its bytes */
		{ 0x17, 0 },		/* no setup of x86's kernels */
		{ 0x19, 0 },		/* no files */
		{ 0x20, 0 },		/* the first of them */
		{ 0x4000, 0x554d4551 }, /* a bit without a meaning */
		{ 0x8008, 0 },		/* of an architecture: none */
		{ 0xffff, 0 },
	};

	(void)state;
	assert_int_equal(get(DATA, 4), 0x554d4551);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		choose(rows[i].item);
		assert_int_equal(get(DATA, 8), rows[i].first);
	}
}

/* Any sizes, one behind the other, zeros at the end; also through all of the register's bytes. */
static void test_data(void **state)
{
	uint8_t bytes[sizeof kernel + 9] = { 0 };
	uint64_t value;

	(void)state;
	choose(0x11);
	for (size_t at = 0; at < sizeof kernel;) {
		unsigned size = 1u << at % 4;

		value = get(DATA + at % 2 * 4, size);
		memcpy(bytes + at, &value, size);
		at += size;
	}
	assert_memory_equal(bytes, kernel, sizeof kernel);
	assert_int_equal(get(DATA, 8), 0);
	choose(0x15);
	assert_int_equal(get(DATA, 4), 0x65697571);
	assert_int_equal(get(DATA, 8), 't');
	/* Writing changes nothing; nor do halves of the selector. */
	choose(0);
	fw_cfg_ops.write(&fw_cfg, DATA, 1, 'x');
	fw_cfg_ops.write(&fw_cfg, SELECTOR, 1, 1);
	fw_cfg_ops.write(&fw_cfg, SELECTOR, 4, 0x100);
	fw_cfg_ops.write(&fw_cfg, SELECTOR + 2, 2, 0x100);
	assert_int_equal(get(SELECTOR, 2), 0);
	assert_int_equal(get(DATA, 4), 0x554d4551);
}

/* ---- DMA ---- */

#define ERROR 1u
#define READ 2u
#define SKIP 4u
#define SELECT 8u
#define WRITE 16u

static void set_descriptor(uint64_t at, uint32_t control, uint32_t length, uint64_t address)
{
	control = __builtin_bswap32(control);
	length = __builtin_bswap32(length);
	address = __builtin_bswap64(address);
	memcpy(ram + at, &control, 4);
	memcpy(ram + at + 4, &length, 4);
	memcpy(ram + at + 8, &address, 8);
}

static uint32_t control_of(uint64_t at)
{
	uint32_t control;

	memcpy(&control, ram + at, 4);
	return __builtin_bswap32(control);
}

/* Starts one at the start of RAM. Returns its control field afterwards. */
static uint32_t dma(uint32_t control, uint32_t length, uint64_t address)
{
	set_descriptor(0, control, length, address);
	fw_cfg_ops.write(&fw_cfg, DMA, 8, __builtin_bswap64(RAM));
	return control_of(0);
}

static void test_dma(void **state)
{
	(void)state;
	assert_int_equal(get(DMA, 8), 0x47464320554d4551); /* "QEMU CFG" */
	assert_int_equal(get(DMA + 4, 4), 0x47464320);
	assert_int_equal(dma(0x11u << 16 | SELECT | READ, 1000, RAM + 100), 0);
	assert_memory_equal(ram + 100, kernel, 1000);
	assert_int_equal(ram[1100], 0xee);
	assert_int_equal(dirty, 1004);
	assert_int_equal(dma(SKIP, 500, 0), 0);
	assert_int_equal(dma(READ, 2000, RAM + 100), 0);
	assert_memory_equal(ram + 100, kernel + 1500, 1500);
	for (unsigned i = 1600; i < 2100; i++)
		assert_int_equal(ram[i], 0);
	/* Select alone; and where the data register goes on. */
	assert_int_equal(dma(0x15u << 16 | SELECT, 100, 1), 0);
	assert_int_equal(dma(SKIP, 1, 0), 0);
	assert_int_equal(get(DATA, 1), 'u');
	/* In two halves. */
	set_descriptor(4096, READ, 3, RAM + 8000);
	fw_cfg_ops.write(&fw_cfg, DMA, 4, 0);
	fw_cfg_ops.write(&fw_cfg, DMA + 4, 4, __builtin_bswap32((uint32_t)RAM + 4096));
	assert_int_equal(control_of(4096), 0);
	assert_memory_equal(ram + 8000, "iet", 3);
}

static void test_hostile(void **state)
{
	static const struct {
		uint32_t control, length;
		uint64_t address;
		uint32_t result;
	} rows[] = {
		{ READ, 16, RAM - 1, ERROR },
		{ READ, 16, RAM + sizeof ram - 15, ERROR },
		{ READ, UINT32_MAX, RAM, ERROR },
		{ READ, 2, UINT64_MAX, ERROR },
		{ READ, 0, UINT64_MAX, 0 },
		{ 0xffffu << 16 | SELECT | READ, sizeof ram + 1, RAM, ERROR },
		{ WRITE, 1, RAM + 100, ERROR },
		{ WRITE, 0, RAM + 100, 0 },
		{ READ | WRITE | SKIP | ERROR, 1, RAM + 100, 0 },
		{ 0xffe0, UINT32_MAX, 5, 0 },
		{ ERROR, UINT32_MAX, 5, 0 },
		{ SKIP, UINT32_MAX, 5, 0 },
		{ READ, sizeof ram - 32, RAM + 32, 0 },
	};
	static uint8_t before[sizeof ram];

	(void)state;
	choose(0x11);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(dma(rows[i].control, rows[i].length, rows[i].address),
				 rows[i].result);
	/* Onto the descriptor itself: the answer comes last. */
	assert_int_equal(dma(0x11u << 16 | SELECT | READ, 16, RAM), 0);
	assert_memory_equal(ram + 4, kernel + 4, 12);
	/* Descriptors that are not in RAM, or at odd places in it. */
	memcpy(before, ram, sizeof ram);
	for (uint64_t at = RAM + sizeof ram - 15; at <= RAM + sizeof ram; at++)
		fw_cfg_ops.write(&fw_cfg, DMA, 8, __builtin_bswap64(at));
	fw_cfg_ops.write(&fw_cfg, DMA, 8, UINT64_MAX);
	fw_cfg_ops.write(&fw_cfg, DMA, 8, 0);
	fw_cfg_ops.write(&fw_cfg, DMA + 1, 4, RAM);
	fw_cfg_ops.write(&fw_cfg, DMA + 4, 2, RAM);
	fw_cfg_ops.write(&fw_cfg, DMA, 2, RAM);
	assert_memory_equal(before, ram, sizeof ram);
	set_descriptor(sizeof ram - 16, READ, 1, RAM);
	fw_cfg_ops.write(&fw_cfg, DMA, 8, __builtin_bswap64(RAM + sizeof ram - 16));
	assert_int_equal(control_of(sizeof ram - 16), 0);
	set_descriptor(1001, 0x15u << 16 | SELECT | READ, 1, RAM);
	fw_cfg_ops.write(&fw_cfg, DMA, 8, __builtin_bswap64(RAM + 1001));
	assert_int_equal(control_of(1001), 0);
	assert_int_equal(ram[0], 'q');
}

/* A state may be anything. */
static void test_states(void **state)
{
	uint8_t saved[16];

	(void)state;
	choose(0x15);
	(void)get(DATA, 2);
	fw_cfg_ops.write(&fw_cfg, DMA, 4, __builtin_bswap32(5));
	assert_true(device_state_size(&fw_cfg_ops) <= sizeof saved);
	device_save(&fw_cfg_ops, &fw_cfg, saved);
	fw_cfg_ops.reset(&fw_cfg);
	assert_int_equal(get(DATA, 1), 'Q');
	assert_true(device_load(&fw_cfg_ops, &fw_cfg, saved));
	assert_int_equal(fw_cfg.address, 5);
	assert_int_equal(get(DATA, 2), 'i' | 'e' << 8);
	memset(saved + 2, 0xff, 4); /* far behind the item's end */
	assert_true(device_load(&fw_cfg_ops, &fw_cfg, saved));
	assert_int_equal(get(DATA, 8), 0);
	assert_int_equal(dma(READ, 100, RAM + 100), 0);
	assert_int_equal(ram[199], 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_items, begin),
		cmocka_unit_test_setup(test_data, begin),
		cmocka_unit_test_setup(test_dma, begin),
		cmocka_unit_test_setup(test_hostile, begin),
		cmocka_unit_test_setup(test_states, begin),
	};

	return RUN(tests);
}
