// SPDX-License-Identifier: MIT
/*
 * Fuzzes each type of virtio device, with transport and queues, by a script of a driver's accesses
 * to registers and memory, and of events from outside. The device always marks the memory that it
 * writes, a block device answers each request once and none from before a reset, and the
 * interrupt's level is what the register says.
 */
#include "fuzz.h"

#include "devices/virtio/balloon.h"
#include "devices/virtio/block.h"
#include "devices/virtio/console.h"
#include "devices/virtio/entropy.h"
#include "devices/virtio/net.h"
#include "tests/unit/driver.h"

#define SECTORS 24ul
#define SLOT 0x200 /* bytes of a slot */
#define NEEDS_RESET 64

static union {
	struct virtio virtio;
	struct virtio_block block;
	struct virtio_entropy entropy;
	struct virtio_console console;
	struct virtio_balloon balloon;
	struct virtio_net net;
} device;
static const struct device_ops *ops; /* of the device */
static bool is_block;
static bool is_armed; /* the device's timer is set */
static struct virtio empty_slot;
static bool level, is_told; /* the interrupt's level; it was reported, perhaps unchanged */
static bool acknowledges;   /* the driver writes InterruptACK */
static struct block_request *under_way[BLOCK_REQUESTS];
static unsigned under_way_count;
static unsigned how; /* how the disk completes the next request */
static bool is_odd;  /* a state was loaded that the device cannot reach by itself */

/* ---- wires and the disk ---- */

static void set_level(void *controller, unsigned number, bool to)
{
	(void)controller, (void)number;
	/* If causes are left after an acknowledgement, the high level is reported again. */
	require(to != level || is_told || (to && acknowledges));
	level = to;
}

static void observe(const struct virtio *of, const struct virtio_event *event)
{
	require(of == &device.virtio);
	require(event->action && event->result);
}

static void check_request(const struct block_request *request)
{
	require(request->under_way && !request->cancelled);
	require(request->operation <= BLOCK_WRITE_ZEROES);
	require(request->offset <= SECTORS * BLOCK_SECTOR);
	require(request->length <= SECTORS * BLOCK_SECTOR - request->offset);
	require(request->status >= ram && request->status < ram + RAM_SIZE);
	require(!device.block.disk.read_only || request->operation == BLOCK_READ ||
		request->operation == BLOCK_FLUSH);
	if (request->operation > BLOCK_WRITE)
		return;
	require(pieces_size(request->pieces, request->piece_count) == request->length);
	for (unsigned i = 0; i < request->piece_count; i++) {
		const struct piece *piece = &request->pieces[i];

		require((uint8_t *)piece->base >= ram &&
			piece->length <= (size_t)(ram + RAM_SIZE - (uint8_t *)piece->base));
	}
}

static void carry_out(const struct block_request *request)
{
	static uint8_t medium[SECTORS * BLOCK_SECTOR];
	uint8_t *at = medium + request->offset;

	for (unsigned i = 0; i < request->piece_count; i++) {
		const struct piece *piece = &request->pieces[i];

		if (request->operation == BLOCK_READ) {
			memcpy(piece->base, at, piece->length);
			ram_written(NULL, piece->base, piece->length);
		} else if (request->operation == BLOCK_WRITE) {
			memcpy(at, piece->base, piece->length);
		}
		at += piece->length;
	}
}

static bool start(void *disk, struct block_request *request, enum block_status *status)
{
	(void)disk;
	check_request(request);
	if (how % 3 == 0) {
		require(under_way_count < BLOCK_REQUESTS);
		under_way[under_way_count++] = request;
		return false;
	}
	*status = how % 3 == 1 ? BLOCK_OK : BLOCK_IOERR;
	if (*status == BLOCK_OK)
		carry_out(request);
	return true;
}

static void set_timer(void *clock, unsigned number, uint64_t nanoseconds)
{
	(void)clock, (void)number;
	is_armed = nanoseconds != TIMER_OFF;
}

static uint64_t timer_left(void *clock, unsigned number)
{
	(void)clock, (void)number;
	return is_armed ? 0 : TIMER_OFF;
}

/* ---- backends of the other types ---- */

static void check_bytes(const void *bytes, size_t size)
{
	require((const uint8_t *)bytes >= ram &&
		size <= (size_t)(ram + RAM_SIZE - (const uint8_t *)bytes));
}

static void fill(void *to, size_t size)
{
	memset(to, 0xa5, size);
}

static size_t transmit(void *line, const uint8_t *bytes, size_t size)
{
	(void)line;
	require(size > 0);
	check_bytes(bytes, size);
	return how % 4 == 0 ? 0 : how % 4 == 1 ? size : 1;
}

static size_t receive(void *line, uint8_t *bytes, size_t size)
{
	(void)line;
	if (how % 2 || size == 0)
		return 0;
	bytes[0] = 'a';
	return 1;
}

static void give_back(void *memory, void *bytes, uint64_t length)
{
	(void)memory;
	check_bytes(bytes, length);
}

static enum net_result send_frame(void *network, struct piece *pieces, unsigned count)
{
	(void)network;
	require(pieces[0].length == NET_HEADER && count <= 1 + QUEUE_SIZE);
	require(pieces_size(pieces + 1, count - 1) <= NET_FRAME);
	for (unsigned i = 1; i < count; i++)
		check_bytes(pieces[i].base, pieces[i].length);
	return (enum net_result)(how % 3);
}

static struct net_header frame_header;
static size_t frame_size; /* of the network's next frame */

/* Writes no more than is its part, to where it may. */
static size_t receive_frame(void *network, struct piece *pieces, unsigned count)
{
	size_t size = frame_size, done = 0;

	(void)network;
	require(pieces[0].length == NET_HEADER && count <= 2 + QUEUE_SIZE);
	require(pieces_size(pieces + 1, count - 1) >= NET_FRAME);
	frame_size = 0;
	if (size)
		memcpy(pieces[0].base, &frame_header, NET_HEADER);
	for (unsigned i = 1; i < count; i++) {
		size_t part = size - done < pieces[i].length ? size - done : pieces[i].length;

		if (i + 1 < count)
			check_bytes(pieces[i].base, pieces[i].length);
		memset(pieces[i].base, 0xa5, part);
		done += part;
	}
	require(done == size);
	return size;
}

static void waits_changed(void *network)
{
	(void)network;
}

static void init_net(bool legacy, bool offloads)
{
	is_block = false;
	ops = &virtio_timed_ops;
	device.net.network =
		(struct network){ .offloads = offloads ? NET_GUEST_OFFLOADS | NET_HOST_OFFLOADS : 0,
				  .send = send_frame,
				  .receive = receive_frame,
				  .waits_changed = waits_changed };
	virtio_net_init(&device.net, legacy);
	device.net.connected = true;
}

#define NET_KIND 0x3c /* these bits, which mean nothing otherwise */

static void init_device(unsigned kind)
{
	bool legacy = kind & 1;

	if ((kind & NET_KIND) == NET_KIND) {
		init_net(legacy, kind & 2);
		return;
	}
	is_block = kind >> 6 == 0;
	ops = is_block ? &virtio_block_ops : &virtio_timed_ops;
	switch (kind >> 6) {
	case 0:
		device.block.disk = (struct block_disk){ .sectors = SECTORS,
							 .read_only = kind & 2,
							 .serial = "fuzzed",
							 .start = start };
		block_init(&device.block, legacy);
		break;
	case 1:
		virtio_entropy_init(&device.entropy, fill);
		break;
	case 2:
		device.console.transmit = transmit;
		device.console.receive = receive;
		virtio_console_init(&device.console, legacy);
		break;
	default:
		device.balloon.give_back = give_back;
		virtio_balloon_init(&device.balloon, legacy);
	}
}

static void power_on(unsigned kind)
{
	memset(&device, 0, sizeof device);
	memset(ram, 0, RAM_SIZE);
	level = is_odd = is_armed = false;
	under_way_count = 0;
	device.virtio.wires = (struct wires){ .irq.set = set_level,
					      .timer = { .set = set_timer, .left = timer_left },
					      .dma = ram_dma };
	device.virtio.observe = observe;
	init_device(kind);
	ops->reset(&device);
}

/* ---- the driver ---- */

static void write_device(uint64_t offset, unsigned size, uint64_t value)
{
	acknowledges = offset == VIRTIO_INTERRUPT_ACK;
	ops->write(&device, offset, size, value);
	acknowledges = false;
}

static void write_register(uint64_t offset, uint64_t value)
{
	write_device(offset, 4, value);
}

/* Makes any access, or one to a register. */
static void access_device(struct input *input, bool is_write)
{
	unsigned size = 1u << take(input, 1) % 4;
	uint64_t mask = ~0ull >> (64 - 8 * size);
	uint64_t offset = take(input, 2) % (SLOT - size + 1);

	if (size == 4)
		offset &= ~3ull;
	if (is_write)
		write_device(offset, size, take(input, size) & mask);
	else
		require((ops->read(&device, offset, size) & ~mask) == 0);
}

static void access_empty(struct input *input)
{
	uint64_t offset = take(input, 1) * 4 % SLOT;

	virtio_empty_ops.write(&empty_slot, offset, 4, take(input, 4));
	virtio_empty_ops.read(&empty_slot, offset, 4);
	virtio_empty_ops.reset(&empty_slot);
	require(virtio_empty_ops.loaded(&empty_slot));
}

static unsigned queue; /* the queue that was set up last */

/* Sets up a queue as a driver does, where driver.h's functions expect it, or anywhere. */
static void set_up(struct input *input)
{
	unsigned flags = (unsigned)take(input, 1);
	uint64_t away = flags & 1 ? take(input, 4) : 0;
	uint32_t size = flags & 2 ? (uint32_t)take(input, 2) : 1u << flags / 32;

	write_register(0x14, flags & 1);
	write_register(0x24, 0);
	write_register(0x20, flags & 4 ? take(input, 4) : flags & 8 ? 3u << 28 | 0xa00 : 0);
	write_register(0x24, 1);
	write_register(0x20, 1);
	write_register(0x70, 11);
	queue = (unsigned)take(input, 1) % VIRTIO_QUEUES;
	write_register(0x30, queue);
	write_register(0x38, size);
	if (device.virtio.legacy) {
		write_register(0x28, flags & 16 ? 4096 : (uint32_t)take(input, 4));
		write_register(0x40, RAM_AT / 4096 + away);
	} else {
		for (unsigned i = 0; i < 3; i++) {
			write_register(0x80 + 16ul * i, RAM_AT + 0x1000ul * i + away);
			write_register(0x84 + 16ul * i, away >> 16);
		}
		write_register(0x44, 1);
	}
	write_register(0x70, flags & 16 ? 11 : 15);
}

/* An address: mostly in RAM, sometimes at its end, or any. */
static uint64_t take_address(struct input *input)
{
	uint64_t place = take(input, 2);

	switch (place >> 13) {
	case 0:
		return RAM_END - (place & 63);
	case 1:
		return take(input, 8);
	case 2:
		return RAM_AT + INDIRECT_TABLE + (place & 0x3f0);
	default:
		return RAM_AT + DATA + (place & 0x7fff);
	}
}

static void change_descriptor(struct input *input)
{
	unsigned which = (unsigned)take(input, 1), flags = (unsigned)take(input, 1);
	unsigned table = which & 0x80 ? INDIRECT_TABLE : TABLE;
	uint64_t address = take_address(input);
	uint32_t length = (uint32_t)take(input, flags & 0x80 ? 4 : 2);

	if (flags & 0x40)
		length = length % 5 * BLOCK_SECTOR + (flags & 0x20 ? 1 : 16);
	put_descriptor(table, which % 16, address, length, flags & 7,
		       flags & 0x10 ? (unsigned)take(input, 2) : (which + 1) % 16);
}

static void make_entry(unsigned head)
{
	unsigned size = device.virtio.queues[queue].size;

	if (size)
		make_available(size, head);
}

/* Makes a complete request as most drivers do, from descriptor 0, 4, 8 or 12 on. */
static void put_request(struct input *input)
{
	static const uint32_t types[] = { 0, 1, 4, 8, 11, 13, 0, 99 };
	unsigned what = (unsigned)take(input, 1);
	unsigned at = DATA + what % 4 * 0x1000, first = what % 4 * 4;
	uint32_t type = types[what / 4 % 8], length = (uint32_t)take(input, 1) * 64;
	uint64_t sector = take(input, 1);
	bool is_from_device = type == 0 || type == 8;

	if (what & 0x80) { /* with a segment, for discard and write zeroes */
		put16(at + 16, (uint16_t)take(input, 1));
		put16(at + 24, (uint16_t)take(input, 1));
		put16(at + 28, (uint16_t)take(input, 1) % 4);
		length = 16;
	}
	memset(ram + at, 0, 16);
	memcpy(ram + at, &type, sizeof type);
	memcpy(ram + at + 8, &sector, sizeof sector);
	put_descriptor(TABLE, first, RAM_AT + at, 16, D_NEXT, first + 1);
	put_descriptor(TABLE, first + 1, RAM_AT + at + 16, length,
		       D_NEXT | (is_from_device ? D_WRITE : 0), first + 2);
	put_descriptor(TABLE, first + 2, RAM_AT + at + 0xf00, 1, D_WRITE, 0);
	make_entry(first);
}

static void write_memory(struct input *input)
{
	unsigned offset = (unsigned)take(input, 2) % (RAM_SIZE - 8);
	uint64_t value = take(input, 8);

	memcpy(ram + offset, &value, sizeof value);
}

/* ---- events from outside ---- */

/* A frame with any header, room for frames, a cable that is pulled. */
static void come_from_network(struct input *input, unsigned what)
{
	uint64_t header = take(input, 8);

	memcpy(&frame_header, &header, sizeof header);
	frame_header.csum_offset = (uint16_t)take(input, 1);
	frame_size = what & 8 ? take(input, 1) + 1 : (what * 997u + 1) % (NET_FRAME + 1);
	if ((what & 7) == 7)
		virtio_net_plug(&device.net, what & 16);
	else
		virtio_net_work(&device.net, what & 3);
}

/* The timer expires; the terminal accepts bytes, has input, or changes its size. */
static void come_from_outside(struct input *input)
{
	unsigned what = (unsigned)take(input, 1);

	if (is_armed) {
		is_armed = false;
		ops->expire(&device);
	}
	if (device.virtio.type->id == VIRTIO_NET)
		come_from_network(input, what);
	if (device.virtio.type->id != 3)
		return;
	if (what & 1)
		virtio_console_resize(&device.console, (uint16_t)(what >> 1), 25);
	else
		virtio_console_work(&device.console);
}

static void complete(struct input *input)
{
	unsigned n = (unsigned)take(input, 1), which;
	struct block_request *request;
	static uint8_t before[RAM_SIZE];

	if (under_way_count == 0)
		return;
	which = n % under_way_count--;
	request = under_way[which];
	under_way[which] = under_way[under_way_count];
	memcpy(before, ram, RAM_SIZE);
	if (request->cancelled && !virtio_is_running(&device.virtio)) {
		block_complete(&device.block, request, BLOCK_OK);
		require(memcmp(before, ram, RAM_SIZE) == 0);
		return;
	}
	if (!request->cancelled)
		carry_out(request);
	block_complete(&device.block, request, n & 0x80 ? BLOCK_IOERR : BLOCK_OK);
}

/* A state is saved only while no request is under way; a changed one is refused or does no harm. */
static void save_and_load(struct input *input)
{
	uint8_t state[512];
	size_t size = device_state_size(ops);
	unsigned changes = (unsigned)take(input, 1) % 4;

	if (under_way_count)
		return;
	require(size <= sizeof state);
	device_save(ops, &device, state);
	for (unsigned i = 0; i < changes; i++)
		state[take(input, 2) % size] = (uint8_t)take(input, 1);
	is_told = true;
	ops->reset(&device);
	require(device_load(ops, &device, state) || changes);
	is_told = false;
	is_odd = is_odd || changes;
}

/* ---- the script ---- */

static void step(struct input *input)
{
	unsigned what = (unsigned)take(input, 1);

	how = what / 16;
	switch (what % 16) {
	case 0:
		set_up(input);
		break;
	case 1:
	case 2:
		put_request(input);
		break;
	case 3:
		change_descriptor(input);
		break;
	case 4:
		make_entry((unsigned)take(input, 1) % 20);
		break;
	case 5:
		write_memory(input);
		break;
	case 6:
	case 7:
		if (is_block)
			complete(input);
		else
			come_from_outside(input);
		break;
	case 8:
		save_and_load(input);
		break;
	case 9:
		access_empty(input);
		break;
	case 10:
		virtio_config_changed(&device.virtio);
		break;
	case 11:
		write_register(0x70, 0);
		break;
	case 12:
	case 13:
		write_register(0x50, queue);
		break;
	case 14:
		access_device(input, true);
		break;
	default:
		access_device(input, false);
	}
}

/* Steps in which the driver itself changes memory. */
static bool is_drivers(uint8_t what)
{
	return what % 16 >= 1 && what % 16 <= 5;
}

static void check(void)
{
	const struct virtqueue *requests = &device.virtio.queues[0];
	unsigned taken = 0, live = 0;

	require(level == (ops->read(&device, 0x60, 4) != 0));
	if (!is_block)
		return;
	for (unsigned i = 0; i < BLOCK_REQUESTS; i++)
		taken += device.block.requests[i].under_way;
	for (unsigned i = 0; i < under_way_count; i++)
		live += !under_way[i]->cancelled;
	require(taken == under_way_count);
	require(requests->ready || live == 0);
	require(ops->read(&device, 0x100, 8) == SECTORS);
	if (is_odd)
		return;
	/* Each request that was taken was answered once, or is under way. */
	require(requests->broken ||
		(uint16_t)(requests->next_available - requests->next_used) == live);
	require(!requests->broken || device.virtio.status & NEEDS_RESET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	power_on((unsigned)take(&input, 1));
	while (input.size) {
		bool is_watched = !is_drivers(*input.data);

		if (is_watched)
			ram_watch();
		step(&input);
		require(!is_watched || ram_is_marked());
		check();
	}
	return 0;
}
