// SPDX-License-Identifier: MIT
/*
 * Split virtqueue, the device's side (virtio 1.2, 2.7; sections cited below are of that document).
 *
 * Who calls it: mmio.c and the types of devices. Touches the rings and buffers in guest memory.
 */
#include "queue.h"

/* An entry of the descriptor table or of an indirect table (2.7.5). */
struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};
#define NEXT 1
#define WRITE 2
#define INDIRECT 4

/* Offsets in both rings, in 16-bit words: flags, idx, entries; the event index is behind these
 * (2.7.6, 2.7.8). */
#define FLAGS 0
#define IDX 1
#define RING 2
#define NO_INTERRUPT 1

struct used_entry {
	uint32_t id, length;
};

/* Sizes in bytes of the three parts of a queue with so many entries (2.7). */
#define TABLE_BYTES(size) (16ull * (size))
#define DRIVER_BYTES(size) (6 + 2ull * (size))
#define DEVICE_BYTES(size) (6 + 8ull * (size))

static uint16_t load(const uint16_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* The last word of the used ring: for which available entry the driver shall notify (2.7.10). */
static uint16_t *avail_event(const struct virtqueue *queue)
{
	return queue->used + RING + 4ul * queue->size;
}

/* The last word of the available ring: for which used entry the driver wants an interrupt (2.7.7).
 */
static uint16_t used_event(const struct virtqueue *queue)
{
	return load(queue->available + RING + queue->size);
}

bool virtqueue_start(struct virtqueue *queue)
{
	uint16_t size = queue->size;

	/* The size must be a power of 2, and the parts aligned (2.7). */
	if (size == 0 || size > QUEUE_SIZE || size & (size - 1) || queue->descriptors % 16 ||
	    queue->driver % 2 || queue->device % 4)
		return false;
	queue->table = dma_map(queue->dma, queue->descriptors, TABLE_BYTES(size));
	queue->available = dma_map(queue->dma, queue->driver, DRIVER_BYTES(size));
	queue->used = dma_map(queue->dma, queue->device, DEVICE_BYTES(size));
	queue->ready = queue->table && queue->available && queue->used;
	return queue->ready;
}

/* ---- the available ring ---- */

/* Copies a descriptor, which may be unaligned. The asm keeps the compiler from reading the guest's
 * memory again later, when the guest may have changed it. */
static struct descriptor read_descriptor(const struct descriptor *at)
{
	uint64_t words[2];
	struct descriptor copy;

	__builtin_memcpy(words, at, sizeof words);
	__asm__ volatile("" : "+r"(words[0]), "+r"(words[1]));
	__builtin_memcpy(&copy, words, sizeof copy);
	return copy;
}

/* Adds a piece. False if it is not in RAM, or is readable behind a writable one (2.7.4.2). */
static bool add_piece(const struct virtqueue *queue, struct chain *chain,
		      const struct descriptor *descriptor)
{
	unsigned count = chain->readable + chain->writable;
	void *base = dma_map(queue->dma, descriptor->address, descriptor->length);

	if (count == QUEUE_SIZE || !base)
		return false;
	if (descriptor->flags & WRITE)
		chain->writable++;
	else if (chain->writable)
		return false;
	else
		chain->readable++;
	chain->pieces[count] = (struct piece){ base, descriptor->length };
	return true;
}

/* Follows a chain through a table of `size` entries. A chain of more pieces than that has a loop.
 */
static bool follow(const struct virtqueue *queue, struct chain *chain,
		   const struct descriptor *table, unsigned size, unsigned at)
{
	for (unsigned taken = 0; taken < size; taken++) {
		struct descriptor descriptor;

		if (at >= size)
			return false;
		descriptor = read_descriptor(&table[at]);
		if (descriptor.flags & INDIRECT || !add_piece(queue, chain, &descriptor))
			return false;
		if (!(descriptor.flags & NEXT))
			return true;
		at = descriptor.next;
	}
	return false;
}

/* The whole chain is in a table of its own, with at least one entry; the WRITE flag of the
 * descriptor that points to the table has no meaning (2.7.5.3). */
static bool follow_indirect(const struct virtqueue *queue, struct chain *chain,
			    const struct descriptor *descriptor)
{
	unsigned size = descriptor->length / sizeof *descriptor;
	const struct descriptor *table;

	if (!queue->indirect || descriptor->flags & NEXT ||
	    descriptor->length % sizeof *descriptor || size > QUEUE_SIZE)
		return false;
	table = dma_map(queue->dma, descriptor->address, descriptor->length);
	return table && follow(queue, chain, table, size, 0);
}

static bool read_chain(const struct virtqueue *queue, struct chain *chain)
{
	struct descriptor first;

	chain->readable = chain->writable = 0;
	if (chain->head >= queue->size)
		return false;
	first = read_descriptor(&queue->table[chain->head]);
	if (first.flags & INDIRECT)
		return follow_indirect(queue, chain, &first);
	return follow(queue, chain, queue->table, queue->size, chain->head);
}

/* The number of available entries. The acquire pairs with the driver's barrier between writing
 * descriptors and ring entries and writing idx. */
static uint16_t count_available(const struct virtqueue *queue)
{
	return (uint16_t)(__atomic_load_n(queue->available + IDX, __ATOMIC_ACQUIRE) -
			  queue->next_available);
}

/* Asks the driver to notify of the next entry. Returns the number of entries that it has made
 * available before it could see that, and of which it will therefore not notify. */
static uint16_t ask_for_notification(const struct virtqueue *queue)
{
	if (!queue->event_idx)
		return 0; /* without EVENT_IDX the driver always notifies */
	__atomic_store_n(avail_event(queue), queue->next_available, __ATOMIC_RELAXED);
	dma_written(queue->dma, avail_event(queue), sizeof(uint16_t));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return count_available(queue);
}

bool virtqueue_take(struct virtqueue *queue, struct chain *chain)
{
	uint16_t count;

	if (!queue->ready || queue->broken)
		return false;
	count = count_available(queue);
	if (count == 0)
		count = ask_for_notification(queue);
	if (count == 0)
		return false;
	if (count <= queue->size) {
		chain->head = load(queue->available + RING + queue->next_available % queue->size);
		queue->next_available++;
		if (read_chain(queue, chain))
			return true;
	}
	queue->broken = true;
	return false;
}

/* ---- the used ring ---- */

void virtqueue_add_used(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	struct used_entry *entry =
		(struct used_entry *)(queue->used + RING) + queue->next_used % queue->size;

	__atomic_store_n(&entry->id, head, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->length, written, __ATOMIC_RELAXED);
	dma_written(queue->dma, entry, sizeof *entry);
	queue->next_used++;
}

void virtqueue_publish(struct virtqueue *queue)
{
	__atomic_store_n(queue->used + IDX, queue->next_used, __ATOMIC_RELEASE);
	dma_written(queue->dma, queue->used + IDX, sizeof(uint16_t));
}

void virtqueue_give(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	virtqueue_add_used(queue, head, written);
	virtqueue_publish(queue);
}

bool virtqueue_wants_interrupt(struct virtqueue *queue)
{
	uint16_t given = (uint16_t)(queue->next_used - queue->notified), beyond;

	if (given == 0)
		return false;
	/* The driver writes used_event or flags and then reads idx again. Here idx was written, and
	 * these are read after the barrier, so one of both sides sees the other's write. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	queue->notified = queue->next_used;
	if (!queue->event_idx)
		return !(load(queue->available + FLAGS) & NO_INTERRUPT);
	/* Is the entry that the driver waits for among those returned (2.7.7.1)? */
	beyond = (uint16_t)(queue->next_used - used_event(queue) - 1);
	return beyond < given;
}

/* ---- copying ---- */

size_t pieces_size(const struct piece *pieces, unsigned count)
{
	size_t size = 0;

	for (unsigned i = 0; i < count; i++)
		size += pieces[i].length;
	return size;
}

void pieces_skip(struct piece *pieces, unsigned count, size_t size)
{
	for (unsigned i = 0; size && i < count; i++) {
		struct piece *piece = &pieces[i];
		size_t length = size < piece->length ? size : piece->length;

		piece->base = (char *)piece->base + length;
		piece->length -= length;
		size -= length;
	}
}

/* Sets *at to the byte *offset of a piece, and returns how many bytes there are from it on, at most
 * `size`; 0 if the offset is beyond the piece. Makes *offset relative to the next piece. */
static size_t part(const struct piece *piece, size_t *offset, size_t size, char **at)
{
	size_t length;

	if (*offset >= piece->length) {
		*offset -= piece->length;
		return 0;
	}
	*at = (char *)piece->base + *offset;
	length = piece->length - *offset;
	*offset = 0;
	return length < size ? length : size;
}

size_t chain_read(const struct chain *chain, size_t offset, void *to, size_t size)
{
	size_t done = 0;

	for (unsigned i = 0; i < chain->readable && done < size; i++) {
		char *at = NULL;
		size_t length = part(&chain->pieces[i], &offset, size - done, &at);

		if (length)
			__builtin_memcpy((char *)to + done, at, length);
		done += length;
	}
	return done;
}

size_t chain_write(const struct virtqueue *queue, const struct chain *chain, size_t offset,
		   const void *from, size_t size)
{
	const struct piece *pieces = chain->pieces + chain->readable;
	size_t done = 0;

	for (unsigned i = 0; i < chain->writable && done < size; i++) {
		char *at = NULL;
		size_t length = part(&pieces[i], &offset, size - done, &at);

		if (length) {
			__builtin_memcpy(at, (const char *)from + done, length);
			dma_written(queue->dma, at, length);
		}
		done += length;
	}
	return done;
}
