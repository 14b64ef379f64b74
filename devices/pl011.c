// SPDX-License-Identifier: MIT
/*
 * Arm PrimeCell UART PL011, revision r1p5 (Arm DDI 0183, whose sections are cited below).
 *
 * Who calls it: the bus, by pl011_ops, and the console. Touches its own struct and its wires.
 *
 * The line is infinitely fast: a byte written to DR has left before the next access, unless the
 * line itself accepts no more. As in QEMU's PL011, whose images must run here, bytes are sent and
 * received even with UARTEN, TXE or RXE off, and an access narrower than a register means its low
 * bits, wherever in the register it is.
 */
#include "pl011.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Offsets of the registers that change without being written. */
#define FR 0x018
#define RIS 0x03c
#define MIS 0x040

/* FR, 3.3.3 */
#define FR_CTS 0x001
#define FR_DSR 0x002
#define FR_DCD 0x004
#define FR_BUSY 0x008
#define FR_RXFE 0x010
#define FR_TXFF 0x020
#define FR_RXFF 0x040
#define FR_TXFE 0x080
#define FR_RI 0x100
/* DR, 3.3.1: errors of the byte */
#define DR_OE 0x800
/* LCR_H, 3.3.7 */
#define LCR_BRK 0x01
#define LCR_FEN 0x10
/* CR, 3.3.8 */
#define CR_LBE 0x0080
#define CR_RXE 0x0200
#define LOOPBACK (CR_LBE | CR_RXE) /* what is sent is received again */
#define CR_DTR 0x0400
#define CR_RTS 0x0800
#define CR_OUT1 0x1000
#define CR_OUT2 0x2000
/* RIS, MIS, IMSC, ICR, 3.3.10 to 3.3.13 */
#define INT_RI 0x001
#define INT_CTS 0x002
#define INT_DCD 0x004
#define INT_DSR 0x008
#define INT_RX 0x010
#define INT_TX 0x020
#define INT_RT 0x040
#define INT_FE 0x080
#define INT_OE 0x400

/* What an access does besides applying the table's mask. */
enum kind {
	NOTHING,  /* reads as the reset value, writes are dropped */
	STORED,	  /* reads as written, masked; `stored` is its index */
	DATA,	  /* DR */
	ERRORS,	  /* RSR and ECR */
	FLAGS,	  /* FR */
	RAW,	  /* RIS */
	MASKED,	  /* MIS */
	CLEARING, /* ICR */
};

struct reg {
	uint16_t reset;
	uint16_t mask; /* bits that can be written */
	uint8_t kind;
	uint8_t stored;
};

/*
 * One row per register, at index offset / 4 (3.2, table 3-1). Where there is none, reads give zero.
 */
static const struct reg registers[] = {
	[0x000 / 4] = { 0, 0x00ff, DATA, 0 },		     /* DR, 3.3.1 */
	[0x004 / 4] = { 0, 0xffff, ERRORS, 0 },		     /* RSR and ECR, 3.3.2 */
	[FR / 4] = { 0, 0, FLAGS, 0 },			     /* FR, 3.3.3 */
	[0x020 / 4] = { 0, 0x00ff, STORED, PL011_ILPR },     /* 3.3.4 */
	[0x024 / 4] = { 0, 0xffff, STORED, PL011_IBRD },     /* 3.3.5 */
	[0x028 / 4] = { 0, 0x003f, STORED, PL011_FBRD },     /* 3.3.6 */
	[0x02c / 4] = { 0, 0x00ff, STORED, PL011_LCR_H },    /* 3.3.7 */
	[0x030 / 4] = { 0x300, 0xff87, STORED, PL011_CR },   /* 3.3.8 */
	[0x034 / 4] = { 0x012, 0x003f, STORED, PL011_IFLS }, /* 3.3.9 */
	[0x038 / 4] = { 0, 0x07ff, STORED, PL011_IMSC },     /* 3.3.10 */
	[RIS / 4] = { 0, 0, RAW, 0 },			     /* RIS, 3.3.11 */
	[MIS / 4] = { 0, 0, MASKED, 0 },		     /* MIS, 3.3.12 */
	[0x044 / 4] = { 0, 0x07ff, CLEARING, 0 },	     /* ICR, 3.3.13 */
	[0x048 / 4] = { 0, 0x0007, STORED, PL011_DMACR },    /* 3.3.14 */
};

/* PeriphID0..3 and PCellID0..3 (3.3.15, 3.3.16), the last registers of the page. */
#define IDENTIFICATION 0xfe0
static const struct reg identification[] = {
	{ .reset = 0x11 }, { .reset = 0x10 }, { .reset = 0x34 }, { .reset = 0x00 },
	{ .reset = 0x0d }, { .reset = 0xf0 }, { .reset = 0x05 }, { .reset = 0xb1 },
};

static const struct reg *find(uint64_t offset)
{
	static const struct reg none = { .kind = NOTHING };

	if (offset / 4 < ARRAY_SIZE(registers))
		return &registers[offset / 4];
	if (offset >= IDENTIFICATION && (offset - IDENTIFICATION) / 4 < ARRAY_SIZE(identification))
		return &identification[(offset - IDENTIFICATION) / 4];
	return &none;
}

/* ---- values of registers ---- */

static unsigned depth(const struct pl011 *uart)
{
	return uart->stored[PL011_LCR_H] & LCR_FEN ? PL011_FIFO : 1;
}

static uint16_t flags(const struct pl011 *uart)
{
	unsigned full = depth(uart);

	return uart->modem | (uart->blocked || uart->tx.count ? FR_BUSY : FR_TXFE) |
	       (uart->blocked || uart->tx.count == full ? FR_TXFF : 0) |
	       (uart->rx.count == 0 ? FR_RXFE : 0) | (uart->rx.count == full ? FR_RXFF : 0);
}

/* The value of a register, without the side effects of reading it. */
static uint16_t value_of(const struct pl011 *uart, const struct reg *reg)
{
	switch (reg->kind) {
	case STORED:
		return uart->stored[reg->stored];
	case DATA:
		return (uart->rx.count ? uart->rx.symbols[uart->rx.first] : 0) |
		       (uart->overrun ? DR_OE : 0);
	case ERRORS:
		return uart->errors;
	case FLAGS:
		return flags(uart);
	case RAW:
		return uart->raw;
	case MASKED:
		return uart->raw & uart->stored[PL011_IMSC];
	case CLEARING: /* write-only */
	default:
		return reg->reset;
	}
}

/* Updates the register's word in the shadow page. */
static void update_page(const struct pl011 *uart, uint64_t offset, uint32_t value)
{
	uint32_t *at = &uart->page[offset / 4];

	if (*at == value)
		return;
	__atomic_store_n(at, value, __ATOMIC_RELAXED);
	uart->page_changed(uart->line, at);
}

void pl011_set_shadow_page(struct pl011 *uart, uint32_t *page)
{
	uart->page = page;
	if (!page)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		update_page(uart, 4 * i, value_of(uart, &registers[i]));
	for (size_t i = 0; i < ARRAY_SIZE(identification); i++)
		update_page(uart, IDENTIFICATION + 4 * i, identification[i].reset);
}

/* A read of DR copies the error bits of its byte to RSR, and clears them if there is no byte. While
 * input is pending, reads are counted as polls. */
bool pl011_reads_have_no_side_effects(const struct pl011 *uart)
{
	return uart->rx.count == 0 && !uart->offered && !(uart->errors & ~(DR_OE >> 8));
}

/* While the FIFO is always empty, TX stays raised until it is cleared by ICR. */
bool pl011_tx_state_is_constant(const struct pl011 *uart)
{
	return uart->raw & INT_TX && !uart->blocked && !(uart->stored[PL011_CR] & CR_LBE);
}

/*
 * To be called after every change. A fast path that is no longer valid is ended before the guest
 * can notice the change by the shadow page or an interrupt. The only place where the interrupt's
 * level is computed (2.8: UARTINTR is the OR of the bits of MIS).
 */
static void update(struct pl011 *uart)
{
	uint16_t masked = uart->raw & uart->stored[PL011_IMSC];

	if (uart->page && !pl011_reads_have_no_side_effects(uart))
		uart->remove_page(uart->line);
	if (uart->coalesced && !pl011_tx_state_is_constant(uart))
		uart->stop_coalescing(uart->line);
	if (uart->page) {
		update_page(uart, FR, flags(uart));
		update_page(uart, RIS, uart->raw);
		update_page(uart, MIS, masked);
	}
	irq_line_set(&uart->wires.irq, masked != 0);
}

/* ---- input ---- */

/*
 * Input is held back at the other end of the line until the guest takes input. Drivers discard what
 * is in the FIFO when they open the port (Linux does), so input typed or piped earlier would be
 * lost.
 *
 * A guest takes input by interrupts, or by polling.
 *
 * By interrupts: `input` becomes PL011_INPUT_ON when RX or RT has been unmasked for SETTLE_NS. Not
 * at once, because Linux unmasks both briefly before it discards the FIFO. From then on the guest
 * receives whenever RX or RT is unmasked, so that a driver that masks them in its interrupt handler
 * is not delayed. It ends when the driver closes the port, which is when it switches the FIFOs off
 * while both are masked.
 *
 * By polling: POLLS reads of FR, RIS or an empty DR without a write in between. A guest that reads
 * FR in order to send does so at most twice between two writes (Linux's earlycon: for BUSY after a
 * byte, for TXFF before the next), or sees TXFF. A polling guest gets one byte at a time, just
 * before the read that shows it, so that no byte is in the FIFO when the next program in the guest
 * discards it.
 *
 * Once the guest has received a byte by polling, two reads suffice, until a driver sets up the UART
 * again: a guest that checks for a key now and then while it prints (U-Boot, for Ctrl-C) must see
 * it. One read must not suffice, or a loop that reads until the FIFO is empty would take all input.
 * Before that first byte, a guest that checks for a key only between the bytes that it prints
 * cannot be told from one that only prints, and gets no input.
 */
#define SETTLE_NS 100000000
#define POLLS 4

static bool is_unmasked(uint16_t imsc)
{
	return imsc & (INT_RX | INT_RT);
}

unsigned pl011_room(const struct pl011 *uart)
{
	/* QEMU's PL011 receives even with RXE off, so RXE is not checked. */
	if (uart->stored[PL011_CR] & CR_LBE || uart->input != PL011_INPUT_ON ||
	    !is_unmasked(uart->stored[PL011_IMSC]))
		return 0;
	return depth(uart) - uart->rx.count;
}

static void start_polls(struct pl011 *uart)
{
	uart->polls = uart->has_polled ? POLLS - 2 : 0;
}

static void request_input_if_empty(struct pl011 *uart)
{
	if (uart->offered && uart->rx.count == 0 && pl011_room(uart))
		uart->request_input(uart->line, 0);
}

/* Counts a read by which the guest may poll for input, before it is carried out. A guest that polls
 * RIS may wait for RX, which needs the trigger level, so it gets as much as the FIFO holds. */
static void poll(struct pl011 *uart, bool raw)
{
	if (uart->rx.count || uart->blocked || uart->stored[PL011_CR] & CR_LBE)
		return;
	if (uart->polls < POLLS)
		uart->polls++;
	if (uart->polls == POLLS)
		uart->request_input(uart->line, raw ? depth(uart) : 1);
}

/* ---- receiving ---- */

/* The FIFO level, in bytes, that a trigger setting means (3.3.9); the last three are reserved. */
static unsigned trigger(unsigned level)
{
	static const uint8_t eighths[] = { 1, 2, 4, 6, 7, 7, 7, 7 };

	return PL011_FIFO / 8 * eighths[level];
}

static unsigned receive_trigger(const struct pl011 *uart)
{
	return depth(uart) == 1 ? 1 : trigger(uart->stored[PL011_IFLS] >> 3);
}

/*
 * RT is raised when received bytes have waited for 32 bit times (2.8.4); a bit lasts 16 clocks
 * times the divisor. A divisor of zero is no rate: then RT is raised at once. During SETTLING the
 * timer is used for that; RT is then raised when it expires.
 */
static void start_timeout(struct pl011 *uart)
{
	uint64_t clocks = 32ull * 16 * uart->divisor / 64;

	if (uart->input != PL011_INPUT_SETTLING)
		timer_line_set(&uart->wires.timer,
			       uart->rx.count ? clocks * 1000000000 / uart->clock : TIMER_OFF);
}

/*
 * RX follows the FIFO level (2.8.1); RT is cleared with the last byte. QEMU's PL011 raises RX with
 * the first byte, and some drivers made for it enable RX without RT: they would wait for ever for
 * bytes below the trigger level. For them RT raises RX, too.
 */
static void update_receive(struct pl011 *uart)
{
	bool is_alone = (uart->stored[PL011_IMSC] & (INT_RX | INT_RT)) == INT_RX;

	if (uart->rx.count >= receive_trigger(uart) ||
	    (is_alone && uart->raw & INT_RT && uart->rx.count))
		uart->raw |= INT_RX;
	else
		uart->raw &= (uint16_t)~INT_RX;
	if (uart->rx.count == 0) {
		uart->raw &= (uint16_t)~INT_RT;
		start_timeout(uart);
	}
}

static void append(struct pl011_fifo *fifo, uint16_t symbol)
{
	fifo->symbols[(fifo->first + fifo->count++) % PL011_FIFO] = symbol;
}

static uint16_t take(struct pl011_fifo *fifo)
{
	uint16_t symbol = fifo->symbols[fifo->first];

	fifo->first = (fifo->first + 1) % PL011_FIFO;
	fifo->count--;
	return symbol;
}

/* A symbol arrives at the receiver, from the line or by loopback. */
static void push(struct pl011 *uart, uint16_t symbol)
{
	if (uart->rx.count == depth(uart)) {
		uart->overrun = true;
		uart->errors |= DR_OE >> 8;
		uart->raw |= INT_OE;
		return;
	}
	uart->overrun = false;
	append(&uart->rx, symbol);
	/* FE, PE and BE have the same order in DR and in RIS. */
	uart->raw |= (uint16_t)((symbol >> 8 & 7) * INT_FE);
}

/* To be called after the last of the symbols that arrive together. */
static void pushed(struct pl011 *uart)
{
	update_receive(uart);
	start_timeout(uart);
}

static unsigned transmit_trigger(const struct pl011 *uart)
{
	return depth(uart) == 1 ? 0 : trigger(uart->stored[PL011_IFLS] & 7);
}

/* In loopback a symbol stays in the transmit FIFO while the receive FIFO is full; TX is raised when
 * the level falls to the trigger (2.8.2). With the receiver off, symbols are lost. */
static void loop_back(struct pl011 *uart)
{
	bool receives = uart->stored[PL011_CR] & CR_RXE;
	unsigned before = uart->tx.count;

	while (uart->tx.count && (!receives || uart->rx.count < depth(uart))) {
		uint16_t symbol = take(&uart->tx);

		if (receives)
			push(uart, symbol);
	}
	if (uart->tx.count == before)
		return;
	pushed(uart);
	if (uart->tx.count <= transmit_trigger(uart) && !uart->blocked)
		uart->raw |= INT_TX;
}

/* Sends a byte in loopback. A full transmit FIFO drops it, as FR has announced. */
static void send_back(struct pl011 *uart, uint8_t byte)
{
	if (uart->tx.count < depth(uart))
		append(&uart->tx, byte);
	loop_back(uart);
	if (uart->tx.count > transmit_trigger(uart))
		uart->raw &= (uint16_t)~INT_TX;
}

static void pop(struct pl011 *uart)
{
	uint16_t symbol = uart->rx.count ? take(&uart->rx) : 0;

	uart->errors = (uint16_t)((uart->errors & DR_OE >> 8) | symbol >> 8);
	if (uart->polls == POLLS) {
		uart->has_polled = true;
		start_polls(uart);
	}
	update_receive(uart);
	if (uart->tx.count)
		loop_back(uart);
	request_input_if_empty(uart);
}

void pl011_receive(struct pl011 *uart, const uint16_t *symbols, unsigned count, bool more)
{
	for (unsigned i = 0; i < count; i++)
		push(uart, symbols[i]);
	if (count)
		pushed(uart);
	uart->offered = more;
	update(uart);
}

static void pl011_expire(void *device)
{
	struct pl011 *uart = device;

	if (uart->input == PL011_INPUT_SETTLING)
		uart->input = PL011_INPUT_ON;
	if (uart->rx.count)
		uart->raw |= INT_RT;
	update_receive(uart);
	update(uart);
	if (uart->offered && pl011_room(uart))
		uart->request_input(uart->line, pl011_room(uart));
}

/* ---- transmitting ---- */

/* The FIFO empties at once, and so passes its trigger level, which raises TX (2.8.2). While the
 * line accepts no more the FIFO is full, and TX is raised by pl011_ready. */
static void transmit(struct pl011 *uart, const uint8_t *bytes, unsigned count)
{
	start_polls(uart);
	if (uart->stored[PL011_CR] & CR_LBE) {
		while (count--)
			send_back(uart, *bytes++);
		return;
	}
	uart->blocked = !uart->transmit(uart->line, bytes, count);
	if (uart->blocked)
		uart->raw &= (uint16_t)~INT_TX;
	else
		uart->raw |= INT_TX;
}

/* Loopback was switched off: what is left in the transmit FIFO goes out by the line. */
static void send_waiting(struct pl011 *uart)
{
	while (uart->tx.count) {
		uart->sent = (uint8_t)take(&uart->tx);
		transmit(uart, &uart->sent, 1);
	}
}

void pl011_send(struct pl011 *uart, const uint8_t *bytes, unsigned count)
{
	transmit(uart, bytes, count);
	update(uart);
}

void pl011_ready(struct pl011 *uart)
{
	if (!uart->blocked)
		return;
	uart->blocked = false;
	uart->raw |= INT_TX;
	update(uart);
}

/* ---- modem ---- */

/* In loopback the modem outputs feed the inputs (3.3.8, LBE); otherwise nothing is connected. */
static const struct {
	uint16_t output, flag, interrupt;
} modem[] = {
	{ CR_RTS, FR_CTS, INT_CTS },
	{ CR_DTR, FR_DSR, INT_DSR },
	{ CR_OUT1, FR_DCD, INT_DCD },
	{ CR_OUT2, FR_RI, INT_RI },
};

/* A change of a modem input raises its interrupt (2.8.3). */
static void update_modem(struct pl011 *uart)
{
	uint16_t cr = uart->stored[PL011_CR];

	for (size_t i = 0; i < ARRAY_SIZE(modem); i++) {
		bool now = cr & CR_LBE && cr & modem[i].output;

		if (now == !(uart->modem & modem[i].flag)) {
			uart->modem ^= modem[i].flag;
			uart->raw |= modem[i].interrupt;
		}
	}
}

/* ---- registers ---- */

/* A write to LCR_H makes the divisor effective; switching the FIFOs off empties them; in loopback a
 * break is received. Unlike QEMU's, switching the FIFOs on keeps a received byte. */
static void line_control(struct pl011 *uart, uint16_t before)
{
	uint16_t now = uart->stored[PL011_LCR_H];

	uart->divisor = uart->stored[PL011_IBRD] * 64u + uart->stored[PL011_FBRD];
	if (before & ~now & LCR_FEN) {
		if (uart->tx.count)
			uart->raw |= INT_TX;
		uart->rx.count = uart->tx.count = 0;
		if (!is_unmasked(uart->stored[PL011_IMSC]))
			uart->input = PL011_INPUT_OFF;
	}
	update_receive(uart);
	/* A break does not wait for the transmit FIFO (3.3.7, BRK). */
	if (now & ~before & LCR_BRK && (uart->stored[PL011_CR] & LOOPBACK) == LOOPBACK) {
		push(uart, PL011_BREAK);
		pushed(uart);
	}
}

/* A write to IMSC; see "input". */
static void mask(struct pl011 *uart)
{
	bool unmasked = is_unmasked(uart->stored[PL011_IMSC]);

	if (unmasked && uart->input == PL011_INPUT_OFF) {
		uart->input = PL011_INPUT_SETTLING;
		timer_line_set(&uart->wires.timer, SETTLE_NS);
	} else if (!unmasked && uart->input == PL011_INPUT_SETTLING) {
		uart->input = PL011_INPUT_OFF;
		start_timeout(uart);
	}
}

static void store(struct pl011 *uart, enum pl011_register which, uint16_t value)
{
	uint16_t before = uart->stored[which];

	uart->stored[which] = value;
	switch (which) {
	case PL011_LCR_H:
		line_control(uart, before);
		break;
	case PL011_CR:
		update_modem(uart);
		if (!(value & CR_LBE))
			send_waiting(uart);
		break;
	case PL011_IMSC:
		mask(uart);
		update_receive(uart);
		break;
	case PL011_IFLS:
		update_receive(uart);
		break;
	default:
		return;
	}
	loop_back(uart);
	request_input_if_empty(uart);
}

/* An interrupt whose cause persists is raised again: with the next byte, or by the timeout. */
static void clear_interrupts(struct pl011 *uart, uint16_t which)
{
	uart->raw &= (uint16_t)~which;
	if (which & (INT_RX | INT_RT) && uart->rx.count)
		start_timeout(uart);
}

/* To be called after a read of FR with an empty receive FIFO. Pending input comes only now, after
 * the guest has seen the FIFO empty once, so that a loop that reads until it is empty ends. */
static void read_empty_flags(struct pl011 *uart)
{
	if (!uart->offered)
		uart->idle(uart->line);
	else if (pl011_room(uart))
		uart->request_input(uart->line, pl011_room(uart));
}

static uint64_t read_register(struct pl011 *uart, const struct reg *reg)
{
	uint64_t value;

	if (uart->offered && (reg->kind == FLAGS || reg->kind == RAW || reg->kind == DATA))
		poll(uart, reg->kind == RAW);
	value = value_of(uart, reg);
	if (reg->kind == FLAGS && value & FR_RXFE) {
		read_empty_flags(uart);
	} else if (reg->kind == DATA) {
		pop(uart);
		update(uart);
	}
	return value;
}

static void write_register(struct pl011 *uart, const struct reg *reg, uint16_t value)
{
	value &= reg->mask;
	if (reg->kind == STORED)
		uart->has_polled = false;
	start_polls(uart);
	switch (reg->kind) {
	case STORED:
		store(uart, reg->stored, value);
		break;
	case DATA:
		uart->sent = (uint8_t)value;
		transmit(uart, &uart->sent, 1);
		break;
	case ERRORS: /* ECR: any write clears */
		uart->errors = 0;
		break;
	case CLEARING:
		clear_interrupts(uart, value);
		break;
	default:
		return;
	}
	/*
	 * In the shadow page DR stays zero, because the page exists only while nothing is received.
	 */
	if (uart->page && reg->kind != DATA)
		update_page(uart, 4 * (uint64_t)(reg - registers), value_of(uart, reg));
	update(uart);
}

/* A 64-bit access is one to two registers, the lower one first. */
static uint64_t pl011_read(void *device, uint64_t offset, unsigned size)
{
	uint64_t value = read_register(device, find(offset));

	if (size == 8)
		value |= read_register(device, find(offset + 4)) << 32;
	return value;
}

static void pl011_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	write_register(device, find(offset), (uint16_t)value);
	if (size == 8)
		write_register(device, find(offset + 4), (uint16_t)(value >> 32));
}

static void pl011_reset(void *device)
{
	struct pl011 *uart = device;

	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		if (registers[i].kind == STORED)
			uart->stored[registers[i].stored] = registers[i].reset;
	uart->raw = uart->errors = uart->modem = 0;
	uart->divisor = 0;
	uart->rx.first = uart->rx.count = uart->tx.first = uart->tx.count = 0;
	uart->polls = 0;
	uart->input = PL011_INPUT_OFF;
	uart->has_polled = uart->overrun = uart->blocked = uart->offered = false;
	timer_line_set(&uart->wires.timer, TIMER_OFF);
	update(uart);
}

static const struct field fields[] = {
	{ ARRAY_FIELD(struct pl011, stored, UINT16_MAX) },
	{ FIELD(struct pl011, raw, 0x7ff) },
	{ FIELD(struct pl011, errors, 0xf) },
	{ FIELD(struct pl011, modem, FR_CTS | FR_DSR | FR_DCD | FR_RI) },
	{ FIELD(struct pl011, divisor, UINT16_MAX * 64 + 63) },
	{ ARRAY_FIELD(struct pl011, rx.symbols, 0xfff) },
	{ FIELD(struct pl011, rx.first, PL011_FIFO - 1) },
	{ FIELD(struct pl011, rx.count, PL011_FIFO) },
	{ ARRAY_FIELD(struct pl011, tx.symbols, 0xff) },
	{ FIELD(struct pl011, tx.first, PL011_FIFO - 1) },
	{ FIELD(struct pl011, tx.count, PL011_FIFO) },
	{ FIELD(struct pl011, polls, POLLS) },
	{ FIELD(struct pl011, has_polled, 1) },
	{ FIELD(struct pl011, input, PL011_INPUT_ON) },
	{ FIELD(struct pl011, overrun, 1) },
	{ FIELD(struct pl011, blocked, 1) },
	{ .name = NULL },
};

static bool pl011_loaded(void *device)
{
	struct pl011 *uart = device;

	if (uart->rx.count > depth(uart) || uart->tx.count > depth(uart))
		return false;
	if (uart->tx.count && (!(uart->stored[PL011_CR] & CR_LBE) || uart->rx.count < depth(uart)))
		return false;
	if (uart->input == PL011_INPUT_SETTLING && !is_unmasked(uart->stored[PL011_IMSC]))
		return false;
	irq_line_restore(&uart->wires.irq, uart->raw & uart->stored[PL011_IMSC]);
	update(uart);
	return true;
}

static const char interrupts[] = "RI,CTS,DCD,DSR,RX,TX,RT,FE,PE,BE,OE";
static const struct register_name names[] = {
	{ .offset = 0x000, .name = "DR", .is_character = true },
	{ .offset = 0x004, .name = "RSR", .bits = "FE,PE,BE,OE" },
	{ .offset = FR, .name = "FR", .bits = "CTS,DSR,DCD,BUSY,RXFE,TXFF,RXFF,TXFE,RI" },
	{ .offset = 0x020, .name = "ILPR" },
	{ .offset = 0x024, .name = "IBRD" },
	{ .offset = 0x028, .name = "FBRD" },
	{ .offset = 0x02c, .name = "LCR_H", .bits = "BRK,PEN,EPS,STP2,FEN,,,SPS" },
	{ .offset = 0x030,
	  .name = "CR",
	  .bits = "UARTEN,SIREN,SIRLP,,,,,LBE,TXE,RXE,DTR,RTS,OUT1,OUT2,RTSEN,CTSEN" },
	{ .offset = 0x034, .name = "IFLS" },
	{ .offset = 0x038, .name = "IMSC", .bits = interrupts },
	{ .offset = RIS, .name = "RIS", .bits = interrupts },
	{ .offset = MIS, .name = "MIS", .bits = interrupts },
	{ .offset = 0x044, .name = "ICR", .bits = interrupts },
	{ .offset = 0x048, .name = "DMACR", .bits = "RXDMAE,TXDMAE,DMAONERR" },
	{ .offset = IDENTIFICATION, .count = ARRAY_SIZE(identification), .name = "ID" },
	{ .name = NULL },
};

const struct device_ops pl011_ops = {
	.name = "pl011",
	.read = pl011_read,
	.write = pl011_write,
	.reset = pl011_reset,
	.expire = pl011_expire,
	.fields = fields,
	.loaded = pl011_loaded,
	.registers = names,
};
