// SPDX-License-Identifier: MIT
/* vmm/console.c between a terminal that comes and goes, and a PL011 (the real one). */
#include "reports.h"

#include "vmm/debug/dump.h"
#include "vmm/debug/stats.h"
#include "vmm/host/console.h"
#include "vmm/host/event_loop.h"
#include "vmm/options.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>

#define CTRL_A "\001"

/* ---- the kernel ---- */

static bool terminal, writable;
static unsigned output_mode; /* of standard output's inode */
static unsigned writes;
static char screen[65536];
static size_t shown;
static const char *typed;
static size_t typed_size;

static long read_typed(char *to, size_t size)
{
	size_t n = typed_size < size ? typed_size : size;

	memcpy(to, typed, n);
	typed += n;
	typed_size -= n;
	return (long)n;
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)d, (void)e, (void)f;
	switch (number) {
	case SYS_ioctl:
		return terminal ? 0 : -ENOTTY;
	case SYS_fstat:
		((struct stat *)b)->st_mode = output_mode;
		return 0;
	case SYS_ppoll:
		return writable;
	case SYS_read:
		assert_int_equal(a, 0);
		return read_typed((char *)b, (size_t)c);
	case SYS_write:
		assert_int_equal(a, 1);
		/* Never one that could block. */
		assert_true(writable || output_mode == S_IFREG);
		assert_true(c == 1 || output_mode == S_IFREG ||
			    (c <= 4096 && output_mode == S_IFIFO));
		writes++;
		memcpy(screen + shown, (const char *)b, (size_t)c);
		shown += (size_t)c;
		return c;
	default:
		fail_msg("system call %ld", number);
		return 0;
	}
}

/* ---- what else the console calls ---- */

int write_all(int fd, const void *data, size_t size)
{
	assert_int_equal(fd, 1);
	assert_true(output_mode == S_IFREG); /* else it could wait */
	writes++;
	memcpy(screen + shown, data, size);
	shown += size;
	return 0;
}

static unsigned wakes;
static int end_called, end_status;

void loop_wake(int wake)
{
	(void)wake;
	wakes++;
}

void run_end(struct run *run, enum end end, int status)
{
	(void)run;
	end_called = end;
	end_status = status;
}

void run_hold(struct run *run, uint32_t held)
{
	run->gate |= held;
}

bool run_pause_asked(const struct run *run)
{
	return run->gate & PAUSED;
}

void run_pause(struct run *run)
{
	run->gate |= PAUSED;
	run->paused = true;
}

void run_resume(struct run *run)
{
	assert_true(run->paused);
	run->gate &= ~(uint32_t)PAUSED;
	run->paused = false;
}

static unsigned dumps;

void dump(const struct run *run)
{
	assert_true(run->paused);
	dumps++;
}

void run_release(struct run *run, uint32_t held)
{
	run->gate &= ~held;
}

static unsigned statistics;

void stats_report(const struct console *reported, unsigned form)
{
	(void)reported;
	assert_int_equal(form, FORM_TEXT);
	statistics++;
}

void lock_acquire(struct lock *lock)
{
	assert_int_equal(lock->state++, 0); /* one thread: a second time would be a deadlock */
}

void lock_release(struct lock *lock)
{
	assert_int_equal(lock->state--, 1);
}

const char *error_text(int error)
{
	return strerror(error);
}

/* ---- the guest's end of the line ---- */

static struct console console;
static struct pl011 uart;
static struct lock uart_lock;
static struct run run;
static uint8_t ring[CONSOLE_OUTPUT + CONSOLE_SPARE]; /* of one CPU */

/* As the event loop does when the terminal goes on. */
static void flush(void)
{
	assert_int_equal(outlet_flush(&console.output), 0); /* nothing is lost */
	console_ready(&console);
}

static void no_irq(void *controller, unsigned number, bool level)
{
	(void)controller, (void)number, (void)level;
}

static void no_timer(void *clock, unsigned number, uint64_t nanoseconds)
{
	(void)clock, (void)number, (void)nanoseconds;
}

static uint64_t get(uint64_t offset)
{
	uint64_t value;

	lock_acquire(&uart_lock);
	value = pl011_ops.read(&uart, offset, 4);
	lock_release(&uart_lock);
	return value;
}

static void put(uint64_t offset, uint64_t value)
{
	lock_acquire(&uart_lock);
	pl011_ops.write(&uart, offset, 4, value);
	lock_release(&uart_lock);
}

static void no_idle(void *line)
{
	(void)line;
}

static void start(bool at_terminal)
{
	terminal = at_terminal;
	writable = true;
	shown = writes = 0;
	wakes = 0;
	end_called = RUNNING;
	run = (struct run){ 0 };
	uart = (struct pl011){
		.irq = { .set = no_irq },
		.timer = { .set = no_timer },
		.transmit = console_transmit,
		.empty = console_empty,
		.idle = no_idle,
		.line = &console,
		.clock = 1,
	};
	console_create(&console, at_terminal);
	console.output.run = &run;
	console.output.ring = ring;
	console.output.size = sizeof ring;
	console.output.hold_at = CONSOLE_OUTPUT;
	console.output.held = HELD_BY_CONSOLE;
	console_connect(&console, &uart, &uart_lock, &run);
	pl011_ops.reset(&uart);
	put(0x30, 0x301);
	put(0x2c, 0x10);
	put(0x38, 0x50);
	pl011_ops.expire(&uart); /* it listens now */
}

static void type_bytes(const char *bytes, size_t size)
{
	typed = bytes;
	typed_size = size;
	while (typed_size && console_wants_input(&console))
		console_read(&console);
}

#define TYPE(text) type_bytes(text, sizeof(text) - 1)

/* ---- tests ---- */

static void test_output(void **state)
{
	(void)state;
	start(true);
	for (const char *c = "hello"; *c; c++)
		put(0, (uint8_t)*c);
	assert_int_equal(shown, 5);
	assert_memory_equal(screen, "hello", 5);
}

/* Bytes that come together go out together, as far as that cannot block. */
static void test_batch(void **state)
{
	static const struct {
		unsigned mode, writes;
	} rows[] = { { S_IFCHR, 500 }, { S_IFIFO, 1 }, { S_IFREG, 1 } };
	uint8_t bytes[500];

	(void)state;
	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		output_mode = rows[i].mode;
		start(false);
		writable = output_mode != S_IFREG; /* of a file it is not asked */
		assert_true(console_transmit(&console, bytes, sizeof bytes));
		assert_int_equal(writes, rows[i].writes);
		assert_int_equal(shown, sizeof bytes);
		assert_memory_equal(screen, bytes, sizeof bytes);
	}
	output_mode = S_IFIFO;
	start(false);
	writable = false;
	for (unsigned i = 0; i < CONSOLE_OUTPUT / 2 / sizeof bytes; i++)
		assert_true(console_transmit(&console, bytes, sizeof bytes));
	assert_false(console_transmit(&console, bytes, sizeof bytes));
	assert_int_equal(writes, 0);
	assert_int_equal(wakes, 1);
	writable = true;
	flush();
	assert_in_range(writes, 1, 5);
	assert_int_equal(shown % sizeof bytes, 0);
	for (size_t i = 0; i < shown; i++)
		assert_int_equal((uint8_t)screen[i], bytes[i % sizeof bytes]);
	output_mode = 0;
}

/* A stalled terminal: order is kept, the guest is told, and held if it does not listen. */
static void test_stall(void **state)
{
	size_t sent = 0;

	(void)state;
	start(true);
	writable = false;
	while (!(get(0x18) & 0x20)) /* as long as TXFF is clear */
		put(0, (uint8_t)(sent++ % 251));
	assert_int_equal(sent, CONSOLE_OUTPUT / 2);
	assert_int_equal(wakes, 1);
	assert_true(outlet_waits(&console.output));
	assert_int_equal(run.gate, 0);
	while (!run.gate) /* it goes on all the same */
		put(0, (uint8_t)(sent++ % 251));
	assert_int_equal(sent, CONSOLE_OUTPUT);
	for (unsigned i = 0; i < CONSOLE_SPARE; i++) /* what a CPU has under way */
		put(0, (uint8_t)(sent++ % 251));
	assert_int_equal(shown, 0);
	assert_int_equal(run.gate, HELD_BY_CONSOLE);
	writable = true;
	flush();
	assert_int_equal(run.gate, 0);
	assert_int_equal(get(0x18) & 0x20, 0);
	assert_false(outlet_waits(&console.output));
	put(0, (uint8_t)(sent++ % 251));
	assert_int_equal(shown, sent);
	for (size_t i = 0; i < sent; i++)
		assert_int_equal((uint8_t)screen[i], i % 251);
}

/* More than there is room for is lost, and ends nothing. */
static void test_overrun(void **state)
{
	(void)state;
	start(true);
	writable = false;
	for (unsigned i = 0; i < 2 * sizeof ring; i++)
		put(0, '\n');
	writable = true;
	assert_int_equal(outlet_flush(&console.output), sizeof ring);
	assert_int_equal(shown, sizeof ring);
	put(0, 'x');
	assert_int_equal(screen[shown - 1], 'x');
}

/* Early input waits, up to its bound, then flow is held; the guest gets all of it in order. */
static void test_input(void **state)
{
	static char text[3 * CONSOLE_INPUT];
	size_t got = 0;

	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)(i * 7 % 251 + 2); /* no Ctrl-A */
	start(true);
	put(0x30, 0x381); /* loopback */
	type_bytes(text, sizeof text);
	console_feed(&console);
	assert_int_equal(typed_size, sizeof text - CONSOLE_INPUT);
	assert_false(console_wants_input(&console));
	wakes = 0;
	put(0x30, 0x301);
	assert_int_equal(wakes, 1); /* now the loop shall feed */
	console_feed(&console);
	while (got < sizeof text) {
		if (get(0x18) & 0x10) /* empty: more has come when it looks again */
			continue;
		assert_int_equal(get(0), (uint8_t)text[got++]);
		while (typed_size && console_wants_input(&console))
			console_read(&console);
	}
	assert_int_equal(console.received, sizeof text);
}

static void test_end_of_input(void **state)
{
	(void)state;
	start(false);
	TYPE("");
	assert_true(console_wants_input(&console));
	console_read(&console);
	assert_false(console_wants_input(&console));
}

static void test_escape(void **state)
{
	(void)state;
	start(true);
	TYPE("a" CTRL_A CTRL_A "b" CTRL_A "?" CTRL_A "hc");
	console_feed(&console);
	assert_int_equal(get(0), 'a');
	assert_int_equal(get(0), 1);
	assert_int_equal(get(0), 'b'); /* an unknown command is nothing, help is not the guest's */
	assert_int_equal(get(0), 'c');
	assert_true(get(0x18) & 0x10);
	TYPE(CTRL_A "r");
	assert_int_equal(end_called, RESET);
	TYPE(CTRL_A "d");
	assert_int_equal(dumps, 1);
	assert_false(run.paused);
	run.gate |= PAUSED; /* a CPU has stopped, for gdb */
	TYPE(CTRL_A "d");
	assert_int_equal(dumps, 2);
	assert_true(run.paused);
	TYPE(CTRL_A "s" CTRL_A "x");
	assert_int_equal(statistics, 1);
	assert_int_equal(end_called, STOPPED);
	assert_int_equal(end_status, STATUS_ESCAPE);
}

/* A break takes its place in the order of what is typed, and waits with it. */
static void test_break(void **state)
{
	(void)state;
	start(true);
	put(0x30, 0x381); /* loopback: nothing comes in */
	TYPE("ab" CTRL_A "bc" CTRL_A "b");
	console_feed(&console);
	put(0x30, 0x301);
	console_feed(&console);
	assert_int_equal(get(0), 'a');
	assert_int_equal(get(0), 'b');
	assert_int_equal(get(0), 0x500);
	assert_int_equal(get(0), 'c');
	assert_int_equal(get(0), 0x500);
	assert_true(get(0x18) & 0x10);
}

/* What was typed waits over a reset, until the guest listens again; then all of it comes. */
static void test_reset(void **state)
{
	static char text[100];

	(void)state;
	start(false);
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)('0' + i % 75);
	put(0x38, 0);
	type_bytes(text, sizeof text);
	console_feed(&console);
	pl011_ops.reset(&uart);
	console_connect(&console, &uart, &uart_lock, &run);
	console_feed(&console);
	put(0x2c, 0x10);
	assert_true(get(0x18) & 0x10);
	assert_int_equal(get(0), 0); /* it empties the FIFO */
	put(0x38, 0x50);
	pl011_ops.expire(&uart);
	for (size_t i = 0; i < sizeof text;) {
		if (!(get(0x18) & 0x10))
			assert_int_equal(get(0), text[i++]);
	}
	assert_true(get(0x18) & 0x10);
}

/* A file goes through as it is. */
static void test_no_escape_in_a_file(void **state)
{
	(void)state;
	start(false);
	TYPE(CTRL_A "x");
	console_feed(&console);
	assert_int_equal(get(0), 1);
	assert_int_equal(get(0), 'x');
	assert_int_equal(end_called, RUNNING);
}

/* What was under way when it was ended is shown, if the terminal takes it. */
static void test_end(void **state)
{
	(void)state;
	start(true);
	writable = false;
	put(0, 'a');
	writable = true;
	console_end(&console, 143);
	assert_int_equal(end_called, STOPPED);
	assert_int_equal(end_status, 143);
	put(0, 'b');
	flush();
	assert_int_equal(shown, 2);
	assert_memory_equal(screen, "ab", 2);
}

/* A terminal that stalls does not keep the user from ending. */
static void test_end_while_stalled(void **state)
{
	(void)state;
	start(true);
	writable = false;
	put(0, 'a');
	TYPE(CTRL_A "x");
	assert_int_equal(end_called, STOPPED);
	put(0, 'b');
	flush();
	assert_int_equal(shown, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output), cmocka_unit_test(test_batch),
		cmocka_unit_test(test_stall),  cmocka_unit_test(test_overrun),
		cmocka_unit_test(test_input),  cmocka_unit_test(test_end_of_input),
		cmocka_unit_test(test_break),  cmocka_unit_test(test_reset),
		cmocka_unit_test(test_escape), cmocka_unit_test(test_no_escape_in_a_file),
		cmocka_unit_test(test_end),    cmocka_unit_test(test_end_while_stalled),
	};

	return RUN(tests);
}
