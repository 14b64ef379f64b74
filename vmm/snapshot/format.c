// SPDX-License-Identifier: MIT
/*
 * Writes and checks a snapshot's header and entries. Who calls it: save.c and resume.c. Touches
 * memory of its callers only. What it reads may be anything.
 */
#include "format.h"

#include "crt/crt.h"
#include "vmm/machine/map.h"

/* A file that begins with either half is a snapshot, so that one with a bit flipped there is not
 * taken for a flat binary. */
static const char magic[8] = { 'N', 'S', 'T', 'L', 's', 'n', 'a', 'p' };

#define RAM_BLOCK (2ul << 20) /* what RAM comes in */
#define MAX_CPUS 512

#define MAGIC_HALF (sizeof magic / 2)

_Static_assert(sizeof(struct snapshot_header) == 48 && sizeof(struct snapshot_entry) == 24 &&
		       sizeof(struct snapshot_extent) == 24 && sizeof(struct snapshot_slot) == 48 &&
		       sizeof(struct snapshot_shape) == 64 + SNAPSHOT_SLOTS * 48,
	       "no padding");

static uint64_t padded(uint64_t size)
{
	return (size + 7) & ~7ull;
}

uint64_t snapshot_checksum(uint64_t checksum, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	/* Each step is a bijection of the checksum so far, and of the word. */
	for (size_t done = 0; done < size; done += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, at + done, sizeof word);
		checksum = (checksum ^ word) * 0x9e3779b97f4a7c15ull;
		checksum = checksum << 29 | checksum >> 35;
	}
	return checksum;
}

bool snapshot_is_zero(const void *bytes, uint64_t size)
{
	const uint64_t *words = bytes;

	for (uint64_t i = 0; i < size / sizeof *words; i++)
		if (words[i])
			return false;
	return true;
}

uint64_t snapshot_page_checksum(uint64_t at, const void *page)
{
	return snapshot_is_zero(page, SNAPSHOT_PAGE) ? 0
						     : snapshot_checksum(at, page, SNAPSHOT_PAGE);
}

/* ---- writing ---- */

void snapshot_begin(struct snapshot_writer *writer, void *memory, size_t size)
{
	*writer = (struct snapshot_writer){
		.bytes = memory,
		.size = size,
		.used = sizeof(struct snapshot_header),
	};
	memset(memory, 0, sizeof(struct snapshot_header));
}

void *snapshot_add(struct snapshot_writer *writer, uint32_t kind, uint32_t index, uint64_t id,
		   uint32_t size)
{
	struct snapshot_entry *entry = (struct snapshot_entry *)(writer->bytes + writer->used);
	size_t whole = sizeof *entry + padded(size);

	if (whole > writer->size - writer->used)
		__builtin_trap();
	memset(entry, 0, whole);
	*entry = (struct snapshot_entry){ .kind = kind, .index = index, .id = id, .size = size };
	writer->used += whole;
	return entry + 1;
}

const struct snapshot_header *snapshot_finish(struct snapshot_writer *writer, uint64_t file_size,
					      uint64_t ram_checksum)
{
	struct snapshot_header *header = (struct snapshot_header *)writer->bytes;

	*header = (struct snapshot_header){
		.version = SNAPSHOT_VERSION,
		.header_size = sizeof *header,
		.state_size = writer->used,
		.file_size = file_size,
		.ram_checksum = ram_checksum,
	};
	memcpy(header->magic, magic, sizeof magic);
	header->checksum = snapshot_checksum(0, header, writer->used);
	return header;
}

/* ---- reading ---- */

bool snapshot_matches(const void *bytes, size_t size)
{
	const char *at = bytes;

	if (size >= MAGIC_HALF && memcmp(at, magic, MAGIC_HALF) == 0)
		return true;
	return size >= sizeof magic && memcmp(at + MAGIC_HALF, magic + MAGIC_HALF, MAGIC_HALF) == 0;
}

uint64_t snapshot_state_size(const void *bytes, uint64_t size)
{
	const struct snapshot_header *header = bytes;

	if (size < sizeof *header || header->state_size < sizeof *header ||
	    header->state_size > size || header->state_size > SNAPSHOT_STATE_MAX ||
	    header->state_size % 8)
		return 0;
	return header->state_size;
}

static bool has_whole_entries(const uint8_t *state, uint64_t size)
{
	uint64_t at = sizeof(struct snapshot_header);

	while (at < size) {
		const struct snapshot_entry *entry = (const struct snapshot_entry *)(state + at);

		if (size - at < sizeof *entry || padded(entry->size) > size - at - sizeof *entry)
			return false;
		at += sizeof *entry + padded(entry->size);
	}
	return true;
}

const struct snapshot_shape *snapshot_shape_of(const void *state)
{
	const struct snapshot_entry *first = snapshot_next(state, NULL);

	if (!first || first->kind != SNAPSHOT_SHAPE || first->size != sizeof(struct snapshot_shape))
		return NULL;
	return snapshot_bytes(first);
}

/* Could there be such a machine? The options' limits, and the sizes of what depends on it. */
static bool is_valid_shape(const struct snapshot_shape *shape)
{
	return shape->memory != 0 && shape->memory % RAM_BLOCK == 0 &&
	       shape->memory <= UINT64_MAX / 2 && shape->cpus >= 1 && shape->cpus <= MAX_CPUS &&
	       (shape->gic == 2 || shape->gic == 3);
}

static bool is_extent(const struct snapshot_entry *entry)
{
	return entry->kind == SNAPSHOT_EXTENT || entry->kind == SNAPSHOT_DISK ||
	       entry->kind == SNAPSHOT_FW_CFG;
}

/* Whole blocks of memory that the machine has, or of something else, whole in the file. */
static bool is_valid_extent(const struct snapshot_entry *entry, const struct snapshot_shape *shape,
			    uint64_t state_size, uint64_t file_size)
{
	struct snapshot_extent extent;
	uint64_t base, size;

	if (entry->size != sizeof extent)
		return false;
	memcpy(&extent, snapshot_bytes(entry), sizeof extent);
	base = extent.at < RAM_BASE ? FLASH_BASE : RAM_BASE;
	size = extent.at < RAM_BASE ? FLASH_SIZE : shape->memory;
	if (entry->kind != SNAPSHOT_EXTENT)
		size = UINT64_MAX;
	return extent.size != 0 &&
	       (extent.at | extent.size | extent.offset) % SNAPSHOT_ALIGN == 0 &&
	       extent.at - base < size && extent.size <= size - (extent.at - base) &&
	       extent.offset >= state_size && extent.offset < file_size &&
	       extent.size <= file_size - extent.offset;
}

static bool has_valid_extents(const void *state, const struct snapshot_shape *shape,
			      uint64_t state_size, uint64_t file_size)
{
	const struct snapshot_entry *entry = NULL;
	unsigned count = 0;

	while ((entry = snapshot_next(state, entry)))
		if (is_extent(entry) &&
		    ((count += entry->kind == SNAPSHOT_EXTENT) > SNAPSHOT_EXTENTS ||
		     !is_valid_extent(entry, shape, state_size, file_size)))
			return false;
	return true;
}

const char *snapshot_check(const void *bytes, uint64_t file_size)
{
	struct snapshot_header header;
	const struct snapshot_shape *shape;
	uint64_t checksum;

	memcpy(&header, bytes, sizeof header);
	checksum = header.checksum;
	header.checksum = 0;
	if (memcmp(header.magic, magic, sizeof magic) != 0)
		return "is none, or has a damaged header";
	if (header.version > SNAPSHOT_VERSION)
		return "is of a newer version than this program knows";
	if (header.file_size != file_size)
		return "is cut, or something was appended to it";
	if (header.header_size != sizeof header ||
	    checksum != snapshot_checksum(snapshot_checksum(0, &header, sizeof header),
					  (const uint8_t *)bytes + sizeof header,
					  header.state_size - sizeof header))
		return "is damaged: the checksum of its header and state is another";
	/* Whoever has made it has made the checksum, too. */
	shape = has_whole_entries(bytes, header.state_size) ? snapshot_shape_of(bytes) : NULL;
	if (!shape)
		return "has a state that is not well-formed";
	if (!is_valid_shape(shape))
		return "is of a machine that cannot be";
	if (!has_valid_extents(bytes, shape, header.state_size, file_size))
		return "has a part of its RAM, or a disk, where it cannot be";
	return NULL;
}

const struct snapshot_entry *snapshot_next(const void *state, const struct snapshot_entry *entry)
{
	const struct snapshot_header *header = state;
	const uint8_t *at = entry ? (const uint8_t *)(entry + 1) + padded(entry->size)
				  : (const uint8_t *)(header + 1);

	return at < (const uint8_t *)state + header->state_size ? (const struct snapshot_entry *)at
								: NULL;
}

bool snapshot_next_extent(const void *state, const struct snapshot_entry **entry,
			  struct snapshot_extent *extent)
{
	while ((*entry = snapshot_next(state, *entry)))
		if (is_extent(*entry)) {
			memcpy(extent, snapshot_bytes(*entry), sizeof *extent);
			return true;
		}
	return false;
}
