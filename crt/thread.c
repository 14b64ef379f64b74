// SPDX-License-Identifier: MIT
/*
 * Threads by raw clone, and a lock by futex (clone(2), futex(2); the lock is the second of
 * Drepper's "Futexes Are Tricky").
 *
 * Who uses it: vmm/, one thread a vCPU. A thread has no thread-local storage: nothing here needs
 * any.
 */
#include "crt.h"
#include "sys.h"

#include <errno.h>
#include <linux/auxvec.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/mman.h>

#define STACK_SIZE 65536 /* a multiple of every page size; our deepest call chain takes 2 KiB */

void lock_acquire(struct lock *lock)
{
	uint32_t free = 0;

	if (__atomic_compare_exchange_n(&lock->state, &free, 1, false, __ATOMIC_ACQUIRE,
					__ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(&lock->state, 2, __ATOMIC_ACQUIRE) != 0)
		sys_futex(&lock->state, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

void lock_release(struct lock *lock)
{
	if (__atomic_exchange_n(&lock->state, 0, __ATOMIC_RELEASE) == 2)
		sys_futex(&lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/*
 * thread_clone(flags, stack top, thread id's address): the child takes function and argument off
 * its new stack and ends its thread when the function returns. In assembly because a C function
 * cannot return on another stack.
 */
long thread_clone(unsigned long flags, uintptr_t *top, uint32_t *id);

__asm__(".pushsection .text.thread_clone, \"ax\"\n"
	".global thread_clone\n"
	".hidden thread_clone\n"
	".type thread_clone, %function\n"
	"thread_clone:\n"
	"	bti	c\n"
	"	mov	x4, x2\n" /* CHILD_CLEARTID */
	"	mov	x3, #0\n" /* no TLS */
	"	mov	x8, #220\n"
	"	svc	#0\n"
	"	cbnz	x0, 1f\n"
	"	mov	x29, #0\n"
	"	mov	x30, #0\n"
	"	ldp	x1, x0, [sp], #16\n"
	"	blr	x1\n"
	"	mov	x0, #0\n"
	"	mov	x8, #93\n"
	"	svc	#0\n"
	"1:	ret\n"
	".size thread_clone, . - thread_clone\n"
	".popsection\n");
_Static_assert(SYS_clone == 220 && SYS_exit == 93, "the numbers in thread_clone");

int thread_start(struct thread *thread, void (*function)(void *), void *argument)
{
	size_t guard = getauxval(AT_PAGESZ);
	long stack;
	long result;

	thread->size = guard + STACK_SIZE;
	stack = sys_mmap(0, thread->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack < 0)
		return (int)stack;
	thread->stack = (void *)stack;
	result = sys_mprotect((uintptr_t)stack + guard, STACK_SIZE, PROT_READ | PROT_WRITE);
	if (result == 0) {
		uintptr_t *top = (uintptr_t *)((uintptr_t)stack + thread->size) - 2;

		top[0] = (uintptr_t)function;
		top[1] = (uintptr_t)argument;
		result = thread_clone(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
					      CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID |
					      CLONE_CHILD_CLEARTID,
				      top, &thread->id);
	}
	if (result < 0)
		sys_munmap((uintptr_t)stack, thread->size);
	return result < 0 ? (int)result : 0;
}

void thread_join(struct thread *thread)
{
	uint32_t id;

	/* The kernel clears the id and wakes us once the thread needs its stack no more; that wake
	 * is not a private one. */
	while ((id = __atomic_load_n(&thread->id, __ATOMIC_ACQUIRE)) != 0)
		sys_futex(&thread->id, FUTEX_WAIT, id, NULL, NULL, 0);
	sys_munmap((uintptr_t)thread->stack, thread->size);
}
