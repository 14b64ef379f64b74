// SPDX-License-Identifier: MIT
/* vmm/machine/power.c: who is asked, who is ended at once, and who is ended later. */
#include "reports.h"

#include "vmm/host/clock.h"
#include "vmm/machine/map.h"
#include "vmm/machine/power.h"
#include "vmm/machine/serve.h"

#include <signal.h>

#define S NS_PER_S
#define GRACE (10 * S)
#define IEV 0x40c
#define IE 0x410
#define MIS 0x418
#define IC 0x41c

static struct run run;
static struct power power;
static struct pl061 gpio;
static struct lock gpio_lock;
static uint64_t now; /* nanoseconds; the guest's time is the same */
static uint64_t watched, ignored;
static int has_come; /* signal */

/* ---- what it stands on ---- */

uint64_t clock_host_ns(void)
{
	return now;
}

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
	timer->deadline = LOOP_NEVER;
}

void loop_set_timer(void *opaque, unsigned number, uint64_t nanoseconds)
{
	struct loop_timer *timer = opaque;

	(void)number;
	assert_int_equal(timer->lock->state, 1);
	timer->deadline = now + nanoseconds;
}

static void expire(struct loop_timer *timer)
{
	if (timer->deadline > now)
		return;
	timer->deadline = LOOP_NEVER;
	lock_acquire(timer->lock);
	timer->expire(timer->context);
	lock_release(timer->lock);
}

static void pass(uint64_t nanoseconds)
{
	now += nanoseconds;
	expire(&power.release);
	expire(&power.deadline);
}

/* Ranks as run.c has them. */
void run_end(struct run *of, enum end end, int status)
{
	assert_ptr_equal(of, &run);
	if (end > run_how_ended(&run))
		run.end = END_WORD(end, status);
}

bool signal_is_ignored(int number)
{
	return ignored & SIGNAL_BIT(number);
}

void serve_signals(struct run *of, struct loop_source *source, uint64_t signals,
		   void (*ready)(void *context, short events), void *context)
{
	assert_ptr_equal(of, &run);
	*source = (struct loop_source){ .ready = ready, .context = context };
	watched = signals;
}

int serve_take_signal(const struct loop_source *source)
{
	assert_ptr_equal(source, &power.signals);
	return has_come;
}

static void get_signal(int number)
{
	has_come = number;
	power.signals.ready(power.signals.context, 1);
}

static void set_irq(void *controller, unsigned number, bool level)
{
	(void)controller, (void)number, (void)level;
}

/* ---- tests ---- */

/* A guest with a driver, which is asked for rising and falling edges. */
static int start(void **state)
{
	(void)state;
	memset(&run, 0, sizeof run);
	gpio = (struct pl061){ .wires.irq = { .set = set_irq } };
	ignored = 0;
	reports = 0;
	power_create(&power, &run, GRACE);
	power_connect(&power, &gpio, &gpio_lock);
	pl061_ops.write(&gpio, 0x408, 4, 1 << GPIO_POWER_PIN);
	pl061_ops.write(&gpio, IE, 4, 1 << GPIO_POWER_PIN);
	return 0;
}

static bool is_pressed(void)
{
	return pl061_ops.read(&gpio, 0x3fc, 4) >> GPIO_POWER_PIN & 1;
}

static void expect_end(enum end end, int status)
{
	assert_int_equal(run_how_ended(&run), end);
	if (end != RUNNING)
		assert_int_equal(run_status(&run), status);
	assert_int_equal(gpio_lock.state, 0);
	assert_int_equal(power.lock.state, 0);
}

/* It gets a press and a release, and is ended only when the grace is over. */
static void test_grace(void **state)
{
	(void)state;
	get_signal(SIGTERM);
	expect_end(RUNNING, 0);
	assert_true(is_pressed());
	assert_int_equal(pl061_ops.read(&gpio, MIS, 4), 8);
	pl061_ops.write(&gpio, IC, 4, 8);
	pass(S / 20);
	assert_true(is_pressed());
	pass(S / 20);
	assert_false(is_pressed());
	assert_int_equal(pl061_ops.read(&gpio, MIS, 4), 8);
	pass(GRACE - S / 10 - 1);
	expect_end(RUNNING, 0);
	pass(1);
	expect_end(ENDED_BY_USER, 143);
	assert_int_equal(reports, 2);
}

/* What the guest says in its grace counts; a reset is no way to go on. */
static void test_guest_ends(void **state)
{
	static const struct {
		enum end how, end;
		int code, status;
	} rows[] = {
		{ ENDED, ENDED, 0, 0 },
		{ ENDED, ENDED, 7, 7 },
		{ RESET, ENDED_BY_USER, 0, 158 },
		{ ENDED_BY_USER, ENDED_BY_USER, 130, 130 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		start(state);
		get_signal(SIGPWR);
		run_end(&run, rows[i].how, rows[i].code);
		power_finish(&power);
		expect_end(rows[i].end, rows[i].status);
	}
	/* Not asked, it may reset itself. */
	start(state);
	run_end(&run, RESET, 0);
	power_finish(&power);
	expect_end(RESET, STATUS_RESET);
}

/* The same request may come twice, but a second one ends. */
static void test_second(void **state)
{
	(void)state;
	get_signal(SIGINT);
	pass(S - 1);
	get_signal(SIGTERM);
	expect_end(RUNNING, 0);
	pass(1);
	power_ask(&power, 143);
	expect_end(ENDED_BY_USER, 143);
}

/* Who cannot react has no grace. */
static void test_at_once(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		start(state);
		if (i == 0)
			pl061_ops.write(&gpio, IE, 4, 0xff & ~(1 << GPIO_POWER_PIN));
		else if (i == 1)
			run.paused = true;
		else if (i == 2)
			power.grace = 0;
		else
			run_end(&run, ENDED, 0);
		get_signal(SIGTERM);
		expect_end(ENDED_BY_USER, 143);
		assert_false(is_pressed());
		assert_int_equal(reports, 0);
	}
}

/* If the output waits that long it is given up, too. */
static void test_output_waits(void **state)
{
	(void)state;
	get_signal(SIGTERM);
	run_end(&run, ENDED, 0);
	pass(GRACE);
	expect_end(ENDED_BY_USER, 143);
}

static void test_signals(void **state)
{
	uint64_t optional = SIGNAL_BIT(SIGINT) | SIGNAL_BIT(SIGPWR);

	(void)state;
	assert_int_equal(watched, SIGNAL_BIT(SIGTERM) | optional);
	ignored = optional | SIGNAL_BIT(SIGTERM);
	power_create(&power, &run, GRACE);
	assert_int_equal(watched, SIGNAL_BIT(SIGTERM));
	get_signal(0); /* an interrupted read */
	expect_end(RUNNING, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_grace, start),
		cmocka_unit_test_setup(test_guest_ends, start),
		cmocka_unit_test_setup(test_second, start),
		cmocka_unit_test_setup(test_at_once, start),
		cmocka_unit_test_setup(test_output_waits, start),
		cmocka_unit_test_setup(test_signals, start),
	};

	return RUN(tests);
}
