// SPDX-License-Identifier: MIT
/*
 * A vCPU's registers by name and by number.
 *
 * Who calls it: vcpu.c and those who look at a CPU that is not in the guest. Touches registers
 * only.
 */
#include "registers.h"

#define CORE(field) (uint32_t)(KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(field))
#define SYSTEM(op0, op1, crn, crm, op2) (uint32_t) ARM64_SYS_REG(op0, op1, crn, crm, op2)

const struct system_register system_registers[] = {
	{ "SP_EL0", CORE(regs.sp) },
	{ "SP_EL1", CORE(sp_el1) },
	{ "ELR_EL1", CORE(elr_el1) },
	{ "SPSR_EL1", CORE(spsr[KVM_SPSR_EL1]) },
	{ "ESR_EL1", SYSTEM(3, 0, 5, 2, 0) },
	{ "FAR_EL1", SYSTEM(3, 0, 6, 0, 0) },
	{ "VBAR_EL1", SYSTEM(3, 0, 12, 0, 0) },
	{ "SCTLR_EL1", SYSTEM(3, 0, 1, 0, 0) },
	{ "TCR_EL1", SYSTEM(3, 0, 2, 0, 2) },
	{ "TTBR0_EL1", SYSTEM(3, 0, 2, 0, 0) },
	{ "TTBR1_EL1", SYSTEM(3, 0, 2, 0, 1) },
	{ "MAIR_EL1", SYSTEM(3, 0, 10, 2, 0) },
	{ "CONTEXTIDR_EL1", SYSTEM(3, 0, 13, 0, 1) },
	{ "CPACR_EL1", SYSTEM(3, 0, 1, 0, 2) },
	{ "PAR_EL1", SYSTEM(3, 0, 7, 4, 0) },
	{ "TPIDR_EL1", SYSTEM(3, 0, 13, 0, 4) },
	{ "TPIDR_EL0", SYSTEM(3, 3, 13, 0, 2) },
	{ "TPIDRRO_EL0", SYSTEM(3, 3, 13, 0, 3) },
	{ "MPIDR_EL1", SYSTEM(3, 0, 0, 0, 5) },
	{ "MDSCR_EL1", SYSTEM(2, 0, 0, 2, 2) },
	{ "CNTKCTL_EL1", SYSTEM(3, 0, 14, 1, 0) },
	{ "CNTV_CTL_EL0", (uint32_t)KVM_REG_ARM_TIMER_CTL },
	/* KVM's ABI has these two the wrong way round (asm/kvm.h). */
	{ "CNTV_CVAL_EL0", (uint32_t)KVM_REG_ARM_TIMER_CVAL },
	{ "CNTVCT_EL0", (uint32_t)KVM_REG_ARM_TIMER_CNT },
	{ "ACTLR_EL1", SYSTEM(3, 0, 1, 0, 1) },
	{ "AFSR0_EL1", SYSTEM(3, 0, 5, 1, 0) },
	{ "AFSR1_EL1", SYSTEM(3, 0, 5, 1, 1) },
	{ "AMAIR_EL1", SYSTEM(3, 0, 10, 3, 0) },
	{ "ID_AA64MMFR0", SYSTEM(3, 0, 0, 7, 0) },
};

static int get(const struct vcpu *vcpu, uint64_t id, uint64_t *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)value };

	return kvm_try(vcpu->fd, KVM_GET_ONE_REG, (uintptr_t)&reg);
}

bool register_try(const struct vcpu *vcpu, uint64_t id, uint64_t *value)
{
	return get(vcpu, id, value) == 0;
}

uint64_t register_get(const struct vcpu *vcpu, uint64_t id)
{
	uint64_t value = 0;

	kvm_check(get(vcpu, id, &value), "KVM_GET_ONE_REG");
	return value;
}

void register_set(const struct vcpu *vcpu, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	kvm_call(vcpu->fd, KVM_SET_ONE_REG, &reg);
}

uint64_t register_general(const struct vcpu *vcpu, unsigned n)
{
	/* They follow one another as gdb numbers them; ids count 32-bit words. */
	uint64_t id = CORE_REGISTER(regs.regs[0]) + n * 2ul;

	if (id != CORE_REGISTER(regs.sp))
		return id;
	return register_get(vcpu, CORE_REGISTER(regs.pstate)) & PSTATE_SP ? CORE_REGISTER(sp_el1)
									  : id;
}
