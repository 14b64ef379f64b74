// SPDX-License-Identifier: MIT
/*
 * Virtio console (virtio 1.2, 5.3; sections cited below are of that document).
 *
 * Who calls it: the bus and mmio.c, by virtio_timed_ops and `type`; vmm/machine/console.c; its
 * timer. Touches its own struct, its queues and the buffers in them.
 */
#include "console.h"

enum { RECEIVE, TRANSMIT, QUEUES };

#define F_SIZE (1ull << 0) /* feature bit (5.3.3) */

#define ROUND 65536 /* max bytes sent per call of transmit(), so that it delays nobody long */
#define REQUEST                                                                                    \
	64	  /* bytes that a request counts as at least, so that many small ones end a round */
#define INPUT 256 /* max bytes received into one buffer */

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* ---- output ---- */

/* Sends a request from its byte `done` on, at most *left bytes, and subtracts what was sent from
 * *left. False if a part of it remains. */
static bool send(struct virtio_console *console, const struct chain *chain, size_t *left)
{
	uint64_t *done = &console->virtio.queues[TRANSMIT].done;
	size_t skip = *done;

	for (unsigned i = 0; i < chain->readable; i++) {
		const struct piece *piece = &chain->pieces[i];

		while (skip < piece->length) {
			size_t size = lesser(piece->length - skip, *left);

			if (size)
				size = console->transmit(console->line,
							 (uint8_t *)piece->base + skip, size);
			if (!size)
				return false;
			skip += size;
			*done += size;
			*left -= size;
		}
		skip -= piece->length;
	}
	return true;
}

/* Sends and answers requests. True if output may remain, because the line stalls or the round is
 * over; in the latter case the timer continues it. */
static bool transmit(struct virtio_console *console)
{
	struct virtio *device = &console->virtio;
	uint64_t *done = &device->queues[TRANSMIT].done;
	struct chain chain;
	size_t left = ROUND;
	bool stalls = false;

	while (left && !stalls && virtio_take(device, TRANSMIT, &chain)) {
		stalls = !send(console, &chain, &left);
		if (stalls) {
			virtqueue_put_back(&device->queues[TRANSMIT], 1);
		} else {
			virtio_answer_bytes(device, TRANSMIT, &chain, 0, "transmit", *done);
			*done = 0;
			left -= lesser(left, REQUEST);
		}
	}
	if (!left)
		virtio_defer(device, TRANSMIT);
	virtio_finish(device, TRANSMIT);
	return stalls || !left;
}

/* ---- input ---- */

/* Fills buffers while there is input. Input without a buffer stays in the console's queue. */
static void receive(struct virtio_console *console)
{
	struct virtio *device = &console->virtio;
	struct chain chain;

	for (unsigned i = 0; i < QUEUE_SIZE; i++) {
		uint8_t bytes[INPUT];
		size_t room, size;

		if (!virtio_take(device, RECEIVE, &chain))
			break;
		room = pieces_size(chain.pieces + chain.readable, chain.writable);
		size = room ? console->receive(console->line, bytes, lesser(room, INPUT)) : 0;
		if (room && !size) {
			virtqueue_put_back(&device->queues[RECEIVE], 1);
			break;
		}
		chain_write(&device->queues[RECEIVE], &chain, 0, bytes, size);
		virtio_answer_bytes(device, RECEIVE, &chain, (uint32_t)size, "receive", size);
	}
	virtio_finish(device, RECEIVE);
}

/* ---- the whole ---- */

bool virtio_console_work(struct virtio_console *console)
{
	receive(console);
	return transmit(console);
}

void virtio_console_resize(struct virtio_console *console, uint16_t columns, uint16_t rows)
{
	const uint8_t config[] = { (uint8_t)columns, (uint8_t)(columns >> 8), (uint8_t)rows,
				   (uint8_t)(rows >> 8) };

	__builtin_memcpy(console->config, config, sizeof config);
	virtio_config_changed(&console->virtio);
}

static void notified(struct virtio *device, unsigned queue)
{
	if (queue == TRANSMIT)
		transmit((struct virtio_console *)device);
	else
		receive((struct virtio_console *)device);
}

/* Starts the next round. */
static void expire(struct virtio *device)
{
	transmit((struct virtio_console *)device);
}

static const struct virtio_type type = {
	.name = "console",
	.id = 3,
	.queues = QUEUES,
	.config_size = SIZE_OF_FIELD(struct virtio_console, config),
	/* Linux reads the terminal's size only after a configuration change interrupt. */
	.started = virtio_config_changed,
	.notified = notified,
	.expire = expire,
};

void virtio_console_init(struct virtio_console *console, bool legacy)
{
	console->virtio.type = &type;
	console->virtio.config = console->config;
	console->virtio.legacy = legacy;
	console->virtio.features = F_SIZE;
}
