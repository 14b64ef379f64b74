/* SPDX-License-Identifier: MIT */
/*
 * Writes the guest's memory to a snapshot in passes: the first writes all of it, each further one
 * what has been written meanwhile, and the last one is made while the guest stands still. Of a
 * later save the first pass leaves out what the file has from the save before, by its checksum:
 * KVM's log would cost the guest its large pages between the two.
 *
 * Who uses it: save.c, on the event loop's thread. Functions that return an int return 0 or a
 * negative errno, unless they say otherwise.
 */
#ifndef VMM_SNAPSHOT_PASSES_H
#define VMM_SNAPSHOT_PASSES_H

#include "format.h"
#include "vmm/kvm/dirty.h"
#include "vmm/machine/machine.h"

/*
 * The flash and, behind it, RAM; a place in them is a number of bytes from the flash's start.
 * Between saves checksums and extents are those of the last one; after one that was given up all is
 * zero.
 */
struct passes {
	struct machine *machine;
	uint64_t size;	/* bytes of both */
	uint64_t page;	/* bytes of a page of the host's */
	uint64_t words; /* of a bitmap with a bit for each such page; of the flash alone; */
	uint64_t flash_words;
	uint64_t chunk_words; /* and of one with a bit for each chunk of SNAPSHOT_ALIGN bytes */
	/* Pages that the file does not have as they are. Whoever writes memory for the guest sets
	 * bits at any time. */
	uint64_t *dirty;
	uint64_t *logged;     /* KVM's log of RAM, as it was read last */
	uint64_t *checksums;  /* snapshot_page_checksum of what the file has */
	uint64_t *chunks;     /* those that are to get an extent */
	const uint8_t *zeros; /* a page */
	uint8_t *buffer;      /* SNAPSHOT_ALIGN bytes for what is not memory */

	struct dirty_log log;
	bool is_live;	  /* vCPUs run, and KVM logs what they write */
	bool is_logged;	  /* it still does */
	bool is_scanning; /* the first pass looks for what there is; then it writes */
	bool is_swapping; /* the host may have memory elsewhere */
	uint64_t at;	  /* the next word of the pass under way */

	struct snapshot_extent *extents; /* SNAPSHOT_EXTENTS of them, of which `count` are used */
	unsigned count;
	unsigned kept; /* of the extents the file has these as the last save has left them */
	int fd;
	bool has_holes;	   /* what was not written reads as zeros */
	uint64_t start;	   /* of the first extent in the file */
	uint64_t end;	   /* of the last one */
	uint64_t kept_end; /* and of the last of those that are kept */
	uint64_t checksum; /* of RAM, as the file has it */
	uint64_t handled;  /* bytes, in this save, that were looked at */
	uint64_t written;  /* and those of them that were written */
};

/* Takes room for a machine of this size; once. Dies if there is none. */
void passes_create(struct passes *passes, struct machine *machine);
/* Begins the first pass, of a file in which memory starts at this offset. With `is_live` the guest
 * runs meanwhile; all CPUs are paused now. */
int passes_begin(struct passes *passes, uint64_t offset, bool is_live);
/* Where to; when it does not scan any more. `has_holes`: the file can have them. `is_kept`: it has
 * memory as at the end of the last save; else there is nothing in it. */
void passes_set_file(struct passes *passes, int fd, bool has_holes, bool is_kept);
/* Does a part of the pass, 64 pages of the host's. Returns 1 if there is more of it, 0 at its end.
 */
int passes_step(struct passes *passes);
/* After a pass, while the guest runs: begins a further one. Returns how many pages it will write,
 * or a negative errno. */
long passes_next(struct passes *passes);
/* The guest stands still now: does all that is left, also of a pass that has not ended. */
int passes_finish(struct passes *passes);
/* Ends it, whenever that is; `is_complete`: the file has all. The VM has to be the same still. */
void passes_end(struct passes *passes, bool is_complete);

#endif
