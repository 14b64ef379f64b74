/* SPDX-License-Identifier: MIT */
/* Statistics of a run, on standard error. Used by main for --stats, and by Ctrl-A s and gdb's
 * `monitor stats`. */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include "vmm/machine/console.h"

/* Max descriptors in use: smaps, and KVM's statistics of the VM and of each vCPU. */
#define STATS_FILES(cpus) (2 + (cpus))

/* --stats: opens the files that cannot be opened in the sandbox. */
void stats_open(void);
/* To be called for each new VM before its vCPUs run, and before the VM is destroyed: opens and
 * closes KVM's statistics. Opening those of a vCPU in the guest would wait for its next exit. */
void stats_attach(struct run *run);
void stats_detach(const struct run *run);

/* Prints the statistics; `form` is an enum form of options.h. On the event loop's thread. */
void stats_report(const struct console *console, unsigned form);

#endif
