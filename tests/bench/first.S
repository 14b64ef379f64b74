/* SPDX-License-Identifier: MIT */
/*
 * What a guest's first instruction costs: it reads the counter, and the rest says so in hexadecimal. An
 * Image of no size (booting.rst, 4.), to which bytes can be added as long as one likes.
 *
 * The physical counter: the host's user programs have the same one, as their virtual counter.
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
