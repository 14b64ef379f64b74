// SPDX-License-Identifier: MIT
/*
 * Claim: input arrives by interrupt, all of it and in order. Sends back every byte.
 * Never ends by itself: Ctrl-D ends it.
 */
#include "guest.h"

#define CTRL_D 4

static volatile unsigned done;

#define TRIGGER 16 /* bytes that have been received when RX is raised: half of a FIFO */
#define FIFO 32	   /* bytes */

/* Receives up to a FIFO of bytes. The first `sure` ones need no read of FR before them. */
static unsigned receive(uint32_t *bytes, unsigned sure)
{
	unsigned count = 0;

	while (count < FIFO && (count < sure || !(read32(UART_FR) & FR_RXFE)))
		bytes[count++] = read32(UART_DR);
	return count;
}

void guest_interrupt(unsigned intid)
{
	uint32_t bytes[FIFO];
	uint32_t cause = read32(UART_MIS);
	unsigned count;

	check(intid == 32 + UART_SPI);
	write32(UART_ICR, cause);
	count = receive(bytes, cause & UART_RX ? TRIGGER : 0);
	while (!(read32(UART_FR) & FR_TXFE)) /* an empty FIFO has room for all of them */
		;
	for (unsigned i = 0; i < count && !done; i++) {
		check(bytes[i] < 0x100); /* no error bits */
		if (bytes[i] == CTRL_D)
			done = 1;
		else
			write32(UART_DR, bytes[i]);
	}
}

void guest_main(const void *device_tree)
{
	gic_start(device_tree);
	write32(UART_IBRD, 13); /* 115200 baud */
	write32(UART_FBRD, 1);
	write32(UART_LCR_H, UART_FIFOS);
	write32(UART_CR, UART_ON);
	write32(UART_IMSC, UART_RX | UART_RT);
	gic_enable(32 + UART_SPI);
	print("ready\n");
	while (!done) {
		wait_for_interrupt();
		unmask_interrupts();
		mask_interrupts();
	}
}
