/* SPDX-License-Identifier: MIT */
/*
 * What the program gives up before the guest runs: files, capabilities, system calls.
 *
 * Who uses it: main and run.c for the monitor, init.c for the process that watches over it.
 */
#ifndef VMM_SANDBOX_H
#define VMM_SANDBOX_H

#include "crt/sys.h"

#include <stdint.h>

/*
 * Leaves the process no file but those that are open, no capability, no core dump and no more than
 * `most_files` descriptors. Before threads are started: each has its own capabilities. Dies if the
 * host cannot do that.
 */
void sandbox_enter(unsigned most_files);

/*
 * Leaves the process that watches over the monitor no capabilities but these (bits,
 * capabilities(7)), and no system calls but its role's. 0 or negative errno: PID 1 must not die.
 */
int sandbox_watch(uint32_t capabilities);

/*
 * From now on this thread makes no system call but its roles' (sys.h), and of the ones with many
 * meanings only its own. Another one kills the program by SIGSYS, and after sandbox_enter is named.
 * Dies if the host cannot filter.
 */
void sandbox_filter(unsigned roles);

#endif
