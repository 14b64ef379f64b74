// SPDX-License-Identifier: MIT
/* vmm/machine/run.c with threads as vCPUs: when they enter the guest, and which end counts. */
#include "reports.h"

#include "vmm/host/clock.h"
#include "vmm/host/sandbox.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine/exits.h"
#include "vmm/machine/no_syndrome.h"
#include "vmm/wake.h"

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

static uint64_t now; /* nanoseconds */
static unsigned waits;
static void (*meanwhile)(void); /* called while someone waits with a limit; NULL: nothing */

uint64_t clock_host_ns(void)
{
	return now;
}

void futex_wait_at_most(uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	waits++;
	if (meanwhile)
		meanwhile();
	if (*word == value)
		now += nanoseconds;
}

const char *error_text(int error)
{
	return strerror(error);
}

/* ---- stubs ---- */

static unsigned wakes;

void wake_loop(int wake)
{
	(void)wake;
	__atomic_add_fetch(&wakes, 1, __ATOMIC_RELAXED);
}

void loop_was_busy(struct loop *loop)
{
	(void)loop;
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
static unsigned inside; /* vCPUs that are in the guest or about to enter it */
static bool too_early;
static unsigned first_runs;

static bool leaves_when_kicked;

void vcpu_kick(struct vcpu *vcpu)
{
	if (leaves_when_kicked)
		vcpu->guest->running--;
}

static unsigned completed;

void no_syndrome_complete(struct vcpu *vcpu)
{
	assert_int_equal(vcpu->index, completed);
	assert_int_equal(vcpu->guest->running, 0);
	completed++;
}

void vcpu_accept_continue(void)
{
}

void vcpu_set_counter(const struct vcpu *vcpu, uint64_t value)
{
	assert_ptr_equal(vcpu, vcpus);
	assert_int_equal(value, 0);
}

/* Checks for a while that no vCPU is in the guest, so that one that wrongly enters it is seen. */
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

/* At each start, KVM's interrupt controller is mapped before other vCPUs enter the guest. */
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
		run_finish(&run);
		assert_false(too_early);
		assert_int_equal(first_runs, i);
		assert_int_equal(inside, 0);
	}
}

/* The highest rank counts, whichever end comes first; within a rank the first end. */
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
		{ { RESET, ENDED_BY_USER }, { 0, 130 }, ENDED_BY_USER, 130 },
		{ { ENDED_BY_USER, RESET }, { 130, 0 }, ENDED_BY_USER, 130 },
		{ { ENDED, ENDED_BY_USER }, { 255, 143 }, ENDED_BY_USER, 143 },
		{ { ENDED_BY_USER, ENDED }, { 143, 255 }, ENDED_BY_USER, 143 },
		{ { ENDED_BY_USER, ENDED_BY_USER }, { 130, 143 }, ENDED_BY_USER, 130 },
		{ { RESET, ENDED, ENDED_BY_USER }, { 1, 0, 130 }, ENDED_BY_USER, 130 },
		{ { RESET, RESET, ENDED }, { 1, 2, 0 }, ENDED, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		make_run(0);
		for (unsigned j = 0; j < 3 && rows[i].ends[j]; j++) {
			wakes = 0;
			run_end(&run, rows[i].ends[j], rows[i].statuses[j]);
			assert_false(run_goes_on(&run));
			assert_true(run.entry_gate & OVER);
		}
		assert_int_equal(run_how_ended(&run), rows[i].wanted);
		assert_int_equal(run_status(&run), rows[i].status);
	}
}

/* An end that comes between two runs, or before the first, is not undone by the next start. */
static void test_start(void **state)
{
	static const struct {
		enum end before;
		bool goes_on;
	} rows[] = {
		{ RUNNING, true }, { RESET, true }, { ENDED, false }, { ENDED_BY_USER, false }
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		make_run(0);
		run.entry_gate = HELD | OVER | (i % 2 ? PAUSE_ASKED : 0);
		run.suspended = run.continued = true; /* before it: does not count */
		if (rows[i].before)
			run_end(&run, rows[i].before, 9);
		run_start(&run);
		assert_int_equal(run_goes_on(&run), rows[i].goes_on);
		if (!rows[i].goes_on)
			assert_int_equal(run_status(&run), 9);
		/* The console's bit outlasts the run, and a request for a pause does. */
		assert_int_equal(run.entry_gate, HELD | (i % 2 ? PAUSE_ASKED : 0));
		assert_false(run.suspended || run.continued);
	}
}

/* A pause that is requested when the run has ended must not hold a vCPU: nobody would resume it. */
static void test_pause_at_the_end(void **state)
{
	(void)state;
	make_run(1);
	run_end(&run, RESET, 0);
	run_ask_pause(&run);
	run_wait_if_paused(&vcpus[0]);
	assert_int_equal(vcpus[0].paused, 0);
}

/* A request is answered by the pause that is completed after it. One that comes later, such as a
 * signal's, asks for another; a pause for a dump answers none. */
static void test_request_in_pause(void **state)
{
	(void)state;
	make_run(0);
	run_ask_pause(&run);
	run_complete_pause(&run);
	assert_true(run_pause_asked(&run));
	run_resume(&run);
	assert_false(run_pause_asked(&run));
	run_complete_pause(&run);
	run_ask_pause(&run);
	run_resume(&run);
	assert_true(run_pause_asked(&run));
	run_pause(&run);
	run_resume(&run);
	assert_true(run_pause_asked(&run));
	run_complete_pause(&run);
	run_resume(&run);
	assert_false(run_pause_asked(&run));
}

/* All vCPUs but this one, which was not in the guest, are interrupted there; the first one has
 * SIGCONT. */
static unsigned not_there;

static void notice_stop(void)
{
	for (unsigned i = 1; i < run.cpus; i++)
		if (i != not_there)
			run_was_interrupted(&vcpus[i]);
	run_was_continued(&run);
	run.running = 0;
}

/* After SIGSTOP, vCPUs are waited for until all have noticed it, but not for ever. */
static void test_pause_after_stop(void **state)
{
	(void)state;
	for (not_there = 0; not_there < 2; not_there++) {
		make_run(CPUS);
		run.running = CPUS;
		waits = 0;
		now = 0;
		meanwhile = notice_stop;
		completed = 0;
		vcpus[0].in_run = true;
		run_was_interrupted(&vcpus[CPUS - 1]);
		assert_true(run_pause_asked(&run));
		assert_int_equal(run_pause_after_suspension(&run), not_there != 1);
		assert_int_equal(waits, 1);
		assert_int_equal(now, 0);
		assert_int_equal(kvm_runs[0].immediate_exit, 1);
		kvm_runs[0].immediate_exit = 0;
		run_resume(&run);
		assert_false(run.suspended || run.continued || vcpus[CPUS - 1].interrupted);
	}
	make_run(CPUS);
	run.running = CPUS;
	assert_false(run_pause_after_suspension(&run)); /* somebody else has asked for the pause */
	assert_int_equal(waits, 1);
	run.suspended = true;
	meanwhile = NULL;
	completed = 0;
	leaves_when_kicked = true;
	assert_false(run_pause_after_suspension(&run));
	assert_int_equal(waits, 2); /* it waits for the remaining time at once */
	assert_int_equal(now, 1000000000);
	assert_true(run.paused);
	leaves_when_kicked = false;
}

/* What needs all CPUs to be out of the guest is done once they are. */
static void test_completes_in_pause(void **state)
{
	(void)state;
	make_run(CPUS);
	run.running = CPUS;
	completed = 0;
	leaves_when_kicked = true;
	run_pause(&run);
	leaves_when_kicked = false;
	assert_int_equal(completed, CPUS);
}

static void *reset_often(void *argument)
{
	(void)argument;
	for (unsigned i = 0; i < 1000; i++)
		run_end(&run, RESET, 0);
	return NULL;
}

/* A guest resets itself on all CPUs again and again, while the user ends it. */
static void test_race(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		pthread_t resetter;

		make_run(0);
		assert_int_equal(pthread_create(&resetter, NULL, reset_often, NULL), 0);
		for (unsigned j = 0; j < i; j++)
			run_start(&run);
		run_end(&run, ENDED_BY_USER, STATUS_ESCAPE);
		for (unsigned j = 0; j < i; j++)
			run_start(&run);
		pthread_join(resetter, NULL);
		assert_int_equal(run_how_ended(&run), ENDED_BY_USER);
		assert_int_equal(run_status(&run), STATUS_ESCAPE);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranks),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_pause_at_the_end),
		cmocka_unit_test(test_request_in_pause),
		cmocka_unit_test(test_pause_after_stop),
		cmocka_unit_test(test_completes_in_pause),
		cmocka_unit_test(test_first_run), /* first, because its threads remain */
	};

	return RUN(tests);
}
