// SPDX-License-Identifier: MIT
/*
 * Places payload, initrd and device tree in the guest's RAM, without overlap.
 *
 * Who calls it: main, before each start of the guest. Touches guest memory and, with --dump-dtb, a
 * file.
 */
#include "boot.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "firmware.h"
#include "vmm/machine/device_tree.h"
#include "vmm/machine/map.h"
#include "vmm/report.h"

#include <fcntl.h>
#include <libfdt.h>

#define PAGE 0x1000ull		/* the initrd's alignment; it shares no page */
#define TREE_ALIGN (2ull << 20) /* a kernel's early boot maps the 2 MiB block that has the tree */
#define TREE_MAX (2u << 20)	/* bytes (booting.rst, 2. Setup the device tree) */
#define INITRD_FROM (128ull << 20) /* from the start of RAM, at most */
#define INITRD_SPAN (32ull << 30)  /* from the start of RAM (booting.rst, 4.) */
#define OLDEST_VERSION 17	   /* of a tree's format (Devicetree Specification, 5.2) */

/* RAM and the ranges in use, the payload's first. */
struct layout {
	struct range ram;
	struct range taken[1 + FDT_MAX_RESERVED + 2];
	unsigned count;
};

static uint64_t align_up(uint64_t value, uint64_t alignment)
{
	return (value + alignment - 1) & -alignment;
}

/* The range in use that shares a page with this one; NULL if there is none. */
static const struct range *taken_at(const struct layout *layout, uint64_t start, uint64_t size)
{
	for (unsigned i = 0; i < layout->count; i++) {
		const struct range *taken = &layout->taken[i];

		if (taken->start < taken->end && start < align_up(taken->end, PAGE) &&
		    (taken->start & -PAGE) < start + size)
			return taken;
	}
	return NULL;
}

static bool is_free(const struct layout *layout, uint64_t start, uint64_t size)
{
	return start >= layout->ram.start && start <= layout->ram.end &&
	       size <= layout->ram.end - start && !taken_at(layout, start, size);
}

/* Takes this range if it is free. */
static bool take(struct layout *layout, uint64_t start, uint64_t size, struct range *range)
{
	if (!is_free(layout, start, size))
		return false;
	*range = (struct range){ start, start + size };
	layout->taken[layout->count++] = *range;
	return true;
}

/* Takes the lowest free range from `from` up; false if there is none. */
static bool take_first(struct layout *layout, uint64_t from, uint64_t size, uint64_t alignment,
		       struct range *range)
{
	uint64_t start = align_up(from, alignment);
	const struct range *taken;

	while (start <= layout->ram.end && (taken = taken_at(layout, start, size)))
		start = align_up(taken->end, alignment);
	return take(layout, start, size, range);
}

/* Takes the highest free range of this size; false if there is none. */
static bool take_highest(struct layout *layout, uint64_t size, struct range *range)
{
	uint64_t best = 0;

	for (unsigned i = 0; i <= layout->count; i++) {
		uint64_t end =
			i == layout->count ? layout->ram.end : layout->taken[i].start & -PAGE;
		uint64_t start = (end - size) & -PAGE;

		if (size <= end && start > best && is_free(layout, start, size))
			best = start;
	}
	return take(layout, best, size, range);
}

/* Reads the `reg` values of the CPUs' nodes in the device tree. */
static void read_affinities(const struct machine *machine, uint32_t *affinities)
{
	for (unsigned i = 0; i < machine->run.cpus; i++)
		affinities[i] = (uint32_t)vcpu_affinity(&machine->run.vcpus[i]);
}

/* Opens --dtb's tree and reads what it reserves. */
static void open_tree(struct boot *boot, const char *name)
{
	struct payload file;
	int reserved;

	payload_open(&file, "--dtb ", name);
	payload_copy(&file); /* libfdt needs data that does not change meanwhile */
	if (fdt_check_full(file.data, file.size) != 0)
		die(STATUS_PAYLOAD, "--dtb %.200s: is no whole device tree; make one with dtc",
		    file.name);
	if (fdt_version(file.data) < OLDEST_VERSION)
		die(STATUS_PAYLOAD, "--dtb %.200s: has version %u, not %u; make it anew with dtc",
		    file.name, fdt_version(file.data), OLDEST_VERSION);
	reserved = fdt_reserved(file.data, boot->reserved);
	if (reserved == -FDT_ERR_NOSPACE)
		die(STATUS_PAYLOAD, "--dtb %.200s: reserves more than %u ranges; join some",
		    file.name, FDT_MAX_RESERVED);
	if (reserved < 0 || !fdt_has_two_cells(file.data, 0))
		die(STATUS_PAYLOAD,
		    "--dtb %.200s: %s has no #address-cells and #size-cells of 2; make it anew so",
		    file.name, reserved < 0 ? "/reserved-memory" : "/");
	boot->reserved_count = (unsigned)reserved;
	boot->tree = file.data;
}

void boot_open(struct boot *boot, const struct payload *payload, const struct options *options)
{
	*boot = (struct boot){ .options = options, .payload = *payload, .tree = bundled_dtb };
	if (options->dtb)
		open_tree(boot, options->dtb);
	if (options->initrd)
		payload_open(&boot->initrd, "--initrd ", options->initrd);
	if (!options->firmware)
		return;
	firmware_open(&boot->firmware, options->firmware);
	/* Firmware says little of other files. Debian's kernels are EFI programs. */
	if (payload->size && (payload->size < 2 || memcmp(payload->data, "MZ", 2) != 0))
		die(STATUS_PAYLOAD, "%.200s: is no EFI program, and --firmware starts no other",
		    payload->name);
}

void boot_check(const struct boot *boot)
{
	if (!boot->firmware.size)
		load_check(&boot->payload, boot->options->memory);
}

static const char *beside(const struct options *options)
{
	return options->dtb ? "what --dtb reserves and the payload" : "the payload";
}

/* There is no room for something beside what lies in RAM already. */
static _Noreturn void no_room(const struct boot *boot, const struct layout *layout,
			      const char *what, const char *name, uint64_t size)
{
	die(STATUS_PAYLOAD,
	    "%s%.200s: %lu bytes do not fit into %lu MiB of RAM beside %s at %#lx to %#lx; give "
	    "more --memory",
	    what, name, size, boot->options->memory >> 20, beside(boot->options),
	    layout->taken[0].start, layout->taken[0].end);
}

/*
 * Loads the initrd, if there is one, where QEMU's `virt` does: half of RAM up or, if that is
 * higher, behind the payload; if it does not fit there, as high as possible. Returns the address
 * above which the tree is to be placed.
 */
static uint64_t load_initrd(const struct boot *boot, const struct machine *machine,
			    struct layout *layout, struct fdt_values *values)
{
	const struct payload *file = &boot->initrd;
	uint64_t half = machine->memory.size / 2;
	uint64_t from = RAM_BASE + (half < INITRD_FROM ? half : INITRD_FROM);
	struct range range;

	if (from < layout->taken[0].end)
		from = layout->taken[0].end;
	if (file->size == 0 || boot->firmware.size)
		return from;
	if (!take_first(layout, from, file->size, PAGE, &range) &&
	    !take_highest(layout, file->size, &range))
		no_room(boot, layout, "--initrd ", file->name, file->size);
	payload_put_all(file, memory_at(&machine->memory, GPA(range.start), file->size));
	values->initrd_start = range.start;
	values->initrd_end = range.end;
	return range.end;
}

/* Max bytes of the completed tree, which is packed in the end. */
static uint64_t tree_room(const struct boot *boot, const struct machine *machine)
{
	const struct options *options = boot->options;
	uint64_t base = fdt_used(boot->tree);
	uint64_t room = base + strlen(options->append) + FDT_ROOM +
			machine->run.cpus * (uint64_t)FDT_ROOM_PER_CPU;

	if (room > TREE_MAX)
		die(options->dtb ? STATUS_PAYLOAD : STATUS_USAGE,
		    "device tree of %lu bytes with --append of %lu: more than %u; shorten them",
		    base, strlen(options->append), TREE_MAX);
	return room;
}

/* Takes a range for the tree as QEMU does: behind the initrd, or for an ELF at the start of RAM. If
 * that is not free it takes the other one, or else any. */
static struct range place_tree(const struct boot *boot, const struct machine *machine,
			       struct layout *layout, uint64_t from, bool at_base)
{
	uint64_t room = tree_room(boot, machine);
	struct range range;

	if (!(at_base && take(layout, RAM_BASE, room, &range)) &&
	    !take_first(layout, from, room, TREE_ALIGN, &range) &&
	    !take(layout, RAM_BASE, room, &range) && !take_highest(layout, room, &range))
		no_room(boot, layout, "device tree", "", room);
	return range;
}

/* Loads the initrd, and the tree, which has the initrd's address. */
static struct range load_tree(const struct boot *boot, const struct machine *machine,
			      struct layout *layout, bool at_base)
{
	const struct options *options = boot->options;
	uint32_t affinities[FDT_MAX_CPUS];
	struct fdt_values values = {
		.memory_base = RAM_BASE,
		.memory_size = options->memory,
		.bootargs = options->append,
		.cpus = affinities,
		.cpu_count = machine->run.cpus,
		.gic = machine->vm.gic,
		.has_pmu = machine->features.pmu,
		.has_its = machine->vm.its_fd >= 0,
		.has_fw_cfg = boot->firmware.size,
		.has_el2 = machine->features.el2,
		.is_users = options->dtb != NULL,
	};
	uint64_t from = load_initrd(boot, machine, layout, &values);
	struct range range = place_tree(boot, machine, layout, from, at_base);
	uint64_t room = range.end - range.start;
	void *tree = memory_at(&machine->memory, GPA(range.start), room);
	int result;

	memory_use_small_pages(&machine->memory, GPA(range.start));
	read_affinities(machine, affinities);
	/* New seeds for every start, as the binding of /chosen requires. */
	random_bytes(values.seed, sizeof values.seed);
	result = fdt_build(tree, room, boot->tree, &values);
	if (result < 0)
		die(options->dtb ? STATUS_PAYLOAD : STATUS_INTERNAL,
		    "device tree: libfdt's error %d; make it anew with dtc", -result);
	range.end = range.start + (uint64_t)result;
	/* Images for `virt` other than Linux look for the tree there, whatever x0 says. */
	if (is_free(layout, RAM_BASE, (uint64_t)result))
		memcpy(machine->memory.host, tree, (uint64_t)result);
	return range;
}

static void dump_tree(const char *name, const void *tree, uint64_t size)
{
	int fd = (int)sys_openat(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int result = fd < 0 ? fd : write_all(fd, tree, size);

	if (result < 0)
		die(STATUS_HOST, "%s %.200s: %s", "--dump-dtb", name, error_text(-result));
	sys_close(fd);
}

/* Starts with the RAM that an initrd may be in, less the payload and what --dtb's tree reserves. */
static void start_layout(struct layout *layout, const struct boot *boot,
			 const struct machine *machine, const struct placement *placement)
{
	uint64_t size = machine->memory.size < INITRD_SPAN ? machine->memory.size : INITRD_SPAN;

	layout->ram = (struct range){ RAM_BASE, RAM_BASE + size };
	layout->taken[0] = (struct range){ placement->start.address, placement->end.address };
	layout->count = 1;
	for (unsigned i = 0; i < boot->reserved_count; i++) {
		struct range range = boot->reserved[i];

		if (range.end > layout->ram.end)
			range.end = layout->ram.end;
		layout->taken[layout->count++] = range;
	}
}

/* Puts firmware into the flash, where it is entered, or else the payload into RAM. */
static struct placement load_first(const struct boot *boot, struct machine *machine)
{
	const struct load_target target = {
		.ram = &machine->memory,
		.flash = &machine->flash_image,
		.mmfr0 = vcpu_memory_features(&machine->run.vcpus[0]),
	};

	if (!boot->firmware.size)
		return load_payload(&boot->payload, &target);
	firmware_load(&boot->firmware, &boot->payload, &boot->initrd, boot->options->append,
		      machine);
	return (struct placement){ .entry = GPA(FLASH_BASE), .tree_at_base = true };
}

void boot_load(const struct boot *boot, struct machine *machine)
{
	const char *dump = boot->options->dump_dtb;
	struct placement placement;
	struct layout layout;
	struct range tree;

	/* There is only a small payload, or the device tree. */
	memory_use_small_pages(&machine->memory, GPA(RAM_BASE));
	placement = load_first(boot, machine);
	start_layout(&layout, boot, machine, &placement);
	tree = load_tree(boot, machine, &layout, placement.tree_at_base);
	if (dump)
		dump_tree(dump, memory_at(&machine->memory, GPA(tree.start), tree.end - tree.start),
			  tree.end - tree.start);
	machine_map_flash(machine, boot->firmware.size);
	vcpu_set_entry(&machine->run.vcpus[0], placement.entry, GPA(tree.start));
}
