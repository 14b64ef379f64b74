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

/* What KVM_CHECK_EXTENSION is asked, in the order of the report. */
#define CAPABILITY_LIST                                                                            \
	ROW(NR_VCPUS, "CPUs of a guest that the host recommends")                                  \
	ROW(MAX_VCPUS, "CPUs of a guest at most")                                                  \
	ROW(MAX_VCPU_ID, "largest CPU number, plus 1")                                             \
	ROW(NR_MEMSLOTS, "memory slots of a guest")                                                \
	ROW(MULTI_ADDRESS_SPACE, "address spaces of a guest")                                      \
	ROW(ARM_VM_IPA_SIZE, "bits of a guest-physical address at most (0: always 40)")            \
	ROW(USER_MEMORY, "guest RAM is memory of this process")                                    \
	ROW(READONLY_MEM, "read-only slots: ROM, registers without exits")                         \
	ROW(SYNC_MMU, "guest RAM may be paged, shared and huge")                                   \
	ROW(COALESCED_MMIO, "writes gathered in a ring (page offset of the ring)")                 \
	ROW(IRQCHIP, "interrupt controller in the kernel")                                         \
	ROW(IRQFD, "interrupts by eventfd")                                                        \
	ROW(IOEVENTFD, "writes signal an eventfd instead of an exit")                              \
	ROW(IRQ_ROUTING, "table of interrupt routes, entries at most")                             \
	ROW(SIGNAL_MSI, "message-signalled interrupts")                                            \
	ROW(ONE_REG, "registers by KVM_GET_ONE_REG and KVM_SET_ONE_REG")                           \
	ROW(DEVICE_CTRL, "devices by KVM_CREATE_DEVICE")                                           \
	ROW(IMMEDIATE_EXIT, "KVM_RUN can be told to return at once")                               \
	ROW(MP_STATE, "a CPU can be stopped and started from outside")                             \
	ROW(ARM_PSCI_0_2, "power by PSCI 0.2 or later")                                            \
	ROW(ARM_SYSTEM_SUSPEND, "the guest's suspend comes to us")                                 \
	ROW(ARM_NISV_TO_USER, "accesses without a syndrome come to us")                            \
	ROW(ARM_INJECT_EXT_DABT, "external aborts can be injected")                                \
	ROW(ARM_INJECT_SERROR_ESR, "SErrors can be injected")                                      \
	ROW(ARM_EL1_32BIT, "32-bit guests")                                                        \
	ROW(ARM_PMU_V3, "performance counters in a guest")                                         \
	ROW(ARM_SVE, "scalable vectors in a guest")                                                \
	ROW(ARM_PTRAUTH_ADDRESS, "pointer authentication of addresses")                            \
	ROW(ARM_PTRAUTH_GENERIC, "pointer authentication of data")                                 \
	ROW(ARM_MTE, "memory tags in a guest")                                                     \
	ROW(SET_GUEST_DEBUG, "debugging of a guest")                                               \
	ROW(GUEST_DEBUG_HW_BPS, "hardware breakpoints")                                            \
	ROW(GUEST_DEBUG_HW_WPS, "hardware watchpoints")                                            \
	ROW(VCPU_EVENTS, "pending exceptions can be read and set")                                 \
	ROW(VCPU_ATTRIBUTES, "attributes of a CPU: PMU, timer, steal time")                        \
	ROW(STEAL_TIME, "the guest can see time that the host took")                               \
	ROW(MANUAL_DIRTY_LOG_PROTECT2, "dirty log, cleared by hand")                               \
	ROW(DIRTY_LOG_RING, "dirty pages in a ring")                                               \
	ROW(IOMMU, "devices of the host can be given to a guest")                                  \
	ROW(VM_ATTRIBUTES, "attributes of a VM")                                                   \
	ROW(BINARY_STATS_FD, "KVM's own statistics")

/* Devices that the kernel emulates, by KVM_CREATE_DEVICE. */
#define DEVICE_LIST                                                                                \
	ROW(ARM_VGIC_V2, "GICv2 for a guest")                                                      \
	ROW(ARM_VGIC_V3, "GICv3 for a guest")                                                      \
	ROW(ARM_VGIC_ITS, "interrupt translation service for message-signalled interrupts")        \
	ROW(VFIO, "device assignment")

/* Names and meanings stand in a row: pointers to them would be larger than all the rest. */
#define ROW(name, meaning) KVM_CAP_##name,
static const uint8_t capabilities[] = { CAPABILITY_LIST };
#undef ROW
#define ROW(name, meaning) KVM_DEV_TYPE_##name,
static const uint8_t kernel_devices[] = { DEVICE_LIST };
#undef ROW
#define ROW(name, meaning) #name "\0" meaning "\0"
static const char capability_texts[] = CAPABILITY_LIST;
static const char device_texts[] = DEVICE_LIST;
#undef ROW

/* The name that belongs to a number; "" if that is none of these. */
static const char *name_of(const uint8_t *numbers, size_t count, const char *texts, unsigned number)
{
	size_t i = 0;

	while (i < count && numbers[i] != number)
		i++;
	return string_in_row(texts, 2 * i);
}

const char *probe_capability(unsigned capability)
{
	return name_of(capabilities, sizeof capabilities, capability_texts, capability);
}

const char *probe_device(unsigned type)
{
	return name_of(kernel_devices, sizeof kernel_devices, device_texts, type);
}

/* Behind a name stands its meaning, and behind that the next name, which is returned. */
static const char *line(const char *kind, const char *name, int value)
{
	const char *meaning = string_in_row(name, 1);
	char left[48];

	snprintf(left, sizeof left, "%s%s = %d", kind, name, value);
	dprintf(1, "%-40s %s\n", left, meaning);
	return string_in_row(meaning, 1);
}

int probe(void)
{
	const char *text = capability_texts;
	struct kvm_system kvm;
	struct vm vm;

	kvm_open(&kvm);
	line("kvm_", "api_version\0version of the interface",
	     kvm_call(kvm.fd, KVM_GET_API_VERSION, 0));
	line("kvm_", "run\0bytes that a CPU shares with the kernel", (int)kvm.run_size);
	vm_create(&vm, &kvm, GPA(1)); /* no memory: the smallest will do */
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
		text = line("KVM_CAP_", text, kvm_capability(vm.fd, capabilities[i]));
	text = device_texts;
	for (size_t i = 0; i < ARRAY_SIZE(kernel_devices); i++)
		text = line("KVM_DEV_TYPE_", text, vm_has_device(&vm, kernel_devices[i]));
	sys_close(vm.fd);
	return STATUS_PASS;
}
