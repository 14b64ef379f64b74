// SPDX-License-Identifier: MIT
/*
 * A vCPU's registers by name and by number.
 *
 * Who calls it: vcpu.c, machine/ and debug/, for a CPU that is not in the guest. Touches the vCPU's
 * registers only.
 */
#include "registers.h"

#define CORE(field) KVM_REG_ARM_CORE_REG(field)
#define SYSTEM(op0, op1, crn, crm, op2) (ARM64_SYS_REG(op0, op1, crn, crm, op2) & 0xffff)

/* KVM's ABI has the ids of CNTV_CVAL_EL0 and CNTVCT_EL0 swapped (asm/kvm.h). */
#define EL1_ROWS(ROW)                                                                              \
	ROW("SP_EL0", CORE(regs.sp))                                                               \
	ROW("SP_EL1", CORE(sp_el1))                                                                \
	ROW("ELR_EL1", CORE(elr_el1))                                                              \
	ROW("SPSR_EL1", CORE(spsr[KVM_SPSR_EL1]))                                                  \
	ROW("ESR_EL1", SYSTEM(3, 0, 5, 2, 0))                                                      \
	ROW("FAR_EL1", SYSTEM(3, 0, 6, 0, 0))                                                      \
	ROW("VBAR_EL1", SYSTEM(3, 0, 12, 0, 0))                                                    \
	ROW("SCTLR_EL1", SYSTEM(3, 0, 1, 0, 0))                                                    \
	ROW("TCR_EL1", SYSTEM(3, 0, 2, 0, 2))                                                      \
	ROW("TTBR0_EL1", SYSTEM(3, 0, 2, 0, 0))                                                    \
	ROW("TTBR1_EL1", SYSTEM(3, 0, 2, 0, 1))                                                    \
	ROW("MAIR_EL1", SYSTEM(3, 0, 10, 2, 0))                                                    \
	ROW("CONTEXTIDR_EL1", SYSTEM(3, 0, 13, 0, 1))                                              \
	ROW("CPACR_EL1", SYSTEM(3, 0, 1, 0, 2))                                                    \
	ROW("PAR_EL1", SYSTEM(3, 0, 7, 4, 0))                                                      \
	ROW("TPIDR_EL1", SYSTEM(3, 0, 13, 0, 4))                                                   \
	ROW("TPIDR_EL0", SYSTEM(3, 3, 13, 0, 2))                                                   \
	ROW("TPIDRRO_EL0", SYSTEM(3, 3, 13, 0, 3))                                                 \
	ROW("MPIDR_EL1", SYSTEM(3, 0, 0, 0, 5))                                                    \
	ROW("MDSCR_EL1", SYSTEM(2, 0, 0, 2, 2))                                                    \
	ROW("CNTKCTL_EL1", SYSTEM(3, 0, 14, 1, 0))                                                 \
	ROW("CNTV_CTL_EL0", KVM_REG_ARM_TIMER_CTL & 0xffff)                                        \
	ROW("CNTV_CVAL_EL0", KVM_REG_ARM_TIMER_CVAL & 0xffff)                                      \
	ROW("CNTVCT_EL0", KVM_REG_ARM_TIMER_CNT & 0xffff)                                          \
	ROW("ACTLR_EL1", SYSTEM(3, 0, 1, 0, 1))                                                    \
	ROW("AFSR0_EL1", SYSTEM(3, 0, 5, 1, 0))                                                    \
	ROW("AFSR1_EL1", SYSTEM(3, 0, 5, 1, 1))                                                    \
	ROW("AMAIR_EL1", SYSTEM(3, 0, 10, 3, 0))                                                   \
	ROW("ID_AA64MMFR0", SYSTEM(3, 0, 0, 7, 0))

#define EL2_ROWS(ROW)                                                                              \
	ROW("SP_EL2", SYSTEM(3, 6, 4, 1, 0))                                                       \
	ROW("ELR_EL2", SYSTEM(3, 4, 4, 0, 1))                                                      \
	ROW("SPSR_EL2", SYSTEM(3, 4, 4, 0, 0))                                                     \
	ROW("ESR_EL2", SYSTEM(3, 4, 5, 2, 0))                                                      \
	ROW("FAR_EL2", SYSTEM(3, 4, 6, 0, 0))                                                      \
	ROW("VBAR_EL2", SYSTEM(3, 4, 12, 0, 0))                                                    \
	ROW("SCTLR_EL2", SYSTEM(3, 4, 1, 0, 0))                                                    \
	ROW("TCR_EL2", SYSTEM(3, 4, 2, 0, 2))                                                      \
	ROW("TTBR0_EL2", SYSTEM(3, 4, 2, 0, 0))                                                    \
	ROW("TTBR1_EL2", SYSTEM(3, 4, 2, 0, 1))                                                    \
	ROW("MAIR_EL2", SYSTEM(3, 4, 10, 2, 0))                                                    \
	ROW("HCR_EL2", SYSTEM(3, 4, 1, 1, 0))                                                      \
	ROW("VTCR_EL2", SYSTEM(3, 4, 2, 1, 2))                                                     \
	ROW("VTTBR_EL2", SYSTEM(3, 4, 2, 1, 0))                                                    \
	ROW("CPTR_EL2", SYSTEM(3, 4, 1, 1, 2))                                                     \
	ROW("MDCR_EL2", SYSTEM(3, 4, 1, 1, 1))                                                     \
	ROW("CNTHCTL_EL2", SYSTEM(3, 4, 14, 1, 0))

#define NAME(name, id) name "\0"
#define ID(name, id) id,

static const char names[] = EL1_ROWS(NAME) EL2_ROWS(NAME);
/* The low half of KVM's id: a core register's offset, or the encoding of a system register, whose
 * top bit is set. */
static const uint16_t ids[] = { EL1_ROWS(ID) EL2_ROWS(ID) };
#define ONLY_EL1 (sizeof((uint16_t[]){ EL1_ROWS(ID) }) / sizeof *ids)
_Static_assert(ARRAY_SIZE(ids) == SYSTEM_REGISTERS, "the header counts them");

const char *system_register_name(unsigned n)
{
	return string_at(names, n);
}

uint64_t system_register_id(unsigned n)
{
	return REGISTER_U64 | (ids[n] & 0x8000 ? KVM_REG_ARM64_SYSREG : KVM_REG_ARM_CORE) | ids[n];
}

unsigned system_registers(const struct vcpu *vcpu)
{
	return has_el2(vcpu) ? SYSTEM_REGISTERS : ONLY_EL1;
}

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

unsigned register_level(const struct vcpu *vcpu)
{
	return has_el2(vcpu) && (PSTATE_EL(register_get(vcpu, CORE_REGISTER(regs.pstate))) == 2 ||
				 register_get(vcpu, HCR_EL2) & HCR_TGE)
		       ? 2
		       : 1;
}

uint64_t register_id_of_level(unsigned level, uint64_t id)
{
	if (level == 2)
		return id | REGISTER_EL2;
	/* KVM has these two among the core registers. */
	return id == ELR_EL1	? CORE_REGISTER(elr_el1)
	       : id == SPSR_EL1 ? CORE_REGISTER(spsr[KVM_SPSR_EL1])
				: id;
}

uint64_t register_of_regime(const struct vcpu *vcpu, uint64_t id)
{
	return register_get(vcpu, register_id_of_level(register_level(vcpu), id));
}

void register_set(const struct vcpu *vcpu, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	kvm_call(vcpu->fd, KVM_SET_ONE_REG, &reg);
}

bool register_vector(const struct vcpu *vcpu, unsigned long request, unsigned n, void *value)
{
	struct kvm_one_reg reg = {
		.id = KVM_REG_ARM64 | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE |
		      (KVM_REG_ARM_CORE_REG(fp_regs.vregs[0]) + 4ul * n),
		.addr = (uintptr_t)value,
	};

	if (kvm_try(vcpu->fd, request, (uintptr_t)&reg) == 0)
		return true;
	/* With SVE, a SIMD register is the low part of a scalable vector register. */
	reg.id = KVM_REG_ARM64_SVE_ZREG(n, 0);
	return kvm_try(vcpu->fd, request, (uintptr_t)&reg) == 0;
}

uint64_t register_general(const struct vcpu *vcpu, unsigned n)
{
	/* The registers are consecutive, in gdb's order; KVM's ids count 32-bit words. */
	uint64_t id = CORE_REGISTER(regs.regs[0]) + n * 2ul;
	uint64_t pstate;

	if (id != CORE_REGISTER(regs.sp))
		return id;
	pstate = register_get(vcpu, CORE_REGISTER(regs.pstate));
	if (!(pstate & PSTATE_SP))
		return id;
	return has_el2(vcpu) && PSTATE_EL(pstate) == 2 ? SP_EL2 : CORE_REGISTER(sp_el1);
}
