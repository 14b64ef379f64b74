// SPDX-License-Identifier: MIT
/* Claim: the code that is written to the finisher, here the number in bootargs, is the exit status.
 */
#include "guest.h"

void guest_main(const void *device_tree)
{
	const char *digit = tree_property(device_tree, "bootargs", 0);

	if (!digit || *digit < '0' || *digit > '9') {
		print("status: give the number with --append\n");
		finish(1);
	}
	finish((unsigned)bootargs_number(device_tree));
}
