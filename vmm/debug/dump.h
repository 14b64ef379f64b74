/* SPDX-License-Identifier: MIT */
/*
 * What the guest was doing: for people on standard error, for gdb as a core file.
 *
 * Who uses it: machine.c when an exit cannot be handled, the console for Ctrl-A d. Both on the
 * event loop's thread.
 */
#ifndef VMM_DUMP_H
#define VMM_DUMP_H

#include "vmm/machine/run.h"

/* Creates the file of --dump-core; NULL: none is wanted. Its descriptor, or -1; dies if it cannot.
 */
int dump_open_core(const char *name);

/* Dumps all CPUs, and to run->core if that is a file. They must not run: paused, or stopped. */
void dump(const struct run *run);

#endif
