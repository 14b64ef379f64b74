/* SPDX-License-Identifier: MIT */
/* Test finisher: a register by which a guest ends its own run. Used by the machine's table. */
#ifndef DEVICES_FINISHER_H
#define DEVICES_FINISHER_H

#include "device.h"

enum finish {
	FINISH_PASS,
	FINISH_FAIL,
	FINISH_RESET,
	FINISH_SAVE, /* saves the guest, which goes on */
};

struct finisher {
	struct wires wires;
	/*
	 * Wire, set once: receives how the run ends and, for FINISH_FAIL, the guest's 16-bit code.
	 */
	void (*finish)(void *listener, enum finish how, uint16_t code);
	void *listener;
	/* Set from outside: this guest was resumed from a snapshot. */
	bool is_resumed;
};

extern const struct device_ops finisher_ops;

#endif
