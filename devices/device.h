/* SPDX-License-Identifier: MIT */
/*
 * The interface between a device and the machine that it is part of.
 *
 * Who uses it: every device, the bus that calls it, and machine.c, which places it. A device knows
 * its registers only, not its address or its interrupt number. Files in devices/ include only
 * devices/ and C's freestanding headers.
 *
 * The functions of a device are called with its lock held, and a device calls those of its wires
 * with the lock held.
 */
#ifndef DEVICES_DEVICE_H
#define DEVICES_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The name of a device's register in traces, and those of its bits. */
struct register_name {
	const char *name;  /* NULL ends the table */
	const char *bits;  /* names from bit 0 on, by commas; a bit may have none */
	uint16_t offset;   /* bytes from the device's base */
	uint16_t count;	   /* of consecutive 32-bit registers with this name; 0 means 1 */
	bool is_character; /* the value is a byte of text */
};

/* A field of a device's struct that is part of its state, which a snapshot saves. Not state: wires,
 * what is derived from other fields, and fast paths. A timer is saved as the time left. */
struct field {
	const char *name; /* NULL ends the table */
	uint16_t offset;  /* bytes from the start of the struct */
	uint16_t size;	  /* bytes of an element */
	uint16_t count;	  /* elements */
	uint16_t stride;  /* bytes from one element to the next */
	uint64_t max;	  /* of an element; a larger value is refused when a state is loaded */
};
#define SIZE_OF_FIELD(type, member) sizeof(((type *)0)->member)
#define FIELD(type, member, max)                                                                   \
#member, offsetof(type, member), SIZE_OF_FIELD(type, member), 1,                           \
		SIZE_OF_FIELD(type, member), max
#define ARRAY_FIELD(type, member, max)                                                             \
#member, offsetof(type, member), SIZE_OF_FIELD(type, member[0]),                           \
		SIZE_OF_FIELD(type, member) / SIZE_OF_FIELD(type, member[0]),                      \
		SIZE_OF_FIELD(type, member[0]), max

/*
 * A device's functions. `offset` is in bytes from the device's base, and offset + size never passes
 * its end; `size` is 1, 2, 4 or 8 bytes; values are little-endian and zero above `size`. Every
 * access has a defined result: a device never fails, whatever the guest does.
 */
struct device_ops {
	const char *name;
	uint64_t (*read)(void *device, uint64_t offset, unsigned size);
	void (*write)(void *device, uint64_t offset, unsigned size, uint64_t value);
	void (*reset)(void *device);  /* to the state after power-on; keeps the wires */
	void (*expire)(void *device); /* its timer has expired; NULL: it has no timer */
	void (*day_set)(
		void *device); /* the host's wall clock was set; NULL if that does not matter */
	const struct field *fields;
	/* Called when the fields have been loaded: sets the wires and derived values. False if the
	 * fields contradict each other. */
	bool (*loaded)(void *device);
	const struct register_name *registers;
};

/* The wire from a device to the interrupt controller: active high, level-sensitive. */
struct irq_line {
	void (*set)(void *controller, unsigned number, bool level);
	void *controller;
	unsigned number; /* of the line at the controller */
	bool level;	 /* the level last reported to the controller */
};

/* Reports the level if it has changed: each report is a system call. */
static inline void irq_line_set(struct irq_line *line, bool level)
{
	if (line->level == level)
		return;
	line->level = level;
	line->set(line->controller, line->number, level);
}

/* Reports the level unconditionally: after loading a state, `level` may be stale. */
static inline void irq_line_restore(struct irq_line *line, bool level)
{
	line->level = level;
	line->set(line->controller, line->number, level);
}

/* The wire from a device to its one-shot timer. */
#define TIMER_OFF UINT64_MAX

struct timer_line {
	/* Sets the timer to expire in so many nanoseconds; TIMER_OFF cancels it. */
	void (*set)(void *clock, unsigned number, uint64_t nanoseconds);
	/* Nanoseconds until it expires, 0 if it is due, TIMER_OFF if it is off. */
	uint64_t (*left)(void *clock, unsigned number);
	void *clock;
	unsigned number; /* of the timer at the clock */
};

static inline void timer_line_set(const struct timer_line *line, uint64_t nanoseconds)
{
	line->set(line->clock, line->number, nanoseconds);
}

/* Access to the guest's memory, for a device that is a bus master. */
struct dma {
	/* A host pointer to these guest-physical bytes, valid until the device is reset; NULL if
	 * any of them is not RAM. */
	void *(*map)(void *memory, uint64_t at, uint64_t length);
	/* Marks bytes that the device has written as dirty, so that a snapshot in progress saves
	 * them again. */
	void (*written)(void *memory, const void *bytes, uint64_t length);
	void *memory;
};

static inline void *dma_map(const struct dma *dma, uint64_t at, uint64_t length)
{
	return dma->map(dma->memory, at, length);
}

static inline void dma_written(const struct dma *dma, const void *bytes, uint64_t length)
{
	dma->written(dma->memory, bytes, length);
}

/* A device's connections to its machine: the first member of every device's struct. Set once by
 * whoever places the device; a reset keeps them. */
struct wires {
	struct irq_line irq;
	struct timer_line timer;
	struct dma dma;
};

/* ---- state.c: a device's state as bytes; the caller holds the device's lock ---- */

/* The size of such a device's saved state, in bytes. */
size_t device_state_size(const struct device_ops *ops);
/* Writes the saved state: the fields in table order, then the timer's remaining time. */
void device_save(const struct device_ops *ops, const void *device, uint8_t *state);
/* Loads a saved state into a device whose wires are set. False, with the device reset, if the state
 * is not valid for this device. */
bool device_load(const struct device_ops *ops, void *device, const uint8_t *state);

#endif
