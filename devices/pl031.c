// SPDX-License-Identifier: MIT
/*
 * Arm PrimeCell Real Time Clock PL031 (Arm DDI 0224; sections below are this manual's).
 *
 * Who calls it: the bus, and the event loop when the alarm is due, by pl031_ops. Touches its own
 * struct and its wires. The clock always runs: RTCCR cannot stop it (3.3.4).
 */
#include "pl031.h"

#define NS_PER_S 1000000000ull

/* Registers of 3.2, table 3-1. */
#define RTCDR 0x000   /* 3.3.1: the time; read-only */
#define RTCMR 0x004   /* 3.3.2: match value, which raises the interrupt */
#define RTCLR 0x008   /* 3.3.3: sets the time */
#define RTCCR 0x00c   /* 3.3.4: reads 1, started */
#define RTCIMSC 0x010 /* 3.3.5 */
#define RTCRIS 0x014  /* 3.3.6 */
#define RTCMIS 0x018  /* 3.3.7 */
#define RTCICR 0x01c  /* 3.3.8 */

/* PeriphID0..3 and PCellID0..3 (3.3.9, 3.3.10), as on QEMU's `virt` machine. */
#define IDENTIFICATION 0xfe0
static const uint8_t identification[] = { 0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

static uint32_t now(const struct pl031 *rtc)
{
	return (uint32_t)rtc->seconds() + rtc->offset;
}

/* The one place where the interrupt's level is computed. */
static void update_irq(struct pl031 *rtc)
{
	irq_line_set(&rtc->wires.irq, rtc->raw && rtc->mask);
}

/* The clock wraps at 2^32: a match that has just passed is 2^32 seconds away. */
static void start_timer(struct pl031 *rtc)
{
	uint32_t seconds;

	rtc->seen = now(rtc);
	seconds = rtc->match - rtc->seen;
	timer_line_set(&rtc->wires.timer, seconds == 0 ? TIMER_OFF : seconds * NS_PER_S);
}

static void set_alarm(struct pl031 *rtc)
{
	if (rtc->match == now(rtc))
		rtc->raw = true;
	start_timer(rtc);
}

/* Has the clock passed the match value since the last comparison? Not if it was set back. */
static bool has_matched(const struct pl031 *rtc)
{
	uint32_t elapsed = now(rtc) - rtc->seen;

	return (int32_t)elapsed > 0 && rtc->match - rtc->seen - 1 < elapsed;
}

/* The timer runs by another clock than wall-clock time, which may be set: it may expire early or
 * late. */
static void pl031_expire(void *device)
{
	struct pl031 *rtc = device;

	if (has_matched(rtc))
		rtc->raw = true;
	start_timer(rtc);
	update_irq(rtc);
}

static uint32_t read_register(struct pl031 *rtc, uint64_t offset)
{
	uint64_t id = (offset - IDENTIFICATION) / 4;

	switch (offset & ~3ull) {
	case RTCDR:
		return now(rtc);
	case RTCMR:
		return rtc->match;
	case RTCLR:
		return rtc->load;
	case RTCCR:
		return 1;
	case RTCIMSC:
		return rtc->mask;
	case RTCRIS:
		return rtc->raw;
	case RTCMIS:
		return rtc->raw && rtc->mask;
	default:
		return offset >= IDENTIFICATION && id < sizeof identification ? identification[id]
									      : 0;
	}
}

static void write_register(struct pl031 *rtc, uint64_t offset, uint32_t value)
{
	switch (offset & ~3ull) {
	case RTCMR:
		rtc->match = value;
		set_alarm(rtc);
		break;
	case RTCLR:
		rtc->load = value;
		rtc->offset += rtc->load - now(rtc);
		set_alarm(rtc);
		break;
	case RTCIMSC:
		rtc->mask = value & 1;
		break;
	case RTCICR:
		if (value & 1)
			rtc->raw = false;
		break;
	default:
		return;
	}
	update_irq(rtc);
}

/* A 64-bit access is two registers, the lower one first. */
static uint64_t pl031_read(void *device, uint64_t offset, unsigned size)
{
	uint64_t value = read_register(device, offset);

	if (size == 8)
		value |= (uint64_t)read_register(device, offset + 4) << 32;
	return value;
}

static void pl031_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	write_register(device, offset, (uint32_t)value);
	if (size == 8)
		write_register(device, offset + 4, (uint32_t)(value >> 32));
}

static void pl031_reset(void *device)
{
	struct pl031 *rtc = device;

	rtc->offset = rtc->match = rtc->load = 0;
	rtc->seen = now(rtc);
	rtc->mask = rtc->raw = false;
	timer_line_set(&rtc->wires.timer, TIMER_OFF);
	update_irq(rtc);
}

static const struct field fields[] = {
	{ FIELD(struct pl031, offset, UINT32_MAX) },
	{ FIELD(struct pl031, match, UINT32_MAX) },
	{ FIELD(struct pl031, load, UINT32_MAX) },
	{ FIELD(struct pl031, seen, UINT32_MAX) },
	{ FIELD(struct pl031, mask, 1) },
	{ FIELD(struct pl031, raw, 1) },
	{ .name = NULL },
};

static bool pl031_loaded(void *device)
{
	struct pl031 *rtc = device;

	irq_line_restore(&rtc->wires.irq, rtc->raw && rtc->mask);
	return true;
}

static const char alarm[] = "ALARM";
static const struct register_name names[] = {
	{ .offset = RTCDR, .name = "RTCDR" },
	{ .offset = RTCMR, .name = "RTCMR" },
	{ .offset = RTCLR, .name = "RTCLR" },
	{ .offset = RTCCR, .name = "RTCCR", .bits = "EN" },
	{ .offset = RTCIMSC, .name = "RTCIMSC", .bits = alarm },
	{ .offset = RTCRIS, .name = "RTCRIS", .bits = alarm },
	{ .offset = RTCMIS, .name = "RTCMIS", .bits = alarm },
	{ .offset = RTCICR, .name = "RTCICR", .bits = alarm },
	{ .offset = IDENTIFICATION, .count = sizeof identification, .name = "ID" },
	{ .name = NULL },
};

const struct device_ops pl031_ops = {
	.name = "pl031",
	.read = pl031_read,
	.write = pl031_write,
	.reset = pl031_reset,
	.expire = pl031_expire,
	.day_set = pl031_expire,
	.fields = fields,
	.loaded = pl031_loaded,
	.registers = names,
};
