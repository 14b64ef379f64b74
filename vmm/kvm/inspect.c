// SPDX-License-Identifier: MIT
/*
 * Registers by name, and memory by the CPU's own addresses.
 *
 * Who calls it: vcpu.c, breakpoints.c, gdb.c, dump.c; describe.c and trace.c for names and pc.
 * Touches the vCPU's registers and guest RAM.
 */
#include "inspect.h"

#include "vmm/debug/page_walk.h"

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

/*
 * To the point of coherency, before it is read and after it is written: a guest with its caches off
 * sees what lies there. What is fetched as an instruction comes from there, too.
 */
static void make_coherent(const void *memory, size_t size)
{
	(void)memory, (void)size;
	/* Unit tests run elsewhere. */
#if defined(__aarch64__)
	for (uintptr_t line = (uintptr_t)memory & -16ul; line < (uintptr_t)memory + size;
	     line += 16)
		__asm__ volatile("dc	civac, %0" ::"r"(line) : "memory");
	__asm__ volatile("dsb	ish" ::: "memory");
	for (uintptr_t line = (uintptr_t)memory & -16ul; line < (uintptr_t)memory + size;
	     line += 16)
		__asm__ volatile("ic	ivau, %0" ::"r"(line) : "memory");
	__asm__ volatile("dsb	ish" ::: "memory");
#endif
}

bool inspect_translate(const struct vcpu *vcpu, uint64_t address, gpa_t *at)
{
	struct translation regime = {
		.sctlr = register_get(vcpu, SCTLR_EL1),
		.tcr = register_get(vcpu, TCR_EL1),
		.ttbr0 = register_get(vcpu, TTBR0_EL1),
		.ttbr1 = register_get(vcpu, TTBR1_EL1),
	};

	return walk(&regime, vcpu->memory, address, at);
}

/* Where a byte at this address lies in the process; NULL if it lies in no memory of the guest's. */
static uint8_t *byte_at(const struct vcpu *vcpu, enum view view, uint64_t address)
{
	gpa_t at = GPA(address);

	if (view == VIEW_VIRTUAL && !inspect_translate(vcpu, address, &at))
		return NULL;
	return memory_at(vcpu->memory, at, 1);
}

#define PAGE 4096 /* the smallest: what is within it lies together */

size_t inspect_memory(const struct vcpu *vcpu, enum view view, uint64_t address, void *buffer,
		      size_t size, bool is_write)
{
	size_t done = 0;

	while (done < size) {
		size_t n = PAGE - (address + done) % PAGE;
		uint8_t *memory = byte_at(vcpu, view, address + done);
		uint8_t *own = (uint8_t *)buffer + done;

		if (!memory)
			break;
		if (n > size - done)
			n = size - done;
		make_coherent(memory, n);
		memcpy(is_write ? memory : own, is_write ? own : memory, n);
		make_coherent(memory, n);
		done += n;
	}
	return done;
}
