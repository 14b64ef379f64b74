/* SPDX-License-Identifier: MIT */
/*
 * A guest that goes on where a snapshot has left it.
 *
 * Who uses it: main, with a snapshot in place of a payload.
 */
#ifndef VMM_SNAPSHOT_RESUME_H
#define VMM_SNAPSHOT_RESUME_H

#include "format.h"
#include "vmm/load/payload.h"
#include "vmm/machine/machine.h"

struct resume {
	struct payload file;
	const uint8_t *state; /* a checked copy of the header and entries */
	const struct snapshot_shape *shape;
	bool is_real_time; /* --clock=real: the guest's time jumps by what has passed meanwhile */
	bool is_forced;	   /* --force: whatever was written to its disks */
	bool fits; /* the host's CPUs are those of the snapshot: a reset need not ask again */
};

/* Is it a snapshot, whole or damaged? */
bool resume_matches(const struct payload *file);
/* The checked header and entries, in a copy, because somebody may change the file. Dies with
 * STATUS_PAYLOAD if the snapshot is damaged. */
const uint8_t *resume_read(const struct payload *file);
/*
 * Checks the snapshot and keeps the file, to be used again after each reset. What the machine has
 * to be comes to be in the options. Dies with STATUS_PAYLOAD if the snapshot is damaged, or with
 * STATUS_USAGE if the options contradict it.
 */
void resume_open(struct resume *resume, const struct payload *file, struct options *options);
/* Before machine_power_on: what the options do not say. */
void resume_prepare(const struct resume *resume, struct machine *machine);
/* Puts the machine, which is in the state after power-on, into the saved state. Dies with
 * STATUS_HOST or STATUS_PAYLOAD if this host cannot go on with it. */
void resume_load(struct resume *resume, struct machine *machine);

#endif
