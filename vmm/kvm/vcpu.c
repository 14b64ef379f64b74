// SPDX-License-Identifier: MIT
/*
 * KVM's vCPU layer: a CPU of a guest, and how it is made to leave the guest.
 *
 * Who calls it: machine.c, run.c, exits.c, boot.c and main.c. Touches the vCPU's descriptor and its
 * kvm_run mapping.
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
static struct {
	void (*told)(void *context);
	void *context;
} continued;

/*
 * On a vCPU's thread, for the event loop's blocks it, before anything else there: where there is
 * but one CPU it does not enter the guest before its time is right again.
 */
static void on_continue(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
	continued.told(continued.context);
}

void vcpu_watch_stops(void (*told)(void *context), void *context)
{
	continued.told = told;
	continued.context = context;
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
