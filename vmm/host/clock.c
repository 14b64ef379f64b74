// SPDX-License-Identifier: MIT
/* The guest's time. Who calls it: see clock.h. Touches the CPU's counter and its own state. */
#include "clock.h"

#include "crt/crt.h"
#include "crt/sys.h"

#include <time.h>

/* What the guest's counter is ahead of the host's where nobody knows what a second is. */
#define UNKNOWN_AHEAD (1ull << 30)

/* A mutable global: time is asked for everywhere, and there is one. */
static struct {
	bool keeps_running; /* --clock=real */
	bool is_stopped;
	uint64_t since;	 /* it is stopped; of clock_host_ns */
	uint64_t behind; /* nanoseconds that the guest's time is behind the host's */
} guest_time;

uint64_t clock_host_ns(void)
{
	uint64_t frequency = counter_frequency(), value;
	struct timespec time = { 0 };

	if (frequency) {
		value = counter_value();
		return value / frequency * NS_PER_S + value % frequency * NS_PER_S / frequency;
	}
	/* Firmware of some boards does not set it. The call cannot fail: the clock exists. */
	sys_clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

uint64_t clock_ns(void)
{
	return (guest_time.is_stopped ? guest_time.since : clock_host_ns()) - guest_time.behind;
}

uint64_t clock_realtime_seconds(void)
{
	struct timespec time = { 0 };

	/* Cannot fail: the clock exists and the address is ours. */
	sys_clock_gettime(CLOCK_REALTIME, &time);
	return (uint64_t)time.tv_sec;
}

/*
 * A second more than the host's, less what the guest was held. A counter that is behind the host's
 * has a positive offset, and a compare value near 2^64 plus that overflows: what emulates the timer
 * may then take it for one that is always due (QEMU 7.2's main loop does, for ever).
 */
uint64_t clock_guest_counter(void)
{
	uint64_t frequency = counter_frequency(), behind = guest_time.behind;

	if (!frequency)
		return counter_value() + UNKNOWN_AHEAD;
	return counter_value() + frequency - behind / NS_PER_S * frequency -
	       behind % NS_PER_S * frequency / NS_PER_S;
}

void clock_stop(void)
{
	/* Without a frequency it cannot be told what to set the counter to. */
	if (guest_time.keeps_running || guest_time.is_stopped || !counter_frequency())
		return;
	guest_time.since = clock_host_ns();
	guest_time.is_stopped = true;
}

bool clock_start(void)
{
	if (!guest_time.is_stopped)
		return false;
	guest_time.behind += clock_host_ns() - guest_time.since;
	guest_time.is_stopped = false;
	return true;
}

uint64_t clock_behind(void)
{
	return guest_time.behind;
}

bool clock_is_stopped(void)
{
	return guest_time.is_stopped;
}

void clock_set_back(uint64_t nanoseconds)
{
	if (guest_time.is_stopped)
		guest_time.since -= nanoseconds;
}

void clock_keep_running(void)
{
	guest_time.keeps_running = true;
}
