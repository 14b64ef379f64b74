// SPDX-License-Identifier: MIT
/*
 * NOR flash as it leaves the factory: every bit is one. Firmware made for QEMU's `virt` machine
 * reads it (U-Boot 256 KiB, byte by byte, for its environment), finds nothing there and goes on.
 *
 * Who calls it: the bus, by flash_ops, until a block is shown. Touches its own struct and its wire.
 * Commands written to it are dropped: to a driver that probes for a chip there is none.
 */
#include "flash.h"

static uint64_t flash_read(void *device, uint64_t offset, unsigned size)
{
	struct flash *flash = device;
	uint64_t bit = 1ull << offset / FLASH_BLOCK % 64;

	(void)size;
	if (!(flash->shown & bit)) {
		flash->shown |= bit;
		flash->show(flash->listener, offset / FLASH_BLOCK * FLASH_BLOCK);
	}
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

const struct device_ops flash_ops = {
	.name = "flash",
	.read = flash_read,
	.write = flash_write,
	.reset = flash_reset,
};
