// SPDX-License-Identifier: MIT
/*
 * Saves what volatile disks hold, and the files that fw_cfg hands to firmware. Who calls it:
 * save.c, in a pause in which no request is under way. Touches the file; reads disks.
 */
#include "save.h"

#include "crt/crt.h"

/* What is saved, one after the other: fw_cfg's files as if they were disks, and disks. */
#define PARTS (FW_CFG_FILES + VIRTIO_SLOTS)

/* Part `n`, for which `file` is memory; NULL: it is not to be saved. */
static const struct disk *part_of(const struct machine *machine, unsigned n, struct disk *file)
{
	const struct disk_device *device;

	if (n >= FW_CFG_FILES) {
		device = snapshot_disk(&machine->virtio[n - FW_CFG_FILES]);
		return device && device->disk.is_volatile ? &device->disk : NULL;
	}
	file->image = machine->fw_cfg.files[n].bytes;
	file->size = file->capacity = machine->fw_cfg.files[n].size;
	return file->size ? file : NULL;
}

static uint64_t size_in_file(const struct disk *disk)
{
	return (disk->capacity + SNAPSHOT_ALIGN - 1) & -SNAPSHOT_ALIGN;
}

/* The next bytes of a disk, as many as have room; what is behind its end is zero. */
static int read_part(const struct disk *disk, uint8_t *buffer, uint64_t at)
{
	size_t size = disk->capacity - at < SNAPSHOT_ALIGN ? disk->capacity - at : SNAPSHOT_ALIGN;
	int result = disk_read(disk, buffer, at, size);

	if (disk->is_volatile)
		disk_overlay(disk, buffer, at, size);
	memset(buffer + size, 0, SNAPSHOT_ALIGN - size);
	return result;
}

/* All of it but pages of zeros, which are holes if the file can have them. */
static int save_disk(const struct disk *disk, const struct passes *passes,
		     const struct snapshot_extent *extent, uint64_t *checksum)
{
	int result = 0;

	for (uint64_t at = 0; at < extent->size && result == 0; at += SNAPSHOT_PAGE) {
		const uint8_t *page = passes->buffer + at % SNAPSHOT_ALIGN;
		uint64_t of_page;

		if (at % SNAPSHOT_ALIGN == 0)
			result = read_part(disk, passes->buffer, at);
		of_page = snapshot_page_checksum(at, page);
		*checksum += of_page;
		if (result == 0 && (of_page || !passes->has_holes))
			result = saver_write(passes->fd, page, SNAPSHOT_PAGE, extent->offset + at);
	}
	return result;
}

uint64_t save_disks_size(const struct machine *machine)
{
	struct disk file = { .fd = -1 };
	uint64_t size = 0;

	for (unsigned n = 0; n < PARTS; n++) {
		const struct disk *disk = part_of(machine, n, &file);

		size += disk ? size_in_file(disk) : 0;
	}
	return size;
}

int save_disks(struct snapshot_writer *writer, const struct passes *passes, uint64_t *end,
	       uint64_t *checksum)
{
	struct disk file = { .fd = -1 };
	int result = 0;

	for (unsigned n = 0; n < PARTS && result == 0; n++) {
		const struct disk *disk = part_of(passes->machine, n, &file);
		struct snapshot_extent *extent;

		if (!disk)
			continue;
		extent = snapshot_add(writer, disk == &file ? SNAPSHOT_FW_CFG : SNAPSHOT_DISK,
				      disk == &file ? n : n - FW_CFG_FILES, disk->capacity,
				      sizeof *extent);
		*extent = (struct snapshot_extent){ .size = size_in_file(disk), .offset = *end };
		*end += extent->size;
		result = save_disk(disk, passes, extent, checksum);
	}
	return result;
}
