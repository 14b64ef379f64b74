// SPDX-License-Identifier: MIT
/*
 * --probe: a report on this host's KVM, with a line for each thing that this program or its guest
 * uses and that differs between hosts.
 *
 * Who calls it: main. Touches /dev/kvm and standard output; creates an empty VM but runs no guest.
 */
#include "probe.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/kvm/kvm.h"
#include "vmm/status.h"

/* Names of KVM's constants without prefix, and their meanings, in the order of the report: the
 * arguments of KVM_CHECK_EXTENSION, */
#define CAPABILITIES(ROW)                                                                          \
	ROW(MAX_VCPUS, "CPUs of a guest at most")                                                  \
	ROW(ARM_VM_IPA_SIZE, "bits of a guest-physical address at most (0: always 40)")            \
	ROW(USER_MEMORY, "guest RAM is memory of this process")                                    \
	ROW(READONLY_MEM, "read-only slots: ROM, registers without exits")                         \
	ROW(COALESCED_MMIO, "writes gathered in a ring (page offset of the ring)")                 \
	ROW(IRQCHIP, "interrupt controller in the kernel")                                         \
	ROW(ONE_REG, "registers by KVM_GET_ONE_REG and KVM_SET_ONE_REG")                           \
	ROW(DEVICE_CTRL, "devices by KVM_CREATE_DEVICE")                                           \
	ROW(IMMEDIATE_EXIT, "KVM_RUN can be told to return at once")                               \
	ROW(MP_STATE, "a CPU can be stopped and started from outside")                             \
	ROW(ARM_PSCI_0_2, "power by PSCI 0.2 or later")                                            \
	ROW(ARM_SYSTEM_SUSPEND, "the guest's suspend comes to us")                                 \
	ROW(ARM_NISV_TO_USER, "accesses without a syndrome come to us")                            \
	ROW(ARM_INJECT_EXT_DABT, "external aborts can be injected")                                \
	ROW(ARM_EL2, "EL2 in a guest (--el2)")                                                     \
	ROW(ARM_EL2_E2H0, "without VHE (--el2=e2h0)")                                              \
	ROW(ARM_PMU_V3, "performance counters in a guest")                                         \
	ROW(ARM_SVE, "scalable vectors in a guest")                                                \
	ROW(ARM_PTRAUTH_ADDRESS, "pointer authentication of addresses")                            \
	ROW(ARM_PTRAUTH_GENERIC, "pointer authentication of data")                                 \
	ROW(SET_GUEST_DEBUG, "debugging of a guest")                                               \
	ROW(GUEST_DEBUG_HW_BPS, "hardware breakpoints")                                            \
	ROW(GUEST_DEBUG_HW_WPS, "hardware watchpoints")                                            \
	ROW(VCPU_EVENTS, "pending exceptions can be read and set")                                 \
	ROW(VCPU_ATTRIBUTES, "attributes of a CPU: PMU, timer, steal time")                        \
	ROW(STEAL_TIME, "the guest can see time that the host took")                               \
	ROW(MANUAL_DIRTY_LOG_PROTECT2, "dirty log, cleared by hand")                               \
	ROW(BINARY_STATS_FD, "KVM's own statistics")
/* and in-kernel devices (KVM_CREATE_DEVICE). */
#define DEVICES(ROW)                                                                               \
	ROW(ARM_VGIC_V2, "GICv2 for a guest")                                                      \
	ROW(ARM_VGIC_V3, "GICv3 for a guest")                                                      \
	ROW(ARM_VGIC_ITS, "interrupt translation service for message-signalled interrupts")

#define TEXTS(name, meaning) #name "\0" meaning "\0"
#define CAPABILITY(name, meaning) KVM_CAP_##name,
#define DEVICE(name, meaning) KVM_DEV_TYPE_##name,

struct table {
	const char *prefix, *texts;
	const uint8_t *numbers;
	unsigned count;
};

static const uint8_t capability_numbers[] = { CAPABILITIES(CAPABILITY) };
static const struct table capabilities = {
	"KVM_CAP_",
	CAPABILITIES(TEXTS),
	capability_numbers,
	ARRAY_SIZE(capability_numbers),
};

static const uint8_t device_numbers[] = { DEVICES(DEVICE) };
static const struct table kernel_devices = {
	"KVM_DEV_TYPE_",
	DEVICES(TEXTS),
	device_numbers,
	ARRAY_SIZE(device_numbers),
};

static const char *name_of(const struct table *table, unsigned number)
{
	for (unsigned i = 0; i < table->count; i++)
		if (table->numbers[i] == number)
			return string_at(table->texts, 2 * i);
	return "";
}

const char *probe_capability(unsigned capability)
{
	return name_of(&capabilities, capability);
}

const char *probe_device(unsigned type)
{
	return name_of(&kernel_devices, type);
}

static void line(const char *prefix, const char *name, const char *meaning, int value)
{
	char left[48];

	snprintf(left, sizeof left, "%s%s = %d", prefix, name, value);
	dprintf(1, "%-40s %s\n", left, meaning);
}

static int capability(const struct vm *vm, unsigned number)
{
	return kvm_capability(vm->fd, number);
}

static int device(const struct vm *vm, unsigned number)
{
	return vm_has_device(vm, number);
}

static void lines(const struct vm *vm, const struct table *table,
		  int (*value)(const struct vm *vm, unsigned number))
{
	for (unsigned i = 0; i < table->count; i++)
		line(table->prefix, string_at(table->texts, 2 * i),
		     string_at(table->texts, 2 * i + 1), value(vm, table->numbers[i]));
}

int probe(void)
{
	struct kvm_system kvm;
	struct vm vm;

	kvm_open(&kvm);
	line("", "kvm_api_version", "version of the interface",
	     kvm_call(kvm.fd, KVM_GET_API_VERSION, 0));
	line("", "kvm_run", "bytes that a CPU shares with the kernel", (int)kvm.run_size);
	vm_create(&vm, &kvm, GPA(1)); /* the VM has no memory, so the smallest size will do */
	lines(&vm, &capabilities, capability);
	lines(&vm, &kernel_devices, device);
	sys_close(vm.fd);
	return STATUS_PASS;
}
