// SPDX-License-Identifier: MIT
/*
 * PCI configuration space without a device (PCI Local Bus Specification 3.0, 6.1): every function
 * reads as all ones. Images made for QEMU's `virt` machine look for devices there without asking
 * the device tree, and take a zero for one.
 *
 * Who calls it: the bus, by pci_ops. Touches nothing.
 */
#include "pci.h"

static uint64_t pci_read(void *device, uint64_t offset, unsigned size)
{
	(void)device, (void)offset, (void)size;
	return ~0ull;
}

static void pci_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device, (void)offset, (void)size, (void)value;
}

static void pci_reset(void *device)
{
	(void)device;
}

static const struct field fields[] = { { .name = NULL } };

static bool pci_loaded(void *device)
{
	(void)device;
	return true;
}

static const struct register_name names[] = { { .name = NULL } };

const struct device_ops pci_ops = {
	.name = "pci",
	.read = pci_read,
	.write = pci_write,
	.reset = pci_reset,
	.fields = fields,
	.loaded = pci_loaded,
	.registers = names,
};
