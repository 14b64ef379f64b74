// SPDX-License-Identifier: MIT
/*
 * The event loop. Who calls it: machine.c. Touches the console and, under their locks, devices
 * whose timers run out.
 */
#include "event_loop.h"

#include "crt/sys.h"
#include "vmm/debug/gdb.h"
#include "vmm/report.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>

void loop_wake(int wake)
{
	uint64_t one = 1;
	int result = write_all(wake, &one, sizeof one);

	if (result < 0)
		die(STATUS_HOST, "eventfd: %s", error_text(-result));
}

void loop_set_timer(void *opaque, unsigned number, uint64_t nanoseconds)
{
	struct loop *loop = opaque;
	struct loop_timer *timer = &loop->timers[number];
	uint64_t before = timer->deadline;

	if (before == TIMER_OFF && nanoseconds == TIMER_OFF)
		return;
	timer->deadline = nanoseconds == TIMER_OFF ? TIMER_OFF : clock_ns() + nanoseconds;
	/* One that is later than before, or off, is found out when the loop wakes for what was
	 * before. */
	if (timer->deadline < before)
		loop_wake(loop->wake);
}

uint64_t loop_timer_left(void *opaque, unsigned number)
{
	const struct loop *loop = opaque;
	uint64_t deadline = loop->timers[number].deadline, time = clock_ns();

	if (deadline == TIMER_OFF)
		return TIMER_OFF;
	return deadline > time ? deadline - time : 0;
}

/* Tells the devices whose timers have run out. The time until the next does, or TIMER_OFF. */
static uint64_t expire_timers(struct loop *loop)
{
	uint64_t next = TIMER_OFF;
	uint64_t time = clock_ns();

	/* They go by the guest's time. */
	if (clock_is_stopped())
		return TIMER_OFF;
	for (unsigned i = 0; i < LOOP_TIMERS; i++) {
		struct loop_timer *timer = &loop->timers[i];

		lock_acquire(timer->device_lock);
		if (timer->deadline <= time) {
			timer->deadline = TIMER_OFF;
			timer->ops->expire(timer->device);
		}
		if (timer->deadline < next)
			next = timer->deadline;
		lock_release(timer->device_lock);
	}
	if (next == TIMER_OFF)
		return TIMER_OFF;
	return next > time ? next - time : 0;
}

static void wait(struct loop *loop, uint64_t nanoseconds)
{
	struct pollfd fds[] = {
		{ .fd = loop->wake, .events = POLLIN },
		{ .fd = console_wants_input(loop->console) ? 0 : -1, .events = POLLIN },
		{ .fd = console_has_output(loop->console) ? 1 : -1, .events = POLLOUT },
		{ .fd = loop->sigterm, .events = POLLIN },
		{ .fd = loop->gdb ? gdb_fd(loop->gdb) : -1, .events = POLLIN },
	};
	struct timespec timeout = {
		.tv_sec = (time_t)(nanoseconds / NS_PER_S),
		.tv_nsec = (long)(nanoseconds % NS_PER_S),
	};

	if (sys_ppoll(fds, ARRAY_SIZE(fds), nanoseconds == TIMER_OFF ? NULL : &timeout, NULL, 0) <=
	    0)
		return; /* a timer, or a signal: looked at next */
	if (fds[0].revents) {
		uint64_t count;

		sys_read(loop->wake, &count, sizeof count);
	}
	if (fds[1].revents)
		console_read(loop->console);
	if (fds[2].revents)
		console_flush(loop->console);
	if (fds[3].revents) /* for good: it is not read */
		console_end(loop->console, STATUS_SIGNAL + SIGTERM);
	if (fds[4].revents)
		gdb_input(loop->gdb);
}

void loop_run(struct loop *loop)
{
	while (run_goes_on(loop->run)) {
		console_feed(loop->console);
		if (loop->gdb && run_pause_asked(loop->run))
			gdb_stopped(loop->gdb);
		wait(loop, expire_timers(loop));
	}
}

void loop_create(struct loop *loop, struct run *run, struct console *console)
{
	long wake = sys_eventfd2(0, EFD_CLOEXEC);

	if (wake < 0)
		die(status_of_error((int)-wake), "eventfd: %s", error_text((int)-wake));
	*loop = (struct loop){ .wake = (int)wake, .run = run, .console = console };
	run->wake = loop->wake;
}

/* Others may be ignored by whoever started us, as by nohup(1): taken like this they would not be.
 */
void loop_take_sigterm(struct loop *loop)
{
	const uint64_t sigterm = 1ull << (SIGTERM - 1);
	long result = sys_rt_sigprocmask(SIG_BLOCK, &sigterm, NULL, sizeof sigterm);

	if (result >= 0)
		result = sys_signalfd4(-1, &sigterm, sizeof sigterm, SFD_CLOEXEC);
	if (result < 0)
		die(status_of_error((int)-result), "signalfd: %s", error_text((int)-result));
	loop->sigterm = (int)result;
}

void loop_add_timer(struct loop *loop, unsigned number, const struct device_ops *ops, void *device,
		    struct lock *lock)
{
	loop->timers[number] = (struct loop_timer){
		.deadline = TIMER_OFF,
		.ops = ops,
		.device = device,
		.device_lock = lock,
	};
}
