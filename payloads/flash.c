// SPDX-License-Identifier: MIT
/*
 * Claim: the flash's second bank takes the commands of Intel's command set as QEMU's does. A random
 * script, by the number in bootargs, prints a sum of all that it has read now and then; the test
 * compares. What was programmed is checked here, too, so that a run without QEMU proves something.
 *
 * Reasoned differences, left out of the script: QEMU programs ones, too, erases before that is
 * confirmed, takes no command but 0xff after a query, and is not ready once its status has been
 * cleared.
 */
#include "guest.h"

#define BANK (FLASH_BASE + (uintptr_t)FLASH_BANK_SIZE)
#define SECTOR 0x40000
#define STEPS 400

static void command(uintptr_t at, uint32_t value)
{
	write32(at, value * 0x10001);
}

/* Around a border of sectors, and of the blocks that are mapped at a time. */
static uintptr_t place(void)
{
	return BANK + (script_next() % 2 ? 0x200000 : SECTOR) - 128 + script_next() % 64 * 4ul;
}

static void read_some(unsigned count)
{
	uintptr_t at = place();

	while (count--)
		switch (script_next() % 3) {
		case 0:
			script_add(read8(at + script_next() % 4));
			break;
		case 1:
			script_add(read16(at + script_next() % 2 * 2ul));
			break;
		default:
			script_add(read32(at));
		}
}

static void read_status(uintptr_t at)
{
	uint32_t status = read32(at);

	check(status == 0x800080);
	script_add(status);
}

static void program(void)
{
	uintptr_t at = place();
	uint32_t before = read32(at), value = before & script_next();

	command(at, script_next() % 2 ? 0x40 : 0x10);
	read_status(at);
	switch (script_next() % 3) {
	case 0:
		value |= before & 0xffffff00;
		write8(at, (uint8_t)value);
		break;
	case 1:
		value |= before & 0xffff0000;
		write16(at, (uint16_t)value);
		break;
	default:
		write32(at, value);
	}
	read_status(at);
	command(BANK, 0xff);
	check(read32(at) == value);
}

static void erase(uintptr_t at)
{
	command(at, 0x20);
	read_status(at);
	command(at, 0xd0);
	read_status(at);
	command(BANK, 0xff);
	check(read32(at & -(uintptr_t)SECTOR) == ~0u && read32(at) == ~0u);
}

static void program_buffer(void)
{
	unsigned words = script_next() % 16 + 1;
	uintptr_t at = BANK + (script_next() % 2 ? 0x200000 : SECTOR) + script_next() % 16 * 4ul;
	uint32_t values[16];

	for (unsigned i = 0; i < words; i++)
		values[i] = read32(at + 4ul * i) & script_next();
	command(at, 0xe8);
	read_status(at);
	command(at, words - 1);
	for (unsigned i = 0; i < words; i++)
		write32(at + 4ul * i, values[i]);
	command(at, 0xd0);
	read_status(at);
	command(BANK, 0xff);
	for (unsigned i = 0; i < words; i++)
		check(read32(at + 4ul * i) == values[i]);
}

static void query(void)
{
	command(BANK + 0x154, 0x98);
	check(read32(BANK + 0x40) == 0x510051);
	for (unsigned i = 0; i < 8; i++)
		script_add(read32(BANK + script_next() % 0x50 * 4ul));
	script_add(read8(BANK + script_next() % 0x50 * 4ul));
	command(BANK, 0xff);
}

static void identify(void)
{
	command(BANK, 0x90);
	check(read32(BANK) == 0x890089);
	script_add(read32(BANK + script_next() % 4 * 4ul));
	script_add(read16(BANK + script_next() % 4 * 4ul + 2));
	command(BANK, 0xff);
}

static void lock(void)
{
	uintptr_t at = place();

	command(at, 0x60);
	read_status(at);
	command(at, script_next() % 2 ? 0xd0 : 0x01);
	read_status(at);
	command(at, 0x70);
	read_status(at);
	command(BANK, 0xff);
}

static void step(void)
{
	/* What is no command, and the end of some. */
	static const uint8_t others[] = { 0x00, 0xf0, 0xff, 0x33, 0xd0, 0x01, 0xaa };

	switch (script_next() % 10) {
	case 0:
	case 1:
	case 2:
		program();
		break;
	case 3:
		program_buffer();
		break;
	case 4:
		erase(place());
		break;
	case 5:
		query();
		break;
	case 6:
		identify();
		break;
	case 7:
		lock();
		break;
	case 8:
		command(place(), others[script_next() % sizeof others]);
		read_some(4);
		break;
	default:
		read_some(40); /* so many that they are read without exits */
	}
}

void guest_main(const void *device_tree)
{
	script_start(bootargs_number(device_tree));
	for (unsigned i = 0; i < 16; i++)
		erase(BANK + (uintptr_t)i * SECTOR);
	script_run(STEPS, step);
}
