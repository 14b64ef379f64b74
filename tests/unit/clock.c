// SPDX-License-Identifier: MIT
/* vmm/host/clock.c: the guest's time, also on hosts whose firmware does not set CNTFRQ_EL0. */
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
		assert_int_equal(clock_guest_counter(), counter + 86400 * frequency);
	}
	seconds = 1767225600;
	assert_int_equal(clock_realtime_seconds(), seconds);
}

/* With CNTFRQ_EL0 at 0 time passes all the same, and there is no division by zero. */
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
	assert_int_equal(clock_ns(), monotonic_ns); /* whatever the counter does */
	clock_set_back(5);
	assert_false(clock_start());
	assert_int_equal(clock_ns(), monotonic_ns);
}

/* While the guest is paused its time stands still, for its counter and for timers. */
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
		clock_stop(); /* a second call changes nothing */
		counter += 3;
		assert_true(clock_start());
		assert_in_range(clock_ns() - time, 0, 1);
		assert_in_range(clock_guest_counter() - value, 0, 1);
		counter += frequency;
		assert_in_range(clock_ns() - time - NS_PER_S, 0, 1);
		/* After pauses, too, it is ahead of the host's. */
		assert_true(clock_guest_counter() > counter);
	}
	/* The process was suspended, which is noticed only afterwards. */
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

/* A resumed guest's counter goes on where it was, however far the host's is, before or behind that;
 * until it starts it stands still, to the count. */
static void test_resumed(void **state)
{
	static const uint64_t values[] = { 5, 62500000ull * 3600, UINT64_MAX - 62500000 };
	uint64_t time;

	(void)state;
	frequency = 62500000;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		counter += 12345;
		clock_resume(values[i]);
		time = clock_ns();
		counter += frequency * 10 + 7;
		assert_true(clock_is_stopped());
		assert_int_equal(clock_guest_counter(), values[i]);
		assert_int_equal(clock_ns(), time);
		assert_true(clock_start());
		assert_in_range(clock_guest_counter() - values[i], 0, 1);
		counter += frequency;
		assert_in_range(clock_guest_counter() - values[i], frequency, frequency + 1);
		assert_in_range(clock_ns() - time, NS_PER_S, NS_PER_S + 1);
	}
}

/* --clock=real: the time that has passed since the snapshot was made, for counter and timers. */
static void test_jump(void **state)
{
	uint64_t time, value;

	(void)state;
	time = clock_ns();
	value = clock_guest_counter();
	clock_jump(90 * NS_PER_S + NS_PER_S / 2);
	assert_int_equal(clock_ns() - time, 90 * NS_PER_S + NS_PER_S / 2);
	assert_int_equal(clock_guest_counter() - value, 90 * frequency + frequency / 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counter), cmocka_unit_test(test_no_frequency),
		cmocka_unit_test(test_held),	cmocka_unit_test(test_real),
		cmocka_unit_test(test_resumed), cmocka_unit_test(test_jump),
	};

	return RUN(tests);
}
