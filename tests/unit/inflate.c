// SPDX-License-Identifier: MIT
/* vmm/load/inflate.c: data that zlib has compressed in each of its ways is decompressed; truncated
 * data, and too much of it, is refused. */
#include "unit.h"

#include "vmm/load/inflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MAX_SIZE 100000

static uint8_t plain[MAX_SIZE], packed[2 * MAX_SIZE], unpacked[MAX_SIZE];

/* Compresses to raw DEFLATE, and returns the size. */
static size_t pack(size_t size, int level, int strategy)
{
	z_stream stream = { .next_in = plain, .avail_in = (uInt)size };

	stream.next_out = packed;
	stream.avail_out = sizeof packed;
	assert_int_equal(deflateInit2(&stream, level, Z_DEFLATED, -MAX_WBITS, 9, strategy), Z_OK);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(deflateEnd(&stream), Z_OK);
	return stream.total_out;
}

/* Deterministic random numbers (xorshift32). */
static uint32_t next_number(void)
{
	static uint32_t state = 1;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

/* Text in which `variety` letters are frequent, with repeats at all distances. */
static void fill(size_t size, unsigned variety)
{
	for (size_t i = 0; i < size; i++)
		plain[i] = (uint8_t)(i > 40 && next_number() % 8
					     ? plain[i - 1 - next_number() % i % 33000]
					     : next_number() % variety);
}

static const size_t sizes[] = { 0, 1, 2, 300, 4000, MAX_SIZE };
static const unsigned varieties[] = { 1, 2, 30, 256 };
static const int strategies[] = { Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED };

/* Calls `check` for each way to compress each input. */
static void each(void (*check)(size_t size, size_t packed_size))
{
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (size_t j = 0; j < sizeof varieties / sizeof *varieties; j++) {
			fill(sizes[i], varieties[j]);
			for (size_t k = 0; k < sizeof strategies / sizeof *strategies; k++)
				for (int level = 0; level <= 9; level += 3)
					check(sizes[i], pack(sizes[i], level, strategies[k]));
		}
}

static void check_whole(size_t size, size_t packed_size)
{
	size_t in = packed_size + 8, out = sizeof unpacked;

	assert_int_equal(inflate_all(packed, &in, unpacked, &out), INFLATE_DONE);
	assert_int_equal(in, packed_size);
	assert_int_equal(out, size);
	assert_memory_equal(unpacked, plain, size);
	out = size;
	assert_int_equal(inflate_all(packed, &in, unpacked, &out), INFLATE_DONE);
	assert_int_equal(out, size);
}

static void test_whole(void **state)
{
	(void)state;
	each(check_whole);
}

static void check_cut(size_t size, size_t packed_size)
{
	size_t step = packed_size / 50 + 1;

	(void)size;
	for (size_t length = 0; length < packed_size; length += step) {
		size_t in = length, out = sizeof unpacked;
		uint8_t *exact =
			malloc(length ? length : 1); /* so that ASan finds a read behind its end */

		memcpy(exact, packed, length);
		assert_int_equal(inflate_all(exact, &in, unpacked, &out), INFLATE_CUT);
		assert_true(in <= length);
		free(exact);
	}
}

static void test_cut(void **state)
{
	(void)state;
	each(check_cut);
}

static void check_no_room(size_t size, size_t packed_size)
{
	for (size_t out, room = 0; room < size; room += size / 3 + 1) {
		size_t in = packed_size;
		uint8_t *exact =
			malloc(room ? room : 1); /* so that ASan finds a write behind its end */

		out = room;
		assert_int_equal(inflate_all(packed, &in, exact, &out), INFLATE_NO_ROOM);
		assert_true(out <= room);
		assert_memory_equal(exact, plain, out);
		free(exact);
	}
}

static void test_no_room(void **state)
{
	(void)state;
	each(check_no_room);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_no_room),
	};

	return RUN(tests);
}
