// SPDX-License-Identifier: MIT
/*
 * What lies in the guest's RAM when it starts: payload, device tree, initrd, each where nothing
 * else is.
 *
 * Who calls it: main, between making a machine and running it. Touches guest memory and, for
 * --dump-dtb, a file.
 */
#include "boot.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "device_tree.h"
#include "map.h"
#include "vmm/report.h"

#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>

#define PAGE 0x10000ull		  /* the largest a guest can have: nothing shares one */
#define TREE_MOST (2u << 20)	  /* bytes (booting.rst, 2. Setup the device tree) */
#define INITRD_SPAN (32ull << 30) /* from the start of RAM (booting.rst, 4.) */
#define OLDEST_VERSION 17	  /* of a tree's format (Devicetree Specification, 5.2) */

struct range {
	uint64_t start, end; /* guest-physical; equal: nothing */
};

/* RAM, and what is taken of it so far. */
struct layout {
	struct range ram;
	struct range taken[3];
	unsigned count;
};

static bool is_free(const struct layout *layout, uint64_t start, uint64_t size)
{
	if (start < layout->ram.start || start > layout->ram.end || size > layout->ram.end - start)
		return false;
	for (unsigned i = 0; i < layout->count; i++)
		if (start < ((layout->taken[i].end + PAGE - 1) & -PAGE) &&
		    (layout->taken[i].start & -PAGE) < start + size)
			return false;
	return true;
}

/* Takes the start of RAM, where images made for `virt` that are no Linux look for their tree. */
static bool take_base(struct layout *layout, uint64_t size, struct range *range)
{
	*range = (struct range){ layout->ram.start, layout->ram.start + size };
	if (!is_free(layout, range->start, size))
		return false;
	layout->taken[layout->count++] = *range;
	return true;
}

/* Takes the highest free place of this size, from the start of a page on; false if there is none.
 */
static bool take_highest(struct layout *layout, uint64_t size, struct range *range)
{
	uint64_t best = 0;

	for (unsigned i = 0; i <= layout->count; i++) {
		uint64_t end = i == layout->count ? layout->ram.end : layout->taken[i].start;
		uint64_t start = (end - size) & -PAGE;

		if (size <= end && start > best && is_free(layout, start, size))
			best = start;
	}
	*range = (struct range){ best, best + size };
	layout->taken[layout->count++] = *range;
	return best != 0;
}

/* Every CPU's name in the device tree. */
static void read_affinities(const struct machine *machine, uint32_t *affinities)
{
	for (unsigned i = 0; i < machine->run.cpus; i++)
		affinities[i] = (uint32_t)vcpu_affinity(&machine->run.vcpus[i]);
}

/* Fresh for every start, as the bindings of /chosen want it; so little is never given in part. */
static void read_seed(uint8_t *seed, size_t size)
{
	long n = sys_getrandom(seed, size, 0);

	if (n != (long)size)
		die(STATUS_HOST, "getrandom: %s", error_text(n < 0 ? (int)-n : EIO));
}

/* How many cells of its root have an address or a size (Devicetree Specification, 2.3.5); 0 if it
 * does not say. */
static uint32_t cells(const void *tree, const char *name)
{
	int size;
	const fdt32_t *value = fdt_getprop(tree, 0, name, &size);

	return size == sizeof *value ? fdt32_ld(value) : 0;
}

/* The tree that is filled in: the user's. */
static const void *open_tree(const struct options *options)
{
	struct payload file;

	payload_open(&file, options->dtb);
	payload_copy(&file); /* libfdt is safe with what does not change under it */
	if (fdt_check_full(file.data, file.size) != 0)
		die(STATUS_PAYLOAD, "--dtb %.200s: is no whole device tree; make one with dtc",
		    file.name);
	if (fdt_version(file.data) < OLDEST_VERSION)
		die(STATUS_PAYLOAD, "--dtb %.200s: has version %u, not %u; make it anew with dtc",
		    file.name, fdt_version(file.data), OLDEST_VERSION);
	if (cells(file.data, "#address-cells") != 2 || cells(file.data, "#size-cells") != 2)
		die(STATUS_PAYLOAD,
		    "--dtb %.200s: has no #address-cells and #size-cells of 2; make it anew so",
		    file.name);
	return file.data;
}

void boot_open(struct boot *boot, const struct options *options)
{
	*boot = (struct boot){
		.options = options,
		.tree = options->dtb ? open_tree(options) : bundled_dtb,
	};
	payload_open(&boot->payload, options->payload);
	if (options->initrd)
		payload_open(&boot->initrd, options->initrd);
}

/* Loads the initrd, if there is one, as high as it goes; its place goes to the values. */
static void load_initrd(const struct payload *file, const struct machine *machine,
			struct layout *layout, struct fdt_values *values)
{
	struct range range;

	if (file->size == 0)
		return;
	if (layout->ram.end - layout->ram.start > INITRD_SPAN)
		layout->ram.end = layout->ram.start + INITRD_SPAN;
	if (!take_highest(layout, file->size, &range))
		die(STATUS_PAYLOAD,
		    "--initrd %.200s: %lu bytes do not fit into %lu MiB of RAM beside the payload "
		    "at %#lx to %#lx; give more --memory",
		    file->name, file->size, machine->memory.size >> 20, layout->taken[0].start,
		    layout->taken[0].end);
	payload_put_all(file, memory_at(&machine->memory, GPA(range.start), file->size));
	values->initrd_start = range.start;
	values->initrd_end = range.end;
}

/* Bytes that the tree may come to have; it is packed to what it needs in the end. */
static uint64_t tree_room(const struct boot *boot, const struct machine *machine)
{
	const struct options *options = boot->options;
	uint64_t base = fdt_used(boot->tree);
	uint64_t room = base + strlen(options->append) + FDT_ROOM +
			machine->run.cpus * (uint64_t)FDT_ROOM_PER_CPU;

	if (room > TREE_MOST)
		die(options->dtb ? STATUS_PAYLOAD : STATUS_USAGE,
		    "device tree of %lu bytes with --append of %lu: more than the %u that a guest "
		    "takes; shorten them",
		    base, strlen(options->append), TREE_MOST);
	return room;
}

/* Builds the tree, and with it loads the initrd whose place it names. */
static struct range load_tree(const struct boot *boot, const struct machine *machine,
			      struct layout *layout)
{
	const struct options *options = boot->options;
	uint32_t affinities[FDT_MOST_CPUS];
	struct fdt_values values = {
		.memory_base = RAM_BASE,
		.memory_size = options->memory,
		.bootargs = options->append,
		.cpus = affinities,
		.cpu_count = machine->run.cpus,
		.gic = machine->vm.gic,
		.has_pmu = machine->features.pmu,
		.is_users = options->dtb != NULL,
	};
	uint64_t room = tree_room(boot, machine);
	struct range range;
	int result;

	if (!take_base(layout, room, &range) && !take_highest(layout, room, &range))
		die(STATUS_PAYLOAD,
		    "%lu bytes of device tree do not fit into %lu MiB of RAM beside the payload at "
		    "%#lx to %#lx; give more --memory",
		    room, machine->memory.size >> 20, layout->taken[0].start, layout->taken[0].end);
	load_initrd(&boot->initrd, machine, layout, &values);
	read_affinities(machine, affinities);
	read_seed(values.seed, sizeof values.seed);
	result = fdt_build(memory_at(&machine->memory, GPA(range.start), room), room, boot->tree,
			   &values);
	if (result < 0)
		die(options->dtb ? STATUS_PAYLOAD : STATUS_INTERNAL,
		    "device tree: libfdt's error %d; make it anew with dtc", -result);
	range.end = range.start + (uint64_t)result;
	return range;
}

static void dump_tree(const char *name, const void *tree, uint64_t size)
{
	int fd = (int)sys_openat(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int result = fd < 0 ? fd : write_all(fd, tree, size);

	if (result < 0)
		die(STATUS_HOST, "--dump-dtb %.200s: %s", name, error_text(-result));
	sys_close(fd);
}

void boot_load(const struct boot *boot, struct machine *machine)
{
	const char *dump = boot->options->dump_dtb;
	const struct load_target target = {
		.ram = &machine->memory,
		.flash = &machine->flash_image,
		.mmfr0 = vcpu_memory_features(&machine->run.vcpus[0]),
	};
	struct placement placement = payload_load(&boot->payload, &target);
	struct layout layout = {
		.ram = { RAM_BASE, RAM_BASE + machine->memory.size },
		.taken = { { placement.start.address, placement.end.address } },
		.count = 1,
	};
	struct range tree = load_tree(boot, machine, &layout);

	if (dump)
		dump_tree(dump, memory_at(&machine->memory, GPA(tree.start), tree.end - tree.start),
			  tree.end - tree.start);
	machine_show_flash(machine);
	vcpu_set_entry(&machine->run.vcpus[0], placement.entry, GPA(tree.start));
}
