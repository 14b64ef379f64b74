/* SPDX-License-Identifier: MIT */
/*
 * Measures the start of a guest: its first instruction reads the counter, and the rest prints it in
 * hexadecimal. It is an Image with a size of 0 (booting.rst, 4.), to which any number of bytes can be added.
 *
 * It reads the physical counter, which is the virtual counter of the host's user programs.
 */
#include "payloads/guest.h"

	.section .text.start, "ax"
	.global	_start
_start:
	mrs	x9, cntpct_el0
	b	1f
	.quad	0, 0, 0, 0, 0, 0
	.ascii	"ARM\x64"
	.word	0
1:	ldr	x10, =UART_BASE
	mov	x2, #60
2:	lsr	x3, x9, x2
	and	x3, x3, #15
	add	x4, x3, #'0'
	add	x5, x3, #'a' - 10
	cmp	x3, #10
	csel	x3, x4, x5, lo
	str	w3, [x10]
	subs	x2, x2, #4
	b.ge	2b
	mov	w3, #'\n'
	str	w3, [x10]
	ldr	w0, =PSCI_SYSTEM_OFF
	hvc	#0
	b	.
