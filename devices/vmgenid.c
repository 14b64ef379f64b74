// SPDX-License-Identifier: MIT
/*
 * VM generation ID. The guest reads it where a hypervisor has memory: read-only registers are the
 * same to it, and need no page of their own. What reaches from one half into the other reads as
 * zero there.
 *
 * Who calls it: the bus, by vmgenid_ops; a resume. Touches its interrupt line.
 */
#include "vmgenid.h"

static uint64_t vmgenid_read(void *device, uint64_t offset, unsigned size)
{
	const struct vmgenid *vmgenid = device;
	uint64_t value = vmgenid->id[offset / 8] >> offset % 8 * 8;

	return size < 8 ? value & ((1ull << 8 * size) - 1) : value;
}

static void vmgenid_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device, (void)offset, (void)size, (void)value;
}

static void vmgenid_reset(void *device)
{
	(void)device;
}

static const struct field fields[] = { { .name = NULL } };

static bool vmgenid_loaded(void *device)
{
	(void)device;
	return true;
}

void vmgenid_changed(struct vmgenid *vmgenid)
{
	irq_line_set(&vmgenid->wires.irq, true);
	irq_line_set(&vmgenid->wires.irq, false);
}

static const struct register_name names[] = {
	{ .name = NULL },
};

const struct device_ops vmgenid_ops = {
	.name = "vmgenid",
	.read = vmgenid_read,
	.write = vmgenid_write,
	.reset = vmgenid_reset,
	.fields = fields,
	.loaded = vmgenid_loaded,
	.registers = names,
};
