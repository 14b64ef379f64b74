// SPDX-License-Identifier: MIT
/*
 * Frames over a stream socket, each behind its length (as QEMU's -netdev stream, and passt).
 *
 * Who calls it: net.c; vmm/machine/nets.c, also by the operations. Touches the socket and what is
 * buffered for it.
 */
#include "net.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/report.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

static void set_unsent(struct net_backend *backend, size_t start, size_t end)
{
	backend->unsent_start = start;
	__atomic_store_n(&backend->unsent_end, start == end ? 0 : end, __ATOMIC_RELAXED);
}

static void disconnect(struct net_backend *backend)
{
	sys_close(backend->fd);
	backend->fd = -1;
	backend->start = backend->end = 0;
	set_unsent(backend, 0, 0);
}

/* ---- out ---- */

/* The socket may be a blocking one's other end, or be closed by it: neither matters. */
static long send_pieces(const struct net_backend *backend, struct iovec *pieces, unsigned count)
{
	const struct msghdr message = { .msg_iov = pieces, .msg_iovlen = (int)count };

	return sys_sendmsg(backend->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Of a frame whose first bytes were sent the rest. */
static void keep_rest(struct net_backend *backend, const struct iovec *pieces, unsigned count,
		      size_t sent)
{
	size_t used = 0;

	for (unsigned i = 0; i < count; i++) {
		size_t skipped = sent < pieces[i].iov_len ? sent : pieces[i].iov_len;

		memcpy(backend->unsent + used, (const char *)pieces[i].iov_base + skipped,
		       pieces[i].iov_len - skipped);
		used += pieces[i].iov_len - skipped;
		sent -= skipped;
	}
	set_unsent(backend, 0, used);
}

int net_flush_stream(struct net_backend *backend)
{
	struct iovec rest = { backend->unsent + backend->unsent_start,
			      backend->unsent_end - backend->unsent_start };
	long n;

	if (!net_has_unsent(backend))
		return 0;
	n = send_pieces(backend, &rest, 1);
	if (n < 0)
		return (int)n;
	set_unsent(backend, backend->unsent_start + (size_t)n, backend->unsent_end);
	return net_has_unsent(backend) ? -EAGAIN : 0;
}

/* The length takes the place of the header. */
static int send_frame(struct net_backend *backend, struct iovec *pieces, unsigned count)
{
	uint32_t length = 0;
	int result = backend->fd < 0 ? -ENOTCONN : net_flush_stream(backend);
	long n;

	if (result < 0)
		return result;
	for (unsigned i = 1; i < count; i++)
		length += (uint32_t)pieces[i].iov_len;
	if (length > BACKEND_FRAME)
		return -EMSGSIZE;
	length = __builtin_bswap32(length);
	pieces[0] = (struct iovec){ &length, sizeof length };
	n = send_pieces(backend, pieces, count);
	if (n < 0)
		return (int)n;
	keep_rest(backend, pieces, count, (size_t)n);
	return 0;
}

/* ---- in ---- */

/* Reads more, behind what is there. False if there is nothing now, or nobody any more. */
static bool read_more(struct net_backend *backend)
{
	size_t there = backend->end - backend->start;
	long n;

	memmove(backend->received, backend->received + backend->start, there);
	backend->start = 0;
	backend->end = there;
	n = sys_read(backend->fd, backend->received + there, sizeof backend->received - there);
	if (n == -EAGAIN || n == -EINTR)
		return false;
	if (n <= 0) {
		disconnect(backend);
		return false;
	}
	backend->end += (size_t)n;
	return true;
}

/* The length of the next frame, or what stands in its place, if that is whole. */
static bool peek(const struct net_backend *backend, uint32_t *length)
{
	size_t there = backend->end - backend->start;

	if (there < sizeof *length)
		return false;
	memcpy(length, backend->received + backend->start, sizeof *length);
	*length = __builtin_bswap32(*length);
	return *length > BACKEND_FRAME || there >= sizeof *length + *length;
}

bool net_has_frame(const struct net_backend *backend)
{
	uint32_t length;

	return peek(backend, &length);
}

/* The length of the next frame, which is whole in what was received; 0 if there is none yet. */
static size_t find_frame(struct net_backend *backend)
{
	uint32_t length;

	while (!peek(backend, &length))
		if (!read_more(backend))
			return 0;
	if (length && length <= BACKEND_FRAME)
		return length;
	report("--net %.200s: a frame of %u bytes; who sent it is disconnected", backend->name,
	       length);
	disconnect(backend);
	return 0;
}

static size_t receive_frame(struct net_backend *backend, struct iovec *pieces, unsigned count)
{
	size_t length = backend->fd < 0 ? 0 : find_frame(backend);
	const uint8_t *from = backend->received + backend->start + BACKEND_LENGTH;
	size_t done = 0;

	if (!length)
		return 0;
	memset(pieces[0].iov_base, 0, pieces[0].iov_len);
	for (unsigned i = 1; i < count; i++) {
		size_t part = length - done < pieces[i].iov_len ? length - done : pieces[i].iov_len;

		memcpy(pieces[i].iov_base, from + done, part);
		done += part;
	}
	backend->start += BACKEND_LENGTH + length;
	return length;
}

static const struct net_backend_ops ops = { .send = send_frame, .receive = receive_frame };

bool net_is_stream(const struct net_backend *backend)
{
	return backend->ops == &ops;
}

/* ---- connections ---- */

static long make_socket(void)
{
	return sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void set_address(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, path, strlen(path));
}

/* Negative errno if nobody listens there. */
static long connect_to(const char *path)
{
	struct sockaddr_un address;
	long fd = make_socket(), result;

	if (fd < 0)
		return fd;
	set_address(&address, path);
	result = sys_connect((int)fd, &address, sizeof address);
	if (result == 0)
		return fd;
	sys_close((int)fd);
	return result;
}

static long listen_at(const char *path)
{
	struct sockaddr_un address;
	long fd = make_socket(), result;

	if (fd < 0)
		return fd;
	set_address(&address, path);
	result = sys_bind((int)fd, &address, sizeof address);
	if (result == 0)
		result = sys_listen((int)fd, 1);
	if (result == 0)
		return fd;
	sys_close((int)fd);
	return result;
}

#define TRIES 8 /* another process may do the same at the same time */

void net_open_stream(struct net_backend *backend, const char *path)
{
	long result = -EAGAIN;

	if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
		die(STATUS_USAGE, "--net %.200s: a socket's path has at most 107 characters",
		    backend->name);
	backend->path = path;
	backend->ops = &ops;
	for (unsigned i = 0; i < TRIES; i++) {
		result = backend->fd = (int)connect_to(path);
		if (result == -ECONNREFUSED) /* left behind by who has listened there */
			(void)sys_unlinkat(AT_FDCWD, path, 0);
		if (result == -ECONNREFUSED || result == -ENOENT)
			result = backend->listener = (int)listen_at(path);
		if (result != -EADDRINUSE)
			break;
	}
	if (result < 0)
		die(STATUS_HOST, "--net %.200s: %s", backend->name, error_text((int)-result));
	if (backend->fd < 0)
		backend->fd = -1;
}

void net_inherit_stream(struct net_backend *backend, int fd)
{
	struct stat file = { 0 };
	int on = 1;

	(void)sys_fstat(fd, &file);
	if (!S_ISSOCK(file.st_mode) || ioctl_restart(fd, FIONBIO, (uintptr_t)&on) < 0)
		die(STATUS_HOST, "--net %.200s: is neither a tap nor a stream socket",
		    backend->name);
	backend->ops = &ops;
	backend->fd = fd;
}

const char *net_keep_stream(struct net_backend *backend, unsigned number)
{
	size_t length;

	if (!backend->path || backend->listener >= 0)
		return NULL;
	length = strlen(backend->path);
	while (length && backend->path[length - 1] != '/')
		length--;
	memcpy(backend->directory, length ? backend->path : ".", length ? length : 1);
	snprintf(backend->inside, sizeof backend->inside, "/%u/%s", number, backend->path + length);
	return backend->directory;
}

/* Outside of the sandbox it has its own path yet, and no other. */
static int connect_again(const struct net_backend *backend)
{
	long fd = connect_to(backend->inside);

	return (int)(fd < 0 ? connect_to(backend->path) : fd);
}

void net_reconnect_stream(struct net_backend *backend)
{
	if (backend->listener >= 0)
		backend->fd = (int)sys_accept4(backend->listener, NULL, NULL,
					       SOCK_CLOEXEC | SOCK_NONBLOCK);
	else if (backend->path)
		backend->fd = connect_again(backend);
	if (backend->fd < 0)
		backend->fd = -1;
}
