// SPDX-License-Identifier: MIT
/*
 * Measures when a program prints.
 *
 * listen delay COMMAND...: COMMAND runs payload silence. Prints the longest time that an x took to
 * arrive, in microseconds; then, when the payload has been idle for a while, the number of context
 * switches of its threads in a second, and ends it.
 *
 * listen kill COUNT COMMAND...: copies COMMAND's output, and sends it SIGTERM a millisecond after
 * COUNT bytes have arrived. The status is COMMAND's.
 *
 * Who runs it: print-cases.sh, in the host. A static program with musl's libc.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000l

static uint64_t counter(void)
{
	uint64_t value;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value));
	return value;
}

static uint64_t frequency(void)
{
	uint64_t value;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(value));
	return value;
}

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(99);
}

static void nap(long nanoseconds)
{
	struct timespec time = { nanoseconds / 1000000000, nanoseconds % 1000000000 };

	nanosleep(&time, NULL);
}

/* Starts the command with its output in a pipe. Returns its process id. */
static pid_t start(char **command, int *output)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		fail("pipe");
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execvp(command[0], command);
		fail(command[0]);
	}
	close(ends[1]);
	*output = ends[0];
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0)
		fail("waitpid");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The number of context switches of a process's threads. */
static unsigned long switches(pid_t pid)
{
	char path[300], line[200];
	unsigned long sum = 0;
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof path, "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		fail(path);
	while ((entry = readdir(tasks))) {
		FILE *file;

		snprintf(path, sizeof path, "/proc/%d/task/%s/status", pid, entry->d_name);
		file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
		while (file && fgets(line, sizeof line, file))
			if (strstr(line, "ctxt_switches:"))
				sum += strtoul(strchr(line, ':') + 1, NULL, 10);
		if (file)
			fclose(file);
	}
	closedir(tasks);
	return sum;
}

static int measure_delays(char **command)
{
	uint64_t arrived = 0, longest = 0, number = 0;
	unsigned long before;
	char c;
	int output;
	pid_t pid = start(command, &output);

	while (read(output, &c, 1) == 1 && c != 'i') {
		if (c == 'x')
			arrived = counter();
		if (c >= '0' && c <= '9')
			number = number * 10 + (uint64_t)(c - '0');
		if (c != '\n')
			continue;
		if (number && arrived - number > longest)
			longest = arrived - number;
		number = 0;
	}
	printf("%lu us\n", (unsigned long)(longest * 1000000 / frequency()));
	/* stuck.c checks a silent guest during its first second. */
	nap(1500 * MS);
	before = switches(pid);
	nap(999 * MS);
	printf("%lu switches\n", switches(pid) - before);
	kill(pid, SIGTERM);
	return status_of(pid) != 128 + SIGTERM;
}

static int kill_after(size_t count, char **command)
{
	char bytes[4096];
	int output;
	pid_t pid = start(command, &output);
	size_t got = 0;
	ssize_t n;

	while ((n = read(output, bytes, sizeof bytes)) > 0) {
		if (fwrite(bytes, 1, (size_t)n, stdout) != (size_t)n)
			fail("standard output");
		if (got < count && got + (size_t)n >= count) {
			nap(MS);
			kill(pid, SIGTERM);
		}
		got += (size_t)n;
	}
	fflush(stdout);
	return status_of(pid);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "delay"))
		return measure_delays(argv + 2);
	if (argc > 3 && !strcmp(argv[1], "kill"))
		return kill_after(strtoul(argv[2], NULL, 10), argv + 3);
	fprintf(stderr, "listen: see its source for its arguments\n");
	return 99;
}
