// SPDX-License-Identifier: MIT
/*
 * KVM's calls, exits and accesses to devices in words.
 *
 * Who calls it: trace.c, stats.c. Touches nothing but the text it is given.
 */
#include "describe.h"

#include "probe.h"
#include "vmm/kvm/registers.h"
#include "vmm/machine/exits.h"

#include <sys/ioctl.h>

void text_add(struct text *text, const char *format, ...)
{
	size_t room = sizeof text->bytes - text->used;
	va_list arguments;
	size_t n;

	va_start(arguments, format);
	n = (size_t)vsnprintf(text->bytes + text->used, room, format, arguments);
	va_end(arguments);
	text->used += n < room ? n : room - 1;
}

/* The names of the bits that are set. The list has them from bit 0 on, as BITS() makes it. */
static void add_bits(struct text *text, const char *const *names, uint64_t bits)
{
	char before = ' ';

	for (; *names; names++, bits >>= 1) {
		if (!(bits & 1) || !**names)
			continue;
		text_add(text, "%c%s", before, *names);
		before = '|';
	}
}

/* ---- KVM's calls ---- */

/* Every request that the program makes. */
static const struct {
	unsigned long request;
	const char *name;
} requests[] = {
	{ OPEN_KVM, "open /dev/kvm" },
	{ MMAP_RUN, "mmap kvm_run" },
#define REQUEST(name) name, #name
	{ REQUEST(KVM_GET_API_VERSION) },
	{ REQUEST(KVM_CREATE_VM) },
	{ REQUEST(KVM_CHECK_EXTENSION) },
	{ REQUEST(KVM_GET_VCPU_MMAP_SIZE) },
	{ REQUEST(KVM_CREATE_VCPU) },
	{ REQUEST(KVM_SET_USER_MEMORY_REGION) },
	{ REQUEST(KVM_IRQ_LINE) },
	{ REQUEST(KVM_SET_GUEST_DEBUG) },
	{ REQUEST(KVM_SET_VCPU_EVENTS) },
	{ REQUEST(KVM_ENABLE_CAP) },
	{ REQUEST(KVM_RUN) },
	{ REQUEST(KVM_GET_ONE_REG) },
	{ REQUEST(KVM_SET_ONE_REG) },
	{ REQUEST(KVM_ARM_VCPU_INIT) },
	{ REQUEST(KVM_ARM_PREFERRED_TARGET) },
	{ REQUEST(KVM_ARM_VCPU_FINALIZE) },
	{ REQUEST(KVM_REGISTER_COALESCED_MMIO) },
	{ REQUEST(KVM_UNREGISTER_COALESCED_MMIO) },
	{ REQUEST(KVM_GET_MP_STATE) },
	{ REQUEST(KVM_GET_STATS_FD) },
	{ REQUEST(KVM_CREATE_DEVICE) },
	{ REQUEST(KVM_SET_DEVICE_ATTR) },
};

static const char *name_of_request(unsigned long request)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].request == request)
			return requests[i].name;
	return "ioctl";
}

/* Bits of kvm_vcpu_init.features (asm/kvm.h). */
static const char *const features[] = { "POWER_OFF", "EL1_32BIT",	"PSCI_0_2",	   "PMU_V3",
					"SVE",	     "PTRAUTH_ADDRESS", "PTRAUTH_GENERIC", NULL };

static void add_register_name(struct text *text, uint64_t id)
{
	uint64_t general = (id - CORE_REGISTER(regs.regs[0])) / 2;

	if (general < 31) {
		text_add(text, " x%lu", general);
		return;
	}
	if (general == 32 || general == 33) {
		text_add(text, general == 32 ? " pc" : " PSTATE");
		return;
	}
	for (size_t i = 0; i < SYSTEM_REGISTERS; i++)
		if (id == (REGISTER_U64 | system_registers[i].id)) {
			text_add(text, " %s", system_registers[i].name);
			return;
		}
	text_add(text, " %#lx", id);
}

static void add_register(struct text *text, const struct kvm_one_reg *reg, int result)
{
	add_register_name(text, reg->id);
	if (result == 0 && (reg->id & KVM_REG_SIZE_MASK) == KVM_REG_SIZE_U64)
		text_add(text, " = %#lx", *(const uint64_t *)(uintptr_t)reg->addr);
}

/* Documentation/virt/kvm/devices: arm-vgic*.rst, vcpu.rst. */
static void add_attribute(struct text *text, bool of_vcpu, const struct kvm_device_attr *attr)
{
	const void *value = (const void *)(uintptr_t)attr->addr;

	add_bits(text,
		 of_vcpu ? BITS("PMU_V3_CTRL", "TIMER_CTRL", "PVTIME_CTRL")
			 : BITS("ADDR", "DIST_REGS", "", "NR_IRQS", "CTRL"),
		 1ull << attr->group);
	text_add(text, " %#llx", attr->attr);
	if (!value)
		return;
	if (!of_vcpu && attr->group == KVM_DEV_ARM_VGIC_GRP_ADDR)
		text_add(text, " = %#lx", *(const uint64_t *)value);
	else
		text_add(text, " = %#x", *(const uint32_t *)value);
}

static void add_slot(struct text *text, const struct kvm_userspace_memory_region *region)
{
	uint64_t kib = region->memory_size >> 10;
	bool is_mib = kib % 1024 == 0;

	text_add(text, " slot %u %#llx+%lu%c", region->slot, region->guest_phys_addr,
		 is_mib ? kib / 1024 : kib, is_mib ? 'M' : 'K');
	add_bits(text, BITS("", "READONLY"), region->flags);
}

static void add_zone(struct text *text, const struct kvm_coalesced_mmio_zone *zone)
{
	text_add(text, " %#llx+%u", zone->addr, zone->size);
}

static void add_events(struct text *text, const struct kvm_vcpu_events *events)
{
	text_add(text, " external abort %u", events->exception.ext_dabt_pending);
}

static void add_line(struct text *text, const struct kvm_irq_level *irq)
{
	text_add(text, " INTID %u = %u", irq->irq & 0xffff, irq->level);
}

static void add_device(struct text *text, const struct kvm_create_device *device)
{
	text_add(text, " %s", probe_device(device->type));
	add_bits(text, BITS("TEST"), device->flags);
}

static void add_init(struct text *text, bool of_vcpu, const struct kvm_vcpu_init *init)
{
	text_add(text, " target %u", init->target);
	if (of_vcpu)
		add_bits(text, features, init->features[0]);
}

static void add_argument(struct text *text, bool of_vcpu, unsigned long request, uintptr_t argument,
			 int result)
{
	const void *at = (const void *)argument;

	switch (request & 0xff) {
	case _IOC_NR(KVM_CREATE_VM):
	case _IOC_NR(KVM_CREATE_VCPU):
		text_add(text, " %lu", argument);
		break;
	case _IOC_NR(KVM_ENABLE_CAP):
	case _IOC_NR(KVM_CHECK_EXTENSION):
		if (request == KVM_ENABLE_CAP)
			argument = *(const uint32_t *)at;
		text_add(text, " %s", probe_capability((unsigned)argument));
		break;
	case _IOC_NR(KVM_SET_USER_MEMORY_REGION):
		add_slot(text, at);
		break;
	case _IOC_NR(KVM_IRQ_LINE):
		add_line(text, at);
		break;
	case _IOC_NR(KVM_GET_ONE_REG):
	case _IOC_NR(KVM_SET_ONE_REG):
		add_register(text, at, result);
		break;
	case _IOC_NR(KVM_ARM_VCPU_INIT):
	case _IOC_NR(KVM_ARM_PREFERRED_TARGET):
		add_init(text, of_vcpu, at);
		break;
	case _IOC_NR(KVM_ARM_VCPU_FINALIZE):
		add_bits(text, features, 1u << *(const uint32_t *)at);
		break;
	case _IOC_NR(KVM_CREATE_DEVICE):
		add_device(text, at);
		break;
	case _IOC_NR(KVM_SET_DEVICE_ATTR):
		add_attribute(text, of_vcpu, at);
		break;
	case _IOC_NR(KVM_REGISTER_COALESCED_MMIO):
	case _IOC_NR(KVM_UNREGISTER_COALESCED_MMIO):
		add_zone(text, at);
		break;
	case _IOC_NR(KVM_SET_VCPU_EVENTS):
		add_events(text, at);
		break;
	case _IOC_NR(KVM_SET_GUEST_DEBUG):
		text_add(text, " control %#x", *(const uint32_t *)at);
		break;
	case MMAP_RUN:
		text_add(text, " at %#lx", argument);
		break;
	default:
		break;
	}
}

/* Does it make a file descriptor? It is its result, or becomes it. */
static bool makes_fd(unsigned long request, uintptr_t argument, int *result)
{
	const struct kvm_create_device *device = (const void *)argument;

	switch (request & 0xff) {
	case OPEN_KVM:
	case _IOC_NR(KVM_CREATE_VM):
	case _IOC_NR(KVM_CREATE_VCPU):
	case _IOC_NR(KVM_GET_STATS_FD):
		return true;
	case _IOC_NR(KVM_CREATE_DEVICE):
		if (device->flags & KVM_CREATE_DEVICE_TEST)
			return false;
		*result = (int)device->fd;
		return true;
	default:
		return false;
	}
}

void describe_call(struct text *text, bool of_vcpu, unsigned long request, uintptr_t argument,
		   int result)
{
	text_add(text, "%s", name_of_request(request));
	add_argument(text, of_vcpu, request, argument, result);
	if (result < 0)
		text_add(text, " -> %s", error_text(-result));
	else if (makes_fd(request, argument, &result))
		text_add(text, " -> fd %d", result);
	else
		text_add(text, " -> %d", result);
}

/* ---- exits ---- */

void describe_exit(struct text *text, const struct kvm_run *run)
{
	text_add(text, "KVM_EXIT_%s", exit_name(run->exit_reason));
	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		text_add(text, " %s of %u at %#llx", run->mmio.is_write ? "write" : "read",
			 run->mmio.len, run->mmio.phys_addr);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		add_bits(text, BITS("", "SHUTDOWN", "RESET"), 1ull << run->system_event.type % 64);
		break;
	case KVM_EXIT_ARM_NISV:
		text_add(text, " at %#llx", run->arm_nisv.fault_ipa);
		break;
	default:
		text_add(text, " %#llx", run->hw.hardware_exit_reason);
		break;
	}
}

void describe_psci(struct text *text, const struct kvm_run *run)
{
	uint64_t is_2 = run->system_event.flags & KVM_SYSTEM_EVENT_RESET_FLAG_PSCI_RESET2;
	const char *name = "OFF";

	if (run->system_event.type == KVM_SYSTEM_EVENT_RESET)
		name = is_2 ? "RESET2" : "RESET";
	text_add(text, "SYSTEM_%s", name);
}

/* ---- accesses ---- */

const struct register_name *describe_find(const struct bus_region *region, uint64_t at, int *number)
{
	const struct device_ops *ops = region->ops;
	uint64_t offset = at - region->base.address;

	if (ops->stride) {
		*number = (int)(offset / ops->stride);
		offset %= ops->stride;
	}
	for (const struct register_name *row = ops->registers; row->name; row++) {
		uint64_t beyond = offset - row->offset; /* huge if below */

		if (row->count > 1 && beyond < 4ull * row->count)
			*number = (int)(beyond / 4);
		if (beyond < 4ull * (row->count ? row->count : 1))
			return row;
	}
	return NULL;
}

void describe_register(struct text *text, const struct device_ops *ops,
		       const struct register_name *row, int number)
{
	text_add(text, "%s", ops ? ops->name : "nothing");
	if (row)
		text_add(text, " %s", row->name);
	if (number >= 0)
		text_add(text, "[%d]", number);
}

static void add_meaning(struct text *text, const struct register_name *row, uint64_t value)
{
	if (row->bits)
		add_bits(text, row->bits, value);
	/* JSON would want the last two escaped. */
	if (row->is_character && value >= ' ' && value <= '~' && value != '"' && value != '\\')
		text_add(text, " '%c'", (char)value);
}

void describe_value(struct text *text, const struct register_name *row, const struct kvm_run *run)
{
	uint64_t value;

	memcpy(&value, run->mmio.data, sizeof value);
	value &= ~0ull >> (64 - 8 * run->mmio.len);
	if (!row)
		text_add(text, " at %#llx", run->mmio.phys_addr);
	text_add(text, run->mmio.is_write ? " <- %#lx" : " -> %#lx", value);
	if (row)
		add_meaning(text, row, value);
}
