/* SPDX-License-Identifier: MIT */
/* --probe: what this host's KVM offers. Used by main. */
#ifndef VMM_PROBE_H
#define VMM_PROBE_H

/* Prints the report to standard output. STATUS_PASS; dies with STATUS_NO_KVM if there is no KVM. */
int probe(void);

#endif
