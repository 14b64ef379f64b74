// SPDX-License-Identifier: MIT
/*
 * Measures a monitor from outside: measure WHAT COMMAND..., COMMAND with a guest. Prints, for WHAT:
 *   start N   nanoseconds from execve to the guest's first instruction, whose counter payload first
 *             prints: the least of N runs, for the host's own timer ticks come between
 *   whole     nanoseconds from execve to the end
 *   calls     how many different system calls are made before the guest runs, and how many in all
 *   memory M  bytes resident, but for the guest's M MiB of RAM, once the guest has printed
 * something
 *
 * Who runs it: rows.sh, in the host. A static program with musl's libc.
 */
#define _GNU_SOURCE
#include <elf.h>
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
#include <unistd.h>

#define OUTPUT "/tmp/output" /* of the command; a tmpfs */
#define NS_PER_S 1000000000u
#define MOST_CALLS 512

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t counter(void)
{
	uint64_t value;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value)::"memory");
	return value;
}

static uint64_t nanoseconds(uint64_t ticks)
{
	uint64_t frequency;

	__asm__("mrs %0, cntfrq_el0" : "=r"(frequency));
	return ticks * (NS_PER_S / 1000) / (frequency / 1000);
}

/* Starts the command; `before`, shared with it, then says when. */
static pid_t start(char **command, volatile uint64_t *before, bool is_traced)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int out = open(OUTPUT, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	pid_t child = fork();

	if (null < 0 || out < 0 || child < 0)
		fail("fork, " OUTPUT);
	if (child > 0) {
		close(null);
		close(out);
		return child;
	}
	dup2(null, 0);
	dup2(out, 1);
	if (is_traced)
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	*before = counter();
	execvp(command[0], command);
	fail(command[0]);
}

static void end(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) < 0 || status != 0) {
		fprintf(stderr, "measure: it ended with %#x\n", (unsigned)status);
		exit(1);
	}
}

/* The counter at the guest's first instruction. */
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

/* ---- calls ---- */

/* Waits for any of the threads to make or return from a call; whatever else it stopped for it goes
 * on from. */
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
	static bool seen[MOST_CALLS];
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

		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr < MOST_CALLS) {
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

#define MOST_MAPPINGS 1000

struct mapping {
	uint64_t from, to, resident;
};

/* What is mapped, from /proc/PID/smaps (proc(5)); VmHWM and RssAnon are wrong for small processes.
 */
static size_t read_mappings(pid_t process, struct mapping *mappings)
{
	char line[512], *rest;
	size_t count = 0;
	FILE *smaps;

	snprintf(line, sizeof line, "/proc/%d/smaps", process);
	smaps = fopen(line, "r");
	if (!smaps)
		fail(line);
	while (fgets(line, sizeof line, smaps) && count < MOST_MAPPINGS) {
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
 * The guest's RAM ends with the largest mapping, the last of several; the payload, or what has
 * small pages in it, may be one of its own.
 */
static void measure_memory(char **command, volatile uint64_t *before)
{
	static struct mapping mappings[MOST_MAPPINGS];
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
		{ "start", measure_start },
		{ "whole", measure_whole },
		{ "calls", measure_calls },
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
	fprintf(stderr, "measure: start, whole, calls or memory?\n");
	return 64;
}
