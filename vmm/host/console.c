// SPDX-License-Identifier: MIT
/*
 * The guest's terminal. Who calls it: the UART by its wires, the event loop. Touches standard input
 * and output, and the UART under its lock.
 *
 * Standard output is never made non-blocking: it is shared with whoever started us. Instead poll is
 * asked first, and no more is written than then cannot block.
 */
#include "console.h"

#include "crt/sys.h"
#include "event_loop.h"
#include "vmm/debug/dump.h"
#include "vmm/debug/stats.h"
#include "vmm/kvm/kvm.h"
#include "vmm/options.h"
#include "vmm/report.h"

#include <asm/termbits.h>
#include <errno.h>
#include <linux/limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define ESCAPE 1 /* Ctrl-A, as users of QEMU know it */

/* ---- output ---- */

/* Can a byte be written without waiting? */
static bool is_writable(const struct console *console)
{
	static const struct timespec no_time;
	struct pollfd out = { .fd = 1, .events = POLLOUT };

	return console->is_file || sys_ppoll(&out, 1, &no_time, NULL, 0) == 1;
}

static _Noreturn void die_of_output(int error)
{
	die(STATUS_HOST, "standard output: %s; the guest's output would be lost",
	    error_text(error));
}

/* One write. How many bytes it took; dies if output is gone for good. */
static unsigned write_some(const void *bytes, size_t size)
{
	long result = sys_write(1, bytes, size);

	if (result < 0 && result != -EINTR && result != -EAGAIN)
		die_of_output((int)-result);
	return result < 0 ? 0 : (unsigned)result;
}

/* Changed under the lock; the event loop looks at it without. */
static void set_output_count(struct console *console, unsigned count)
{
	__atomic_store_n(&console->output_count, count, __ATOMIC_RELAXED);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* How much of what waits lies in a row. */
static unsigned in_a_row(const struct console *console)
{
	return least(console->output_count, CONSOLE_OUTPUT - console->output_first);
}

/* Writes some of what waits. */
static void write_waiting(struct console *console)
{
	unsigned n = write_some(&console->output[console->output_first],
				least(in_a_row(console), console->at_once));

	console->output_first = (console->output_first + n) % CONSOLE_OUTPUT;
	set_output_count(console, console->output_count - n);
}

/* What is left then is for the CPUs that have a byte under way. */
static void hold_if_full(struct console *console)
{
	if (console->output_count >= CONSOLE_OUTPUT - CONSOLE_SPARE)
		run_hold(console->run);
}

/* Those that standard output does not take. */
static void append_output(struct console *console, const uint8_t *bytes, unsigned count)
{
	unsigned before = console->output_count;

	if (count > CONSOLE_OUTPUT - before)
		__builtin_trap(); /* fewer CPUs than spare bytes, and each was held */
	for (unsigned i = 0; i < count; i++)
		console->output[(console->output_first + before + i) % CONSOLE_OUTPUT] = bytes[i];
	set_output_count(console, before + count);
	if (before == 0)
		loop_wake(console->run->wake);
	hold_if_full(console);
}

static bool transmit(struct console *console, const uint8_t *bytes, unsigned count)
{
	console->transmitted += count;
	while (count && console->output_count == 0 && is_writable(console)) {
		unsigned n = write_some(bytes, least(count, console->at_once));

		if (n == 0)
			break;
		bytes += n;
		count -= n;
	}
	if (count && !console->discard)
		append_output(console, bytes, count);
	return console->output_count < CONSOLE_OUTPUT / 2;
}

bool console_transmit(void *opaque, const uint8_t *bytes, unsigned count)
{
	struct console *console = opaque;
	bool more;

	lock_acquire(&console->lock);
	more = transmit(console, bytes, count);
	lock_release(&console->lock);
	return more;
}

bool console_has_output(const struct console *console)
{
	return __atomic_load_n(&console->output_count, __ATOMIC_RELAXED) > 0;
}

void console_flush(struct console *console)
{
	bool ready;

	lock_acquire(&console->lock);
	while (console->output_count && is_writable(console))
		write_waiting(console);
	ready = console->output_count < CONSOLE_OUTPUT / 2;
	lock_release(&console->lock);
	if (!ready)
		return;
	run_release(console->run);
	lock_acquire(console->uart_lock);
	pl011_ready(console->uart);
	lock_release(console->uart_lock);
}

void console_finish(struct console *console)
{
	while (console->output_count) {
		unsigned n = in_a_row(console);
		int result = write_all(1, &console->output[console->output_first], n);

		if (result < 0)
			die_of_output(-result);
		console->output_first = (console->output_first + n) % CONSOLE_OUTPUT;
		set_output_count(console, console->output_count - n);
	}
}

/* ---- escape ---- */

static void statistics(struct console *console)
{
	dprintf(2, "\n");
	stats_report(console, FORM_TEXT);
}

static void append_input(struct console *console, uint16_t symbol);

static void send_break(struct console *console)
{
	append_input(console, PL011_BREAK);
}

/* A terminal that stalls is not waited for: it may be why the user wants to end. */
void console_end(struct console *console, int status)
{
	console_flush(console);
	lock_acquire(&console->lock);
	console->discard = true;
	set_output_count(console, 0);
	lock_release(&console->lock);
	run_end(console->run, STOPPED, status);
}

static void end(struct console *console)
{
	console_end(console, STATUS_ESCAPE);
}

static void reset(struct console *console)
{
	run_end(console->run, RESET, 0);
}

static void dump_guest(struct console *console)
{
	struct run *run = console->run;
	bool goes_on = !run_pause_asked(run); /* else a debugger holds it */

	run_pause(run);
	dump(run);
	for (unsigned i = 0; i < run->cpus; i++)
		if (run->vcpus[i].stopped) /* for the debugger, just now */
			goes_on = false;
	if (goes_on)
		run_resume(run);
}

static void help(struct console *console);

/* What follows Ctrl-A; another Ctrl-A sends itself. */
static const struct {
	char key;
	const char *help;
	void (*act)(struct console *console);
} commands[] = {
	{ 'h', "this help", help },	      { 'x', "end", end },
	{ 'r', "reset the guest", reset },    { 's', "statistics", statistics },
	{ 'c', "statistics", statistics },    { 'b', "send a break", send_break },
	{ 'd', "dump the CPUs", dump_guest },
};

static void help(struct console *console)
{
	(void)console;
	dprintf(2, "\nCtrl-A, and then:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		dprintf(2, "%c       %s\n", commands[i].key, commands[i].help);
	dprintf(2, "Ctrl-A  send Ctrl-A\n");
}

static void command(struct console *console, char key)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].key == key)
			commands[i].act(console);
}

/* ---- input ---- */

/* Changed under the UART's lock; the event loop looks at it without. */
static void set_input_count(struct console *console, unsigned count)
{
	__atomic_store_n(&console->input_count, count, __ATOMIC_RELAXED);
}

static unsigned input_count(const struct console *console)
{
	return __atomic_load_n(&console->input_count, __ATOMIC_RELAXED);
}

/* There is room: no more is read than that, and no key makes more than one. */
static void append_input(struct console *console, uint16_t symbol)
{
	lock_acquire(console->uart_lock);
	console->input[(console->input_first + console->input_count) % CONSOLE_INPUT] = symbol;
	set_input_count(console, console->input_count + 1);
	lock_release(console->uart_lock);
}

/* Takes what was typed; Ctrl-A is special at a terminal only: a file goes through as it is. */
static void take(struct console *console, uint8_t byte)
{
	if (console->escape) {
		console->escape = false;
		if (byte == ESCAPE)
			append_input(console, byte);
		else
			command(console, (char)byte);
	} else if (byte == ESCAPE && console->is_terminal) {
		console->escape = true;
	} else {
		append_input(console, byte);
	}
}

bool console_has_input(const struct console *console)
{
	return input_count(console) > 0;
}

bool console_wants_input(const struct console *console)
{
	return !console->input_closed && input_count(console) < CONSOLE_INPUT;
}

void console_read(struct console *console)
{
	uint8_t bytes[1024] = { 0 };
	size_t room = CONSOLE_INPUT - input_count(console);
	long n = sys_read(0, bytes, room < sizeof bytes ? room : sizeof bytes);

	if (n == -EINTR || n == -EAGAIN)
		return;
	if (n <= 0) { /* its end, or a terminal that is gone */
		console->input_closed = true;
		return;
	}
	for (long i = 0; i < n; i++)
		take(console, bytes[i]);
}

/* As much as the UART has room for, under its lock; it is told if more waits. */
static void feed(struct console *console, unsigned room)
{
	uint16_t symbols[PL011_FIFO];
	unsigned count = 0;

	while (count < room && count < console->input_count) {
		symbols[count++] = console->input[console->input_first];
		console->input_first = (console->input_first + 1) % CONSOLE_INPUT;
	}
	if (count && console->input_count == CONSOLE_INPUT)
		loop_wake(console->run->wake); /* it may read again */
	set_input_count(console, console->input_count - count);
	console->received += count;
	pl011_receive(console->uart, symbols, count, console->input_count > 0);
}

void console_feed(struct console *console)
{
	if (!console_has_input(console))
		return;
	lock_acquire(console->uart_lock);
	feed(console, pl011_room(console->uart));
	lock_release(console->uart_lock);
}

/*
 * To feed from a vCPU's thread, rather than to wake the event loop, spares a switch of threads for
 * every few bytes.
 */
void console_empty(void *opaque, unsigned room)
{
	struct console *console = opaque;

	if (room)
		feed(console, room);
	else
		loop_wake(console->run->wake);
}

/* ---- the whole ---- */

/* Output keeps its newline translation, as QEMU's console does. */
void console_raw_mode(struct termios *mode)
{
	mode->c_iflag &=
		~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	mode->c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	mode->c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
	mode->c_cflag |= CS8;
	mode->c_cc[VMIN] = 1;
	mode->c_cc[VTIME] = 0;
}

static void make_raw(void)
{
	struct termios mode = { 0 };
	long result = ioctl_restart(0, TCGETS, (uintptr_t)&mode);

	console_raw_mode(&mode);
	if (result >= 0)
		result = ioctl_restart(0, TCSETS, (uintptr_t)&mode);
	if (result < 0)
		die(STATUS_HOST, "terminal: %s; run it with standard input from elsewhere",
		    error_text((int)-result));
}

void console_create(struct console *console, bool is_terminal)
{
	struct stat status = { 0 };

	if (is_terminal)
		make_raw();
	/* What waits needs no zeros in front of it: to write them would cost each start 20 KiB. */
	memset(console, 0, offsetof(struct console, input));
	console->is_terminal = is_terminal;
	/* Should that fail it is taken for what stalls soonest: a terminal, which may have room for
	 * a single byte. A pipe has room for a page (pipe(7), PIPE_BUF). */
	(void)sys_fstat(1, &status);
	console->is_file = S_ISREG(status.st_mode);
	console->at_once = console->is_file	      ? CONSOLE_OUTPUT
			   : S_ISFIFO(status.st_mode) ? PIPE_BUF
						      : 1;
}

void console_connect(struct console *console, struct pl011 *uart, struct lock *uart_lock,
		     struct run *run)
{
	console->uart = uart;
	console->uart_lock = uart_lock;
	console->run = run;
}
