// SPDX-License-Identifier: MIT
/*
 * Decodes A64 loads and stores. Who calls it: no_syndrome.c. Touches nothing.
 *
 * Sections are those of Arm DDI 0487: C3.2 lists the instructions, and C4.1, "Loads and Stores",
 * has the encodings under the names that stand beside the rows.
 */
#include "load_store.h"

#include <stddef.h>

/* Bits of an instruction. */
static uint32_t field(uint32_t instruction, unsigned low, unsigned count)
{
	return instruction >> low & ((1u << count) - 1);
}

static int32_t signed_field(uint32_t instruction, unsigned low, unsigned count)
{
	return (int32_t)(instruction << (32 - low - count)) >> (32 - count);
}

/* Which fields tell direction, size and sign. */
enum what {
	BY_OPC,	 /* size, V and opc */
	BY_L,	 /* size and L */
	IS_LOAD, /* size */
	IS_PAIR, /* opc, V and L */
};

/* What is added to the base. */
enum offset {
	NOTHING,
	IMM12, /* unsigned, in units of the register's size */
	IMM9,  /* signed, in bytes */
	IMM7,  /* signed, in units of the register's size */
	INDEX, /* register */
};

enum mode { OFFSET, PRE, POST };

static const struct encoding {
	uint32_t mask, value;
	enum what what : 8;
	enum offset offset : 8;
	enum mode mode : 8;
} encodings[] = {
	/* C3.2.1, C3.2.9: Load/store register (unsigned immediate) */
	{ 0x3b000000, 0x39000000, BY_OPC, IMM12, OFFSET },
	/* Load/store register (immediate post-indexed) */
	{ 0x3b200c00, 0x38000400, BY_OPC, IMM9, POST },
	/* Load/store register (immediate pre-indexed) */
	{ 0x3b200c00, 0x38000c00, BY_OPC, IMM9, PRE },
	/* Load/store register (register offset) */
	{ 0x3b200c00, 0x38200800, BY_OPC, INDEX, OFFSET },
	/* C3.2.2, C3.2.9: Load/store register (unscaled immediate) */
	{ 0x3b200c00, 0x38000000, BY_OPC, IMM9, OFFSET },
	/* C3.2.5: Load/store register (unprivileged), without vector registers */
	{ 0x3f200c00, 0x38000800, BY_OPC, IMM9, OFFSET },
	/* C3.2.3, C3.2.9: Load/store register pair (offset) */
	{ 0x3b800000, 0x29000000, IS_PAIR, IMM7, OFFSET },
	/* Load/store register pair (post-indexed) */
	{ 0x3b800000, 0x28800000, IS_PAIR, IMM7, POST },
	/* Load/store register pair (pre-indexed) */
	{ 0x3b800000, 0x29800000, IS_PAIR, IMM7, PRE },
	/* C3.2.4, C3.2.9: Load/store no-allocate pair (offset) */
	{ 0x3b800000, 0x28000000, IS_PAIR, IMM7, OFFSET },
	/* C3.2.7, C3.2.8: Load/store ordered (STLR, LDAR; STLLR, LDLAR) */
	{ 0x3fbf7c00, 0x089f7c00, BY_L, NOTHING, OFFSET },
	/* C3.2.7: Atomic memory operations (LDAPR alone) */
	{ 0x3ffffc00, 0x38bfc000, IS_LOAD, NOTHING, OFFSET },
	/* C3.2.7: LDAPR/STLR (unscaled immediate) */
	{ 0x3f200c00, 0x19000000, BY_OPC, IMM9, OFFSET },
};

static const struct encoding *find(uint32_t instruction)
{
	for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++)
		if ((instruction & encodings[i].mask) == encodings[i].value)
			return &encodings[i];
	return NULL;
}

#define V(instruction) field(instruction, 26, 1)
#define L(instruction) field(instruction, 22, 1)

/* One register by size, V and opc. False for what is unallocated, and for prefetches. */
static bool decode_single(uint32_t instruction, struct load_store *access)
{
	unsigned size = field(instruction, 30, 2), opc = field(instruction, 22, 2);

	access->is_vector = V(instruction);
	access->is_load = opc != 0;
	if (access->is_vector) {
		access->is_load = opc & 1;
		access->size = opc & 2 ? 16 : (uint8_t)(1 << size);
		return size == 0 || !(opc & 2);
	}
	access->size = (uint8_t)(1 << size);
	access->is_signed = opc & 2;
	access->is_wide = opc == 2;
	return opc < 2 || size < (opc == 2 ? 3 : 2);
}

/* Two registers. False for what is unallocated, and for STGP, which has LDPSW's opc. */
static bool decode_pair(uint32_t instruction, const struct encoding *encoding,
			struct load_store *access)
{
	unsigned opc = field(instruction, 30, 2);
	bool is_no_allocate = encoding->value == 0x28000000;

	access->count = 2;
	access->target[1] = (uint8_t)field(instruction, 10, 5);
	access->is_load = L(instruction);
	access->is_vector = V(instruction);
	if (access->is_vector) {
		access->size = (uint8_t)(4 << opc);
		return opc < 3;
	}
	access->size = opc == 2 ? 8 : 4;
	access->is_signed = access->is_wide = opc == 1;
	return opc == 0 || opc == 2 || (opc == 1 && access->is_load && !is_no_allocate);
}

static bool decode_what(uint32_t instruction, const struct encoding *encoding,
			struct load_store *access)
{
	switch (encoding->what) {
	case BY_OPC:
		return decode_single(instruction, access);
	case IS_PAIR:
		return decode_pair(instruction, encoding, access);
	default:
		access->size = (uint8_t)(1 << field(instruction, 30, 2));
		access->is_load = encoding->what == IS_LOAD || L(instruction);
		return true;
	}
}

/* An index register, with log2 of the access's size as shift if S is set. False for an `option`
 * that is unallocated. */
static bool decode_index(uint32_t instruction, struct load_store *access)
{
	access->has_index = true;
	access->index = (uint8_t)field(instruction, 16, 5);
	access->extend = (uint8_t)field(instruction, 13, 3);
	if (field(instruction, 12, 1))
		access->shift = (uint8_t)__builtin_ctz(access->size);
	return access->extend & 2;
}

static bool decode_offset(uint32_t instruction, const struct encoding *encoding,
			  struct load_store *access)
{
	switch (encoding->offset) {
	case NOTHING:
		break;
	case IMM12:
		access->offset = (int32_t)field(instruction, 10, 12) * access->size;
		break;
	case IMM9:
		access->offset = signed_field(instruction, 12, 9);
		break;
	case IMM7:
		access->offset = signed_field(instruction, 15, 7) * access->size;
		break;
	case INDEX:
		return decode_index(instruction, access);
	}
	return true;
}

bool decode_load_store(uint32_t instruction, struct load_store *access)
{
	const struct encoding *encoding = find(instruction);

	if (!encoding)
		return false;
	*access = (struct load_store){
		.count = 1,
		.target = { (uint8_t)field(instruction, 0, 5) },
		.base = (uint8_t)field(instruction, 5, 5),
		.writes_back = encoding->mode != OFFSET,
		.is_post = encoding->mode == POST,
	};
	return decode_what(instruction, encoding, access) &&
	       decode_offset(instruction, encoding, access);
}

#define UXTW 2
#define SXTW 6

int64_t load_store_offset(const struct load_store *access, uint64_t index)
{
	if (!access->has_index)
		return access->offset;
	if (access->extend == UXTW)
		index = (uint32_t)index;
	else if (access->extend == SXTW)
		index = (uint64_t)(int32_t)index;
	return (int64_t)(index << access->shift);
}
