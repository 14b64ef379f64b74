/* SPDX-License-Identifier: MIT */
/*
 * The host's side of a guest's disk: a file, a block device, or a bundled payload in memory. If it
 * `is_volatile`, what the guest writes goes to an overlay in memory instead.
 *
 * Who uses it: devices.c opens it, before the sandbox; vmm/machine/disks.c reads and writes it.
 * Offsets and sizes are in bytes, and multiples of 512 unless said otherwise; functions return 0 or
 * a negative errno.
 */
#ifndef VMM_DISK_H
#define VMM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iovec;

struct disk {
	const char *option, *name; /* for messages; the option is one of the command line's */
	int fd;			   /* -1: the disk is `image` */
	const uint8_t *image;
	uint64_t size;	   /* of the file or image, which need not be a multiple of 512 */
	uint64_t capacity; /* `size` in whole sectors; reads between the two give zeros */
	bool read_only, is_volatile;
	bool never_blocks;	   /* the file or image is always in memory */
	bool failed;		   /* an I/O error of the host has been reported */
	bool is_changed;	   /* a request has changed it, not only its overlay */
	uint64_t changed_at;	   /* disk_changed_at when it was opened */
	uint8_t *written;	   /* the overlay of a volatile disk, `capacity` bytes */
	uint64_t *written_sectors; /* a bit for each of its sectors: the guest has written it */
};

/*
 * Opens a file or block device, for writing unless it is read-only or volatile. Dies if it cannot
 * be opened, if it is in use (flock(2)), or if it is to be written and is mounted.
 */
void disk_open_file(struct disk *disk, const char *option, const char *path, bool read_only,
		    bool is_volatile);
/* Makes a disk of `size` bytes of memory, which must outlive it; read-only, volatile, or both. */
void disk_open_image(struct disk *disk, const char *name, const uint8_t *image, uint64_t size,
		     bool read_only, bool is_volatile);

/* When the file was changed last, in nanoseconds since 1970; 0: nothing tells, as of a block device
 * and of an image. */
uint64_t disk_changed_at(const struct disk *disk);

/* Read and write without waiting. -EAGAIN if that is not possible: the request may have been done
 * in part, and is to be done as a whole by the functions below. */
int disk_read_now(struct disk *disk, const struct iovec *pieces, unsigned count, uint64_t offset,
		  uint64_t length);
int disk_write_now(struct disk *disk, const struct iovec *pieces, unsigned count, uint64_t offset,
		   uint64_t length);

/* Read and write, waiting for the medium. Written data may be in the host's page cache until
 * disk_flush; with `through` it is on the medium. disk_read does not see a volatile disk's overlay.
 */
int disk_read(const struct disk *disk, uint8_t *to, uint64_t offset, size_t size);
int disk_write(const struct disk *disk, const uint8_t *from, uint64_t offset, size_t size,
	       bool through);
/* Makes sure that all that was written is on the medium. */
int disk_flush(const struct disk *disk);
/* disk_zero writes zeros, by freeing space where possible. disk_discard frees space if the host
 * can, and leaves the contents undefined. */
int disk_zero(const struct disk *disk, uint64_t offset, uint64_t length, bool through);
int disk_discard(const struct disk *disk, uint64_t offset, uint64_t length);

/* Of a volatile disk: replaces sectors in bytes that disk_read has read by those in the overlay. */
void disk_overlay(const struct disk *disk, uint8_t *bytes, uint64_t offset, size_t size);
/* Of a volatile disk: it is as when it was opened. */
void disk_drop_overlay(struct disk *disk);
/* Of a volatile disk: writes zeros to the overlay. */
void disk_zero_overlay(struct disk *disk, uint64_t offset, uint64_t length);

#endif
