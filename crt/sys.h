/* SPDX-License-Identifier: MIT */
/*
 * Every system call that the program can make, in one list, and a wrapper for each.
 *
 * Who uses it: all of crt/ and vmm/. Outside crt/ there is no `svc` instruction. What is not in
 * SYSCALL_LIST cannot be called, and the seccomp filters are generated from it
 * (vmm/host/sandbox.c).
 *
 * A wrapper is named sys_NAME, takes the arguments of the kernel's system call (arm64: asm-generic
 * numbers) and returns its result or a negative errno. There is no errno variable.
 */
#ifndef CRT_SYS_H
#define CRT_SYS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

struct iovec;
struct msghdr;
struct pollfd;
struct timespec;

/* Which threads may make a call once the guest runs. */
enum role {
	BOOT = 0,	     /* none: only during start-up */
	VCPU_THREAD = 1,     /* a vCPU's thread */
	LOOP_THREAD = 2,     /* the event loop's; it also rebuilds the guest on reset */
	INIT_PROCESS = 4,    /* the parent process, which waits for the monitor */
	LOOP_WITH_GDB = 8,   /* the event loop's, with --gdb */
	LOOP_WITH_CORE = 16, /* the event loop's, with --dump-core */
	VCPU_WITH_DISK = 32, /* a vCPU's thread, of a guest that has a disk */
	WORKER_THREAD = 64,  /* the thread for blocking disk I/O */
	/* These two, of a guest that has a network: any, and a socket to another process. */
	VCPU_WITH_NET = 128,
	LOOP_WITH_NET = 256,
	VCPU_WITH_STREAM = 512,
	LOOP_WITH_STREAM = 1024,
	LOOP_WITH_SAVE = 2048, /* the event loop's, with --save */
	SAVER_PROCESS = 4096,  /* the process that makes and renames a snapshot's file */
	VCPU_ROLES = VCPU_THREAD | VCPU_WITH_DISK | VCPU_WITH_NET | VCPU_WITH_STREAM,
};

/* SYSCALL(number of arguments, roles, name, argument types): each user of the list defines it.
 * rt_sigreturn is called by the vDSO on return from a signal handler. */
#define SYSCALL_LIST                                                                               \
	SYSCALL(3, VCPU_THREAD | LOOP_THREAD | INIT_PROCESS | WORKER_THREAD, ioctl, int,           \
		unsigned long, uintptr_t)                                                          \
	SYSCALL(3, VCPU_THREAD | LOOP_THREAD | INIT_PROCESS | WORKER_THREAD, write, int,           \
		const void *, size_t)                                                              \
	SYSCALL(6, VCPU_THREAD | LOOP_THREAD | WORKER_THREAD, futex, uint32_t *, int, uint32_t,    \
		const struct timespec *, uint32_t *, uint32_t)                                     \
	SYSCALL(5, VCPU_THREAD | LOOP_THREAD | INIT_PROCESS | WORKER_THREAD, ppoll,                \
		struct pollfd *, size_t, const struct timespec *, const void *, size_t)            \
	SYSCALL(2, VCPU_THREAD | LOOP_THREAD | WORKER_THREAD, clock_gettime, int,                  \
		struct timespec *)                                                                 \
	SYSCALL(0, VCPU_THREAD | LOOP_THREAD | WORKER_THREAD, rt_sigreturn)                        \
	SYSCALL(1, VCPU_THREAD | LOOP_THREAD | INIT_PROCESS | WORKER_THREAD | SAVER_PROCESS,       \
		exit_group, int)                                                                   \
	SYSCALL(6, VCPU_WITH_DISK | WORKER_THREAD | LOOP_WITH_SAVE, preadv2, int,                  \
		const struct iovec *, size_t, uint64_t, unsigned long, int)                        \
	SYSCALL(6, VCPU_WITH_DISK | WORKER_THREAD, pwritev2, int, const struct iovec *, size_t,    \
		uint64_t, unsigned long, int)                                                      \
	SYSCALL(3, VCPU_WITH_NET | LOOP_WITH_NET, writev, int, const struct iovec *, size_t)       \
	SYSCALL(3, LOOP_WITH_NET, readv, int, const struct iovec *, size_t)                        \
	SYSCALL(3, VCPU_WITH_STREAM | LOOP_WITH_STREAM | SAVER_PROCESS, sendmsg, int,              \
		const void *, int)                                                                 \
	SYSCALL(1, WORKER_THREAD | LOOP_WITH_SAVE | SAVER_PROCESS, fdatasync, int)                 \
	SYSCALL(4, WORKER_THREAD, fallocate, int, int, uint64_t, uint64_t)                         \
	SYSCALL(3, LOOP_THREAD | SAVER_PROCESS, read, int, void *, size_t)                         \
	SYSCALL(4, LOOP_THREAD | VCPU_WITH_DISK, pread64, int, void *, size_t, uint64_t)           \
	SYSCALL(2, LOOP_THREAD, tkill, int, int)                                                   \
	SYSCALL(6, LOOP_THREAD, mmap, uintptr_t, size_t, int, int, int, uint64_t)                  \
	SYSCALL(3, LOOP_THREAD, madvise, uintptr_t, size_t, int)                                   \
	SYSCALL(5, LOOP_THREAD, mremap, uintptr_t, size_t, size_t, int, uintptr_t)                 \
	SYSCALL(2, LOOP_THREAD, munmap, uintptr_t, size_t)                                         \
	SYSCALL(1, LOOP_THREAD | SAVER_PROCESS, close, int)                                        \
	SYSCALL(3, LOOP_THREAD, getrandom, void *, size_t, unsigned)                               \
	SYSCALL(4, INIT_PROCESS, wait4, int, int *, int, void *)                                   \
	SYSCALL(4, INIT_PROCESS, rt_sigtimedwait, const uint64_t *, void *,                        \
		const struct timespec *, size_t)                                                   \
	SYSCALL(2, INIT_PROCESS, kill, int, int)                                                   \
	SYSCALL(4, INIT_PROCESS, reboot, int, int, int, const void *)                              \
	SYSCALL(4, LOOP_WITH_CORE | LOOP_WITH_SAVE | VCPU_WITH_DISK, pwrite64, int, const void *,  \
		size_t, uint64_t)                                                                  \
	SYSCALL(2, LOOP_WITH_CORE | LOOP_WITH_SAVE | SAVER_PROCESS, ftruncate, int, uint64_t)      \
	SYSCALL(4, LOOP_WITH_GDB | LOOP_WITH_STREAM, accept4, int, void *, void *, int)            \
	SYSCALL(3, LOOP_WITH_STREAM, socket, int, int, int)                                        \
	SYSCALL(3, LOOP_WITH_STREAM, connect, int, const void *, size_t)                           \
	SYSCALL(5, BOOT, setsockopt, int, int, int, const void *, size_t)                          \
	SYSCALL(3, SAVER_PROCESS, unlinkat, int, const char *, int)                                \
	SYSCALL(3, BOOT, symlinkat, const char *, int, const char *)                               \
	SYSCALL(3, BOOT, finit_module, int, const char *, int)                                     \
	SYSCALL(3, LOOP_WITH_SAVE, mincore, uintptr_t, size_t, uint8_t *)                          \
	SYSCALL(1, LOOP_WITH_SAVE, sysinfo, void *)                                                \
	SYSCALL(3, LOOP_WITH_SAVE, recvmsg, int, struct msghdr *, int)                             \
	SYSCALL(4, SAVER_PROCESS, renameat, int, const char *, int, const char *)                  \
	SYSCALL(4, BOOT, socketpair, int, int, int, int *)                                         \
	SYSCALL(3, BOOT, bind, int, const void *, size_t)                                          \
	SYSCALL(2, BOOT, listen, int, int)                                                         \
	SYSCALL(3, BOOT, mprotect, uintptr_t, size_t, int)                                         \
	SYSCALL(4, SAVER_PROCESS, openat, int, const char *, int, int)                             \
	SYSCALL(3, BOOT, close_range, unsigned, unsigned, unsigned)                                \
	SYSCALL(3, BOOT, lseek, int, uint64_t, int)                                                \
	SYSCALL(2, SAVER_PROCESS, flock, int, int)                                                 \
	SYSCALL(2, LOOP_WITH_SAVE, fstat, int, void *)                                             \
	SYSCALL(2, BOOT, fstatfs, int, void *)                                                     \
	SYSCALL(2, BOOT, eventfd2, unsigned, int)                                                  \
	SYSCALL(4, BOOT, signalfd4, int, const uint64_t *, size_t, int)                            \
	SYSCALL(3, BOOT, sched_getaffinity, int, size_t, void *)                                   \
	SYSCALL(3, BOOT, sched_setscheduler, int, int, const int *)                                \
	SYSCALL(2, BOOT, timerfd_create, int, int)                                                 \
	SYSCALL(4, BOOT, timerfd_settime, int, int, const void *, void *)                          \
	SYSCALL(2, BOOT, clock_settime, int, const struct timespec *)                              \
	SYSCALL(4, BOOT, rt_sigaction, int, const void *, void *, size_t)                          \
	SYSCALL(4, BOOT, rt_sigprocmask, int, const uint64_t *, uint64_t *, size_t)                \
	SYSCALL(0, BOOT, getpid)                                                                   \
	SYSCALL(1, BOOT, getpgid, int)                                                             \
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
	/* Unit tests run natively and provide a syscall6 of their own. */
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
 * Restarts a call that a signal interrupted, unless the call is one that waits and whose caller
 * must check first whether to go on waiting: those all have the role VCPU_THREAD or INIT_PROCESS.
 * close is not restarted either, because EINTR leaves the descriptor closed (close(2)).
 */
static inline long syscall_of(enum role roles, long number, long a, long b, long c, long d, long e,
			      long f)
{
	if (roles & (VCPU_THREAD | INIT_PROCESS) || number == SYS_close)
		return syscall6(number, a, b, c, d, e, f);
	/* The arguments stay in the registers in which the kernel takes them. */
	return syscall_restart(a, b, c, d, e, f, number);
}

/* A placeholder for an argument that a call does not have: the register keeps whatever it holds. */
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

/* ioctl, restarted if a signal interrupts it: for all requests but KVM_RUN. */
static inline long ioctl_restart(int fd, unsigned long request, uintptr_t argument)
{
	long result;

	do
		result = sys_ioctl(fd, request, argument);
	while (result == -EINTR);
	return result;
}

#endif
