// SPDX-License-Identifier: MIT
/* devices/virtio/balloon.c: which memory of the guest is returned to the host, and when. */
#include "virtio.h"

#include "devices/virtio/balloon.h"

#define PAGE 4096ul

static struct virtio_balloon balloon;
static unsigned calls;
static struct {
	size_t at, length;
} given[300];

static void give_back(void *memory, void *bytes, uint64_t length)
{
	assert_ptr_equal(memory, &calls);
	given[calls].at = (size_t)((uint8_t *)bytes - ram);
	given[calls++].length = length;
	assert_true(calls < 300);
}

static void start(bool legacy)
{
	balloon = (struct virtio_balloon){ .give_back = give_back, .memory = &calls };
	memset(ram, 0, sizeof ram);
	calls = 0;
	virtio_balloon_init(&balloon, legacy);
	connect(&balloon.virtio, &virtio_timed_ops);
}

static int setup(void **state)
{
	(void)state;
	start(false);
	start_driver(5);
	return 0;
}

static void assert_given(unsigned n, size_t at, size_t length)
{
	assert_true(n < calls);
	assert_int_equal(given[n].at, at);
	assert_int_equal(given[n].length, length);
}

/* Writes page numbers from the nth page of RAM on. */
static void put_number(unsigned index, uint32_t number)
{
	memcpy(ram + BUFFERS + 4ul * index, &number, sizeof number);
}

#define FIRST ((uint32_t)(RAM_AT / PAGE))

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(get_register(8), 5);
	put_register(0x14, 0);
	assert_int_equal(get_register(0x10) & 0xffffff, 1 << 2 | 1 << 5);
	for (unsigned queue = 0; queue < 6; queue++) {
		put_register(0x30, queue);
		assert_int_equal(get_register(0x34), queue < 5 ? 256 : 0);
	}
}

/* num_pages is always 0; the driver can write `actual`, which a reset clears. */
static void test_config(void **state)
{
	(void)state;
	put_register(0x100, 77);
	assert_int_equal(get_register(0x100), 0);
	put_register(0x104, 0x12345678);
	assert_int_equal(get_register(0x104), 0x12345678);
	assert_int_equal(virtio_timed_ops.read(&balloon, 0x106, 1), 0x34);
	put_register(0x108, 1);
	assert_int_equal(get_register(0x108), 0);
	put_register(0x70, 0);
	assert_int_equal(get_register(0x104), 0);
}

/* Free page reporting, by the queue that Linux uses and by the standard's. */
static void test_report(void **state)
{
	const struct buffer buffers[] = { { 0x40000, 2 * PAGE, WRITE }, { 0x80000, PAGE, WRITE } };

	(void)state;
	for (unsigned queue = 2; queue < 5; queue += 2) {
		calls = 0;
		add(queue, buffers, 2);
		add_one(queue, 0xc0000, 100, WRITE);
		notify(queue);
		assert_int_equal(calls + answered(queue),
				 0); /* not by the notification, on the vCPU's thread */
		driver.written = 0;
		assert_true(expire());
		assert_int_equal(answered(queue), 2);
		assert_int_equal(answer_length(queue, 0), 0);
		assert_int_equal(calls, 3);
		assert_given(0, 0x40000, 2 * PAGE);
		assert_given(1, 0x80000, PAGE);
		assert_given(2, 0xc0000,
			     100); /* the callback gets the bytes as they are, whole pages or not */
		assert_true(driver.written >= 3 * PAGE + 100);
		assert_int_equal(driver.level, 1);
		acknowledge();
	}
	assert_int_equal(driver.raised, 2);
}

/* Readable pieces are not free pages. */
static void test_readable_report(void **state)
{
	(void)state;
	add_one(2, 0x40000, PAGE, 0);
	notify(2);
	expire();
	assert_int_equal(answered(2), 1);
	assert_int_equal(calls, 0);
}

/* Consecutive pages are returned together, others one by one, and none that is not RAM. */
static void test_inflate(void **state)
{
	static const uint32_t numbers[] = { 16, 17, 18, 40, 39, 38, 50, 256, 0x8000, 60, 61 };

	(void)state;
	for (unsigned i = 0; i < 11; i++)
		put_number(i, FIRST + numbers[i]);
	put_number(11, 0);
	put_number(12, 0xffffffff);
	put_number(13, FIRST + 62);
	add(0, (struct buffer[]){ { BUFFERS, 22, 0 }, { BUFFERS + 22, 14 * 4 - 22 + 3, 0 } }, 2);
	notify(0);
	assert_int_equal(calls, 0);
	assert_true(expire());
	assert_int_equal(answered(0), 1);
	assert_int_equal(calls, 7);
	assert_given(0, 16 * PAGE, 3 * PAGE);
	assert_given(1, 40 * PAGE, PAGE);
	assert_given(2, 39 * PAGE, PAGE);
	assert_given(3, 38 * PAGE, PAGE);
	assert_given(4, 50 * PAGE, PAGE);
	assert_given(5, 60 * PAGE, 2 * PAGE);
	assert_given(6, 62 * PAGE, PAGE);
}

/* Consecutive pages may go across the parts in which page numbers are read. */
static void test_long_inflate(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 600; i++)
		put_number(i, FIRST + i % 200);
	add_one(0, BUFFERS, 600 * 4, 0);
	notify(0);
	expire();
	assert_int_equal(calls, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_given(i, 0, 200 * PAGE);
}

/* The end of a very long list is ignored. */
static void test_endless_inflate(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 16384; i++)
		put_number(i, 1);
	put_number(16384, FIRST);
	add_one(0, BUFFERS, 16385 * 4, 0);
	notify(0);
	expire();
	assert_int_equal(answered(0), 1);
	assert_int_equal(calls, 0);
}

static void test_deflate(void **state)
{
	(void)state;
	put_number(0, FIRST + 16);
	add(1, (struct buffer[]){ { BUFFERS, 4, 0 }, { BUFFERS + PAGE, PAGE, WRITE } }, 2);
	notify(1);
	expire();
	assert_int_equal(answered(1), 1);
	assert_int_equal(calls, 0);
}

/* Requests beyond a round are handled in the next one. */
static void test_rounds(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2; round++)
		for (unsigned queue = 0; queue < 5; queue++) {
			for (unsigned i = 0; i < RING; i++)
				add_one(queue, 0x40000, PAGE, queue < 2 ? 0 : WRITE);
			notify(queue);
			if (queue == 4) {
				assert_true(expire());
				assert_true(expire());
				assert_true(expire());
				assert_false(expire());
				assert_int_equal(answered(queue), (round + 1) * RING);
			}
		}
}

static void test_reset(void **state)
{
	(void)state;
	add_one(2, 0x40000, PAGE, WRITE);
	notify(2);
	put_register(0x70, 0);
	expire();
	assert_int_equal(calls, 0);
}

static void test_legacy(void **state)
{
	(void)state;
	start(true);
	assert_int_equal(get_register(4), 1);
	put_register(0x104, 5);
	assert_int_equal(get_register(0x104), 5);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_identity),	    TEST(test_config),	TEST(test_report),
		TEST(test_readable_report), TEST(test_inflate), TEST(test_long_inflate),
		TEST(test_endless_inflate), TEST(test_deflate), TEST(test_rounds),
		TEST(test_reset),	    TEST(test_legacy),
	};

	return RUN(tests);
}
