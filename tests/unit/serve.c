// SPDX-License-Identifier: MIT
/* vmm/machine/serve.c: output that is written after the guest has ended, and calls during a pause.
 */
#include "reports.h"

#include "vmm/host/clock.h"
#include "vmm/machine/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#define MS 1000000ull
#define FOREVER (100ull * 365 * 86400 * 1000 * MS)

/* ---- a fake event loop, and a reader of the output ---- */

static struct run run;
static struct console console;
static uint64_t now;	  /* nanoseconds */
static size_t waiting;	  /* bytes of queued output */
static uint64_t takes_ms; /* interval at which the reader takes a byte; 0: never */
static uint64_t wakes_ms; /* interval at which the loop wakes for nothing; 0: never */
static uint64_t stops_ms; /* when the user ends the run, after the guest's end; 0: never */
static unsigned turns, feeds;

/* Milliseconds until the first of these. */
static uint64_t next_event(uint64_t max_ms)
{
	uint64_t at_ms = now / MS, next = max_ms;
	const uint64_t periods[] = { waiting ? takes_ms : 0, wakes_ms };

	for (unsigned i = 0; i < 2; i++)
		if (periods[i] && periods[i] - at_ms % periods[i] < next)
			next = periods[i] - at_ms % periods[i];
	if (stops_ms > at_ms && stops_ms - at_ms < next)
		next = stops_ms - at_ms;
	return next;
}

void loop_wait(struct loop *loop, uint64_t nanoseconds)
{
	uint64_t ms = next_event(nanoseconds == LOOP_NEVER ? FOREVER / MS : nanoseconds / MS);

	assert_ptr_equal(loop, &run.loop);
	assert_true(++turns < 100000);
	if (ms == FOREVER / MS)
		fail_msg("waits for ever");
	now += ms * MS;
	if (takes_ms && waiting && now / MS % takes_ms == 0)
		waiting--;
	if (stops_ms && now / MS == stops_ms)
		run.end = END_WORD(ENDED_BY_USER, 143);
}

size_t outlets_waiting(void)
{
	return waiting;
}

uint64_t clock_host_ns(void)
{
	return now;
}

void console_guest_is_over(struct console *of)
{
	assert_ptr_equal(of, &console);
}

/* ---- the run ---- */

static unsigned pauses, resumes;
static uint64_t was_stopped, set_back;
static bool is_certain;

uint64_t loop_take_suspension(struct loop *loop)
{
	(void)loop;
	return was_stopped;
}

void loop_turn(struct loop *loop)
{
	(void)loop;
	if (++turns == 3)
		run.end = END_WORD(ENDED, 0);
}

void console_feed(struct console *of)
{
	assert_ptr_equal(of, &console);
	feeds++;
}

bool clock_is_stopped(void)
{
	return run.paused;
}

void clock_set_back(uint64_t nanoseconds)
{
	set_back += nanoseconds;
}

bool run_pause_asked(const struct run *of)
{
	return of->entry_gate & PAUSE;
}

bool run_pause_after_suspension(struct run *of)
{
	of->paused = true;
	return is_certain;
}

void run_complete_pause(struct run *of)
{
	of->paused = true;
	pauses++;
}

void run_resume(struct run *of)
{
	assert_true(of->paused);
	of->paused = false;
	of->entry_gate = 0;
	resumes++;
}

void run_end(struct run *of, enum end end, int status)
{
	of->end = END_WORD(end, status);
}

void run_hold(void *of, uint32_t by, bool on)
{
	(void)of, (void)by, (void)on;
}

/* ---- descriptors ---- */

static struct loop_source *last_source;
static struct outlet_room last_room;
static bool outlet_is_full;
static unsigned lost, flushes;

void loop_add_source(struct loop *loop, struct loop_source *source)
{
	assert_ptr_equal(loop, &run.loop);
	last_source = source;
}

void outlet_attach(struct outlet *outlet, const struct outlet_room *room)
{
	(void)outlet;
	last_room = *room;
}

bool outlet_waits(const struct outlet *outlet)
{
	(void)outlet;
	return outlet_is_full;
}

unsigned outlet_flush(struct outlet *outlet)
{
	(void)outlet;
	return lost;
}

static uint64_t blocked;
static uint32_t has_signal;
static int told_signal;

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	switch (number) {
	case SYS_rt_sigprocmask:
		memcpy(&blocked, (const void *)b, sizeof blocked);
		return 0;
	case SYS_signalfd4:
		return 33;
	case SYS_read:
		assert_int_equal(a, 33);
		assert_int_equal(c, sizeof(struct signalfd_siginfo));
		((struct signalfd_siginfo *)b)->ssi_signo = has_signal;
		return c;
	default:
		fail_msg("system call %ld", number);
		return 0;
	}
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

static int start(void **state)
{
	(void)state;
	run = (struct run){ .loop.wake = 9 };
	now = waiting = takes_ms = wakes_ms = stops_ms = 0;
	turns = feeds = pauses = resumes = 0;
	was_stopped = set_back = 0;
	is_certain = false;
	reports = 0;
	return 0;
}

/* ---- tests ---- */

/* How long the end takes, and how many of 100 bytes are lost. */
static void test_rest(void **state)
{
	static const struct {
		enum end end;
		uint64_t takes, wakes, stops; /* milliseconds */
		size_t lost;
		uint64_t takes_at_most; /* max milliseconds until serve_rest returns */
	} rows[] = {
		/* The guest has ended: all output is written, however long that takes. */
		{ ENDED, 10, 0, 0, 0, 1000 },
		{ ENDED, 100000, 0, 0, 0, 10000000 },
		{ ENDED, 100000, 700, 0, 0, 10000000 },
		/* The user has ended the run: output is written as long as some is taken now and
		   then. */
		{ ENDED_BY_USER, 10, 0, 0, 0, 1000 },
		{ ENDED_BY_USER, 1900, 0, 0, 0, 190000 },
		{ ENDED_BY_USER, 1900, 70, 0, 0, 190000 },
		{ ENDED_BY_USER, 0, 0, 0, 100, 2000 },
		{ ENDED_BY_USER, 0, 70, 0, 100, 2100 }, /* other wake-ups do not count */
		{ ENDED_BY_USER, 3000, 0, 0, 100, 2000 },
		/* The user ends the run after the guest has ended, with or without a reader. */
		{ ENDED, 0, 0, 50000, 100, 52000 },
		{ ENDED, 1500, 0, 1501, 0, 150000 },
		{ ENDED, 50500, 0, 50000, 99, 52500 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		start(state);
		run.end = END_WORD(rows[i].end, 0);
		waiting = 100;
		takes_ms = rows[i].takes;
		wakes_ms = rows[i].wakes;
		stops_ms = rows[i].stops;
		serve_rest(&run, &console);
		if (waiting != rows[i].lost || now / MS > rows[i].takes_at_most)
			fail_msg("row %zu: %zu are lost, after %lu ms", i, waiting,
				 (unsigned long)(now / MS));
	}
}

/* The loop runs at least once, even if the run has ended already, and then only once. */
static void test_run(void **state)
{
	(void)state;
	serve_run(&run, &console);
	assert_int_equal(turns, 3);
	assert_int_equal(feeds, 3);
	assert_int_equal(pauses, 0);
	serve_run(&run, &console);
	assert_int_equal(turns, 4);
}

static struct run *told;

static void tell(void *debugger)
{
	told = debugger;
}

/* Without a debugger the run is resumed when a pause is complete; a debugger resumes it itself. */
static void test_pause(void **state)
{
	(void)state;
	run.entry_gate = PAUSE_ASKED;
	serve_run(&run, &console);
	assert_int_equal(pauses, 1);
	assert_int_equal(resumes, 1);
	start(state);
	run.on_paused = tell;
	run.debugger = &run;
	run.entry_gate = PAUSE_ASKED;
	serve_run(&run, &console);
	assert_ptr_equal(told, &run);
	assert_int_equal(resumes, 0);
}

static unsigned tries;

/* Is a struct run's `at_pause`: ready the third time. */
static bool settle(void *context)
{
	assert_ptr_equal(context, &tries);
	assert_true(run.paused);
	assert_int_equal(resumes, 0);
	return ++tries == 3;
}

/* The run stays paused as long as somebody is not ready, and the loop turns meanwhile. */
static void test_unsettled(void **state)
{
	(void)state;
	tries = 0;
	run.at_pause = settle;
	run.at_pause_context = &tries;
	run.entry_gate = PAUSE_ASKED;
	serve_run(&run, &console);
	assert_int_equal(tries, 3);
	assert_int_equal(resumes, 1);
	run.at_pause = NULL;
}

/* After SIGSTOP the guest's time continues from before it, if no vCPU has been in the guest since.
 */
static void test_stop(void **state)
{
	(void)state;
	for (unsigned certain = 0; certain < 2; certain++) {
		start(state);
		was_stopped = 5 * MS;
		is_certain = certain;
		run.entry_gate = PAUSE_ASKED;
		serve_run(&run, &console);
		assert_int_equal(set_back, certain ? 5 * MS : 0);
		assert_int_equal(resumes, 1);
	}
	/* If a debugger holds the guest already, its time stood still anyway. */
	start(state);
	was_stopped = 5 * MS;
	is_certain = true;
	run.paused = true;
	run.entry_gate = PAUSE_ASKED;
	serve_run(&run, &console);
	assert_int_equal(set_back, 0);
}

static void take(void *source, short events)
{
	assert_int_equal(events, POLLIN);
	told_signal = serve_take_signal(source);
}

static void test_signals(void **state)
{
	struct loop_source source;

	(void)state;
	serve_signals(&run, &source, SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGPWR), take, &source);
	assert_ptr_equal(last_source, &source);
	assert_int_equal(source.fd, 33);
	assert_null(source.events);
	assert_int_equal(blocked, SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGPWR));
	has_signal = SIGPWR;
	source.ready(source.context, POLLIN);
	assert_int_equal(told_signal, SIGPWR);
}

static void count_flush(void *context)
{
	assert_ptr_equal(context, &flushes);
	flushes++;
}

static void test_outlet(void **state)
{
	struct outlet outlet = {
		.fd = 7, .name = "x", .flushed = count_flush, .context = &flushes
	};
	struct loop_source source;

	(void)state;
	serve_outlet(&run, &source, &outlet, (struct outlet_room){ .size = 3, .hold_at = 2 });
	assert_ptr_equal(last_source, &source);
	assert_int_equal(source.fd, 7);
	assert_int_equal(last_room.size, 3);
	assert_int_equal(last_room.wake, 9);
	assert_ptr_equal(last_room.run, &run);
	outlet_is_full = false;
	assert_int_equal(source.events(source.context), 0);
	outlet_is_full = true;
	assert_int_equal(source.events(source.context), POLLOUT);
	source.ready(source.context, POLLOUT);
	assert_int_equal(flushes, 1);
	assert_int_equal(reports, 0);
	lost = 4;
	source.ready(source.context, POLLOUT);
	assert_string_equal(last_report, "x has stalled: 4 lines are lost");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_rest, start),
		cmocka_unit_test_setup(test_run, start),
		cmocka_unit_test_setup(test_pause, start),
		cmocka_unit_test_setup(test_unsettled, start),
		cmocka_unit_test_setup(test_stop, start),
		cmocka_unit_test_setup(test_signals, start),
		cmocka_unit_test_setup(test_outlet, start),
	};

	return RUN(tests);
}
