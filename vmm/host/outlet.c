// SPDX-License-Identifier: MIT
/*
 * Output that nobody waits for. Who calls it: everything that prints once the guest runs, from any
 * thread; the event loop. Touches the outlets' descriptors.
 */
#include "outlet.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "event_loop.h"

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

	/* Should that fail it is taken for what stalls soonest: a terminal, which may have room for
	 * a single byte. Pipes and sockets have room for a page (pipe(7), PIPE_BUF). */
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

/* Can a byte be written without waiting, or within so many milliseconds? */
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

/* Writes as many of them as it takes, each piece within so many milliseconds. How many those are,
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

/* Others look at it without the lock. */
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
	return __atomic_load_n(&outlet->count, __ATOMIC_RELAXED) < outlet->hold_at / 2;
}

static unsigned lines_of(const char *text, size_t size)
{
	unsigned lines = 0;

	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	return lines;
}

/* False if they find no room. */
static bool append(struct outlet *outlet, const uint8_t *bytes, size_t size)
{
	unsigned count = outlet->count;

	if (outlet->discard)
		return false;
	if (size > outlet->size - count) {
		outlet->lost += lines_of((const char *)bytes, size);
		return false;
	}
	for (size_t i = 0; i < size; i++)
		outlet->ring[(outlet->first + count + i) % outlet->size] = bytes[i];
	set_count(outlet, count + (unsigned)size);
	if (outlet->count >= outlet->hold_at)
		run_hold(outlet->run, outlet->held);
	return true;
}

/* Writes what waits. 0 or negative errno. */
static long write_ring(struct outlet *outlet, unsigned milliseconds)
{
	long n = 1;

	while (outlet->count && n > 0) {
		size_t in_a_row = lesser(outlet->count, outlet->size - outlet->first);

		n = write_pieces(outlet, outlet->ring + outlet->first, in_a_row, milliseconds);
		if (n > 0) {
			outlet->first = (outlet->first + (unsigned)n) % outlet->size;
			set_count(outlet, outlet->count - (unsigned)n);
		}
	}
	return n < 0 ? n : 0;
}

/* It takes no bytes any more: nothing waits for it, and nobody. */
static void give_up(struct outlet *outlet)
{
	set_count(outlet, 0);
	outlet->discard = true;
	run_release(outlet->run, outlet->held);
}

static void tell_failure(const struct outlet *outlet, long error)
{
	if (error < 0 && outlet->failed)
		outlet->failed((int)-error);
}

/* ---- for all ---- */

bool outlet_put(struct outlet *outlet, const void *bytes, size_t size)
{
	bool wake = false, taken;
	long n = 0;

	if (!outlet->run) {
		n = write_pieces(outlet, bytes, size, OUTLET_PATIENCE_MS);
		tell_failure(outlet, n);
		return n == (long)size;
	}
	lock_acquire(&outlet->run->output_lock);
	if (outlet->count == 0)
		n = write_pieces(outlet, bytes, size, 0);
	taken = n == (long)size;
	if (n < 0) {
		give_up(outlet);
	} else if (!taken) {
		wake = outlet->count == 0;
		taken = append(outlet, (const uint8_t *)bytes + n, size - (size_t)n);
	}
	lock_release(&outlet->run->output_lock);
	if (wake)
		loop_wake(outlet->run->wake);
	tell_failure(outlet, n);
	return taken;
}

unsigned outlet_flush(struct outlet *outlet)
{
	unsigned lost = 0;
	long result;

	lock_acquire(&outlet->run->output_lock);
	result = write_ring(outlet, 0);
	if (result < 0)
		give_up(outlet);
	if (outlet_has_room(outlet)) {
		run_release(outlet->run, outlet->held);
		lost = outlet->lost;
		outlet->lost = 0;
	}
	lock_release(&outlet->run->output_lock);
	tell_failure(outlet, result);
	return lost;
}

void outlet_discard(struct outlet *outlet)
{
	outlet_flush(outlet);
	lock_acquire(&outlet->run->output_lock);
	give_up(outlet);
	lock_release(&outlet->run->output_lock);
}

void outlet_finish(struct outlet *outlet)
{
	if (!outlet->run)
		return;
	lock_acquire(&outlet->run->output_lock);
	(void)write_ring(outlet, OUTLET_PATIENCE_MS);
	lock_release(&outlet->run->output_lock);
}

void outlet_put_last(const struct outlet *outlet, const void *bytes, size_t size)
{
	(void)write_pieces(outlet, bytes, size, OUTLET_PATIENCE_MS);
}
