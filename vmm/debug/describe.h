/* SPDX-License-Identifier: MIT */
/*
 * KVM's calls, exits and accesses to devices in words, for people who have no manual at hand.
 *
 * Who uses it: trace.c for its lines, stats.c for the names of registers.
 */
#ifndef VMM_DESCRIBE_H
#define VMM_DESCRIBE_H

#include "vmm/kvm/kvm.h"
#include "vmm/machine/bus.h"

/* A line as it grows. What does not fit is left out. */
struct text {
	char bytes[192];
	size_t used;
};

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An ioctl, or one of kvm.h's calls that are none, with its argument and its result; of a vCPU's
 * descriptor or of another one. */
void describe_call(struct text *text, bool of_vcpu, unsigned long request, uintptr_t argument,
		   int result);

/* An exit, as kvm_run tells it before it is handled. */
void describe_exit(struct text *text, const struct kvm_run *run);
/* The PSCI call that a system event stands for. */
void describe_psci(struct text *text, const struct kvm_run *run);

/*
 * The row of a device's registers that this address belongs to; NULL: none does. *number becomes
 * which of the registers of a row it is, or of a device's equal parts; else it stays what it is.
 */
const struct register_name *describe_find(const struct bus_region *region, uint64_t at,
					  int *number);
/* A device (NULL: where none is) and its register (NULL: it has no name); [number] if not below 0.
 */
void describe_register(struct text *text, const struct device_ops *ops,
		       const struct register_name *row, int number);
/* What was read or written by an access that was handled. */
void describe_value(struct text *text, const struct register_name *row, const struct kvm_run *run);

#endif
