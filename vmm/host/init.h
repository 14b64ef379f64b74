/* SPDX-License-Identifier: MIT */
/* The process that watches over the monitor. Used by main. */
#ifndef VMM_INIT_H
#define VMM_INIT_H

#include "vmm/options.h"

/*
 * Closes what whoever started us left open, beside standard input, output and error and the
 * descriptor `kept` (-1: none). Opens
 * /dev/null, or as PID 1 the console, where standard input, output or error are closed, so that no
 * other descriptor takes their place. As PID 1 mounts what is needed, gives standard error the
 * device of --stderr, and, if there is a token, has the console print newlines as they are.
 *
 * As PID 1, or if standard input is a terminal, it forks and returns in the child. The parent waits
 * for the child, makes the terminal what it was, and ends with the child's status; as PID 1 it
 * prints that in the final line, behind the token if there is one, and powers the host off. As PID
 * 1 the child ends with STATUS_USAGE if a file that the run shall leave behind lies in the host's
 * RAM.
 *
 * True if standard input is a terminal that is made what it was.
 */
bool init_start(const struct options *options, int kept);

#endif
