/* SPDX-License-Identifier: MIT */
/* A window of NOR flash that is erased and stays so. Used by the machine's table. */
#ifndef DEVICES_FLASH_H
#define DEVICES_FLASH_H

#include "device.h"

#define FLASH_BLOCK 0x200000 /* bytes that are made readable without an exit at a time */

struct flash {
	/* Wire, set once: from now on this block may be read without asking the device; false if
	 * that cannot be. */
	bool (*show)(void *listener, uint64_t offset);
	void *listener;

	/* State: a bit for each block that is shown already. */
	uint64_t shown;
};

/* Shows the block at this offset, if it is not shown yet; false if that cannot be. */
bool flash_show(struct flash *flash, uint64_t offset);

extern const struct device_ops flash_ops;

#endif
