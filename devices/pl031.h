/* SPDX-License-Identifier: MIT */
/* Arm PrimeCell Real Time Clock PL031 (Arm DDI 0224). Used by the machine's table. */
#ifndef DEVICES_PL031_H
#define DEVICES_PL031_H

#include "device.h"

struct pl031 {
	/* Wires, set once by whoever places the device. */
	struct irq_line irq;
	struct timer_line timer;
	uint64_t (*seconds)(void); /* time of day, since 1970 */

	/* State. */
	uint32_t offset; /* what the guest's clock is ahead of the time of day */
	uint32_t match, load;
	uint32_t seen; /* the guest's clock when it was compared with `match` last */
	bool mask, raw;
};

extern const struct device_ops pl031_ops;

#endif
