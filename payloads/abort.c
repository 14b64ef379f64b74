// SPDX-License-Identifier: MIT
/*
 * Claim: an access outside of RAM that is not carried out is an external abort. That is an
 * exclusive one, one of a vector structure, and one that crosses a page. The abort is synchronous;
 * execution can go on behind it.
 */
#include "guest.h"

#define NOWHERE 0x30000000ul /* where no device is */
#define DATA_ABORT 0x25	     /* exception class: without a change of exception level */
#define EXTERNAL 0x10	     /* fault status code */

static unsigned aborts;

void guest_exception(struct frame *frame)
{
	/* KVM sign-extends ESR_EL1. */
	check((uint32_t)frame->esr >> 26 == DATA_ABORT);
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
	__asm__ volatile("ldxr w10, [%0]" : : "r"(at) : "x10", "memory");
	check(aborts == 1);
	__asm__ volatile("stxr w10, w11, [%0]" : : "r"(at + 16) : "x10", "memory");
	check(aborts <= 2); /* an exclusive store may fail without an access */
	aborts = 2;
	__asm__ volatile(".arch_extension simd\n\tld1 {v0.16b}, [%0]" : : "r"(at + 32) : "memory");
	check(aborts == 3);
	__asm__ volatile("stp xzr, xzr, [%0]" : : "r"(at + 0xff8) : "memory");
	check(aborts == 4);
	__asm__ volatile("ldxr w10, [%0]" : : "r"(at) : "x10", "memory"); /* reported before */
	check(aborts == 5);
	__asm__ volatile("ldp x10, x11, [%0]" : : "r"(at + 48) : "x10", "x11", "memory");
	check(aborts == 5);		  /* carried out: nothing is there */
	check(read32(NOWHERE + 64) == 0); /* with a syndrome: no abort */
	check(aborts == 5);
	print("ok\n");
}
