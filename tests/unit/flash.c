// SPDX-License-Identifier: MIT
/* devices/flash.c, driven as U-Boot, EDK2 and Linux drive it. */
#include "unit.h"

#include "devices/flash.h"

#include <stdlib.h>
#include <string.h>

static uint8_t storage[FLASH_BANK];
static uint32_t written;
static struct flash flash;

static unsigned maps, unmaps; /* calls of the wires */
static uint64_t map_offset;
static uint8_t *map_bytes;

static bool map_block(void *listener, uint64_t offset, uint8_t *bytes)
{
	assert_ptr_equal(listener, &flash);
	maps++;
	map_offset = offset;
	map_bytes = bytes;
	return true;
}

static void unmap_block(void *listener, uint64_t offset)
{
	assert_ptr_equal(listener, &flash);
	assert_int_equal(offset % FLASH_BLOCK, 0);
	unmaps++;
}

/* What somebody has who copies what is marked as written. */
static uint8_t copy[FLASH_BANK];

static void mark(void *memory, const void *bytes, uint64_t length)
{
	uint64_t offset = (uint64_t)((const uint8_t *)bytes - storage);

	assert_ptr_equal(memory, storage);
	assert_true(offset < FLASH_BANK && length <= FLASH_BANK - offset);
	memcpy(copy + offset, bytes, length);
}

/* All that was written was marked. */
static int end(void **state)
{
	(void)state;
	for (uint64_t block = 0; block < FLASH_BLOCKS; block++)
		if (written >> block & 1)
			assert_memory_equal(copy + block * FLASH_BLOCK,
					    storage + block * FLASH_BLOCK, FLASH_BLOCK);
	return 0;
}

static uint64_t kept_offset, kept_length; /* of the last call */
static unsigned keeps;
static bool is_full; /* what it is kept in */

static bool keep(void *listener, uint64_t offset, uint64_t length)
{
	assert_ptr_equal(listener, &flash);
	keeps++;
	kept_offset = offset;
	kept_length = length;
	return !is_full;
}

/* An erased bank, just switched on. */
static int begin(void **state)
{
	(void)state;
	flash = (struct flash){ .wires.dma = { .written = mark, .memory = storage },
				.storage = storage,
				.written = &written,
				.map = map_block,
				.unmap = unmap_block,
				.keep = keep,
				.listener = &flash };
	memset(storage, 0, 4ul * FLASH_BLOCK); /* what is not written is not read */
	memset(copy, 0x5a, sizeof copy);
	written = 0;
	maps = unmaps = keeps = 0;
	is_full = false;
	flash_ops.reset(&flash);
	return 0;
}

static uint64_t get(uint64_t offset, unsigned size)
{
	return flash_ops.read(&flash, offset, size) & ~0ull >> (64 - 8 * size);
}

/* A command to both chips. */
static void command(uint64_t offset, uint8_t value)
{
	flash_ops.write(&flash, offset, 4, value * 0x10001ull);
}

static void put(uint64_t offset, uint32_t value)
{
	flash_ops.write(&flash, offset, 4, value);
}

static void program_word(uint64_t offset, uint32_t value)
{
	command(offset, 0x40);
	put(offset, value);
	assert_int_equal(get(offset, 4), 0x800080);
	command(offset, 0xff);
}

static void test_erased(void **state)
{
	(void)state;
	for (uint64_t offset = 0; offset < FLASH_BANK; offset += 0xfffff)
		assert_int_equal(get(offset, 8), ~0ull);
	assert_int_equal(get(FLASH_BANK - 1, 1), 0xff);
}

/* What is read often is read without exits, until a command comes. */
static void test_mapping(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 15; i++)
		get(i, 1);
	assert_int_equal(maps, 0);
	get(15, 1);
	get(16, 1);
	assert_int_equal(maps, 1);
	assert_int_equal(map_offset, 0);
	assert_null(map_bytes);
	get(FLASH_BANK - 4, 4);
	assert_int_equal(maps, 2);
	assert_int_equal(map_offset, FLASH_BANK - FLASH_BLOCK);
	/* What is no command changes nothing. */
	command(0, 0xff);
	command(0, 0x00);
	command(0, 0xf0);
	command(0, 0x50);
	assert_int_equal(unmaps, 0);
	program_word(0x100, 0x12345678);
	assert_int_equal(unmaps, 2);
	for (unsigned i = 0; i < 16; i++)
		get(0x100, 4);
	assert_int_equal(maps, 3);
	assert_ptr_equal(map_bytes, storage);
	/* A reset finds no memory slots: they went with the VM. */
	flash_ops.reset(&flash);
	assert_int_equal(unmaps, 2);
	assert_true(flash_map_block(&flash, 0x100));
	assert_int_equal(maps, 4);
	assert_int_equal(get(0x100, 4), 0x12345678);
}

static void test_query(void **state)
{
	static const struct {
		unsigned word, value;
	} rows[] = {
		{ 0x10, 'Q' },	{ 0x11, 'R' }, { 0x12, 'Y' }, { 0x13, 1 },   { 0x14, 0 },
		{ 0x15, 0x31 }, { 0x27, 25 },  { 0x2a, 11 },  { 0x2c, 1 },   { 0x2d, 0xff },
		{ 0x2e, 0 },	{ 0x2f, 0 },   { 0x30, 2 },   { 0x31, 'P' }, { 0x34, '1' },
		{ 0x3f, 1 },	{ 0x40, 0 },   { 0x1000, 0 },
	};

	(void)state;
	command(0x154, 0x98);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(get(rows[i].word * 4ull, 4), rows[i].value * 0x10001);
		assert_int_equal(get(rows[i].word * 4ull, 1), rows[i].value);
		assert_int_equal(get(rows[i].word * 4ull + 2, 2), rows[i].value);
	}
	assert_int_equal(get(0x40, 8), 0x0052005200510051);
	command(0, 0xff);
	assert_int_equal(get(0x40, 4), ~0u);
}

static void test_id(void **state)
{
	(void)state;
	command(0, 0x90);
	assert_int_equal(get(0, 4), 0x890089);
	assert_int_equal(get(4, 4), 0x180018);
	assert_int_equal(get(0x40008, 4), 0); /* the second block is not locked */
	assert_int_equal(get(0x40004, 4), 0x180018);
	command(0, 0x70);
	assert_int_equal(get(0x1234, 4), 0x800080);
	command(0, 0xff);
	assert_int_equal(get(0, 4), ~0u);
}

static void test_program(void **state)
{
	(void)state;
	program_word(0x200000, 0xff00f00f);
	assert_int_equal(get(0x200000, 4), 0xff00f00f);
	assert_int_equal(get(0x1ffffc, 8), 0xff00f00fffffffff);
	assert_int_equal(get(0x200004, 4), ~0u);
	program_word(0x200000, 0x0ff0ffff); /* bits only become zero */
	assert_int_equal(get(0x200000, 4), 0x0f00f00f);
	/* Parts of a word, and two in one access. */
	command(0x300000, 0x10);
	flash_ops.write(&flash, 0x300001, 1, 0xab);
	command(0x300000, 0x10);
	flash_ops.write(&flash, 0x300002, 2, 0xcdef);
	command(0x300000, 0xff);
	assert_int_equal(get(0x300000, 4), 0xcdefabff);
	flash_ops.write(&flash, 0x300010, 8, 0x1122334400400040);
	assert_int_equal(get(0x300010, 4), 0x800080);
	command(0x300000, 0xff);
	assert_int_equal(get(0x300014, 4), 0x11223344);
}

static void test_erase(void **state)
{
	(void)state;
	program_word(0x3fffc, 1);
	program_word(0x40000, 2);
	program_word(0x7fffc, 3);
	program_word(0x80000, 4);
	command(0x51234, 0x20);
	assert_int_equal(get(0x40000, 4), 0x800080);
	command(0x51234, 0xd0);
	assert_int_equal(get(0x40000, 4), 0x800080);
	command(0, 0xff);
	assert_int_equal(get(0x3fffc, 8), 0xffffffff00000001);
	assert_int_equal(get(0x7fffc, 8), 0x4ffffffff);
	/* Not confirmed: nothing is erased. */
	command(0x80000, 0x20);
	command(0x80000, 0xff);
	assert_int_equal(get(0x80000, 4), 4);
	/* What was never written is erased already. */
	command(0x3000000, 0x20);
	command(0x3000000, 0xd0);
	assert_int_equal(written, 1);
}

static void test_buffer(void **state)
{
	(void)state;
	program_word(0x100ffc, 0x0000ffff);
	command(0x100ff8, 0xe8);
	assert_int_equal(get(0x100ff8, 4), 0x800080);
	put(0x100ff8, 1 * 0x10001); /* two words */
	put(0x100ff8, 0x11111111);
	put(0x100ffc, 0x22222222);
	command(0x100ff8, 0xd0);
	assert_int_equal(get(0x100ff8, 4), 0x800080);
	command(0, 0xff);
	assert_int_equal(get(0x100ff8, 8), 0x0000222211111111);
	assert_int_equal(get(0x101000, 4), ~0u);
	/* All of it. */
	command(0x200000, 0xe8);
	put(0x200000, 1023 * 0x10001);
	for (unsigned i = 0; i < 1024; i++)
		put(0x200000 + 4ull * i, i);
	command(0x200000, 0xd0);
	command(0, 0xff);
	for (unsigned i = 0; i < 1024; i++)
		assert_int_equal(get(0x200000 + 4ull * i, 4), i);
}

static void test_wrong_buffers(void **state)
{
	(void)state;
	/* Not confirmed. */
	command(0x5000, 0xe8);
	put(0x5000, 0);
	put(0x5000, 7);
	command(0x5000, 0xff);
	assert_int_equal(get(0x5000, 4), 7);
	/* Too many words, and one that belongs to the next buffer: sequence errors. */
	command(0x1000, 0xe8);
	put(0x1000, 1024);
	assert_int_equal(get(0x1000, 4), 0xb000b0);
	command(0, 0x50);
	command(0x1000, 0xe8);
	put(0x1000, 1 * 0x10001);
	put(0x1ffc, 0);
	put(0x2000, 0);
	assert_int_equal(get(0x1000, 4), 0xb000b0);
	command(0, 0x50);
	command(0, 0x70);
	assert_int_equal(get(0, 4), 0x800080);
	command(0, 0xff);
	assert_int_equal(get(0x1ffc, 8), 0xffffffff00000000);
}

static void assert_kept(unsigned count, uint64_t offset, uint64_t length)
{
	assert_int_equal(keeps, count);
	assert_int_equal(kept_offset, offset);
	assert_int_equal(kept_length, length);
}

/* What a command has changed is kept once, when it is complete. */
static void test_keep(void **state)
{
	(void)state;
	program_word(0x200004, 1);
	assert_kept(1, 0x200004, 4);
	command(0x240000, 0x20);
	assert_int_equal(keeps, 1);
	command(0x25fff0, 0xd0);
	assert_kept(2, 0x240000, FLASH_ERASE);
	command(0x400000, 0x20); /* never written: it is erased already */
	command(0x400000, 0xd0);
	assert_int_equal(keeps, 2);
	command(0x201100, 0xe8);
	put(0x201100, 1 * 0x10001);
	put(0x201100, 1);
	put(0x201104, 2);
	assert_int_equal(keeps, 2);
	command(0x201100, 0xd0);
	assert_kept(3, 0x201000, FLASH_BUFFER);
	/* Words of a buffer that ends otherwise are programmed, too. */
	command(0x202000, 0xe8);
	put(0x202000, 0);
	put(0x202000, 7);
	command(0x202000, 0xff);
	assert_kept(4, 0x202000, FLASH_BUFFER);
	command(0x202000, 0xe8);
	put(0x202000, 1 * 0x10001);
	put(0x202000, 7);
	put(0x203000, 7);
	assert_kept(5, 0x202000, FLASH_BUFFER);
}

/* A guest sees that it is not. */
static void test_keep_fails(void **state)
{
	(void)state;
	is_full = true;
	command(0x200000, 0x40);
	put(0x200000, 0);
	assert_int_equal(get(0, 4), 0x900090);
	command(0, 0x50);
	command(0x200000, 0x20);
	command(0x200000, 0xd0);
	assert_int_equal(get(0, 4), 0xa000a0);
	command(0, 0x50);
	command(0x200000, 0xe8);
	put(0x200000, 0);
	put(0x200000, 7);
	command(0x200000, 0xd0);
	assert_int_equal(get(0, 4), 0x900090);
	command(0, 0x50);
	is_full = false;
	program_word(0x200000, 1); /* says that all is well */
}

/* Nothing is ever locked. */
static void test_locks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		command(0x40000, 0x60);
		command(0x40000, i ? 0x01 : 0xd0);
		assert_int_equal(get(0x40000, 4), 0x800080);
		command(0, 0xff);
		program_word(0x40000, 0xf0 >> 4 * i);
	}
	assert_int_equal(get(0x40000, 4), 0);
	command(0x40000, 0x60);
	command(0x40000, 0x33);
	assert_int_equal(get(0x40000, 4), 0);
}

/* In the middle of any command the guest may be saved, and goes on. */
static void test_states(void **state)
{
	uint8_t saved[8192];

	(void)state;
	assert_true(device_state_size(&flash_ops) <= sizeof saved);
	command(0x1000, 0xe8);
	put(0x1000, 1 * 0x10001);
	put(0x1000, 0x11223344);
	device_save(&flash_ops, &flash, saved);
	flash_ops.reset(&flash);
	assert_true(device_load(&flash_ops, &flash, saved));
	put(0x1004, 0x55667788);
	command(0x1000, 0xd0);
	command(0, 0xff);
	assert_int_equal(get(0x1000, 8), 0x5566778811223344);
	saved[0] = 0x33; /* no command */
	assert_false(device_load(&flash_ops, &flash, saved));
	assert_int_equal(get(0x1000, 4), 0x11223344);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_erased, begin, end),
		cmocka_unit_test_setup_teardown(test_mapping, begin, end),
		cmocka_unit_test_setup_teardown(test_query, begin, end),
		cmocka_unit_test_setup_teardown(test_id, begin, end),
		cmocka_unit_test_setup_teardown(test_program, begin, end),
		cmocka_unit_test_setup_teardown(test_erase, begin, end),
		cmocka_unit_test_setup_teardown(test_buffer, begin, end),
		cmocka_unit_test_setup_teardown(test_wrong_buffers, begin, end),
		cmocka_unit_test_setup_teardown(test_keep, begin, end),
		cmocka_unit_test_setup_teardown(test_keep_fails, begin, end),
		cmocka_unit_test_setup_teardown(test_locks, begin, end),
		cmocka_unit_test_setup_teardown(test_states, begin, end),
	};

	return RUN(tests);
}
