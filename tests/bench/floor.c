// SPDX-License-Identifier: MIT
/*
 * The floor: the smallest program that can run the bench's payloads under KVM, with which
 * nestling's cost is compared.
 *
 * floor PAYLOAD [MIB [CPUS]]: a flat binary or an Image without a size, mapped 512 KiB above the
 * start of RAM; all CPUs but the first stay off. The UART always has room, all else reads as 0.
 *
 * Who runs it: rows.sh, in the host. A static program with musl's libc.
 */
#include "vmm/machine/map.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define UART_DR UART_BASE
#define UART_FR (UART_BASE + 0x18)
#define FR_EMPTY 0x90 /* TXFE, RXFE */
#define PC (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.pc))

static long must(long result)
{
	if (result < 0)
		_exit(1);
	return result;
}

static void set_attribute(int gic, uint32_t group, uint64_t attribute, const uint64_t *value)
{
	struct kvm_device_attr attr = { .group = group,
					.attr = attribute,
					.addr = (uintptr_t)value };

	must(ioctl(gic, KVM_SET_DEVICE_ATTR, &attr));
}

/* Creates a vGICv3 if the host has it, else a vGICv2. Its second range is that of the
 * redistributors or of the CPU interface. */
static int create_gic(int vm)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_ARM_VGIC_V3 };
	uint64_t distributor = GIC_DIST_BASE, second = GICV3_REDIST_BASE;
	uint64_t attributes[] = { KVM_VGIC_V3_ADDR_TYPE_DIST, KVM_VGIC_V3_ADDR_TYPE_REDIST };

	if (ioctl(vm, KVM_CREATE_DEVICE, &device) < 0) {
		device.type = KVM_DEV_TYPE_ARM_VGIC_V2;
		must(ioctl(vm, KVM_CREATE_DEVICE, &device));
		attributes[0] = KVM_VGIC_V2_ADDR_TYPE_DIST;
		attributes[1] = KVM_VGIC_V2_ADDR_TYPE_CPU;
		second = GICV2_CPU_BASE;
	}
	set_attribute((int)device.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, attributes[0], &distributor);
	set_attribute((int)device.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, attributes[1], &second);
	return (int)device.fd;
}

static int create_cpu(int vm, int index)
{
	int cpu = (int)must(ioctl(vm, KVM_CREATE_VCPU, index));
	struct kvm_vcpu_init init;

	must(ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init));
	init.features[0] = 1u << KVM_ARM_VCPU_PSCI_0_2;
	if (index > 0)
		init.features[0] |= 1u << KVM_ARM_VCPU_POWER_OFF;
	must(ioctl(cpu, KVM_ARM_VCPU_INIT, &init));
	return cpu;
}

static void add_memory(int vm, const char *payload, size_t size)
{
	int file = (int)must(open(payload, O_RDONLY));
	char *ram = (char *)must(
		(long)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	struct kvm_userspace_memory_region region = { .guest_phys_addr = RAM_BASE,
						      .memory_size = size,
						      .userspace_addr = (uintptr_t)ram };
	struct stat status;

	must(fstat(file, &status));
	must((long)mmap(ram + FLAT_OFFSET, (size_t)status.st_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_FIXED, file, 0));
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
}

static void handle_mmio(struct kvm_run *run)
{
	if (run->mmio.is_write && run->mmio.phys_addr == UART_DR)
		must(write(1, run->mmio.data, 1));
	if (!run->mmio.is_write)
		*(uint64_t *)run->mmio.data = run->mmio.phys_addr == UART_FR ? FR_EMPTY : 0;
}

int main(int argc, char **argv)
{
	size_t size = (argc > 2 ? strtoul(argv[2], NULL, 10) : 128) << 20;
	int cpus = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1;
	uint64_t entry = RAM_BASE + FLAT_OFFSET;
	struct kvm_one_reg pc = { .id = PC, .addr = (uintptr_t)&entry };
	int kvm = (int)must(open("/dev/kvm", O_RDWR));
	int vm = (int)must(ioctl(kvm, KVM_CREATE_VM, 0));
	int gic = create_gic(vm);
	int cpu = create_cpu(vm, 0);
	size_t run_size = (size_t)must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	struct kvm_run *run = (struct kvm_run *)must(
		(long)mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0));

	for (int i = 1; i < cpus; i++)
		create_cpu(vm, i);
	set_attribute(gic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
	add_memory(vm, argv[1], size);
	must(ioctl(cpu, KVM_SET_ONE_REG, &pc));
	do {
		must(ioctl(cpu, KVM_RUN, 0));
		if (run->exit_reason == KVM_EXIT_MMIO)
			handle_mmio(run);
	} while (run->exit_reason == KVM_EXIT_MMIO);
	return run->exit_reason != KVM_EXIT_SYSTEM_EVENT;
}
