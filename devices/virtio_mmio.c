// SPDX-License-Identifier: MIT
/*
 * Slots for virtio devices over MMIO (virtio 1.2, 4.2.2), with no device in any: images made for
 * QEMU's `virt` machine look through all of them without asking the device tree, and go on when
 * they find device 0 (4.2.2.2).
 *
 * Who calls it: the bus, by virtio_mmio_ops. Touches nothing.
 */
#include "virtio_mmio.h"

#define SLOT 0x200 /* bytes of each */

/* MagicValue, Version, DeviceID, VendorID (4.2.2), as an empty slot of QEMU's has them. */
static const uint32_t identification[] = { 0x74726976, 1, 0, 0x554d4551 };

static uint64_t virtio_mmio_read(void *device, uint64_t offset, unsigned size)
{
	uint64_t at = offset % SLOT;
	uint64_t value = 0;

	if (at % 4 == 0 && at / 4 < sizeof identification / sizeof *identification)
		value = identification[at / 4];
	if (size == 8) /* two registers, the lower first */
		value |= virtio_mmio_read(device, offset + 4, 4) << 32;
	return value;
}

static void virtio_mmio_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device, (void)offset, (void)size, (void)value;
}

static void virtio_mmio_reset(void *device)
{
	(void)device;
}

static const struct field fields[] = { { .name = NULL } }; /* no state */

static bool virtio_mmio_loaded(void *device)
{
	(void)device;
	return true;
}

static const struct register_name names[] = {
	{ .offset = 0x000, .name = "MagicValue" },
	{ .offset = 0x004, .name = "Version" },
	{ .offset = 0x008, .name = "DeviceID" },
	{ .offset = 0x00c, .name = "VendorID" },
	{ .name = NULL },
};

const struct device_ops virtio_mmio_ops = {
	.name = "virtio-mmio",
	.read = virtio_mmio_read,
	.write = virtio_mmio_write,
	.reset = virtio_mmio_reset,
	.fields = fields,
	.loaded = virtio_mmio_loaded,
	.registers = names,
	.stride = SLOT,
};
