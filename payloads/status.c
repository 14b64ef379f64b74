// SPDX-License-Identifier: MIT
/* Claim: the number in bootargs, given to the finisher, is the exit status of the whole. */
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
