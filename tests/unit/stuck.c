// SPDX-License-Identifier: MIT
/* vmm/machine/stuck.c: which guests are said to be stuck in their exception vectors. */
#include "reports.h"

#include "vmm/kvm/registers.h"
#include "vmm/machine/stuck.h"

#define VECTORS 0x40081000ull
#define S 1000000000ull
#define CPUS 3

static struct {
	uint64_t pc, pstate, esr;
} cpus[CPUS];

static struct vcpu vcpus[CPUS];
static struct run run;
static struct console console;
static struct stuck stuck;
static uint64_t timer;
static unsigned pauses;

uint64_t register_get(const struct vcpu *vcpu, uint64_t id)
{
	assert_true(run.paused);
	switch (id) {
	case CORE_REGISTER(regs.pc):
		return cpus[vcpu->index].pc;
	case CORE_REGISTER(regs.pstate):
		return cpus[vcpu->index].pstate;
	case ESR_EL1:
		return cpus[vcpu->index].esr;
	case VBAR_EL1:
		return VECTORS;
	case CORE_REGISTER(elr_el1):
		return 0xe1e1;
	default:
		assert_int_equal(id, FAR_EL1);
		return 0xfafa;
	}
}

bool run_pause_asked(const struct run *of)
{
	return of->gate & PAUSED;
}

void run_pause(struct run *of)
{
	of->paused = true;
	pauses++;
}

void run_resume(struct run *of)
{
	of->paused = false;
}

void lock_acquire(struct lock *lock)
{
	assert_int_equal(lock->state++, 0);
}

void lock_release(struct lock *lock)
{
	assert_int_equal(lock->state--, 1);
}

static void set_timer(void *clock, unsigned number, uint64_t nanoseconds)
{
	(void)clock, (void)number;
	timer = nanoseconds;
}

static void place(unsigned cpu, uint64_t offset, uint64_t pstate, uint64_t esr)
{
	cpus[cpu].pc = VECTORS + offset;
	cpus[cpu].pstate = pstate;
	cpus[cpu].esr = esr;
}

/* The first CPU idles, the others are off. */
static int start(void **state)
{
	(void)state;
	run = (struct run){ .vcpus = vcpus, .cpus = CPUS };
	console.transmitted = 0;
	stuck = (struct stuck){ .run = &run, .console = &console, .timer = { .set = set_timer } };
	for (unsigned i = 0; i < CPUS; i++) {
		vcpus[i].index = i;
		place(i, 0, 0x3c5, 0);
	}
	place(0, 0x9000, 0x5, 0);
	reports = pauses = 0;
	all_reports[0] = '\0';
	timer = TIMER_OFF;
	stuck_start(&stuck);
	return 0;
}

/* So much time passes; how much of it until it was not looked at any more. */
static uint64_t pass(uint64_t nanoseconds)
{
	uint64_t time = 0;

	while (timer != TIMER_OFF && time + timer <= nanoseconds) {
		time += timer;
		timer = TIMER_OFF;
		stuck_ops.expire(&stuck);
		assert_false(run.paused);
	}
	return time;
}

static void test_stuck(void **state)
{
	(void)state;
	place(0, 0x200, 0x3c5, 0x2000000);
	pass(S * 3 / 2);
	assert_int_equal(reports, 0);
	pass(100 * S);
	assert_int_equal(reports, 1); /* once */
	assert_non_null(strstr(all_reports, "CPU 0"));
	assert_non_null(strstr(all_reports, "pc 0x40081200 ESR_EL1 0x2000000 ELR_EL1 0xe1e1"));
	assert_non_null(strstr(all_reports, "FAR_EL1 0xfafa"));
	/* After a reset as well, and for any CPU. */
	start(NULL);
	place(2, 0x7fc, 0x3c5, 0x96000045);
	pass(100 * S);
	assert_int_equal(reports, 1);
	assert_non_null(strstr(all_reports, "CPU 2"));
}

/* Where a CPU may be that is not stuck. */
static void test_others(void **state)
{
	static const struct {
		uint64_t offset, pstate, esr;
	} rows[] = {
		{ 0x9000, 0x5, 0x2000000 },   /* after an exception */
		{ 0x1fc, 0x3c5, 0x2000000 },  /* not in the vectors that it uses */
		{ 0x800, 0x3c5, 0x2000000 },  /* behind them */
		{ 0x280, 0x3c5, 0 },	      /* code there, or IRQs only */
		{ 0x280, 0x345, 0x2000000 },  /* back from its handler */
		{ 0x400, 0x3c0, 0x56000000 }, /* a user's program */
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		start(state);
		place(0, rows[i].offset, rows[i].pstate, rows[i].esr);
		assert_in_range(pass(1000 * S), 1, 10 * S); /* and then it is left alone */
		assert_in_range(pauses, 1, 10);
		assert_int_equal(reports, 0);
	}
}

/* Handlers that are there as often as not, and for a while always. */
static void test_handlers(void **state)
{
	(void)state;
	place(0, 0x200, 0x3c5, 0x56000000);
	pass(S * 19 / 10);
	place(0, 0x9000, 0x5, 0x56000000);
	pass(S / 5);
	place(0, 0x200, 0x3c5, 0x56000000);
	pass(S);
	assert_int_equal(reports, 0);
	console.transmitted = 1;
	pass(1000 * S);
	assert_int_equal(reports, 0);
	assert_int_equal(timer, TIMER_OFF);
	/* What it printed before a reset is not this run's. */
	stuck_start(&stuck);
	pass(100 * S);
	assert_int_equal(reports, 1);
}

/* Who holds it looks at it. */
static void test_held(void **state)
{
	(void)state;
	place(0, 0x200, 0x3c5, 0x2000000);
	run.gate = PAUSED;
	pass(60 * S);
	assert_int_equal(pauses, 0);
	assert_int_equal(reports, 0);
	run.gate = 0;
	pass(3 * S);
	assert_int_equal(reports, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_stuck, start),
		cmocka_unit_test_setup(test_others, start),
		cmocka_unit_test_setup(test_handlers, start),
		cmocka_unit_test_setup(test_held, start),
	};

	return RUN(tests);
}
