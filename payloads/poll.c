// SPDX-License-Identifier: MIT
/*
 * Claim: input waits for a guest that opens its port as Linux does, and all of it comes in order.
 * It unmasks and masks RX and RT, prints, empties the FIFO, and polls then. Sends back every byte.
 * Never ends by itself: Ctrl-D ends it.
 */
#include "guest.h"

#define DR 0x00
#define FR 0x18
#define LCR_H 0x2c
#define CR 0x30
#define IMSC 0x38
#define ICR 0x44
#define RX 0x10
#define RT 0x40
#define FR_RXFE 0x10
#define FR_TXFF 0x20
#define CTRL_D 4

static uint32_t receive(void)
{
	while (read32(UART_BASE + FR) & FR_RXFE)
		;
	return read32(UART_BASE + DR);
}

void guest_main(const void *device_tree)
{
	uint32_t byte;

	(void)device_tree;
	write32(UART_BASE + LCR_H, 0x70);
	write32(UART_BASE + CR, 0x301);
	write32(UART_BASE + IMSC, RX | RT);
	write32(UART_BASE + IMSC, 0);
	print("ready\n");
	write32(UART_BASE + ICR, RX | RT);
	while (!(read32(UART_BASE + FR) & FR_RXFE))
		read32(UART_BASE + DR);
	while ((byte = receive()) != CTRL_D) {
		check(byte < 0x100); /* no error */
		while (read32(UART_BASE + FR) & FR_TXFF)
			;
		write32(UART_BASE + DR, byte);
	}
}
