// SPDX-License-Identifier: MIT
/*
 * Arm PrimeCell General Purpose Input/Output PL061 (Arm DDI 0190; sections below are this
 * manual's).
 *
 * Who calls it: the bus, by pl061_ops, and who drives its pins. Touches its own struct and its
 * wires.
 */
#include "pl061.h"

/* Registers of 3.2, table 3-1. */
#define GPIODATA 0x000	/* 3.3.1: to 0x3fc; bits 9 to 2 of the address mask the access */
#define GPIODIR 0x400	/* 3.3.2 */
#define GPIOIS 0x404	/* 3.3.3 */
#define GPIOIBE 0x408	/* 3.3.4 */
#define GPIOIEV 0x40c	/* 3.3.5 */
#define GPIOIE 0x410	/* 3.3.6 */
#define GPIORIS 0x414	/* 3.3.7; read-only */
#define GPIOMIS 0x418	/* 3.3.8; read-only */
#define GPIOIC 0x41c	/* 3.3.9; write-only */
#define GPIOAFSEL 0x420 /* 3.3.10 */

/* PeriphID0..3 and PCellID0..3 (3.3.11, 3.3.12), as on QEMU's `virt` machine. */
#define IDENTIFICATION 0xfe0
static const uint8_t identification[] = { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

/* The levels of all pins: an output has its own. */
static unsigned levels(const struct pl061 *gpio)
{
	return (gpio->data & gpio->direction) | (gpio->pins & ~gpio->direction & 0xffu);
}

/* An interrupt by level is there as long as the level (2.1.4), one by edge until it is cleared. */
static unsigned raw(const struct pl061 *gpio)
{
	return (gpio->edges & ~gpio->sense) | (~(levels(gpio) ^ gpio->event) & gpio->sense);
}

static unsigned masked(const struct pl061 *gpio)
{
	return raw(gpio) & gpio->enable;
}

/* The one place where the interrupt's level is computed: GPIOINTR, of all pins together. */
static void update_irq(struct pl061 *gpio)
{
	irq_line_set(&gpio->wires.irq, masked(gpio) != 0);
}

void pl061_set_pin(struct pl061 *gpio, unsigned pin, bool level)
{
	unsigned bit = 1u << pin, before = levels(gpio), wanted;

	gpio->pins = (uint8_t)((gpio->pins & ~bit) | (level ? bit : 0));
	wanted = gpio->both | (level ? gpio->event : ~(unsigned)gpio->event);
	gpio->edges |= (uint8_t)((levels(gpio) ^ before) & wanted & ~gpio->sense);
	update_irq(gpio);
}

static uint64_t pl061_read(void *device, uint64_t offset, unsigned size)
{
	struct pl061 *gpio = device;
	uint64_t at = offset & ~3ull, id = (offset - IDENTIFICATION) / 4;

	(void)size;
	switch (at) {
	case GPIODIR:
		return gpio->direction;
	case GPIOIS:
		return gpio->sense;
	case GPIOIBE:
		return gpio->both;
	case GPIOIEV:
		return gpio->event;
	case GPIOIE:
		return gpio->enable;
	case GPIORIS:
		return raw(gpio);
	case GPIOMIS:
		return masked(gpio);
	case GPIOAFSEL:
		return gpio->function;
	}
	if (at < GPIODIR)
		return levels(gpio) & at >> 2;
	return offset >= IDENTIFICATION && id < sizeof identification ? identification[id] : 0;
}

/* Of a pin that is no output a write changes nothing. */
static void write_data(struct pl061 *gpio, uint8_t mask, uint8_t value)
{
	mask &= gpio->direction;
	gpio->data = (uint8_t)((gpio->data & ~mask) | (value & mask));
}

static void pl061_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct pl061 *gpio = device;
	uint64_t at = offset & ~3ull;
	uint8_t byte = (uint8_t)value;

	(void)size;
	switch (at) {
	case GPIODIR:
		gpio->direction = byte;
		break;
	case GPIOIS:
		gpio->sense = byte;
		break;
	case GPIOIBE:
		gpio->both = byte;
		break;
	case GPIOIEV:
		gpio->event = byte;
		break;
	case GPIOIE:
		gpio->enable = byte;
		break;
	case GPIOIC:
		gpio->edges &= (uint8_t)~byte;
		break;
	case GPIOAFSEL:
		gpio->function = byte;
		break;
	default:
		if (at < GPIODIR)
			write_data(gpio, (uint8_t)(at >> 2), byte);
	}
	update_irq(gpio);
}

/* The pins are the outside's. */
static void pl061_reset(void *device)
{
	struct pl061 *gpio = device;

	gpio->data = gpio->edges = gpio->direction = gpio->function = 0;
	gpio->sense = gpio->both = gpio->event = gpio->enable = 0;
	update_irq(gpio);
}

static const struct field fields[] = {
	{ FIELD(struct pl061, pins, UINT8_MAX) },      { FIELD(struct pl061, data, UINT8_MAX) },
	{ FIELD(struct pl061, direction, UINT8_MAX) }, { FIELD(struct pl061, sense, UINT8_MAX) },
	{ FIELD(struct pl061, both, UINT8_MAX) },      { FIELD(struct pl061, event, UINT8_MAX) },
	{ FIELD(struct pl061, enable, UINT8_MAX) },    { FIELD(struct pl061, edges, UINT8_MAX) },
	{ FIELD(struct pl061, function, UINT8_MAX) },  { .name = NULL },
};

static bool pl061_loaded(void *device)
{
	struct pl061 *gpio = device;

	irq_line_restore(&gpio->wires.irq, masked(gpio) != 0);
	return true;
}

static const char pins[] = "GP0,GP1,GP2,GP3,GP4,GP5,GP6,GP7";
static const struct register_name names[] = {
	{ .offset = GPIODATA, .count = GPIODIR / 4, .name = "GPIODATA", .bits = pins },
	{ .offset = GPIODIR, .name = "GPIODIR", .bits = pins },
	{ .offset = GPIOIS, .name = "GPIOIS", .bits = pins },
	{ .offset = GPIOIBE, .name = "GPIOIBE", .bits = pins },
	{ .offset = GPIOIEV, .name = "GPIOIEV", .bits = pins },
	{ .offset = GPIOIE, .name = "GPIOIE", .bits = pins },
	{ .offset = GPIORIS, .name = "GPIORIS", .bits = pins },
	{ .offset = GPIOMIS, .name = "GPIOMIS", .bits = pins },
	{ .offset = GPIOIC, .name = "GPIOIC", .bits = pins },
	{ .offset = GPIOAFSEL, .name = "GPIOAFSEL", .bits = pins },
	{ .offset = IDENTIFICATION, .count = sizeof identification, .name = "ID" },
	{ .name = NULL },
};

const struct device_ops pl061_ops = {
	.name = "pl061",
	.read = pl061_read,
	.write = pl061_write,
	.reset = pl061_reset,
	.fields = fields,
	.loaded = pl061_loaded,
	.registers = names,
};
