// SPDX-License-Identifier: MIT
/*
 * The guest's terminal. Who calls it: the UART by its wires, the event loop. Touches standard input
 * and output, and the UART under its lock.
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
#include <sys/ioctl.h>

#define ESCAPE 1 /* Ctrl-A, as users of QEMU know it */

/* ---- output ---- */

static void die_of_output(int error)
{
	die(STATUS_HOST, "standard output: %s; the guest's output would be lost",
	    error_text(error));
}

bool console_transmit(void *opaque, const uint8_t *bytes, unsigned count)
{
	struct console *console = opaque;

	console->transmitted += count;
	(void)outlet_put(&console->output, bytes, count); /* what is lost is counted */
	return outlet_has_room(&console->output);
}

void console_ready(struct console *console)
{
	if (!outlet_has_room(&console->output))
		return;
	lock_acquire(console->uart_lock);
	pl011_ready(console->uart);
	lock_release(console->uart_lock);
}

/* ---- escape ---- */

static void statistics(struct console *console)
{
	report_text("\n");
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
	outlet_discard(&console->output);
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
	report_text("\nCtrl-A, and then:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		report_text("%c       %s\n", commands[i].key, commands[i].help);
	report_text("Ctrl-A  send Ctrl-A\n");
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
	if (is_terminal)
		make_raw();
	/* What waits needs no zeros in front of it: to write them would cost each start 20 KiB. */
	memset(console, 0, offsetof(struct console, input));
	console->is_terminal = is_terminal;
	outlet_open(&console->output, 1, "standard output");
	console->output.failed = die_of_output;
}

/* What was typed for it would only be in the way of Ctrl-A x. */
void console_guest_is_over(struct console *console)
{
	lock_acquire(console->uart_lock);
	set_input_count(console, 0);
	lock_release(console->uart_lock);
}

void console_connect(struct console *console, struct pl011 *uart, struct lock *uart_lock,
		     struct run *run)
{
	console->uart = uart;
	console->uart_lock = uart_lock;
	console->run = run;
}
