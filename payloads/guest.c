// SPDX-License-Identifier: MIT
/* What payloads share. Who calls it: every payload. Touches UART, finisher and the device tree. */
#include "guest.h"

#define UART_DR 0x00
#define UART_FR 0x18
#define UART_CR 0x30
#define FR_TXFF 0x20

/* Tokens of the tree's structure block (Devicetree Specification 0.4, 5.4.1). */
#define FDT_BEGIN_NODE 1
#define FDT_PROP 3
#define FDT_END 9

struct entry_state entry_state;
char stacks[MOST_CPUS][STACK_SIZE] __attribute__((aligned(16)));

int64_t psci(uint32_t function, uint64_t a, uint64_t b, uint64_t c)
{
	register uint64_t x0 __asm__("x0") = function;
	register uint64_t x1 __asm__("x1") = a;
	register uint64_t x2 __asm__("x2") = b;
	register uint64_t x3 __asm__("x3") = c;

	__asm__ volatile("hvc #0"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
			 :
			 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
			   "x15", "x16", "x17", "memory");
	return (int64_t)x0;
}

void finish(unsigned code)
{
	write32(FINISHER_BASE, code ? code << 16 | 0x3333 : 0x5555);
	for (;;)
		;
}

void pause(uint32_t microseconds)
{
	uint64_t ticks = microseconds * read_system_register("cntfrq_el0") / 1000000;
	uint64_t start = read_system_register("cntvct_el0");

	for (uint64_t now = start; now - start < ticks; now = read_system_register("cntvct_el0"))
		;
}

static void print_character(char c)
{
	while (read32(UART_BASE + UART_FR) & FR_TXFF)
		;
	write32(UART_BASE + UART_DR, (uint8_t)c);
}

void print(const char *text)
{
	while (*text)
		print_character(*text++);
}

static void print_number(uint64_t value, unsigned base)
{
	if (value >= base)
		print_number(value / base, base);
	print_character("0123456789abcdef"[value % base]);
}

void print_hex(uint64_t value)
{
	print("0x");
	print_number(value, 16);
}

void print_decimal(uint64_t value)
{
	print_number(value, 10);
}

void failed(const char *claim, unsigned line)
{
	write32(UART_BASE + UART_CR, 0x301); /* it may be looped back */
	print("line ");
	print_decimal(line);
	print(": does not hold: ");
	print(claim);
	print("\n");
	finish(1);
}

/* Is the text at `left` this one? */
static int equal(const char *left, const char *right)
{
	while (*left && *left == *right)
		left++, right++;
	return *left == *right;
}

uint32_t big_endian(const void *at)
{
	return __builtin_bswap32(*(const uint32_t *)at);
}

const void *tree_property(const void *device_tree, const char *name, unsigned n)
{
	const char *tree = device_tree;
	const char *at = tree + big_endian(tree + 8);
	const char *strings = tree + big_endian(tree + 12);
	uint32_t token;

	while ((token = big_endian(at)) != FDT_END) {
		at += 4;
		if (token == FDT_BEGIN_NODE) {
			while (*at)
				at++;
			at++;
		} else if (token == FDT_PROP) {
			if (equal(strings + big_endian(at + 4), name) && n-- == 0)
				return at + 8;
			at += 8 + big_endian(at);
		}
		at = (const char *)(((uintptr_t)at + 3) & -4ul);
	}
	return NULL;
}

uint64_t bootargs_number(const void *device_tree)
{
	const char *digit = tree_property(device_tree, "bootargs", 0);
	uint64_t number = 0;

	for (; digit && *digit >= '0' && *digit <= '9'; digit++)
		number = number * 10 + (uint64_t)(*digit - '0');
	return number;
}

unsigned tree_cpus(const void *device_tree)
{
	unsigned count = 0;

	while (tree_property(device_tree, "enable-method", count))
		count++;
	return count;
}

/* No payload expects one unless it has a function of this name itself. */
__attribute__((weak)) void guest_exception(struct frame *frame)
{
	print("exception: ESR ");
	print_hex(frame->esr);
	print(" at ");
	print_hex(frame->elr);
	print("\n");
	finish(99);
}
