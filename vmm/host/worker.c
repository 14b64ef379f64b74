// SPDX-License-Identifier: MIT
/* A thread for work that may block. Who calls it: vmm/machine/disks.c. Touches its list of jobs. */
#include "worker.h"

#include "crt/sys.h"
#include "sandbox.h"

void worker_add(struct worker *worker, struct job *job)
{
	bool was_idle;

	job->next = NULL;
	lock_acquire(&worker->lock);
	was_idle = !worker->first;
	if (was_idle)
		worker->first = job;
	else
		worker->last->next = job;
	worker->last = job;
	__atomic_add_fetch(&worker->count, 1, __ATOMIC_RELEASE);
	lock_release(&worker->lock);
	if (was_idle)
		futex_wake_all(&worker->count);
}

/* Waits for a job, and takes the first one off the list. */
static struct job *take(struct worker *worker)
{
	struct job *job;

	futex_wait(&worker->count, 0);
	lock_acquire(&worker->lock);
	job = worker->first;
	worker->first = job->next;
	__atomic_sub_fetch(&worker->count, 1, __ATOMIC_RELEASE);
	lock_release(&worker->lock);
	return job;
}

static _Noreturn void work(void *opaque)
{
	struct worker *worker = opaque;

	if (worker->sandboxed)
		sandbox_filter(WORKER_THREAD);
	for (;;) {
		struct job *job = take(worker);

		job->run(job);
	}
}

int worker_start(struct worker *worker, bool sandboxed)
{
	worker->sandboxed = sandboxed;
	return thread_start(&worker->thread, work, worker);
}
