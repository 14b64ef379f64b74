// SPDX-License-Identifier: MIT
/*
 * Claim: QEMU's firmware configuration device hands on kernel, initrd and command line by registers
 * and by DMA as QEMU's own does. Started as firmware, it makes a random script from the number in
 * the command line. The test compares the sums that it prints.
 *
 * Reasoned differences, left out of the script: QEMU has more items; there a transfer that has
 * failed has moved on in its item (so an item is selected after it), and reads of the selector, and
 * of the data register but at its start, abort.
 */
#include "guest.h"

#define DATA FW_CFG_BASE
#define SELECTOR (FW_CFG_BASE + 8)
#define DMA (FW_CFG_BASE + 16)
#define STEPS 1000
/* Here is no memory, and on QEMU not that of a PCI bus either. */
#define NOWHERE 0x0b000000

enum { ERROR = 1, READ = 2, SKIP = 4, SELECT = 8, WRITE = 16 };

/* Signature, features, sizes and bytes of kernel, initrd and command line; and what is not there:
 * items of an architecture, and the last one. */
static const uint16_t items[] = { 0x00, 0x01, 0x08, 0x11,   0x0b,   0x12,
				  0x14, 0x15, 0x11, 0x8000, 0x8011, 0x3fff };

static struct {
	uint32_t control, length;
	uint64_t address;
} descriptor;
static uint8_t buffer[256];

static void select_item(uint16_t item)
{
	write16(SELECTOR, __builtin_bswap16(item));
}

/* With the bit for writing, or without. */
static uint16_t any_item(void)
{
	return (uint16_t)(items[script_next() % (sizeof items / sizeof *items)] |
			  (script_next() % 4 ? 0 : 0x4000));
}

static uint64_t read_bytes(uintptr_t at, unsigned size)
{
	switch (size) {
	case 1:
		return read8(at);
	case 2:
		return read16(at);
	case 4:
		return read32(at);
	default:
		return read64(at);
	}
}

/* Hands over a descriptor in one of three ways; its upper half is zero if it is not written. */
static void start_dma(uint64_t at)
{
	unsigned how = script_next() % 3;

	if (how == 0) {
		write64(DMA, __builtin_bswap64(at));
		return;
	}
	if (how == 1 || at >> 32)
		write32(DMA, __builtin_bswap32((uint32_t)(at >> 32)));
	write32(DMA + 4, __builtin_bswap32((uint32_t)at));
}

static void transfer(void)
{
	unsigned start = script_next() % 64, length = script_next() % 192;
	uint32_t control = script_next() & (READ | SKIP | SELECT | WRITE);
	uint64_t address = (uintptr_t)buffer + start;

	if (script_next() % 8 == 0)
		address = NOWHERE;
	for (unsigned i = 0; i < sizeof buffer; i++)
		buffer[i] = 0xee;
	descriptor.control = __builtin_bswap32((uint32_t)any_item() << 16 | control);
	descriptor.length = __builtin_bswap32(length);
	descriptor.address = __builtin_bswap64(address);
	start_dma((uintptr_t)&descriptor);
	script_add(*(volatile uint32_t *)&descriptor.control);
	for (unsigned i = 0; i < sizeof buffer; i++)
		script_add(((volatile uint8_t *)buffer)[i]);
	if (descriptor.control)
		select_item(any_item());
}

static void step(void)
{
	unsigned size = 1u << script_next() % 4;

	switch (script_next() % 7) {
	case 0:
		select_item(any_item());
		break;
	case 1:
		script_add(read_bytes(DMA + script_next() % (8 / size) * size, size));
		break;
	case 2:
		write8(DATA, (uint8_t)script_next());
		break;
	case 3:
		start_dma(script_next() % 2 ? NOWHERE : 0x3000000000);
		break;
	case 4:
		transfer();
		break;
	default:
		for (unsigned count = script_next() % 8; count; count--)
			script_add(read_bytes(DATA, size));
	}
}

void guest_main(const void *device_tree)
{
	uint64_t seed = 0;

	(void)device_tree;
	check(read64(DMA) == __builtin_bswap64(0x51454d5520434647)); /* "QEMU CFG" */
	select_item(0x15);
	for (uint8_t digit; (digit = read8(DATA)) != 0;)
		seed = seed * 10 + digit - '0';
	script_start(seed);
	script_run(STEPS, step);
}
