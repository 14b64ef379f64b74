// SPDX-License-Identifier: MIT
/*
 * Claim: in whatever way a guest prints, all of it comes out, in order. It prints with pauses, by
 * interrupts, while input arrives, and in turns with loopback; and registers show changes at once.
 * Prints numbers from 1 on, one per line, in ways that change at random, and then the input up to
 * Ctrl-D.
 * Never ends by itself: it waits for Ctrl-D.
 *
 * Bootargs are the seed. The seed modulo 4 decides how it ends: by power-off, the finisher, a
 * reset, or not at all, after a burst of dots.
 */
#include "guest.h"

#define LBE 0x80
#define CTRL_D 4

#define LINES 1500
#define MORE 600 /* dots that are printed before it spins */

static uint32_t seed;
static char input[1024];
static unsigned typed, over;
static const char *volatile rest; /* what guest_interrupt has still to print */

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 16) % limit;
}

/* Reads all pending input. */
static void read_input(void)
{
	while (!(read32(UART_FR) & FR_RXFE)) {
		char c = (char)read32(UART_DR);

		if (c == CTRL_D)
			over = 1;
		else if (typed < sizeof input - 1)
			input[typed++] = c;
	}
}

/* ---- ways to print ---- */

static void polled(const char *text)
{
	for (; *text; text++) {
		while (read32(UART_FR) & FR_TXFF)
			;
		write32(UART_DR, (uint8_t)*text);
	}
}

/* Without looking at FR, as the line is infinitely fast, and with narrow accesses. */
static void blind(const char *text)
{
	for (unsigned i = 0; text[i]; i++)
		if (i & 1)
			write8(UART_DR, (uint8_t)text[i]);
		else
			write16(UART_DR, (uint16_t)(0xff00 | text[i]));
}

static void fill(void)
{
	for (unsigned i = 0; i < 4 && *rest; i++)
		write32(UART_DR, (uint8_t)*rest++);
}

void guest_interrupt(unsigned intid)
{
	check(intid == 32 + UART_SPI);
	check(read32(UART_MIS) == UART_TX);
	if (seed & 0x10000)
		write32(UART_ICR, UART_TX);
	if (*rest)
		fill();
	else
		write32(UART_IMSC, 0);
}

static void by_interrupts(const char *text)
{
	rest = text;
	write32(UART_IMSC, UART_TX);
	fill();
	while (read32(UART_IMSC)) {
		unmask_interrupts();
		mask_interrupts();
	}
}

/* After TX was cleared, the next byte raises it again. */
static void acknowledged(const char *text)
{
	for (; *text; text++) {
		write32(UART_ICR, UART_TX);
		check(!(read32(UART_RIS) & UART_TX));
		write32(UART_DR, (uint8_t)*text);
		check(read32(UART_RIS) & UART_TX);
	}
}

/* Bytes sent in loopback are not printed, and bytes sent before it are not looped back. */
static void loop_back(const char *text)
{
	polled(text);
	write32(UART_CR, UART_ON | LBE);
	read_input(); /* what arrived before loopback was on */
	write32(UART_DR, 'l');
	check(!(read32(UART_FR) & FR_RXFE));
	check(read32(UART_DR) == 'l');
	check(read32(UART_FR) & FR_RXFE);
	write32(UART_CR, UART_ON);
}

static void (*const ways[])(const char *text) = { polled,	 polled,       polled,	 blind,
						  by_interrupts, acknowledged, loop_back };

/* ---- the whole ---- */

static void number(char *to, unsigned value)
{
	unsigned digits = 1;

	for (unsigned i = value; i >= 10; i /= 10)
		digits++;
	to[digits] = '\n';
	to[digits + 1] = '\0';
	for (; digits > 0; value /= 10)
		to[--digits] = (char)('0' + value % 10);
}

static void print_lines(void)
{
	unsigned way = 0;

	for (unsigned i = 1; i <= LINES; i++) {
		char line[8];

		number(line, i);
		if (random_below(16) == 0)
			way = random_below(sizeof ways / sizeof *ways);
		if (random_below(128) == 0)
			pause(random_below(10000));
		if (random_below(32) == 0)
			read_input();
		ways[way](line);
	}
}

void guest_main(const void *device_tree)
{
	unsigned given = (unsigned)bootargs_number(device_tree);

	seed = given;
	gic_start(device_tree);
	gic_enable(32 + UART_SPI);
	write32(UART_LCR_H, UART_FIFOS);
	write32(UART_CR, UART_ON);
	print_lines();
	while (!over)
		read_input();
	polled(input);
	switch (given % 4) {
	case 0:
		break;
	case 1:
		finish(42);
	case 2:
		psci(PSCI_SYSTEM_RESET, 0, 0, 0);
		break;
	default:
		for (unsigned i = 0; i < MORE; i++)
			polled(".");
		for (;;)
			__asm__ volatile("");
	}
}
