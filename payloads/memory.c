// SPDX-License-Identifier: MIT
/*
 * Claim: RAM is what the tree's only node of memory says, and zero but for payload and tree. From
 * its first to its last byte; beyond there is nothing: reads give zero, writes are dropped.
 */
#include "guest.h"

void guest_main(const void *device_tree)
{
	/* The node's `reg` is the first in the tree: two cells each. */
	const char *reg = tree_property(device_tree, "reg", 0);
	uintptr_t base = (uintptr_t)big_endian(reg) << 32 | big_endian(reg + 4);
	uintptr_t size = (uintptr_t)big_endian(reg + 8) << 32 | big_endian(reg + 12);
	uintptr_t end = base + size;
	const char *type;
	unsigned nodes = 0;

	for (unsigned i = 0; (type = tree_property(device_tree, "device_type", i)); i++)
		nodes += big_endian(type) == 0x6d656d6f; /* "memo" */
	check(nodes == 1);
	check(base == RAM_BASE && size >= 2 << 20);
	check(big_endian((void *)base) == 0xd00dfeed);
	check(read64(end - 8) == 0);
	write8(end - 1, 0x5a);
	check(read64(end - 8) == 0x5aull << 56);
	check(read32(end) == 0);
	write32(end, 1);
	check(read32(end) == 0);
	check(read8(RAM_BASE - 1) == 0);
	check(read32(0x4010000000) == 0); /* where `virt` has PCI's configuration space */
	for (unsigned i = 0; i < 2; i++) {
		check(read32(FLASH_BASE) == ~0u && read8(FLASH_BASE + FLASH_SIZE - 1) == 0xff);
		write32(FLASH_BASE, 0);
	}
	for (uintptr_t at = FLASH_BASE; at < FLASH_BASE + 0x40000; at++)
		check(read8(at) == 0xff);
	print("ok\n");
}
