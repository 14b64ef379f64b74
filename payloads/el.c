// SPDX-License-Identifier: MIT
/*
 * Claim: a guest starts as the arm64 boot protocol says, and its ID registers show what the host
 * has. That is, by Documentation/arch/arm64/booting.rst, at EL1 or EL2 with its own stack pointer,
 * all interrupts masked, MMU and caches off, x0 = device tree, x1 to x3 = 0, on CPU 0. It prints
 * the optional features that the ID registers show, the first being EL2 if it is there.
 */
#include "guest.h"

#define is_zero(name) check(read_system_register(name) == 0)

/* Registers that are UNKNOWN after a reset: there are guests that OR a bit into them. */
static void check_unknown(void)
{
	is_zero("ttbr0_el1");
	is_zero("ttbr1_el1");
	is_zero("afsr0_el1");
	is_zero("afsr1_el1");
	is_zero("esr_el1");
	is_zero("far_el1");
	is_zero("par_el1");
	is_zero("mair_el1");
	is_zero("tpidr_el1");
	is_zero("tpidr_el0");
	is_zero("tpidrro_el0");
	is_zero("tcr_el1");
	is_zero("vbar_el1");
	is_zero("contextidr_el1");
	is_zero("elr_el1");
	is_zero("spsr_el1");
	is_zero("sp_el0");
}

/* The keys of pointer authentication, IA to GA, the lower half first (Arm ARM, D17.2). */
static void check_keys(void)
{
	is_zero("s3_0_c2_c1_0");
	is_zero("s3_0_c2_c1_1");
	is_zero("s3_0_c2_c1_2");
	is_zero("s3_0_c2_c1_3");
	is_zero("s3_0_c2_c2_0");
	is_zero("s3_0_c2_c2_1");
	is_zero("s3_0_c2_c2_2");
	is_zero("s3_0_c2_c2_3");
	is_zero("s3_0_c2_c3_0");
	is_zero("s3_0_c2_c3_1");
}

void guest_main(const void *device_tree)
{
	uint64_t features = read_system_register("id_aa64pfr0_el1");

	check(read_system_register("CurrentEL") == (is_at_el2() ? 2 : 1) << 2);
	check(read_system_register("SPSel") == 1);
	check(entry_state.daif == 0x3c0);
	check((entry_state.sctlr & 5) == 0); /* M, C */
	check(entry_state.x0 == (uintptr_t)device_tree);
	check(entry_state.x1 == 0 && entry_state.x2 == 0 && entry_state.x3 == 0);
	check(big_endian(device_tree) == 0xd00dfeed);
	check((read_system_register("mpidr_el1") & 0xff00ffffff) == 0);
	check((features & 0xf) != 0 && (features >> 4 & 0xf) != 0);	      /* EL0, EL1 */
	check((read_system_register("id_aa64mmfr0_el1") >> 28 & 0xf) != 0xf); /* 4 KiB pages */
	check(read_system_register("cntfrq_el0") != 0);
	if (!is_at_el2()) /* of EL2, KVM sets bits that are RES1 without VHE */
		check_unknown();
	if (is_at_el2())
		print(read_system_register("hcr_el2") & HCR_E2H ? "EL2 VHE " : "EL2 ");
	if (read_system_register("id_aa64dfr0_el1") >> 8 & 0xf)
		print("pmu ");
	if (features >> 32 & 0xf)
		print("sve ");
	if (read_system_register("id_aa64isar1_el1") >> 4 & 0xff) {
		check_keys();
		print("pauth ");
	}
	print("ok\n");
}
