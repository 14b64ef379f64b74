// SPDX-License-Identifier: MIT
/*
 * Connects terminal, UART and virtio console. Who calls it: the UART and the virtio console, on any
 * thread; the terminal and serve.c, on the event loop's. Touches the terminal's output, and the
 * devices under their locks.
 */
#include "console.h"

#include "serve.h"
#include "vmm/wake.h"

#include <signal.h>

/* ---- output ---- */

bool console_transmit(void *opaque, const uint8_t *bytes, unsigned count)
{
	struct console *console = opaque;
	struct outlet *output = &console->terminal.output;

	/* Atomic, because the two devices have different locks. */
	__atomic_fetch_add(&console->transmitted, count, __ATOMIC_RELAXED);
	(void)outlet_put(output, bytes, count); /* the outlet counts what is lost */
	return outlet_has_room(output);
}

/* A struct virtio_console's `transmit`. show_room informs it when there is room again. */
static size_t transmit_virtio(void *opaque, const uint8_t *bytes, size_t size)
{
	struct console *console = opaque;
	unsigned count = size < CONSOLE_CHUNK ? (unsigned)size : CONSOLE_CHUNK;

	if (!outlet_has_room(&console->terminal.output))
		return 0;
	console_transmit(console, bytes, count);
	return count;
}

/* Lets the virtio console transmit and receive. True if it has output left. */
static bool work_virtio(struct console *console)
{
	bool is_left;

	lock_acquire(console->virtio_lock);
	is_left = virtio_console_work(console->virtio);
	lock_release(console->virtio_lock);
	return is_left;
}

/* The output's `flushed`: informs the devices if there is room again. */
static void show_room(void *opaque)
{
	struct console *console = opaque;

	if (!outlet_has_room(&console->terminal.output))
		return;
	lock_acquire(console->uart_lock);
	pl011_ready(console->uart);
	lock_release(console->uart_lock);
	if (console->virtio)
		work_virtio(console);
}

void console_finish_virtio(struct console *console)
{
	/* Output may be left although there is room: the device sends a bounded amount at once. */
	while (console->virtio && work_virtio(console) &&
	       run_how_ended(console->run) != ENDED_BY_USER)
		loop_wait(&console->run->loop,
			  outlet_has_room(&console->terminal.output) ? 0 : LOOP_NEVER);
}

/* ---- input ---- */

/* Writers hold input_lock; the event loop reads the count without it. */
static void set_input_count(struct console *console, unsigned count)
{
	__atomic_store_n(&console->input_count, count, __ATOMIC_RELAXED);
}

static unsigned input_count(const struct console *console)
{
	return __atomic_load_n(&console->input_count, __ATOMIC_RELAXED);
}

/* The terminal's `room`. After the user has ended the run no more input is read. */
static unsigned input_room(void *opaque)
{
	const struct console *console = opaque;

	return run_how_ended(console->run) == ENDED_BY_USER ? 0
							    : CONSOLE_INPUT - input_count(console);
}

/* Never overflows: the terminal reads no more than input_room bytes, and each key appends at most
 * one symbol. */
static void append_input(struct console *console, uint16_t symbol)
{
	lock_acquire(console->input_lock);
	console->input[(console->input_first + console->input_count) % CONSOLE_INPUT] = symbol;
	set_input_count(console, console->input_count + 1);
	lock_release(console->input_lock);
}

/* The terminal's `typed`. */
static void type_byte(void *console, uint8_t byte)
{
	append_input(console, byte);
}

void console_send_break(struct console *console)
{
	if (!console->virtio)
		append_input(console, PL011_BREAK);
}

/* Takes the first symbol off the queue, which is not empty. Called with input_lock held. */
static uint16_t take_input(struct console *console)
{
	uint16_t symbol = console->input[console->input_first];
	bool was_full = console->input_count == CONSOLE_INPUT;

	console->input_first = (console->input_first + 1) % CONSOLE_INPUT;
	set_input_count(console, console->input_count - 1);
	console->received++;
	if (was_full)
		wake_loop(console->run->loop.wake); /* it may read the terminal again */
	return symbol;
}

/* Passes up to `room` symbols to the UART, and whether more are queued. With its lock held. */
static void feed(struct console *console, unsigned room)
{
	uint16_t symbols[PL011_FIFO];
	unsigned count = 0;

	while (count < room && console->input_count)
		symbols[count++] = take_input(console);
	pl011_receive(console->uart, symbols, count, console->input_count > 0);
}

/* A struct virtio_console's `receive`. */
static size_t receive_virtio(void *opaque, uint8_t *bytes, size_t size)
{
	struct console *console = opaque;
	size_t count = 0;

	while (count < size && console->input_count)
		bytes[count++] = (uint8_t)take_input(console);
	return count;
}

void console_feed(struct console *console)
{
	if (input_count(console) == 0)
		return;
	if (console->virtio) {
		work_virtio(console);
		return;
	}
	lock_acquire(console->uart_lock);
	feed(console, pl011_room(console->uart));
	lock_release(console->uart_lock);
}

/* If possible, input is passed to the UART on this thread, a vCPU's: waking the event loop would
 * cost a thread switch for every few bytes. */
void console_request_input(void *opaque, unsigned room)
{
	struct console *console = opaque;

	if (console->virtio)
		return;
	if (room)
		feed(console, room);
	else
		wake_loop(console->run->loop.wake);
}

/* A full queue would keep the terminal from being read, and so Ctrl-A x from working. */
void console_guest_is_over(struct console *console)
{
	lock_acquire(console->input_lock);
	set_input_count(console, 0);
	lock_release(console->input_lock);
}

/* ---- the terminal's size ---- */

static void show_size(struct console *console)
{
	uint16_t columns, rows;

	terminal_size(&columns, &rows);
	virtio_console_resize(console->virtio, columns, rows);
}

static void show_size_again(struct console *console)
{
	lock_acquire(console->virtio_lock);
	show_size(console);
	lock_release(console->virtio_lock);
}

static void on_resized(void *opaque, short events)
{
	struct console *console = opaque;

	(void)events;
	serve_take_signal(&console->resized);
	show_size_again(console);
}

void console_resumed(struct console *console)
{
	if (console->virtio)
		show_size_again(console);
	show_room(console);
}

/* ---- the whole ---- */

void console_create(struct console *console, bool is_terminal,
		    const struct terminal_command *commands, void *context)
{
	*console = (struct console){
		.terminal = { .room = input_room,
			      .typed = type_byte,
			      .reader = console,
			      .commands = commands,
			      .context = context },
	};
	terminal_open(&console->terminal, is_terminal);
	console->terminal.output.flushed = show_room;
	console->terminal.output.context = console;
}

void console_attach(struct console *console, struct loop *loop, uint16_t *input)
{
	console->input = input;
	terminal_attach(&console->terminal, loop);
}

void console_add_virtio(struct console *console, struct virtio_console *virtio, bool legacy)
{
	virtio->transmit = transmit_virtio;
	virtio->receive = receive_virtio;
	virtio->line = console;
	virtio_console_init(virtio, legacy);
	console->virtio = virtio;
	show_size(console);
}

void console_connect(struct console *console, struct pl011 *uart, struct lock *uart_lock,
		     struct run *run)
{
	console->uart = uart;
	console->uart_lock = uart_lock;
	console->run = run;
	console->input_lock = console->virtio ? console->virtio_lock : uart_lock;
	if (console->virtio && console->terminal.is_terminal)
		serve_signals(run, &console->resized, SIGNAL_BIT(SIGWINCH), on_resized, console);
}
