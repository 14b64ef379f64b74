/* SPDX-License-Identifier: MIT */
/*
 * Arm PrimeCell UART PL011 (Arm DDI 0183, r1p5).
 *
 * Who uses it: machine.c, and the console, which is at the other end of the serial line.
 */
#ifndef DEVICES_PL011_H
#define DEVICES_PL011_H

#include "device.h"

#define PL011_FIFO 32 /* bytes; 16 before r1p5 */

/* The registers that read back as written, and their index in struct pl011's `stored`. */
enum pl011_register {
	PL011_ILPR,
	PL011_IBRD,
	PL011_FBRD,
	PL011_LCR_H,
	PL011_CR,
	PL011_IFLS,
	PL011_IMSC,
	PL011_DMACR,
	PL011_STORED, /* their number */
};

/*
 * A received byte with its error bits, as in DR; this one is a break (a zero byte with FE and BE).
 */
#define PL011_BREAK 0x500

struct pl011_fifo {
	uint16_t symbols[PL011_FIFO];
	uint8_t first, count;
};

/* Does the guest take input by interrupts? See "input" in pl011.c. */
enum pl011_input {
	PL011_INPUT_OFF,      /* no */
	PL011_INPUT_SETTLING, /* not yet: RX or RT was unmasked less than 100 ms ago */
	PL011_INPUT_ON,	      /* yes, whenever RX or RT is unmasked */
};

struct pl011 {
	struct wires wires;
	/*
	 * The serial line, set once by whoever places the device.
	 *
	 * Transmits bytes. False if the line accepts no more until pl011_ready; bytes sent
	 * regardless are still transmitted.
	 */
	bool (*transmit)(void *line, const uint8_t *bytes, unsigned count);
	/*
	 * The guest is ready for pending input. With `room` above 0, up to so many symbols may be
	 * passed to pl011_receive before this returns. With 0 they must come after the guest's
	 * current access, so that it sees an empty FIFO in between, as it may on a real line;
	 * pl011_room then says how many may come.
	 */
	void (*request_input)(void *line, unsigned room);
	/* The guest read FR with nothing received and nothing pending. */
	void (*idle)(void *line);
	/* Required if `page` or `coalesced` is ever set: a word of the shadow page has changed; the
	 * shadow page must be unmapped; writes to DR must be exits again. */
	void (*page_changed)(void *line, const uint32_t *word);
	void (*remove_page)(void *line);
	void (*stop_coalescing)(void *line);
	void *line;
	uint32_t clock; /* UARTCLK in Hz */

	/* State, saved in snapshots but for `sent` and `offered`. */
	uint16_t stored[PL011_STORED];
	uint16_t raw;	  /* RIS: raw interrupt status, before the mask */
	uint16_t errors;  /* RSR */
	uint16_t modem;	  /* modem status inputs, as bits of FR */
	uint32_t divisor; /* baud rate divisor in 1/64 that is in effect */
	struct pl011_fifo rx;
	struct pl011_fifo tx; /* used in loopback only, while the receiver is full */
	uint8_t sent;	      /* the last byte written to DR */
	uint8_t polls;	      /* consecutive polls for input (pl011.c, "input") */
	uint8_t input;	      /* enum pl011_input */
	bool has_polled;      /* the guest has received by polling since it set up the UART */
	bool overrun;	      /* a byte was lost to overrun and none has been received since */
	bool blocked;	      /* the line accepts no bytes at present */
	bool offered;	      /* input is pending at the other end of the line */

	/* The fast path, set by uart_fast.c. */
	uint32_t *page; /* shadow page that the guest reads; NULL: reads are exits */
	bool coalesced; /* writes to DR arrive later, by pl011_send */
};

extern const struct device_ops pl011_ops;

/* How many symbols the guest can receive now: 0 in loopback, and while it does not take input by
 * interrupts. A guest that polls gets its input by `request_input` instead. */
unsigned pl011_room(const struct pl011 *uart);

/*
 * Do reads have no side effects? Then the guest may read a shadow page, which pl011_set_shadow_page
 * fills and the device keeps up to date until `remove_page` is called; words without a register are
 * zero. Setting NULL means that the page is unmapped.
 */
bool pl011_reads_have_no_side_effects(const struct pl011 *uart);
void pl011_set_shadow_page(struct pl011 *uart, uint32_t *page);

/*
 * Does sending a byte leave all that the guest can see unchanged? Then bytes may be coalesced and
 * passed to pl011_send together, until `stop_coalescing` is called; bytes in flight then are still
 * sent.
 */
bool pl011_tx_state_is_constant(const struct pl011 *uart);
void pl011_send(struct pl011 *uart, const uint8_t *bytes, unsigned count);

/* Receives symbols from the line, one right after the other; those beyond the FIFO are lost.
 * `more`: further ones are pending, for pl011_room or `request_input`. */
void pl011_receive(struct pl011 *uart, const uint16_t *symbols, unsigned count, bool more);

/* The line accepts bytes again. */
void pl011_ready(struct pl011 *uart);

#endif
