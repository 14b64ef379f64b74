/* SPDX-License-Identifier: MIT */
/*
 * Saves the guest to a file (--save). When the user asks, memory is written while the guest runs,
 * and it stands still for the rest of that and for the state of CPUs and devices. When the guest
 * itself asks, it stands still from there on, so that it is saved at this very instruction.
 *
 * Who uses it: main; the machine, by a struct machine_saver.
 */
#ifndef VMM_SNAPSHOT_SAVE_H
#define VMM_SNAPSHOT_SAVE_H

#include "format.h"
#include "passes.h"
#include "vmm/host/event_loop.h"
#include "vmm/host/saver.h"
#include "vmm/machine/disks.h"
#include "vmm/machine/machine.h"

enum save_wish { SAVE_SOON = 1, SAVE_NOW = 2 };

enum save_phase {
	SAVE_IDLE,
	SAVE_PASSES, /* memory is being written, in slices, while the guest runs */
	SAVE_TAKEN,  /* the guest's state is taken, and the file not yet complete */
};

/* Lives on main's stack. */
struct save {
	struct machine *machine;
	struct saver saver;
	bool ends;	 /* --save-at=end: the run ends when it is saved */
	uint32_t wanted; /* bits of enum save_wish; atomic */
	/* What KVM held of the machine when it was new: only what differs is saved. */
	struct snapshot_writer fresh;
	struct snapshot_writer state; /* memory for the next one */

	/* Used by the event loop's thread only. */
	enum save_phase phase;
	bool is_open; /* the file is */
	struct passes passes;
	unsigned passes_made;
	uint64_t pages;	    /* dirty ones at the beginning of the pass under way */
	uint64_t last_pass; /* bytes that it wrote */
	uint64_t stood; /* nanoseconds for which the guest stood still, in pauses that are over */
	uint64_t stands_since; /* clock_host_ns() at the start of this one, 0: of none */
	struct loop_timer timer;
	struct lock lock; /* the timer's */
};

/* Opens the file; before the sandbox and before threads are started. Dies if it cannot be. */
void save_open(struct save *save, const char *name, bool ends, bool sandboxed);
/* The machine is now in the state after power-on: connects to it, and reads that. Anew after each
 * machine_power_on, before anything is loaded. */
void save_attach(struct save *save, struct machine *machine);
/* The run is over, and the machine still there. A save under way is given up, unless it has taken
 * the guest's state: then it is completed. */
void save_run_is_over(struct save *save);

/* The disk in this slot; NULL: there is none. */
struct disk_device *snapshot_disk(const struct virtio_slot *slot);

/* ---- save_disks.c ---- */

/* Bytes that volatile disks, and the files that fw_cfg hands to firmware, take in the file. */
uint64_t save_disks_size(const struct machine *machine);
/* Writes these to the file at *end, which moves, adds an entry for each, and adds to the checksum.
 * 0 or a negative errno. */
int save_disks(struct snapshot_writer *writer, const struct passes *passes, uint64_t *end,
	       uint64_t *checksum);

/* What the machine is, but for the times. */
void snapshot_describe(const struct machine *machine, struct snapshot_shape *shape);

#endif
