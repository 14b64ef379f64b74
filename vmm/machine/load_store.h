/* SPDX-License-Identifier: MIT */
/* A64 loads and stores by their encoding (Arm DDI 0487, C4.1, "Loads and Stores"). Knows neither
 * KVM nor the machine. Used by no_syndrome.c. */
#ifndef VMM_LOAD_STORE_H
#define VMM_LOAD_STORE_H

#include <stdbool.h>
#include <stdint.h>

/* A load or store of one or two general or vector registers. */
struct load_store {
	bool is_load;
	bool is_vector;	   /* vector registers; else general ones, of which 31 is zero */
	bool is_signed;	   /* loads are sign-extended, to 64 bits or to 32 */
	bool is_wide;	   /* to 64 bits */
	bool writes_back;  /* base += offset, before the access unless is_post */
	bool is_post;	   /* the access is at the base itself */
	bool has_index;	   /* the offset is a register */
	uint8_t size;	   /* bytes per register: 1, 2, 4, 8, or 16 (vector registers) */
	uint8_t count;	   /* registers: 1, or 2 at ascending addresses */
	uint8_t target[2]; /* their numbers */
	uint8_t base;	   /* general register; 31: the stack pointer */
	uint8_t index;	   /* general register; 31: zero */
	uint8_t extend;	   /* of the index: the instruction's `option` */
	uint8_t shift;	   /* of the index, in bits, to the left */
	int32_t offset;	   /* bytes, if there is no index */
};

/*
 * Decodes an instruction. False if it is none of these: then it is no load or store, or an atomic
 * or exclusive one, one of tags, of structures of vectors, or relative to pc, or it is unallocated.
 */
bool decode_load_store(uint32_t instruction, struct load_store *access);

/* What is added to the base, by the value of the index register. */
int64_t load_store_offset(const struct load_store *access, uint64_t index);

#endif
