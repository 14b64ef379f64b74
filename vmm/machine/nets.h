/* SPDX-License-Identifier: MIT */
/*
 * Between a virtio network device and the network behind it: frames to it are sent on the vCPU's
 * thread that has them, frames from it are taken by the event loop.
 *
 * Who uses it: main opens networks, machine.c places the devices, commands.c pulls the cable.
 */
#ifndef VMM_NETS_H
#define VMM_NETS_H

#include "devices/virtio/net.h"
#include "vmm/host/event_loop.h"
#include "vmm/host/net.h"

/* A network with the device that shows it to the guest; lives as long as the program. */
struct net_device {
	struct virtio_net net;
	struct lock *lock;   /* the device's */
	struct lock sending; /* held without the device's while a frame is sent */
	struct loop *loop;
	struct loop_source source;
	struct loop_timer retry; /* of a connection that is lost */
	struct net_backend backend;
};

/* After its network was opened: makes the device, with this MAC address. */
void net_device_init(struct net_device *device, const uint8_t mac[NET_MAC], bool legacy);
/* Adds it to the event loop, once it has been placed. */
void net_device_attach(struct net_device *device, struct loop *loop);

#endif
