/* SPDX-License-Identifier: MIT */
/*
 * Arm PrimeCell UART PL011 (Arm DDI 0183, r1p5): bytes in, bytes out, an interrupt line.
 *
 * Who uses it: the machine's table, and the console, which is the other end of the line.
 */
#ifndef DEVICES_PL011_H
#define DEVICES_PL011_H

#include "device.h"

#define PL011_FIFO 32 /* bytes; 16 before r1p5 */

/* The registers that keep what is written to them. */
enum pl011_register {
	PL011_ILPR,
	PL011_IBRD,
	PL011_FBRD,
	PL011_LCR_H,
	PL011_CR,
	PL011_IFLS,
	PL011_IMSC,
	PL011_DMACR,
	PL011_STORED, /* how many */
};

/* A byte with its errors, as in DR: this one is a break, a byte of zero without a stop bit. */
#define PL011_BREAK 0x500

struct pl011_fifo {
	uint16_t symbols[PL011_FIFO];
	uint8_t first, count;
};

/* Does the guest take input by interrupts? (pl011.c, "input") */
enum pl011_listens { PL011_DEAF, PL011_SETTLING, PL011_SETTLED };

struct pl011 {
	/* Wires, set once by whoever places the device. */
	struct irq_line irq;
	struct timer_line timer;
	/* Takes bytes; false if it wants no more until pl011_ready. Those that come anyway are
	 * taken. */
	bool (*transmit)(void *line, const uint8_t *bytes, unsigned count);
	/*
	 * Input waits (pl011_receive) and may come: `room` symbols of it before this returns. With
	 * room 0 it comes in a while, as it would on a real line; then pl011_room says how much.
	 */
	void (*empty)(void *line, unsigned room);
	/* FR was read, with nothing to read and none that waits. */
	void (*idle)(void *line);
	/* Needed by those who set `page` or `posted`: this word of the page has changed; the page
	 * must go; bytes must come one by one again. */
	void (*shown)(void *line, const uint32_t *word);
	void (*hide)(void *line);
	void (*unpost)(void *line);
	void *line;
	uint32_t clock; /* UARTCLK in Hz */

	/* State. */
	uint16_t stored[PL011_STORED];
	uint16_t raw;	  /* RIS: interrupts before the mask */
	uint16_t errors;  /* RSR */
	uint16_t modem;	  /* modem inputs, as FR shows them */
	uint32_t divisor; /* baud rate divisor in 1/64, as in force */
	struct pl011_fifo rx;
	struct pl011_fifo tx; /* used in loopback only, while the receiver is full */
	uint8_t sent;	      /* the last byte written to DR */
	uint8_t polls;	      /* reads that looked for input (pl011.c, "input") */
	uint8_t listens;      /* enum pl011_listens */
	bool has_polled;      /* it has taken input so since it was set up */
	bool overrun;	      /* a byte was lost, and none has come since */
	bool blocked;	      /* the line wants no more bytes */
	bool offered;	      /* input waits at the other end of the line */

	/* Shortcuts round the device, set by whoever has built them. */
	uint32_t *page; /* where the guest reads now (pl011_show); NULL: it asks the device */
	bool posted;	/* what it writes to DR comes later, by pl011_send */
};

extern const struct device_ops pl011_ops;

/*
 * How many symbols the guest takes from the line now: none in loopback, nor while it does not take
 * input by interrupts. One that polls gets its input by `empty`.
 */
unsigned pl011_room(const struct pl011 *uart);

/*
 * Does no read change anything? Then a page can answer the guest, which is shown in it all that
 * reads give, until `hide` is called; its other words are zero. NULL: there is no page any more.
 */
bool pl011_is_still(const struct pl011 *uart);
void pl011_show(struct pl011 *uart, uint32_t *page);

/*
 * Does a byte that is sent change nothing that the guest could see? Then its bytes can be collected
 * and sent together, until `unpost` is called; those that were under way are sent all the same.
 */
bool pl011_sends_unseen(const struct pl011 *uart);
void pl011_send(struct pl011 *uart, const uint8_t *bytes, unsigned count);

/*
 * Symbols come in by the line, one right after the other; those beyond the FIFO are lost. `more`:
 * others wait behind them, for pl011_room or `empty`.
 */
void pl011_receive(struct pl011 *uart, const uint16_t *symbols, unsigned count, bool more);

/* The line takes bytes again. */
void pl011_ready(struct pl011 *uart);

#endif
