// SPDX-License-Identifier: MIT
/*
 * Signal handlers, threads by raw clone(2), and a lock on a futex(2) (the second version in
 * Drepper's "Futexes Are Tricky").
 *
 * Who calls it: vmm/. Threads have no thread-local storage, because nothing here needs any.
 */
#include "crt.h"
#include "sys.h"

#include <limits.h>
#include <linux/auxvec.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <time.h>

#define STACK_SIZE                                                                                 \
	65536 /* a multiple of every page size; our deepest call chain takes some 8 KiB */

/* asm-generic/signal.h; without SA_RESTORER a handler returns by the vDSO. */
struct action {
	void (*handler)(int number, siginfo_t *info, void *context);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

int signal_catch(int number, void (*handler)(int number, siginfo_t *info, void *context))
{
	const struct action action = { .handler = handler, .flags = SA_SIGINFO };

	return (int)sys_rt_sigaction(number, &action, NULL, sizeof action.mask);
}

bool signal_is_ignored(int number)
{
	struct action action = { .flags = 0 };

	return sys_rt_sigaction(number, NULL, &action, sizeof action.mask) == 0 &&
	       (uintptr_t)action.handler == (uintptr_t)SIG_IGN;
}

void lock_acquire(struct lock *lock)
{
	uint32_t free = 0;

	if (__atomic_compare_exchange_n(&lock->state, &free, 1, false, __ATOMIC_ACQUIRE,
					__ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(&lock->state, 2, __ATOMIC_ACQUIRE) != 0)
		sys_futex(&lock->state, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

/*
 * Retries, because a lost wake-up would be a hang. It cannot fail for ever: the address is valid.
 */
static void wake(uint32_t *word, uint32_t max)
{
	while (sys_futex(word, FUTEX_WAKE_PRIVATE, max, NULL, NULL, 0) < 0)
		;
}

void lock_release(struct lock *lock)
{
	if (__atomic_exchange_n(&lock->state, 0, __ATOMIC_RELEASE) == 2)
		wake(&lock->state, 1);
}

void futex_wait(uint32_t *word, uint32_t value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
		sys_futex(word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void futex_wait_at_most(uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	const struct timespec time = { .tv_sec = (time_t)(nanoseconds / 1000000000),
				       .tv_nsec = (long)(nanoseconds % 1000000000) };

	sys_futex(word, FUTEX_WAIT_PRIVATE, value, &time, NULL, 0);
}

void futex_wake_all(uint32_t *word)
{
	wake(word, INT_MAX);
}

/* thread_clone(flags, stack top, address for the thread id): the child pops function and argument
 * off its new stack. In assembly because a C function cannot return on another stack. */
long thread_clone(unsigned long flags, uintptr_t *top, uint32_t *id);

__asm__(".pushsection .text.thread_clone, \"ax\"\n"
	".global thread_clone\n"
	".hidden thread_clone\n"
	".type thread_clone, %function\n"
	"thread_clone:\n"
	"	bti	c\n"
	"	mov	x3, #0\n" /* no TLS */
	"	mov	x8, #220\n"
	"	svc	#0\n"
	"	cbnz	x0, 1f\n"
	"	mov	x29, #0\n"
	"	mov	x30, #0\n"
	"	ldp	x1, x0, [sp], #16\n"
	"	blr	x1\n"
	"	brk	#0\n"
	"1:	ret\n"
	".size thread_clone, . - thread_clone\n"
	".popsection\n");
_Static_assert(SYS_clone == 220, "the number in thread_clone");

int thread_start(uint32_t *id, void (*function)(void *), void *argument)
{
	size_t guard = getauxval(AT_PAGESZ);
	size_t size = guard + STACK_SIZE;
	long stack = sys_mmap(0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long result;

	if (stack < 0)
		return (int)stack;
	result = sys_mprotect((uintptr_t)stack + guard, STACK_SIZE, PROT_READ | PROT_WRITE);
	if (result == 0) {
		uintptr_t *top = (uintptr_t *)((uintptr_t)stack + size) - 2;

		top[0] = (uintptr_t)function;
		top[1] = (uintptr_t)argument;
		result = thread_clone(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
					      CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID,
				      top, id);
	}
	if (result < 0)
		sys_munmap((uintptr_t)stack, size);
	return result < 0 ? (int)result : 0;
}
