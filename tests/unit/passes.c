// SPDX-License-Identifier: MIT
/*
 * vmm/snapshot/passes.c: whatever CPUs and devices write between and in the passes, the file has
 * the memory as it is at the end, in extents that a snapshot may have. KVM's log is a stand-in.
 */
#include "reports.h"

#include "vmm/host/saver.h"
#include "vmm/snapshot/passes.h"

#include <errno.h>
#include <linux/auxvec.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB (1ul << 20)
#define RAM (16 * MIB)
#define START 0x30000 /* of memory in the file */

static struct machine machine;
static struct passes passes;
static unsigned long page;

unsigned long test_getauxval(unsigned long type);
unsigned long test_getauxval(unsigned long type)
{
	assert_int_equal(type, AT_PAGESZ);
	return page;
}

const char *error_text(int error)
{
	return strerror(error);
}

void lock_acquire(struct lock *lock)
{
	(void)lock;
}

void lock_release(struct lock *lock)
{
	(void)lock;
}

/* ---- the guest ---- */

static uint64_t seed;
static uint64_t kvm_log[RAM / 4096 / 64]; /* a bit for each page that may have been written */
static bool starts_set, is_apart, is_logging;
static uint64_t span; /* where the guest writes: so many bytes from the start of RAM */
static unsigned busy; /* writes at each opportunity */
static bool flickers; /* a page is another one while it is written to the file, but not before */

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Of a CPU, or of a device: a byte that is often zero. */
static void write_ram(uint64_t offset, uint8_t value, bool by_cpu)
{
	machine.memory.host[offset] = value;
	if (!by_cpu)
		memory_mark(&machine.memory, machine.memory.host + offset, 1);
	else if (is_logging)
		kvm_log[offset / page / 64] |= 1ull << offset / page % 64;
}

static void write_flash(uint64_t offset, uint8_t value)
{
	struct flash_bank *bank = &machine.banks[offset / FLASH_BANK];
	uint32_t bit = 1u << offset % FLASH_BANK / FLASH_BLOCK;
	uint8_t *block = machine.flash.host + offset / FLASH_BLOCK * FLASH_BLOCK;

	if (!(bank->written & bit)) {
		memset(block, 0xff, FLASH_BLOCK);
		memory_mark(&machine.flash, block, FLASH_BLOCK);
	}
	bank->written |= bit;
	machine.flash.host[offset] = value;
	memory_mark(&machine.flash, machine.flash.host + offset, 1);
}

/* Zeroes a page, as a guest does that frees it. */
static void zero_page(uint64_t offset)
{
	offset &= -4096ul;
	for (unsigned i = 0; i < 4096; i++)
		write_ram(offset + i, 0, true);
}

static void act(void)
{
	for (unsigned i = 0; i < busy; i++) {
		uint64_t random = next(), offset = next() % span;

		write_ram(offset, random & 1 ? (uint8_t)(random >> 8) : 0, random & 2);
		if (random % 64 == 5)
			zero_page(offset);
		if (random % 256 == 7)
			write_flash(next() % FLASH_SIZE, (uint8_t)random);
	}
}

/* ---- KVM ---- */

int dirty_log_start(struct dirty_log *log, const struct vm *vm, unsigned slot, gpa_t at,
		    void *memory, uint64_t size)
{
	assert_ptr_equal(vm, &machine.vm);
	assert_int_equal(slot, RAM_SLOT);
	assert_int_equal(at.address, RAM_BASE);
	assert_ptr_equal(memory, machine.memory.host);
	assert_int_equal(size, RAM);
	assert_false(is_logging);
	log->slot = slot;
	memset(kvm_log, 0, sizeof kvm_log);
	memset(kvm_log, starts_set ? 0xff : 0, RAM / page / 8);
	is_logging = true;
	return 0;
}

int dirty_log_read(const struct dirty_log *log, uint64_t *bits)
{
	(void)log;
	assert_true(is_logging);
	memcpy(bits, kvm_log, (RAM / page + 63) / 64 * 8);
	if (!is_apart)
		memset(kvm_log, 0, sizeof kvm_log);
	return 0;
}

int dirty_log_clear(const struct dirty_log *log, const uint64_t *bits, uint64_t first,
		    uint32_t count)
{
	(void)log;
	assert_int_equal(first % 64, 0);
	assert_true(count % 64 == 0 || first + count == RAM / page);
	assert_true(first + count <= RAM / page);
	for (uint64_t i = 0; is_apart && i < (count + 63) / 64; i++)
		kvm_log[first / 64 + i] &= ~bits[i];
	return 0;
}

int dirty_log_stop(const struct dirty_log *log, gpa_t at, void *memory, uint64_t size)
{
	(void)log, (void)at, (void)memory, (void)size;
	assert_true(is_logging);
	is_logging = false;
	return 0;
}

/* ---- the file ---- */

static int file;
static uint64_t room; /* bytes that it may have */

static uint8_t *map(size_t size)
{
	uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

/* In pages of the size that the test has chosen, of which this machine has several. */
static int tell_present(void *memory, size_t size, uint8_t *present)
{
	unsigned char own[1024];

	assert_true(size <= 64 * page);
	assert_int_equal(mincore(memory, size, own), 0);
	memset(present, 0, size / page);
	for (size_t i = 0; i < size / 4096; i++)
		present[i * 4096 / page] |= own[i] & 1;
	return 0;
}

int saver_write(int fd, const void *bytes, uint64_t size, uint64_t at)
{
	ssize_t result = -ENOSPC;
	uint8_t was = machine.memory.host[5000];

	assert_int_equal(fd, file);
	if (flickers)
		write_ram(5000, 77, true);
	act(); /* before the memory is read, and after */
	if (at + size <= room)
		result = pwrite(file, bytes, size, (off_t)at);
	if (flickers)
		write_ram(5000, was, true);
	act();
	return result < 0 ? (int)result : 0;
}

/* The numbers are those of the guest's architecture. */
long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)d, (void)e, (void)f;
	switch (number) {
	case SYS_mmap:
		return (long)map((size_t)b);
	case SYS_mincore:
		return tell_present((void *)a, (size_t)b, (uint8_t *)c);
	case SYS_madvise:
		return madvise((void *)a, (size_t)b, (int)c);
	case SYS_sysinfo: /* without swap */
		memset((void *)a, 0, 64);
		return 0;
	default:
		fail_msg("system call %ld", number);
		return 0;
	}
}

/* A device has something else on it, and no holes. */
static void begin(bool is_live, bool is_device)
{
	static uint8_t rubbish[SNAPSHOT_ALIGN];

	machine = (struct machine){
		.memory = { .base = GPA(RAM_BASE), .size = RAM, .host = map(RAM) },
		.flash = { .base = GPA(FLASH_BASE), .size = FLASH_SIZE, .host = map(FLASH_SIZE) },
	};
	file = memfd_create("snapshot", 0);
	room = UINT64_MAX;
	passes_create(&passes, &machine);
	busy *= 50; /* there is something, at first */
	act();
	busy /= 50;
	assert_int_equal(passes_begin(&passes, START, is_live), 0);
	memset(rubbish, 0x5a, sizeof rubbish);
	for (uint64_t at = START; is_device && at < RAM; at += sizeof rubbish)
		assert_int_equal(pwrite(file, rubbish, sizeof rubbish, (off_t)at), sizeof rubbish);
	passes_set_file(&passes, file, !is_device, true);
}

static void end(void)
{
	passes_end(&passes, false);
	assert_false(is_logging);
	assert_null(machine.memory.dirty);
	assert_null(machine.flash.dirty);
	munmap(machine.memory.host, RAM);
	munmap(machine.flash.host, FLASH_SIZE);
	munmap(passes.dirty,
	       (size_t)((char *)(passes.extents + SNAPSHOT_EXTENTS) - (char *)passes.dirty));
	close(file);
}

static int finish_pass(void)
{
	int result;

	while ((result = passes_step(&passes)) > 0)
		act();
	return result;
}

/* ---- what the file has ---- */

static uint8_t *memory_of_extent(const struct snapshot_extent *extent)
{
	if (extent->at >= RAM_BASE) {
		assert_true(extent->at - RAM_BASE + extent->size <= RAM);
		return machine.memory.host + (extent->at - RAM_BASE);
	}
	assert_true(extent->at + extent->size <= FLASH_SIZE);
	return machine.flash.host + extent->at;
}

static bool is_zero(const uint8_t *bytes, uint64_t size)
{
	return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* All that is not in an extent is zero; of the flash what counts. */
static void check_rest(void)
{
	for (uint64_t at = 0; at < RAM + FLASH_SIZE; at += SNAPSHOT_ALIGN) {
		uint64_t address = at < RAM ? RAM_BASE + at : at - RAM;
		const struct flash_bank *bank = &machine.banks[address / FLASH_BANK % 2];
		unsigned found = 0;

		for (unsigned i = 0; i < passes.count; i++)
			found += address - passes.extents[i].at < passes.extents[i].size;
		assert_true(found <= 1);
		if (found ||
		    (at >= RAM && !(bank->written >> address % FLASH_BANK / FLASH_BLOCK & 1)))
			continue;
		assert_true(
			is_zero(at < RAM ? machine.memory.host + at : machine.flash.host + address,
				SNAPSHOT_ALIGN));
	}
}

static void check_file(void)
{
	uint8_t *bytes = malloc(RAM + FLASH_SIZE);
	uint64_t checksum = 0, at = START;

	assert_true(passes.count <= SNAPSHOT_EXTENTS);
	assert_int_equal(ftruncate(file, (off_t)passes.end), 0);
	for (unsigned i = 0; i < passes.count; i++) {
		const struct snapshot_extent *extent = &passes.extents[i];

		assert_int_equal((extent->at | extent->size | extent->offset) % SNAPSHOT_ALIGN, 0);
		assert_int_equal(extent->offset, at);
		at += extent->size;
		assert_int_equal(pread(file, bytes, extent->size, (off_t)extent->offset),
				 extent->size);
		assert_memory_equal(bytes, memory_of_extent(extent), extent->size);
		for (uint64_t done = 0; done < extent->size; done += SNAPSHOT_PAGE)
			checksum += snapshot_page_checksum(extent->at + done, bytes + done);
	}
	free(bytes);
	assert_int_equal(at, passes.end);
	assert_int_equal(checksum, passes.checksum);
	check_rest();
}

/* ---- the tests ---- */

static const struct {
	unsigned long page;
	bool starts_set, is_apart;
} kinds[] = {
	{ 4096, true, true },  { 4096, false, true }, { 4096, false, false },
	{ 16384, true, true }, { 65536, true, true }, { 65536, false, false },
};

static void take_kind(size_t i)
{
	page = kinds[i].page;
	starts_set = kinds[i].starts_set;
	is_apart = kinds[i].is_apart;
	seed = i + 1;
}

static void a_busy_guest_is_saved_as_it_is_at_the_end(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		for (unsigned count = 0; count < 3; count++) {
			take_kind(i);
			span = RAM >> 2 * (count % 3);
			busy = 20;
			begin(true, count == 1);
			for (unsigned pass = 0; pass < count; pass++) {
				assert_int_equal(finish_pass(), 0);
				assert_true(passes_next(&passes) > 0);
			}
			for (unsigned steps = 0; steps < 100 * count && passes_step(&passes) > 0;
			     steps++)
				act();
			busy = 0;
			assert_int_equal(passes_finish(&passes), 0);
			check_file();
			end();
		}
	}
}

static void a_guest_that_stands_still_is_saved_at_once(void **unused)
{
	(void)unused;
	take_kind(0);
	span = RAM;
	busy = 50;
	begin(true, false);
	end();
	begin(false, false);
	busy = 0;
	assert_int_equal(passes_finish(&passes), 0);
	assert_false(is_logging);
	check_file();
	end();
}

/* A pass writes what was written since the one before, and nothing else. */
static void a_pass_writes_what_has_changed(void **unused)
{
	(void)unused;
	take_kind(0);
	span = 8 * MIB;
	busy = 0;
	begin(true, false);
	for (uint64_t at = 0; at < span; at += 4096)
		write_ram(at, 1, true);
	assert_int_equal(finish_pass(), 0);
	assert_int_equal(passes.written, span);
	assert_int_equal(passes_next(&passes), 0);
	assert_int_equal(finish_pass(), 0);
	write_ram(5000, 2, true);
	write_ram(3 * MIB, 2, false);
	assert_int_equal(passes_next(&passes), 2);
	passes.written = 0;
	assert_int_equal(finish_pass(), 0);
	assert_int_equal(passes.written, 2 * 4096);
	write_ram(4 * MIB, 3, true);
	passes.written = 0;
	assert_int_equal(passes_finish(&passes), 0);
	assert_int_equal(passes.written, 4096);
	check_file();
	end();
}

/* A page that is zero when it is looked at, and written before the first pass comes to it. */
static void what_comes_to_be_used_meanwhile_is_saved(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		take_kind(i);
		busy = 0;
		begin(true, false);
		write_ram(0, 1, true);
		while (passes.is_scanning)
			assert_int_equal(passes_step(&passes), 1);
		write_ram(8 * MIB, 2, true);
		assert_int_equal(finish_pass(), 0);
		assert_true(passes_next(&passes) > 0);
		assert_int_equal(passes_finish(&passes), 0);
		check_file();
		end();
	}
}

/* Each pass comes to a page that is zero, but not when it is written to the file. */
static void a_zero_that_does_not_last_is_written_as_zero(void **unused)
{
	(void)unused;
	take_kind(0);
	busy = 0;
	begin(true, false);
	write_ram(0, 1, true);
	write_ram(5000, 1, true);
	assert_int_equal(finish_pass(), 0);
	for (unsigned i = 0; i < 2; i++) {
		write_ram(5000, 0, true);
		assert_true(passes_next(&passes) > 0);
		flickers = i == 0;
		assert_int_equal(finish_pass(), 0);
		flickers = false;
	}
	assert_int_equal(passes_finish(&passes), 0);
	check_file();
	end();
}

/* What becomes of the file between two saves: a device stays as it is; of a file the new one may
 * begin as the old one, without what is behind memory, or be empty. */
enum { DEVICE, SHARED, EMPTY };

/* The save is complete, and another one begins. */
static void begin_later(int kind, bool is_live)
{
	static const uint8_t disk[3 * 4096] = { 1, 2, 3 };

	passes_end(&passes, true);
	assert_int_equal(pwrite(file, disk, sizeof disk, (off_t)passes.end), sizeof disk);
	act();
	assert_int_equal(passes_begin(&passes, START, is_live), 0);
	while (passes.is_scanning)
		assert_int_equal(passes_step(&passes), 1);
	if (kind != DEVICE)
		assert_int_equal(ftruncate(file, kind == EMPTY ? 0 : (off_t)passes.kept_end), 0);
	passes_set_file(&passes, file, kind != DEVICE, kind != EMPTY);
}

/* Of a later save: in one pass of a guest that stands still, or in several. */
static void a_later_save_is_as_right_as_the_first(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i += 2) {
		for (unsigned count = i / 2 % 2; count < 9; count += 2) {
			take_kind(i);
			span = RAM >> (count % 3);
			busy = 20;
			begin(count % 2, count % 3 == DEVICE);
			busy *= count % 2;
			assert_int_equal(finish_pass(), 0);
			busy = 0;
			assert_int_equal(passes_finish(&passes), 0);
			busy = 20;
			for (unsigned save = 0; save < 2; save++) {
				begin_later((int)(count % 3), count / 3);
				busy = count / 3 ? busy : 0;
				for (unsigned pass = 1; pass < count / 3; pass++) {
					assert_int_equal(finish_pass(), 0);
					assert_true(passes_next(&passes) > 0);
				}
				busy = 0;
				assert_int_equal(passes_finish(&passes), 0);
				check_file();
				busy = 20;
			}
			end();
		}
	}
}

static void a_later_save_writes_what_has_changed(void **unused)
{
	(void)unused;
	take_kind(0);
	busy = 0;
	begin(true, false);
	for (uint64_t at = 0; at < 8 * MIB; at += 4096)
		write_ram(at, 1, true);
	assert_int_equal(passes_finish(&passes), 0);
	for (int kind = DEVICE; kind <= SHARED; kind++) {
		begin_later(kind, false);
		assert_int_equal(passes_finish(&passes), 0);
		assert_int_equal(passes.written, 0);
		write_ram(5000, (uint8_t)(2 + kind), true);
		zero_page(MIB + (uint64_t)kind * 4096);
		write_ram(3 * MIB, 2, false);
		write_ram(3 * MIB, 1, false); /* as it was */
		begin_later(kind, true);
		assert_int_equal(finish_pass(), 0);
		assert_int_equal(passes.written, 2 * 4096);
		assert_int_equal(passes_finish(&passes), 0);
		assert_int_equal(passes.written, 2 * 4096);
		check_file();
	}
	end();
}

/* The first pass of a later save writes something that does not last, and the page is again what
 * its checksum says. */
static void what_a_later_save_has_written_is_not_left_out(void **unused)
{
	(void)unused;
	for (unsigned passes_made = 0; passes_made < 2; passes_made++) {
		take_kind(0);
		busy = 0;
		begin(true, false);
		write_ram(5000, 1, true);
		assert_int_equal(passes_finish(&passes), 0);
		begin_later(SHARED, true);
		write_ram(5000, 2, true);
		flickers = true;
		assert_int_equal(finish_pass(), 0);
		flickers = false;
		if (passes_made) {
			assert_int_equal(passes_next(&passes), 1);
			assert_int_equal(finish_pass(), 0);
		}
		assert_int_equal(passes_finish(&passes), 0);
		check_file();
		end();
	}
}

/* Each save finds something new between the extents that there are; when there are too many the
 * file is laid out anew. */
static void later_saves_never_have_too_many_extents(void **unused)
{
	(void)unused;
	for (int kind = DEVICE; kind <= EMPTY; kind++) {
		take_kind(0);
		busy = 0;
		begin(true, kind == DEVICE);
		assert_int_equal(passes_finish(&passes), 0);
		for (uint64_t save = 0; save < 6; save++) {
			for (uint64_t chunk = save; chunk < RAM / SNAPSHOT_ALIGN; chunk += 17)
				write_ram(chunk * SNAPSHOT_ALIGN, 1, save & 1);
			begin_later(kind, save & 2);
			assert_int_equal(passes_finish(&passes), 0);
			check_file();
		}
		end();
	}
}

/* As scattered as it can be: at first and between all passes every second chunk, and the third. */
static void there_are_never_too_many_extents(void **unused)
{
	(void)unused;
	for (unsigned stride = 2; stride < 64; stride = stride * 2 + 1) {
		take_kind(0);
		span = RAM;
		busy = 0;
		begin(true, false);
		for (unsigned pass = 0; pass < 6; pass++) {
			for (uint64_t chunk = pass; chunk < RAM / SNAPSHOT_ALIGN; chunk += stride)
				write_ram(chunk * SNAPSHOT_ALIGN + pass, 1, pass & 1);
			assert_int_equal(finish_pass(), 0);
			assert_true(passes_next(&passes) >= 0);
			assert_true(passes.count < SNAPSHOT_EXTENTS / 2);
		}
		for (uint64_t at = 0; at < FLASH_SIZE; at += 6 * MIB)
			write_flash(at, 0);
		assert_int_equal(passes_finish(&passes), 0);
		check_file();
		end();
	}
}

static void a_full_disk_is_an_error(void **unused)
{
	(void)unused;
	take_kind(0);
	span = RAM;
	busy = 10;
	begin(true, false);
	room = MIB;
	assert_int_equal(finish_pass(), -ENOSPC);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_busy_guest_is_saved_as_it_is_at_the_end),
		cmocka_unit_test(a_guest_that_stands_still_is_saved_at_once),
		cmocka_unit_test(a_pass_writes_what_has_changed),
		cmocka_unit_test(what_comes_to_be_used_meanwhile_is_saved),
		cmocka_unit_test(a_zero_that_does_not_last_is_written_as_zero),
		cmocka_unit_test(a_later_save_is_as_right_as_the_first),
		cmocka_unit_test(a_later_save_writes_what_has_changed),
		cmocka_unit_test(what_a_later_save_has_written_is_not_left_out),
		cmocka_unit_test(later_saves_never_have_too_many_extents),
		cmocka_unit_test(there_are_never_too_many_extents),
		cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
