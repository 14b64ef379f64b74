// SPDX-License-Identifier: MIT
/*
 * Virtio block device (virtio 1.2, 5.2; sections cited below are of that document).
 *
 * Who calls it: the bus and mmio.c, by virtio_block_ops and `type`; its disk. Touches its own
 * struct, its queue and the buffers in it.
 */
#include "block.h"

#define QUEUE 0

/* Feature bits (5.2.3) */
#define F_SEG_MAX (1ull << 2)
#define F_RO (1ull << 5)
#define F_BLK_SIZE (1ull << 6)
#define F_FLUSH (1ull << 9)
#define F_TOPOLOGY (1ull << 10)
#define F_CONFIG_WCE (1ull << 11)
#define F_DISCARD (1ull << 13)
#define F_WRITE_ZEROES (1ull << 14)

/* Offsets of the fields in the config space (5.2.4) */
#define CAPACITY 0
#define SEG_MAX 12
#define BLK_SIZE 20
#define PHYSICAL_BLOCK_EXP 24
#define WRITEBACK 32
#define MAX_DISCARD_SECTORS 36
#define MAX_DISCARD_SEG 40
#define DISCARD_SECTOR_ALIGNMENT 44
#define MAX_WRITE_ZEROES_SECTORS 48
#define MAX_WRITE_ZEROES_SEG 52
#define WRITE_ZEROES_MAY_UNMAP 56

#define PHYSICAL_EXP 3	       /* a physical block is 2^3 sectors, 4 KiB */
#define MAX_SECTORS (1u << 22) /* of a discard or write zeroes request: 2 GiB */
#define OVERHEAD 2	       /* descriptors for a request's header and status */
#define FLAG_UNMAP 1	       /* of a segment (5.2.6) */

/* The header of every request, and what follows it in discard and write zeroes (5.2.6). */
struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

struct segment {
	uint64_t sector;
	uint32_t sectors, flags;
};

static struct virtio_block *block_of(struct virtio *device)
{
	return (struct virtio_block *)device;
}

static void put(struct virtio_block *block, unsigned offset, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		block->config[offset + i] = (uint8_t)(value >> 8 * i);
}

/* ---- answers ---- */

static const struct virtio_event *describe(const struct block_request *request,
					   enum block_status status, struct virtio_event *event)
{
	static const char *const actions[] = { "read",	       "write",	 "flush",  "discard",
					       "write zeroes", "get id", "unknown" };
	static const char *const results[] = { "ok", "I/O error", "unsupported" };

	*event = (struct virtio_event){ .action = actions[request->operation],
					.result = results[status],
					.position = UINT64_MAX };
	if (request->length) {
		event->unit = "sectors";
		event->amount = request->length / BLOCK_SECTOR;
		event->position = request->offset / BLOCK_SECTOR;
	}
	return event;
}

/*
 * Answers a request for which the first `data` bytes of its buffer were written. The status byte is
 * behind the buffer. The used length counts the bytes written without a gap (2.7.8.2), so it
 * includes the status only if all of the buffer was written.
 */
static void answer(struct virtio_block *block, struct block_request *request,
		   enum block_status status, size_t data)
{
	const struct chain *chain = &request->chain;
	size_t room = pieces_size(chain->pieces + chain->readable, chain->writable);
	const struct virtio_event *observed = NULL;
	struct virtio_event event;

	if (block->virtio.observe)
		observed = describe(request, status, &event);
	*request->status = (uint8_t)status;
	dma_written(&block->virtio.wires.dma, request->status, 1);
	request->under_way = false;
	virtio_answer(&block->virtio, QUEUE, chain, (uint32_t)(data + (data == room)), observed);
}

static size_t bytes_read(const struct block_request *request, enum block_status status)
{
	return request->operation == BLOCK_READ && status == BLOCK_OK ? request->length : 0;
}

/* ---- requests ---- */

/* Cuts the header off the readable pieces, and the status byte off the writable ones, so that data
 * is left. False if the chain is too short for these. */
static bool strip(struct block_request *request, struct header *header)
{
	struct chain *chain = &request->chain;
	unsigned last = chain->readable + chain->writable;

	if (chain_read(chain, 0, header, sizeof *header) != sizeof *header)
		return false;
	pieces_skip(chain->pieces, chain->readable, sizeof *header);
	while (last > chain->readable && chain->pieces[last - 1].length == 0)
		last--;
	if (last == chain->readable)
		return false;
	request->status =
		(uint8_t *)chain->pieces[last - 1].base + --chain->pieces[last - 1].length;
	return true;
}

static bool is_writeback(const struct virtio_block *block)
{
	if (virtio_has(&block->virtio, F_CONFIG_WCE))
		return block->config[WRITEBACK];
	/* A driver that cannot flush expects write-through (5.2.6.2). */
	return virtio_has(&block->virtio, F_FLUSH);
}

/* Sets the request's range in bytes. False if it is not of whole sectors, or not on the disk. */
static bool set_range(const struct virtio_block *block, struct block_request *request,
		      uint64_t sector, uint64_t length)
{
	uint64_t sectors = length / BLOCK_SECTOR;

	request->offset = sector * BLOCK_SECTOR;
	request->length = length;
	return length % BLOCK_SECTOR == 0 && sector <= block->disk.sectors &&
	       sectors <= block->disk.sectors - sector;
}

static enum block_status prepare_data(struct virtio_block *block, struct block_request *request,
				      uint64_t sector)
{
	struct chain *chain = &request->chain;
	bool is_read = request->operation == BLOCK_READ;

	request->pieces = chain->pieces + (is_read ? chain->readable : 0);
	request->piece_count = is_read ? chain->writable : chain->readable;
	/* Leave out pieces that are empty now, because they held the header or the status only. */
	for (; request->piece_count && !request->pieces->length; request->pieces++)
		request->piece_count--;
	while (request->piece_count && !request->pieces[request->piece_count - 1].length)
		request->piece_count--;
	request->through = !is_read && !is_writeback(block);
	return set_range(block, request, sector, pieces_size(request->pieces, request->piece_count))
		       ? BLOCK_OK
		       : BLOCK_IOERR;
}

/* Takes the range from the request's segment: one, because the device offers no more. */
static enum block_status prepare_segment(struct virtio_block *block, struct block_request *request)
{
	bool is_zeroes = request->operation == BLOCK_WRITE_ZEROES;
	unsigned allowed = is_zeroes ? FLAG_UNMAP : 0;
	struct segment segment;

	request->through = is_zeroes && !is_writeback(block);
	if (pieces_size(request->chain.pieces, request->chain.readable) != sizeof segment)
		return BLOCK_UNSUPP;
	chain_read(&request->chain, 0, &segment, sizeof segment);
	if (segment.flags & ~allowed)
		return BLOCK_UNSUPP;
	return segment.sectors <= MAX_SECTORS && set_range(block, request, segment.sector,
							   (uint64_t)segment.sectors * BLOCK_SECTOR)
		       ? BLOCK_OK
		       : BLOCK_IOERR;
}

static enum block_operation operation_of(uint32_t type)
{
	static const struct {
		uint32_t type; /* 5.2.6 */
		enum block_operation operation;
	} operations[] = {
		{ 0, BLOCK_READ },   { 1, BLOCK_WRITE },    { 4, BLOCK_FLUSH },
		{ 8, BLOCK_GET_ID }, { 11, BLOCK_DISCARD }, { 13, BLOCK_WRITE_ZEROES },
	};

	for (unsigned i = 0; i < sizeof operations / sizeof *operations; i++)
		if (operations[i].type == type)
			return operations[i].operation;
	return BLOCK_UNKNOWN;
}

/* Checks a request. BLOCK_OK: the disk can start it; other values are its answer. */
static enum block_status prepare(struct virtio_block *block, struct block_request *request,
				 uint64_t sector)
{
	switch (request->operation) {
	case BLOCK_READ:
		return prepare_data(block, request, sector);
	case BLOCK_WRITE:
		return block->disk.read_only ? BLOCK_IOERR : prepare_data(block, request, sector);
	case BLOCK_DISCARD:
	case BLOCK_WRITE_ZEROES:
		return block->disk.read_only ? BLOCK_IOERR : prepare_segment(block, request);
	case BLOCK_FLUSH:
		return BLOCK_OK;
	default:
		return BLOCK_UNSUPP;
	}
}

static void begin(struct virtio_block *block, struct block_request *request)
{
	struct header header;
	enum block_status status;

	if (!strip(request, &header)) { /* it has no status byte to answer with */
		block->virtio.queues[QUEUE].broken = true;
		return;
	}
	request->under_way = true;
	request->cancelled = false;
	request->operation = operation_of(header.type);
	request->offset = request->length = 0;
	if (request->operation == BLOCK_GET_ID) {
		answer(block, request, BLOCK_OK,
		       chain_write(&block->virtio.queues[QUEUE], &request->chain, 0,
				   block->disk.serial, BLOCK_SERIAL));
		return;
	}
	status = prepare(block, request, header.sector);
	if (status != BLOCK_OK || block->disk.start(block->disk.disk, request, &status))
		answer(block, request, status, bytes_read(request, status));
}

static struct block_request *free_request(struct virtio_block *block)
{
	for (unsigned i = 0; i < BLOCK_REQUESTS; i++)
		if (!block->requests[i].under_way)
			return &block->requests[i];
	return NULL;
}

/* Starts requests until the queue is empty or BLOCK_REQUESTS are under way; block_complete then
 * starts the others. */
static void notified(struct virtio *device, unsigned queue)
{
	struct virtio_block *block = block_of(device);
	struct block_request *request;

	while ((request = free_request(block)) && virtio_take(device, queue, &request->chain))
		begin(block, request);
	virtio_finish(device, queue);
}

void block_complete(struct virtio_block *block, struct block_request *request,
		    enum block_status status)
{
	if (request->cancelled)
		request->under_way = false;
	else
		answer(block, request, status, bytes_read(request, status));
	notified(&block->virtio, QUEUE);
}

bool block_is_idle(const struct virtio_block *block)
{
	for (unsigned i = 0; i < BLOCK_REQUESTS; i++)
		if (block->requests[i].under_way)
			return false;
	return true;
}

/* ---- the whole ---- */

static void stopped(struct virtio *device, unsigned queue)
{
	(void)queue; /* there is only one */
	for (unsigned i = 0; i < BLOCK_REQUESTS; i++)
		block_of(device)->requests[i].cancelled = true;
}

static void reset(struct virtio *device)
{
	block_of(device)->config[WRITEBACK] = 1;
}

static void write_config(struct virtio *device, uint32_t offset, uint8_t value)
{
	if (offset == WRITEBACK && virtio_has(device, F_CONFIG_WCE))
		block_of(device)->config[WRITEBACK] = value & 1;
}

static const struct virtio_type type = {
	.name = "block",
	.id = 2,
	.queues = 1,
	.config_size = SIZE_OF_FIELD(struct virtio_block, config),
	.notified = notified,
	.reset = reset,
	.stopped = stopped,
	.write_config = write_config,
};

static const struct field fields[] = {
	VIRTIO_FIELDS(struct virtio_block),
	{ FIELD(struct virtio_block, config[WRITEBACK], 1) },
	{ .name = NULL },
};

void block_init(struct virtio_block *block, bool legacy)
{
	uint64_t writes = F_FLUSH | F_CONFIG_WCE | F_DISCARD | F_WRITE_ZEROES;

	block->virtio.type = &type;
	block->virtio.config = block->config;
	block->virtio.legacy = legacy;
	block->virtio.features =
		F_SEG_MAX | F_BLK_SIZE | F_TOPOLOGY | (block->disk.read_only ? F_RO : writes);
	put(block, CAPACITY, block->disk.sectors, 8);
	put(block, SEG_MAX, QUEUE_SIZE - OVERHEAD, 4);
	put(block, BLK_SIZE, BLOCK_SECTOR, 4);
	put(block, PHYSICAL_BLOCK_EXP, PHYSICAL_EXP, 1);
	put(block, MAX_DISCARD_SECTORS, MAX_SECTORS, 4);
	put(block, MAX_DISCARD_SEG, 1, 4);
	put(block, DISCARD_SECTOR_ALIGNMENT, 1u << PHYSICAL_EXP, 4);
	put(block, MAX_WRITE_ZEROES_SECTORS, MAX_SECTORS, 4);
	put(block, MAX_WRITE_ZEROES_SEG, 1, 4);
	put(block, WRITE_ZEROES_MAY_UNMAP, 1, 1);
}

const struct device_ops virtio_block_ops = {
	.name = "virtio",
	.read = virtio_read,
	.write = virtio_write,
	.reset = virtio_reset,
	.fields = fields,
	.loaded = virtio_loaded,
	.registers = virtio_registers,
};
