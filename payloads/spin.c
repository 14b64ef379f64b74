// SPDX-License-Identifier: MIT
/*
 * Claim: a guest that never exits by itself can still be ended from outside.
 * Never ends by itself.
 */
#include "guest.h"

void guest_main(const void *device_tree)
{
	(void)device_tree;
	print("spinning\n");
	for (;;)
		__asm__ volatile("");
}
