/* SPDX-License-Identifier: MIT */
/*
 * A thread for work that may block. It runs jobs one after the other, in the order in which they
 * were added.
 *
 * Who uses it: disks (vmm/machine/disks.c). There is no way to wait for a job: its `run` reports
 * the result itself.
 */
#ifndef VMM_WORKER_H
#define VMM_WORKER_H

#include "crt/crt.h"

/* Part of a struct of whoever adds it, who must not change it until `run` is called. */
struct job {
	struct job *next;
	void (*run)(struct job *job);
};

struct worker {
	struct lock lock; /* protects the list */
	struct job *first, *last;
	uint32_t count;	 /* futex: number of jobs in the list */
	uint32_t thread; /* kernel id */
	bool sandboxed;	 /* it installs its seccomp filter */
};

/* Starts the thread. Returns 0 or a negative errno. */
int worker_start(struct worker *worker, bool sandboxed);

/* Adds a job to the end of the list. From any thread. */
void worker_add(struct worker *worker, struct job *job);

#endif
