/* SPDX-License-Identifier: MIT */
/*
 * A fake driver of a virtio device: guest memory, and functions that set up a split ring in it.
 * Used by the tests of devices/virtio/ and their fuzz target.
 */
#ifndef TESTS_DRIVER_H
#define TESTS_DRIVER_H

#include "devices/device.h"

#include <stdlib.h>
#include <string.h>

#define RAM_AT 0x40000000ull
#define RAM_SIZE 0x10000u
#define RAM_END (RAM_AT + RAM_SIZE)

/* Offsets of the rings and of buffers, in bytes from the start of RAM. */
#define TABLE 0x0000u
#define AVAILABLE 0x1000u
#define USED 0x2000u
#define INDIRECT_TABLE 0x3000u
#define DATA 0x4000u

/* Flags of a descriptor (virtio 1.2, 2.7.5). */
#define D_NEXT 1
#define D_WRITE 2
#define D_INDIRECT 4

static uint8_t ram[RAM_SIZE];
static uint8_t ram_before[RAM_SIZE];
static uint8_t ram_marked[RAM_SIZE]; /* bytes that the device has marked as written */
static unsigned ram_maps;
static void (*on_map)(void); /* called by ram_map, to act as another CPU of the guest */

static void *ram_map(void *memory, uint64_t at, uint64_t length)
{
	uint64_t offset = at - RAM_AT;

	(void)memory;
	ram_maps++;
	if (on_map)
		on_map();
	return offset > RAM_SIZE || length > RAM_SIZE - offset ? NULL : ram + offset;
}

static void ram_written(void *memory, const void *bytes, uint64_t length)
{
	uint64_t offset = (uint64_t)((const uint8_t *)bytes - ram);

	(void)memory;
	if (offset > RAM_SIZE || length > RAM_SIZE - offset)
		abort(); /* these bytes are not in RAM */
	memset(ram_marked + offset, 1, length);
}

static const struct dma ram_dma = { .map = ram_map, .written = ram_written };

/* From here on only the device writes to RAM. */
static void ram_watch(void)
{
	memcpy(ram_before, ram, RAM_SIZE);
	memset(ram_marked, 0, RAM_SIZE);
}

/* Were all bytes that have changed since ram_watch marked as written? */
static bool ram_is_marked(void)
{
	if (memcmp(ram, ram_before, RAM_SIZE) == 0)
		return true;
	for (unsigned i = 0; i < RAM_SIZE; i++)
		if (ram[i] != ram_before[i] && !ram_marked[i])
			return false;
	return true;
}

static void put16(unsigned offset, uint16_t value)
{
	memcpy(ram + offset, &value, sizeof value);
}

static uint16_t get16(unsigned offset)
{
	uint16_t value;

	memcpy(&value, ram + offset, sizeof value);
	return value;
}

static uint32_t get32(unsigned offset)
{
	uint32_t value;

	memcpy(&value, ram + offset, sizeof value);
	return value;
}

/* Sets a descriptor of the table at this offset. */
static void put_descriptor(unsigned table, unsigned index, uint64_t address, uint32_t length,
			   unsigned flags, unsigned next)
{
	unsigned at = table + 16 * index;

	memcpy(ram + at, &address, sizeof address);
	memcpy(ram + at + 8, &length, sizeof length);
	put16(at + 12, (uint16_t)flags);
	put16(at + 14, (uint16_t)next);
}

/* Adds an entry to an available ring of `size` entries. */
static void make_available(unsigned size, unsigned head)
{
	uint16_t index = get16(AVAILABLE + 2);

	put16(AVAILABLE + 4 + 2 * (index % size), (uint16_t)head);
	put16(AVAILABLE + 2, (uint16_t)(index + 1));
}

static uint16_t used_index(void)
{
	return get16(USED + 2);
}

/* Offsets of the event indices behind both rings (2.7.7, 2.7.10). */
static unsigned used_event_at(unsigned size)
{
	return AVAILABLE + 4 + 2 * size;
}

static unsigned avail_event_at(unsigned size)
{
	return USED + 4 + 8 * size;
}

#endif
