// SPDX-License-Identifier: MIT
/*
 * devices/state.c: if a device is saved and loaded into a new one in the middle of a random script,
 * the new one behaves like its twin that was not. All that a driver or a wire can see is compared.
 */
#include "unit.h"

#include "devices/finisher.h"
#include "devices/flash.h"
#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/pl061.h"
#include "devices/virtio/block.h"
#include "devices/virtio/balloon.h"
#include "devices/virtio/console.h"
#include "devices/virtio/entropy.h"
#include "devices/virtio/net.h"

#include <string.h>

/* What a device has reported by its wires. */
struct outside {
	bool level;
	uint64_t timer;
	unsigned bytes, asks, ends;
	uint32_t sum; /* of all bytes sent */
	bool stalled; /* the line accepts no more bytes */
	unsigned typed;
};

#define RAM_AT 0x40000000ull
#define RAM_SIZE 0x3000
#define STATE_BYTES 512 /* more than any device's state */

struct twin {
	union {
		struct pl011 uart;
		struct pl031 rtc;
		struct pl061 gpio;
		struct finisher finisher;
		struct flash flash;
		struct virtio virtio;
		struct virtio_block block;
		struct virtio_entropy entropy;
		struct virtio_console console;
		struct virtio_balloon balloon;
		struct virtio_net net;
	} device;
	struct outside outside;
	uint8_t ram[RAM_SIZE]; /* guest memory */
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

static void request_input(void *outside, unsigned room)
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

static bool map_block(void *outside, uint64_t offset, uint8_t *bytes)
{
	(void)outside, (void)offset, (void)bytes;
	return true;
}

static void unmap_block(void *outside, uint64_t offset)
{
	(void)outside, (void)offset;
}

static void *map_ram(void *opaque, uint64_t at, uint64_t length)
{
	struct twin *twin = opaque;
	uint64_t offset = at - RAM_AT;

	return offset > RAM_SIZE || length > RAM_SIZE - offset ? NULL : twin->ram + offset;
}

static void ram_written(void *twin, const void *bytes, uint64_t length)
{
	(void)twin, (void)bytes, (void)length;
}

/* A disk with the same byte everywhere. */
static bool carry_out(void *outside, struct block_request *request, enum block_status *status)
{
	((struct outside *)outside)->sum += request->operation + 8 * (uint32_t)request->offset;
	((struct outside *)outside)->sum += request->through;
	for (unsigned i = 0; request->operation == BLOCK_READ && i < request->piece_count; i++)
		memset(request->pieces[i].base, 0x5a, request->pieces[i].length);
	*status = BLOCK_OK;
	return true;
}

static uint64_t seconds(void)
{
	return time_of_day;
}

static void connect_uart(struct twin *twin)
{
	twin->device.uart = (struct pl011){
		.wires.irq = { .set = set_level, .controller = &twin->outside },
		.wires.timer = { .set = set_timer, .left = timer_left, .clock = &twin->outside },
		.transmit = transmit,
		.request_input = request_input,
		.idle = idle,
		.line = &twin->outside,
		.clock = 24000000,
	};
}

static void connect_rtc(struct twin *twin)
{
	twin->device.rtc = (struct pl031){
		.wires.irq = { .set = set_level, .controller = &twin->outside },
		.wires.timer = { .set = set_timer, .left = timer_left, .clock = &twin->outside },
		.seconds = seconds,
	};
}

static void connect_gpio(struct twin *twin)
{
	twin->device.gpio = (struct pl061){
		.wires.irq = { .set = set_level, .controller = &twin->outside },
	};
}

static void connect_finisher(struct twin *twin)
{
	twin->device.finisher = (struct finisher){ .finish = finish, .listener = &twin->outside };
}

static void connect_flash(struct twin *twin)
{
	/* Both have the same chip: what one has programmed the other programs again. */
	static uint8_t storage[FLASH_BANK];
	static uint32_t written;

	twin->device.flash = (struct flash){ .wires.dma = { .written = ram_written },
					     .storage = storage,
					     .written = &written,
					     .map = map_block,
					     .unmap = unmap_block,
					     .listener = &twin->outside };
}

/* A driver: a command, its confirmation, or data for it. */
static void drive_flash(struct twin *twin, uint32_t random)
{
	static const uint8_t commands[] = { 0x10, 0x20, 0x40, 0x50, 0x60, 0x70,
					    0x90, 0x98, 0xe8, 0xff, 0xd0, 0x01 };
	uint32_t value = random % 4 ? commands[random / 4 % sizeof commands] : random / 4 % 4;

	flash_ops.write(&twin->device, random / 64 % 0x2000 & ~3u, 4, value * 0x10001ul);
}

static void connect_disk(struct twin *twin, bool legacy)
{
	twin->device.block = (struct virtio_block){
		.virtio.wires.irq = { .set = set_level, .controller = &twin->outside },
		.virtio.wires.dma = { .map = map_ram, .written = ram_written, .memory = twin },
		.disk = { .sectors = 8, .start = carry_out, .disk = &twin->outside },
	};
	block_init(&twin->device.block, legacy);
}

static void connect_block(struct twin *twin)
{
	connect_disk(twin, false);
}

static void connect_legacy_block(struct twin *twin)
{
	connect_disk(twin, true);
}

static void connect_nothing(struct twin *twin)
{
	(void)twin;
}

static void connect_virtio(struct twin *twin)
{
	twin->device.virtio.wires = (struct wires){
		.irq = { .set = set_level, .controller = &twin->outside },
		.timer = { .set = set_timer, .left = timer_left, .clock = &twin->outside },
		.dma = { .map = map_ram, .written = ram_written, .memory = twin },
	};
}

static void fill(void *to, size_t size)
{
	memset(to, 0x5a, size);
}

static void connect_entropy(struct twin *twin)
{
	connect_virtio(twin);
	virtio_entropy_init(&twin->device.entropy, fill);
}

static size_t transmit_some(void *opaque, const uint8_t *bytes, size_t size)
{
	struct outside *outside = opaque;

	if (outside->stalled)
		return 0;
	size = size > 20 ? 20 : size;
	outside->stalled = !transmit(outside, bytes, (unsigned)size) || size == 20;
	return size;
}

static size_t receive_typed(void *opaque, uint8_t *bytes, size_t size)
{
	struct outside *outside = opaque;
	size_t count = 0;

	while (count < size && outside->typed)
		bytes[count++] = (uint8_t)outside->typed--;
	return count;
}

static void connect_console(struct twin *twin)
{
	connect_virtio(twin);
	twin->device.console.transmit = transmit_some;
	twin->device.console.receive = receive_typed;
	twin->device.console.line = &twin->outside;
	virtio_console_init(&twin->device.console, false);
}

static void give_back(void *opaque, void *bytes, uint64_t length)
{
	struct twin *twin = opaque;

	twin->outside.ends += (unsigned)((uint8_t *)bytes - twin->ram) * 31 + (unsigned)length;
}

static void connect_balloon(struct twin *twin)
{
	connect_virtio(twin);
	twin->device.balloon.give_back = give_back;
	twin->device.balloon.memory = twin;
	virtio_balloon_init(&twin->device.balloon, false);
}

#define FRAME 14

static enum net_result send_frame(void *opaque, struct piece *pieces, unsigned count)
{
	struct outside *outside = opaque;

	if (outside->stalled)
		return NET_FULL;
	for (unsigned i = 0; i < count; i++)
		transmit(outside, pieces[i].base, (unsigned)pieces[i].length);
	return NET_SENT;
}

/* A frame that the driver's buffer has no room for, in front of the device's own, comes later. */
static size_t receive_frame(void *opaque, struct piece *pieces, unsigned count)
{
	struct outside *outside = opaque;

	if (!outside->typed || pieces_size(pieces + 1, count - 2) < FRAME)
		return 0;
	outside->typed--;
	memset(pieces[0].base, 0, pieces[0].length);
	for (unsigned i = 1, left = FRAME; left; left--) {
		while (!pieces[i].length)
			i++;
		*(uint8_t *)pieces[i].base = (uint8_t)left;
		pieces_skip(pieces + i, 1, 1);
	}
	return FRAME;
}

static void waits_changed(void *outside)
{
	(void)outside;
}

static void connect_net(struct twin *twin)
{
	connect_virtio(twin);
	twin->device.net.network = (struct network){ .send = send_frame,
						     .receive = receive_frame,
						     .waits_changed = waits_changed,
						     .network = &twin->outside };
	twin->device.net.connected = true;
	virtio_net_init(&twin->device.net, false);
}

/* Events from outside, at random. */
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

static void disturb_gpio(struct twin *twin, uint32_t random)
{
	pl061_set_pin(&twin->device.gpio, random % PL061_PINS, random & 8);
}

/* A driver that sets up a queue of 8 entries, with the rings where version 1 has them: at 128 and
 * 4096.
 */
static void set_up_block(struct virtio_block *block, uint32_t random)
{
	const struct {
		uint32_t offset, value;
	} writes[] = {
		{ 0x24, 1 }, /* VERSION_1, and at random EVENT_IDX, FLUSH and CONFIG_WCE */
		{ 0x20, 1 },
		{ 0x24, 0 },
		{ 0x20, (random & 1) << 29 | (random & 6) << 8 },
		{ 0x70, 11 },
		{ 0x30, 0 },
		{ 0x38, 8 },
		{ 0x28, 4096 },
		{ 0x40, RAM_AT / 4096 },
		{ 0x80, RAM_AT },
		{ 0x90, RAM_AT + 128 },
		{ 0xa0, RAM_AT + 4096 },
		{ 0x44, 1 },
		{ 0x70, 15 },
	};

	for (size_t i = 0; i < sizeof writes / sizeof *writes; i++)
		virtio_block_ops.write(block, writes[i].offset, 4, writes[i].value);
}

/* Makes a request available: a read or a write of a sector, or sometimes an invalid one. */
static void make_block_request(uint8_t *ram, uint32_t random)
{
	const struct {
		uint64_t address;
		uint32_t length;
		uint16_t flags, next;
	} table[] = {
		{ RAM_AT + 0x2000, 16, 1, 1 },
		{ RAM_AT + 0x2010, 512, random & 1 ? 1 : 3, 2 },
		{ RAM_AT + 0x2210, 1, 2, 0 },
	};
	uint32_t header[4] = { !!(random & 1), 0, random >> 1 & 7, 0 };
	uint16_t index, head = random % 61 == 0 ? 9 : 0, event = (uint16_t)(random >> 8);

	memcpy(ram, table, sizeof table);
	memcpy(ram + 0x2000, header, sizeof header);
	memcpy(&index, ram + 128 + 2, sizeof index);
	memcpy(ram + 128 + 4 + 2ul * (index++ % 8), &head, sizeof head);
	memcpy(ram + 128 + 2, &index, sizeof index);
	if (random & 0x10)
		event = (uint16_t)(index + random % 3);
	memcpy(ram + 128 + 4 + 16, &event, sizeof event); /* used_event */
}

static void disturb_block(struct twin *twin, uint32_t random)
{
	struct virtio_block *block = &twin->device.block;

	if (!virtio_is_running(&block->virtio) || !block->virtio.queues[0].ready) {
		virtio_block_ops.write(block, 0x70, 4, 0);
		memset(twin->ram, 0, RAM_SIZE);
		set_up_block(block, random);
	}
	for (unsigned i = 0; i < random % 5; i++)
		make_block_request(twin->ram, random + i * 7);
	if (random & 0x20)
		virtio_config_changed(&block->virtio);
	if (random & 0x40)
		virtio_block_ops.write(block, 0x50, 4, 0);
	if (random & 0x80)
		virtio_block_ops.write(block, 0x100 + 32, 1, random >> 9);
}

/* A driver: in guest memory each queue has 256 bytes, with 4 descriptors, the available ring from
 * 64 and the used ring from 128 on; buffers lie behind the five. */
static void start_driver(struct twin *twin, uint32_t random)
{
	const struct {
		uint16_t offset;
		uint32_t value;
	} steps[] = {
		{ 0x70, 0 }, { 0x70, 3 }, { 0x24, 0 },	{ 0x20, (random & 3) << 28 },
		{ 0x24, 1 }, { 0x20, 1 }, { 0x70, 11 }, { 0x30, 0 },
	};

	for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++)
		virtio_timed_ops.write(&twin->device, steps[i].offset, 4, steps[i].value);
	memset(twin->ram, 0, sizeof twin->ram);
	for (uint32_t queue = 0; queue < 5; queue++) {
		uint32_t at = (uint32_t)(RAM_AT + 0x100ul * queue);

		virtio_timed_ops.write(&twin->device, 0x30, 4, queue);
		virtio_timed_ops.write(&twin->device, 0x38, 4, 4);
		virtio_timed_ops.write(&twin->device, 0x80, 4, at);
		virtio_timed_ops.write(&twin->device, 0x90, 4, at + 0x40);
		virtio_timed_ops.write(&twin->device, 0xa0, 4, at + 0x80);
		virtio_timed_ops.write(&twin->device, 0x44, 4, 1);
	}
	virtio_timed_ops.write(&twin->device, 0x70, 4, 15);
}

static void make_request(struct twin *twin, uint32_t random)
{
	uint32_t queue = random % 5;
	uint8_t *ring = twin->ram + 0x100ul * queue;
	uint64_t address = RAM_AT + 0x500 + (random >> 4) % 0x200;
	uint32_t length = (random >> 8) % 0x100;
	uint16_t index, head;

	memcpy(&index, ring + 0x42, sizeof index);
	head = index % 4;
	memcpy(ring + 16ul * head, &address, sizeof address);
	memcpy(ring + 16ul * head + 8, &length, sizeof length);
	ring[16ul * head + 12] = random & 1 << 16 ? 2 : 0;
	memcpy(ring + 0x44 + 2ul * head, &head, sizeof head);
	index++;
	memcpy(ring + 0x42, &index, sizeof index);
	virtio_timed_ops.write(&twin->device, 0x50, 4, queue);
}

static void disturb_virtio(struct twin *twin, uint32_t random)
{
	if (random % 8 == 0 || twin->device.virtio.status != 15)
		start_driver(twin, random >> 3);
	else if (random % 8 == 1) /* bytes of the config space that a driver may write */
		virtio_timed_ops.write(&twin->device, 0x104, 4, random);
	else
		make_request(twin, random >> 3);
	twin->outside.sum += (uint32_t)virtio_timed_ops.read(&twin->device, 0x104, 4);
}

static void disturb_console(struct twin *twin, uint32_t random)
{
	switch (random % 4) {
	case 0:
		twin->outside.stalled = false;
		virtio_console_work(&twin->device.console);
		break;
	case 1:
		twin->outside.typed += random % 64;
		virtio_console_work(&twin->device.console);
		break;
	default:
		disturb_virtio(twin, random >> 2);
	}
}

/* A frame comes only when there is a buffer: one that waits for a buffer is lost when the guest is
 * saved, as any frame may be. */
static void disturb_net(struct twin *twin, uint32_t random)
{
	struct virtio_net *net = &twin->device.net;
	const struct virtqueue *queue = &net->virtio.queues[0];

	switch (random % 4) {
	case 0:
		twin->outside.stalled = random & 4;
		if (!twin->outside.stalled)
			virtio_net_work(net, virtio_net_waits(net) & NET_ROOM);
		break;
	case 1:
		twin->outside.typed += random / 4 % 4;
		if (queue->ready && queue->available[1] != queue->next_available)
			virtio_net_work(net, virtio_net_waits(net) & NET_FRAMES);
		break;
	default:
		disturb_virtio(twin, random >> 2);
	}
}

/* A device, and how it is set up as a part of a twin. */
static const struct subject {
	const struct device_ops *ops;
	size_t size; /* bytes of the device's struct */
	void (*connect)(struct twin *twin);
	void (*disturb)(struct twin *twin, uint32_t random); /* events from outside; NULL: none */
	bool has_timer, has_irq;
} subjects[] = {
	{ &pl011_ops, sizeof(struct pl011), connect_uart, disturb_uart, true, true },
	{ &pl031_ops, sizeof(struct pl031), connect_rtc, NULL, true, true },
	{ &pl061_ops, sizeof(struct pl061), connect_gpio, disturb_gpio, false, true },
	{ &finisher_ops, sizeof(struct finisher), connect_finisher, NULL, false, false },
	{ &flash_ops, sizeof(struct flash), connect_flash, drive_flash, false, false },
	{ &virtio_empty_ops, sizeof(struct virtio), connect_nothing, NULL, false, false },
	{ &virtio_block_ops, sizeof(struct virtio_block), connect_block, disturb_block, false,
	  true },
	{ &virtio_block_ops, sizeof(struct virtio_block), connect_legacy_block, disturb_block,
	  false, true },
	{ &virtio_timed_ops, sizeof(struct virtio), connect_entropy, disturb_virtio, true, true },
	{ &virtio_timed_ops, sizeof(struct virtio), connect_console, disturb_console, true, true },
	{ &virtio_timed_ops, sizeof(struct virtio), connect_balloon, disturb_virtio, true, true },
	{ &virtio_timed_ops, sizeof(struct virtio_net), connect_net, disturb_net, true, true },
};

static uint32_t seed;

static uint32_t next(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

/* Accesses mostly a register that has a name. Returns the value read. */
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

/* A random step for any device: an access, an event from outside, or its timer. */
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
	memset(&twin->device, 0, subject->size);
	memset(&twin->outside, 0, sizeof twin->outside);
	memset(twin->ram, 0, RAM_SIZE);
	subject->connect(twin);
	subject->ops->reset(&twin->device);
}

static void compare(const struct subject *subject, struct twin *one, struct twin *two)
{
	uint8_t before[STATE_BYTES], after[STATE_BYTES];
	size_t size = device_state_size(subject->ops);

	assert_true(size <= sizeof before);
	device_save(subject->ops, &one->device, before);
	device_save(subject->ops, &two->device, after);
	assert_memory_equal(before, after, size);
	assert_memory_equal(&one->outside, &two->outside, sizeof one->outside);
	assert_int_equal(memcmp(one->ram, two->ram, RAM_SIZE), 0);
}

/* Makes `steps` random steps; after the first `saved_at` the second twin is replaced by a loaded
 * one. */
static void run_script(const struct subject *subject, unsigned steps, unsigned saved_at)
{
	static struct twin one, two;
	uint8_t state[STATE_BYTES];

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
			memcpy(two.ram, one.ram, RAM_SIZE);
			two.outside.level = !kept.level; /* loading must report the level */
			two.outside.timer = 1;
			assert_true(device_load(subject->ops, &two.device, state));
			if (subject->ops == &virtio_timed_ops) {
				virtio_resumed(&one.device.virtio);
				virtio_resumed(&two.device.virtio);
			}
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

/* An invalid state is refused; any other state does no harm. */
static void test_broken(void **state)
{
	static struct twin twin;
	uint8_t bytes[STATE_BYTES];
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

/* All fields are within their struct, and do not overlap. */
static void test_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
		bool taken[sizeof(struct twin)] = { false };

		for (const struct field *field = subjects[i].ops->fields; field->name; field++)
			for (unsigned n = 0; n < field->size * field->count; n++) {
				size_t at = field->offset + n % field->size +
					    (size_t)(n / field->size * field->stride);

				assert_true(at < subjects[i].size);
				assert_false(taken[at]);
				taken[at] = true;
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
