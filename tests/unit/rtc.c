// SPDX-License-Identifier: MIT
/* vmm/host/rtc.c: when the clock is set, and to what; libc's calendar is the oracle. */
#include "reports.h"

#include "vmm/host/clock.h"
#include "vmm/host/rtc.h"

#include <errno.h>
#include <linux/rtc.h>
#include <sys/syscall.h>
#include <time.h>

static uint64_t now;
static time_t in_rtc, set_to;
static long fails, how; /* this call, with this error */

uint64_t clock_realtime_seconds(void)
{
	return now;
}

const char *error_text(int error)
{
	return strerror(error);
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	struct tm tm;

	(void)d, (void)e, (void)f;
	if (number == fails)
		return how;
	switch (number) {
	case SYS_openat:
		assert_string_equal((const char *)b, "/dev/rtc0");
		return 5;
	case SYS_ioctl:
		assert_int_equal(a, 5);
		assert_int_equal(b, RTC_RD_TIME);
		gmtime_r(&in_rtc, &tm);
		memcpy((void *)c, &tm, sizeof(struct rtc_time)); /* the same fields in this order */
		return 0;
	case SYS_clock_settime:
		assert_int_equal(a, CLOCK_REALTIME);
		set_to = ((const struct timespec *)b)->tv_sec;
		return 0;
	case SYS_close:
		assert_int_equal(a, 5);
		return 0;
	default:
		fail_msg("system call %ld", number);
		return 0;
	}
}

static void start(time_t rtc)
{
	in_rtc = rtc;
	now = set_to = fails = 0;
	reports = 0;
}

/* Every day of 80 years, at some second of it. */
static void test_calendar(void **state)
{
	(void)state;
	for (time_t day = 18262; day < 18262 + 80 * 365; day++) { /* from 2020 on */
		start(day * 86400 + day * 7919 % 86400);
		rtc_set_clock();
		assert_int_equal(set_to, in_rtc);
	}
	assert_int_equal(reports, 0);
}

static void test_not_set(void **state)
{
	(void)state;
	start(1767225600);
	now = 1577836800; /* the kernel has */
	rtc_set_clock();
	assert_int_equal(set_to, 0);
	start(1000); /* nobody has ever set it */
	rtc_set_clock();
	assert_int_equal(set_to, 0);
	start(1767225600);
	fails = SYS_openat;
	how = -ENOENT; /* there is none */
	rtc_set_clock();
	assert_int_equal(set_to, 0);
	assert_int_equal(reports, 0);
}

static void test_failures(void **state)
{
	static const long calls[] = { SYS_openat, SYS_ioctl, SYS_clock_settime };

	(void)state;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		start(1767225600);
		fails = calls[i];
		how = -EPERM;
		rtc_set_clock();
		assert_int_equal(set_to, 0);
		assert_int_equal(reports, 1);
		assert_non_null(strstr(last_report, "/dev/rtc0"));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_not_set),
		cmocka_unit_test(test_failures),
	};

	return RUN(tests);
}
