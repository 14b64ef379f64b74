// SPDX-License-Identifier: MIT
/*
 * The parent process: as PID 1, where the program is the host's whole userland, and at a terminal,
 * which must be restored however the monitor ends.
 *
 * Who calls it: main, once it has parsed the command line. Touches /dev, the terminal, processes
 * and the host's power.
 */
#include "init.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "clock.h"
#include "failure.h"
#include "rtc.h"
#include "terminal.h"
#include "vmm/outlet.h"
#include "sandbox.h"
#include "vmm/report.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/nvme_ioctl.h>
#include <linux/prctl.h>
#include <linux/reboot.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>

/* Closes what is from this descriptor on, but those to be kept. Negative errno if that fails. */
static long close_others(unsigned from, const int *kept, unsigned count)
{
	for (;;) {
		unsigned next = ~0u; /* to be kept */
		long result = 0;

		for (unsigned i = 0; i < count; i++)
			if (kept[i] >= (int)from && (unsigned)kept[i] < next)
				next = (unsigned)kept[i];
		if (next > from)
			result = sys_close_range(from, next == ~0u ? next : next - 1, 0);
		if (result < 0 || next == ~0u)
			return result;
		from = next + 1;
	}
}

/*
 * Opens `path` or /dev/null for each of the descriptors 0, 1 and 2 that is closed (open uses the
 * lowest free one), and closes all other inherited ones but those `kept`. Negative errno if that
 * fails.
 */
static long settle_files(const char *path, const int *kept, unsigned count)
{
	long fd;

	do {
		fd = sys_openat(AT_FDCWD, path, O_RDWR, 0);
		if (fd < 0)
			fd = sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
	} while (fd >= 0 && fd <= 2);
	return close_others(3, kept, count);
}

/* Switches off a terminal's output processing, which would turn a newline into carriage return and
 * newline. */
static void print_unchanged(int fd)
{
	struct termios mode = { 0 };

	if (ioctl_restart(fd, TCGETS, (uintptr_t)&mode) < 0)
		return; /* no terminal, so no processing */
	mode.c_oflag &= ~(tcflag_t)OPOST;
	(void)ioctl_restart(fd, TCSETS, (uintptr_t)&mode);
}

/* Makes this device standard error; the console stays standard error if that fails. */
static void open_stderr(const char *path, const int *kept, unsigned count)
{
	long fd;

	sys_close(2);
	fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_NOCTTY,
			0); /* gets the lowest free descriptor, 2 */
	if (fd >= 0) {
		print_unchanged(2);
		return;
	}
	settle_files("/dev/console", kept, count);
	report("--stderr %.200s: %s; messages go to the console", path, error_text((int)-fd));
}

/* Sets up the console as PID 1. */
static void prepare_console(const struct options *options, const int *kept, unsigned count)
{
	/* A program that gave a token reads the output: it wants newlines unchanged. */
	if (options->status_token)
		print_unchanged(1);
	if (options->stderr_path)
		open_stderr(options->stderr_path, kept, count);
}

/* Refuses output files that would not outlive the run: the file systems that PID 1 starts with are
 * in the host's RAM. As PID 1 of a container there may be others. */
static void refuse_ram_files(const struct options *options)
{
	const struct {
		const char *option, *path;
	} outputs[] = {
		{ "trace-file", options->trace_file },
		{ "dump-core", options->dump_core },
		{ "dump-dtb", options->dump_dtb },
		{ "save", options->save },
	};

	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
		const char *path = outputs[i].path;
		struct stat file = { 0 };
		struct statfs system = { 0 };
		long fd = path ? sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT, 0600) : -1;

		if (fd < 0)
			continue; /* reported when it is opened for writing */
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

/* Links /dev/nvme0-nsN to the namespace of this name, where N is its identifier. Negative errno. */
static long link_namespace(const char *name)
{
	char link[24];
	long fd = sys_openat(AT_FDCWD, name, O_RDONLY, 0);
	long result;

	if (fd < 0)
		return fd;
	result = ioctl_restart((int)fd, NVME_IOCTL_ID, 0);
	sys_close((int)fd);
	if (result < 0)
		return result;
	snprintf(link, sizeof link, "/dev/nvme0-ns%ld", result);
	return sys_symlinkat(name, AT_FDCWD, link);
}

/*
 * Does so for those of the first NVMe controller. Kernels from 6.12 on look at all namespaces at
 * the same time, and number /dev/nvme0n1 and so on as the answers come.
 */
static void link_namespaces(void)
{
	char name[24];
	long result;
	unsigned i = 0;

	do {
		snprintf(name, sizeof name, "/dev/nvme0n%u", ++i);
		result = link_namespace(name);
	} while (result == 0);
	if (result != -ENOENT)
		report("%s and up: no links by identifier: %s", name, error_text((int)-result));
}

/* Mounts /dev; nothing else of a file system is needed but /dev/kvm and the console. */
static void mount_devices(void)
{
	long result = sys_mkdirat(AT_FDCWD, "/dev", 0755);

	if (result == 0 || result == -EEXIST)
		result = sys_mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	if (result == 0)
		link_namespaces();
	else if (result != -EBUSY)
		report("/dev: cannot be mounted: %s; the host's kernel needs CONFIG_DEVTMPFS",
		       error_text((int)-result));
}

/* Makes the console the controlling terminal of a new session, so that keys such as Ctrl-C send
 * signals. */
static void take_console(void)
{
	sys_setsid();
	/* Fails harmlessly if the console is not a terminal. */
	(void)ioctl_restart(0, TIOCSCTTY, 1);
}

/* The signals that the parent waits for, as a kernel's signal set. */
static const uint64_t watched = SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGHUP) | SIGNAL_BIT(SIGINT) |
				SIGNAL_BIT(SIGQUIT) | SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGPWR) |
				SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGUSR1);

/* The parent's state. */
struct watcher {
	int id;	   /* the parent's process id */
	int group; /* its process group, which is the monitor's too; negative: unknown */
	bool is_terminal;
	struct termios mode, raw; /* of the terminal: original, and raw for the guest */
	uint64_t patience;	  /* seconds that a beat may take */
	uint32_t *beats;   /* shared with the monitor, who increments it; NULL: no watchdog */
	uint32_t seen;	   /* of them */
	bool is_aborted;   /* the monitor, for it has hung */
	bool is_asked;	   /* a signal that wants the end has been forwarded */
	unsigned failures; /* of the monitor, one after the other */
	uint64_t start;	   /* of the monitor; of clock_host_ns */
};

/*
 * Is another process group in the terminal's foreground, such as the shell that has suspended us?
 * Setting the mode would then suspend us again (SIGTTOU). A terminal that is not our controlling
 * one has no foreground group for us (ENOTTY).
 */
static bool in_background(const struct watcher *watcher)
{
	int group = 0;

	return watcher->group >= 0 && ioctl_restart(0, TIOCGPGRP, (uintptr_t)&group) == 0 &&
	       group != watcher->group;
}

static void set_mode(const struct watcher *watcher, const struct termios *mode)
{
	if (watcher->is_terminal && !in_background(watcher))
		ioctl_restart(0, TCSETS, (uintptr_t)mode);
}

/*
 * Forwards a signal to the child. If a shell suspends us, the terminal's mode is restored first;
 * when it continues us in the foreground, the terminal is made raw again. That is also so after
 * SIGSTOP, which cannot be caught.
 */
static void pass_on(struct watcher *watcher, int child, int number)
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
		watcher->is_asked |= failure_is_asked(number);
		sys_kill(child, number);
	}
}

/* What to tell the user if the monitor was killed. Not for deaths that the user or a closed pipe
 * has caused, or that the sandbox reports itself. */
static const struct {
	int number;
	const char *name, *advice;
} deaths[] = {
	{ SIGKILL, "KILL", "by the user, or because the host has no memory left: less --memory" },
	{ SIGSEGV, "SEGV", "this is a bug: please report it" },
	{ SIGBUS, "BUS", "a file that it had mapped was cut, or the host's memory is broken" },
	{ SIGILL, "ILL", "the CPU lacks something, or this is a bug: please report it" },
	{ SIGTRAP, "TRAP", "this is a bug: please report it" },
	{ SIGABRT, "ABRT", "somebody has sent it" },
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

#define ABORT_S 2 /* for a monitor that hangs to say where */

/* The next signal; 0 if none comes for as long as a beat may take. */
static int next_signal(const struct watcher *watcher)
{
	const struct timespec patience = {
		.tv_sec = watcher->is_aborted ? ABORT_S : (time_t)watcher->patience,
	};
	long number = sys_rt_sigtimedwait(&watched, NULL, watcher->beats ? &patience : NULL,
					  sizeof watched);

	if (number == -EAGAIN && watcher->beats)
		return 0;
	return number > 0 ? (int)number : SIGCHLD; /* if it fails, to look at the child again */
}

/* Kills a monitor that has begun to beat, and does not any more. One that is stopped has to go on
 * for that. */
static void look_at_beats(struct watcher *watcher, int child)
{
	uint32_t beats = __atomic_load_n(watcher->beats, __ATOMIC_RELAXED);

	if (watcher->is_aborted) {
		sys_kill(child, SIGKILL);
	} else if (beats != 0 && beats == watcher->seen) {
		report("the monitor has not answered for %lu s: killed (--watchdog)",
		       watcher->patience);
		watcher->is_aborted = true;
		sys_kill(child, SIGABRT);
		sys_kill(child, SIGCONT);
	}
	watcher->seen = beats;
}

/* Waits for the child, forwards signals to it, and reaps orphans as PID 1. Returns the child's
 * status as a shell reports it. */
static int wait_for(struct watcher *watcher, int child)
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
			int number = next_signal(watcher);

			if (number == 0)
				look_at_beats(watcher, child);
			else if (number != SIGCHLD)
				pass_on(watcher, child, number);
		}
	}
}

#define TRIES 3 /* retries; there is no other process that could retry for PID 1 */

/* `command` is one of reboot(2). */
static _Noreturn void end_host(int status, int command)
{
	long result = -1;

	for (int i = 0; i < TRIES && result < 0; i++)
		result = sys_reboot(LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, command, NULL);
	if (result == -EPERM)
		exit(status); /* PID 1 of a container, not of the host */
	/* PID 1 must not exit: the kernel would panic and hide the message. */
	report("the host cannot be switched off: %s; do it by hand", error_text((int)-result));
	for (;;)
		sys_rt_sigtimedwait(&watched, NULL, NULL, sizeof watched);
}

static bool takes_output(int fd)
{
	const struct timespec patience = { .tv_sec = OUTLET_PATIENCE_MS / 1000 };
	struct pollfd out = { .fd = fd, .events = POLLOUT };

	return sys_ppoll(&out, 1, &patience, NULL, 0) != 0; /* if ppoll fails, try to write */
}

/* Exits with the child's status; as PID 1, prints the final line and ends the host. */
static _Noreturn void finish(bool is_pid1, const char *status_token, int status, int command)
{
	/* The mark is a character that no key sends, so that echoed keys cannot be taken for the
	 * start of the line. */
	const char *mark = status_token ? "\036" : "", *space = status_token ? " " : "";
	int result = -1;

	if (!is_pid1)
		exit(status);
	/* A stalled console must not keep the host from powering off. */
	if (!takes_output(1))
		end_host(status, command);
	for (int i = 0; i < TRIES && result < 0; i++)
		result = dprintf(1, "%snestling: %s%sexit status %d\n", mark,
				 status_token ? status_token : "", space, status);
	/* tcdrain(3): UARTs still have bytes to send */
	(void)ioctl_restart(1, TCSBRK, 1);
	if (takes_output(2))
		(void)ioctl_restart(2, TCSBRK, 1);
	end_host(status, command);
}

/* In the parent: enters its sandbox and waits for the child. Returns the exit status. */
static int watch(struct watcher *watcher, int child, bool is_pid1, const struct options *options)
{
	int result = 0;

	/* Who forks the monitor anew has to have all that it needs. */
	if (!options->no_sandbox && !(is_pid1 && options->on_failure & FAILURE_RESTART))
		result = sandbox_watch(INIT_PROCESS, is_pid1 ? 1u << CAP_SYS_BOOT : 0);
	if (result >= 0)
		return wait_for(watcher, child);
	report("sandbox: %s: %s; --no-sandbox goes without", "seccomp", error_text(-result));
	sys_kill(child, SIGKILL);
	sys_wait4(child, NULL, 0, NULL); /* before the terminal is restored */
	return STATUS_NO_KVM;
}

/* FILE[,PARAMETERS]; one that is there already, or in the kernel itself, is no failure. What is no
 * module as it is may be one that is compressed, which newer kernels unpack. */
static void load_module(const char *text)
{
	size_t length = options_part(text);
	const char *parameters = text + length + (text[length] == ',');
	char file[256] = "";
	long fd = -ENAMETOOLONG, result;

	if (length < sizeof file) {
		memcpy(file, text, length);
		fd = sys_openat(AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0);
	}
	result = fd < 0 ? fd : sys_finit_module((int)fd, parameters, 0);
	if (result == -ENOEXEC)
		result = sys_finit_module((int)fd, parameters, MODULE_INIT_COMPRESSED_FILE);
	if (result < 0 && result != -EEXIST)
		die(STATUS_HOST, "%s %.200s: %s", "--module", text, error_text((int)-result));
	sys_close((int)fd);
}

/* Set-up in the child. */
static void become_monitor(bool is_pid1, const struct options *options)
{
	long result = sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);

	if (result >= 0)
		result = sys_rt_sigprocmask(SIG_UNBLOCK, &watched, NULL, sizeof watched);
	if (result < 0)
		die(STATUS_HOST, "cannot be watched over: %s", error_text((int)-result));
	if (!is_pid1)
		return;
	/* The kernel asks PID 1 by these, whatever a container's has inherited. */
	signal_catch(SIGINT, NULL);
	signal_catch(SIGPWR, NULL);
	take_console();
	refuse_ram_files(options);
	for (unsigned i = 0; i < options->module_count; i++)
		load_module(options->modules[i]);
	rtc_set_clock(); /* its driver may be one of them */
}

/*
 * After an end of the monitor with this status: waits, if it failed. False if it shall not be
 * started again; `command` then says what the host does.
 */
static bool starts_again(struct watcher *watcher, const struct options *options, int status,
			 int *command)
{
	bool restarts = options->on_failure & FAILURE_RESTART;
	unsigned delay = FAILURE_REBOOT_DELAY;

	if (watcher->is_asked || !failure_is(status) ||
	    !(options->on_failure & (FAILURE_RESTART | FAILURE_REBOOT)))
		return false;
	if (restarts) { /* there is no sandbox then */
		if (clock_host_ns() - watcher->start > FAILURE_MAX_DELAY * NS_PER_S)
			watcher->failures = 0;
		delay = failure_delay(++watcher->failures);
	}
	report("the monitor has ended with status %d: %s in %u s", status,
	       restarts ? "it is started again" : "the host reboots", delay);
	if (!failure_wait(delay, watched))
		return false;
	if (!restarts)
		*command = LINUX_REBOOT_CMD_RESTART;
	return restarts;
}

/* In the parent returns the monitor's status; in the child a negative number. */
static int run_monitor(struct watcher *watcher, bool is_pid1, const struct options *options)
{
	long result;

	watcher->start = clock_host_ns();
	watcher->is_aborted = false;
	watcher->seen = 0;
	if (watcher->beats)
		*watcher->beats = 0;
	/* Blocked before the child exists, so that no signal is missed or kills only the parent. */
	result = sys_rt_sigprocmask(SIG_BLOCK, &watched, NULL, sizeof watched);
	if (result >= 0)
		result = sys_clone(SIGCHLD, 0, NULL, 0, NULL);
	if (result == 0) {
		become_monitor(is_pid1, options);
		return -1;
	}
	if (result > 0)
		return watch(watcher, (int)result, is_pid1, options);
	report("cannot fork: %s", error_text((int)-result));
	return STATUS_HOST;
}

/* A page that outlives the monitor. */
static uint32_t *make_beats(void)
{
	long page = sys_mmap(0, sizeof(uint32_t), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page < 0)
		report("--watchdog: %s", error_text((int)-page));
	return page < 0 ? NULL : (uint32_t *)page;
}

bool init_start(struct options *options, const int *kept, unsigned count, uint32_t **beats)
{
	struct watcher watcher = { .id = (int)sys_getpid(),
				   .group = (int)sys_getpgid(0),
				   .patience = options->watchdog };
	bool is_pid1 = watcher.id == 1;
	long result;
	int status, command = LINUX_REBOOT_CMD_POWER_OFF;

	*beats = NULL;
	if (is_pid1)
		mount_devices();
	result = settle_files(is_pid1 ? "/dev/console" : "/dev/null", kept, count);
	if (result < 0 && !is_pid1 && !options->no_sandbox)
		die(STATUS_NO_KVM, "sandbox: %s: %s; --no-sandbox goes without", "close_range",
		    error_text((int)-result));
	if (is_pid1) {
		/* Ctrl-Alt-Del is SIGINT then. Refused to the PID 1 of a container. */
		(void)sys_reboot(LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF,
				 NULL);
		prepare_console(options, kept, count);
	}
	report_open(); /* standard error is final now */
	watcher.is_terminal = ioctl_restart(0, TCGETS, (uintptr_t)&watcher.mode) == 0;
	if (!is_pid1 && !watcher.is_terminal)
		return false;
	if (is_pid1 && options->watchdog)
		watcher.beats = *beats = make_beats();
	if (is_pid1 && options->watchdog && !*beats)
		finish(is_pid1, options->status_token, STATUS_HOST, command);
	watcher.raw = watcher.mode;
	terminal_raw_mode(&watcher.raw);
	/* If SIGCHLD was inherited as ignored, the kernel would discard the child's status. */
	signal_catch(SIGCHLD, NULL);
	do {
		status = run_monitor(&watcher, is_pid1, options);
		if (status < 0) {
			if (watcher.failures)
				options->status_token = NULL;
			return watcher.is_terminal;
		}
	} while (is_pid1 && starts_again(&watcher, options, status, &command));
	set_mode(&watcher, &watcher.mode);
	finish(is_pid1, options->status_token, status, command);
}
