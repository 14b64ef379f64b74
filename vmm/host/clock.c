// SPDX-License-Identifier: MIT
/* The guest's time. Who calls it: see clock.h. Touches the CPU's counter and its own state. */
#include "clock.h"

#include "crt/crt.h"
#include "crt/sys.h"

#include <time.h>

/* What the guest's counter is ahead of the host's, in seconds; and in counts, if the frequency is
 * unknown. */
#define AHEAD 86400
#define UNKNOWN_AHEAD (1ull << 30)

/* A mutable global, because time is asked for everywhere. */
static struct {
	bool keeps_running; /* --clock=real */
	bool is_stopped;
	uint64_t since;	 /* when it was stopped, of clock_host_ns, */
	uint64_t count;	 /* and the host's counter then */
	uint64_t behind; /* nanoseconds that the guest's time lags the host's */
	/* A resumed guest's: counts, and nanoseconds, by which its time is ahead of that. */
	uint64_t counts_ahead, ahead;
} guest_time;

/* Nanoseconds as counts of the counter. */
static uint64_t counts_of(uint64_t nanoseconds, uint64_t frequency)
{
	return nanoseconds / NS_PER_S * frequency + nanoseconds % NS_PER_S * frequency / NS_PER_S;
}

uint64_t clock_host_ns(void)
{
	uint64_t frequency = counter_frequency(), value;
	struct timespec time = { 0 };

	if (frequency) {
		value = counter_value();
		return value / frequency * NS_PER_S + value % frequency * NS_PER_S / frequency;
	}
	/*
	 * Firmware of some boards leaves CNTFRQ_EL0 at 0. The call cannot fail: the clock exists.
	 */
	sys_clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

uint64_t clock_ns(void)
{
	return (guest_time.is_stopped ? guest_time.since : clock_host_ns()) - guest_time.behind +
	       guest_time.ahead;
}

uint64_t clock_realtime_seconds(void)
{
	struct timespec time = { 0 };

	/* Cannot fail: the clock exists and the address is ours. */
	sys_clock_gettime(CLOCK_REALTIME, &time);
	return (uint64_t)time.tv_sec;
}

/*
 * The host's counter plus a day, minus the time for which the guest was paused. With a counter
 * behind the host's, KVM's offset would be positive, and a compare value near 2^64 plus the offset
 * would overflow: an emulated timer may then fire for ever (QEMU 7.2's does). Many short pauses, of
 * which a guest can cause some, do not add up to a day; a debugger's may.
 */
uint64_t clock_guest_counter(void)
{
	uint64_t frequency = counter_frequency();
	uint64_t count = guest_time.is_stopped ? guest_time.count : counter_value();

	if (!frequency)
		return count + UNKNOWN_AHEAD + guest_time.counts_ahead;
	return count + AHEAD * frequency - counts_of(guest_time.behind, frequency) +
	       guest_time.counts_ahead;
}

void clock_resume(uint64_t counter)
{
	guest_time.is_stopped = false;
	guest_time.count = counter_value();
	guest_time.since = clock_host_ns();
	guest_time.is_stopped = counter_frequency() != 0;
	guest_time.counts_ahead += counter - clock_guest_counter();
}

void clock_jump(uint64_t nanoseconds)
{
	guest_time.ahead += nanoseconds;
	guest_time.counts_ahead += counts_of(nanoseconds, counter_frequency());
}

void clock_stop(void)
{
	/* Without the frequency, the value to set the counter to is unknown. */
	if (guest_time.keeps_running || guest_time.is_stopped || !counter_frequency())
		return;
	guest_time.count = counter_value();
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
	if (!guest_time.is_stopped)
		return;
	guest_time.since -= nanoseconds;
	guest_time.count -= counts_of(nanoseconds, counter_frequency());
}

void clock_keep_running(void)
{
	guest_time.keeps_running = true;
}
