// SPDX-License-Identifier: MIT
/*
 * devices/state.c: a device that is saved and loaded into another one in the middle of a random
 * script goes on like its twin that was not. All that a driver or a wire can see is compared.
 */
#include "unit.h"

#include "devices/finisher.h"
#include "devices/flash.h"
#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/virtio_mmio.h"

#include <string.h>

/* What the wires of a device have been told. */
struct outside {
	bool level;
	uint64_t timer;
	unsigned bytes, asks, ends;
	uint32_t sum; /* of all bytes sent */
	bool stalled; /* the line wants no more bytes */
};

struct twin {
	union {
		struct pl011 uart;
		struct pl031 rtc;
		struct finisher finisher;
		struct flash flash;
	} device;
	struct outside outside;
};

static uint64_t time_of_day;

static void set_level(void *outside, unsigned number, bool level)
{
	(void)number;
	((struct outside *)outside)->level = level;
}

static void set_timer(void *outside, unsigned number, uint64_t nanoseconds)
{
	(void)number;
	((struct outside *)outside)->timer = nanoseconds;
}

static uint64_t timer_left(void *outside, unsigned number)
{
	(void)number;
	return ((struct outside *)outside)->timer;
}

static bool transmit(void *opaque, const uint8_t *bytes, unsigned count)
{
	struct outside *outside = opaque;

	outside->bytes += count;
	while (count--)
		outside->sum = outside->sum * 31 + *bytes++;
	return !outside->stalled;
}

static void empty(void *outside, unsigned room)
{
	((struct outside *)outside)->asks += 1 + room;
}

static void idle(void *outside)
{
	(void)outside;
}

static void finish(void *outside, enum finish how, uint16_t code)
{
	((struct outside *)outside)->ends += 1 + (unsigned)how * 0x10000 + code;
}

static bool show(void *outside, uint64_t offset)
{
	(void)outside, (void)offset;
	return true;
}

static uint64_t seconds(void)
{
	return time_of_day;
}

static void connect_uart(struct twin *twin)
{
	twin->device.uart = (struct pl011){
		.irq = { .set = set_level, .controller = &twin->outside },
		.timer = { .set = set_timer, .left = timer_left, .clock = &twin->outside },
		.transmit = transmit,
		.empty = empty,
		.idle = idle,
		.line = &twin->outside,
		.clock = 24000000,
	};
}

static void connect_rtc(struct twin *twin)
{
	twin->device.rtc = (struct pl031){
		.irq = { .set = set_level, .controller = &twin->outside },
		.timer = { .set = set_timer, .left = timer_left, .clock = &twin->outside },
		.seconds = seconds,
	};
}

static void connect_finisher(struct twin *twin)
{
	twin->device.finisher = (struct finisher){ .finish = finish, .listener = &twin->outside };
}

static void connect_flash(struct twin *twin)
{
	twin->device.flash = (struct flash){ .show = show, .listener = &twin->outside };
}

static void connect_nothing(struct twin *twin)
{
	(void)twin;
}

/* What comes from outside. */
static void disturb_uart(struct twin *twin, uint32_t random)
{
	uint16_t symbols[4] = { (uint8_t)random, (uint8_t)(random >> 4), PL011_BREAK, 'y' };

	switch (random % 4) {
	case 0:
	case 1:
		pl011_receive(&twin->device.uart, symbols, random / 4 % 5, random & 32);
		break;
	case 2:
		twin->outside.stalled = random & 4;
		break;
	default:
		if (!twin->outside.stalled)
			pl011_ready(&twin->device.uart);
	}
}

/* A device, and how it is placed into a twin. */
static const struct subject {
	const struct device_ops *ops;
	void (*connect)(struct twin *twin);
	void (*disturb)(struct twin *twin, uint32_t random); /* NULL: nothing comes from outside */
	bool has_timer, has_irq;
} subjects[] = {
	{ &pl011_ops, connect_uart, disturb_uart, true, true },
	{ &pl031_ops, connect_rtc, NULL, true, true },
	{ &finisher_ops, connect_finisher, NULL, false, false },
	{ &flash_ops, connect_flash, NULL, false, false },
	{ &virtio_mmio_ops, connect_nothing, NULL, false, false },
};

static uint32_t seed;

static uint32_t next(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

/* Mostly a register with a name; the answer of a read. */
static uint64_t access_one(const struct subject *subject, struct twin *twin, uint32_t random)
{
	unsigned named = 0;
	uint64_t offset = random % 0x1000 & ~3u;
	uint64_t value = random >> 4 & (random & 8 ? 0xf : 0xffff);

	while (subject->ops->registers[named].name)
		named++;
	if (named && random & 0x40)
		offset = subject->ops->registers[(random >> 7) % named].offset;
	if (random & 1)
		return subject->ops->read(&twin->device, offset, 4);
	subject->ops->write(&twin->device, offset, 4, value);
	return 0;
}

/* The same for any device: an access, something from outside, or its timer. */
static uint64_t step(const struct subject *subject, struct twin *twin, uint32_t random,
		     uint32_t what)
{
	if (what % 8 == 0 && subject->disturb) {
		subject->disturb(twin, random);
	} else if (what % 8 == 1 && subject->ops->expire && twin->outside.timer != TIMER_OFF) {
		twin->outside.timer = TIMER_OFF;
		subject->ops->expire(&twin->device);
	} else {
		return access_one(subject, twin, random);
	}
	return 0;
}

static void power_on(const struct subject *subject, struct twin *twin)
{
	memset(twin, 0, sizeof *twin);
	subject->connect(twin);
	subject->ops->reset(&twin->device);
}

static void compare(const struct subject *subject, struct twin *one, struct twin *two)
{
	uint8_t before[256], after[256];
	size_t size = device_state_size(subject->ops);

	assert_true(size <= sizeof before);
	device_save(subject->ops, &one->device, before);
	device_save(subject->ops, &two->device, after);
	assert_memory_equal(before, after, size);
	assert_memory_equal(&one->outside, &two->outside, sizeof one->outside);
}

/* Of `steps` random ones, after the first `saved_at` the second twin is a new one. */
static void run_script(const struct subject *subject, unsigned steps, unsigned saved_at)
{
	static struct twin one, two;
	uint8_t state[256];

	power_on(subject, &one);
	power_on(subject, &two);
	for (unsigned i = 0; i < steps; i++) {
		uint32_t random = next(), what = next();

		if (what % 16 == 2)
			time_of_day++;
		if (i == saved_at) {
			struct outside kept = two.outside;

			device_save(subject->ops, &two.device, state);
			power_on(subject, &two);
			two.outside = kept;
			two.outside.level = !kept.level; /* it has to be told */
			two.outside.timer = 1;
			assert_true(device_load(subject->ops, &two.device, state));
			if (subject->ops == &pl011_ops && one.device.uart.offered)
				pl011_receive(&two.device.uart, NULL, 0, true);
			if (!subject->has_timer)
				two.outside.timer = kept.timer;
			if (!subject->has_irq)
				two.outside.level = kept.level;
		}
		assert_int_equal(step(subject, &one, random, what),
				 step(subject, &two, random, what));
		compare(subject, &one, &two);
	}
}

static void test_twins(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
		for (unsigned script = 0; script < 2000; script++) {
			seed = script;
			time_of_day = 1767225600; /* 2026 */
			run_script(&subjects[i], 60, next() % 60);
		}
}

/* A state that no device can have is refused, and any other one is harmless. */
static void test_broken(void **state)
{
	static struct twin twin;
	uint8_t bytes[256];
	unsigned refused = 0;

	(void)state;
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
		for (seed = 0; seed < 5000; seed++) {
			uint32_t before = seed;

			power_on(&subjects[i], &twin);
			device_save(subjects[i].ops, &twin.device, bytes);
			for (unsigned n = next() % 4; n--;)
				bytes[next() % sizeof bytes] = (uint8_t)next();
			refused += !device_load(subjects[i].ops, &twin.device, bytes);
			if (subjects[i].ops == &pl011_ops)
				assert_true(pl011_room(&twin.device.uart) <= PL011_FIFO);
			for (unsigned n = 0; n < 20; n++)
				step(&subjects[i], &twin, next(), next());
			seed = before;
		}
	assert_true(refused > 100);
}

/* Every row lies within its struct, and no two rows have a byte together. */
static void test_tables(void **state)
{
	static const size_t sizes[] = { sizeof(struct pl011), sizeof(struct pl031),
					sizeof(struct finisher), sizeof(struct flash), 0 };

	(void)state;
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
		bool taken[sizeof(struct twin)] = { false };

		for (const struct field *field = subjects[i].ops->fields; field->name; field++)
			for (size_t at = 0; at < (size_t)field->size * field->count; at++) {
				assert_true(field->offset + at < sizes[i]);
				assert_false(taken[field->offset + at]);
				taken[field->offset + at] = true;
			}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_tables),
	};

	return RUN(tests);
}
