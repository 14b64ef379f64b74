/* SPDX-License-Identifier: MIT */
/* Stubs for tests of who reads snapshots: KVM is not called, and there are no names of what is
 * KVM's. */
#ifndef TESTS_UNIT_NO_KVM_H
#define TESTS_UNIT_NO_KVM_H

#include "vmm/debug/probe.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine/exits.h"

#include <stdlib.h>

const char *probe_capability(unsigned capability)
{
	(void)capability;
	return "";
}

const char *probe_device(unsigned type)
{
	(void)type;
	return "";
}

const char *exit_name(unsigned reason)
{
	(void)reason;
	return "";
}

int kvm_try(int fd, unsigned long request, uintptr_t argument)
{
	(void)fd, (void)request, (void)argument;
	abort();
}

int kvm_check(int result, const char *name)
{
	(void)result, (void)name;
	abort();
}

#endif
