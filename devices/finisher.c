// SPDX-License-Identifier: MIT
/*
 * Test finisher, with the values of the device "sifive,test0" as QEMU's riscv `virt` machine has
 * it.
 *
 * Who calls it: the bus, by finisher_ops. Touches nothing but its wire.
 * One register at offset 0: the low half says how, the high half is the code of a failure.
 */
#include "finisher.h"

#define FAIL 0x3333
#define PASS 0x5555
#define RESET 0x7777

static uint64_t finisher_read(void *device, uint64_t offset, unsigned size)
{
	(void)device, (void)offset, (void)size;
	return 0;
}

static void finisher_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct finisher *finisher = device;

	(void)size;
	if (offset != 0)
		return;
	switch (value & 0xffff) {
	case FAIL:
		finisher->finish(finisher->listener, FINISH_FAIL, (uint16_t)(value >> 16));
		break;
	case PASS:
		finisher->finish(finisher->listener, FINISH_PASS, 0);
		break;
	case RESET:
		finisher->finish(finisher->listener, FINISH_RESET, 0);
		break;
	default: /* no command, no effect */
		break;
	}
}

static void finisher_reset(void *device)
{
	(void)device; /* no state */
}

static const struct field fields[] = { { .name = NULL } }; /* no state */

static bool finisher_loaded(void *device)
{
	(void)device;
	return true;
}

static const struct register_name names[] = {
	{ .offset = 0, .name = "FINISH" },
	{ .name = NULL },
};

const struct device_ops finisher_ops = {
	.name = "finisher",
	.read = finisher_read,
	.write = finisher_write,
	.reset = finisher_reset,
	.fields = fields,
	.loaded = finisher_loaded,
	.registers = names,
};
