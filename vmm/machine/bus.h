/* SPDX-License-Identifier: MIT */
/* The bus: finds the device at a guest-physical address. Used by exits.c; filled by machine.c. */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include "crt/crt.h"
#include "devices/device.h"
#include "vmm/gpa.h"

#define BUS_REGIONS 49 /* max; one more is a bug */

/* A device and where it is mapped. */
struct bus_region {
	gpa_t base;
	uint64_t size;
	const struct device_ops *ops;
	void *device;
	struct lock lock; /* held by whoever calls the device's ops */
	unsigned spi;	  /* its shared peripheral interrupt; 0: none */
	int slot;	  /* index of a virtio slot; -1: no virtio slot */
};

struct bus {
	struct bus_region regions[BUS_REGIONS]; /* by ascending address */
	unsigned count;
	struct bus_region *last; /* accessed last; NULL: none */

	/* Called for an access where no device is; reads then give 0, writes are dropped. */
	void (*on_stray)(void *stray, gpa_t at, unsigned size, bool is_write);
	void *stray;
};

/* Maps a device above all others so far. No room, an overlap or a wrong order is a bug of the
 * machine's table, and traps. */
struct bus_region *bus_add(struct bus *bus, gpa_t base, uint64_t size, const struct device_ops *ops,
			   void *device);

/* The region that contains the whole access, or NULL. */
struct bus_region *bus_find(struct bus *bus, gpa_t at, unsigned size);

/* One access of the guest's, of 1, 2, 4 or 8 bytes at any address. On any vCPU's thread. */
uint64_t bus_read(struct bus *bus, gpa_t at, unsigned size);
void bus_write(struct bus *bus, gpa_t at, unsigned size, uint64_t value);

#endif
