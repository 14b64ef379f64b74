/* SPDX-License-Identifier: MIT */
/*
 * What the program carries within itself: the two device trees, and the payloads.
 *
 * Who uses it: load.c and machine.c, through load.h. bundle.inc is made by the Makefile: a line
 * "payload NAME, FILE" for each.
 */
	.section .rodata.bundle, "a"
	.macro	tree symbol, file
	.balign	8
	.global	\symbol
	.hidden	\symbol
\symbol:
	.incbin	"\file"
	.endm
	tree	bundled_dtb_gicv2, "build/machine-gicv2.dtb"
	tree	bundled_dtb_gicv3, "build/machine-gicv3.dtb"

	.section .data.rel.ro.bundle, "aw"
	.balign	8
	.global	bundled_payloads
	.hidden	bundled_payloads
bundled_payloads:
	.macro	payload name, file
	.section .rodata.bundle, "a"
1:	.asciz	"\name"
	.balign	16
2:	.incbin	"\file"
3:
	.section .data.rel.ro.bundle, "aw"
	.quad	1b, 2b, 3b
	.endm
	.include "build/bundle.inc"
	.quad	0, 0, 0

	.section .note.GNU-stack, "", %progbits
