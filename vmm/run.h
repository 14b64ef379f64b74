/* SPDX-License-Identifier: MIT */
/*
 * A run of the guest: how its CPUs' threads start it, and how it ends, whoever ends it: a vCPU, a
 * device, the console.
 *
 * Who uses it: machine.c starts and stops it; the others call run_end.
 */
#ifndef VMM_RUN_H
#define VMM_RUN_H

#include "status.h"

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

struct run {
	int end;    /* an enum end; read and written atomically */
	int status; /* of ENDED */
	struct vcpu *vcpus;
	unsigned cpus;
	int wake;	/* eventfd of the event loop */
	bool sandboxed; /* its threads give up the system calls that they do not need */
	uint32_t held; /* a futex: 1 while CPUs shall not enter the guest, 2 once they never will */
	uint32_t starts;  /* a futex: of the guest so far */
	uint32_t running; /* a futex: CPUs that are in this run still */
};

enum end {
	RUNNING,
	ENDED, /* with status */
	RESET, /* the guest wants to be started again */
};

/* Starts the vCPUs' threads; when it returns each is in its sandbox, and waits for run_start. */
void run_start_threads(struct run *run);
/* Starts the guest on the CPUs' threads. */
void run_start(struct run *run);
/* Waits, once it has ended, until no CPU is in the guest any more. */
void run_stop(struct run *run);

/* Ends the run, unless it has ended already, and makes every thread of it notice. From any thread.
 */
void run_end(struct run *run, enum end end, int status);

/* Keeps CPUs out of the guest from their next exit on, and lets them in again. From any thread. */
void run_hold(struct run *run);
void run_release(struct run *run);
/* A vCPU's thread waits here, if it is to. */
void run_wait_if_held(struct run *run);

/* May the guest still run? What other threads wrote before they ended it is seen after a no. */
static inline bool run_goes_on(const struct run *run)
{
	return __atomic_load_n(&run->end, __ATOMIC_ACQUIRE) == RUNNING;
}

#endif
