/* SPDX-License-Identifier: MIT */
/* A virtio device behind MMIO, of version 1 (legacy) or 2, as payloads with disks drive it. */
#ifndef PAYLOADS_VIRTIO_H
#define PAYLOADS_VIRTIO_H

#include "guest.h"

/* Registers (virtio 1.2, 4.2.2 and, for version 1, 4.2.4). */
#define VERSION 0x004
#define DEVICE_ID 0x008
#define DEVICE_FEATURES 0x010
#define DEVICE_FEATURES_SEL 0x014
#define DRIVER_FEATURES 0x020
#define DRIVER_FEATURES_SEL 0x024
#define GUEST_PAGE_SIZE 0x028
#define QUEUE_SEL 0x030
#define QUEUE_NUM_MAX 0x034
#define QUEUE_NUM 0x038
#define QUEUE_ALIGN 0x03c
#define QUEUE_PFN 0x040
#define QUEUE_READY 0x044
#define QUEUE_NOTIFY 0x050
#define INTERRUPT_STATUS 0x060
#define INTERRUPT_ACK 0x064
#define STATUS 0x070
#define QUEUE_DESC 0x080
#define QUEUE_DRIVER 0x090
#define QUEUE_DEVICE 0x0a0
#define CONFIG 0x100

/* DeviceID of a block device, and types of its requests (5.2.6). */
#define BLOCK_ID 2
#define IN 0
#define OUT 1
#define FLUSH 4
#define GET_ID 8
#define DISCARD 11
#define ZEROES 13

/* Flags of a descriptor (2.7.5). */
#define NEXT 1
#define WRITE 2

#define PAGE 4096
#define ENTRIES 32	/* of a queue */
#define SECTOR_SIZE 512 /* bytes */

/* A queue as a legacy device requires it: contiguous, with the used ring on its own page. Must be
 * aligned to a page. */
struct queue {
	struct {
		uint64_t address;
		uint32_t length;
		uint16_t flags, next;
	} table[ENTRIES];
	uint16_t flags, idx, available[ENTRIES], used_event;
	char padding[PAGE - 16 * ENTRIES - 2 * (ENTRIES + 3)];
	struct {
		uint16_t flags, idx;
		struct {
			uint32_t id, length;
		} ring[ENTRIES];
		uint16_t avail_event;
	} used;
};

struct block_header {
	uint32_t type, reserved;
	uint64_t sector;
};

/* Resets the device with these registers and initialises it (3.1.1), with the given queue as its
 * first. Of the features 0 to 31 it uses those that are wanted; returns all that it offers. */
uint32_t virtio_start(uintptr_t base, uint32_t wanted, struct queue *queue);

/* Describes a buffer in descriptor `at`; NEXT continues with the following descriptor. */
void queue_describe(struct queue *queue, unsigned at, const void *address, uint32_t length,
		    uint16_t flags);

/* Makes the chain that begins with descriptor `head` available, without a notification. */
void queue_submit(struct queue *queue, unsigned head);

/* Tells the device with these registers about what is available in its first queue. */
void queue_notify(uintptr_t base);

/* Has the device used all that was made available? */
bool queue_is_done(struct queue *queue);

#endif
