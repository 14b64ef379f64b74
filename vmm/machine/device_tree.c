// SPDX-License-Identifier: MIT
/*
 * Fills run-time values into the bundled or the user's device tree (Devicetree Specification 0.4,
 * 3.4 and 3.6).
 *
 * Who calls it: boot.c. Touches the buffer it is given.
 */
#include "device_tree.h"

#include "map.h"

#include <libfdt.h>
#include <stdio.h>

/* Sets a property of this child of the root, which is created if it does not exist. */
static int set(void *tree, const char *path, const char *name, const void *value, size_t size)
{
	int node = fdt_path_offset(tree, path);

	if (node == -FDT_ERR_NOTFOUND)
		node = fdt_add_subnode(tree, 0, path + 1);
	return node < 0 ? node : fdt_setprop(tree, node, name, value, (int)size);
}

/* Adds a CPU's node in front of the existing ones. */
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

/* Completes the bundled tree: removes what the host does not have, and adds the CPUs. */
static int describe_cpus(void *tree, const struct fdt_values *values)
{
	int result = 0;

	if (!values->has_pmu)
		result = fdt_del_node(tree, fdt_path_offset(tree, "/pmu"));
	if (result == 0 && !values->has_its)
		result = fdt_del_node(tree, fdt_path_offset(tree, "/intc/its"));
	for (unsigned i = values->cpu_count; result == 0 && i > 0; i--)
		result = add_cpu(tree, values->cpus[i - 1]);
	return result;
}

#define FIRST_VIRTIO "/virtio_mmio@a000000"

/*
 * The bundled tree ends with the node of virtio slot 0, and this repeats it for the others, as
 * cells of the structure block (Devicetree Specification, 5.4): libfdt would move all that is
 * behind a property for each of them.
 */
static int repeat_virtio(void *tree)
{
	int node = fdt_path_offset(tree, FIRST_VIRTIO);
	fdt32_t *first = (fdt32_t *)((uint8_t *)tree + fdt_off_dt_struct(tree) + node);
	/* Behind it are the root's FDT_END_NODE and the block's FDT_END, then the strings. */
	size_t cells = (fdt_size_dt_struct(tree) - (size_t)node) / sizeof *first - 2;
	fdt32_t *end = first + cells, *to = end;
	size_t used = fdt_used(tree), more = (VIRTIO_SLOTS - 1) * cells * sizeof *first;
	/* In its name, which is behind FDT_BEGIN_NODE, the address ends at this byte. */
	size_t digits = sizeof *first + sizeof FIRST_VIRTIO - 2;
	/* <0 base 0 size> and <type number flags>. */
	const fdt32_t *reg, *interrupts;

	if (node < 0)
		return node;
	if (used + more > fdt_totalsize(tree))
		return -FDT_ERR_NOSPACE;
	reg = fdt_getprop(tree, node, "reg", NULL);
	interrupts = fdt_getprop(tree, node, "interrupts", NULL);
	memmove((uint8_t *)end + more, end, used - (size_t)((uint8_t *)end - (uint8_t *)tree));
	for (unsigned slot = 1; slot < VIRTIO_SLOTS; slot++, to += cells) {
		unsigned at = VIRTIO_BASE + slot * VIRTIO_SLOT;

		for (size_t i = 0; i < cells; i++)
			to[i] = first[i];
		for (unsigned i = 1, left = at; left; left >>= 4, i++)
			((char *)to)[digits - i] = "0123456789abcdef"[left & 15];
		to[reg + 1 - first] = cpu_to_fdt32(at);
		to[interrupts + 1 - first] = cpu_to_fdt32(VIRTIO_SPI + slot);
	}
	fdt_set_size_dt_struct(tree, fdt_size_dt_struct(tree) + (uint32_t)more);
	fdt_set_off_dt_strings(tree, fdt_off_dt_strings(tree) + (uint32_t)more);
	return 0;
}

/* Identified by device_type (Devicetree Specification, 3.4); old trees may have only the name. */
static bool is_memory(const void *tree, int node)
{
	int length;
	const char *name = fdt_get_name(tree, node, &length);
	const char *type = fdt_getprop(tree, node, "device_type", &length);

	return (strncmp(name, "memory", 6) == 0 && (name[6] == '\0' || name[6] == '@')) ||
	       (type && length == sizeof "memory" && memcmp(type, "memory", sizeof "memory") == 0);
}

/* Replaces the user's memory nodes by NOPs, which is fast however many there are. */
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

bool fdt_has_two_cells(const void *tree, int node)
{
	static const char names[][16] = { "#address-cells", "#size-cells" };

	for (unsigned i = 0; i < 2; i++) {
		int size;
		const fdt32_t *value = fdt_getprop(tree, node, names[i], &size);

		if (size != sizeof *value || fdt32_ld(value) != 2)
			return false;
	}
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

		if (reg && !fdt_has_two_cells(tree, parent))
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

/* Copies the tree to the buffer, whose room it can use from now on. */
static int copy_tree(void *to, size_t room, const void *base)
{
	int result = fdt_check_header(base);
	size_t used = result == 0 ? fdt_used(base) : 0;

	if (result < 0)
		return result;
	if (used > room)
		return -FDT_ERR_NOSPACE;
	memcpy(to, base, used);
	fdt_set_totalsize(to, (uint32_t)used);
	return fdt_open_into(to, to, (int)room);
}

/* A private peripheral interrupt, active high (the binding arm,gic-v3), in the tree's byte order.
 */
#define PPI(number) __builtin_bswap32(1), __builtin_bswap32(number), __builtin_bswap32(4)

/* What a hypervisor in the guest needs: its call of PSCI, whose HVC would be its own, both timers
 * of EL2, and the GIC's interrupt to it. */
static int describe_el2(void *tree)
{
	static const fdt32_t timers[] = { PPI(TIMER_SECURE_PPI), PPI(TIMER_PHYSICAL_PPI),
					  PPI(TIMER_VIRTUAL_PPI), PPI(TIMER_HYP_PPI),
					  PPI(TIMER_HYP_VIRTUAL_PPI) };
	static const fdt32_t maintenance[] = { PPI(GIC_MAINTENANCE_PPI) };
	int result = set(tree, "/psci", "method", "smc", sizeof "smc");

	if (result == 0)
		result = set(tree, "/timer", "interrupts", timers, sizeof timers);
	return result ? result : set(tree, "/intc", "interrupts", maintenance, sizeof maintenance);
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
	fdt64_t fw_cfg[] = { cpu_to_fdt64(FW_CFG_BASE), cpu_to_fdt64(FW_CFG_SIZE) };
	bool no_fw_cfg = values->is_users || !values->has_fw_cfg;
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
		{ "/fw-cfg@9020000", "compatible", "qemu,fw-cfg-mmio", sizeof "qemu,fw-cfg-mmio",
		  no_fw_cfg },
		{ "/fw-cfg@9020000", "reg", fw_cfg, sizeof fw_cfg, no_fw_cfg },
		{ "/fw-cfg@9020000", "dma-coherent", NULL, 0, no_fw_cfg },
		{ "/chosen", "linux,initrd-start", &start, sizeof start, start == end },
		{ "/chosen", "linux,initrd-end", &end, sizeof end, start == end },
		{ "/chosen", "kaslr-seed", values->seed, sizeof(uint64_t), false },
		{ "/chosen", "rng-seed", values->seed + sizeof(uint64_t),
		  sizeof values->seed - sizeof(uint64_t), false },
		{ "/chosen", "bootargs", values->bootargs, strlen(values->bootargs) + 1,
		  values->is_users && !*values->bootargs },
	};
	int result = copy_tree(to, room, base);

	if (result == 0 && values->is_users)
		forget_memory(to);
	for (size_t i = 0; result == 0 && i < sizeof properties / sizeof *properties; i++) {
		if (properties[i].left_out)
			continue;
		result = properties[i].size > room ? -FDT_ERR_NOSPACE
						   : set(to, properties[i].path, properties[i].name,
							 properties[i].value, properties[i].size);
	}
	if (result == 0 && !values->is_users && values->has_el2)
		result = describe_el2(to);
	if (result == 0 && !values->is_users)
		result = describe_cpus(to, values);
	/* Last, so that there is less to be moved for the others. */
	if (result == 0 && !values->is_users)
		result = repeat_virtio(to);
	if (result == 0)
		result = fdt_pack(to);
	return result == 0 ? (int)fdt_totalsize(to) : result;
}
