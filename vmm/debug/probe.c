// SPDX-License-Identifier: MIT
/*
 * --probe: a report on this host's KVM, a line for each thing that may differ between hosts.
 *
 * Who calls it: main. Touches /dev/kvm and standard output; it makes an empty VM, and no guest.
 */
#include "probe.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/kvm/kvm.h"
#include "vmm/status.h"

/* A number of KVM's interface, its constant's name without prefix, and what it stands for. */
struct row {
	unsigned number;
	const char *name, *meaning;
};

/* What KVM_CHECK_EXTENSION is asked, in the order of the report. */
static const struct row capabilities[] = {
#define CAPABILITY(name) KVM_CAP_##name, #name
	{ CAPABILITY(NR_VCPUS), "CPUs of a guest that the host recommends" },
	{ CAPABILITY(MAX_VCPUS), "CPUs of a guest at most" },
	{ CAPABILITY(MAX_VCPU_ID), "largest CPU number, plus 1" },
	{ CAPABILITY(NR_MEMSLOTS), "memory slots of a guest" },
	{ CAPABILITY(MULTI_ADDRESS_SPACE), "address spaces of a guest" },
	{ CAPABILITY(ARM_VM_IPA_SIZE), "bits of a guest-physical address at most (0: always 40)" },
	{ CAPABILITY(USER_MEMORY), "guest RAM is memory of this process" },
	{ CAPABILITY(READONLY_MEM), "read-only slots: ROM, registers without exits" },
	{ CAPABILITY(SYNC_MMU), "guest RAM may be paged, shared and huge" },
	{ CAPABILITY(COALESCED_MMIO), "writes gathered in a ring (page offset of the ring)" },
	{ CAPABILITY(IRQCHIP), "interrupt controller in the kernel" },
	{ CAPABILITY(IRQFD), "interrupts by eventfd" },
	{ CAPABILITY(IOEVENTFD), "writes signal an eventfd instead of an exit" },
	{ CAPABILITY(IRQ_ROUTING), "table of interrupt routes, entries at most" },
	{ CAPABILITY(SIGNAL_MSI), "message-signalled interrupts" },
	{ CAPABILITY(ONE_REG), "registers by KVM_GET_ONE_REG and KVM_SET_ONE_REG" },
	{ CAPABILITY(DEVICE_CTRL), "devices by KVM_CREATE_DEVICE" },
	{ CAPABILITY(IMMEDIATE_EXIT), "KVM_RUN can be told to return at once" },
	{ CAPABILITY(MP_STATE), "a CPU can be stopped and started from outside" },
	{ CAPABILITY(ARM_PSCI_0_2), "power by PSCI 0.2 or later" },
	{ CAPABILITY(ARM_SYSTEM_SUSPEND), "the guest's suspend comes to us" },
	{ CAPABILITY(ARM_NISV_TO_USER), "accesses without a syndrome come to us" },
	{ CAPABILITY(ARM_INJECT_EXT_DABT), "external aborts can be injected" },
	{ CAPABILITY(ARM_INJECT_SERROR_ESR), "SErrors can be injected" },
	{ CAPABILITY(ARM_EL1_32BIT), "32-bit guests" },
	{ CAPABILITY(ARM_PMU_V3), "performance counters in a guest" },
	{ CAPABILITY(ARM_SVE), "scalable vectors in a guest" },
	{ CAPABILITY(ARM_PTRAUTH_ADDRESS), "pointer authentication of addresses" },
	{ CAPABILITY(ARM_PTRAUTH_GENERIC), "pointer authentication of data" },
	{ CAPABILITY(ARM_MTE), "memory tags in a guest" },
	{ CAPABILITY(SET_GUEST_DEBUG), "debugging of a guest" },
	{ CAPABILITY(GUEST_DEBUG_HW_BPS), "hardware breakpoints" },
	{ CAPABILITY(GUEST_DEBUG_HW_WPS), "hardware watchpoints" },
	{ CAPABILITY(VCPU_EVENTS), "pending exceptions can be read and set" },
	{ CAPABILITY(VCPU_ATTRIBUTES), "attributes of a CPU: PMU, timer, steal time" },
	{ CAPABILITY(STEAL_TIME), "the guest can see time that the host took" },
	{ CAPABILITY(MANUAL_DIRTY_LOG_PROTECT2), "dirty log, cleared by hand" },
	{ CAPABILITY(DIRTY_LOG_RING), "dirty pages in a ring" },
	{ CAPABILITY(IOMMU), "devices of the host can be given to a guest" },
	{ CAPABILITY(VM_ATTRIBUTES), "attributes of a VM" },
	{ CAPABILITY(BINARY_STATS_FD), "KVM's own statistics" },
};

/* Devices that the kernel emulates, by KVM_CREATE_DEVICE. */
static const struct row kernel_devices[] = {
#define DEVICE(name) KVM_DEV_TYPE_##name, #name
	{ DEVICE(ARM_VGIC_V2), "GICv2 for a guest" },
	{ DEVICE(ARM_VGIC_V3), "GICv3 for a guest" },
	{ DEVICE(ARM_VGIC_ITS), "interrupt translation service for message-signalled interrupts" },
	{ DEVICE(VFIO), "device assignment" },
};

static const char *name_of(const struct row *rows, size_t count, unsigned number)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].number == number)
			return rows[i].name;
	return "";
}

const char *probe_capability(unsigned capability)
{
	return name_of(capabilities, ARRAY_SIZE(capabilities), capability);
}

const char *probe_device(unsigned type)
{
	return name_of(kernel_devices, ARRAY_SIZE(kernel_devices), type);
}

static void line(const char *prefix, const char *name, const char *meaning, int value)
{
	char left[48];

	snprintf(left, sizeof left, "%s%s = %d", prefix, name, value);
	dprintf(1, "%-40s %s\n", left, meaning);
}

int probe(void)
{
	struct kvm_system kvm;
	struct vm vm;

	kvm_open(&kvm);
	line("", "kvm_api_version", "version of the interface",
	     kvm_call(kvm.fd, KVM_GET_API_VERSION, 0));
	line("", "kvm_run", "bytes that a CPU shares with the kernel", (int)kvm.run_size);
	vm_create(&vm, &kvm, GPA(1)); /* no memory: the smallest will do */
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
		line("KVM_CAP_", capabilities[i].name, capabilities[i].meaning,
		     kvm_capability(vm.fd, capabilities[i].number));
	for (size_t i = 0; i < ARRAY_SIZE(kernel_devices); i++)
		line("KVM_DEV_TYPE_", kernel_devices[i].name, kernel_devices[i].meaning,
		     vm_has_device(&vm, kernel_devices[i].number));
	sys_close(vm.fd);
	return STATUS_PASS;
}
