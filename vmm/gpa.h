/* SPDX-License-Identifier: MIT */
/* The type of a guest-physical address. Used all over vmm/. */
#ifndef VMM_GPA_H
#define VMM_GPA_H

#include <stdint.h>

/* A guest-physical address: not a number and not a pointer, so that it is never taken for one. */
typedef struct {
	uint64_t address;
} gpa_t;

#define GPA(number) ((gpa_t){ number })

#endif
