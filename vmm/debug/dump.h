/* SPDX-License-Identifier: MIT */
/*
 * A dump of the guest's state: as text on standard error, and as a core file for gdb.
 *
 * Who uses it: main if a vCPU could not continue, commands.c for Ctrl-A d, both on the event loop's
 * thread; snapshot_text.c for a core file of a snapshot.
 */
#ifndef VMM_DUMP_H
#define VMM_DUMP_H

#include "vmm/machine/run.h"

/* Creates the file of --dump-core. Returns its descriptor, or -1 if `name` is NULL; dies if it
 * cannot. */
int dump_open_core(const char *name);

/* What a core file is made of. */
struct core_content {
	unsigned cpus;
	/* Gets a CPU's general registers, GENERAL_REGISTERS of them, 64 bits each. */
	void (*get_registers)(const void *context, unsigned cpu, void *registers);
	const void *context;
	uint64_t size; /* bytes of RAM, which begins at RAM_BASE */
	/* Parts of RAM, whole multiples of 64 KiB; what lies between them is zero. */
	const struct core_part {
		uint64_t offset, size; /* in RAM */
		const uint8_t *bytes;
	} * parts;
	unsigned part_count;
};

/* Writes a core file. False, with a report, if it cannot. A block device is not cleared between the
 * parts. */
bool dump_write_core(int fd, const struct core_content *content);

/* Dumps all vCPUs, and writes the core file if run->core is one. The vCPUs must be paused or
 * stopped. */
void dump(const struct run *run);

#endif
