/* SPDX-License-Identifier: MIT */
/* DEFLATE (RFC 1951) in one piece, from memory to memory. Used by gzip.c; builds natively.
 */
#ifndef VMM_INFLATE_H
#define VMM_INFLATE_H

#include <stddef.h>
#include <stdint.h>

enum inflate_result {
	INFLATE_DONE,
	INFLATE_CUT,	 /* the input ends before the stream does */
	INFLATE_BROKEN,	 /* the input is no DEFLATE stream */
	INFLATE_NO_ROOM, /* the output is longer than its room */
};

/* Unpacks in[0..*in_size) to out[0..*out_size); sets both sizes to the bytes used. */
enum inflate_result inflate_all(const uint8_t *in, size_t *in_size, uint8_t *out, size_t *out_size);

#endif
