/* SPDX-License-Identifier: MIT */
/* Figures about a run, on standard error. Used by main for --stats, and by the console. */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include "vmm/host/console.h"

#define STATS_FILES 2 /* descriptors that it takes at most */

/* --stats: prepares what can only be read later if it is open before files are given up. */
void stats_open(void);

/* Reports, in one of the forms (enum form of options.h). The event loop's. */
void stats_report(const struct console *console, unsigned form);

#endif
