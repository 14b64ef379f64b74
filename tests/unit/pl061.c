// SPDX-License-Identifier: MIT
/* devices/pl061.c as a driver sees it (Arm DDI 0190). */
#include "unit.h"

#include "devices/pl061.h"

#define DATA(mask) ((mask) << 2)
#define DIR 0x400
#define IS 0x404
#define IBE 0x408
#define IEV 0x40c
#define IE 0x410
#define RIS 0x414
#define MIS 0x418
#define IC 0x41c
#define AFSEL 0x420

static struct pl061 gpio;
static bool line;
static unsigned told;

static void set_line(void *controller, unsigned number, bool level)
{
	(void)controller, (void)number;
	line = level;
	told++;
}

static int power_on(void **state)
{
	(void)state;
	gpio = (struct pl061){ .wires.irq = { .set = set_line } };
	line = false;
	told = 0;
	pl061_ops.reset(&gpio);
	return 0;
}

static uint64_t get(uint64_t offset)
{
	return pl061_ops.read(&gpio, offset, 4);
}

static void put(uint64_t offset, uint64_t value)
{
	pl061_ops.write(&gpio, offset, 4, value);
}

static void test_identification(void **state)
{
	static const uint8_t ids[] = { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	(void)state;
	for (unsigned i = 0; i < sizeof ids; i++)
		assert_int_equal(get(0xfe0 + 4 * i), ids[i]);
	for (uint64_t offset = 0; offset < 0x1000; offset++)
		for (unsigned size = 1; size <= 8; size *= 2) {
			pl061_ops.write(&gpio, offset, size, 0xff);
			assert_true(pl061_ops.read(&gpio, offset, size) <= 0xff);
		}
	assert_int_equal(get(0x424), 0);
	assert_int_equal(get(0xfdc), 0);
}

/* What is read as it was written, in 8 bits; and 0 again after a reset. */
static void test_registers(void **state)
{
	static const uint16_t stored[] = { DIR, IS, IBE, IEV, IE, AFSEL };

	(void)state;
	for (size_t i = 0; i < sizeof stored / sizeof *stored; i++) {
		assert_int_equal(get(stored[i]), 0);
		put(stored[i], 0x5a5);
		assert_int_equal(get(stored[i]), 0xa5);
	}
	put(DATA(0xff), 0xff);
	pl061_ops.reset(&gpio);
	put(RIS, 0xff); /* read-only */
	put(MIS, 0xff);
	for (uint64_t offset = 0; offset <= AFSEL; offset += 4)
		assert_int_equal(get(offset), 0);
	assert_int_equal(get(IC), 0); /* write-only */
	assert_false(line);
}

/* Bits 9 to 2 of the address choose what a write changes and what a read shows. */
static void test_data(void **state)
{
	(void)state;
	put(DATA(0xff), 0xff);
	assert_int_equal(get(DATA(0xff)), 0); /* no outputs */
	put(DIR, 0xf0);
	assert_int_equal(get(DATA(0xff)), 0); /* and what was written then is not kept */
	put(DATA(0x30), 0xff);
	assert_int_equal(get(DATA(0xff)), 0x30);
	put(DATA(0x50), 0x40);
	assert_int_equal(get(DATA(0xff)), 0x60);
	assert_int_equal(get(DATA(0x2f)), 0x20);
	assert_int_equal(get(DATA(0)), 0);
	/* Inputs are the outside's; it does not change outputs. */
	for (unsigned pin = 0; pin < PL061_PINS; pin++)
		pl061_set_pin(&gpio, pin, pin & 1);
	assert_int_equal(get(DATA(0xff)), 0x6a);
	put(DIR, 0);
	assert_int_equal(get(DATA(0xff)), 0xaa);
	put(DATA(0xff), 0);
	assert_int_equal(get(DATA(0xff)), 0xaa);
	pl061_ops.reset(&gpio);
	assert_int_equal(get(DATA(0xff)), 0xaa);
}

/* What of a pulse is an interrupt: after the rise, and after the fall if that one was cleared. */
static void test_edges(void **state)
{
	static const struct {
		uint8_t both, event, direction, rise, fall;
	} rows[] = {
		{ 0, 0, 0, 0, 8 }, { 0, 8, 0, 8, 0 },	    { 8, 0, 0, 8, 8 },
		{ 8, 8, 0, 8, 8 }, { 0xf7, 0xf7, 0, 0, 8 }, { 8, 8, 8, 0, 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		power_on(state);
		put(IBE, rows[i].both);
		put(IEV, rows[i].event);
		put(DIR, rows[i].direction);
		pl061_set_pin(&gpio, 3, true);
		pl061_set_pin(&gpio, 3, true);
		assert_int_equal(get(RIS), rows[i].rise);
		put(IC, 0xf7);
		assert_int_equal(get(RIS), rows[i].rise);
		put(IC, 8);
		assert_int_equal(get(RIS), 0);
		pl061_set_pin(&gpio, 3, false);
		assert_int_equal(get(RIS), rows[i].fall);
		assert_int_equal(get(MIS), 0);
		assert_int_equal(told, 0);
	}
}

/* By level it is there as long as the level is, whatever is cleared. */
static void test_levels(void **state)
{
	(void)state;
	put(IS, 8);
	assert_int_equal(get(RIS), 8); /* low */
	put(IEV, 8);
	assert_int_equal(get(RIS), 0);
	pl061_set_pin(&gpio, 3, true);
	put(IC, 0xff);
	assert_int_equal(get(RIS), 8);
	pl061_set_pin(&gpio, 3, false);
	assert_int_equal(get(RIS), 0);
	put(IS, 0); /* and leaves no edge */
	assert_int_equal(get(RIS), 0);
}

/* The mask decides about the line, which all pins have together, and is told of changes alone. */
static void test_line(void **state)
{
	(void)state;
	assert_false(pl061_is_enabled(&gpio, 3));
	put(IEV, 0xff);
	put(IE, 8);
	assert_true(pl061_is_enabled(&gpio, 3));
	assert_false(pl061_is_enabled(&gpio, 2));
	pl061_set_pin(&gpio, 2, true);
	assert_int_equal(get(RIS), 4);
	assert_int_equal(get(MIS), 0);
	assert_false(line);
	pl061_set_pin(&gpio, 3, true);
	assert_int_equal(get(MIS), 8);
	assert_true(line);
	put(IE, 12);
	assert_int_equal(get(MIS), 12);
	put(IC, 8);
	assert_true(line);
	put(IC, 4);
	assert_false(line);
	assert_int_equal(told, 2);
	pl061_set_pin(&gpio, 3, false);
	pl061_set_pin(&gpio, 3, true);
	assert_true(line);
	pl061_ops.reset(&gpio);
	assert_false(line);
	assert_int_equal(told, 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_identification, power_on),
		cmocka_unit_test_setup(test_registers, power_on),
		cmocka_unit_test_setup(test_data, power_on),
		cmocka_unit_test_setup(test_edges, power_on),
		cmocka_unit_test_setup(test_levels, power_on),
		cmocka_unit_test_setup(test_line, power_on),
	};

	return RUN(tests);
}
