// SPDX-License-Identifier: MIT
/* devices/vmgenid.c: 16 bytes that can be read in any size, and an edge when they have changed. */
#include "unit.h"

#include "devices/vmgenid.h"

#include <string.h>

static unsigned edges;
static bool level;

static void set_level(void *controller, unsigned number, bool to)
{
	(void)controller, (void)number;
	edges += to && !level;
	level = to;
}

static void test_reads(void **state)
{
	struct vmgenid device = { .wires.irq.set = set_level };
	uint8_t bytes[16];

	(void)state;
	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 17 + 3);
	memcpy(device.id, bytes, sizeof bytes);
	for (unsigned size = 1; size <= 8; size *= 2)
		for (uint64_t offset = 0; offset + size <= sizeof bytes; offset += size) {
			uint64_t wanted = 0;

			memcpy(&wanted, bytes + offset, size);
			vmgenid_ops.write(&device, offset, size, 0);
			vmgenid_ops.reset(&device);
			assert_int_equal(vmgenid_ops.read(&device, offset, size), wanted);
		}
}

/* Each change is an edge, and the line is low again for the next. Neither is it saved. */
static void test_change(void **state)
{
	struct vmgenid device = { .wires.irq.set = set_level };

	(void)state;
	edges = 0;
	for (unsigned i = 1; i < 4; i++) {
		vmgenid_changed(&device);
		assert_int_equal(edges, i);
		assert_false(level);
	}
	assert_int_equal(device_state_size(&vmgenid_ops), 0);
	assert_true(device_load(&vmgenid_ops, &device, NULL));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_change),
	};

	return RUN(tests);
}
