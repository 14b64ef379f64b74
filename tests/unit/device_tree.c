// SPDX-License-Identifier: MIT
/* vmm/device_tree.c: what the guest reads in the tree, for both interrupt controllers. */
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
		/* Linux numbers them as they come. */
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
		/* What was there stays, and leads somewhere. */
		assert_true(fdt_path_offset(tree, property("/chosen", "stdout-path", &size)) > 0);
	}
}

/* The user's tree keeps what it says; what we know is put in, and made if it is not there. */
static void test_users_tree(void **state)
{
	struct fdt_values values = { .memory_size = 0x400000, .bootargs = "", .is_users = true };
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

static void test_no_room(void **state)
{
	static char bootargs[2 * ROOM];
	struct fdt_values values = { .bootargs = bootargs };

	(void)state;
	read_base();
	for (size_t length = 0; length < sizeof bootargs; length += 1021) {
		int result;

		memset(bootargs, 'x', length);
		bootargs[length] = '\0';
		result = fdt_build(tree, sizeof tree, base, &values);
		if (result < 0)
			assert_int_equal(result, -FDT_ERR_NOSPACE);
		assert_int_equal(result<0, length + 2000> sizeof tree);
	}
	values.bootargs = "";
	for (size_t room = 0; room < 200; room++)
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
		cmocka_unit_test(test_values),	    cmocka_unit_test(test_users_tree),
		cmocka_unit_test(test_pmu),	    cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_broken_base),
	};

	return RUN(tests);
}
