/* SPDX-License-Identifier: MIT */
/* Payloads: finding one, telling its format, putting it into the guest. Used by main and boot.c. */
#ifndef VMM_LOAD_H
#define VMM_LOAD_H

#include "vmm/machine/memory.h"

#include <stdbool.h>
#include <stddef.h>

/* The file that shall run in the guest. `data` is read-only and stays until the program ends. */
struct payload {
	const char *name;
	const uint8_t *data;
	size_t size; /* bytes; not 0 once it is open */
	enum backing {
		OWN_IMAGE,  /* bundled, read or copied: memory that stays as it is */
		FILE_PAGES, /* of `fd` */
		SCRATCH,    /* unpacked: pages that may be taken away */
	} backing;
	int fd;
};

/* Where a payload may go, and what a loader must know of the guest's CPUs. */
struct load_target {
	const struct guest_memory *ram;
	struct guest_memory *flash; /* its first blocks; size 0 until something is loaded there */
	uint64_t mmfr0;		    /* ID_AA64MMFR0_EL1 */
};

/* Where a payload has come to lie. */
struct placement {
	gpa_t start, end; /* first byte in RAM, and one past the last that it uses; or equal */
	gpa_t entry;
	bool tree_at_base; /* the device tree belongs at the start of RAM, if that is free */
};

/* A kind of payload. The first whose `matches` says yes is taken. */
struct format {
	bool (*matches)(const struct payload *payload);
	/* Fills the target; dies with STATUS_PAYLOAD if it does not fit or is broken. */
	struct placement (*load)(const struct payload *payload, const struct load_target *target);
};

extern const struct format format_elf, format_flat, format_gzip, format_image;

/*
 * Bundled payload or file of this name, NULL for the first bundled: a bundled name as it is, else a
 * file, else a bundled name with ".bin" behind it. `option` is the one that names it, as "--initrd
 * ", or
 * "" for the payload itself. Dies with STATUS_PAYLOAD.
 */
void payload_open(struct payload *payload, const char *option, const char *name);

/* Makes it memory of our own, which nobody changes and a descriptor is not needed for. Dies with
 * STATUS_HOST. */
void payload_copy(struct payload *payload);

/* A bundled payload's own options, strings of which an empty one is the last; NULL if it is a file.
 */
const char *payload_options(const char *name);

/* Loads it by the format it has. */
struct placement payload_load(const struct payload *payload, const struct load_target *target);

/*
 * Loads it into `memory` bytes that are no guest's, so that what is wrong with it shows without
 * KVM. Dies as loading does, and with STATUS_HOST if there is no such memory. For more memory than
 * 64 GiB it does nothing.
 */
void payload_check(const struct payload *payload, uint64_t memory);

/* Copies `length` bytes from `offset` on to this place in guest memory. */
void payload_put(const struct payload *payload, size_t offset, size_t length, void *to);

/* The same of all there is, which may be gone then: scratch pages are moved. */
void payload_put_all(const struct payload *payload, void *to);

/* Says that it needs more, or other, RAM than there is; in one wording for all formats. */
_Noreturn void payload_does_not_fit(const struct payload *payload, uint64_t size, gpa_t at,
				    const struct guest_memory *ram);

/* ---- bundle.S: what the program carries within itself ---- */

struct bundled {
	const char *name; /* NULL ends the list */
	const uint8_t *start, *end;
	const char *options; /* strings, an empty one ends them */
};

extern const struct bundled bundled_payloads[];
extern const uint8_t bundled_dtb[];

#endif
