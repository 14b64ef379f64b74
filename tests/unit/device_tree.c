// SPDX-License-Identifier: MIT
/* vmm/machine/device_tree.c: the completed tree, for both interrupt controllers. */
#include "unit.h"

#include "vmm/machine/device_tree.h"

#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 0x10000

static char base[ROOM], tree[ROOM];

static void read_base(void)
{
	FILE *file = fopen("build/machine.dtb", "rb");

	assert_non_null(file);
	assert_true(fread(base, 1, sizeof base, file) > 0);
	fclose(file);
}

static const void *property(const char *path, const char *name, int *size)
{
	int node = fdt_path_offset(tree, path);

	assert_true(node >= 0);
	return fdt_getprop(tree, node, name, size);
}

static void assert_fw_cfg(bool is_there)
{
	const fdt64_t *reg;
	int size;

	assert_int_equal(fdt_path_offset(tree, "/fw-cfg@9020000") > 0, is_there);
	if (!is_there)
		return;
	reg = property("/fw-cfg@9020000", "reg", &size);
	assert_int_equal(size, 16);
	assert_int_equal(fdt64_ld(&reg[0]), 0x9020000);
	assert_int_equal(fdt64_ld(&reg[1]), 24);
	assert_non_null(property("/fw-cfg@9020000", "dma-coherent", &size));
}

static void test_values(void **state)
{
	static const uint32_t cpus[] = { 0, 1, 0x100 };
	struct fdt_values values = {
		.memory_base = 0x40000000,
		.memory_size = 0x123400000,
		.bootargs = "one two=3",
		.initrd_start = 0x45000000,
		.initrd_end = 0x45000007,
		.cpus = cpus,
		.cpu_count = 3,
		.seed = { 1, 2, 3 },
	};

	(void)state;
	read_base();
	for (values.gic = 2; values.gic <= 3; values.gic++) {
		values.has_fw_cfg = values.has_its = values.gic == 3;
		const fdt64_t *reg;
		int size;

		size = fdt_build(tree, sizeof tree, base, &values);
		assert_true(size > 0);
		assert_int_equal(fdt_check_full(tree, (size_t)size), 0);
		reg = property("/memory", "reg", &size);
		assert_int_equal(size, 16);
		assert_int_equal(fdt64_ld(&reg[0]), values.memory_base);
		assert_int_equal(fdt64_ld(&reg[1]), values.memory_size);
		assert_string_equal(property("/chosen", "bootargs", &size), values.bootargs);
		assert_int_equal(fdt64_ld(property("/chosen", "linux,initrd-start", &size)),
				 values.initrd_start);
		assert_int_equal(fdt64_ld(property("/chosen", "linux,initrd-end", &size)),
				 values.initrd_end);
		assert_memory_equal(property("/chosen", "kaslr-seed", &size), values.seed, 8);
		assert_memory_equal(property("/chosen", "rng-seed", &size), values.seed + 8, 56);
		assert_int_equal(fdt32_ld(property("/cpus/cpu@100", "reg", &size)), 0x100);
		assert_string_equal(property("/cpus/cpu@1", "enable-method", &size), "psci");
		assert_true(fdt_path_offset(tree, "/cpus/cpu@2") < 0);
		/* Linux numbers CPUs in the order of their nodes. */
		assert_true(fdt_path_offset(tree, "/cpus/cpu@0") <
			    fdt_path_offset(tree, "/cpus/cpu@1"));
		assert_true(fdt_path_offset(tree, "/cpus/cpu@1") <
			    fdt_path_offset(tree, "/cpus/cpu@100"));
		assert_string_equal(property("/intc", "compatible", &size),
				    values.gic == 2 ? "arm,cortex-a15-gic" : "arm,gic-v3");
		reg = property("/intc", "reg", &size);
		assert_int_equal(size, 32);
		assert_int_equal(fdt64_ld(&reg[0]), 0x8000000);
		assert_int_equal(fdt64_ld(&reg[2]), values.gic == 2 ? 0x8010000 : 0x80a0000);
		assert_int_equal(fdt_path_offset(tree, "/intc/its") > 0, values.has_its);
		assert_fw_cfg(values.has_fw_cfg);
		/* The rest of the tree stays: stdout-path is the path of a node. */
		assert_true(fdt_path_offset(tree, property("/chosen", "stdout-path", &size)) > 0);
	}
}

/* A --dtb's properties stay; the run-time values are set, and missing nodes are created. */
static void test_users_tree(void **state)
{
	struct fdt_values values = {
		.memory_size = 0x400000, .bootargs = "", .is_users = true, .has_fw_cfg = true
	};
	int size;

	(void)state;
	assert_int_equal(fdt_create_empty_tree(base, sizeof base), 0);
	assert_true(fdt_build(tree, sizeof tree, base, &values) > 0);
	assert_int_equal(fdt64_ld((const fdt64_t *)property("/memory", "reg", &size) + 1),
			 0x400000);
	assert_string_equal(property("/memory", "device_type", &size), "memory");
	assert_null(property("/chosen", "bootargs", &size));
	assert_null(property("/chosen", "linux,initrd-start", &size));
	values.bootargs = "ours";
	assert_true(fdt_build(tree, sizeof tree, base, &values) > 0);
	assert_string_equal(property("/chosen", "bootargs", &size), "ours");
	assert_true(fdt_path_offset(tree, "/cpus") < 0);
	assert_true(fdt_path_offset(tree, "/fw-cfg@9020000") < 0);
}

/* Creates a tree with these reserved ranges, and with what `fill` adds to its root. */
static void make_users_tree(unsigned entries, void (*fill)(void))
{
	assert_int_equal(fdt_create(base, sizeof base), 0);
	for (unsigned i = 0; i < entries; i++)
		assert_int_equal(fdt_add_reservemap_entry(base, 0x1000ull * i, 0x800), 0);
	assert_int_equal(fdt_finish_reservemap(base), 0);
	assert_int_equal(fdt_begin_node(base, ""), 0);
	fill();
	assert_int_equal(fdt_end_node(base), 0);
	assert_int_equal(fdt_finish(base), 0);
}

static void add_node(const char *name, const char *type, uint64_t start, uint64_t size)
{
	fdt64_t reg[] = { cpu_to_fdt64(start), cpu_to_fdt64(size) };

	assert_int_equal(fdt_begin_node(base, name), 0);
	if (type)
		assert_int_equal(fdt_property_string(base, "device_type", type), 0);
	assert_int_equal(fdt_property(base, "reg", reg, sizeof reg), 0);
	assert_int_equal(fdt_end_node(base), 0);
}

static void fill_memories(void)
{
	add_node("memory@80000000", "memory", 0x80000000, 0x1000);
	add_node("memory-controller@0", NULL, 0, 0);
	add_node("memory", NULL, 0, 0);
	add_node("ram", "memory", 0x90000000, 0x1000);
	add_node("cpus", "cpu", 0, 0);
}

/* All memory nodes are replaced by one for the actual RAM. */
static void test_memory_nodes(void **state)
{
	struct fdt_values values = {
		.memory_base = 0x40000000, .memory_size = 0x400000, .bootargs = "", .is_users = true
	};
	const fdt64_t *reg;
	int size, node, nodes = 0;

	(void)state;
	make_users_tree(0, fill_memories);
	size = fdt_build(tree, sizeof tree, base, &values);
	assert_true(size > 0 && fdt_check_full(tree, (size_t)size) == 0);
	reg = property("/memory@40000000", "reg", &size);
	assert_int_equal(fdt64_ld(&reg[0]), 0x40000000);
	assert_int_equal(fdt64_ld(&reg[1]), 0x400000);
	fdt_for_each_subnode(node, tree, 0) nodes++;
	assert_int_equal(nodes, 4); /* and chosen */
	assert_true(fdt_path_offset(tree, "/memory-controller@0") > 0);
	assert_true(fdt_path_offset(tree, "/cpus") > 0);
}

static unsigned children, cells;

static void fill_reserved(void)
{
	assert_int_equal(fdt_begin_node(base, "reserved-memory"), 0);
	assert_int_equal(fdt_property_u32(base, "#address-cells", cells), 0);
	assert_int_equal(fdt_property_u32(base, "#size-cells", cells), 0);
	for (unsigned i = 0; i < children; i++)
		add_node("child", NULL, 0x40000000 + i, i == 1 ? ~0ull : 7);
	assert_int_equal(fdt_begin_node(base, "without-reg"), 0);
	assert_int_equal(fdt_end_node(base), 0);
	assert_int_equal(fdt_end_node(base), 0);
}

static void fill_nothing(void)
{
}

static void test_reserved(void **state)
{
	struct range ranges[FDT_MAX_RESERVED];

	(void)state;
	make_users_tree(0, fill_nothing);
	assert_int_equal(fdt_reserved(base, ranges), 0);
	cells = 2;
	children = 2;
	make_users_tree(2, fill_reserved);
	assert_int_equal(fdt_reserved(base, ranges), 4);
	assert_true(ranges[1].start == 0x1000 && ranges[1].end == 0x1800);
	assert_true(ranges[2].start == 0x40000000 && ranges[2].end == 0x40000007);
	assert_true(ranges[3].start == 0x40000001 &&
		    ranges[3].end == ~0ull); /* cut off, because it would wrap */
	make_users_tree(FDT_MAX_RESERVED - 2, fill_reserved);
	assert_int_equal(fdt_reserved(base, ranges), FDT_MAX_RESERVED);
	for (unsigned i = 0; i < 2; i++) {
		make_users_tree(FDT_MAX_RESERVED - 1 + i, fill_reserved);
		assert_int_equal(fdt_reserved(base, ranges), -FDT_ERR_NOSPACE);
	}
	make_users_tree(FDT_MAX_RESERVED + 1, fill_nothing);
	assert_int_equal(fdt_reserved(base, ranges), -FDT_ERR_NOSPACE);
	for (cells = 1; cells <= 3; cells += 2) {
		make_users_tree(0, fill_reserved);
		assert_int_equal(fdt_reserved(base, ranges), -FDT_ERR_BADNCELLS);
	}
	children = 0;
	make_users_tree(1, fill_reserved);
	assert_int_equal(fdt_reserved(base, ranges), 1);
}

/* 32 of them, at the addresses and with the interrupts of `virt`. */
static void test_virtio(void **state)
{
	struct fdt_values values = { .bootargs = "" };
	char path[] = "/virtio_mmio@a000000";
	int size;

	(void)state;
	read_base();
	assert_true(fdt_build(tree, sizeof tree, base, &values) > 0);
	assert_int_equal(fdt_check_full(tree, fdt_totalsize(tree)), 0);
	for (unsigned i = 0; i < 32; i++) {
		uint32_t at = 0xa000000 + 0x200 * i;
		const fdt32_t reg[] = { 0, cpu_to_fdt32(at), 0, cpu_to_fdt32(0x200) };
		const fdt32_t interrupts[] = { 0, cpu_to_fdt32(16 + i), cpu_to_fdt32(1) };

		snprintf(path, sizeof path, "/virtio_mmio@%x", at);
		assert_memory_equal(property(path, "reg", &size), reg, sizeof reg);
		assert_int_equal(size, sizeof reg);
		assert_memory_equal(property(path, "interrupts", &size), interrupts,
				    sizeof interrupts);
		assert_int_equal(size, sizeof interrupts);
		assert_string_equal(property(path, "compatible", &size), "virtio,mmio");
		assert_non_null(property(path, "dma-coherent", &size));
	}
	assert_true(fdt_path_offset(tree, "/virtio_mmio@a004000") < 0);
}

static void test_pmu(void **state)
{
	struct fdt_values values = { .bootargs = "" };

	(void)state;
	read_base();
	assert_true(fdt_build(tree, sizeof tree, base, &values) > 0);
	assert_int_equal(fdt_path_offset(tree, "/pmu"), -FDT_ERR_NOTFOUND);
	values.has_pmu = true;
	assert_true(fdt_build(tree, sizeof tree, base, &values) > 0);
	assert_true(fdt_path_offset(tree, "/pmu") > 0);
}

/* As on `virt` with virtualization=on: the GIC's maintenance interrupt, a fifth timer, PSCI by SMC.
 * A tree of the user's stays as it is. */
static void test_el2(void **state)
{
	struct fdt_values values = { .bootargs = "", .gic = 3 };
	static const unsigned timers[] = { 13, 14, 11, 10, 12 };
	const fdt32_t *ppis;
	int size;

	(void)state;
	read_base();
	assert_true(fdt_build(tree, sizeof tree, base, &values) > 0);
	assert_string_equal(property("/psci", "method", &size), "hvc");
	property("/timer", "interrupts", &size);
	assert_int_equal(size, 4 * 12);
	values.has_el2 = true;
	assert_true(fdt_build(tree, sizeof tree, base, &values) > 0);
	assert_string_equal(property("/psci", "method", &size), "smc");
	ppis = property("/intc", "interrupts", &size);
	assert_int_equal(size, 12);
	assert_int_equal(fdt32_ld(&ppis[1]), 9);
	ppis = property("/timer", "interrupts", &size);
	assert_int_equal(size, 5 * 12);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(fdt32_ld(&ppis[3 * i + 1]), timers[i]);
	values.is_users = true;
	assert_true(fdt_build(tree, sizeof tree, base, &values) > 0);
	assert_string_equal(property("/psci", "method", &size), "hvc");
}

static void test_no_room(void **state)
{
	static char bootargs[2 * ROOM];
	struct fdt_values values = { .bootargs = bootargs };

	int used;

	(void)state;
	read_base();
	used = fdt_build(tree, sizeof tree, base, &values);
	for (size_t length = 0; length < sizeof bootargs; length += 1021) {
		int result;

		memset(bootargs, 'x', length);
		bootargs[length] = '\0';
		result = fdt_build(tree, sizeof tree, base, &values);
		if (result < 0)
			assert_int_equal(result, -FDT_ERR_NOSPACE);
		assert_int_equal(result == -FDT_ERR_NOSPACE, length + (size_t)used > sizeof tree);
	}
	values.bootargs = "";
	for (size_t room = 0; room < (size_t)used; room += 7)
		assert_int_equal(fdt_build(tree, room, base, &values), -FDT_ERR_NOSPACE);
}

static void test_broken_base(void **state)
{
	static const char garbage[64] = "not a tree";
	struct fdt_values values = { .bootargs = "" };

	(void)state;
	assert_int_equal(fdt_build(tree, sizeof tree, garbage, &values), -FDT_ERR_BADMAGIC);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),	     cmocka_unit_test(test_users_tree),
		cmocka_unit_test(test_memory_nodes), cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_pmu),	     cmocka_unit_test(test_el2),
		cmocka_unit_test(test_no_room),	     cmocka_unit_test(test_broken_base),
		cmocka_unit_test(test_virtio),
	};

	return RUN(tests);
}
