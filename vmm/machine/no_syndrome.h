/* SPDX-License-Identifier: MIT */
/*
 * Accesses outside RAM for which the CPU gives no syndrome (Arm ARM, D17.2.37, ISV): those with
 * write-back, of pairs and of vector registers. The instruction is read from the guest's memory and
 * carried out.
 *
 * Who uses it: exits.c, and run.c for what has to wait for a pause.
 */
#ifndef VMM_NO_SYNDROME_H
#define VMM_NO_SYNDROME_H

#include "vmm/kvm/kvm.h"

/* Handles KVM_EXIT_ARM_NISV, on the vCPU's thread: carries the instruction out, or asks for a pause
 * in which no_syndrome_complete does, or makes it an external abort. */
void no_syndrome_handle(struct vcpu *vcpu);
/* Carries out what the vCPU's exit has left, if anything. While all vCPUs are paused, on the event
 * loop's thread. */
void no_syndrome_complete(struct vcpu *vcpu);

#endif
