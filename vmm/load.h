/* SPDX-License-Identifier: MIT */
/* Payloads: finding one, telling its format, putting it into RAM. Used by main and machine.c. */
#ifndef VMM_LOAD_H
#define VMM_LOAD_H

#include "memory.h"

#include <stdbool.h>
#include <stddef.h>

/* The file that shall run in the guest. `data` is read-only and stays until the program ends. */
struct payload {
	const char *name;
	const uint8_t *data;
	size_t size; /* bytes; never 0 */
};

/* Where a payload has come to lie in RAM. */
struct placement {
	gpa_t start, end; /* first byte, and one past the last that it uses */
	gpa_t entry;
};

/* A kind of payload. The first whose `matches` says yes is taken. */
struct format {
	const char *name;
	bool (*matches)(const struct payload *payload);
	/* Fills RAM; dies with STATUS_PAYLOAD if it does not fit or is broken. */
	struct placement (*load)(const struct payload *payload, const struct guest_memory *memory);
};

extern const struct format format_flat;

/* Bundled payload or file of this name, NULL for the first bundled. Dies with STATUS_PAYLOAD. */
void payload_open(struct payload *payload, const char *name);

/* The same of a file only: for a device tree. */
void payload_open_file(struct payload *payload, const char *name);

/* Into RAM, by the format it has. */
struct placement payload_load(const struct payload *payload, const struct guest_memory *memory);

/* ---- bundle.S: what the program carries within itself ---- */

struct bundled {
	const char *name; /* NULL ends the list */
	const uint8_t *start, *end;
};

extern const struct bundled bundled_payloads[];
extern const uint8_t bundled_dtb_gicv2[], bundled_dtb_gicv3[];

#endif
