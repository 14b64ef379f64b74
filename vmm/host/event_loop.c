// SPDX-License-Identifier: MIT
/* The event loop. Who calls it: serve.c runs it, others add to it. Touches its own descriptors, and
 * timers with their locks held. */
#include "event_loop.h"

#include "clock.h"
#include "crt/sys.h"
#include "vmm/report.h"
#include "vmm/wake.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

/* ---- timers ---- */

void loop_add_timer(struct loop *loop, struct loop_timer *timer)
{
	timer->deadline = LOOP_NEVER;
	if (timer->loop)
		return;
	timer->loop = loop;
	timer->next = loop->timers;
	loop->timers = timer;
}

static uint64_t time_of(const struct loop_timer *timer)
{
	return timer->is_host_time ? clock_host_ns() : clock_ns();
}

void loop_set_timer(void *opaque, unsigned number, uint64_t nanoseconds)
{
	struct loop_timer *timer = opaque;
	uint64_t before = timer->deadline;

	(void)number;
	if (before == LOOP_NEVER && nanoseconds == LOOP_NEVER)
		return;
	__atomic_store_n(&timer->deadline,
			 nanoseconds == LOOP_NEVER ? LOOP_NEVER : time_of(timer) + nanoseconds,
			 __ATOMIC_RELAXED);
	/* No wake-up for a later deadline: the loop notices it when it wakes at the earlier one. */
	if (timer->deadline < before)
		wake_loop(timer->loop->wake);
}

uint64_t loop_timer_left(void *opaque, unsigned number)
{
	const struct loop_timer *timer = opaque;
	uint64_t time = time_of(timer);

	(void)number;
	if (timer->deadline == LOOP_NEVER)
		return LOOP_NEVER;
	return timer->deadline > time ? timer->deadline - time : 0;
}

static void report_day_set(const struct loop *loop)
{
	for (struct loop_timer *timer = loop->timers; timer; timer = timer->next) {
		if (!timer->day_set)
			continue;
		lock_acquire(timer->lock);
		timer->day_set(timer->context);
		lock_release(timer->lock);
	}
}

/* Calls owners of expired timers, of the host's time or of the guest's. Returns nanoseconds until
 * the next of them expires, or LOOP_NEVER. */
static uint64_t expire_timers(struct loop *loop, bool of_host)
{
	uint64_t next = LOOP_NEVER;
	uint64_t time = of_host ? clock_host_ns() : clock_ns();

	for (struct loop_timer *timer = loop->timers; timer; timer = timer->next) {
		/* Who sets it wakes the loop. */
		if (timer->is_host_time != of_host ||
		    __atomic_load_n(&timer->deadline, __ATOMIC_RELAXED) == LOOP_NEVER)
			continue;
		lock_acquire(timer->lock);
		if (timer->deadline <= time) {
			timer->deadline = LOOP_NEVER;
			timer->expire(timer->context);
		}
		if (timer->deadline < next)
			next = timer->deadline;
		lock_release(timer->lock);
	}
	if (next == LOOP_NEVER)
		return LOOP_NEVER;
	return next > time ? next - time : 0;
}

static uint64_t expire_guest_timers(struct loop *loop)
{
	if (clock_is_stopped())
		return LOOP_NEVER;
	if (loop->behind != clock_behind()) {
		loop->behind = clock_behind();
		report_day_set(loop);
	}
	return expire_timers(loop, false);
}

/* ---- descriptors ---- */

void loop_add_source(struct loop *loop, struct loop_source *source)
{
	if (loop->source_count++ == LOOP_SOURCES)
		__builtin_trap();
	source->next = loop->sources;
	loop->sources = source;
}

/* Seconds; a limit, because ppoll returns the time left only if there is one. */
#define MAX_WAIT 60

/* Waits for the descriptors, for at most so many nanoseconds. Returns how many it has waited, as
 * ppoll counts them. This clock and clock_host_ns are assumed to differ by less than 1 in 1,024. */
static uint64_t poll_all(struct pollfd *fds, size_t count, uint64_t nanoseconds)
{
	uint64_t max = MAX_WAIT * NS_PER_S, waited;
	struct timespec left;

	if (nanoseconds > max)
		nanoseconds = max;
	left = (struct timespec){
		.tv_sec = (time_t)(nanoseconds / NS_PER_S),
		.tv_nsec = (long)(nanoseconds % NS_PER_S),
	};
	if (sys_ppoll(fds, count, &left, NULL, 0) < 0)
		for (size_t i = 0; i < count; i++)
			fds[i].revents = 0; /* interrupted by a signal: nothing is ready */
	waited = nanoseconds - ((uint64_t)left.tv_sec * NS_PER_S + (uint64_t)left.tv_nsec);
	return waited + waited / 1024;
}

/*
 * A suspension of the process (SIGSTOP) shows as elapsed time that this thread has not waited. Of
 * that, so much may be due to scheduling, while vCPUs were running: it is not taken from the
 * guest's time, which would go backwards.
 */
#define SCHEDULING_NS (NS_PER_S / 4)

static void look_for_suspension(struct loop *loop, uint64_t waited)
{
	uint64_t before = loop->looked;

	loop->looked = clock_host_ns();
	if (loop->looked - before <= waited + SCHEDULING_NS)
		return;
	loop->suspended = loop->looked - before - waited - SCHEDULING_NS;
	loop->noticed = loop->looked;
}

void loop_wait(struct loop *loop, uint64_t nanoseconds)
{
	struct pollfd fds[LOOP_SOURCES];
	const struct loop_source *sources[LOOP_SOURCES];
	size_t count = 0;
	uint64_t next = expire_timers(loop, true);

	for (struct loop_source *source = loop->sources; source; source = source->next) {
		short events = POLLIN;

		if (source->events)
			events = source->events(source->context);
		if (source->fd < 0 || !events)
			continue;
		fds[count] = (struct pollfd){ .fd = source->fd, .events = events };
		sources[count++] = source;
	}
	look_for_suspension(loop, poll_all(fds, count, next < nanoseconds ? next : nanoseconds));
	for (size_t i = 0; i < count; i++)
		if (fds[i].revents)
			sources[i]->ready(sources[i]->context, fds[i].revents);
}

void loop_turn(struct loop *loop)
{
	loop_wait(loop, expire_guest_timers(loop));
}

void loop_was_busy(struct loop *loop)
{
	loop->looked = clock_host_ns();
	loop->suspended = 0;
}

/* Within this time the first vCPU reports that the process was suspended. */
#define NOTICE_NS NS_PER_S

uint64_t loop_take_suspension(struct loop *loop)
{
	uint64_t suspended;

	look_for_suspension(loop, 0);
	suspended = loop->suspended;
	loop->suspended = 0;
	return loop->looked - loop->noticed < NOTICE_NS ? suspended : 0;
}

/* ---- its own descriptors ---- */

static void on_wake(void *opaque, short events)
{
	const struct loop *loop = opaque;
	uint64_t count;

	(void)events;
	sys_read(loop->wake, &count, sizeof count);
}

/* A timerfd that is never due, and that the kernel cancels when the wall clock is set. */
static int watch_day(void)
{
	const struct itimerspec never = { .it_value = { .tv_sec = 1LL << 33 } };
	int fd = must_call(sys_timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC), "timerfd");

	must_call(
		sys_timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL),
		"timerfd");
	return fd;
}

static void on_day_set(void *opaque, short events)
{
	const struct loop *loop = opaque;
	uint64_t count;

	(void)events;
	sys_read(loop->day.fd, &count, sizeof count); /* fails with ECANCELED */
	report_day_set(loop);
}

void loop_become_batch(void)
{
	static const int priority = 0;

	(void)sys_sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &priority);
}

void loop_create(struct loop *loop)
{
	int wake = must_call(sys_eventfd2(0, EFD_CLOEXEC), "eventfd");

	*loop = (struct loop){
		.wake = wake,
		.woken = { .fd = wake, .ready = on_wake, .context = loop },
		.day = { .fd = watch_day(), .ready = on_day_set, .context = loop },
	};
	loop_add_source(loop, &loop->woken);
	loop_add_source(loop, &loop->day);
}
