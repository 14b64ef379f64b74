/* SPDX-License-Identifier: MIT */
/*
 * Virtio network device (virtio 1.2, 5.1) with one pair of queues, and a control queue for
 * acknowledging that the driver shall announce itself.
 *
 * Who uses it: the machine, which connects it to a network of the host's (vmm/machine/nets.c).
 */
#ifndef DEVICES_VIRTIO_NET_H
#define DEVICES_VIRTIO_NET_H

#include "mmio.h"

#define VIRTIO_NET 1 /* device ID of a network device (5.1.1) */

#define NET_HEADER 10	/* bytes of what comes before a frame at the network (struct net_header) */
#define NET_FRAME 69632 /* max bytes of a frame: 64 KiB of data, and headers */
#define NET_MAC 6	/* bytes of a MAC address */

/* Checksum and segmentation offloads, of frames from the driver and to it (5.1.3). */
#define NET_F_CSUM (1ull << 0)
#define NET_F_GUEST_CSUM (1ull << 1)
#define NET_F_GUEST_TSO4 (1ull << 7)
#define NET_F_GUEST_TSO6 (1ull << 8)
#define NET_F_GUEST_ECN (1ull << 9)
#define NET_F_GUEST_UFO (1ull << 10)
#define NET_F_HOST_TSO4 (1ull << 11)
#define NET_F_HOST_TSO6 (1ull << 12)
#define NET_F_HOST_ECN (1ull << 13)
#define NET_F_HOST_UFO (1ull << 14)
#define NET_GUEST_OFFLOADS                                                                         \
	(NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_GUEST_ECN | NET_F_GUEST_UFO)
#define NET_HOST_OFFLOADS                                                                          \
	(NET_F_CSUM | NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_HOST_ECN | NET_F_HOST_UFO)

/* What comes before each frame (5.1.6): as a driver has it, and its first NET_HEADER bytes at the
 * network. */
struct net_header {
	uint8_t flags, gso_type;
	uint16_t header_length, gso_size, csum_start, csum_offset;
	uint16_t buffers; /* that the frame is in */
};

/* Types of segmentation in a header (5.1.6); ECN may be added to TCP's. */
#define NET_TCPV4 1
#define NET_UDP 3
#define NET_TCPV6 4
#define NET_ECN 0x80

#define NET_HEADERS 256 /* max bytes of the headers of a frame that is cut into segments */

/* A frame that is cut (offload.c). All zero: none is. */
struct net_segments {
	bool is_ipv6;
	uint16_t tcp;	   /* where its header begins */
	uint16_t each;	   /* bytes of data in a segment, but for the last */
	size_t size, next; /* of the frame; where the next segment's data begins */
	size_t headers_size;
	unsigned count; /* segments so far */
	uint8_t headers[NET_HEADERS];
};

/* Buffers of the driver's that were taken for a frame. */
struct net_buffers {
	struct chain all; /* their writable pieces */
	unsigned count;
	size_t room; /* bytes in all of them */
	/* Of each: its first descriptor, and the bytes in those up to its end. */
	uint16_t heads[QUEUE_SIZE];
	size_t ends[QUEUE_SIZE];
};

enum net_result {
	NET_SENT,
	NET_FULL, /* not now: the device waits until it is called with NET_ROOM */
	NET_LOST,
};

/* What a device waits for. */
#define NET_FRAMES 1 /* frames from the network */
#define NET_ROOM 2   /* the network takes frames again */

/* A network, called with the device's lock held. The first piece is the frame's header, without
 * offloads all zero; it has pieces of its own for the frame behind it. */
struct network {
	uint64_t offloads;    /* that it takes, and that frames from it may need */
	uint16_t mtu;	      /* bytes; 0: not known */
	uint8_t mac[NET_MAC]; /* the device's */
	/* May release the lock, and acquires it again before it returns. */
	enum net_result (*send)(void *network, struct piece *pieces, unsigned count);
	/* Waits until `send`, which another thread has called, does not need the pieces. */
	void (*finish)(void *network);
	/* Hands over the next frame, of which there is none if it is 0 bytes. */
	size_t (*receive)(void *network, struct piece *pieces, unsigned count);
	/* The device waits for something else now (virtio_net_waits). */
	void (*waits_changed)(void *network);
	void *network;
};

struct virtio_net {
	struct virtio virtio;
	struct network network; /* set once, with the wires */
	uint8_t config[12];	/* 5.1.4 */
	bool connected;		/* the network is there */
	bool unplugged;		/* by the user */
	uint32_t waits;		/* NET_FRAMES and NET_ROOM; atomic, changed under the lock */
	bool is_sending;	/* a thread sends frames; */
	bool is_cancelled;	/* the driver has taken the queue away from it meanwhile */
	bool gave_up;		/* the driver has made no buffers for long: no frame waits */
	/* Since the machine was made. */
	uint64_t sent, unsent, received, lost; /* frames; lost on the way out, and in */
	/* A frame that waits for buffers, in `frame` from `held_at` on; 0 bytes: none does. It may
	 * be one of several segments. */
	size_t held, held_at;
	struct net_header header;
	struct net_segments segments;
	size_t expected; /* bytes that the next frame may have */
	struct net_buffers buffers;
	uint8_t frame[NET_FRAME];
};

/* Once, before its first reset. */
void virtio_net_init(struct virtio_net *net, bool legacy);

/* What it waits for; from any thread. When that is there, virtio_net_work is called with it. */
uint32_t virtio_net_waits(const struct virtio_net *net);
void virtio_net_work(struct virtio_net *net, uint32_t what);

/* The network is there or not; the user has plugged the cable in, or out. The driver is told. */
void virtio_net_connect(struct virtio_net *net, bool connected);
void virtio_net_plug(struct virtio_net *net, bool plugged);

#endif
