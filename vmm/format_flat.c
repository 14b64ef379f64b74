// SPDX-License-Identifier: MIT
/*
 * Flat binary: what has no header. It lies 512 KiB above the start of RAM and starts at its first
 * byte, as on QEMU's `virt` machine.
 *
 * Who calls it: load.c, by its table. Touches guest RAM.
 */
#include "crt.h"
#include "load.h"
#include "map.h"
#include "report.h"

static bool flat_matches(const struct payload *payload)
{
	(void)payload;
	return true;
}

/* What is known to have a header, and would hang if it were entered at its first byte. */
static const struct {
	size_t offset;
	char magic[5];
	const char *what;
} others[] = {
	{ 0, "\177ELF", "an ELF file; make it flat with objcopy -O binary" },
	{ 56, "ARM\x64", "a Linux Image, which this version cannot start" },
};

static void refuse_others(const struct payload *payload)
{
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (payload->size >= others[i].offset + 4 &&
		    memcmp(payload->data + others[i].offset, others[i].magic, 4) == 0)
			die(STATUS_PAYLOAD, "%.200s: is %s", payload->name, others[i].what);
}

static struct placement flat_load(const struct payload *payload, const struct guest_memory *memory)
{
	gpa_t start = GPA(memory->base.address + FLAT_OFFSET);
	void *to = memory_at(memory, start, payload->size);

	refuse_others(payload);
	if (!to)
		die(STATUS_PAYLOAD,
		    "%.200s: %lu bytes at %#lx do not fit into %lu MiB of RAM; give more --memory",
		    payload->name, payload->size, start.address, memory->size >> 20);
	memcpy(to, payload->data, payload->size);
	return (struct placement){
		.start = start,
		.end = GPA(start.address + payload->size),
		.entry = start,
	};
}

const struct format format_flat = {
	.name = "flat binary",
	.matches = flat_matches,
	.load = flat_load,
};
