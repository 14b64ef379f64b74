// SPDX-License-Identifier: MIT
/* devices/pci.c: no function is there, whatever is written. */
#include "unit.h"

#include "devices/pci.h"

static void test_nothing(void **state)
{
	struct pci pci = { 0 };
	uint8_t saved[16];

	(void)state;
	pci_ops.reset(&pci);
	for (unsigned size = 1; size <= 8; size *= 2)
		for (uint64_t offset = 0; offset < 0x10000000; offset += 0xfffff8) {
			pci_ops.write(&pci, offset, size, 0);
			assert_int_equal(pci_ops.read(&pci, offset, size), ~0ull);
		}
	assert_true(device_state_size(&pci_ops) <= sizeof saved);
	device_save(&pci_ops, &pci, saved);
	assert_true(device_load(&pci_ops, &pci, saved));
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_nothing) };

	return RUN(tests);
}
