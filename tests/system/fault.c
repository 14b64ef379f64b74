// SPDX-License-Identifier: MIT
/*
 * Makes a program's system calls fail: fault NAME [-f] COMMAND...
 *
 * Runs COMMAND in three ways: as from a script; with a terminal as its input, whose mode must be
 * restored at the end; and as PID 1 of a namespace. In each way it first runs undisturbed, and then
 * again and again, each time with one of its system calls failing with one of the errors below
 * (ptrace(2)), or transferring only one byte. The outcome must be one of these:
 *   same      its output and status are those of the undisturbed run: the failure was survived
 *   said      the same, with a message on standard error
 *   refused   one of nestling's own statuses, a message, and output that is a beginning of the
 *             undisturbed run's
 *
 * Calls are identified by number and arguments, not by their order, which depends on scheduling. A
 * call that has failed with every error in one way fails with only some of them in the next ways,
 * because the code that handles the error is the same, and only the clean-up differs. Prints a row
 * for each system call, then for each way "ok NAME: WAY" or "not ok NAME: WAY".
 *
 * With -f each call in the sandbox is instead replaced by one that no sandbox allows: the program
 * must name the call, and be killed by SIGSYS.
 *
 * Who runs it: fault-cases.sh and sandbox-cases.sh, in the host. A static program with musl's libc.
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

#undef prlimit64 /* musl defines it as prlimit, but the system call has this name */

#define MAX_CALLS 1000
#define REPEATS                                                                                    \
	2 /* of the same call that are disturbed; one for each byte of output would be too many */
#define MAX_OUTPUT 4096
#define PATIENCE 30 /* seconds of the host; only a hang takes that long */
#define NEVER (-1)

/* How a call is disturbed. */
static const struct fault {
	const char *name;
	int error; /* 0: it transfers one byte */
	int other; /* system call that replaces it */
	bool once; /* in one way only */
} faults[] = {
	{ "ENOMEM", .error = ENOMEM, .once = true },
	{ "EINTR", .error = EINTR },
	{ "EAGAIN", .error = EAGAIN, .once = true },
	{ "EIO", .error = EIO },
	{ "EPERM", .error = EPERM, .once = true },
	{ "ENOSPC", .error = ENOSPC, .once = true },
	{ "short", .error = 0 },
};

static const char *const call_names[512] = {
#define SYSCALL(count, roles, name, ...) [SYS_##name] = #name,
	SYSCALL_LIST
#undef SYSCALL
};

struct outcome {
	int status; /* as in a shell; -1: it hung */
	bool tampered, terminal_changed;
	int call; /* the call that was disturbed */
	char out[MAX_OUTPUT], err[MAX_OUTPUT];
};

/* A run of the command. */
struct run {
	const struct fault *fault;
	uint64_t call; /* identity of the call to disturb */
	int before;    /* how often that call is made undisturbed before; NEVER: always */
	bool is_over;  /* that call has been made: later ones are ignored */
	int count;     /* calls that could be disturbed, and their identities */
	uint64_t calls[MAX_CALLS];
};

static const struct fault forbidden[] = { { .name = "forbidden", .other = SYS_socket } };

/* How the command is run. */
static const struct way {
	const char *name;
	bool as_pid1, at_terminal;
} ways[] = {
	{ "from a script", false, false },
	{ "at a terminal", false, true },
	{ "as PID 1", true, false },
};

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
	ssize_t n = pread(fd, text, MAX_OUTPUT - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
}

/* In the child: executes the command. */
static _Noreturn void become(char **command, int out, int err)
{
	int null = open("/dev/null", O_RDWR);

	dup2(at_terminal ? terminal : null, 0);
	dup2(out, 1);
	dup2(err, 2);
	if (as_pid1)
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	personality(ADDR_NO_RANDOMIZE);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL); /* stops after execve */
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

/* Does this thread have a seccomp filter, and is it not the parent that waits for the monitor? */
static bool is_in_sandbox(pid_t id)
{
	char path[64], text[MAX_OUTPUT] = "";
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

/* Can the call be disturbed like this? Saves runs that would only find that it cannot. */
static bool can_fail(const struct fault *fault, long number)
{
	if (number == SYS_exit_group || number == SYS_rt_sigreturn || number == SYS_getpid)
		return false;
	return fault->error || fault->other || number == SYS_read || number == SYS_write;
}

/* At the entry of the call: replaces it by one that does nothing, or shortens it to one byte. False
 * if that is not possible. */
static bool disturb(pid_t id, const struct fault *fault)
{
	struct user_regs_struct registers;
	struct iovec vector = registers_of(id, &registers);
	int instead = fault->other ? fault->other : SYS_write;
	struct iovec call = { &instead, sizeof instead };

	if (fault->other)
		return ptrace(PTRACE_SETREGSET, id, NT_ARM_SYSTEM_CALL, &call) == 0;
	if (fault->error) { /* by descriptor -1, which every sandbox allows */
		registers.regs[0] = (unsigned long long)-1;
		return ptrace(PTRACE_SETREGSET, id, NT_PRSTATUS, &vector) == 0 &&
		       ptrace(PTRACE_SETREGSET, id, NT_ARM_SYSTEM_CALL, &call) == 0;
	}
	/* A counter's 8 bytes cannot be divided; a transfer of one byte cannot be shortened. */
	if (registers.regs[2] <= 1 || registers.regs[2] == 8)
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

/* The identity of a call: its number, its first argument, and ioctl's request. Addresses are the
 * same in every run. */
static uint64_t identity(const struct user_regs_struct *registers)
{
	return registers->regs[8] | registers->regs[0] << 16 |
	       (registers->regs[8] == SYS_ioctl ? registers->regs[1] << 32 : 0);
}

/* Handles the entry or exit of a tracee's system call. Only calls that could be disturbed are
 * counted, because the order among all calls depends on scheduling. */
static void system_call(pid_t id, struct run *run, struct outcome *outcome)
{
	struct tracee *self = tracee(id);
	struct user_regs_struct registers;

	self->inside = !self->inside;
	if (!self->inside) {
		if (self->disturbed && run->fault->error)
			finish(id, run->fault);
		run->is_over |= self->disturbed;
		self->disturbed = false;
		return;
	}
	registers_of(id, &registers);
	if (outcome->call >= 0 || (run->before != NEVER && identity(&registers) != run->call) ||
	    (is_hostile && !is_in_sandbox(id)))
		return;
	if (run->before == NEVER) {
		if (run->count < MAX_CALLS)
			run->calls[run->count++] = identity(&registers);
	} else if (run->before-- == 0) {
		outcome->call = (int)registers.regs[8];
		self->disturbed = outcome->tampered = disturb(id, run->fault);
		run->is_over = !outcome->tampered;
	}
}

/* Traces the command until it ends. Returns its wait status, or -1 if it takes too long. */
static int follow(pid_t command, struct run *run, struct outcome *outcome)
{
	for (;;) {
		int status;
		long signal;
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
		signal = 0;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			system_call(id, run, outcome);
		else if (!(status >> 16) &&
			 WSTOPSIG(status) != SIGSTOP) /* not a new thread's first stop */
			signal = WSTOPSIG(status);
		ptrace(run->is_over ? PTRACE_CONT : PTRACE_SYSCALL, id, NULL, (void *)signal);
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
	/* Ends processes that are left, perhaps because of the failure. */
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

/* Was it refused, with output that is a beginning of the undisturbed run's? */
static bool is_refusal(const struct outcome *outcome, const struct outcome *wanted)
{
	static const int statuses[] = { 65, 69, 70, 75 };
	size_t printed = strlen(outcome->out);

	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		char line[64];
		const char *at;

		/* As PID 1 its last line has the status. */
		snprintf(line, sizeof line, "nestling: exit status %d\n", statuses[i]);
		at = as_pid1 ? strstr(outcome->out, line) : NULL;
		if (at)
			printed = (size_t)(at - outcome->out);
		if (at || outcome->status == statuses[i])
			return *outcome->err && !strncmp(outcome->out, wanted->out, printed);
	}
	return false;
}

/* Classifies the outcome; NULL if it is not allowed. */
static const char *judge(const struct outcome *outcome, const struct outcome *wanted)
{
	if (outcome->terminal_changed && outcome->call != SYS_ioctl)
		return NULL; /* the failed call would have restored the mode */
	/* If PID 1 fails to power off, it ends like another program. */
	if ((outcome->status == wanted->status || (as_pid1 && outcome->status == 0)) &&
	    !strcmp(outcome->out, wanted->out))
		return *outcome->err ? "said" : "same";
	return is_refusal(outcome, wanted) ? "refused" : NULL;
}

/* Was it killed for the replaced call, and its terminal restored? */
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

/* Has the call failed with every error in an earlier way? Different addresses in arguments make no
 * difference. */
static bool is_known(uint64_t call, bool add)
{
	static uint64_t known[MAX_CALLS];
	static int count;
	uint64_t kind = (call & 0xffff) == SYS_ioctl ? call & ~0xffff0000ull : call & 0xffff;

	for (int i = 0; i < count; i++)
		if (known[i] == kind)
			return true;
	if (add && count < MAX_CALLS)
		known[count++] = kind;
	return false;
}

/* Disturbs one call, made for the time number `repeat`, in one way. Returns the outcome for the
 * call's row; nothing if it could not be disturbed like that. */
static const char *try_fault(char **command, const struct run *run, const struct outcome *wanted)
{
	static struct outcome outcome;
	static struct run copy;
	const char *verdict;

	copy = *run;
	run_once(command, &copy, &outcome);
	if (!outcome.tampered)
		return NULL;
	tried++;
	verdict = is_hostile ? judge_hostile(&outcome) : judge(&outcome, wanted);
	if (verdict)
		return verdict;
	bad++;
	printf("# %s, time %d, %s: status %d, terminal %s\n# out: %s\n# err: %s\n",
	       call_names[run->call & 0xffff], run->before, run->fault->name, outcome.status,
	       outcome.terminal_changed ? "changed" : "as before", outcome.out, outcome.err);
	return outcome.status < 0 ? "HUNG" : "BAD";
}

/* Tries all faults of a call, and prints its row of the table. */
static void try_call(char **command, uint64_t call, int repeat, const struct outcome *wanted)
{
	static struct run run;
	char row[256];
	int length = 0;
	bool again = is_known(call, false);

	for (size_t i = 0; i < (is_hostile ? 1 : sizeof faults / sizeof *faults); i++) {
		const char *verdict;

		run = (struct run){ .fault = is_hostile ? forbidden : &faults[i],
				    .call = call,
				    .before = repeat };
		if (!can_fail(run.fault, (long)(call & 0xffff)) || (again && run.fault->once))
			continue;
		verdict = try_fault(command, &run, wanted);
		if (verdict)
			length += snprintf(row + length, sizeof row - (size_t)length, " %s %s",
					   run.fault->name, verdict);
	}
	if (length)
		printf("# %3d %-16s%s\n", repeat, call_names[call & 0xffff], row);
	fflush(stdout);
}

static void open_terminal(void)
{
	outer = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (outer < 0 || grantpt(outer) < 0 || unlockpt(outer) < 0)
		fail("/dev/ptmx");
	terminal = open(ptsname(outer), O_RDWR | O_NOCTTY | O_CLOEXEC);
	/* The mode is set and read again, because a terminal need not keep all of it. */
	if (terminal < 0 || tcgetattr(terminal, &mode) < 0 ||
	    tcsetattr(terminal, TCSANOW, &mode) < 0 || tcgetattr(terminal, &mode) < 0)
		fail("terminal");
}

/* How often this call was made before. */
static int repeats(const struct run *run, int i)
{
	int repeat = 0;

	for (int j = 0; j < i; j++)
		repeat += run->calls[j] == run->calls[i];
	return repeat;
}

static void try_way(const char *name, const struct way *way, char **command)
{
	static struct outcome wanted;
	static struct run run;

	as_pid1 = way->as_pid1;
	at_terminal = way->at_terminal;
	bad = tried = 0;
	run = (struct run){ .fault = faults, .before = NEVER };
	run_once(command, &run, &wanted);
	printf("# undisturbed: status %d, %d calls\n", wanted.status, run.count);
	if (as_pid1 ? !strstr(wanted.out, "nestling: exit status 0\n") : wanted.status != 0)
		bad++;
	for (int i = 0; i < run.count; i++)
		if (repeats(&run, i) < REPEATS)
			try_call(command, run.calls[i], repeats(&run, i), &wanted);
	for (int i = 0; i < run.count; i++)
		is_known(run.calls[i], true);
	printf("# %u failures of %d calls\n%sok %s: %s\n", tried, run.count,
	       bad || !tried ? "not " : "", name, way->name);
}

int main(int argc, char **argv)
{
	const char *name = argv[1];
	char **command = argv + 2;
	struct sigaction action = { .sa_handler = on_alarm };

	(void)argc;
	is_hostile = !strcmp(*command, "-f");
	command += is_hostile;
	sigaction(SIGALRM, &action, NULL);
	open_terminal();
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		try_way(name, &ways[i], command);
	return 0;
}
