// SPDX-License-Identifier: MIT
/*
 * Starts, pauses and ends runs. Who calls it: machine.c and the debugger on the event loop's
 * thread; vCPUs, devices' wires and console, from any thread. Touches the vCPUs' kvm_run mappings
 * and their threads.
 */
#include "run.h"

#include "crt/crt.h"
#include "exits.h"
#include "no_syndrome.h"
#include "vmm/host/clock.h"
#include "vmm/host/sandbox.h"
#include "vmm/kvm/kvm.h"
#include "vmm/report.h"
#include "vmm/wake.h"

/* A vCPU has left the guest. */
static void leave(struct run *run)
{
	if (__atomic_sub_fetch(&run->running, 1, __ATOMIC_RELEASE) == 0)
		futex_wake_all(&run->running);
}

/*
 * On the first vCPU's thread: lets the others enter the guest. KVM maps its interrupt controller in
 * the first KVM_RUN of any vCPU, but reports it as mapped before that is complete
 * (vgic_map_resources). If two vCPUs entered KVM_RUN at once, one could find nothing at the
 * controller's addresses.
 */
static void make_ready(struct run *run)
{
	if (run->cpus > 1)
		run_first_entry(run->vcpus);
	__atomic_add_fetch(&run->ready, 1, __ATOMIC_RELEASE);
	futex_wake_all(&run->ready);
}

/* The function of a vCPU's thread: takes part in every run, for ever. */
static _Noreturn void run_cpu(void *opaque)
{
	struct vcpu *vcpu = opaque;
	struct run *run = vcpu->guest;

	if (vcpu == run->vcpus)
		vcpu_accept_continue();
	if (run->cpu_roles)
		sandbox_filter(run->cpu_roles);
	for (uint32_t starts = 0;; starts++) {
		leave(run);
		if (vcpu == run->vcpus) {
			futex_wait(&run->starts, starts);
			make_ready(run);
		} else {
			futex_wait(&run->ready, starts);
		}
		vcpu->in_run = true;
		run_vcpu(vcpu);
		vcpu->in_run = false;
	}
}

/* Waits until no vCPU is in the guest, nor will enter it before the next start or resume. */
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

static void forget_suspension(struct run *run)
{
	run->suspended = run->continued = false;
	for (unsigned i = 0; i < run->cpus; i++)
		run->vcpus[i].interrupted = false;
}

void run_start(struct run *run)
{
	uint32_t reset = END_WORD(RESET, 0);

	/* A reset is now done with; any other end remains. */
	__atomic_compare_exchange_n(&run->end, &reset, RUNNING, false, __ATOMIC_ACQ_REL,
				    __ATOMIC_RELAXED);
	run->broken = false;
	/* A pause that was requested between two runs is one of the next. */
	__atomic_fetch_and(&run->entry_gate, HELD | PAUSE_ASKED, __ATOMIC_RELAXED);
	if (run->starts_paused)
		__atomic_fetch_or(&run->entry_gate, PAUSE_ASKED, __ATOMIC_RELAXED);
	/* A resumed guest's time stands still until here. */
	if (!run->starts_paused)
		(void)clock_start();
	vcpu_set_counter(&run->vcpus[0], clock_guest_counter());
	loop_was_busy(&run->loop);
	forget_suspension(run);
	run->running = run->cpus;
	__atomic_add_fetch(&run->starts, 1, __ATOMIC_RELEASE);
	futex_wake_all(&run->starts);
}

void run_kick(struct run *run)
{
	for (unsigned i = 0; i < run->cpus; i++)
		vcpu_kick(&run->vcpus[i]);
}

void run_finish(struct run *run)
{
	run_kick(run);
	wait_for_cpus(run);
	/* Paused vCPUs leave now. */
	for (unsigned i = 0; i < run->cpus; i++)
		run->vcpus[i].frozen = false;
	run_resume(run);
	wait_for_cpus(run);
}

/* ---- holding ---- */

void run_hold(void *opaque, uint32_t by, bool on)
{
	struct run *run = opaque;

	if (on)
		__atomic_fetch_or(&run->entry_gate, by, __ATOMIC_RELAXED);
	else if (__atomic_fetch_and(&run->entry_gate, ~by, __ATOMIC_RELEASE) & by)
		futex_wake_all(&run->entry_gate);
}

bool run_wait_at_entry_gate(struct vcpu *vcpu)
{
	struct run *run = vcpu->guest;
	uint32_t gate;

	/* Only HELD bits make them wait; an end or a pause lets them go on. */
	while ((gate = __atomic_load_n(&run->entry_gate, __ATOMIC_ACQUIRE)) != 0 && !(gate & ~HELD))
		futex_wait(&run->entry_gate, gate);
	if (run_pause_asked(run))
		vcpu->run->immediate_exit = 1; /* enters KVM_RUN only to complete the exit */
	return run_goes_on(run);
}

/* ---- pausing ---- */

static void close_gate(struct run *run, uint32_t by)
{
	__atomic_fetch_or(&run->entry_gate, by, __ATOMIC_SEQ_CST);
	/* vCPUs that are held complete their instruction. */
	futex_wake_all(&run->entry_gate);
}

void run_ask_pause(struct run *run)
{
	close_gate(run, PAUSE_ASKED);
	wake_loop(run->loop.wake);
}

bool run_pause_asked(const struct run *run)
{
	return __atomic_load_n(&run->entry_gate, __ATOMIC_ACQUIRE) & PAUSE;
}

void run_pause(struct run *run)
{
	if (!run->paused) {
		close_gate(run, PAUSED);
		run_kick(run);
	}
	wait_for_cpus(run);
	clock_stop();
	run->paused = true;
	for (unsigned i = 0; i < run->cpus; i++)
		no_syndrome_complete(&run->vcpus[i]);
}

void run_complete_pause(struct run *run)
{
	run_pause(run);
	__atomic_fetch_and(&run->entry_gate, ~(uint32_t)PAUSE_ASKED, __ATOMIC_ACQUIRE);
}

void run_was_continued(void *opaque)
{
	struct run *run = opaque;

	/* It may have been about to enter the guest. */
	if (run->vcpus->in_run)
		run->vcpus->run->immediate_exit = 1;
	run->suspended = run->continued = true;
	run_ask_pause(run);
}

void run_was_interrupted(struct vcpu *vcpu)
{
	vcpu->guest->suspended = vcpu->interrupted = true;
	run_ask_pause(vcpu->guest);
}

#define PATIENCE_NS NS_PER_S /* for all vCPUs to notice that they were interrupted */

bool run_pause_after_suspension(struct run *run)
{
	uint64_t start = clock_host_ns(), passed;
	uint32_t running;
	bool certain;

	if (!run->suspended)
		return false;
	while ((running = __atomic_load_n(&run->running, __ATOMIC_ACQUIRE)) != 0 &&
	       (passed = clock_host_ns() - start) < PATIENCE_NS)
		futex_wait_at_most(&run->running, running, PATIENCE_NS - passed);
	run_pause(run);
	/* The first vCPU's thread runs the SIGCONT handler before it can enter the guest. */
	certain = run->continued;
	for (unsigned i = 1; i < run->cpus; i++)
		certain = certain && run->vcpus[i].interrupted;
	return certain;
}

static bool resumes(const struct vcpu *vcpu)
{
	return vcpu->paused && !vcpu->frozen;
}

void run_resume(struct run *run)
{
	if (clock_start())
		vcpu_set_counter(&run->vcpus[0], clock_guest_counter());
	loop_was_busy(&run->loop);
	for (unsigned i = 0; i < run->cpus; i++)
		run->running += resumes(&run->vcpus[i]);
	run->paused = false;
	/* In this order: of a suspension between the two the guest sees the time pass. */
	__atomic_fetch_and(&run->entry_gate, ~(uint32_t)PAUSED, __ATOMIC_RELEASE);
	forget_suspension(run);
	for (unsigned i = 0; i < run->cpus; i++) {
		struct vcpu *vcpu = &run->vcpus[i];

		if (resumes(vcpu)) {
			__atomic_store_n(&vcpu->paused, 0, __ATOMIC_RELEASE);
			futex_wake_all(&vcpu->paused);
		}
	}
}

void run_wait_if_paused(struct vcpu *vcpu)
{
	for (;;) {
		/* Whoever requests a pause after this store kicks after it, too, so that
		 * immediate_exit stays set. */
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		if (!(__atomic_load_n(&vcpu->guest->entry_gate, __ATOMIC_SEQ_CST) & PAUSE))
			return;
		/* If the run has ended, no resume would wake it: it must wait for the next start
		 * instead. */
		if (!run_goes_on(vcpu->guest))
			return;
		vcpu->paused = 1;
		leave(vcpu->guest);
		futex_wait(&vcpu->paused, 1);
	}
}

/* ---- ending ---- */

void run_end(struct run *run, enum end end, int status)
{
	uint32_t before = __atomic_load_n(&run->end, __ATOMIC_RELAXED);

	/* Within a rank the first end counts. */
	do {
		if (end <= (before & 0xff))
			return;
	} while (!__atomic_compare_exchange_n(&run->end, &before,
					      END_WORD(end, end == RESET ? 0 : status), false,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	/* An ended run is not held, because what would release it may be gone. */
	__atomic_fetch_or(&run->entry_gate, OVER, __ATOMIC_RELEASE);
	futex_wake_all(&run->entry_gate);
	wake_loop(run->loop.wake); /* whose thread then calls run_finish */
}
