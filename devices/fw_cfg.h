/* SPDX-License-Identifier: MIT */
/* QEMU's firmware configuration device. Used by machine.c; firmware.c sets its files. */
#ifndef DEVICES_FW_CFG_H
#define DEVICES_FW_CFG_H

#include "device.h"

enum fw_cfg_file { FW_CFG_KERNEL, FW_CFG_INITRD, FW_CFG_COMMAND_LINE, FW_CFG_FILES };

struct fw_cfg {
	struct wires wires;
	/* Wires, set before the guest runs: what the firmware shall start. The bytes stay the
	 * caller's. Size 0: there is none. */
	struct {
		const void *bytes;
		uint32_t size;
	} files[FW_CFG_FILES];

	uint16_t item;	  /* selected */
	uint32_t offset;  /* of the next byte to read in it */
	uint32_t address; /* upper half of the address of the next DMA descriptor */
};

extern const struct device_ops fw_cfg_ops;

#endif
