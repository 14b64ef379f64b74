// SPDX-License-Identifier: MIT
/*
 * DEFLATE (RFC 1951, whose sections are cited below). Every read of the input and every write of
 * the output is bounded; each step consumes input, so it ends.
 *
 * Who calls it: gzip.c. Touches the two buffers it is given.
 */
#include "inflate.h"

#include <stdbool.h>
#include <string.h>

#define MAX_BITS 15 /* of a code */
#define FAST_BITS 9 /* codes of up to this length are decoded by one table look-up */
#define LITERALS 288
#define DISTANCES 32
#define END_OF_BLOCK 256

/* A canonical Huffman code (3.2.2), defined by the number of codes of each length and the symbols
 * in order. */
struct huffman {
	uint16_t count[MAX_BITS + 1];
	uint16_t symbol[LITERALS];
	uint16_t fast[1 << FAST_BITS]; /* by the next bits: symbol << 4 | length; 0: longer code */
};

struct stream {
	const uint8_t *in, *in_end;
	uint64_t bits; /* the next `count` bits of the input, first one lowest; above them zeros */
	unsigned count;
	uint8_t *out, *out_start, *out_end;
	enum inflate_result result; /* the first error */
};

/* Beyond the end of the input the bits are 0, and taking them fails. */
static uint64_t peek(struct stream *stream)
{
	while (stream->count <= 56 && stream->in < stream->in_end) {
		stream->bits |= (uint64_t)*stream->in++ << stream->count;
		stream->count += 8;
	}
	return stream->bits;
}

static bool fail(struct stream *stream, enum inflate_result why)
{
	if (stream->result == INFLATE_DONE)
		stream->result = why;
	return false;
}

/* Takes at most 16 bits; 0 and a failed stream beyond the end of the input. */
static unsigned take(struct stream *stream, unsigned count)
{
	unsigned value = (unsigned)(peek(stream) & ((1u << count) - 1));

	if (count > stream->count) {
		fail(stream, INFLATE_CUT);
		return 0;
	}
	stream->bits >>= count;
	stream->count -= count;
	return value;
}

/* Codes are stored with their first bit lowest (3.1.1). */
static unsigned reverse(unsigned code, unsigned length)
{
	unsigned reversed = 0;

	for (unsigned i = 0; i < length; i++)
		reversed |= (code >> i & 1) << (length - 1 - i);
	return reversed;
}

/* Builds a code from its lengths (3.2.2). False if they are invalid: only a code of one symbol may
 * be incomplete. */
static bool make_code(struct huffman *huffman, const uint8_t *lengths, unsigned symbols)
{
	uint16_t offset[MAX_BITS + 2] = { 0 }, code[MAX_BITS + 2] = { 0 };
	int left = 1;
	unsigned longest = 0;

	memset(huffman->count, 0, sizeof huffman->count);
	memset(huffman->fast, 0, sizeof huffman->fast);
	for (unsigned i = 0; i < symbols; i++)
		huffman->count[lengths[i]]++;
	huffman->count[0] = 0;
	for (unsigned length = 1; length <= MAX_BITS; length++) {
		unsigned count = huffman->count[length];

		left = 2 * left - (int)count;
		if (left < 0)
			return false;
		if (count)
			longest = length;
		offset[length + 1] = (uint16_t)(offset[length] + count);
		code[length + 1] = (uint16_t)((code[length] + count) << 1);
	}
	for (unsigned i = 0; i < symbols; i++) {
		unsigned length = lengths[i];

		if (length == 0)
			continue;
		huffman->symbol[offset[length]++] = (uint16_t)i;
		for (unsigned at = reverse(code[length]++, length); at < 1u << FAST_BITS;
		     at += 1u << length)
			if (length <= FAST_BITS)
				huffman->fast[at] = (uint16_t)(i << 4 | length);
	}
	return left == 0 || longest <= 1;
}

/* Decodes the next symbol; END_OF_BLOCK and a failed stream if there is none. */
static unsigned decode(struct stream *stream, const struct huffman *huffman)
{
	uint64_t bits = peek(stream);
	unsigned entry = huffman->fast[bits & ((1u << FAST_BITS) - 1)];
	unsigned code = 0, first = 0, index = 0;

	if (entry) {
		take(stream, entry & 15);
		return entry >> 4;
	}
	for (unsigned length = 1; length <= MAX_BITS; length++) {
		unsigned count = huffman->count[length];

		code = code << 1 | (bits & 1);
		bits >>= 1;
		if (code - first < count) {
			take(stream, length);
			return huffman->symbol[index + code - first];
		}
		index += count;
		first = (first + count) << 1;
	}
	fail(stream, stream->count < MAX_BITS ? INFLATE_CUT : INFLATE_BROKEN);
	return END_OF_BLOCK;
}

/* 3.2.4 */
static void copy_stored(struct stream *stream)
{
	unsigned length;

	take(stream, stream->count % 8);
	length = take(stream, 16);
	if (take(stream, 16) != (length ^ 0xffff)) {
		fail(stream, INFLATE_BROKEN);
		return;
	}
	while (length-- > 0 && stream->result == INFLATE_DONE) {
		unsigned byte = take(stream, 8);

		if (stream->out == stream->out_end)
			fail(stream, INFLATE_NO_ROOM);
		else
			*stream->out++ = (uint8_t)byte;
	}
}

/* Base values of lengths (symbols from 257) and distances (from 0) grow in steps that double every
 * 4 or 2 symbols (3.2.5). */
static unsigned take_length(struct stream *stream, unsigned symbol)
{
	unsigned code = symbol - 257;
	unsigned extra = code < 8 ? 0 : (code - 4) / 4;

	if (code == 28)
		return 258;
	if (code < 8)
		return 3 + code;
	return 3 + ((4 + code % 4) << extra) + take(stream, extra);
}

static unsigned take_distance(struct stream *stream, unsigned code)
{
	unsigned extra = code < 4 ? 0 : (code - 2) / 2;

	if (code < 4)
		return 1 + code;
	return 1 + ((2 + code % 2) << extra) + take(stream, extra);
}

static bool copy_match(struct stream *stream, unsigned length, unsigned distance)
{
	if (stream->result != INFLATE_DONE)
		return false;
	if (distance > (size_t)(stream->out - stream->out_start))
		return fail(stream, INFLATE_BROKEN);
	if (length > (size_t)(stream->out_end - stream->out))
		return fail(stream, INFLATE_NO_ROOM);
	/* Byte by byte, because source and destination may overlap. */
	for (; length > 0; length--, stream->out++)
		*stream->out = stream->out[-(ptrdiff_t)distance];
	return true;
}

static void unpack_block(struct stream *stream, const struct huffman *literals,
			 const struct huffman *distances)
{
	while (stream->result == INFLATE_DONE) {
		unsigned symbol = decode(stream, literals);
		unsigned length, code;

		if (symbol == END_OF_BLOCK)
			return;
		if (symbol < END_OF_BLOCK) {
			if (stream->result != INFLATE_DONE)
				return;
			if (stream->out == stream->out_end)
				fail(stream, INFLATE_NO_ROOM);
			else
				*stream->out++ = (uint8_t)symbol;
			continue;
		}
		if (symbol > 285) {
			fail(stream, INFLATE_BROKEN);
			return;
		}
		length = take_length(stream, symbol);
		code = decode(stream, distances);
		if (code > 29)
			fail(stream, INFLATE_BROKEN);
		else
			copy_match(stream, length, take_distance(stream, code));
	}
}

/* 3.2.6 */
static void fixed_lengths(uint8_t *lengths)
{
	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	memset(lengths + LITERALS, 5, DISTANCES);
}

/* Reads both codes' lengths, which are coded themselves (3.2.7); false if they are broken. */
static bool take_lengths(struct stream *stream, struct huffman *huffman, uint8_t *lengths,
			 unsigned total)
{
	static const struct {
		uint8_t bits, min;
	} repeats[] = { { 2, 3 }, { 3, 3 }, { 7, 11 } }; /* symbols 16, 17, 18 */

	for (unsigned i = 0; i < total && stream->result == INFLATE_DONE;) {
		unsigned symbol = decode(stream, huffman);
		unsigned times = 1;
		uint8_t length = 0;

		if (symbol < 16) {
			length = (uint8_t)symbol;
		} else if (symbol <= 18 && (symbol > 16 || i > 0)) {
			length = symbol == 16 ? lengths[i - 1] : 0;
			times = repeats[symbol - 16].min + take(stream, repeats[symbol - 16].bits);
		} else {
			return fail(stream, INFLATE_BROKEN);
		}
		if (times > total - i)
			return fail(stream, INFLATE_BROKEN);
		memset(lengths + i, length, times);
		i += times;
	}
	return stream->result == INFLATE_DONE;
}

/* Reads the two codes of a block with dynamic codes (3.2.7). */
static bool take_codes(struct stream *stream, struct huffman *literals, struct huffman *distances)
{
	static const uint8_t order[] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
					 11, 4,	 12, 3, 13, 2, 14, 1, 15 };
	uint8_t lengths[LITERALS + DISTANCES] = { 0 };
	unsigned literal_count = 257 + take(stream, 5);
	unsigned distance_count = 1 + take(stream, 5);
	unsigned code_count = 4 + take(stream, 4);

	for (unsigned i = 0; i < code_count; i++)
		lengths[order[i]] = (uint8_t)take(stream, 3);
	if (!make_code(literals, lengths, sizeof order))
		return fail(stream, INFLATE_BROKEN);
	memset(lengths, 0, sizeof order);
	if (!take_lengths(stream, literals, lengths, literal_count + distance_count))
		return false;
	if (literal_count > 286 || lengths[END_OF_BLOCK] == 0 ||
	    !make_code(literals, lengths, literal_count) ||
	    !make_code(distances, lengths + literal_count, distance_count))
		return fail(stream, INFLATE_BROKEN);
	return true;
}

enum inflate_result inflate_all(const uint8_t *in, size_t *in_size, uint8_t *out, size_t *out_size)
{
	struct stream stream = { in, in + *in_size, 0, 0, out, out, out + *out_size, INFLATE_DONE };
	struct huffman literals, distances;
	bool is_last = false;

	while (!is_last && stream.result == INFLATE_DONE) {
		uint8_t lengths[LITERALS + DISTANCES];

		is_last = take(&stream, 1);
		switch (take(&stream, 2)) {
		case 0:
			copy_stored(&stream);
			break;
		case 1:
			fixed_lengths(lengths);
			make_code(&literals, lengths, LITERALS);
			make_code(&distances, lengths + LITERALS, DISTANCES);
			unpack_block(&stream, &literals, &distances);
			break;
		case 2:
			if (take_codes(&stream, &literals, &distances))
				unpack_block(&stream, &literals, &distances);
			break;
		default:
			fail(&stream, INFLATE_BROKEN);
		}
	}
	*in_size = (size_t)(stream.in - in) - stream.count / 8; /* minus whole bytes read ahead */
	*out_size = (size_t)(stream.out - out);
	return stream.result;
}
