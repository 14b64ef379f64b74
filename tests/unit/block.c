// SPDX-License-Identifier: MIT
/*
 * devices/virtio/block.c, with the real transport and queue, a driver that may do anything, and a
 * disk that completes requests at once or later, in any order.
 */
#include "unit.h"

#include "devices/virtio/block.h"
#include "driver.h"

#define SECTORS 64ul
#define DISK_BYTES (SECTORS * BLOCK_SECTOR)
#define SIZE 256 /* of the queue */

/* Registers (virtio 1.2, 4.2.2). */
#define DEVICE_FEATURES 0x10
#define DEVICE_FEATURES_SEL 0x14
#define DRIVER_FEATURES 0x20
#define DRIVER_FEATURES_SEL 0x24
#define QUEUE_NUM 0x38
#define QUEUE_READY 0x44
#define QUEUE_NOTIFY 0x50
#define INTERRUPT_STATUS 0x60
#define STATUS 0x70
#define QUEUE_DESC 0x80
#define QUEUE_DRIVER 0x90
#define QUEUE_DEVICE 0xa0
#define CONFIG 0x100

#define RUNNING 15
#define NEEDS_RESET 64

#define F_RO (1u << 5)
#define F_FLUSH (1u << 9)
#define F_CONFIG_WCE (1u << 11)
#define F_DISCARD (1u << 13)
#define F_WRITE_ZEROES (1u << 14)

/* Types of requests (5.2.6). */
#define IN 0
#define OUT 1
#define FLUSH 4
#define GET_ID 8
#define DISCARD 11
#define WRITE_ZEROES 13

static struct virtio_block block;
static bool level;

/* ---- the disk ---- */

static uint8_t medium[DISK_BYTES];
static bool is_later; /* it completes requests later */
static enum block_status result;
static struct block_request last; /* as it was passed to the disk */
static unsigned started;
static struct block_request *under_way[BLOCK_REQUESTS + 1];
static unsigned under_way_count;

static void carry_out(struct block_request *request)
{
	uint8_t *at = medium + request->offset;

	for (unsigned i = 0; i < request->piece_count; i++) {
		const struct piece *piece = &request->pieces[i];

		if (request->operation == BLOCK_READ) {
			memcpy(piece->base, at, piece->length);
			dma_written(&ram_dma, piece->base, piece->length);
		} else if (request->operation == BLOCK_WRITE) {
			memcpy(at, piece->base, piece->length);
		}
		at += piece->length;
	}
	if (request->operation == BLOCK_WRITE_ZEROES)
		memset(at, 0, request->length);
}

static bool start_request(void *disk, struct block_request *request, enum block_status *status)
{
	assert_ptr_equal(disk, medium);
	assert_true(request->operation <= BLOCK_WRITE_ZEROES);
	assert_true(request->offset <= DISK_BYTES);
	assert_true(request->length <= DISK_BYTES - request->offset);
	assert_true(request->operation > BLOCK_WRITE ||
		    pieces_size(request->pieces, request->piece_count) == request->length);
	started++;
	last = *request;
	if (is_later) {
		under_way[under_way_count++] = request;
		assert_true(under_way_count <= BLOCK_REQUESTS);
		return false;
	}
	if (result == BLOCK_OK)
		carry_out(request);
	*status = result;
	return true;
}

/* The request at this index among those under way. */
static void complete(unsigned n, enum block_status status)
{
	struct block_request *request = under_way[n];

	under_way_count--;
	for (unsigned i = n; i < under_way_count; i++)
		under_way[i] = under_way[i + 1];
	ram_watch();
	if (status == BLOCK_OK && !request->cancelled)
		carry_out(request);
	block_complete(&block, request, status);
	assert_true(ram_is_marked());
}

/* ---- the driver ---- */

static void set_level(void *controller, unsigned number, bool to)
{
	(void)controller, (void)number;
	level = to;
}

static uint32_t get(uint64_t offset)
{
	return (uint32_t)virtio_block_ops.read(&block, offset, 4);
}

static void set(uint64_t offset, uint32_t value)
{
	ram_watch();
	virtio_block_ops.write(&block, offset, 4, value);
	assert_true(ram_is_marked());
}

static void set64(uint64_t offset, uint64_t value)
{
	set(offset, (uint32_t)value);
	set(offset + 4, (uint32_t)(value >> 32));
}

/* Resets the device and sets it up, with these features beside VERSION_1. */
static void set_up(uint32_t features)
{
	memset(ram, 0, RAM_SIZE);
	set(STATUS, 3);
	set(DRIVER_FEATURES_SEL, 0);
	set(DRIVER_FEATURES, features);
	set(DRIVER_FEATURES_SEL, 1);
	set(DRIVER_FEATURES, 1);
	set(STATUS, 11);
	set(QUEUE_NUM, SIZE);
	set64(QUEUE_DESC, RAM_AT + TABLE);
	set64(QUEUE_DRIVER, RAM_AT + AVAILABLE);
	set64(QUEUE_DEVICE, RAM_AT + USED);
	set(QUEUE_READY, 1);
	set(STATUS, RUNNING);
	assert_int_equal(get(STATUS), RUNNING);
}

static void power_on(bool read_only)
{
	block = (struct virtio_block){
		.virtio.wires = { .irq.set = set_level, .dma = ram_dma },
		.disk = { .sectors = SECTORS,
			  .read_only = read_only,
			  .serial = "serial number twenty",
			  .start = start_request,
			  .disk = medium },
	};
	block_init(&block, false);
	virtio_block_ops.reset(&block);
	level = is_later = false;
	result = BLOCK_OK;
	started = under_way_count = 0;
	for (unsigned i = 0; i < DISK_BYTES; i++)
		medium[i] = (uint8_t)(i / BLOCK_SECTOR + 7 * i);
}

static void start(bool read_only, uint32_t features)
{
	power_on(read_only);
	set_up(features);
}

struct part {
	uint16_t length;
	bool is_written;
};

/* The parts of a request that the device reads, or writes, are one after the other, with gaps. */
static unsigned part_at(unsigned i)
{
	return DATA + 0x500 * i;
}

/* Makes a chain of these parts from descriptor 0 on; readable ones are filled with `bytes`. */
static void put_chain(const struct part *parts, unsigned count, const uint8_t *bytes)
{
	for (unsigned i = 0; i < count; i++) {
		bool is_last = i + 1 == count;

		put_descriptor(TABLE, i, RAM_AT + part_at(i), parts[i].length,
			       (is_last ? 0 : D_NEXT) | (parts[i].is_written ? D_WRITE : 0), i + 1);
		memset(ram + part_at(i), 0xee, parts[i].length);
		if (!parts[i].is_written && parts[i].length)
			memcpy(ram + part_at(i), bytes, parts[i].length);
		if (!parts[i].is_written)
			bytes += parts[i].length;
	}
}

/* The bytes that the device has written to the writable parts. */
static unsigned get_written(const struct part *parts, unsigned count, uint8_t *bytes)
{
	unsigned size = 0;

	for (unsigned i = 0; i < count; i++) {
		if (!parts[i].is_written)
			continue;
		memcpy(bytes + size, ram + part_at(i), parts[i].length);
		size += parts[i].length;
	}
	return size;
}

static void put_header(uint8_t *bytes, uint32_t type, uint64_t sector)
{
	memset(bytes, 0, 16);
	memcpy(bytes, &type, sizeof type);
	memcpy(bytes + 8, &sector, sizeof sector);
}

static void make_request(unsigned head)
{
	make_available(SIZE, head);
	set(QUEUE_NOTIFY, 0);
}

static uint32_t used_id(unsigned n)
{
	return get32(USED + 4 + 8 * (n % SIZE));
}

static uint32_t used_length(unsigned n)
{
	return get32(USED + 8 + 8 * (n % SIZE));
}

/* ---- layouts ---- */

#define R(length)                                                                                  \
	{                                                                                          \
		length, false                                                                      \
	}
#define W(length)                                                                                  \
	{                                                                                          \
		length, true                                                                       \
	}

static const struct {
	const char *name;
	uint32_t type;
	bool works;
	struct part parts[8]; /* ended by the second of two empty ones */
	unsigned count;
} layouts[] = {
	{ "read, as Linux does", IN, true, { R(16), W(512), W(1) }, 3 },
	{ "read, status at the end of the data", IN, true, { R(16), W(513) }, 2 },
	{ "read, header in pieces", IN, true, { R(1), R(3), R(4), R(7), R(1), W(512), W(1) }, 7 },
	{ "read, data in pieces", IN, true, { R(16), W(1), W(510), W(1), W(1) }, 5 },
	{ "read, status behind the last byte of data", IN, true, { R(16), W(511), W(2) }, 3 },
	{ "read, with empty pieces",
	  IN,
	  true,
	  { R(0), R(16), R(0), W(0), W(512), W(0), W(1), W(0) },
	  8 },
	{ "read, and more to read than a header", IN, true, { R(30), W(512), W(1) }, 3 },
	{ "write, as Linux does", OUT, true, { R(16), R(512), W(1) }, 3 },
	{ "write, header and data in one", OUT, true, { R(528), W(1) }, 2 },
	{ "write, cut anywhere", OUT, true, { R(9), R(8), R(510), R(1), W(1) }, 5 },
	{ "write, with empty pieces",
	  OUT,
	  true,
	  { R(0), R(16), R(0), R(512), R(0), W(0), W(1), W(0) },
	  8 },
	{ "write, and room for more than a status", OUT, true, { R(528), W(9) }, 2 },
	{ "no status", IN, false, { R(16) }, 1 },
	{ "an empty status", IN, false, { R(16), W(0) }, 2 },
	{ "write without a status", OUT, false, { R(16), R(512) }, 2 },
	{ "header too short", IN, false, { R(15), W(513) }, 2 },
	{ "header of nothing", IN, false, { R(0), W(513) }, 2 },
	{ "no header", IN, false, { W(513) }, 1 },
	{ "short header in pieces", IN, false, { R(8), R(7), W(513) }, 3 },
};

static void check_layout(const struct part *parts, unsigned count, bool is_read)
{
	uint8_t written[1024] = { 0 };
	unsigned size = get_written(parts, count, written);

	assert_int_equal(written[size - 1], BLOCK_OK);
	assert_int_equal(used_length(0), is_read ? 513 : size == 1);
	if (is_read)
		assert_memory_equal(written, medium + 3ul * BLOCK_SECTOR, BLOCK_SECTOR);
	for (unsigned i = 0; !is_read && i + 1 < size; i++)
		assert_int_equal(written[i], 0xee);
}

static void test_layouts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
		const struct part *parts = layouts[i].parts;
		unsigned count = layouts[i].count;
		uint8_t bytes[1024];

		start(false, 0);
		for (unsigned n = 0; n < sizeof bytes; n++)
			bytes[n] = (uint8_t)(n * 3 + 1);
		put_header(bytes, layouts[i].type, 3);
		put_chain(parts, count, bytes);
		make_request(0);
		if (used_index() != layouts[i].works || started != layouts[i].works)
			fail_msg("%s", layouts[i].name);
		assert_int_equal(get(STATUS), RUNNING | (layouts[i].works ? 0 : NEEDS_RESET));
		if (layouts[i].works)
			check_layout(parts, count, layouts[i].type == IN);
		if (layouts[i].works && layouts[i].type == OUT)
			assert_memory_equal(medium + 3ul * BLOCK_SECTOR, bytes + 16, BLOCK_SECTOR);
	}
}

/* ---- types and bounds ---- */

#define NEVER BLOCK_UNKNOWN /* it is not passed to the disk */
#define MAX (1u << 22)	    /* sectors of a discard */

static const struct request_row {
	const char *name;
	uint64_t type;
	uint64_t sector;
	unsigned data; /* bytes beside header and status */
	enum block_status status;
	enum block_operation operation;
	uint32_t offset, length; /* as passed to the disk */
	uint32_t used;
	struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} segment;
	bool read_only;
} requests[] = {
	{ "read", IN, 5, 1024, BLOCK_OK, BLOCK_READ, 2560, 1024, .used = 1025 },
	{ "read the last sector", IN, 63, 512, BLOCK_OK, BLOCK_READ, 63 * 512, 512, .used = 513 },
	{ "read nothing", IN, 3, 0, BLOCK_OK, BLOCK_READ, 1536, 0, .used = 1 },
	{ "read nothing at the end", IN, 64, 0, BLOCK_OK, BLOCK_READ, DISK_BYTES, 0, .used = 1 },
	{ "read nothing behind the end", IN, 65, 0, BLOCK_IOERR, NEVER, 0, 0, .used = 1 },
	{ "read over the end", IN, 63, 1024, BLOCK_IOERR, NEVER, 0, 0, .used = 0 },
	{ "read behind the end", IN, 64, 512, BLOCK_IOERR, NEVER, 0, 0, .used = 0 },
	{ "read where a byte's number wraps", IN, 1ull << 55, 512, BLOCK_IOERR, NEVER, 0, 0,
	  .used = 0 },
	{ "read round 2^64", IN, -1ull, 1024, BLOCK_IOERR, NEVER, 0, 0, .used = 0 },
	{ "read less than a sector", IN, 0, 511, BLOCK_IOERR, NEVER, 0, 0, .used = 0 },
	{ "read more than a sector", IN, 0, 513, BLOCK_IOERR, NEVER, 0, 0, .used = 0 },
	{ "write", OUT, 5, 1024, BLOCK_OK, BLOCK_WRITE, 2560, 1024, .used = 1 },
	{ "write nothing", OUT, 5, 0, BLOCK_OK, BLOCK_WRITE, 2560, 0, .used = 1 },
	{ "write over the end", OUT, 63, 1024, BLOCK_IOERR, NEVER, 0, 0, .used = 1 },
	{ "write behind the end", OUT, 64, 512, BLOCK_IOERR, NEVER, 0, 0, .used = 1 },
	{ "write round 2^64", OUT, -1ull, 1024, BLOCK_IOERR, NEVER, 0, 0, .used = 1 },
	{ "write less than a sector", OUT, 0, 100, BLOCK_IOERR, NEVER, 0, 0, .used = 1 },
	{ "write to a read-only one", OUT, 0, 512, BLOCK_IOERR, NEVER, 0, 0, .used = 1,
	  .read_only = true },
	{ "read of a read-only one", IN, 0, 512, BLOCK_OK, BLOCK_READ, 0, 512, .used = 513,
	  .read_only = true },
	{ "flush", FLUSH, 0, 0, BLOCK_OK, BLOCK_FLUSH, 0, 0, .used = 1 },
	{ "flush anywhere", FLUSH, -1ull, 0, BLOCK_OK, BLOCK_FLUSH, 0, 0, .used = 1 },
	{ "flush a read-only one", FLUSH, 0, 0, BLOCK_OK, BLOCK_FLUSH, 0, 0, .used = 1,
	  .read_only = true },
	{ "get id", GET_ID, 0, 20, BLOCK_OK, NEVER, 0, 0, .used = 21 },
	{ "get id into less", GET_ID, 0, 19, BLOCK_OK, NEVER, 0, 0, .used = 20 },
	{ "get id into more", GET_ID, 0, 512, BLOCK_OK, NEVER, 0, 0, .used = 20 },
	{ "get id into nothing", GET_ID, 0, 0, BLOCK_OK, NEVER, 0, 0, .used = 1 },
	{ "discard", DISCARD, 0, 16, BLOCK_OK, BLOCK_DISCARD, 1024, 1536, .used = 1,
	  .segment = { 2, 3, 0 } },
	{ "discard all", DISCARD, 9, 16, BLOCK_OK, BLOCK_DISCARD, 0, DISK_BYTES, .used = 1,
	  .segment = { 0, 64, 0 } },
	{ "discard nothing", DISCARD, 0, 16, BLOCK_OK, BLOCK_DISCARD, 0, 0, .used = 1,
	  .segment = { 0, 0, 0 } },
	{ "discard over the end", DISCARD, 0, 16, BLOCK_IOERR, NEVER, 0, 0, .used = 1,
	  .segment = { 1, 64, 0 } },
	{ "discard behind the end", DISCARD, 0, 16, BLOCK_IOERR, NEVER, 0, 0, .used = 1,
	  .segment = { 65, 0, 0 } },
	{ "discard round 2^64", DISCARD, 0, 16, BLOCK_IOERR, NEVER, 0, 0, .used = 1,
	  .segment = { -1ull, 2, 0 } },
	{ "discard with unmap", DISCARD, 0, 16, BLOCK_UNSUPP, NEVER, 0, 0, .used = 1,
	  .segment = { 0, 1, 1 } },
	{ "discard with other flags", DISCARD, 0, 16, BLOCK_UNSUPP, NEVER, 0, 0, .used = 1,
	  .segment = { 0, 1, 1u << 31 } },
	{ "discard of no segment", DISCARD, 0, 0, BLOCK_UNSUPP, NEVER, 0, 0, .used = 1 },
	{ "discard of part of a segment", DISCARD, 0, 15, BLOCK_UNSUPP, NEVER, 0, 0, .used = 1,
	  .segment = { 0, 1, 0 } },
	{ "discard of two segments", DISCARD, 0, 32, BLOCK_UNSUPP, NEVER, 0, 0, .used = 1,
	  .segment = { 0, 1, 0 } },
	{ "discard on a read-only one", DISCARD, 0, 16, BLOCK_IOERR, NEVER, 0, 0, .used = 1,
	  .segment = { 0, 1, 0 }, .read_only = true },
	{ "zeroes", WRITE_ZEROES, 0, 16, BLOCK_OK, BLOCK_WRITE_ZEROES, 1024, 1536, .used = 1,
	  .segment = { 2, 3, 0 } },
	{ "zeroes with unmap", WRITE_ZEROES, 0, 16, BLOCK_OK, BLOCK_WRITE_ZEROES, 0, 512, .used = 1,
	  .segment = { 0, 1, 1 } },
	{ "zeroes with other flags", WRITE_ZEROES, 0, 16, BLOCK_UNSUPP, NEVER, 0, 0, .used = 1,
	  .segment = { 0, 1, 3 } },
	{ "zeroes over the end", WRITE_ZEROES, 0, 16, BLOCK_IOERR, NEVER, 0, 0, .used = 1,
	  .segment = { 63, 2, 0 } },
	{ "zeroes on a read-only one", WRITE_ZEROES, 0, 16, BLOCK_IOERR, NEVER, 0, 0, .used = 1,
	  .segment = { 0, 1, 0 }, .read_only = true },
	{ "SCSI", 2, 0, 0, BLOCK_UNSUPP, NEVER, 0, 0, .used = 1 },
	{ "lifetime", 10, 0, 24, BLOCK_UNSUPP, NEVER, 0, 0, .used = 0 },
	{ "secure erase", 14, 0, 16, BLOCK_UNSUPP, NEVER, 0, 0, .used = 1 },
	{ "anything", 0x80000000, 0, 0, BLOCK_UNSUPP, NEVER, 0, 0, .used = 1 },
	{ "anything else", ~0u, 0, 512, BLOCK_UNSUPP, NEVER, 0, 0, .used = 1 },
};

/* Types whose data the device writes. */
static bool is_from_device(const struct request_row *row)
{
	return row->type == IN || row->type == GET_ID || row->type == 10;
}

static void check_request(const struct request_row *row, const uint8_t *written)
{
	unsigned room = is_from_device(row) ? row->data : 0;

	assert_int_equal(written[room], row->status);
	assert_int_equal(used_length(0), row->used);
	assert_int_equal(started, row->operation != NEVER);
	if (started) {
		assert_int_equal(last.operation, row->operation);
		assert_int_equal(last.offset, row->offset);
		assert_int_equal(last.length, row->length);
	}
	if (row->type == GET_ID)
		assert_memory_equal(written, "serial number twenty", room < 20 ? room : 20);
	/* Bytes beyond the used length are not written. */
	for (unsigned i = row->used; i < room; i++)
		assert_int_equal(written[i], 0xee);
}

static void test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		const struct request_row *row = &requests[i];
		struct part parts[] = { R(16), { (uint16_t)row->data, is_from_device(row) }, W(1) };
		uint8_t bytes[2048] = { 0 }, before[DISK_BYTES], written[2048];

		start(row->read_only, 0);
		put_header(bytes, (uint32_t)row->type, row->sector);
		memcpy(bytes + 16, &row->segment, sizeof row->segment);
		put_chain(parts, 3, bytes);
		memcpy(before, medium, DISK_BYTES);
		make_request(0);
		if (used_index() != 1)
			fail_msg("%s", row->name);
		get_written(parts, 3, written);
		check_request(row, written);
		assert_int_equal(get(STATUS), RUNNING);
		if (row->operation == NEVER)
			assert_memory_equal(before, medium, DISK_BYTES);
	}
}

static bool start_any(void *disk, struct block_request *request, enum block_status *status)
{
	(void)disk, (void)request;
	started++;
	*status = BLOCK_OK;
	return true;
}

/* A range or number of segments above the offered maximum is refused, however large the disk is. */
static void test_max_sectors(void **state)
{
	static const struct part parts[] = { R(32), W(1) };

	(void)state;
	for (uint32_t sectors = MAX; sectors <= MAX + 1; sectors++) {
		uint8_t bytes[32] = { 0 };

		start(false, 0);
		block.disk.sectors = 1ull << 40;
		block.disk.start = start_any;
		put_header(bytes, WRITE_ZEROES, 0);
		memcpy(bytes + 24, &sectors, sizeof sectors);
		put_chain(parts, 2, bytes);
		make_request(0);
		assert_int_equal(started, sectors == MAX);
		assert_int_equal(ram[part_at(1)], sectors == MAX ? BLOCK_OK : BLOCK_IOERR);
	}
}

/* An I/O error of the disk, at once or later. */
static void test_errors(void **state)
{
	static const struct part parts[] = { R(16), W(512), W(1) };
	uint8_t bytes[16];

	(void)state;
	for (unsigned later = 0; later < 2; later++) {
		start(false, 0);
		is_later = later;
		result = BLOCK_IOERR;
		put_header(bytes, IN, 0);
		put_chain(parts, 3, bytes);
		make_request(0);
		if (later)
			complete(0, BLOCK_IOERR);
		assert_int_equal(used_index(), 1);
		assert_int_equal(ram[part_at(2)], BLOCK_IOERR);
		assert_int_equal(used_length(0), 0);
	}
}

/* ---- writeback and write-through ---- */

static const struct {
	uint32_t features;
	int writeback; /* value that the driver writes to the field; -1: none */
	bool through;
} caches[] = {
	{ 0, -1, true },
	{ 0, 1, true }, /* without CONFIG_WCE the field is read-only */
	{ F_FLUSH, -1, false },
	{ F_FLUSH, 0, false },
	{ F_FLUSH | F_CONFIG_WCE, -1, false },
	{ F_FLUSH | F_CONFIG_WCE, 0, true },
	{ F_FLUSH | F_CONFIG_WCE, 2, true }, /* only bit 0 counts */
	{ F_FLUSH | F_CONFIG_WCE, 1, false },
};

static void test_through(void **state)
{
	static const struct part parts[] = { R(32), R(496), W(1) };

	(void)state;
	for (size_t i = 0; i < sizeof caches / sizeof *caches; i++)
		for (unsigned zeroes = 0; zeroes < 2; zeroes++) {
			uint8_t bytes[1024] = { 0 };
			struct part segment[] = { R(32), W(1) };

			start(false, caches[i].features);
			if (caches[i].writeback >= 0)
				virtio_block_ops.write(&block, CONFIG + 32, 1,
						       (uint64_t)caches[i].writeback);
			put_header(bytes, zeroes ? WRITE_ZEROES : OUT, 0);
			if (zeroes)
				put_chain(segment, 2, bytes);
			else
				put_chain((struct part[]){ R(16), parts[1], R(16), W(1) }, 4,
					  bytes);
			make_request(0);
			assert_int_equal(started, 1);
			assert_int_equal(last.through, caches[i].through);
			put_header(bytes, IN, 0);
			put_chain((struct part[]){ R(16), W(513) }, 2, bytes);
			make_request(0);
			assert_false(last.through);
			/* A reset restores the field. */
			set(STATUS, 0);
			assert_int_equal(virtio_block_ops.read(&block, CONFIG + 32, 1), 1);
		}
}

/* ---- config space ---- */

static uint32_t offered(void)
{
	set(DEVICE_FEATURES_SEL, 0);
	return get(DEVICE_FEATURES);
}

static void test_config(void **state)
{
	uint32_t writes = F_FLUSH | F_CONFIG_WCE | F_DISCARD | F_WRITE_ZEROES;

	(void)state;
	power_on(false);
	assert_int_equal(offered() & (writes | F_RO), writes);
	assert_int_equal(virtio_block_ops.read(&block, CONFIG, 8), SECTORS);
	assert_int_equal(get(CONFIG + 12), 254);      /* seg_max: all but header and status */
	assert_int_equal(get(CONFIG + 20), 512);      /* blk_size */
	assert_int_equal(get(CONFIG + 24) & 0xff, 3); /* physical_block_exp: 4 KiB */
	assert_int_equal(get(CONFIG + 36), MAX);
	assert_int_equal(get(CONFIG + 40), 1);
	assert_int_equal(get(CONFIG + 48), MAX);
	assert_int_equal(get(CONFIG + 52), 1);
	assert_int_equal(get(CONFIG + 56), 1);
	for (unsigned i = 0; i < 64; i++) /* read-only but for `writeback`, if that is negotiated */
		virtio_block_ops.write(&block, CONFIG + i, 1, 0x5a);
	assert_int_equal(virtio_block_ops.read(&block, CONFIG, 8), SECTORS);
	assert_int_equal(get(CONFIG + 32) & 0xff, 1);
	power_on(true);
	assert_int_equal(offered() & (writes | F_RO), F_RO);
}

/* ---- requests under way ---- */

/* Descriptors 2n and 2n + 1: a read of sector n into its own buffer. */
#define DATA_OF(n) (DATA + 0x500 + 0x204u * (n))
#define READS 80

static void put_read(unsigned n)
{
	uint8_t header[16];

	put_header(header, IN, n % SECTORS);
	memcpy(ram + DATA + 16ul * n, header, sizeof header);
	put_descriptor(TABLE, 2 * n, RAM_AT + DATA + 16ul * n, 16, D_NEXT, 2 * n + 1);
	put_descriptor(TABLE, 2 * n + 1, RAM_AT + DATA_OF(n), 513, D_WRITE, 0);
	ram[DATA_OF(n) + 512] = 0xee;
}

static void check_read(unsigned n)
{
	assert_memory_equal(ram + DATA_OF(n), medium + n % SECTORS * BLOCK_SECTOR, BLOCK_SECTOR);
	assert_int_equal(ram[DATA_OF(n) + 512], BLOCK_OK);
}

static void make_reads(unsigned first, unsigned count)
{
	for (unsigned n = first; n < first + count; n++) {
		put_read(n);
		make_available(SIZE, 2 * n);
	}
	set(QUEUE_NOTIFY, 0);
}

/* Requests are answered once, in the order of their completion, and each makes room for another. */
static void test_under_way(void **state)
{
	bool answered[READS] = { false };
	uint32_t random = 1;

	(void)state;
	start(false, 0);
	is_later = true;
	for (unsigned n = 0; n < READS; n += 32)
		make_reads(n, n + 32 <= READS ? 32 : READS - n);
	assert_int_equal(started, BLOCK_REQUESTS);
	assert_int_equal(used_index(), 0);
	for (unsigned done = 0; done < READS; done++) {
		unsigned n, which;

		random = random * 1664525 + 1013904223;
		which = (random >> 8) % under_way_count;
		n = under_way[which]->chain.head / 2;
		complete(which, BLOCK_OK);
		assert_int_equal(used_index(), done + 1);
		assert_int_equal(used_id(done), 2 * n);
		assert_int_equal(used_length(done), 513);
		assert_false(answered[n]);
		answered[n] = true;
		check_read(n);
		assert_true(level);
	}
	assert_int_equal(started, READS);
	assert_int_equal(under_way_count, 0);
}

static void reset_device(void)
{
	set(STATUS, 0);
	set_up(0);
}

static void stop_queue(void)
{
	memset(ram, 0, RAM_SIZE);
	set(QUEUE_READY, 0);
	set(QUEUE_NUM, SIZE);
	set64(QUEUE_DESC, RAM_AT + TABLE);
	set64(QUEUE_DRIVER, RAM_AT + AVAILABLE);
	set64(QUEUE_DEVICE, RAM_AT + USED);
	set(QUEUE_READY, 1);
}

/* Requests from before a reset are not answered and do not touch memory; later ones are. */
static void test_cancelled(void **state)
{
	static void (*const ways[])(void) = { reset_device, stop_queue };

	(void)state;
	for (size_t way = 0; way < 2; way++) {
		unsigned old = BLOCK_REQUESTS - 2;

		start(false, 0);
		is_later = true;
		make_reads(0, old);
		ways[way]();
		make_reads(0, 4); /* two of them can be started */
		assert_int_equal(under_way_count, BLOCK_REQUESTS);
		for (unsigned i = 0; i < old; i++) {
			uint8_t before[RAM_SIZE];

			memcpy(before, ram, RAM_SIZE);
			complete(0, BLOCK_OK);
			assert_memory_equal(before, ram, RAM_SIZE);
		}
		assert_false(level);
		assert_int_equal(under_way_count, 4);
		while (under_way_count)
			complete(under_way_count - 1, BLOCK_OK);
		assert_int_equal(used_index(), 4);
		for (unsigned n = 0; n < 4; n++)
			check_read(n);
		/* All BLOCK_REQUESTS are free again. */
		make_reads(4, 40);
		assert_int_equal(under_way_count, BLOCK_REQUESTS);
	}
}

/* Completions after the queue or the whole machine was reset change nothing. */
static void test_stopped(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 2; way++) {
		start(false, 0);
		is_later = true;
		make_reads(0, 3);
		if (way)
			set(QUEUE_READY, 0);
		else
			virtio_block_ops.reset(&block);
		memset(ram, 0, RAM_SIZE);
		while (under_way_count)
			complete(0, under_way_count % 2 ? BLOCK_OK : BLOCK_IOERR);
		for (unsigned i = 0; i < RAM_SIZE; i++)
			assert_int_equal(ram[i], 0);
		assert_false(level);
	}
}

/* An invalid chain breaks the queue: earlier requests are answered, later ones are not. */
static void test_broken_between(void **state)
{
	(void)state;
	start(false, 0);
	is_later = true;
	put_read(0);
	put_read(2);
	make_available(SIZE, 0);
	put_descriptor(TABLE, 2, RAM_END, 16, D_NEXT, 3);
	make_available(SIZE, 2);
	make_available(SIZE, 4);
	set(QUEUE_NOTIFY, 0);
	assert_int_equal(started, 1);
	assert_int_equal(get(STATUS), RUNNING | NEEDS_RESET);
	assert_int_equal(get(INTERRUPT_STATUS), 2);
	complete(0, BLOCK_OK);
	check_read(0);
	assert_int_equal(used_index(), 1);
	assert_int_equal(started, 1);
	/* The same if the chain is valid, but too short for a request. */
	start(false, 0);
	put_read(0);
	put_read(2);
	put_descriptor(TABLE, 2, RAM_AT + DATA, 16, 0, 0);
	make_available(SIZE, 0);
	make_available(SIZE, 2);
	make_available(SIZE, 4);
	set(QUEUE_NOTIFY, 0);
	assert_int_equal(started, 1);
	assert_int_equal(used_index(), 1);
	assert_int_equal(get(STATUS), RUNNING | NEEDS_RESET);
	assert_int_equal(get(INTERRUPT_STATUS), 3);
}

/* ---- events for traces ---- */

static struct virtio_event observed;

static void observe(const struct virtio *device, const struct virtio_event *event)
{
	assert_ptr_equal(device, &block.virtio);
	observed = *event;
}

static void test_events(void **state)
{
	static const struct part parts[] = { R(16), W(1024), W(1) };
	uint8_t bytes[16];

	(void)state;
	start(false, 0);
	block.virtio.observe = observe;
	put_header(bytes, IN, 9);
	put_chain(parts, 3, bytes);
	make_request(0);
	assert_string_equal(observed.action, "read");
	assert_string_equal(observed.unit, "sectors");
	assert_int_equal(observed.amount, 2);
	assert_int_equal(observed.position, 9);
	assert_string_equal(observed.result, "ok");
	put_header(bytes, 99, 0);
	put_chain(parts, 3, bytes);
	make_request(0);
	assert_string_equal(observed.action, "unknown");
	assert_null(observed.unit);
	assert_string_equal(observed.result, "unsupported");
	assert_int_equal(block.virtio.counts.requests, 2);
	assert_int_equal(block.virtio.counts.bytes, 2048);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),	    cmocka_unit_test(test_requests),
		cmocka_unit_test(test_max_sectors), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_through),	    cmocka_unit_test(test_config),
		cmocka_unit_test(test_under_way),   cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_stopped),	    cmocka_unit_test(test_broken_between),
		cmocka_unit_test(test_events),
	};

	return RUN(tests);
}
