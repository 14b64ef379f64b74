// SPDX-License-Identifier: MIT
/* Walks the guest's page tables. Who calls it: inspect.c. Reads guest RAM. */
#include "page_walk.h"

#include "crt/crt.h"

#define SCTLR_M 1
#define SCTLR_EE (1u << 25) /* tables are big-endian */
#define VALID 1
#define TABLE 2 /* table at levels 0 to 2, page at level 3 */
#define MAX_BITS                                                                                   \
	52 /* of an address, with FEAT_LPA2 or FEAT_LVA; of a table's or page's, RAM needs 48 */
#define OUTPUT 0x0000fffffffff000ull

/* Translation of the TTBR0 or TTBR1 range: log2 of the page size, address bits, and table base. */
struct half {
	unsigned page, bits;
	uint64_t root;
};

static struct half choose_half(const struct translation *stage, uint64_t address)
{
	static const uint8_t tg0[] = { 12, 16, 14,
				       12 }; /* TCR_EL1.TG0, TG1; 3 and 0 are reserved */
	static const uint8_t tg1[] = { 12, 14, 12, 16 };

	if (address >> 55 & 1)
		return (struct half){ tg1[stage->tcr >> 30 & 3], 64 - (stage->tcr >> 16 & 63),
				      stage->ttbr1 };
	return (struct half){ tg0[stage->tcr >> 14 & 3], 64 - (stage->tcr & 63), stage->ttbr0 };
}

static uint64_t low_bits(unsigned count)
{
	return (1ull << count) - 1;
}

/* The bits below the index of the first table. */
static unsigned first_shift(const struct translation *stage, struct half half)
{
	unsigned stride = half.page - 3;
	unsigned shift = half.page;

	/* VTCR_EL2.SL0, for several tables may be one behind the other: the start is a level lower
	 * then. */
	if (stage->is_stage2)
		return shift + stride * ((stage->tcr >> 6 & 3) + (half.page == 12));
	while (shift + stride < half.bits)
		shift += stride;
	return shift;
}

bool walk(const struct translation *stage, const struct guest_memory *memory, uint64_t address,
	  gpa_t *at)
{
	struct half half;
	unsigned shift;	 /* bits below this level's index */
	unsigned stride; /* index bits per level: a table fills a page */
	uint64_t table;

	*at = GPA(address);
	if (!stage)
		return true;
	if (!(stage->sctlr & SCTLR_M))
		return walk(stage->next, memory, address, at);
	half = choose_half(stage, address);
	shift = first_shift(stage, half);
	stride = half.page - 3;
	table = half.root & OUTPUT;
	if (half.bits > MAX_BITS || half.bits <= shift)
		return false;
	for (unsigned bits = half.bits - shift;; bits = stride, shift -= stride) {
		uint64_t index = address >> shift & low_bits(bits);
		const uint64_t *at_entry;
		uint64_t entry;

		if (!walk(stage->next, memory, table + index * 8, at) ||
		    !(at_entry = memory_at(memory, *at, sizeof *at_entry)))
			return false;
		entry = *at_entry;
		if (stage->sctlr & SCTLR_EE)
			entry = __builtin_bswap64(entry);
		if (!(entry & VALID) || (shift == half.page && !(entry & TABLE)))
			return false;
		if (shift == half.page || !(entry & TABLE))
			return walk(stage->next, memory,
				    (entry & OUTPUT & ~low_bits(shift)) |
					    (address & low_bits(shift)),
				    at);
		table = entry & OUTPUT & ~low_bits(half.page);
	}
}
