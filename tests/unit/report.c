// SPDX-License-Identifier: MIT
/* vmm/report.c and vmm/outlet.c at the end of the program, with real pipes: no output is lost. */
#include "unit.h"

#include "crt/crt.h"
#include "vmm/outlet.h"
#include "vmm/report.h"
#include "vmm/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOM 4096ul /* of a pipe */

/* ---- stubs ---- */

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	const struct timespec *time = (const struct timespec *)c;
	long result;

	/* Waits without a limit, because the test does read the pipe. */
	if (number == SYS_ppoll && (time->tv_sec || time->tv_nsec))
		c = 0;
	result = syscall(number, a, b, c, d, e, f);
	return result < 0 ? -errno : result;
}

int write_all(int fd, const void *data, size_t size)
{
	return write(fd, data, size) == (ssize_t)size ? 0 : -errno;
}

const char *error_text(int error)
{
	return strerror(error);
}

void lock_acquire(struct lock *lock)
{
	lock->state++;
}

void lock_release(struct lock *lock)
{
	lock->state--;
}

void wake_loop(int wake)
{
	(void)wake;
}

/* ---- the end ---- */

static void hold(void *run, uint32_t by, bool on)
{
	(void)run, (void)by, (void)on;
}

static void attach(struct outlet *outlet, int fd, uint8_t *ring)
{
	outlet_open(outlet, fd, "");
	outlet_attach(outlet, &(struct outlet_room){
				      .ring = ring, .size = ROOM, .hold_at = ROOM, .hold = hold });
}

/* The program; its output and messages go to these pipes, which nobody reads before it says by the
 * third one that both are full. */
static _Noreturn void die_with_output(int output, int messages, int full)
{
	static uint8_t rings[2][ROOM];
	static char filler[ROOM];
	static struct outlet console;

	dup2(messages, 2);
	memset(filler, '.', sizeof filler);
	attach(&console, output, rings[0]);
	attach(report_outlet(), 2, rings[1]);
	for (unsigned i = 0; i < 2; i++) {
		outlet_put(i ? report_outlet() : &console, filler, sizeof filler);
		outlet_put(i ? report_outlet() : &console, "waits", 5);
	}
	if (outlets_waiting() != 10 || write(full, "", 1) != 1)
		_exit(1);
	die(STATUS_HOST, "the %s", "end");
}

static size_t drain(int fd, char *text)
{
	size_t size = 0;
	ssize_t n;

	while ((n = read(fd, text + size, 2 * ROOM - size)) > 0)
		size += (size_t)n;
	text[size] = '\0';
	return size;
}

static void test_die(void **state)
{
	static char text[2 * ROOM + 1];
	int output[2], messages[2], full[2], status;
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(pipe(output), 0);
	assert_int_equal(pipe(messages), 0);
	assert_int_equal(pipe(full), 0);
	assert_int_equal(fcntl(output[1], F_SETPIPE_SZ, ROOM), ROOM);
	assert_int_equal(fcntl(messages[1], F_SETPIPE_SZ, ROOM), ROOM);
	child = fork();
	if (child == 0)
		die_with_output(output[1], messages[1], full[1]);
	close(output[1]);
	close(messages[1]);
	close(full[1]);
	assert_int_equal(read(full[0], &byte, 1), 1);
	/* Both pipes are read at the same time, because the program may wait for either. */
	if (fork() == 0) {
		drain(messages[0], text);
		_exit(strcmp(text + ROOM, "waitsnestling: the end\n") != 0);
	}
	assert_int_equal(drain(output[0], text), ROOM + 5);
	assert_string_equal(text + ROOM, "waits");
	for (unsigned i = 0; i < 2; i++) {
		pid_t ended = wait(&status);

		assert_int_equal(WEXITSTATUS(status), ended == child ? STATUS_HOST : 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_die) };

	return RUN(tests);
}
