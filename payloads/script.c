// SPDX-License-Identifier: MIT
/* Random scripts of accesses, and a sum of what they read. Who calls it: payloads that a test
 * compares with what they print on QEMU. Touches nothing of the machine but what it prints to. */
#include "guest.h"

static uint64_t state, sum;

void script_start(uint64_t seed)
{
	state = seed + 1;
}

/* A linear congruential generator (Knuth, MMIX), whose upper bits are the better ones. */
uint32_t script_next(void)
{
	state = state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(state >> 33);
}

/* Fowler, Noll, Vo: FNV-1a, of words. */
void script_add(uint64_t value)
{
	sum = (sum ^ value) * 1099511628211u;
}

void script_run(unsigned steps, void (*step)(void))
{
	for (unsigned i = 1; i <= steps; i++) {
		step();
		if (i % 20 != 0)
			continue;
		print_hex(sum);
		print("\n");
	}
	print("ok\n");
}
