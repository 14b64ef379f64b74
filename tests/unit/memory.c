// SPDX-License-Identifier: MIT
/* vmm/machine/memory.c: which guest-physical addresses are RAM, and which are not. */
#include "reports.h"

#include "crt/crt.h"
#include "vmm/machine/memory.h"

#include <errno.h>
#include <linux/auxvec.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BASE 0x40000000ull
#define SIZE 0x400000ull
#define PAGE 4096

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	long result = syscall(number, a, b, c, d, e, f);

	return result == -1 ? -errno : result;
}

const char *error_text(int error)
{
	return strerror(error);
}

static unsigned long page_size;

/* madvise, renamed by the Makefile, because sanitizers call the real one. */
unsigned long test_getauxval(unsigned long type);
unsigned long test_getauxval(unsigned long type)
{
	assert_int_equal(type, AT_PAGESZ);
	return page_size;
}

static const struct {
	uint64_t at, length;
	int is_ram;
} ranges[] = {
	{ BASE, 0, 1 },
	{ BASE, SIZE, 1 },
	{ BASE, SIZE + 1, 0 },
	{ BASE + SIZE - 1, 1, 1 },
	{ BASE + SIZE - 1, 2, 0 },
	{ BASE + SIZE, 0, 1 },
	{ BASE + SIZE, 1, 0 },
	{ BASE + SIZE + 1, 0, 0 },
	{ BASE - 1, 1, 0 },
	{ BASE - 1, 2, 0 },
	{ 0, ~0ull, 0 },
	{ ~0ull, 1, 0 },
	{ BASE, ~0ull, 0 },
	{ BASE + 8, ~0ull - 7, 0 },
};

static void test_ranges(void **state)
{
	struct guest_memory memory;

	(void)state;
	memory_create(&memory, GPA(BASE), SIZE);
	assert_int_equal((uintptr_t)memory.host % 0x200000, 0);
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		uint8_t *expected = memory.host + (ranges[i].at - BASE);

		assert_ptr_equal(memory_at(&memory, GPA(ranges[i].at), ranges[i].length),
				 ranges[i].is_ram ? expected : NULL);
	}
	memory.host[0] = memory.host[SIZE - 1] = 1; /* the first and the last byte are mapped */
	memory_destroy(&memory);
}

static void test_too_much(void **state)
{
	struct guest_memory memory;
	int status;

	(void)state;
	status = setjmp(on_die);
	if (status == 0)
		memory_create(&memory, GPA(BASE), 1ull << 55);
	assert_int_equal(status, STATUS_HOST);
	assert_non_null(strstr(last_report, "--memory"));
}

/* A device's writes mark exactly the pages dirty that they touch. */
static void test_dirty(void **state)
{
	static const struct {
		uint64_t offset, length, first, pages;
	} writes[] = {
		{ 0, 1, 0, 1 },		  { 4095, 1, 0, 1 },	     { 4095, 2, 0, 2 },
		{ 4096, 4096, 1, 1 },	  { 100ul * 4096, 0, 0, 0 }, { 63ul * 4096, 8192, 63, 2 },
		{ SIZE - 1, 1, 1023, 1 },
	};
	uint64_t dirty[SIZE / PAGE / 64];
	struct guest_memory memory;

	(void)state;
	memory_create(&memory, GPA(BASE), SIZE);
	memory_dma_written(&memory, memory.host, SIZE); /* without a dirty bitmap nothing happens */
	memory.dirty = dirty;
	memory.dirty_page = PAGE;
	for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
		memset(dirty, 0, sizeof dirty);
		memory_dma_written(&memory, memory.host + writes[i].offset, writes[i].length);
		for (uint64_t page = 0; page < SIZE / PAGE; page++)
			assert_int_equal(dirty[page / 64] >> page % 64 & 1,
					 page - writes[i].first < writes[i].pages);
	}
	memory_destroy(&memory);
}

/* A range that the guest gives back, and the range that is returned to the host. */
static const struct {
	size_t page, at, length, first,
		last; /* `first` and `last` are page-aligned; equal: nothing is returned */
} gifts[] = {
	{ 4096, 0, 4096, 0, 4096 },
	{ 4096, 0, SIZE, 0, SIZE },
	{ 4096, 1, 8191, 4096, 8192 },
	{ 4096, 4095, 4098, 4096, 8192 },
	{ 4096, 1, 4096, 0, 0 },
	{ 4096, 4096, 4095, 0, 0 },
	{ 4096, 8192, 0, 0, 0 },
	{ 65536, 4096, 65536, 0, 0 },
	{ 65536, 4096, 131072 - 4096, 65536, 131072 },
	{ 16384, SIZE - 4096, 4096, 0, 0 },
	{ 16384, SIZE - 20480, 20480, SIZE - 16384, SIZE },
};

static void test_give_back(void **state)
{
	struct guest_memory memory = { .given_back = 0 };

	(void)state;
	memory_create(&memory, GPA(BASE), SIZE);
	for (size_t i = 0; i < sizeof gifts / sizeof *gifts; i++) {
		uint64_t before = memory.given_back;

		memset(memory.host, 1, SIZE);
		page_size = gifts[i].page;
		memory_give_back(&memory, memory.host + gifts[i].at, gifts[i].length);
		assert_int_equal(memory.given_back - before, gifts[i].last - gifts[i].first);
		for (size_t at = 0; at < SIZE; at++)
			assert_true(memory.host[at] ==
				    (at < gifts[i].first || at >= gifts[i].last));
	}
	memory_destroy(&memory);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_dirty),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_give_back),
	};

	return RUN(tests);
}
