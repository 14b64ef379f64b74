// SPDX-License-Identifier: MIT
/*
 * Claim: a guest starts as the arm64 boot protocol says, and its id registers show what the host
 * has. By Documentation/arch/arm64/booting.rst: at EL1 on SP_EL1, all interrupts masked, MMU and
 * caches off, x0 = device tree, x1..x3 = 0, on CPU 0. It names the features that the id registers
 * show.
 */
#include "guest.h"

void guest_main(const void *device_tree)
{
	uint64_t features = read_system_register("id_aa64pfr0_el1");

	check(read_system_register("CurrentEL") == 1 << 2);
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
	if (read_system_register("id_aa64dfr0_el1") >> 8 & 0xf)
		print("pmu ");
	if (features >> 32 & 0xf)
		print("sve ");
	if (read_system_register("id_aa64isar1_el1") >> 4 & 0xff)
		print("pauth ");
	print("ok\n");
}
