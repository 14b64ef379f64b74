// SPDX-License-Identifier: MIT
/*
 * The process that watches over the monitor: as PID 1, where the program is the host's whole
 * userland, and at a terminal, which must be as it was however the monitor ends.
 *
 * Who calls it: main, once it has read the command line. Touches /dev, the terminal, processes and
 * the host's power.
 */
#include "init.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "console.h"
#include "outlet.h"
#include "sandbox.h"
#include "vmm/report.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/prctl.h>
#include <linux/reboot.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>

/*
 * Opens a file for each of the descriptors 0, 1 and 2 that is closed (open takes the lowest), and
 * closes all others but the one that is kept: whoever started us may have left something open.
 * Negative errno if that cannot be done.
 */
static long settle_files(const char *path, int kept)
{
	long fd;

	do {
		fd = sys_openat(AT_FDCWD, path, O_RDWR, 0);
		if (fd < 0)
			fd = sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
	} while (fd >= 0 && fd <= 2);
	if (kept < 3)
		return sys_close_range(3, ~0u, 0);
	fd = kept > 3 ? sys_close_range(3, (unsigned)kept - 1, 0) : 0;
	return fd < 0 ? fd : sys_close_range((unsigned)kept + 1, ~0u, 0);
}

/* What a terminal prints is what was written: no carriage return in front of a newline. */
static void print_unchanged(int fd)
{
	struct termios mode = { 0 };

	if (ioctl_restart(fd, TCGETS, (uintptr_t)&mode) < 0)
		return; /* what is no terminal adds none */
	mode.c_oflag &= ~(tcflag_t)OPOST;
	(void)ioctl_restart(fd, TCSETS, (uintptr_t)&mode);
}

/* Standard error becomes this device's; it stays the console if there is none. */
static void open_stderr(const char *path)
{
	long fd;

	sys_close(2);
	fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_NOCTTY, 0); /* the lowest that is free: 2 */
	if (fd >= 0) {
		print_unchanged(2);
		return;
	}
	settle_files("/dev/console", -1);
	report("--stderr %.200s: %s; messages go to the console", path, error_text((int)-fd));
}

/* The console of a host that this program is the whole userland of. */
static void prepare_console(const struct options *options)
{
	/* Who gave the token reads what comes out, and is no terminal that needs them. */
	if (options->status_token)
		print_unchanged(1);
	if (options->stderr_path)
		open_stderr(options->stderr_path);
}

/*
 * What a run writes for later has to outlive it: the file systems that PID 1 starts with lie in
 * the host's RAM. Others may be mounted for the PID 1 of a container.
 */
static void refuse_ram_files(const struct options *options)
{
	const struct {
		const char *option, *path;
	} outputs[] = {
		{ "trace-file", options->trace_file },
		{ "dump-core", options->dump_core },
		{ "dump-dtb", options->dump_dtb },
	};

	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
		const char *path = outputs[i].path;
		struct stat file = { 0 };
		struct statfs system = { 0 };
		long fd = path ? sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT, 0600) : -1;

		if (fd < 0)
			continue; /* whoever writes it says what is wrong */
		(void)sys_fstat((int)fd, &file);
		(void)sys_fstatfs((int)fd, &system);
		sys_close((int)fd);
		if (S_ISREG(file.st_mode) &&
		    (system.f_type == RAMFS_MAGIC || system.f_type == TMPFS_MAGIC))
			die(STATUS_USAGE,
			    "--%s %.200s: lies in this host's RAM and would be lost; name a disk, "
			    "such as /dev/nvme0n1",
			    outputs[i].option, path);
	}
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
	(void)ioctl_restart(0, TIOCSCTTY, 1);
}

/* The set of these signals, as the kernel has it. */
#define SIGNAL_BIT(number) (1ull << ((number)-1))
static const uint64_t watched = SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGHUP) | SIGNAL_BIT(SIGINT) |
				SIGNAL_BIT(SIGQUIT) | SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGTSTP) |
				SIGNAL_BIT(SIGCONT);

/* What the parent keeps of itself while it watches. */
struct watcher {
	int id; /* its process */
	bool is_terminal;
	struct termios mode, raw; /* of the terminal, as it was and as the guest has it */
};

static void set_mode(const struct watcher *watcher, const struct termios *mode)
{
	if (watcher->is_terminal)
		ioctl_restart(0, TCSETS, (uintptr_t)mode);
}

/*
 * Passes on to the child what is sent to us. A shell that stops us gets its terminal back; when it
 * lets us go on, be it from a SIGSTOP, which is not told, every key is the guest's again.
 */
static void pass_on(const struct watcher *watcher, int child, int number)
{
	switch (number) {
	case SIGTSTP:
		set_mode(watcher, &watcher->mode);
		sys_kill(child, SIGSTOP);
		sys_kill(watcher->id, SIGSTOP);
		break;
	case SIGCONT:
		set_mode(watcher, &watcher->raw);
		sys_kill(child, SIGCONT);
		break;
	default:
		sys_kill(child, number);
	}
}

/* What to do about a monitor that was killed; what the user, a reader that
 * leaves or its sandbox does says itself why. */
static const struct {
	int number;
	const char *name, *advice;
} deaths[] = {
	{ SIGKILL, "KILL", "by the user, or because the host has no memory left: less --memory" },
	{ SIGSEGV, "SEGV", "this is a bug: please report it" },
	{ SIGBUS, "BUS", "a file that it had mapped was cut, or the host's memory is broken" },
	{ SIGILL, "ILL", "this is a bug, or the CPU lacks something: please report it" },
	{ SIGTRAP, "TRAP", "a check of its own has failed: this is a bug, please report it" },
	{ SIGABRT, "ABRT", "somebody has sent it that" },
	{ SIGXCPU, "XCPU", "a limit of the host's was reached" },
	{ SIGXFSZ, "XFSZ", "a limit of the host's was reached" },
};

static void report_death(int number)
{
	for (size_t i = 0; i < ARRAY_SIZE(deaths); i++)
		if (deaths[i].number == number)
			report("the monitor was killed by signal %d (SIG%s): %s", number,
			       deaths[i].name, deaths[i].advice);
}

/*
 * Waits for the child and passes on to it what is sent to us; children it left behind are reaped on
 * the way. Its status as a shell has it.
 */
static int wait_for(const struct watcher *watcher, int child)
{
	for (;;) {
		int status = 0;
		long pid = sys_wait4(-1, &status, WNOHANG, NULL);

		if (pid == child && WIFSIGNALED(status)) {
			report_death(WTERMSIG(status));
			return STATUS_SIGNAL + WTERMSIG(status);
		}
		if (pid == child)
			return WEXITSTATUS(status);
		if (pid < 0 && pid != -EINTR) {
			report("wait4: %s; the monitor's status is lost", error_text((int)-pid));
			return STATUS_INTERNAL;
		}
		if (pid == 0) {
			long number = sys_rt_sigtimedwait(&watched, NULL, NULL, sizeof watched);

			if (number > 0 && number != SIGCHLD)
				pass_on(watcher, child, (int)number);
		}
	}
}

#define TRIES 3 /* what fails now may work at once after it; PID 1 has nobody to leave it to */

static _Noreturn void power_off(int status)
{
	long result = -1;

	for (int i = 0; i < TRIES && result < 0; i++)
		result = sys_reboot(LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
				    LINUX_REBOOT_CMD_POWER_OFF, NULL);
	if (result == -EPERM)
		exit(status); /* PID 1 of a container, not of the host */
	/* PID 1 must not end: the kernel would panic over the message. */
	report("the host cannot be powered off: %s; switch it off by hand",
	       error_text((int)-result));
	for (;;)
		sys_rt_sigtimedwait(&watched, NULL, NULL, sizeof watched);
}

static bool takes_output(int fd)
{
	const struct timespec patience = { .tv_sec = OUTLET_PATIENCE_MS / 1000 };
	struct pollfd out = { .fd = fd, .events = POLLOUT };

	return sys_ppoll(&out, 1, &patience, NULL, 0) != 0; /* if that fails it is tried */
}

/* Ends as the child did. As PID 1 by the final line and the host's power. */
static _Noreturn void finish(bool is_pid1, const char *status_token, int status)
{
	/* The mark in front is no key: what is typed and echoed is not taken for the line's
	 * beginning. */
	const char *mark = status_token ? "\036" : "", *space = status_token ? " " : "";
	int result = -1;

	if (!is_pid1)
		exit(status);
	/* A console that takes nothing does not keep the host on. */
	if (!takes_output(1))
		power_off(status);
	for (int i = 0; i < TRIES && result < 0; i++)
		result = dprintf(1, "%snestling: %s%sexit status %d\n", mark,
				 status_token ? status_token : "", space, status);
	/* tcdrain(3): UARTs still have bytes to send */
	(void)ioctl_restart(1, TCSBRK, 1);
	if (takes_output(2))
		(void)ioctl_restart(2, TCSBRK, 1);
	power_off(status);
}

/* In the parent, which gives up what it does not need to watch. Its exit status. */
static int watch(const struct watcher *watcher, int child, bool is_pid1,
		 const struct options *options)
{
	int result = 0;

	if (!options->no_sandbox)
		result = sandbox_watch(is_pid1 ? 1u << CAP_SYS_BOOT : 0);
	if (result >= 0)
		return wait_for(watcher, child);
	report("sandbox: %s; --no-sandbox goes without", error_text(-result));
	sys_kill(child, SIGKILL);
	sys_wait4(child, NULL, 0, NULL); /* before its terminal is restored */
	return STATUS_NO_KVM;
}

/* What the child does of its own. */
static void become_monitor(bool is_pid1, const struct options *options)
{
	long result = sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);

	if (result >= 0)
		result = sys_rt_sigprocmask(SIG_UNBLOCK, &watched, NULL, sizeof watched);
	if (result < 0)
		die(STATUS_HOST, "cannot be watched over: %s", error_text((int)-result));
	if (!is_pid1)
		return;
	take_console();
	refuse_ram_files(options);
}

bool init_start(const struct options *options, int kept)
{
	struct watcher watcher = { .id = (int)sys_getpid() };
	bool is_pid1 = watcher.id == 1;
	long result;
	int status = STATUS_HOST;

	if (is_pid1)
		mount_devices();
	result = settle_files(is_pid1 ? "/dev/console" : "/dev/null", kept);
	if (result < 0 && !is_pid1 && !options->no_sandbox)
		die(STATUS_NO_KVM, "close_range: %s; --no-sandbox goes without",
		    error_text((int)-result));
	report_open();
	if (is_pid1)
		prepare_console(options);
	watcher.is_terminal = ioctl_restart(0, TCGETS, (uintptr_t)&watcher.mode) == 0;
	if (!is_pid1 && !watcher.is_terminal)
		return false;
	watcher.raw = watcher.mode;
	console_raw_mode(&watcher.raw);
	/* If whoever started us ignored it, the child's status would be thrown away. */
	signal_catch(SIGCHLD, NULL);
	/* Before there is a child: none is missed, and none ends us alone. */
	result = sys_rt_sigprocmask(SIG_BLOCK, &watched, NULL, sizeof watched);
	if (result >= 0)
		result = sys_clone(SIGCHLD, 0, NULL, 0, NULL);
	if (result == 0) {
		become_monitor(is_pid1, options);
		return watcher.is_terminal;
	}
	if (result < 0)
		report("cannot fork: %s; free some memory on the host", error_text((int)-result));
	else
		status = watch(&watcher, (int)result, is_pid1, options);
	set_mode(&watcher, &watcher.mode);
	finish(is_pid1, options->status_token, status);
}
