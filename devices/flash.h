/* SPDX-License-Identifier: MIT */
/* A bank of NOR flash. Used by machine.c. */
#ifndef DEVICES_FLASH_H
#define DEVICES_FLASH_H

#include "device.h"

#define FLASH_BANK 0x4000000 /* bytes */
#define FLASH_BLOCK 0x200000 /* bytes that are mapped at a time */
#define FLASH_ERASE 0x40000  /* bytes that are erased at a time */
#define FLASH_BUFFER 0x1000  /* bytes that are programmed at a time, aligned */
#define FLASH_BLOCKS (FLASH_BANK / FLASH_BLOCK)

struct flash {
	struct wires wires;
	/* Wires, set once. `storage` has FLASH_BANK bytes; those of a block count if its bit in
	 * `written` is set, otherwise the block is erased. Both outlast a reset. The storage is the
	 * memory of `wires.dma`, of which only `written` is used. */
	uint8_t *storage;
	uint32_t *written;
	/* Maps a block for reads without exits (false if the host cannot): these bytes, or if NULL
	 * an erased block. And unmaps it. */
	bool (*map)(void *listener, uint64_t offset, uint8_t *bytes);
	void (*unmap)(void *listener, uint64_t offset);
	/* Writes what the guest has programmed or erased to where the bank is kept; false if that
	 * fails. NULL: it is not kept. */
	bool (*keep)(void *listener, uint64_t offset, uint64_t length);
	void *listener;

	uint8_t command; /* the one in progress, or READ_ARRAY */
	uint8_t cycle;	 /* writes that it has had so far */
	uint8_t status;	 /* register */
	uint16_t left;	 /* words that are still to be written to the buffer */
	uint32_t at;	 /* the buffer's offset; FLASH_BANK: not known yet */

	/* Derived: a bit for each block that is mapped; reads since the last command. */
	uint32_t mapped;
	unsigned reads;
};

/* Maps the block at this offset unless it is mapped already; false if the host cannot. */
bool flash_map_block(struct flash *flash, uint64_t offset);

/* Do reads give what the flash holds, and not the answer to a command? */
bool flash_reads_array(const struct flash *flash);

extern const struct device_ops flash_ops;

#endif
