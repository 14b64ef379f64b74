// SPDX-License-Identifier: MIT
/*
 * Measures requests of a disk: runs in a Linux guest, on /dev/vda, and prints "row NAME FIGURE" for
 * each kind, in nanoseconds per operation, of the second of two rounds. Run by disk-init.
 */
#define _GNU_SOURCE
#include "counter.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL 4096
#define LARGE (1 << 20)
#define DISK (64 << 20)
#define TIMES 400
#define LARGE_TIMES 50

static int disk;
static char *buffer;

/* A random offset on the disk, a multiple of this size. */
static off_t anywhere(size_t size)
{
	static uint32_t seed = 1;

	seed = seed * 1664525 + 1013904223;
	return (off_t)((seed >> 8) % (DISK / size) * size);
}

static long read_small(void)
{
	return pread(disk, buffer, SMALL, anywhere(SMALL));
}

static long write_small(void)
{
	return pwrite(disk, buffer, SMALL, anywhere(SMALL));
}

static long read_large(void)
{
	return pread(disk, buffer, LARGE, anywhere(LARGE));
}

static long write_synced(void)
{
	return write_small() == SMALL && fsync(disk) == 0 ? SMALL : -1;
}

static const struct {
	const char *name;
	long (*operate)(void);
	unsigned times;
} kinds[] = {
	{ "disk-read", read_small, TIMES },
	{ "disk-write", write_small, TIMES },
	{ "disk-read-large", read_large, LARGE_TIMES },
	{ "disk-write-synced", write_synced, TIMES },
};

int main(void)
{
	disk = open("/dev/vda", O_RDWR | O_DIRECT | O_CLOEXEC);
	buffer = aligned_alloc(LARGE, LARGE);
	if (disk < 0 || !buffer)
		return 1;
	memset(buffer, 1, LARGE);
	for (unsigned i = 0; i < 2 * sizeof kinds / sizeof *kinds; i++) {
		unsigned kind = i % (sizeof kinds / sizeof *kinds);
		uint64_t start = counter();

		for (unsigned n = 0; n < kinds[kind].times; n++)
			if (kinds[kind].operate() < SMALL)
				return 1;
		if (i >= sizeof kinds / sizeof *kinds)
			printf("row %s %" PRIu64 "\n", kinds[kind].name,
			       nanoseconds(counter() - start) / kinds[kind].times);
	}
	return 0;
}
