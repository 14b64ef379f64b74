/* SPDX-License-Identifier: MIT */
/*
 * Text for KVM's calls, exits and accesses to devices, readable without a manual.
 *
 * Who uses it: trace.c for its lines, stats.c for the names of registers, snapshot_text.c.
 */
#ifndef VMM_DESCRIBE_H
#define VMM_DESCRIBE_H

#include "vmm/kvm/kvm.h"
#include "vmm/machine/bus.h"

/* A line under construction. What does not fit is cut off. */
struct text {
	char bytes[192];
	size_t used;
};

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends the names of the bits that are set; `names`: as of struct
 * register_name. */
void describe_bits(struct text *text, const char *names, uint64_t bits);
/* Appends the name of a vCPU's register by KVM's id; of one that has none here, as assemblers write
 * it, or that id. */
void describe_id(struct text *text, uint64_t id);

/* Appends an ioctl, or one of kvm.h's other calls, with argument and result. `of_vcpu`: its
 * descriptor is a vCPU's. */
void describe_call(struct text *text, bool of_vcpu, unsigned long request, uintptr_t argument,
		   int result);

/* Appends an exit, by kvm_run before the exit is handled. */
void describe_exit(struct text *text, const struct kvm_run *run);
/* Appends the PSCI call that caused a system event. */
void describe_psci(struct text *text, const struct kvm_run *run);

/* Finds the row of a device's table of registers for this address; NULL if there is none. If the
 * row has several registers, *number is set to the index in it; else it is left unchanged. */
const struct register_name *describe_find(const struct bus_region *region, uint64_t at,
					  int *number);
/* Appends a device (NULL: none there), its slot unless negative, and its register (NULL: no name),
 * with [number] unless negative. */
void describe_register(struct text *text, const struct device_ops *ops, int slot,
		       const struct register_name *row, int number);
/* Appends the value of an access that has been handled. */
void describe_value(struct text *text, const struct register_name *row,
		    const struct mmio_access *access);

#endif
