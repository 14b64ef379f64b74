/* SPDX-License-Identifier: MIT */
/* The type of a guest-physical address. Used all over vmm/. */
#ifndef VMM_GPA_H
#define VMM_GPA_H

#include <stdint.h>

/* A struct of its own, so that neither a number nor a pointer is passed for it by mistake. */
typedef struct {
	uint64_t address;
} gpa_t;

#define GPA(number) ((gpa_t){ number })

#endif
