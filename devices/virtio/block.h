/* SPDX-License-Identifier: MIT */
/*
 * Virtio block device (virtio 1.2, 5.2).
 *
 * Who uses it: the machine, which connects it to a disk. The disk carries requests out. Those that
 * would block are completed later, by a thread of the disk's.
 */
#ifndef DEVICES_VIRTIO_BLOCK_H
#define DEVICES_VIRTIO_BLOCK_H

#include "mmio.h"

#define BLOCK_REQUESTS 32 /* max that are under way; further ones wait in the queue */
#define BLOCK_SECTOR 512  /* bytes */
#define BLOCK_SERIAL 20	  /* bytes of a serial number; a shorter one is padded with zeros */

enum block_operation {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD,
	BLOCK_WRITE_ZEROES,
	BLOCK_GET_ID,  /* answered by the device, not passed to the disk */
	BLOCK_UNKNOWN, /* of a type that the device does not have; not passed to the disk either */
};

/* The values that the driver reads (5.2.6). */
enum block_status { BLOCK_OK, BLOCK_IOERR, BLOCK_UNSUPP };

struct block_request {
	enum block_operation operation;
	uint64_t offset, length; /* bytes of the disk */
	bool through;		 /* write-through: on the medium before the request is answered */
	/* Data of a read or a write: guest memory. Not to be touched once it is cancelled. */
	struct piece *pieces;
	unsigned piece_count;

	/* Set by the device alone; the disk may read `under_way` and `cancelled`. */
	bool under_way;
	bool cancelled; /* the queue was reset: the request is not to be answered */
	uint8_t *status;
	struct chain chain;
};

/* A disk as the device sees it. */
struct block_disk {
	uint64_t sectors;
	bool read_only;
	char serial[BLOCK_SERIAL];
	/*
	 * Starts a request. True: it is done, with *status as its result. False: it is under way,
	 * and block_complete will be called. Called with the device's lock held.
	 */
	bool (*start)(void *disk, struct block_request *request, enum block_status *status);
	void *disk;
};

struct virtio_block {
	struct virtio virtio;
	struct block_disk disk; /* set once, with the wires */
	uint8_t config[60];	/* derived from `disk`, apart from `writeback`, which is state */
	struct block_request requests[BLOCK_REQUESTS];
};

extern const struct device_ops virtio_block_ops;

/* To be called once, when `disk` is set (the features follow from it), before the first reset. */
void block_init(struct virtio_block *block, bool legacy);

/* Is no request under way, cancelled ones included? To be called with the device's lock held. */
bool block_is_idle(const struct virtio_block *block);

/* Completes a request that was under way. To be called with the device's lock held. */
void block_complete(struct virtio_block *block, struct block_request *request,
		    enum block_status status);

#endif
