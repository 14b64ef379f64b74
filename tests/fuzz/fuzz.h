/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share: libFuzzer's entry, and bytes of its input one after the other. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); /* libFuzzer declares it nowhere */

/* What must hold whatever the input is. */
#define require(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct input {
	const uint8_t *data;
	size_t size;
};

/* The next `size` bytes, little-endian; zero behind the end. */
static inline uint64_t take(struct input *input, size_t size)
{
	uint64_t value = 0;

	if (size > input->size)
		size = input->size;
	memcpy(&value, input->data, size);
	input->data += size;
	input->size -= size;
	return value;
}

#endif
