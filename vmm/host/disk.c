// SPDX-License-Identifier: MIT
/*
 * The host's side of a disk. Who calls it: devices.c and vmm/machine/disks.c. Touches the disk's
 * descriptor and memory.
 */
#include "disk.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/pages.h"
#include "vmm/report.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>

#define SECTOR 512

/* ---- opening ---- */

/* Of the bits of its sectors, in bytes. */
static uint64_t bits_size(const struct disk *disk)
{
	return disk->capacity / SECTOR / 8 + sizeof *disk->written_sectors;
}

static void set_size(struct disk *disk, uint64_t size)
{
	if (size == 0)
		die(STATUS_PAYLOAD, "%s %.200s: is empty; give it a size, as truncate(1) does",
		    disk->option, disk->name);
	disk->size = size;
	disk->capacity = (size + SECTOR - 1) / SECTOR * SECTOR;
	if (!disk->is_volatile)
		return;
	/* MAP_NORESERVE, because a disk may be larger than the host's memory. */
	disk->written = pages_take(disk->capacity, MAP_NORESERVE, disk->name);
	disk->written_sectors = pages_take(bits_size(disk), MAP_NORESERVE, disk->name);
}

/* Is the file on a file system that is always in memory? */
static bool is_in_memory(int fd)
{
	struct statfs system = { 0 };

	return sys_fstatfs(fd, &system) == 0 &&
	       (system.f_type == RAMFS_MAGIC || system.f_type == TMPFS_MAGIC);
}

/* The size in bytes of a regular file or a block device. Dies if it is neither. */
static uint64_t size_of(const struct disk *disk, mode_t kind)
{
	long end = sys_lseek(disk->fd, 0, SEEK_END);

	if (!S_ISREG(kind) && !S_ISBLK(kind))
		die(STATUS_PAYLOAD, "%s %.200s: is neither a file nor a block device", disk->option,
		    disk->name);
	return end < 0 ? 0 : (uint64_t)end;
}

uint64_t disk_changed_at(const struct disk *disk)
{
	struct stat status = { 0 };

	if (disk->image || sys_fstat(disk->fd, &status) < 0 || !S_ISREG(status.st_mode))
		return 0;
	return (uint64_t)status.st_mtim.tv_sec * 1000000000 + (uint64_t)status.st_mtim.tv_nsec;
}

/* What a user can do whose option is --disk; others take no such words. */
static const char *advice(const char *option, const char *text)
{
	return strcmp(option, "--disk") ? "" : text;
}

static _Noreturn void refuse_shared(const char *option, const char *path)
{
	die(STATUS_HOST, "%s %.200s: is in use%s", option, path,
	    advice(option, "; a disk can be shared only if each has it with ,ro or ,volatile"));
}

void disk_open_file(struct disk *disk, const char *option, const char *path, bool read_only,
		    bool is_volatile)
{
	bool writes = !read_only && !is_volatile;
	struct stat status = { 0 };
	/* O_EXCL refuses a block device that is mounted, and has no effect on a file (open(2)). */
	int flags = (writes ? O_RDWR | O_EXCL : O_RDONLY) | O_CLOEXEC | O_NONBLOCK;
	long fd = sys_openat(AT_FDCWD, path, flags, 0);

	if (fd == -EBUSY)
		refuse_shared(option, path);
	if (fd < 0)
		die(STATUS_PAYLOAD, "%s %.200s: %s%s", option, path, error_text((int)-fd),
		    fd == -EACCES || fd == -EROFS
			    ? advice(option, "; add ,ro if it shall only be read")
			    : "");
	*disk = (struct disk){ .option = option,
			       .name = path,
			       .fd = (int)fd,
			       .read_only = read_only,
			       .is_volatile = is_volatile };
	(void)sys_fstat(disk->fd, &status);
	set_size(disk, size_of(disk, status.st_mode));
	disk->never_blocks = S_ISREG(status.st_mode) && is_in_memory(disk->fd);
	disk->changed_at = disk_changed_at(disk);
	if (sys_flock(disk->fd, (writes ? LOCK_EX : LOCK_SH) | LOCK_NB) == -EAGAIN)
		refuse_shared(option, path);
}

void disk_open_image(struct disk *disk, const char *name, const uint8_t *image, uint64_t size,
		     bool read_only, bool is_volatile)
{
	*disk = (struct disk){ .option = "--disk",
			       .name = name,
			       .fd = -1,
			       .image = image,
			       .read_only = read_only,
			       .is_volatile = is_volatile,
			       .never_blocks = true };
	set_size(disk, size);
}

/* ---- reading and writing ---- */

/* Copies from an image, up to its end. Returns the number of bytes. */
static size_t copy_image(const struct disk *disk, uint8_t *to, uint64_t offset, size_t size)
{
	if (offset >= disk->size)
		return 0;
	if (size > disk->size - offset)
		size = disk->size - offset;
	memcpy(to, disk->image + offset, size);
	return size;
}

/*
 * A file whose last sector is not whole is padded with zeros, until a write to the sector extends
 * the file. -EIO if the file has become shorter since it was opened.
 */
static int read_bytes(const struct disk *disk, uint8_t *to, uint64_t offset, size_t size, int flags)
{
	size_t done = disk->image ? copy_image(disk, to, offset, size) : 0;

	while (!disk->image && done < size) {
		struct iovec piece = { to + done, size - done };
		long n = sys_preadv2(disk->fd, &piece, 1, offset + done, 0, flags);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	if (done < size && offset + done < disk->size)
		return -EIO;
	memset(to + done, 0, size - done);
	return 0;
}

int disk_read(const struct disk *disk, uint8_t *to, uint64_t offset, size_t size)
{
	return read_bytes(disk, to, offset, size, 0);
}

int disk_write(const struct disk *disk, const uint8_t *from, uint64_t offset, size_t size,
	       bool through)
{
	for (size_t done = 0; done < size;) {
		struct iovec piece = { (void *)(from + done), size - done };
		long n = sys_pwritev2(disk->fd, &piece, 1, offset + done, 0,
				      through ? RWF_DSYNC : 0);

		if (n <= 0)
			return n ? (int)n : -EIO;
		done += (size_t)n;
	}
	return 0;
}

int disk_flush(const struct disk *disk)
{
	return (int)sys_fdatasync(disk->fd);
}

static int write_zeros(const struct disk *disk, uint64_t offset, uint64_t length)
{
	const uint8_t zeros[4096] = { 0 };
	int result = 0;

	while (length && result == 0) {
		size_t size = length < sizeof zeros ? length : sizeof zeros;

		result = disk_write(disk, zeros, offset, size, false);
		offset += size;
		length -= size;
	}
	return result;
}

int disk_zero(const struct disk *disk, uint64_t offset, uint64_t length, bool through)
{
	long result = length ? sys_fallocate(disk->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
					     offset, length)
			     : 0;

	/* Not supported by the file system, or not aligned to a block device's larger sectors. */
	if (result == -EOPNOTSUPP || result == -EINVAL)
		result = write_zeros(disk, offset, length);
	return result == 0 && through ? disk_flush(disk) : (int)result;
}

int disk_discard(const struct disk *disk, uint64_t offset, uint64_t length)
{
	long result = length ? sys_fallocate(disk->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					     offset, length)
			     : 0;

	return result == -EOPNOTSUPP || result == -EINVAL ? 0 : (int)result;
}

/* ---- the overlay of a volatile disk ---- */

static bool is_written(const struct disk *disk, uint64_t sector)
{
	return disk->written_sectors[sector / 64] >> sector % 64 & 1;
}

static void mark_written(struct disk *disk, uint64_t offset, uint64_t length)
{
	for (uint64_t sector = offset / SECTOR; sector < (offset + length) / SECTOR; sector++)
		disk->written_sectors[sector / 64] |= 1ull << sector % 64;
}

void disk_overlay(const struct disk *disk, uint8_t *bytes, uint64_t offset, size_t size)
{
	for (size_t done = 0; done < size; done += SECTOR)
		if (is_written(disk, (offset + done) / SECTOR))
			memcpy(bytes + done, disk->written + offset + done, SECTOR);
}

void disk_zero_overlay(struct disk *disk, uint64_t offset, uint64_t length)
{
	memset(disk->written + offset, 0, length);
	mark_written(disk, offset, length);
}

void disk_drop_overlay(struct disk *disk)
{
	(void)sys_madvise((uintptr_t)disk->written, disk->capacity, MADV_DONTNEED);
	(void)sys_madvise((uintptr_t)disk->written_sectors, bits_size(disk), MADV_DONTNEED);
}

/* ---- without waiting ---- */

/* Reads into one buffer of any size, which may begin and end within a sector. Reads first, and then
 * copies the parts of sectors that are in the overlay over that. */
static int read_piece(const struct disk *disk, const struct iovec *piece, uint64_t offset)
{
	int result = read_bytes(disk, piece->iov_base, offset, piece->iov_len,
				disk->never_blocks ? 0 : RWF_NOWAIT);
	uint8_t *bytes = piece->iov_base;

	for (size_t done = 0, length; result == 0 && done < piece->iov_len; done += length) {
		length = SECTOR - (offset + done) % SECTOR;
		if (length > piece->iov_len - done)
			length = piece->iov_len - done;
		if (is_written(disk, (offset + done) / SECTOR))
			memcpy(bytes + done, disk->written + offset + done, length);
	}
	return result;
}

/* Any error becomes -EAGAIN: doing the request again, with waiting, tells which it is. */
int disk_read_now(struct disk *disk, const struct iovec *pieces, unsigned count, uint64_t offset,
		  uint64_t length)
{
	long n;

	if (!disk->is_volatile && !disk->image) {
		if (disk->never_blocks && count == 1) /* pread64 costs less than preadv2 */
			n = sys_pread64(disk->fd, pieces->iov_base, pieces->iov_len, offset);
		else
			n = sys_preadv2(disk->fd, pieces, count, offset, 0,
					disk->never_blocks ? 0 : RWF_NOWAIT);
		return n == (long)length ? 0 : -EAGAIN;
	}
	for (unsigned i = 0; i < count; i++) {
		int result = disk->is_volatile ? read_piece(disk, &pieces[i], offset)
					       : disk_read(disk, pieces[i].iov_base, offset,
							   pieces[i].iov_len);

		if (result < 0)
			return -EAGAIN;
		offset += pieces[i].iov_len;
	}
	return 0;
}

int disk_write_now(struct disk *disk, const struct iovec *pieces, unsigned count, uint64_t offset,
		   uint64_t length)
{
	uint64_t at = offset;
	long n;

	if (!disk->is_volatile) {
		if (!disk->never_blocks)
			return -EAGAIN;
		n = count == 1 ? sys_pwrite64(disk->fd, pieces->iov_base, pieces->iov_len, offset)
			       : sys_pwritev2(disk->fd, pieces, count, offset, 0, 0);
		return n == (long)length ? 0 : -EAGAIN;
	}
	for (unsigned i = 0; i < count; i++) {
		memcpy(disk->written + at, pieces[i].iov_base, pieces[i].iov_len);
		at += pieces[i].iov_len;
	}
	mark_written(disk, offset, length);
	return 0;
}
