// SPDX-License-Identifier: MIT
/* devices/virtio_mmio.c: what a driver that looks through the slots reads. */
#include "unit.h"

#include "devices/virtio_mmio.h"

static uint64_t get(uint64_t offset, unsigned size)
{
	return virtio_mmio_ops.read(NULL, offset, size);
}

/* Magic value "virt" and no device, in the first and in the last of 32 slots. */
static void test_empty(void **state)
{
	(void)state;
	for (uint64_t slot = 0; slot < 0x4000; slot += 0x200) {
		assert_int_equal(get(slot, 4), 0x74726976);
		assert_int_equal(get(slot + 4, 4), 1);
		assert_int_equal(get(slot + 8, 4), 0);
		assert_int_equal(get(slot + 0xc, 4), 0x554d4551);
		assert_int_equal(get(slot, 8), 0x174726976);
		assert_int_equal(get(slot + 8, 8), 0x554d455100000000);
		for (uint64_t offset = 0x10; offset < 0x200; offset++)
			assert_int_equal(get(slot + offset, 4), 0);
		assert_int_equal(get(slot + 1, 1), 0);
	}
}

static void test_write(void **state)
{
	(void)state;
	for (uint64_t offset = 0; offset < 0x200; offset += 4)
		virtio_mmio_ops.write(NULL, offset, 4, ~0u);
	virtio_mmio_ops.reset(NULL);
	assert_int_equal(get(0x70, 4), 0); /* Status */
	assert_int_equal(get(0, 4), 0x74726976);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_write),
	};

	return RUN(tests);
}
