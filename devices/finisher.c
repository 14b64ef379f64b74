// SPDX-License-Identifier: MIT
/*
 * Test finisher, with the register values of "sifive,test0" in QEMU's riscv `virt` machine.
 *
 * Who calls it: the bus, by finisher_ops. Touches only its wire. One register at offset 0: the low
 * half is the command, the high half the code of a failure. It reads 1 in a guest that was resumed
 * from a snapshot, else 0.
 */
#include "finisher.h"

#define FAIL 0x3333
#define PASS 0x5555
#define RESET 0x7777
#define SAVE 0x6666 /* not of "sifive,test0" */

static uint64_t finisher_read(void *device, uint64_t offset, unsigned size)
{
	const struct finisher *finisher = device;

	(void)size;
	return offset == 0 && finisher->is_resumed;
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
	case SAVE:
		finisher->finish(finisher->listener, FINISH_SAVE, 0);
		break;
	default: /* unknown commands have no effect */
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
