// SPDX-License-Identifier: MIT
/* vmm/machine/nets.c, between a network device and a stream, as the event loop calls it. */
#include "reports.h"

#define connect connect_device /* there is one of sockets, too */
#include "virtio.h"
#undef connect

#include "crt/crt.h"
#include "vmm/machine/nets.h"
#include "vmm/wake.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RECEIVE, TRANSMIT };

#define HEADER 12
#define FRAME 100
/* The nth request has its buffer here. */
#define BUFFER(n) (BUFFERS + 0x1000ul * ((n) % RING))

static struct net_device device;
static struct lock device_lock;
static struct loop loop;
static struct loop_source *source;
static struct loop_timer *retry;
static uint64_t retry_in;
static bool is_woken;
static int peer;

/* ---- what is around it ---- */

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	long result = syscall(number, a, b, c, d, e, f);

	return result < 0 ? -errno : result;
}

const char *error_text(int error)
{
	return strerror(error);
}

void lock_acquire(struct lock *lock)
{
	assert_int_equal(lock->state++, 0); /* one thread: a second time would be a deadlock */
}

void lock_release(struct lock *lock)
{
	assert_int_equal(lock->state--, 1);
}

void loop_add_source(struct loop *to, struct loop_source *added)
{
	assert_ptr_equal(to, &loop);
	source = added;
}

void loop_become_batch(void)
{
}

void loop_add_timer(struct loop *to, struct loop_timer *timer)
{
	assert_ptr_equal(to, &loop);
	retry = timer;
}

void loop_set_timer(void *timer, unsigned number, uint64_t nanoseconds)
{
	(void)number;
	assert_ptr_equal(timer, retry);
	retry_in = nanoseconds;
}

void wake_loop(int wake)
{
	(void)wake;
	is_woken = true;
}

/* The event loop, until it would wait. */
static void turn(void)
{
	for (unsigned turns = 0;; turns++) {
		struct pollfd fd;
		bool goes_on;

		assert_true(turns < 1000);
		fd.events = source->events(source->context);
		fd.fd = source->fd;
		goes_on = is_woken;
		is_woken = false;
		if (fd.fd >= 0 && fd.events && poll(&fd, 1, 0) > 0) {
			source->ready(source->context, fd.revents);
			goes_on = true;
		}
		if (!goes_on)
			return;
	}
}

/* ---- the guest's and the other side ---- */

static void notify_locked(unsigned queue)
{
	lock_acquire(&device_lock);
	notify(queue);
	lock_release(&device_lock);
}

static void add_buffers(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		add_one(RECEIVE, BUFFER(driver.made[RECEIVE]), HEADER + FRAME, WRITE);
	notify_locked(RECEIVE);
}

static int setup(void **state)
{
	static const uint8_t mac[NET_MAC] = { 2 };
	int ends[2];

	(void)state;
	memset(&device, 0, sizeof device);
	memset(ram, 0, sizeof ram);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	device.backend.name = "fd=3";
	device.backend.listener = -1;
	net_inherit_stream(&device.backend, ends[0]);
	peer = ends[1];
	net_device_init(&device, mac, false);
	device.loop = &loop; /* a reset tells it what the device waits for */
	connect_device(&device.net.virtio, &virtio_timed_ops);
	device.lock = &device_lock;
	net_device_attach(&device, &loop);
	start_driver(2);
	retry_in = 0;
	is_woken = false;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(peer);
	if (device.backend.fd >= 0)
		close(device.backend.fd);
	return 0;
}

static void send_frames(unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++) {
		uint8_t frame[4 + FRAME] = { 0, 0, 0, FRAME };

		memset(frame + 4, (int)i, FRAME);
		assert_int_equal(write(peer, frame, sizeof frame), sizeof frame);
	}
}

/* However few buffers there are at a time, and however many frames come at once, none stays behind.
 */
static void test_receive(void **state)
{
	unsigned got = 0;

	(void)state;
	send_frames(0, 200);
	while (got < 200) {
		unsigned count = got % 7 + 1 < 200 - got ? got % 7 + 1 : 200 - got;

		add_buffers(count);
		turn();
		for (; count; count--, got++)
			assert_int_equal(ram[BUFFER(got) + HEADER], (uint8_t)got);
		assert_int_equal(answered(RECEIVE), got);
	}
	/* Nor when what the last buffers took was read at once with what is left. */
	assert_int_equal(driver.made[RECEIVE], got);
	send_frames(0, 150);
	for (unsigned i = 0; i < 10; i++) {
		add_buffers(15);
		turn();
	}
	assert_int_equal(device.net.received, 350);
	assert_int_equal(device.net.lost, 0);
}

/* Without a driver nothing is kept, and nothing is asked for again and again. */
static void test_no_driver(void **state)
{
	(void)state;
	put_register(0x70, 0);
	send_frames(0, 200);
	turn();
	assert_int_equal(device.net.lost, 200);
}

/* What the socket has no room for waits in the guest's queue; what it has taken in part follows. */
static void test_send(void **state)
{
	const int size = 3000;
	unsigned sent = 0, got = 0;
	uint8_t frame[4 + FRAME];

	(void)state;
	assert_int_equal(setsockopt(device.backend.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size),
			 0);
	for (; sent < 200; sent++) {
		if (sent - answered(TRANSMIT) == RING / 2)
			break;
		memset(ram + BUFFER(sent) + HEADER, (int)sent, FRAME);
		add_one(TRANSMIT, BUFFER(sent), HEADER + FRAME, 0);
		notify_locked(TRANSMIT);
	}
	assert_true(sent < 200);
	turn();
	while (got < sent) {
		for (size_t done = 0; done < sizeof frame;) {
			ssize_t n = recv(peer, frame + done, sizeof frame - done, MSG_DONTWAIT);

			if (n > 0)
				done += (size_t)n;
			else
				turn();
		}
		assert_int_equal(frame[3], FRAME);
		assert_int_equal(frame[4], got++);
	}
	assert_int_equal(answered(TRANSMIT), sent);
	assert_int_equal(device.net.unsent, 0);
}

/* An interface is sent to while the device is not locked, but cannot be reset. */
static int send_to_interface(struct net_backend *backend, struct iovec *pieces, unsigned count)
{
	assert_ptr_equal(backend, &device.backend);
	assert_int_equal(pieces[0].iov_len, BACKEND_HEADER);
	assert_int_equal(count, 2);
	assert_int_equal(device_lock.state, 0);
	assert_int_equal(device.sending.state, 1);
	return 0;
}

static void test_interface(void **state)
{
	static const struct net_backend_ops ops = { .send = send_to_interface };

	(void)state;
	device.backend.ops = &ops;
	add_one(TRANSMIT, BUFFERS, HEADER + FRAME, 0);
	notify_locked(TRANSMIT);
	assert_int_equal(answered(TRANSMIT), 1);
	assert_int_equal(device.net.sent, 1);
	assert_int_equal(device.sending.state, 0);
}

/* The other end goes: the link is down. An inherited connection does not come back. */
static void test_end(void **state)
{
	(void)state;
	assert_int_equal(get_register(0x104) >> 16, 1);
	add_buffers(1);
	close(peer);
	turn();
	assert_int_equal(get_register(0x60), 2);
	assert_int_equal(get_register(0x104) >> 16, 0);
	assert_int_equal(source->fd, -1);
	assert_int_equal(retry_in, 0);
	peer = -1;
}

/* A connection that was lost is tried again, until somebody listens. */
static void test_retry(void **state)
{
	static struct net_backend listener;
	static char path[64];

	teardown(state);
	snprintf(path, sizeof path, "/tmp/nets-test.%d", (int)syscall(SYS_getpid));
	listener.name = path;
	listener.fd = listener.listener = -1;
	net_open_stream(&listener, path);
	device.backend.fd = -1;
	net_open_stream(&device.backend, path);
	net_reconnect_stream(&listener);
	net_device_attach(&device, &loop);
	add_buffers(1);
	turn();
	assert_true(listener.fd >= 0 && source->fd >= 0);
	close(listener.fd);
	close(listener.listener);
	turn();
	assert_int_equal(source->fd, -1);
	assert_int_equal(retry_in, 1000000000);
	for (unsigned tries = 0; tries < 2; tries++) {
		retry_in = 0;
		lock_acquire(&device_lock);
		retry->expire(retry->context);
		lock_release(&device_lock);
		assert_int_equal(source->fd >= 0, tries);
		assert_int_equal(retry_in, tries ? 0 : 1000000000);
		assert_int_equal(get_register(0x104) >> 16, tries ? 3 : 0); /* up, announce */
		if (tries == 0)
			net_open_stream(&listener, path);
	}
	close(listener.listener);
	unlink(path);
	peer = -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_receive),   TEST(test_no_driver), TEST(test_send),
		TEST(test_interface), TEST(test_end),	    TEST(test_retry),
	};

	return RUN(tests);
}
