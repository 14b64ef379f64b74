/* SPDX-License-Identifier: MIT */
/*
 * A run of the guest: how its CPUs' threads start it, and how it ends, whoever ends it: a vCPU, a
 * device, the console.
 *
 * Who uses it: machine.c starts and stops it; the others call run_end.
 */
#ifndef VMM_RUN_H
#define VMM_RUN_H

#include "crt/crt.h"
#include "vmm/status.h"

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

struct run {
	uint32_t end; /* END_WORD of how it ends and its status; read and written atomically */
	struct vcpu *vcpus;
	unsigned cpus;
	int wake;	    /* eventfd of the event loop */
	bool sandboxed;	    /* its threads give up the system calls that they do not need */
	uint32_t gate;	    /* a futex, of enum gate */
	uint32_t starts;    /* a futex: of the guest so far */
	uint32_t ready;	    /* a futex: those of them in which all CPUs may enter the guest */
	uint32_t running;   /* a futex: CPUs that are in this run still, and not paused */
	bool broken;	    /* it has ended because a CPU could not go on */
	int core;	    /* file for a core dump; -1: none */
	bool paused;	    /* all CPUs are; the event loop's alone */
	bool starts_paused; /* as well */
	void (*watch)(struct vcpu *vcpu); /* the loop that its CPUs run in; NULL: exits.c's */
	bool continued; /* a CPU's thread was the first of the process to go on from a stop */
	struct lock output_lock; /* of all outlets */
};

/* Bits of the gate between an exit of a CPU and its next entry. */
enum gate {
	OVER = 1,   /* nobody waits any more: the run has ended */
	PAUSED = 2, /* CPUs finish the instruction that exited, and then wait */
	/* CPUs wait: what they print finds no room; a bit for each kind of output. They outlast
	 * the run, as what waits does. */
	HELD_BY_CONSOLE = 4,
	HELD_BY_MESSAGES = 8,
	HELD_BY_TRACE = 16,
	HELD = HELD_BY_CONSOLE | HELD_BY_MESSAGES | HELD_BY_TRACE,
};

/* How a run ends, by rank: an end is never lost to one of a lower rank, whichever comes first. */
enum end {
	RUNNING,
	RESET,	 /* the guest, or whoever typed that, wants it to be started again */
	ENDED,	 /* by the guest, with its status */
	STOPPED, /* by the user, a debugger or a signal, with their status */
};
#define END_WORD(end, status) ((uint32_t)(end) | (uint32_t)(status) << 8)

/* Starts the vCPUs' threads; when it returns each is in its sandbox, and waits for run_start. */
void run_start_threads(struct run *run);
/* Starts the guest on the CPUs' threads, unless something of a higher rank than RESET has ended it
 * meanwhile. */
void run_start(struct run *run);
/* Waits, once it has ended, until no CPU is in the guest any more. */
void run_stop(struct run *run);

/* Ends the run, unless it has ended with this rank or a higher one already, and makes every thread
 * of it notice. The status counts if it is no RESET. From any thread. */
void run_end(struct run *run, enum end end, int status);

/* Keeps CPUs out of the guest from their next exit on, until nothing of HELD holds them any more.
 * From any thread. */
void run_hold(struct run *run, uint32_t held);
void run_release(struct run *run, uint32_t held);
/* Lets a vCPU's thread wait while the gate is shut. False if the run has ended. */
__attribute__((noinline)) bool run_wait_at_gate(struct vcpu *vcpu);
/* Makes CPUs that are in the guest leave it, and choose anew how they run. The event loop's. */
void run_kick(struct run *run);

/*
 * A pause is for looking at the guest: its CPUs stand between two instructions, their registers are
 * what the guest would see, and may be changed. Anyone may ask for it; the event loop completes it,
 * and ends it for all CPUs but those that are `frozen`.
 */
void run_ask_pause(struct run *run);
bool run_pause_asked(const struct run *run);
void run_pause(struct run *run);
void run_resume(struct run *run);
/* Told by a signal handler that the process goes on after a stop; its context is a struct run. */
void run_was_continued(void *run);
/*
 * The whole process was stopped (SIGSTOP) and goes on: nobody could say so before. A CPU that is
 * interrupted by that asks for a pause; the event loop completes it, and learns whether it is
 * certain that no CPU has been in the guest since.
 */
void run_was_interrupted(struct vcpu *vcpu);
bool run_pause_after_stop(struct run *run);
/* A vCPU's thread waits here, if it is to. */
void run_wait_if_paused(struct vcpu *vcpu);

/* May the guest still run? What other threads wrote before they ended it is seen after a no. */
static inline bool run_goes_on(const struct run *run)
{
	return __atomic_load_n(&run->end, __ATOMIC_ACQUIRE) == RUNNING;
}

static inline enum end run_how_ended(const struct run *run)
{
	return (enum end)(__atomic_load_n(&run->end, __ATOMIC_ACQUIRE) & 0xff);
}

/* The program's exit status after that: of a RESET that nothing follows, too. */
static inline int run_status(const struct run *run)
{
	return run_how_ended(run) == RESET
		       ? STATUS_RESET
		       : (int)(__atomic_load_n(&run->end, __ATOMIC_ACQUIRE) >> 8);
}

#endif
