// SPDX-License-Identifier: MIT
/*
 * Guest memory by virtual or physical address.
 *
 * Who calls it: exits.c for a message, debug/, for a CPU that is not in the guest. Touches guest
 * RAM.
 */
#include "inspect.h"

#include "page_walk.h"
#include "vmm/kvm/registers.h"

/* Cleans and invalidates caches to the point of coherency, before a read and after a write, for
 * guests that run with their caches off; and invalidates the instruction cache. */
static void make_coherent(const void *memory, size_t size)
{
	(void)memory, (void)size;
	/* Unit tests run natively, where caches are coherent. */
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

#define TCR_LOW 0xffff /* the fields of addresses translated by TTBR0 */

bool inspect_translate(const struct vcpu *vcpu, uint64_t address, gpa_t *at)
{
	struct translation stage2;
	struct translation stage1 = {
		.sctlr = register_of_regime(vcpu, SCTLR_EL1),
		.tcr = register_of_regime(vcpu, TCR_EL1),
		.ttbr0 = register_of_regime(vcpu, TTBR0_EL1),
		.ttbr1 = register_of_regime(vcpu, TTBR1_EL1),
	};

	if (register_level(vcpu) == 2) {
		/* Then there are no high addresses, and TCR_EL2 has other fields in their place. */
		if (vcpu->features & 1u << KVM_ARM_VCPU_HAS_EL2_E2H0)
			stage1.tcr &= TCR_LOW;
	} else if (has_el2(vcpu)) {
		/* The guest of a hypervisor, or its own kernel: then stage 2 is off. */
		stage2 = (struct translation){
			.sctlr = register_get(vcpu, HCR_EL2) & HCR_VM, /* SCTLR_EL1.M's bit */
			.tcr = register_get(vcpu, VTCR_EL2),
			.ttbr0 = register_get(vcpu, VTTBR_EL2),
			.is_stage2 = true,
		};
		stage1.next = &stage2;
	}
	return walk(&stage1, vcpu->memory, address, at);
}

/* The host pointer of the byte at this address; NULL if it is not in RAM. */
static uint8_t *byte_at(const struct vcpu *vcpu, enum view view, uint64_t address)
{
	gpa_t at = GPA(address);

	if (view == VIEW_VIRTUAL && !inspect_translate(vcpu, address, &at))
		return NULL;
	return memory_at(vcpu->memory, at, 1);
}

#define PAGE 4096 /* the smallest page size: contiguous in RAM */

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
		if (is_write)
			memory_mark(vcpu->memory, memory, n);
		done += n;
	}
	return done;
}
