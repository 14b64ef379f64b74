// SPDX-License-Identifier: MIT
/*
 * vmm/host/disk.c on a fake file: a guest reads what a model of its disk has, whichever part of the
 * file is not in the page cache. Errors: a file that was truncated, and a medium that fails.
 */
#include "reports.h"

#include "vmm/host/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#define FD 7
#define SECTOR 512ul
#define SECTORS 40ul
#define MAX (SECTORS * SECTOR)

/* ---- the kernel ---- */

static struct {
	uint8_t bytes[MAX];
	size_t size;
	unsigned mode;
	struct timespec changed;
	long system; /* magic number of its file system */
	size_t cold; /* bytes behind this are not in the page cache: RWF_NOWAIT ends there */
	long read_error, write_error, zero_error, lock_error, open_error;
	size_t max_moved; /* bytes per call; 0: no limit */
	bool interrupted; /* every third call fails with EINTR */
	bool may_not_wait;
	unsigned opened; /* flags */
	int locked;
	unsigned calls, through, flushes, zeros, holes;
} file;

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static long pread_file(const struct iovec *pieces, size_t count, uint64_t offset, unsigned flags)
{
	size_t end = flags & RWF_NOWAIT ? min(file.size, file.cold) : file.size, moved = 0;

	assert_true(!file.may_not_wait || flags & RWF_NOWAIT || file.system == TMPFS_MAGIC);
	if (file.read_error)
		return file.read_error;
	if (flags & RWF_NOWAIT && offset >= end && offset < file.size)
		return -EAGAIN;
	for (size_t i = 0; i < count; i++) {
		size_t at = offset + moved, room = file.max_moved ? file.max_moved - moved : MAX;
		size_t part = at < end ? min(min(pieces[i].iov_len, end - at), room) : 0;

		memcpy(pieces[i].iov_base, file.bytes + at, part);
		moved += part;
		if (part < pieces[i].iov_len)
			break;
	}
	return (long)moved;
}

static long pwrite_file(const struct iovec *pieces, size_t count, uint64_t offset, unsigned flags)
{
	size_t moved = 0;

	if (file.write_error)
		return file.write_error;
	for (size_t i = 0; i < count; i++) {
		size_t room = file.max_moved ? file.max_moved - moved : MAX;
		size_t part = min(pieces[i].iov_len, room);

		assert_true(offset + moved + part <= MAX);
		memcpy(file.bytes + offset + moved, pieces[i].iov_base, part);
		moved += part;
		if (part < pieces[i].iov_len)
			break;
	}
	file.through += flags & RWF_DSYNC ? 1 : 0;
	if (offset + moved > file.size)
		file.size = offset + moved;
	return (long)moved;
}

static long fallocate_file(unsigned mode, uint64_t offset, uint64_t length)
{
	if (file.zero_error)
		return file.zero_error;
	assert_true(length > 0 && mode & FALLOC_FL_KEEP_SIZE);
	file.zeros += mode & FALLOC_FL_ZERO_RANGE ? 1 : 0;
	file.holes += mode & FALLOC_FL_PUNCH_HOLE ? 1 : 0;
	if (offset < file.size)
		memset(file.bytes + offset, 0, min(length, file.size - offset));
	return 0;
}

static long statfs_file(struct statfs *system)
{
	system->f_type = file.system;
	return 0;
}

static long call_file(long number, long b, long c, long d, long f)
{
	switch (number) {
	case SYS_fstat:
		((struct stat *)b)->st_mode = file.mode;
		((struct stat *)b)->st_mtim = file.changed;
		return 0;
	case SYS_fstatfs:
		return statfs_file((struct statfs *)b);
	case SYS_lseek:
		return (long)file.size;
	case SYS_flock:
		file.locked = (int)b;
		return file.lock_error;
	case SYS_preadv2:
		return pread_file((const struct iovec *)b, (size_t)c, (uint64_t)d, (unsigned)f);
	case SYS_pread64:
		return pread_file(&(struct iovec){ (void *)b, (size_t)c }, 1, (uint64_t)d, 0);
	case SYS_pwrite64:
		return pwrite_file(&(struct iovec){ (void *)b, (size_t)c }, 1, (uint64_t)d, 0);
	case SYS_pwritev2:
		return pwrite_file((const struct iovec *)b, (size_t)c, (uint64_t)d, (unsigned)f);
	case SYS_fallocate:
		return fallocate_file((unsigned)b, (uint64_t)c, (uint64_t)d);
	case SYS_fdatasync:
		file.flushes++;
		return file.write_error;
	default:
		fail_msg("system call %ld", number);
		return 0;
	}
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	if (number == SYS_openat) {
		file.opened = (unsigned)c;
		return file.open_error ? file.open_error : FD;
	}
	if (number == SYS_mmap) /* not freed until the test ends */
		return (long)mmap((void *)a, (size_t)b, (int)c, (int)d, (int)e, f);
	assert_int_equal(a, FD);
	if (file.interrupted && file.calls++ % 3 == 1 &&
	    (number == SYS_preadv2 || number == SYS_pwritev2))
		return -EINTR;
	return call_file(number, b, c, d, f);
}

const char *error_text(int error)
{
	return strerror(error);
}

/* ---- disks ---- */

static struct disk disk;

static void create_file(size_t size)
{
	memset(&file, 0, sizeof file);
	file.size = size;
	file.cold = MAX;
	file.mode = S_IFREG;
	file.system = EXT4_SUPER_MAGIC;
	for (size_t i = 0; i < size; i++)
		file.bytes[i] = (uint8_t)(i / SECTOR + 3 * i + 1);
}

static void open_disk(size_t size, bool read_only, bool is_volatile)
{
	create_file(size);
	disk_open_file(&disk, "--disk", "name", read_only, is_volatile);
}

/* The message with which opening dies; NULL if it succeeds. */
static const char *open_fails(bool read_only, bool is_volatile)
{
	int status = setjmp(on_die);

	if (status)
		return last_report;
	disk_open_file(&disk, "--disk", "name", read_only, is_volatile);
	return NULL;
}

static void test_open(void **state)
{
	(void)state;
	open_disk(1024, false, false);
	assert_int_equal(file.opened & (O_ACCMODE | O_EXCL), O_RDWR | O_EXCL);
	assert_int_equal(file.locked, LOCK_EX | LOCK_NB);
	assert_false(disk.never_blocks);
	open_disk(1024, true, false);
	assert_int_equal(file.opened & (O_ACCMODE | O_EXCL), O_RDONLY);
	assert_int_equal(file.locked, LOCK_SH | LOCK_NB);
	assert_true(disk.read_only);
	open_disk(1024, false, true);
	assert_int_equal(file.opened & (O_ACCMODE | O_EXCL), O_RDONLY);
	assert_int_equal(file.locked, LOCK_SH | LOCK_NB);
	assert_false(disk.read_only);
	/* The capacity is in whole sectors. */
	open_disk(1, false, false);
	assert_int_equal(disk.capacity, 512);
	open_disk(513, false, false);
	assert_int_equal(disk.capacity, 1024);
	create_file(1024);
	file.system = TMPFS_MAGIC;
	disk_open_file(&disk, "--disk", "name", false, false);
	assert_true(disk.never_blocks);
}

/* A block device's time is not that of what is on it. */
static void test_changed(void **state)
{
	static const uint8_t image[SECTOR];

	(void)state;
	open_disk(SECTOR, false, false);
	file.changed = (struct timespec){ 1800000000, 123456789 };
	assert_int_equal(disk_changed_at(&disk), 1800000000123456789);
	file.mode = S_IFBLK;
	assert_int_equal(disk_changed_at(&disk), 0);
	disk_open_image(&disk, "image", image, sizeof image, false, true);
	assert_int_equal(disk_changed_at(&disk), 0);
}

static void test_open_fails(void **state)
{
	(void)state;
	create_file(0);
	assert_non_null(strstr(open_fails(false, false), "is empty"));
	create_file(1024);
	file.mode = S_IFDIR;
	assert_non_null(strstr(open_fails(true, false), "neither a file nor a block device"));
	create_file(1024);
	file.open_error = -ENOENT;
	assert_non_null(strstr(open_fails(false, false), "No such file"));
	file.open_error = -EROFS;
	assert_non_null(strstr(open_fails(false, false), ",ro"));
	file.open_error = -EBUSY; /* a block device that is mounted */
	assert_non_null(strstr(open_fails(false, false), "is in use"));
	create_file(1024);
	file.lock_error = -EAGAIN;
	assert_non_null(strstr(open_fails(false, false), "is in use"));
	file.lock_error = -EOPNOTSUPP; /* a file system without locks */
	assert_null(open_fails(false, false));
	create_file(1024);
	file.mode = S_IFBLK;
	assert_null(open_fails(false, false));
}

/* ---- against a model ---- */

static uint32_t seed;

static uint32_t next(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

/* Divides a buffer into pieces at random. */
static unsigned cut(uint8_t *bytes, size_t size, struct iovec *pieces, unsigned max)
{
	unsigned count = 0;

	while (size && count + 1 < max) {
		size_t length = next() % 3 ? next() % (size + 1) : next() % 600 % (size + 1);

		pieces[count++] = (struct iovec){ bytes, length };
		bytes += length;
		size -= length;
	}
	pieces[count++] = (struct iovec){ bytes, size };
	return count;
}

static uint8_t model[MAX];

/* Reads both without waiting and with waiting. */
static void read_both(uint64_t offset, size_t size)
{
	struct iovec pieces[6];
	uint8_t now[MAX], waiting[MAX];
	unsigned count = cut(now, size, pieces, 6);

	assert_int_equal(disk_read(&disk, waiting, offset, size), 0);
	if (disk.is_volatile)
		disk_overlay(&disk, waiting, offset, size);
	assert_memory_equal(waiting, model + offset, size);
	file.may_not_wait = true;
	if (disk_read_now(&disk, pieces, count, offset, size) == 0)
		assert_memory_equal(now, model + offset, size);
	else
		assert_true(file.cold < file.size || file.size < disk.capacity || file.max_moved ||
			    file.interrupted);
	file.may_not_wait = false;
}

static void write_somehow(uint64_t offset, size_t size)
{
	struct iovec pieces[6];
	uint8_t bytes[MAX];
	unsigned count = cut(bytes, size, pieces, 6);
	int result;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)next();
	memcpy(model + offset, bytes, size);
	result = disk_write_now(&disk, pieces, count, offset, size);
	if (result == -EAGAIN) {
		assert_false(disk.is_volatile);
		result = disk_write(&disk, bytes, offset, size, false);
	}
	assert_int_equal(result, 0);
}

static void zero_somehow(uint64_t offset, size_t size)
{
	memset(model + offset, 0, size);
	if (disk.is_volatile)
		disk_zero_overlay(&disk, offset, size);
	else
		assert_int_equal(disk_zero(&disk, offset, size, false), 0);
}

static void act(void)
{
	unsigned sectors = (unsigned)(disk.capacity / SECTOR);
	uint64_t first = next() % (sectors + 1);
	size_t count = next() % (sectors + 1 - first);

	switch (next() % 6) {
	case 0:
		write_somehow(first * SECTOR, count * SECTOR);
		break;
	case 1:
		zero_somehow(first * SECTOR, count * SECTOR);
		break;
	case 2:
		file.cold = next() % MAX;
		break;
	case 3:
		file.max_moved = next() % 2 ? next() % 2000 + 1 : 0;
		break;
	default:
		read_both(first * SECTOR, count * SECTOR);
	}
}

/* Files of any size, volatile or not. */
static void test_model(void **state)
{
	(void)state;
	for (unsigned script = 0; script < 600; script++) {
		size_t size;
		uint8_t before[MAX];

		seed = script;
		size = next() % 2 ? (next() % SECTORS + 1) * SECTOR : next() % MAX + 1;
		create_file(size);
		file.system = next() % 2 ? TMPFS_MAGIC : EXT4_SUPER_MAGIC;
		file.interrupted = next() % 2;
		file.zero_error = next() % 2 ? -EOPNOTSUPP : 0;
		memcpy(before, file.bytes, MAX);
		memcpy(model, file.bytes, MAX);
		disk_open_file(&disk, "--disk", "name", false, script % 2);
		for (unsigned i = 0; i < 60; i++)
			act();
		file.max_moved = 0;
		read_both(0, disk.capacity);
		if (script % 2) /* volatile */
			assert_memory_equal(file.bytes, before, MAX);
	}
}

/* A bundled image, which must not change. */
static void test_image(void **state)
{
	(void)state;
	for (unsigned script = 0; script < 200; script++) {
		size_t size;
		uint8_t *image;

		seed = script;
		size = next() % MAX + 1;
		image = malloc(size); /* so that ASan finds a read behind its end */
		create_file(size);
		memcpy(image, file.bytes, size);
		memcpy(model, file.bytes, MAX);
		disk_open_image(&disk, "name", image, size, !(script % 2), script % 2);
		assert_int_equal(disk.read_only, !(script % 2));
		for (unsigned i = 0; i < 20; i++) {
			unsigned sectors = (unsigned)(disk.capacity / SECTOR);
			uint64_t first = next() % (sectors + 1);
			size_t count = next() % (sectors + 1 - first);

			if (script % 2 && next() % 2)
				write_somehow(first * SECTOR, count * SECTOR);
			read_both(first * SECTOR, count * SECTOR);
		}
		assert_memory_equal(image, file.bytes, size);
		free(image);
	}
}

/* ---- errors ---- */

/* Reading behind the end of a file that was truncated is an error, and gives no zeros. */
static void test_short_file(void **state)
{
	uint8_t bytes[1024];
	struct iovec piece = { bytes, sizeof bytes };

	(void)state;
	for (unsigned is_volatile = 0; is_volatile < 2; is_volatile++) {
		open_disk(4096, false, is_volatile);
		file.size = 1000;
		assert_int_equal(disk_read_now(&disk, &piece, 1, 0, 1024), -EAGAIN);
		assert_int_equal(disk_read(&disk, bytes, 0, 1024), -EIO);
		assert_int_equal(disk_read(&disk, bytes, 2048, 1024), -EIO);
		assert_int_equal(disk_read(&disk, bytes, 0, 512), 0);
	}
}

/* Any error without waiting is EAGAIN; the read with waiting gives the actual error. */
static void test_read_errors(void **state)
{
	static const long errors[] = { -EAGAIN, -EOPNOTSUPP, -EIO, -EINVAL };
	uint8_t bytes[1024];
	struct iovec piece = { bytes, sizeof bytes };

	(void)state;
	for (unsigned is_volatile = 0; is_volatile < 2; is_volatile++)
		for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
			open_disk(4096, false, is_volatile);
			file.read_error = errors[i];
			assert_int_equal(disk_read_now(&disk, &piece, 1, 0, 1024), -EAGAIN);
			assert_int_equal(disk_read(&disk, bytes, 0, 1024), errors[i]);
		}
}

static void test_write_errors(void **state)
{
	uint8_t bytes[1024] = { 0 };
	struct iovec piece = { bytes, sizeof bytes };

	(void)state;
	create_file(4096);
	file.system = TMPFS_MAGIC;
	disk_open_file(&disk, "--disk", "name", false, false);
	file.write_error = -ENOSPC;
	assert_int_equal(disk_write_now(&disk, &piece, 1, 0, 1024), -EAGAIN);
	assert_int_equal(disk_write(&disk, bytes, 0, 1024, false), -ENOSPC);
	assert_int_equal(disk_flush(&disk), -ENOSPC);
	/* The same for zeros that have to be written. */
	file.zero_error = -EOPNOTSUPP;
	assert_int_equal(disk_zero(&disk, 0, 1024, false), -ENOSPC);
	file.zero_error = -EIO;
	assert_int_equal(disk_zero(&disk, 0, 1024, false), -EIO);
	assert_int_equal(disk_discard(&disk, 0, 1024), -EIO);
	file.zero_error = -EOPNOTSUPP; /* discard is optional */
	assert_int_equal(disk_discard(&disk, 0, 1024), 0);
	/* Short writes. */
	file.write_error = 0;
	file.max_moved = 100;
	assert_int_equal(disk_write_now(&disk, &piece, 1, 0, 1024), -EAGAIN);
	assert_int_equal(disk_write(&disk, bytes, 0, 1024, false), 0);
}

/* RWF_DSYNC is used, and zeros are flushed, only with `through`. */
static void test_through(void **state)
{
	uint8_t bytes[1024] = { 0 };

	(void)state;
	open_disk(4096, false, false);
	assert_int_equal(disk_write(&disk, bytes, 0, 1024, false), 0);
	assert_int_equal(file.through, 0);
	assert_int_equal(disk_write(&disk, bytes, 0, 1024, true), 0);
	assert_int_equal(file.through, 1);
	assert_int_equal(disk_flush(&disk), 0);
	assert_int_equal(file.flushes, 1);
	assert_int_equal(disk_zero(&disk, 0, 1024, false), 0);
	assert_int_equal(file.flushes, 1);
	assert_int_equal(disk_zero(&disk, 0, 1024, true), 0);
	assert_int_equal(file.flushes, 2);
	assert_int_equal(file.zeros, 2);
	assert_int_equal(disk_discard(&disk, 0, 1024), 0);
	assert_int_equal(file.holes, 1);
	/* An empty range is no error, although fallocate(2) would fail. */
	assert_int_equal(disk_zero(&disk, 512, 0, false), 0);
	assert_int_equal(disk_discard(&disk, 512, 0), 0);
	assert_int_equal(file.zeros + file.holes, 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),	     cmocka_unit_test(test_open_fails),
		cmocka_unit_test(test_model),	     cmocka_unit_test(test_image),
		cmocka_unit_test(test_short_file),   cmocka_unit_test(test_read_errors),
		cmocka_unit_test(test_write_errors), cmocka_unit_test(test_through),
		cmocka_unit_test(test_changed),
	};

	return RUN(tests);
}
