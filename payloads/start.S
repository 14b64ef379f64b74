/* SPDX-License-Identifier: MIT */
/*
 * Entry of every payload (boot protocol: EL1 or EL2, MMU off, x0 = device tree), and of its other CPUs:
 * clears bss, sets a stack and calls C.
 *
 * At EL2 the CPU is one whose HCR_EL2.E2H is 1: registers named _el1 are EL2's. With TGE the rest is as
 * at EL1, too (Arm ARM, D8.1.3).
 */
#include "guest.h"

	.section .text.start, "ax"
	.global	_start
_start:
	mov	x19, x0			/* the state at entry, for entry_state */
	bl	take_level
	mrs	x20, daif
	mrs	x21, sctlr_el1
	adrp	x4, bss_start
	add	x4, x4, :lo12:bss_start
	adrp	x5, bss_end
	add	x5, x5, :lo12:bss_end
1:	cmp	x4, x5
	b.hs	2f
	stp	xzr, xzr, [x4], #16
	b	1b
2:	adrp	x4, entry_state
	add	x4, x4, :lo12:entry_state
	stp	x0, x1, [x4]
	stp	x2, x3, [x4, #16]
	stp	x20, x21, [x4, #32]
	mov	x1, #0
	bl	take_stack
	mov	x0, x19
	bl	guest_main

	/* PSCI SYSTEM_OFF (Arm DEN 0022, 5.10). */
	ldr	w0, =PSCI_SYSTEM_OFF
	bl	psci
	b	.

/* Where PSCI CPU_ON starts a CPU; its context argument, x0, is the CPU's index. */
	.section .text.secondary_start, "ax"
	.global	secondary_start
secondary_start:
	mov	x19, x0
	bl	take_level
	mov	x0, x19
	mov	x1, x19
	bl	take_stack
	bl	guest_secondary
	b	.

/* Keeps all but x4. */
	.section .text.take_level, "ax"
take_level:
	mrs	x4, CurrentEL
	cmp	x4, #2 << 2
	b.ne	1f
	mrs	x4, hcr_el2
	orr	x4, x4, #HCR_TGE
	msr	hcr_el2, x4
	isb
1:	ret

/* Sets sp to the stack of CPU x1. Keeps x0. */
	.section .text.take_stack, "ax"
take_stack:
	adrp	x2, stacks
	add	x2, x2, :lo12:stacks
	mov	x3, #STACK_SIZE
	madd	x2, x1, x3, x2
	add	sp, x2, x3
	ret
