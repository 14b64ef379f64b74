// SPDX-License-Identifier: MIT
/*
 * devices/virtio/queue.c: valid rings, and a row for every rule that a driver can violate. All that
 * is written to guest memory must be marked as written.
 */
#include "unit.h"

#include "devices/virtio/queue.h"
#include "driver.h"

#define SIZE 8

static struct virtqueue queue;
static struct chain chain;

static bool start(uint16_t size, bool event_idx, bool indirect)
{
	memset(ram, 0, RAM_SIZE);
	on_map = NULL;
	queue = (struct virtqueue){ .dma = &ram_dma,
				    .descriptors = RAM_AT + TABLE,
				    .driver = RAM_AT + AVAILABLE,
				    .device = RAM_AT + USED,
				    .size = size,
				    .event_idx = event_idx,
				    .indirect = indirect };
	return virtqueue_start(&queue);
}

static bool take_one(void)
{
	bool taken;

	ram_watch();
	taken = virtqueue_take(&queue, &chain);
	assert_true(ram_is_marked());
	return taken;
}

static void give(uint16_t head, uint32_t written)
{
	ram_watch();
	virtqueue_give(&queue, head, written);
	assert_true(ram_is_marked());
}

/* ---- set-up ---- */

static const struct {
	const char *name;
	uint64_t size;
	uint64_t descriptors, driver, device;
	bool works;
} set_ups[] = {
	{ "the usual", 8, RAM_AT, RAM_AT + 0x1000, RAM_AT + 0x2000, true },
	{ "one entry", 1, RAM_AT, RAM_AT + 0x1000, RAM_AT + 0x2000, true },
	{ "as many as can be", 256, RAM_AT, RAM_AT + 0x1000, RAM_AT + 0x2000, true },
	{ "no entries", 0, RAM_AT, RAM_AT + 0x1000, RAM_AT + 0x2000, false },
	{ "not a power of 2", 6, RAM_AT, RAM_AT + 0x1000, RAM_AT + 0x2000, false },
	{ "not a power of 2 by one", 255, RAM_AT, RAM_AT + 0x1000, RAM_AT + 0x2000, false },
	{ "too large", 512, RAM_AT, RAM_AT + 0x1000, RAM_AT + 0x2000, false },
	{ "too large by far", 0x8000, RAM_AT, RAM_AT + 0x1000, RAM_AT + 0x2000, false },
	{ "table aligned to 8", 8, RAM_AT + 8, RAM_AT + 0x1000, RAM_AT + 0x2000, false },
	{ "table aligned to 1", 8, RAM_AT + 1, RAM_AT + 0x1000, RAM_AT + 0x2000, false },
	{ "available ring aligned to 2", 8, RAM_AT, RAM_AT + 0x1002, RAM_AT + 0x2000, true },
	{ "available ring aligned to 1", 8, RAM_AT, RAM_AT + 0x1001, RAM_AT + 0x2000, false },
	{ "used ring aligned to 4", 8, RAM_AT, RAM_AT + 0x1000, RAM_AT + 0x2004, true },
	{ "used ring aligned to 2", 8, RAM_AT, RAM_AT + 0x1000, RAM_AT + 0x2002, false },
	{ "table in front of RAM", 8, RAM_AT - 16, RAM_AT + 0x1000, RAM_AT + 0x2000, false },
	{ "table at 0", 8, 0, RAM_AT + 0x1000, RAM_AT + 0x2000, false },
	{ "available ring at 0", 8, RAM_AT, 0, RAM_AT + 0x2000, false },
	{ "used ring at 0", 8, RAM_AT, RAM_AT + 0x1000, 0, false },
	{ "table to the end of RAM", 8, RAM_END - 128, RAM_AT, RAM_AT + 0x2000, true },
	{ "table beyond the end of RAM", 8, RAM_END - 112, RAM_AT, RAM_AT + 0x2000, false },
	{ "available ring to the end", 8, RAM_AT, RAM_END - 22, RAM_AT + 0x2000, true },
	{ "available ring beyond the end", 8, RAM_AT, RAM_END - 20, RAM_AT + 0x2000, false },
	{ "used ring as far as it goes", 8, RAM_AT, RAM_AT + 0x1000, RAM_END - 72, true },
	{ "used ring beyond the end", 8, RAM_AT, RAM_AT + 0x1000, RAM_END - 68, false },
	{ "table wraps round 2^64", 8, -16ull, RAM_AT, RAM_AT + 0x2000, false },
	{ "available ring wraps round 2^64", 8, RAM_AT, -2ull, RAM_AT + 0x2000, false },
	{ "used ring wraps round 2^64", 8, RAM_AT, RAM_AT + 0x1000, -4ull, false },
	{ "all of them in one place", 8, RAM_AT, RAM_AT, RAM_AT, true },
};

static void test_set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof set_ups / sizeof *set_ups; i++) {
		queue = (struct virtqueue){ .dma = &ram_dma,
					    .descriptors = set_ups[i].descriptors,
					    .driver = set_ups[i].driver,
					    .device = set_ups[i].device,
					    .size = (uint16_t)set_ups[i].size,
					    .event_idx = true };
		memset(ram, 0, RAM_SIZE);
		if (virtqueue_start(&queue) != set_ups[i].works)
			fail_msg("%s", set_ups[i].name);
		assert_int_equal(queue.ready, set_ups[i].works);
		assert_false(take_one()); /* nothing is taken from a queue that is not ready */
		assert_false(queue.broken);
	}
}

/* ---- chains ---- */

#define BUFFER (RAM_AT + DATA)
#define IN_TABLE (RAM_AT + INDIRECT_TABLE)

enum result { TAKEN, BROKEN };

static const struct chain_row {
	const char *name;
	enum result result;
	unsigned readable, writable; /* pieces */
	uint64_t bytes;
	unsigned head;
	unsigned size;	      /* of the queue; 0: SIZE */
	unsigned more;	      /* available entries in addition */
	unsigned filled;      /* length of a chain of descriptors of 1 byte each */
	unsigned indirect;    /* the same in an indirect table */
	bool is_not_indirect; /* INDIRECT_DESC is not negotiated */
	struct {
		unsigned table, index;
		uint64_t address;
		uint32_t length;
		unsigned flags, next;
	} descriptors[4];
} chains[] = {
	/* Valid chains. */
	{ "one to read", TAKEN, 1, 0, 16, .descriptors = { { TABLE, 0, BUFFER, 16, 0, 9 } } },
	{ "one to write", TAKEN, 0, 1, 16,
	  .descriptors = { { TABLE, 0, BUFFER, 16, D_WRITE, 0 } } },
	{ "the last head", TAKEN, 1, 0, 1, .head = 7,
	  .descriptors = { { TABLE, 7, BUFFER, 1, 0, 0 } } },
	{ "read, then written", TAKEN, 2, 1, 0x1003,
	  .descriptors = { { TABLE, 0, BUFFER, 1, D_NEXT, 5 },
			   { TABLE, 5, BUFFER + 0xfff, 0x1001, D_NEXT, 2 },
			   { TABLE, 2, BUFFER, 1, D_WRITE, 0 } } },
	{ "the same bytes twice", TAKEN, 1, 1, 32,
	  .descriptors = { { TABLE, 0, BUFFER, 16, D_NEXT, 1 },
			   { TABLE, 1, BUFFER, 16, D_WRITE, 0 } } },
	{ "all of RAM", TAKEN, 1, 0, RAM_SIZE,
	  .descriptors = { { TABLE, 0, RAM_AT, RAM_SIZE, 0, 0 } } },
	{ "nothing, at the end of RAM", TAKEN, 1, 0, 0,
	  .descriptors = { { TABLE, 0, RAM_END, 0, 0, 0 } } },
	{ "empty pieces in between", TAKEN, 2, 2, 2,
	  .descriptors = { { TABLE, 0, BUFFER, 1, D_NEXT, 1 },
			   { TABLE, 1, BUFFER, 0, D_NEXT, 2 },
			   { TABLE, 2, BUFFER, 0, D_NEXT | D_WRITE, 3 },
			   { TABLE, 3, BUFFER, 1, D_WRITE, 0 } } },
	{ "every descriptor of the table", TAKEN, 8, 0, 8, .filled = 8 },
	{ "every descriptor of 256", TAKEN, 256, 0, 256, .size = 256, .filled = 256 },
	{ "an indirect one", TAKEN, 1, 0, 1, .indirect = 1 },
	{ "an indirect one of 256", TAKEN, 256, 0, 256, .indirect = 256 },
	{ "an indirect one to write, whose flag says nothing", TAKEN, 1, 1, 3,
	  .descriptors = { { TABLE, 0, IN_TABLE, 32, D_INDIRECT | D_WRITE, 0 },
			   { INDIRECT_TABLE, 0, BUFFER, 1, D_NEXT, 1 },
			   { INDIRECT_TABLE, 1, BUFFER, 2, D_WRITE, 0 } } },
	{ "an indirect table at an odd place", TAKEN, 1, 0, 0,
	  .descriptors = { { TABLE, 0, BUFFER + 1, 16, D_INDIRECT, 0 },
			   { DATA + 1, 0, BUFFER, 0, 0, 0 } } },
	{ "flags that mean nothing", TAKEN, 1, 0, 1,
	  .descriptors = { { TABLE, 0, BUFFER, 1, 0xfff8, 0 } } },
	{ "as many heads as entries", TAKEN, 1, 0, 1, .more = 7,
	  .descriptors = { { TABLE, 0, BUFFER, 1, 0, 0 } } },

	/* Invalid rings. */
	{ "head out of range", BROKEN, .head = 8,
	  .descriptors = { { TABLE, 8, BUFFER, 1, 0, 0 } } },
	{ "head out of range, indirect", BROKEN, .head = 8, .indirect = 1,
	  .descriptors = { { TABLE, 8, IN_TABLE, 16, D_INDIRECT, 0 } } },
	{ "head far out of range", BROKEN, .head = 0xffff },
	{ "ahead by one more than the size", BROKEN, .more = 8,
	  .descriptors = { { TABLE, 0, BUFFER, 1, 0, 0 } } },
	{ "ahead by 65535", BROKEN, .more = 65534,
	  .descriptors = { { TABLE, 0, BUFFER, 1, 0, 0 } } },

	/* Invalid order or length of chains. */
	{ "a loop of one", BROKEN, .descriptors = { { TABLE, 0, BUFFER, 1, D_NEXT, 0 } } },
	{ "a loop of two", BROKEN,
	  .descriptors = { { TABLE, 0, BUFFER, 1, D_NEXT, 1 },
			   { TABLE, 1, BUFFER, 1, D_NEXT, 0 } } },
	{ "a loop of 256", BROKEN, .size = 256, .filled = 256,
	  .descriptors = { { TABLE, 255, BUFFER, 1, D_NEXT, 0 } } },
	{ "a loop behind a tail", BROKEN,
	  .descriptors = { { TABLE, 0, BUFFER, 1, D_NEXT, 1 },
			   { TABLE, 1, BUFFER, 1, D_NEXT, 1 } } },
	{ "next out of range", BROKEN,
	  .descriptors = { { TABLE, 0, BUFFER, 1, D_NEXT, 8 }, { TABLE, 8, BUFFER, 1, 0, 0 } } },
	{ "next far out of range", BROKEN,
	  .descriptors = { { TABLE, 0, BUFFER, 1, D_NEXT, 0xffff } } },
	{ "read behind written", BROKEN,
	  .descriptors = { { TABLE, 0, BUFFER, 1, D_NEXT | D_WRITE, 1 },
			   { TABLE, 1, BUFFER, 1, 0, 0 } } },
	{ "empty, read behind empty, written", BROKEN,
	  .descriptors = { { TABLE, 0, BUFFER, 0, D_NEXT | D_WRITE, 1 },
			   { TABLE, 1, BUFFER, 0, 0, 0 } } },

	/* Invalid addresses. */
	{ "in front of RAM", BROKEN, .descriptors = { { TABLE, 0, RAM_AT - 1, 1, 0, 0 } } },
	{ "into RAM from the front", BROKEN, .descriptors = { { TABLE, 0, RAM_AT - 1, 2, 0, 0 } } },
	{ "at 0", BROKEN, .descriptors = { { TABLE, 0, 0, 1, 0, 0 } } },
	{ "a device", BROKEN, .descriptors = { { TABLE, 0, 0x0a000000, 4, D_WRITE, 0 } } },
	{ "behind RAM", BROKEN, .descriptors = { { TABLE, 0, RAM_END, 1, D_WRITE, 0 } } },
	{ "nothing, behind RAM", BROKEN, .descriptors = { { TABLE, 0, RAM_END + 1, 0, 0, 0 } } },
	{ "out of RAM at the end", BROKEN,
	  .descriptors = { { TABLE, 0, RAM_END - 1, 2, D_WRITE, 0 } } },
	{ "as long as can be", BROKEN, .descriptors = { { TABLE, 0, RAM_AT, 0xffffffff, 0, 0 } } },
	{ "round 2^64", BROKEN, .descriptors = { { TABLE, 0, -1ull, 2, D_WRITE, 0 } } },
	{ "round 2^64 into RAM", BROKEN,
	  .descriptors = { { TABLE, 0, -1ull, 0x40000002, D_WRITE, 0 } } },
	{ "only the last outside", BROKEN,
	  .descriptors = { { TABLE, 0, BUFFER, 1, D_NEXT, 1 }, { TABLE, 1, RAM_END, 1, 0, 0 } } },

	/* Invalid indirect tables. */
	{ "indirect, not negotiated", BROKEN, .indirect = 1, .is_not_indirect = true },
	{ "indirect with NEXT", BROKEN, .indirect = 1,
	  .descriptors = { { TABLE, 0, IN_TABLE, 16, D_INDIRECT | D_NEXT, 1 } } },
	{ "indirect behind another", BROKEN, .indirect = 1,
	  .descriptors = { { TABLE, 0, BUFFER, 1, D_NEXT, 1 },
			   { TABLE, 1, IN_TABLE, 16, D_INDIRECT, 0 } } },
	{ "nested", BROKEN, .indirect = 1,
	  .descriptors = { { INDIRECT_TABLE, 0, IN_TABLE, 16, D_INDIRECT, 0 } } },
	{ "of no length", BROKEN, .descriptors = { { TABLE, 0, IN_TABLE, 0, D_INDIRECT, 0 } } },
	{ "of length 15", BROKEN, .descriptors = { { TABLE, 0, IN_TABLE, 15, D_INDIRECT, 0 } } },
	{ "of length 17", BROKEN, .indirect = 1,
	  .descriptors = { { TABLE, 0, IN_TABLE, 17, D_INDIRECT, 0 } } },
	{ "of 257 entries", BROKEN, .indirect = 257 },
	{ "of 257 entries, all but one of no use", BROKEN, .indirect = 1,
	  .descriptors = { { TABLE, 0, IN_TABLE, 257 * 16, D_INDIRECT, 0 } } },
	{ "of as many as can be", BROKEN,
	  .descriptors = { { TABLE, 0, RAM_AT, 0xfffffff0, D_INDIRECT, 0 } } },
	{ "table behind RAM", BROKEN, .descriptors = { { TABLE, 0, RAM_END, 16, D_INDIRECT, 0 } } },
	{ "table out of RAM at the end", BROKEN,
	  .descriptors = { { TABLE, 0, RAM_END - 16, 32, D_INDIRECT, 0 } } },
	{ "table round 2^64", BROKEN, .descriptors = { { TABLE, 0, -16ull, 32, D_INDIRECT, 0 } } },
	{ "a loop in it", BROKEN, .indirect = 2,
	  .descriptors = { { INDIRECT_TABLE, 1, BUFFER, 1, D_NEXT, 0 } } },
	{ "next out of range in it", BROKEN, .indirect = 2,
	  .descriptors = { { INDIRECT_TABLE, 0, BUFFER, 1, D_NEXT, 2 },
			   { INDIRECT_TABLE, 2, BUFFER, 1, 0, 0 } } },
	{ "read behind written in it", BROKEN, .indirect = 2,
	  .descriptors = { { INDIRECT_TABLE, 0, BUFFER, 1, D_NEXT | D_WRITE, 1 } } },
	{ "outside of RAM in it", BROKEN, .indirect = 2,
	  .descriptors = { { INDIRECT_TABLE, 1, RAM_END, 1, 0, 0 } } },
};

/* A chain of so many descriptors. */
static void fill(unsigned table, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		put_descriptor(table, i, BUFFER + i, 1, i + 1 < count ? D_NEXT : 0, i + 1);
}

static void make_chain(const struct chain_row *row, unsigned size)
{
	fill(TABLE, row->filled);
	fill(INDIRECT_TABLE, row->indirect);
	if (row->indirect)
		put_descriptor(TABLE, 0, IN_TABLE, 16 * row->indirect, D_INDIRECT, 0);
	for (unsigned i = 0; i < 4; i++)
		if (row->descriptors[i].address || row->descriptors[i].length)
			put_descriptor(row->descriptors[i].table, row->descriptors[i].index,
				       row->descriptors[i].address, row->descriptors[i].length,
				       row->descriptors[i].flags, row->descriptors[i].next);
	make_available(size, row->head);
	put16(AVAILABLE + 2, (uint16_t)(get16(AVAILABLE + 2) + row->more));
}

static void check_chain(const struct chain_row *row)
{
	assert_int_equal(chain.head, row->head);
	assert_int_equal(chain.readable, row->readable);
	assert_int_equal(chain.writable, row->writable);
	assert_int_equal(pieces_size(chain.pieces, row->readable + row->writable), row->bytes);
}

static void test_chains(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
		const struct chain_row *row = &chains[i];
		unsigned size = row->size ? row->size : SIZE;
		bool is_taken = row->result == TAKEN;

		assert_true(start((uint16_t)size, false, !row->is_not_indirect));
		make_chain(row, size);
		if (take_one() != is_taken || queue.broken == is_taken)
			fail_msg("%s", row->name);
		if (is_taken)
			check_chain(row);
		/* Nothing more is taken from a broken queue, and nothing was written. */
		put_descriptor(TABLE, 0, BUFFER, 1, 0, 0);
		put16(AVAILABLE + 2, (uint16_t)(queue.next_available + 1));
		put16(AVAILABLE + 4 + 2 * (queue.next_available % size), 0);
		assert_int_equal(take_one(), is_taken);
		assert_int_equal(used_index(), 0);
	}
}

/* ---- another CPU ---- */

/* The driver changes all descriptors as soon as the device has read one. */
static void spoil(void)
{
	memset(ram + TABLE, 0xff, 16ul * SIZE);
	memset(ram + INDIRECT_TABLE, 0xff, 16);
}

static void test_read_once(void **state)
{
	(void)state;
	assert_true(start(SIZE, false, true));
	put_descriptor(TABLE, 0, BUFFER, 8, D_WRITE, 0);
	make_available(SIZE, 0);
	on_map = spoil;
	assert_true(virtqueue_take(&queue, &chain));
	assert_int_equal(chain.writable, 1);
	assert_ptr_equal(chain.pieces[0].base, ram + DATA);
	assert_int_equal(chain.pieces[0].length, 8);

	/* The indirect descriptor's length and flags count as they were read. The table's entries
	 * are read later, and have been made invalid. */
	on_map = NULL;
	assert_true(start(SIZE, false, true));
	put_descriptor(TABLE, 0, IN_TABLE, 16, D_INDIRECT, 0);
	put_descriptor(INDIRECT_TABLE, 0, BUFFER, 8, D_WRITE, 0);
	make_available(SIZE, 0);
	on_map = spoil;
	assert_false(virtqueue_take(&queue, &chain));
	assert_true(queue.broken);
	on_map = NULL;
}

/* A ring within the data: what the device writes there is what it reads next. */
static void test_overlap(void **state)
{
	static const uint8_t garbage[16 * SIZE] = { [0 ... 16 * SIZE - 1] = 0xff };

	(void)state;
	assert_true(start(SIZE, false, true));
	put_descriptor(TABLE, 0, RAM_AT + TABLE, sizeof garbage, D_WRITE, 0);
	make_available(SIZE, 0);
	make_available(SIZE, 0);
	assert_true(take_one());
	ram_watch();
	assert_int_equal(chain_write(&queue, &chain, 0, garbage, sizeof garbage), sizeof garbage);
	assert_true(ram_is_marked());
	give(0, sizeof garbage);
	assert_false(take_one());
	assert_true(queue.broken);

	/* Both rings at one address: an answer makes one more request available, whose head is a
	 * part of the used length. */
	assert_true(start(SIZE, false, true));
	queue.device = queue.driver;
	assert_true(virtqueue_start(&queue));
	put_descriptor(TABLE, 0, BUFFER, 1, D_WRITE, 0);
	make_available(SIZE, 0);
	assert_true(take_one());
	give(0, 0);
	assert_false(take_one());
	assert_false(queue.broken);
}

/* ---- indices ---- */

static void test_wrap(void **state)
{
	(void)state;
	assert_true(start(SIZE, false, false));
	for (unsigned i = 0; i < SIZE; i++)
		put_descriptor(TABLE, i, BUFFER + i, i + 1, 0, 0);
	for (unsigned i = 0; i < 3 * 65536 / 2; i++) {
		unsigned head = i * 5 % SIZE;

		make_available(SIZE, head);
		assert_true(virtqueue_take(&queue, &chain));
		assert_int_equal(chain.head, head);
		virtqueue_give(&queue, chain.head, i);
		assert_int_equal(used_index(), (uint16_t)(i + 1));
		assert_int_equal(get32(USED + 4 + 8 * (i % SIZE)), head);
		assert_int_equal(get32(USED + 8 + 8 * (i % SIZE)), i);
		assert_true(virtqueue_wants_interrupt(&queue));
		assert_false(virtqueue_wants_interrupt(&queue));
	}
	assert_false(take_one());
	assert_false(queue.broken);
}

static void test_no_interrupt(void **state)
{
	(void)state;
	assert_true(start(SIZE, false, false));
	assert_false(virtqueue_wants_interrupt(&queue)); /* nothing was returned */
	put16(AVAILABLE, 1);				 /* NO_INTERRUPT */
	give(0, 0);
	assert_false(virtqueue_wants_interrupt(&queue));
	put16(AVAILABLE, 0xfffe); /* other flags are ignored */
	give(0, 0);
	assert_true(virtqueue_wants_interrupt(&queue));
}

/* The device asks to be notified of the next request, if there is none now. */
static void test_avail_event(void **state)
{
	(void)state;
	assert_true(start(SIZE, true, false));
	put_descriptor(TABLE, 0, BUFFER, 1, 0, 0);
	put16(avail_event_at(SIZE), 0xaaaa);
	for (unsigned i = 0; i < 65536 + 20; i++) {
		make_available(SIZE, 0);
		make_available(SIZE, 0);
		assert_true(virtqueue_take(&queue, &chain));
		assert_true(virtqueue_take(&queue, &chain));
		if (i)
			assert_int_equal(get16(avail_event_at(SIZE)), (uint16_t)(2 * i));
		if (i < 10)
			assert_false(take_one());
		else
			assert_false(virtqueue_take(&queue, &chain));
		assert_int_equal(get16(avail_event_at(SIZE)), (uint16_t)(2 * i + 2));
	}
	assert_int_equal(get16(USED), 0); /* NO_NOTIFY is not used */

	/* Without EVENT_IDX the field does not exist. */
	assert_true(start(SIZE, false, false));
	put16(avail_event_at(SIZE), 0xaaaa);
	assert_false(take_one());
	assert_int_equal(get16(avail_event_at(SIZE)), 0xaaaa);
}

/* used_event is interpreted as in Linux (vring_need_event). */
static bool needs_event(uint16_t event, uint16_t now, uint16_t before)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

static void test_used_event(void **state)
{
	static const uint16_t events[] = { 0, 1, 2, 3, 7, 0x7fff, 0x8000, 0xfffe, 0xffff };
	static const uint16_t starts[] = { 0, 1, 0x7ffe, 0xfffc, 0xffff };

	(void)state;
	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		for (size_t j = 0; j < sizeof starts / sizeof *starts; j++)
			for (unsigned given = 1; given <= 5; given++) {
				uint16_t event = events[i], first = starts[j];
				uint16_t now = (uint16_t)(first + given);

				assert_true(start(SIZE, true, false));
				queue.next_used = queue.notified = first;
				put16(used_event_at(SIZE), event);
				put16(AVAILABLE, 1); /* NO_INTERRUPT is ignored with EVENT_IDX */
				for (unsigned n = 0; n < given; n++)
					give(0, 0);
				assert_int_equal(virtqueue_wants_interrupt(&queue),
						 needs_event(event, now, first));
				assert_false(virtqueue_wants_interrupt(&queue));
			}
}

/* ---- copying ---- */

static const uint8_t *const text = (const uint8_t *)"0123456789";

/* Two readable and three writable pieces, one of each kind empty, across page boundaries. */
static void take_pieces(void)
{
	assert_true(start(SIZE, false, false));
	put_descriptor(TABLE, 0, BUFFER + 0xffd, 6, D_NEXT, 1);
	put_descriptor(TABLE, 1, BUFFER, 0, D_NEXT, 2);
	put_descriptor(TABLE, 2, BUFFER + 0x2000, 4, D_NEXT, 3);
	put_descriptor(TABLE, 3, BUFFER + 0x3ffe, 4, D_NEXT | D_WRITE, 4);
	put_descriptor(TABLE, 4, BUFFER, 0, D_NEXT | D_WRITE, 5);
	put_descriptor(TABLE, 5, BUFFER + 0x5000, 6, D_WRITE, 6);
	memcpy(ram + DATA + 0xffd, text, 6);
	memcpy(ram + DATA + 0x2000, text + 6, 4);
	make_available(SIZE, 0);
	assert_true(take_one());
}

static void test_bytes(void **state)
{
	(void)state;
	take_pieces();
	for (size_t offset = 0; offset < 13; offset++)
		for (size_t size = 0; size < 13; size++) {
			size_t there = offset < 10 ? 10 - offset : 0;
			size_t moved = size < there ? size : there;
			uint8_t bytes[16], row[16];

			memset(bytes, '#', sizeof bytes);
			assert_int_equal(chain_read(&chain, offset, bytes, size), moved);
			if (moved)
				assert_memory_equal(bytes, text + offset, moved);
			assert_int_equal(bytes[moved], '#');

			memset(ram + DATA + 0x3ffe, '.', 4);
			memset(ram + DATA + 0x5000, '.', 6);
			ram_watch();
			assert_int_equal(chain_write(&queue, &chain, offset, text, size), moved);
			assert_true(ram_is_marked());
			memcpy(row, ram + DATA + 0x3ffe, 4);
			memcpy(row + 4, ram + DATA + 0x5000, 6);
			for (size_t i = 0; i < 10; i++)
				assert_int_equal(row[i],
						 i - offset < moved ? text[i - offset] : '.');
		}
	assert_int_equal(pieces_size(chain.pieces, 3), 10);
	assert_int_equal(pieces_size(chain.pieces, 0), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_up),	    cmocka_unit_test(test_chains),
		cmocka_unit_test(test_read_once),   cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_wrap),	    cmocka_unit_test(test_no_interrupt),
		cmocka_unit_test(test_avail_event), cmocka_unit_test(test_used_event),
		cmocka_unit_test(test_bytes),
	};

	return RUN(tests);
}
