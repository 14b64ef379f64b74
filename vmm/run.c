// SPDX-License-Identifier: MIT
/*
 * Starts and ends runs. Who calls it: machine.c on the event loop's thread; vCPUs, devices' wires
 * and console, from any thread. Touches the vCPUs' kvm_run mappings and their threads.
 */
#include "run.h"

#include "crt.h"
#include "kvm.h"
#include "loop.h"
#include "report.h"
#include "sandbox.h"

/* The function of a vCPU's thread: its part of every run that is started, for ever. */
static _Noreturn void run_cpu(void *opaque)
{
	struct vcpu *vcpu = opaque;
	struct run *run = vcpu->guest;

	if (run->sandboxed)
		sandbox_filter(CPU);
	for (uint32_t starts = 0;; starts++) {
		if (__atomic_sub_fetch(&run->running, 1, __ATOMIC_RELEASE) == 0)
			futex_wake_all(&run->running);
		futex_wait(&run->starts, starts);
		vcpu_run(vcpu);
	}
}

static void wait_for_cpus(struct run *run)
{
	uint32_t running;

	while ((running = __atomic_load_n(&run->running, __ATOMIC_ACQUIRE)) != 0)
		futex_wait(&run->running, running);
}

void run_start_threads(struct run *run)
{
	run->running = run->cpus;
	for (unsigned i = 0; i < run->cpus; i++) {
		int result = thread_start(&run->vcpus[i].thread, run_cpu, &run->vcpus[i]);

		if (result < 0)
			die(status_of_error(-result), "thread of CPU %u: %s; take fewer --cpus", i,
			    error_text(-result));
	}
	wait_for_cpus(run);
}

void run_start(struct run *run)
{
	run->end = RUNNING;
	run->running = run->cpus;
	__atomic_add_fetch(&run->starts, 1, __ATOMIC_RELEASE);
	futex_wake_all(&run->starts);
}

void run_stop(struct run *run)
{
	for (unsigned i = 0; i < run->cpus; i++)
		vcpu_kick(&run->vcpus[i]);
	wait_for_cpus(run);
}

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
		futex_wake_all(&run->held);
}

void run_wait_if_held(struct run *run)
{
	futex_wait(&run->held, 1);
}

void run_end(struct run *run, enum end end, int status)
{
	int running = RUNNING;

	/* The first word counts: status is written by the one that wins, and read after run_stop.
	 */
	if (!__atomic_compare_exchange_n(&run->end, &running, end, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	run->status = status;
	/* Nobody holds an ended run: those who might let go of it are gone, too. */
	__atomic_store_n(&run->held, 2, __ATOMIC_RELEASE);
	futex_wake_all(&run->held);
	loop_wake(run->wake); /* which stops the CPUs */
}
