// SPDX-License-Identifier: MIT
/* devices/virtio/offload.c: checksums, and frames that are cut into segments. */
#include "unit.h"

#include "devices/virtio/offload.h"

#include <string.h>

#define DATA 5000 /* bytes of TCP's */

static uint8_t frame[NET_FRAME];
static struct net_header header;
static struct net_segments segments;
static size_t frame_size;
static unsigned tcp; /* where its header begins */

/* The Internet checksum over bytes that hold one is 0, however it is taken. */
static unsigned sum(const uint8_t *bytes, size_t size, unsigned more)
{
	unsigned total = more;

	for (size_t i = 0; i < size; i++)
		total += i % 2 ? bytes[i] : bytes[i] * 256u;
	while (total > 0xffff)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

static unsigned get16(const uint8_t *at)
{
	return at[0] * 256u + at[1];
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) << 16 | get16(at + 2);
}

/* A frame of `data` bytes, with 12 bytes of TCP's options. */
static void make(bool is_ipv6, size_t data, uint16_t each)
{
	for (unsigned i = 0; i < sizeof frame; i++)
		frame[i] = (uint8_t)(i * 7 % 251);
	tcp = 14 + (is_ipv6 ? 40 : 20);
	frame[14] = is_ipv6 ? 0x60 : 0x45;
	frame[18] = 0xff; /* an identification that overflows */
	frame[19] = 0xff;
	memset(frame + tcp + 4, 0xff, 3); /* its sequence number, which overflows */
	frame[tcp + 7] = 0xf0;
	frame[tcp + 12] = 0x80;
	frame[tcp + 13] = 0x99; /* FIN, PSH, ACK, CWR */
	frame_size = tcp + 32 + data;
	header = (struct net_header){ .flags = 1,
				      .gso_type = is_ipv6 ? NET_TCPV6 : NET_TCPV4 | NET_ECN,
				      .gso_size = each,
				      .csum_start = (uint16_t)tcp,
				      .csum_offset = 16 };
}

/* Each is a whole frame, and their data are that of the frame they were. */
static void check(bool is_ipv6, size_t data, uint16_t each)
{
	static uint8_t before[NET_FRAME];
	size_t done = 0, at = 0, size;
	unsigned count = 0;

	make(is_ipv6, data, each);
	memcpy(before, frame, sizeof frame);
	assert_true(segments_begin(&segments, &header, frame, frame_size));
	while ((size = segments_next(&segments, frame, &at))) {
		const uint8_t *ip = frame + at + 14, *segment = frame + at + tcp;
		size_t part = size - tcp - 32;
		bool is_last = done + part == data;

		assert_true(at + size <= frame_size);
		assert_int_equal(part, is_last ? data - done : each);
		assert_memory_equal(frame + at, before, 14);
		assert_memory_equal(frame + at + tcp + 32, before + tcp + 32 + done, part);
		assert_int_equal(get32(segment + 4), (uint32_t)(0xfffffff0 + done));
		assert_int_equal(segment[13], 0x10 | (is_last ? 9 : 0) | (done ? 0 : 0x80));
		if (is_ipv6) {
			assert_int_equal(get16(ip + 4), size - 54);
			assert_int_equal(sum(segment, size - tcp,
					     sum(ip + 8, 32, (unsigned)(size - tcp) + 6)),
					 0xffff);
		} else {
			assert_int_equal(get16(ip + 2), size - 14);
			assert_int_equal(get16(ip + 4), (uint16_t)(0xffff + count));
			assert_int_equal(sum(ip, 20, 0), 0xffff);
			assert_int_equal(sum(segment, size - tcp,
					     sum(ip + 12, 8, (unsigned)(size - tcp) + 6)),
					 0xffff);
		}
		done += part;
		count++;
	}
	assert_int_equal(done, data);
	assert_int_equal(count, (data + each - 1) / each);
	assert_int_equal(segments_next(&segments, frame, &at), 0);
}

static void test_segments(void **state)
{
	(void)state;
	for (unsigned is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
		check(is_ipv6, DATA, 1448);
		check(is_ipv6, 4000, 1000);
		check(is_ipv6, 100, 1);
		check(is_ipv6, 1, 1448);
		check(is_ipv6, 65000, 7);
	}
}

/* Headers that lie are refused. */
static void test_lies(void **state)
{
	(void)state;
	for (unsigned is_ipv6 = 0; is_ipv6 < 2; is_ipv6++)
		for (unsigned what = 0; what < 9; what++) {
			make(is_ipv6, DATA, 1448);
			switch (what) {
			case 0:
				header.gso_type = NET_UDP;
				break;
			case 1:
				header.gso_type = 0;
				break;
			case 2:
				header.gso_size = 0;
				break;
			case 3:
				frame_size = tcp + 19;
				break;
			case 4:
				frame_size = tcp + 32;
				break;
			case 5:
				frame[tcp + 12] = 0x40;
				break;
			case 6:
				header.csum_start = (uint16_t)(tcp - 1);
				break;
			case 7:
				header.csum_start = 250;
				frame[250 + 12] = 0xf0;
				break;
			case 8:
				header.csum_start = 0xffff;
				break;
			}
			assert_false(segments_begin(&segments, &header, frame, frame_size));
		}
}

static void test_checksum(void **state)
{
	(void)state;
	for (size_t size = 60; size < 64; size++) {
		make(false, DATA, 0);
		frame[50] = frame[51] = 0;
		offload_checksum(&header, frame, size);
		assert_int_equal(sum(frame + tcp, size - tcp, 0), 0xffff);
	}
	/* It is never 0, and what is not there is left alone. */
	memset(frame, 0, 60);
	frame[34] = frame[35] = 0xff;
	offload_checksum(&header, frame, 60);
	assert_int_equal(get16(frame + 50), 0xffff);
	make(false, DATA, 0);
	header.csum_offset = 25;
	offload_checksum(&header, frame, 60);
	header.flags = 0;
	header.csum_offset = 16;
	offload_checksum(&header, frame, 60);
	assert_int_equal(frame[50], 50 * 7 % 251);
	assert_int_equal(frame[59], 59 * 7 % 251);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_checksum),
	};

	return RUN(tests);
}
