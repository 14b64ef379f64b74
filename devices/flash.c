// SPDX-License-Identifier: MIT
/*
 * NOR flash as it leaves the factory: every bit is one. Firmware made for QEMU's `virt` machine
 * reads it (U-Boot 256 KiB, byte by byte, for its environment), finds nothing there and goes on.
 *
 * Who calls it: the bus, by flash_ops, until a block is shown. Touches its own struct and its wire.
 * Commands written to it are dropped: to a driver that probes for a chip there is none.
 */
#include "flash.h"

bool flash_show(struct flash *flash, uint64_t offset)
{
	uint64_t bit = 1ull << offset / FLASH_BLOCK % 64;

	if (flash->shown & bit)
		return true;
	flash->shown |= bit;
	return flash->show(flash->listener, offset / FLASH_BLOCK * FLASH_BLOCK);
}

/* Where the host has no read-only memory each read stays an exit, with the same answer. */
static uint64_t flash_read(void *device, uint64_t offset, unsigned size)
{
	(void)size;
	(void)flash_show(device, offset);
	return ~0ull;
}

static void flash_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device, (void)offset, (void)size, (void)value;
}

static void flash_reset(void *device)
{
	struct flash *flash = device;

	flash->shown = 0;
}

static const struct field fields[] = { { .name = NULL } }; /* what is shown is derived */

/* Blocks are shown again when they are touched. */
static bool flash_loaded(void *device)
{
	flash_reset(device);
	return true;
}

static const struct register_name names[] = { { .name = NULL } }; /* it is memory */

const struct device_ops flash_ops = {
	.name = "flash",
	.read = flash_read,
	.write = flash_write,
	.reset = flash_reset,
	.fields = fields,
	.loaded = flash_loaded,
	.registers = names,
};
