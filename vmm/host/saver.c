// SPDX-License-Identifier: MIT
/*
 * Makes and renames the files of snapshots. Who calls it: main, before the sandbox; save.c, on the
 * event loop's thread. Touches the file, and the process that makes it.
 */
#include "saver.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "sandbox.h"
#include "vmm/report.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define PATH_MAX_LENGTH 4096
#define SUFFIX ".part" /* of the name under which it is written */

/* What the monitor asks for, a byte each; the answer is an int, 0 or negative errno. */
enum saver_request { BEGIN = 'b', COMMIT = 'c', ABORT = 'a' };

/* A message with one descriptor (cmsg(3)). */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* ---- the process ---- */

struct names {
	int directory;
	const char *file; /* in it */
	char part[PATH_MAX_LENGTH];
};

/* An answer, with a descriptor if that is not negative. */
static void send_answer(int socket, int answer, int fd)
{
	union control control = { .header = { .cmsg_level = SOL_SOCKET,
					      .cmsg_type = SCM_RIGHTS,
					      .cmsg_len = CMSG_LEN(sizeof fd) } };
	struct iovec bytes = { &answer, sizeof answer };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
	}
	(void)sys_sendmsg(socket, &message, MSG_NOSIGNAL);
}

/* Two that save to the same file would write the same one. */
static int make_file(const struct names *names)
{
	int fd = (int)sys_openat(names->directory, names->part,
				 O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int result = fd;

	if (fd >= 0)
		result = (int)sys_flock(fd, LOCK_EX | LOCK_NB);
	if (result >= 0)
		result = (int)sys_ftruncate(fd, 0);
	if (result < 0 && fd >= 0)
		sys_close(fd);
	return result < 0 ? result : fd;
}

static int rename_file(const struct names *names)
{
	int result =
		(int)sys_renameat(names->directory, names->part, names->directory, names->file);

	if (result >= 0) /* the name is on the medium, too; not every file system needs that */
		(void)sys_fdatasync(names->directory);
	return result;
}

/* Until the monitor has ended, however it did; an unfinished file does not stay. */
static _Noreturn void serve(const struct names *names, int socket)
{
	int fd = -1, answer;
	char request;

	while (sys_read(socket, &request, 1) == 1) {
		bool is_new = request == BEGIN;

		if (is_new)
			fd = answer = make_file(names);
		else if (request == COMMIT)
			answer = rename_file(names);
		else
			answer = (int)sys_unlinkat(names->directory, names->part, 0);
		send_answer(socket, answer < 0 ? answer : 0, is_new ? fd : -1);
		if (fd >= 0 && !is_new) {
			sys_close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		(void)sys_unlinkat(names->directory, names->part, 0);
	exit(0);
}

/* Opens the directory, so that it stays the one that it is. */
static int open_names(struct names *names, const char *path)
{
	const char *slash = NULL;
	char directory[PATH_MAX_LENGTH] = ".";

	for (const char *at = path; *at; at++)
		if (*at == '/')
			slash = at;
	names->file = slash ? slash + 1 : path;
	if (slash)
		snprintf(directory, sizeof directory, "%.*s", (int)(slash + 1 - path), path);
	snprintf(names->part, sizeof names->part, "%s" SUFFIX, names->file);
	return (int)sys_openat(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

/* In the new process: what it does not need is gone before it serves. */
static _Noreturn void become_saver(const struct names *names, int socket, bool sandboxed)
{
	unsigned low = (unsigned)(socket < names->directory ? socket : names->directory);
	static const uint64_t all = ~0ull;
	unsigned high = (unsigned)(socket > names->directory ? socket : names->directory);

	/* Signals to the monitor's process group, or to all of its name, are not for this one. */
	(void)sys_rt_sigprocmask(SIG_BLOCK, &all, NULL, sizeof all);
	/* Standard output, too: who reads the monitor's waits for the monitor's end alone. */
	(void)sys_close_range(0, low - 1, 0);
	if (low + 1 < high)
		(void)sys_close_range(low + 1, high - 1, 0);
	(void)sys_close_range(high + 1, ~0u, 0);
	if (sandboxed && sandbox_watch(SAVER_PROCESS, 0) < 0)
		exit(STATUS_NO_KVM); /* the monitor finds nobody at the socket's other end */
	serve(names, socket);
}

/* ---- the monitor ---- */

static void must(const struct saver *saver, long result)
{
	if (result < 0)
		die(STATUS_HOST, "--save %.200s: %s", saver->name, error_text((int)-result));
}

/* Asks the process, and returns its answer. `fd` receives a descriptor, if there is one. */
static int ask(const struct saver *saver, enum saver_request request, int *fd)
{
	char byte = (char)request;
	int answer = -EPIPE;
	union control control = { 0 };
	struct iovec bytes = { &answer, sizeof answer };
	struct msghdr message = {
		.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control,
	};
	long result = sys_write(saver->socket, &byte, 1);

	if (result >= 0)
		result = sys_recvmsg(saver->socket, &message, MSG_CMSG_CLOEXEC);
	if (result < 0)
		return (int)result;
	if (result != sizeof answer)
		return -EPIPE; /* it has ended */
	if (fd && message.msg_controllen >= CMSG_LEN(sizeof *fd) &&
	    control.header.cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(&control.header), sizeof *fd);
	return answer;
}

static void start_process(struct saver *saver, bool sandboxed)
{
	struct names names;
	int sockets[2];
	long child;

	if (strlen(saver->name) + sizeof SUFFIX > PATH_MAX_LENGTH)
		must(saver, -ENAMETOOLONG);
	names.directory = open_names(&names, saver->name);
	must(saver, names.directory);
	must(saver, sys_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets));
	child = sys_clone(SIGCHLD, 0, NULL, 0, NULL);
	must(saver, child);
	if (child == 0) {
		sys_close(sockets[0]);
		become_saver(&names, sockets[1], sandboxed);
	}
	sys_close(sockets[1]);
	sys_close(names.directory);
	saver->socket = sockets[0];
	/* Found out now, not when the guest has been running for a day. */
	must(saver, saver_begin(saver));
	saver_abort(saver);
}

void saver_open(struct saver *saver, const char *name, bool sandboxed)
{
	struct stat status = { 0 };
	long fd = sys_openat(AT_FDCWD, name, O_WRONLY | O_CLOEXEC | O_NONBLOCK, 0);

	*saver = (struct saver){
		.name = name, .socket = -1, .fd = -1, .size = UINT64_MAX, .last = { .fd = -1 }
	};
	if (fd >= 0)
		must(saver, sys_fstat((int)fd, &status));
	else if (fd != -ENOENT)
		must(saver, fd);
	if (fd >= 0 && S_ISBLK(status.st_mode)) {
		saver->fd = (int)fd;
		saver->size = (uint64_t)sys_lseek((int)fd, 0, SEEK_END);
		return;
	}
	if (fd >= 0) {
		sys_close((int)fd);
		if (!S_ISREG(status.st_mode))
			die(STATUS_USAGE, "%s %.200s: is neither a file nor a block device",
			    "--save", name);
	}
	start_process(saver, sandboxed);
}

int saver_begin(struct saver *saver)
{
	int fd = -EPIPE, answer;

	if (saver->socket < 0)
		return saver->fd;
	answer = ask(saver, BEGIN, &fd);
	if (answer < 0 || fd < 0)
		return answer < 0 ? answer : fd;
	saver->fd = fd;
	return fd;
}

bool saver_keep(struct saver *saver, uint64_t size)
{
	const struct disk *last = &saver->last;

	if (saver->socket < 0)
		return true;
	if (last->fd < 0 || disk_changed_at(last) != last->changed_at ||
	    sys_ioctl(saver->fd, FICLONE, (uintptr_t)last->fd) < 0)
		return false;
	if (sys_ftruncate(saver->fd, size) == 0)
		return true;
	(void)sys_ftruncate(saver->fd, 0);
	return false;
}

int saver_commit(struct saver *saver)
{
	int result = (int)sys_fdatasync(saver->fd);

	if (saver->socket < 0 || result < 0)
		return result;
	result = ask(saver, COMMIT, NULL);
	if (result < 0)
		return result;
	if (saver->last.fd >= 0)
		sys_close(saver->last.fd);
	saver->last.fd = saver->fd;
	saver->last.changed_at = disk_changed_at(&saver->last);
	saver->fd = -1;
	return 0;
}

void saver_abort(struct saver *saver)
{
	if (saver->socket < 0 || saver->fd < 0)
		return;
	(void)ask(saver, ABORT, NULL);
	sys_close(saver->fd);
	saver->fd = -1;
}

int saver_write(int fd, const void *bytes, uint64_t size, uint64_t at)
{
	const char *from = bytes;

	while (size) {
		long n = sys_pwrite64(fd, from, size, at);

		if (n <= 0)
			return n < 0 ? (int)n : -ENOSPC;
		from += n;
		at += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}
