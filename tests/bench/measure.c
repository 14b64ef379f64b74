// SPDX-License-Identifier: MIT
/*
 * Measures a monitor from outside: measure WHAT COMMAND..., where COMMAND runs a guest. Prints, for
 * WHAT:
 *
 * start N: nanoseconds from execve to the guest's first instruction, whose counter payload first
 * prints: the minimum of N runs, because the host's timer ticks add to some.
 *
 * whole: nanoseconds from execve to the end.
 *
 * entry N: nanoseconds from execve to the first entry of a CPU into the guest, by the host kernel's
 * trace: the minimum of N runs. The guest goes on until it answers a key.
 *
 * answer N: nanoseconds from execve to the first byte that the guest prints, which has a key to
 * read: the minimum of N runs.
 *
 * reset N: nanoseconds from a guest's reset to its first instruction thereafter, both of which
 * payload again prints: the minimum of N resets.
 *
 * calls: how many different system calls are made before the guest runs, and how many in all.
 *
 * memory M: bytes resident, but for the guest's M MiB of RAM, once the guest has printed something.
 *
 * Who runs it: rows.sh, in the host. A static program with musl's libc.
 */
#define _GNU_SOURCE
#include "counter.h"

#include <elf.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT "/tmp/output" /* of the command, in a tmpfs */
#define TRACING "/sys/kernel/tracing/"
#define NS_PER_S 1000000000u
#define MAX_CALLS 512

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Starts the command, on these descriptors, which it closes here. `before`, shared with it, gets
 * the time just before execve. */
static pid_t start_on(int in, int out, char **command, volatile uint64_t *before, bool is_traced)
{
	pid_t child = fork();

	if (in < 0 || out < 0 || child < 0)
		fail("fork, " OUTPUT);
	if (child > 0) {
		close(in);
		close(out);
		return child;
	}
	dup2(in, 0);
	dup2(out, 1);
	if (is_traced)
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	*before = counter();
	execvp(command[0], command);
	fail(command[0]);
}

static pid_t start(char **command, volatile uint64_t *before, bool is_traced)
{
	return start_on(open("/dev/null", O_RDWR | O_CLOEXEC),
			open(OUTPUT, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), command,
			before, is_traced);
}

static void end(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) < 0 || status != 0) {
		fprintf(stderr, "measure: it ended with %#x\n", (unsigned)status);
		exit(1);
	}
}

/* Returns the counter at the guest's first instruction. */
static uint64_t first_instruction(void)
{
	char text[32] = "";
	FILE *output = fopen(OUTPUT, "r");

	if (!output || !fgets(text, sizeof text, output) || !strchr(text, '\n'))
		fail("payload first's output");
	fclose(output);
	return strtoull(text, NULL, 16);
}

static void measure_start(char **command, volatile uint64_t *before)
{
	uint64_t least = ~0ull;

	for (long runs = strtol(*command++, NULL, 10); runs > 0; runs--) {
		uint64_t time;

		end(start(command, before, false));
		time = first_instruction() - *before;
		if (time < least)
			least = time;
	}
	printf("%" PRIu64 "\n", nanoseconds(least));
}

static void measure_whole(char **command, volatile uint64_t *before)
{
	end(start(command, before, false));
	printf("%" PRIu64 "\n", nanoseconds(counter() - *before));
}

/* ---- a guest that is resumed ---- */

/* Runs the command until it answers a key; returns the counter at that moment. */
static uint64_t run_to_answer(char **command, volatile uint64_t *before)
{
	int keys[2], answers[2];
	uint64_t at;
	pid_t child;
	char byte;

	if (pipe2(keys, O_CLOEXEC) < 0 || pipe2(answers, O_CLOEXEC) < 0 ||
	    write(keys[1], "x", 1) != 1)
		fail("pipe");
	child = start_on(keys[0], answers[1], command, before, false);
	if (read(answers[0], &byte, 1) != 1 || byte != 'x')
		fail("no answer");
	at = counter();
	kill(child, SIGKILL);
	if (waitpid(child, NULL, 0) < 0)
		fail("waitpid");
	close(keys[1]);
	close(answers[0]);
	return at;
}

static void measure_answer(char **command, volatile uint64_t *before)
{
	uint64_t least = ~0ull;

	for (long runs = strtol(*command++, NULL, 10); runs > 0; runs--) {
		uint64_t time = run_to_answer(command, before) - *before;

		if (time < least)
			least = time;
	}
	printf("%" PRIu64 "\n", nanoseconds(least));
}

static void set_tracing(const char *name, const char *value)
{
	FILE *file = fopen(name, "w");

	if (!file || fputs(value, file) < 0 || fclose(file) != 0)
		fail(name);
}

/* The time of the first event, in nanoseconds of CLOCK_MONOTONIC_RAW; the file has microseconds. */
static uint64_t first_event(void)
{
	FILE *file = fopen(TRACING "trace", "r");
	uint64_t seconds = 0, micros = 0;
	char line[256], *time;

	if (!file)
		fail(TRACING "trace");
	while (fgets(line, sizeof line, file))
		if (*line != '#') {
			/* COMMAND-PID [CPU] FLAGS SECONDS.MICROSECONDS: */
			time = strchr(line, '.');
			while (time && !isdigit(time[1]))
				time = strchr(time + 1, '.');
			if (!time)
				fail(TRACING "trace");
			micros = strtoull(time + 1, NULL, 10);
			while (isdigit(time[-1]))
				time--;
			seconds = strtoull(time, NULL, 10);
			break;
		}
	fclose(file);
	return seconds * NS_PER_S + micros * 1000;
}

/* How far that clock is before the counter's time; both run at the same rate. */
static int64_t clock_offset(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (int64_t)((uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec) -
	       (int64_t)nanoseconds(counter());
}

static void measure_entry(char **command, volatile uint64_t *before)
{
	uint64_t least = ~0ull;

	set_tracing(TRACING "trace_clock", "mono_raw");
	set_tracing(TRACING "options/overwrite", "0"); /* it keeps the oldest */
	set_tracing(TRACING "events/kvm/kvm_entry/enable", "1");
	for (long runs = strtol(*command++, NULL, 10); runs > 0; runs--) {
		uint64_t time;

		set_tracing(TRACING "trace", "");
		(void)run_to_answer(command, before);
		time = first_event() - (nanoseconds(*before) + (uint64_t)clock_offset());
		if (time < least)
			least = time;
	}
	set_tracing(TRACING "events/kvm/kvm_entry/enable", "0");
	printf("%" PRIu64 "\n", least);
}

static void measure_reset(char **command, volatile uint64_t *before)
{
	int keys[2], out = open(OUTPUT, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t least = ~0ull, at = 0, reset = 0;
	char line[64];
	FILE *output;
	pid_t child;

	if (pipe2(keys, O_CLOEXEC) < 0)
		fail("pipe");
	for (long resets = strtol(*command++, NULL, 10); resets > 0; resets--)
		if (write(keys[1], "r", 1) != 1)
			fail("pipe");
	if (write(keys[1], "q", 1) != 1)
		fail("pipe");
	child = start_on(keys[0], out, command, before, false);
	close(keys[1]);
	end(child);
	output = fopen(OUTPUT, "r");
	if (!output)
		fail(OUTPUT);
	while (fgets(line, sizeof line, output))
		if (strncmp(line, "reset ", 6) == 0) {
			reset = strtoull(line + 6, NULL, 10);
		} else if (strncmp(line, "start ", 6) == 0) {
			at = strtoull(line + 6, NULL, 10);
			if (reset && at - reset < least)
				least = at - reset;
		}
	fclose(output);
	printf("%" PRIu64 "\n", nanoseconds(least));
}

/* ---- system calls ---- */

/* Waits until any thread makes a system call or returns from one; threads that stop for another
 * reason are continued. */
static pid_t next_call(struct __ptrace_syscall_info *info)
{
	for (;;) {
		int status;
		pid_t thread = waitpid(-1, &status, __WALL);
		int number;

		if (thread < 0)
			fail("no KVM_RUN: waitpid");
		if (!WIFSTOPPED(status))
			continue;
		number = WSTOPSIG(status);
		if (number == (SIGTRAP | 0x80)) {
			ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof *info, info);
			return thread;
		}
		if (number == SIGTRAP || number == SIGSTOP)
			number = 0;
		ptrace(PTRACE_SYSCALL, thread, NULL, (void *)(long)number);
	}
}

static void measure_calls(char **command, volatile uint64_t *before)
{
	static bool seen[MAX_CALLS];
	struct __ptrace_syscall_info info = { 0 };
	unsigned different = 0, calls = 0;
	pid_t child = start(command, before, true);

	if (waitpid(child, NULL, 0) < 0)
		fail("waitpid");
	ptrace(PTRACE_SETOPTIONS, child, NULL,
	       (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
			PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL));
	ptrace(PTRACE_SYSCALL, child, NULL, NULL);
	for (;;) {
		pid_t thread = next_call(&info);

		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr < MAX_CALLS) {
			if (info.entry.nr == SYS_ioctl && info.entry.args[1] == KVM_RUN)
				break;
			different += !seen[info.entry.nr];
			seen[info.entry.nr] = true;
			calls++;
		}
		ptrace(PTRACE_SYSCALL, thread, NULL, NULL);
	}
	printf("%u %u\n", different, calls);
}

/* ---- memory ---- */

#define MAX_MAPPINGS 1000

struct mapping {
	uint64_t from, to, resident;
};

/* Reads the mappings from /proc/PID/smaps (proc(5)), because VmHWM and RssAnon are wrong for small
 * processes. */
static size_t read_mappings(pid_t process, struct mapping *mappings)
{
	char line[512], *rest;
	size_t count = 0;
	FILE *smaps;

	snprintf(line, sizeof line, "/proc/%d/smaps", process);
	smaps = fopen(line, "r");
	if (!smaps)
		fail(line);
	while (fgets(line, sizeof line, smaps) && count < MAX_MAPPINGS) {
		uint64_t from = strtoull(line, &rest, 16);

		if (*rest == '-')
			mappings[count++] =
				(struct mapping){ from, strtoull(rest + 1, NULL, 16), 0 };
		else if (count > 0 && strncmp(line, "Rss:", 4) == 0)
			mappings[count - 1].resident = strtoull(line + 4, NULL, 10) << 10;
	}
	fclose(smaps);
	return count;
}

/*
 * The guest's RAM ends with the largest mapping, or the last of several that large; the payload, or
 * the part with small pages, may be a separate mapping.
 */
static void measure_memory(char **command, volatile uint64_t *before)
{
	static struct mapping mappings[MAX_MAPPINGS];
	const struct mapping *largest = mappings;
	uint64_t ram = strtoull(*command++, NULL, 10) << 20, sum = 0;
	pid_t child = start(command, before, false);
	struct stat output = { .st_size = 0 };
	size_t count;

	while (output.st_size == 0 && waitpid(child, NULL, WNOHANG) == 0)
		if (stat(OUTPUT, &output) < 0)
			fail(OUTPUT);
	count = read_mappings(child, mappings);
	kill(child, SIGKILL);
	for (size_t i = 0; i < count; i++)
		if (mappings[i].to - mappings[i].from >= largest->to - largest->from)
			largest = &mappings[i];
	for (size_t i = 0; i < count; i++)
		if (mappings[i].from < largest->to - ram || mappings[i].to > largest->to)
			sum += mappings[i].resident;
	printf("%" PRIu64 "\n", sum);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *what;
		void (*measure)(char **command, volatile uint64_t *before);
	} measures[] = {
		{ "start", measure_start },   { "whole", measure_whole },
		{ "entry", measure_entry },   { "answer", measure_answer },
		{ "reset", measure_reset },   { "calls", measure_calls },
		{ "memory", measure_memory },
	};
	volatile uint64_t *before = mmap(NULL, sizeof *before, PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (before == MAP_FAILED)
		fail("mmap");
	for (size_t i = 0; argc > 2 && i < sizeof measures / sizeof *measures; i++)
		if (strcmp(argv[1], measures[i].what) == 0) {
			measures[i].measure(argv + 2, before);
			return 0;
		}
	fprintf(stderr, "measure: start, whole, entry, answer, reset, calls or memory?\n");
	return 64;
}
