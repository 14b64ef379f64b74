// SPDX-License-Identifier: MIT
/* vmm/debug/describe.c: texts for KVM's calls, exits, and accesses to the real devices. */
#include "unit.h"

#include "devices/finisher.h"
#include "devices/flash.h"
#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/pl061.h"
#include "devices/virtio/mmio.h"
#include "vmm/debug/describe.h"
#include "vmm/debug/probe.h"
#include "vmm/kvm/registers.h"
#include "vmm/machine/exits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- stubs ---- */

const char *system_register_name(unsigned n)
{
	return n ? "CNTVCT_EL0" : "VBAR_EL1";
}

uint64_t system_register_id(unsigned n)
{
	return n ? KVM_REG_ARM_TIMER_CNT : VBAR_EL1;
}

const char *probe_capability(unsigned capability)
{
	assert_int_equal(capability, KVM_CAP_ONE_REG);
	return "ONE_REG";
}

const char *probe_device(unsigned type)
{
	assert_int_equal(type, KVM_DEV_TYPE_ARM_VGIC_V2);
	return "ARM_VGIC_V2";
}

const char *exit_name(unsigned reason)
{
	return reason == KVM_EXIT_MMIO ? "MMIO" : "OTHER";
}

const char *error_text(int error)
{
	return strerrorname_np(error);
}

/* ---- calls ---- */

static struct text text;

static void begin(void)
{
	memset(&text, 0xee, sizeof text);
	text.used = 0;
}

static void call(const char *wanted, bool of_vcpu, unsigned long request, const void *argument,
		 int result)
{
	begin();
	describe_call(&text, of_vcpu, request, (uintptr_t)argument, result);
	assert_string_equal(text.bytes, wanted);
}

static void test_plain_calls(void **state)
{
	(void)state;
	call("open /dev/kvm -> fd 4", false, OPEN_KVM, NULL, 4);
	call("mmap kvm_run at 0xf000 -> 0", true, MMAP_RUN, (void *)0xf000, 0);
	call("KVM_GET_API_VERSION -> 12", false, KVM_GET_API_VERSION, NULL, 12);
	call("KVM_CREATE_VM 40 -> fd 5", false, KVM_CREATE_VM, (void *)40, 5);
	call("KVM_CREATE_VM 60 -> EINVAL", false, KVM_CREATE_VM, (void *)60, -EINVAL);
	call("KVM_CREATE_VCPU 3 -> fd 9", false, KVM_CREATE_VCPU, (void *)3, 9);
	call("KVM_GET_STATS_FD -> fd 9", true, KVM_GET_STATS_FD, NULL, 9);
	call("KVM_CHECK_EXTENSION ONE_REG -> 1", false, KVM_CHECK_EXTENSION,
	     (void *)KVM_CAP_ONE_REG, 1);
	call("ioctl -> 0", false, KVM_S390_INTERRUPT, NULL, 0);
}

static void test_structs(void **state)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ONE_REG };
	struct kvm_userspace_memory_region slot = { .slot = 0,
						    .guest_phys_addr = 0x40000000,
						    .memory_size = 64 << 20 };
	struct kvm_irq_level irq = { .irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | 33,
				     .level = 1 };
	struct kvm_vcpu_init init = { .target = 5 };
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_ARM_VGIC_V2, .fd = 7 };
	struct kvm_guest_debug debug = { .control = 3 };
	int sve = KVM_ARM_VCPU_SVE;

	(void)state;
	call("KVM_ENABLE_CAP ONE_REG -> 0", false, KVM_ENABLE_CAP, &cap, 0);
	call("KVM_SET_USER_MEMORY_REGION slot 0 0x40000000+64M -> 0", false,
	     KVM_SET_USER_MEMORY_REGION, &slot, 0);
	slot = (struct kvm_userspace_memory_region){ .slot = 1,
						     .flags = KVM_MEM_READONLY,
						     .memory_size = 4096 };
	call("KVM_SET_USER_MEMORY_REGION slot 1 0+4K READONLY -> ENOMEM", false,
	     KVM_SET_USER_MEMORY_REGION, &slot, -ENOMEM);
	call("KVM_IRQ_LINE INTID 33 = 1 -> 0", false, KVM_IRQ_LINE, &irq, 0);
	/* The call returns only the target. */
	init.features[0] = ~0u;
	call("KVM_ARM_PREFERRED_TARGET target 5 -> 0", false, KVM_ARM_PREFERRED_TARGET, &init, 0);
	init.features[0] = 1u << KVM_ARM_VCPU_POWER_OFF | 1u << KVM_ARM_VCPU_PSCI_0_2 |
			   1u << KVM_ARM_VCPU_PTRAUTH_GENERIC;
	call("KVM_ARM_VCPU_INIT target 5 POWER_OFF|PSCI_0_2|PTRAUTH_GENERIC -> 0", true,
	     KVM_ARM_VCPU_INIT, &init, 0);
	call("KVM_ARM_VCPU_FINALIZE SVE -> 0", true, KVM_ARM_VCPU_FINALIZE, &sve, 0);
	call("KVM_CREATE_DEVICE ARM_VGIC_V2 -> fd 7", false, KVM_CREATE_DEVICE, &device, 0);
	device.flags = KVM_CREATE_DEVICE_TEST;
	call("KVM_CREATE_DEVICE ARM_VGIC_V2 TEST -> 0", false, KVM_CREATE_DEVICE, &device, 0);
	call("KVM_SET_GUEST_DEBUG control 0x3 -> 0", true, KVM_SET_GUEST_DEBUG, &debug, 0);
}

static void test_attributes(void **state)
{
	uint64_t address = 0x100000000;
	uint32_t small = 96;
	struct kvm_device_attr attr = { .group = KVM_DEV_ARM_VGIC_GRP_ADDR,
					.attr = 2,
					.addr = (uintptr_t)&address };

	(void)state;
	call("KVM_SET_DEVICE_ATTR ADDR 0x2 = 0x100000000 -> 0", false, KVM_SET_DEVICE_ATTR, &attr,
	     0);
	attr = (struct kvm_device_attr){ .group = KVM_DEV_ARM_VGIC_GRP_NR_IRQS,
					 .addr = (uintptr_t)&small };
	call("KVM_SET_DEVICE_ATTR NR_IRQS 0 = 0x60 -> EBUSY", false, KVM_SET_DEVICE_ATTR, &attr,
	     -EBUSY);
	attr = (struct kvm_device_attr){ .group = KVM_ARM_VCPU_PMU_V3_CTRL,
					 .attr = KVM_ARM_VCPU_PMU_V3_INIT };
	call("KVM_SET_DEVICE_ATTR PMU_V3_CTRL 0x1 -> 0", true, KVM_SET_DEVICE_ATTR, &attr, 0);
	attr = (struct kvm_device_attr){ .group = KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ,
					 .addr = (uintptr_t)&small };
	call("KVM_SET_DEVICE_ATTR MAINT_IRQ 0 = 0x60 -> 0", false, KVM_SET_DEVICE_ATTR, &attr, 0);
	attr = (struct kvm_device_attr){ .attr = KVM_ARM_VCPU_PMU_V3_INIT };
	attr.group = 60;
	call("KVM_SET_DEVICE_ATTR 0x1 -> 0", false, KVM_SET_DEVICE_ATTR, &attr, 0);
	address = 0x90a0000;
	attr = (struct kvm_device_attr){ .group = KVM_ARM_VCPU_PVTIME_CTRL,
					 .addr = (uintptr_t)&address };
	call("KVM_SET_DEVICE_ATTR PVTIME_CTRL 0 = 0x90a0000 -> 0", true, KVM_SET_DEVICE_ATTR, &attr,
	     0);
}

static void test_registers(void **state)
{
	static const struct {
		uint64_t id;
		const char *name;
	} rows[] = {
		{ CORE_REGISTER(regs.regs[0]), "x0 = 0x123" },
		{ CORE_REGISTER(regs.regs[30]), "x30 = 0x123" },
		{ CORE_REGISTER(regs.pc), "pc = 0x123" },
		{ CORE_REGISTER(regs.pstate), "PSTATE = 0x123" },
		{ VBAR_EL1, "VBAR_EL1 = 0x123" },
		{ KVM_REG_ARM_TIMER_CNT, "CNTVCT_EL0 = 0x123" },
		{ ARM64_SYS_REG(3, 1, 0, 0, 0), "S3_1_C0_C0_0 = 0x123" },
		{ CORE_REGISTER(fp_regs.vregs[1]) & ~KVM_REG_SIZE_MASK, "0x6000000000100058" },
		{ CORE_REGISTER(fp_regs.vregs[1]) + (1ull << KVM_REG_SIZE_SHIFT), "v1" },
	};
	uint64_t value = 0x123;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct kvm_one_reg reg = { .id = rows[i].id, .addr = (uintptr_t)&value };
		char wanted[100];

		snprintf(wanted, sizeof wanted, "KVM_SET_ONE_REG %s -> 0", rows[i].name);
		call(wanted, true, KVM_SET_ONE_REG, &reg, 0);
	}
	/* A failed read has no value. */
	call("KVM_GET_ONE_REG pc -> ENOENT", true, KVM_GET_ONE_REG,
	     &(struct kvm_one_reg){ .id = CORE_REGISTER(regs.pc), .addr = 8 }, -ENOENT);
}

/* ---- exits ---- */

static void exits(const char *wanted, const struct kvm_run *run)
{
	begin();
	describe_exit(&text, run);
	assert_string_equal(text.bytes, wanted);
}

static void test_exits(void **state)
{
	struct kvm_run run = { .exit_reason = KVM_EXIT_MMIO,
			       .mmio = { .phys_addr = 0x9000018, .len = 2 } };

	(void)state;
	exits("KVM_EXIT_MMIO read of 2 at 0x9000018", &run);
	run.mmio.is_write = 1;
	exits("KVM_EXIT_MMIO write of 2 at 0x9000018", &run);
	run = (struct kvm_run){ .exit_reason = KVM_EXIT_SYSTEM_EVENT,
				.system_event = { .type = KVM_SYSTEM_EVENT_RESET } };
	exits("KVM_EXIT_OTHER RESET", &run);
	begin();
	describe_psci(&text, &run);
	assert_string_equal(text.bytes, "SYSTEM_RESET");
	run.system_event.flags = KVM_SYSTEM_EVENT_RESET_FLAG_PSCI_RESET2;
	begin();
	describe_psci(&text, &run);
	assert_string_equal(text.bytes, "SYSTEM_RESET2");
	run.system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN;
	exits("KVM_EXIT_OTHER SHUTDOWN", &run);
	begin();
	describe_psci(&text, &run);
	assert_string_equal(text.bytes, "SYSTEM_OFF");
	run = (struct kvm_run){ .exit_reason = KVM_EXIT_ARM_NISV,
				.arm_nisv = { .fault_ipa = 0x30000000 } };
	exits("KVM_EXIT_OTHER read at 0x30000000, without syndrome", &run);
	run.arm_nisv.esr_iss = 0x40;
	exits("KVM_EXIT_OTHER write at 0x30000000, without syndrome", &run);
	run = (struct kvm_run){ .exit_reason = KVM_EXIT_DEBUG,
				.hw = { .hardware_exit_reason = 0xf2000000 } };
	exits("KVM_EXIT_OTHER 0xf2000000", &run);
}

/* ---- accesses ---- */

static const struct {
	const struct device_ops *ops; /* NULL: no device */
	uint64_t offset, value;
	char kind; /* 'r' or 'w' */
	uint8_t size;
	const char *wanted;
} accesses[] = {
	{ &pl011_ops, 0x18, 0x90, 'r', 2, "pl011 FR -> 0x90 RXFE|TXFE" },
	{ &pl011_ops, 0x18, 0x100, 'r', 4, "pl011 FR -> 0x100 RI" },
	{ &pl011_ops, 0x1a, 0x90, 'r', 1, "pl011 FR -> 0x90 RXFE|TXFE" },
	{ &pl011_ops, 0, 0x48, 'w', 1, "pl011 DR <- 0x48 'H'" },
	{ &pl011_ops, 0, 0xffffff0a, 'w', 1, "pl011 DR <- 0xa" },
	/* Characters that JSON would have to escape. */
	{ &pl011_ops, 0, '"', 'w', 1, "pl011 DR <- 0x22" },
	{ &pl011_ops, 0, '\\', 'w', 1, "pl011 DR <- 0x5c" },
	{ &pl011_ops, 0x4, 0x9, 'r', 4, "pl011 RSR -> 0x9 FE|OE" },
	{ &pl011_ops, 0x24, 0xffff, 'w', 2, "pl011 IBRD <- 0xffff" },
	{ &pl011_ops, 0x2c, 0xf0, 'w', 2, "pl011 LCR_H <- 0xf0 FEN|SPS" },
	{ &pl011_ops, 0x30, 0x301, 'w', 2, "pl011 CR <- 0x301 UARTEN|TXE|RXE" },
	{ &pl011_ops, 0x30, 0xc000, 'w', 2, "pl011 CR <- 0xc000 RTSEN|CTSEN" },
	{ &pl011_ops, 0x38, 0x50, 'w', 2, "pl011 IMSC <- 0x50 RX|RT" },
	{ &pl011_ops, 0x40, 0x20, 'r', 2, "pl011 MIS -> 0x20 TX" },
	{ &pl011_ops, 0x44, 0x7ff, 'w', 2,
	  "pl011 ICR <- 0x7ff RI|CTS|DCD|DSR|RX|TX|RT|FE|PE|BE|OE" },
	{ &pl011_ops, 0x48, 0, 'r', 2, "pl011 DMACR -> 0" },
	{ &pl011_ops, 0xfe0, 0x11, 'r', 4, "pl011 ID[0] -> 0x11" },
	{ &pl011_ops, 0xffc, 0xb1, 'r', 4, "pl011 ID[7] -> 0xb1" },
	{ &pl011_ops, 0x800, 0, 'r', 4, "pl011 at 0x5800 -> 0" },
	{ &pl031_ops, 0, 0x1234567, 'r', 4, "pl031 RTCDR -> 0x1234567" },
	{ &pl031_ops, 0x1c, 1, 'w', 4, "pl031 RTCICR <- 0x1 ALARM" },
	{ &pl031_ops, 0x10, 1, 'w', 4, "pl031 RTCIMSC <- 0x1 ALARM" },
	{ &pl061_ops, 0x20, 8, 'r', 4, "pl061 GPIODATA[8] -> 0x8 GP3" },
	{ &pl061_ops, 0x410, 8, 'w', 1, "pl061 GPIOIE <- 0x8 GP3" },
	{ &finisher_ops, 0, 0x5555, 'w', 4, "finisher FINISH <- 0x5555" },
	{ &flash_ops, 0x40000, ~0ull, 'r', 8, "flash at 0x45000 -> 0xffffffffffffffff" },
	{ &virtio_empty_ops, 0, 0x74726976, 'r', 4, "virtio3 MagicValue -> 0x74726976" },
	{ &virtio_empty_ops, 0x70, 0xf, 'w', 4,
	  "virtio3 Status <- 0xf ACKNOWLEDGE|DRIVER|DRIVER_OK|FEATURES_OK" },
	{ &virtio_empty_ops, 0x108, 1, 'r', 2, "virtio3 Config[2] -> 0x1" },
	{ NULL, 0, 0, 'r', 4, "nothing at 0x5000 -> 0" },
};

static void test_accesses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof accesses / sizeof *accesses; i++) {
		struct bus_region region = { .base = GPA(0x5000),
					     .ops = accesses[i].ops,
					     .slot = accesses[i].ops == &virtio_empty_ops ? 3
											  : -1 };
		struct mmio_access access = { .at = 0x5000 + accesses[i].offset,
					      .value = accesses[i].value &
						       ~0ull >> (64 - 8 * accesses[i].size),
					      .size = accesses[i].size,
					      .is_write = accesses[i].kind == 'w' };
		const struct register_name *row = NULL;
		int number = -1;

		if (region.ops)
			row = describe_find(&region, access.at, &number);
		begin();
		describe_register(&text, region.ops, region.slot, row, number);
		describe_value(&text, row, &access);
		assert_string_equal(text.bytes, accesses[i].wanted);
	}
}

/* Registers have 32 bits, and tables of names are in ascending order, without overlaps. */
static void test_descriptions(void **state)
{
	static const struct device_ops *const devices[] = { &pl011_ops, &pl031_ops,
							    &pl061_ops, &finisher_ops,
							    &flash_ops, &virtio_empty_ops,
							    NULL };

	(void)state;
	for (size_t i = 0; devices[i]; i++) {
		uint64_t free = 0;

		for (const struct register_name *row = devices[i]->registers; row->name; row++) {
			assert_int_equal(row->offset % 4, 0);
			assert_true(row->offset >= free);
			free = row->offset + 4ull * (row->count ? row->count : 1);
			for (size_t at = 0, bit = 1; row->bits && row->bits[at]; at++) {
				bit += row->bits[at] == ',';
				assert_true(bit <= 32);
			}
		}
	}
}

/* Text that is too long is truncated. */
static void test_long(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 100; i++)
		text_add(&text, "%s", "abcdefgh");
	assert_int_equal(strlen(text.bytes), sizeof text.bytes - 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_calls),  cmocka_unit_test(test_structs),
		cmocka_unit_test(test_attributes),   cmocka_unit_test(test_registers),
		cmocka_unit_test(test_exits),	     cmocka_unit_test(test_accesses),
		cmocka_unit_test(test_descriptions), cmocka_unit_test(test_long),
	};

	return RUN(tests);
}
