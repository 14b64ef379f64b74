/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueue, the device's side (virtio 1.2, 2.7).
 *
 * Who uses it: mmio.c sets a queue up; each type of device takes requests from it and returns them
 * when they are done. The guest owns the rings and may change them at any moment, so each value is
 * read once and checked before it is used.
 */
#ifndef DEVICES_VIRTIO_QUEUE_H
#define DEVICES_VIRTIO_QUEUE_H

#include "devices/device.h"

#define QUEUE_SIZE 256 /* max entries of a queue, and of an indirect table */

/* Guest memory that is contiguous in this process, too. Has the layout of a struct iovec. */
struct piece {
	void *base;
	size_t length;
};

/* A request: the chain of buffers that the driver has made available. */
struct chain {
	uint16_t head;		     /* index of its first descriptor, which names the request */
	uint16_t readable, writable; /* number of pieces that the device reads and writes */
	struct piece pieces[QUEUE_SIZE]; /* the readable ones come first */
};

struct virtqueue {
	const struct dma *dma;
	/* State that the driver sets: guest-physical addresses of the three parts, and entries. */
	uint64_t descriptors, driver, device;
	uint16_t size;
	bool ready;
	bool broken; /* the driver has violated the specification: no requests until a reset */
	/* State: free-running indices of the next entry of the available ring and of the used ring;
	 * and next_used at the time of the last decision about an interrupt. */
	uint16_t next_available, next_used, notified;
	bool event_idx, indirect; /* negotiated features; set by mmio.c */
	/* State: bytes already processed of the request that next_available names, if it was put
	 * back unfinished. */
	uint64_t done;
	/* Host pointers derived from the addresses when the queue becomes ready. */
	const struct descriptor *table;
	uint16_t *available;
	uint16_t *used;
};

/* Makes the queue ready, once its size and addresses are set. False if one of these is invalid. */
bool virtqueue_start(struct virtqueue *queue);

/*
 * Takes the next request. False if there is none: the driver has then been asked to notify of the
 * next one. Also false if the driver has violated the specification: the queue is then `broken`.
 */
bool virtqueue_take(struct virtqueue *queue, struct chain *chain);

/* The requests that were taken last, so many of them, will be taken once more. */
static inline void virtqueue_put_back(struct virtqueue *queue, unsigned count)
{
	queue->next_available = (uint16_t)(queue->next_available - count);
}

/* Returns a request to the driver. `written`: bytes that the device has written to its pieces. */
void virtqueue_give(struct virtqueue *queue, uint16_t head, uint32_t written);
/* The same in two steps, for several that the driver shall see at once: adds each to the used ring,
 * and then shows it what was added. */
void virtqueue_add_used(struct virtqueue *queue, uint16_t head, uint32_t written);
void virtqueue_publish(struct virtqueue *queue);

/* Does the driver want an interrupt for the requests returned since the last call? */
bool virtqueue_wants_interrupt(struct virtqueue *queue);

/*
 * Copy `size` bytes, or as many as there are, between a buffer of the device's and the readable or
 * writable pieces, concatenated, from byte `offset` of them. Return the number of bytes copied.
 * chain_write also marks them as dirty.
 */
size_t chain_read(const struct chain *chain, size_t offset, void *to, size_t size);
size_t chain_write(const struct virtqueue *queue, const struct chain *chain, size_t offset,
		   const void *from, size_t size);
/* The total size of these pieces, in bytes. */
size_t pieces_size(const struct piece *pieces, unsigned count);
/* Takes the first bytes away from these pieces, some of which may be empty then. */
void pieces_skip(struct piece *pieces, unsigned count, size_t size);

#endif
