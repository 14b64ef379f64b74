// SPDX-License-Identifier: MIT
/*
 * The line to gdb: how it is opened, and how packets are framed on it (Debugging with GDB, E.1).
 *
 * Who calls it: main opens it, the event loop passes its input, gdb.c sends replies. Touches the
 * line's descriptors.
 */
#include "crt/sys.h"
#include "gdb.h"
#include "vmm/machine/serve.h"
#include "vmm/options.h"
#include "vmm/report.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* ---- sending ---- */

/* If gdb does not read and the queue is full, the rest is dropped. A closed connection is noticed
 * by reading. */
static void send_bytes(struct gdb *gdb, const void *bytes, size_t size)
{
	if (gdb->fd >= 0)
		(void)outlet_put(&gdb->line, bytes, size);
}

void gdb_send_reply(struct gdb *gdb)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < gdb->reply_size; i++)
		sum += (uint8_t)gdb->reply[i];
	send_bytes(gdb, "$", 1);
	send_bytes(gdb, gdb->reply, gdb->reply_size);
	gdb->reply_size = (unsigned)snprintf(gdb->reply, sizeof gdb->reply, "#%02x", sum);
	send_bytes(gdb, gdb->reply, gdb->reply_size);
	gdb->reply_size = 0;
}

/* ---- receiving ---- */

int gdb_hex_digit(char c)
{
	const char *digits = "0123456789abcdefABCDEF";
	const char *digit = c ? strchr(digits, c) : NULL;

	if (!digit)
		return -1;
	return (int)(digit - digits) - (digit - digits < 16 ? 0 : 6);
}

/* A $ is never part of a packet: what was received before it was incomplete. */
static void begin_packet(struct gdb *gdb)
{
	gdb->state = TEXT;
	gdb->received = 0;
	gdb->sum = 0;
}

/*
 * Opening a terminal echoes what gdb sent before, and the pluses in gdb's first packet then look
 * like acknowledgements to gdb. After a while gdb asks for the reply again; its first packet is
 * always qSupported.
 */
static void answer_lost_packet(struct gdb *gdb)
{
	gdb->was_asked = true;
	memcpy(gdb->packet, "qSupported", sizeof "qSupported");
	gdb_packet(gdb);
}

/* A byte between packets: Ctrl-C, an acknowledgement, or noise. */
static void receive_idle(struct gdb *gdb, uint8_t byte)
{
	if (byte == '$')
		begin_packet(gdb);
	else if (byte == 3)
		gdb_interrupt(gdb);
	else if (byte == '-' && !gdb->was_asked)
		answer_lost_packet(gdb);
}

static void receive_text(struct gdb *gdb, uint8_t byte)
{
	if (byte == '$') {
		begin_packet(gdb);
	} else if (byte == '#') {
		gdb->state = CHECKSUM_HIGH;
	} else if (gdb->received < GDB_PACKET) {
		gdb->packet[gdb->received++] = (char)byte;
		gdb->sum += byte;
	} else {
		gdb->state = IDLE; /* longer than PacketSize, which we announced */
	}
}

static void end_packet(struct gdb *gdb)
{
	bool good = gdb->sum == gdb->checksum;

	gdb->state = IDLE;
	gdb->was_asked = true;
	gdb->packet[gdb->received] = '\0';
	/* Without a socket, a new gdb at the other end is only recognised by its first packet. */
	if (!strncmp(gdb->packet, "qSupported", 10))
		gdb->no_acks = gdb->awaits = false;
	if (!gdb->no_acks)
		send_bytes(gdb, good ? "+" : "-", 1);
	if (good || gdb->no_acks)
		gdb_packet(gdb);
}

void gdb_receive(struct gdb *gdb, uint8_t byte)
{
	switch (gdb->state) {
	case IDLE:
		receive_idle(gdb, byte);
		break;
	case TEXT:
		receive_text(gdb, byte);
		break;
	case CHECKSUM_HIGH:
		gdb->checksum = (uint8_t)((unsigned)gdb_hex_digit((char)byte) << 4);
		gdb->state = CHECKSUM_LOW;
		break;
	case CHECKSUM_LOW:
		gdb->checksum |= (uint8_t)gdb_hex_digit((char)byte);
		end_packet(gdb);
		break;
	}
}

/* ---- the line ---- */

static _Noreturn void die_of_line(const char *line, long error)
{
	die(STATUS_HOST, "--gdb %.200s: %s", line,
	    error == -EADDRINUSE ? "is there already, perhaps of an earlier run; remove it"
				 : error_text((int)-error));
}

/* Raw, at the speed that is usual for boards' serial ports. */
static long open_terminal(const char *path)
{
	struct termios mode = { .c_cflag = B115200 | CS8 | CREAD | CLOCAL, .c_cc[VMIN] = 1 };
	long fd = sys_openat(AT_FDCWD, path, O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
	long result;

	if (fd < 0)
		return fd;
	result = ioctl_restart((int)fd, TCSETS, (uintptr_t)&mode);
	if (result == 0) /* ask gdb to resend what came before the line was open */
		result = write_all((int)fd, "-", 1);
	return result < 0 ? result : fd;
}

static long listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	long fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long result = fd;

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	if (result >= 0)
		result = sys_bind((int)fd, &address, sizeof address);
	if (result >= 0)
		result = sys_listen((int)fd, 1);
	return result < 0 ? result : fd;
}

int gdb_inherited(const char *line)
{
	return line && !strncmp(line, "fd:", 3) ? options_descriptor(line + 3) : -1;
}

static void on_broken_pipe(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
}

void gdb_open(struct gdb *gdb, const char *line, bool holds)
{
	long fd = gdb_inherited(line);
	struct stat file;

	*gdb = (struct gdb){ .fd = -1, .listener = -1, .holds = holds };
	if (!strncmp(line, "unix:", 5)) {
		fd = gdb->listener = (int)listen_at(line + 5);
	} else {
		gdb->fd = (int)fd;
		if (fd < 0)
			fd = gdb->fd = (int)open_terminal(line);
		else
			fd = sys_fstat((int)fd, &file); /* checks that it is open */
	}
	if (fd < 0)
		die_of_line(line, fd);
	outlet_open(&gdb->line, (int)fd, "gdb's line");
	/* The peer may have closed the line: then a write shall fail rather than kill. */
	signal_catch(SIGPIPE, on_broken_pipe);
}

static void accept_connection(struct gdb *gdb)
{
	long fd = sys_accept4(gdb->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		gdb->fd = gdb->line.fd = gdb->input.fd = gdb->output.fd = (int)fd;
	else if (fd != -EINTR && fd != -EAGAIN && fd != -ECONNABORTED)
		report("--gdb: accept4: %s; nobody is let in", error_text((int)-fd));
}

static void disconnect(struct gdb *gdb)
{
	sys_close(gdb->fd);
	gdb->fd = -1;
	gdb->input.fd = gdb->listener;
	gdb->line.count = 0; /* the next connection does not get unread replies */
	gdb->line.discard = false;
	gdb->state = IDLE;
	gdb_detach(gdb);
}

static short wanted_events(void *opaque)
{
	const struct gdb *gdb = opaque;

	return gdb->is_over ? 0 : POLLIN;
}

static void take_input(void *opaque, short events)
{
	struct gdb *gdb = opaque;
	uint8_t bytes[512] = { 0 };
	long n;

	(void)events;
	if (gdb->fd < 0) {
		accept_connection(gdb);
		return;
	}
	n = sys_read(gdb->fd, bytes, sizeof bytes);
	if (n == -EINTR || n == -EAGAIN)
		return;
	if (n <= 0)
		disconnect(gdb);
	for (long i = 0; i < n; i++)
		gdb_receive(gdb, bytes[i]);
}

void gdb_attach_line(struct gdb *gdb)
{
	struct run *run = gdb->run;

	gdb->input = (struct loop_source){
		.fd = gdb->fd >= 0 ? gdb->fd : gdb->listener,
		.events = wanted_events,
		.ready = take_input,
		.context = gdb,
	};
	loop_add_source(&run->loop, &gdb->input);
	/* `by` is 0, so this outlet never holds vCPUs: gdb itself pauses them. */
	serve_outlet(run, &gdb->output, &gdb->line,
		     (struct outlet_room){ .ring = gdb->unsent,
					   .size = sizeof gdb->unsent,
					   .hold_at = sizeof gdb->unsent });
}
