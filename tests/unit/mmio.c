// SPDX-License-Identifier: MIT
/*
 * devices/virtio/mmio.c: an empty slot, and how a driver sets up, notifies and resets any type of
 * device, by version 2 and by version 1 of the transport.
 */
#include "unit.h"

#include "devices/virtio/mmio.h"
#include "driver.h"

/* Registers (virtio 1.2, 4.2.2 and 4.2.4). */
enum {
	MAGIC = 0x00,
	VERSION = 0x04,
	DEVICE_ID = 0x08,
	VENDOR = 0x0c,
	DEVICE_FEATURES = 0x10,
	DEVICE_FEATURES_SEL = 0x14,
	DRIVER_FEATURES = 0x20,
	DRIVER_FEATURES_SEL = 0x24,
	GUEST_PAGE_SIZE = 0x28,
	QUEUE_SEL = 0x30,
	QUEUE_NUM_MAX = 0x34,
	QUEUE_NUM = 0x38,
	QUEUE_ALIGN = 0x3c,
	QUEUE_PFN = 0x40,
	QUEUE_READY = 0x44,
	QUEUE_NOTIFY = 0x50,
	INTERRUPT_STATUS = 0x60,
	INTERRUPT_ACK = 0x64,
	STATUS = 0x70,
	QUEUE_DESC = 0x80,
	QUEUE_DRIVER = 0x90,
	QUEUE_DEVICE = 0xa0,
	SHM_SEL = 0xac,
	SHM = 0xb0,
	GENERATION = 0xfc,
	CONFIG = 0x100,
};

#define ACKNOWLEDGE 1u
#define DRIVER 2u
#define DRIVER_OK 4u
#define FEATURES_OK 8u
#define NEEDS_RESET 64u
#define FAILED 128u
#define SET_UP (ACKNOWLEDGE | DRIVER)
#define RUNNING (SET_UP | FEATURES_OK | DRIVER_OK)

#define FEATURE 0x20ull /* a feature of the type of device */
#define MODERN (FEATURE | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1)
#define LEGACY (FEATURE | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_ANY_LAYOUT)
#define QUEUES 2

/* ---- a device that answers each request without data ---- */

static struct virtio device;
static uint8_t config[6] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66 };
static unsigned notified[QUEUES], stopped[VIRTIO_QUEUES], resets;
static bool is_idle; /* it takes no requests */
static bool level;
static unsigned reports;

static void on_notified(struct virtio *of, unsigned queue)
{
	struct chain chain;

	assert_ptr_equal(of, &device);
	notified[queue]++;
	if (is_idle)
		return;
	while (virtio_take(of, queue, &chain))
		virtio_answer(of, queue, &chain, 0, NULL);
	virtio_finish(of, queue);
}

static void on_reset(struct virtio *of)
{
	assert_ptr_equal(of, &device);
	resets++;
}

static void on_stopped(struct virtio *of, unsigned queue)
{
	assert_ptr_equal(of, &device);
	stopped[queue]++;
}

static void on_write_config(struct virtio *of, uint32_t offset, uint8_t value)
{
	assert_ptr_equal(of, &device);
	assert_true(offset < sizeof config);
	config[offset] = value;
}

static const struct virtio_type type = {
	.name = "test",
	.id = 42,
	.queues = QUEUES,
	.config_size = sizeof config,
	.notified = on_notified,
	.reset = on_reset,
	.stopped = on_stopped,
	.write_config = on_write_config,
};

static const struct virtio_type bare_type = {
	.name = "bare", .id = 43, .queues = 1, .config_size = 1, .notified = on_notified
};

static void set_level(void *controller, unsigned number, bool to)
{
	(void)controller, (void)number;
	assert_true(to || level); /* a low level is reported once */
	level = to;
	reports++;
}

static uint64_t get(uint64_t offset, unsigned size)
{
	return virtio_read(&device, offset, size);
}

static uint32_t get_register(uint64_t offset)
{
	return (uint32_t)get(offset, 4);
}

static void set(uint64_t offset, uint32_t value)
{
	ram_watch();
	virtio_write(&device, offset, 4, value);
	assert_true(ram_is_marked());
	assert_int_equal(level, get(INTERRUPT_STATUS, 4) != 0);
}

static void power_on(bool legacy)
{
	memset(ram, 0, RAM_SIZE);
	level = is_idle = false;
	device = (struct virtio){ .wires = { .irq.set = set_level, .dma = ram_dma },
				  .type = &type,
				  .config = config,
				  .features = FEATURE,
				  .legacy = legacy };
	virtio_reset(&device);
	memset(notified, 0, sizeof notified);
	memset(stopped, 0, sizeof stopped);
	resets = reports = 0;
}

static uint64_t get_features(void)
{
	uint64_t low;

	set(DEVICE_FEATURES_SEL, 0);
	low = get_register(DEVICE_FEATURES);
	set(DEVICE_FEATURES_SEL, 1);
	return low | (uint64_t)get_register(DEVICE_FEATURES) << 32;
}

static void set_features(uint64_t features)
{
	set(DRIVER_FEATURES_SEL, 0);
	set(DRIVER_FEATURES, (uint32_t)features);
	set(DRIVER_FEATURES_SEL, 1);
	set(DRIVER_FEATURES, (uint32_t)(features >> 32));
}

static void set64(uint64_t offset, uint64_t value)
{
	set(offset, (uint32_t)value);
	set(offset + 4, (uint32_t)(value >> 32));
}

static void set_up_queue(unsigned queue, uint32_t size)
{
	set(QUEUE_SEL, queue);
	set(QUEUE_NUM, size);
	set64(QUEUE_DESC, RAM_AT + TABLE);
	set64(QUEUE_DRIVER, RAM_AT + AVAILABLE);
	set64(QUEUE_DEVICE, RAM_AT + USED);
	set(QUEUE_READY, 1);
}

/* Up to DRIVER_OK, with queue 0. */
static void start(uint64_t features)
{
	power_on(false);
	set(STATUS, SET_UP);
	set_features(features);
	set(STATUS, SET_UP | FEATURES_OK);
	assert_int_equal(get_register(STATUS), SET_UP | FEATURES_OK);
	set_up_queue(0, 8);
	assert_int_equal(get_register(QUEUE_READY), 1);
	set(STATUS, RUNNING);
}

static void make_request(void)
{
	put_descriptor(TABLE, 0, RAM_AT + DATA, 1, D_WRITE, 0);
	make_available(8, 0);
}

static void make_bad_request(void)
{
	make_available(8, 8);
}

/* ---- a slot without a device ---- */

static uint64_t get_empty(uint64_t offset, unsigned size)
{
	return virtio_empty_ops.read(&device, offset, size);
}

/* MagicValue is "virt", and DeviceID is 0. */
static void test_empty(void **state)
{
	(void)state;
	device = (struct virtio){ .type = NULL };
	assert_int_equal(get_empty(0, 4), 0x74726976);
	assert_int_equal(get_empty(4, 4), 1);
	assert_int_equal(get_empty(8, 4), 0);
	assert_int_equal(get_empty(0xc, 4), 0x554d4551);
	assert_int_equal(get_empty(0, 8), 0x174726976);
	assert_int_equal(get_empty(8, 8), 0x554d455100000000);
	for (uint64_t offset = 0x10; offset < 0x200; offset++)
		for (unsigned size = 1; size <= 8; size *= 2)
			assert_int_equal(get_empty(offset, size), 0);
	assert_int_equal(get_empty(1, 1), 0);
}

static void test_empty_write(void **state)
{
	(void)state;
	device = (struct virtio){ .type = NULL };
	for (uint64_t offset = 0; offset < 0x200; offset += 4)
		virtio_empty_ops.write(&device, offset, 4, ~0u);
	virtio_empty_ops.reset(&device);
	assert_int_equal(get_empty(STATUS, 4), 0);
	assert_int_equal(get_empty(0, 4), 0x74726976);
	assert_true(virtio_empty_ops.loaded(&device));
}

/* ---- identification, features ---- */

static void test_identification(void **state)
{
	(void)state;
	power_on(false);
	assert_int_equal(get_register(MAGIC), 0x74726976);
	assert_int_equal(get_register(VERSION), 2);
	assert_int_equal(get_register(DEVICE_ID), 42);
	assert_int_equal(get_register(VENDOR), 0x554d4551);
	power_on(true);
	assert_int_equal(get_register(VERSION), 1);
	assert_int_equal(get_register(DEVICE_ID), 42);
}

/* Each selector shows 32 of the 64 bits; higher selectors show zero. */
static void test_features(void **state)
{
	static const uint32_t beyond[] = { 2, 3, 32, 33, 0x80000000, ~0u };

	(void)state;
	power_on(false);
	assert_int_equal(get_features(), MODERN);
	for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
		set(DEVICE_FEATURES_SEL, beyond[i]);
		assert_int_equal(get_register(DEVICE_FEATURES), 0);
		set(DRIVER_FEATURES_SEL, beyond[i]);
		set(DRIVER_FEATURES, ~0u);
		assert_int_equal(device.accepted, 0);
	}
	set_features(0x123456789abcdef0);
	assert_int_equal(device.accepted, 0x123456789abcdef0);
	assert_int_equal(get_register(DRIVER_FEATURES), 0); /* write-only */
	power_on(true);
	assert_int_equal(get_features(), LEGACY);
	set_features(~0ull);
	assert_int_equal(device.accepted,
			 LEGACY); /* a legacy driver cannot be refused: other bits are dropped */
}

/* ---- status ---- */

/* For features that the driver accepts: does FEATURES_OK stay set? */
static const struct {
	uint64_t features;
	bool works;
} negotiations[] = {
	{ VIRTIO_F_VERSION_1, true },
	{ MODERN, true },
	{ VIRTIO_F_VERSION_1 | FEATURE, true },
	{ 0, false },
	{ FEATURE, false },
	{ MODERN & ~VIRTIO_F_VERSION_1, false },
	{ MODERN | 1, false },
	{ MODERN | 1ull << 63, false },
	{ MODERN | VIRTIO_F_ANY_LAYOUT, false },
	{ ~0ull, false },
};

static void test_features_ok(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof negotiations / sizeof *negotiations; i++) {
		bool works = negotiations[i].works;

		power_on(false);
		set(STATUS, ACKNOWLEDGE);
		set(STATUS, SET_UP);
		set_features(negotiations[i].features);
		set(STATUS, SET_UP | FEATURES_OK);
		assert_int_equal(get_register(STATUS), works ? SET_UP | FEATURES_OK : SET_UP);
		/* With FEATURES_OK the features cannot be changed. */
		set_features(VIRTIO_F_VERSION_1);
		assert_int_equal(device.accepted,
				 works ? negotiations[i].features : VIRTIO_F_VERSION_1);
		/* The driver may try other features. */
		set(STATUS, SET_UP | FEATURES_OK);
		assert_int_equal(get_register(STATUS), SET_UP | FEATURES_OK);
	}
}

/* Without FEATURES_OK a device does nothing, whatever else Status says. */
static void test_driver_ok_alone(void **state)
{
	(void)state;
	power_on(false);
	set_up_queue(0, 8);
	make_request();
	set(STATUS, SET_UP | DRIVER_OK);
	set(QUEUE_NOTIFY, 0);
	assert_int_equal(notified[0], 0);
	assert_int_equal(used_index(), 0);
	set(STATUS, SET_UP | DRIVER_OK |
			    FEATURES_OK); /* FEATURES_OK stays clear: no features were accepted */
	assert_int_equal(get_register(STATUS), SET_UP | DRIVER_OK);
	set(QUEUE_NOTIFY, 0);
	assert_int_equal(notified[0], 0);
	set_features(VIRTIO_F_VERSION_1);
	set(STATUS, RUNNING);
	assert_int_equal(notified[0], 1);
	assert_int_equal(used_index(), 1);
}

/* Requests that were made available before DRIVER_OK are served at DRIVER_OK. */
static void test_driver_ok(void **state)
{
	(void)state;
	power_on(false);
	set_features(VIRTIO_F_VERSION_1);
	set(STATUS, SET_UP | FEATURES_OK);
	set_up_queue(0, 8);
	make_request();
	set(QUEUE_NOTIFY, 0);
	assert_int_equal(used_index(), 0);
	set(STATUS, RUNNING);
	assert_int_equal(notified[0], 1);
	assert_int_equal(notified[1], 0); /* that queue is not ready */
	assert_int_equal(used_index(), 1);
	assert_int_equal(get_register(INTERRUPT_STATUS), 1);
	set(STATUS, RUNNING); /* no change: it is running already */
	assert_int_equal(notified[0], 1);
	set(STATUS, RUNNING | FAILED);
	assert_int_equal(get_register(STATUS), RUNNING | FAILED);
}

static void test_needs_reset(void **state)
{
	(void)state;
	start(VIRTIO_F_VERSION_1);
	make_bad_request();
	set(QUEUE_NOTIFY, 0);
	assert_int_equal(get_register(STATUS), RUNNING | NEEDS_RESET);
	assert_int_equal(get_register(INTERRUPT_STATUS), 2);
	set(INTERRUPT_ACK, 2);
	assert_int_equal(notified[0], 2); /* at DRIVER_OK, and now */
	/* Only a reset clears DEVICE_NEEDS_RESET, and it interrupts once. */
	for (unsigned status = 1; status < 256; status++) {
		set(STATUS, status);
		assert_int_equal(get_register(STATUS), status | NEEDS_RESET);
		set(QUEUE_NOTIFY, 0);
	}
	set(STATUS, RUNNING);
	set(QUEUE_SEL, 0);
	set(QUEUE_READY, 0);
	set(QUEUE_READY, 1);
	set(QUEUE_NOTIFY, 0);
	set(QUEUE_SEL, 1);
	set(QUEUE_READY, 1); /* invalid again */
	assert_int_equal(notified[0], 2);
	assert_int_equal(get_register(INTERRUPT_STATUS), 0);
	assert_int_equal(used_index(), 0);
	set(STATUS, 0);
	assert_int_equal(get_register(STATUS), 0);
	set_features(VIRTIO_F_VERSION_1);
	set(STATUS, SET_UP | FEATURES_OK);
	set_up_queue(0, 8);
	put16(AVAILABLE + 2, 0);
	make_request();
	set(STATUS, RUNNING);
	assert_int_equal(used_index(), 1);
}

/* The driver cannot set or clear DEVICE_NEEDS_RESET. */
static void test_driver_sets_needs_reset(void **state)
{
	(void)state;
	power_on(false);
	set(STATUS, NEEDS_RESET | SET_UP);
	set_features(VIRTIO_F_VERSION_1);
	set(STATUS, RUNNING);
	assert_int_equal(get_register(STATUS), RUNNING);
}

/* ---- reset ---- */

static void test_reset(void **state)
{
	(void)state;
	start(MODERN);
	set(QUEUE_SEL, 1);
	set(DEVICE_FEATURES_SEL, 1);
	make_bad_request();
	set(QUEUE_NOTIFY, 0);
	assert_true(level);
	set(STATUS, 0x100); /* Status has 8 bits */
	assert_false(level);
	assert_int_equal(resets, 1);
	for (unsigned i = 0; i < QUEUES; i++)
		assert_int_equal(stopped[i], 1);
	assert_int_equal(get_register(STATUS), 0);
	assert_int_equal(get_register(INTERRUPT_STATUS), 0);
	assert_int_equal(get_register(DEVICE_FEATURES), (uint32_t)MODERN); /* selector 0 */
	assert_int_equal(device.accepted, 0);
	assert_int_equal(device.queue_sel, 0);
	for (unsigned i = 0; i < QUEUES; i++) {
		set(QUEUE_SEL, i);
		assert_int_equal(get_register(QUEUE_READY), 0);
		assert_int_equal(device.queues[i].next_available, 0);
		assert_int_equal(device.queues[i].descriptors, 0);
		assert_false(device.queues[i].broken);
	}
	virtio_write(&device, QUEUE_NOTIFY, 4, 0);
	assert_int_equal(notified[0],
			 2);	  /* at DRIVER_OK and by the driver, but not after the reset */
	device.type = &bare_type; /* a type without `reset` and `stopped` */
	virtio_reset(&device);
}

/* ---- queues ---- */

static void test_queue_registers(void **state)
{
	(void)state;
	power_on(false);
	for (unsigned i = 0; i < QUEUES; i++) {
		set(QUEUE_SEL, i);
		assert_int_equal(get_register(QUEUE_NUM_MAX), 256);
	}
	set_up_queue(0, 8);
	set(QUEUE_SEL, 1);
	assert_int_equal(get_register(QUEUE_READY), 0);
	set(QUEUE_SEL, 0);
	assert_int_equal(get_register(QUEUE_READY), 1);
	/* While the queue is ready its registers cannot be changed. */
	for (unsigned offset = QUEUE_DESC; offset <= QUEUE_DEVICE + 4; offset += 4)
		set(offset, 0x12345678);
	set(QUEUE_NUM, 16);
	set(QUEUE_READY, 1);
	set(QUEUE_PFN, 5); /* version 2 does not have these registers */
	set(GUEST_PAGE_SIZE, 4096);
	assert_int_equal(device.queues[0].descriptors, RAM_AT + TABLE);
	assert_int_equal(device.queues[0].driver, RAM_AT + AVAILABLE);
	assert_int_equal(device.queues[0].device, RAM_AT + USED);
	assert_int_equal(device.queues[0].size, 8);
	assert_int_equal(get_register(QUEUE_PFN), 0);
	assert_int_equal(get_register(STATUS), 0);
	/* Only bit 0 counts; clearing it resets the queue. */
	set(QUEUE_READY, 2);
	assert_int_equal(get_register(QUEUE_READY), 0);
	assert_int_equal(stopped[0], 1);
	assert_int_equal(stopped[1], 0);
	set(QUEUE_READY, 0);
	assert_int_equal(stopped[0], 1);
	/* Write-only registers read as zero. */
	for (unsigned offset = QUEUE_DESC; offset <= QUEUE_DEVICE + 4; offset += 4)
		assert_int_equal(get_register(offset), 0);
	assert_int_equal(get_register(QUEUE_NUM), 0);
	assert_int_equal(get_register(QUEUE_NOTIFY), 0);
	assert_int_equal(get_register(INTERRUPT_ACK), 0);
}

/* QueueSel and QueueNotify with a queue that does not exist. */
static void test_no_queue(void **state)
{
	static const uint32_t queues[] = { QUEUES, VIRTIO_QUEUES, 0x100, 0x10000, ~0u };

	(void)state;
	for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) {
		start(VIRTIO_F_VERSION_1);
		set_up_queue(queues[i], 8);
		assert_int_equal(get_register(QUEUE_NUM_MAX), 0);
		assert_int_equal(get_register(QUEUE_READY), 0);
		make_request();
		set(QUEUE_NOTIFY, queues[i]);
		assert_int_equal(notified[0], 1); /* at DRIVER_OK */
		assert_int_equal(get_register(STATUS), RUNNING);
		set(QUEUE_NOTIFY, 1); /* it exists, but is not ready */
		assert_int_equal(notified[1], 0);
		set(QUEUE_NOTIFY, 0);
		assert_int_equal(used_index(), 1);
	}
}

/* An invalid queue does not become ready, and sets DEVICE_NEEDS_RESET, with an interrupt if the
 * device is running. */
static void test_bad_queue(void **state)
{
	static const uint32_t sizes[] = { 0, 3, 257, 512, 0x10000, 0x10008, ~0u };

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		power_on(false);
		set_up_queue(0, sizes[i]);
		assert_int_equal(get_register(QUEUE_READY), 0);
		assert_int_equal(get_register(STATUS), NEEDS_RESET);
		assert_int_equal(get_register(INTERRUPT_STATUS), 0);
		start(VIRTIO_F_VERSION_1);
		set_up_queue(1, sizes[i]);
		assert_int_equal(get_register(STATUS), RUNNING | NEEDS_RESET);
		assert_int_equal(get_register(INTERRUPT_STATUS), 2);
	}
}

/* A queue follows the features, whether they are accepted before or after it is set up. */
static void test_features_behind_queue(void **state)
{
	(void)state;
	power_on(false);
	set_up_queue(0, 8);
	set_features(MODERN);
	set(STATUS, RUNNING);
	put16(used_event_at(8), 1);
	make_request();
	set(QUEUE_NOTIFY, 0);
	assert_int_equal(used_index(), 1);
	assert_false(level); /* the driver has asked for an interrupt at the second used entry */
	assert_int_equal(get16(avail_event_at(8)), 1);
	make_request();
	set(QUEUE_NOTIFY, 0);
	assert_true(level);
}

/* ---- interrupts ---- */

static void test_interrupts(void **state)
{
	(void)state;
	start(VIRTIO_F_VERSION_1);
	make_request();
	set(QUEUE_NOTIFY, 0);
	assert_int_equal(get_register(INTERRUPT_STATUS), 1);
	virtio_config_changed(&device);
	assert_int_equal(get_register(INTERRUPT_STATUS), 3);
	set(INTERRUPT_ACK, 0);
	set(INTERRUPT_ACK, 0xfffffffc);
	assert_int_equal(get_register(INTERRUPT_STATUS), 3);
	reports = 0;
	set(INTERRUPT_ACK, 1);
	assert_int_equal(get_register(INTERRUPT_STATUS), 2);
	assert_true(level);
	assert_int_equal(reports, 1); /* what is left has an edge of its own */
	set(INTERRUPT_STATUS, 0);     /* it is read-only */
	assert_true(level);
	set(INTERRUPT_ACK, ~0u);
	assert_false(level);
	assert_int_equal(reports, 2);
	/* A driver that sets NO_INTERRUPT gets no interrupt. */
	put16(AVAILABLE, 1);
	make_request();
	set(QUEUE_NOTIFY, 0);
	assert_int_equal(used_index(), 2);
	assert_false(level);
	assert_int_equal(device.counts.requests, 2);
	assert_int_equal(device.counts.bytes, 2);
	assert_int_equal(device.counts.notifications, 2);
	assert_int_equal(device.counts.interrupts, 2);
}

/* Before DRIVER_OK a change of the config space raises no interrupt, but changes ConfigGeneration.
 */
static void test_generation(void **state)
{
	uint32_t before;

	(void)state;
	power_on(false);
	before = get_register(GENERATION);
	assert_int_equal(get_register(GENERATION), before);
	virtio_config_changed(&device);
	assert_int_equal(get_register(GENERATION), before + 1);
	assert_int_equal(get_register(INTERRUPT_STATUS), 0);
	power_on(true);
	virtio_config_changed(&device);
	assert_int_equal(get_register(GENERATION), 0); /* version 1 has none */
}

/* ---- other registers ---- */

static void test_shared_memory(void **state)
{
	(void)state;
	power_on(false);
	for (unsigned region = 0; region < 300; region++) {
		set(SHM_SEL, region);
		for (unsigned offset = SHM; offset < SHM + 16; offset += 4)
			assert_int_equal(get_register(offset), ~0u);
	}
	assert_int_equal(get(SHM, 8), ~0ull);
	power_on(true);
	assert_int_equal(get_register(SHM), 0);
}

/* Only aligned 32-bit accesses are valid; a 64-bit read is two of them; others read zero or are
 * dropped.
 */
static void test_access_sizes(void **state)
{
	(void)state;
	power_on(false);
	set(STATUS, SET_UP);
	for (unsigned offset = 0; offset < CONFIG; offset++)
		for (unsigned size = 1; size <= 8; size *= 2) {
			uint64_t low = offset % 4 ? 0 : get(offset, 4);
			uint64_t high = offset % 4 ? 0 : get(offset + 4, 4);

			if (size == 4 && offset % 4)
				assert_int_equal(get(offset, 4), 0);
			else if (size == 8 && offset < CONFIG - 4)
				assert_int_equal(get(offset, 8), low | high << 32);
			else if (size < 4)
				assert_int_equal(get(offset, size), 0);
			if (size != 4 || offset % 4)
				virtio_write(&device, offset, size, offset == STATUS ? 0 : ~0ull);
		}
	assert_int_equal(get_register(STATUS), SET_UP);
	assert_int_equal(device.accepted | device.queue_sel | device.device_features_sel, 0);
}

/* The config space can be read at any offset and size, and is zero behind its end. */
static void test_config(void **state)
{
	static const uint8_t initial[] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66 };

	(void)state;
	power_on(false);
	for (unsigned offset = 0; offset + 8 <= 0x100; offset++)
		for (unsigned size = 1; size <= 8; size *= 2) {
			uint8_t bytes[0x100] = { 0 };
			uint64_t value = 0;

			memcpy(bytes, initial, sizeof initial);
			memcpy(&value, bytes + offset, size);
			assert_int_equal(get(CONFIG + offset, size), value);
		}
	virtio_write(&device, CONFIG + 4, 4,
		     0xaabbccdd); /* the last two bytes are behind the end */
	assert_int_equal(get(CONFIG, 8), 0xccdd44332211);
	virtio_write(&device, CONFIG + 1, 1, 0x77);
	virtio_write(&device, CONFIG + 100, 8, ~0ull);
	assert_int_equal(get(CONFIG, 8), 0xccdd44337711);
	memcpy(config, initial, sizeof config);
	device.type = &bare_type;
	virtio_write(&device, CONFIG, 1, 0x99);
	assert_int_equal(get(CONFIG, 4), 0x11);
}

/* ---- version 1 ---- */

/* The parts of the queue, as legacy drivers place them. */
static void start_legacy(uint32_t size, uint32_t page, uint32_t align, uint32_t pfn)
{
	power_on(true);
	set(STATUS, SET_UP);
	set(GUEST_PAGE_SIZE, page);
	set(QUEUE_SEL, 0);
	set(QUEUE_NUM, size);
	if (align != 4096)
		set(QUEUE_ALIGN, align);
	set(QUEUE_PFN, pfn);
	set(STATUS, SET_UP | DRIVER_OK);
}

static const struct {
	const char *name;
	uint32_t size, page, align, pfn;
	uint64_t descriptors, driver, device; /* 0: refused */
} layouts[] = {
	{ "Linux", 128, 4096, 4096, 0x40000, RAM_AT, RAM_AT + 0x800, RAM_AT + 0x1000 },
	{ "two pages", 256, 4096, 4096, 0x40001, RAM_AT + 0x1000, RAM_AT + 0x2000,
	  RAM_AT + 0x3000 },
	{ "without GuestPageSize", 8, 0, 4096, 0x40000000, RAM_AT, RAM_AT + 128, RAM_AT + 0x1000 },
	{ "dense", 8, 4096, 4, 0x40000, RAM_AT, RAM_AT + 128, RAM_AT + 152 },
	{ "large pages", 8, 0x10000, 0x8000, 0x4000, RAM_AT, RAM_AT + 128, RAM_AT + 0x8000 },
	{ "aligned to 0", 8, 4096, 0, 0x40000, 0, 0, 0 },
	{ "aligned to 3", 8, 4096, 3, 0x40000, 0, 0, 0 },
	{ "aligned to 2", 8, 4096, 2, 0x40000, 0, 0, 0 },
	{ "aligned to 2 GiB", 8, 4096, 1u << 31, 0x40000, 0, 0, 0 },
	{ "not in RAM", 8, 4096, 4096, 0x30000, 0, 0, 0 },
	{ "as far as it goes", 8, ~0u, 1u << 31, ~0u, 0, 0, 0 },
	{ "an odd page", 8, 4097, 4096, 0x40000, 0, 0, 0 },
	{ "no entries", 0, 4096, 4096, 0x40000, 0, 0, 0 },
	{ "too many entries", 512, 4096, 4096, 0x40000, 0, 0, 0 },
};

static void test_legacy_layout(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
		bool works = layouts[i].descriptors;

		start_legacy(layouts[i].size, layouts[i].page, layouts[i].align, layouts[i].pfn);
		if (device.queues[0].ready != works)
			fail_msg("%s", layouts[i].name);
		assert_int_equal(get_register(QUEUE_PFN), works ? layouts[i].pfn : 0);
		assert_int_equal(get_register(STATUS) & NEEDS_RESET, works ? 0 : NEEDS_RESET);
		if (!works)
			continue;
		assert_int_equal(device.queues[0].descriptors, layouts[i].descriptors);
		assert_int_equal(device.queues[0].driver, layouts[i].driver);
		assert_int_equal(device.queues[0].device, layouts[i].device);
	}
}

static void test_legacy(void **state)
{
	(void)state;
	start_legacy(8, 4096, 4, 0x40000);		/* used ring at 152 */
	assert_int_equal(get_register(QUEUE_READY), 0); /* version 1 does not have it */
	assert_int_equal(get_register(QUEUE_NUM_MAX), 256);
	/* A queue that is ready cannot be changed, and version 2's registers do not exist. */
	set(QUEUE_PFN, 0x40001);
	set(QUEUE_NUM, 16);
	set(QUEUE_READY, 0);
	set64(QUEUE_DESC, 1);
	assert_int_equal(get_register(QUEUE_PFN), 0x40000);
	assert_int_equal(device.queues[0].size, 8);
	put_descriptor(0, 0, RAM_AT + DATA, 1, D_WRITE, 0);
	put16(128 + 2, 1);
	set(QUEUE_NOTIFY, 0);
	assert_int_equal(get16(152 + 2), 1);
	assert_int_equal(get_register(INTERRUPT_STATUS), 1);
	set(QUEUE_PFN, 0);
	assert_int_equal(get_register(QUEUE_PFN), 0);
	assert_int_equal(stopped[0], 1);
	set(QUEUE_NOTIFY, 0);
	assert_int_equal(notified[0], 1);
	/* A queue that does not exist. */
	set(QUEUE_SEL, QUEUES);
	assert_int_equal(get_register(QUEUE_NUM_MAX), 0);
	set(QUEUE_NUM, 8);
	set(QUEUE_ALIGN, 4);
	set(QUEUE_PFN, 0x40000);
	assert_int_equal(get_register(QUEUE_PFN), 0);
	/* A reset clears all, DEVICE_NEEDS_RESET too, but GuestPageSize, which drivers set before
	 * it. */
	start_legacy(8, 4096, 3, 0x40000);
	assert_int_equal(get_register(STATUS), SET_UP | DRIVER_OK | NEEDS_RESET);
	set(STATUS, 0);
	assert_int_equal(get_register(STATUS), 0);
	assert_int_equal(device.guest_page_size, 4096);
	assert_int_equal(device.queue_align[0], 4096);
	virtio_reset(&device);
	assert_int_equal(device.guest_page_size, 0);
}

/* ---- a saved state ---- */

static void test_loaded(void **state)
{
	(void)state;
	start(VIRTIO_F_VERSION_1);
	level = true; /* the level is reported even if it seems unchanged */
	assert_true(virtio_loaded(&device));
	assert_false(level);
	device.queues[0].device = RAM_END;
	assert_false(virtio_loaded(&device));
	device.queues[0].device = RAM_AT + USED;
	device.queues[0].size = 7;
	device.queues[0].ready = true;
	assert_false(virtio_loaded(&device));
}

static unsigned words_changed, is_regular;

static void on_page_changed(void *fast, const uint32_t *word)
{
	(void)fast, (void)word;
	words_changed++;
}

static void on_regular(void *fast, struct virtio *of)
{
	(void)fast;
	assert_ptr_equal(of, &device);
	is_regular++;
}

/* Whatever the driver does, a shadow page has the values that reads of the registers return. */
static void test_shadow(void **state)
{
	static uint32_t page[0x200 / 4];
	uint32_t seed = 1;

	(void)state;
	start(VIRTIO_F_VERSION_1);
	device.page_changed = on_page_changed;
	virtio_set_shadow(&device, page);
	for (unsigned i = 0; i < 2000; i++) {
		seed = seed * 1664525 + 1013904223;
		if (i % 300 == 299)
			virtio_config_changed(&device);
		else if (i % 100 == 99)
			set(STATUS, 0);
		else
			set(seed >> 8 & 0x1fc, seed >> 20 & 0xff);
		for (unsigned offset = 0; offset < 0x200; offset += 4)
			assert_int_equal(page[offset / 4], get_register(offset));
	}
	assert_true(words_changed > 100);
	virtio_set_shadow(&device, NULL);
}

/* After 16 interrupts in a row that the driver has read once and acknowledged, it is reported once
 * as regular. */
static void test_regular(void **state)
{
	(void)state;
	start(VIRTIO_F_VERSION_1);
	device.driver_is_regular = on_regular;
	for (unsigned i = 0; i < 40; i++) {
		make_request();
		virtio_write(&device, QUEUE_NOTIFY, 4, 0);
		assert_int_equal(get_register(INTERRUPT_STATUS), 1);
		virtio_write(&device, INTERRUPT_ACK, 4, 1);
		assert_int_equal(is_regular, i >= 15);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_empty_write),
		cmocka_unit_test(test_identification),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_features_ok),
		cmocka_unit_test(test_driver_ok_alone),
		cmocka_unit_test(test_driver_ok),
		cmocka_unit_test(test_needs_reset),
		cmocka_unit_test(test_driver_sets_needs_reset),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_queue_registers),
		cmocka_unit_test(test_no_queue),
		cmocka_unit_test(test_bad_queue),
		cmocka_unit_test(test_features_behind_queue),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_generation),
		cmocka_unit_test(test_shared_memory),
		cmocka_unit_test(test_access_sizes),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_legacy_layout),
		cmocka_unit_test(test_legacy),
		cmocka_unit_test(test_loaded),
		cmocka_unit_test(test_shadow),
		cmocka_unit_test(test_regular),
	};

	return RUN(tests);
}
