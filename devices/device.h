/* SPDX-License-Identifier: MIT */
/*
 * What a device is to the rest, and the rest to a device.
 *
 * Who uses it: every device, the bus that calls it, the table of the machine that places it. A
 * device knows its registers; where it lies, what its interrupt is called and who listens is not
 * its business. Nothing in devices/ includes more than this file and C's freestanding headers.
 *
 * Whoever calls a device's functions holds that device's lock; so does a device that uses its
 * wires.
 */
#ifndef DEVICES_DEVICE_H
#define DEVICES_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a trace calls a register of a device, and the bits of its value. */
struct register_name {
	uint64_t offset;	 /* bytes from the device's base */
	unsigned count;		 /* of 32-bit registers in a row that share the name; 0 is 1 */
	const char *name;	 /* NULL: the row behind the last */
	const char *const *bits; /* names from bit 0 on, "" for one without; NULL ends them */
	bool is_character;	 /* the value is a byte of text */
};
#define BITS(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

/*
 * A field of a device's struct that is its state: what a snapshot keeps of it. Wires, what is
 * derived from other fields, and fast paths are not; a timer is kept as the time that is left.
 */
struct field {
	const char *name; /* NULL: the row behind the last */
	uint16_t offset;  /* bytes from the start of the struct */
	uint16_t size;	  /* bytes of an element */
	uint16_t count;	  /* elements */
	uint64_t max;	  /* of an element: a state that has a larger one is broken */
};
#define SIZE_OF_FIELD(type, member) sizeof(((type *)0)->member)
#define FIELD(type, member, max)                                                                   \
#member, offsetof(type, member), SIZE_OF_FIELD(type, member), 1, max
#define ARRAY_FIELD(type, member, max)                                                             \
#member, offsetof(type, member), SIZE_OF_FIELD(type, member[0]),                           \
		SIZE_OF_FIELD(type, member) / SIZE_OF_FIELD(type, member[0]), max

/*
 * One device's behaviour. `offset` counts bytes from the device's base and offset + size never
 * passes its end; `size` is 1, 2, 4 or 8 bytes; values are little-endian and zero above `size`.
 * Every access has a defined answer: a device never fails, whatever its guest does.
 */
struct device_ops {
	const char *name;
	uint64_t (*read)(void *device, uint64_t offset, unsigned size);
	void (*write)(void *device, uint64_t offset, unsigned size, uint64_t value);
	void (*reset)(void *device);   /* to the state after power-on; keeps its wires */
	void (*expire)(void *device);  /* its timer has run out; NULL: it has none */
	void (*day_set)(void *device); /* the time of day was set; NULL: does not matter */
	const struct field *fields;
	/* The fields are new: sets wires, computes what is derived. False: they contradict each
	 * other. */
	bool (*loaded)(void *device);
	size_t timer; /* offset of its timer_line; 0: it has none */
	const struct register_name *registers;
	uint64_t stride; /* bytes from one of a device's equal parts to the next; 0: it has none */
};

/* The wire from a device to the interrupt controller: active high, level-sensitive. */
struct irq_line {
	void (*set)(void *controller, unsigned number, bool level);
	void *controller;
	unsigned number; /* the controller's name for this wire */
	bool level;	 /* what the controller was told last */
};

/* Tells the controller, if it does not know yet: that is a system call. */
static inline void irq_line_set(struct irq_line *line, bool level)
{
	if (line->level == level)
		return;
	line->level = level;
	line->set(line->controller, line->number, level);
}

/* The same even if it seems to know: what it was told last was before its state was loaded. */
static inline void irq_line_restore(struct irq_line *line, bool level)
{
	line->level = level;
	line->set(line->controller, line->number, level);
}

/* The wire from a device to its one-shot timer. */
#define TIMER_OFF UINT64_MAX

struct timer_line {
	/* To run out so many nanoseconds from now, instead of when it was to before; or TIMER_OFF.
	 */
	void (*set)(void *clock, unsigned number, uint64_t nanoseconds);
	/* Nanoseconds until it runs out, 0 if it is due; or TIMER_OFF. */
	uint64_t (*left)(void *clock, unsigned number);
	void *clock;
	unsigned number; /* the clock's name for this timer */
};

static inline void timer_line_set(const struct timer_line *line, uint64_t nanoseconds)
{
	line->set(line->clock, line->number, nanoseconds);
}

/* ---- state.c: a device's state as bytes, for whoever holds its lock ---- */

/* Bytes of the state of such a device. */
size_t device_state_size(const struct device_ops *ops);
/* Writes that many: the fields in their order, then the time left of the timer. */
void device_save(const struct device_ops *ops, const void *device, uint8_t *state);
/* The opposite, for a device whose wires are set. False, and it is as after a reset, if no device
 * can be in that state. */
bool device_load(const struct device_ops *ops, void *device, const uint8_t *state);

#endif
