/* SPDX-License-Identifier: MIT */
/*
 * Registers of a vCPU (api.rst, KVM_GET_ONE_REG), as arm64's KVM numbers them.
 *
 * Who uses it: vcpu.c, machine/ and debug/, for a CPU that is not in the guest at the moment.
 */
#ifndef VMM_REGISTERS_H
#define VMM_REGISTERS_H

#include "kvm.h"

#define REGISTER_U64 (KVM_REG_ARM64 | KVM_REG_SIZE_U64)
#define CORE_REGISTER(field) (REGISTER_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(field))
#define ESR_EL1 ARM64_SYS_REG(3, 0, 5, 2, 0)
#define FAR_EL1 ARM64_SYS_REG(3, 0, 6, 0, 0)
#define SCTLR_EL1 ARM64_SYS_REG(3, 0, 1, 0, 0)
#define TTBR0_EL1 ARM64_SYS_REG(3, 0, 2, 0, 0)
#define TTBR1_EL1 ARM64_SYS_REG(3, 0, 2, 0, 1)
#define TCR_EL1 ARM64_SYS_REG(3, 0, 2, 0, 2)
#define VBAR_EL1 ARM64_SYS_REG(3, 0, 12, 0, 0)
#define MPIDR_EL1 ARM64_SYS_REG(3, 0, 0, 0, 5)
#define ID_AA64MMFR0_EL1 ARM64_SYS_REG(3, 0, 0, 7, 0)

/* PSTATE, as SPSR_EL1 holds it (Arm ARM, C5.2.18): exception level and stack pointer; masks. */
#define PSTATE_SP 1
#define PSTATE_EL(pstate) ((pstate) >> 2 & 3)
#define PSTATE_DAIF 0x3c0

/* Syndromes (Arm ARM, D17.2.37). */
#define ESR_CLASS(esr) ((esr) >> 26 & 63)
#define CLASS_BRK 0x3c

/* 64-bit registers of EL1 and EL0 that are neither general nor for vectors; a host may lack some.
 */
struct system_register {
	char name[16];
	uint32_t id; /* REGISTER_U64 added, KVM's */
};
#define SYSTEM_REGISTERS 29
extern const struct system_register system_registers[SYSTEM_REGISTERS];

/* KVM_GET_ONE_REG and KVM_SET_ONE_REG of a 64-bit register; of one that the host may lack (false),
 * and of those that there must be. */
bool register_try(const struct vcpu *vcpu, uint64_t id, uint64_t *value);
uint64_t register_get(const struct vcpu *vcpu, uint64_t id);
void register_set(const struct vcpu *vcpu, uint64_t id, uint64_t value);

/* General register n: 0 to 30, 31 for the stack pointer of now, 32 pc, 33 PSTATE. KVM's number. */
#define GENERAL_REGISTERS 34
uint64_t register_general(const struct vcpu *vcpu, unsigned n);

#endif
