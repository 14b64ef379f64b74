// SPDX-License-Identifier: MIT
/*
 * KVM's vCPU layer: registers and the run loop.
 *
 * Who calls it: machine.c and boot.c to set it up, run.c on the vCPU's own thread. Touches the
 * vCPU's descriptor and its kvm_run mapping; MMIO goes on to the bus.
 */
#include "crt/crt.h"
#include "crt/sys.h"
#include "kvm.h"
#include "registers.h"
#include "vmm/debug/trace.h"
#include "vmm/machine/inspect.h"
#include "vmm/machine/map.h"
#include "vmm/machine/uart_fast.h"
#include "vmm/report.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#define PPI_INTID 16 /* interrupt id of the first private peripheral interrupt */

#define INIT_TRIES                                                                                 \
	16 /* each fails only if the thread has moved to another kind of CPU meanwhile             \
	    */

/*
 * The preferred target is that of the CPU that this thread is on, and KVM refuses (EINVAL) any
 * other one's: between the two calls the thread may move, where CPUs differ.
 */
static void init(const struct vcpu *vcpu, uint32_t features)
{
	struct kvm_vcpu_init init;
	int result = -EINVAL;

	for (unsigned i = 0; i < INIT_TRIES && result == -EINVAL; i++) {
		kvm_call(vcpu->vm->fd, KVM_ARM_PREFERRED_TARGET, &init);
		init.features[0] = features;
		result = kvm_try(vcpu->fd, KVM_ARM_VCPU_INIT, (uintptr_t)&init);
	}
	kvm_check(result, "KVM_ARM_VCPU_INIT");
}

void vcpu_create(struct vcpu *vcpu, const struct kvm_system *kvm, const struct vm *vm,
		 unsigned index, const struct cpu_features *features, struct bus *bus,
		 const struct guest_memory *memory, struct run *guest)
{
	uint32_t target_features = 1u << KVM_ARM_VCPU_PSCI_0_2;
	int sve = KVM_ARM_VCPU_SVE;
	long run;

	vcpu->index = index;
	vcpu->bus = bus;
	vcpu->memory = memory;
	vcpu->vm = vm;
	vcpu->guest = guest;
	vcpu->run_size = kvm->run_size;
	vcpu->fd = kvm_call(vm->fd, KVM_CREATE_VCPU, index);
	run = sys_mmap(0, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run < 0)
		die(STATUS_HOST, "kvm_run of CPU %u: %s; free some memory on the host", index,
		    error_text((int)-run));
	vcpu->run = (struct kvm_run *)run;
	kvm_observed(vcpu->fd, MMAP_RUN, (uintptr_t)run, 0);
	if (index > 0)
		target_features |= 1u << KVM_ARM_VCPU_POWER_OFF;
	if (features->pmu)
		target_features |= 1u << KVM_ARM_VCPU_PMU_V3;
	if (features->sve)
		target_features |= 1u << KVM_ARM_VCPU_SVE;
	if (features->pauth)
		target_features |=
			1u << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1u << KVM_ARM_VCPU_PTRAUTH_GENERIC;
	init(vcpu, target_features);
	if (features->sve)
		kvm_call(vcpu->fd, KVM_ARM_VCPU_FINALIZE, &sve);
}

void vcpu_start_pmu(const struct vcpu *vcpu)
{
	int intid = PPI_INTID + PMU_PPI;
	struct kvm_device_attr irq = {
		.group = KVM_ARM_VCPU_PMU_V3_CTRL,
		.attr = KVM_ARM_VCPU_PMU_V3_IRQ,
		.addr = (uintptr_t)&intid,
	};
	struct kvm_device_attr init = {
		.group = KVM_ARM_VCPU_PMU_V3_CTRL,
		.attr = KVM_ARM_VCPU_PMU_V3_INIT,
	};

	kvm_call(vcpu->fd, KVM_SET_DEVICE_ATTR, &irq);
	kvm_call(vcpu->fd, KVM_SET_DEVICE_ATTR, &init);
}

void vcpu_show_stolen_time(const struct vcpu *vcpu, gpa_t at)
{
	struct kvm_device_attr place = {
		.group = KVM_ARM_VCPU_PVTIME_CTRL,
		.attr = KVM_ARM_VCPU_PVTIME_IPA,
		.addr = (uintptr_t)&at.address,
	};

	kvm_call(vcpu->fd, KVM_SET_DEVICE_ATTR, &place);
}

void vcpu_set_counter(const struct vcpu *vcpu, uint64_t value)
{
	register_set(vcpu, KVM_REG_ARM_TIMER_CNT, value);
}

void vcpu_set_entry(struct vcpu *vcpu, gpa_t entry, gpa_t device_tree)
{
	register_set(vcpu, CORE_REGISTER(regs.regs[0]), device_tree.address);
	register_set(vcpu, CORE_REGISTER(regs.pc), entry.address);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	sys_munmap((uintptr_t)vcpu->run, vcpu->run_size);
	sys_close(vcpu->fd);
}

/* It cannot go on: the event loop says where it stands. */
static void give_up(struct vcpu *vcpu, enum status status)
{
	report("guest: pc %#lx pstate %#lx ESR_EL1 %#lx FAR_EL1 %#lx",
	       register_get(vcpu, CORE_REGISTER(regs.pc)),
	       register_get(vcpu, CORE_REGISTER(regs.pstate)), register_get(vcpu, ESR_EL1),
	       register_get(vcpu, FAR_EL1));
	vcpu->guest->broken = true;
	run_end(vcpu->guest, ENDED, status);
}

/* An access outside of RAM (api.rst, KVM_EXIT_MMIO): `data` is little-endian, `len` bytes of it. */
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

/* PSCI of the guest (Arm DEN 0022), as far as the kernel leaves it to us. */
static void handle_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		run_end(vcpu->guest, ENDED, STATUS_PASS);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		run_end(vcpu->guest, RESET, 0);
		break;
	default:
		report("KVM_EXIT_SYSTEM_EVENT of unknown type %u", vcpu->run->system_event.type);
		give_up(vcpu, STATUS_INTERNAL);
	}
}

/*
 * A load or store outside of RAM for which the CPU gives no syndrome (write-back, pair, vector):
 * what it was cannot be told without reading the guest's code, so the guest gets an external abort.
 */
static void handle_no_syndrome(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events = { .exception.ext_dabt_pending = 1 };

	if (vcpu->bus->strict || bus_report_once(vcpu->bus, GPA(vcpu->run->arm_nisv.fault_ipa))) {
		uint64_t pc = register_get(vcpu, CORE_REGISTER(regs.pc));
		uint32_t instruction = 0; /* which is none, if it cannot be read */

		inspect_memory(vcpu, VIEW_VIRTUAL, pc, &instruction, sizeof instruction, false);
		report("guest: pc %#lx: access at %#llx by instruction %#08x, without syndrome: "
		       "external abort",
		       pc, vcpu->run->arm_nisv.fault_ipa, instruction);
	}
	if (vcpu->bus->strict)
		run_end(vcpu->bus->strict, ENDED, STATUS_PAYLOAD);
	kvm_call(vcpu->fd, KVM_SET_VCPU_EVENTS, &events);
}

/* A breakpoint, a watchpoint or a step: the event loop hands it to the debugger. */
static void handle_debug(struct vcpu *vcpu)
{
	vcpu->stopped = true;
	run_ask_pause(vcpu->guest);
}

/*
 * Every reason of the kernel's ABI (linux/kvm.h) in its order. What has no handler cannot be the
 * guest's doing on arm64 with what we ask of KVM; it ends the run under its name.
 */
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
	ROW(ARM_NISV, handle_no_syndrome)                                                          \
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
#define ROW(reason, handler) [KVM_EXIT_##reason] = #reason,
static const char *const names[] = { EXIT_LIST };
#undef ROW
#define ROW(reason, handler) _Static_assert(KVM_EXIT_##reason == __COUNTER__ - FIRST_ROW, #reason);
enum { FIRST_ROW = __COUNTER__ + 1 };
EXIT_LIST
#undef ROW
_Static_assert(ARRAY_SIZE(handlers) == EXIT_REASONS && EXIT_REASONS == KVM_EXIT_NOTIFY + 1,
	       "a row for every exit reason of 6.1");

const char *vcpu_exit_name(unsigned reason)
{
	return reason < EXIT_REASONS ? names[reason] : "newer than 6.1";
}

/* `hw` of these exits is the hardware's reason or KVM's suberror: the first word of the union. */
static __attribute__((noinline)) void handle_unhandled(struct vcpu *vcpu)
{
	unsigned reason = vcpu->run->exit_reason;

	report("exit %u (KVM_EXIT_%s), detail %#llx: cannot be handled", reason,
	       vcpu_exit_name(reason), vcpu->run->hw.hardware_exit_reason);
	give_up(vcpu, STATUS_INTERNAL);
}

/* What runs for every exit is in the loop itself; what watches the loop has calls of the same. */
#define IN_LOOP static inline __attribute__((always_inline))

/* It goes to the end of the history with what became of it: the value that was read. */
IN_LOOP void remember(struct vcpu *vcpu)
{
	struct exit_record *record = &vcpu->history[vcpu->remembered++ % HISTORY];

	record->reason = vcpu->run->exit_reason;
	memcpy(record->detail, &vcpu->run->hw, sizeof record->detail);
}

IN_LOOP void handle_exit(struct vcpu *vcpu)
{
	unsigned reason;

	shortcut_drain(vcpu->shortcut);
	reason = vcpu->run->exit_reason;
	vcpu->exits[reason < EXIT_REASONS ? reason : 0]++;
	if (reason < EXIT_REASONS && handlers[reason])
		handlers[reason](vcpu);
	else
		handle_unhandled(vcpu);
	remember(vcpu);
}

/* KVM_RUN has failed: it was interrupted, or the guest cannot go on. */
static __attribute__((noinline)) void run_failed(int result, struct vcpu *vcpu)
{
	/* Interrupted, but not by a kick: by a signal that stops the process. */
	if (result == -EINTR && !vcpu->run->immediate_exit)
		run_was_interrupted(vcpu);
	if (result == -EINTR || result == -EAGAIN)
		return;
	report("KVM_RUN: %s; the host's kernel log may say more", error_text(-result));
	give_up(vcpu, status_of_error(-result));
}

IN_LOOP int enter(struct vcpu *vcpu)
{
	int result = (int)sys_ioctl(vcpu->fd, KVM_RUN, 0);

	if (result != 0)
		run_failed(result, vcpu);
	return result;
}

int vcpu_enter(struct vcpu *vcpu)
{
	return enter(vcpu);
}

void vcpu_handle_exit(struct vcpu *vcpu)
{
	handle_exit(vcpu);
}

void vcpu_first_run(struct vcpu *vcpu)
{
	int result;

	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	result = enter(vcpu);
	kvm_observed(vcpu->fd, KVM_RUN, 0, result);
}

void vcpu_run(struct vcpu *vcpu)
{
	for (;;) {
		/* In this order: a kick at the end of the run is not forgotten then. */
		run_wait_if_paused(vcpu);
		if (!run_goes_on(vcpu->guest))
			return;
		if (__atomic_load_n(&vcpu->guest->watched, __ATOMIC_RELAXED))
			watch_run(vcpu);
		else
			while (vcpu_may_enter(vcpu) && enter(vcpu) == 0)
				handle_exit(vcpu);
	}
}

/* ---- kicks ---- */

#define KICK SIGUSR1

/* The signal only has to interrupt KVM_RUN. */
static void on_kick(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
}

/* Changes how this thread takes a signal. */
static void mask_signal(int how, int number)
{
	const uint64_t set = 1ull << (number - 1);

	kvm_check((int)sys_rt_sigprocmask(how, &set, NULL, sizeof set), "rt_sigprocmask");
}

void vcpu_prepare_kicks(void)
{
	kvm_check(signal_catch(KICK, on_kick), "rt_sigaction");
	/* Whoever started us may have blocked it. */
	mask_signal(SIG_UNBLOCK, KICK);
}

/* A mutable global, for a signal handler can be handed nothing. */
static struct run *continued_run;

/*
 * On a vCPU's thread, for the event loop's blocks it, before anything else there: where there is
 * but one CPU it does not enter the guest before its time is right again.
 */
static void on_continue(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
	continued_run->continued = true;
	run_ask_pause(continued_run);
}

void vcpu_watch_stops(struct run *run)
{
	continued_run = run;
	mask_signal(SIG_BLOCK, SIGCONT);
	kvm_check(signal_catch(SIGCONT, on_continue), "rt_sigaction");
}

void vcpu_accept_continue(void)
{
	mask_signal(SIG_UNBLOCK, SIGCONT);
}

/*
 * A vCPU that is not in KVM_RUN yet does not get past immediate_exit; one that is in it is
 * interrupted by the signal.
 */
void vcpu_kick(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	kvm_check((int)sys_tkill((int)vcpu->thread, KICK), "tkill");
}

uint64_t vcpu_affinity(const struct vcpu *vcpu)
{
	return register_get(vcpu, MPIDR_EL1) & 0xff00ffffff;
}

uint64_t vcpu_memory_features(const struct vcpu *vcpu)
{
	return register_get(vcpu, ID_AA64MMFR0_EL1);
}
