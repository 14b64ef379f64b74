// SPDX-License-Identifier: MIT
/*
 * NOR flash as on QEMU's `virt` machine: two 16-bit chips side by side, which take commands
 * together, with the Intel/Sharp command set (JESD68.01, CFI; Intel Application Note 646). A
 * program or an erase is complete when the command is.
 *
 * Who calls it: the bus, by flash_ops, as long as a block is not mapped, and for writes. Touches
 * its own struct, its storage and its wires.
 */
#include "flash.h"

/* Commands, in the low byte of what is written. */
enum {
	READ_ARRAY = 0xff,
	PROGRAM_OLD = 0x10,
	ERASE = 0x20,
	PROGRAM = 0x40,
	CLEAR_STATUS = 0x50,
	LOCK = 0x60, /* and unlock: accepted, nothing is ever locked */
	READ_STATUS = 0x70,
	READ_ID = 0x90,
	QUERY = 0x98,
	BUFFER = 0xe8,
	CONFIRM = 0xd0,
	CONFIRM_LOCK = 0x01,
};

/* The status register. */
#define READY 0x80
#define PROGRAM_ERROR 0x10
#define ERASE_ERROR 0x20
#define BAD_SEQUENCE (ERASE_ERROR | PROGRAM_ERROR)

#define MANUFACTURER 0x89 /* Intel */
#define CHIP 0x18
#define WORD 4	     /* bytes of both chips side by side */
#define CHIP_SIZE 25 /* log2 of its bytes */

/* The table of a chip (JESD68.01, 2.4); what is not in it is zero. */
static const uint8_t query[] = {
	[0x10] = 'Q',
	[0x11] = 'R',
	[0x12] = 'Y',
	[0x13] = 0x01, /* Intel/Sharp extended command set */
	[0x15] = 0x31, /* where its table is */
	[0x1b] = 0x45, /* VCC 4.5 to 5.5 V */
	[0x1c] = 0x55,
	[0x1f] = 0x07, /* typical times: word 2^7 us, buffer 2^7 us, erase 2^10 ms */
	[0x20] = 0x07,
	[0x21] = 0x0a,
	[0x23] = 0x04, /* longest: 2^4 times that */
	[0x24] = 0x04,
	[0x25] = 0x04,
	[0x27] = CHIP_SIZE,
	[0x28] = 0x02, /* x8 and x16 */
	[0x2a] = 0x0b, /* buffer of 2^11 bytes */
	[0x2c] = 0x01, /* one region of equal blocks: their number, less one, and size */
	[0x2d] = FLASH_BANK / FLASH_ERASE - 1,
	[0x30] = FLASH_ERASE / 2 >> 16,
	[0x31] = 'P', /* the extended table, without any feature */
	[0x32] = 'R',
	[0x33] = 'I',
	[0x34] = '1',
	[0x35] = '0',
	[0x3f] = 0x01, /* protection fields */
};
_Static_assert(FLASH_BUFFER == 2 << 11 && FLASH_BANK == 2 << CHIP_SIZE, "as the table says");

/* ---- storage ---- */

static uint32_t bit_of(uint64_t offset)
{
	return 1u << offset / FLASH_BLOCK % FLASH_BLOCKS;
}

static uint64_t start_of(uint64_t offset)
{
	return offset / FLASH_BLOCK * FLASH_BLOCK;
}

static bool is_written(const struct flash *flash, uint64_t offset)
{
	return *flash->written & bit_of(offset);
}

bool flash_reads_array(const struct flash *flash)
{
	return flash->command == READ_ARRAY;
}

bool flash_map_block(struct flash *flash, uint64_t offset)
{
	uint64_t start = start_of(offset);

	if (flash->mapped & bit_of(offset))
		return true;
	flash->mapped |= bit_of(offset);
	return flash->map(flash->listener, start,
			  is_written(flash, offset) ? flash->storage + start : NULL);
}

static void unmap_all(struct flash *flash)
{
	for (uint64_t offset = 0; flash->mapped && offset < FLASH_BANK; offset += FLASH_BLOCK)
		if (flash->mapped & bit_of(offset))
			flash->unmap(flash->listener, offset);
	flash->mapped = 0;
}

static void fill(struct flash *flash, uint64_t offset, uint64_t length)
{
	__builtin_memset(flash->storage + offset, 0xff, length);
	dma_written(&flash->wires.dma, flash->storage + offset, length);
}

/* Makes the storage of the block at this offset count. */
static void take(struct flash *flash, uint64_t offset)
{
	if (!is_written(flash, offset))
		fill(flash, start_of(offset), FLASH_BLOCK);
	*flash->written |= bit_of(offset);
}

/* Writes these bytes to where the bank is kept. Returns this error if that fails, or else 0. */
static uint8_t keep(struct flash *flash, uint64_t offset, uint64_t length, uint8_t error)
{
	return !flash->keep || flash->keep(flash->listener, offset, length) ? 0 : error;
}

/* Bits can only become zero. */
static void program(struct flash *flash, uint64_t offset, const uint8_t *bytes, uint64_t length)
{
	take(flash, offset);
	take(flash, offset + length - 1);
	for (uint64_t i = 0; i < length; i++)
		flash->storage[offset + i] &= bytes[i];
	dma_written(&flash->wires.dma, flash->storage + offset, length);
}

/* Returns an error for the status, or 0. */
static uint8_t erase(struct flash *flash, uint64_t offset)
{
	offset &= -(uint64_t)FLASH_ERASE;
	if (!is_written(flash, offset))
		return 0;
	fill(flash, offset, FLASH_ERASE);
	return keep(flash, offset, FLASH_ERASE, ERASE_ERROR);
}

/* ---- reads ---- */

#define READS_BEFORE_MAP                                                                           \
	16 /* drivers read little between commands: mapping costs more than that                   \
	    */

static uint64_t read_array(struct flash *flash, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (is_written(flash, offset + i) ? flash->storage[offset + i] : 0xffull)
			 << 8 * i;
	/* On hosts without read-only memory slots every read stays an exit, with the same value. */
	if (++flash->reads >= READS_BEFORE_MAP)
		(void)flash_map_block(flash, offset);
	return value;
}

/* What one chip answers at this word. */
static uint16_t read_chip(const struct flash *flash, uint64_t word)
{
	switch (flash->command) {
	case READ_ID:
		word &= 0xff;
		return word == 0 ? MANUFACTURER : word == 1 ? CHIP : 0;
	case QUERY:
		return word < sizeof query ? query[word] : 0;
	default:
		return flash->status;
	}
}

static uint64_t flash_read(void *device, uint64_t offset, unsigned size)
{
	struct flash *flash = device;
	uint64_t value;

	if (flash->command == READ_ARRAY)
		return read_array(flash, offset, size);
	value = read_chip(flash, offset / WORD) * 0x10001ull;
	return size == 8 ? value | read_chip(flash, offset / WORD + 1) * 0x1000100000000ull : value;
}

/* ---- commands ---- */

static void to_array(struct flash *flash)
{
	flash->command = READ_ARRAY;
	flash->cycle = 0;
	flash->reads = 0;
}

/* The first write of a command. What is none is one to read the array. */
static void begin(struct flash *flash, uint8_t command)
{
	switch (command) {
	case PROGRAM_OLD:
	case PROGRAM:
	case ERASE:
	case LOCK:
	case BUFFER:
		flash->cycle = 1;
		break;
	case READ_STATUS:
	case READ_ID:
	case QUERY:
		break;
	case CLEAR_STATUS:
		flash->status = READY;
		to_array(flash);
		return;
	default:
		to_array(flash);
		return;
	}
	flash->command = command;
	unmap_all(flash);
}

/* The command is complete; reads give the status. */
static void complete(struct flash *flash, uint8_t errors)
{
	flash->status |= errors;
	flash->cycle = 0;
}

/* The number of words is one more than what is written. */
static void begin_buffer(struct flash *flash, uint16_t words)
{
	if (words >= FLASH_BUFFER / WORD) {
		complete(flash, BAD_SEQUENCE);
		return;
	}
	flash->left = words + 1;
	flash->at = FLASH_BANK; /* known with the first word */
	flash->cycle = 2;
}

/* The buffer's command ends, right or wrong: what was programmed is kept as a whole. */
static uint8_t keep_buffer(struct flash *flash)
{
	return keep(flash, flash->at, FLASH_BUFFER, PROGRAM_ERROR);
}

/* A word for the buffer, whose place is that of the first. It is programmed at once, as on QEMU:
 * drivers confirm what they have filled. */
static void fill_buffer(struct flash *flash, uint64_t offset, unsigned size, uint64_t value)
{
	uint32_t at = (uint32_t)offset & -(uint32_t)FLASH_BUFFER;

	if (flash->at == FLASH_BANK)
		flash->at = at;
	if (at != flash->at || offset % FLASH_BUFFER + size > FLASH_BUFFER) {
		complete(flash, BAD_SEQUENCE | keep_buffer(flash));
		return;
	}
	program(flash, offset, (const uint8_t *)&value, size);
	if (--flash->left == 0)
		flash->cycle = 3;
}

/* The second write of a command that takes more than one. */
static void go_on(struct flash *flash, uint64_t offset, unsigned size, uint64_t value)
{
	uint8_t command = (uint8_t)value;

	switch (flash->command) {
	case PROGRAM_OLD:
	case PROGRAM:
		program(flash, offset, (const uint8_t *)&value, size);
		complete(flash, keep(flash, offset, size, PROGRAM_ERROR));
		break;
	case BUFFER:
		begin_buffer(flash, (uint16_t)value);
		break;
	case ERASE:
		if (command != CONFIRM) {
			to_array(flash);
			break;
		}
		complete(flash, erase(flash, offset));
		break;
	default: /* LOCK */
		if (command == CONFIRM || command == CONFIRM_LOCK)
			complete(flash, 0);
		else
			to_array(flash);
		break;
	}
}

static void write_word(struct flash *flash, uint64_t offset, unsigned size, uint64_t value)
{
	uint8_t error;

	switch (flash->cycle) {
	case 0:
		begin(flash, (uint8_t)value);
		break;
	case 1:
		go_on(flash, offset, size, value);
		break;
	case 2:
		fill_buffer(flash, offset, size, value);
		break;
	default: /* the buffer is full, which has to be confirmed */
		error = keep_buffer(flash);
		if ((uint8_t)value == CONFIRM)
			complete(flash, error);
		else
			to_array(flash);
		break;
	}
}

/* A 64-bit access is two words, the lower one first. */
static void flash_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	if (size < 8) {
		write_word(device, offset, size, value);
		return;
	}
	write_word(device, offset, WORD, (uint32_t)value);
	write_word(device, offset + WORD, WORD, value >> 32);
}

static void flash_reset(void *device)
{
	struct flash *flash = device;

	flash->status = READY;
	flash->left = 0;
	flash->at = FLASH_BANK;
	flash->mapped = 0; /* the memory slots are gone with the VM */
	to_array(flash);
}

static const struct field fields[] = {
	{ FIELD(struct flash, command, UINT8_MAX) },
	{ FIELD(struct flash, cycle, 3) },
	{ FIELD(struct flash, status, UINT8_MAX) },
	{ FIELD(struct flash, left, FLASH_BUFFER / WORD) },
	{ FIELD(struct flash, at, FLASH_BANK) },
	{ .name = NULL },
};

/* Can a command that has had so many writes be this one? */
static bool is_consistent(const struct flash *flash)
{
	switch (flash->command) {
	case READ_ARRAY:
	case READ_STATUS:
	case READ_ID:
	case QUERY:
		return flash->cycle == 0;
	case PROGRAM_OLD:
	case PROGRAM:
	case ERASE:
	case LOCK:
		return flash->cycle <= 1;
	case BUFFER:
		return flash->at % FLASH_BUFFER == 0 && (flash->cycle != 2 || flash->left > 0) &&
		       (flash->cycle != 3 || flash->at < FLASH_BANK);
	default:
		return false;
	}
}

/* Blocks are mapped again when they are read. */
static bool flash_loaded(void *device)
{
	struct flash *flash = device;

	unmap_all(flash);
	flash->reads = 0;
	return is_consistent(flash);
}

static const struct register_name names[] = { { .name = NULL } }; /* memory, no registers */

const struct device_ops flash_ops = {
	.name = "flash",
	.read = flash_read,
	.write = flash_write,
	.reset = flash_reset,
	.fields = fields,
	.loaded = flash_loaded,
	.registers = names,
};
