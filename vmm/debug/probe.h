/* SPDX-License-Identifier: MIT */
/* --probe: what this host's KVM offers. Used by main, and by describe.c for names. */
#ifndef VMM_PROBE_H
#define VMM_PROBE_H

/*
 * Prints the report to standard output. Returns STATUS_PASS; dies with STATUS_NO_KVM without KVM.
 */
int probe(void);

/* Names of KVM_CAP_* and KVM_DEV_TYPE_* without prefix; "" if unknown. */
const char *probe_capability(unsigned capability);
const char *probe_device(unsigned type);

#endif
