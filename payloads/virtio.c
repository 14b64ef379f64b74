// SPDX-License-Identifier: MIT
/* A virtio device's initialisation and its queue. Who calls it: payloads with disks. Touches the
 * device's registers. */
#include "virtio.h"

#define F_VERSION_1 1u /* in the upper half of the features */

_Static_assert(offsetof(struct queue, used) == PAGE, "the used ring is aligned");

static void set_address(uintptr_t at, const void *address)
{
	write32(at, (uint32_t)(uintptr_t)address);
	write32(at + 4, (uint32_t)((uintptr_t)address >> 32));
}

static void start_queue(uintptr_t base, bool is_legacy, struct queue *queue)
{
	queue->idx = queue->used.idx = 0;
	write32(base + QUEUE_SEL, 0);
	check(read32(base + QUEUE_NUM_MAX) >= ENTRIES);
	write32(base + QUEUE_NUM, ENTRIES);
	if (is_legacy) {
		write32(base + QUEUE_ALIGN, PAGE);
		write32(base + QUEUE_PFN, (uint32_t)((uintptr_t)queue / PAGE));
		check(read32(base + QUEUE_PFN) == (uintptr_t)queue / PAGE);
		return;
	}
	set_address(base + QUEUE_DESC, queue->table);
	set_address(base + QUEUE_DRIVER, &queue->flags);
	set_address(base + QUEUE_DEVICE, &queue->used);
	write32(base + QUEUE_READY, 1);
	check(read32(base + QUEUE_READY) == 1);
}

uint32_t virtio_start(uintptr_t base, uint32_t wanted, struct queue *queue)
{
	bool is_legacy = read32(base + VERSION) == 1;
	uint32_t features;

	if (is_legacy) /* before the reset, as Linux and U-Boot do */
		write32(base + GUEST_PAGE_SIZE, PAGE);
	write32(base + STATUS, 0);
	write32(base + STATUS, 3);
	write32(base + DEVICE_FEATURES_SEL, 0);
	features = read32(base + DEVICE_FEATURES);
	write32(base + DRIVER_FEATURES_SEL, 0);
	write32(base + DRIVER_FEATURES, features & wanted);
	if (!is_legacy) {
		write32(base + DRIVER_FEATURES_SEL, 1);
		write32(base + DRIVER_FEATURES, F_VERSION_1);
		write32(base + STATUS, 11);
		check(read32(base + STATUS) == 11); /* FEATURES_OK is still set */
	}
	start_queue(base, is_legacy, queue);
	write32(base + STATUS, is_legacy ? 7 : 15);
	return features;
}

void queue_describe(struct queue *queue, unsigned at, const void *address, uint32_t length,
		    uint16_t flags)
{
	queue->table[at].address = (uintptr_t)address;
	queue->table[at].length = length;
	queue->table[at].flags = flags;
	queue->table[at].next = (uint16_t)(at + 1);
}

void queue_submit(struct queue *queue, unsigned head)
{
	queue->available[queue->idx % ENTRIES] = (uint16_t)head;
	__atomic_store_n(&queue->idx, (uint16_t)(queue->idx + 1), __ATOMIC_RELEASE);
}

void queue_notify(uintptr_t base)
{
	__asm__ volatile("dsb sy" ::: "memory");
	write32(base + QUEUE_NOTIFY, 0);
}

bool queue_is_done(struct queue *queue)
{
	return __atomic_load_n(&queue->used.idx, __ATOMIC_ACQUIRE) == queue->idx;
}
