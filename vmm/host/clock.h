/* SPDX-License-Identifier: MIT */
/*
 * The guest's time: the host's counter, minus the time for which the guest was paused.
 *
 * Who uses it: the event loop, run.c, uart_fast.c and trace.c. Only the event loop's thread stops
 * and starts it, while no vCPU runs; any thread may read it.
 */
#ifndef VMM_CLOCK_H
#define VMM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S 1000000000ul

/* Nanoseconds of the guest's time, and of the host's, which never stops. */
uint64_t clock_ns(void);
uint64_t clock_host_ns(void);
/* Seconds of CLOCK_REALTIME. */
uint64_t clock_realtime_seconds(void);
/* The value to set the guest's virtual counter to, so that its time continues from now; while it is
 * stopped, the value at which it stands. */
uint64_t clock_guest_counter(void);

/* Stops the guest's time, and restarts it (false if it was not stopped). */
void clock_stop(void);
bool clock_start(void);
bool clock_is_stopped(void);
/* Nanoseconds for which the guest's time has been stopped so far. */
uint64_t clock_behind(void);
/* Makes the guest's time, which is stopped, have been stopped that many nanoseconds earlier. */
void clock_set_back(uint64_t nanoseconds);
/* A guest is resumed from a snapshot: its counter has this value, and its time is stopped there
 * until clock_start, unless the counter's frequency is unknown. */
void clock_resume(uint64_t counter);
/* Lets the guest's time jump by so many nanoseconds. */
void clock_jump(uint64_t nanoseconds);
/* Makes clock_stop do nothing (--clock=real). */
void clock_keep_running(void);

#endif
