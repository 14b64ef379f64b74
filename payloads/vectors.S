/* SPDX-License-Identifier: MIT */
/* Exception vectors. catch_exceptions() installs them on the CPU that calls it. */
#include "guest.h"

	.text
	.global	catch_exceptions
catch_exceptions:
	adrp	x0, vectors
	add	x0, x0, :lo12:vectors
	msr	vbar_el1, x0
	isb
	ret

/* Saves a struct frame, calls the handler with it, and returns to where the frame says. */
	.macro	slot handler
	.balign	128
	sub	sp, sp, #FRAME_SIZE
	stp	x0, x1, [sp]
	stp	x29, x30, [sp, #16 * 14 + 8]
	adr	x0, \handler
	b	save
	.endm

save:
	stp	x2, x3, [sp, #16 * 1]
	stp	x4, x5, [sp, #16 * 2]
	stp	x6, x7, [sp, #16 * 3]
	stp	x8, x9, [sp, #16 * 4]
	stp	x10, x11, [sp, #16 * 5]
	stp	x12, x13, [sp, #16 * 6]
	stp	x14, x15, [sp, #16 * 7]
	stp	x16, x17, [sp, #16 * 8]
	stp	x18, x19, [sp, #16 * 9]
	mrs	x1, elr_el1
	mrs	x2, spsr_el1
	stp	x1, x2, [sp, #16 * 10]
	mrs	x1, esr_el1
	mrs	x2, far_el1
	stp	x1, x2, [sp, #16 * 11]
	mov	x1, x0
	mov	x0, sp
	blr	x1
	ldp	x1, x2, [sp, #16 * 10]
	msr	elr_el1, x1
	msr	spsr_el1, x2
	ldp	x2, x3, [sp, #16 * 1]
	ldp	x4, x5, [sp, #16 * 2]
	ldp	x6, x7, [sp, #16 * 3]
	ldp	x8, x9, [sp, #16 * 4]
	ldp	x10, x11, [sp, #16 * 5]
	ldp	x12, x13, [sp, #16 * 6]
	ldp	x14, x15, [sp, #16 * 7]
	ldp	x16, x17, [sp, #16 * 8]
	ldp	x18, x19, [sp, #16 * 9]
	ldp	x29, x30, [sp, #16 * 14 + 8]
	ldp	x0, x1, [sp]
	add	sp, sp, #FRAME_SIZE
	eret

	.balign	2048
vectors:
	.rept	4
	slot	guest_exception
	slot	gic_interrupt
	slot	guest_exception
	slot	guest_exception
	.endr
