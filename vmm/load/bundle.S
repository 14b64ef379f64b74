/* SPDX-License-Identifier: MIT */
/*
 * The files in the program: the device tree, and the bundled payloads.
 *
 * Who uses it: payload.c and boot.c, through payload.h. bundle.inc is made by tools/bundle.sh, one
 * for nestling and one for each appliance, with a line "payload NAME, FILE, ALIGNMENT, OPTION..., """
 * per payload.
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
	.macro	payload name, file, align, options:vararg
	.section .payloads, "a"
1:	.asciz	"\name"
4:	.asciz	\options
	.balign	\align
2:	.incbin	"\file"
3:
	.section .data.rel.ro.bundle, "aw"
	.quad	1b, 2b, 3b, 4b
	.endm
	.include "bundle.inc"
	.quad	0, 0, 0, 0

	.section .note.GNU-stack, "", %progbits
