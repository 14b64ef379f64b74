/* SPDX-License-Identifier: MIT */
/*
 * KVM's dirty log: which pages of a memory slot vCPUs have written (api.rst, KVM_GET_DIRTY_LOG).
 * What this process writes there is not in it.
 *
 * Who uses it: vmm/snapshot/passes.c. A page is one of the host's; a bitmap has a bit for each page
 * of the slot, in whole words. Functions that return an int return 0 or a negative errno.
 */
#ifndef VMM_DIRTY_H
#define VMM_DIRTY_H

#include "kvm.h"

struct dirty_log {
	const struct vm *vm;
	unsigned slot;
	bool is_cleared_apart; /* pages are logged again only after dirty_log_clear */
};

/* Starts the log of a slot, which is as vm_add_memory has made it. At first all pages may be in it,
 * or none. */
int dirty_log_start(struct dirty_log *log, const struct vm *vm, unsigned slot, gpa_t at,
		    void *memory, uint64_t size);
/* Reads the log. */
int dirty_log_read(const struct dirty_log *log, uint64_t *bits);
/* Before these pages are read: what is written from now on is logged again. `bits` are those that
 * dirty_log_read has read for them. `first` is a multiple of 64, and so is `count`, unless they are
 * the slot's last. */
int dirty_log_clear(const struct dirty_log *log, const uint64_t *bits, uint64_t first,
		    uint32_t count);
/* Ends it; the arguments are those of dirty_log_start. */
int dirty_log_stop(const struct dirty_log *log, gpa_t at, void *memory, uint64_t size);

#endif
