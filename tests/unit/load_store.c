// SPDX-License-Identifier: MIT
/*
 * vmm/machine/load_store.c against binutils' disassembler: all values of the fields that select an
 * encoding, over the whole of A64, and all values of each operand.
 */
#include "unit.h"

#include "vmm/machine/load_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef OBJDUMP /* for the checkers */
#define OBJDUMP "objdump"
#endif

static uint32_t words[1 << 20];
static size_t word_count;

static void add(uint32_t word)
{
	assert_true(word_count < sizeof words / sizeof *words);
	words[word_count++] = word;
}

static uint32_t random_word(void)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(state >> 32);
}

#define SELECTORS 0xffe0fc00 /* bits 31:21 and 15:10 */

/* With random registers, and with those of which all bits are ones: some encodings want these. */
static void add_all_selectors(void)
{
	for (uint32_t high = 0; high < 1 << 11; high++)
		for (uint32_t low = 0; low < 1 << 6; low++) {
			uint32_t selectors = high << 21 | low << 10;

			add(selectors | (random_word() & ~SELECTORS));
			add(selectors | (random_word() & 0x3ff) | 0x001f0000);
		}
}

/* The fields at bits 0, 5, 10 and 16, and those that are wider, with all others as they are. */
static void add_all_operands(uint32_t word)
{
	static const struct {
		unsigned low, count;
	} fields[] = { { 0, 5 }, { 5, 5 }, { 10, 5 }, { 16, 5 }, { 10, 12 }, { 12, 9 }, { 15, 7 } };

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		uint32_t mask = ((1u << fields[i].count) - 1) << fields[i].low;

		for (uint32_t value = 0; value < 1u << fields[i].count; value++)
			add((word & ~mask) | value << fields[i].low);
	}
}

/* ---- the disassembler ---- */

static FILE *disassemble(void)
{
	char name[] = "/tmp/load_store-XXXXXX", command[200];
	int fd = mkstemp(name);
	FILE *file = fdopen(fd, "wb"), *output;

	assert_non_null(file);
	assert_int_equal(fwrite(words, sizeof *words, word_count, file), word_count);
	fclose(file);
	/* The shell has the file open before its name is removed. */
	snprintf(command, sizeof command, OBJDUMP " -D -z -b binary -m aarch64 %s && rm %s", name,
		 name);
	output = popen(command, "r"); /* NOLINT(cert-env33-c) */
	assert_non_null(output);
	return output;
}

/* Its mnemonics of loads and stores that are decoded; a size of 0 is that of the register. */
static const struct mnemonic {
	const char *name;
	bool is_load, is_signed;
	uint8_t size, count;
} mnemonics[] = {
#define LOADS(name)                                                                                \
	{ name, true, false, 0, 1 }, { name "b", true, false, 1, 1 },                              \
	{                                                                                          \
		name "h", true, false, 2, 1                                                        \
	}
#define SIGNED_LOADS(name)                                                                         \
	{ name "sb", true, true, 1, 1 }, { name "sh", true, true, 2, 1 },                          \
	{                                                                                          \
		name "sw", true, true, 4, 1                                                        \
	}
#define STORES(name)                                                                               \
	{ name, false, false, 0, 1 }, { name "b", false, false, 1, 1 },                            \
	{                                                                                          \
		name "h", false, false, 2, 1                                                       \
	}
	LOADS("ldr"),
	SIGNED_LOADS("ldr"),
	STORES("str"),
	LOADS("ldur"),
	SIGNED_LOADS("ldur"),
	STORES("stur"),
	LOADS("ldtr"),
	SIGNED_LOADS("ldtr"),
	STORES("sttr"),
	LOADS("ldapur"),
	SIGNED_LOADS("ldapur"),
	STORES("stlur"),
	LOADS("ldar"),
	LOADS("ldlar"),
	LOADS("ldapr"),
	STORES("stlr"),
	STORES("stllr"),
	{ "ldp", true, false, 0, 2 },
	{ "ldnp", true, false, 0, 2 },
	{ "ldpsw", true, true, 4, 2 },
	{ "stp", false, false, 0, 2 },
	{ "stnp", false, false, 0, 2 },
};

/* Reads a register's name: its number, and its size in bytes. False if it is none. */
static bool take_register(const char **text, unsigned *number, unsigned *size, bool *is_vector)
{
	static const char names[] = "bhsdqwx";
	static const uint8_t sizes[] = { 1, 2, 4, 8, 16, 4, 8 };
	const char *kind = strchr(names, **text);
	char *end;

	if (!strncmp(*text, "sp", 2)) {
		*number = 31;
		*size = 8;
		*is_vector = false;
		*text += 2;
		return true;
	}
	if (!**text || !kind)
		return false;
	*size = sizes[kind - names];
	*is_vector = kind - names < 5;
	if (!strncmp(*text + 1, "zr", 2)) {
		*number = 31;
		*text += 3;
		return true;
	}
	*number = (unsigned)strtoul(*text + 1, &end, 10);
	if (end == *text + 1)
		return false;
	*text = end;
	return true;
}

static bool take_text(const char **text, const char *what)
{
	if (strncmp(*text, what, strlen(what)) != 0)
		return false;
	*text += strlen(what);
	return true;
}

static int32_t take_number(const char **text)
{
	char *end;
	long number = strtol(*text, &end, 0);

	assert_true(end != *text);
	*text = end;
	return (int32_t)number;
}

/* Behind the index register: ", uxtw #2" and the like. */
static void take_extend(const char **text, struct load_store *access)
{
	static const char *const extends[] = {
		[2] = ", uxtw", [3] = ", lsl", [6] = ", sxtw", [7] = ", sxtx"
	};

	access->extend = 3;
	for (unsigned i = 0; i < 8; i++)
		if (extends[i] && take_text(text, extends[i]))
			access->extend = (uint8_t)i;
	if (take_text(text, " #"))
		access->shift = (uint8_t)take_number(text);
}

/* "[x2], #4" and its like. False if it is something else, such as the address of a literal. */
static bool take_address(const char **text, struct load_store *access)
{
	unsigned number, size;
	bool is_vector;

	if (!take_text(text, "[") || !take_register(text, &number, &size, &is_vector))
		return false;
	access->base = (uint8_t)number;
	if (take_text(text, ", #")) {
		access->offset = take_number(text);
	} else if (take_text(text, ", ")) {
		assert_true(take_register(text, &number, &size, &is_vector));
		access->has_index = true;
		access->index = (uint8_t)number;
		take_extend(text, access);
	}
	assert_true(take_text(text, "]"));
	if (take_text(text, "!"))
		access->writes_back = true;
	if (take_text(text, ", #")) {
		access->writes_back = access->is_post = true;
		access->offset = take_number(text);
	}
	return true;
}

/* What a line says. False if it is none of the loads and stores above. */
static bool parse(const char *text, struct load_store *access)
{
	const struct mnemonic *row = mnemonics;
	size_t length = strcspn(text, "\t ");

	while (strlen(row->name) != length || strncmp(row->name, text, length) != 0)
		if (++row == mnemonics + sizeof mnemonics / sizeof *mnemonics)
			return false;
	text += length + strspn(text + length, "\t ");
	*access = (struct load_store){ .is_load = row->is_load,
				       .is_signed = row->is_signed,
				       .count = row->count };
	for (unsigned i = 0; i < row->count; i++) {
		unsigned number, size;

		if (!take_register(&text, &number, &size, &access->is_vector) ||
		    !take_text(&text, ", "))
			return false;
		access->target[i] = (uint8_t)number;
		access->size = row->size ? row->size : (uint8_t)size;
		access->is_wide = row->is_signed && size == 8;
	}
	return take_address(&text, access);
}

/* ---- tests ---- */

static bool is_same(const struct load_store *a, const struct load_store *b)
{
	return a->is_load == b->is_load && a->is_vector == b->is_vector &&
	       a->is_signed == b->is_signed && a->is_wide == b->is_wide &&
	       a->writes_back == b->writes_back && a->is_post == b->is_post &&
	       a->has_index == b->has_index && a->size == b->size && a->count == b->count &&
	       a->target[0] == b->target[0] && a->target[1] == b->target[1] && a->base == b->base &&
	       a->index == b->index && a->extend == b->extend && a->shift == b->shift &&
	       a->offset == b->offset;
}

/* LDPSW twice into one register, or into its base: constrained unpredictable, and to binutils the
 * only such pair that is none. Ours does one after the other. */
static bool is_odd(const struct load_store *access)
{
	return access->count == 2 && access->is_signed &&
	       (access->target[0] == access->target[1] ||
		(access->writes_back && access->base != 31 &&
		 (access->target[0] == access->base || access->target[1] == access->base)));
}

/* Load/store ordered whose Rs or Rt2 are not the ones that they should be: binutils knows some of
 * them. */
static bool should_be_ones(uint32_t word)
{
	return (word & 0x3fa00000) == 0x08800000 && (word & 0x001f7c00) != 0x001f7c00;
}

/* Compares every word with its line of the disassembler's; returns how many are loads and stores.
 */
static size_t compare(void)
{
	FILE *output = disassemble();
	size_t lines = 0, decoded = 0;
	char line[300];

	while (fgets(line, sizeof line, output)) {
		struct load_store ours, theirs;
		uint32_t word;
		int at = 0;
		bool is_ours, is_theirs;

		if (sscanf(line, " %*x:\t%x %n", &word, &at) != 1 || !at) /* NOLINT(cert-err34-c) */
			continue;
		assert_int_equal(word, words[lines]);
		lines++;
		is_ours = decode_load_store(word, &ours);
		is_theirs = parse(line + at, &theirs);
		if (should_be_ones(word))
			is_theirs = false;
		if (is_ours && !is_theirs && is_odd(&ours))
			continue;
		if (is_ours != is_theirs || (is_ours && !is_same(&ours, &theirs)))
			fail_msg("%s: decoded otherwise", line);
		decoded += is_ours;
	}
	assert_int_equal(pclose(output), 0);
	assert_int_equal(lines, word_count);
	return decoded;
}

static void test_selectors(void **state)
{
	(void)state;
	word_count = 0;
	add_all_selectors();
	/* Were the disassembler's lines all others, nothing would have been compared. */
	assert_true(compare() > 20000);
}

static void test_operands(void **state)
{
	static const uint32_t rows[] = {
		0x39000000, 0x3dc00000, 0x38000400, 0x3cc00400, 0x38000c00, 0x3c000c00, 0xf8200800,
		0x3ce07800, 0x38000000, 0x3cc00000, 0xf8400800, 0x29000000, 0xad000000, 0x68c00000,
		0x28800000, 0xa9c00000, 0x28000000, 0xac400000, 0x089ffc00, 0xc8dffc00, 0xf8bfc000,
		0x19000000, 0xd9400000, 0x99800000, 0x19c00000,
	};

	(void)state;
	word_count = 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		add_all_operands(rows[i]);
	assert_true(compare() > 50000);
}

/* What the disassembler does not tell: an index's value. */
static void test_offset(void **state)
{
	static const struct {
		struct load_store access;
		uint64_t index;
		int64_t offset;
	} rows[] = {
		{ { .offset = -8 }, 99, -8 },
		{ { .has_index = true, .extend = 2 }, 0xffffffff80000001, 0x80000001 },
		{ { .has_index = true, .extend = 2, .shift = 3 }, 0xffffffff80000001, 0x400000008 },
		{ { .has_index = true, .extend = 3, .shift = 4 }, 0x8000000000000001, 16 },
		{ { .has_index = true, .extend = 6 }, 0x7fffffff80000001, -0x7fffffffL },
		{ { .has_index = true, .extend = 6, .shift = 1 }, 0xffffffff, -2 },
		{ { .has_index = true, .extend = 7, .shift = 2 }, -3ull, -12 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(load_store_offset(&rows[i].access, rows[i].index), rows[i].offset);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_operands),
		cmocka_unit_test(test_offset),
	};

	return RUN(tests);
}
