// SPDX-License-Identifier: MIT
/*
 * Claim: input arrives by interrupt, all of it and in order. Sends back every byte.
 * Never ends by itself: Ctrl-D ends it.
 */
#include "guest.h"

#define DR 0x00
#define FR 0x18
#define LCR_H 0x2c
#define CR 0x30
#define IMSC 0x38
#define MIS 0x40
#define ICR 0x44
#define RX 0x10
#define RT 0x40
#define FR_RXFE 0x10
#define FR_TXFE 0x80
#define CTRL_D 4

static volatile unsigned done;

#define TRIGGER 16 /* bytes that are there when RX comes: half of a FIFO */
#define FIFO 32

/* Takes up to a FIFO of bytes; RX spares asking FR for the first of them. */
static unsigned receive(uint32_t *bytes, unsigned sure)
{
	unsigned count = 0;

	while (count < FIFO && (count < sure || !(read32(UART_BASE + FR) & FR_RXFE)))
		bytes[count++] = read32(UART_BASE + DR);
	return count;
}

void guest_interrupt(unsigned intid)
{
	uint32_t bytes[FIFO];
	uint32_t cause = read32(UART_BASE + MIS);
	unsigned count;

	check(intid == 32 + UART_SPI);
	write32(UART_BASE + ICR, cause);
	count = receive(bytes, cause & RX ? TRIGGER : 0);
	while (!(read32(UART_BASE + FR) & FR_TXFE)) /* then there is room for all of them */
		;
	for (unsigned i = 0; i < count && !done; i++) {
		check(bytes[i] < 0x100); /* no error */
		if (bytes[i] == CTRL_D)
			done = 1;
		else
			write32(UART_BASE + DR, bytes[i]);
	}
}

void guest_main(const void *device_tree)
{
	gic_start(device_tree);
	write32(UART_BASE + 0x24, 13); /* 115200 baud */
	write32(UART_BASE + 0x28, 1);
	write32(UART_BASE + LCR_H, 0x70);
	write32(UART_BASE + CR, 0x301);
	write32(UART_BASE + IMSC, RX | RT);
	gic_enable(32 + UART_SPI);
	print("ready\n");
	while (!done) {
		wait_for_interrupt();
		unmask_interrupts();
		mask_interrupts();
	}
}
