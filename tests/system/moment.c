// SPDX-License-Identifier: MIT
/*
 * Sends a guest's monitor SIGUSR1 at a moment of the guest's run: moment FILE DELAY COMMAND..., so
 * many nanoseconds after the guest has begun to run; never, if DELAY is 0. Writes to FILE how many
 * nanoseconds the guest has run in all. The status is COMMAND's.
 *
 * On a host whose clock counts instructions the moment is the same each time.
 *
 * Who runs it: moments-cases.sh, in the host. A static program with musl's libc.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000l
#define POLL_NS 50000

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / NS_PER_S),
				 .tv_nsec = (long)(ns % NS_PER_S) };

	nanosleep(&time, NULL);
}

/* The filter of the monitor's first thread is what it sets up last (proc(5), Seccomp). */
static bool has_begun(pid_t process)
{
	char line[128];
	bool begun = false;
	FILE *status;

	snprintf(line, sizeof line, "/proc/%d/status", process);
	status = fopen(line, "r");
	if (!status)
		return false;
	while (fgets(line, sizeof line, status))
		begun |= strncmp(line, "Seccomp:\t2", 10) == 0;
	fclose(status);
	return begun;
}

/* Waits until the guest runs, or until its monitor has ended, which this leaves to be waited for.
 */
static void wait_for_begin(pid_t process)
{
	siginfo_t info = { 0 };

	while (!has_begun(process)) {
		waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT);
		if (info.si_pid)
			return;
		sleep_ns(POLL_NS);
	}
}

int main(int argc, char **argv)
{
	uint64_t delay = argc > 3 ? strtoull(argv[2], NULL, 10) : 0, begun;
	int status;
	FILE *file;
	pid_t child;

	if (argc <= 3 || (child = fork()) < 0)
		return 64;
	if (child == 0) {
		execvp(argv[3], argv + 3);
		_exit(127);
	}
	wait_for_begin(child);
	begun = now();
	if (delay) {
		sleep_ns(delay);
		kill(child, SIGUSR1); /* if it has ended, nobody has waited for it yet */
	}
	if (waitpid(child, &status, 0) != child)
		return 1;
	file = fopen(argv[1], "w");
	if (!file || fprintf(file, "%" PRIu64 "\n", now() - begun) < 0 || fclose(file) != 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
