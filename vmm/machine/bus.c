// SPDX-License-Identifier: MIT
/*
 * Dispatch of MMIO accesses to devices.
 *
 * Who calls it: exits.c for every MMIO exit; debug/ to find a device. Touches the device at the
 * address; other accesses go to on_stray.
 */
#include "bus.h"

struct bus_region *bus_add(struct bus *bus, gpa_t base, uint64_t size, const struct device_ops *ops,
			   void *device)
{
	struct bus_region *region = &bus->regions[bus->count];

	if (bus->count == BUS_REGIONS ||
	    (bus->count && base.address < region[-1].base.address + region[-1].size))
		__builtin_trap();
	bus->count++;
	*region = (struct bus_region){
		.base = base, .size = size, .ops = ops, .device = device, .slot = -1
	};
	return region;
}

static uint64_t offset_in(const struct bus_region *region, gpa_t at)
{
	return at.address - region->base.address;
}

static bool holds(const struct bus_region *region, gpa_t at, unsigned size)
{
	uint64_t offset = offset_in(region, at);

	return offset < region->size && size <= region->size - offset;
}

/* The last region with a base at or below this address; NULL if there is none. */
static struct bus_region *last_from(struct bus *bus, gpa_t at)
{
	unsigned low = 0, high = bus->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (bus->regions[middle].base.address <= at.address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &bus->regions[low - 1] : NULL;
}

struct bus_region *bus_find(struct bus *bus, gpa_t at, unsigned size)
{
	/* Drivers access the same device repeatedly, so the last region is tried first. vCPUs share
	 * that pointer: a wrong guess costs only the search. */
	struct bus_region *region = __atomic_load_n(&bus->last, __ATOMIC_RELAXED);

	if (region && holds(region, at, size))
		return region;
	region = last_from(bus, at);
	if (region && holds(region, at, size)) {
		__atomic_store_n(&bus->last, region, __ATOMIC_RELAXED);
		return region;
	}
	return NULL;
}

uint64_t bus_read(struct bus *bus, gpa_t at, unsigned size)
{
	uint64_t value;
	struct bus_region *region = bus_find(bus, at, size);

	if (!region) {
		bus->on_stray(bus->stray, at, size, false);
		return 0;
	}
	lock_acquire(&region->lock);
	value = region->ops->read(region->device, offset_in(region, at), size);
	lock_release(&region->lock);
	return value & ~0ull >> (64 - 8 * size);
}

void bus_write(struct bus *bus, gpa_t at, unsigned size, uint64_t value)
{
	struct bus_region *region = bus_find(bus, at, size);

	if (!region) {
		bus->on_stray(bus->stray, at, size, true);
		return;
	}
	lock_acquire(&region->lock);
	region->ops->write(region->device, offset_in(region, at), size, value);
	lock_release(&region->lock);
}
