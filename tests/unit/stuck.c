// SPDX-License-Identifier: MIT
/* vmm/machine/stuck.c: which guests are reported as stuck in their exception vectors. */
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
static uint64_t hcr; /* HCR_EL2 */

static uint64_t value_of(unsigned cpu, uint64_t id)
{
	switch (id) {
	case CORE_REGISTER(regs.pc):
		return cpus[cpu].pc;
	case CORE_REGISTER(regs.pstate):
		return cpus[cpu].pstate;
	case ESR_EL1:
	case ESR_EL1 | REGISTER_EL2:
		return cpus[cpu].esr;
	case VBAR_EL1:
	case VBAR_EL1 | REGISTER_EL2:
		return VECTORS;
	case CORE_REGISTER(elr_el1):
		return 0xe1e1;
	case ELR_EL1 | REGISTER_EL2:
		return 0xe2e2;
	case HCR_EL2:
		return hcr;
	default:
		assert_int_equal(id & ~REGISTER_EL2, FAR_EL1);
		return 0xfafa;
	}
}

int kvm_try(int fd, unsigned long request, uintptr_t argument)
{
	const struct kvm_one_reg *reg = (const void *)argument;

	assert_true(run.paused);
	assert_int_equal(request, KVM_GET_ONE_REG);
	*(uint64_t *)(uintptr_t)reg->addr = value_of((unsigned)fd, reg->id);
	return 0;
}

int kvm_check(int result, const char *name)
{
	(void)name;
	assert_int_equal(result, 0);
	return result;
}

bool run_pause_asked(const struct run *of)
{
	return of->entry_gate & PAUSE;
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

/* CPU 0 is idle, the others are off. */
static int start(void **state)
{
	(void)state;
	run = (struct run){ .vcpus = vcpus, .cpus = CPUS };
	console.transmitted = 0;
	stuck = (struct stuck){ .run = &run, .console = &console, .timer = { .set = set_timer } };
	for (unsigned i = 0; i < CPUS; i++) {
		vcpus[i].index = i;
		vcpus[i].fd = (int)i;
		vcpus[i].features = 0;
		place(i, 0, 0x3c5, 0);
	}
	place(0, 0x9000, 0x5, 0);
	reports = pauses = 0;
	all_reports[0] = '\0';
	timer = TIMER_OFF;
	stuck_start(&stuck);
	return 0;
}

/* Lets time pass. Returns after how much of it the guest was not checked any more. */
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
	assert_int_equal(reports, 1); /* reported once */
	assert_non_null(strstr(all_reports, "CPU 0"));
	assert_non_null(strstr(all_reports, "pc 0x40081200 ESR_EL1 0x2000000 ELR_EL1 0xe1e1"));
	assert_non_null(strstr(all_reports, "FAR_EL1 0xfafa"));
	/* The same after a reset, and for any CPU. */
	start(NULL);
	place(2, 0x7fc, 0x3c5, 0x96000045);
	pass(100 * S);
	assert_int_equal(reports, 1);
	assert_non_null(strstr(all_reports, "CPU 2"));
}

/* In the vectors of EL2, where exceptions of its EL0 go, too; not in those of EL1 with the same
 * address. */
static void test_stuck_at_el2(void **state)
{
	static const struct {
		uint64_t pstate, hcr;
		const char *said;
	} rows[] = {
		{ 0x3c9, 0, "ESR_EL2 0x2000000 ELR_EL2 0xe2e2 FAR_EL2 0xfafa" },
		{ 0x3c9, HCR_TGE, "ESR_EL2 0x2000000 ELR_EL2 0xe2e2 FAR_EL2 0xfafa" },
		{ 0x3c5, 0, "ESR_EL1 0x2000000 ELR_EL1 0xe1e1 FAR_EL1 0xfafa" },
		{ 0x3c0, HCR_TGE, NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		start(state);
		vcpus[0].features = 1u << KVM_ARM_VCPU_HAS_EL2;
		hcr = rows[i].hcr;
		place(0, 0x200, rows[i].pstate, 0x2000000);
		pass(100 * S);
		assert_int_equal(reports, rows[i].said != NULL);
		if (rows[i].said)
			assert_non_null(strstr(all_reports, rows[i].said));
	}
}

/* States of a CPU that is not stuck. */
static void test_others(void **state)
{
	static const struct {
		uint64_t offset, pstate, esr;
	} rows[] = {
		{ 0x9000, 0x5, 0x2000000 },   /* elsewhere, after an earlier exception */
		{ 0x1fc, 0x3c5, 0x2000000 },  /* below the vectors that it uses */
		{ 0x800, 0x3c5, 0x2000000 },  /* behind the vectors */
		{ 0x280, 0x3c5, 0 },	      /* no exception syndrome: code, or an IRQ */
		{ 0x280, 0x345, 0x2000000 },  /* PSTATE differs from that at exception entry */
		{ 0x400, 0x3c0, 0x56000000 }, /* an exception from EL0 */
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		start(state);
		place(0, rows[i].offset, rows[i].pstate, rows[i].esr);
		assert_in_range(pass(1000 * S), 1,
				10 * S); /* after that it is not checked any more */
		assert_in_range(pauses, 1, 10);
		assert_int_equal(reports, 0);
	}
}

/* A CPU that is in its handlers half of the time, and for a while always. */
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
	/* Output before a reset does not count for this run. */
	stuck_start(&stuck);
	pass(100 * S);
	assert_int_equal(reports, 1);
}

/* A guest that a debugger holds is not reported. */
static void test_held(void **state)
{
	(void)state;
	place(0, 0x200, 0x3c5, 0x2000000);
	run.entry_gate = PAUSE_ASKED;
	pass(60 * S);
	assert_int_equal(pauses, 0);
	assert_int_equal(reports, 0);
	run.entry_gate = 0;
	pass(3 * S);
	assert_int_equal(reports, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_stuck, start),
		cmocka_unit_test_setup(test_stuck_at_el2, start),
		cmocka_unit_test_setup(test_others, start),
		cmocka_unit_test_setup(test_handlers, start),
		cmocka_unit_test_setup(test_held, start),
	};

	return RUN(tests);
}
