// SPDX-License-Identifier: MIT
/*
 * The run loop of a vCPU's thread: enters the guest and handles its exits.
 *
 * Who calls it: run.c on the vCPU's own thread; trace.c has a loop of the same steps. Touches the
 * vCPU's kvm_run mapping; MMIO goes to the bus.
 */
#include "exits.h"

#include "bus.h"
#include "crt/crt.h"
#include "crt/sys.h"
#include "no_syndrome.h"
#include "run.h"
#include "uart_fast.h"
#include "vmm/kvm/registers.h"
#include "vmm/report.h"

#include <errno.h>

/* The vCPU cannot continue: reports where it is and ends the run; main then dumps the vCPUs. */
static void end_broken_run(struct vcpu *vcpu, enum status status)
{
	unsigned level = register_level(vcpu);

	report("guest: pc %#lx pstate %#lx ESR_EL%u %#lx FAR_EL%u %#lx",
	       register_get(vcpu, CORE_REGISTER(regs.pc)),
	       register_get(vcpu, CORE_REGISTER(regs.pstate)), level,
	       register_of_regime(vcpu, ESR_EL1), level, register_of_regime(vcpu, FAR_EL1));
	vcpu->guest->broken = true;
	run_end(vcpu->guest, ENDED, status);
}

/* An access outside RAM (api.rst, KVM_EXIT_MMIO): `data` holds `len` bytes, little-endian. */
static void handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	gpa_t at = GPA(run->mmio.phys_addr);
	uint64_t value;

	if (run->mmio.is_write) {
		uint64_t mask = ~0ull >> (64 - 8 * run->mmio.len);

		memcpy(&value, run->mmio.data, sizeof value);
		bus_write(vcpu->bus, at, run->mmio.len, value & mask);
	} else {
		value = bus_read(vcpu->bus, at, run->mmio.len);
		memcpy(run->mmio.data, &value, sizeof value);
	}
}

/* PSCI calls of the guest (Arm DEN 0022) that the kernel passes on to user space. */
static void handle_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		run_end(vcpu->guest, ENDED, STATUS_PASS);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		run_end(vcpu->guest, RESET, 0);
		break;
	case KVM_SYSTEM_EVENT_SUSPEND:
		vcpu->suspends = true; /* who saves the guest answers, in the pause */
		run_ask_pause(vcpu->guest);
		break;
	default:
		report("KVM_EXIT_SYSTEM_EVENT of unknown type %u", vcpu->run->system_event.type);
		end_broken_run(vcpu, STATUS_INTERNAL);
	}
}

/* A breakpoint, watchpoint or single step: requests a pause, in which the debugger finds it. */
static void handle_debug(struct vcpu *vcpu)
{
	vcpu->stopped = true;
	run_ask_pause(vcpu->guest);
}

/* Every exit reason of the kernel's ABI (linux/kvm.h), in order. On arm64, with the features that
 * we enable, a guest cannot cause those without a handler; they end the run, and are named. */
#define EXIT_LIST                                                                                  \
	ROW(UNKNOWN, NULL)                                                                         \
	ROW(EXCEPTION, NULL)                                                                       \
	ROW(IO, NULL)                                                                              \
	ROW(HYPERCALL, NULL)                                                                       \
	ROW(DEBUG, handle_debug)                                                                   \
	ROW(HLT, NULL)                                                                             \
	ROW(MMIO, handle_mmio)                                                                     \
	ROW(IRQ_WINDOW_OPEN, NULL)                                                                 \
	ROW(SHUTDOWN, NULL)                                                                        \
	ROW(FAIL_ENTRY, NULL)                                                                      \
	ROW(INTR, NULL)                                                                            \
	ROW(SET_TPR, NULL)                                                                         \
	ROW(TPR_ACCESS, NULL)                                                                      \
	ROW(S390_SIEIC, NULL)                                                                      \
	ROW(S390_RESET, NULL)                                                                      \
	ROW(DCR, NULL)                                                                             \
	ROW(NMI, NULL)                                                                             \
	ROW(INTERNAL_ERROR, NULL)                                                                  \
	ROW(OSI, NULL)                                                                             \
	ROW(PAPR_HCALL, NULL)                                                                      \
	ROW(S390_UCONTROL, NULL)                                                                   \
	ROW(WATCHDOG, NULL)                                                                        \
	ROW(S390_TSCH, NULL)                                                                       \
	ROW(EPR, NULL)                                                                             \
	ROW(SYSTEM_EVENT, handle_system_event)                                                     \
	ROW(S390_STSI, NULL)                                                                       \
	ROW(IOAPIC_EOI, NULL)                                                                      \
	ROW(HYPERV, NULL)                                                                          \
	ROW(ARM_NISV, no_syndrome_handle)                                                          \
	ROW(X86_RDMSR, NULL)                                                                       \
	ROW(X86_WRMSR, NULL)                                                                       \
	ROW(DIRTY_RING_FULL, NULL)                                                                 \
	ROW(AP_RESET_HOLD, NULL)                                                                   \
	ROW(X86_BUS_LOCK, NULL)                                                                    \
	ROW(XEN, NULL)                                                                             \
	ROW(RISCV_SBI, NULL)                                                                       \
	ROW(RISCV_CSR, NULL)                                                                       \
	ROW(NOTIFY, NULL)

#define ROW(reason, handler) [KVM_EXIT_##reason] = (handler),
static void (*const handlers[])(struct vcpu *vcpu) = { EXIT_LIST };
#undef ROW
/* Without KVM_EXIT_. */
#define ROW(reason, handler) #reason "\0"
static const char names[] = EXIT_LIST;
#undef ROW
#define ROW(reason, handler) _Static_assert(KVM_EXIT_##reason == __COUNTER__ - FIRST_ROW, #reason);
enum { FIRST_ROW = __COUNTER__ + 1 };
EXIT_LIST
#undef ROW
_Static_assert(ARRAY_SIZE(handlers) == EXIT_REASONS && EXIT_REASONS == KVM_EXIT_NOTIFY + 1,
	       "a row for every exit reason of 6.1");

const char *exit_name(unsigned reason)
{
	return reason < EXIT_REASONS ? string_at(names, reason) : "newer than 6.1";
}

/* `hw` is the first word of the exit's data: the hardware's reason or KVM's suberror. */
static __attribute__((noinline)) void handle_unhandled(struct vcpu *vcpu)
{
	unsigned reason = vcpu->run->exit_reason;

	report("exit %u (KVM_EXIT_%s), detail %#llx: cannot be handled", reason, exit_name(reason),
	       vcpu->run->hw.hardware_exit_reason);
	end_broken_run(vcpu, STATUS_INTERNAL);
}

/* Hot path, force-inlined; the tracing loop calls out-of-line copies. */
#define IN_LOOP static inline __attribute__((always_inline))

/* Records the exit after handling, so that the value read is included. */
IN_LOOP void remember(struct vcpu *vcpu)
{
	struct exit_record *record = &vcpu->history[vcpu->remembered++ % HISTORY];

	record->reason = vcpu->run->exit_reason;
	memcpy(record->detail, &vcpu->run->hw, sizeof record->detail);
}

IN_LOOP void handle_exit(struct vcpu *vcpu)
{
	unsigned reason;

	uart_fast_drain(vcpu->fast);
	reason = vcpu->run->exit_reason;
	vcpu->exits[reason < EXIT_REASONS ? reason : 0]++;
	if (reason < EXIT_REASONS && handlers[reason])
		handlers[reason](vcpu);
	else
		handle_unhandled(vcpu);
	remember(vcpu);
}

/* KVM_RUN has failed: it was interrupted, or the vCPU cannot continue. */
static __attribute__((noinline)) void run_failed(int result, struct vcpu *vcpu)
{
	/* Not interrupted by a kick, so by SIGSTOP or SIGCONT. */
	if (result == -EINTR && !vcpu->run->immediate_exit)
		run_was_interrupted(vcpu);
	if (result == -EINTR || result == -EAGAIN)
		return;
	report("KVM_RUN: %s; the host's kernel log may say more", error_text(-result));
	end_broken_run(vcpu, status_of_error(-result));
}

IN_LOOP int enter(struct vcpu *vcpu)
{
	int result = (int)sys_ioctl(vcpu->fd, KVM_RUN, 0);

	if (result != 0)
		run_failed(result, vcpu);
	return result;
}

int run_enter(struct vcpu *vcpu)
{
	return enter(vcpu);
}

void run_handle_exit(struct vcpu *vcpu)
{
	handle_exit(vcpu);
}

void run_first_entry(struct vcpu *vcpu)
{
	int result;

	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	result = enter(vcpu);
	kvm_observed(vcpu->fd, KVM_RUN, 0, result);
}

void run_vcpu(struct vcpu *vcpu)
{
	void (*watch)(struct vcpu * vcpu);

	for (;;) {
		/* In this order, because run_wait_if_paused clears immediate_exit: a kick at the
		 * end of the run is not lost. */
		run_wait_if_paused(vcpu);
		__atomic_store_n(&vcpu->answered, true, __ATOMIC_RELAXED);
		if (!run_goes_on(vcpu->guest))
			return;
		watch = __atomic_load_n(&vcpu->guest->watch, __ATOMIC_RELAXED);
		if (watch)
			watch(vcpu);
		else
			while (run_may_enter(vcpu) && enter(vcpu) == 0)
				handle_exit(vcpu);
	}
}
