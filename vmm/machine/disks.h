/* SPDX-License-Identifier: MIT */
/*
 * Connects a virtio block device to a disk of the host. Requests that need not wait are carried out
 * at once, on the thread of the vCPU that notifies the device; others are passed to the worker.
 *
 * Who uses it: devices.c.
 */
#ifndef VMM_DISKS_H
#define VMM_DISKS_H

#include "devices/virtio/block.h"
#include "vmm/host/disk.h"
#include "run.h"
#include "vmm/host/worker.h"

#define DISK_CHUNK 65536 /* bytes that the worker copies at a time */
/* Max bytes of a request that a vCPU's thread carries out, because it does nothing else meanwhile,
 * and a hostile guest's request may name all of its memory 256 times. Linux's have at most 1280
 * KiB.
 */
#define DISK_NOW_MAX (2u << 20)

struct disk_device;

/* A request that the worker carries out. */
struct disk_job {
	struct job job;
	struct disk_device *device;
	struct block_request *request;
};

/* A disk with its virtio block device; exists until the program ends. */
struct disk_device {
	struct virtio_block block;
	struct disk disk;
	struct worker *worker;
	struct lock *lock; /* the block device's */
	struct run *run;   /* its event loop waits in a pause for requests; NULL: it does not */
	struct disk_job jobs[BLOCK_REQUESTS]; /* one for each of `block.requests` */
	uint8_t buffer[DISK_CHUNK];	      /* used by the worker's thread only */
};

/* Initialises the device, when `disk` has been opened. A `serial` (NULL: none) that is longer than
 * BLOCK_SERIAL bytes is truncated. */
void disk_device_init(struct disk_device *device, struct worker *worker, const char *serial,
		      bool legacy);

#endif
