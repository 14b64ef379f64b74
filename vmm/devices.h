/* SPDX-License-Identifier: MIT */
/* The devices that the command line adds to the machine, with their files and threads on the host.
 * Used by main. */
#ifndef VMM_DEVICES_H
#define VMM_DEVICES_H

#include "devices/virtio/balloon.h"
#include "devices/virtio/console.h"
#include "devices/virtio/entropy.h"
#include "options.h"
#include "vmm/machine/disks.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/nets.h"

struct devices {
	const struct options *options;
	/* By index in options->devices; else NULL. */
	struct disk_device *disks[MAX_DEVICES];
	struct net_device *nets[MAX_DEVICES];
	struct virtio_entropy entropy;
	struct disk variables; /* with --variables */
	struct worker worker;
};

/* Descriptors that options name; how many. */
unsigned devices_inherited(const struct options *options, int fds[MAX_DEVICES]);
/* Opens the files and devices of the host that the options name; dies if one cannot be used. */
void devices_open(struct devices *devices, const struct options *options);
/* Creates the guest's devices, and adds them to the machine. */
void devices_add(struct devices *devices, struct machine *machine);
/* Adds them to the event loop, after machine_connect. */
void devices_attach(struct devices *devices, struct machine *machine);
/* Directories that have to stay in reach in the sandbox, each by its number there; how many. */
unsigned devices_directories(struct devices *devices, const char *directories[MAX_DEVICES]);
/* Bits of enum role that they need, of both kinds of threads. */
unsigned devices_roles(const struct devices *devices);
/* The max number of descriptors that they keep open. */
unsigned devices_files(const struct options *options);
/* Starts the worker's thread if there are disks; before the sandbox. */
void devices_start(struct devices *devices, bool sandboxed);

#endif
