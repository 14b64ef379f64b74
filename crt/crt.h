/* SPDX-License-Identifier: MIT */
/*
 * The C runtime of a program that has no libc.
 *
 * Who uses it: vmm/ and the freestanding test programs. It knows Linux and the CPU, nothing of KVM.
 * Functions named as in ISO C or POSIX behave as specified there, except for the limits that their
 * comments state.
 */
#ifndef CRT_H
#define CRT_H

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The n-th, from 0, of strings that lie one behind the other. A long table of names takes less room
 * so than by pointers, each of which is also relocated. */
static inline const char *string_at(const char *strings, unsigned n)
{
	while (n--)
		strings += strlen(strings) + 1;
	return strings;
}

/* ---- start.c ---- */

/*
 * The value of one entry of the auxiliary vector (AT_*, getauxval(3)); 0 if the kernel passed none.
 */
unsigned long getauxval(unsigned long type);

/* exit(3) ends every thread of the program. Nothing is flushed: nothing is buffered. */

/* The CPU's virtual counter (CNTVCT_EL0), and its frequency in Hz (CNTFRQ_EL0). */
uint64_t counter_value(void);
uint64_t counter_frequency(void);

/* Cleans the data cache line at this address to the point of coherency, for observers that bypass
 * the caches. */
void cache_clean(const void *at);

/* ---- random.c ---- */

/*
 * Fills the buffer from the kernel's random number generator, without waiting until that is seeded.
 * If that fails, the bytes are derived from the time and AT_RANDOM: good enough for a guest that
 * mixes in more, not for a secret.
 */
void random_bytes(void *to, size_t size);

/* ---- print.c ---- */

/* Formatted print. Conversions: %d %i %u %x %c %s %p %%; flags 0 - #; width; precision of %s; `*`
 * for both; lengths h l ll z. Anything else traps: a format is always a constant of the program. */
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
	__attribute__((format(printf, 3, 0)));
int snprintf(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Formatted print to a descriptor, of any length. Returns the bytes written or write's negative
 * errno. */
int vdprintf(int fd, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
int dprintf(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes all bytes, retrying on EINTR, short writes and a full non-blocking pipe. Returns 0 or
 * negative errno. */
int write_all(int fd, const void *data, size_t size);

/* "ENOENT (no such file or directory)" for a positive errno; never NULL, never freed. */
const char *error_text(int error);

/* ---- thread.c ---- */

/* Installs a signal handler by the kernel's own rt_sigaction; NULL restores the default action.
 * Returns 0 or negative errno. */
int signal_catch(int number, void (*handler)(int number, siginfo_t *info, void *context));
/* Does the program ignore this signal? It does so by inheritance only. */
bool signal_is_ignored(int number);
#define SIGNAL_BIT(number) (1ull << ((number)-1)) /* of a kernel's signal set */

/* A lock on a futex: 0 is free, 1 held, 2 held with waiters. All zero is a free lock. */
struct lock {
	uint32_t state;
};

void lock_acquire(struct lock *lock);
void lock_release(struct lock *lock);

/*
 * Runs function(argument), which must not return, on a new thread. Its stack has a guard page below
 * it and is never freed. Its kernel thread id is in *id before it runs. Returns 0, or the negative
 * errno of mmap, mprotect or clone.
 */
int thread_start(uint32_t *id, void (*function)(void *), void *argument);

/* Waits until *word is no longer `value`; whoever changes it must wake the waiters (futex(2)). */
void futex_wait(uint32_t *word, uint32_t value);
/* Waits only once, for at most so many nanoseconds. May return early. */
void futex_wait_at_most(uint32_t *word, uint32_t value, uint64_t nanoseconds);
/* Wakes all threads that wait on this word. */
void futex_wake_all(uint32_t *word);

#endif
