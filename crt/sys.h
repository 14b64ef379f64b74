/* SPDX-License-Identifier: MIT */
/*
 * Every system call this program can make, in one list, and a wrapper for each.
 *
 * Who uses it: all of crt/ and vmm/. Outside of crt/ nothing may hold an `svc`. What is not in
 * SYSCALL_LIST cannot be called, so the list is also what a seccomp filter has to be generated
 * from.
 *
 * A wrapper is named sys_NAME, takes the arguments of the kernel's own system call (arm64:
 * asm-generic numbers) and returns its result, or a negative errno. It never touches an errno
 * variable.
 */
#ifndef CRT_SYS_H
#define CRT_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

struct pollfd;
struct timespec;

/* name, then the types of its arguments; BOOT: only before the guest runs, RUN: also afterwards. */
#define SYSCALL_LIST                                                                               \
	SYS6(BOOT, mmap, uintptr_t, size_t, int, int, int, uint64_t)                               \
	SYS3(BOOT, mprotect, uintptr_t, size_t, int)                                               \
	SYS3(BOOT, madvise, uintptr_t, size_t, int)                                                \
	SYS5(BOOT, mremap, uintptr_t, size_t, size_t, int, uintptr_t)                              \
	SYS2(RUN, munmap, uintptr_t, size_t)                                                       \
	SYS4(BOOT, openat, int, const char *, int, int)                                            \
	SYS1(RUN, close, int)                                                                      \
	SYS2(BOOT, fstat, int, void *)                                                             \
	SYS3(RUN, read, int, void *, size_t)                                                       \
	SYS3(RUN, write, int, const void *, size_t)                                                \
	SYS3(RUN, ioctl, int, unsigned long, uintptr_t)                                            \
	SYS5(RUN, ppoll, struct pollfd *, size_t, const struct timespec *, const void *, size_t)   \
	SYS2(BOOT, eventfd2, unsigned, int)                                                        \
	SYS2(RUN, clock_gettime, int, struct timespec *)                                           \
	SYS3(BOOT, getrandom, void *, size_t, unsigned)                                            \
	SYS6(RUN, futex, uint32_t *, int, uint32_t, const struct timespec *, uint32_t *, uint32_t) \
	SYS4(BOOT, rt_sigaction, int, const void *, void *, size_t)                                \
	SYS4(BOOT, rt_sigprocmask, int, const uint64_t *, uint64_t *, size_t)                      \
	SYS4(RUN, rt_sigtimedwait, const uint64_t *, void *, const struct timespec *, size_t)      \
	SYS5(BOOT, prctl, int, unsigned long, unsigned long, unsigned long, unsigned long)         \
	SYS2(RUN, tkill, int, int)                                                                 \
	SYS2(RUN, kill, int, int)                                                                  \
	SYS1(RUN, exit_group, int)                                                                 \
	SYS0(RUN, getpid)                                                                          \
	SYS5(BOOT, clone, unsigned long, uintptr_t, uint32_t *, unsigned long, uint32_t *)         \
	SYS4(RUN, wait4, int, int *, int, void *)                                                  \
	SYS0(BOOT, setsid)                                                                         \
	SYS3(BOOT, mkdirat, int, const char *, int)                                                \
	SYS5(BOOT, mount, const char *, const char *, const char *, unsigned long, const void *)   \
	SYS4(RUN, reboot, int, int, int, const void *)

/* One trap into the kernel (arm64: number in x8, arguments in x0..x5, result in x0). */
static inline long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
#ifdef __aarch64__
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return x0;
#else
	/* Unit tests run on the developer's machine: they bring a syscall6 of their own. */
	extern long test_syscall6(long, long, long, long, long, long, long);
	return test_syscall6(number, a, b, c, d, e, f);
#endif
}

#define SYS0(when, name)                                                                           \
	static inline long sys_##name(void)                                                        \
	{                                                                                          \
		return syscall6(SYS_##name, 0, 0, 0, 0, 0, 0);                                     \
	}
#define SYS1(when, name, A)                                                                        \
	static inline long sys_##name(A a)                                                         \
	{                                                                                          \
		return syscall6(SYS_##name, (long)a, 0, 0, 0, 0, 0);                               \
	}
#define SYS2(when, name, A, B)                                                                     \
	static inline long sys_##name(A a, B b)                                                    \
	{                                                                                          \
		return syscall6(SYS_##name, (long)a, (long)b, 0, 0, 0, 0);                         \
	}
#define SYS3(when, name, A, B, C)                                                                  \
	static inline long sys_##name(A a, B b, C c)                                               \
	{                                                                                          \
		return syscall6(SYS_##name, (long)a, (long)b, (long)c, 0, 0, 0);                   \
	}
#define SYS4(when, name, A, B, C, D)                                                               \
	static inline long sys_##name(A a, B b, C c, D d)                                          \
	{                                                                                          \
		return syscall6(SYS_##name, (long)a, (long)b, (long)c, (long)d, 0, 0);             \
	}
#define SYS5(when, name, A, B, C, D, E)                                                            \
	static inline long sys_##name(A a, B b, C c, D d, E e)                                     \
	{                                                                                          \
		return syscall6(SYS_##name, (long)a, (long)b, (long)c, (long)d, (long)e, 0);       \
	}
#define SYS6(when, name, A, B, C, D, E, F)                                                         \
	static inline long sys_##name(A a, B b, C c, D d, E e, F f)                                \
	{                                                                                          \
		return syscall6(SYS_##name, (long)a, (long)b, (long)c, (long)d, (long)e, (long)f); \
	}

SYSCALL_LIST

#undef SYS0
#undef SYS1
#undef SYS2
#undef SYS3
#undef SYS4
#undef SYS5
#undef SYS6

#endif
