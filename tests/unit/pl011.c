// SPDX-License-Identifier: MIT
/* devices/pl011.c as seen by a driver (Arm DDI 0183), and by the other end of its line. */
#include "unit.h"

#include "devices/pl011.h"

#include <string.h>

#define DR 0x000
#define RSR 0x004
#define FR 0x018
#define IBRD 0x024
#define FBRD 0x028
#define LCR_H 0x02c
#define CR 0x030
#define IFLS 0x034
#define IMSC 0x038
#define RIS 0x03c
#define MIS 0x040
#define ICR 0x044

#define FEN 0x10
#define LBE 0x80
#define ON 0x301 /* UARTEN, TXE, RXE */

#define RX 0x10
#define TX 0x20
#define RT 0x40
#define FE 0x80
#define BE 0x200
#define OE 0x400

#define TXFE 0x80
#define RXFF 0x40
#define TXFF 0x20
#define RXFE 0x10
#define BUSY 0x08

/* ---- the other ends of the wires ---- */

static struct pl011 uart;
static char sent[64];
static size_t sent_size, line_takes;
static bool line;
static unsigned line_changes, idles, laters;
static const char *waiting; /* pending input at the other end of the line */
static uint64_t timer;

static bool transmit(void *unused, const uint8_t *bytes, unsigned count)
{
	(void)unused;
	memcpy(sent + sent_size, bytes, count);
	sent_size += count;
	return sent_size < line_takes;
}

static void receive(const char *text)
{
	uint16_t symbols[64];
	unsigned count = 0;

	for (; text[count]; count++)
		symbols[count] = (uint8_t)text[count];
	pl011_receive(&uart, symbols, count, *waiting != '\0');
}

static void request_input(void *unused, unsigned room)
{
	char text[64] = "";

	(void)unused;
	assert_true(*waiting);
	if (room == 0) {
		laters++;
		return;
	}
	strncpy(text, waiting, room);
	waiting += strlen(text);
	receive(text);
}

/* Makes input pending at the other end of the line. */
static void offer(const char *text)
{
	waiting = text;
	pl011_receive(&uart, NULL, 0, true);
}

static void idle(void *unused)
{
	(void)unused;
	idles++;
}

static void set_line(void *controller, unsigned number, bool level)
{
	assert_ptr_equal(controller, &uart);
	assert_int_equal(number, 1);
	line = level;
	line_changes++;
}

static void set_timer(void *clock, unsigned number, uint64_t nanoseconds)
{
	assert_ptr_equal(clock, &uart);
	assert_int_equal(number, 2);
	timer = nanoseconds;
}

static int power_on(void **state)
{
	(void)state;
	uart = (struct pl011){
		.wires.irq = { .set = set_line, .controller = &uart, .number = 1 },
		.wires.timer = { .set = set_timer, .clock = &uart, .number = 2 },
		.transmit = transmit,
		.request_input = request_input,
		.idle = idle,
		.clock = 24000000,
	};
	sent_size = line_changes = idles = laters = 0;
	waiting = "";
	line_takes = sizeof sent;
	line = false;
	timer = 0;
	pl011_ops.reset(&uart);
	assert_int_equal(timer, TIMER_OFF);
	return 0;
}

static uint64_t get(uint64_t offset)
{
	return pl011_ops.read(&uart, offset, 4);
}

static void put(uint64_t offset, uint64_t value)
{
	pl011_ops.write(&uart, offset, 4, value);
}

/* ---- tests ---- */

/* Table 3-1: the reset value, and the values read after all ones and after zero were written. */
static const struct {
	uint16_t offset, reset, ones, zero;
} registers[] = {
	{ RSR, 0, 0, 0 },
	{ FR, TXFE | RXFE, TXFE | RXFE, TXFE | RXFE },
	{ 0x020, 0, 0xff, 0 },
	{ IBRD, 0, 0xffff, 0 },
	{ FBRD, 0, 0x3f, 0 },
	{ LCR_H, 0, 0xff, 0 },
	{ CR, 0x300, 0xff87, 0 },
	{ IFLS, 0x12, 0x3f, 0 },
	{ IMSC, 0, 0x7ff, 0 },
	{ RIS, 0, 0, 0 },
	{ MIS, 0, 0, 0 },
	{ ICR, 0, 0, 0 },
	{ 0x048, 0, 7, 0 },
	{ 0x04c, 0, 0, 0 }, /* no register behind the last */
	{ 0x01c, 0, 0, 0 }, /* no register between two others */
	{ 0xfdc, 0, 0, 0 },
	{ 0xfe0, 0x11, 0x11, 0x11 },
	{ 0xfe4, 0x10, 0x10, 0x10 },
	{ 0xfe8, 0x34, 0x34, 0x34 },
	{ 0xfec, 0x00, 0x00, 0x00 },
	{ 0xff0, 0x0d, 0x0d, 0x0d },
	{ 0xff4, 0xf0, 0xf0, 0xf0 },
	{ 0xff8, 0x05, 0x05, 0x05 },
	{ 0xffc, 0xb1, 0xb1, 0xb1 },
};

static void test_registers(void **state)
{
	for (size_t i = 0; i < sizeof registers / sizeof *registers; i++) {
		power_on(state);
		assert_int_equal(get(registers[i].offset), registers[i].reset);
		put(registers[i].offset, ~0ull);
		assert_int_equal(get(registers[i].offset), registers[i].ones);
		put(registers[i].offset, 0);
		assert_int_equal(get(registers[i].offset), registers[i].zero);
		put(registers[i].offset, ~0ull);
		pl011_ops.reset(&uart);
		assert_int_equal(get(registers[i].offset), registers[i].reset);
	}
}

/* Accesses of every size at every offset have a defined result; 64 bits are two registers. */
static void test_sizes(void **state)
{
	(void)state;
	pl011_ops.write(&uart, IBRD, 8, 0x15ull << 32 | 0x1234);
	assert_int_equal(get(IBRD), 0x1234);
	assert_int_equal(get(FBRD), 0x15);
	assert_int_equal(pl011_ops.read(&uart, IBRD, 8), 0x15ull << 32 | 0x1234);
	for (unsigned size = 1; size <= 8; size *= 2)
		for (uint64_t offset = 0; offset + size <= 0x1000; offset++) {
			pl011_ops.read(&uart, offset, size);
			pl011_ops.write(&uart, offset, size, 0);
			sent_size = 0;
		}
	pl011_ops.write(&uart, DR, 1, 'x');
	assert_int_equal(sent[0], 'x');
}

static void test_transmit(void **state)
{
	(void)state;
	put(DR, 'a');
	put(DR, 0x100 | 'b');
	assert_int_equal(sent_size, 2);
	assert_memory_equal(sent, "ab", 2);
	assert_int_equal(get(FR), TXFE | RXFE); /* never busy: the line is infinitely fast */
}

static void test_transmit_interrupt(void **state)
{
	(void)state;
	assert_int_equal(get(RIS), 0); /* none before the first byte */
	put(DR, 'x');
	assert_int_equal(get(RIS), TX);
	assert_int_equal(get(MIS), 0);
	assert_false(line);
	put(IMSC, TX);
	assert_int_equal(get(MIS), TX);
	assert_true(line);
	put(DR, 'y');
	assert_int_equal(line_changes, 1); /* the level was reported once */
	put(ICR, ~TX & 0x7ff);
	assert_true(line);
	put(ICR, TX);
	assert_int_equal(get(RIS), 0);
	assert_false(line);
	put(DR, 'z');
	assert_true(line);
	pl011_ops.reset(&uart);
	assert_false(line);
}

/* While the line accepts nothing the FIFO reads as full; TX is raised when it accepts bytes again.
 */
static void test_stall(void **state)
{
	(void)state;
	line_takes = 2;
	put(IMSC, TX);
	put(DR, 'a');
	put(ICR, TX);
	put(DR, 'b');
	assert_int_equal(get(FR), TXFF | BUSY | RXFE);
	assert_int_equal(get(RIS), 0);
	pl011_ready(&uart);
	assert_int_equal(get(FR), TXFE | RXFE);
	assert_true(line);
	put(ICR, TX);
	pl011_ready(&uart); /* it was ready already */
	assert_false(line);
}

static void test_receive(void **state)
{
	(void)state;
	put(CR, ON);
	receive("a");
	assert_int_equal(get(FR), TXFE | RXFF); /* without FIFOs one byte fills the receiver */
	assert_int_equal(get(RIS), RX);
	assert_int_equal(idles, 0);
	assert_int_equal(get(DR), 'a');
	assert_int_equal(get(FR), TXFE | RXFE);
	assert_int_equal(idles, 1);
	assert_int_equal(get(RIS), 0);
	assert_int_equal(get(DR), 0); /* empty */
	assert_int_equal(idles, 1);
	assert_int_equal(laters, 0);
}

/* The guest takes input by interrupts: RX or RT is unmasked, and has been for 100 ms. */
static void enable_input(uint64_t interrupts)
{
	put(IMSC, interrupts);
	assert_int_equal(timer, 100000000);
	pl011_ops.expire(&uart);
}

static void test_room(void **state)
{
	(void)state;
	assert_int_equal(pl011_room(&uart), 0);
	enable_input(RX);
	assert_int_equal(pl011_room(&uart), 1);
	put(LCR_H, FEN);
	assert_int_equal(pl011_room(&uart), PL011_FIFO);
	put(CR, ON | LBE);
	assert_int_equal(pl011_room(&uart), 0); /* in loopback the line is not connected */
	offer("a");
	get(FR);
	assert_int_equal(laters, 0);
	put(CR, ON & ~0x200);
	assert_int_equal(pl011_room(&uart),
			 PL011_FIFO); /* it receives even with RXE off, as QEMU's does */
	assert_int_equal(laters, 1);
	put(IMSC, TX);
	assert_int_equal(pl011_room(&uart), 0);
	put(IMSC, RT);
	assert_int_equal(pl011_room(&uart), PL011_FIFO); /* at once: it has taken input before */
	assert_int_equal(laters, 2);
	put(IMSC, 0);
	put(LCR_H, 0); /* the port is closed */
	put(IMSC, RT);
	assert_int_equal(pl011_room(&uart), 0);
	pl011_ops.reset(&uart);
	enable_input(RT);
}

/* Reads until the FIFO is empty, as drivers do. Returns the number of bytes. */
static unsigned drain(void)
{
	unsigned count = 0;

	while (!(get(FR) & RXFE)) {
		get(DR);
		count++;
	}
	return count;
}

/* Sends a byte as Linux's earlycon does. */
static void put_as_earlycon(void)
{
	assert_int_equal(get(FR) & TXFF, 0);
	put(DR, 'e');
	assert_int_equal(get(FR) & BUSY, 0);
	sent_size = 0;
}

/* When Linux opens the port, no pending input is lost (amba-pl011.c, pl011_startup). */
static void test_linux_opens(void **state)
{
	(void)state;
	offer("0123456789abcdefghijklmnopqrstuvwxyz");
	for (unsigned i = 0; i < 100; i++)
		put_as_earlycon();
	put(ICR, 0x7d0);
	put(IMSC, RT | RX);
	put(IMSC, 0);
	pl011_ops.expire(&uart); /* a late one */
	put(IFLS, 0x12);
	put(CR, 0xb01);
	get(FR);
	put(ICR, RT | RX);
	assert_int_equal(drain(), 0);
	put(IMSC, RT | RX);
	assert_int_equal(drain(), 0);
	put(IMSC, RT | RX | TX); /* printing does not delay it */
	assert_int_equal(timer, 100000000);
	timer = 0;
	put(IMSC, RT | RX);
	assert_int_equal(timer, 0);
	put(LCR_H, 0x70);
	assert_int_equal(*waiting, '0');
	pl011_ops.expire(&uart);
	assert_int_equal(*waiting, 'w');
	assert_true(line);
	assert_int_equal(get(MIS), RX);
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(get(DR), "0123456789abcdefghijklmnopqrstuv"[i]);
	assert_int_equal(laters, 1);
	assert_int_equal(get(FR) & RXFE, RXFE); /* ends the loop in the interrupt handler */
	assert_int_equal(drain(), 4);
	assert_int_equal(*waiting, '\0');
}

/* A polling guest gets the first byte by the fourth read in a row, and others by the second. */
static void test_poll(void **state)
{
	static const uint16_t looks[] = { FR, RIS, FR };

	(void)state;
	put(LCR_H, FEN);
	offer("abcd");
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(get(looks[i]) & RX, looks[i] == FR ? RXFE : 0);
	assert_int_equal(get(FR) & RXFE, 0);
	assert_int_equal(uart.rx.count, 1);
	assert_int_equal(get(DR), 'a');
	assert_int_equal(get(FR) & RXFE, RXFE);
	assert_int_equal(get(FR) & RXFE, 0);
	assert_int_equal(get(DR), 'b');
	put(DR, 'b'); /* echo */
	assert_int_equal(get(FR) & RXFE, RXFE);
	get(IMSC);
	assert_int_equal(get(FR) & RXFE, 0);
	assert_int_equal(get(DR), 'c');
	put(LCR_H, FEN); /* another driver sets up the UART */
	for (unsigned i = 0; i < 100; i++)
		put_as_earlycon();
	put(ICR, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(get(DR), 0); /* a guest that reads DR without looking at FR */
	assert_int_equal(get(DR), 'd');
	assert_int_equal(*waiting, '\0');
}

/* A guest that has received by polling sees a key between two lines that it prints, but printing
 * alone takes no input. */
static void test_poll_between(void **state)
{
	(void)state;
	offer("ab");
	while (get(FR) & RXFE)
		;
	assert_int_equal(get(DR), 'a');
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(get(FR) & TXFF, 0);
		put(DR, 'x');
	}
	assert_int_equal(*waiting, 'b');
	assert_int_equal(get(FR) & RXFE, RXFE); /* is there a key? */
	assert_int_equal(get(FR) & TXFF, 0);
	put(DR, 'x');
	assert_int_equal(get(FR) & RXFE, 0);
	assert_int_equal(get(DR), 'b');
}

/* Waiting for room in the transmit FIFO is no poll for input. */
static void test_poll_for_room(void **state)
{
	(void)state;
	offer("a");
	line_takes = 0;
	put(DR, 'x');
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(get(FR), TXFF | BUSY | RXFE);
	line_takes = sizeof sent;
	pl011_ready(&uart);
	put_as_earlycon();
	assert_int_equal(*waiting, 'a');
}

/* A guest that polls RIS for RX gets as many bytes as raise RX. */
static void test_poll_raw(void **state)
{
	(void)state;
	put(LCR_H, FEN);
	offer("0123456789abcdef");
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(get(RIS), 0);
	assert_int_equal(get(RIS), RX);
	assert_int_equal(drain(), 16);
}

/* RX at each trigger level, while the FIFO fills and while it is emptied (3.3.9, 2.8.1). */
static void test_trigger(void **state)
{
	static const uint8_t triggers[] = { 4, 8, 16, 24, 28 };

	for (unsigned level = 0; level < sizeof triggers; level++) {
		power_on(state);
		put(CR, ON);
		put(LCR_H, FEN);
		put(IFLS, level << 3);
		for (unsigned count = 1; count <= PL011_FIFO; count++) {
			receive("x");
			assert_int_equal(get(RIS) & RX, count >= triggers[level] ? RX : 0);
			assert_int_equal(get(FR) & RXFF, count == PL011_FIFO ? RXFF : 0);
		}
		for (unsigned count = PL011_FIFO; count-- > 0;) {
			assert_int_equal(get(DR), 'x');
			assert_int_equal(get(RIS) & RX, count >= triggers[level] ? RX : 0);
		}
		assert_int_equal(get(FR), TXFE | RXFE);
	}
}

static void test_order(void **state)
{
	(void)state;
	put(CR, ON);
	put(LCR_H, FEN);
	for (unsigned round = 0; round < 10; round++) {
		receive("0123456789abcdefghijklm");
		for (unsigned i = 0; i < 23; i++)
			assert_int_equal(get(DR), "0123456789abcdefghijklm"[i]);
	}
}

/* Bytes below the trigger level raise RT when none has arrived for 32 bit times (2.8.4). */
static void test_timeout(void **state)
{
	(void)state;
	put(CR, ON);
	put(IBRD, 13);
	put(FBRD, 1);
	put(LCR_H, FEN); /* 115200 baud */
	enable_input(RT);
	receive("ab");
	assert_in_range(timer, 277000, 279000); /* 32 bits at 115200 baud, in ns */
	assert_false(line);
	pl011_ops.expire(&uart);
	assert_int_equal(get(RIS), RT);
	assert_true(line);
	get(DR);
	assert_int_equal(get(RIS), RT); /* RT stays until the FIFO is empty */
	put(ICR, RT);
	assert_false(line);
	assert_in_range(timer, 277000,
			279000); /* RT will be raised again, because bytes are left */
	pl011_ops.expire(&uart);
	assert_true(line);
	get(DR);
	assert_false(line);
	assert_int_equal(timer, TIMER_OFF);
	pl011_ops.expire(&uart); /* a late one */
	assert_int_equal(get(RIS), 0);
}

/* With RT masked the timeout raises RX, which stays until all bytes are read. */
static void test_receive_alone(void **state)
{
	(void)state;
	put(CR, ON);
	put(LCR_H, FEN);
	enable_input(RX);
	receive("abc");
	assert_false(line);
	pl011_ops.expire(&uart);
	assert_int_equal(get(RIS), RX | RT);
	assert_true(line);
	get(DR);
	assert_true(line);
	put(ICR, RX | RT);
	assert_false(line);
	pl011_ops.expire(&uart);
	assert_true(line);
	put(IMSC, RX | RT); /* with both unmasked it is as in the manual */
	assert_int_equal(get(RIS), RT);
	put(IMSC, RX);
	get(DR);
	get(DR);
	assert_false(line);
	assert_int_equal(get(RIS), 0);
}

/* IBRD and FBRD take effect with the next write of LCR_H; a divisor of zero causes no division. */
static void test_divisor(void **state)
{
	(void)state;
	put(CR, ON);
	put(LCR_H, FEN);
	receive("x");
	assert_int_equal(timer, 0);
	put(IBRD, 0xffff);
	put(FBRD, 0x3f);
	receive("x");
	assert_int_equal(timer, 0);
	put(LCR_H, FEN);
	receive("x");
	assert_in_range(timer, 1398000000, 1399000000); /* the largest divisor: 366 baud */
}

static void test_overrun(void **state)
{
	(void)state;
	put(CR, ON);
	receive("a");
	receive("b");
	assert_int_equal(get(RIS), RX | OE);
	assert_int_equal(get(RSR), 8);
	assert_int_equal(get(DR), 0x800 | 'a'); /* the byte in the FIFO is valid */
	assert_int_equal(get(RSR), 8);
	put(RSR, 0xff);
	assert_int_equal(get(RSR), 0);
	receive("c");
	assert_int_equal(get(DR), 'c'); /* a byte received without overrun clears DR's OE */
	assert_int_equal(get(RIS), OE); /* error interrupts are cleared by ICR only */
	put(ICR, OE);
	assert_int_equal(get(RIS), 0);
}

static void test_break(void **state)
{
	(void)state;
	put(CR, ON);
	put(LCR_H, FEN);
	pl011_receive(&uart, (uint16_t[]){ PL011_BREAK, 'x' }, 2, false);
	assert_int_equal(get(RIS), BE | FE);
	assert_int_equal(get(DR), 0x500);
	assert_int_equal(get(RSR), 5);
	assert_int_equal(get(DR), 'x');
	assert_int_equal(get(RSR), 0);
}

/* Switching the FIFOs off empties them; switching them on keeps a received byte. */
static void test_fifo_enable(void **state)
{
	(void)state;
	put(CR, ON);
	put(LCR_H, FEN);
	receive("0123456789");
	put(LCR_H, FEN | 0x60); /* FEN does not change */
	assert_int_equal(get(FR) & RXFE, 0);
	put(LCR_H, 0);
	assert_int_equal(get(FR), TXFE | RXFE);
	assert_int_equal(get(RIS), 0);
	assert_int_equal(timer, TIMER_OFF);
	receive("a");
	assert_int_equal(get(RIS), RX);
	put(LCR_H, FEN);
	assert_int_equal(get(RIS), 0); /* the level is below the trigger now */
	receive("b");
	assert_int_equal(get(DR), 'a');
	assert_int_equal(get(DR), 'b');
}

static void test_loopback(void **state)
{
	(void)state;
	put(CR, ON | LBE);
	put(LCR_H, FEN);
	assert_int_equal(pl011_room(&uart), 0); /* nothing is received from the line */
	put(DR, 'l');
	assert_int_equal(sent_size, 0);
	assert_int_equal(get(RIS), TX);
	assert_int_equal(get(DR), 'l');
	put(LCR_H, FEN | 1); /* break */
	assert_int_equal(get(DR), 0x500);
	put(CR, (ON | LBE) & ~0x200);
	put(DR, 'm'); /* the receiver is off */
	assert_int_equal(get(FR), TXFE | RXFE);
}

/* In loopback a full receive FIFO holds up the transmit FIFO: a driver that heeds TXFF loses
 * nothing. */
static void test_loopback_room(void **state)
{
	unsigned in = 0, out = 0;

	(void)state;
	put(CR, ON | LBE);
	put(LCR_H, FEN);
	while (out < 256) {
		for (; in < 256 && !(get(FR) & TXFF); in++)
			put(DR, in);
		assert_true(in == 256 || in - out == 2 * PL011_FIFO);
		for (unsigned i = 0; i < 10 && out < 256; i++)
			assert_int_equal(get(DR), out++);
	}
	assert_int_equal(get(FR), TXFE | RXFE);
	assert_int_equal(get(RIS) & OE, 0);
	assert_int_equal(sent_size, 0);
	put(LCR_H, 0); /* without FIFOs there is room for one byte each */
	put(DR, 'a');
	assert_int_equal(get(FR), TXFE | RXFF);
	put(DR, 'b');
	assert_int_equal(get(FR), TXFF | BUSY | RXFF);
	put(DR, 'c'); /* sent although TXFF is set */
	assert_int_equal(get(DR), 'a');
	assert_int_equal(get(DR), 'b');
	assert_int_equal(get(FR), TXFE | RXFE);
}

/* TX follows the level of the transmit FIFO; its bytes are sent when loopback is switched off. */
static void test_loopback_levels(void **state)
{
	(void)state;
	put(CR, ON | LBE);
	put(LCR_H, FEN);
	for (unsigned i = 0; i < PL011_FIFO + 16; i++)
		put(DR, 'a' + i % 26);
	assert_int_equal(get(RIS) & TX, TX);
	put(DR, 'x');
	assert_int_equal(get(RIS) & TX, 0);
	assert_int_equal(get(FR), BUSY | RXFF);
	get(DR);
	assert_int_equal(get(RIS) & TX, TX);
	put(ICR, TX);
	put(DR, 'y');
	get(DR);
	assert_int_equal(get(RIS) & TX, TX);
	put(LCR_H, FEN | 1); /* a break */
	put(CR, ON);
	assert_int_equal(sent_size, 16);
	assert_memory_equal(sent, "ijklmnopqrstuvxy", 16);
	assert_int_equal(get(FR), TXFE | RXFF);
	assert_int_equal(drain(), PL011_FIFO);
	put(CR, ON | LBE);
	for (unsigned i = 0; i < 40; i++)
		put(DR, 'a');
	put(LCR_H, 0); /* both FIFOs are emptied */
	assert_int_equal(get(FR), TXFE | RXFE);
	assert_int_equal(get(RIS) & (RX | TX), TX);
}

/* In loopback RTS is connected to CTS, DTR to DSR, OUT1 to DCD, OUT2 to RI (3.3.8). */
static void test_modem(void **state)
{
	static const struct {
		uint16_t output, flag, interrupt;
	} rows[] = {
		{ 0x800, 0x001, 2 }, { 0x400, 0x002, 8 }, { 0x1000, 0x004, 4 }, { 0x2000, 0x100, 1 }
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		power_on(state);
		put(CR, ON | rows[i].output);
		assert_int_equal(get(FR),
				 TXFE | RXFE); /* without loopback no modem line is connected */
		assert_int_equal(get(RIS), 0);
		put(CR, ON | LBE | rows[i].output);
		assert_int_equal(get(FR), TXFE | RXFE | rows[i].flag);
		assert_int_equal(get(RIS), rows[i].interrupt);
		put(ICR, 0x7ff);
		put(CR, ON | LBE);
		assert_int_equal(get(FR), TXFE | RXFE);
		assert_int_equal(get(RIS), rows[i].interrupt);
	}
}

/* Lowering the trigger level to the number of received bytes raises RX at once. */
static void test_trigger_moves(void **state)
{
	(void)state;
	put(CR, ON);
	put(LCR_H, FEN);
	receive("01234567");
	assert_int_equal(get(RIS), 0); /* the trigger is at 16 */
	put(IFLS, 0);
	assert_int_equal(get(RIS), RX);
	put(ICR, RX);
	assert_int_equal(get(RIS), 0);
	receive("8");
	assert_int_equal(get(RIS), RX); /* the level is still reached */
}

/* ---- fast path ---- */

static uint32_t page[1024];
static unsigned words_changed, coalescing_stops;

static void page_changed(void *unused, const uint32_t *word)
{
	(void)unused;
	assert_in_range(word - page, 0, 1023);
	words_changed++;
}

static void remove_page(void *unused)
{
	(void)unused;
	assert_false(pl011_reads_have_no_side_effects(&uart));
	pl011_set_shadow_page(&uart, NULL);
}

static void stop_coalescing(void *unused)
{
	(void)unused;
	assert_false(pl011_tx_state_is_constant(&uart));
	uart.coalesced = false;
	coalescing_stops++;
}

static void connect(void)
{
	memset(page, 0, sizeof page);
	uart.page_changed = page_changed;
	uart.remove_page = remove_page;
	uart.stop_coalescing = stop_coalescing;
	words_changed = coalescing_stops = 0;
}

static uint32_t seed;

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 16) % limit;
}

/* A random access of the guest, or event on the line. */
static void do_something(void)
{
	static const uint16_t offsets[] = { DR, RSR, FR, 0x020, IBRD, FBRD, LCR_H,
					    CR, DR,  DR, IFLS,	IMSC, ICR,  0x048 };

	sent_size = 0;
	line_takes = random_below(4) ? sizeof sent : 0;
	switch (random_below(8)) {
	case 0:
		receive(random_below(2) ? "a" : "0123456789");
		break;
	case 1:
		if (random_below(2))
			offer("wait");
		else
			pl011_receive(&uart, (uint16_t[]){ PL011_BREAK }, 1, *waiting != '\0');
		break;
	case 2:
		pl011_ops.expire(&uart);
		break;
	case 3:
		pl011_ready(&uart);
		break;
	case 4:
		for (unsigned i = 0; i < 40; i++)
			if (!(get(FR) & RXFE))
				get(DR);
		break;
	case 5:
		get(4ull * random_below(20));
		break;
	default:
		put(offsets[random_below(sizeof offsets / sizeof *offsets)], random_below(0x10000));
	}
}

/* While there is a shadow page, it has the values that reads return, and reads have no side
 * effects. */
static void test_page(void **state)
{
	unsigned checks = 0;

	(void)state;
	connect();
	for (unsigned i = 0; i < 20000; i++) {
		struct pl011 before;

		if (!uart.page && pl011_reads_have_no_side_effects(&uart))
			pl011_set_shadow_page(&uart, page);
		do_something();
		if (!uart.page)
			continue;
		before = uart;
		for (uint64_t offset = 0; offset < 0x1000; offset += i % 16 ? 0x1c : 4)
			assert_int_equal(page[offset / 4], get(offset & ~3ull));
		assert_memory_equal(&before, &uart, sizeof uart);
		checks++;
	}
	assert_in_range(checks, 2000, 18000);
	assert_in_range(words_changed, 2000, 20000 * 27);
}

/* While bytes may be coalesced, sending one changes nothing that the guest can see. */
static void test_coalesced(void **state)
{
	unsigned checks = 0;

	(void)state;
	connect();
	for (unsigned i = 0; i < 20000; i++) {
		struct pl011 before;

		uart.coalesced = pl011_tx_state_is_constant(&uart);
		do_something();
		if (!uart.coalesced)
			continue;
		before = uart;
		sent_size = 0;
		line_takes = sizeof sent;
		pl011_send(&uart, (const uint8_t *)"abc", 3);
		assert_int_equal(sent_size, 3);
		assert_memory_equal(sent, "abc", 3);
		before.polls = uart.polls; /* what is collected comes before the next read that is
					      counted */
		assert_memory_equal(&before, &uart, sizeof uart);
		checks++;
	}
	assert_in_range(checks, 2000, 18000);
	assert_in_range(coalescing_stops, 100, 10000);
}

/* Bytes that were in the ring when coalescing ended are still sent. */
static void test_late(void **state)
{
	(void)state;
	connect();
	put(DR, 'a');
	uart.coalesced = true;
	put(CR, ON | LBE);
	assert_int_equal(coalescing_stops, 1);
	put(LCR_H, FEN);
	pl011_send(&uart, (const uint8_t *)"xyz", 3);
	assert_int_equal(sent_size, 1);
	assert_int_equal(get(DR), 'x');
	assert_int_equal(get(DR), 'y');
	assert_int_equal(get(DR), 'z');
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, power_on)
	static const struct CMUnitTest tests[] = {
		TEST(test_registers),	  TEST(test_sizes),
		TEST(test_transmit),	  TEST(test_transmit_interrupt),
		TEST(test_stall),	  TEST(test_receive),
		TEST(test_room),	  TEST(test_linux_opens),
		TEST(test_poll),	  TEST(test_poll_between),
		TEST(test_poll_for_room), TEST(test_poll_raw),
		TEST(test_loopback_room), TEST(test_loopback_levels),
		TEST(test_trigger),	  TEST(test_order),
		TEST(test_receive_alone), TEST(test_timeout),
		TEST(test_divisor),	  TEST(test_overrun),
		TEST(test_break),	  TEST(test_fifo_enable),
		TEST(test_loopback),	  TEST(test_modem),
		TEST(test_trigger_moves), TEST(test_page),
		TEST(test_coalesced),	  TEST(test_late),
	};

	return RUN(tests);
}
