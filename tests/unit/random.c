// SPDX-License-Identifier: MIT
/* crt/random.c on hosts whose entropy is not ready, or that give none. */
#include "unit.h"

#include "crt/crt.h"

#include <errno.h>
#include <linux/random.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#define SIZE 40

static const uint64_t given[2] = { 0x1111111111111111, 0x2222222222222222 };
static long result; /* of getrandom: bytes, or negative errno */
static uint64_t counter, seconds;

unsigned long getauxval(unsigned long type)
{
	(void)type;
	return (unsigned long)given;
}

uint64_t counter_value(void)
{
	return counter;
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)d, (void)e, (void)f;
	if (number == SYS_clock_gettime) {
		*(struct timespec *)b = (struct timespec){ .tv_sec = (time_t)seconds };
		return 0;
	}
	assert_int_equal(number, SYS_getrandom);
	assert_int_equal(b, SIZE);
	assert_int_equal(c, GRND_INSECURE); /* else it waits */
	memset((void *)a, 0x5a, result > 0 ? (size_t)result : 0);
	return result;
}

static void test_does_not_wait(void **state)
{
	uint8_t bytes[SIZE], wanted[SIZE];

	(void)state;
	result = SIZE;
	random_bytes(bytes, SIZE);
	memset(wanted, 0x5a, SIZE);
	assert_memory_equal(bytes, wanted, SIZE);
}

/* All bytes are set, differ between calls, and are not the stack guard. */
static void test_without_the_kernel(void **state)
{
	static const long results[] = { -EINVAL, -ENOSYS, -EPERM, 0, SIZE - 1 };
	uint8_t bytes[SIZE], before[SIZE] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
		result = results[i];
		if (i % 2)
			counter++;
		else
			seconds++;
		memset(bytes, 0, SIZE);
		random_bytes(bytes, SIZE);
		assert_memory_not_equal(bytes, before, SIZE);
		assert_null(memmem(bytes, SIZE, &given[0], 4));
		for (size_t j = 0; j + 4 <= SIZE; j++)
			assert_memory_not_equal(bytes + j, "\0\0\0\0", 4);
		memcpy(before, bytes, SIZE);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_does_not_wait),
		cmocka_unit_test(test_without_the_kernel),
	};

	return RUN(tests);
}
