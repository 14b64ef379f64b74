// SPDX-License-Identifier: MIT
/* devices/pl031.c as a driver sees it (Arm DDI 0224). */
#include "unit.h"

#include "devices/pl031.h"

#define DR 0x00
#define MR 0x04
#define LR 0x08
#define CR 0x0c
#define IMSC 0x10
#define RIS 0x14
#define MIS 0x18
#define ICR 0x1c
#define S 1000000000ull

static struct pl031 rtc;
static uint64_t time_of_day, timer;
static bool line;

static void set_line(void *controller, unsigned number, bool level)
{
	(void)controller, (void)number;
	line = level;
}

static void set_timer(void *clock, unsigned number, uint64_t nanoseconds)
{
	(void)clock, (void)number;
	timer = nanoseconds;
}

static uint64_t seconds(void)
{
	return time_of_day;
}

static int power_on(void **state)
{
	(void)state;
	rtc = (struct pl031){
		.wires.irq = { .set = set_line },
		.wires.timer = { .set = set_timer },
		.seconds = seconds,
	};
	time_of_day = 1767225600; /* 2026 */
	line = false;
	pl031_ops.reset(&rtc);
	return 0;
}

static uint64_t get(uint64_t offset)
{
	return pl031_ops.read(&rtc, offset, 4);
}

static void put(uint64_t offset, uint64_t value)
{
	pl031_ops.write(&rtc, offset, 4, value);
}

static void test_identification(void **state)
{
	static const uint8_t ids[] = { 0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	(void)state;
	for (unsigned i = 0; i < sizeof ids; i++)
		assert_int_equal(get(0xfe0 + 4 * i), ids[i]);
	for (uint64_t offset = 0; offset < 0x1000; offset++)
		for (unsigned size = 1; size <= 8; size *= 2) {
			pl031_ops.write(&rtc, offset, size, 0);
			pl031_ops.read(&rtc, offset, size);
		}
	assert_int_equal(get(0x20), 0);
}

static void test_time(void **state)
{
	(void)state;
	assert_int_equal(get(DR), 1767225600);
	assert_int_equal(get(CR), 1);
	put(DR, 5); /* read-only */
	put(CR, 0); /* the clock cannot be stopped */
	assert_int_equal(get(CR), 1);
	time_of_day++;
	assert_int_equal(get(DR), 1767225601);
	put(LR, 100);
	assert_int_equal(get(LR), 100);
	assert_int_equal(get(DR), 100);
	time_of_day += 7;
	assert_int_equal(get(DR), 107);
	pl031_ops.reset(&rtc);
	assert_int_equal(get(DR), time_of_day);
}

static void test_alarm(void **state)
{
	(void)state;
	put(LR, 0xfffffffe);
	put(MR, 1); /* behind the counter's wrap at 2^32 */
	assert_int_equal(timer, 3 * S);
	put(IMSC, 1);
	time_of_day += 2;
	pl031_ops.expire(&rtc); /* early */
	assert_int_equal(get(RIS), 0);
	assert_int_equal(timer, 1 * S);
	time_of_day += 1;
	pl031_ops.expire(&rtc);
	assert_int_equal(get(RIS), 1);
	assert_int_equal(get(MIS), 1);
	assert_true(line);
	put(IMSC, 0);
	assert_int_equal(get(RIS), 1);
	assert_int_equal(get(MIS), 0);
	assert_false(line);
	put(IMSC, 0xff);
	assert_int_equal(get(IMSC), 1);
	put(ICR, 2); /* only bit 0 clears */
	assert_true(line);
	put(ICR, 1);
	assert_false(line);
	put(MR, get(DR) + 5);
	time_of_day += 6;
	pl031_ops.expire(&rtc); /* late */
	assert_true(line);
	put(ICR, 1);
	put(MR, get(DR)); /* it is that time now */
	assert_int_equal(get(MR), get(DR));
	assert_true(line);
	assert_int_equal(timer, TIMER_OFF);
	put(MR, get(DR) - 1); /* that has passed */
	assert_int_equal(timer, 0xffffffff * S);
}

/* When the host's clock is set, a pending alarm follows it. */
static void test_clock_is_set(void **state)
{
	(void)state;
	put(IMSC, 1);
	pl031_ops.day_set(&rtc); /* no alarm is pending */
	time_of_day += 100000;
	pl031_ops.day_set(&rtc);
	assert_false(line);
	put(MR, get(DR) + 3600);
	time_of_day += 1000;
	pl031_ops.day_set(&rtc);
	assert_false(line);
	assert_int_equal(timer, 2600 * S);
	time_of_day -= 2000;
	pl031_ops.day_set(&rtc);
	assert_false(line);
	assert_int_equal(timer, 4600 * S);
	time_of_day += 5000;
	pl031_ops.day_set(&rtc);
	assert_true(line);
	put(ICR, 1);
	/* The alarm raises the interrupt once. */
	pl031_ops.day_set(&rtc);
	time_of_day += 10;
	pl031_ops.day_set(&rtc);
	assert_false(line);
	/* The clock is set back before the match, which then occurs again. */
	time_of_day -= 1000;
	pl031_ops.day_set(&rtc);
	assert_false(line);
	assert_int_equal(timer, (1000 - 10 - 400) * S);
	time_of_day += 600;
	pl031_ops.expire(&rtc);
	assert_true(line);
	put(ICR, 1);
	/* A match that had passed when MR was written. */
	put(MR, get(DR) - 10);
	time_of_day += 100;
	pl031_ops.day_set(&rtc);
	assert_false(line);
	/* A match in the current second, cleared, and written again. */
	put(MR, get(DR));
	assert_true(line);
	put(ICR, 1);
	pl031_ops.day_set(&rtc);
	assert_false(line);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_identification, power_on),
		cmocka_unit_test_setup(test_time, power_on),
		cmocka_unit_test_setup(test_alarm, power_on),
		cmocka_unit_test_setup(test_clock_is_set, power_on),
	};

	return RUN(tests);
}
