/* SPDX-License-Identifier: MIT */
/*
 * A fake driver of a virtio device: guest memory with a ring for each queue, set up by the device's
 * registers. Used by the tests of the types of devices.
 */
#ifndef TESTS_VIRTIO_H
#define TESTS_VIRTIO_H

#include "unit.h"

#include "devices/virtio/mmio.h"

#include <string.h>

#define RAM_AT 0x40000000ull
#define RAM_BYTES (1u << 20)
#define RING 16		    /* entries of each queue */
#define RING_BYTES 0x1000ul /* of which there is one for each queue, from the start of RAM */
#define AVAILABLE 0x400	    /* bytes from its start; the descriptors come first */
#define USED 0x800
#define BUFFERS 0x10000 /* bytes from the start of RAM; what is behind it is the test's */
#define WRITE 2		/* flag of a descriptor */

static _Alignas(4096) uint8_t ram[RAM_BYTES];

static struct {
	struct virtio *device;
	const struct device_ops *ops;
	unsigned made[VIRTIO_QUEUES]; /* requests made so far, by queue */
	unsigned next[VIRTIO_QUEUES]; /* next free descriptor, by queue */
	bool level;
	unsigned raised; /* how often the interrupt's level has risen */
	uint64_t timer;
	size_t written; /* bytes that were marked as written */
} driver;

static void set_level(void *controller, unsigned number, bool level)
{
	(void)controller, (void)number;
	driver.raised += level && !driver.level;
	driver.level = level;
}

static void set_timer(void *clock, unsigned number, uint64_t nanoseconds)
{
	(void)clock, (void)number;
	driver.timer = nanoseconds;
}

static uint64_t timer_left(void *clock, unsigned number)
{
	(void)clock, (void)number;
	return driver.timer;
}

static void *map(void *memory, uint64_t at, uint64_t length)
{
	(void)memory;
	at -= RAM_AT;
	return at <= RAM_BYTES && length <= RAM_BYTES - at ? ram + at : NULL;
}

static void mark_written(void *memory, const void *bytes, uint64_t length)
{
	(void)memory, (void)bytes;
	driver.written += length;
}

static const struct wires test_wires = {
	.irq = { .set = set_level },
	.timer = { .set = set_timer, .left = timer_left },
	.dma = { .map = map, .written = mark_written },
};

static uint32_t get_register(uint64_t offset)
{
	return (uint32_t)driver.ops->read(driver.device, offset, 4);
}

static void put_register(uint64_t offset, uint32_t value)
{
	driver.ops->write(driver.device, offset, 4, value);
}

static void set_up_queue(unsigned queue)
{
	uint32_t base = (uint32_t)(RAM_AT + queue * RING_BYTES);

	put_register(0x30, queue);
	put_register(0x38, RING);
	put_register(0x80, base);
	put_register(0x90, base + AVAILABLE);
	put_register(0xa0, base + USED);
	put_register(0x44, 1);
	assert_int_equal(get_register(0x44), 1);
	memset(ram + queue * RING_BYTES, 0, RING_BYTES);
	driver.made[queue] = driver.next[queue] = 0;
}

/* Resets and starts the device with so many queues, and all offered features but EVENT_IDX. */
static void start_driver(unsigned queues)
{
	put_register(0x70, 0);
	put_register(0x70, 3);
	for (unsigned half = 0; half < 2; half++) {
		put_register(0x14, half);
		put_register(0x24, half);
		put_register(0x20, get_register(0x10) & ~(half ? 0 : (uint32_t)VIRTIO_F_EVENT_IDX));
	}
	put_register(0x70, 11);
	assert_int_equal(get_register(0x70), 11); /* FEATURES_OK is still set */
	for (unsigned queue = 0; queue < queues; queue++)
		set_up_queue(queue);
	put_register(0x70, 15);
}

/* Connects a device that its init function has initialised, and resets it. */
static void connect(struct virtio *device, const struct device_ops *ops)
{
	memset(&driver, 0, sizeof driver);
	driver.timer = TIMER_OFF;
	driver.device = device;
	driver.ops = ops;
	device->wires = test_wires;
	ops->reset(device);
}

/* A piece of a request; `at` is the offset from the start of RAM. */
struct buffer {
	uint32_t at, length;
	uint16_t flags; /* WRITE, or 0 */
};

/* Makes a request available, without notifying. */
static void add(unsigned queue, const struct buffer *buffers, unsigned count)
{
	uint8_t *ring = ram + queue * RING_BYTES;
	uint16_t head = (uint16_t)(driver.next[queue] % RING);
	uint16_t slot = (uint16_t)(driver.made[queue]++ % RING);
	uint16_t index = (uint16_t)driver.made[queue];

	for (unsigned i = 0; i < count; i++) {
		unsigned at = driver.next[queue]++ % RING;
		struct {
			uint64_t address;
			uint32_t length;
			uint16_t flags, next;
		} descriptor = { RAM_AT + buffers[i].at, buffers[i].length,
				 (uint16_t)(buffers[i].flags | (i + 1 < count)),
				 (uint16_t)(driver.next[queue] % RING) };

		memcpy(ring + 16ul * at, &descriptor, sizeof descriptor);
	}
	memcpy(ring + AVAILABLE + 4 + 2ul * slot, &head, sizeof head);
	memcpy(ring + AVAILABLE + 2, &index, sizeof index);
}

static void add_one(unsigned queue, uint32_t at, uint32_t length, uint16_t flags)
{
	add(queue, &(struct buffer){ at, length, flags }, 1);
}

static void notify(unsigned queue)
{
	put_register(0x50, queue);
}

/* The number of answered requests of this queue. */
static unsigned answered(unsigned queue)
{
	uint16_t index;

	memcpy(&index, ram + queue * RING_BYTES + USED + 2, sizeof index);
	return index;
}

/* The used length of the nth request. */
static uint32_t answer_length(unsigned queue, unsigned n)
{
	uint32_t length;

	memcpy(&length, ram + queue * RING_BYTES + USED + 4 + 8ul * (n % RING) + 4, sizeof length);
	return length;
}

/* Lets the timer expire if it is due, as the event loop does. False if it is not. */
static bool expire(void)
{
	if (driver.timer != 0)
		return false;
	driver.timer = TIMER_OFF;
	driver.ops->expire(driver.device);
	return true;
}

static void acknowledge(void)
{
	put_register(0x64, get_register(0x60));
	assert_false(driver.level);
}

#endif
