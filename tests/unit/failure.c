// SPDX-License-Identifier: MIT
/* vmm/host/failure.c: what is a failure, and how long PID 1 waits then. */
#include "unit.h"

#include "crt/crt.h"
#include "vmm/host/failure.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

static long answers[8]; /* of rt_sigtimedwait */
static unsigned waits;

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)e, (void)f;
	assert_int_equal(number, SYS_rt_sigtimedwait);
	assert_int_equal(*(const uint64_t *)a, SIGNAL_BIT(SIGCHLD));
	assert_int_equal(b, 0);
	assert_int_equal(*(const long *)c, 1);
	assert_int_equal(d, 8);
	assert_true(waits < 8);
	return answers[waits++];
}

static void test_failures(void **state)
{
	/* The guest's own, those that would come again, and those that somebody wanted. */
	static const int none[] = { 0, 64, 65, 69, 129, 130, 131, 143, 158 };
	unsigned found = 0;

	(void)state;
	for (int status = 0; status < 256; status++) {
		bool is_none = false;

		for (size_t i = 0; i < sizeof none / sizeof *none; i++)
			is_none |= none[i] == status;
		assert_int_equal(failure_is(status), !is_none);
		found += is_none;
	}
	assert_int_equal(found, sizeof none / sizeof *none);
}

static void test_delay(void **state)
{
	static const unsigned delays[] = { 1, 2, 4, 8, 16, 32, 64, 64, 64 };

	(void)state;
	for (unsigned i = 0; i < sizeof delays / sizeof *delays; i++)
		assert_int_equal(failure_delay(i + 1), delays[i]);
	assert_int_equal(failure_delay(~0u), 64);
}

/* Seconds count, other signals do not; one that wants the end ends the wait. */
static void test_wait(void **state)
{
	static const struct {
		long answers[4];
		unsigned waits;
		bool goes_on;
	} rows[] = {
		{ { -EAGAIN, -EAGAIN }, 2, true },
		{ { -EAGAIN, SIGCHLD, -EINTR, -EAGAIN }, 4, true },
		{ { SIGTERM }, 1, false },
		{ { -EAGAIN, SIGINT }, 2, false },
		{ { SIGCONT, SIGTSTP, SIGPWR }, 3, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		waits = 0;
		memcpy(answers, rows[i].answers, sizeof rows[i].answers);
		assert_int_equal(failure_wait(2, SIGNAL_BIT(SIGCHLD)), rows[i].goes_on);
		assert_int_equal(waits, rows[i].waits);
	}
	waits = 0;
	assert_true(failure_wait(0, SIGNAL_BIT(SIGCHLD)));
	assert_int_equal(waits, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_wait),
	};

	return RUN(tests);
}
