// SPDX-License-Identifier: MIT
/*
 * KVM's VM layer: address space, memory, interrupt controller (api.rst; devices/arm-vgic*.rst).
 *
 * Who calls it: machine.c; devices through their irq_line. Touches the VM's descriptors.
 */
#include "crt/crt.h"
#include "crt/sys.h"
#include "kvm.h"
#include "vmm/machine/map.h"
#include "vmm/report.h"

#include <errno.h>

#define DEFAULT_IPA 40	  /* bits of a VM on hosts that know only one size */
#define GICD_ICFGR 0xc00  /* 2 bits an interrupt (Arm IHI 0048, 4.3.13) */
#define LINES_OF_ICFGR 16 /* in each of its 32-bit registers */

/*
 * What `virt` has, 40 bits, if the host can; more only if RAM needs it. An access beyond is an
 * abort that we never see, and images made for `virt` touch its windows up there.
 */
static unsigned ipa_bits(gpa_t end, unsigned most)
{
	unsigned bits = most < DEFAULT_IPA ? most : DEFAULT_IPA;

	while (bits < 64 && (end.address - 1) >> bits)
		bits++;
	return bits;
}

void vm_create(struct vm *vm, const struct kvm_system *kvm, gpa_t end)
{
	unsigned sizes = (unsigned)kvm_capability(kvm->fd, KVM_CAP_ARM_VM_IPA_SIZE);
	unsigned most = sizes ? sizes : DEFAULT_IPA;
	unsigned bits = ipa_bits(end, most);
	struct kvm_enable_cap no_syndrome = { .cap = KVM_CAP_ARM_NISV_TO_USER };

	if (bits > most)
		die(STATUS_HOST,
		    "--memory: ends at %#lx, which takes %u address bits, and this host's guests "
		    "have %u; take less",
		    end.address, bits, most);
	vm->fd = kvm_call(kvm->fd, KVM_CREATE_VM, sizes ? KVM_VM_TYPE_ARM_IPA_SIZE(bits) : 0);
	/* Else an access without a syndrome would end KVM_RUN with ENOSYS. */
	kvm_call(vm->fd, KVM_ENABLE_CAP, &no_syndrome);
	vm->gic_fd = -1;
}

static int add_slot(const struct vm *vm, unsigned slot, unsigned flags, gpa_t at, void *memory,
		    uint64_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = at.address,
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};

	return kvm_try(vm->fd, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&region);
}

void vm_add_memory(struct vm *vm, unsigned slot, gpa_t at, void *memory, uint64_t size)
{
	kvm_check(add_slot(vm, slot, 0, at, memory, size), "KVM_SET_USER_MEMORY_REGION");
}

bool vm_add_rom(struct vm *vm, unsigned slot, gpa_t at, void *memory, uint64_t size)
{
	return add_slot(vm, slot, KVM_MEM_READONLY, at, memory, size) == 0;
}

void vm_remove_memory(struct vm *vm, unsigned slot)
{
	kvm_check(add_slot(vm, slot, 0, GPA(0), NULL, 0), "KVM_SET_USER_MEMORY_REGION");
}

bool vm_collect_writes(struct vm *vm, gpa_t at, uint32_t size)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = at.address, .size = size };

	return kvm_try(vm->fd, KVM_REGISTER_COALESCED_MMIO, (uintptr_t)&zone) == 0;
}

void vm_stop_collecting(struct vm *vm, gpa_t at, uint32_t size)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = at.address, .size = size };

	kvm_call(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, &zone);
}

bool vm_has_device(const struct vm *vm, unsigned type)
{
	struct kvm_create_device test = { .type = type, .flags = KVM_CREATE_DEVICE_TEST };

	return kvm_try(vm->fd, KVM_CREATE_DEVICE, (uintptr_t)&test) == 0;
}

static void set_attribute(const struct vm *vm, unsigned group, uint64_t attribute,
			  const void *value)
{
	struct kvm_device_attr attr = {
		.group = group,
		.attr = attribute,
		.addr = (uintptr_t)value,
	};

	kvm_call(vm->gic_fd, KVM_SET_DEVICE_ATTR, &attr);
}

/* A version of the interrupt controller: its device, and the two windows it shows to the guest. */
struct gic_kind {
	unsigned version;
	unsigned type;
	struct {
		uint64_t attribute, base;
	} windows[2];
};

/* The one that is taken if the host has both comes first: GICv3 has cheaper interrupts. */
static const struct gic_kind gic_kinds[] = {
	{ 3,
	  KVM_DEV_TYPE_ARM_VGIC_V3,
	  { { KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST_BASE },
	    { KVM_VGIC_V3_ADDR_TYPE_REDIST, GICV3_REDIST_BASE } } },
	{ 2,
	  KVM_DEV_TYPE_ARM_VGIC_V2,
	  { { KVM_VGIC_V2_ADDR_TYPE_DIST, GIC_DIST_BASE },
	    { KVM_VGIC_V2_ADDR_TYPE_CPU, GICV2_CPU_BASE } } },
};

static const struct gic_kind *choose_gic(const struct vm *vm, unsigned version)
{
	for (size_t i = 0; i < ARRAY_SIZE(gic_kinds); i++)
		if ((version == 0 || version == gic_kinds[i].version) &&
		    vm_has_device(vm, gic_kinds[i].type))
			return &gic_kinds[i];
	if (version)
		die(STATUS_NO_KVM, "--gic %u: this host's KVM has no vGICv%u; leave --gic out",
		    version, version);
	die(STATUS_NO_KVM, "this host's KVM has neither vGICv3 nor vGICv2; its log says why");
}

void vm_create_gic(struct vm *vm, unsigned version)
{
	const struct gic_kind *kind = choose_gic(vm, version);
	struct kvm_create_device device = { .type = kind->type };
	uint32_t lines = SPI_INTID + GIC_SPIS;

	kvm_call(vm->fd, KVM_CREATE_DEVICE, &device);
	vm->gic = kind->version;
	vm->gic_fd = (int)device.fd;
	for (size_t i = 0; i < ARRAY_SIZE(kind->windows); i++)
		set_attribute(vm, KVM_DEV_ARM_VGIC_GRP_ADDR, kind->windows[i].attribute,
			      &kind->windows[i].base);
	set_attribute(vm, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &lines);
}

unsigned vm_most_cpus(const struct vm *vm)
{
	/* GICv2 knows eight; a GICv3 has two 64 KiB frames for each in its window. */
	unsigned most = vm->gic == 2 ? 8 : GICV3_REDIST_SIZE / 0x20000;
	unsigned host = (unsigned)kvm_capability(vm->fd, KVM_CAP_MAX_VCPUS);

	return host < most ? host : most;
}

void vm_start_gic(struct vm *vm)
{
	uint32_t level = 0;

	set_attribute(vm, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
	/* KVM's lines start as edge-triggered, those of `virt` as level-sensitive, as all of ours
	 * are. */
	for (unsigned spi = 0; spi < GIC_SPIS; spi += LINES_OF_ICFGR)
		set_attribute(vm, KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
			      GICD_ICFGR + (SPI_INTID + spi) / 4, &level);
}

void vm_set_irq(void *opaque, unsigned spi, bool level)
{
	const struct vm *vm = opaque;
	struct kvm_irq_level irq = {
		.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | (SPI_INTID + spi),
		.level = level,
	};

	kvm_call(vm->fd, KVM_IRQ_LINE, &irq);
}

void vm_destroy(struct vm *vm)
{
	sys_close(vm->gic_fd);
	sys_close(vm->fd);
}
