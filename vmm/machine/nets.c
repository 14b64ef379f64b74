// SPDX-License-Identifier: MIT
/*
 * Moves frames between network devices and networks. Who calls it: network devices, on vCPUs'
 * threads; the event loop. Touches networks, and guest memory by way of the devices.
 */
#include "nets.h"

#include "vmm/host/clock.h"
#include "vmm/wake.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/uio.h>

_Static_assert(sizeof(struct piece) == sizeof(struct iovec) &&
		       offsetof(struct piece, base) == offsetof(struct iovec, iov_base) &&
		       offsetof(struct piece, length) == offsetof(struct iovec, iov_len),
	       "a piece is an iovec");
_Static_assert(NET_HEADER == BACKEND_HEADER && NET_FRAME == BACKEND_FRAME, "both mean the same");

#define RETRY_NS NS_PER_S

/* ---- what the device asks for, under its lock ---- */

/* The host's kernel may hand the frame over, and the answer to it may come, before the call
 * returns: so the device is not locked meanwhile. A stream is, as it has state. */
static int send_unlocked(struct net_device *device, struct iovec *pieces, unsigned count)
{
	struct net_backend *backend = &device->backend;
	int result;

	if (net_is_stream(backend))
		return backend->ops->send(backend, pieces, count);
	lock_acquire(&device->sending);
	lock_release(device->lock);
	result = backend->ops->send(backend, pieces, count);
	lock_release(&device->sending);
	lock_acquire(device->lock);
	return result;
}

static enum net_result send(void *opaque, struct piece *pieces, unsigned count)
{
	struct net_device *device = opaque;
	struct net_backend *backend = &device->backend;
	int result = send_unlocked(device, (struct iovec *)pieces, count);

	if (net_has_unsent(backend))
		wake_loop(device->loop->wake); /* it sends the rest */
	return result == -EAGAIN ? NET_FULL : result < 0 ? NET_LOST : NET_SENT;
}

static void finish(void *opaque)
{
	struct net_device *device = opaque;

	lock_acquire(&device->sending);
	lock_release(&device->sending);
}

static size_t receive(void *opaque, struct piece *pieces, unsigned count)
{
	struct net_backend *backend = &((struct net_device *)opaque)->backend;

	return backend->fd < 0 ? 0 : backend->ops->receive(backend, (struct iovec *)pieces, count);
}

static void waits_changed(void *opaque)
{
	wake_loop(((struct net_device *)opaque)->loop->wake);
}

/* ---- on the event loop's thread ---- */

/* The link's state is that of the connection. A lost one comes back by itself if the other end
 * connects, else it is tried now and then. */
static void show_link(struct net_device *device)
{
	const struct net_backend *backend = &device->backend;

	virtio_net_connect(&device->net, backend->fd >= 0);
	device->source.fd = backend->fd >= 0 ? backend->fd : backend->listener;
	if (backend->fd < 0 && backend->listener < 0 && backend->path)
		loop_set_timer(&device->retry, 0, RETRY_NS);
}

static void work(struct net_device *device, short what)
{
	if (what & POLLOUT)
		(void)net_flush_stream(&device->backend);
	/* An error, or the end of a connection, shows when it is read. */
	virtio_net_work(&device->net,
			(what & ~POLLOUT ? NET_FRAMES : 0) | (what & POLLOUT ? NET_ROOM : 0));
}

/* Does the device wait for frames of which there is one in the backend already? */
static bool has_frame(const struct net_device *device)
{
	return virtio_net_waits(&device->net) & NET_FRAMES && net_has_frame(&device->backend);
}

/* A descriptor that is polled does not tell of what was read from it already: that is handed over
 * before, and if more of it is left, the loop comes back at once. */
static void hand_over(struct net_device *device)
{
	lock_acquire(device->lock);
	virtio_net_work(&device->net, NET_FRAMES);
	show_link(device);
	lock_release(device->lock);
	if (has_frame(device))
		wake_loop(device->loop->wake);
}

static short events(void *opaque)
{
	struct net_device *device = opaque;
	uint32_t waits;

	if (has_frame(device))
		hand_over(device);
	if (device->backend.fd < 0)
		return POLLIN; /* somebody connects */
	waits = virtio_net_waits(&device->net);
	return (short)((waits & NET_FRAMES ? POLLIN : 0) |
		       (waits & NET_ROOM || net_has_unsent(&device->backend) ? POLLOUT : 0));
}

static void ready(void *opaque, short what)
{
	struct net_device *device = opaque;

	lock_acquire(device->lock);
	if (device->backend.fd < 0)
		net_reconnect_stream(&device->backend);
	else
		work(device, what);
	show_link(device);
	lock_release(device->lock);
}

/* With the device's lock held. */
static void retry(void *opaque)
{
	struct net_device *device = opaque;

	net_reconnect_stream(&device->backend);
	show_link(device);
}

/* ---- the whole ---- */

/* As the kernel has it, and the features of both directions (virtio 1.2, 5.1.3). */
static uint64_t features_of(unsigned offloads)
{
	static const struct {
		uint16_t offload, features;
	} rows[] = {
		{ TUN_F_CSUM, NET_F_CSUM | NET_F_GUEST_CSUM },
		{ TUN_F_TSO4, NET_F_HOST_TSO4 | NET_F_GUEST_TSO4 },
		{ TUN_F_TSO6, NET_F_HOST_TSO6 | NET_F_GUEST_TSO6 },
		{ TUN_F_TSO_ECN, NET_F_HOST_ECN | NET_F_GUEST_ECN },
		{ TUN_F_UFO, NET_F_HOST_UFO | NET_F_GUEST_UFO },
	};
	uint64_t features = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (offloads & rows[i].offload)
			features |= rows[i].features;
	return features;
}

void net_device_init(struct net_device *device, const uint8_t mac[NET_MAC], bool legacy)
{
	const struct net_backend *backend = &device->backend;
	struct network *network = &device->net.network;

	*network = (struct network){
		.offloads = features_of(backend->offloads),
		.mtu = (uint16_t)(backend->mtu > UINT16_MAX ? UINT16_MAX : backend->mtu),
		.send = send,
		.finish = finish,
		.receive = receive,
		.waits_changed = waits_changed,
		.network = device,
	};
	memcpy(network->mac, mac, NET_MAC);
	device->net.connected = backend->fd >= 0;
	virtio_net_init(&device->net, legacy);
}

void net_device_attach(struct net_device *device, struct loop *loop)
{
	device->loop = loop;
	device->source =
		(struct loop_source){ .events = events, .ready = ready, .context = device };
	device->retry =
		(struct loop_timer){ .expire = retry, .context = device, .lock = device->lock };
	loop_add_timer(loop, &device->retry);
	show_link(device);
	loop_add_source(loop, &device->source);
	loop_become_batch(); /* frames come several at a time */
}
