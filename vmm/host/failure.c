// SPDX-License-Identifier: MIT
/*
 * Which ends of the monitor are failures, and how long to wait then, so that what fails again and
 * again does not spin. Who calls it: init.c, in the parent process. Touches nothing but signals.
 */
#include "failure.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/status.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

bool failure_is_asked(int number)
{
	return number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM ||
	       number == SIGPWR;
}

bool failure_is(int status)
{
	switch (status) {
	case STATUS_PASS:
	case STATUS_USAGE:
	case STATUS_PAYLOAD:
	case STATUS_NO_KVM:
		return false;
	default:
		return !failure_is_asked(status - STATUS_SIGNAL); /* Ctrl-A x is as SIGINT */
	}
}
_Static_assert(STATUS_ESCAPE == STATUS_SIGNAL + SIGINT, "Ctrl-A x is as SIGINT");

unsigned failure_delay(unsigned failures)
{
	unsigned delay = 1;

	while (--failures > 0 && delay < FAILURE_MAX_DELAY)
		delay *= 2;
	return delay;
}

bool failure_wait(unsigned seconds, uint64_t signals)
{
	const struct timespec second = { .tv_sec = 1 };

	while (seconds > 0) {
		long number = sys_rt_sigtimedwait(&signals, NULL, &second, sizeof signals);

		if (number > 0 && failure_is_asked((int)number))
			return false;
		seconds -= number == -EAGAIN;
	}
	return true;
}
