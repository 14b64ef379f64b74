/* SPDX-License-Identifier: MIT */
/* Arm PrimeCell Real Time Clock PL031 (Arm DDI 0224). Used by the machine's table. */
#ifndef DEVICES_PL031_H
#define DEVICES_PL031_H

#include "device.h"

struct pl031 {
	struct wires wires;
	uint64_t (*seconds)(void); /* wire: wall-clock time in seconds since 1970 */

	/* State. */
	uint32_t offset; /* seconds by which the guest's clock is ahead of wall-clock time */
	uint32_t match, load;
	uint32_t seen; /* the guest's clock when last compared with `match` */
	bool mask, raw;
};

extern const struct device_ops pl031_ops;

#endif
