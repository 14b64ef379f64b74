// SPDX-License-Identifier: MIT
/* vmm/host/event_loop.c with a fake kernel: which owners are called, when, and for which events. */
#include "reports.h"

#include "vmm/host/clock.h"
#include "vmm/host/event_loop.h"
#include "vmm/wake.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>

#define WAKE_FD 50
#define DAY_FD 51
#define MS 1000000ull
#define S (1000 * MS)

/* ---- the kernel, and time ---- */

static uint64_t now = 77 * S; /* nanoseconds */
static uint64_t behind;
static bool clock_stands;
static uint64_t asked_for; /* nanoseconds of the last ppoll */
static uint64_t
	passes; /* time that the call takes; the kernel reports at most the time asked for */
static short has_come[64]; /* events that are ready, by descriptor */
static bool interrupted;
static unsigned reads[64], wakes;
static nfds_t polled;

static bool look(struct pollfd *fds, nfds_t count)
{
	bool any = false;

	polled = count;
	for (nfds_t i = 0; i < count; i++) {
		assert_true(fds[i].fd >= 0 && fds[i].events != 0);
		fds[i].revents = (short)(has_come[fds[i].fd] & (fds[i].events | POLLHUP));
		any |= fds[i].revents != 0;
	}
	return any;
}

static long wait_for(struct pollfd *fds, nfds_t count, struct timespec *left)
{
	uint64_t rest;

	asked_for = (uint64_t)left->tv_sec * S + (uint64_t)left->tv_nsec;
	if (interrupted) {
		for (nfds_t i = 0; i < count; i++)
			fds[i].revents = POLLIN; /* undefined after EINTR */
		return -EINTR;
	}
	if (look(fds, count))
		return 1;
	now += passes;
	rest = passes < asked_for ? asked_for - passes : 0;
	left->tv_sec = (time_t)(rest / S);
	left->tv_nsec = (long)(rest % S);
	return 0;
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)d, (void)e, (void)f;
	switch (number) {
	case SYS_eventfd2:
		return WAKE_FD;
	case SYS_timerfd_create:
		return DAY_FD;
	case SYS_timerfd_settime:
		return 0;
	case SYS_ppoll:
		return wait_for((struct pollfd *)a, (nfds_t)b, (struct timespec *)c);
	case SYS_read:
		reads[a]++;
		has_come[a] = 0;
		return a == DAY_FD ? -ECANCELED : 8;
	default:
		fail_msg("system call %ld", number);
		return 0;
	}
}

void wake_loop(int wake)
{
	assert_int_equal(wake, WAKE_FD);
	wakes++;
}

uint64_t clock_ns(void)
{
	return now - behind;
}

uint64_t clock_host_ns(void)
{
	return now;
}

uint64_t clock_behind(void)
{
	return behind;
}

bool clock_is_stopped(void)
{
	return clock_stands;
}

void lock_acquire(struct lock *lock)
{
	assert_int_equal(lock->state++, 0);
}

void lock_release(struct lock *lock)
{
	assert_int_equal(lock->state--, 1);
}

const char *error_text(int error)
{
	return strerror(error);
}

int must_call(long result, const char *name)
{
	(void)name;
	assert_true(result >= 0);
	return (int)result;
}

/* ---- owners ---- */

#define TIMERS 20

static struct loop loop;
static struct owner {
	struct loop_source source;
	struct loop_timer timer;
	struct lock lock;
	short wanted, got;
	unsigned ready, expired, days;
} owners[TIMERS];

static short wanted(void *opaque)
{
	return ((struct owner *)opaque)->wanted;
}

static void ready(void *opaque, short events)
{
	struct owner *owner = opaque;

	owner->ready++;
	owner->got = events;
}

static void expire(void *opaque)
{
	struct owner *owner = opaque;

	assert_int_equal(owner->lock.state, 1);
	owner->expired++;
}

static void day_set(void *opaque)
{
	struct owner *owner = opaque;

	assert_int_equal(owner->lock.state, 1);
	owner->days++;
}

static int start(void **state)
{
	(void)state;
	memset(owners, 0, sizeof owners);
	memset(has_come, 0, sizeof has_come);
	memset(reads, 0, sizeof reads);
	behind = wakes = 0;
	passes = 0;
	clock_stands = interrupted = false;
	loop_create(&loop);
	for (unsigned i = 0; i < TIMERS; i++) {
		struct owner *owner = &owners[i];

		owner->source = (struct loop_source){
			.fd = (int)i, .events = wanted, .ready = ready, .context = owner
		};
		owner->timer = (struct loop_timer){ .expire = expire,
						    .context = owner,
						    .lock = &owner->lock };
	}
	return 0;
}

static void set(unsigned i, uint64_t nanoseconds)
{
	lock_acquire(&owners[i].lock);
	loop_set_timer(&owners[i].timer, 0, nanoseconds);
	lock_release(&owners[i].lock);
}

/* ---- tests ---- */

/* Only wanted events are waited for, and only owners of ready descriptors are called. */
static void test_sources(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		loop_add_source(&loop, &owners[i].source);
	owners[0].wanted = POLLIN;
	owners[1].wanted = POLLIN | POLLOUT;
	owners[3].wanted = POLLIN;
	owners[3].source.fd = -1;
	for (unsigned i = 0; i < 4; i++)
		has_come[i] = POLLIN | POLLOUT | POLLHUP;
	loop_wait(&loop, LOOP_NEVER);
	assert_int_equal(polled, 2 + 2); /* and two of the loop itself */
	assert_int_equal(owners[0].got, POLLIN | POLLHUP);
	assert_int_equal(owners[1].got, POLLIN | POLLOUT | POLLHUP);
	assert_int_equal(owners[0].ready + owners[1].ready, 2);
	assert_int_equal(owners[2].ready + owners[3].ready, 0);
	owners[2].source.events = NULL; /* always waits for input */
	owners[0].wanted = owners[1].wanted = 0;
	loop_wait(&loop, LOOP_NEVER);
	assert_int_equal(owners[2].ready, 1);
	assert_int_equal(owners[0].ready + owners[1].ready, 2);
}

/* After an interruption by a signal, revents is ignored. */
static void test_interrupted(void **state)
{
	(void)state;
	loop_add_source(&loop, &owners[0].source);
	owners[0].wanted = POLLIN;
	interrupted = true;
	loop_wait(&loop, LOOP_NEVER);
	assert_int_equal(owners[0].ready, 0);
}

static void test_wake(void **state)
{
	(void)state;
	has_come[WAKE_FD] = POLLIN;
	loop_turn(&loop);
	assert_int_equal(reads[WAKE_FD], 1);
	loop_turn(&loop);
	assert_int_equal(reads[WAKE_FD], 1);
}

/* Each timer expires once, when it is due, with its lock held; the loop waits for the next one. */
static void test_timers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TIMERS; i++)
		loop_add_timer(&loop, &owners[i].timer);
	for (unsigned i = 0; i < TIMERS; i++)
		set(i, (1 + i * 7 % TIMERS) * MS);
	loop_turn(&loop);
	assert_int_equal(asked_for, MS);
	passes = MS;
	for (unsigned time = 1; time <= TIMERS; time++) {
		loop_turn(&loop);
		for (unsigned i = 0; i < TIMERS; i++)
			assert_int_equal(owners[i].expired, 1 + i * 7 % TIMERS < time);
	}
	loop_turn(&loop);
	assert_int_equal(loop_timer_left(&owners[0].timer, 0), LOOP_NEVER);
	assert_true(asked_for >= 60 * S);
}

/* Setting a timer wakes the loop only if it is to expire earlier than before. */
static void test_set(void **state)
{
	(void)state;
	loop_add_timer(&loop, &owners[0].timer);
	set(0, LOOP_NEVER);
	assert_int_equal(wakes, 0);
	set(0, 5 * MS);
	assert_int_equal(wakes, 1);
	set(0, 9 * MS);
	assert_int_equal(wakes, 1);
	assert_int_equal(loop_timer_left(&owners[0].timer, 0), 9 * MS);
	set(0, 2 * MS);
	assert_int_equal(wakes, 2);
	now += 3 * MS;
	assert_int_equal(loop_timer_left(&owners[0].timer, 0), 0);
	set(0, LOOP_NEVER);
	assert_int_equal(wakes, 2);
	loop_turn(&loop);
	assert_int_equal(owners[0].expired, 0);
}

/* Adding a timer again, as a reset does, only switches it off. */
static void test_add_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		loop_add_timer(&loop, &owners[i].timer);
	for (unsigned i = 0; i < 3; i++)
		set(i, MS);
	for (unsigned i = 0; i < 3; i++)
		loop_add_timer(&loop, &owners[i].timer);
	now += 2 * MS;
	loop_turn(&loop);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(owners[i].expired, 0);
	set(1, 0);
	loop_turn(&loop);
	assert_int_equal(owners[1].expired, 1);
}

/* While the guest's time stands still no timer expires; then owners that use the time of day are
 * called.
 */
static void test_guest_time(void **state)
{
	(void)state;
	owners[1].timer.day_set = day_set;
	for (unsigned i = 0; i < 2; i++)
		loop_add_timer(&loop, &owners[i].timer);
	set(0, MS);
	clock_stands = true;
	now += 5 * MS;
	loop_turn(&loop);
	assert_int_equal(owners[0].expired, 0);
	assert_true(asked_for >= 60 * S);
	clock_stands = false;
	behind = 5 * MS;
	loop_turn(&loop);
	assert_int_equal(owners[0].expired, 0);
	assert_int_equal(asked_for, MS);
	assert_int_equal(owners[1].days, 1);
	loop_turn(&loop);
	assert_int_equal(owners[1].days, 1);
	has_come[DAY_FD] = POLLIN; /* the wall clock was set */
	loop_turn(&loop);
	assert_int_equal(owners[1].days, 2);
	assert_int_equal(owners[0].days, 0);
}

/* Of the time that the thread has neither waited nor could lose by scheduling the process was
 * suspended, in ppoll or elsewhere. */
static void test_stop(void **state)
{
	(void)state;
	loop_was_busy(&loop);
	passes = 10 * MS;
	loop_wait(&loop, 10 * MS);
	assert_int_equal(loop_take_suspension(&loop), 0);
	passes = 5 * S;
	loop_wait(&loop, S);
	assert_in_range(loop_take_suspension(&loop), 3740 * MS, 3760 * MS);
	assert_int_equal(loop_take_suspension(&loop), 0);
	now += 4 * S;
	assert_in_range(loop_take_suspension(&loop), 3740 * MS, 3760 * MS);
	now += 250 * MS; /* the vCPUs may have run instead */
	assert_int_equal(loop_take_suspension(&loop), 0);
	now += 4 * S; /* the guest stood still */
	loop_was_busy(&loop);
	assert_int_equal(loop_take_suspension(&loop), 0);
	loop_wait(&loop, S);
	passes = S;
	loop_wait(&loop, S); /* too long ago to count */
	assert_int_equal(loop_take_suspension(&loop), 0);
}

/* A timer of the host's time expires when the guest's stands still, and when guest timers do not
 * matter. */
static void test_host_time(void **state)
{
	(void)state;
	owners[1].timer.is_host_time = true;
	loop_add_timer(&loop, &owners[0].timer);
	loop_add_timer(&loop, &owners[1].timer);
	set(0, 2 * MS);
	set(1, 3 * MS);
	assert_int_equal(loop_timer_left(&owners[1].timer, 0), 3 * MS);
	loop_turn(&loop);
	assert_int_equal(asked_for, 2 * MS);
	clock_stands = true;
	loop_turn(&loop);
	assert_int_equal(asked_for, 3 * MS);
	loop_wait(&loop, 1 * MS);
	assert_int_equal(asked_for, 1 * MS);
	behind = now += 3 * MS;
	loop_wait(&loop, 7 * MS);
	assert_int_equal(asked_for, 7 * MS);
	assert_int_equal(owners[1].expired, 1);
	clock_stands = false;
	loop_turn(&loop);
	assert_int_equal(owners[0].expired, 0);
	assert_int_equal(owners[1].expired, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sources, start),
		cmocka_unit_test_setup(test_interrupted, start),
		cmocka_unit_test_setup(test_wake, start),
		cmocka_unit_test_setup(test_timers, start),
		cmocka_unit_test_setup(test_set, start),
		cmocka_unit_test_setup(test_add_again, start),
		cmocka_unit_test_setup(test_guest_time, start),
		cmocka_unit_test_setup(test_stop, start),
		cmocka_unit_test_setup(test_host_time, start),
	};

	return RUN(tests);
}
