// SPDX-License-Identifier: MIT
/*
 * The process that watches over the monitor: as PID 1, where the program is the host's whole
 * userland, and at a terminal, which must be as it was however the monitor ends.
 *
 * Who calls it: main, first of all. Touches /dev, the terminal, processes and the host's power.
 */
#include "init.h"

#include "crt.h"
#include "report.h"
#include "sys.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/reboot.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* Opens a file for each of the descriptors 0, 1 and 2 that is closed: open takes the lowest. */
static void open_stdio(const char *path)
{
	struct pollfd fds[] = { { .fd = 0 }, { .fd = 1 }, { .fd = 2 } };

	/* With no time to wait, it just tells which are open. */
	static const struct timespec now;

	if (sys_ppoll(fds, ARRAY_SIZE(fds), &now, NULL, 0) <= 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i].revents & POLLNVAL)
			sys_openat(AT_FDCWD, path, O_RDWR, 0);
}

/* /dev/kvm and the console are all that is needed of a file system. */
static void mount_devices(void)
{
	long result = sys_mkdirat(AT_FDCWD, "/dev", 0755);

	if (result == 0 || result == -EEXIST)
		result = sys_mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	if (result < 0 && result != -EBUSY)
		report("/dev: cannot be mounted: %s; the host's kernel needs CONFIG_DEVTMPFS",
		       error_text((int)-result));
}

/* A new session whose terminal is the console, so that keys such as Ctrl-C send signals. */
static void take_console(void)
{
	sys_setsid();
	/* Not a terminal: there is none to control, and nothing is lost. */
	(void)sys_ioctl(0, TIOCSCTTY, 1);
}

/* The set of these signals, as the kernel has it. */
#define SIGNAL_BIT(number) (1ull << ((number)-1))
static const uint64_t watched = SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGHUP) | SIGNAL_BIT(SIGINT) |
				SIGNAL_BIT(SIGQUIT) | SIGNAL_BIT(SIGTERM);

/*
 * Waits for the child and passes on to it what is sent to us; children it left behind are reaped on
 * the way. Its status as a shell has it.
 */
static int wait_for(int child)
{
	sys_rt_sigprocmask(SIG_BLOCK, &watched, NULL, sizeof watched);
	for (;;) {
		int status = 0;
		long pid = sys_wait4(-1, &status, WNOHANG, NULL);

		if (pid == child)
			return WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status)
						   : WEXITSTATUS(status);
		if (pid < 0 && pid != -EINTR) {
			report("wait4: %s; the monitor's status is lost", error_text((int)-pid));
			return STATUS_INTERNAL;
		}
		if (pid == 0) {
			long number = sys_rt_sigtimedwait(&watched, NULL, NULL, sizeof watched);

			if (number > 0 && number != SIGCHLD)
				sys_kill(child, (int)number);
		}
	}
}

static _Noreturn void power_off(void)
{
	long result;

	(void)sys_ioctl(1, TCSBRK, 1); /* tcdrain(3): a real UART still has bytes to send */
	result = sys_reboot(LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF,
			    NULL);
	/* PID 1 must not end: the kernel would panic over the message. */
	report("the host cannot be powered off: %s; switch it off by hand",
	       error_text((int)-result));
	for (;;)
		sys_ppoll(NULL, 0, NULL, NULL, 0);
}

/* Ends as the child did. As PID 1 by the final line and the host's power. */
static _Noreturn void finish(bool is_pid1, const char *status_token, int status)
{
	if (!is_pid1)
		exit(status);
	/* The mark in front is no key: what is typed and echoed is not taken for the line's
	 * beginning. */
	if (status_token)
		dprintf(1, "\036nestling: %s exit status %d\n", status_token, status);
	else
		dprintf(1, "nestling: exit status %d\n", status);
	power_off();
}

void init_start(const char *status_token)
{
	bool is_pid1 = sys_getpid() == 1;
	bool is_terminal;
	struct termios mode;
	static const struct {
		uintptr_t handler, flags, restorer; /* SIG_DFL is 0 */
		uint64_t mask;
	} default_action;
	long child;
	int status;

	if (is_pid1)
		mount_devices();
	open_stdio(is_pid1 ? "/dev/console" : "/dev/null");
	is_terminal = sys_ioctl(0, TCGETS, (uintptr_t)&mode) == 0;
	if (!is_pid1 && !is_terminal)
		return;
	/* If whoever started us ignored it, the child's status would be thrown away. */
	sys_rt_sigaction(SIGCHLD, &default_action, NULL, sizeof default_action.mask);
	child = sys_clone(SIGCHLD, 0, NULL, 0, NULL);
	if (child == 0) {
		sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (is_pid1)
			take_console();
		return;
	}
	if (child < 0)
		report("cannot fork: %s; free some memory on the host", error_text((int)-child));
	status = child < 0 ? STATUS_HOST : wait_for((int)child);
	if (is_terminal)
		sys_ioctl(0, TCSETS, (uintptr_t)&mode);
	finish(is_pid1, status_token, status);
}
