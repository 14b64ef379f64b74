// SPDX-License-Identifier: MIT
/*
 * Claim: the PL011 follows its manual (Arm DDI 0183), as far as loopback shows. With a number as
 * bootargs it makes random register accesses from that seed instead, and prints what it reads:
 * QEMU's PL011 must give the same.
 */
#include "guest.h"

#define RSR (UART_BASE + 0x004)
#define IFLS (UART_BASE + 0x034)

#define BUSY 0x08
#define RXFF 0x40
#define FEN 0x10
#define LBE 0x80
#define FE 0x80
#define BE 0x200
#define OE 0x400
#define FIFO 32

static volatile unsigned interrupts, last_mis;

void guest_interrupt(unsigned intid)
{
	check(intid == 32 + UART_SPI);
	last_mis = read32(UART_MIS);
	write32(UART_ICR, last_mis);
	interrupts++;
}

static void receive(unsigned count)
{
	while (count--)
		write32(UART_DR, 'x');
}

/* Empties the FIFOs and clears errors and interrupts. Returns the number of bytes received. */
static unsigned drain(void)
{
	unsigned count = 0;

	for (; !(read32(UART_FR) & FR_RXFE); count++)
		read32(UART_DR);
	write32(RSR, 0);
	write32(UART_ICR, 0x7ff);
	return count;
}

static void prove_registers(void)
{
	static const struct {
		uint16_t offset, reset, ones;
	} rows[] = {
		{ 0x020, 0, 0xff },    { 0x024, 0, 0xffff }, { 0x028, 0, 0x3f },
		{ 0x034, 0x12, 0x3f }, { 0x038, 0, 0x7ff },  { 0x048, 0, 7 },
	};
	static const uint8_t ids[] = { 0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	check(read32(UART_FR) == 0x90 && read32(UART_CR) == 0x300 && read32(UART_LCR_H) == 0);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		uintptr_t at = UART_BASE + rows[i].offset;

		check(read32(at) == rows[i].reset);
		write32(at, ~0u);
		check(read32(at) == rows[i].ones);
		check(read16(at) == rows[i].ones);
		check(read8(at) == (rows[i].ones & 0xff));
		write16(at, rows[i].reset);
		check(read64(at) == (read32(at) | (uint64_t)read32(at + 4) << 32));
	}
	for (unsigned i = 0; i < sizeof ids; i++)
		check(read32(UART_BASE + 0xfe0 + 4 * i) == ids[i]);
}

static void prove_receiving(void)
{
	static const uint8_t triggers[] = { 4, 8, 16, 24, 28 };

	for (unsigned level = 0; level < sizeof triggers; level++) {
		write32(IFLS, level << 3);
		for (unsigned count = 1; count <= FIFO; count++) {
			receive(1);
			check(!(read32(UART_RIS) & UART_RX) == (count < triggers[level]));
		}
		/* Bytes sent while the receive FIFO is full wait in the transmit FIFO. */
		check((read32(UART_FR) & (RXFF | FR_TXFE | BUSY)) == (RXFF | FR_TXFE));
		receive(1);
		check((read32(UART_FR) & (RXFF | FR_TXFE | BUSY)) == (RXFF | BUSY));
		receive(FIFO - 1);
		check(read32(UART_FR) & FR_TXFF && !(read32(UART_RIS) & OE));
		check(drain() == 2 * FIFO);
		check(read32(UART_RIS) == 0 && read32(RSR) == 0);
	}
	write32(UART_LCR_H, FEN | 1);
	check((read32(UART_RIS) & ~UART_RT) == (BE | FE));
	check(read32(UART_DR) == 0x500 && read32(RSR) == 5);
	drain();
}

static void prove_modem(void)
{
	write32(UART_CR, UART_ON | LBE | 0x800); /* RTS to CTS */
	check((read32(UART_FR) & 0x107) == 1 && read32(UART_RIS) == 2);
	write32(UART_ICR, 2);
	write32(UART_CR, UART_ON | LBE);
	check((read32(UART_FR) & 0x107) == 0 && read32(UART_RIS) == 2);
	write32(UART_ICR, 2);
}

static void sleep_until(unsigned count)
{
	while (interrupts < count) {
		wait_for_interrupt();
		unmask_interrupts();
		mask_interrupts();
	}
}

/* Bytes below the trigger level raise RT, and again if it is cleared without reading them. */
static void prove_timeout(void)
{
	write32(UART_IBRD, 13);
	write32(UART_FBRD, 1);
	write32(UART_LCR_H, FEN);
	write32(IFLS, 0x12);
	write32(UART_IMSC, UART_RX | UART_RT);
	receive(3);
	sleep_until(1);
	check(last_mis == UART_RT);
	sleep_until(2);
	check(last_mis == UART_RT);
	write32(UART_IMSC, 0);
	drain();
	check(read32(UART_RIS) == 0);
}

static uint32_t seed;

/* A linear congruential generator (Numerical Recipes), whose upper bits are the better ones. */
static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 16) % limit;
}

/* Accesses registers, with the bits that exist and that QEMU 7.2 implements (no loopback). */
static void run_script(void)
{
	static const struct {
		uint16_t offset, mask;
	} rows[] = {
		{ 0x000, 0x00ff }, { 0x004, 0x00ff }, { 0x018, 0x0000 }, { 0x020, 0x00ff },
		{ 0x024, 0xffff }, { 0x028, 0x003f }, { 0x02c, 0x00fe }, { 0x030, 0xff07 },
		{ 0x034, 0x003f }, { 0x038, 0x07ff }, { 0x03c, 0x0000 }, { 0x040, 0x0000 },
		{ 0x044, 0x07ff }, { 0x048, 0x0004 }, { 0xfe0, 0 },	 { 0xfe4, 0 },
		{ 0xfec, 0 },	   { 0xff0, 0 },      { 0xff4, 0 },	 { 0xff8, 0 },
		{ 0xffc, 0 },
	};
	const unsigned count = sizeof rows / sizeof *rows;

	for (unsigned step = 0; step < 400; step++) {
		unsigned row = random_below(count);
		uintptr_t at = UART_BASE + rows[row].offset;
		uint32_t value = random_below(0x10000) & rows[row].mask;

		if (rows[row].offset == 0)
			value = 'a' + value % 26;
		if (random_below(2)) {
			if (random_below(2))
				write32(at, value);
			else
				write16(at, (uint16_t)value);
		}
		row = random_below(count);
		at = UART_BASE + rows[row].offset;
		value = random_below(2) ? read32(at) : random_below(2) ? read16(at) : read8(at);
		print_hex(rows[row].offset);
		print("=");
		print_hex(value);
		print(step % 8 == 7 ? "\n" : " ");
	}
	print("\n");
}

void guest_main(const void *device_tree)
{
	const char *bootargs = tree_property(device_tree, "bootargs", 0);

	if (bootargs && *bootargs) {
		while (*bootargs)
			seed = seed * 10 + (uint32_t)(*bootargs++ - '0');
		run_script();
		return;
	}
	gic_start(device_tree);
	gic_enable(32 + UART_SPI);
	prove_registers();
	write32(UART_CR, UART_ON | LBE);
	write32(UART_LCR_H, FEN);
	write32(UART_ICR, 0x7ff);
	prove_receiving();
	write32(UART_LCR_H, FEN);
	prove_modem();
	prove_timeout();
	write32(UART_CR, UART_ON);
	print("ok\n");
}
