// SPDX-License-Identifier: MIT
/*
 * ELF64 for AArch64 (System V gABI, chapters 4 and 5; ELF for the Arm 64-bit Architecture): its
 * PT_LOAD segments, by physical address, into RAM or into the flash window.
 *
 * Who calls it: load.c, by its table. Touches guest memory.
 */
#include "crt/crt.h"
#include "devices/flash.h"
#include "load.h"
#include "vmm/machine/map.h"
#include "vmm/report.h"

#include <elf.h>

#define MAX_SEGMENTS 64 /* all pairs are compared */

static bool elf_matches(const struct payload *payload)
{
	return payload->size >= SELFMAG && memcmp(payload->data, ELFMAG, SELFMAG) == 0;
}

static void require(const struct payload *payload, bool condition, const char *what)
{
	if (!condition)
		die(STATUS_PAYLOAD,
		    "%.200s: ELF: %s; link it for AArch64 on `virt`, and copy it "
		    "to its end",
		    payload->name, what);
}

/* The parts of an ELF that are used, copied once, because its file may be changed meanwhile. */
struct elf {
	unsigned count;
	Elf64_Phdr segments[MAX_SEGMENTS]; /* PT_LOAD, not empty */
};

static Elf64_Ehdr read_header(const struct payload *payload)
{
	Elf64_Ehdr elf;

	require(payload, payload->size >= sizeof elf, "ends within its header");
	memcpy(&elf, payload->data, sizeof elf);
	require(payload, elf.e_ident[EI_CLASS] == ELFCLASS64, "is not 64-bit");
	require(payload, elf.e_ident[EI_DATA] == ELFDATA2LSB, "is big-endian");
	require(payload, elf.e_ident[EI_VERSION] == EV_CURRENT && elf.e_version == EV_CURRENT,
		"has an unknown version");
	require(payload, elf.e_machine == EM_AARCH64, "is for another machine");
	require(payload, elf.e_type == ET_EXEC || elf.e_type == ET_DYN, "is no executable");
	require(payload, elf.e_phentsize == sizeof(Elf64_Phdr),
		"has program headers of an odd size");
	require(payload, elf.e_phnum > 0, "has no program headers");
	require(payload,
		elf.e_phoff <= payload->size &&
			elf.e_phnum * sizeof(Elf64_Phdr) <= payload->size - elf.e_phoff,
		"ends within its program headers");
	return elf;
}

static bool is_in_flash(const Elf64_Phdr *segment)
{
	return segment->p_paddr < FLASH_SIZE && segment->p_memsz <= FLASH_SIZE - segment->p_paddr;
}

static void check_segment(const struct payload *payload, const Elf64_Phdr *segment)
{
	uint64_t end;

	require(payload,
		segment->p_offset <= payload->size &&
			segment->p_filesz <= payload->size - segment->p_offset,
		"ends within a segment");
	require(payload, segment->p_filesz <= segment->p_memsz,
		"has a segment with more in the file than in memory");
	require(payload, !__builtin_add_overflow(segment->p_paddr, segment->p_memsz, &end),
		"has a segment that wraps around the end of the address space");
}

/* Cuts off what lies below RAM, as QEMU does: a linker that is told only to put .text at the start
 * of RAM puts the ELF headers in front of it. */
static void clip(Elf64_Phdr *segment)
{
	uint64_t before = RAM_BASE - segment->p_paddr;
	uint64_t in_file = before < segment->p_filesz ? before : segment->p_filesz;

	if (segment->p_paddr >= RAM_BASE || before >= segment->p_memsz || is_in_flash(segment))
		return;
	segment->p_paddr += before;
	segment->p_vaddr += before;
	segment->p_memsz -= before;
	segment->p_offset += in_file;
	segment->p_filesz -= in_file;
}

static void read_segments(const struct payload *payload, const Elf64_Ehdr *header, struct elf *elf)
{
	elf->count = 0;
	for (size_t i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr segment;

		/* It may be unaligned in the file, so it is copied. */
		memcpy(&segment, payload->data + header->e_phoff + i * sizeof segment,
		       sizeof segment);
		require(payload, segment.p_type != PT_INTERP, "is a program for Linux");
		if (segment.p_type != PT_LOAD || segment.p_memsz == 0)
			continue;
		require(payload, elf->count < MAX_SEGMENTS, "has more than 64 segments");
		check_segment(payload, &segment);
		clip(&segment);
		elf->segments[elf->count++] = segment;
	}
}

static void check_overlap(const struct payload *payload, const struct elf *elf)
{
	for (unsigned i = 0; i < elf->count; i++)
		for (unsigned j = 0; j < i; j++) {
			const Elf64_Phdr *one = &elf->segments[i], *other = &elf->segments[j];

			require(payload,
				one->p_paddr + one->p_memsz <= other->p_paddr ||
					other->p_paddr + other->p_memsz <= one->p_paddr,
				"has segments that overlap");
		}
}

/* The physical entry address: translated by the segment that has it as a virtual address, else as
 * is. */
static gpa_t find_entry(const struct payload *payload, const struct elf *elf, uint64_t entry)
{
	bool is_physical = false;

	for (unsigned i = 0; i < elf->count; i++) {
		const Elf64_Phdr *segment = &elf->segments[i];

		if (entry - segment->p_vaddr < segment->p_filesz)
			return GPA(entry - segment->p_vaddr + segment->p_paddr);
		is_physical |= entry - segment->p_paddr < segment->p_filesz;
	}
	require(payload, is_physical, "is entered outside of its segments");
	return GPA(entry);
}

/* Extends `placement` by the segment's RAM, or the flash's size by its flash. */
static void reserve(const struct payload *payload, const Elf64_Phdr *segment,
		    const struct load_target *target, struct placement *placement)
{
	gpa_t start = GPA(segment->p_paddr);
	uint64_t end = start.address + segment->p_memsz;

	if (is_in_flash(segment)) {
		if (end > target->flash->size)
			target->flash->size = (end + FLASH_BLOCK - 1) / FLASH_BLOCK * FLASH_BLOCK;
		return;
	}
	if (!memory_at(target->ram, start, segment->p_memsz))
		load_does_not_fit(payload, segment->p_memsz, start, target->ram);
	if (placement->end.address == 0 || start.address < placement->start.address)
		placement->start = start;
	if (end > placement->end.address)
		placement->end = GPA(end);
}

static struct placement elf_load(const struct payload *payload, const struct load_target *target)
{
	struct elf elf;
	Elf64_Ehdr header = read_header(payload);
	struct placement placement = { .end = GPA(0), .tree_at_base = true };

	read_segments(payload, &header, &elf);
	check_overlap(payload, &elf);
	placement.entry = find_entry(payload, &elf, header.e_entry);
	require(payload, placement.entry.address % sizeof(uint32_t) == 0,
		"is entered at no multiple of 4");
	for (unsigned i = 0; i < elf.count; i++)
		reserve(payload, &elf.segments[i], target, &placement);
	if (target->flash->size > 0) {
		memory_create(target->flash, GPA(FLASH_BASE), target->flash->size);
		memset(target->flash->host, 0xff, target->flash->size);
	}
	/* The part that is in memory but not in the file is zero, as fresh memory is. */
	for (unsigned i = 0; i < elf.count; i++) {
		const Elf64_Phdr *segment = &elf.segments[i];
		void *to = memory_at(is_in_flash(segment) ? target->flash : target->ram,
				     GPA(segment->p_paddr), segment->p_memsz);

		payload_put(payload, segment->p_offset, segment->p_filesz, to);
		if (is_in_flash(segment))
			memset((char *)to + segment->p_filesz, 0,
			       segment->p_memsz - segment->p_filesz);
	}
	return placement;
}

const struct format format_elf = { elf_matches, elf_load };
