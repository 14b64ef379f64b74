// SPDX-License-Identifier: MIT
/*
 * Guest memory by the addresses that a CPU's software uses.
 *
 * Who calls it: run.c for a message, debug/ for a CPU that is not in the guest. Touches guest RAM.
 */
#include "inspect.h"

#include "page_walk.h"
#include "vmm/kvm/registers.h"

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
