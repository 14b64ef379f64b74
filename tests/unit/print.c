// SPDX-License-Identifier: MIT
/* crt/print.c compared with this machine's libc, and its writing with a kernel that writes in
 * parts.
 */
#include "unit.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

int crt_snprintf(char *buffer, size_t size, const char *format, ...);
int crt_dprintf(int fd, const char *format, ...);
int write_all(int fd, const void *data, size_t size);

/* A kernel whose writes are short, interrupted or fail with EAGAIN, in turn. */
static char written[4096];
static size_t written_size;
static unsigned writes, polls;
static int fail_with;

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	size_t size = (size_t)c;

	(void)a, (void)d, (void)e, (void)f;
	if (number == SYS_ppoll) {
		polls++;
		return 1;
	}
	assert_int_equal(number, SYS_write);
	if (fail_with)
		return -fail_with;
	switch (writes++ % 3) {
	case 0:
		return -EINTR;
	case 1:
		return -EAGAIN;
	default:
		size = size > 7 ? 7 : size;
		assert_true(written_size + size <= sizeof written);
		memcpy(written + written_size, (const char *)b, size);
		written_size += size;
		return (long)size;
	}
}

static int reset(void **state)
{
	(void)state;
	written_size = 0;
	writes = polls = 0;
	fail_with = 0;
	return 0;
}

/* Calls both with buffers of every size up to what is needed, and compares text, result and the
 * bytes behind the text. */
#define SAME(...)                                                                                  \
	do {                                                                                       \
		int length_ = snprintf(NULL, 0, __VA_ARGS__);                                      \
		for (int size_ = 0; size_ <= length_ + 2; size_++) {                               \
			char ours_[256], theirs_[256];                                             \
			memset(ours_, '~', sizeof ours_);                                          \
			memset(theirs_, '~', sizeof theirs_);                                      \
			assert_int_equal(crt_snprintf(ours_, (size_t)size_, __VA_ARGS__),          \
					 length_);                                                 \
			snprintf(theirs_, (size_t)size_, __VA_ARGS__);                             \
			assert_memory_equal(ours_, theirs_, sizeof ours_);                         \
		}                                                                                  \
	} while (0)

#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-overflow"

static void test_text(void **state)
{
	(void)state;
	SAME("plain");
	SAME("%s|%s", "", "string");
	SAME("%c%c%%", 'a', '\xff');
	SAME("%8s|%-8s|%.3s|%-6.2s|%.0s", "abc", "abc", "abcdef", "xyz", "gone");
	SAME("%*s|%-*s|%.*s", 6, "a", 6, "b", 2, "cut");
	SAME("%.*s", 3, (const char[]){ 'n', 'o', 't' }); /* no terminator */
	SAME("%3c|%-3c|", 'x', 'y');
}

static void test_numbers(void **state)
{
	static const int64_t values[] = { 0,	 1,	  -1,	   9,	      10,	255,
					  65535, INT_MAX, INT_MIN, INT64_MAX, INT64_MIN };

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		int64_t v = values[i];

		SAME("%d %i %u %x %#x", (int)v, (int)v, (unsigned)v, (unsigned)v, (unsigned)v);
		SAME("%ld %lu %lx %#lx", (long)v, (unsigned long)v, (unsigned long)v,
		     (unsigned long)v);
		SAME("%lld %llu %llx %zu", (long long)v, (unsigned long long)v,
		     (unsigned long long)v, (size_t)v);
		SAME("%hd %hu %hx", (short)v, (unsigned short)v, (unsigned short)v);
		SAME("%5d|%-5d|%05d|%012ld|%#018lx", (int)v, (int)v, (int)v, (long)v,
		     (unsigned long)v);
		SAME("%*d|%0*x", 7, (int)v, 9, (unsigned)v);
	}
	SAME("%p", (void *)written);
}

static void test_write_all(void **state)
{
	char text[2000], expected[2100];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	snprintf(expected, sizeof expected, "<%s> %d\n", text, 42);
	assert_int_equal(crt_dprintf(1, "<%s> %d\n", text, 42), (int)strlen(expected));
	assert_int_equal(written_size, strlen(expected));
	assert_memory_equal(written, expected, written_size);
	assert_int_equal(polls, (writes + 1) / 3); /* it polled for room once for each EAGAIN */
}

static void test_write_error(void **state)
{
	(void)state;
	fail_with = EIO;
	assert_int_equal(write_all(1, "x", 1), -EIO);
	assert_int_equal(crt_dprintf(1, "x"), -EIO);
	assert_int_equal(write_all(1, "", 0), 0);
}

/* Every error text starts with the error's name. */
static void test_error_text(void **state)
{
	unsigned named = 0;

	(void)state;
	for (int error = 1; error < 134; error++) {
		const char *name = strerrorname_np(error);
		const char *text = error_text(error);

		if (!name || text[0] != 'E')
			continue;
		named++;
		assert_int_equal(strncmp(text, name, strlen(name)), 0);
		assert_int_equal(strncmp(text + strlen(name), " (", 2), 0);
	}
	assert_true(named >= 30);
	assert_non_null(error_text(-1));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test_setup(test_write_all, reset),
		cmocka_unit_test_setup(test_write_error, reset),
		cmocka_unit_test(test_error_text),
	};

	return RUN(tests);
}
