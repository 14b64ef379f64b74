/* SPDX-License-Identifier: MIT */
/*
 * All that KVM holds of a guest, as values that can be saved and set again: the CPUs' registers and
 * states, and the interrupt controller.
 *
 * Who uses it: vmm/snapshot/, while no vCPU is in KVM_RUN.
 */
#ifndef VMM_KVM_STATE_H
#define VMM_KVM_STATE_H

#include "kvm.h"

#define STATE_VALUE_MAX 256 /* bytes; the largest is a vector register of SVE */

struct state_value {
	enum state_kind {
		STATE_GIC = 1,	/* number: KVM's group << 32 | offset */
		STATE_REGISTER, /* number: KVM's id */
		STATE_POWER,	/* struct kvm_mp_state */
		STATE_EVENTS,	/* struct kvm_vcpu_events: pending SErrors */
	} kind;
	unsigned cpu;
	uint64_t number;
	unsigned size; /* bytes */
	_Alignas(uint64_t) uint8_t bytes[STATE_VALUE_MAX];
};

typedef void state_receiver(void *context, const struct state_value *value);

/*
 * Reports all values, in the order in which state_set wants them; always the same ones of the same
 * VM. Not those that follow from others: the virtual and the physical counter, and the levels of
 * interrupt lines. `high`: a bit for each shared interrupt whose line its device holds high.
 */
void state_get(const struct vm *vm, const struct vcpu *vcpus, unsigned cpus, uint64_t high,
	       state_receiver *receive, void *context);
/* Does KVM give all of the guest's state? Linux before 6.4 does not give the physical timer's,
 * which matters if the guest has enabled its interrupt. */
bool state_is_available(const struct vm *vm, const struct vcpu *vcpus, unsigned cpus);
/* Reports the registers that say what a CPU is: identification, features, vector lengths. */
void state_get_identity(const struct vcpu *vcpu, state_receiver *receive, void *context);
/* Sets a value of a VM whose interrupt controller is in the state after its start. `vcpus` are all
 * of the VM's. 0 or negative errno. */
int state_set(const struct vm *vm, const struct vcpu *vcpus, const struct state_value *value);
/*
 * What KVM holds of LPIs has its place in tables in the guest's memory (Arm IHI 0069, 5.2). They
 * are written there with all CPUs paused, before the memory is saved; and read when all values are
 * set and the memory is there, of which `map` gives a part, or NULL. 0 or negative errno.
 */
int state_write_tables(const struct vm *vm);
int state_read_tables(const struct vm *vm, void *(*map)(void *memory, uint64_t at, uint64_t size),
		      void *memory);
/* Once all is set: a shared interrupt whose line was high before that. KVM looks at it once more;
 * an edge-triggered one has its edge in its state. */
void state_raise_again(const struct vm *vm, unsigned spi);
/* Reads one register. 0 or negative errno. */
int state_get_register(const struct vcpu *vcpu, uint64_t id, void *bytes);

#endif
