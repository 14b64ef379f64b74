// SPDX-License-Identifier: MIT
/*
 * Beats while the event loop turns and the vCPUs answer. Who calls it: main, machine.c, the event
 * loop, and a signal handler. Touches the vCPUs by kicks.
 */
#include "watchdog.h"

#include "crt/crt.h"
#include "exits.h"
#include "vmm/host/clock.h"
#include "vmm/kvm/kvm.h"
#include "vmm/report.h"

#include <signal.h>
#include <ucontext.h>

#define BEATS 4 /* in the time that PID 1 waits for one */

/* A mutable global, because a signal handler gets no argument. */
static const struct run *dumped;

/* Has every vCPU left the guest since the last kick? Those that wait for something else, for output
 * that has stalled or a debugger, are not asked. */
static bool all_answer(const struct run *run)
{
	if (!run_goes_on(run) || __atomic_load_n(&run->entry_gate, __ATOMIC_RELAXED))
		return true;
	for (unsigned i = 0; i < run->cpus; i++)
		if (!__atomic_load_n(&run->vcpus[i].answered, __ATOMIC_RELAXED))
			return false;
	return true;
}

static void kick(struct run *run)
{
	for (unsigned i = 0; i < run->cpus; i++) {
		__atomic_store_n(&run->vcpus[i].answered, false, __ATOMIC_RELAXED);
		vcpu_kick(&run->vcpus[i]);
	}
}

static void beat(struct watchdog *watchdog)
{
	__atomic_add_fetch(watchdog->beats, 1, __ATOMIC_RELAXED);
}

static void expire(void *opaque)
{
	struct watchdog *watchdog = opaque;

	if (all_answer(watchdog->run)) {
		beat(watchdog);
		if (run_goes_on(watchdog->run))
			kick(watchdog->run);
	}
	loop_set_timer(&watchdog->timer, 0, watchdog->period);
}

static uintptr_t interrupted_at(const void *context)
{
#ifdef __aarch64__
	return ((const ucontext_t *)context)->uc_mcontext.pc;
#else /* unit tests */
	return (uintptr_t)context;
#endif
}

/* On whatever thread takes the signal, preferably the event loop's. Nothing that may hang is done:
 * no lock is taken, and no vCPU is asked for its registers, which KVM_RUN would hold up. */
static void on_abort(int number, siginfo_t *info, void *context)
{
	extern char __ehdr_start[] __attribute__((visibility("hidden")));
	(void)info;
	report_at_once(
		"the event loop does not turn, or a CPU does not answer: at %#lx of nestling",
		interrupted_at(context) - (uintptr_t)__ehdr_start);
	for (unsigned i = 0; i < dumped->cpus; i++) {
		const struct vcpu *vcpu = &dumped->vcpus[i];
		const struct exit_record *last = &vcpu->history[(vcpu->remembered - 1) % HISTORY];

		report_at_once("CPU %u: %s; %u exits, the last KVM_EXIT_%s %#lx %#lx %#lx", i,
			       vcpu->answered ? "has answered" : "does not answer",
			       vcpu->remembered, exit_name(last->reason), last->detail[0],
			       last->detail[1], last->detail[2]);
	}
	exit(STATUS_SIGNAL + number);
}

void watchdog_create(struct watchdog *watchdog, struct run *run, uint32_t *beats, uint64_t seconds)
{
	*watchdog = (struct watchdog){
		.run = run,
		.beats = beats,
		.period = seconds * NS_PER_S / BEATS,
		.timer = { .expire = expire,
			   .context = watchdog,
			   .lock = &watchdog->lock,
			   .is_host_time = true },
	};
	dumped = run;
	loop_add_timer(&run->loop, &watchdog->timer);
	if (beats)
		kvm_check(signal_catch(SIGABRT, on_abort), "rt_sigaction");
}

void watchdog_start(struct watchdog *watchdog)
{
	if (!watchdog->beats || watchdog->timer.deadline != LOOP_NEVER)
		return;
	beat(watchdog);
	kick(watchdog->run);
	lock_acquire(&watchdog->lock);
	loop_set_timer(&watchdog->timer, 0, watchdog->period);
	lock_release(&watchdog->lock);
}
