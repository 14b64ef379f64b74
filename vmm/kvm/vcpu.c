// SPDX-License-Identifier: MIT
/*
 * KVM's vCPU layer: a CPU of a guest, and how it is made to leave the guest.
 *
 * Who calls it: machine.c, run.c, boot.c and main. Touches the vCPU's descriptor and its kvm_run
 * mapping.
 */
#include "crt/crt.h"
#include "crt/sys.h"
#include "kvm.h"
#include "registers.h"
#include "vmm/machine/map.h"
#include "vmm/report.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#define INIT_TRIES 16 /* each fails only if the thread has just moved to another kind of CPU */

/* KVM_ARM_PREFERRED_TARGET depends on the CPU that the thread is on, and KVM_ARM_VCPU_INIT refuses
 * any other (EINVAL). On big.LITTLE hosts the thread may move between the two calls. */
static void init(const struct vcpu *vcpu)
{
	struct kvm_vcpu_init init;
	int result = -EINVAL;

	for (unsigned i = 0; i < INIT_TRIES && result == -EINVAL; i++) {
		kvm_call(vcpu->vm->fd, KVM_ARM_PREFERRED_TARGET, &init);
		init.features[0] = vcpu->features;
		result = kvm_try(vcpu->fd, KVM_ARM_VCPU_INIT, (uintptr_t)&init);
	}
	kvm_check(result, "KVM_ARM_VCPU_INIT");
}

/* Registers that are UNKNOWN after a reset, which KVM fills with a value of its own. Other machines
 * start with zero, and there are guests that OR a bit into one. */
static const uint32_t unknown[] = {
#define UNKNOWN(op1, crn, crm, op2) (uint32_t) ARM64_SYS_REG(3, op1, crn, crm, op2)
	UNKNOWN(0, 2, 0, 0),  /* TTBR0_EL1 */
	UNKNOWN(0, 2, 0, 1),  /* TTBR1_EL1 */
	UNKNOWN(0, 5, 1, 0),  /* AFSR0_EL1 */
	UNKNOWN(0, 5, 1, 1),  /* AFSR1_EL1 */
	UNKNOWN(0, 5, 2, 0),  /* ESR_EL1 */
	UNKNOWN(0, 6, 0, 0),  /* FAR_EL1 */
	UNKNOWN(0, 7, 4, 0),  /* PAR_EL1 */
	UNKNOWN(0, 10, 2, 0), /* MAIR_EL1 */
	UNKNOWN(0, 13, 0, 4), /* TPIDR_EL1 */
	UNKNOWN(3, 13, 0, 2), /* TPIDR_EL0 */
	UNKNOWN(3, 13, 0, 3), /* TPIDRRO_EL0 */
	/* With pointer authentication its keys, IA to GA in two halves each. */
	UNKNOWN(0, 2, 1, 0),
	UNKNOWN(0, 2, 1, 1),
	UNKNOWN(0, 2, 1, 2),
	UNKNOWN(0, 2, 1, 3),
	UNKNOWN(0, 2, 2, 0),
	UNKNOWN(0, 2, 2, 1),
	UNKNOWN(0, 2, 2, 2),
	UNKNOWN(0, 2, 2, 3),
	UNKNOWN(0, 2, 3, 0),
	UNKNOWN(0, 2, 3, 1),
#undef UNKNOWN
};
#define KEYS 10 /* at the end */

/* KVM fills them again when the guest starts a further CPU: that happens without an exit. */
static void clear_unknown(const struct vcpu *vcpu, bool has_keys)
{
	for (size_t i = 0; i < ARRAY_SIZE(unknown) - (has_keys ? 0 : KEYS); i++)
		register_set(vcpu, REGISTER_U64 | unknown[i], 0);
}

void vcpu_create(struct vcpu *vcpu, const struct kvm_system *kvm, const struct vm *vm,
		 unsigned index, const struct cpu_features *features, struct bus *bus,
		 const struct guest_memory *memory, struct run *guest)
{
	int sve = KVM_ARM_VCPU_SVE;
	long run;

	vcpu->index = index;
	vcpu->bus = bus;
	vcpu->memory = memory;
	vcpu->vm = vm;
	vcpu->guest = guest;
	vcpu->run_size = kvm->run_size;
	vcpu->no_syndrome.waits = false;
	vcpu->suspends = false;
	vcpu->features = 1u << KVM_ARM_VCPU_PSCI_0_2;
	vcpu->fd = kvm_call(vm->fd, KVM_CREATE_VCPU, index);
	run = sys_mmap(0, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run < 0)
		die(STATUS_HOST, "kvm_run of CPU %u: %s", index, error_text((int)-run));
	vcpu->run = (struct kvm_run *)run;
	kvm_observed(vcpu->fd, MMAP_RUN, (uintptr_t)run, 0);
	if (index > 0)
		vcpu->features |= 1u << KVM_ARM_VCPU_POWER_OFF;
	if (features->pmu)
		vcpu->features |= 1u << KVM_ARM_VCPU_PMU_V3;
	if (features->sve)
		vcpu->features |= 1u << KVM_ARM_VCPU_SVE;
	if (features->pauth)
		vcpu->features |=
			1u << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1u << KVM_ARM_VCPU_PTRAUTH_GENERIC;
	if (features->el2)
		vcpu->features |= 1u << KVM_ARM_VCPU_HAS_EL2;
	if (features->e2h0)
		vcpu->features |= 1u << KVM_ARM_VCPU_HAS_EL2_E2H0;
	init(vcpu);
	if (features->sve)
		kvm_call(vcpu->fd, KVM_ARM_VCPU_FINALIZE, &sve);
	if (index == 0)
		clear_unknown(vcpu, features->pauth);
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

void vcpu_set_stolen_time(const struct vcpu *vcpu, gpa_t at)
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
	struct kvm_arm_counter_offset offset = { .counter_offset = counter_value() - value };

	if (has_el2(vcpu))
		kvm_call(vcpu->vm->fd, KVM_ARM_SET_COUNTER_OFFSET, &offset);
	else
		register_set(vcpu, KVM_REG_ARM_TIMER_CNT, value);
}

void vcpu_set_entry(struct vcpu *vcpu, gpa_t entry, gpa_t device_tree)
{
	register_set(vcpu, CORE_REGISTER(regs.regs[0]), device_tree.address);
	register_set(vcpu, CORE_REGISTER(regs.pc), entry.address);
}

bool vcpu_is_off(const struct vcpu *vcpu)
{
	struct kvm_mp_state state;

	kvm_call(vcpu->fd, KVM_GET_MP_STATE, &state);
	return state.mp_state == KVM_MP_STATE_STOPPED;
}

#define PSCI_DENIED -3 /* Arm DEN 0022, 5.2.2 */

/* KVM has left the arguments in the registers (api.rst, KVM_SYSTEM_EVENT_SUSPEND).
 * KVM_ARM_VCPU_INIT makes a CPU that started as off be so again. */
void vcpu_answer_suspend(struct vcpu *vcpu, bool wakes)
{
	gpa_t entry = GPA(register_get(vcpu, CORE_REGISTER(regs.regs[1])));
	gpa_t context = GPA(register_get(vcpu, CORE_REGISTER(regs.regs[2])));
	struct kvm_mp_state on = { .mp_state = KVM_MP_STATE_RUNNABLE };

	vcpu->suspends = false;
	if (!wakes) {
		register_set(vcpu, CORE_REGISTER(regs.regs[0]), (uint64_t)PSCI_DENIED);
		return;
	}
	init(vcpu);
	kvm_call(vcpu->fd, KVM_SET_MP_STATE, &on);
	vcpu_set_entry(vcpu, entry, context);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	sys_munmap((uintptr_t)vcpu->run, vcpu->run_size);
	sys_close(vcpu->fd);
}

/* ---- kicks ---- */

#define KICK SIGUSR1

/* A mutable global, because a signal handler gets no argument. */
static struct {
	void (*callback)(void *context);
	void *context;
} user;

/* A kick only has to interrupt KVM_RUN. The same signal from elsewhere, by kill(2), is the user's.
 */
static void on_kick(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	if (info->si_code == SI_USER && user.callback)
		user.callback(user.context);
}

void vcpu_watch_user_signal(void (*callback)(void *context), void *context)
{
	user.context = context;
	user.callback = callback;
}

/* Blocks or unblocks a signal for this thread. */
static void mask_signal(int how, int number)
{
	const uint64_t set = 1ull << (number - 1);

	kvm_check((int)sys_rt_sigprocmask(how, &set, NULL, sizeof set), "rt_sigprocmask");
}

void vcpu_prepare_kicks(void)
{
	kvm_check(signal_catch(KICK, on_kick), "rt_sigaction");
	/* The parent may have left it blocked. */
	mask_signal(SIG_UNBLOCK, KICK);
}

/* A mutable global, because a signal handler gets no argument. */
static struct {
	void (*callback)(void *context);
	void *context;
} continued;

/* Runs on the thread that has called vcpu_accept_continue, as all others block SIGCONT, and before
 * anything else there. */
static void on_continue(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
	continued.callback(continued.context);
}

void vcpu_on_continue(void (*callback)(void *context), void *context)
{
	continued.callback = callback;
	continued.context = context;
	mask_signal(SIG_BLOCK, SIGCONT);
	kvm_check(signal_catch(SIGCONT, on_continue), "rt_sigaction");
}

void vcpu_accept_continue(void)
{
	mask_signal(SIG_UNBLOCK, SIGCONT);
}

/* immediate_exit makes the next KVM_RUN return at once; the signal interrupts one that is under
 * way. */
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
