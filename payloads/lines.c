// SPDX-License-Identifier: MIT
/*
 * Claim: all that is printed comes out, in order. Prints numbers from 1 on, one per line: as many
 * as bootargs say, or for ever.
 * Never ends by itself without a number as bootargs.
 */
#include "guest.h"

void guest_main(const void *device_tree)
{
	uint64_t lines = bootargs_number(device_tree);

	for (uint64_t i = 1; lines == 0 || i <= lines; i++) {
		print_decimal(i);
		print("\n");
	}
}
