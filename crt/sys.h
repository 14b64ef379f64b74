/* SPDX-License-Identifier: MIT */
/*
 * Every system call this program can make, in one list, and a wrapper for each.
 *
 * Who uses it: all of crt/ and vmm/. Outside of crt/ nothing may hold an `svc`. What is not in
 * SYSCALL_LIST cannot be called, and seccomp's filters are generated from it (vmm/host/sandbox.c).
 *
 * A wrapper is named sys_NAME, takes the arguments of the kernel's own system call (arm64:
 * asm-generic numbers) and returns its result, or a negative errno. It never touches an errno
 * variable.
 */
#ifndef CRT_SYS_H
#define CRT_SYS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

struct pollfd;
struct timespec;

/* Who makes a call once the guest runs. */
enum role {
	BOOT = 0, /* nobody: it is for setting up */
	CPU = 1,  /* a vCPU's thread */
	LOOP = 2, /* the event loop's, which also makes the guest anew when that resets itself */
	INIT = 4, /* the process that watches over the monitor */
	DEBUGGER = 8, /* the event loop's, under --gdb */
	DUMPER = 16,  /* the event loop's, under --dump-core */
};

/*
 * SYSCALL(how many arguments, roles, name, their types): who uses the list defines that.
 * rt_sigreturn is made by the vDSO, on return from a signal handler.
 */
#define SYSCALL_LIST                                                                               \
	SYSCALL(3, CPU | LOOP | INIT, ioctl, int, unsigned long, uintptr_t)                        \
	SYSCALL(3, CPU | LOOP | INIT, write, int, const void *, size_t)                            \
	SYSCALL(6, CPU | LOOP, futex, uint32_t *, int, uint32_t, const struct timespec *,          \
		uint32_t *, uint32_t)                                                              \
	SYSCALL(5, CPU | LOOP | INIT, ppoll, struct pollfd *, size_t, const struct timespec *,     \
		const void *, size_t)                                                              \
	SYSCALL(2, CPU | LOOP, clock_gettime, int, struct timespec *)                              \
	SYSCALL(0, CPU | LOOP, rt_sigreturn)                                                       \
	SYSCALL(1, CPU | LOOP | INIT, exit_group, int)                                             \
	SYSCALL(3, LOOP, read, int, void *, size_t)                                                \
	SYSCALL(4, LOOP, pread64, int, void *, size_t, uint64_t)                                   \
	SYSCALL(2, LOOP, tkill, int, int)                                                          \
	SYSCALL(6, LOOP, mmap, uintptr_t, size_t, int, int, int, uint64_t)                         \
	SYSCALL(3, LOOP, madvise, uintptr_t, size_t, int)                                          \
	SYSCALL(5, LOOP, mremap, uintptr_t, size_t, size_t, int, uintptr_t)                        \
	SYSCALL(2, LOOP, munmap, uintptr_t, size_t)                                                \
	SYSCALL(1, LOOP, close, int)                                                               \
	SYSCALL(3, LOOP, getrandom, void *, size_t, unsigned)                                      \
	SYSCALL(4, INIT, wait4, int, int *, int, void *)                                           \
	SYSCALL(4, INIT, rt_sigtimedwait, const uint64_t *, void *, const struct timespec *,       \
		size_t)                                                                            \
	SYSCALL(2, INIT, kill, int, int)                                                           \
	SYSCALL(4, INIT, reboot, int, int, int, const void *)                                      \
	SYSCALL(4, DUMPER, pwrite64, int, const void *, size_t, uint64_t)                          \
	SYSCALL(2, DUMPER, ftruncate, int, uint64_t)                                               \
	SYSCALL(4, DEBUGGER, accept4, int, void *, void *, int)                                    \
	SYSCALL(3, BOOT, socket, int, int, int)                                                    \
	SYSCALL(3, BOOT, bind, int, const void *, size_t)                                          \
	SYSCALL(2, BOOT, listen, int, int)                                                         \
	SYSCALL(3, BOOT, mprotect, uintptr_t, size_t, int)                                         \
	SYSCALL(4, BOOT, openat, int, const char *, int, int)                                      \
	SYSCALL(3, BOOT, close_range, unsigned, unsigned, unsigned)                                \
	SYSCALL(2, BOOT, fstat, int, void *)                                                       \
	SYSCALL(2, BOOT, fstatfs, int, void *)                                                     \
	SYSCALL(2, BOOT, eventfd2, unsigned, int)                                                  \
	SYSCALL(4, BOOT, signalfd4, int, const uint64_t *, size_t, int)                            \
	SYSCALL(3, BOOT, sched_getaffinity, int, size_t, void *)                                   \
	SYSCALL(2, BOOT, timerfd_create, int, int)                                                 \
	SYSCALL(4, BOOT, timerfd_settime, int, int, const void *, void *)                          \
	SYSCALL(4, BOOT, rt_sigaction, int, const void *, void *, size_t)                          \
	SYSCALL(4, BOOT, rt_sigprocmask, int, const uint64_t *, uint64_t *, size_t)                \
	SYSCALL(0, BOOT, getpid)                                                                   \
	SYSCALL(5, BOOT, clone, unsigned long, uintptr_t, uint32_t *, unsigned long, uint32_t *)   \
	SYSCALL(0, BOOT, setsid)                                                                   \
	SYSCALL(3, BOOT, mkdirat, int, const char *, int)                                          \
	SYSCALL(5, BOOT, mount, const char *, const char *, const char *, unsigned long,           \
		const void *)                                                                      \
	SYSCALL(1, BOOT, unshare, int)                                                             \
	SYSCALL(1, BOOT, chroot, const char *)                                                     \
	SYSCALL(1, BOOT, chdir, const char *)                                                      \
	SYSCALL(4, BOOT, prlimit64, int, int, const uint64_t *, uint64_t *)                        \
	SYSCALL(2, BOOT, capset, void *, const void *)                                             \
	SYSCALL(5, BOOT, prctl, int, unsigned long, unsigned long, unsigned long, unsigned long)

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

static inline long syscall_restart(long a, long b, long c, long d, long e, long f, long number)
{
	long result;

	do
		result = syscall6(number, a, b, c, d, e, f);
	while (result == -EINTR);
	return result;
}

/*
 * A call that a signal has interrupted is made again, unless it is one of those that wait for
 * something and have to look whether that is still wanted: they are all of role CPU or INIT. Of
 * close the descriptor is gone all the same (close(2)).
 */
static inline long syscall_of(enum role roles, long number, long a, long b, long c, long d, long e,
			      long f)
{
	if (roles & (CPU | INIT) || number == SYS_close)
		return syscall6(number, a, b, c, d, e, f);
	/* All in the registers that the kernel takes them in. */
	return syscall_restart(a, b, c, d, e, f, number);
}

/* For an argument that a call does not have: whatever the register holds, it is not set. */
static inline long none(void)
{
	long any = 0;

#ifdef __aarch64__
	__asm__ volatile("" : "=r"(any));
#endif
	return any;
}

#define WRAP0(roles, name)                                                                         \
	static inline long sys_##name(void)                                                        \
	{                                                                                          \
		return syscall_of(roles, SYS_##name, none(), none(), none(), none(), none(),       \
				  none());                                                         \
	}
#define WRAP1(roles, name, A)                                                                      \
	static inline long sys_##name(A a)                                                         \
	{                                                                                          \
		return syscall_of(roles, SYS_##name, (long)a, none(), none(), none(), none(),      \
				  none());                                                         \
	}
#define WRAP2(roles, name, A, B)                                                                   \
	static inline long sys_##name(A a, B b)                                                    \
	{                                                                                          \
		return syscall_of(roles, SYS_##name, (long)a, (long)b, none(), none(), none(),     \
				  none());                                                         \
	}
#define WRAP3(roles, name, A, B, C)                                                                \
	static inline long sys_##name(A a, B b, C c)                                               \
	{                                                                                          \
		return syscall_of(roles, SYS_##name, (long)a, (long)b, (long)c, none(), none(),    \
				  none());                                                         \
	}
#define WRAP4(roles, name, A, B, C, D)                                                             \
	static inline long sys_##name(A a, B b, C c, D d)                                          \
	{                                                                                          \
		return syscall_of(roles, SYS_##name, (long)a, (long)b, (long)c, (long)d, none(),   \
				  none());                                                         \
	}
#define WRAP5(roles, name, A, B, C, D, E)                                                          \
	static inline long sys_##name(A a, B b, C c, D d, E e)                                     \
	{                                                                                          \
		return syscall_of(roles, SYS_##name, (long)a, (long)b, (long)c, (long)d, (long)e,  \
				  none());                                                         \
	}
#define WRAP6(roles, name, A, B, C, D, E, F)                                                       \
	static inline long sys_##name(A a, B b, C c, D d, E e, F f)                                \
	{                                                                                          \
		return syscall_of(roles, SYS_##name, (long)a, (long)b, (long)c, (long)d, (long)e,  \
				  (long)f);                                                        \
	}

#define SYSCALL(count, ...) WRAP##count(__VA_ARGS__)
SYSCALL_LIST
#undef SYSCALL
#undef WRAP0
#undef WRAP1
#undef WRAP2
#undef WRAP3
#undef WRAP4
#undef WRAP5
#undef WRAP6

/* ioctl, made again if a signal interrupts it: for all requests but KVM_RUN. */
static inline long ioctl_restart(int fd, unsigned long request, uintptr_t argument)
{
	long result;

	do
		result = sys_ioctl(fd, request, argument);
	while (result == -EINTR);
	return result;
}

#endif
