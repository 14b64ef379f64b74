// SPDX-License-Identifier: MIT
/*
 * QEMU's firmware configuration device with MMIO and DMA (QEMU, docs/specs/fw_cfg.rst): firmware
 * selects an item by its number and reads the item's bytes one after the other. It hands on a
 * kernel, an initrd and a command line. The directory of named files is empty.
 *
 * Who calls it: the bus, by fw_cfg_ops. Touches its own struct, and guest memory by its wires.
 */
#include "fw_cfg.h"

/* Offsets of registers; those of more than a byte are big-endian. */
enum { DATA = 0, SELECTOR = 8, DMA = 16 };

/* Items. Those that are not here are empty, such as the directory, 0x19: no files. */
enum { SIGNATURE = 0, FEATURES = 1 };

/* The items with a file's size, 32 bits, little-endian, and its bytes. */
static const struct {
	uint8_t size, bytes;
} items[FW_CFG_FILES] = {
	[FW_CFG_KERNEL] = { 0x08, 0x11 },
	[FW_CFG_INITRD] = { 0x0b, 0x12 },
	[FW_CFG_COMMAND_LINE] = { 0x14, 0x15 },
};

#define WRITE_CHANNEL 0x4000 /* a bit of an item's number without a meaning any more */

/* Bits of a DMA descriptor's control field. The upper half is an item's number. */
enum { ERROR = 1, READ = 2, SKIP = 4, SELECT = 8, WRITE = 16 };

/* A DMA descriptor in guest memory, big-endian. */
struct descriptor {
	uint32_t control;
	uint32_t length;
	uint64_t address;
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The bytes of the selected item; NULL and size 0 if it is empty. */
static const uint8_t *selected(const struct fw_cfg *fw_cfg, uint32_t *size)
{
	static const uint8_t features[] = { 3, 0, 0, 0 }; /* data register, and DMA */

	*size = 4;
	if (fw_cfg->item == SIGNATURE)
		return (const uint8_t *)"QEMU";
	if (fw_cfg->item == FEATURES)
		return features;
	for (unsigned i = 0; i < FW_CFG_FILES; i++) {
		if (fw_cfg->item == items[i].size)
			return (const uint8_t *)&fw_cfg->files[i].size;
		*size = fw_cfg->files[i].size;
		if (fw_cfg->item == items[i].bytes)
			return fw_cfg->files[i].bytes;
		*size = 4;
	}
	*size = 0;
	return NULL;
}

static void select_item(struct fw_cfg *fw_cfg, uint16_t item)
{
	fw_cfg->item = item & (uint16_t)~WRITE_CHANNEL;
	fw_cfg->offset = 0;
}

/* Takes the next bytes of the item, zeros behind its end. `to` NULL: they are skipped. */
static void take(struct fw_cfg *fw_cfg, uint8_t *to, uint64_t length)
{
	uint32_t size;
	const uint8_t *bytes = selected(fw_cfg, &size);
	uint64_t there = smaller(length, size > fw_cfg->offset ? size - fw_cfg->offset : 0);

	if (to) {
		if (there)
			__builtin_memcpy(to, bytes + fw_cfg->offset, there);
		__builtin_memset(to + there, 0, length - there);
	}
	fw_cfg->offset += (uint32_t)there;
}

/* ---- DMA ---- */

/* Does what a descriptor says. Returns its new control field. */
static uint32_t transfer(struct fw_cfg *fw_cfg, uint32_t control, uint64_t address, uint32_t length)
{
	const struct dma *dma = &fw_cfg->wires.dma;
	uint8_t *to;

	if (control & SELECT)
		select_item(fw_cfg, control >> 16);
	if (length == 0 || !(control & (READ | WRITE | SKIP)))
		return 0;
	if (control & READ) {
		to = dma_map(dma, address, length);
		if (!to)
			return ERROR;
		take(fw_cfg, to, length);
		dma_written(dma, to, length);
		return 0;
	}
	if (control & WRITE) /* no item can be written */
		return ERROR;
	take(fw_cfg, NULL, length);
	return 0;
}

/* A descriptor that is not in RAM is ignored: there is no place for an answer. */
static void start_dma(struct fw_cfg *fw_cfg, uint64_t at)
{
	const struct dma *dma = &fw_cfg->wires.dma;
	struct descriptor descriptor; /* read once, because the guest may change it meanwhile */
	uint8_t *in_guest = dma_map(dma, at, sizeof descriptor);
	uint32_t control;

	fw_cfg->address = 0;
	if (!in_guest)
		return;
	__builtin_memcpy(&descriptor, in_guest, sizeof descriptor);
	control = transfer(fw_cfg, __builtin_bswap32(descriptor.control),
			   __builtin_bswap64(descriptor.address),
			   __builtin_bswap32(descriptor.length));
	control = __builtin_bswap32(control);
	/* Another CPU that sees this sees what was read, too. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__builtin_memcpy(in_guest, &control, sizeof control);
	dma_written(dma, in_guest, sizeof control);
}

/* ---- registers ---- */

/* The bytes of an item, and of the DMA register, come in their order in memory. */
static uint64_t fw_cfg_read(void *device, uint64_t offset, unsigned size)
{
	static const char identity[] = "QEMU CFG";
	uint64_t value = 0;

	if (offset < SELECTOR)
		take(device, (uint8_t *)&value, size);
	else if (offset >= DMA)
		__builtin_memcpy(&value, identity + (offset - DMA), size);
	return value;
}

/* Writes to the data register have no effect. */
static void fw_cfg_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct fw_cfg *fw_cfg = device;

	if (offset == SELECTOR && size == 2)
		select_item(fw_cfg, __builtin_bswap16((uint16_t)value));
	else if (offset == DMA && size == 4)
		fw_cfg->address = __builtin_bswap32((uint32_t)value);
	else if (offset == DMA + 4 && size == 4)
		start_dma(fw_cfg,
			  (uint64_t)fw_cfg->address << 32 | __builtin_bswap32((uint32_t)value));
	else if (offset == DMA && size == 8)
		start_dma(fw_cfg, __builtin_bswap64(value));
}

static void fw_cfg_reset(void *device)
{
	struct fw_cfg *fw_cfg = device;

	select_item(fw_cfg, SIGNATURE);
	fw_cfg->address = 0;
}

static const struct field fields[] = {
	{ FIELD(struct fw_cfg, item, UINT16_MAX) },
	{ FIELD(struct fw_cfg, offset, UINT32_MAX) },
	{ FIELD(struct fw_cfg, address, UINT32_MAX) },
	{ .name = NULL },
};

/* Any values are right: where the item is shorter, it is at its end. */
static bool fw_cfg_loaded(void *device)
{
	(void)device;
	return true;
}

static const struct register_name names[] = {
	{ .offset = DATA, .count = 2, .name = "DATA" },
	{ .offset = SELECTOR, .name = "SELECTOR" },
	{ .offset = DMA, .count = 2, .name = "DMA" },
	{ .name = NULL },
};

const struct device_ops fw_cfg_ops = {
	.name = "fw_cfg",
	.read = fw_cfg_read,
	.write = fw_cfg_write,
	.reset = fw_cfg_reset,
	.fields = fields,
	.loaded = fw_cfg_loaded,
	.registers = names,
};
