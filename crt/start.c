// SPDX-License-Identifier: MIT
/*
 * From the kernel's entry to main(): relocation of the static-PIE, stack guard, auxiliary vector.
 *
 * Who calls it: the kernel enters at _start. Touches only the program's own image. Before
 * relocate() has run, pointers in initialised data are wrong, so nothing here reads one earlier.
 */
#include "crt.h"
#include "sys.h"

#include <elf.h>
#include <sys/mman.h>

#define HIDDEN __attribute__((visibility("hidden")))

/* crt/program.lds defines these. */
extern HIDDEN char __ehdr_start[];
extern HIDDEN char __relro_start[], __relro_end[];

/*
 * Asks the kernel to map our code with branch target identification (ELF for AArch64, 5.2.2:
 * program property). ld would drop the property, because libfdt's objects do not carry it. They are
 * safe with it: they have no indirect branches, which tests/system/binary.t checks.
 */
__asm__(".pushsection .note.bti, \"a\", %note\n"
	"	.balign	8\n"
	"	.word	4, 16, 5\n" /* sizes of name and contents; NT_GNU_PROPERTY_TYPE_0 */
	"	.asciz	\"GNU\"\n"
	"	.word	0xc0000000, 4, 1, 0\n" /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI */
	".popsection\n");

static const Elf64_auxv_t *auxiliary_vector;

/* Read by the stack protector's code that gcc emits; libfdt's objects use it, too. */
uintptr_t __stack_chk_guard;

/* Procedure call standard (AAPCS64): sp is argc, argv, environment, auxiliary vector. */
__asm__(".pushsection .text.start, \"ax\"\n"
	".global _start\n"
	".type _start, %function\n"
	"_start:\n"
	"	mov	x29, #0\n"
	"	mov	x30, #0\n"
	"	mov	x0, sp\n"
	"	b	crt_start\n"
	".size _start, . - _start\n"
	".popsection\n");

void __stack_chk_fail(void);

/* An overwritten guard is a bug or an attack: no more code of ours may run. */
_Noreturn void __stack_chk_fail(void)
{
	__builtin_trap();
}

unsigned long getauxval(unsigned long type)
{
	for (const Elf64_auxv_t *entry = auxiliary_vector; entry->a_type != AT_NULL; entry++)
		if (entry->a_type == type)
			return entry->a_un.a_val;
	return 0;
}

uint64_t counter_value(void)
{
	uint64_t value;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
	return value;
}

uint64_t counter_frequency(void)
{
	uint64_t frequency;

	__asm__("mrs %0, cntfrq_el0" : "=r"(frequency));
	return frequency;
}

void cache_clean(const void *at)
{
	__asm__ volatile("dc cvac, %0\n\tdsb sy" : : "r"(at) : "memory");
}

_Noreturn void exit(int status)
{
	sys_exit_group(status);
	__builtin_trap();
}

/* Behind the payloads, which can be large: farther away than the code model allows for. */
static const uint64_t *relocations(void)
{
	const uint64_t *table;

	__asm__("adrp %0, __relocations\n\tadd %0, %0, :lo12:__relocations" : "=r"(table));
	return table;
}

/*
 * The program is linked at address 0, and so are the pointers in its data: the load address is
 * added to each. They are listed as in a DT_RELR table (System V ABI, "Relative relocations"): an
 * even entry is the address of a pointer, an odd one a bitmap of the 63 words that follow. 0 ends
 * the table.
 */
static void relocate(void)
{
	uintptr_t load = (uintptr_t)__ehdr_start, *next = (uintptr_t *)load;

	for (const uint64_t *entry = relocations(); *entry; entry++) {
		if (*entry % 2 == 0) {
			next = (uintptr_t *)(load + *entry);
			*next++ += load;
			continue;
		}
		for (uint64_t bits = *entry >> 1; bits; bits &= bits - 1)
			next[__builtin_ctzll(bits)] += load;
		next += 63;
	}
}

/* Makes relocated constants read-only (RELRO). The region is rounded to pages of the host, whose
 * size is only known now. */
static void protect_constants(void)
{
	uintptr_t page = getauxval(AT_PAGESZ);
	uintptr_t start = (uintptr_t)__relro_start & -page;
	long result = sys_mprotect(start, (uintptr_t)__relro_end - start, PROT_READ);

	if (result < 0) {
		dprintf(2, "cannot protect its constants: %s\n", error_text((int)-result));
		exit(75); /* sysexits.h: EX_TEMPFAIL */
	}
}

/* The program's own main; its result is the exit status. */
int main(int argc, char **argv);
void crt_start(uintptr_t *stack);

/*
 * Not protected itself, because it changes the guard that a protected function compares on return.
 */
__attribute__((optimize("no-stack-protector"))) _Noreturn void crt_start(uintptr_t *stack)
{
	int argc = (int)stack[0];
	char **argv = (char **)(stack + 1);
	uintptr_t *word = stack + 1 + argc + 1;

	relocate();
	while (*word) /* the environment */
		word++;
	auxiliary_vector = (const Elf64_auxv_t *)(word + 1);
	memcpy(&__stack_chk_guard, (const void *)getauxval(AT_RANDOM), sizeof __stack_chk_guard);
	protect_constants();
	exit(main(argc, argv));
}
