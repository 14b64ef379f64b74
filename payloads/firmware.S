/* SPDX-License-Identifier: MIT */
/* Firmware that copies a PAYLOAD from the flash to where a flat binary lies in RAM, and starts it there. */
#include "vmm/machine/map.h"

	.text
	adr	x1, payload
	adr	x2, payload_end
	mov	x0, #RAM_BASE		/* the device tree */
	add	x3, x0, #FLAT_OFFSET
	mov	x4, x3
1:	ldr	x5, [x1]
	str	x5, [x4]
	add	x1, x1, #8
	add	x4, x4, #8
	cmp	x1, x2
	b.lo	1b
	br	x3

	.balign	2048, 0			/* behind the vectors, which are no instructions */
payload:
	.incbin	PAYLOAD
	.balign	8
payload_end:
