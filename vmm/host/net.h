/* SPDX-License-Identifier: MIT */
/*
 * A network of the host's, for a guest's network device: a tap, a packet socket, or a stream socket
 * to another process.
 *
 * Who uses it: main opens it, before the sandbox; vmm/machine/nets.c moves frames. Functions return
 * 0 or a negative errno if nothing else is said.
 */
#ifndef VMM_NET_H
#define VMM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iovec;

#define BACKEND_HEADER 10   /* bytes before each frame: a struct virtio_net_hdr */
#define BACKEND_FRAME 69632 /* max bytes of a frame */
#define BACKEND_LENGTH 4    /* bytes before each frame on a stream: its length */

struct net_backend;

struct net_backend_ops {
	/* One frame; the first piece is its header. -EAGAIN: not now. Other errors: it is lost. */
	int (*send)(struct net_backend *backend, struct iovec *pieces, unsigned count);
	/* Fills the pieces with the next frame, the first with its header. Bytes of the frame; 0 if
	 * there is none. A network that has failed is closed: `fd` is -1 then. */
	size_t (*receive)(struct net_backend *backend, struct iovec *pieces, unsigned count);
};

/* Used by one thread at a time. */
struct net_backend {
	const char *name; /* for messages: what the user has called it */
	const struct net_backend_ops *ops;
	int fd;		   /* -1: nobody is at the other end */
	unsigned offloads; /* TUN_F_* that it takes, and that frames from it may need */
	unsigned mtu;	   /* bytes; 0: not known */
	uint8_t mac[6];	   /* for the guest; all zero: any */

	/* Of a stream. */
	const char *path;		  /* of the socket; NULL: it was inherited */
	int listener;			  /* -1: the other end listens */
	char directory[108], inside[108]; /* set by net_keep_stream */
	size_t start, end;		  /* of what is in `received` */
	size_t unsent_start, unsent_end;  /* of what is in `unsent` */
	uint8_t received[2 * (BACKEND_LENGTH + BACKEND_FRAME)];
	uint8_t unsent[BACKEND_LENGTH + BACKEND_FRAME]; /* the rest of a frame sent in part */
};

/* Is this the text of a network, "tap=NAME", "packet=NAME", "unix=PATH" or "fd=NUMBER"? */
bool net_is_kind(const char *text);
/* Opens it; dies if that cannot be. The struct is all zero. */
void net_open(struct net_backend *backend, const char *text);

/* ---- interface.c ---- */

/* A tap of this name, which is made if it is not there; one that was inherited. False: this
 * descriptor is no tap. */
void net_open_tap(struct net_backend *backend, const char *name);
bool net_inherit_tap(struct net_backend *backend, int fd);
/* The wire that this interface is on. */
void net_open_packet(struct net_backend *backend, const char *interface);

/* ---- stream.c ---- */

/* A stream of frames, each behind its length in 32 bits, big-endian: with who listens at this path;
 * where there is nobody, it listens itself. Or an inherited one. */
void net_open_stream(struct net_backend *backend, const char *path);
void net_inherit_stream(struct net_backend *backend, int fd);
bool net_is_stream(const struct net_backend *backend);
/* The directory that has to stay in reach, to connect again; in the sandbox's root its name will be
 * this number. NULL: it does not connect. */
const char *net_keep_stream(struct net_backend *backend, unsigned number);
/* Is there a frame among what was read already? On the event loop's thread. */
bool net_has_frame(const struct net_backend *backend);
/* Sends what is left of the last frame. -EAGAIN: not now. */
int net_flush_stream(struct net_backend *backend);
/* Takes a connection, or makes it anew, if somebody is there; `fd` says whether. */
void net_reconnect_stream(struct net_backend *backend);

/* Is part of a frame left? From any thread. */
static inline bool net_has_unsent(const struct net_backend *backend)
{
	return __atomic_load_n(&backend->unsent_end, __ATOMIC_RELAXED) != 0;
}

#endif
