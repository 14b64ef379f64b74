/* SPDX-License-Identifier: MIT */
/*
 * Guest accesses to addresses where nothing is: reads give 0, writes are dropped, each address is
 * reported once; with --strict the first one ends the run.
 *
 * Who uses it: the bus, by on_stray; exits.c for accesses without a syndrome.
 */
#ifndef VMM_STRAY_H
#define VMM_STRAY_H

#include "crt/crt.h"
#include "vmm/gpa.h"

#include <stdbool.h>

struct run;

#define STRAY_REPORTS 64 /* max distinct addresses reported */

/* Survives a reset of the guest, so that no address is reported twice. May be all zero. */
struct stray {
	struct run *strict; /* the run that such an access ends; NULL: none */
	struct lock lock;   /* protects the following */
	gpa_t reported[STRAY_REPORTS];
	unsigned reports;
	bool full; /* STRAY_REPORTS was reached, and that was reported */
};

/* Is a struct bus's on_stray; `stray` is a struct stray. On any vCPU's thread. */
void stray_access(void *stray, gpa_t at, unsigned size, bool is_write);
/* Remembers the address; true if it was not reported before. Reports once when no more can be
 * remembered. */
bool stray_is_new(struct stray *stray, gpa_t at);

#endif
