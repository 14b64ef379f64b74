// SPDX-License-Identifier: MIT
/*
 * vmm/machine/console.c, with vmm/host/terminal.c and Ctrl-A's commands, a fake terminal that
 * stalls, and the real PL011 and virtio console.
 */
#include "reports.h"
#include "virtio.h"

#include "devices/virtio/net.h"
#include "vmm/commands.h"
#include "vmm/debug/dump.h"
#include "vmm/debug/stats.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/serve.h"
#include "vmm/wake.h"

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
static struct winsize window;
static unsigned output_mode; /* type of standard output's file */
static unsigned writes;
static char screen[200000];
static size_t shown;
static const char *typed;
static bool shell_was_first; /* to read it, while we were suspended */
static size_t typed_size;

static long last_wait_ms; /* of a ppoll for output */

static long milliseconds(const struct timespec *time)
{
	return time->tv_sec * 1000 + time->tv_nsec / 1000000;
}

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
		if (terminal && b == TIOCGWINSZ)
			*(struct winsize *)c = window;
		return terminal ? 0 : -ENOTTY;
	case SYS_fstat:
		((struct stat *)b)->st_mode = output_mode;
		return 0;
	case SYS_ppoll:
		if (((const struct pollfd *)a)->fd == 0)
			return !shell_was_first;
		last_wait_ms = milliseconds((const struct timespec *)c);
		return writable;
	case SYS_read:
		assert_int_equal(a, 0);
		return read_typed((char *)b, (size_t)c);
	case SYS_write:
		assert_int_equal(a, 1);
		/* Must never block. */
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

/* ---- stubs ---- */

int write_all(int fd, const void *data, size_t size)
{
	assert_int_equal(fd, 1);
	assert_true(output_mode == S_IFREG); /* only a file is written without asking ppoll */
	writes++;
	memcpy(screen + shown, data, size);
	shown += size;
	return 0;
}

static unsigned wakes;
static struct loop_source *input;

void loop_add_source(struct loop *loop, struct loop_source *source)
{
	(void)loop;
	assert_int_equal(source->fd, 0);
	input = source;
}

static unsigned waits;
static void (*on_wait)(uint64_t nanoseconds); /* called during loop_wait */

void loop_wait(struct loop *loop, uint64_t nanoseconds)
{
	(void)loop;
	waits++;
	on_wait(nanoseconds);
}

static struct loop_source *watched; /* for SIGWINCH */
static unsigned signals_taken;

void serve_signals(struct run *run, struct loop_source *source, uint64_t signals,
		   void (*ready)(void *context, short events), void *context)
{
	(void)run;
	assert_int_equal(signals, SIGNAL_BIT(SIGWINCH));
	*source = (struct loop_source){ .ready = ready, .context = context };
	watched = source;
}

int serve_take_signal(const struct loop_source *source)
{
	assert_ptr_equal(source, watched);
	signals_taken++;
	return SIGWINCH;
}

static int end_called, end_status;

void wake_loop(int wake)
{
	(void)wake;
	wakes++;
}

static int power_asked;

void power_ask(struct power *power, int status)
{
	(void)power;
	power_asked = status;
}

void run_end(struct run *run, enum end end, int status)
{
	run->end = END_WORD(end, status);
	end_called = end;
	end_status = status;
}

void run_hold(void *opaque, uint32_t by, bool on)
{
	struct run *run = opaque;

	if (on)
		run->entry_gate |= by;
	else
		run->entry_gate &= ~by;
}

bool run_pause_asked(const struct run *run)
{
	return run->entry_gate & PAUSE;
}

void run_pause(struct run *run)
{
	run->entry_gate |= PAUSED;
	run->paused = true;
}

void run_resume(struct run *run)
{
	assert_true(run->paused);
	run->entry_gate &= ~(uint32_t)PAUSED;
	run->paused = false;
}

static unsigned dumps, saves;

void dump(const struct run *run)
{
	assert_true(run->paused);
	dumps++;
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
	assert_int_equal(lock->state++,
			 0); /* with one thread, taking it twice would be a deadlock */
}

void lock_release(struct lock *lock)
{
	assert_int_equal(lock->state--, 1);
}

const char *error_text(int error)
{
	return strerror(error);
}

/* ---- the guest ---- */

static struct console console;
static struct pl011 uart;
static struct lock uart_lock;
static struct machine machine;
static struct outlet *const output = &console.terminal.output;
static uint16_t input_ring[CONSOLE_INPUT];
static uint8_t ring[CONSOLE_OUTPUT + CONSOLE_SPARE + CONSOLE_CHUNK]; /* for one CPU */

/* Does what the event loop does when the terminal accepts output again. */
static void flush(void)
{
	assert_int_equal(outlet_flush(output), 0); /* nothing is lost */
	output->flushed(output->context);
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

static struct virtio_console hvc;
static struct lock hvc_lock;

static void start_with(bool at_terminal, bool with_virtio)
{
	static const struct outlet_room room = {
		.ring = ring,
		.size = sizeof ring,
		.hold_at = CONSOLE_OUTPUT,
		.hold = run_hold,
		.run = &machine.run,
		.by = HELD_BY_CONSOLE,
	};
	static bool first = true;

	terminal = at_terminal;
	writable = true;
	shown = writes = 0;
	wakes = 0;
	end_called = RUNNING;
	machine = (struct machine){ .console = &console };
	uart = (struct pl011){
		.wires.irq = { .set = no_irq },
		.wires.timer = { .set = no_timer },
		.transmit = console_transmit,
		.request_input = console_request_input,
		.idle = no_idle,
		.line = &console,
		.clock = 1,
	};
	console_create(&console, at_terminal, terminal_commands, &machine);
	if (first) /* outlets stay in the list of all outlets */
		outlet_attach(output, &room);
	first = false;
	output->room = room;
	console_attach(&console, &machine.run.loop, input_ring);
	if (with_virtio) {
		hvc = (struct virtio_console){ .line = NULL };
		console_add_virtio(&console, &hvc, false);
		console.virtio_lock = &hvc_lock; /* as machine_add_virtio does */
	}
	console_connect(&console, &uart, &uart_lock, &machine.run);
	pl011_ops.reset(&uart);
	put(0x30, 0x301);
	put(0x2c, 0x10);
	put(0x38, 0x50);
	pl011_ops.expire(&uart); /* the guest takes input now */
}

static void start(bool at_terminal)
{
	start_with(at_terminal, false);
}

/* Starts a guest whose driver has set up the virtio console. */
static void start_virtio(void)
{
	window = (struct winsize){ .ws_row = 25, .ws_col = 80 };
	start_with(true, true);
	connect(&hvc.virtio, &virtio_timed_ops);
	start_driver(2);
}

/* The guest prints so many ascending bytes by its virtio console. */
static void print_virtio(uint32_t at, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		ram[BUFFERS + at + i] = (uint8_t)((at + i) % 251);
	add_one(1, BUFFERS + at, size, 0);
	lock_acquire(&hvc_lock);
	notify(1);
	lock_release(&hvc_lock);
}

static bool wants_input(void)
{
	return input->events(input->context) == POLLIN;
}

static void type_bytes(const char *bytes, size_t size)
{
	typed = bytes;
	typed_size = size;
	while (typed_size && wants_input())
		input->ready(input->context, POLLIN);
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

/* Bytes that are transmitted together are written together, as far as that does not block. */
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
		writable = output_mode != S_IFREG; /* ppoll is not asked about a file */
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

/* While the terminal stalls, order is kept, TXFF is set, and a guest that ignores it is held. */
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
	assert_true(outlet_waits(output));
	assert_int_equal(machine.run.entry_gate, 0);
	while (!machine.run.entry_gate) /* the guest ignores TXFF */
		put(0, (uint8_t)(sent++ % 251));
	assert_int_equal(sent, CONSOLE_OUTPUT);
	for (unsigned i = 0; i < CONSOLE_SPARE; i++) /* bytes that a CPU sends before it is held */
		put(0, (uint8_t)(sent++ % 251));
	assert_int_equal(shown, 0);
	assert_int_equal(machine.run.entry_gate, HELD_BY_CONSOLE);
	writable = true;
	flush();
	assert_int_equal(machine.run.entry_gate, 0);
	assert_int_equal(get(0x18) & 0x20, 0);
	assert_false(outlet_waits(output));
	put(0, (uint8_t)(sent++ % 251));
	assert_int_equal(shown, sent);
	for (size_t i = 0; i < sent; i++)
		assert_int_equal((uint8_t)screen[i], i % 251);
}

/* Output for which there is no room is lost, without other effects. */
static void test_overrun(void **state)
{
	(void)state;
	start(true);
	writable = false;
	for (unsigned i = 0; i < 2 * sizeof ring; i++)
		put(0, '\n');
	writable = true;
	assert_int_equal(outlet_flush(output), sizeof ring);
	assert_int_equal(shown, sizeof ring);
	put(0, 'x');
	assert_int_equal(screen[shown - 1], 'x');
}

/* Early input is queued, up to the limit, and then not read; the guest gets all of it in order. */
static void test_input(void **state)
{
	static char text[3 * CONSOLE_INPUT];
	size_t got = 0;

	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)(i * 7 % 251 + 2); /* all bytes but Ctrl-A */
	start(true);
	put(0x30, 0x381); /* loopback */
	type_bytes(text, sizeof text);
	console_feed(&console);
	assert_int_equal(typed_size, sizeof text - CONSOLE_INPUT);
	assert_false(wants_input());
	wakes = 0;
	put(0x30, 0x301);
	assert_int_equal(wakes, 1); /* the event loop must feed */
	console_feed(&console);
	while (got < sizeof text) {
		if (get(0x18) & 0x10) /* RXFE: more is there at the next read */
			continue;
		assert_int_equal(get(0), (uint8_t)text[got++]);
		while (typed_size && wants_input())
			input->ready(input->context, POLLIN);
	}
	assert_int_equal(console.received, sizeof text);
}

/* Keys that a shell has read since the poll are not waited for by a read, which in the background
 * would suspend us. */
static void test_input_gone(void **state)
{
	(void)state;
	start(true);
	typed = "x";
	typed_size = 1;
	shell_was_first = true;
	input->ready(input->context, POLLIN);
	assert_int_equal(typed_size, 1);
	shell_was_first = false;
	input->ready(input->context, POLLIN);
	assert_int_equal(typed_size, 0);
}

static void waits_changed(void *network)
{
	(void)network;
}

/* Ctrl-A l pulls the cables of all network devices, or plugs all in. */
static void test_link(void **state)
{
	static struct virtio_net nets[2];

	(void)state;
	start(true);
	TYPE(CTRL_A "l");
	assert_string_equal(last_report, "the guest has no network");
	for (unsigned i = 0; i < 2; i++) {
		nets[i].network.waits_changed = waits_changed;
		nets[i].connected = true;
		virtio_net_init(&nets[i], false);
		machine.bus.regions[1 + i].device = &nets[i];
		machine.bus.regions[1 + i].slot = (int)i;
	}
	machine.bus.regions[0].slot = -1;
	machine.bus.count = 3;
	TYPE(CTRL_A "l");
	assert_non_null(strstr(last_report, "unplugged"));
	assert_true(nets[0].unplugged && nets[1].unplugged);
	assert_int_equal(nets[0].config[6], 0);
	nets[1].unplugged = false;
	TYPE(CTRL_A "l");
	assert_non_null(strstr(last_report, "plugged in"));
	assert_false(nets[0].unplugged || nets[1].unplugged);
	assert_int_equal(nets[0].config[6], 1);
}

void machine_ask_save(struct machine *of, bool now)
{
	assert_ptr_equal(of, &machine);
	assert_false(now);
	saves++;
}

static void test_end_of_input(void **state)
{
	(void)state;
	start(false);
	TYPE("");
	assert_true(wants_input());
	input->ready(input->context, POLLIN);
	assert_false(wants_input());
}

static void test_escape(void **state)
{
	(void)state;
	start(true);
	TYPE("a" CTRL_A CTRL_A "b" CTRL_A "?" CTRL_A "hc");
	console_feed(&console);
	assert_int_equal(get(0), 'a');
	assert_int_equal(get(0), 1);
	assert_int_equal(get(0), 'b'); /* an unknown command and help are not passed to the guest */
	assert_int_equal(get(0), 'c');
	assert_true(get(0x18) & 0x10);
	TYPE(CTRL_A "r");
	assert_int_equal(end_called, RESET);
	TYPE(CTRL_A "d");
	assert_int_equal(dumps, 1);
	assert_false(machine.run.paused);
	machine.run.entry_gate |= PAUSE_ASKED; /* a CPU has stopped for the debugger */
	TYPE(CTRL_A "d");
	assert_int_equal(dumps, 2);
	assert_true(machine.run.entry_gate & PAUSE_ASKED);
	machine.run.paused = true; /* the debugger holds the guest */
	TYPE(CTRL_A "d");
	assert_int_equal(dumps, 3);
	assert_true(machine.run.paused);
	TYPE(CTRL_A "p");
	assert_int_equal(power_asked, 143);
	TYPE(CTRL_A "w");
	assert_int_equal(saves, 1);
	TYPE(CTRL_A "s" CTRL_A "x");
	assert_int_equal(statistics, 1);
	assert_int_equal(end_called, ENDED_BY_USER);
	assert_int_equal(end_status, STATUS_ESCAPE);
}

/* A break is queued in order with typed bytes. */
static void test_break(void **state)
{
	(void)state;
	start(true);
	put(0x30, 0x381); /* in loopback nothing is received from the line */
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

/* Queued input is kept over a reset, until the guest takes input again. */
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
	console_connect(&console, &uart, &uart_lock, &machine.run);
	console_feed(&console);
	put(0x2c, 0x10);
	assert_true(get(0x18) & 0x10);
	assert_int_equal(get(0), 0); /* the driver empties the FIFO */
	put(0x38, 0x50);
	pl011_ops.expire(&uart);
	for (size_t i = 0; i < sizeof text;) {
		if (!(get(0x18) & 0x10))
			assert_int_equal(get(0), text[i++]);
	}
	assert_true(get(0x18) & 0x10);
}

/* Input from a file is passed through unchanged. */
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

/* While the terminal stalls, Ctrl-A x still works, and queued output is kept. */
static void test_end_while_stalled(void **state)
{
	(void)state;
	start(true);
	writable = false;
	put(0, 'a');
	TYPE(CTRL_A "x");
	assert_int_equal(end_called, ENDED_BY_USER);
	assert_false(wants_input());
	put(0, 'b');
	assert_int_equal(outlets_waiting(), 2);
	writable = true;
	flush();
	assert_int_equal(shown, 2);
	assert_memory_equal(screen, "ab", 2);
}

/* At the end, without an event loop, output is written as far as the terminal accepts it; the wait
 * for the rest is bounded. */
static void test_finish(void **state)
{
	(void)state;
	start(true);
	writable = false;
	put(0, 'a');
	put(0, 'b');
	outlets_finish();
	assert_int_equal(shown, 0);
	assert_int_equal(last_wait_ms, OUTLET_PATIENCE_MS);
	writable = true;
	outlets_finish();
	assert_int_equal(shown, 2);
	assert_memory_equal(screen, "ab", 2);
}

/* Typed bytes go to the virtio console, when it has buffers; UART and virtio console print. */
static void test_virtio(void **state)
{
	(void)state;
	start_virtio();
	put(0, 'u');
	memcpy(ram + BUFFERS, "hvc", sizeof "hvc");
	add_one(1, BUFFERS, 3, 0);
	notify(1);
	put(0, 'v');
	assert_int_equal(shown, 5);
	assert_memory_equal(screen, "uhvcv", 5);
	assert_int_equal(console.transmitted, 5);
	TYPE("ab" CTRL_A "bc"); /* a break is ignored */
	console_feed(&console);
	assert_int_equal(console.received, 0);
	put(0x30, 0x381); /* a UART that takes input by interrupts gets none, */
	put(0x30, 0x301);
	assert_true(get(0x18) & 0x10);
	assert_true(get(0x18) & 0x10); /* nor does one that is polled */
	add_one(0, BUFFERS, 2, WRITE);
	add_one(0, BUFFERS + 2, 100, WRITE);
	lock_acquire(&hvc_lock);
	notify(0);
	lock_release(&hvc_lock);
	assert_int_equal(answered(0), 2);
	assert_memory_equal(ram + BUFFERS, "abc", 3);
	assert_int_equal(console.received, 3);
	assert_true(get(0x18) & 0x10);
	TYPE("d");
	add_one(0, BUFFERS, 2, WRITE);
	console_feed(&console);
	assert_int_equal(ram[BUFFERS], 'd');
	TYPE("for nobody");
	console_guest_is_over(&console);
	console_feed(&console);
	assert_int_equal(console.received, 4);
}

static void test_virtio_size(void **state)
{
	(void)state;
	watched = NULL;
	start_virtio();
	assert_int_equal(get_register(0x100), 25 << 16 | 80);
	acknowledge();
	window.ws_col = 132;
	watched->ready(watched->context, POLLIN);
	assert_int_equal(signals_taken, 1);
	assert_int_equal(get_register(0x100), 25 << 16 | 132);
	assert_true(driver.level);
	watched = NULL;
	start_with(false, true); /* without a terminal the size is 0 */
	assert_null(watched);
	assert_int_equal(hvc.config[0] | hvc.config[2], 0);
}

/* While the terminal stalls, output of the virtio console stays in guest memory. */
static void test_virtio_stall(void **state)
{
	uint32_t size = 0;

	(void)state;
	start_virtio();
	writable = false;
	while (answered(1) == size / 5000) {
		print_virtio(size, 5000);
		size += 5000;
	}
	assert_in_range(outlets_waiting(), CONSOLE_OUTPUT / 2, CONSOLE_OUTPUT / 2 + CONSOLE_CHUNK);
	assert_int_equal(machine.run.entry_gate, 0); /* the guest is not held */
	print_virtio(size, 50000);
	size += 50000;
	assert_int_equal(shown, 0);
	writable = true;
	while (outlets_waiting())
		flush();
	assert_int_equal(shown, size);
	for (size_t i = 0; i < shown; i++)
		assert_int_equal((uint8_t)screen[i], i % 251);
	assert_int_equal(answered(1), driver.made[1]);
}

static void goes_on(uint64_t nanoseconds)
{
	assert_true(waits < 100);
	writable = waits > 3;
	if (writable)
		flush();
	else
		assert_int_equal(nanoseconds, LOOP_NEVER);
}

static void does_not_wait(uint64_t nanoseconds)
{
	assert_int_equal(nanoseconds, 0);
}

static void stops(uint64_t nanoseconds)
{
	(void)nanoseconds;
	run_end(&machine.run, ENDED_BY_USER, 0);
}

/* When the guest has ended, that output is written, unless the user ends the run. */
static void test_virtio_end(void **state)
{
	(void)state;
	start(true);
	console_finish_virtio(&console); /* without a virtio console it does nothing */
	start_virtio();
	writable = false;
	print_virtio(0, 60000);
	waits = 0;
	on_wait = goes_on;
	console_finish_virtio(&console);
	assert_true(waits > 3);
	assert_int_equal(answered(1), 1);
	assert_int_equal(shown + outlets_waiting(), 60000);
	writable = true;
	flush();
	for (size_t i = 0; i < shown; i++)
		assert_int_equal((uint8_t)screen[i], i % 251);

	output_mode = S_IFREG; /* much output at once takes several rounds */
	start_virtio();
	print_virtio(0, 300);
	add(1, (struct buffer[]){ { BUFFERS, 40000, 0 }, { BUFFERS, 40000, 0 } }, 2);
	on_wait = does_not_wait;
	console_finish_virtio(&console);
	assert_int_equal(answered(1), 2);
	output_mode = 0;

	start_virtio();
	writable = false;
	print_virtio(0, 60000);
	waits = 0;
	on_wait = stops;
	console_finish_virtio(&console);
	assert_int_equal(waits, 1);
	writable = true;
	flush();
}

static uint64_t no_time_left(void *clock, unsigned number)
{
	(void)clock, (void)number;
	return TIMER_OFF;
}

/* A guest that was saved while its terminal stalled goes on at another one. */
static void test_resumed(void **state)
{
	uint8_t saved[512];

	(void)state;
	start(true);
	writable = false;
	for (unsigned i = 0; !(get(0x18) & 0x20); i++) {
		assert_true(i < CONSOLE_OUTPUT);
		put(0, 'x');
	}
	assert_true(device_state_size(&pl011_ops) <= sizeof saved);
	uart.wires.timer.left = no_time_left;
	device_save(&pl011_ops, &uart, saved);
	writable = true;
	flush();
	start_virtio();
	assert_true(device_load(&pl011_ops, &uart, saved));
	assert_true(get(0x18) & 0x20);
	add_one(1, BUFFERS, 3, 0); /* the device before has had the notification */
	acknowledge();
	window.ws_col = 100;
	console_resumed(&console);
	assert_false(get(0x18) & 0x20);
	assert_int_equal(answered(1), 1);
	assert_int_equal(get_register(0x100), 25 << 16 | 100);
	assert_true(get_register(0x60) & 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),	     cmocka_unit_test(test_batch),
		cmocka_unit_test(test_stall),	     cmocka_unit_test(test_overrun),
		cmocka_unit_test(test_input),	     cmocka_unit_test(test_input_gone),
		cmocka_unit_test(test_end_of_input), cmocka_unit_test(test_link),
		cmocka_unit_test(test_break),	     cmocka_unit_test(test_reset),
		cmocka_unit_test(test_escape),	     cmocka_unit_test(test_no_escape_in_a_file),
		cmocka_unit_test(test_finish),	     cmocka_unit_test(test_end_while_stalled),
		cmocka_unit_test(test_virtio),	     cmocka_unit_test(test_virtio_size),
		cmocka_unit_test(test_virtio_stall), cmocka_unit_test(test_virtio_end),
		cmocka_unit_test(test_resumed),
	};

	return RUN(tests);
}
