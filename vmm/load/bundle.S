/* SPDX-License-Identifier: MIT */
/*
 * What the program carries within itself: the device tree, and the payloads.
 *
 * Who uses it: load.c and boot.c, through load.h. bundle.inc is made by tools/bundle.sh, one
 * for nestling and one for an appliance: a line "payload NAME, FILE, OPTION..., """ for each.
 */
	.section .rodata.bundle, "a"
	.balign	8
	.global	bundled_dtb
	.hidden	bundled_dtb
bundled_dtb:
	.incbin	"build/machine.dtb"

	.section .data.rel.ro.bundle, "aw"
	.balign	8
	.global	bundled_payloads
	.hidden	bundled_payloads
bundled_payloads:
	.macro	payload name, file, options:vararg
	.section .payloads, "a"
1:	.asciz	"\name"
4:	.asciz	\options
	.balign	16
2:	.incbin	"\file"
3:
	.section .data.rel.ro.bundle, "aw"
	.quad	1b, 2b, 3b, 4b
	.endm
	.include "bundle.inc"
	.quad	0, 0, 0, 0

	.section .note.GNU-stack, "", %progbits
