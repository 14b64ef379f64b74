// SPDX-License-Identifier: MIT
/*
 * Fuzzes the completion of the device tree: with any values, and with a buffer that is large enough
 * or too small. The result is a complete tree with these values, or a refusal; nothing behind the
 * buffer is written.
 */
#include "fuzz.h"

#include "vmm/machine/device_tree.h"

#include <libfdt.h>

extern const uint8_t bundled_dtb[];
__asm__(".section .rodata\n"
	".balign 8\n"
	".global bundled_dtb\n"
	"bundled_dtb: .incbin \"build/machine.dtb\"\n"
	".text");

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint32_t cpus[FDT_MAX_CPUS];
	struct input input = { data, size };
	struct fdt_values values = {
		.memory_base = take(&input, 8),
		.memory_size = take(&input, 8),
		.initrd_start = take(&input, 8),
		.initrd_end = take(&input, 8),
		.gic = take(&input, 1) & 1 ? 2 : 3,
		.has_pmu = take(&input, 1) & 1,
		.is_users = take(&input, 1) & 1,
		.cpu_count = (unsigned)take(&input, 1) % 32,
		.cpus = cpus,
	};
	size_t room = take(&input, 2);
	uint8_t *tree = malloc(room ? room : 1);
	char *bootargs = calloc(1, input.size + 1);
	int result;

	for (unsigned i = 0; i < values.cpu_count; i++)
		cpus[i] = i;
	for (size_t i = 0; i < input.size; i++)
		bootargs[i] = (char)(input.data[i] ? input.data[i] : ' ');
	values.bootargs = bootargs;
	values.has_fw_cfg = values.cpu_count & 1;
	result = fdt_build(tree, room, bundled_dtb, &values);
	require(result < 0 || (size_t)result <= room);
	if (result >= 0) {
		const char *found;
		int chosen;

		require(fdt_check_full(tree, (size_t)result) == 0);
		chosen = fdt_path_offset(tree, "/chosen");
		found = fdt_getprop(tree, chosen, "bootargs", NULL);
		require(found ? !strcmp(found, bootargs) : values.is_users && !*bootargs);
	} else {
		require(result == -FDT_ERR_NOSPACE);
		require(room < fdt_used(bundled_dtb) + input.size + FDT_ROOM +
				       values.cpu_count * (size_t)FDT_ROOM_PER_CPU);
	}
	free(bootargs);
	free(tree);
	return 0;
}
