// SPDX-License-Identifier: MIT
/* Output that never blocks the caller. Who calls it: everything that prints once the guest runs,
 * from any thread; the event loop. Touches the outlets' descriptors. */
#include "outlet.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "wake.h"

#include <errno.h>
#include <linux/limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#define MEMORY_DEVICES 1 /* major number of /dev/null and its like (admin-guide/devices.txt) */

void outlet_open(struct outlet *outlet, int fd, const char *name)
{
	struct stat status = { 0 };
	mode_t kind;

	/* If fstat fails, assume a terminal, which may have room for a single byte only. Pipes and
	 * sockets that are writable accept PIPE_BUF bytes (pipe(7)). */
	(void)sys_fstat(fd, &status);
	kind = status.st_mode & S_IFMT;
	*outlet = (struct outlet){ .fd = fd, .at_once = 1, .name = name };
	if (kind == S_IFREG || kind == S_IFBLK ||
	    (kind == S_IFCHR && major(status.st_rdev) == MEMORY_DEVICES))
		outlet->at_once = 0;
	else if (kind == S_IFIFO || kind == S_IFSOCK)
		outlet->at_once = PIPE_BUF;
}

/* ---- the descriptor ---- */

/* Can a byte be written now, or within so many milliseconds? */
static bool is_writable(const struct outlet *outlet, unsigned milliseconds)
{
	struct pollfd out = { .fd = outlet->fd, .events = POLLOUT };
	struct timespec time = { .tv_sec = milliseconds / 1000,
				 .tv_nsec = milliseconds % 1000 * 1000000L };
	long result;

	do
		result = sys_ppoll(&out, 1, &time, NULL, 0);
	while (result == -EINTR && milliseconds);
	return result == 1;
}

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Writes until the descriptor accepts no more for so many milliseconds. Returns the bytes written
 * or a negative errno. */
static long write_pieces(const struct outlet *outlet, const void *bytes, size_t size,
			 unsigned milliseconds)
{
	size_t done = 0;

	if (!outlet->at_once) {
		int result = write_all(outlet->fd, bytes, size);

		return result < 0 ? result : (long)size;
	}
	while (done < size && is_writable(outlet, milliseconds)) {
		long n = sys_write(outlet->fd, (const char *)bytes + done,
				   lesser(size - done, outlet->at_once));

		if (n < 0 && n != -EINTR && n != -EAGAIN)
			return n;
		if (n <= 0 && !milliseconds)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	return (long)done;
}

/* ---- the ring, under the lock ---- */

/* Other threads read it without the lock. */
static void set_count(struct outlet *outlet, unsigned count)
{
	__atomic_store_n(&outlet->count, count, __ATOMIC_RELAXED);
}

bool outlet_waits(const struct outlet *outlet)
{
	return __atomic_load_n(&outlet->count, __ATOMIC_RELAXED) > 0;
}

bool outlet_has_room(const struct outlet *outlet)
{
	return __atomic_load_n(&outlet->count, __ATOMIC_RELAXED) < outlet->room.hold_at / 2;
}

static unsigned lines_of(const char *text, size_t size)
{
	unsigned lines = 0;

	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	return lines;
}

static void hold(const struct outlet *outlet, bool on)
{
	outlet->room.hold(outlet->room.run, outlet->room.by, on);
}

/* False if there is no room. */
static bool append(struct outlet *outlet, const uint8_t *bytes, size_t size)
{
	unsigned count = outlet->count;

	if (outlet->discard)
		return false;
	if (size > outlet->room.size - count) {
		outlet->lost += lines_of((const char *)bytes, size);
		return false;
	}
	for (size_t i = 0; i < size; i++)
		outlet->room.ring[(outlet->first + count + i) % outlet->room.size] = bytes[i];
	set_count(outlet, count + (unsigned)size);
	if (outlet->count >= outlet->room.hold_at)
		hold(outlet, true);
	return true;
}

/* Writes the queue. Returns 0 or negative errno. */
static long write_ring(struct outlet *outlet, unsigned milliseconds)
{
	long n = 1;

	while (outlet->count && n > 0) {
		size_t in_a_row = lesser(outlet->count, outlet->room.size - outlet->first);

		n = write_pieces(outlet, outlet->room.ring + outlet->first, in_a_row, milliseconds);
		if (n > 0) {
			outlet->first = (outlet->first + (unsigned)n) % outlet->room.size;
			set_count(outlet, outlet->count - (unsigned)n);
		}
	}
	return n < 0 ? n : 0;
}

/* The descriptor has failed: drops the queue and releases the vCPUs. */
static void discard_queue(struct outlet *outlet)
{
	set_count(outlet, 0);
	outlet->discard = true;
	hold(outlet, false);
}

static void report_failure(const struct outlet *outlet, long error)
{
	if (error < 0 && outlet->failed)
		outlet->failed((int)-error);
}

/* ---- for all ---- */

bool outlet_put(struct outlet *outlet, const void *bytes, size_t size)
{
	bool wake = false, taken;
	long n = 0;

	if (!outlet->room.ring) {
		n = write_pieces(outlet, bytes, size, OUTLET_PATIENCE_MS);
		report_failure(outlet, n);
		return n == (long)size;
	}
	lock_acquire(&outlet->lock);
	if (outlet->count == 0)
		n = write_pieces(outlet, bytes, size, 0);
	taken = n == (long)size;
	if (n < 0) {
		discard_queue(outlet);
	} else if (!taken) {
		wake = outlet->count == 0;
		taken = append(outlet, (const uint8_t *)bytes + n, size - (size_t)n);
	}
	lock_release(&outlet->lock);
	if (wake)
		wake_loop(outlet->room.wake);
	report_failure(outlet, n);
	return taken;
}

unsigned outlet_flush(struct outlet *outlet)
{
	unsigned lost = 0;
	long result;

	lock_acquire(&outlet->lock);
	result = write_ring(outlet, 0);
	if (result < 0)
		discard_queue(outlet);
	if (outlet_has_room(outlet)) {
		hold(outlet, false);
		lost = outlet->lost;
		outlet->lost = 0;
	}
	lock_release(&outlet->lock);
	report_failure(outlet, result);
	return lost;
}

/* ---- all of them ---- */

/* A mutable global, because die() flushes all outlets and can be called from anywhere. */
static struct outlet *attached;

void outlet_attach(struct outlet *outlet, const struct outlet_room *room)
{
	outlet->room = *room;
	outlet->next = attached;
	attached = outlet;
}

size_t outlets_waiting(void)
{
	size_t waiting = 0;

	for (const struct outlet *outlet = attached; outlet; outlet = outlet->next)
		waiting += __atomic_load_n(&outlet->count, __ATOMIC_RELAXED);
	return waiting;
}

void outlets_finish(void)
{
	for (struct outlet *outlet = attached; outlet; outlet = outlet->next) {
		lock_acquire(&outlet->lock);
		(void)write_ring(outlet, OUTLET_PATIENCE_MS);
		lock_release(&outlet->lock);
	}
}

void outlet_put_last(const struct outlet *outlet, const void *bytes, size_t size)
{
	(void)write_pieces(outlet, bytes, size, OUTLET_PATIENCE_MS);
}
