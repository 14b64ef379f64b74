// SPDX-License-Identifier: MIT
/*
 * What a network costs: "packets serve" in the host answers datagrams, takes bytes and has bytes
 * for "packets", which runs in a Linux guest and prints "row NAME FIGURE" for each of these:
 * nanoseconds for a round trip, or for a KiB. Who runs it: rows.sh and net-init.
 */
#define _GNU_SOURCE
#include "counter.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST 0x0a090001 /* 10.9.0.1 */
#define ECHO_PORT 7
#define SINK_PORT 9
#define SOURCE_PORT 19

#define DATAGRAM 64 /* bytes */
#define ROUND_TRIPS 1000
#define CHUNK 65536
#define CHUNKS 128

static char buffer[CHUNK];

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int open_socket(int type, uint32_t address, uint16_t port, bool is_server)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(port),
					.sin_addr.s_addr = htonl(address) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || (is_server ? bind : connect)(fd, (const struct sockaddr *)&at, sizeof at) < 0)
		fail("socket");
	if (is_server && type == SOCK_STREAM && listen(fd, 1) < 0)
		fail("listen");
	return fd;
}

/* ---- the host ---- */

static void echo(int fd)
{
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	ssize_t n;

	while ((n = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size)) >= 0)
		sendto(fd, buffer, (size_t)n, 0, (const struct sockaddr *)&from, size);
}

/* Tells with a byte that all has come. */
static void take(int fd)
{
	size_t done = 0;
	ssize_t n;

	while (done < (size_t)CHUNKS * CHUNK && (n = read(fd, buffer, sizeof buffer)) > 0)
		done += (size_t)n;
	if (write(fd, "", 1) < 0)
		fail("write");
}

static void give(int fd)
{
	for (unsigned i = 0; i < CHUNKS; i++)
		if (write(fd, buffer, sizeof buffer) < 0)
			return;
}

static void serve_stream(uint16_t port, void (*serve)(int fd))
{
	int listener = open_socket(SOCK_STREAM, INADDR_ANY, port, true);

	if (fork() != 0) {
		close(listener);
		return;
	}
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		serve(fd);
		close(fd);
	}
}

static void serve(void)
{
	int fd = open_socket(SOCK_DGRAM, INADDR_ANY, ECHO_PORT, true);

	serve_stream(SINK_PORT, take);
	serve_stream(SOURCE_PORT, give);
	puts("serves");
	fflush(stdout);
	echo(fd);
}

/* ---- the guest ---- */

static void exchange(int fd)
{
	for (unsigned i = 0; i < ROUND_TRIPS; i++)
		if (write(fd, buffer, DATAGRAM) != DATAGRAM ||
		    read(fd, buffer, sizeof buffer) != DATAGRAM)
			fail("datagram");
}

static void send_all(int fd)
{
	give(fd);
	if (read(fd, buffer, 1) != 1)
		fail("read");
}

static void receive_all(int fd)
{
	while (read(fd, buffer, sizeof buffer) > 0)
		;
}

static const struct {
	const char *name;
	int type;
	uint16_t port;
	void (*operate)(int fd);
	unsigned units;
} kinds[] = {
	{ "net-udp", SOCK_DGRAM, ECHO_PORT, exchange, ROUND_TRIPS },
	{ "net-send", SOCK_STREAM, SINK_PORT, send_all, CHUNKS *(CHUNK / 1024) },
	{ "net-receive", SOCK_STREAM, SOURCE_PORT, receive_all, CHUNKS *(CHUNK / 1024) },
};
#define KINDS (sizeof kinds / sizeof *kinds)

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		serve();
	for (unsigned i = 0; i < 2 * KINDS; i++) {
		int fd = open_socket(kinds[i % KINDS].type, HOST, kinds[i % KINDS].port, false);
		uint64_t start = counter();

		kinds[i % KINDS].operate(fd);
		if (i >= KINDS)
			printf("row %s %" PRIu64 "\n", kinds[i % KINDS].name,
			       nanoseconds(counter() - start) / kinds[i % KINDS].units);
		close(fd);
	}
	return 0;
}
