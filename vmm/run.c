// SPDX-License-Identifier: MIT
/*
 * Ends a run. Who calls it: vCPUs, devices' wires and console, from any thread. Touches the vCPUs'
 * kvm_run mappings and their threads.
 */
#include "run.h"

#include "crt.h"
#include "kvm.h"
#include "loop.h"
#include "sys.h"

#include <limits.h>
#include <linux/futex.h>

void run_hold(struct run *run)
{
	uint32_t free = 0;

	__atomic_compare_exchange_n(&run->held, &free, 1, false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
}

void run_release(struct run *run)
{
	uint32_t held = 1;

	if (__atomic_compare_exchange_n(&run->held, &held, 0, false, __ATOMIC_RELEASE,
					__ATOMIC_RELAXED))
		sys_futex(&run->held, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void run_wait_if_held(struct run *run)
{
	if (__atomic_load_n(&run->held, __ATOMIC_ACQUIRE) == 1)
		sys_futex(&run->held, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
}

void run_end(struct run *run, enum end end, int status)
{
	int running = RUNNING;

	/* The first word counts: status is written by the one that wins, and read after the joins.
	 */
	if (!__atomic_compare_exchange_n(&run->end, &running, end, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	run->status = status;
	for (unsigned i = 0; i < run->cpus; i++)
		vcpu_kick(&run->vcpus[i]);
	/* Nobody holds an ended run: those who might let go of it are gone, too. */
	__atomic_store_n(&run->held, 2, __ATOMIC_RELEASE);
	sys_futex(&run->held, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	loop_wake(run->wake);
}
