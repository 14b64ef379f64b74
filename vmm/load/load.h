/* SPDX-License-Identifier: MIT */
/* Formats of payloads, and loading by them. Used by main and boot.c. */
#ifndef VMM_LOAD_H
#define VMM_LOAD_H

#include "payload.h"
#include "vmm/machine/memory.h"

#include <stdbool.h>

/* The memory that a payload can be loaded to, and what loaders must know of the guest's CPUs. */
struct load_target {
	const struct guest_memory *ram;
	struct guest_memory *flash; /* its first blocks, allocated by the loader; size 0: none */
	uint64_t mmfr0;		    /* ID_AA64MMFR0_EL1 */
};

/* Where a payload was loaded. */
struct placement {
	gpa_t start, end; /* the RAM that it uses, `end` exclusive; equal: none */
	gpa_t entry;
	bool tree_at_base; /* the device tree belongs at the start of RAM, if that is free */
};

/* A format of payloads. The first one whose `matches` returns true is used. */
struct format {
	bool (*matches)(const struct payload *payload);
	/* Loads it; dies with STATUS_PAYLOAD if it does not fit or is broken. */
	struct placement (*load)(const struct payload *payload, const struct load_target *target);
};

extern const struct format format_elf, format_flat, format_gzip, format_image;

/* Loads a payload by the format that it matches. */
struct placement load_payload(const struct payload *payload, const struct load_target *target);

/* Loads it into `memory` bytes of ordinary memory, to find errors without KVM. Dies as loading
 * does, and with STATUS_HOST if there is not enough memory. Does nothing for more than 64 GiB. */
void load_check(const struct payload *payload, uint64_t memory);

/* Dies if these first bytes of a file are of a format that is not `wanted`. */
void flat_refuse_others(const char *name, const uint8_t *data, size_t size, const char *wanted);
/* Dies if the payload does not begin with an instruction. */
void flat_check_entry(const struct payload *payload);

/* Dies because the payload does not fit into RAM; one message for all formats. */
_Noreturn void load_does_not_fit(const struct payload *payload, uint64_t size, gpa_t at,
				 const struct guest_memory *ram);

#endif
