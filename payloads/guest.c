// SPDX-License-Identifier: MIT
/* Functions that payloads share. Who calls it: every payload. Touches UART, finisher and device
 * tree. */
#include "guest.h"

/* Tokens of the tree's structure block (Devicetree Specification 0.4, 5.4.1). */
#define FDT_BEGIN_NODE 1
#define FDT_PROP 3
#define FDT_END 9

struct entry_state entry_state;
char stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));

int64_t psci(uint32_t function, uint64_t a, uint64_t b, uint64_t c)
{
	register uint64_t x0 __asm__("x0") = function;
	register uint64_t x1 __asm__("x1") = a;
	register uint64_t x2 __asm__("x2") = b;
	register uint64_t x3 __asm__("x3") = c;

#define CALL(instruction)                                                                          \
	__asm__ volatile(instruction " #0"                                                         \
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)                                  \
			 :                                                                         \
			 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",  \
			   "x15", "x16", "x17", "memory")
	/* At EL2 an HVC would be the guest's own. */
	if (is_at_el2())
		CALL("smc");
	else
		CALL("hvc");
#undef CALL
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

uint32_t take_key(void)
{
	while (read32(UART_FR) & FR_RXFE)
		;
	return read32(UART_DR);
}

void print_character(char c)
{
	while (read32(UART_FR) & FR_TXFF)
		;
	write32(UART_DR, (uint8_t)c);
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
	write32(UART_CR, UART_ON); /* ends loopback, if it is on */
	print("line ");
	print_decimal(line);
	print(": does not hold: ");
	print(claim);
	print("\n");
	finish(1);
}

/* Are the two strings equal? */
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

/* Parses a decimal number, and moves *text behind it. 0 if there is none or *text is NULL. */
static uint64_t take_number(const char **text)
{
	uint64_t number = 0;

	for (; *text && **text >= '0' && **text <= '9'; (*text)++)
		number = number * 10 + (uint64_t)(**text - '0');
	return number;
}

uint64_t bootargs_number(const void *device_tree)
{
	const char *text = tree_property(device_tree, "bootargs", 0);

	return take_number(&text);
}

uint64_t bootargs_second_number(const void *device_tree)
{
	const char *text = tree_property(device_tree, "bootargs", 0);

	take_number(&text);
	if (!text || *text != ' ')
		return 0;
	text++;
	return take_number(&text);
}

unsigned tree_cpus(const void *device_tree)
{
	unsigned count = 0;

	while (tree_property(device_tree, "enable-method", count))
		count++;
	return count;
}

/* Weak: a payload that expects exceptions defines its own function. */
__attribute__((weak)) void guest_exception(struct frame *frame)
{
	print("exception: ESR ");
	print_hex(frame->esr);
	print(" at ");
	print_hex(frame->elr);
	print("\n");
	finish(99);
}
