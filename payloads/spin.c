// SPDX-License-Identifier: MIT
/* Claim: a guest that never ends and never leaves can still be stopped from outside. */
#include "guest.h"

void guest_main(const void *device_tree)
{
	(void)device_tree;
	print("spinning\n");
	for (;;)
		__asm__ volatile("");
}
