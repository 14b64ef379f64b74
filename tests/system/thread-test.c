// SPDX-License-Identifier: MIT
/*
 * crt's threads and lock on the real kernel: freestanding, like nestling itself. Prints TAP.
 *
 * Who runs it: tests/system/host.t, in the host.
 */
#include "crt/crt.h"

#define THREADS 4
#define ROUNDS 20000

static struct lock lock;
static unsigned counter;
static uint32_t counting = THREADS;

static _Noreturn void count(void *argument)
{
	unsigned *own = argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		lock_acquire(&lock);
		/* Reads, yields and writes, so that updates are lost unless the lock works. */
		unsigned before = counter;

		__asm__ volatile("yield" ::: "memory");
		counter = before + 1;
		lock_release(&lock);
		++*own;
	}
	if (__atomic_sub_fetch(&counting, 1, __ATOMIC_RELEASE) == 0)
		futex_wake_all(&counting);
	for (uint32_t never = 0;;)
		futex_wait(&never, 0);
}

int main(int argc, char **argv)
{
	uint32_t ids[THREADS];
	unsigned own[THREADS] = { 0 };
	unsigned sum = 0;
	uint32_t left;

	(void)argc, (void)argv;
	for (unsigned i = 0; i < THREADS; i++)
		if (thread_start(&ids[i], count, &own[i]) < 0)
			dprintf(1, "Bail out! thread_start\n");
	while ((left = __atomic_load_n(&counting, __ATOMIC_ACQUIRE)) != 0)
		futex_wait(&counting, left);
	for (unsigned i = 0; i < THREADS; i++)
		sum += own[i];
	dprintf(1, "1..2\n%sok 1 - every thread ran to its end\n",
		sum == THREADS * ROUNDS ? "" : "not ");
	dprintf(1, "%sok 2 - no update under the lock was lost\n",
		counter == THREADS * ROUNDS ? "" : "not ");
	return sum != THREADS * ROUNDS || counter != THREADS * ROUNDS;
}
