/* SPDX-License-Identifier: MIT */
/* Arm PrimeCell General Purpose Input/Output PL061 (Arm DDI 0190). Used by the machine's table, and
 * by who drives its pins. */
#ifndef DEVICES_PL061_H
#define DEVICES_PL061_H

#include "device.h"

#define PL061_PINS 8

/* State only; a bit of each for each of the PL061_PINS. */
struct pl061 {
	struct wires wires;
	uint8_t pins;	   /* levels that the outside drives; of outputs without effect */
	uint8_t data;	   /* levels of outputs */
	uint8_t direction; /* 1: output */
	uint8_t sense;	   /* interrupts; 1: by level, 0: by edge */
	uint8_t both;	   /* 1: both edges */
	uint8_t event;	   /* 1: rising edge or high level */
	uint8_t enable;	   /* 1: interrupt enabled */
	uint8_t edges;	   /* detected, and not yet cleared */
	uint8_t function;  /* 1: alternate function, which no pin has */
};

/* Drives a pin from outside. With the device's lock held. */
void pl061_set_pin(struct pl061 *gpio, unsigned pin, bool level);
/* Has the guest's driver enabled this pin's interrupt? With the device's lock held. */
static inline bool pl061_is_enabled(const struct pl061 *gpio, unsigned pin)
{
	return gpio->enable >> pin & 1;
}

extern const struct device_ops pl061_ops;

#endif
