/* SPDX-License-Identifier: MIT */
/* --probe: what this host's KVM offers. Used by main, and by describe.c for the names. */
#ifndef VMM_PROBE_H
#define VMM_PROBE_H

/* Prints the report to standard output. STATUS_PASS; dies with STATUS_NO_KVM if there is no KVM. */
int probe(void);

/* KVM_CAP_* and KVM_DEV_TYPE_* without their prefixes; "" if that is none. */
const char *probe_capability(unsigned capability);
const char *probe_device(unsigned type);

#endif
