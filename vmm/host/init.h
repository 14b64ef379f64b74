/* SPDX-License-Identifier: MIT */
/* The parent process, which starts the monitor as its child and waits for it. Used by main. */
#ifndef VMM_INIT_H
#define VMM_INIT_H

#include "vmm/options.h"

/*
 * Closes all inherited descriptors but standard input, output and error and the `count` ones in
 * `kept` (-1: none).
 * Opens /dev/null, or as PID 1 the console, for those of the standard three that are closed, so
 * that no other file gets their numbers. As PID 1 it mounts /dev, loads --module's modules, sets
 * the clock, redirects standard error to the device of --stderr and, if there is a status token,
 * turns off the console's newline translation.
 *
 * As PID 1, or if standard input is a terminal, it forks and returns in the child. The parent waits
 * for the child, restores the terminal and exits with the child's status; as PID 1 it prints the
 * status in the final line, with the token if there is one, and powers the host off. As PID 1 the
 * child exits with STATUS_USAGE if an output file would lie in the host's RAM and be lost.
 *
 * If the monitor fails the parent does as PID 1 what --on-failure says; one that is forked anew has
 * no status token, for what it announces has been announced.
 *
 * With --watchdog the parent kills, as PID 1, a monitor that has incremented `*beats` and then does
 * not do so for that time; NULL: nobody looks.
 *
 * Returns true if standard input is a terminal, which the parent will restore.
 */
bool init_start(struct options *options, const int *kept, unsigned count, uint32_t **beats);

#endif
