/* SPDX-License-Identifier: MIT */
/*
 * The C runtime: what a program without a libc still needs, and no more.
 *
 * Who uses it: vmm/ and the freestanding test programs. It knows Linux and the CPU, nothing of KVM.
 * Functions named as in ISO C or POSIX do what those say, restricted as their comment tells.
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

/* ---- start.c ---- */

/* Value of one entry of the auxiliary vector (AT_*, getauxval(3)); 0 where the kernel gave none. */
unsigned long getauxval(unsigned long type);

/* exit(3) ends every thread of the program. Nothing is flushed: nothing is buffered. */

/* The CPU's virtual counter (CNTVCT_EL0), and how often a second it counts (CNTFRQ_EL0). */
uint64_t counter_value(void);
uint64_t counter_frequency(void);

/* Makes what was written there visible to those who read memory past the caches. */
void cache_clean(const void *at);

/* ---- random.c ---- */

/*
 * Fills it with the kernel's random bytes, without waiting for its entropy. If there are none, with
 * what the time and the kernel's bytes of AT_RANDOM give: good enough for a guest that mixes more
 * in, not for a secret.
 */
void random_bytes(void *to, size_t size);

/* ---- print.c ---- */

/*
 * Formatted print. Conversions: %d %i %u %x %c %s %p %%; flags 0 - #; width; precision of %s; `*`
 * for both; h l ll z as length. Anything else traps: a format is ours, never a user's.
 */
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
	__attribute__((format(printf, 3, 0)));
int snprintf(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same to a descriptor, of any length. Returns bytes written or the negative errno of write. */
int vdprintf(int fd, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
int dprintf(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes all of it, through EINTR, short writes and a full non-blocking pipe. 0 or negative errno.
 */
int write_all(int fd, const void *data, size_t size);

/* "ENOENT (no such file or directory)" for a positive errno; never NULL, never freed. */
const char *error_text(int error);

/* ---- thread.c ---- */

/* What a signal does from now on, by the kernel's own rt_sigaction; NULL: its default. 0 or
 * negative errno. */
int signal_catch(int number, void (*handler)(int number, siginfo_t *info, void *context));

/* A futex lock: 0 free, 1 held, 2 held and somebody waits. All zero is a free lock. */
struct lock {
	uint32_t state;
};

void lock_acquire(struct lock *lock);
void lock_release(struct lock *lock);

/*
 * Runs function(argument), which must not return, on a thread with a stack of its own above a guard
 * page: a thread lives as long as the program. Its kernel's thread id goes to *id before it runs.
 * 0, or the negative errno of mmap, mprotect or clone.
 */
int thread_start(uint32_t *id, void (*function)(void *), void *argument);

/* Waits until *word, which other threads change and then wake, is no longer `value` (futex(2)). */
void futex_wait(uint32_t *word, uint32_t value);
/* Wakes every thread that waits for it. */
void futex_wake_all(uint32_t *word);

#endif
