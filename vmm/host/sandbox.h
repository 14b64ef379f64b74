/* SPDX-License-Identifier: MIT */
/*
 * What the program gives up before the guest runs: files, capabilities, system calls.
 *
 * Who uses it: main, run.c and devices.c for the monitor's threads, init.c for the parent process.
 */
#ifndef VMM_SANDBOX_H
#define VMM_SANDBOX_H

#include "crt/sys.h"

#include <stdint.h>

/*
 * Drops all capabilities and access to the file system but to these directories, which have their
 * numbers as names; forbids core dumps, and limits the process to `max_files` descriptors. Call it
 * before threads are started, because capabilities are per thread. Dies if the host refuses.
 */
void sandbox_enter(unsigned max_files, const char *const *directories, unsigned count);

/*
 * Restricts a process beside the monitor to these capabilities (a bit mask, capabilities(7)) and to
 * the system calls of its role. Returns 0 or negative errno rather than dying, because PID 1 must
 * not exit.
 */
int sandbox_watch(unsigned role, uint32_t capabilities);

/*
 * Restricts this thread to the system calls of its roles (sys.h), and ioctl, mmap and mremap to the
 * arguments needed. Any other call kills the program by SIGSYS, after a message if sandbox_enter
 * was called. Dies if the host has no seccomp.
 */
void sandbox_filter(unsigned roles);

#endif
