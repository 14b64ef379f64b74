/* SPDX-License-Identifier: MIT */
/* What lies in the guest's RAM when it starts. Used by main. */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include "load.h"
#include "machine.h"

/* Puts payload, device tree and initrd into RAM, apart from each other, and the first CPU at the
 * entry. */
void boot_load(struct machine *machine, const struct payload *payload,
	       const struct options *options);

#endif
