/* SPDX-License-Identifier: MIT */
/*
 * Registers of a vCPU (api.rst, KVM_GET_ONE_REG) by KVM's ids.
 *
 * Who uses it: vcpu.c, machine/ and debug/, for a CPU that is not in the guest.
 */
#ifndef VMM_REGISTERS_H
#define VMM_REGISTERS_H

#include "kvm.h"

#define REGISTER_U64 (KVM_REG_ARM64 | KVM_REG_SIZE_U64)
#define CORE_REGISTER(field) (REGISTER_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(field))
#define SPSR_EL1 ARM64_SYS_REG(3, 0, 4, 0, 0)
#define ELR_EL1 ARM64_SYS_REG(3, 0, 4, 0, 1)
#define ESR_EL1 ARM64_SYS_REG(3, 0, 5, 2, 0)
#define FAR_EL1 ARM64_SYS_REG(3, 0, 6, 0, 0)
#define SCTLR_EL1 ARM64_SYS_REG(3, 0, 1, 0, 0)
#define TTBR0_EL1 ARM64_SYS_REG(3, 0, 2, 0, 0)
#define TTBR1_EL1 ARM64_SYS_REG(3, 0, 2, 0, 1)
#define SP_EL2 ARM64_SYS_REG(3, 6, 4, 1, 0)
#define TCR_EL1 ARM64_SYS_REG(3, 0, 2, 0, 2)
#define VBAR_EL1 ARM64_SYS_REG(3, 0, 12, 0, 0)
#define HCR_EL2 ARM64_SYS_REG(3, 4, 1, 1, 0)
#define HCR_VM 1u
#define HCR_TGE (1u << 27)
#define VTTBR_EL2 ARM64_SYS_REG(3, 4, 2, 1, 0)
#define VTCR_EL2 ARM64_SYS_REG(3, 4, 2, 1, 2)
/* What a register's id of EL2 has beyond that of EL1. */
#define REGISTER_EL2 (4ull << KVM_REG_ARM64_SYSREG_OP1_SHIFT) /* op1 */
#define MPIDR_EL1 ARM64_SYS_REG(3, 0, 0, 0, 5)
#define ID_AA64MMFR0_EL1 ARM64_SYS_REG(3, 0, 0, 7, 0)

/* PSTATE in the format of SPSR_EL1 (Arm ARM, C5.2.18): SP select, exception level, AArch32, DAIF
 * masks, the kind of branch that led here, software step. */
#define PSTATE_SP 1
#define PSTATE_AARCH32 0x10
#define PSTATE_EL_SHIFT 2
#define PSTATE_EL(pstate) ((pstate) >> PSTATE_EL_SHIFT & 3)
#define PSTATE_DAIF 0x3c0
#define PSTATE_BTYPE 0xc00
#define PSTATE_SS 0x00200000ull

/* Exception class of a syndrome (Arm ARM, D17.2.37). */
#define ESR_CLASS(esr) ((esr) >> 26 & 63)
#define CLASS_BRK 0x3c
#define ESR_WNR 0x40 /* of a data abort: a write */

/* The 64-bit registers of EL0 to EL2 that are neither general-purpose nor SIMD registers, those of
 * EL2 last. A host may lack some. */
#define SYSTEM_REGISTERS 46
const char *system_register_name(unsigned n);
uint64_t system_register_id(unsigned n); /* KVM's */
/* How many of them this CPU has: without EL2 fewer. */
unsigned system_registers(const struct vcpu *vcpu);

/* KVM_GET_ONE_REG and KVM_SET_ONE_REG of 64-bit registers. register_try returns false if the host
 * lacks the register; the others die. */
bool register_try(const struct vcpu *vcpu, uint64_t id, uint64_t *value);
uint64_t register_get(const struct vcpu *vcpu, uint64_t id);
void register_set(const struct vcpu *vcpu, uint64_t id, uint64_t value);

/* Whether the CPU has EL2 (--el2). */
static inline bool has_el2(const struct vcpu *vcpu)
{
	return vcpu->features & 1u << KVM_ARM_VCPU_HAS_EL2;
}

/* The level, 1 or 2, whose registers translate the CPU's addresses, and to which its exceptions go
 * unless a hypervisor wants them: at EL2, and at EL0 with HCR_EL2.TGE, that is 2. */
unsigned register_level(const struct vcpu *vcpu);
/* KVM's id of this register of EL1, or of its counterpart at EL2. Both have the same fields if
 * HCR_EL2.E2H is 1, as it is without --el2=e2h0. */
uint64_t register_id_of_level(unsigned level, uint64_t id);
/* Like register_get, of a register of EL1 or its counterpart at the CPU's register_level. */
uint64_t register_of_regime(const struct vcpu *vcpu, uint64_t id);

/* KVM's id of general register n: 0 to 30 are x0 to x30, 31 the current sp, 32 pc, 33 PSTATE. */
#define GENERAL_REGISTERS 34
uint64_t register_general(const struct vcpu *vcpu, unsigned n);

/*
 * KVM_GET_ONE_REG or KVM_SET_ONE_REG of SIMD register n, 0 to 31, in the first 16 bytes of `value`,
 * which has room for the scalable vector register that this may be part of: the rest is set, too.
 * False if the host refuses.
 */
#define SCALABLE 256 /* bytes */
bool register_vector(const struct vcpu *vcpu, unsigned long request, unsigned n, void *value);

#endif
