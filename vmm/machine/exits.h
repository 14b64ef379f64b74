/* SPDX-License-Identifier: MIT */
/*
 * The loop of a vCPU's thread. Used by run.c, and by trace.c, which has one of the same steps.
 */
#ifndef VMM_EXITS_H
#define VMM_EXITS_H

#include "run.h"
#include "vmm/kvm/kvm.h"

/* Has KVM do all that it does in a CPU's first KVM_RUN, without entering the guest. */
void run_first_entry(struct vcpu *vcpu);
/* Runs until the guest does not run any more. */
void run_vcpu(struct vcpu *vcpu);
/*
 * The steps of its loop, for trace.c's. May the guest run; let it, until it exits (negative errno
 * if it was kicked instead, or does not go on); do what the exit asks for.
 */
static inline __attribute__((always_inline)) bool run_may_enter(struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->guest->gate, __ATOMIC_ACQUIRE) == 0 || run_wait_at_gate(vcpu);
}
int run_enter(struct vcpu *vcpu);
void run_handle_exit(struct vcpu *vcpu);
/* KVM_EXIT_* without its prefix. */
const char *exit_name(unsigned reason);

#endif
