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

#define DEFAULT_IPA 40	  /* address bits of a VM on hosts with a fixed size */
#define GICD_ICFGR 0xc00  /* 2 bits per interrupt (Arm IHI 0048, 4.3.13) */
#define LINES_OF_ICFGR 16 /* interrupts per 32-bit register of GICD_ICFGR */

/*
 * 40 bits as `virt` has, if the host supports that, and more only if RAM needs it. Images made for
 * `virt` also access its windows above RAM; accesses beyond the address size would be aborts that
 * KVM does not report to us.
 */
static unsigned ipa_bits(gpa_t end, unsigned max)
{
	unsigned bits = max < DEFAULT_IPA ? max : DEFAULT_IPA;

	while (bits < 64 && (end.address - 1) >> bits)
		bits++;
	return bits;
}

void vm_create(struct vm *vm, const struct kvm_system *kvm, gpa_t end)
{
	unsigned sizes = (unsigned)kvm_capability(kvm->fd, KVM_CAP_ARM_VM_IPA_SIZE);
	unsigned max = sizes ? sizes : DEFAULT_IPA;
	unsigned bits = ipa_bits(end, max);
	struct kvm_enable_cap no_syndrome = { .cap = KVM_CAP_ARM_NISV_TO_USER };

	if (bits > max)
		die(STATUS_HOST,
		    "--memory: ends at %#lx, which takes %u address bits, and this host's guests "
		    "have %u; take less",
		    end.address, bits, max);
	vm->fd = kvm_call(kvm->fd, KVM_CREATE_VM, sizes ? KVM_VM_TYPE_ARM_IPA_SIZE(bits) : 0);
	/* Without it, an access without a syndrome would end KVM_RUN with ENOSYS. */
	kvm_call(vm->fd, KVM_ENABLE_CAP, &no_syndrome);
	vm->gic_fd = -1;
	vm->its_fd = -1;
}

void vm_take_suspend(struct vm *vm)
{
	struct kvm_enable_cap suspend = { .cap = KVM_CAP_ARM_SYSTEM_SUSPEND };

	(void)kvm_try(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&suspend);
}

int vm_set_slot(const struct vm *vm, unsigned slot, unsigned flags, gpa_t at, void *memory,
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
	kvm_check(vm_set_slot(vm, slot, 0, at, memory, size), "KVM_SET_USER_MEMORY_REGION");
}

bool vm_add_rom(struct vm *vm, unsigned slot, gpa_t at, void *memory, uint64_t size)
{
	return vm_set_slot(vm, slot, KVM_MEM_READONLY, at, memory, size) == 0;
}

void vm_remove_memory(struct vm *vm, unsigned slot)
{
	kvm_check(vm_set_slot(vm, slot, 0, GPA(0), NULL, 0), "KVM_SET_USER_MEMORY_REGION");
}

bool vm_coalesce_writes(struct vm *vm, gpa_t at, uint32_t size)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = at.address, .size = size };

	return kvm_try(vm->fd, KVM_REGISTER_COALESCED_MMIO, (uintptr_t)&zone) == 0;
}

void vm_stop_coalescing(struct vm *vm, gpa_t at, uint32_t size)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = at.address, .size = size };

	kvm_call(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, &zone);
}

bool vm_has_device(const struct vm *vm, unsigned type)
{
	struct kvm_create_device test = { .type = type, .flags = KVM_CREATE_DEVICE_TEST };

	return kvm_try(vm->fd, KVM_CREATE_DEVICE, (uintptr_t)&test) == 0;
}

static void set_attribute(int device, unsigned group, uint64_t attribute, const void *value)
{
	struct kvm_device_attr attr = {
		.group = group,
		.attr = attribute,
		.addr = (uintptr_t)value,
	};

	kvm_call(device, KVM_SET_DEVICE_ATTR, &attr);
}

/* A version of the interrupt controller: its KVM device type and its two guest-physical windows. */
struct gic_kind {
	unsigned version;
	unsigned type;
	struct {
		uint64_t attribute, base;
	} windows[2];
};

/* In order of preference: GICv3 has cheaper interrupts. */
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
		die(STATUS_NO_KVM,
		    "this host's KVM has no vGICv%u, which --gic or the snapshot wants; leave "
		    "--gic out, or take another host",
		    version);
	die(STATUS_NO_KVM, "this host's KVM has neither vGICv3 nor vGICv2; its log says why");
}

/* The interrupt translation service, which makes LPIs of messages and commands (Arm IHI 0069, 5).
 */
static void create_its(struct vm *vm)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_ARM_VGIC_ITS };
	uint64_t base = GICV3_ITS_BASE;

	kvm_call(vm->fd, KVM_CREATE_DEVICE, &device);
	vm->its_fd = (int)device.fd;
	set_attribute(vm->its_fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE, &base);
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
		set_attribute(vm->gic_fd, KVM_DEV_ARM_VGIC_GRP_ADDR, kind->windows[i].attribute,
			      &kind->windows[i].base);
	set_attribute(vm->gic_fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &lines);
	if (vm->gic == 3 && vm_has_device(vm, KVM_DEV_TYPE_ARM_VGIC_ITS))
		create_its(vm);
}

void vm_set_maintenance(struct vm *vm)
{
	uint32_t intid = PPI_INTID + GIC_MAINTENANCE_PPI;

	set_attribute(vm->gic_fd, KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ, 0, &intid);
}

unsigned vm_max_cpus(const struct vm *vm)
{
	/* GICv2 supports eight; GICv3 needs two 64 KiB redistributor frames for each. */
	unsigned max = vm->gic == 2 ? 8 : GICV3_REDIST_SIZE / 0x20000;
	unsigned host = (unsigned)kvm_capability(vm->fd, KVM_CAP_MAX_VCPUS);

	return host < max ? host : max;
}

void vm_start_gic(struct vm *vm)
{
	uint32_t level = 0;

	set_attribute(vm->gic_fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
	if (vm->its_fd >= 0)
		set_attribute(vm->its_fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT,
			      NULL);
	/*
	 * KVM's SPIs start as edge-triggered, those of `virt` as level-sensitive, like all of ours.
	 */
	for (unsigned spi = 0; spi < GIC_SPIS; spi += LINES_OF_ICFGR)
		set_attribute(vm->gic_fd, KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
			      GICD_ICFGR + (SPI_INTID + spi) / 4, &level);
}

bool vm_is_edge_triggered(const struct vm *vm, unsigned spi)
{
	unsigned line = SPI_INTID + spi;
	uint32_t lines = 0;
	struct kvm_device_attr attr = {
		.group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
		.attr = GICD_ICFGR + line / LINES_OF_ICFGR * sizeof lines,
		.addr = (uintptr_t)&lines,
	};

	return kvm_try(vm->gic_fd, KVM_GET_DEVICE_ATTR, (uintptr_t)&attr) == 0 &&
	       lines >> 2 * (line % LINES_OF_ICFGR) & 2;
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
	if (vm->its_fd >= 0)
		sys_close(vm->its_fd);
	sys_close(vm->gic_fd);
	sys_close(vm->fd);
}
