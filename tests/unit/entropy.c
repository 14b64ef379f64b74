// SPDX-License-Identifier: MIT
/* devices/virtio/entropy.c: which bytes a driver gets, and when. */
#include "virtio.h"

#include "devices/virtio/entropy.h"

#define MAX_FILL 65536 /* bytes of a round */

static struct virtio_entropy entropy;
static size_t filled; /* bytes so far, which count up */

static void fill(void *to, size_t size)
{
	assert_true(size <= 256); /* getrandom may return fewer bytes of a larger request */
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = (uint8_t)(filled++ % 251 + 1);
}

static int setup(void **state)
{
	(void)state;
	entropy = (struct virtio_entropy){ .virtio.slot = 0 };
	memset(ram, 0, sizeof ram);
	filled = 0;
	virtio_entropy_init(&entropy, fill);
	connect(&entropy.virtio, &virtio_timed_ops);
	start_driver(1);
	return 0;
}

/* Are these the random bytes from the nth on, and is the byte behind them unchanged? */
static void assert_filled(uint32_t at, uint32_t length, size_t n)
{
	for (uint32_t i = 0; i < length; i++)
		assert_int_equal(ram[at + i], (n + i) % 251 + 1);
	assert_int_equal(ram[at + length], 0);
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(get_register(8), 4);
	put_register(0x30, 0);
	assert_int_equal(get_register(0x34), 256);
	put_register(0x30, 1);
	assert_int_equal(get_register(0x34), 0);
	assert_int_equal(get_register(0x100), 0);
}

/* Requests are not handled by the notification, but by the timer: all of them, with one interrupt.
 */
static void test_fill(void **state)
{
	const struct buffer buffers[] = { { BUFFERS, 50, 0 },
					  { BUFFERS + 0x1000, 100, WRITE },
					  { BUFFERS + 0x2000, 300, WRITE } };

	(void)state;
	add(0, buffers, 3);
	notify(0);
	assert_int_equal(filled + answered(0), 0);
	add_one(0, BUFFERS + 0x3000, 256, WRITE);
	assert_true(expire());
	assert_int_equal(answered(0), 2);
	assert_int_equal(answer_length(0, 0), 400);
	assert_int_equal(answer_length(0, 1), 256);
	assert_int_equal(ram[BUFFERS], 0); /* a readable piece is not written */
	assert_filled(BUFFERS + 0x1000, 100, 0);
	assert_filled(BUFFERS + 0x2000, 300, 100);
	assert_int_equal(ram[BUFFERS + 0x3000], 512 % 251 + 1); /* no byte is given twice */
	assert_int_equal(driver.raised, 1);
	assert_int_equal(get_register(0x60), 1);
	acknowledge();
	assert_false(expire());
	notify(0);
	assert_true(expire()); /* the queue is empty */
	assert_int_equal(driver.raised, 1);
	assert_true(driver.written >= 656);
}

/* A long request is filled in part; the next request waits for the next round. */
static void test_bound(void **state)
{
	(void)state;
	add_one(0, BUFFERS, 200000, WRITE);
	add_one(0, BUFFERS + 200000, 200000, WRITE);
	notify(0);
	assert_true(expire());
	assert_int_equal(answered(0), 1);
	assert_int_equal(answer_length(0, 0), MAX_FILL);
	assert_int_equal(filled, MAX_FILL);
	assert_true(expire());
	assert_int_equal(answered(0), 2);
	assert_int_equal(answer_length(0, 1), MAX_FILL);
	assert_true(expire());
	assert_false(expire());
}

static void make_another(void *to, size_t size)
{
	fill(to, size);
	add_one(0, BUFFERS, filled % 2 ? 0 : 1, WRITE);
}

/* Rounds are bounded, however many requests a driver makes. */
static void test_endless(void **state)
{
	(void)state;
	entropy.fill = make_another;
	add_one(0, BUFFERS, 1, WRITE);
	notify(0);
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(expire());
		assert_int_equal(answered(0), i * MAX_FILL / 256);
	}
}

static void test_no_room(void **state)
{
	(void)state;
	add_one(0, BUFFERS, 100, 0);
	notify(0);
	expire();
	assert_int_equal(answered(0), 1);
	assert_int_equal(answer_length(0, 0), 0);
}

static void test_broken(void **state)
{
	(void)state;
	add_one(0, BUFFERS, RAM_BYTES, WRITE);
	notify(0);
	expire();
	assert_int_equal(get_register(0x70), 15 | 64);
	assert_int_equal(get_register(0x60), 2);
	assert_int_equal(filled, 0);
}

/* A request from before a reset is not answered. */
static void test_reset(void **state)
{
	(void)state;
	add_one(0, BUFFERS, 100, WRITE);
	notify(0);
	put_register(0x70, 0);
	expire();
	assert_int_equal(filled + answered(0), 0);
	assert_false(driver.level);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_identity), TEST(test_fill),	TEST(test_bound), TEST(test_endless),
		TEST(test_no_room),  TEST(test_broken), TEST(test_reset),
	};

	return RUN(tests);
}
