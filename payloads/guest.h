/* SPDX-License-Identifier: MIT */
/*
 * What payloads share. They run in the guest on nothing at all: one CPU, MMU off, interrupts
 * masked, until they change that themselves.
 */
#ifndef PAYLOADS_GUEST_H
#define PAYLOADS_GUEST_H

#include "vmm/machine/map.h"

#define STACK_SIZE 0x2000
#define MOST_CPUS 8
#define FRAME_SIZE 256

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

#include <stddef.h>
#include <stdint.h>

/* A payload's claim is proven here; returning switches the guest off. */
void guest_main(const void *device_tree);

/* ---- start.S ---- */

/* What the first CPU had when it started. */
struct entry_state {
	uint64_t x0, x1, x2, x3, daif, sctlr;
};
extern struct entry_state entry_state;

/* A further CPU, by its index; it must not return. */
void guest_secondary(unsigned index);
extern char secondary_start[];

/* ---- the machine ---- */

/*
 * Registers of devices. By inline assembly, for what a compiler may make of a volatile access
 * (write-back, pairs) has no syndrome, and no monitor could emulate it.
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

/* A call to the power firmware (Arm DEN 0022): its result. It may clobber x0..x17. */
int64_t psci(uint32_t function, uint64_t a, uint64_t b, uint64_t c);

/* Ends the run through the finisher: 0 passes, any other code is the run's status. */
void finish(unsigned code) __attribute__((noreturn));

/* Passes so many microseconds, by the virtual counter, without leaving the guest. */
void pause(uint32_t microseconds);

/* ---- saying something, to the UART, polled ---- */

void print(const char *text);
void print_hex(uint64_t value);
void print_decimal(uint64_t value);

/* A claim that does not hold is said, and ends the run with status 1. */
#define check(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			failed(#condition, __LINE__);                                              \
	} while (0)
void failed(const char *claim, unsigned line) __attribute__((noreturn));

/* ---- device tree ---- */

uint32_t big_endian(const void *at);

/*
 * The n-th property of this name in the device tree, in whatever node, from 0; NULL if there are
 * fewer.
 */
const void *tree_property(const void *device_tree, const char *name, unsigned n);

/* The decimal number that bootargs begin with; 0 if they begin with none. */
uint64_t bootargs_number(const void *device_tree);

/* How many CPUs there are. As long as there are no more than 16, affinities count from 0. */
unsigned tree_cpus(const void *device_tree);

/* ---- vectors.S ---- */

/* What an exception saves, and what is put back at its end. */
struct frame {
	uint64_t x[20];
	uint64_t elr, spsr, esr, far;
};

void catch_exceptions(void);

/* The payload's: a synchronous exception, FIQ or SError. */
void guest_exception(struct frame *frame);

/* ---- irq.c ---- */

/* Sets up the interrupt controller for this CPU; the first to call sets up the distributor, too. */
void gic_start(const void *device_tree);
unsigned gic_version(const void *device_tree);
void gic_enable(unsigned intid);
void gic_disable(unsigned intid);
/* A software-generated interrupt 0..15, to this CPU. */
void gic_send(unsigned intid, unsigned cpu);
/* vectors.S's: acknowledges, has it handled, ends it. */
void gic_interrupt(struct frame *frame);
/* The payload's: this interrupt is active. */
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

/* Maps everything to itself on this CPU: RAM cached, so that exclusives work on it, the rest as
 * device. */
void mmu_on(void);

#endif
#endif
