// SPDX-License-Identifier: MIT
/* The user's terminal. Who calls it: console.c, the event loop; init.c for raw mode. Touches
 * standard input and output. */
#include "terminal.h"

#include "crt/sys.h"
#include "vmm/report.h"

#include <asm/termbits.h>
#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>

#define ESCAPE 1 /* Ctrl-A, which begins a command, as in QEMU */

/* ---- input ---- */

static void command(const struct terminal *terminal, char key)
{
	for (const struct terminal_command *row = terminal->commands; row->key; row++)
		if (row->key == key)
			row->act(terminal->context);
}

/* Ctrl-A is special only at a terminal: a pipe or a file is passed through unchanged. */
static void take(struct terminal *terminal, uint8_t byte)
{
	if (terminal->escape) {
		terminal->escape = false;
		if (byte == ESCAPE)
			terminal->typed(terminal->reader, byte);
		else
			command(terminal, (char)byte);
	} else if (byte == ESCAPE && terminal->is_terminal) {
		terminal->escape = true;
	} else {
		terminal->typed(terminal->reader, byte);
	}
}

static short wanted_events(void *opaque)
{
	const struct terminal *terminal = opaque;

	return !terminal->input_closed && terminal->room(terminal->reader) > 0 ? POLLIN : 0;
}

/*
 * Is there still input? If the process was suspended since it was polled, a shell may have read the
 * keys, and to read in the background would suspend us again (SIGTTIN), deaf to SIGTERM.
 */
static bool has_input(void)
{
	const struct timespec now = { 0 };
	struct pollfd in = { .fd = 0, .events = POLLIN };

	return sys_ppoll(&in, 1, &now, NULL, 0) > 0;
}

/* Reads no more than the reader accepts: no key makes more than one byte. */
static void read_input(void *opaque, short events)
{
	struct terminal *terminal = opaque;
	uint8_t bytes[1024] = { 0 };
	unsigned room = terminal->room(terminal->reader);
	long n;

	(void)events;
	/* Room may have been used up since wanted_events was called. */
	if (!room || (terminal->is_terminal && !has_input()))
		return;
	n = sys_read(0, bytes, room < sizeof bytes ? room : sizeof bytes);
	if (n == -EINTR || n == -EAGAIN)
		return;
	if (n <= 0) { /* end of file, or the terminal hung up */
		terminal->input_closed = true;
		return;
	}
	for (long i = 0; i < n; i++)
		take(terminal, bytes[i]);
}

void terminal_attach(struct terminal *terminal, struct loop *loop)
{
	terminal->input = (struct loop_source){
		.fd = 0, .events = wanted_events, .ready = read_input, .context = terminal
	};
	loop_add_source(loop, &terminal->input);
}

/* ---- the whole ---- */

/* Output keeps its newline translation, as QEMU's console does. */
void terminal_raw_mode(struct termios *mode)
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

	terminal_raw_mode(&mode);
	if (result >= 0)
		result = ioctl_restart(0, TCSETS, (uintptr_t)&mode);
	if (result < 0)
		die(STATUS_HOST, "terminal: %s; run it with standard input from elsewhere",
		    error_text((int)-result));
}

void terminal_size(uint16_t *columns, uint16_t *rows)
{
	struct winsize size = { 0 };

	(void)ioctl_restart(1, TIOCGWINSZ, (uintptr_t)&size);
	*columns = size.ws_col;
	*rows = size.ws_row;
}

static void die_of_output(int error)
{
	die(STATUS_HOST, "standard output: %s; the guest's output would be lost",
	    error_text(error));
}

void terminal_open(struct terminal *terminal, bool is_terminal)
{
	if (is_terminal)
		make_raw();
	terminal->is_terminal = is_terminal;
	outlet_open(&terminal->output, 1, "standard output");
	terminal->output.failed = die_of_output;
}
