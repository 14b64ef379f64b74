/* SPDX-License-Identifier: MIT */
/* The host's wall clock, for a host whose kernel has not set it. Used by init.c. */
#ifndef VMM_RTC_H
#define VMM_RTC_H

/*
 * Sets CLOCK_REALTIME from /dev/rtc0, which holds UTC, if the kernel has not: it does so only from
 * an RTC whose driver is built in. Does nothing if there is no RTC, or one that was never set;
 * reports what fails.
 */
void rtc_set_clock(void);

#endif
