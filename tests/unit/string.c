// SPDX-License-Identifier: MIT
/* crt/string.c against the machine's libc, byte by byte, at every small size, offset and overlap.
 */
#include "unit.h"

#include <string.h>

void *crt_memcpy(void *to, const void *from, size_t size);
void *crt_memmove(void *to, const void *from, size_t size);
void *crt_memset(void *to, int byte, size_t size);
int crt_memcmp(const void *left, const void *right, size_t size);
void *crt_memchr(const void *memory, int byte, size_t size);
size_t crt_strnlen(const char *string, size_t max);
size_t crt_strlen(const char *string);
int crt_strncmp(const char *left, const char *right, size_t max);
int crt_strcmp(const char *left, const char *right);
char *crt_strchr(const char *string, int character);
char *crt_strrchr(const char *string, int character);

#define SIZE 80
#define OFFSETS 18

static void fill(uint8_t *buffer, size_t size)
{
	for (size_t i = 0; i < size; i++)
		buffer[i] = (uint8_t)(i * 7 + 1);
}

static int sign(int value)
{
	return (value > 0) - (value < 0);
}

static void test_copy(void **state)
{
	(void)state;
	for (size_t size = 0; size < SIZE - OFFSETS; size++)
		for (size_t offset = 0; offset < OFFSETS; offset++) {
			uint8_t from[SIZE], ours[SIZE] = { 0 }, theirs[SIZE] = { 0 };

			fill(from, SIZE);
			assert_ptr_equal(crt_memcpy(ours + offset, from + offset / 2, size),
					 ours + offset);
			memcpy(theirs + offset, from + offset / 2, size);
			assert_memory_equal(ours, theirs, SIZE);
		}
}

static void test_move(void **state)
{
	(void)state;
	for (size_t size = 0; size < SIZE - OFFSETS; size++)
		for (size_t from = 0; from < OFFSETS; from++)
			for (size_t to = 0; to < OFFSETS; to++) {
				uint8_t ours[SIZE], theirs[SIZE];

				fill(ours, SIZE);
				fill(theirs, SIZE);
				assert_ptr_equal(crt_memmove(ours + to, ours + from, size),
						 ours + to);
				memmove(theirs + to, theirs + from, size);
				assert_memory_equal(ours, theirs, SIZE);
			}
}

static void test_set(void **state)
{
	(void)state;
	for (size_t size = 0; size < SIZE - OFFSETS; size++)
		for (size_t offset = 0; offset < OFFSETS; offset++) {
			uint8_t ours[SIZE] = { 0 }, theirs[SIZE] = { 0 };
			const volatile int byte = 0x1a5; /* only its low byte counts */

			assert_ptr_equal(crt_memset(ours + offset, byte, size), ours + offset);
			memset(theirs + offset, byte, size);
			assert_memory_equal(ours, theirs, SIZE);
		}
}

static void test_compare(void **state)
{
	static const char *const strings[] = { "", "a", "b", "ab", "abc", "abd", "\x80", "\x7f" };
	const size_t count = sizeof strings / sizeof *strings;

	(void)state;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++) {
			const char *l = strings[i], *r = strings[j];
			size_t common = (strlen(l) < strlen(r) ? strlen(l) : strlen(r)) + 1;

			assert_int_equal(sign(crt_strcmp(l, r)), sign(strcmp(l, r)));
			assert_int_equal(sign(crt_memcmp(l, r, common)),
					 sign(memcmp(l, r, common)));
			for (size_t max = 0; max < 5; max++)
				assert_int_equal(sign(crt_strncmp(l, r, max)),
						 sign(strncmp(l, r, max)));
		}
}

static void test_find(void **state)
{
	static const char text[] = "a/b/c\xff";

	(void)state;
	assert_int_equal(crt_strlen(text), strlen(text));
	for (size_t max = 0; max <= sizeof text; max++)
		assert_int_equal(crt_strnlen(text, max), strnlen(text, max));
	for (int c = -1; c < 256; c++) {
		assert_ptr_equal(crt_strchr(text, c), strchr(text, c));
		assert_ptr_equal(crt_strrchr(text, c), strrchr(text, c));
		for (size_t size = 0; size <= sizeof text; size++)
			assert_ptr_equal(crt_memchr(text, c, size), memchr(text, c, size));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy), cmocka_unit_test(test_move),
		cmocka_unit_test(test_set),  cmocka_unit_test(test_compare),
		cmocka_unit_test(test_find),
	};

	return RUN(tests);
}
