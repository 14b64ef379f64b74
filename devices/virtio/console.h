/* SPDX-License-Identifier: MIT */
/*
 * Virtio console (virtio 1.2, 5.3) with one port.
 *
 * Who uses it: the machine, for --console=virtio. The terminal, which is at the other end of its
 * `line`, is vmm/machine/console.c's.
 */
#ifndef DEVICES_VIRTIO_CONSOLE_H
#define DEVICES_VIRTIO_CONSOLE_H

#include "mmio.h"

struct virtio_console {
	struct virtio virtio;
	/* Set once, with the wires. Transmits up to `size` bytes, which is not 0, and returns how
	 * many. 0 if the line stalls: virtio_console_work is then called when it accepts more. */
	size_t (*transmit)(void *line, const uint8_t *bytes, size_t size);
	/* Reads up to `size` bytes of pending input, and returns how many; 0 if there are none. */
	size_t (*receive)(void *line, uint8_t *bytes, size_t size);
	void *line;
	uint8_t config[4]; /* 5.3.4: columns and rows of the terminal */
};

/* To be called once, before the first reset. */
void virtio_console_init(struct virtio_console *console, bool legacy);

/* To be called when the line has input, or accepts output again. True if output is left. */
bool virtio_console_work(struct virtio_console *console);

/* Sets the terminal's size, and informs the driver; 0 and 0 if it is not known. */
void virtio_console_resize(struct virtio_console *console, uint16_t columns, uint16_t rows);

#endif
