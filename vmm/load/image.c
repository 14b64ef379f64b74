// SPDX-License-Identifier: MIT
/*
 * arm64 Image: Linux, and everything else with this header (Documentation/arch/arm64/booting.rst,
 * 4. Call the kernel image).
 *
 * Who calls it: load.c, by its table. Touches guest RAM.
 */
#include "crt/crt.h"
#include "load.h"
#include "vmm/machine/map.h"
#include "vmm/report.h"

struct header {
	uint32_t code[2];
	uint64_t text_offset; /* bytes from a 2 MiB boundary */
	uint64_t image_size;  /* bytes that it uses in RAM; 0 before Linux 3.17 */
	uint64_t flags;
	uint64_t reserved[3];
	char magic[4];
	uint32_t reserved5;
};
_Static_assert(sizeof(struct header) == 64, "as booting.rst has it");

static bool image_matches(const struct payload *payload)
{
	return payload->size >= offsetof(struct header, reserved5) &&
	       memcmp(payload->data + offsetof(struct header, magic), "ARM\x64", 4) == 0;
}

/*
 * Fields of ID_AA64MMFR0_EL1 (Arm ARM, D17.2.64); `absent` is a field's value without the feature.
 */
enum { BIG_ENDIAN_FIELD = 8, GRANULE_16_FIELD = 20, GRANULE_64_FIELD = 24, GRANULE_4_FIELD = 28 };

static const struct {
	uint64_t mask, value; /* of the header's flags */
	uint8_t field, absent;
	char needs[21];
} flags[] = {
	{ 1, 1, BIG_ENDIAN_FIELD, 0, "runs big-endian" },
	{ 6, 2, GRANULE_4_FIELD, 15, "needs pages of 4 KiB" },
	{ 6, 4, GRANULE_16_FIELD, 0, "needs pages of 16 KiB" },
	{ 6, 6, GRANULE_64_FIELD, 15, "needs pages of 64 KiB" },
};

static void check_flags(const struct payload *payload, uint64_t has, uint64_t mmfr0)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if ((has & flags[i].mask) == flags[i].value &&
		    (mmfr0 >> flags[i].field & 15) == flags[i].absent)
			die(STATUS_PAYLOAD,
			    "%.200s: %s, which this CPU cannot; build it for another, or take "
			    "another host",
			    payload->name, flags[i].needs);
}

static struct placement image_load(const struct payload *payload, const struct load_target *target)
{
	struct header header;
	uint64_t size, offset = FLAT_OFFSET;
	gpa_t start;
	void *to;

	if (payload->size < sizeof header)
		die(STATUS_PAYLOAD, "%.200s: ends within its header; was it copied to its end?",
		    payload->name);
	memcpy(&header, payload->data, sizeof header);
	check_flags(payload, header.flags, target->mmfr0);
	if (header.text_offset % sizeof(uint32_t) != 0)
		die(STATUS_PAYLOAD,
		    "%.200s: would lie at no multiple of 4, by its header; was it built right?",
		    payload->name);
	size = header.image_size;
	if (size == 0) {
		size = payload->size;
	} else {
		/* QEMU's `virt` keeps the start of RAM free for the device tree. */
		offset = header.text_offset + (header.text_offset < 4096 ? 2 << 20 : 0);
		if (size < payload->size)
			die(STATUS_PAYLOAD,
			    "%.200s: has %lu bytes, but its header says %lu; was it built or "
			    "copied to its end?",
			    payload->name, payload->size, size);
	}
	start = GPA(target->ram->base.address + offset);
	to = memory_at(target->ram, start, size);
	if (!to)
		load_does_not_fit(payload, size, start, target->ram);
	payload_put_all(payload, to);
	return (struct placement){
		.start = start,
		.end = GPA(start.address + size),
		.entry = start,
	};
}

const struct format format_image = { image_matches, image_load };
