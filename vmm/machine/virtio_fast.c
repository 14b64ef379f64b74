// SPDX-License-Identifier: MIT
/*
 * The fast path of virtio devices. Who calls it: devices, under their locks; uart_fast.c; serve.c.
 * Touches the VM's memory slots and coalesced zones, and the shadow pages.
 */
#include "virtio_fast.h"

#include "crt/crt.h"

#include <linux/auxvec.h>

#define PAGE_SIZE VIRTIO_FAST_PAGE /* for KVM_COALESCED_MMIO_MAX of linux/kvm.h, too */
#define DEVICES_OF_PAGE (VIRTIO_FAST_PAGE / VIRTIO_SLOT)

static gpa_t address_of(const struct virtio *device)
{
	return GPA(VIRTIO_BASE + device->slot * VIRTIO_SLOT);
}

/* A bit for each slot in the same page as this one. */
static uint32_t neighbours(unsigned slot)
{
	return ((1u << DEVICES_OF_PAGE) - 1) << slot / DEVICES_OF_PAGE * DEVICES_OF_PAGE;
}

/* The guest maps the page as device memory, and so reads it past the caches. */
static void page_changed(void *fast, const uint32_t *word)
{
	(void)fast;
	cache_clean(word);
}

/* The fast path begins at a pause: KVM tells whether an interrupt is edge-triggered only while no
 * vCPU is in the guest. */
static void driver_is_regular(void *opaque, struct virtio *device)
{
	struct virtio_fast *fast = opaque;

	__atomic_fetch_or(&fast->wanted, 1u << device->slot, __ATOMIC_RELAXED);
	run_ask_pause(fast->run);
}

/* ---- the page ---- */

/* Fills the page, which its devices keep up to date from now on, and maps it. False if the host
 * does not support read-only memory. */
static bool map_page(struct virtio_fast *fast, unsigned page)
{
	uint64_t offset = (uint64_t)page * VIRTIO_FAST_PAGE;

	for (unsigned i = page * DEVICES_OF_PAGE; i < (page + 1) * DEVICES_OF_PAGE; i++) {
		lock_acquire(fast->locks[i]);
		virtio_set_shadow(fast->devices[i],
				  fast->pages + (size_t)i * VIRTIO_SLOT / sizeof *fast->pages);
		lock_release(fast->locks[i]);
	}
	return vm_add_rom(fast->vm, VIRTIO_FAST_SLOT + page, GPA(VIRTIO_BASE + offset),
			  (uint8_t *)fast->pages + offset, VIRTIO_FAST_PAGE);
}

/* ---- acknowledgements ---- */

/* The number of entries from one index of the ring to another. */
static unsigned distance(unsigned from, unsigned to)
{
	return (to + KVM_COALESCED_MMIO_MAX - from) % KVM_COALESCED_MMIO_MAX;
}

/* Called under the device's lock, after the used ring was written and before the interrupt is
 * raised. The barrier makes the driver see that before `last` is read. */
static void interrupted(void *opaque, const struct virtio *device)
{
	struct virtio_fast *fast = opaque;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	fast->interrupted_at[device->slot] = __atomic_load_n(&fast->ring->last, __ATOMIC_ACQUIRE);
}

/*
 * An acknowledgement that was in the ring before the latest interrupt is for an earlier one, and is
 * ignored: it must not clear InterruptStatus for the latest. After an acknowledgement that was
 * added later the driver looks at its queues, so that it does not miss the reason of the latest
 * interrupt. Once the fast path has ended, what is left in the ring is for earlier interrupts, too.
 * If the ring has wrapped around, the latter kind may look like the former; ignoring it
 * only leaves the bit in InterruptStatus set for longer.
 */
void virtio_fast_take(struct virtio_fast *fast, unsigned entry)
{
	const struct kvm_coalesced_mmio *write = &fast->ring->coalesced_mmio[entry];
	uint64_t offset = write->phys_addr - VIRTIO_BASE;
	unsigned slot = (unsigned)(offset / VIRTIO_SLOT % VIRTIO_SLOTS), since;
	struct virtio *device = fast->devices[slot];
	uint32_t value;

	memcpy(&value, write->data, sizeof value);
	lock_acquire(fast->locks[slot]);
	since = distance(entry, fast->interrupted_at[slot]);
	if (device->coalesced &&
	    (since == 0 ||
	     since > distance(entry, __atomic_load_n(&fast->ring->last, __ATOMIC_ACQUIRE))))
		virtio_write(device, offset % VIRTIO_SLOT, sizeof value, value);
	lock_release(fast->locks[slot]);
}

/* ---- begin and end ---- */

/* Takes the device's lock although the vCPUs are paused: the worker's thread may use the device. */
static void begin(struct virtio_fast *fast, struct virtio *device)
{
	struct lock *lock = fast->locks[device->slot];
	unsigned page = device->slot / DEVICES_OF_PAGE;

	if (!vm_is_edge_triggered(fast->vm, VIRTIO_SPI + device->slot) ||
	    (!(fast->fast & neighbours(device->slot)) && !map_page(fast, page)) ||
	    !vm_coalesce_writes(fast->vm, GPA(address_of(device).address + VIRTIO_INTERRUPT_ACK),
				4))
		return;
	__atomic_fetch_or(&fast->fast, 1u << device->slot, __ATOMIC_RELAXED);
	lock_acquire(lock);
	fast->interrupted_at[device->slot] = fast->ring->last;
	device->coalesced = true;
	lock_release(lock);
}

void virtio_fast_begin(void *opaque)
{
	struct virtio_fast *fast = opaque;
	uint32_t wanted = __atomic_exchange_n(&fast->wanted, 0, __ATOMIC_RELAXED);

	for (unsigned i = 0; i < VIRTIO_SLOTS; i++)
		if (wanted & 1u << i && fast->devices[i]->regular && !fast->devices[i]->coalesced)
			begin(fast, fast->devices[i]);
}

/* A struct virtio's `stop_coalescing`: the driver has reset the device, or there is a configuration
 * change. The page is unmapped with the last device that is on the fast path in it, so that reads
 * of InterruptStatus are seen again, by which drivers show that they are regular. */
static void end(void *opaque, struct virtio *device)
{
	struct virtio_fast *fast = opaque;
	unsigned page = device->slot / DEVICES_OF_PAGE;

	device->coalesced = false;
	vm_stop_coalescing(fast->vm, GPA(address_of(device).address + VIRTIO_INTERRUPT_ACK), 4);
	if (__atomic_and_fetch(&fast->fast, ~(1u << device->slot), __ATOMIC_RELAXED) &
	    neighbours(device->slot))
		return;
	vm_remove_memory(fast->vm, VIRTIO_FAST_SLOT + page);
}

/* ---- the whole ---- */

void virtio_fast_create(struct virtio_fast *fast, struct run *run, struct vm *vm, bool plain)
{
	static _Alignas(VIRTIO_FAST_PAGE)
		uint32_t pages[VIRTIO_SLOTS * (size_t)VIRTIO_SLOT / sizeof(uint32_t)];

	*fast = (struct virtio_fast){
		.run = run,
		.vm = vm,
		/* With larger host pages they would cover more than the virtio slots. */
		.pages = plain || getauxval(AT_PAGESZ) != VIRTIO_FAST_PAGE ? NULL : pages,
	};
}

void virtio_fast_add(struct virtio_fast *fast, unsigned slot, struct virtio *device,
		     struct lock *lock)
{
	fast->devices[slot] = device;
	fast->locks[slot] = lock;
	if (!fast->pages)
		return;
	device->driver_is_regular = driver_is_regular;
	device->stop_coalescing = end;
	device->interrupted = interrupted;
	device->page_changed = page_changed;
	device->fast = fast;
}
