// SPDX-License-Identifier: MIT
/*
 * Claim: in whatever way a guest prints, all of it comes out in its order. With pauses, by
 * interrupts, while input comes, in turns with the loop back; and registers say at once what has
 * changed. Prints numbers from 1 on, a line each in a way of its own, and last the input up to
 * Ctrl-D.
 * Never ends by itself: it waits for Ctrl-D.
 *
 * Bootargs are a seed, and decide how it ends: power-off, finisher, reset, or not at all, after a
 * burst of dots.
 */
#include "guest.h"

#define DR (UART_BASE + 0x000)
#define FR (UART_BASE + 0x018)
#define LCR_H (UART_BASE + 0x02c)
#define CR (UART_BASE + 0x030)
#define IMSC (UART_BASE + 0x038)
#define RIS (UART_BASE + 0x03c)
#define MIS (UART_BASE + 0x040)
#define ICR (UART_BASE + 0x044)

#define RXFE 0x10
#define TXFF 0x20
#define TX 0x20
#define LBE 0x80
#define ON 0x301
#define CTRL_D 4

#define LINES 1500
#define MORE 600 /* dots before it spins */

static uint32_t seed;
static char input[1024];
static unsigned typed, over;
static const char *volatile rest; /* of what interrupts print */

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 16) % limit;
}

static void listen(void)
{
	while (!(read32(FR) & RXFE)) {
		char c = (char)read32(DR);

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
		while (read32(FR) & TXFF)
			;
		write32(DR, (uint8_t)*text);
	}
}

/* As one that knows that the line is fast, with accesses of other sizes. */
static void blind(const char *text)
{
	for (unsigned i = 0; text[i]; i++)
		if (i & 1)
			write8(DR, (uint8_t)text[i]);
		else
			write16(DR, (uint16_t)(0xff00 | text[i]));
}

static void fill(void)
{
	for (unsigned i = 0; i < 4 && *rest; i++)
		write32(DR, (uint8_t)*rest++);
}

void guest_interrupt(unsigned intid)
{
	check(intid == 32 + UART_SPI);
	check(read32(MIS) == TX);
	if (seed & 0x10000)
		write32(ICR, TX);
	if (*rest)
		fill();
	else
		write32(IMSC, 0);
}

static void by_interrupts(const char *text)
{
	rest = text;
	write32(IMSC, TX);
	fill();
	while (read32(IMSC)) {
		unmask_interrupts();
		mask_interrupts();
	}
}

/* TX comes back with the first byte after it was acknowledged. */
static void acknowledged(const char *text)
{
	for (; *text; text++) {
		write32(ICR, TX);
		check(!(read32(RIS) & TX));
		write32(DR, (uint8_t)*text);
		check(read32(RIS) & TX);
	}
}

/* What is looped back is not printed, and what was printed before is not looped back. */
static void loop_back(const char *text)
{
	polled(text);
	write32(CR, ON | LBE);
	listen(); /* to what came before */
	write32(DR, 'l');
	check(!(read32(FR) & RXFE));
	check(read32(DR) == 'l');
	check(read32(FR) & RXFE);
	write32(CR, ON);
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
			listen();
		ways[way](line);
	}
}

void guest_main(const void *device_tree)
{
	unsigned given = (unsigned)bootargs_number(device_tree);

	seed = given;
	gic_start(device_tree);
	gic_enable(32 + UART_SPI);
	write32(LCR_H, 0x70);
	write32(CR, ON);
	print_lines();
	while (!over)
		listen();
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
