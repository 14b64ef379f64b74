/* SPDX-License-Identifier: MIT */
/*
 * A run of the guest, from start to end: starting the vCPUs' threads, holding and pausing them, and
 * ending the run, which a vCPU, a device, the console or a signal may do.
 *
 * Who uses it: machine.c starts and finishes it; whoever ends it calls run_end.
 */
#ifndef VMM_RUN_H
#define VMM_RUN_H

#include "crt/crt.h"
#include "vmm/host/event_loop.h"
#include "vmm/status.h"

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

struct run {
	uint32_t end; /* END_WORD of how it ended and its status; atomic */
	struct vcpu *vcpus;
	unsigned cpus;
	struct loop loop;    /* runs on the program's first thread */
	unsigned cpu_roles;  /* enum role of the vCPUs' threads; 0: no seccomp filter */
	uint32_t entry_gate; /* futex: bits of enum entry_gate; 0: vCPUs may enter the guest */
	uint32_t starts;     /* futex: number of run_start calls so far */
	uint32_t ready;	     /* futex: number of those in which all vCPUs may enter the guest */
	uint32_t running;    /* futex: vCPUs that are in this run and not paused */
	bool broken;	     /* it has ended because a vCPU could not continue */
	int core;	     /* file for a core dump; -1: none */
	bool paused;	     /* all vCPUs are paused; used by the event loop's thread only */
	bool starts_paused;  /* start the next run paused */
	void (*watch)(
		struct vcpu *vcpu); /* the tracing loop of the vCPUs; NULL: the loop of exits.c */
	/* Since the last resume: a vCPU's thread has noticed that the process was suspended, and
	 * the first one's has had SIGCONT. */
	bool suspended, continued;
	/* Called when a requested pause is complete; NULL: nothing to do. False: the run shall stay
	 * paused, and this be called again when the event loop has been woken. */
	bool (*at_pause)(void *context);
	void *at_pause_context;
	/* Called then, too, by the debugger, which resumes the run, now or later. NULL: no
	 * debugger, the run is resumed. */
	void (*on_paused)(void *debugger);
	void *debugger;
};

/* Reasons for a vCPU not to enter the guest again after an exit. */
enum entry_gate {
	OVER = 1, /* the run has ended */
	/* Complete the instruction that exited, then wait: a pause was requested, and is not yet
	 * complete; or the event loop's thread has paused the run, and not yet resumed it. */
	PAUSE_ASKED = 2,
	PAUSED = 4,
	PAUSE = PAUSE_ASKED | PAUSED,
	/* vCPUs wait because queued output has filled up; one bit per outlet. These bits outlast
	 * the run, as the queues do. */
	HELD_BY_CONSOLE = 8,
	HELD_BY_MESSAGES = 16,
	HELD_BY_TRACE = 32,
	HELD = HELD_BY_CONSOLE | HELD_BY_MESSAGES | HELD_BY_TRACE,
};

/* How a run ends, by rank: an end overrides those of a lower rank, whichever came first. */
enum end {
	RUNNING,
	RESET,	       /* by the guest or the user: it shall start again */
	ENDED,	       /* by the guest, with its status */
	ENDED_BY_USER, /* or by a debugger or a signal, with that status */
};
#define END_WORD(end, status) ((uint32_t)(end) | (uint32_t)(status) << 8)

/* Starts the vCPUs' threads; returns when each has its seccomp filter and waits for run_start. */
void run_start_threads(struct run *run);
/* Starts the guest on these threads, unless the run has been ended by a higher rank than RESET. */
void run_start(struct run *run);
/* After the end of the run, waits until no vCPU is in the guest. */
void run_finish(struct run *run);

/* Ends the run, unless it has been ended with this rank or a higher one, and makes all its threads
 * notice. `status` is ignored for RESET. From any thread. */
void run_end(struct run *run, enum end end, int status);

/* Sets or clears a bit of HELD, which keeps vCPUs from entering the guest after their next exit. Is
 * a struct outlet's `hold`; from any thread. */
void run_hold(void *run, uint32_t by, bool on);
/* Lets a vCPU's thread wait while it is held. False if the run has ended. */
__attribute__((noinline)) bool run_wait_at_entry_gate(struct vcpu *vcpu);
/* Makes vCPUs leave the guest and choose their loop again. On the event loop's thread. */
void run_kick(struct run *run);

/*
 * A pause is for inspecting the guest: its vCPUs stand between two instructions, and their
 * registers are consistent and may be changed. Any thread may request a pause; the event loop's
 * thread completes it, and resumes all vCPUs but those that are `frozen`. A request that comes when
 * the one before is complete is for another pause, as soon as the run is resumed.
 */
void run_ask_pause(struct run *run);
/* Has a pause been requested that is not complete, or is the run paused? */
bool run_pause_asked(const struct run *run);
/* Pauses the run, and leaves requests as they are. */
void run_pause(struct run *run);
void run_complete_pause(struct run *run);
void run_resume(struct run *run);
/*
 * The whole process may be suspended by SIGSTOP, which cannot be caught. When it continues, the
 * SIGCONT handler calls run_was_continued (`run` is a struct run) on the first vCPU's thread, and
 * each vCPU that was interrupted in KVM_RUN calls run_was_interrupted. Both request a pause, which
 * run_pause_after_suspension completes. It returns whether it is certain that no vCPU has been in
 * the guest since SIGSTOP. If no vCPU has noticed that, it does nothing.
 */
void run_was_continued(void *run);
void run_was_interrupted(struct vcpu *vcpu);
bool run_pause_after_suspension(struct run *run);
/* Lets a vCPU's thread wait while the run is paused. */
void run_wait_if_paused(struct vcpu *vcpu);

/* Is the run not ended? After false, the caller sees what the ending thread wrote before. */
static inline bool run_goes_on(const struct run *run)
{
	return __atomic_load_n(&run->end, __ATOMIC_ACQUIRE) == RUNNING;
}

static inline enum end run_how_ended(const struct run *run)
{
	return (enum end)(__atomic_load_n(&run->end, __ATOMIC_ACQUIRE) & 0xff);
}

/* The program's exit status after this run; also for a RESET that no new run follows. */
static inline int run_status(const struct run *run)
{
	return run_how_ended(run) == RESET
		       ? STATUS_RESET
		       : (int)(__atomic_load_n(&run->end, __ATOMIC_ACQUIRE) >> 8);
}

#endif
