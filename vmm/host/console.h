/* SPDX-License-Identifier: MIT */
/*
 * The guest's terminal: standard input and output at one end of the line, the UART at the other.
 *
 * Who uses it: machine.c connects it, the UART transmits to it, the event loop's thread does the
 * rest.
 */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include "crt/crt.h"
#include "devices/pl011.h"
#include "outlet.h"
#include "vmm/machine/run.h"

#define CONSOLE_INPUT 4096   /* bytes read ahead of the guest; beyond them flow is held */
#define CONSOLE_OUTPUT 16384 /* bytes that can wait for a terminal that stalls */
#define CONSOLE_SPARE 256    /* and for each CPU, for what it sends before it is held */

struct console {
	/* The other end, and the run that Ctrl-A x ends. */
	struct pl011 *uart;
	struct lock *uart_lock;
	struct run *run;

	/* Input that waits, below: under the UART's lock. */
	unsigned input_first, input_count;
	/* The event loop's alone. */
	bool input_closed, escape, is_terminal;

	struct outlet output;
	uint64_t received, transmitted; /* bytes of the guest's, for the statistics */

	/* Not set before they are used. */
	uint16_t input[CONSOLE_INPUT]; /* bytes, and PL011_BREAK where one was sent */
};

/* Makes of a terminal's mode the one in which every key is the guest's. */
struct termios;
void console_raw_mode(struct termios *mode);
/* Looks at standard output; if input is a terminal it is made raw: every key is the guest's. */
void console_create(struct console *console, bool is_terminal);

/* The other end, new after every reset; what was typed and not read stays. */
void console_connect(struct console *console, struct pl011 *uart, struct lock *uart_lock,
		     struct run *run);

/*
 * A struct pl011's `transmit` and `empty`. Bytes are written at once if standard output takes them;
 * else they wait, in order. False when half of the room for that is taken: then the UART shows its
 * guest a full FIFO. If the guest does not look its CPUs are held until the terminal goes on
 * (run_hold).
 */
bool console_transmit(void *console, const uint8_t *bytes, unsigned count);
void console_empty(void *console, unsigned room);

/* The event loop's: what to wait for, and what to do when it has come. */
bool console_wants_input(const struct console *console);
/* Input that waits: under the UART's lock. */
bool console_has_input(const struct console *console);
void console_read(struct console *console);
void console_feed(struct console *console);
/* Output may have room again: the UART shows that. */
void console_ready(struct console *console);

/* The guest will not read any more. */
void console_guest_is_over(struct console *console);

/* Somebody has ended the run: with this status. */
void console_end(struct console *console, int status);

#endif
