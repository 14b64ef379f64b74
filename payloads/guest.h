/* SPDX-License-Identifier: MIT */
/*
 * What payloads share. A payload is the only program in its guest: it starts on one CPU, with the
 * MMU off and interrupts masked.
 */
#ifndef PAYLOADS_GUEST_H
#define PAYLOADS_GUEST_H

#include "vmm/machine/map.h"

#define STACK_SIZE 0x2000
#define MAX_CPUS 8
#define FRAME_SIZE 256
#define HCR_TGE (1 << 27)
#define HCR_E2H (1ull << 34)

/* What the finisher takes as the wish to be saved. */
#define FINISHER_SAVE 0x6666

/* The UART's registers (Arm DDI 0183, 3.3), values for them, bits of FR, and its interrupts. */
#define UART_DR (UART_BASE + 0x00)
#define UART_FR (UART_BASE + 0x18)
#define UART_IBRD (UART_BASE + 0x24)
#define UART_FBRD (UART_BASE + 0x28)
#define UART_LCR_H (UART_BASE + 0x2c)
#define UART_CR (UART_BASE + 0x30)
#define UART_IMSC (UART_BASE + 0x38)
#define UART_RIS (UART_BASE + 0x3c)
#define UART_MIS (UART_BASE + 0x40)
#define UART_ICR (UART_BASE + 0x44)
#define UART_ON 0x301	/* CR: sends and receives, without loopback */
#define UART_FIFOS 0x70 /* LCR_H: 8 bits a character, with FIFOs */
#define FR_RXFE 0x10
#define FR_TXFF 0x20
#define FR_TXFE 0x80
#define UART_RX 0x10
#define UART_TX 0x20
#define UART_RT 0x40

/* Arm DEN 0022 */
#define PSCI_VERSION 0x84000000
#define PSCI_CPU_OFF 0x84000002
#define PSCI_CPU_SUSPEND 0xc4000001
#define PSCI_CPU_ON 0xc4000003
#define PSCI_AFFINITY_INFO 0xc4000004
#define PSCI_SYSTEM_OFF 0x84000008
#define PSCI_SYSTEM_RESET 0x84000009
#define PSCI_FEATURES 0x8400000a
#define PSCI_SYSTEM_SUSPEND 0xc400000e
#define PSCI_SYSTEM_RESET2 0xc4000012

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The payload's main function, on CPU 0; returning from it switches the guest off. */
void guest_main(const void *device_tree);

/* ---- start.S ---- */

/* Registers of the first CPU when it started. */
struct entry_state {
	uint64_t x0, x1, x2, x3, daif, sctlr;
};
extern struct entry_state entry_state;

/* The payload's function for each CPU that PSCI_CPU_ON has started at secondary_start, with its
 * index as context; it must not return. */
void guest_secondary(unsigned index);
extern char secondary_start[];

/* ---- the machine ---- */

/*
 * Registers of devices. By inline assembly, for what a compiler may make of a volatile access
 * (write-back, pairs) has no syndrome, and takes a monitor that decodes it.
 */
#define DEVICE_ACCESS(bits, load, store, width)                                                    \
	static inline uint##bits##_t read##bits(uintptr_t at)                                      \
	{                                                                                          \
		uint##bits##_t value;                                                              \
		__asm__ volatile(load " %" width "0, [%1]" : "=r"(value) : "r"(at) : "memory");    \
		return value;                                                                      \
	}                                                                                          \
	static inline void write##bits(uintptr_t at, uint##bits##_t value)                         \
	{                                                                                          \
		__asm__ volatile(store " %" width "0, [%1]" : : "r"(value), "r"(at) : "memory");   \
	}
DEVICE_ACCESS(8, "ldrb", "strb", "w")
DEVICE_ACCESS(16, "ldrh", "strh", "w")
DEVICE_ACCESS(32, "ldr", "str", "w")
DEVICE_ACCESS(64, "ldr", "str", "x")

#define read_system_register(name)                                                                 \
	({                                                                                         \
		uint64_t value_;                                                                   \
		__asm__ volatile("mrs %0, " name : "=r"(value_));                                  \
		value_;                                                                            \
	})
#define write_system_register(name, value)                                                         \
	__asm__ volatile("msr " name ", %0\n\tisb" : : "r"((uint64_t)(value)) : "memory")

static inline bool is_at_el2(void)
{
	return read_system_register("CurrentEL") == 2 << 2;
}

/* INTIDs of the timers that are named cntv and cntp: at EL2, with VHE, they are those of EL2. */
static inline unsigned virtual_timer_intid(void)
{
	return 16 + (is_at_el2() ? TIMER_HYP_VIRTUAL_PPI : TIMER_VIRTUAL_PPI);
}

static inline unsigned physical_timer_intid(void)
{
	return 16 + (is_at_el2() ? TIMER_HYP_PPI : TIMER_PHYSICAL_PPI);
}

/* Makes a PSCI call (Arm DEN 0022), and returns its result. */
int64_t psci(uint32_t function, uint64_t a, uint64_t b, uint64_t c);

/* Ends the run through the finisher: 0 passes, any other code is the run's status. */
void finish(unsigned code) __attribute__((noreturn));

/* Waits for so many microseconds of the virtual counter, without an exit. */
void pause(uint32_t microseconds);

/* ---- the UART, by polling ---- */

/* Waits for a byte of input: what DR has, with error bits. */
uint32_t take_key(void);

void print_character(char c);
void print(const char *text);
void print_hex(uint64_t value);
void print_decimal(uint64_t value);

/* If the condition is false, prints it and ends the run with status 1. */
#define check(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			failed(#condition, __LINE__);                                              \
	} while (0)
void failed(const char *claim, unsigned line) __attribute__((noreturn));

/* ---- device tree ---- */

/* The 32-bit big-endian value at this address. */
uint32_t big_endian(const void *at);

/*
 * The value of the n-th property, from 0, with this name in the device tree, whatever its node;
 * NULL if there are fewer.
 */
const void *tree_property(const void *device_tree, const char *name, unsigned n);

/* The decimal number at the start of bootargs; 0 if there is none. */
uint64_t bootargs_number(const void *device_tree);

/* The second number, separated by one space; 0 if there is none. */
uint64_t bootargs_second_number(const void *device_tree);

/* The number of CPUs. If there are at most 16, a CPU's affinity is its index. */
unsigned tree_cpus(const void *device_tree);

/* ---- script.c: random scripts ---- */

void script_start(uint64_t seed);
/* The next random number, of 31 bits. */
uint32_t script_next(void);
/* Adds what was read to the sum. */
void script_add(uint64_t value);
/* Does so many steps, prints the sum every 20, and "ok" at the end. */
void script_run(unsigned steps, void (*step)(void));

/* ---- vectors.S ---- */

/* The registers that an exception saves, and restores at its end. */
struct frame {
	uint64_t x[20];
	uint64_t elr, spsr, esr, far;
};

/* Installs the vectors on this CPU. */
void catch_exceptions(void);

/* The payload's handler of synchronous exceptions, FIQ and SError. */
void guest_exception(struct frame *frame);

/* ---- irq.c ---- */

/* Sets up the interrupt controller for this CPU; the first to call sets up the distributor, too. */
void gic_start(const void *device_tree);
unsigned gic_version(const void *device_tree);
void gic_enable(unsigned intid);
void gic_disable(unsigned intid);
/* Sends a software-generated interrupt, 0 to 15, to a CPU. */
void gic_send(unsigned intid, unsigned cpu);
/* Called by vectors.S for an IRQ: acknowledges it, calls guest_interrupt and ends it. */
void gic_interrupt(struct frame *frame);
/* The payload's handler of interrupts; this one is active. */
void guest_interrupt(unsigned intid);

static inline void unmask_interrupts(void)
{
	__asm__ volatile("msr daifclr, #2" ::: "memory");
}

static inline void mask_interrupts(void)
{
	__asm__ volatile("msr daifset, #2" ::: "memory");
}

static inline void wait_for_interrupt(void)
{
	__asm__ volatile("wfi" ::: "memory");
}

/* ---- mmu.c ---- */

/* Switches this CPU's MMU on with an identity map: RAM as cached memory, so that exclusives work,
 * the rest as device memory. */
void mmu_on(void);

#endif
#endif
