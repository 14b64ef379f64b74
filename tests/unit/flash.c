// SPDX-License-Identifier: MIT
/* devices/flash.c: erased, and shown a block at a time. */
#include "unit.h"

#include "devices/flash.h"

#define SIZE 0x8000000ull

static unsigned shows;
static uint64_t shown;

static bool show(void *listener, uint64_t offset)
{
	assert_ptr_equal(listener, &shows);
	shows++;
	shown = offset;
	return true;
}

static void test_erased(void **state)
{
	struct flash flash = { .show = show, .listener = &shows };

	(void)state;
	flash_ops.reset(&flash);
	for (uint64_t offset = 0; offset < SIZE; offset += 0xfffff) {
		flash_ops.write(&flash, offset, 1, 0);
		assert_int_equal(flash_ops.read(&flash, offset, 8), ~0ull);
	}
	assert_int_equal(shows, SIZE / FLASH_BLOCK); /* each block once */
	flash_ops.read(&flash, SIZE - 1, 1);
	assert_int_equal(shows, SIZE / FLASH_BLOCK);
	flash_ops.reset(&flash);
	flash_ops.read(&flash, SIZE - 1, 1);
	assert_int_equal(shows, SIZE / FLASH_BLOCK + 1);
	assert_int_equal(shown, SIZE - FLASH_BLOCK);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_erased) };

	return RUN(tests);
}
