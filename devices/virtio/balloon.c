// SPDX-License-Identifier: MIT
/*
 * Virtio memory balloon (virtio 1.2, 5.5; sections cited below are of that document).
 *
 * Who calls it: the bus and mmio.c, by virtio_timed_ops and `type`; its timer. Touches its own
 * struct, its queues and, by give_back, the pages that the guest frees.
 */
#include "balloon.h"

/* Feature bits (5.5.3) */
#define F_DEFLATE_ON_OOM (1ull << 2)
#define F_PAGE_REPORTING (1ull << 5)

/*
 * Free pages are reported by queue 4 (5.5.2). Linux numbers the queues without gaps for features
 * that were not negotiated, so that it uses queue 2. So all queues but the first two take reports.
 */
enum { INFLATE, DEFLATE, QUEUES = 5 };

#define ACTUAL 4	  /* offset in the config space: pages in the balloon, set by the driver */
#define PAGE_SHIFT 12	  /* of page numbers in requests, whatever the guest's pages (5.5.6) */
#define MAX_NUMBERS 16384 /* max page numbers that are processed of a request */
#define ROUND 32	  /* max requests per expiry of the timer, so that it delays nobody long */

static void give_back(struct virtio_balloon *balloon, void *bytes, uint64_t length)
{
	balloon->give_back(balloon->memory, bytes, length);
	dma_written(&balloon->virtio.wires.dma, bytes, length);
}

/* Gives back consecutive pages, or none if any of them is not RAM. Returns the bytes given. */
static uint64_t give_back_pages(struct virtio_balloon *balloon, uint32_t first, uint32_t count)
{
	uint64_t length = (uint64_t)count << PAGE_SHIFT;
	void *bytes = dma_map(&balloon->virtio.wires.dma, (uint64_t)first << PAGE_SHIFT, length);

	if (!bytes || !length)
		return 0;
	give_back(balloon, bytes, length);
	return length;
}

/* Gives back the pages of a request, consecutive ones together: a host page may be several of them.
 * Returns bytes. */
static uint64_t inflate(struct virtio_balloon *balloon, const struct chain *chain)
{
	uint32_t numbers[256], first = 0, count = 0;
	uint64_t given = 0;
	size_t size;

	for (size_t done = 0; done < MAX_NUMBERS * sizeof *numbers; done += size) {
		size = chain_read(chain, done, numbers, sizeof numbers);
		for (size_t i = 0; i < size / sizeof *numbers; i++) {
			if (numbers[i] != first + count) {
				given += give_back_pages(balloon, first, count);
				first = numbers[i];
				count = 0;
			}
			count++;
		}
		if (size < sizeof numbers)
			break;
	}
	return given + give_back_pages(balloon, first, count);
}

/* Gives back reported pages: they are the request's writable pieces (5.5.6.7). Returns bytes. */
static uint64_t take_report(struct virtio_balloon *balloon, const struct chain *chain)
{
	const struct piece *pieces = chain->pieces + chain->readable;

	for (unsigned i = 0; i < chain->writable; i++)
		give_back(balloon, pieces[i].base, pieces[i].length);
	return pieces_size(pieces, chain->writable);
}

static void serve(struct virtio_balloon *balloon, unsigned queue, const struct chain *chain)
{
	struct virtio *device = &balloon->virtio;

	switch (queue) {
	case INFLATE:
		virtio_answer_bytes(device, queue, chain, 0, "inflate", inflate(balloon, chain));
		break;
	case DEFLATE: /* the host allocates these pages again when the guest touches them */
		virtio_answer_bytes(device, queue, chain, 0, "deflate", 0);
		break;
	default:
		virtio_answer_bytes(device, queue, chain, 0, "report", take_report(balloon, chain));
	}
}

static void expire(struct virtio *device)
{
	struct virtio_balloon *balloon = (struct virtio_balloon *)device;
	struct chain chain;
	unsigned left = ROUND;

	for (unsigned queue = 0; queue < QUEUES; queue++) {
		for (; left && virtio_take(device, queue, &chain); left--)
			serve(balloon, queue, &chain);
		virtio_finish(device, queue);
	}
	if (!left)
		virtio_defer(device, 0);
}

static void write_config(struct virtio *device, uint32_t offset, uint8_t value)
{
	if (offset >= ACTUAL && offset < sizeof device->space)
		device->space[offset] = value;
}

static const struct virtio_type type = {
	.name = "balloon",
	.id = 5,
	.queues = QUEUES,
	.config_size = 8,
	.notified = virtio_defer,
	.expire = expire,
	.write_config = write_config,
};

void virtio_balloon_init(struct virtio_balloon *balloon, bool legacy)
{
	balloon->virtio.type = &type;
	balloon->virtio.config = balloon->virtio.space;
	balloon->virtio.legacy = legacy;
	balloon->virtio.features = F_DEFLATE_ON_OOM | F_PAGE_REPORTING;
}
