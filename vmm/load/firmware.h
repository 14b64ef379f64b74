/* SPDX-License-Identifier: MIT */
/* Firmware that the guest starts from, in flash. Used by boot.c and devices.c. */
#ifndef VMM_FIRMWARE_H
#define VMM_FIRMWARE_H

#include "payload.h"
#include "vmm/machine/machine.h"

/* Opens --firmware's file. Dies with STATUS_PAYLOAD if it is none. */
void firmware_open(struct payload *firmware, const char *name);
/* Fills the first bank of the flash, and hands on what the firmware shall start: kernel and initrd,
 * of size 0 if there are none, and the command line. */
void firmware_load(const struct payload *firmware, const struct payload *kernel,
		   const struct payload *initrd, const char *command_line, struct machine *machine);

/* Opens --variables' file. Dies with STATUS_PAYLOAD if it is none. */
void firmware_open_variables(struct disk *file, const char *name);

#endif
