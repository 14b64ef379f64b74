// SPDX-License-Identifier: MIT
/* vmm/host/clock.c: the guest's time, also on hosts whose firmware does not say how fast it is. */
#include "unit.h"

#include "crt/crt.h"
#include "vmm/host/clock.h"

#include <sys/syscall.h>
#include <time.h>

static uint64_t counter, frequency, monotonic_ns, seconds;

uint64_t counter_value(void)
{
	return counter;
}

uint64_t counter_frequency(void)
{
	return frequency;
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	struct timespec *time = (struct timespec *)b;

	(void)c, (void)d, (void)e, (void)f;
	assert_int_equal(number, SYS_clock_gettime);
	if (a == CLOCK_REALTIME)
		*time = (struct timespec){ .tv_sec = (time_t)seconds };
	else
		*time = (struct timespec){ (time_t)(monotonic_ns / NS_PER_S),
					   (long)(monotonic_ns % NS_PER_S) };
	return 0;
}

static void test_counter(void **state)
{
	static const uint64_t frequencies[] = { 1000000, 19200000, 62500000, 1000000000 };

	(void)state;
	for (size_t i = 0; i < sizeof frequencies / sizeof *frequencies; i++) {
		frequency = frequencies[i];
		counter = frequency * 100000000 + frequency / 2; /* three years */
		assert_int_equal(clock_ns(), 100000000 * NS_PER_S + NS_PER_S / 2);
		assert_int_equal(clock_guest_counter(), counter + frequency);
	}
	seconds = 1767225600;
	assert_int_equal(clock_realtime_seconds(), seconds);
}

/* Firmware has left CNTFRQ_EL0 at 0: time goes on all the same, and nothing divides by it. */
static void test_no_frequency(void **state)
{
	(void)state;
	frequency = 0;
	counter = 12345;
	monotonic_ns = 77 * NS_PER_S + 5;
	assert_int_equal(clock_ns(), monotonic_ns);
	assert_true(clock_guest_counter() > counter);
	clock_stop();
	monotonic_ns += NS_PER_S;
	assert_int_equal(clock_ns(), monotonic_ns); /* what the counter does */
	clock_set_back(5);
	assert_false(clock_start());
	assert_int_equal(clock_ns(), monotonic_ns);
}

/* While the guest is held its time stands still, for counter and timers alike. */
static void test_held(void **state)
{
	uint64_t time, value;

	(void)state;
	frequency = 62500000;
	counter = frequency * 1000;
	assert_false(clock_start());
	for (unsigned i = 1; i <= 3; i++) {
		time = clock_ns();
		value = clock_guest_counter();
		clock_stop();
		counter += 40 * frequency;
		assert_true(clock_is_stopped());
		assert_int_equal(clock_ns(), time);
		clock_stop(); /* again */
		counter += 3;
		assert_true(clock_start());
		assert_in_range(clock_ns() - time, 0, 1);
		assert_in_range(clock_guest_counter() - value, 0, 1);
		counter += frequency;
		assert_in_range(clock_ns() - time - NS_PER_S, 0, 1);
	}
	/* The whole process was stopped, which is found out only afterwards. */
	time = clock_ns();
	value = clock_guest_counter();
	counter += 40 * frequency;
	clock_stop();
	clock_set_back(40 * NS_PER_S);
	assert_in_range(clock_ns() - time, 0, 1);
	assert_true(clock_start());
	assert_in_range(clock_guest_counter() - value, 0, 1);
}

static void test_real(void **state)
{
	uint64_t time = clock_ns();

	(void)state;
	clock_keep_running();
	clock_stop();
	counter += frequency;
	assert_int_equal(clock_ns(), time + NS_PER_S);
	assert_false(clock_start());
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counter),
		cmocka_unit_test(test_no_frequency),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_real),
	};

	return RUN(tests);
}
