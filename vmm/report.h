/* SPDX-License-Identifier: MIT */
/*
 * What the program says to its user, on standard error. Used all over vmm/, never in devices/.
 *
 * Once there is a run nobody waits for standard error: what it does not take at once waits for the
 * event loop (vmm/host/outlet.h), and what finds no room there is lost, and counted.
 */
#ifndef VMM_REPORT_H
#define VMM_REPORT_H

#include "status.h"

struct outlet;

/* Where messages go, for the event loop. */
struct outlet *report_outlet(void);
/* Learns what standard error is; before the sandbox. Until then it is written to as a file is. */
void report_open(void);

/* One line, "nestling: ..."; a message says what, why and what to do. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Part of a text of several lines: as it is. */
void report_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line like report's, whatever else is being written: from a signal handler. It may be cut. */
void report_at_once(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and the end of the program: for failures of the host and before the guest has begun. */
void die(enum status status, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* Is this errno the host running out of something (STATUS_HOST), or is something wrong? */
enum status status_of_error(int error);

#endif
