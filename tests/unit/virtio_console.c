// SPDX-License-Identifier: MIT
/* devices/virtio/console.c: output to a line that stalls, and input from it. */
#include "virtio.h"

#include "devices/virtio/console.h"

enum { RECEIVE, TRANSMIT };

#define ROUND 65536 /* bytes of a round */

static struct virtio_console console;
static uint8_t sent[2 * RAM_BYTES];
static size_t sent_count, room, at_once;
static uint8_t typed[8192];
static size_t typed_count, typed_taken;

static size_t transmit(void *line, const uint8_t *bytes, size_t size)
{
	assert_ptr_equal(line, &room);
	assert_int_not_equal(size, 0);
	if (size > at_once)
		size = at_once;
	if (size > room)
		size = room;
	memcpy(sent + sent_count, bytes, size);
	sent_count += size;
	room -= size;
	return size;
}

static size_t receive(void *line, uint8_t *bytes, size_t size)
{
	assert_ptr_equal(line, &room);
	assert_int_not_equal(size, 0);
	if (size > typed_count - typed_taken)
		size = typed_count - typed_taken;
	memcpy(bytes, typed + typed_taken, size);
	typed_taken += size;
	return size;
}

static int setup(void **state)
{
	(void)state;
	console =
		(struct virtio_console){ .transmit = transmit, .receive = receive, .line = &room };
	for (unsigned i = 0; i < sizeof ram; i++)
		ram[i] = (uint8_t)(i * 7 % 251);
	for (unsigned i = 0; i < sizeof typed; i++)
		typed[i] = (uint8_t)(i * 11 % 251);
	sent_count = typed_count = typed_taken = 0;
	room = sizeof sent;
	at_once = 4096;
	virtio_console_init(&console, false);
	connect(&console.virtio, &virtio_timed_ops);
	start_driver(2);
	acknowledge(); /* the driver is informed of the size at once */
	driver.raised = 0;
	return 0;
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(get_register(8), 3);
	put_register(0x14, 0);
	assert_int_equal(get_register(0x10) & 0xffffff, 1);
	put_register(0x30, 2);
	assert_int_equal(get_register(0x34), 0);
}

/* When the terminal's size changes, the config space does. */
static void test_size(void **state)
{
	uint32_t generation;

	(void)state;
	put_register(0x70, 0);
	virtio_console_resize(&console, 70, 20);
	assert_false(driver.level);
	start_driver(2);
	assert_int_equal(get_register(0x100), 20 << 16 | 70);
	assert_int_equal(get_register(0x60), 2);
	acknowledge();
	driver.raised = 0;
	virtio_console_resize(&console, 80, 25);
	assert_int_equal(get_register(0x100), 25 << 16 | 80);
	assert_int_equal(get_register(0x60), 2);
	acknowledge();
	generation = get_register(0xfc);
	virtio_console_resize(&console, 400, 300);
	assert_int_equal(get_register(0x100), 300 << 16 | 400);
	assert_int_not_equal(get_register(0xfc), generation);
	assert_int_equal(driver.raised, 2);
	put_register(0x100, 0);
	put_register(0x70, 0);
	assert_int_equal(get_register(0x100), 300 << 16 | 400);
}

/* The notification sends all requests, with one interrupt. */
static void test_transmit(void **state)
{
	const struct buffer buffers[] = { { BUFFERS, 10, 0 },
					  { BUFFERS + 10, 0, 0 },
					  { BUFFERS + 10, 9000, 0 } };

	(void)state;
	add(TRANSMIT, buffers, 3);
	add_one(TRANSMIT, BUFFERS + 9010, 990, 0);
	notify(TRANSMIT);
	assert_int_equal(sent_count, 10000);
	assert_memory_equal(sent, ram + BUFFERS, 10000);
	assert_int_equal(answered(TRANSMIT), 2);
	assert_int_equal(answer_length(TRANSMIT, 0), 0);
	assert_int_equal(driver.raised, 1);
	assert_false(expire());
	assert_false(virtio_console_work(&console));
}

/* Each byte is sent once, in order, however little the line accepts; the answer follows the last
 * byte. */
static void test_stall(void **state)
{
	const struct buffer buffers[] = { { BUFFERS, 100, 0 }, { BUFFERS + 100, 200, 0 } };
	unsigned turns = 0;

	(void)state;
	room = 0;
	add(TRANSMIT, buffers, 2);
	add_one(TRANSMIT, BUFFERS + 300, 50, 0);
	notify(TRANSMIT);
	assert_int_equal(sent_count, 0);
	assert_false(expire()); /* the timer is not used: the line reports when it accepts more */
	do {
		assert_int_equal(answered(TRANSMIT), sent_count >= 300);
		assert_int_equal(driver.raised, sent_count >= 300);
		room = 7;
		turns++;
	} while (virtio_console_work(&console));
	assert_int_equal(turns, 350 / 7);
	assert_int_equal(sent_count, 350);
	assert_memory_equal(sent, ram + BUFFERS, 350);
	assert_int_equal(answered(TRANSMIT), 2);
	/* The progress of one request does not count for the next. */
	add_one(TRANSMIT, BUFFERS, 60, 0);
	room = 1000;
	notify(TRANSMIT);
	assert_int_equal(sent_count, 410);
	assert_memory_equal(sent + 350, ram + BUFFERS, 60);
}

/* A reset while a request has been sent in part. */
static void test_stall_and_reset(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		room = 30;
		sent_count = 0;
		add_one(TRANSMIT, BUFFERS, 100, 0);
		notify(TRANSMIT);
		assert_int_equal(sent_count, 30);
		if (i) { /* of the whole device, or of the queue */
			start_driver(2);
		} else {
			put_register(0x30, TRANSMIT);
			put_register(0x44, 0);
			set_up_queue(TRANSMIT);
		}
		room = 1000;
		assert_false(virtio_console_work(&console));
		assert_int_equal(sent_count, 30);
		add_one(TRANSMIT, BUFFERS, 50, 0);
		notify(TRANSMIT);
		assert_int_equal(sent_count, 80);
		assert_memory_equal(sent + 30, ram + BUFFERS, 50);
	}
}

/* Rounds are bounded, however much a driver prints, and no byte is lost. */
static void test_rounds(void **state)
{
	(void)state;
	at_once = SIZE_MAX;
	add_one(TRANSMIT, BUFFERS, 2 * ROUND + 5, 0);
	notify(TRANSMIT);
	assert_int_equal(sent_count, ROUND);
	assert_true(expire());
	assert_int_equal(sent_count, 2 * ROUND);
	assert_int_equal(answered(TRANSMIT), 0);
	assert_true(virtio_console_work(&console) || expire());
	assert_int_equal(sent_count, 2 * ROUND + 5);
	assert_memory_equal(sent, ram + BUFFERS, sent_count);
	assert_int_equal(answered(TRANSMIT), 1);
}

static size_t make_another(void *line, const uint8_t *bytes, size_t size)
{
	add_one(TRANSMIT, BUFFERS, 1, 0);
	return transmit(line, bytes, size);
}

static void test_endless(void **state)
{
	(void)state;
	console.transmit = make_another;
	add_one(TRANSMIT, BUFFERS, 1, 0);
	notify(TRANSMIT);
	assert_in_range(answered(TRANSMIT), 100, 2000);
	assert_true(expire());
}

/* Input is kept until there are buffers, and fills them in order. */
static void test_receive(void **state)
{
	const struct buffer buffers[] = { { BUFFERS + 100, 3, WRITE },
					  { BUFFERS + 200, 50, WRITE } };

	(void)state;
	typed_count = 5;
	virtio_console_work(&console);
	assert_int_equal(typed_taken, 0);
	add(RECEIVE, buffers, 2);
	notify(RECEIVE);
	assert_int_equal(answered(RECEIVE), 1);
	assert_int_equal(answer_length(RECEIVE, 0), 5);
	assert_memory_equal(ram + BUFFERS + 100, typed, 3);
	assert_memory_equal(ram + BUFFERS + 200, typed + 3, 2);
	assert_int_equal(driver.raised, 1);
	acknowledge();
	/* Buffers wait for input, and each is used once. */
	for (unsigned i = 0; i < 4; i++)
		add_one(RECEIVE, BUFFERS + 0x1000 * i, i == 1 ? 0 : 4, WRITE);
	notify(RECEIVE);
	virtio_console_work(&console);
	assert_int_equal(answered(RECEIVE), 1);
	assert_int_equal(driver.raised, 1);
	typed_count = 30;
	virtio_console_work(&console);
	assert_int_equal(answered(RECEIVE), 5);
	assert_int_equal(driver.raised, 2);
	assert_int_equal(typed_taken, 5 + 3 * 4);
	assert_int_equal(answer_length(RECEIVE, 2), 0);
	assert_memory_equal(ram + BUFFERS + 0x3000, typed + 13, 4);
	assert_false(expire());
}

/* A large buffer gets at most 256 bytes at a time. */
static void test_much_input(void **state)
{
	(void)state;
	typed_count = 600;
	for (unsigned i = 0; i < 3; i++)
		add_one(RECEIVE, BUFFERS + 0x2000 * i, 0x2000, WRITE);
	virtio_console_work(&console);
	assert_int_equal(typed_taken, 600);
	assert_int_equal(answered(RECEIVE), 3);
	assert_int_equal(answer_length(RECEIVE, 2), 600 - 512);
}

static void test_broken(void **state)
{
	(void)state;
	typed_count = 1;
	add_one(RECEIVE, RAM_BYTES, 1, WRITE);
	notify(RECEIVE);
	assert_int_equal(get_register(0x70), 15 | 64);
	assert_int_equal(typed_taken, 0);
	add_one(TRANSMIT, BUFFERS, 1, 0);
	notify(TRANSMIT);
	assert_int_equal(sent_count, 0);
}

/* A legacy driver sets GuestPageSize before the reset, as Linux does; it must be kept. */
static void test_legacy(void **state)
{
	static const uint32_t steps[][2] = {
		{ 0x28, 4096 },		 { 0x70, 0 },	 { 0x70, 3 },
		{ 0x30, TRANSMIT },	 { 0x38, RING }, { 0x3c, 4096 },
		{ 0x40, RAM_AT / 4096 }, { 0x70, 7 }
	};
	const uint64_t address = RAM_AT + BUFFERS;
	const uint32_t length = 70;

	(void)state;
	virtio_console_init(&console, true);
	connect(&console.virtio, &virtio_timed_ops);
	virtio_console_resize(&console, 80, 25);
	memset(ram, 0, BUFFERS);
	memcpy(ram, &address, sizeof address);
	memcpy(ram + 8, &length, sizeof length);
	for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++)
		put_register(steps[i][0], steps[i][1]);
	assert_int_equal(get_register(0x70), 7);
	assert_int_equal(get_register(0x60), 2); /* of the terminal's size */
	acknowledge();
	ram[16 * RING + 2] = 1; /* the available index */
	notify(TRANSMIT);
	assert_int_equal(sent_count, 70);
	assert_int_equal(ram[0x1002], 1);
	assert_int_equal(get_register(0x60), 1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_identity),	    TEST(test_size),
		TEST(test_transmit),	    TEST(test_stall),
		TEST(test_stall_and_reset), TEST(test_rounds),
		TEST(test_endless),	    TEST(test_receive),
		TEST(test_much_input),	    TEST(test_broken),
		TEST(test_legacy),
	};

	return RUN(tests);
}
