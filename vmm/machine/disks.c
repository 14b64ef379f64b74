// SPDX-License-Identifier: MIT
/*
 * Carries out requests of block devices. Who calls it: block devices, on vCPUs' threads; the worker
 * on its own. Touches disks, and guest memory by way of the devices.
 */
#include "disks.h"

#include "crt/crt.h"
#include "vmm/report.h"
#include "vmm/wake.h"

#include <errno.h>
#include <sys/uio.h>

_Static_assert(sizeof(struct piece) == sizeof(struct iovec) &&
		       offsetof(struct piece, base) == offsetof(struct iovec, iov_base) &&
		       offsetof(struct piece, length) == offsetof(struct iovec, iov_len),
	       "a piece is an iovec");

static const struct iovec *vector_of(const struct block_request *request)
{
	return (const struct iovec *)request->pieces;
}

/* The answer for a result of disk.h's functions. The first error of a disk is reported. */
static enum block_status status_of(struct disk_device *device, const struct block_request *request,
				   int result)
{
	static const char *const names[] = { "read", "write", "flush", "discard", "write zeroes" };

	if (result >= 0)
		return BLOCK_OK;
	if (!device->disk.failed)
		report("--disk %.200s: %s of %lu bytes at %lu: %s; the guest gets an I/O error, "
		       "further ones are not reported",
		       device->disk.name, names[request->operation], request->length,
		       request->offset, error_text(-result));
	device->disk.failed = true;
	return BLOCK_IOERR;
}

/* ---- on the vCPU's thread ---- */

/* Marks the buffers as dirty even if the read fails, because a part may have been read. */
static int read_now(struct disk_device *device, const struct block_request *request)
{
	int result = disk_read_now(&device->disk, vector_of(request), request->piece_count,
				   request->offset, request->length);

	for (unsigned i = 0; i < request->piece_count; i++)
		dma_written(&device->block.virtio.wires.dma, request->pieces[i].base,
			    request->pieces[i].length);
	return result;
}

/* Carries out a request without waiting. -EAGAIN if it may have to wait. */
static int do_now(struct disk_device *device, const struct block_request *request)
{
	struct disk *disk = &device->disk;

	switch (request->operation) {
	case BLOCK_READ:
		return read_now(device, request);
	case BLOCK_WRITE:
		return disk_write_now(disk, vector_of(request), request->piece_count,
				      request->offset, request->length);
	case BLOCK_FLUSH: /* a disk in memory has nothing to flush */
		return disk->never_blocks || disk->is_volatile ? 0 : -EAGAIN;
	case BLOCK_DISCARD:
		return disk->is_volatile ? 0 : -EAGAIN;
	case BLOCK_WRITE_ZEROES:
		if (!disk->is_volatile)
			return -EAGAIN;
		disk_zero_overlay(disk, request->offset, request->length);
		return 0;
	default:
		__builtin_trap();
	}
}

/*
 * Is a request from before the device's reset still under way? Then new ones are passed to the
 * worker, behind it, so that they see its writes. A volatile disk's are over at once when
 * cancelled.
 */
static bool has_cancelled(const struct disk_device *device)
{
	for (unsigned i = 0; !device->disk.is_volatile && i < BLOCK_REQUESTS; i++)
		if (device->block.requests[i].under_way && device->block.requests[i].cancelled)
			return true;
	return false;
}

static bool start(void *opaque, struct block_request *request, enum block_status *status)
{
	struct disk_device *device = opaque;
	struct disk_job *job = &device->jobs[request - device->block.requests];
	bool is_long = request->length > DISK_NOW_MAX;
	bool is_change = request->operation != BLOCK_READ && request->operation != BLOCK_FLUSH;
	int result;

	device->disk.is_changed |= is_change && !device->disk.is_volatile;
	result = is_long || has_cancelled(device) ? -EAGAIN : do_now(device, request);

	if (result != -EAGAIN) {
		*status = status_of(device, request, result);
		return true;
	}
	job->request = request;
	worker_add(device->worker, &job->job);
	return false;
}

/* ---- on the worker's thread ---- */

/*
 * Copies data that was read to the guest. The worker reads to a buffer first, so that it touches
 * guest memory under the device's lock only, and only if the request is not cancelled: a reset need
 * not wait for the disk. False if the request is cancelled.
 */
static bool give_to_guest(struct disk_device *device, struct block_request *request, size_t done,
			  uint8_t *bytes, size_t size)
{
	bool goes_on;

	lock_acquire(device->lock);
	goes_on = !request->cancelled;
	if (goes_on && device->disk.is_volatile)
		disk_overlay(&device->disk, bytes, request->offset + done, size);
	if (goes_on)
		chain_write(&device->block.virtio.queues[0], &request->chain, done, bytes, size);
	lock_release(device->lock);
	return goes_on;
}

/* Copies data to be written to the buffer, and to the overlay of a volatile disk. False if the
 * request is cancelled. */
static bool take_from_guest(struct disk_device *device, const struct block_request *request,
			    size_t done, uint8_t *bytes, size_t size)
{
	struct iovec piece = { bytes, size };
	bool goes_on;

	lock_acquire(device->lock);
	goes_on = !request->cancelled;
	if (goes_on)
		chain_read(&request->chain, done, bytes, size);
	if (goes_on && device->disk.is_volatile)
		(void)disk_write_now(&device->disk, &piece, 1, request->offset + done, size);
	lock_release(device->lock);
	return goes_on;
}

static int move_data(struct disk_device *device, struct block_request *request)
{
	uint8_t *buffer = device->buffer;
	bool is_read = request->operation == BLOCK_READ;
	bool goes_on = true;
	int result = 0;

	for (size_t done = 0, size; goes_on && result == 0 && done < request->length;
	     done += size) {
		uint64_t offset = request->offset + done;

		size = request->length - done < DISK_CHUNK ? request->length - done : DISK_CHUNK;
		if (is_read)
			result = disk_read(&device->disk, buffer, offset, size);
		else
			goes_on = take_from_guest(device, request, done, buffer, size);
		if (result == 0 && goes_on && is_read)
			goes_on = give_to_guest(device, request, done, buffer, size);
		else if (result == 0 && goes_on && !device->disk.is_volatile)
			result = disk_write(&device->disk, buffer, offset, size, request->through);
	}
	return result;
}

static int zero(struct disk_device *device, const struct block_request *request)
{
	bool goes_on = true;

	if (!device->disk.is_volatile)
		return disk_zero(&device->disk, request->offset, request->length, request->through);
	for (uint64_t done = 0, size; goes_on && done < request->length; done += size) {
		size = request->length - done < DISK_CHUNK ? request->length - done : DISK_CHUNK;
		lock_acquire(device->lock);
		goes_on = !request->cancelled;
		if (goes_on)
			disk_zero_overlay(&device->disk, request->offset + done, size);
		lock_release(device->lock);
	}
	return 0;
}

/* Carries out a request, waiting as long as it takes. 0 or a negative errno. */
static int do_waiting(struct disk_device *device, struct block_request *request)
{
	switch (request->operation) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		return move_data(device, request);
	case BLOCK_FLUSH:
		return disk_flush(&device->disk);
	case BLOCK_DISCARD:
		return device->disk.is_volatile
			       ? 0
			       : disk_discard(&device->disk, request->offset, request->length);
	case BLOCK_WRITE_ZEROES:
		return zero(device, request);
	default:
		__builtin_trap();
	}
}

static void work(struct job *job)
{
	struct disk_device *device = ((struct disk_job *)job)->device;
	struct block_request *request = ((struct disk_job *)job)->request;
	int result = do_waiting(device, request);

	lock_acquire(device->lock);
	block_complete(&device->block, request, status_of(device, request, result));
	lock_release(device->lock);
	if (device->run &&
	    run_pause_asked(device->run)) /* who saves waits for it (machine_settle) */
		wake_loop(device->run->loop.wake);
}

/* ---- the whole ---- */

void disk_device_init(struct disk_device *device, struct worker *worker, const char *serial,
		      bool legacy)
{
	struct block_disk *shown = &device->block.disk;

	device->worker = worker;
	for (unsigned i = 0; i < BLOCK_REQUESTS; i++)
		device->jobs[i] = (struct disk_job){ .job.run = work, .device = device };
	*shown = (struct block_disk){
		.sectors = device->disk.capacity / BLOCK_SECTOR,
		.read_only = device->disk.read_only,
		.start = start,
		.disk = device,
	};
	if (serial)
		memcpy(shown->serial, serial, strnlen(serial, sizeof shown->serial));
	block_init(&device->block, legacy);
}
