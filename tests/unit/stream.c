// SPDX-License-Identifier: MIT
/* vmm/host/stream.c: frames over the kernel's own sockets, whole however they are cut. */
#include "reports.h"

#include "vmm/host/net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static struct net_backend backend;
static int peer; /* the other end of its connection */
static char path[64];

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	long result = syscall(number, a, b, c, d, e, f);

	return result < 0 ? -errno : result;
}

const char *error_text(int error)
{
	return strerror(error);
}

static int setup(void **state)
{
	int ends[2];

	(void)state;
	memset(&backend, 0, sizeof backend);
	backend.name = "fd=3";
	backend.fd = backend.listener = -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	net_inherit_stream(&backend, ends[0]);
	peer = ends[1];
	reports = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(peer);
	if (backend.fd >= 0)
		close(backend.fd);
	if (backend.listener >= 0)
		close(backend.listener);
	return 0;
}

/* What was received, in two pieces as it lies in a guest's buffers. */
static uint8_t header[BACKEND_HEADER], first[7], second[BACKEND_FRAME];

static size_t receive(void)
{
	struct iovec pieces[] = { { header, sizeof header },
				  { first, sizeof first },
				  { second, sizeof second } };

	memset(header, 0xff, sizeof header);
	return backend.ops->receive(&backend, pieces, 3);
}

static int send_frame(uint8_t *frame, size_t size)
{
	struct iovec pieces[] = { { header, sizeof header },
				  { frame, size / 3 },
				  { frame + size / 3, size - size / 3 } };

	return backend.ops->send(&backend, pieces, 3);
}

static void put_length(uint8_t *to, uint32_t length)
{
	length = __builtin_bswap32(length);
	memcpy(to, &length, sizeof length);
}

/* Frames come whole, in order, whatever pieces the stream hands over. */
static void test_receive(void **state)
{
	static const uint32_t lengths[] = { 60, 1, 1514, 300 };
	uint8_t bytes[2000];
	size_t used = 0, sent = 0;
	unsigned got = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		put_length(bytes + used, lengths[i]);
		memset(bytes + used + 4, (int)(i + 1), lengths[i]);
		used += 4 + lengths[i];
	}
	for (unsigned step = 1; sent < used; step++) {
		size_t part = step % 37 < used - sent ? step % 37 : used - sent, size;

		assert_int_equal(write(peer, bytes + sent, part), part);
		sent += part;
		while ((size = receive())) {
			assert_int_equal(size, lengths[got++]);
			assert_int_equal(first[0], got);
			if (size > sizeof first)
				assert_int_equal(second[size - sizeof first - 1], got);
			for (unsigned i = 0; i < sizeof header; i++)
				assert_int_equal(header[i], 0);
		}
	}
	assert_int_equal(got, 4);
	/* Many at once: of those that are read with another one it is known without reading. */
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(write(peer, bytes, used), used);
	assert_false(net_has_frame(&backend));
	for (unsigned i = 0; i < 120; i++) {
		assert_int_equal(receive(), lengths[i % 4]);
		assert_int_equal(net_has_frame(&backend), i < 119);
	}
	assert_int_equal(receive(), 0);
	assert_int_equal(write(peer, bytes, 30), 30);
	assert_int_equal(receive(), 0);
	assert_false(net_has_frame(&backend));
	assert_int_equal(write(peer, bytes + 30, used - 30), used - 30);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(receive(), lengths[i]);
	assert_true(backend.fd >= 0);
}

static void test_largest(void **state)
{
	static uint8_t frame[4 + BACKEND_FRAME];
	size_t sent = 0;

	(void)state;
	for (unsigned n = 0; n < 3; n++) {
		put_length(frame, BACKEND_FRAME);
		memset(frame + 4, 'a' + (int)n, BACKEND_FRAME);
		for (sent = 0; sent < sizeof frame;) {
			ssize_t part = send(peer, frame + sent, sizeof frame - sent, MSG_DONTWAIT);

			if (part > 0)
				sent += (size_t)part;
			if (sent < sizeof frame)
				assert_int_equal(receive(), 0);
		}
		assert_int_equal(receive(), BACKEND_FRAME);
		assert_int_equal(second[BACKEND_FRAME - sizeof first - 1], 'a' + n);
	}
}

/* A length that cannot be ends the connection, with a line; so does its end, without. */
static void test_lies(void **state)
{
	static const uint32_t lengths[] = { 0, BACKEND_FRAME + 1, 0xffffffff };

	for (unsigned i = 0; i < 3; i++) {
		uint8_t bytes[4];

		put_length(bytes, lengths[i]);
		assert_int_equal(write(peer, bytes, 4), 4);
		assert_int_equal(receive(), 0);
		assert_int_equal(backend.fd, -1);
		assert_int_equal(reports, 1);
		assert_int_equal(receive(), 0);
		assert_int_equal(send_frame(bytes, 4), -ENOTCONN);
		teardown(state);
		setup(state);
	}
	assert_int_equal(write(peer, "\0\0\0", 3), 3);
	close(peer);
	assert_int_equal(receive(), 0);
	assert_int_equal(backend.fd, -1);
	assert_int_equal(backend.end, 0);
	assert_int_equal(reports, 0);
}

static void read_all(uint8_t *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = recv(peer, to + done, size - done, MSG_DONTWAIT);

		if (n > 0)
			done += (size_t)n;
		else
			assert_int_not_equal(net_flush_stream(&backend), -EPIPE);
	}
}

/* A socket that is full takes part of a frame: the rest follows, before the next frame. */
static void test_send(void **state)
{
	static uint8_t frame[BACKEND_FRAME], got[4 + BACKEND_FRAME];
	const int buffer = 20000; /* which cuts a frame */
	unsigned sent = 0;

	(void)state;
	assert_int_equal(setsockopt(backend.fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer), 0);
	while (send_frame(frame, sizeof frame) == 0) {
		sent++;
		memset(frame, (int)sent, sizeof frame);
	}
	assert_in_range(sent, 1, 100);
	assert_true(net_has_unsent(&backend));
	assert_int_equal(net_flush_stream(&backend), -EAGAIN);
	assert_int_equal(send_frame(frame, sizeof frame), -EAGAIN);
	for (unsigned i = 0; i < sent; i++) {
		read_all(got, sizeof got);
		assert_int_equal(got[0] << 24 | got[1] << 16 | got[2] << 8 | got[3], BACKEND_FRAME);
		assert_int_equal(got[4], i);
		assert_int_equal(got[sizeof got - 1], i);
	}
	assert_false(net_has_unsent(&backend));
	assert_int_equal(net_flush_stream(&backend), 0);
	assert_int_equal(send_frame(frame, 60), 0);
	read_all(got, 64);
	assert_int_equal(got[3], 60);
	assert_int_equal(send_frame(frame, sizeof frame + 1), -EMSGSIZE);
	/* Nobody takes it: the program lives on. */
	close(peer);
	assert_int_equal(send_frame(frame, 60), -EPIPE);
}

static void open_path(struct net_backend *of)
{
	memset(of, 0, sizeof *of);
	of->name = path;
	of->fd = of->listener = -1;
	net_open_stream(of, path);
}

/* The first listens, the second connects; either comes back. */
static void test_path(void **state)
{
	static struct net_backend other;
	struct stat file;

	setup(state);
	teardown(state);
	snprintf(path, sizeof path, "/tmp/stream-test.%d", getpid());
	open_path(&backend);
	assert_true(backend.listener >= 0 && backend.fd == -1);
	assert_null(net_keep_stream(&backend, 0));
	open_path(&other);
	assert_true(other.listener == -1 && other.fd >= 0);
	net_reconnect_stream(&backend);
	assert_true(backend.fd >= 0);
	/* The one that connects goes, and another comes. */
	close(other.fd);
	assert_int_equal(receive(), 0);
	assert_int_equal(backend.fd, -1);
	net_reconnect_stream(&backend);
	assert_int_equal(backend.fd, -1);
	open_path(&other);
	net_reconnect_stream(&backend);
	assert_true(backend.fd >= 0);
	/* The one that listens goes, and another takes its place, over the file that it has left.
	 */
	assert_string_equal(net_keep_stream(&other, 3), "/tmp/");
	assert_true(!strncmp(other.inside, "/3/stream-test.", 15));
	close(backend.fd);
	close(backend.listener);
	close(other.fd);
	other.fd = -1;
	net_reconnect_stream(&other);
	assert_int_equal(other.fd, -1);
	assert_int_equal(stat(path, &file), 0);
	open_path(&backend);
	assert_true(backend.listener >= 0 && backend.fd == -1);
	net_reconnect_stream(&other);
	assert_true(other.fd >= 0);
	close(other.fd);
	unlink(path);
	teardown(state);
}

static void test_refused(void **state)
{
	char long_path[200];
	volatile int status;

	(void)state;
	memset(long_path, 'x', sizeof long_path - 1);
	long_path[sizeof long_path - 1] = '\0';
	status = setjmp(on_die);
	if (status == 0)
		net_open_stream(&backend, long_path);
	assert_int_equal(status, STATUS_USAGE);
	status = setjmp(on_die);
	if (status == 0)
		net_open_stream(&backend, "/nothing/here");
	assert_int_equal(status, STATUS_HOST);
	status = setjmp(on_die);
	if (status == 0)
		net_inherit_stream(&backend, open("/dev/null", O_RDWR | O_CLOEXEC));
	assert_int_equal(status, STATUS_HOST);
	assert_non_null(strstr(last_report, "neither a tap nor a stream socket"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_receive), TEST(test_largest),		 TEST(test_lies),
		TEST(test_send),    cmocka_unit_test(test_path), TEST(test_refused),
	};

	return RUN(tests);
}
