// SPDX-License-Identifier: MIT
/*
 * Fails the host under a program: fault NAME [-f] [-p] [-t] COMMAND...
 *
 * Runs COMMAND once as it is, then again and again, each time with one of the system calls that it
 * makes failing with one of the errors below (ptrace(2)), or transferring one byte only. What then
 * comes out has to be one of:
 *   same      its output and status are those of the undisturbed run: the failure was survived
 *   said      the same, and something on standard error
 *   refused   a status of nestling's own table, a message, and no more of the undisturbed run's
 *             output than its beginning
 * Calls are told apart by what they are, not by when they are made: threads take turns as they
 * like. Prints a row for each system call, then "ok NAME" or "not ok NAME".
 *
 * With -f each call that is made in a sandbox is turned into another one instead, which no sandbox
 * allows: the program must be killed by SIGSYS, and name the call.
 *
 * With -p the command is PID 1 of a namespace; with -t its input is a terminal, whose mode must be
 * what it was afterwards.
 *
 * Who runs it: fault-cases.sh, in the host. A static program with musl's libc.
 */
#define _GNU_SOURCE
#include "crt/sys.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#undef prlimit64 /* musl's other name for prlimit; the system call has but this one */

#define MOST_CALLS 1000
#define REPEATS 2 /* of the same call that are tried: one for each byte of output is too many */
#define MOST_OUTPUT 4096
#define PATIENCE 30 /* seconds of the host; only what hangs takes them */
#define NEVER (-1)

/* What a call is made to do. */
static const struct fault {
	const char *name;
	int error; /* 0: it transfers one byte */
	int other; /* system call that it becomes */
} faults[] = {
#define FAIL(error)                                                                                \
	{                                                                                          \
#error, error, 0                                                                   \
	}
	FAIL(ENOMEM), FAIL(EINTR),  FAIL(EAGAIN),      FAIL(EIO),
	FAIL(EPERM),  FAIL(ENOSPC), { "short", 0, 0 },
#undef FAIL
};

static const char *const call_names[512] = {
#define SYSCALL(count, roles, name, ...) [SYS_##name] = #name,
	SYSCALL_LIST
#undef SYSCALL
};

struct outcome {
	int status; /* as a shell has it; -1: it hung */
	bool tampered, terminal_changed;
	int call; /* that was disturbed */
	char out[MOST_OUTPUT], err[MOST_OUTPUT];
};

/* A run of the command. */
struct run {
	const struct fault *fault;
	uint64_t call; /* identity of the one that is disturbed */
	int before;    /* how often that call is left in peace first; NEVER: always */
	int count;     /* calls that could be disturbed; what they are */
	uint64_t calls[MOST_CALLS];
};

static const struct fault forbidden[] = { { .name = "forbidden", .other = SYS_socket } };

static pid_t command_id;
static bool as_pid1, at_terminal, is_hostile;
static int terminal = -1, outer = -1; /* both ends of the pseudo-terminal */
static struct termios mode;

static _Noreturn void fail(const char *what)
{
	printf("not ok fault: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void read_file(int fd, char *text)
{
	ssize_t n = pread(fd, text, MOST_OUTPUT - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
}

/* In the child: becomes the command. */
static _Noreturn void become(char **command, int out, int err)
{
	int null = open("/dev/null", O_RDWR);

	dup2(at_terminal ? terminal : null, 0);
	dup2(out, 1);
	dup2(err, 2);
	if (as_pid1)
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	personality(ADDR_NO_RANDOMIZE);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL); /* stops once it is the command */
	execvp(command[0], command);
	_exit(126);
}

static volatile sig_atomic_t impatient;

static void on_alarm(int number)
{
	(void)number;
	impatient = 1;
}

/* Threads and processes of the command that are within a system call. */
static struct tracee {
	pid_t id;
	bool inside, disturbed;
} tracees[64];

static struct tracee *tracee(pid_t id)
{
	for (size_t i = 0; i < sizeof tracees / sizeof *tracees; i++)
		if (tracees[i].id == id || tracees[i].id == 0) {
			tracees[i].id = id;
			return &tracees[i];
		}
	fail("too many threads");
}

static struct iovec registers_of(pid_t id, struct user_regs_struct *registers)
{
	struct iovec vector = { registers, sizeof *registers };

	ptrace(PTRACE_GETREGSET, id, NT_PRSTATUS, &vector);
	return vector;
}

/* Has this thread a filter already, and is it not the one that watches over the monitor? */
static bool is_in_sandbox(pid_t id)
{
	char path[64], text[MOST_OUTPUT] = "";
	int fd;

	if ((as_pid1 || at_terminal) && id == command_id)
		return false;
	snprintf(path, sizeof path, "/proc/%d/status", id);
	fd = open(path, O_RDONLY);
	if (fd >= 0)
		read_file(fd, text);
	close(fd);
	return strstr(text, "\nSeccomp:\t2\n") != NULL;
}

/* On the way into the call: makes it one that does nothing, or one of one byte. False if that
 * cannot be. */
static bool disturb(pid_t id, const struct fault *fault, long number)
{
	struct user_regs_struct registers;
	struct iovec vector = registers_of(id, &registers);
	int instead = fault->other ? fault->other : SYS_write;
	struct iovec call = { &instead, sizeof instead };

	if (number == SYS_exit_group || number == SYS_rt_sigreturn || number == SYS_getpid)
		return false; /* they cannot fail */
	if (fault->other)
		return ptrace(PTRACE_SETREGSET, id, NT_ARM_SYSTEM_CALL, &call) == 0;
	if (fault->error) { /* to descriptor -1, which every sandbox allows */
		registers.regs[0] = (unsigned long long)-1;
		return ptrace(PTRACE_SETREGSET, id, NT_PRSTATUS, &vector) == 0 &&
		       ptrace(PTRACE_SETREGSET, id, NT_ARM_SYSTEM_CALL, &call) == 0;
	}
	/* A counter's 8 bytes are all or nothing; a transfer of one byte is not short. */
	if ((number != SYS_read && number != SYS_write) || registers.regs[2] <= 1 ||
	    registers.regs[2] == 8)
		return false;
	registers.regs[2] = 1;
	return ptrace(PTRACE_SETREGSET, id, NT_PRSTATUS, &vector) == 0;
}

static void finish(pid_t id, const struct fault *fault)
{
	struct user_regs_struct registers;
	struct iovec vector = registers_of(id, &registers);

	registers.regs[0] = (unsigned long long)-fault->error;
	ptrace(PTRACE_SETREGSET, id, NT_PRSTATUS, &vector);
}

/* What tells a call from others: its number, its first argument, and what is asked of ioctl.
 * Addresses are the same in every run. */
static uint64_t identity(const struct user_regs_struct *registers)
{
	return registers->regs[8] | registers->regs[0] << 16 |
	       (registers->regs[8] == SYS_ioctl ? registers->regs[1] << 32 : 0);
}

/* A system call of a tracee begins or ends. It is counted only where it could be disturbed: threads
 * take turns as they like, so its place among all calls says nothing. */
static void system_call(pid_t id, struct run *run, struct outcome *outcome)
{
	struct tracee *self = tracee(id);
	struct user_regs_struct registers;

	self->inside = !self->inside;
	if (!self->inside) {
		if (self->disturbed && run->fault->error)
			finish(id, run->fault);
		self->disturbed = false;
		return;
	}
	if (is_hostile && !is_in_sandbox(id))
		return;
	registers_of(id, &registers);
	if (run->count < MOST_CALLS)
		run->calls[run->count++] = identity(&registers);
	if (identity(&registers) == run->call && run->before-- == 0) {
		outcome->call = (int)registers.regs[8];
		self->disturbed = outcome->tampered = disturb(id, run->fault, outcome->call);
	}
}

/* Follows the command to its end. Its status as waitpid has it, or -1 if it takes too long. */
static int follow(pid_t command, struct run *run, struct outcome *outcome)
{
	for (;;) {
		int status;
		pid_t id = waitpid(-1, &status, __WALL);

		if (impatient)
			return -1;
		if (id < 0)
			fail("waitpid");
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			*tracee(id) = (struct tracee){ .id = -1 };
			if (id == command)
				return status;
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			system_call(id, run, outcome);
			ptrace(PTRACE_SYSCALL, id, NULL, NULL);
		} else if (status >> 16 || WSTOPSIG(status) == SIGSTOP) {
			ptrace(PTRACE_SYSCALL, id, NULL, NULL); /* a new thread */
		} else {
			ptrace(PTRACE_SYSCALL, id, NULL, (void *)(long)WSTOPSIG(status));
		}
	}
}

static bool is_same(const struct termios *left, const struct termios *right)
{
	return left->c_iflag == right->c_iflag && left->c_oflag == right->c_oflag &&
	       left->c_cflag == right->c_cflag && left->c_lflag == right->c_lflag &&
	       !memcmp(left->c_cc, right->c_cc, sizeof left->c_cc);
}

static void run_once(char **command, struct run *run, struct outcome *outcome)
{
	int out = open("/tmp", O_TMPFILE | O_RDWR, 0600),
	    err = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	int status;
	pid_t id;
	struct termios after = { 0 };

	*outcome = (struct outcome){ .call = -1 };
	memset(tracees, 0, sizeof tracees);
	impatient = 0;
	if (at_terminal)
		tcsetattr(terminal, TCSANOW, &mode);
	id = (pid_t)syscall(SYS_clone, SIGCHLD | (as_pid1 ? CLONE_NEWPID | CLONE_NEWNS : 0), 0, 0,
			    0, 0);
	if (id == 0)
		become(command, out, err);
	command_id = id;
	if (id < 0 || waitpid(id, &status, __WALL) != id || !WIFSTOPPED(status))
		fail(command[0]);
	ptrace(PTRACE_SETOPTIONS, id, NULL,
	       PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
		       PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL);
	ptrace(PTRACE_SYSCALL, id, NULL, NULL);
	alarm(PATIENCE);
	status = follow(id, run, outcome);
	alarm(0);
	/* What is left, be it that a failure has left it. */
	for (size_t i = 0; i < sizeof tracees / sizeof *tracees; i++)
		if (tracees[i].id > 0)
			kill(tracees[i].id, SIGKILL);
	for (int left; (id = waitpid(-1, &left, __WALL)) > 0;)
		if (WIFSTOPPED(left))
			kill(id, SIGKILL);
	outcome->status = status == -1		? -1
			  : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
						: WEXITSTATUS(status);
	if (at_terminal) {
		tcgetattr(terminal, &after);
		outcome->terminal_changed = !is_same(&after, &mode);
	}
	read_file(out, outcome->out);
	read_file(err, outcome->err);
	close(out);
	close(err);
}

/* Was it refused, and this much of its output all there is? */
static bool is_refusal(const struct outcome *outcome, const struct outcome *wanted)
{
	static const int statuses[] = { 65, 69, 70, 75 };
	size_t printed = strlen(outcome->out);

	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		char line[64];
		const char *at;

		/* As PID 1 it tells by its last line. */
		snprintf(line, sizeof line, "nestling: exit status %d\n", statuses[i]);
		at = as_pid1 ? strstr(outcome->out, line) : NULL;
		if (at)
			printed = (size_t)(at - outcome->out);
		if (at || outcome->status == statuses[i])
			return *outcome->err && !strncmp(outcome->out, wanted->out, printed);
	}
	return false;
}

/* NULL if it may not end like this. */
static const char *judge(const struct outcome *outcome, const struct outcome *wanted)
{
	if (outcome->terminal_changed && outcome->call != SYS_ioctl)
		return NULL; /* that is the call which would have restored it */
	/* PID 1 that may not power off ends like another program. */
	if ((outcome->status == wanted->status || (as_pid1 && outcome->status == 0)) &&
	    !strcmp(outcome->out, wanted->out))
		return *outcome->err ? "said" : "same";
	return is_refusal(outcome, wanted) ? "refused" : NULL;
}

/* Was it killed for the call that it was made to make, and its terminal restored? */
static const char *judge_hostile(const struct outcome *outcome)
{
	char message[64], line[64];

	snprintf(message, sizeof message, "system call %d is not allowed", forbidden->other);
	snprintf(line, sizeof line, "nestling: exit status %d\n", 128 + SIGSYS);
	if (outcome->terminal_changed || !strstr(outcome->err, message))
		return NULL;
	return (as_pid1 ? strstr(outcome->out, line) != NULL : outcome->status == 128 + SIGSYS)
		       ? "killed"
		       : NULL;
}

static unsigned bad, tried;

/* All faults of the call that is made for the time number `repeat`: a row of the table. */
static void try_call(char **command, uint64_t call, int repeat, const struct outcome *wanted)
{
	static struct outcome outcome;
	static struct run run;
	const char *name = call_names[call & 0xffff];
	char row[256];
	int length = 0;

	for (size_t i = 0; i < (is_hostile ? 1 : sizeof faults / sizeof *faults); i++) {
		const struct fault *fault = is_hostile ? forbidden : &faults[i];
		const char *verdict;

		run = (struct run){ .fault = fault, .call = call, .before = repeat };
		run_once(command, &run, &outcome);
		if (!outcome.tampered)
			continue;
		tried++;
		verdict = is_hostile ? judge_hostile(&outcome) : judge(&outcome, wanted);
		length += snprintf(row + length, sizeof row - (size_t)length, " %s %s", fault->name,
				   verdict		? verdict
				   : outcome.status < 0 ? "HUNG"
							: "BAD");
		if (verdict)
			continue;
		bad++;
		printf("# %s, time %d, %s: status %d, terminal %s\n# out: %s\n# err: %s\n", name,
		       repeat, fault->name, outcome.status,
		       outcome.terminal_changed ? "changed" : "as before", outcome.out,
		       outcome.err);
	}
	if (length)
		printf("# %3d %-16s%s\n", repeat, name, row);
	fflush(stdout);
}

static void open_terminal(void)
{
	outer = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (outer < 0 || grantpt(outer) < 0 || unlockpt(outer) < 0)
		fail("/dev/ptmx");
	terminal = open(ptsname(outer), O_RDWR | O_NOCTTY);
	/* Twice: the kernel may not take all that it has told. */
	if (terminal < 0 || tcgetattr(terminal, &mode) < 0 ||
	    tcsetattr(terminal, TCSANOW, &mode) < 0 || tcgetattr(terminal, &mode) < 0)
		fail("terminal");
}

int main(int argc, char **argv)
{
	static struct outcome wanted;
	static struct run run = { .fault = faults, .before = NEVER };
	const char *name = argv[1];
	char **command = argv + 2;
	struct sigaction action = { .sa_handler = on_alarm };

	(void)argc;
	for (; **command == '-'; command++) {
		as_pid1 |= !strcmp(*command, "-p");
		at_terminal |= !strcmp(*command, "-t");
		is_hostile |= !strcmp(*command, "-f");
	}
	sigaction(SIGALRM, &action, NULL);
	if (at_terminal)
		open_terminal();
	run_once(command, &run, &wanted);
	printf("# undisturbed: status %d, %d calls\n", wanted.status, run.count);
	if (as_pid1 ? !strstr(wanted.out, "nestling: exit status 0\n") : wanted.status != 0)
		bad++;
	for (int i = 0; i < run.count; i++) {
		int repeat = 0;

		for (int j = 0; j < i; j++)
			repeat += run.calls[j] == run.calls[i];
		if (repeat < REPEATS)
			try_call(command, run.calls[i], repeat, &wanted);
	}
	printf("# %u failures of %d calls\n%sok %s\n", tried, run.count,
	       bad || !tried ? "not " : "", name);
	return 0;
}
