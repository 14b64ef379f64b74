// SPDX-License-Identifier: MIT
/*
 * Prints a snapshot in words, or in what two differ, and writes a core file of one.
 *
 * Who calls it: main. Touches standard output and the core file; reads the snapshots, which may be
 * anything that format.c accepts.
 */
#include "snapshot_text.h"

#include "crt/sys.h"
#include "describe.h"
#include "devices/virtio/block.h"
#include "dump.h"
#include "vmm/kvm/kvm_state.h"
#include "vmm/kvm/registers.h"
#include "vmm/report.h"
#include "vmm/snapshot/resume.h"

#define PAGE 4096 /* memory is compared by pages of this size */

/* One of at most two snapshots. */
struct side {
	const char *mark; /* in front of its lines */
	struct payload file;
	const void *state; /* a checked copy; NULL: there is no such snapshot */
	const struct snapshot_shape *shape;
	struct snapshot_extent extents[SNAPSHOT_EXTENTS];
	unsigned extent_count;
};

static void open_side(struct side *side, const char *name)
{
	const struct snapshot_entry *entry = NULL;
	struct snapshot_extent extent;

	payload_open(&side->file, "", name);
	side->state = resume_read(&side->file);
	side->shape = snapshot_shape_of(side->state);
	while (snapshot_next_extent(side->state, &entry, &extent))
		if (entry->kind == SNAPSHOT_EXTENT)
			side->extents[side->extent_count++] = extent;
}

/* ---- the machine ---- */

/* Numbers of the shape, and how they are printed. */
static const struct {
	char format[32];
	uint8_t offset, size, shift;
} numbers[] = {
#define NUMBER(member, shift, format)                                                              \
	{                                                                                          \
		format, offsetof(struct snapshot_shape, member),                                   \
			SIZE_OF_FIELD(struct snapshot_shape, member), shift                        \
	}
	NUMBER(seconds, 0, "saved %lu s after 1970 began"),
	NUMBER(memory, 20, "RAM = %lu MiB"),
	NUMBER(cpus, 0, "CPUs = %lu"),
	NUMBER(gic, 0, "GIC = v%lu"),
	NUMBER(frequency, 0, "counters' frequency = %lu Hz"),
	NUMBER(counter, 0, "virtual counter = %lu"),
	NUMBER(physical, 0, "physical counter = %lu"),
	NUMBER(flash, 0, "flash, blocks written = %#lx"),
#undef NUMBER
};

#define NETWORK 1 /* virtio's numbers (5) */
#define DISK 2
#define MAC_SIZE 6 /* bytes */

static void add_slot(struct text *text, const struct snapshot_slot *slot, unsigned number)
{
	text_add(text, "virtio@%lx =", VIRTIO_BASE + (uint64_t)number * VIRTIO_SLOT);
	describe_bits(text, ",net,block,console,entropy,balloon", 1ull << slot->type % 64);
	describe_bits(text, "legacy,ro,volatile", slot->flags);
	if (slot->type == DISK)
		text_add(text, " %lu sectors, changed at %lu ns ", slot->sectors, slot->changed);
	/* A serial number is a text that whoever has made the file has chosen. */
	for (unsigned i = 0; slot->type == DISK && i < sizeof slot->serial && slot->serial[i]; i++)
		text_add(text, slot->serial[i] >= ' ' && slot->serial[i] <= '~' ? "%c" : "\\%02x",
			 slot->serial[i]);
	for (unsigned i = 0; slot->type == NETWORK && i < MAC_SIZE; i++)
		text_add(text, "%c%02x", i ? ':' : ' ', slot->serial[i]);
}

static bool add_shape(struct text *text, const struct snapshot_shape *shape, unsigned n)
{
	uint64_t value = 0;

	if (n < SNAPSHOT_SLOTS) {
		if (shape->slots[n].type)
			add_slot(text, &shape->slots[n], n);
		return true;
	}
	n -= SNAPSHOT_SLOTS;
	if (n < ARRAY_SIZE(numbers)) {
		memcpy(&value, (const char *)shape + numbers[n].offset, numbers[n].size);
		text_add(text, numbers[n].format, value >> numbers[n].shift);
		return true;
	}
	text_add(text, "features =");
	describe_bits(text, "PMU,SVE,pauth,stolen-time,EL2,EL2-without-VHE", shape->features);
	return n == ARRAY_SIZE(numbers);
}

/* ---- entries of numbers ---- */

/* A row for each kind: what a line begins with, for printf with the number of the CPU. */
static const struct {
	uint8_t kind;
	char format[16];
} kinds[] = {
	{ SNAPSHOT_STOLEN, "stolen time" },
	{ SNAPSHOT_DEVICE, "" },
	{ SNAPSHOT_CPU_IS, "CPU %u is" },
	{ SNAPSHOT_VARIABLES, "variables' file" },
	{ SNAPSHOT_KVM + STATE_GIC, "CPU %u" },
	{ SNAPSHOT_KVM + STATE_REGISTER, "CPU %u" },
	{ SNAPSHOT_KVM + STATE_POWER, "CPU %u mp_state" },
	{ SNAPSHOT_KVM + STATE_EVENTS, "CPU %u events" },
	{ 0, "unknown" }, /* all others */
};

/* The device that has its state at this address; NULL: there is none. */
static const struct device_ops *device_at(const struct side *side, uint64_t address)
{
	uint64_t slot = (address - VIRTIO_BASE) / VIRTIO_SLOT; /* huge if below */

	if (slot >= SNAPSHOT_SLOTS)
		return machine_device(address);
	return side->shape->slots[slot].type == DISK ? &virtio_block_ops : &virtio_timed_ops;
}

/* Registers of the interrupt controller go by their offsets. */
static void add_gic_register(struct text *text, uint64_t id)
{
	uint32_t group = id >> 32, offset = (uint32_t)id;

	if (group == KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS)
		describe_id(text, REGISTER_U64 | KVM_REG_ARM64_SYSREG | offset);
	else
		text_add(text, " %s+%#x",
			 group == KVM_DEV_ARM_VGIC_GRP_DIST_REGS  ? "GICD"
			 : group == KVM_DEV_ARM_VGIC_GRP_CPU_REGS ? "GICC"
			 : group == KVM_DEV_ARM_VGIC_GRP_ITS_REGS ? "GITS"
								  : "GICR",
			 offset);
}

static void add_name(struct text *text, const struct snapshot_entry *entry,
		     const struct device_ops *ops)
{
	size_t row = 0;

	while (kinds[row].kind && kinds[row].kind != entry->kind)
		row++;
	text_add(text, kinds[row].format, entry->index);
	switch (entry->kind) {
	case SNAPSHOT_DEVICE:
		text_add(text, "%s@%lx", ops ? ops->name : "device", entry->id);
		break;
	case SNAPSHOT_KVM + STATE_GIC:
		add_gic_register(text, entry->id);
		break;
	case SNAPSHOT_CPU_IS:
	case SNAPSHOT_KVM + STATE_REGISTER:
		describe_id(text, entry->id);
		break;
	default:
		break;
	}
}

/* Line `n` of an entry has number `n` in it. Of an array those are left out that are zero. */
static bool add_number(struct text *text, const struct side *side,
		       const struct snapshot_entry *entry, unsigned n)
{
	static const struct field words = { .name = "", .size = 8, .count = UINT16_MAX },
				  timer = { .name = "timer", .size = 8, .count = 1 };
	const struct device_ops *ops =
		entry->kind == SNAPSHOT_DEVICE ? device_at(side, entry->id) : NULL;
	const struct field *field = ops ? ops->fields : &words;
	uint64_t value = 0, at = 0;

	for (; field->name && n >= field->count; field++) {
		n -= field->count;
		at += (uint64_t)field->size * field->count;
	}
	if (!field->name) /* it is behind the fields */
		field = &timer;
	at += (uint64_t)n * field->size;
	/* Entries are padded. */
	if (at + field->size > ((entry->size + 7ull) & ~7ull))
		return false;
	memcpy(&value, (const char *)snapshot_bytes(entry) + at, field->size);
	if (field->count > 1 && entry->size > sizeof value && value == 0)
		return true;
	add_name(text, entry, ops);
	text_add(text, *field->name ? " %s" : "%s", field->name);
	if (field->count > 1 && entry->size > sizeof value)
		text_add(text, "[%u]", n);
	text_add(text, " = %#lx", value);
	if (entry->id == CORE_REGISTER(regs.pstate))
		text_add(text, " (EL%lu)", PSTATE_EL(value));
	return true;
}

/* Appends line `n` of an entry, perhaps with nothing in it. False if there are no more. */
static bool add_line(struct text *text, const struct side *side, const struct snapshot_entry *entry,
		     unsigned n)
{
	const struct snapshot_extent *extent = snapshot_bytes(entry);

	if (entry->kind == SNAPSHOT_SHAPE)
		return add_shape(text, side->shape, n);
	if (entry->kind == SNAPSHOT_EXTENT)
		text_add(text, "memory %#lx", extent->at);
	else if (entry->kind == SNAPSHOT_DISK)
		text_add(text, "disk of slot %u: ", entry->index);
	else if (entry->kind == SNAPSHOT_FW_CFG)
		text_add(text, "fw_cfg's file %u, %lu bytes: ", entry->index, entry->id);
	else
		return add_number(text, side, entry, n);
	text_add(text, "+%luK, in the file at %#lx", extent->size >> 10, extent->offset);
	return n == 0;
}

/* ---- a walk through one snapshot, or through two ---- */

/* Prints those lines of two entries of one name that differ; one of them may be NULL. */
static void print_lines(const struct side *sides, const struct snapshot_entry *const *entries)
{
	bool has_more = true;

	for (unsigned n = 0; has_more; n++) {
		struct text lines[2];

		has_more = false;
		for (unsigned i = 0; i < 2; i++) {
			lines[i].used = 0;
			if (entries[i] && add_line(&lines[i], &sides[i], entries[i], n))
				has_more = true;
			else
				lines[i].used = 0;
		}
		if (lines[0].used == lines[1].used &&
		    memcmp(lines[0].bytes, lines[1].bytes, lines[0].used) == 0)
			continue;
		for (unsigned i = 0; i < 2; i++)
			if (lines[i].used)
				dprintf(1, "%s%s\n", sides[i].mark, lines[i].bytes);
	}
}

/* If there are two, their memory is compared by itself. */
static const struct snapshot_entry *next(const struct side *sides, unsigned i,
					 const struct snapshot_entry *entry)
{
	if (!sides[i].state)
		return NULL;
	do
		entry = snapshot_next(sides[i].state, entry);
	while (entry && entry->kind == SNAPSHOT_EXTENT && sides[1].state);
	return entry;
}

static bool is_same(const struct snapshot_entry *a, const struct snapshot_entry *b)
{
	return a && b && a->kind == b->kind && a->index == b->index && a->id == b->id;
}

/* How far an entry is looked for: more of them than a CPU has. */
#define NEAR 4096

/* Snapshots of one machine have their entries in the same order, but each may lack some. */
static void print_entries(const struct side *sides)
{
	const struct snapshot_entry *at[2] = { next(sides, 0, NULL), next(sides, 1, NULL) };

	while (at[0] || at[1]) {
		const struct snapshot_entry *entries[2] = { at[0], at[1] }, *match = at[1];

		if (at[0] && !is_same(at[0], at[1])) {
			for (unsigned n = 0; match && n < NEAR && !is_same(match, at[0]); n++)
				match = next(sides, 1, match);
			/* The second has more, or the first has. */
			entries[is_same(match, at[0]) ? 0 : 1] = NULL;
		}
		print_lines(sides, entries);
		for (unsigned i = 0; i < 2; i++)
			if (entries[i])
				at[i] = next(sides, i, entries[i]);
	}
}

/* ---- memory ---- */

/* The page at this address: of the last extent that has it, because a resume maps them in their
 * order; NULL: it is not in the file. */
static const uint8_t *page_at(const struct side *side, uint64_t at)
{
	const struct snapshot_extent *extent = side->extents + side->extent_count;

	while (extent > side->extents) {
		extent--;
		if (at - extent->at < extent->size)
			return side->file.data + extent->offset + (at - extent->at);
	}
	return NULL;
}

static bool differs(const struct side *sides, uint64_t at)
{
	const uint8_t zeros[PAGE] = { 0 };

	return memcmp(page_at(&sides[0], at) ?: zeros, page_at(&sides[1], at) ?: zeros, PAGE) != 0;
}

/* Of an extent of snapshot `i`; what is in the first, too, is compared with that one's. */
static void print_extent(const struct side *sides, unsigned i, const struct snapshot_extent *extent)
{
	for (uint64_t at = extent->at; at < extent->at + extent->size; at += PAGE) {
		uint64_t start = at;

		while (at < extent->at + extent->size && !(i == 1 && page_at(&sides[0], at)) &&
		       differs(sides, at))
			at += PAGE;
		if (at != start)
			dprintf(1, "memory %#lx+%luK differs\n", start, (at - start) >> 10);
	}
}

int snapshot_text_diff(const char *from, const char *to)
{
	struct side sides[2] = { { .mark = "< " }, { .mark = "> " } };

	open_side(&sides[0], from);
	open_side(&sides[1], to);
	print_entries(sides);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned e = 0; e < sides[i].extent_count; e++)
			print_extent(sides, i, &sides[i].extents[e]);
	return STATUS_PASS;
}

/* ---- a core file ---- */

/* Numbers of general registers (registers.h); SP_EL1 follows them in KVM's struct kvm_regs. */
enum { SP = 31, PSTATE = 33, SP_EL1 };

/* A struct core_content's get_registers. A register that was not saved is as in a new CPU: zero, or
 * in PSTATE EL1h with everything masked. */
static void get_registers(const void *opaque, unsigned cpu, void *registers)
{
	const struct side *side = opaque;
	const struct snapshot_entry *entry = NULL;
	uint64_t saved[SP_EL1 + 1] = { [PSTATE] = PSTATE_DAIF | 5 };

	while ((entry = snapshot_next(side->state, entry))) {
		uint64_t number = (entry->id - CORE_REGISTER(regs.regs[0])) / 2;

		if (entry->kind == SNAPSHOT_KVM + STATE_REGISTER && entry->index == cpu &&
		    entry->size == sizeof *saved && number < ARRAY_SIZE(saved))
			memcpy(&saved[number], snapshot_bytes(entry), sizeof *saved);
	}
	if (saved[PSTATE] & PSTATE_SP)
		saved[SP] = saved[SP_EL1];
	memcpy(registers, saved, GENERAL_REGISTERS * sizeof *saved);
}

/* Of the flash there is nothing in a core. */
static bool write_core(const struct side *side, int fd)
{
	struct core_part parts[SNAPSHOT_EXTENTS];
	unsigned count = 0;

	for (unsigned e = 0; e < side->extent_count; e++)
		if (side->extents[e].at >= RAM_BASE)
			parts[count++] = (struct core_part){
				.offset = side->extents[e].at - RAM_BASE,
				.size = side->extents[e].size,
				.bytes = side->file.data + side->extents[e].offset,
			};
	return dump_write_core(fd, &(const struct core_content){
					   .cpus = side->shape->cpus,
					   .get_registers = get_registers,
					   .context = side,
					   .size = side->shape->memory,
					   .parts = parts,
					   .part_count = count,
				   });
}

int snapshot_text_print(const char *name, int core)
{
	struct side sides[2] = { { .mark = "" } };

	open_side(&sides[0], name);
	print_entries(sides);
	return core < 0 || write_core(&sides[0], core) ? STATUS_PASS : STATUS_HOST;
}
