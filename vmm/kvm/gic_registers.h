/* SPDX-License-Identifier: MIT */
/*
 * The registers of the interrupt controller in the kernel, as a CPU of the guest accesses them, by
 * device attributes (Documentation/virt/kvm/devices/arm-vgic.rst and arm-vgic-v3.rst).
 *
 * Who uses it: no_syndrome.c, while all vCPUs are paused: KVM refuses attributes as long as one is
 * in the guest.
 */
#ifndef VMM_GIC_REGISTERS_H
#define VMM_GIC_REGISTERS_H

#include "kvm.h"

/* A distributor or redistributor. */
struct gic_frame {
	const struct vcpu *cpu; /* whose registers these are */
	gpa_t base;
	unsigned group;	 /* KVM_DEV_ARM_VGIC_GRP_* */
	unsigned banked; /* offset of the registers of a CPU's own interrupts */
};

/* Finds the frame at this address as `vcpu` sees it, of a guest with these CPUs. False if there is
 * none, and for GICv2's CPU interface, which guests access without KVM. */
bool gic_find(const struct vcpu *vcpu, const struct vcpu *cpus, unsigned count, gpa_t at,
	      struct gic_frame *frame);

/* An access of 1, 2, 4 or 8 bytes in the frame, made as accesses to its 32-bit registers. A
 * register that KVM does not have reads as 0. */
uint64_t gic_read(const struct gic_frame *frame, gpa_t at, unsigned size);
void gic_write(const struct gic_frame *frame, gpa_t at, unsigned size, uint64_t value);

#endif
