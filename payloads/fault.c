// SPDX-License-Identifier: MIT
/*
 * Claim: where no device is, reads give zero, writes are dropped, and --strict ends the run. Each
 * such address is reported once.
 */
#include "guest.h"

#define NOWHERE 0x30000000

void guest_main(const void *device_tree)
{
	(void)device_tree;
	print("reading\n");
	if (read32(NOWHERE) != 0)
		finish(2);
	write32(NOWHERE, 1);
	if (read32(NOWHERE) != 0)
		finish(3);
	print("read 0\n");
}
