/* SPDX-License-Identifier: MIT */
/* The CPU's virtual counter. Used by the programs with musl's libc that measure. */
#ifndef COUNTER_H
#define COUNTER_H

#include <stdint.h>

static inline uint64_t counter(void)
{
	uint64_t value;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value)::"memory");
	return value;
}

/* In two steps, so that it holds for hours of ticks. */
static inline uint64_t nanoseconds(uint64_t ticks)
{
	uint64_t frequency;

	__asm__("mrs %0, cntfrq_el0" : "=r"(frequency));
	return ticks * 1000000 / (frequency / 1000);
}

#endif
