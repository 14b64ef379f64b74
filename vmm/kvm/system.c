// SPDX-License-Identifier: MIT
/*
 * KVM's system layer: the misc device /dev/kvm.
 *
 * Who calls it: main, probe.c, and all that calls KVM (kvm_try). Touches the descriptor of
 * /dev/kvm.
 */
#include "kvm.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/report.h"

#include <errno.h>
#include <fcntl.h>

/* Extensions without which nestling cannot run a guest. */
static const struct {
	unsigned number;
	const char *name;
} needed[] = {
#define CAPABILITY(name) KVM_CAP_##name, #name
	{ CAPABILITY(USER_MEMORY) },	{ CAPABILITY(ONE_REG) },
	{ CAPABILITY(DEVICE_CTRL) },	{ CAPABILITY(ARM_PSCI_0_2) },
	{ CAPABILITY(IMMEDIATE_EXIT) }, { CAPABILITY(ARM_NISV_TO_USER) },
};

/* Errors of opening /dev/kvm, their likely cause, and what to do. */
static const struct {
	int error;
	const char *cause;
} open_errors[] = {
	{ ENOENT,
	  "the host has no KVM: it was started below EL2 (QEMU: add virtualization=on), its "
	  "kernel has no CONFIG_KVM, or /dev is not mounted" },
	{ ENODEV,
	  "no driver answers: the host's CPU is not at EL2 (QEMU: add virtualization=on), or "
	  "its kernel refused KVM; see its log" },
	{ ENXIO,
	  "no driver answers: the host's CPU is not at EL2 (QEMU: add virtualization=on), or "
	  "its kernel refused KVM; see its log" },
	{ EACCES, "this user may not open it: become root or join the device's group" },
	{ EPERM, "this user may not open it: become root or join the device's group" },
};

/* A mutable global, because KVM is called from everywhere. */
static kvm_observer *observer;

void kvm_observe(kvm_observer *new)
{
	__atomic_store_n(&observer, new, __ATOMIC_RELAXED);
}

void kvm_observed(int fd, unsigned long request, uintptr_t argument, int result)
{
	kvm_observer *observe = __atomic_load_n(&observer, __ATOMIC_RELAXED);

	if (observe)
		observe(fd, request, argument, result);
}

int kvm_try(int fd, unsigned long request, uintptr_t argument)
{
	int result = (int)ioctl_restart(fd, request, argument);

	kvm_observed(fd, request, argument, result);
	return result;
}

int kvm_check(int result, const char *name)
{
	if (result < 0)
		die(status_of_error(-result), "%s: %s; the host's kernel refuses it, see its log",
		    name, error_text(-result));
	return result;
}

int kvm_capability(int fd, unsigned capability)
{
	return kvm_call(fd, KVM_CHECK_EXTENSION, capability);
}

static _Noreturn void die_of_open(int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(open_errors); i++)
		if (open_errors[i].error == error)
			die(STATUS_NO_KVM, "/dev/kvm: %s: %s", error_text(error),
			    open_errors[i].cause);
	die(status_of_error(error), "/dev/kvm: %s", error_text(error));
}

void kvm_open(struct kvm_system *kvm)
{
	int fd = (int)sys_openat(AT_FDCWD, "/dev/kvm", O_RDWR | O_CLOEXEC, 0);
	int version;

	if (fd < 0)
		die_of_open(-fd);
	kvm->fd = fd;
	kvm_observed(fd, OPEN_KVM, 0, fd);
	version = kvm_try(fd, KVM_GET_API_VERSION, 0);
	if (version < 0)
		die(STATUS_NO_KVM, "/dev/kvm: %s: not KVM; make it with mknod c 10 232",
		    error_text(-version));
	if (version != KVM_API_VERSION)
		die(STATUS_NO_KVM, "/dev/kvm: speaks version %d, not %d; take a newer kernel",
		    version, KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!kvm_capability(fd, needed[i].number))
			die(STATUS_NO_KVM,
			    "/dev/kvm: lacks KVM_CAP_%s; take a host kernel of 5.10 or later",
			    needed[i].name);
	kvm->run_size = (size_t)kvm_call(fd, KVM_GET_VCPU_MMAP_SIZE, 0);
}
