// SPDX-License-Identifier: MIT
/*
 * Fills run-time values into the bundled device tree (Devicetree Specification 0.4, 3.4 and 3.6).
 *
 * Who calls it: boot.c. Touches the buffer it is given.
 */
#include "device_tree.h"

#include "map.h"

#include <libfdt.h>
#include <stdio.h>

/* Sets one property of this node under the root, which is made if it is not there. */
static int set(void *tree, const char *path, const char *name, const void *value, size_t size)
{
	int node = fdt_path_offset(tree, path);

	if (node == -FDT_ERR_NOTFOUND)
		node = fdt_add_subnode(tree, 0, path + 1);
	return node < 0 ? node : fdt_setprop(tree, node, name, value, (int)size);
}

/* One CPU, before those that are there. */
static int add_cpu(void *tree, uint32_t affinity)
{
	static const struct {
		const char *name, *value;
	} properties[] = {
		{ "enable-method", "psci" },
		{ "compatible", "arm,armv8" },
		{ "device_type", "cpu" },
	};
	char name[16];
	int cpus = fdt_path_offset(tree, "/cpus");
	int node, result;

	snprintf(name, sizeof name, "cpu@%x", affinity);
	node = cpus < 0 ? cpus : fdt_add_subnode(tree, cpus, name);
	result = node < 0 ? node : fdt_setprop_u32(tree, node, "reg", affinity);

	for (size_t i = 0; result == 0 && i < sizeof properties / sizeof *properties; i++)
		result = fdt_setprop_string(tree, node, properties[i].name, properties[i].value);
	return result;
}

/* What our own tree leaves open: the CPUs, and whether they have a PMU. */
static int describe_cpus(void *tree, const struct fdt_values *values)
{
	int pmu = fdt_path_offset(tree, "/pmu");
	int result = 0;

	if (pmu >= 0 && !values->has_pmu)
		result = fdt_del_node(tree, pmu);
	for (unsigned i = values->cpu_count; result == 0 && i > 0; i--)
		result = add_cpu(tree, values->cpus[i - 1]);
	return result;
}

/* Devicetree Specification, 3.4: by its type; trees of old may have only the name. */
static bool is_memory(const void *tree, int node)
{
	int length;
	const char *name = fdt_get_name(tree, node, &length);
	const char *type = fdt_getprop(tree, node, "device_type", &length);

	return (strncmp(name, "memory", 6) == 0 && (name[6] == '\0' || name[6] == '@')) ||
	       (type && length == sizeof "memory" && memcmp(type, "memory", sizeof "memory") == 0);
}

/* Takes the user's memory nodes out. They leave NOPs behind, so that it takes no longer for many.
 */
static void forget_memory(void *tree)
{
	int next;

	for (int node = fdt_first_subnode(tree, 0); node >= 0; node = next) {
		next = fdt_next_subnode(tree, node);
		if (is_memory(tree, node))
			(void)fdt_nop_node(tree, node);
	}
}

/* Adds a range; false if there are too many. */
static bool reserve(struct range *ranges, int *count, uint64_t start, uint64_t size)
{
	uint64_t end;

	if (__builtin_add_overflow(start, size, &end))
		end = ~0ull;
	if (*count == FDT_MAX_RESERVED)
		return false;
	ranges[(*count)++] = (struct range){ start, end };
	return true;
}

int fdt_reserved(const void *tree, struct range *ranges)
{
	int parent = fdt_path_offset(tree, "/reserved-memory");
	int count = 0, node, size;

	for (int i = 0; i < fdt_num_mem_rsv(tree); i++) {
		uint64_t start, length;

		(void)fdt_get_mem_rsv(tree, i, &start, &length);
		if (!reserve(ranges, &count, start, length))
			return -FDT_ERR_NOSPACE;
	}
	if (parent < 0)
		return count;
	fdt_for_each_subnode(node, tree, parent)
	{
		const fdt64_t *reg = fdt_getprop(tree, node, "reg", &size);

		if (reg &&
		    (fdt_address_cells(tree, parent) != 2 || fdt_size_cells(tree, parent) != 2))
			return -FDT_ERR_BADNCELLS;
		for (; reg && size >= (int)(2 * sizeof *reg); size -= 2 * sizeof *reg, reg += 2)
			if (!reserve(ranges, &count, fdt64_ld(&reg[0]), fdt64_ld(&reg[1])))
				return -FDT_ERR_NOSPACE;
	}
	return count;
}

size_t fdt_used(const void *tree)
{
	size_t structure = fdt_off_dt_struct(tree) + fdt_size_dt_struct(tree);
	size_t strings = fdt_off_dt_strings(tree) + fdt_size_dt_strings(tree);
	size_t reserved = fdt_off_mem_rsvmap(tree) +
			  ((size_t)fdt_num_mem_rsv(tree) + 1) * sizeof(struct fdt_reserve_entry);
	size_t end = structure > strings ? structure : strings;

	return end > reserved ? end : reserved;
}

int fdt_build(void *to, size_t room, const void *base, const struct fdt_values *values)
{
	fdt64_t memory[] = {
		cpu_to_fdt64(values->memory_base),
		cpu_to_fdt64(values->memory_size),
	};
	fdt64_t start = cpu_to_fdt64(values->initrd_start), end = cpu_to_fdt64(values->initrd_end);
	fdt64_t gicv3[] = {
		cpu_to_fdt64(GIC_DIST_BASE),
		cpu_to_fdt64(GIC_DIST_SIZE),
		cpu_to_fdt64(GICV3_REDIST_BASE),
		cpu_to_fdt64(GICV3_REDIST_SIZE),
	};
	bool keep_gic = values->is_users || values->gic == 2;
	const struct {
		const char *path, *name;
		const void *value;
		size_t size;
		bool left_out;
	} properties[] = {
		{ "/memory@40000000", "reg", memory, sizeof memory, false },
		{ "/memory@40000000", "device_type", "memory", sizeof "memory", !values->is_users },
		{ "/intc", "compatible", "arm,gic-v3", sizeof "arm,gic-v3", keep_gic },
		{ "/intc", "reg", gicv3, sizeof gicv3, keep_gic },
		{ "/chosen", "linux,initrd-start", &start, sizeof start, start == end },
		{ "/chosen", "linux,initrd-end", &end, sizeof end, start == end },
		{ "/chosen", "kaslr-seed", values->seed, sizeof(uint64_t), false },
		{ "/chosen", "rng-seed", values->seed + sizeof(uint64_t),
		  sizeof values->seed - sizeof(uint64_t), false },
		{ "/chosen", "bootargs", values->bootargs, strlen(values->bootargs) + 1,
		  values->is_users && !*values->bootargs },
	};
	int result = fdt_check_header(base);
	size_t used = result == 0 ? fdt_used(base) : 0;

	if (result == 0 && used > room)
		result = -FDT_ERR_NOSPACE;
	if (result == 0) {
		memcpy(to, base, used);
		fdt_set_totalsize(to, (uint32_t)used);
		result = fdt_open_into(to, to, (int)room);
	}
	if (result == 0 && values->is_users)
		forget_memory(to);
	for (size_t i = 0; result == 0 && i < sizeof properties / sizeof *properties; i++) {
		if (properties[i].left_out)
			continue;
		result = properties[i].size > room ? -FDT_ERR_NOSPACE
						   : set(to, properties[i].path, properties[i].name,
							 properties[i].value, properties[i].size);
	}
	if (result == 0 && !values->is_users)
		result = describe_cpus(to, values);
	if (result == 0)
		result = fdt_pack(to);
	return result == 0 ? (int)fdt_totalsize(to) : result;
}
