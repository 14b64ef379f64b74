// SPDX-License-Identifier: MIT
/* Random bytes without waiting. Who calls it: boot.c, for the seeds in a guest's device tree; the
 * entropy device. */
#include "crt.h"
#include "sys.h"

#include <linux/auxvec.h>
#include <linux/random.h>
#include <time.h>

/* SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Uses the second half of AT_RANDOM's 16 bytes: the first half is the stack guard. */
static void fill(uint8_t *to, size_t size)
{
	struct timespec time = { 0 };
	uint64_t given[2] = { 0 }, state;

	memcpy(given, (const void *)getauxval(AT_RANDOM), sizeof given);
	sys_clock_gettime(CLOCK_REALTIME, &time);
	state = given[1] ^ counter_value() ^ (uint64_t)time.tv_sec << 30 ^ (uint64_t)time.tv_nsec;
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)(next(&state) >> 56);
}

void random_bytes(void *to, size_t size)
{
	/* Without GRND_INSECURE a host that has just booted would block for seconds, until its
	 * generator is seeded. */
	if (sys_getrandom(to, size, GRND_INSECURE) != (long)size)
		fill(to, size);
}
