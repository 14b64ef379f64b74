// SPDX-License-Identifier: MIT
/* vmm/memory.c: guest-physical addresses that are RAM, and all those that are not. */
#include "reports.h"

#include "vmm/machine/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BASE 0x40000000ull
#define SIZE 0x400000ull

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	long result = syscall(number, a, b, c, d, e, f);

	return result == -1 ? -errno : result;
}

const char *error_text(int error)
{
	return strerror(error);
}

static const struct {
	uint64_t at, length;
	int is_ram;
} ranges[] = {
	{ BASE, 0, 1 },
	{ BASE, SIZE, 1 },
	{ BASE, SIZE + 1, 0 },
	{ BASE + SIZE - 1, 1, 1 },
	{ BASE + SIZE - 1, 2, 0 },
	{ BASE + SIZE, 0, 1 },
	{ BASE + SIZE, 1, 0 },
	{ BASE + SIZE + 1, 0, 0 },
	{ BASE - 1, 1, 0 },
	{ BASE - 1, 2, 0 },
	{ 0, ~0ull, 0 },
	{ ~0ull, 1, 0 },
	{ BASE, ~0ull, 0 },
	{ BASE + 8, ~0ull - 7, 0 },
};

static void test_ranges(void **state)
{
	struct guest_memory memory;

	(void)state;
	memory_create(&memory, GPA(BASE), SIZE);
	assert_int_equal((uintptr_t)memory.host % 0x200000, 0);
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		uint8_t *expected = memory.host + (ranges[i].at - BASE);

		assert_ptr_equal(memory_at(&memory, GPA(ranges[i].at), ranges[i].length),
				 ranges[i].is_ram ? expected : NULL);
	}
	memory.host[0] = memory.host[SIZE - 1] = 1; /* both ends are mapped */
	memory_destroy(&memory);
}

static void test_too_much(void **state)
{
	struct guest_memory memory;
	int status;

	(void)state;
	status = setjmp(on_die);
	if (status == 0)
		memory_create(&memory, GPA(BASE), 1ull << 55);
	assert_int_equal(status, STATUS_HOST);
	assert_non_null(strstr(last_report, "--memory"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_too_much),
	};

	return RUN(tests);
}
