/* SPDX-License-Identifier: MIT */
/*
 * The user's terminal: standard input, where Ctrl-A and a key are a command, and standard output.
 * Either may be a pipe or a file instead.
 *
 * Who uses it: console.c, which connects it to the guest's UART; main provides the commands.
 */
#ifndef VMM_TERMINAL_H
#define VMM_TERMINAL_H

#include "event_loop.h"
#include "vmm/outlet.h"

/* What Ctrl-A and this key do. Called on the event loop's thread. */
struct terminal_command {
	char key; /* 0 ends the table */
	const char *help;
	void (*act)(void *context);
};

/* Used on the event loop's thread only, but for `output`. */
struct terminal {
	/* The reader of the input: how many bytes it accepts now (0: none), and the call that
	 * passes a byte. */
	unsigned (*room)(void *reader);
	void (*typed)(void *reader, uint8_t byte);
	void *reader;
	const struct terminal_command *commands;
	void *context; /* passed to the commands */
	bool is_terminal, input_closed, escape;
	struct loop_source input;

	struct outlet output;
};

/* Changes a terminal's mode to raw: every key goes to the guest. */
struct termios;
void terminal_raw_mode(struct termios *mode);

/* Examines standard output; if standard input is a terminal, makes it raw or dies. Reader, commands
 * and context must be set already. */
void terminal_open(struct terminal *terminal, bool is_terminal);

/* The size of the terminal that is standard output, in characters; 0 if unknown. */
void terminal_size(uint16_t *columns, uint16_t *rows);

/* Reads standard input from now on, whenever the reader has room. */
void terminal_attach(struct terminal *terminal, struct loop *loop);

#endif
