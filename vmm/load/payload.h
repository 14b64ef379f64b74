/* SPDX-License-Identifier: MIT */
/* Finding and reading a payload: bundled, or in a file. Used by main, boot.c, devices.c and the
 * formats. */
#ifndef VMM_PAYLOAD_H
#define VMM_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

/*
 * A payload or other bundled or user's file. `data` is read-only and valid until the program ends.
 */
struct payload {
	const char *name;
	const uint8_t *data;
	size_t size; /* bytes; not 0 once it is open */
	enum backing {
		OWN_IMAGE,  /* read or copied: nobody else can change it */
		BUNDLED,    /* in the program's file */
		FILE_PAGES, /* mapped from `fd` */
		SCRATCH,    /* unpacked: its pages may be moved away */
	} backing;
	int fd;
};

struct bundled;

/*
 * Opens the payload of this name, NULL for the first bundled one: a bundled name, or else a file,
 * or else a bundled name with ".bin" appended. `option` is the option that names it, such as
 * "--initrd ", or "" for the payload itself. Dies with STATUS_PAYLOAD.
 */
void payload_open(struct payload *payload, const char *option, const char *name);

/* The bundled payload that this name means, by the same rules; NULL if it means a file. */
const struct bundled *payload_find_bundled(const char *name);

/* Copies it to private memory, so that it cannot change any more, and closes its file. Dies with
 * STATUS_HOST. */
void payload_copy(struct payload *payload);

/*
 * The options that a bundled payload brings along: strings, ended by an empty one. NULL for a file.
 */
const char *payload_options(const char *name);

/* Copies `length` bytes from `offset` to guest memory. */
void payload_put(const struct payload *payload, size_t offset, size_t length, void *to);

/*
 * Copies all of it to guest memory; for SCRATCH it may move the pages, after which `data` is gone.
 */
void payload_put_all(const struct payload *payload, void *to);

/* ---- bundle.S: the files in the program ---- */

struct bundled {
	const char *name; /* NULL ends the list */
	const uint8_t *start, *end;
	const char *options; /* strings, ended by an empty one */
};

extern const struct bundled bundled_payloads[];
extern const uint8_t bundled_dtb[];

#endif
