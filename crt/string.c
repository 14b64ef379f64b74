// SPDX-License-Identifier: MIT
/*
 * Memory and string functions of ISO C 7.24 and POSIX: those that gcc emits calls to, that libfdt
 * needs, and that vmm/ uses. Only memcpy, memmove and memset go by words: payloads are copied, and
 * libfdt shifts whole trees.
 *
 * Who calls it: everybody. Touches only its arguments.
 */
#include "crt.h"

/* A 64-bit word of any alignment that may alias any type. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word_t;

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	for (; size >= 16; size -= 16, t += 16, f += 16) {
		word_t low = ((const word_t *)f)[0], high = ((const word_t *)f)[1];

		((word_t *)t)[0] = low;
		((word_t *)t)[1] = high;
	}
	while (size--)
		*t++ = *f++;
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	/* memcpy copies upwards and reads each pair of words before it writes it: correct if `to`
	 * is below. */
	if (t <= f || t >= f + size)
		return memcpy(to, from, size);
	for (; size >= 8; size -= 8)
		*(word_t *)(t + size - 8) = *(const word_t *)(f + size - 8);
	while (size--)
		t[size] = f[size];
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	uint8_t *t = to;
	uint64_t word = 0x0101010101010101u * (uint8_t)byte;

	for (; size >= 16; size -= 16, t += 16) {
		((word_t *)t)[0] = word;
		((word_t *)t)[1] = word;
	}
	while (size--)
		*t++ = (uint8_t)byte;
	return to;
}

int memcmp(const void *left, const void *right, size_t size)
{
	const uint8_t *l = left, *r = right;

	for (; size; size--, l++, r++)
		if (*l != *r)
			return *l - *r;
	return 0;
}

void *memchr(const void *memory, int byte, size_t size)
{
	for (const uint8_t *m = memory; size; size--, m++)
		if (*m == (uint8_t)byte)
			return (void *)m;
	return NULL;
}

size_t strnlen(const char *string, size_t max)
{
	size_t length = 0;

	while (length < max && string[length])
		length++;
	return length;
}

size_t strlen(const char *string)
{
	return strnlen(string, SIZE_MAX);
}

int strncmp(const char *left, const char *right, size_t max)
{
	for (; max; max--, left++, right++)
		if (*left != *right || !*left)
			return (uint8_t)*left - (uint8_t)*right;
	return 0;
}

int strcmp(const char *left, const char *right)
{
	return strncmp(left, right, SIZE_MAX);
}

char *strchr(const char *string, int character)
{
	return memchr(string, character, strlen(string) + 1);
}

char *strrchr(const char *string, int character)
{
	for (size_t i = strlen(string) + 1; i--;)
		if (string[i] == (char)character)
			return (char *)string + i;
	return NULL;
}
