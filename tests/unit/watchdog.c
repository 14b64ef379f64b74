// SPDX-License-Identifier: MIT
/* vmm/machine/watchdog.c: when there is a beat, and when there is none. */
#include "reports.h"

#include "vmm/host/clock.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine/exits.h"
#include "vmm/machine/watchdog.h"

#include <signal.h>

#define CPUS 3

static struct vcpu vcpus[CPUS];
static struct run run;
static struct watchdog watchdog;
static uint32_t beats;
static unsigned kicks, handlers;
static uint64_t set_to; /* nanoseconds, of the timer */

void lock_acquire(struct lock *lock)
{
	assert_int_equal(lock->state++, 0);
}

void lock_release(struct lock *lock)
{
	assert_int_equal(lock->state--, 1);
}

void loop_add_timer(struct loop *loop, struct loop_timer *timer)
{
	assert_ptr_equal(loop, &run.loop);
	assert_true(timer->is_host_time);
	timer->deadline = LOOP_NEVER;
}

void loop_set_timer(void *timer, unsigned number, uint64_t nanoseconds)
{
	(void)number;
	assert_int_equal(((struct loop_timer *)timer)->lock->state, 1);
	((struct loop_timer *)timer)->deadline = set_to = nanoseconds;
}

void vcpu_kick(struct vcpu *vcpu)
{
	assert_false(vcpu->answered);
	kicks++;
}

int signal_catch(int number, void (*handler)(int number, siginfo_t *info, void *context))
{
	assert_int_equal(number, SIGABRT);
	handlers += handler != NULL;
	return 0;
}

int kvm_check(int result, const char *name)
{
	(void)name;
	return result;
}

const char *exit_name(unsigned reason)
{
	(void)reason;
	return "";
}

static void start(uint32_t *shared)
{
	memset(vcpus, 0, sizeof vcpus);
	run = (struct run){ .vcpus = vcpus, .cpus = CPUS };
	beats = kicks = handlers = 0;
	set_to = 0;
	watchdog_create(&watchdog, &run, shared, 8);
	watchdog_start(&watchdog);
}

/* So many CPUs answer, and the timer expires. Is there a beat? */
static bool turn(unsigned answers)
{
	uint32_t before = beats;

	for (unsigned i = 0; i < answers; i++)
		vcpus[i].answered = true;
	lock_acquire(&watchdog.lock);
	watchdog.timer.expire(watchdog.timer.context);
	lock_release(&watchdog.lock);
	assert_int_equal(set_to, 2 * NS_PER_S); /* four in the time that there is */
	return beats != before;
}

static void test_answers(void **state)
{
	(void)state;
	start(&beats);
	assert_int_equal(beats, 1);
	assert_int_equal(kicks, CPUS);
	assert_int_equal(handlers, 1);
	assert_true(turn(CPUS));
	assert_int_equal(kicks, 2 * CPUS);
	/* It counts as one kick until all have answered. */
	assert_false(turn(CPUS - 1));
	assert_false(turn(0));
	assert_int_equal(kicks, 2 * CPUS);
	assert_true(turn(CPUS));
	assert_false(turn(0));
}

/* Who waits for output or for a debugger is not asked, nor is anybody after the end. */
static void test_waits(void **state)
{
	static const uint32_t gates[] = { PAUSE_ASKED, PAUSED, HELD_BY_CONSOLE, HELD_BY_TRACE };

	(void)state;
	for (size_t i = 0; i < sizeof gates / sizeof *gates; i++) {
		start(&beats);
		assert_false(turn(1));
		run.entry_gate = gates[i];
		assert_true(turn(0));
		run.entry_gate = 0;
		assert_false(turn(0));
		assert_true(turn(CPUS));
	}
	start(&beats);
	run.end = END_WORD(ENDED, 0);
	assert_true(turn(0));
	assert_int_equal(kicks, CPUS);
	/* The next run goes on with the same timer. */
	watchdog_start(&watchdog);
	assert_int_equal(kicks, CPUS);
}

static void test_off(void **state)
{
	(void)state;
	start(NULL);
	assert_int_equal(kicks + handlers, 0);
	assert_int_equal(set_to, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_off),
	};

	return RUN(tests);
}
