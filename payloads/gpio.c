// SPDX-License-Identifier: MIT
/*
 * Claim: the PL061's registers and its interrupt follow a random script, by the number in bootargs,
 * as QEMU's do. The test compares the sums that it prints.
 *
 * Reasoned differences, left out of the script: on QEMU an interrupt by level stays until it is
 * cleared (so each is cleared before it is read), and an output that becomes an input keeps its
 * level (so outputs are low then).
 */
#include "guest.h"

#define GPIODATA(mask) (GPIO_BASE + ((mask) << 2))
#define GPIODIR (GPIO_BASE + 0x400)
#define GPIOMIS (GPIO_BASE + 0x418)
#define GPIOIC (GPIO_BASE + 0x41c)
#define GPIOAFSEL (GPIO_BASE + 0x420)
#define IDENTIFICATION (GPIO_BASE + 0xfd0) /* with four that are reserved */
#define GICD_ISPENDR1 (GIC_DIST_BASE + 0x204)
#define STEPS 600

static uint32_t read_any(uintptr_t at)
{
	switch (script_next() % 3) {
	case 0:
		return read8(at);
	case 1:
		return read16(at);
	default:
		return read32(at);
	}
}

static void write_any(uintptr_t at, uint32_t value)
{
	switch (script_next() % 3) {
	case 0:
		write8(at, (uint8_t)value);
		break;
	case 1:
		write16(at, (uint16_t)value);
		break;
	default:
		write32(at, value);
	}
}

/* One of the registers from GPIODIR to GPIOAFSEL, or of the data. */
static uintptr_t any_register(void)
{
	if (script_next() % 4 == 0)
		return GPIODATA(script_next() % 256ul);
	return GPIODIR + script_next() % 9 * 4ul;
}

static void step(void)
{
	uintptr_t at = any_register();
	uint32_t value = script_next();

	if (at == GPIODIR)
		write32(GPIODATA(0xfful), 0);
	write_any(at, value);
	write_any(GPIOIC, 0xff);
	for (uintptr_t from = GPIODIR; from <= GPIOAFSEL; from += 4)
		script_add(read_any(from));
	script_add(read_any(GPIODATA(script_next() % 256ul)));
	script_add(read_any(IDENTIFICATION + script_next() % 12 * 4ul));
	value = read32(GICD_ISPENDR1) >> GPIO_SPI & 1;
	check(value == (read32(GPIOMIS) != 0));
	script_add(value);
}

void guest_main(const void *device_tree)
{
	script_start(bootargs_number(device_tree));
	script_run(STEPS, step);
}
