// SPDX-License-Identifier: MIT
/*
 * Text for KVM's calls, exits and accesses to devices.
 *
 * Who calls it: trace.c, stats.c, snapshot_text.c. Touches only the text it is given.
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

void describe_bits(struct text *text, const char *names, uint64_t bits)
{
	char before = ' ';

	for (const char *end; *names; names = *end ? end + 1 : end, bits >>= 1) {
		end = strchr(names, ',');
		if (!end)
			end = names + strlen(names);
		if (!(bits & 1) || end == names)
			continue;
		text_add(text, "%c%.*s", before, (int)(end - names), names);
		before = '|';
	}
}

/* ---- KVM's calls ---- */

/* Every request that the program makes; their numbers, the low bytes, differ. */
#define REQUEST_LIST(ROW)                                                                          \
	ROW(GET_API_VERSION)                                                                       \
	ROW(CREATE_VM)                                                                             \
	ROW(CHECK_EXTENSION)                                                                       \
	ROW(GET_VCPU_MMAP_SIZE)                                                                    \
	ROW(CREATE_VCPU)                                                                           \
	ROW(SET_USER_MEMORY_REGION)                                                                \
	ROW(IRQ_LINE)                                                                              \
	ROW(SET_GUEST_DEBUG)                                                                       \
	ROW(SET_VCPU_EVENTS)                                                                       \
	ROW(ENABLE_CAP)                                                                            \
	ROW(RUN)                                                                                   \
	ROW(GET_ONE_REG)                                                                           \
	ROW(SET_ONE_REG)                                                                           \
	ROW(ARM_VCPU_INIT)                                                                         \
	ROW(ARM_PREFERRED_TARGET)                                                                  \
	ROW(ARM_VCPU_FINALIZE)                                                                     \
	ROW(REGISTER_COALESCED_MMIO)                                                               \
	ROW(UNREGISTER_COALESCED_MMIO)                                                             \
	ROW(GET_MP_STATE)                                                                          \
	ROW(GET_STATS_FD)                                                                          \
	ROW(CREATE_DEVICE)                                                                         \
	ROW(SET_DEVICE_ATTR)                                                                       \
	ROW(GET_DEVICE_ATTR)                                                                       \
	ROW(GET_REG_LIST)                                                                          \
	ROW(GET_VCPU_EVENTS)                                                                       \
	ROW(SET_MP_STATE)                                                                          \
	ROW(GET_DIRTY_LOG)                                                                         \
	ROW(CLEAR_DIRTY_LOG)                                                                       \
	ROW(ARM_SET_COUNTER_OFFSET)
#define NUMBER(name) _IOC_NR(KVM_##name),
static const uint8_t request_numbers[] = { REQUEST_LIST(NUMBER) };
#define NAME(name) #name "\0"
static const char request_names[] = REQUEST_LIST(NAME);

static void add_request(struct text *text, unsigned long request)
{
	const char *name = request == OPEN_KVM	 ? "open /dev/kvm"
			   : request == MMAP_RUN ? "mmap kvm_run"
						 : "ioctl";

	for (unsigned i = 0; i < ARRAY_SIZE(request_numbers); i++)
		if (request_numbers[i] == _IOC_NR(request)) {
			text_add(text, "KVM_");
			name = string_at(request_names, i);
		}
	text_add(text, "%s", name);
}

/* Bits of kvm_vcpu_init.features (asm/kvm.h). */
static const char features[] =
	"POWER_OFF,EL1_32BIT,PSCI_0_2,PMU_V3,SVE,PTRAUTH_ADDRESS,PTRAUTH_GENERIC,HAS_EL2,HAS_EL2_E2H0";

#define VECTOR_0                                                                                   \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE |                                    \
	 KVM_REG_ARM_CORE_REG(fp_regs.vregs[0]))

void describe_id(struct text *text, uint64_t id)
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
	for (unsigned i = 0; i < SYSTEM_REGISTERS; i++)
		if (id == system_register_id(i)) {
			text_add(text, " %s", system_register_name(i));
			return;
		}
	general = (id - VECTOR_0) / 4;
	if (general < 32)
		text_add(text, " v%lu", general);
	else if ((id & ~0xffffull) == (REGISTER_U64 | KVM_REG_ARM64_SYSREG))
		text_add(text, " S%lu_%lu_C%lu_C%lu_%lu", id >> 14 & 3, id >> 11 & 7, id >> 7 & 15,
			 id >> 3 & 15, id & 7);
	else
		text_add(text, " %#lx", id);
}

static void add_register(struct text *text, const struct kvm_one_reg *reg, int result)
{
	describe_id(text, reg->id);
	if (result == 0 && (reg->id & KVM_REG_SIZE_MASK) == KVM_REG_SIZE_U64)
		text_add(text, " = %#lx", *(const uint64_t *)(uintptr_t)reg->addr);
}

/* Documentation/virt/kvm/devices: arm-vgic*.rst, vcpu.rst. */
static void add_attribute(struct text *text, bool of_vcpu, const struct kvm_device_attr *attr)
{
	const void *value = (const void *)(uintptr_t)attr->addr;

	describe_bits(text,
		      of_vcpu ? "PMU_V3_CTRL,TIMER_CTRL,PVTIME_CTRL"
			      : "ADDR,DIST_REGS,,NR_IRQS,CTRL,REDIST_REGS,,LEVEL_INFO,,MAINT_IRQ",
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
	describe_bits(text, ",READONLY", region->flags);
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
	describe_bits(text, "TEST", device->flags);
}

static void add_init(struct text *text, bool of_vcpu, const struct kvm_vcpu_init *init)
{
	text_add(text, " target %u", init->target);
	if (of_vcpu)
		describe_bits(text, features, init->features[0]);
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
		describe_bits(text, features, 1u << *(const uint32_t *)at);
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

/* Does this call create a file descriptor? Sets *result to it. */
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
	add_request(text, request);
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
		describe_bits(text, ",SHUTDOWN,RESET,CRASH,WAKEUP,SUSPEND",
			      1ull << run->system_event.type % 64);
		break;
	case KVM_EXIT_ARM_NISV:
		text_add(text, " %s at %#llx, without syndrome",
			 run->arm_nisv.esr_iss & ESR_WNR ? "write" : "read",
			 run->arm_nisv.fault_ipa);
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
	if (run->system_event.type == KVM_SYSTEM_EVENT_SUSPEND)
		name = "SUSPEND";
	text_add(text, "SYSTEM_%s", name);
}

/* ---- accesses ---- */

const struct register_name *describe_find(const struct bus_region *region, uint64_t at, int *number)
{
	const struct device_ops *ops = region->ops;
	uint64_t offset = at - region->base.address;

	for (const struct register_name *row = ops->registers; row->name; row++) {
		uint64_t beyond = offset - row->offset; /* huge if below */

		if (row->count > 1 && beyond < 4ull * row->count)
			*number = (int)(beyond / 4);
		if (beyond < 4ull * (row->count ? row->count : 1))
			return row;
	}
	return NULL;
}

void describe_register(struct text *text, const struct device_ops *ops, int slot,
		       const struct register_name *row, int number)
{
	text_add(text, "%s", ops ? ops->name : "nothing");
	if (slot >= 0)
		text_add(text, "%d", slot);
	if (row)
		text_add(text, " %s", row->name);
	if (number >= 0)
		text_add(text, "[%d]", number);
}

static void add_meaning(struct text *text, const struct register_name *row, uint64_t value)
{
	if (row->bits)
		describe_bits(text, row->bits, value);
	/* Quotes and backslashes would have to be escaped in JSON. */
	if (row->is_character && value >= ' ' && value <= '~' && value != '"' && value != '\\')
		text_add(text, " '%c'", (char)value);
}

void describe_value(struct text *text, const struct register_name *row,
		    const struct mmio_access *access)
{
	if (!row)
		text_add(text, " at %#lx", access->at);
	text_add(text, access->is_write ? " <- %#lx" : " -> %#lx", access->value);
	if (row)
		add_meaning(text, row, access->value);
}
