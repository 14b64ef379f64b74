// SPDX-License-Identifier: MIT
/*
 * vmm/machine/virtio_fast.c: a driver on another CPU that reads and acknowledges at any moment
 * never finds InterruptStatus clear for an interrupt that it has not handled. KVM's ring and memory
 * slots are modelled.
 */
#include "unit.h"

#include "vmm/machine/virtio_fast.h"

#include <string.h>

#define PAGE_SIZE 4096 /* for the size of the ring */
#define SLOT 9	       /* the device's; another one is in the same page */
#define STATUS 0x60

static struct virtio_fast fast;
static struct virtio device, other, empty;
static struct lock locks[VIRTIO_SLOTS];
static struct vm vm;
static struct run run;
static uint64_t storage[PAGE_SIZE / 8];
static bool is_edge, has_rom, is_mapped, collects;
static unsigned edges, pauses;
static bool level;

/* ---- stubs ---- */

void lock_acquire(struct lock *lock)
{
	assert_int_equal(lock->state++, 0);
}

void lock_release(struct lock *lock)
{
	assert_int_equal(lock->state--, 1);
}

unsigned long getauxval(unsigned long type)
{
	(void)type;
	return PAGE_SIZE;
}

void cache_clean(const void *at)
{
	(void)at;
}

void run_ask_pause(struct run *asked)
{
	assert_ptr_equal(asked, &run);
	pauses++;
}

bool vm_is_edge_triggered(const struct vm *of, unsigned spi)
{
	(void)of;
	assert_int_equal(spi, VIRTIO_SPI + SLOT);
	return is_edge;
}

bool vm_add_rom(struct vm *of, unsigned slot, gpa_t at, void *memory, uint64_t size)
{
	(void)of, (void)slot;
	assert_int_equal(at.address, VIRTIO_BASE + 0x1000);
	assert_ptr_equal(memory, (uint8_t *)fast.pages + 0x1000);
	assert_int_equal(size, 0x1000);
	is_mapped = has_rom;
	return has_rom;
}

void vm_remove_memory(struct vm *of, unsigned slot)
{
	(void)of, (void)slot;
	assert_true(is_mapped);
	is_mapped = false;
}

bool vm_coalesce_writes(struct vm *of, gpa_t at, uint32_t size)
{
	(void)of;
	assert_int_equal(at.address, VIRTIO_BASE + SLOT * VIRTIO_SLOT + 0x64);
	assert_int_equal(size, 4);
	collects = true;
	return true;
}

void vm_stop_coalescing(struct vm *of, gpa_t at, uint32_t size)
{
	(void)of, (void)at, (void)size;
	assert_true(collects);
	collects = false;
}

static void set_irq(void *controller, unsigned number, bool new)
{
	(void)controller, (void)number;
	edges += new && (is_edge || !level);
	level = new;
}

/* ---- the model ---- */

static struct kvm_coalesced_mmio_ring *ring(void)
{
	return (void *)storage;
}

static uint32_t get(uint64_t offset)
{
	if (is_mapped)
		return fast.pages[((uint64_t)SLOT * VIRTIO_SLOT + offset) / 4];
	return (uint32_t)virtio_read(&device, offset, 4);
}

static void put(uint64_t offset, uint32_t value)
{
	uint32_t last = ring()->last;

	if (offset != 0x64 || !collects || (last + 1) % KVM_COALESCED_MMIO_MAX == ring()->first) {
		virtio_write(&device, offset, 4, value);
		return;
	}
	ring()->coalesced_mmio[last].phys_addr =
		VIRTIO_BASE + (uint64_t)SLOT * VIRTIO_SLOT + offset;
	ring()->coalesced_mmio[last].len = 4;
	memcpy(ring()->coalesced_mmio[last].data, &value, 4);
	ring()->last = (last + 1) % KVM_COALESCED_MMIO_MAX;
}

/* An exit of any CPU. */
static void drain(void)
{
	while (ring()->first != ring()->last) {
		virtio_fast_take(&fast, ring()->first);
		ring()->first = (ring()->first + 1) % KVM_COALESCED_MMIO_MAX;
	}
}

static void no_request(struct virtio *of, unsigned queue)
{
	(void)of, (void)queue;
}

static const struct virtio_type type = { .id = 2, .queues = 1, .notified = no_request };

static int setup(void **state)
{
	static uint64_t rings[512];

	(void)state;
	memset(storage, 0, sizeof storage);
	memset(locks, 0, sizeof locks);
	edges = pauses = 0;
	is_mapped = collects = level = false;
	is_edge = has_rom = true;
	device = other = (struct virtio){ .type = &type, .wires.irq.set = set_irq };
	empty = (struct virtio){ .wires.irq.set = set_irq };
	device.slot = SLOT;
	other.slot = SLOT + 1;
	virtio_fast_create(&fast, &run, &vm, false);
	fast.ring = ring();
	for (unsigned i = 0; i < VIRTIO_SLOTS; i++)
		virtio_fast_add(&fast, i,
				i == SLOT	? &device
				: i == SLOT + 1 ? &other
						: &empty,
				&locks[i]);
	virtio_reset(&device);
	device.status = 15;
	device.queues[0] = (struct virtqueue){ .ready = true,
					       .size = 4,
					       .available = (uint16_t *)rings,
					       .used = (uint16_t *)(rings + 256) };
	return 0;
}

/* The device answers a request and raises an interrupt. */
static void complete(void)
{
	device.queues[0].next_used++;
	virtio_finish(&device, 0);
}

/* A regular driver handles an interrupt. */
static void handle(void)
{
	assert_int_equal(get(STATUS), 1);
	put(0x64, 1);
}

static void become_regular(void)
{
	for (unsigned i = 0; i < 16; i++) {
		complete();
		handle();
	}
}

/* ---- tests ---- */

static void test_regular(void **state)
{
	(void)state;
	become_regular();
	assert_int_equal(pauses, 1);
	virtio_fast_begin(&fast);
	assert_true(is_mapped && collects);
	/* The page has all slots in it, empty ones too. */
	assert_int_equal(fast.pages[(SLOT + 1) * VIRTIO_SLOT / 4 + 2], 2);
	assert_int_equal(fast.pages[(SLOT + 2) * VIRTIO_SLOT / 4], 0x74726976);
	assert_int_equal(fast.pages[(SLOT + 2) * VIRTIO_SLOT / 4 + 2], 0);
	edges = 0;
	for (unsigned i = 0; i < 500; i++) {
		complete();
		assert_int_equal(edges,
				 i + 1); /* although acknowledgements are still in the ring */
		handle();
		if (i % 3 == 0) {
			drain();
			assert_int_equal(get(STATUS), 0);
		}
	}
	virtio_write(&device, 0x70, 4, 0);
	assert_false(is_mapped || collects);
	assert_false(level);
}

/* A driver that reads twice, or acknowledges without reading or with another value, is not regular.
 */
static void test_irregular(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		complete();
		handle();
		if (i % 8 == 7)
			assert_int_equal(get(STATUS), 0); /* it reads once more */
		if (i % 8 == 3)
			put(0x64, 1);
	}
	assert_int_equal(pauses, 0);
}

/* With a level-sensitive interrupt, or on a host without read-only memory, there is no fast path.
 */
static void test_refused(void **state)
{
	(void)state;
	is_edge = false;
	become_regular();
	virtio_fast_begin(&fast);
	assert_false(is_mapped || collects);
	is_edge = true;
	has_rom = false;
	become_regular();
	virtio_fast_begin(&fast);
	assert_false(is_mapped || collects);
	for (unsigned i = 0; i < 20; i++) {
		complete();
		assert_true(level);
		handle();
		assert_false(level);
	}
}

/* Between two steps of the driver on one CPU, another CPU exits, the device answers more requests,
 * or its configuration changes, which ends the fast path until the driver has shown again that it
 * is regular. */
static void test_race(void **state)
{
	uint32_t seed = 1, value = 0;
	unsigned handled = 0, taken = 0; /* used entries that the driver has seen; edges */
	enum { IDLE, ACK, LOOK } step = IDLE;

	(void)state;
	become_regular();
	virtio_fast_begin(&fast);
	edges = pauses = 0;
	device.queues[0].next_used = device.queues[0].notified = 0;
	for (unsigned i = 0; i < 1000000; i++) {
		seed = seed * 1664525 + 1013904223;
		if (seed >> 22 == 0)
			virtio_config_changed(&device);
		if (pauses) {
			virtio_fast_begin(&fast);
			pauses = 0;
		}
		switch (seed >> 29) {
		case 1:
			complete();
			break;
		case 2:
			drain();
			break;
		case 3: /* the driver's CPU is slow */
			break;
		default:
			if (step == IDLE && taken != edges) {
				taken = edges; /* the controller merges them */
				value = get(STATUS);
				/* No interrupt is lost: InterruptStatus is set, or its request was
				 * handled. */
				if (!(value & 1))
					assert_int_equal((uint16_t)handled,
							 device.queues[0].next_used);
				if (value)
					step = ACK;
			} else if (step == ACK) {
				put(0x64, value);
				step = value & 1 ? LOOK : IDLE;
			} else if (step == LOOK) {
				handled = device.queues[0].next_used;
				step = IDLE;
			}
		}
	}
	assert_true(edges > 50000);
	assert_true(device.generation > 100);
}

/* A configuration change raises an edge-triggered interrupt, too. */
static void test_config(void **state)
{
	(void)state;
	become_regular();
	virtio_fast_begin(&fast);
	complete();
	handle();
	edges = 0;
	virtio_config_changed(&device);
	assert_int_equal(edges, 1);
	assert_false(collects);
	assert_true(get(STATUS) & 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_regular, setup),
		cmocka_unit_test_setup(test_irregular, setup),
		cmocka_unit_test_setup(test_refused, setup),
		cmocka_unit_test_setup(test_race, setup),
		cmocka_unit_test_setup(test_config, setup),
	};

	return RUN(tests);
}
