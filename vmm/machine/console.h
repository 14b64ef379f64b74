/* SPDX-License-Identifier: MIT */
/*
 * Connects the user's terminal with the guest's UART and, if there is one, its virtio console. Both
 * print to the terminal; what is typed goes to the virtio console if there is one, else to the
 * UART.
 *
 * Who uses it: machine.c creates it; the UART and the virtio console transmit and receive by it;
 * the event loop's thread does the rest.
 */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include "crt/crt.h"
#include "devices/pl011.h"
#include "devices/virtio/console.h"
#include "run.h"
#include "vmm/host/terminal.h"

#define CONSOLE_INPUT 4096   /* max symbols queued for the guest; then the terminal is not read */
#define CONSOLE_OUTPUT 16384 /* max bytes queued while the terminal stalls */
#define CONSOLE_SPARE 256    /* more of these per CPU, for what it sends before it is held */
#define CONSOLE_CHUNK 4096   /* more of these for the virtio console; max bytes it sends at once */

struct console {
	struct terminal terminal;
	struct pl011 *uart;
	struct lock *uart_lock;
	struct run *run;
	struct virtio_console *virtio; /* NULL: there is none */
	struct lock *virtio_lock;
	struct loop_source resized; /* SIGWINCH, if there is a virtio console and a terminal */

	/* Queued input, protected by input_lock: the lock of the device that receives it. */
	struct lock *input_lock;
	unsigned input_first, input_count;
	uint16_t *input; /* CONSOLE_INPUT symbols: bytes, or PL011_BREAK */

	uint64_t received, transmitted; /* bytes that the guest has received and sent, for stats */
};

/* Opens the terminal. `commands` are those behind Ctrl-A; each is called with `context`. */
void console_create(struct console *console, bool is_terminal,
		    const struct terminal_command *commands, void *context);

/* Lets the event loop read the terminal. `input` is the memory for CONSOLE_INPUT symbols. */
void console_attach(struct console *console, struct loop *loop, uint16_t *input);

/* Initialises a virtio console, and connects it. To be called before console_connect. */
void console_add_virtio(struct console *console, struct virtio_console *virtio, bool legacy);

/* Connects the UART of a run. Queued input is kept over resets. */
void console_connect(struct console *console, struct pl011 *uart, struct lock *uart_lock,
		     struct run *run);

/*
 * A struct pl011's `transmit` and `request_input`. Bytes are written at once if standard output
 * accepts them, else they are queued. False when the queue is half full: the UART's FIFO then reads
 * as full. If the guest sends on regardless, its vCPUs are held until the terminal accepts output
 * again (run_hold).
 */
bool console_transmit(void *console, const uint8_t *bytes, unsigned count);
void console_request_input(void *console, unsigned room);

/* To be called when the guest has been loaded from a snapshot: the terminal is another one than
 * that which its devices know, in size and in room for output. */
void console_resumed(struct console *console);

/* Passes queued input to the guest as far as it has room. On the event loop's thread. */
void console_feed(struct console *console);
/* To be called when the run has ended, before guest memory changes: waits until all output that the
 * guest has given to the virtio console, and that is still in guest memory, is queued or written,
 * or until the user or a signal ends the run. */
void console_finish_virtio(struct console *console);
/* Queues a break for the UART behind earlier input; with a virtio console, which has no breaks, it
 * does nothing. On the event loop's thread. */
void console_send_break(struct console *console);
/* Drops queued input, because the guest will not read any more. */
void console_guest_is_over(struct console *console);

#endif
