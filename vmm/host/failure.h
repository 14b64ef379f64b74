/* SPDX-License-Identifier: MIT */
/* What PID 1 does when the monitor has failed (--on-failure). Used by init.c. */
#ifndef VMM_FAILURE_H
#define VMM_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

/* Is this status of the monitor's, as a shell reports it, a failure? Not if somebody wanted the
 * end, or if it would come again: a wrong option, a payload that cannot be started, no KVM. */
bool failure_is(int status);

/* Seconds to wait after so many failures, one after the other: 1, and twice as many each time. */
unsigned failure_delay(unsigned failures);
#define FAILURE_MAX_DELAY 64 /* a monitor that ran for longer had not failed at once */
#define FAILURE_REBOOT_DELAY 10

/* Waits; false if one of these signals, a kernel's set that is blocked and that has SIGCHLD, wants
 * the end. */
bool failure_wait(unsigned seconds, uint64_t signals);
/* Does a signal to PID 1 want the end? */
bool failure_is_asked(int number);

#endif
