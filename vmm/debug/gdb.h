/* SPDX-License-Identifier: MIT */
/*
 * A stub for gdb (Debugging with GDB, appendix E: remote serial protocol), all-stop, one thread a
 * vCPU.
 *
 * Who uses it: main opens its line, the event loop hands it what comes in and what has stopped. A
 * guest that runs without --gdb has none of it.
 */
#ifndef VMM_GDB_H
#define VMM_GDB_H

#include "breakpoints.h"
#include "vmm/host/console.h"
#include "vmm/host/outlet.h"
#include "vmm/kvm/registers.h"
#include "vmm/machine/inspect.h"
#include "vmm/options.h"

#define GDB_FILES 2	/* descriptors: a socket's, and a connection's */
#define GDB_PACKET 4096 /* bytes between $ and #, either way */

struct gdb {
	struct debug debug;
	struct run *run;
	const struct guest_memory *flash; /* what a payload has put into the flash window */
	const struct console *console;	  /* for the figures */

	int fd; /* the line; -1: nobody is at its other end */
	struct outlet line;
	int listener; /* whom a socket's next connection comes from; -1: the line is no socket */

	bool holds;  /* the guest stands still because gdb wants so */
	bool awaits; /* gdb waits for it to stop */
	bool no_acks;
	bool was_asked; /* something, ever */
	unsigned cpu;	/* that g, m and their like mean */
	enum view view;

	/* What has come in: of a packet the text, without its frame. */
	char packet[GDB_PACKET + 1];
	unsigned received;
	enum { IDLE, TEXT, CHECKSUM_HIGH, CHECKSUM_LOW } state;
	uint8_t sum, checksum;

	char reply[GDB_PACKET + 1];
	unsigned reply_size;
	char unsent[4 *
		    GDB_PACKET]; /* for the event loop to send: gdb asks for one thing at a time */
};

/* The descriptor of a line fd:N; -1 if it is something else, or NULL. */
int gdb_inherited(const char *line);
/* Opens the line that --gdb names: a terminal, fd:N, unix:PATH; dies if it cannot be had. */
void gdb_open(struct gdb *gdb, const char *line, bool holds);
/* This is the guest; before its first run. */
void gdb_attach(struct gdb *gdb, struct run *run, const struct vm *vm,
		const struct guest_memory *flash, const struct console *console);
/* The guest is about to start, anew. */
void gdb_start(struct gdb *gdb);
/* It has ended, with this exit status: tells gdb. */
void gdb_finish(struct gdb *gdb, int status);

/* The event loop's: what to wait for input on, or -1; that there is some; that a CPU has asked for
 * a pause. */
int gdb_fd(const struct gdb *gdb);
void gdb_input(struct gdb *gdb);
void gdb_stopped(struct gdb *gdb);

/* ---- between gdb.c and gdb_line.c ---- */

/* One byte from gdb, as gdb_input takes them. */
void gdb_receive(struct gdb *gdb, uint8_t byte);
/* A packet has come in; a Ctrl-C has; nobody is at the other end any more. */
void gdb_packet(struct gdb *gdb);
void gdb_interrupt(struct gdb *gdb);
void gdb_let_go(struct gdb *gdb);
/* Sends what gdb->reply holds as a packet, and empties it. */
void gdb_send_reply(struct gdb *gdb);
/* -1 if it is none. */
int gdb_hex_digit(char c);

#endif
