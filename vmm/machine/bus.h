/* SPDX-License-Identifier: MIT */
/* From a guest-physical address to a device. Used by the run loop; filled from the machine's table.
 */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include "crt/crt.h"
#include "devices/device.h"
#include "memory.h"
#include "run.h"

#define BUS_REGIONS 8
#define BUS_REPORTS                                                                                \
	64 /* distinct stray addresses that are told; then one line says no more are               \
	    */

struct bus_region {
	gpa_t base;
	uint64_t size;
	const struct device_ops *ops;
	void *device;
	struct lock *lock; /* the device's; not the bus's own */
	unsigned spi;	   /* its interrupt; 0: it has none */
};

struct bus {
	struct bus_region regions[BUS_REGIONS];
	unsigned count;
	const struct bus_region *last; /* that was accessed; NULL: none */

	/* Accesses to what nothing backs. */
	struct run *strict; /* ended by such an access; NULL: reads give 0, writes are dropped */
	struct lock lock;   /* of what follows */
	gpa_t reported[BUS_REPORTS];
	unsigned reports;
	bool full; /* and told so */
};

/* Places a device. The table of the machine is ours: no room or an overlap is a bug and traps. */
void bus_add(struct bus *bus, struct bus_region region);

/* The region that holds an access as a whole, or NULL. */
const struct bus_region *bus_find(struct bus *bus, gpa_t at, unsigned size);

/* One access of 1, 2, 4 or 8 bytes by the guest, at any address, from any vCPU's thread. */
uint64_t bus_read(struct bus *bus, gpa_t at, unsigned size);
void bus_write(struct bus *bus, gpa_t at, unsigned size, uint64_t value);

/* Has this stray address been told before? Remembers it; says once when it stops remembering. */
bool bus_report_once(struct bus *bus, gpa_t at);

#endif
