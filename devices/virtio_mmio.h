/* SPDX-License-Identifier: MIT */
/* Slots for virtio devices over MMIO, all empty. Used by the machine's table. */
#ifndef DEVICES_VIRTIO_MMIO_H
#define DEVICES_VIRTIO_MMIO_H

#include "device.h"

/* There is no state: any pointer will do for the device. */
extern const struct device_ops virtio_mmio_ops;

#endif
