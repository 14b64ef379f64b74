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
#include <sys/timerfd.h>
#include <time.h>

#define NS_PER_MS (NS_PER_S / 1000)

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

/* The time of day is another one than before, seen from the timers' time. */
static void report_day_set(struct loop *loop)
{
	for (unsigned i = 0; i < LOOP_TIMERS; i++) {
		struct loop_timer *timer = &loop->timers[i];

		if (!timer->ops->day_set)
			continue;
		lock_acquire(timer->device_lock);
		timer->ops->day_set(timer->device);
		lock_release(timer->device_lock);
	}
}

/* Tells the devices whose timers have run out. The time until the next does, or TIMER_OFF. */
static uint64_t expire_timers(struct loop *loop)
{
	uint64_t next = TIMER_OFF;
	uint64_t time = clock_ns();

	/* They go by the guest's time. */
	if (clock_is_stopped())
		return TIMER_OFF;
	if (loop->behind != clock_behind()) {
		loop->behind = clock_behind();
		report_day_set(loop);
	}
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

#define LONGEST_WAIT                                                                               \
	3600 /* seconds: an end that is far away, for the kernel to say how much is left */
#define SHORTEST_STOP (NS_PER_S / 10) /* less may be the scheduler's */

/*
 * Waits for what the descriptors say, at most so many nanoseconds. For how long the process was
 * stopped meanwhile, or 0: then more time has passed than the kernel says that was waited, which
 * does not count a stop. That is by another clock than ours: they differ by less than one in 1,024.
 */
static uint64_t poll_all(struct pollfd *fds, size_t count, uint64_t nanoseconds)
{
	uint64_t most = LONGEST_WAIT * NS_PER_S, before = clock_host_ns(), waited, elapsed;
	struct timespec left;

	if (nanoseconds > most)
		nanoseconds = most;
	left = (struct timespec){
		.tv_sec = (time_t)(nanoseconds / NS_PER_S),
		.tv_nsec = (long)(nanoseconds % NS_PER_S),
	};
	if (sys_ppoll(fds, count, &left, NULL, 0) < 0)
		for (size_t i = 0; i < count; i++)
			fds[i].revents = 0; /* a signal: looked at next */
	waited = nanoseconds - ((uint64_t)left.tv_sec * NS_PER_S + (uint64_t)left.tv_nsec);
	waited += waited / 1024;
	elapsed = clock_host_ns() - before;
	return elapsed > waited + SHORTEST_STOP ? elapsed - waited : 0;
}

/* Lines that were lost are reported now that there is room for that. */
static void flush(struct loop *loop, struct outlet *outlet)
{
	unsigned lost = outlet_flush(outlet);

	if (lost)
		report("%s has stalled: %u lines are lost", outlet->name, lost);
	if (outlet == &loop->console->output)
		console_ready(loop->console);
}

/* What the loop waits for; outlets come after these. */
enum { WAKE, INPUT, SIGTERM_FD, GDB, DAY, FIRST_OUTLET };

/* Does what has come. */
static void serve(struct loop *loop, const struct pollfd *fds)
{
	uint64_t count;

	if (fds[WAKE].revents)
		sys_read(loop->wake, &count, sizeof count);
	if (fds[INPUT].revents)
		console_read(loop->console);
	for (unsigned i = 0; i < loop->outlet_count; i++)
		if (fds[FIRST_OUTLET + i].revents)
			flush(loop, loop->outlets[i]);
	if (fds[SIGTERM_FD].revents) /* for good: it is not read */
		console_end(loop->console, STATUS_SIGNAL + SIGTERM);
	if (fds[GDB].revents)
		gdb_input(loop->gdb);
	if (fds[DAY].revents) {
		sys_read(loop->day, &count, sizeof count); /* fails with ECANCELED */
		report_day_set(loop);
	}
}

/*
 * Waits at most so many nanoseconds, and does what has come; a run that the user has ended waits
 * for output only. `any`: whether something has come. For how long the process was stopped
 * meanwhile.
 */
static uint64_t wait(struct loop *loop, uint64_t nanoseconds, bool *any)
{
	bool over = run_how_ended(loop->run) == STOPPED;
	struct pollfd fds[FIRST_OUTLET + LOOP_OUTLETS] = {
		[WAKE] = { .fd = loop->wake, .events = POLLIN },
		[INPUT] = { .fd = !over && console_wants_input(loop->console) ? 0 : -1,
			    .events = POLLIN },
		[SIGTERM_FD] = { .fd = over ? -1 : loop->sigterm, .events = POLLIN },
		[GDB] = { .fd = loop->gdb ? gdb_fd(loop->gdb) : -1, .events = POLLIN },
		[DAY] = { .fd = loop->day, .events = POLLIN },
	};
	size_t count = FIRST_OUTLET + loop->outlet_count;
	uint64_t stopped;

	for (unsigned i = 0; i < loop->outlet_count; i++) {
		struct outlet *outlet = loop->outlets[i];

		fds[FIRST_OUTLET + i] = (struct pollfd){
			.fd = outlet_waits(outlet) ? outlet->fd : -1,
			.events = POLLOUT,
		};
	}
	stopped = poll_all(fds, count, nanoseconds);
	*any = false;
	for (size_t i = 0; i < count; i++)
		*any |= fds[i].revents != 0;
	serve(loop, fds);
	return stopped;
}

#define NOTICE_NS NS_PER_S /* in which the first CPU notices that it was stopped, if it was */

/* A debugger's, or because the process was stopped: then the guest's time is what it was. */
static void complete_pause(struct loop *loop)
{
	struct run *run = loop->run;
	bool stopped = loop->stopped && clock_host_ns() - loop->noticed < NOTICE_NS;

	if (stopped && !run->paused && run_pause_after_stop(run))
		clock_set_back(loop->stopped);
	loop->stopped = 0;
	run_pause(run);
	if (loop->gdb)
		gdb_stopped(loop->gdb);
	else
		run_resume(run);
}

void loop_run(struct loop *loop)
{
	/* Once at least: a guest that resets itself at once shall not keep the user from ending it.
	 * Whoever ended it has woken the loop, too. */
	do {
		uint64_t stopped;
		bool any;

		console_feed(loop->console);
		if (run_pause_asked(loop->run))
			complete_pause(loop);
		stopped = wait(loop, expire_timers(loop), &any);
		if (stopped) {
			loop->stopped = stopped;
			loop->noticed = clock_host_ns();
		}
	} while (run_goes_on(loop->run));
}

/* What a system call returned; dies if that is a negative errno. */
static int must(long result, const char *name)
{
	if (result < 0)
		die(status_of_error((int)-result), "%s: %s", name, error_text((int)-result));
	return (int)result;
}

/* A timer that is never due, and that the kernel cancels whenever somebody sets the time of day. */
static int watch_day(void)
{
	const struct itimerspec never = { .it_value = { .tv_sec = 1LL << 33 } };
	int fd = must(sys_timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC), "timerfd");

	must(sys_timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL),
	     "timerfd");
	return fd;
}

static bool output_waits(const struct loop *loop)
{
	for (unsigned i = 0; i < loop->outlet_count; i++)
		if (outlet_waits(loop->outlets[i]))
			return true;
	return false;
}

void loop_finish(struct loop *loop)
{
	bool taken = true;

	loop->gdb = NULL; /* it has been told */
	while (output_waits(loop) && (taken || run_how_ended(loop->run) != STOPPED)) {
		bool stopped = run_how_ended(loop->run) == STOPPED;

		console_guest_is_over(loop->console);
		wait(loop, stopped ? OUTLET_PATIENCE_MS * NS_PER_MS : TIMER_OFF, &taken);
	}
}

void loop_add_outlet(struct loop *loop, struct outlet *outlet, void *ring, unsigned size,
		     unsigned hold_at, uint32_t held)
{
	outlet->run = loop->run;
	outlet->ring = ring;
	outlet->size = size;
	outlet->hold_at = hold_at;
	outlet->held = held;
	loop->outlets[loop->outlet_count++] = outlet;
}

void loop_create(struct loop *loop, struct run *run, struct console *console)
{
	*loop = (struct loop){
		.wake = must(sys_eventfd2(0, EFD_CLOEXEC), "eventfd"),
		.day = watch_day(),
		.run = run,
		.console = console,
	};
	run->wake = loop->wake;
}

/* Others may be ignored by whoever started us, as by nohup(1): taken like this they would not be.
 */
void loop_take_sigterm(struct loop *loop)
{
	const uint64_t sigterm = 1ull << (SIGTERM - 1);

	must(sys_rt_sigprocmask(SIG_BLOCK, &sigterm, NULL, sizeof sigterm), "signalfd");
	loop->sigterm = must(sys_signalfd4(-1, &sigterm, sizeof sigterm, SFD_CLOEXEC), "signalfd");
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
