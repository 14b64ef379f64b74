// SPDX-License-Identifier: MIT
/*
 * Starts and ends runs. Who calls it: machine.c on the event loop's thread; vCPUs, devices' wires
 * and console, from any thread. Touches the vCPUs' kvm_run mappings and their threads.
 */
#include "run.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "exits.h"
#include "vmm/host/event_loop.h"
#include "vmm/host/sandbox.h"
#include "vmm/kvm/kvm.h"
#include "vmm/report.h"

#include <poll.h>
#include <time.h>

/* A CPU is not in the guest any more. */
static void leave(struct run *run)
{
	if (__atomic_sub_fetch(&run->running, 1, __ATOMIC_RELEASE) == 0)
		futex_wake_all(&run->running);
}

/*
 * On the first CPU's thread: lets the others enter the guest. KVM puts its interrupt controller
 * into a VM's address space in the first KVM_RUN of any CPU, and says that it is there before that
 * is done (vgic_map_resources): the others must not be in KVM_RUN yet, else the first CPU goes
 * ahead and finds nothing at the controller's addresses.
 */
static void make_ready(struct run *run)
{
	if (run->cpus > 1)
		run_first_entry(run->vcpus);
	__atomic_add_fetch(&run->ready, 1, __ATOMIC_RELEASE);
	futex_wake_all(&run->ready);
}

/* The function of a vCPU's thread: its part of every run that is started, for ever. */
static _Noreturn void run_cpu(void *opaque)
{
	struct vcpu *vcpu = opaque;
	struct run *run = vcpu->guest;

	vcpu_accept_continue();
	if (run->sandboxed)
		sandbox_filter(CPU);
	for (uint32_t starts = 0;; starts++) {
		leave(run);
		if (vcpu == run->vcpus) {
			futex_wait(&run->starts, starts);
			make_ready(run);
		} else {
			futex_wait(&run->ready, starts);
		}
		run_vcpu(vcpu);
	}
}

/* Waits until no CPU is in the guest, nor will be before it is told. */
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
	uint32_t reset = END_WORD(RESET, 0);

	/* That is over; another end is not. */
	__atomic_compare_exchange_n(&run->end, &reset, RUNNING, false, __ATOMIC_ACQ_REL,
				    __ATOMIC_RELAXED);
	run->broken = false;
	__atomic_fetch_and(&run->gate, HELD, __ATOMIC_RELAXED);
	if (run->starts_paused)
		__atomic_fetch_or(&run->gate, PAUSED, __ATOMIC_RELAXED);
	vcpu_set_counter(&run->vcpus[0], clock_guest_counter());
	run->running = run->cpus;
	__atomic_add_fetch(&run->starts, 1, __ATOMIC_RELEASE);
	futex_wake_all(&run->starts);
}

void run_kick(struct run *run)
{
	for (unsigned i = 0; i < run->cpus; i++)
		vcpu_kick(&run->vcpus[i]);
}

void run_stop(struct run *run)
{
	run_kick(run);
	wait_for_cpus(run);
	/* Those that were paused leave now. */
	for (unsigned i = 0; i < run->cpus; i++)
		run->vcpus[i].frozen = false;
	run_resume(run);
	wait_for_cpus(run);
}

/* ---- holding ---- */

void run_hold(struct run *run, uint32_t held)
{
	__atomic_fetch_or(&run->gate, held, __ATOMIC_RELAXED);
}

void run_release(struct run *run, uint32_t held)
{
	if (__atomic_fetch_and(&run->gate, ~held, __ATOMIC_RELEASE) & held)
		futex_wake_all(&run->gate);
}

bool run_wait_at_gate(struct vcpu *vcpu)
{
	struct run *run = vcpu->guest;
	uint32_t gate;

	/* Nothing but a hold keeps them here. */
	while ((gate = __atomic_load_n(&run->gate, __ATOMIC_ACQUIRE)) != 0 && !(gate & ~HELD))
		futex_wait(&run->gate, gate);
	if (run_pause_asked(run))
		vcpu->run->immediate_exit = 1; /* even before it is kicked */
	return run_goes_on(run);
}

/* ---- pausing ---- */

void run_ask_pause(struct run *run)
{
	__atomic_fetch_or(&run->gate, PAUSED, __ATOMIC_SEQ_CST);
	/* CPUs that are held finish their instruction. */
	futex_wake_all(&run->gate);
	loop_wake(run->wake);
}

bool run_pause_asked(const struct run *run)
{
	return __atomic_load_n(&run->gate, __ATOMIC_ACQUIRE) & PAUSED;
}

void run_pause(struct run *run)
{
	if (!run_pause_asked(run))
		run_ask_pause(run);
	if (!run->paused)
		run_kick(run);
	wait_for_cpus(run);
	clock_stop();
	run->paused = true;
}

void run_was_continued(void *run)
{
	((struct run *)run)->continued = true;
	run_ask_pause(run);
}

void run_was_interrupted(struct vcpu *vcpu)
{
	vcpu->interrupted = true;
	run_ask_pause(vcpu->guest);
}

#define PATIENCE_MS 1000 /* for CPUs to notice the stop by themselves */

bool run_pause_after_stop(struct run *run)
{
	bool certain = true;

	for (unsigned i = 0; i < PATIENCE_MS && __atomic_load_n(&run->running, __ATOMIC_ACQUIRE);
	     i++) {
		struct timespec nap = { .tv_nsec = 1000000 };

		sys_ppoll(NULL, 0, &nap, NULL, 0);
	}
	run_pause(run);
	for (unsigned i = 0; i < run->cpus; i++)
		certain = certain && run->vcpus[i].interrupted;
	/* The only CPU cannot have gone on before its own signal handler. */
	return certain || (run->cpus == 1 && run->continued);
}

static bool resumes(const struct vcpu *vcpu)
{
	return vcpu->paused && !vcpu->frozen;
}

void run_resume(struct run *run)
{
	if (clock_start())
		vcpu_set_counter(&run->vcpus[0], clock_guest_counter());
	run->continued = false;
	for (unsigned i = 0; i < run->cpus; i++) {
		run->vcpus[i].interrupted = false;
		run->running += resumes(&run->vcpus[i]);
	}
	run->paused = false;
	__atomic_fetch_and(&run->gate, ~(uint32_t)PAUSED, __ATOMIC_RELEASE);
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
		/* Whoever asks for a pause after this kicks after that: it stays set then. */
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		if (!(__atomic_load_n(&vcpu->guest->gate, __ATOMIC_SEQ_CST) & PAUSED))
			return;
		/* Nobody would wake it for the next run: it goes where that is waited for. */
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

	/* Of those of one rank the first counts. */
	do {
		if (end <= (before & 0xff))
			return;
	} while (!__atomic_compare_exchange_n(&run->end, &before,
					      END_WORD(end, end == RESET ? 0 : status), false,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	/* Nobody holds an ended run: those who might let go of it are gone, too. */
	__atomic_fetch_or(&run->gate, OVER, __ATOMIC_RELEASE);
	futex_wake_all(&run->gate);
	loop_wake(run->wake); /* which stops the CPUs */
}
