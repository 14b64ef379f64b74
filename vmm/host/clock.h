/* SPDX-License-Identifier: MIT */
/*
 * The guest's time: that of the CPU's virtual counter, but for the time in which the guest was
 * held.
 *
 * Who uses it: the event loop, run.c, uart_fast.c and trace.c. It is stopped and started by the
 * event loop's thread while no CPU runs; it may be read by any.
 */
#ifndef VMM_CLOCK_H
#define VMM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S 1000000000ul

/* Nanoseconds of the guest's time; and of the host's, which never stands still. */
uint64_t clock_ns(void);
uint64_t clock_host_ns(void);
/* Seconds of CLOCK_REALTIME. */
uint64_t clock_realtime_seconds(void);
/* What the guest's virtual counter is to be set to, for its time to go on from now. */
uint64_t clock_guest_counter(void);

/* From now on the guest's time stands still; it goes on (false if it did not stand still). */
void clock_stop(void);
bool clock_start(void);
bool clock_is_stopped(void);
/* Nanoseconds that it has stood still so far. */
uint64_t clock_behind(void);
/* It has stood still for so many nanoseconds longer already. */
void clock_set_back(uint64_t nanoseconds);
/* It never stands still (--clock=real). */
void clock_keep_running(void);

#endif
