// SPDX-License-Identifier: MIT
/*
 * Flat binary: anything without a known header. It is loaded 512 KiB above the start of RAM and
 * entered at its first byte, as on QEMU's `virt` machine.
 *
 * Who calls it: load.c, by its table. Touches guest RAM.
 */
#include "crt/crt.h"
#include "load.h"
#include "vmm/machine/map.h"
#include "vmm/report.h"

static bool flat_matches(const struct payload *payload)
{
	(void)payload;
	return true;
}

/* Files with these headers are not flat binaries, and would hang if they were entered. */
static const struct {
	char magic[4];
	uint8_t length;
	char what[31];
} others[] = {
	{ "\x1f\x8b", 2, "compressed by gzip" }, /* once more */
	{ "QFI\xfb", 4, "a qcow2 image" },
	{ "\xfd"
	  "7zX",
	  4, "compressed by xz" },
	{ "BZh", 3, "compressed by bzip2" },
	{ "\x28\xb5\x2f\xfd", 4, "compressed by zstd" },
	{ "\x02\x21\x4c\x18", 4, "compressed by lz4" },
	{ "\x04\x22\x4d\x18", 4, "compressed by lz4" },
	{ "\x27\x05\x19\x56", 4, "a U-Boot image (mkimage)" },
	{ "\xd0\x0d\xfe\xed", 4, "a device tree or FIT image" },
	{ "MZ", 2, "an EFI program or a cut Image" },
	{ "#!/", 3, "a script" },
	{ "!<ar", 4, "an archive of objects" },
};

void flat_refuse_others(const char *name, const uint8_t *data, size_t size, const char *wanted)
{
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (size >= others[i].length &&
		    memcmp(data, others[i].magic, others[i].length) == 0)
			die(STATUS_PAYLOAD, "%.200s: is %s; give what is in it: %s", name,
			    others[i].what, wanted);
}

/* Is a word possibly an A64 instruction, by the main encoding table (Arm ARM, C4.1)? Nothing is
 * allocated where bits 28 to 25 are 00x1; 0000 with bit 31 clear is UDF. */
static bool is_instruction(uint32_t word)
{
	unsigned group = word >> 25 & 0xf;

	return group != 1 && group != 3 && (group != 0 || word >> 31);
}

void flat_check_entry(const struct payload *payload)
{
	uint32_t word = 0;

	memcpy(&word, payload->data, payload->size < sizeof word ? payload->size : sizeof word);
	if (payload->size < sizeof word || !is_instruction(word))
		die(STATUS_PAYLOAD,
		    "%.200s: its first word, %#08x, is no A64 instruction; is it an arm64 "
		    "payload, and whole?",
		    payload->name, word);
}

static struct placement flat_load(const struct payload *payload, const struct load_target *target)
{
	gpa_t start = GPA(target->ram->base.address + FLAT_OFFSET);
	void *to = memory_at(target->ram, start, payload->size);

	flat_refuse_others(payload->name, payload->data, payload->size,
			   "an Image, an ELF or a flat binary");
	flat_check_entry(payload);
	if (!to)
		load_does_not_fit(payload, payload->size, start, target->ram);
	payload_put_all(payload, to);
	return (struct placement){
		.start = start,
		.end = GPA(start.address + payload->size),
		.entry = start,
	};
}

const struct format format_flat = { flat_matches, flat_load };
