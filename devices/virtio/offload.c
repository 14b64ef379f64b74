// SPDX-License-Identifier: MIT
/*
 * Checksums and segments (RFC 1071, RFC 9293). Who calls it: net.c. Touches the frame it is given.
 */
#include "offload.h"

#define NEEDS_CSUM 1 /* flag of a header (virtio 1.2, 5.1.6) */
#define ECN 0x80     /* of its type of segmentation */

#define ETHERNET 14  /* bytes */
#define IPV6 40	     /* bytes */
#define TCP 20	     /* bytes at least */
#define TCP_NUMBER 6 /* IP's, of TCP */
#define IPV4_CSUM 10 /* offsets in the headers */
#define IPV4_SOURCE 12
#define IPV6_SOURCE 8
#define TCP_SEQUENCE 4
#define TCP_SIZE 12 /* of its header in words, in the upper half */
#define TCP_FLAGS 13
#define TCP_CSUM 16
#define FIN_PSH 0x09 /* flags that only the last segment has */
#define CWR 0x80     /* the one that only the first has */

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The sum of these bytes as words of 16 bits, the first of them the upper half of one. */
static uint64_t sum(const uint8_t *bytes, size_t size)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : (unsigned)bytes[i] << 8;
	return sum;
}

/* Of such a sum the checksum; never 0, which would mean to UDP that there is none. */
static unsigned fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? 0xffff : (unsigned)~sum & 0xffff;
}

void offload_checksum(const struct net_header *header, uint8_t *frame, size_t size)
{
	size_t start = header->csum_start, at = start + header->csum_offset;

	if (header->flags & NEEDS_CSUM && at + 2 <= size)
		put16(frame + at, fold(sum(frame + start, size - start)));
}

/* Of the frame's three headers all have to be there. An IPv6 header may have others behind it. */
bool segments_begin(struct net_segments *segments, const struct net_header *header,
		    const uint8_t *frame, size_t size)
{
	uint8_t type = header->gso_type & (uint8_t)~ECN;
	size_t tcp = header->csum_start;

	if ((type != NET_TCPV4 && type != NET_TCPV6) || !header->gso_size || tcp + TCP > size ||
	    tcp < ETHERNET + (type == NET_TCPV4 ? 20u : IPV6))
		return false;
	*segments = (struct net_segments){
		.is_ipv6 = type == NET_TCPV6,
		.tcp = (uint16_t)tcp,
		.each = header->gso_size,
		.headers_size = tcp + frame[tcp + TCP_SIZE] / 16 * 4ul,
		.size = size,
	};
	if (segments->headers_size < tcp + TCP || segments->headers_size >= size ||
	    segments->headers_size > sizeof segments->headers)
		return false;
	segments->next = segments->headers_size;
	__builtin_memcpy(segments->headers, frame, segments->headers_size);
	return true;
}

/* IP's header for `size` bytes behind it, of the nth segment. */
static void finish_ip(const struct net_segments *segments, uint8_t *ip, size_t size, unsigned n)
{
	size_t header = segments->tcp - ETHERNET;

	if (segments->is_ipv6) {
		put16(ip + 4, (unsigned)(header - IPV6 + size));
		return;
	}
	put16(ip + 2, (unsigned)(header + size));
	put16(ip + 4, get16(ip + 4) + n); /* its identification */
	put16(ip + IPV4_CSUM, 0);
	put16(ip + IPV4_CSUM, fold(sum(ip, header)));
}

/* TCP's, of `size` bytes with what is behind it. */
static void finish_tcp(const struct net_segments *segments, const uint8_t *ip, uint8_t *tcp,
		       size_t size)
{
	size_t done = segments->next - segments->headers_size;
	uint64_t sequence =
		((uint64_t)get16(tcp + TCP_SEQUENCE) << 16 | get16(tcp + TCP_SEQUENCE + 2)) + done;
	bool is_last = segments->next + segments->each >= segments->size;

	put16(tcp + TCP_SEQUENCE, (unsigned)(sequence >> 16));
	put16(tcp + TCP_SEQUENCE + 2, (unsigned)sequence);
	tcp[TCP_FLAGS] &= (uint8_t) ~((is_last ? 0 : FIN_PSH) | (done ? CWR : 0));
	put16(tcp + TCP_CSUM, 0);
	put16(tcp + TCP_CSUM,
	      fold(sum(tcp, size) + size + TCP_NUMBER +
		   (segments->is_ipv6 ? sum(ip + IPV6_SOURCE, 32) : sum(ip + IPV4_SOURCE, 8))));
}

/* The headers overwrite what the segments before have had. */
size_t segments_next(struct net_segments *segments, uint8_t *frame, size_t *at)
{
	size_t left = segments->size - segments->next;
	size_t data = left < segments->each ? left : segments->each;
	size_t tcp_size = segments->headers_size - segments->tcp + data;
	uint8_t *segment = frame + segments->next - segments->headers_size;

	if (!left)
		return 0;
	*at = segments->next - segments->headers_size;
	__builtin_memcpy(segment, segments->headers, segments->headers_size);
	finish_ip(segments, segment + ETHERNET, tcp_size, segments->count++);
	finish_tcp(segments, segment + ETHERNET, segment + segments->tcp, tcp_size);
	segments->next += data;
	return segments->headers_size + data;
}
