/* SPDX-License-Identifier: MIT */
/*
 * A gdb stub (Debugging with GDB, appendix E: remote serial protocol), all-stop, with a thread for
 * each vCPU.
 *
 * Who uses it: main opens its line; the event loop passes its input, and tells when the guest has
 * paused.
 * Without --gdb none of it is called.
 */
#ifndef VMM_GDB_H
#define VMM_GDB_H

#include "breakpoints.h"
#include "vmm/machine/console.h"
#include "vmm/outlet.h"
#include "vmm/kvm/registers.h"
#include "vmm/machine/inspect.h"
#include "vmm/options.h"

#define GDB_FILES 2	/* descriptors: of a listening socket and a connection */
#define GDB_PACKET 4096 /* max bytes between $ and #, in both directions */

struct gdb {
	struct debug debug;
	struct run *run;
	const struct guest_memory *flash; /* the payload's part of the flash window */
	const struct console *console;	  /* for statistics */

	int fd; /* the connection; -1: none */
	struct outlet line;
	struct loop_source input;  /* the connection, or else the listener */
	struct loop_source output; /* to it */
	int listener;		   /* the listening socket; -1: the line is no socket */

	bool holds;   /* gdb holds the guest paused */
	bool awaits;  /* gdb waits for a stop reply */
	bool is_over; /* the guest has ended: input is ignored */
	bool no_acks;
	bool was_asked; /* a packet has been received */
	unsigned cpu;	/* the current thread, of g, m and the like */
	enum view view;

	/* The packet being received, without its frame. */
	char packet[GDB_PACKET + 1];
	unsigned received;
	enum { IDLE, TEXT, CHECKSUM_HIGH, CHECKSUM_LOW } state;
	uint8_t sum, checksum;

	char reply[GDB_PACKET + 1];
	unsigned reply_size;
	/* Queue of the line: gdb has one request in flight, so this is enough. */
	uint8_t unsent[4 * GDB_PACKET];
};

/* The descriptor N of a line "fd:N"; -1 if `line` is another kind, or NULL. */
int gdb_inherited(const char *line);
/* Opens the line that --gdb names: a terminal, fd:N or unix:PATH. `holds`: the guest starts paused.
 * Dies if it cannot. */
void gdb_open(struct gdb *gdb, const char *line, bool holds);
/* Attaches gdb to the guest, and its line to the event loop. Before the first run. */
void gdb_attach(struct gdb *gdb, struct run *run, const struct vm *vm,
		const struct guest_memory *flash, const struct console *console);
/* To be called before each start of the guest. */
void gdb_start(struct gdb *gdb);
/* Reports to gdb that the guest has ended with this exit status. */
void gdb_finish(struct gdb *gdb, int status);

/* ---- between gdb.c and gdb_line.c ---- */

/* Adds the line's input and output to the event loop. */
void gdb_attach_line(struct gdb *gdb);
/* One byte from gdb. */
void gdb_receive(struct gdb *gdb, uint8_t byte);
/* Called for a received packet; for a Ctrl-C; and to resume the guest without gdb, when it
 * disconnects. */
void gdb_packet(struct gdb *gdb);
void gdb_interrupt(struct gdb *gdb);
void gdb_detach(struct gdb *gdb);
/* Sends gdb->reply as a packet, and empties it. */
void gdb_send_reply(struct gdb *gdb);
/* The digit's value; -1 if it is none. */
int gdb_hex_digit(char c);

#endif
