/* SPDX-License-Identifier: MIT */
/* Figures about a run, on standard error. Used by main for --stats, and by the console. */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include "vmm/host/console.h"

/* Descriptors that it takes at most: the memory's, and KVM's of the VM and of each CPU. */
#define STATS_FILES(cpus) (2 + (cpus))

/* --stats: prepares what can only be read later if it is open before files are given up. */
void stats_open(void);
/*
 * For each new VM, before its CPUs run: opens KVM's statistics of it, since to open a CPU's waits
 * until that is out of the guest; and before that VM goes closes them.
 */
void stats_attach(struct run *run);
void stats_detach(const struct run *run);

/* Reports, in one of the forms (enum form of options.h). The event loop's. */
void stats_report(const struct console *console, unsigned form);

#endif
