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

struct pl011 {
	/* Wires, set once by whoever places the device. */
	struct irq_line irq;
	struct timer_line timer;
	/* Takes bytes; false if it wants no more until pl011_ready. Those that come anyway are
	 * taken. */
	bool (*transmit)(void *line, const uint8_t *bytes, unsigned count);
	/*
	 * There is nothing to read, and room to receive. `seen`: the guest has just read that in
	 * FR, so that more may come at once; otherwise it may come in a while, as it would on a
	 * real line.
	 */
	void (*empty)(void *line, bool seen);
	/* Needed by those who set `page` or `posted`: this word of the page has changed; the page
	 * must go; bytes must come one by one again. */
	void (*shown)(void *line, const uint32_t *word);
	void (*hide)(void *line);
	void (*unpost)(void *line);
	void *line;
	uint32_t clock; /* UARTCLK in Hz */

	/* State. */
	uint16_t stored[PL011_STORED];
	uint16_t raw;		   /* RIS: interrupts before the mask */
	uint16_t errors;	   /* RSR */
	uint16_t modem;		   /* modem inputs, as FR shows them */
	uint32_t divisor;	   /* baud rate divisor in 1/64, as in force */
	uint16_t fifo[PL011_FIFO]; /* received and not read, with their errors */
	uint8_t first, count;
	uint8_t sent; /* the last byte written to DR */
	bool overrun; /* a byte was lost, and none has come since */
	bool blocked; /* the line wants no more bytes */

	/* Shortcuts round the device, set by whoever has built them. */
	uint32_t *page; /* where the guest reads now (pl011_show); NULL: it asks the device */
	bool posted;	/* what it writes to DR comes later, by pl011_send */
};

extern const struct device_ops pl011_ops;

/* How many bytes can be received without loss: none by the line in loopback. */
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

/* Bytes come in by the line, one right after the other. Those for which there is no room are lost.
 */
void pl011_receive(struct pl011 *uart, const uint8_t *bytes, unsigned count);

/* The line is held low for longer than a byte. */
void pl011_receive_break(struct pl011 *uart);

/* The line takes bytes again. */
void pl011_ready(struct pl011 *uart);

#endif
