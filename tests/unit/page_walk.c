// SPDX-License-Identifier: MIT
/* vmm/machine/page_walk.c with page tables of every granule, valid and hostile. */
#include "unit.h"

#include "vmm/machine/page_walk.h"

#include <string.h>

#define BASE 0x40000000ull
#define SIZE 0x100000ull

static uint64_t ram[SIZE / 8];
static const struct guest_memory memory = { .size = SIZE, .base = { BASE } };

void *memory_at(const struct guest_memory *of, gpa_t at, uint64_t length)
{
	uint64_t offset = at.address - of->base.address;

	return offset > of->size || length > of->size - offset ? NULL : (char *)ram + offset;
}

static bool is_big_endian; /* tables */

/* Entry `index` of the table at this offset of RAM. */
static void entry(uint64_t table, unsigned index, uint64_t value)
{
	ram[table / 8 + index] = is_big_endian ? __builtin_bswap64(value) : value;
}

#define TABLE_AT(offset) ((BASE + (offset)) | 3)
#define ATTRIBUTES 0x0060000000000400ull

static uint64_t walked(const struct translation *regime, uint64_t address)
{
	gpa_t at;

	return walk(regime, &memory, address, &at) ? at.address : ~0ull;
}

static int empty(void **state)
{
	(void)state;
	memset(ram, 0, sizeof ram);
	return 0;
}

static void test_off(void **state)
{
	struct translation regime = { 0 };

	(void)state;
	assert_int_equal(walked(&regime, 0x40081234), 0x40081234);
}

/* 4 KiB pages, 39 bits: three levels, a block at each of the upper two, TTBR0 and TTBR1. */
static void test_4k(void **state)
{
	struct translation regime = {
		.sctlr = 1,
		.tcr = 25 | 25 << 16 | 2ull << 30,
		.ttbr0 = BASE,
		.ttbr1 = (BASE + 0x1000) | 7ull << 48, /* with an ASID */
	};

	(void)state;
	entry(0, 1, 0x80000000 | 1 | ATTRIBUTES);
	entry(0x1000, 511, TABLE_AT(0x2000));
	entry(0x2000, 3, 0x40600000 | 1 | ATTRIBUTES);
	entry(0x2000, 4, TABLE_AT(0x3000));
	entry(0x3000, 5, 0x40abc000 | 3 | ATTRIBUTES);
	entry(0x3000, 6, 0x40abc000 | 1); /* reserved */
	assert_int_equal(walked(&regime, 0x40012345), 0x80012345);
	assert_int_equal(walked(&regime, 0xffffffffc0600000 + 0x12345), 0x40612345);
	assert_int_equal(walked(&regime, 0xffffffffc0805678), 0x40abc678);
	assert_int_equal(walked(&regime, 0xffffffffc0806000), ~0ull);
	assert_int_equal(walked(&regime, 0xffffffffc0807000), ~0ull);
	assert_int_equal(walked(&regime, 0), ~0ull);
}

/* SCTLR_EL1.EE: the same, with entries in the other byte order. */
static void test_big_endian(void **state)
{
	struct translation regime = { .sctlr = 1 | 1 << 25, .tcr = 25, .ttbr0 = BASE };

	(void)state;
	is_big_endian = true;
	entry(0, 1, TABLE_AT(0x1000));
	entry(0x1000, 3, 0x40600000 | 1 | ATTRIBUTES);
	is_big_endian = false;
	assert_int_equal(walked(&regime, 0x40612345), 0x40612345);
	assert_int_equal(walked(&regime, 0x40812345), ~0ull);
}

/* 48 bits in four levels of 4 KiB, in three of 64 KiB, in four of 16 KiB; 52 bits likewise. */
static void test_granules(void **state)
{
	static const struct {
		unsigned tsz, tg0, page, levels;
	} rows[] = { { 16, 0, 12, 4 }, { 16, 1, 16, 3 }, { 16, 2, 14, 4 },
		     { 12, 0, 12, 5 }, { 12, 1, 16, 3 }, { 12, 2, 14, 4 } };

	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct translation regime = { .sctlr = 1,
					      .tcr = rows[i].tsz | rows[i].tg0 << 14,
					      .ttbr0 = BASE };
		uint64_t page = 1ull << rows[i].page;
		uint64_t address = 0;

		empty(state);
		/* Index 1 at every level. */
		for (unsigned level = 0; level < rows[i].levels; level++) {
			unsigned shift =
				rows[i].page + (rows[i].page - 3) * (rows[i].levels - 1 - level);

			address |= 1ull << shift;
			entry(level * page, 1,
			      level == rows[i].levels - 1 ? 0x50000000 | 3
							  : TABLE_AT((level + 1) * page));
		}
		assert_int_equal(walked(&regime, address + 0xabc), 0x50000abc);
		assert_int_equal(walked(&regime, address + page), ~0ull);
	}
}

/*
 * The guest of a guest: what its tables give, and where they are, is translated once more. Stage 2
 * has 40 bits of addresses, so that its first table is two for pages of 4 KiB, and one that is not
 * full for 16 and 64 KiB.
 */
static void test_two_stages(void **state)
{
	static const struct {
		unsigned tg0, page, sl0, levels;
	} rows[] = { { 0, 12, 1, 3 }, { 1, 16, 1, 2 }, { 2, 14, 2, 3 } };

	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned stride = rows[i].page - 3;
		uint64_t page = 1ull << rows[i].page;
		uint64_t ipa = 1ull << 39;
		struct translation stage2 = { .sctlr = 1,
					      .tcr = 24 | rows[i].sl0 << 6 | rows[i].tg0 << 14,
					      .ttbr0 = BASE | 1ull << 48, /* with a VMID */
					      .is_stage2 = true };
		struct translation stage1 = { .tcr = 25, .ttbr0 = ipa, .next = &stage2 };
		unsigned shift = rows[i].page + stride * (rows[i].levels - 1);
		uint64_t table = 0;

		empty(state);
		for (; shift > rows[i].page; shift -= stride) {
			uint64_t next = table + 2 * page;

			entry(table, ipa >> shift & (table ? page / 8 - 1 : -1ul), TABLE_AT(next));
			table = next;
		}
		entry(table, 0, (BASE + 0xe0000) | 3);
		entry(table, 1, (BASE + 0xf0000) | 3);
		/* Stage 1 is off. */
		assert_int_equal(walked(&stage1, ipa + page + 0x678), BASE + 0xf0678);
		assert_int_equal(walked(&stage1, ipa + 2 * page), ~0ull);
		assert_int_equal(walked(&stage1, 0x678), ~0ull);
		/* Its table is the first of the two pages, and has the second as a block. */
		stage1.sctlr = 1;
		entry(0xe0000, 0, ipa | 1);
		assert_int_equal(walked(&stage1, page + 0x678), BASE + 0xf0678);
		assert_int_equal(walked(&stage1, 2 * page), ~0ull);
		stage1.ttbr0 = ipa + 2 * page;
		assert_int_equal(walked(&stage1, page), ~0ull);
		/* Stage 2 is off. */
		stage2.sctlr = 0;
		stage1.ttbr0 = BASE + 0xe0000;
		assert_int_equal(walked(&stage1, page + 0x678), ipa + page + 0x678);
	}
}

/* Tables outside RAM, a table that is its own next level, and invalid sizes. */
static void test_hostile(void **state)
{
	struct translation regime = { .sctlr = 1, .tcr = 16, .ttbr0 = BASE + SIZE };

	(void)state;
	assert_int_equal(walked(&regime, 0), ~0ull);
	regime.ttbr0 = BASE;
	entry(0, 0, TABLE_AT(0));
	assert_int_equal(walked(&regime, 0), BASE);
	entry(0, 0, 0xfffffffff003);
	assert_int_equal(walked(&regime, 0), ~0ull);
	for (unsigned tsz = 0; tsz < 64; tsz++)
		for (unsigned tg0 = 0; tg0 < 4; tg0++) {
			regime.tcr = tsz | tg0 << 14;
			walked(&regime, 0x7fffffffffffff);
			for (unsigned sl0 = 0; sl0 < 4; sl0++) {
				struct translation stage2 = { .sctlr = 1,
							      .tcr = regime.tcr | sl0 << 6,
							      .ttbr0 = BASE,
							      .is_stage2 = true };

				walked(&stage2, 0x7fffffffffffff);
			}
		}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_off, empty),
		cmocka_unit_test_setup(test_4k, empty),
		cmocka_unit_test_setup(test_big_endian, empty),
		cmocka_unit_test_setup(test_granules, empty),
		cmocka_unit_test_setup(test_two_stages, empty),
		cmocka_unit_test_setup(test_hostile, empty),
	};

	return RUN(tests);
}
