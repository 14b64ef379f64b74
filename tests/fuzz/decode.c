// SPDX-License-Identifier: MIT
/*
 * Fuzzes loads and stores without a syndrome: instructions, registers, page tables and faults of
 * every kind, at devices and at the interrupt controller. Each is carried out as a whole or is an
 * abort, nothing is accessed but what the fault was for, and RAM stays as it is.
 */
#include "fuzz.h"

#include "../unit/accesses.h"

#define X(n) (CORE_REGISTER(regs.regs[0]) + 2ul * (n))
#define PC CORE_REGISTER(regs.pc)

/* Most faults are at the address that the instruction has: others are never carried out. */
static uint64_t take_fault(struct input *input)
{
	static const uint64_t near[] = { DEVICE, 0x08000000, 0x080a0000, 0x080d0000 };

	return near[take(input, 1) % 4] + take(input, 2);
}

static void set_registers(struct input *input, uint64_t base)
{
	for (unsigned n = 0; n < 31; n++)
		set_value(0, X(n), base);
	set_value(0, X(6), take(input, 8));
	set_value(0, CORE_REGISTER(regs.sp), base);
	set_value(0, CORE_REGISTER(sp_el1), base);
	set_value(0, CORE_REGISTER(regs.pstate), take(input, 4));
	set_value(0, SCTLR_EL1, take(input, 4));
	set_value(0, TCR_EL1, take(input, 8));
	set_value(0, TTBR0_EL1, RAM_AT + take(input, 2));
	set_value(0, PC, RAM_AT + take(input, 2));
}

/* Either all of it has happened, or an abort has been injected and nothing else. */
static void check_outcome(uint64_t pc, uint64_t fault)
{
	if (aborts) {
		require(aborts == 1 && made_count == 0 && attribute_sets == 0);
		require(get_value(0, PC) == pc);
		return;
	}
	require(get_value(0, PC) == pc + 4);
	require(made_count == vcpus[0].no_syndrome.count && made_count <= 4);
	for (unsigned i = 0; i < made_count; i++) {
		require(made[i].at / 4096 == fault / 4096);
		require(made[i].at + 32 > fault && made[i].at < fault + 32);
		require(made[i].size == 1 || made[i].size == 2 || made[i].size == 4 ||
			made[i].size == 8);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t before[RAM];
	struct input input = { data, size };
	uint64_t fault, pc;
	unsigned flags;

	begin_guest();
	flags = (unsigned)take(&input, 1);
	has_sve = flags & 1;
	vm.gic = flags & 2 ? 2 : 3;
	attribute_error = flags & 4 ? -EINVAL : 0;
	fault = take_fault(&input);
	set_registers(&input, fault - take(&input, 1) + 128);
	pc = get_value(0, PC);
	if (memory_at(&memory, GPA(pc & ~3ull), 4))
		ram.words[(pc - RAM_AT) / 4] = (uint32_t)take(&input, 4);
	for (unsigned i = 0; input.size && i < 8; i++)
		ram.entries[take(&input, 2) % (RAM / 8)] = take(&input, 8);
	memcpy(before, ram.bytes, sizeof before);
	exit_for(0, fault, flags & 8);
	require(pauses == (vcpus[0].no_syndrome.waits ? 1 : 0));
	no_syndrome_complete(&vcpus[0]);
	require(!vcpus[0].no_syndrome.waits);
	check_outcome(pc, fault);
	require(memcmp(before, ram.bytes, sizeof before) == 0);
	return 0;
}
