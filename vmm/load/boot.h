/* SPDX-License-Identifier: MIT */
/* What lies in the guest's RAM when it starts. Used by main. */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include "load.h"
#include "vmm/machine/device_tree.h"
#include "vmm/machine/machine.h"

/* The files that the guest is started from, opened once: a reset starts it from the same ones. */
struct boot {
	const struct options *options;
	struct payload payload, initrd;		 /* of size 0: there is no initrd */
	const void *tree;			 /* the device tree that is filled in */
	struct range reserved[FDT_MAX_RESERVED]; /* by the user's tree: nothing is put there */
	unsigned reserved_count;
};

/* Opens what the options name, which must outlive it; dies with STATUS_PAYLOAD. */
void boot_open(struct boot *boot, const struct options *options);

/* Puts payload, initrd and device tree into RAM, where QEMU's `virt` has them and apart from each
 * other, and the first CPU at the entry. Dies with STATUS_PAYLOAD if they do not fit. */
void boot_load(const struct boot *boot, struct machine *machine);

#endif
