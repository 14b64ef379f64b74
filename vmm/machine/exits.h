/* SPDX-License-Identifier: MIT */
/* The run loop of a vCPU's thread. Used by run.c, and by trace.c, whose own loop consists of the
 * same steps. */
#ifndef VMM_EXITS_H
#define VMM_EXITS_H

#include "run.h"
#include "vmm/kvm/kvm.h"

/* Does a vCPU's first KVM_RUN without entering the guest, so that KVM's one-time set-up is
 * complete. */
void run_first_entry(struct vcpu *vcpu);
/* Runs the vCPU until the run has ended. */
void run_vcpu(struct vcpu *vcpu);
/* The steps of the loop, for trace.c: may the vCPU enter the guest; enter it, and return at its
 * next exit (negative errno if it was kicked, or cannot continue); handle the exit. */
static inline __attribute__((always_inline)) bool run_may_enter(struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->guest->entry_gate, __ATOMIC_ACQUIRE) == 0 ||
	       run_wait_at_entry_gate(vcpu);
}
int run_enter(struct vcpu *vcpu);
void run_handle_exit(struct vcpu *vcpu);
/* KVM_EXIT_* without its prefix. */
const char *exit_name(unsigned reason);

#endif
