// SPDX-License-Identifier: MIT
/*
 * Claim: device tree and initrd lie where QEMU's `virt` machine puts them. Prints where they are:
 * the tree that x0 points to, or else the one at the start of RAM. If there are two, they are
 * equal.
 */
#include "guest.h"

#define FDT_MAGIC 0xd00dfeed

/* A property's value of one or two cells. */
static uint64_t number(const char *value)
{
	uint32_t size = big_endian(value - 8); /* FDT_PROP's length, in bytes */

	return size == 4 ? big_endian(value)
			 : (uint64_t)big_endian(value) << 32 | big_endian(value + 4);
}

void guest_main(const void *device_tree)
{
	const char *base = (const char *)RAM_BASE;
	const char *tree = device_tree;
	const char *start, *end;

	if (big_endian(tree) != FDT_MAGIC)
		tree = base;
	if (big_endian(tree) != FDT_MAGIC) {
		print("no tree\n");
		return;
	}
	print("tree ");
	print_hex((uintptr_t)tree);
	start = tree_property(tree, "linux,initrd-start", 0);
	end = tree_property(tree, "linux,initrd-end", 0);
	if (start && end) {
		print(" initrd ");
		print_hex(number(start));
		print(" to ");
		print_hex(number(end));
	}
	print("\n");
	for (uint32_t i = 0; big_endian(base) == FDT_MAGIC && i < big_endian(tree + 4); i++)
		check(base[i] == tree[i]);
}
