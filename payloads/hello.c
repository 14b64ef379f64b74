// SPDX-License-Identifier: MIT
/* Claim: a guest runs at EL1, prints by the PL011, finds its device tree, switches itself off. */
#include "guest.h"

void guest_main(const void *device_tree)
{
	print("Hello from the guest, at EL");
	print_decimal(read_system_register("CurrentEL") >> 2 & 3);
	print(".\nCounter frequency ");
	print_decimal(read_system_register("cntfrq_el0"));
	print(" Hz, MIDR ");
	print_hex(read_system_register("midr_el1"));
	print(", device tree at ");
	print_hex((uintptr_t)device_tree);
	print(".\n");
}
