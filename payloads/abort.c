// SPDX-License-Identifier: MIT
/*
 * Claim: an access without a syndrome outside of RAM is an external abort, as on QEMU. The CPU
 * gives none for pairs, write-back and vectors. The abort is synchronous; execution can go on
 * behind it.
 */
#include "guest.h"

#define NOWHERE 0x30000000ul
#define DATA_ABORT 0x25 /* exception class, from the same level */
#define EXTERNAL 0x10	/* fault status */

static unsigned aborts;

void guest_exception(struct frame *frame)
{
	check((uint32_t)frame->esr >> 26 ==
	      DATA_ABORT); /* KVM fills the upper half with its sign */
	check((frame->esr & 0x3f) == EXTERNAL);
	aborts++;
	frame->elr += 4;
}

void guest_main(const void *device_tree)
{
	uint64_t at = NOWHERE;

	(void)device_tree;
	catch_exceptions();
	write_system_register("cpacr_el1", 3ull << 20); /* vector registers do not trap */
	__asm__ volatile("ldp x10, x11, [%0]" : : "r"(at) : "x10", "x11", "memory");
	check(aborts == 1);
	__asm__ volatile("stp xzr, xzr, [%0]" : : "r"(at + 16) : "memory");
	check(aborts == 2);
	__asm__ volatile("ldr x10, [%0], #8" : "+r"(at) : : "x10", "memory");
	check(aborts == 3);
	__asm__ volatile(".arch_extension fp\n\tstr q0, [%0]" : : "r"(at + 32) : "memory");
	check(aborts == 4);
	__asm__ volatile("ldp x10, x11, [%0]"
			 :
			 : "r"(at)
			 : "x10", "x11", "memory"); /* told before */
	check(aborts == 5);
	check(read32(NOWHERE + 64) == 0); /* with a syndrome: no abort */
	check(aborts == 5);
	print("ok\n");
}
