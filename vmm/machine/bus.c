// SPDX-License-Identifier: MIT
/*
 * Dispatch of MMIO accesses to devices.
 *
 * Who calls it: the run loop, once for each access that left the guest. Touches the device that
 * lies at the address, or standard error for an address where none does.
 */
#include "bus.h"

#include "crt/crt.h"
#include "vmm/report.h"

void bus_add(struct bus *bus, struct bus_region region)
{
	if (bus->count == BUS_REGIONS)
		__builtin_trap();
	for (unsigned i = 0; i < bus->count; i++) {
		const struct bus_region *other = &bus->regions[i];

		if (region.base.address < other->base.address + other->size &&
		    other->base.address < region.base.address + region.size)
			__builtin_trap();
	}
	bus->regions[bus->count++] = region;
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

const struct bus_region *bus_find(struct bus *bus, gpa_t at, unsigned size)
{
	/* Drivers access the same device again and again. Of several CPUs any one's may be it. */
	const struct bus_region *region = __atomic_load_n(&bus->last, __ATOMIC_RELAXED);

	if (region && holds(region, at, size))
		return region;
	for (region = bus->regions; region < bus->regions + bus->count; region++) {
		if (holds(region, at, size)) {
			__atomic_store_n(&bus->last, region, __ATOMIC_RELAXED);
			return region;
		}
	}
	return NULL;
}

/* Remembers the address, if there is room. True if it is new. */
static bool remember(struct bus *bus, gpa_t at)
{
	for (unsigned i = 0; i < bus->reports; i++)
		if (bus->reported[i].address == at.address)
			return false;
	if (bus->reports < BUS_REPORTS) {
		bus->reported[bus->reports++] = at;
		return true;
	}
	if (!bus->full)
		report("guest: %u stray addresses told, further ones are not", BUS_REPORTS);
	bus->full = true;
	return false;
}

bool bus_report_once(struct bus *bus, gpa_t at)
{
	bool is_new;

	lock_acquire(&bus->lock);
	is_new = remember(bus, at);
	lock_release(&bus->lock);
	return is_new;
}

static void unbacked(struct bus *bus, gpa_t at, unsigned size, const char *what, const char *answer)
{
	if (bus->strict) {
		report("guest: %s of %u bytes at %#lx, where nothing is: ended by --strict", what,
		       size, at.address);
		run_end(bus->strict, ENDED, STATUS_PAYLOAD);
	} else if (bus_report_once(bus, at)) {
		report("guest: %s of %u bytes at %#lx, where nothing is: %s", what, size,
		       at.address, answer);
	}
}

uint64_t bus_read(struct bus *bus, gpa_t at, unsigned size)
{
	uint64_t value;
	const struct bus_region *region = bus_find(bus, at, size);

	if (!region) {
		unbacked(bus, at, size, "read", "gives 0");
		return 0;
	}
	lock_acquire(region->lock);
	value = region->ops->read(region->device, offset_in(region, at), size);
	lock_release(region->lock);
	return value & ~0ull >> (64 - 8 * size);
}

void bus_write(struct bus *bus, gpa_t at, unsigned size, uint64_t value)
{
	const struct bus_region *region = bus_find(bus, at, size);

	if (!region) {
		unbacked(bus, at, size, "write", "dropped");
		return;
	}
	lock_acquire(region->lock);
	region->ops->write(region->device, offset_in(region, at), size, value);
	lock_release(region->lock);
}
