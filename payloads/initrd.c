// SPDX-License-Identifier: MIT
/* Claim: the initrd is complete and where the device tree says: it is the text of bootargs. */
#include "guest.h"

void guest_main(const void *device_tree)
{
	const char *text = tree_property(device_tree, "bootargs", 0);
	const char *start = tree_property(device_tree, "linux,initrd-start", 0);
	const char *end = tree_property(device_tree, "linux,initrd-end", 0);
	const char *initrd;

	check(start && end);
	initrd = (const char *)((uintptr_t)big_endian(start) << 32 | big_endian(start + 4));
	end = (const char *)((uintptr_t)big_endian(end) << 32 | big_endian(end + 4));
	while (initrd < end)
		check(*initrd++ == *text++);
	check(*text == '\0');
	print("ok\n");
}
