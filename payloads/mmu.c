// SPDX-License-Identifier: MIT
/* Page tables with an identity map. Who calls it: payloads that need cached memory. Touches the
 * MMU's registers. */
#include "guest.h"

#define GIB (1ull << 30)
#define BLOCK 1u /* descriptor of a 1 GiB block at level 1 (Arm ARM, D8.3.2) */
#define ACCESS_FLAG (1ull << 10)
#define INNER_SHAREABLE (3ull << 8)
#define EXECUTE_NEVER (3ull << 53)
#define ATTRIBUTE(n) ((uint64_t)(n) << 2)

static uint64_t table[512] __attribute__((aligned(4096)));

void mmu_on(void)
{
	/* The first GiB is device memory, the others RAM. Every CPU writes the same table. */
	for (uint64_t i = 0; i < 512; i++)
		table[i] = i * GIB | BLOCK | ACCESS_FLAG |
			   (i == 0 ? ATTRIBUTE(0) | EXECUTE_NEVER : ATTRIBUTE(1) | INNER_SHAREABLE);
	write_system_register("mair_el1", 0xff00); /* 0: device, 1: write-back */
	write_system_register("tcr_el1",
			      25 | 0x3500 | 1ull << 23 | 2ull << 32); /* 39 bits, 4 KiB */
	write_system_register("ttbr0_el1", (uintptr_t)table);
	__asm__ volatile("dsb sy\n\ttlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
	write_system_register("sctlr_el1", read_system_register("sctlr_el1") | 0x1005);
}
