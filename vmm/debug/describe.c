// SPDX-License-Identifier: MIT
/*
 * KVM's calls, exits and accesses to devices in words.
 *
 * Who calls it: trace.c, stats.c, system.c. Touches nothing but the text it is given. Lists of
 * names are strings: pointers, and their relocations, would be larger.
 */
#include "describe.h"

#include "probe.h"
#include "vmm/kvm/inspect.h"

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

static size_t name_length(const char *name)
{
	size_t length = 0;

	while (name[length] > ' ')
		length++;
	return length;
}

/* The names of bits that are set. The list has them from bit 0 on, with a blank between two; "-" is
 * no name. */
static void add_bits(struct text *text, const char *list, uint64_t bits)
{
	char before = ' ';

	for (; bits; bits >>= 1) {
		size_t length = name_length(list);

		if (bits & 1 && *list > '-') {
			text_add(text, "%c%.*s", before, (int)length, list);
			before = '|';
		}
		list += length;
		list += *list == ' '; /* at its end nothing follows */
	}
}

/* ---- KVM's calls ---- */

#define X(name) Y(name, #name)
#define REQUESTS                                                                                   \
	Y(OPEN_KVM, "open /dev/kvm")                                                               \
	Y(MMAP_RUN, "mmap kvm_run")                                                                \
	X(KVM_GET_API_VERSION)                                                                     \
	X(KVM_CREATE_VM)                                                                           \
	X(KVM_CHECK_EXTENSION)                                                                     \
	X(KVM_GET_VCPU_MMAP_SIZE)                                                                  \
	X(KVM_CREATE_VCPU)                                                                         \
	X(KVM_SET_USER_MEMORY_REGION)                                                              \
	X(KVM_IRQ_LINE)                                                                            \
	X(KVM_SET_GUEST_DEBUG)                                                                     \
	X(KVM_SET_VCPU_EVENTS)                                                                     \
	X(KVM_ENABLE_CAP)                                                                          \
	X(KVM_GET_ONE_REG)                                                                         \
	X(KVM_SET_ONE_REG)                                                                         \
	X(KVM_ARM_VCPU_INIT)                                                                       \
	X(KVM_ARM_PREFERRED_TARGET)                                                                \
	X(KVM_ARM_VCPU_FINALIZE)                                                                   \
	X(KVM_REGISTER_COALESCED_MMIO)                                                             \
	X(KVM_UNREGISTER_COALESCED_MMIO)                                                           \
	X(KVM_GET_MP_STATE)                                                                        \
	X(KVM_GET_STATS_FD)                                                                        \
	X(KVM_CREATE_DEVICE)                                                                       \
	X(KVM_SET_DEVICE_ATTR)

#define Y(request, name) _IOC_NR(request),
static const uint8_t request_numbers[] = { REQUESTS };
#undef Y
#define Y(request, name) name "\0"
static const char request_names[] = REQUESTS "ioctl";
#undef Y
#undef X

/* "KVM_CREATE_VM", or "ioctl". */
static const char *name_of_request(unsigned long request)
{
	const char *name = request_names;

	for (size_t i = 0; i < sizeof request_numbers && request_numbers[i] != _IOC_NR(request);
	     i++)
		name += strlen(name) + 1;
	return name;
}

static const char features[] =
	"POWER_OFF EL1_32BIT PSCI_0_2 PMU_V3 SVE PTRAUTH_ADDRESS PTRAUTH_GENERIC";

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

	add_bits(text, of_vcpu ? "PMU_V3_CTRL" : "ADDR DIST_REGS - NR_IRQS CTRL",
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
	add_bits(text, "- READONLY", region->flags);
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
	add_bits(text, "TEST", device->flags);
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
	text_add(text, "KVM_EXIT_%s", vcpu_exit_name(run->exit_reason));
	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		text_add(text, " %s of %u at %#llx", run->mmio.is_write ? "write" : "read",
			 run->mmio.len, run->mmio.phys_addr);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		add_bits(text, "- SHUTDOWN RESET", 1ull << run->system_event.type % 64);
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

#define DIGITS 3 /* of the offset that a line begins with; a mark is behind it */

static unsigned line_offset(const char *line)
{
	unsigned offset = 0;

	for (unsigned i = 0; i < DIGITS; i++)
		offset = offset * 16 +
			 (unsigned)(line[i] <= '9' ? line[i] - '0' : line[i] - 'a' + 10);
	return offset;
}

const char *describe_find(const struct bus_region *region, uint64_t at, int *number)
{
	uint64_t offset = at - region->base.address;

	for (const char *line = region->ops->registers; *line; line = strchr(line, '\n') + 1) {
		uint64_t beyond = offset - line_offset(line);

		if (line[DIGITS] == '%') {
			*number = (int)(offset / line_offset(line));
			offset %= line_offset(line);
		} else if (line[DIGITS] == '*' && offset >= line_offset(line)) {
			*number = (int)(beyond / 4);
			return line;
		} else if (beyond < 4) {
			return line;
		}
	}
	return NULL;
}

void describe_register(struct text *text, const struct device_ops *ops, const char *line,
		       int number)
{
	text_add(text, "%s", ops ? ops->name : "nothing");
	if (line)
		text_add(text, " %.*s", (int)name_length(line + DIGITS + 1), line + DIGITS + 1);
	if (number >= 0)
		text_add(text, "[%d]", number);
}

/* What a line says of a value; one that says nothing has what the next one says. */
static void add_meaning(struct text *text, const char *line, uint64_t value)
{
	do
		line += DIGITS + 1 + name_length(line + DIGITS + 1);
	while (*line++ == '\n');
	if (*line != '\'')
		add_bits(text, line, value);
	else if (value >= ' ' && value <= '~' && value != '"' && value != '\\')
		text_add(text, " '%c'", (char)value);
}

void describe_value(struct text *text, const char *line, const struct kvm_run *run)
{
	uint64_t value;

	memcpy(&value, run->mmio.data, sizeof value);
	value &= ~0ull >> (64 - 8 * run->mmio.len);
	if (!line)
		text_add(text, " at %#llx", run->mmio.phys_addr);
	text_add(text, run->mmio.is_write ? " <- %#lx" : " -> %#lx", value);
	if (line)
		add_meaning(text, line, value);
}
