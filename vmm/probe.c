// SPDX-License-Identifier: MIT
/*
 * --probe: a report on this host's KVM, a line for each thing that may differ between hosts.
 *
 * Who calls it: main. Touches /dev/kvm and standard output; it makes an empty VM, and no guest.
 */
#include "probe.h"

#include "crt.h"
#include "kvm.h"
#include "sys.h"

/* What KVM_CHECK_EXTENSION is asked, in the order of the report. */
static const struct {
	unsigned capability;
	const char *name;
	const char *meaning;
} capabilities[] = {
#define CAP(name, meaning)                                                                         \
	{                                                                                          \
		KVM_CAP_##name, #name, meaning                                                     \
	}
	CAP(NR_VCPUS, "CPUs of a guest that the host recommends"),
	CAP(MAX_VCPUS, "CPUs of a guest at most"),
	CAP(MAX_VCPU_ID, "largest CPU number, plus 1"),
	CAP(NR_MEMSLOTS, "memory slots of a guest"),
	CAP(MULTI_ADDRESS_SPACE, "address spaces of a guest"),
	CAP(ARM_VM_IPA_SIZE, "bits of a guest-physical address at most (0: always 40)"),
	CAP(USER_MEMORY, "guest RAM is memory of this process"),
	CAP(READONLY_MEM, "read-only slots: ROM, registers without exits"),
	CAP(SYNC_MMU, "guest RAM may be paged, shared and huge"),
	CAP(COALESCED_MMIO, "writes gathered in a ring (page offset of the ring)"),
	CAP(IRQCHIP, "interrupt controller in the kernel"),
	CAP(IRQFD, "interrupts by eventfd"),
	CAP(IOEVENTFD, "writes signal an eventfd instead of an exit"),
	CAP(IRQ_ROUTING, "table of interrupt routes, entries at most"),
	CAP(SIGNAL_MSI, "message-signalled interrupts"),
	CAP(ONE_REG, "registers by KVM_GET_ONE_REG and KVM_SET_ONE_REG"),
	CAP(DEVICE_CTRL, "devices by KVM_CREATE_DEVICE"),
	CAP(IMMEDIATE_EXIT, "KVM_RUN can be told to return at once"),
	CAP(MP_STATE, "a CPU can be stopped and started from outside"),
	CAP(ARM_PSCI_0_2, "power by PSCI 0.2 or later"),
	CAP(ARM_SYSTEM_SUSPEND, "the guest's suspend comes to us"),
	CAP(ARM_NISV_TO_USER, "accesses without a syndrome come to us"),
	CAP(ARM_INJECT_EXT_DABT, "external aborts can be injected"),
	CAP(ARM_INJECT_SERROR_ESR, "SErrors can be injected"),
	CAP(ARM_EL1_32BIT, "32-bit guests"),
	CAP(ARM_PMU_V3, "performance counters in a guest"),
	CAP(ARM_SVE, "scalable vectors in a guest"),
	CAP(ARM_PTRAUTH_ADDRESS, "pointer authentication of addresses"),
	CAP(ARM_PTRAUTH_GENERIC, "pointer authentication of data"),
	CAP(ARM_MTE, "memory tags in a guest"),
	CAP(SET_GUEST_DEBUG, "debugging of a guest"),
	CAP(GUEST_DEBUG_HW_BPS, "hardware breakpoints"),
	CAP(GUEST_DEBUG_HW_WPS, "hardware watchpoints"),
	CAP(VCPU_EVENTS, "pending exceptions can be read and set"),
	CAP(VCPU_ATTRIBUTES, "attributes of a CPU: PMU, timer, steal time"),
	CAP(STEAL_TIME, "the guest can see time that the host took"),
	CAP(MANUAL_DIRTY_LOG_PROTECT2, "dirty log, cleared by hand"),
	CAP(DIRTY_LOG_RING, "dirty pages in a ring"),
	CAP(IOMMU, "devices of the host can be given to a guest"),
	CAP(VM_ATTRIBUTES, "attributes of a VM"),
	CAP(BINARY_STATS_FD, "KVM's own statistics"),
#undef CAP
};

/* Devices that the kernel emulates, by KVM_CREATE_DEVICE. */
static const struct {
	unsigned type;
	const char *name;
	const char *meaning;
} kernel_devices[] = {
#define DEVICE(name, meaning)                                                                      \
	{                                                                                          \
		KVM_DEV_TYPE_##name, #name, meaning                                                \
	}
	DEVICE(ARM_VGIC_V2, "GICv2 for a guest"),
	DEVICE(ARM_VGIC_V3, "GICv3 for a guest"),
	DEVICE(ARM_VGIC_ITS, "interrupt translation service for message-signalled interrupts"),
	DEVICE(VFIO, "device assignment"),
#undef DEVICE
};

static void line(const char *kind, const char *name, int value, const char *meaning)
{
	char left[48];

	snprintf(left, sizeof left, "%s%s = %d", kind, name, value);
	dprintf(1, "%-40s %s\n", left, meaning);
}

int probe(void)
{
	struct kvm_system kvm;
	struct vm vm;

	kvm_open(&kvm);
	line("kvm_", "api_version", kvm_call(kvm.fd, KVM_GET_API_VERSION, 0),
	     "version of the interface");
	line("kvm_", "run", (int)kvm.run_size, "bytes that a CPU shares with the kernel");
	vm_create(&vm, &kvm, GPA(1)); /* no memory: the smallest will do */
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
		line("KVM_CAP_", capabilities[i].name,
		     kvm_capability(vm.fd, capabilities[i].capability), capabilities[i].meaning);
	for (size_t i = 0; i < ARRAY_SIZE(kernel_devices); i++)
		line("KVM_DEV_TYPE_", kernel_devices[i].name,
		     vm_has_device(&vm, kernel_devices[i].type), kernel_devices[i].meaning);
	sys_close(vm.fd);
	return STATUS_PASS;
}
