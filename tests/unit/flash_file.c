// SPDX-License-Identifier: MIT
/* vmm/machine/flash_file.c, with real files. */
#define _DEFAULT_SOURCE
#include "unit.h"

#include "reports.h"
#include "vmm/machine/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 65536ul /* at least the largest of a host */

static struct machine machine;
static struct flash_bank *bank = &machine.banks[1];
static struct disk file;
static int write_error; /* of the next writes; 0: none */

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	long result;

	/* The numbers are the guest's architecture's. */
	if (number == SYS_mmap)
		result = (long)mmap((void *)a, (size_t)b, (int)c, (int)d, (int)e, f);
	else if (number == SYS_pwritev2 && write_error)
		return -write_error;
	else if (number == SYS_pwritev2 && f == RWF_DSYNC) /* it is on the medium then */
		result = pwritev2((int)a, (const struct iovec *)b, (int)c, d, (int)f);
	else
		return -ENOSYS;
	return result < 0 ? -errno : result;
}

const char *error_text(int error)
{
	return strerror(error);
}

/* A file of so many bytes that are not ones; the bank is filled from it. */
static void fill(uint64_t size)
{
	uint8_t *bytes = malloc(size);

	memset(bytes, 0x55, size);
	file = (struct disk){ .name = "file", .fd = memfd_create("file", 0), .size = size };
	assert_int_equal(write(file.fd, bytes, size), size);
	free(bytes);
	machine.variables = &file;
	bank->machine = &machine;
	bank->flash.storage = mmap(NULL, FLASH_BANK, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	flash_fill(bank, "file", file.fd, NULL, size);
	write_error = 0;
}

static void empty(void)
{
	munmap(bank->flash.storage, FLASH_BANK);
	close(file.fd);
}

static uint8_t in_file(uint64_t offset)
{
	uint8_t byte = 0;

	assert_int_equal(pread(file.fd, &byte, 1, (off_t)offset), 1);
	return byte;
}

static void test_fill(void **state)
{
	static const struct {
		uint64_t size;
		uint32_t written;
	} rows[] = {
		{ 1, 1 },
		{ 768 << 10, 1 },
		{ FLASH_BLOCK - 1, 1 },
		{ FLASH_BLOCK, 1 },
		{ FLASH_BLOCK + 1, 3 },
		{ FLASH_BANK - 1, ~0u },
		{ FLASH_BANK, ~0u },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t size = rows[i].size;

		fill(size);
		assert_int_equal(bank->written, rows[i].written);
		assert_int_equal(bank->flash.storage[0], 0x55);
		assert_int_equal(bank->flash.storage[size - 1], 0x55);
		if (size % FLASH_BLOCK) {
			uint64_t end = size / FLASH_BLOCK * FLASH_BLOCK + FLASH_BLOCK;

			assert_int_equal(bank->flash.storage[size], 0xff);
			assert_int_equal(bank->flash.storage[end - 1], 0xff);
		}
		/* What is programmed is not in the file by itself. After a reset it is as it was.
		 */
		bank->flash.storage[0] = 7;
		bank->flash.storage[size - 1] = 7;
		assert_int_equal(in_file(0), 0x55);
		flash_fill(bank, "file", file.fd, NULL, size);
		assert_int_equal(bank->flash.storage[0], 0x55);
		assert_int_equal(bank->flash.storage[size - 1], 0x55);
		empty();
	}
}

/* From memory, as what is bundled. */
static void test_fill_from_memory(void **state)
{
	(void)state;
	fill(10);
	bank->flash.storage[20] = 0;
	flash_fill(bank, "data", -1, (const uint8_t *)"firmware", 8);
	assert_memory_equal(bank->flash.storage, "firmware\xff", 9);
	assert_int_equal(bank->flash.storage[20], 0xff);
	empty();
}

static void test_keep(void **state)
{
	(void)state;
	fill(PAGE + 10);
	memset(bank->flash.storage, 0x11, 3 * PAGE);
	assert_true(flash_keep(bank, 4, 4));
	assert_int_equal(in_file(3), 0x55);
	assert_int_equal(in_file(4), 0x11);
	assert_int_equal(in_file(7), 0x11);
	assert_int_equal(in_file(8), 0x55);
	/* The file does not grow. */
	assert_true(flash_keep(bank, PAGE + 8, 4096));
	assert_int_equal(in_file(PAGE + 9), 0x11);
	assert_true(flash_keep(bank, PAGE + 10, 1));
	assert_true(flash_keep(bank, FLASH_BANK - 1, 1));
	assert_int_equal(lseek(file.fd, 0, SEEK_END), PAGE + 10);
	empty();
}

static void test_keep_fails(void **state)
{
	(void)state;
	fill(PAGE);
	write_error = ENOSPC;
	assert_false(flash_keep(bank, 4, 4));
	assert_non_null(strstr(last_report, "--variables file: write at 4: "));
	last_report[0] = '\0';
	assert_false(flash_keep(bank, 8, 4));
	assert_string_equal(last_report, "");
	assert_true(flash_keep(bank, PAGE, 4)); /* not kept anyway */
	write_error = 0;
	assert_true(flash_keep(bank, 8, 4));
	empty();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_fill_from_memory),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_keep_fails),
	};

	return RUN(tests);
}
