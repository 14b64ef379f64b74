/* SPDX-License-Identifier: MIT */
/* PCI configuration space in which there is no device. Used by machine.c. */
#ifndef DEVICES_PCI_H
#define DEVICES_PCI_H

#include "device.h"

struct pci {
	struct wires wires;
};

extern const struct device_ops pci_ops;

#endif
