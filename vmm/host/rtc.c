// SPDX-License-Identifier: MIT
/* Sets the host's wall clock from its RTC. Who calls it: init.c, as PID 1, when modules are loaded.
 * Touches /dev/rtc0 and CLOCK_REALTIME. */
#include "rtc.h"

#include "clock.h"
#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/report.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <time.h>

#define YEAR_2020 1577836800u /* seconds since 1970; a clock that is before that was never set */

/* Seconds since 1970, in the proleptic Gregorian calendar: years begin in March, so that a leap day
 * is the last of its year. */
static uint64_t seconds_of(const struct rtc_time *time)
{
	unsigned month = (unsigned)time->tm_mon; /* from 0 */
	uint64_t year = (uint64_t)time->tm_year + 1900 - (month < 2);
	uint64_t day =
		(uint64_t)time->tm_mday - 1 + (153 * (month < 2 ? month + 10 : month - 2) + 2) / 5;
	uint64_t days = 365 * year + year / 4 - year / 100 + year / 400 + day - 719468;

	return days * 86400 + (uint64_t)time->tm_hour * 3600 + (uint64_t)time->tm_min * 60 +
	       (uint64_t)time->tm_sec;
}

void rtc_set_clock(void)
{
	struct rtc_time read = { 0 };
	struct timespec time = { 0 };
	long fd, result;

	if (clock_realtime_seconds() >= YEAR_2020)
		return;
	fd = sys_openat(AT_FDCWD, "/dev/rtc0", O_RDONLY | O_CLOEXEC, 0);
	if (fd == -ENOENT)
		return;
	result = fd < 0 ? fd : ioctl_restart((int)fd, RTC_RD_TIME, (uintptr_t)&read);
	if (fd >= 0)
		sys_close((int)fd);
	if (result >= 0 && read.tm_year < 120)
		return;
	if (result >= 0) {
		time.tv_sec = (time_t)seconds_of(&read);
		result = sys_clock_settime(CLOCK_REALTIME, &time);
	}
	if (result < 0)
		report("the host's clock cannot be set from /dev/rtc0: %s",
		       error_text((int)-result));
}
