// SPDX-License-Identifier: MIT
/* vmm/snapshot/format.c: what was written is read, and of what was changed nothing is trusted. */
#include "unit.h"

#include "vmm/machine/map.h"
#include "vmm/snapshot/format.h"

#include <stdlib.h>
#include <string.h>

#define MIB (1ull << 20)
#define ROOM 8192
#define RAM_AT SNAPSHOT_ALIGN /* in the file */

static const struct snapshot_extent good = { RAM_BASE + MIB, 2 * SNAPSHOT_ALIGN, RAM_AT };
static const uint64_t file_size = RAM_AT + 2 * SNAPSHOT_ALIGN;

static _Alignas(uint64_t) uint8_t bytes[ROOM];

/* A snapshot with these extents. Returns the size of its state. */
static uint64_t make(const struct snapshot_extent *extents, unsigned count)
{
	struct snapshot_writer writer;
	struct snapshot_shape *shape;

	snapshot_begin(&writer, bytes, sizeof bytes);
	shape = snapshot_add(&writer, SNAPSHOT_SHAPE, 0, 0, sizeof *shape);
	shape->memory = 4 * MIB;
	shape->cpus = 1;
	shape->gic = 2;
	memcpy(snapshot_add(&writer, SNAPSHOT_KVM, 3, 0x1234, 5), "hello", 5);
	for (unsigned i = 0; i < count; i++)
		memcpy(snapshot_add(&writer, SNAPSHOT_EXTENT, 0, 0, sizeof *extents), &extents[i],
		       sizeof *extents);
	snapshot_finish(&writer, file_size, 42);
	return writer.used;
}

/* As resume.c does it, with a copy of just these bytes, so that a sanitizer sees what is read
 * beyond. */
static const char *check(const uint8_t *from, uint64_t size)
{
	uint64_t state = snapshot_state_size(from, size);
	const char *wrong = "no header";
	uint8_t *copy;

	if (!snapshot_matches(from, size))
		return "no snapshot";
	if (!state)
		return wrong;
	copy = malloc(state);
	memcpy(copy, from, state);
	wrong = snapshot_check(copy, size);
	if (!wrong)
		for (const struct snapshot_entry *entry = NULL;
		     (entry = snapshot_next(copy, entry));)
			assert_true((const uint8_t *)snapshot_bytes(entry) + entry->size <=
				    copy + state);
	free(copy);
	return wrong;
}

static void is_read_as_written(void **unused)
{
	const struct snapshot_entry *entry;
	struct snapshot_extent extent;

	(void)unused;
	make(&good, 1);
	assert_true(snapshot_matches(bytes, sizeof bytes));
	assert_null(snapshot_check(bytes, file_size));
	assert_int_equal(snapshot_shape_of(bytes)->memory, 4 * MIB);
	entry = snapshot_next(bytes, snapshot_next(bytes, NULL));
	assert_int_equal(entry->kind, SNAPSHOT_KVM);
	assert_int_equal(entry->index, 3);
	assert_int_equal(entry->id, 0x1234);
	assert_int_equal(entry->size, 5);
	assert_memory_equal(snapshot_bytes(entry), "hello", 5);
	entry = snapshot_next(bytes, entry);
	memcpy(&extent, snapshot_bytes(entry), sizeof extent);
	assert_memory_equal(&extent, &good, sizeof good);
	assert_null(snapshot_next(bytes, entry));
}

/* A file of the whole size; what lies behind the state has no part in this checksum. */
static uint8_t *make_file(uint64_t *state)
{
	uint8_t *file = calloc(1, file_size);

	*state = make(&good, 1);
	memcpy(file, bytes, *state);
	return file;
}

static void a_flipped_bit_is_found(void **unused)
{
	uint64_t state;
	uint8_t *file = make_file(&state);

	(void)unused;
	assert_null(check(file, file_size));
	for (uint64_t bit = 0; bit < state * 8; bit++) {
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_non_null(check(file, file_size));
		/* It is never taken for something else. */
		assert_true(snapshot_matches(file, file_size));
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_null(check(file, file_size));
	free(file);
}

static void a_cut_file_is_found(void **unused)
{
	uint64_t state;
	uint8_t *file = make_file(&state);

	(void)unused;
	for (uint64_t size = 0; size < file_size; size += size < state + 16 ? 1 : 4093) {
		uint8_t *cut = malloc(size ? size : 1);

		memcpy(cut, file, size);
		assert_non_null(check(cut, size));
		/* What is shorter than a word is no flat binary either. */
		assert_true(size < 4 || snapshot_matches(cut, size));
		free(cut);
	}
	assert_non_null(check(file, file_size + 1));
	free(file);
}

/* Whoever makes one can make the checksum, too. */
static void sign(uint64_t state)
{
	struct snapshot_header *header = (struct snapshot_header *)bytes;

	header->checksum = 0;
	header->checksum = snapshot_checksum(0, bytes, state);
}

static void a_newer_version_is_refused_by_name(void **unused)
{
	uint64_t state = make(&good, 1);

	(void)unused;
	((struct snapshot_header *)bytes)->version++;
	sign(state);
	assert_non_null(strstr(snapshot_check(bytes, file_size), "newer version"));
}

static void extents_lie_where_there_is_memory(void **unused)
{
	const struct {
		struct snapshot_extent extent;
		bool is_good;
	} cases[] = {
		{ { RAM_BASE, SNAPSHOT_ALIGN, RAM_AT }, true },
		{ { RAM_BASE + 4 * MIB - SNAPSHOT_ALIGN, SNAPSHOT_ALIGN, RAM_AT }, true },
		{ { FLASH_BASE, SNAPSHOT_ALIGN, RAM_AT }, true },
		{ { FLASH_BASE + FLASH_SIZE - SNAPSHOT_ALIGN, SNAPSHOT_ALIGN, RAM_AT }, true },
		/* nothing; not aligned */
		{ { RAM_BASE, 0, RAM_AT }, false },
		{ { RAM_BASE + 4096, SNAPSHOT_ALIGN, RAM_AT }, false },
		{ { RAM_BASE, 4096, RAM_AT }, false },
		{ { RAM_BASE, SNAPSHOT_ALIGN, RAM_AT + 4096 }, false },
		/* beyond what there is */
		{ { RAM_BASE + 4 * MIB, SNAPSHOT_ALIGN, RAM_AT }, false },
		{ { RAM_BASE + 4 * MIB - SNAPSHOT_ALIGN, 2 * SNAPSHOT_ALIGN, RAM_AT }, false },
		{ { RAM_BASE, -SNAPSHOT_ALIGN, RAM_AT }, false },
		{ { RAM_BASE - SNAPSHOT_ALIGN, 2 * SNAPSHOT_ALIGN, RAM_AT }, false },
		{ { -SNAPSHOT_ALIGN, SNAPSHOT_ALIGN, RAM_AT }, false },
		{ { FLASH_BASE + FLASH_SIZE, SNAPSHOT_ALIGN, RAM_AT }, false },
		/* of the file */
		{ { RAM_BASE, SNAPSHOT_ALIGN, 0 }, false },
		{ { RAM_BASE, SNAPSHOT_ALIGN, RAM_AT + 2 * SNAPSHOT_ALIGN }, false },
		{ { RAM_BASE, 4 * SNAPSHOT_ALIGN, RAM_AT }, false },
		{ { RAM_BASE, SNAPSHOT_ALIGN, -SNAPSHOT_ALIGN }, false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		make(&cases[i].extent, 1);
		assert_int_equal(snapshot_check(bytes, file_size) == NULL, cases[i].is_good);
	}
}

/* A disk is whole in the file; which one it is, and how large that is, the resume compares. */
static void disks_lie_in_the_file(void **unused)
{
	static const struct {
		struct snapshot_extent extent;
		bool is_good;
	} cases[] = {
		{ { 0, SNAPSHOT_ALIGN, RAM_AT }, true },
		{ { 0, 2 * SNAPSHOT_ALIGN, RAM_AT }, true },
		{ { 0, 0, RAM_AT }, false },
		{ { 0, 512, RAM_AT }, false },
		{ { 0, SNAPSHOT_ALIGN, RAM_AT + 512 }, false },
		{ { 0, SNAPSHOT_ALIGN, 0 }, false },
		{ { 0, 3 * SNAPSHOT_ALIGN, RAM_AT }, false },
		{ { 0, SNAPSHOT_ALIGN, 3 * RAM_AT }, false },
		{ { 0, -SNAPSHOT_ALIGN, RAM_AT }, false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t state = make(&cases[i].extent, 1);
		struct snapshot_entry *entry =
			(struct snapshot_entry *)(bytes + state - sizeof *entry -
						  sizeof cases[i].extent);

		entry->kind = i % 2 ? SNAPSHOT_DISK : SNAPSHOT_FW_CFG;
		sign(state);
		assert_int_equal(snapshot_check(bytes, file_size) == NULL, cases[i].is_good);
	}
}

static void a_machine_is_one_that_can_be(void **unused)
{
	static const struct {
		uint64_t memory;
		uint32_t cpus, gic;
	} bad[] = {
		{ 0, 1, 2 },	      { MIB, 1, 2 },
		{ 1ull << 63, 1, 2 }, { 4 * MIB + 4096, 1, 2 },
		{ 4 * MIB, 0, 2 },    { 4 * MIB, 513, 2 },
		{ 4 * MIB, 1, 1 },    { 4 * MIB, 1, 4 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		uint64_t state = make(&good, 1);
		struct snapshot_shape *shape =
			(struct snapshot_shape *)(uintptr_t)snapshot_shape_of(bytes);

		shape->memory = bad[i].memory;
		shape->cpus = bad[i].cpus;
		shape->gic = bad[i].gic;
		sign(state);
		assert_non_null(strstr(snapshot_check(bytes, file_size), "machine"));
	}
}

static void there_are_not_too_many_extents(void **unused)
{
	struct snapshot_extent many[SNAPSHOT_EXTENTS + 1];

	(void)unused;
	for (unsigned i = 0; i <= SNAPSHOT_EXTENTS; i++)
		many[i] = good;
	make(many, SNAPSHOT_EXTENTS);
	assert_null(snapshot_check(bytes, file_size));
	make(many, SNAPSHOT_EXTENTS + 1);
	assert_non_null(snapshot_check(bytes, file_size));
}

/* Every word of the state with every kind of value in it, signed: refused or read, never beyond. */
static void entries_may_be_anything(void **unused)
{
	static const uint32_t values[] = { 0, 1, 7, 8, 24, 25, 0x7fffffff, 0xfffffff8, 0xffffffff };
	uint64_t state = make(&good, 1);

	(void)unused;
	for (uint64_t at = sizeof(struct snapshot_header); at + 4 <= state; at += 4) {
		for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
			uint8_t *file = malloc(state);

			make(&good, 1);
			memcpy(bytes + at, &values[i], sizeof values[i]);
			sign(state);
			memcpy(file, bytes, state);
			if (!snapshot_check(file, file_size)) {
				const struct snapshot_entry *entry = NULL;

				while ((entry = snapshot_next(file, entry)))
					snapshot_checksum(0, snapshot_bytes(entry),
							  entry->size & ~7u);
			}
			free(file);
		}
	}
}

static void the_first_entry_is_the_shape(void **unused)
{
	struct snapshot_writer writer;

	(void)unused;
	snapshot_begin(&writer, bytes, sizeof bytes);
	snapshot_finish(&writer, file_size, 0);
	assert_non_null(snapshot_check(bytes, file_size));
	snapshot_begin(&writer, bytes, sizeof bytes);
	snapshot_add(&writer, SNAPSHOT_KVM, 0, 0, sizeof(struct snapshot_shape));
	snapshot_finish(&writer, file_size, 0);
	assert_non_null(snapshot_check(bytes, file_size));
	snapshot_begin(&writer, bytes, sizeof bytes);
	snapshot_add(&writer, SNAPSHOT_SHAPE, 0, 0, sizeof(struct snapshot_shape) - 8);
	snapshot_finish(&writer, file_size, 0);
	assert_non_null(snapshot_check(bytes, file_size));
}

/* The checksum of a page tells one address from another, and one bit from none. */
static void a_page_has_a_checksum_of_its_own(void **unused)
{
	static _Alignas(uint64_t) uint8_t page[SNAPSHOT_PAGE];
	uint64_t before;

	(void)unused;
	assert_int_equal(snapshot_page_checksum(RAM_BASE, page), 0);
	assert_int_equal(snapshot_page_checksum(FLASH_BASE, page), 0);
	page[SNAPSHOT_PAGE - 1] = 0x80;
	before = snapshot_page_checksum(RAM_BASE, page);
	assert_int_not_equal(before, 0);
	assert_int_not_equal(before, snapshot_page_checksum(RAM_BASE + SNAPSHOT_PAGE, page));
	assert_int_not_equal(snapshot_page_checksum(FLASH_BASE, page), 0);
	for (size_t bit = 0; bit < 8 * sizeof page; bit++) {
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(snapshot_page_checksum(RAM_BASE, page), before);
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_read_as_written),
		cmocka_unit_test(a_flipped_bit_is_found),
		cmocka_unit_test(a_cut_file_is_found),
		cmocka_unit_test(a_newer_version_is_refused_by_name),
		cmocka_unit_test(extents_lie_where_there_is_memory),
		cmocka_unit_test(a_machine_is_one_that_can_be),
		cmocka_unit_test(disks_lie_in_the_file),
		cmocka_unit_test(there_are_not_too_many_extents),
		cmocka_unit_test(entries_may_be_anything),
		cmocka_unit_test(the_first_entry_is_the_shape),
		cmocka_unit_test(a_page_has_a_checksum_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
