/* SPDX-License-Identifier: MIT */
/* What is in the guest's RAM when it starts. Used by main. */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include "load.h"
#include "vmm/machine/device_tree.h"
#include "vmm/machine/machine.h"

/* The files that the guest starts from, opened once and used again after each reset. */
struct boot {
	const struct options *options;
	struct payload payload, initrd, firmware; /* size 0: there is none */
	const void *tree;			  /* the device tree to complete */
	struct range reserved[FDT_MAX_RESERVED];  /* by --dtb's tree; nothing is put there */
	unsigned reserved_count;
};

/* Opens the files that the options name beside the payload, which is open, or with --firmware may
 * have size 0; `options` must outlive it. Dies with STATUS_PAYLOAD. */
void boot_open(struct boot *boot, const struct payload *payload, const struct options *options);

/* Checks without a guest that the payload can be loaded (load_check). */
void boot_check(const struct boot *boot);

/* Puts payload, initrd and device tree into RAM without overlap, where QEMU's `virt` has them, or
 * firmware into the flash, and sets the first CPU's entry. Dies with STATUS_PAYLOAD if they do not
 * fit. */
void boot_load(const struct boot *boot, struct machine *machine);

#endif
