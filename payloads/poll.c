// SPDX-License-Identifier: MIT
/*
 * Claim: input waits for a guest that opens its port as Linux does, and all of it comes in order.
 * The guest unmasks and masks RX and RT, prints, discards the FIFO's contents, and then polls.
 * Sends back every byte. Never ends by itself: Ctrl-D ends it.
 */
#include "guest.h"

#define CTRL_D 4

void guest_main(const void *device_tree)
{
	uint32_t byte;

	(void)device_tree;
	write32(UART_LCR_H, UART_FIFOS);
	write32(UART_CR, UART_ON);
	write32(UART_IMSC, UART_RX | UART_RT);
	write32(UART_IMSC, 0);
	print("ready\n");
	write32(UART_ICR, UART_RX | UART_RT);
	while (!(read32(UART_FR) & FR_RXFE))
		read32(UART_DR);
	while ((byte = take_key()) != CTRL_D) {
		check(byte < 0x100); /* no error bits */
		while (read32(UART_FR) & FR_TXFF)
			;
		write32(UART_DR, byte);
	}
}
