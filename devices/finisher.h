/* SPDX-License-Identifier: MIT */
/* Test finisher: a register by which a guest ends its own run. Used by the machine's table. */
#ifndef DEVICES_FINISHER_H
#define DEVICES_FINISHER_H

#include "device.h"

enum finish {
	FINISH_PASS,
	FINISH_FAIL,
	FINISH_RESET,
};

struct finisher {
	/* Wire, set once: told how the run ends and, for FINISH_FAIL, the guest's code of 16 bits.
	 */
	void (*finish)(void *listener, enum finish how, uint16_t code);
	void *listener;
};

extern const struct device_ops finisher_ops;

#endif
