// SPDX-License-Identifier: MIT
/*
 * From the kernel's entry to main(): relocation of the static-PIE, stack guard, auxiliary vector.
 *
 * Who uses it: the kernel enters at _start. Touches the program's own image and nothing else.
 * Until relocate() is done no pointer held in data is right, so nothing here reads one before.
 */
#include "crt.h"
#include "sys.h"

#include <elf.h>
#include <sys/mman.h>

#define HIDDEN __attribute__((visibility("hidden")))

/* crt/program.lds defines these. */
extern HIDDEN char __ehdr_start[];
extern HIDDEN char __relro_start[], __relro_end[];
extern HIDDEN const Elf64_Rela __rela_start[], __rela_end[];

/*
 * Tells the kernel to map our code with branch target identification (ELF for AArch64, 5.2.2:
 * program property). ld would leave it out for libfdt, whose objects do not say they are fit for
 * it. They are: they have no indirect branch, which tests/system/binary.t makes sure of.
 */
__asm__(".pushsection .note.bti, \"a\", %note\n"
	"	.balign	8\n"
	"	.word	4, 16, 5\n" /* sizes of name and contents; NT_GNU_PROPERTY_TYPE_0 */
	"	.asciz	\"GNU\"\n"
	"	.word	0xc0000000, 4, 1, 0\n" /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI */
	".popsection\n");

static const Elf64_auxv_t *auxiliary_vector;

/* Read by code that gcc emits into every function with an array; libfdt's objects share it. */
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

/* A smashed stack is a bug or an attack: no more code of ours may run. */
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

/*
 * The program is linked at 0: an address in the file plus the load address is the one in memory.
 * Every relocation is R_AARCH64_RELATIVE (ELF for AArch64, 5.7.11); tests/system/binary.t checks.
 */
static void relocate(void)
{
	uintptr_t load = (uintptr_t)__ehdr_start;
	size_t count = ((uintptr_t)__rela_end - (uintptr_t)__rela_start) / sizeof *__rela_start;

	for (const Elf64_Rela *rela = __rela_start; count--; rela++)
		*(uintptr_t *)(load + rela->r_offset) = load + (uintptr_t)rela->r_addend;
}

/*
 * Nothing writes relocated constants from here on (-z relro). The kernel mapped whole pages around
 * them, and the page size is the host's.
 */
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

/* The program's own; its result is the exit status. */
int main(int argc, char **argv);
void crt_start(uintptr_t *stack);

/* Sets the guard that a protected function would compare on return: this one must not have it. */
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
