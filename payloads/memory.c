// SPDX-License-Identifier: MIT
/*
 * Claim: RAM is what the tree's only memory node says, and zero apart from payload and tree. That
 * holds from its first to its last byte; beyond them reads give zero and writes are dropped. PCI's
 * configuration space has no device: reads give all ones.
 */
#include "guest.h"

void guest_main(const void *device_tree)
{
	/* The first `reg` in the tree is that node's; address and size have two cells each. */
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
	for (uintptr_t at = PCI_CONFIG_BASE; at < PCI_CONFIG_BASE + PCI_CONFIG_SIZE;
	     at += 0x1000000) {
		check(read32(at) == ~0u && read16(at) == 0xffff && read8(at + 0xe) == 0xff);
		write32(at + 4, 0);
		check(read32(at + 4) == ~0u);
	}
	check(read64(PCI_CONFIG_BASE + PCI_CONFIG_SIZE - 8) == ~0ull);
	check(read32(PCI_CONFIG_BASE + PCI_CONFIG_SIZE) == 0);
	for (unsigned i = 0; i < 2; i++) {
		check(read32(FLASH_BASE) == ~0u && read8(FLASH_BASE + FLASH_SIZE - 1) == 0xff);
		write32(FLASH_BASE, 0);
	}
	for (uintptr_t at = FLASH_BASE; at < FLASH_BASE + 0x40000; at++)
		check(read8(at) == 0xff);
	print("ok\n");
}
