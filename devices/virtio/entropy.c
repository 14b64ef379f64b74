// SPDX-License-Identifier: MIT
/*
 * Virtio entropy device (virtio 1.2, 5.4).
 *
 * Who calls it: the bus and mmio.c, by virtio_timed_ops and `type`; its timer. Touches its own
 * struct, its queue and the buffers in it.
 */
#include "entropy.h"

#define QUEUE 0

#define ROUND 65536 /* max bytes filled per expiry of the timer, so that it delays nobody long */
#define PIECE 256   /* bytes at a time: signals do not interrupt a getrandom(2) of up to 256 */

/* Fills the first `max` bytes of a request, in whole PIECEs but for the end; the used length tells
 * the driver how many (5.4.6). Returns their number. */
static size_t serve(struct virtio_entropy *entropy, const struct chain *chain, size_t max)
{
	struct virtqueue *queue = &entropy->virtio.queues[QUEUE];
	size_t done = 0, written = PIECE;

	while (written == PIECE && done + PIECE <= max) {
		uint8_t bytes[PIECE];

		entropy->fill(bytes, sizeof bytes);
		written = chain_write(queue, chain, done, bytes, sizeof bytes);
		done += written;
	}
	virtio_answer_bytes(&entropy->virtio, QUEUE, chain, (uint32_t)done, "fill", done);
	return done;
}

/* Every request counts as at least a PIECE, so that many small ones end the round, too. */
static void expire(struct virtio *device)
{
	struct virtio_entropy *entropy = (struct virtio_entropy *)device;
	struct chain chain;
	size_t left = ROUND;

	while (left >= PIECE && virtio_take(device, QUEUE, &chain)) {
		size_t done = serve(entropy, &chain, left);

		left -= done < PIECE ? PIECE : done;
	}
	if (left < PIECE)
		virtio_defer(device, QUEUE);
	virtio_finish(device, QUEUE);
}

static const struct virtio_type type = {
	.name = "entropy",
	.id = 4,
	.queues = 1,
	.notified = virtio_defer,
	.expire = expire,
};

void virtio_entropy_init(struct virtio_entropy *entropy, void (*fill)(void *to, size_t size))
{
	entropy->virtio.type = &type;
	entropy->fill = fill;
}
