/* SPDX-License-Identifier: MIT */
/*
 * What is in a snapshot, in words (docs/snapshots.md); and a core file of it.
 *
 * Who uses it: main, for --describe and --diff. Needs no KVM.
 */
#ifndef VMM_SNAPSHOT_TEXT_H
#define VMM_SNAPSHOT_TEXT_H

/* Prints the snapshot of this name on standard output, and writes a core file of it to the
 * descriptor `core`, unless that is negative. Dies with STATUS_PAYLOAD if the snapshot is damaged
 * or none. Returns a status. */
int snapshot_text_print(const char *name, int core);

/* Prints in what the snapshots of these names differ: lines of the first begin with "< ", of the
 * second with "> ". Nothing if they do not. Dies as above. */
int snapshot_text_diff(const char *from, const char *to);

#endif
