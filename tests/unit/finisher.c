// SPDX-License-Identifier: MIT
/* devices/finisher.c: which values end the run, and how. */
#include "unit.h"

#include "devices/finisher.h"

static int calls, how, code;

static void finish(void *listener, enum finish finish_how, uint16_t finish_code)
{
	assert_ptr_equal(listener, &calls);
	calls++;
	how = finish_how;
	code = finish_code;
}

static const struct {
	uint64_t offset, value;
	int calls, how, code;
} writes[] = {
	{ 0, 0x5555, 1, FINISH_PASS, 0 },
	{ 0, 0x00015555, 1, FINISH_PASS, 0 },
	{ 0, 0x3333, 1, FINISH_FAIL, 0 },
	{ 0, 0x002a3333, 1, FINISH_FAIL, 42 },
	{ 0, 0xffff3333, 1, FINISH_FAIL, 0xffff },
	{ 0, 0xffffffff002a3333, 1, FINISH_FAIL, 42 },
	{ 0, 0x7777, 1, FINISH_RESET, 0 },
	{ 0, 0x6666, 1, FINISH_SAVE, 0 },
	{ 0, 0, 0, 0, 0 },
	{ 0, 0x5554, 0, 0, 0 },
	{ 4, 0x5555, 0, 0, 0 },
	{ 1, 0x5555, 0, 0, 0 },
};

static void test_writes(void **state)
{
	struct finisher finisher = { .finish = finish, .listener = &calls };

	(void)state;
	for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
		calls = how = code = 0;
		finisher_ops.reset(&finisher);
		finisher_ops.write(&finisher, writes[i].offset, 4, writes[i].value);
		assert_int_equal(calls, writes[i].calls);
		assert_int_equal(how, writes[i].how);
		assert_int_equal(code, writes[i].code);
		assert_int_equal(finisher_ops.read(&finisher, writes[i].offset, 4), 0);
	}
}

/* A guest can tell whether it was resumed. */
static void test_read(void **state)
{
	struct finisher finisher = { .is_resumed = true };

	(void)state;
	finisher_ops.reset(&finisher);
	assert_int_equal(finisher_ops.read(&finisher, 0, 4), 1);
	assert_int_equal(finisher_ops.read(&finisher, 4, 4), 0);
	finisher.is_resumed = false;
	assert_int_equal(finisher_ops.read(&finisher, 0, 4), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_writes),
						   cmocka_unit_test(test_read) };

	return RUN(tests);
}
