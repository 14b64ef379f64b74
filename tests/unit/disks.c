// SPDX-License-Identifier: MIT
/*
 * vmm/machine/disks.c, with the real disk.c: requests that are carried out at once, requests that
 * the worker carries out when the test lets it, and resets in between.
 */
#include "reports.h"

#include "driver.h"
#include "vmm/machine/disks.h"
#include "vmm/wake.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define FILE_SIZE (8u << 20)

/* ---- the host ---- */

static uint8_t file[FILE_SIZE];
static uint64_t cold; /* bytes behind this are not in the page cache: RWF_NOWAIT ends there */
static bool is_tmpfs;
static int file_error;
static unsigned flushes;

static long move(bool is_read, const struct iovec *pieces, size_t count, uint64_t offset, int flags)
{
	uint64_t end = is_read && flags & RWF_NOWAIT ? cold : FILE_SIZE, at = offset;

	for (size_t i = 0; i < count && at < end; i++) {
		size_t part = pieces[i].iov_len < end - at ? pieces[i].iov_len : end - at;

		memcpy(is_read ? pieces[i].iov_base : file + at,
		       is_read ? file + at : pieces[i].iov_base, part);
		at += part;
	}
	return at == offset && count && pieces[0].iov_len ? -EAGAIN : (long)(at - offset);
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	switch (number) {
	case SYS_mmap:
		return (long)mmap((void *)a, (size_t)b, (int)c, (int)d, (int)e, f);
	case SYS_fstat:
		((struct stat *)b)->st_mode = S_IFREG;
		return 0;
	case SYS_madvise:
		return madvise((void *)a, (size_t)b, (int)c);
	case SYS_fstatfs:
		((struct statfs *)b)->f_type = is_tmpfs ? TMPFS_MAGIC : EXT4_SUPER_MAGIC;
		return 0;
	case SYS_lseek:
		return FILE_SIZE;
	case SYS_preadv2:
	case SYS_pwritev2:
		return file_error ? file_error
				  : move(number == SYS_preadv2, (const struct iovec *)b, (size_t)c,
					 (uint64_t)d, (int)f);
	case SYS_pread64:
	case SYS_pwrite64:
		return file_error
			       ? file_error
			       : move(number == SYS_pread64,
				      &(struct iovec){ (void *)b, (size_t)c }, 1, (uint64_t)d, 0);
	case SYS_fdatasync:
		flushes++;
		return file_error;
	case SYS_fallocate:
		return file_error;
	default:
		return 0;
	}
}

const char *error_text(int error)
{
	return strerror(error);
}

/* ---- the rest of the monitor ---- */

static struct disk_device device;
static struct worker worker;
static struct lock lock;
static struct job *jobs[BLOCK_REQUESTS];
static unsigned job_count;
static unsigned releases,
	reset_at; /* releases of the device's lock; the one after which the device is reset */
static enum block_status answers[BLOCK_REQUESTS];
static unsigned answered;

static void reset_device(void)
{
	for (unsigned i = 0; i < BLOCK_REQUESTS; i++)
		device.block.requests[i].cancelled = true;
}

void lock_acquire(struct lock *taken)
{
	assert_int_equal(taken->state++, 0);
}

void lock_release(struct lock *taken)
{
	assert_int_equal(taken->state--, 1);
	if (++releases == reset_at)
		reset_device();
}

/* Who saves the guest waits in a pause for what is under way. */
static struct run run;
static bool is_pausing;
static unsigned wakes;

bool run_pause_asked(const struct run *of)
{
	assert_ptr_equal(of, &run);
	return is_pausing;
}

void wake_loop(int wake)
{
	assert_int_equal(wake, run.loop.wake);
	wakes++;
}

void worker_add(struct worker *to, struct job *job)
{
	assert_ptr_equal(to, &worker);
	jobs[job_count++] = job;
}

void block_init(struct virtio_block *block, bool legacy)
{
	(void)block, (void)legacy;
}

void block_complete(struct virtio_block *block, struct block_request *request,
		    enum block_status status)
{
	assert_ptr_equal(block, &device.block);
	assert_int_equal(lock.state, 1);
	answers[request - block->requests] = status;
	answered++;
	request->under_way = false;
}

static void work_once(void)
{
	struct job *job = jobs[0];

	assert_true(job_count > 0);
	job_count--;
	for (unsigned i = 0; i < job_count; i++)
		jobs[i] = jobs[i + 1];
	ram_watch();
	job->run(job);
	assert_true(ram_is_marked());
}

/* ---- requests ---- */

static void open_disk(bool tmpfs, bool is_volatile)
{
	memset(&device, 0, sizeof device);
	memset(ram, 0, RAM_SIZE);
	for (unsigned i = 0; i < FILE_SIZE; i++)
		file[i] = (uint8_t)(i / 512 * 31 + i);
	is_tmpfs = tmpfs;
	cold = FILE_SIZE;
	file_error = 0;
	job_count = answered = flushes = releases = reset_at = 0;
	disk_open_file(&device.disk, "--disk", "name", false, is_volatile);
	disk_device_init(&device, &worker, "serial", false);
	device.lock = &lock;
	device.run = &run;
	device.block.virtio.wires.dma = ram_dma;
	device.block.virtio.queues[0].dma = &ram_dma;
}

/* Starts a request. True if it is done at once. */
static bool begin(unsigned n, enum block_operation operation, uint64_t offset, uint64_t length,
		  unsigned pieces)
{
	struct block_request *request = &device.block.requests[n];
	enum block_status status = BLOCK_UNSUPP;
	bool is_done;

	*request = (struct block_request){ .operation = operation,
					   .offset = offset,
					   .length = length,
					   .under_way = true,
					   .pieces = request->chain.pieces,
					   .piece_count = pieces };
	for (unsigned i = 0; i < pieces; i++)
		request->chain.pieces[i] = (struct piece){ ram, length / pieces };
	if (operation == BLOCK_READ)
		request->chain.writable = (uint16_t)pieces;
	else
		request->chain.readable = (uint16_t)pieces;
	lock_acquire(&lock);
	ram_watch();
	is_done = device.block.disk.start(device.block.disk.disk, request, &status);
	assert_true(ram_is_marked());
	lock_release(&lock);
	if (is_done) {
		answers[n] = status;
		request->under_way = false;
	}
	return is_done;
}

static void fill(uint8_t value)
{
	memset(ram, value, RAM_SIZE);
}

/* Reads this sector as the guest does. */
static uint8_t sector_byte(uint64_t offset)
{
	cold = FILE_SIZE;
	if (!begin(BLOCK_REQUESTS - 1, BLOCK_READ, offset, 512, 1))
		while (job_count)
			work_once();
	assert_int_equal(answers[BLOCK_REQUESTS - 1], BLOCK_OK);
	return ram[0];
}

/* Which operations are done at once, and which are passed to the worker, for each kind of disk. */
static void test_who_does_it(void **state)
{
	static const struct {
		bool tmpfs, is_volatile;
		bool at_once[BLOCK_WRITE_ZEROES + 1]; /* by operation: done at once */
	} rows[] = {
		{ false, false, { true, false, false, false, false } },
		{ true, false, { true, true, true, false, false } },
		{ false, true, { true, true, true, true, true } },
		{ true, true, { true, true, true, true, true } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (unsigned operation = 0; operation <= BLOCK_WRITE_ZEROES; operation++) {
			unsigned pieces = operation <= BLOCK_WRITE;

			open_disk(rows[i].tmpfs, rows[i].is_volatile);
			assert_int_equal(begin(0, operation, 512,
					       operation == BLOCK_FLUSH ? 0 : 512, pieces),
					 rows[i].at_once[operation]);
			while (job_count)
				work_once();
			assert_int_equal(answers[0], BLOCK_OK);
			assert_int_equal(flushes, operation == BLOCK_FLUSH && i == 0);
			assert_int_equal(device.disk.is_changed, operation != BLOCK_READ &&
									 operation != BLOCK_FLUSH &&
									 !rows[i].is_volatile);
		}
}

/* A read of which only a part is in the page cache marks its buffers as written, whatever follows.
 */
static void test_partial_read(void **state)
{
	(void)state;
	for (unsigned is_volatile = 0; is_volatile < 2; is_volatile++) {
		open_disk(false, is_volatile);
		cold = 512;
		assert_false(begin(0, BLOCK_READ, 0, 2048, 4));
		assert_int_equal(job_count, 1);
		work_once();
		assert_int_equal(answers[0], BLOCK_OK);
		assert_memory_equal(ram, file + 1536, 512); /* all four pieces are one buffer */
	}
}

/* Writes are done after those from before a reset, but on a volatile disk they need not wait. */
static void test_order(void **state)
{
	(void)state;
	open_disk(true, false);
	file_error = -EIO; /* so that the request is passed to the worker */
	fill(1);
	assert_false(begin(0, BLOCK_WRITE, 0, 512, 1));
	reset_device();
	file_error = 0;
	fill(2);
	assert_false(begin(1, BLOCK_WRITE, 0, 512, 1));
	assert_false(begin(2, BLOCK_READ, 0, 512, 1));
	while (job_count)
		work_once();
	assert_int_equal(file[0], 2);
	assert_true(
		begin(3, BLOCK_WRITE, 0, 512, 1)); /* no cancelled request is under way any more */

	open_disk(false, true);
	cold = 0;
	assert_false(begin(0, BLOCK_READ, 0, 512, 1));
	reset_device();
	fill(3);
	assert_true(begin(1, BLOCK_WRITE, 0, 512, 1));
	assert_int_equal(answers[1], BLOCK_OK);
	assert_true(begin(2, BLOCK_WRITE_ZEROES, 512, 512, 0));
	assert_int_equal(answers[2], BLOCK_OK);
	fill(4);
	work_once();
	assert_int_equal(ram[0], 4); /* the read was cancelled */
	assert_int_equal(sector_byte(0), 3);
	assert_int_equal(sector_byte(512), 0);
}

/* Long requests are passed to the worker, so that a vCPU's thread is not busy for seconds. */
static void test_long(void **state)
{
	const uint64_t size = 4u << 20;
	const unsigned pieces = 64; /* each is all of RAM */

	(void)state;
	for (unsigned is_volatile = 0; is_volatile < 2; is_volatile++) {
		open_disk(true, is_volatile);
		fill(5);
		assert_false(begin(0, BLOCK_WRITE, 0, size, pieces));
		work_once();
		assert_int_equal(answers[0], BLOCK_OK);
		assert_int_equal(sector_byte(0), 5);
		assert_int_equal(sector_byte(size - 512), 5);
		assert_int_equal(sector_byte(size), file[size]);
		assert_false(begin(0, BLOCK_READ, 0, size, pieces));
		work_once();
		assert_int_equal(ram[RAM_SIZE - 1], 5);
		assert_false(begin(0, BLOCK_WRITE_ZEROES, 0, size, 0));
		work_once();
		assert_int_equal(answers[0], BLOCK_OK);
		assert_false(begin(0, BLOCK_DISCARD, size, size, 0));
		work_once();
		assert_int_equal(answers[0], BLOCK_OK);
		if (is_volatile)
			assert_int_equal(sector_byte(size - 512), 0);
	}
}

/* After a reset in the middle of a request, no more is copied from or to the guest. */
static void test_reset_between(void **state)
{
	static const enum block_operation operations[] = { BLOCK_WRITE, BLOCK_WRITE_ZEROES };
	const uint64_t size = 4u << 20;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		open_disk(true, true);
		fill(6);
		assert_false(begin(0, operations[i], 0, size, i ? 0 : 64));
		releases = 0;
		reset_at = 2; /* after two chunks */
		work_once();
		assert_int_equal(sector_byte(DISK_CHUNK), i ? 0 : 6);
		assert_int_equal(sector_byte(2ul * DISK_CHUNK), file[2ul * DISK_CHUNK]);
	}
	open_disk(true, false);
	assert_false(begin(0, BLOCK_READ, 0, size, 64));
	releases = 0;
	reset_at = 2;
	fill(0);
	work_once();
	assert_memory_equal(ram, file + DISK_CHUNK, RAM_SIZE);
}

/* A host's error becomes the guest's I/O error, and only the first is reported. */
static void test_errors(void **state)
{
	(void)state;
	open_disk(false, false);
	reports = 0;
	file_error = -EIO;
	for (unsigned operation = 0; operation <= BLOCK_WRITE_ZEROES; operation++) {
		assert_false(begin(0, operation, 0, operation == BLOCK_FLUSH ? 0 : 512,
				   operation <= BLOCK_WRITE));
		work_once();
		assert_int_equal(answers[0], BLOCK_IOERR);
	}
	assert_int_equal(reports, 1);
	assert_non_null(strstr(last_report, "read of 512 bytes at 0: Input/output error"));
}

/* A guest that goes back to a snapshot has its volatile disk as it was opened. */
static void test_drop(void **state)
{
	(void)state;
	open_disk(true, true);
	fill(7);
	assert_true(begin(0, BLOCK_WRITE, 512, 512, 1));
	assert_true(begin(1, BLOCK_WRITE_ZEROES, FILE_SIZE - 512, 512, 0));
	assert_int_equal(sector_byte(512), 7);
	disk_drop_overlay(&device.disk);
	for (uint64_t offset = 0; offset < FILE_SIZE; offset += 512)
		assert_int_equal(sector_byte(offset), file[offset]);
}

static void test_serial(void **state)
{
	(void)state;
	open_disk(true, false);
	assert_string_equal(device.block.disk.serial, "serial");
	assert_int_equal(device.block.disk.sectors, FILE_SIZE / 512);
	disk_device_init(&device, &worker, "longer than twenty characters", false);
	assert_memory_equal(device.block.disk.serial, "longer than twenty c", 20);
	disk_device_init(&device, &worker, NULL, false);
	assert_int_equal(device.block.disk.serial[0], 0);
}

/* Who waits in a pause until nothing is under way is woken by each request that is over by then. */
static void test_wakes(void **state)
{
	(void)state;
	open_disk(false, false);
	for (unsigned i = 0; i < 2; i++) {
		is_pausing = i;
		wakes = 0;
		assert_false(begin(0, BLOCK_FLUSH, 0, 0, 0));
		assert_int_equal(wakes, 0);
		work_once();
		assert_int_equal(wakes, i);
	}
	is_pausing = false;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_does_it),   cmocka_unit_test(test_partial_read),
		cmocka_unit_test(test_order),	      cmocka_unit_test(test_long),
		cmocka_unit_test(test_reset_between), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_serial),	      cmocka_unit_test(test_wakes),
		cmocka_unit_test(test_drop),
	};

	return RUN(tests);
}
