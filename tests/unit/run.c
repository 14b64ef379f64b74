// SPDX-License-Identifier: MIT
/* vmm/machine/run.c with CPUs that are threads: who enters the guest when, and whose end counts. */
#include "reports.h"

#include "vmm/host/clock.h"
#include "vmm/host/event_loop.h"
#include "vmm/host/sandbox.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine/exits.h"

#include <pthread.h>
#include <unistd.h>

#define CPUS 4
#define ROUNDS 200

/* ---- crt, with one condition for all futexes ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

void futex_wait(uint32_t *word, uint32_t value)
{
	pthread_mutex_lock(&mutex);
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
}

void futex_wake_all(uint32_t *word)
{
	(void)word;
	pthread_mutex_lock(&mutex);
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static struct {
	void (*function)(void *);
	void *argument;
} starts[CPUS];
static unsigned threads;

static void *run_thread(void *start)
{
	starts[(size_t)start].function(starts[(size_t)start].argument);
	return NULL;
}

int thread_start(uint32_t *id, void (*function)(void *), void *argument)
{
	pthread_t thread;
	size_t number = threads++;

	*id = (uint32_t)number;
	starts[number].function = function;
	starts[number].argument = argument;
	assert_int_equal(pthread_create(&thread, NULL, run_thread, (void *)number), 0);
	pthread_detach(thread);
	return 0;
}

const char *error_text(int error)
{
	return strerror(error);
}

/* ---- what else runs call ---- */

static unsigned wakes;

void loop_wake(int wake)
{
	(void)wake;
	__atomic_add_fetch(&wakes, 1, __ATOMIC_RELAXED);
}

uint64_t clock_guest_counter(void)
{
	return 0;
}

void clock_stop(void)
{
}

bool clock_start(void)
{
	return false;
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	fail_msg("no system call is made");
	return 0;
}

void sandbox_filter(unsigned roles)
{
	(void)roles;
	fail_msg("no sandbox was asked for");
}

enum status status_of_error(int error)
{
	(void)error;
	return STATUS_HOST;
}

/* ---- CPUs ---- */

static struct vcpu vcpus[CPUS];
static struct kvm_run kvm_runs[CPUS];
static struct run run;
static unsigned inside; /* CPUs that have entered the guest, or will without being kept from it */
static bool too_early;
static unsigned first_runs;

void vcpu_kick(struct vcpu *vcpu)
{
	(void)vcpu;
}

void vcpu_accept_continue(void)
{
}

void vcpu_set_counter(const struct vcpu *vcpu, uint64_t value)
{
	assert_ptr_equal(vcpu, vcpus);
	assert_int_equal(value, 0);
}

/* As long as it takes, nobody is in the guest: those that wrongly may have the time to be. */
void run_first_entry(struct vcpu *vcpu)
{
	assert_ptr_equal(vcpu, vcpus);
	usleep(20000);
	too_early |= __atomic_load_n(&inside, __ATOMIC_SEQ_CST) != 0;
	first_runs++;
}

void run_vcpu(struct vcpu *vcpu)
{
	__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
	futex_wait(&vcpu->guest->end, RUNNING);
	__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
}

static void make_run(unsigned cpus)
{
	run = (struct run){ .vcpus = vcpus, .cpus = cpus };
	threads = 0;
	for (unsigned i = 0; i < cpus; i++)
		vcpus[i] = (struct vcpu){ .index = i, .guest = &run, .run = &kvm_runs[i] };
}

/* ---- tests ---- */

/* KVM's interrupt controller is there before a CPU is: after each start. */
static void test_first_run(void **state)
{
	(void)state;
	make_run(CPUS);
	run_start_threads(&run);
	for (unsigned i = 1; i <= 5; i++) {
		run_start(&run);
		futex_wait(&run.ready, i - 1);
		run_end(&run, RESET, 0);
		futex_wake_all(&run.end);
		run_stop(&run);
		assert_false(too_early);
		assert_int_equal(first_runs, i);
		assert_int_equal(inside, 0);
	}
}

/* Whichever comes first, the higher rank counts, and of one rank the first. */
static void test_ranks(void **state)
{
	static const struct {
		enum end ends[3];
		int statuses[3];
		enum end wanted;
		int status;
	} rows[] = {
		{ { RESET }, { 0 }, RESET, STATUS_RESET },
		{ { ENDED }, { 7 }, ENDED, 7 },
		{ { RESET, ENDED }, { 0, 7 }, ENDED, 7 },
		{ { ENDED, RESET }, { 7, 0 }, ENDED, 7 },
		{ { ENDED, ENDED }, { 7, 8 }, ENDED, 7 },
		{ { RESET, STOPPED }, { 0, 130 }, STOPPED, 130 },
		{ { STOPPED, RESET }, { 130, 0 }, STOPPED, 130 },
		{ { ENDED, STOPPED }, { 255, 143 }, STOPPED, 143 },
		{ { STOPPED, ENDED }, { 143, 255 }, STOPPED, 143 },
		{ { STOPPED, STOPPED }, { 130, 143 }, STOPPED, 130 },
		{ { RESET, ENDED, STOPPED }, { 1, 0, 130 }, STOPPED, 130 },
		{ { RESET, RESET, ENDED }, { 1, 2, 0 }, ENDED, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		make_run(0);
		for (unsigned j = 0; j < 3 && rows[i].ends[j]; j++) {
			wakes = 0;
			run_end(&run, rows[i].ends[j], rows[i].statuses[j]);
			assert_false(run_goes_on(&run));
			assert_true(run.gate & OVER);
		}
		assert_int_equal(run_how_ended(&run), rows[i].wanted);
		assert_int_equal(run_status(&run), rows[i].status);
	}
}

/* What has come between two runs, or before the first, is no reset's to take back. */
static void test_start(void **state)
{
	static const struct {
		enum end before;
		bool goes_on;
	} rows[] = { { RUNNING, true }, { RESET, true }, { ENDED, false }, { STOPPED, false } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		make_run(0);
		run.gate = HELD | OVER;
		if (rows[i].before)
			run_end(&run, rows[i].before, 9);
		run_start(&run);
		assert_int_equal(run_goes_on(&run), rows[i].goes_on);
		if (!rows[i].goes_on)
			assert_int_equal(run_status(&run), 9);
		assert_int_equal(run.gate, HELD); /* the console's: it stays as it was */
	}
}

/* A pause that is asked for when the run has ended: nobody would end it. */
static void test_pause_at_the_end(void **state)
{
	(void)state;
	make_run(1);
	run_end(&run, RESET, 0);
	run_ask_pause(&run);
	run_wait_if_paused(&vcpus[0]);
	assert_int_equal(vcpus[0].paused, 0);
}

static void *reset_often(void *argument)
{
	(void)argument;
	for (unsigned i = 0; i < 1000; i++)
		run_end(&run, RESET, 0);
	return NULL;
}

/* A guest that resets itself on all CPUs, over and over, while somebody ends it. */
static void test_race(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		pthread_t resetter;

		make_run(0);
		assert_int_equal(pthread_create(&resetter, NULL, reset_often, NULL), 0);
		for (unsigned j = 0; j < i; j++)
			run_start(&run);
		run_end(&run, STOPPED, STATUS_ESCAPE);
		for (unsigned j = 0; j < i; j++)
			run_start(&run);
		pthread_join(resetter, NULL);
		assert_int_equal(run_how_ended(&run), STOPPED);
		assert_int_equal(run_status(&run), STATUS_ESCAPE);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranks),	  cmocka_unit_test(test_start),
		cmocka_unit_test(test_race),	  cmocka_unit_test(test_pause_at_the_end),
		cmocka_unit_test(test_first_run), /* its threads are there until the end */
	};

	return RUN(tests);
}
