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

static struct half choose_half(const struct translation *regime, uint64_t address)
{
	static const uint8_t tg0[] = { 12, 16, 14,
				       12 }; /* TCR_EL1.TG0, TG1; 3 and 0 are reserved */
	static const uint8_t tg1[] = { 12, 14, 12, 16 };

	if (address >> 55 & 1)
		return (struct half){ tg1[regime->tcr >> 30 & 3], 64 - (regime->tcr >> 16 & 63),
				      regime->ttbr1 };
	return (struct half){ tg0[regime->tcr >> 14 & 3], 64 - (regime->tcr & 63), regime->ttbr0 };
}

static uint64_t low_bits(unsigned count)
{
	return (1ull << count) - 1;
}

bool walk(const struct translation *regime, const struct guest_memory *memory, uint64_t address,
	  gpa_t *at)
{
	struct half half = choose_half(regime, address);
	unsigned stride = half.page - 3; /* index bits per level: a table fills a page */
	uint64_t table = half.root & OUTPUT;
	unsigned shift = half.page; /* bits below this level's index */

	*at = GPA(address);
	if (!(regime->sctlr & SCTLR_M))
		return true;
	if (half.bits > MAX_BITS || half.bits <= half.page)
		return false;
	while (shift + stride < half.bits)
		shift += stride;
	for (unsigned bits = half.bits - shift;; bits = stride, shift -= stride) {
		uint64_t index = address >> shift & low_bits(bits);
		const uint64_t *at_entry =
			memory_at(memory, GPA(table + index * 8), sizeof *at_entry);
		uint64_t entry = at_entry ? *at_entry : 0;

		if (regime->sctlr & SCTLR_EE)
			entry = __builtin_bswap64(entry);
		if (!(entry & VALID) || (shift == half.page && !(entry & TABLE)))
			return false;
		if (shift == half.page || !(entry & TABLE)) {
			*at = GPA((entry & OUTPUT & ~low_bits(shift)) |
				  (address & low_bits(shift)));
			return true;
		}
		table = entry & OUTPUT & ~low_bits(half.page);
	}
}
