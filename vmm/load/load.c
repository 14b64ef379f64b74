// SPDX-License-Identifier: MIT
/*
 * Recognises a payload's format and loads it.
 *
 * Who calls it: main and boot.c, before the guest runs. Touches guest memory.
 */
#include "load.h"

#include "crt/crt.h"
#include "vmm/machine/map.h"
#include "vmm/pages.h"
#include "vmm/report.h"

#include <sys/mman.h>

static const struct format *const formats[] = {
	&format_gzip,				  /* its contents are matched against the others */
	&format_elf, &format_image, &format_flat, /* flat is last, because it matches everything */
};

struct placement load_payload(const struct payload *payload, const struct load_target *target)
{
	bool is_unpacked = payload->backing == SCRATCH;

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (formats[i] == &format_gzip && is_unpacked)
			continue; /* what was unpacked is not unpacked again */
		if (formats[i]->matches(payload))
			return formats[i]->load(payload, target);
	}
	__builtin_trap(); /* the last one matches everything */
}

/*
 * Bytes; under user-mode emulation (--check on another machine) mapping more takes over a second.
 */
#define CHECK_MAX (64ull << 30)
/* ID_AA64MMFR0_EL1 of a CPU with both byte orders and all page sizes. */
#define EVERY_MEMORY_FEATURE (1ull << 8 | 1ull << 20)

void load_check(const struct payload *payload, uint64_t memory)
{
	struct guest_memory ram = { .base = GPA(RAM_BASE), .size = memory }, flash = { 0 };
	const struct load_target target = {
		.ram = &ram,
		.flash = &flash,
		.mmfr0 = EVERY_MEMORY_FEATURE,
	};

	if (memory > CHECK_MAX)
		return;
	/* MAP_NORESERVE, because the payload may be meant for a machine with more memory. */
	ram.host = pages_take(memory, MAP_NORESERVE, "--memory");
	load_payload(payload, &target);
}

void load_does_not_fit(const struct payload *payload, uint64_t size, gpa_t at,
		       const struct guest_memory *ram)
{
	die(STATUS_PAYLOAD,
	    "%.200s: %lu bytes at %#lx do not fit into %lu MiB of RAM at %#lx; give more --memory",
	    payload->name, size, at.address, ram->size >> 20, ram->base.address);
}
