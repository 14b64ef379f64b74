// SPDX-License-Identifier: MIT
/*
 * Payloads compressed with gzip (RFC 1952), plain or in the EFI wrapper of newer kernels
 * (drivers/firmware/efi/libstub/zboot-header.S in Linux): unpacks them, and has the contents loaded
 * by their own format.
 *
 * Who calls it: load.c, by its table. Touches scratch memory of its own.
 */
#include "crt/crt.h"
#include "crt/sys.h"
#include "inflate.h"
#include "load.h"
#include "vmm/pages.h"
#include "vmm/report.h"

#include <sys/mman.h>

#define TRAILER 8 /* bytes after the stream: CRC-32 and size of the unpacked data */

struct wrapper {
	char mz[4], zimg[4];
	uint32_t offset, size; /* of the compressed kernel in the file, bytes */
	uint32_t reserved[2];
	char compressor[8];
};

static bool is_wrapped(const struct payload *payload)
{
	return payload->size >= sizeof(struct wrapper) &&
	       memcmp(payload->data + offsetof(struct wrapper, zimg), "zimg", 4) == 0;
}

static bool is_gzip(const uint8_t *data, size_t size)
{
	return size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
}

static bool gzip_matches(const struct payload *payload)
{
	return is_wrapped(payload) || is_gzip(payload->data, payload->size);
}

static _Noreturn void refuse(const struct payload *payload, const char *what)
{
	die(STATUS_PAYLOAD, "%.200s: gzip: %s; pack it anew, and copy it to its end", payload->name,
	    what);
}

static void unwrap(const struct payload *payload, const uint8_t **data, size_t *size)
{
	struct wrapper wrapper;

	*data = payload->data;
	*size = payload->size;
	if (!is_wrapped(payload))
		return;
	memcpy(&wrapper, payload->data, sizeof wrapper);
	if (wrapper.offset > *size || wrapper.size > *size - wrapper.offset)
		refuse(payload, "the file ends within the packed kernel");
	*data += wrapper.offset;
	*size = wrapper.size;
	if (!is_gzip(*data, *size))
		die(STATUS_PAYLOAD,
		    "%.200s: EFI wrapper packed with %.8s, not gzip; give the Image in it",
		    payload->name, wrapper.compressor);
}

/* Bytes before the compressed stream (RFC 1952, 2.3); more than `size` if the header is broken. */
static size_t header_length(const uint8_t *data, size_t size)
{
	enum { HEADER_CRC = 2, EXTRA = 4, NAME = 8, COMMENT = 16, RESERVED = 0xe0 };
	size_t length = 10;
	uint8_t flags;

	if (size < length || data[2] != 8 || data[3] & RESERVED)
		return size + 1;
	flags = data[3];
	if (flags & EXTRA && size >= length + 2)
		length += 2u + data[length] + 256u * data[length + 1];
	for (unsigned text = NAME; text <= COMMENT; text *= 2) {
		const uint8_t *end = flags & text && length < size
					     ? memchr(data + length, 0, size - length)
					     : NULL;

		if (flags & text)
			length = end ? (size_t)(end + 1 - data) : size + 1;
	}
	return length + (flags & HEADER_CRC ? 2 : 0);
}

/* Reflected CRC-32, four bits a step (RFC 1952, 8). */
static uint32_t crc32(const uint8_t *data, size_t size)
{
	uint32_t table[16];
	uint32_t crc = ~0u;

	for (uint32_t i = 0; i < 16; i++) {
		table[i] = i;
		for (unsigned bit = 0; bit < 4; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
	}
	for (size_t i = 0; i < size; i++) {
		crc = crc >> 4 ^ table[(crc ^ data[i]) & 15];
		crc = crc >> 4 ^ table[(crc ^ data[i] >> 4) & 15];
	}
	return ~crc;
}

static uint32_t word_at(const uint8_t *data)
{
	uint32_t word;

	memcpy(&word, data, sizeof word);
	return word;
}

/* Unpacks to inner->data, which has `room` bytes. */
static void unpack(const struct payload *payload, struct payload *inner, size_t room)
{
	static const char *const why[] = {
		[INFLATE_CUT] = "is cut off",
		[INFLATE_BROKEN] = "is damaged",
		[INFLATE_NO_ROOM] = "has more in it than fits into RAM",
	};
	const uint8_t *data;
	size_t size, header, used;
	enum inflate_result result;

	unwrap(payload, &data, &size);
	header = header_length(data, size);
	if (header > size)
		refuse(payload, "has a broken header");
	used = size - header;
	inner->size = room;
	result = inflate_all(data + header, &used, (uint8_t *)inner->data, &inner->size);
	if (result != INFLATE_DONE)
		refuse(payload, why[result]);
	data += header + used;
	size -= header + used;
	if (size < TRAILER)
		refuse(payload, why[INFLATE_CUT]);
	if (word_at(data) != crc32(inner->data, inner->size) ||
	    word_at(data + 4) != (uint32_t)inner->size)
		refuse(payload, why[INFLATE_BROKEN]);
}

static struct placement gzip_load(const struct payload *payload, const struct load_target *target)
{
	size_t room = target->ram->size;
	uint8_t *scratch = pages_take(room, MAP_NORESERVE, payload->name);
	struct payload inner = { .name = payload->name, .backing = SCRATCH };
	struct placement placement;

	inner.data = scratch;
	unpack(payload, &inner, room);
	if (inner.size == 0)
		refuse(payload, "has nothing in it");
	placement = load_payload(&inner, target);
	sys_munmap((uintptr_t)scratch, room);
	return placement;
}

const struct format format_gzip = { gzip_matches, gzip_load };
