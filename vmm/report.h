/* SPDX-License-Identifier: MIT */
/*
 * Messages to the user, on standard error. Used all over vmm/, never in devices/.
 *
 * Once a run is set up, no thread blocks on standard error: what it does not accept at once is
 * queued for the event loop (vmm/outlet.h); lines for which the queue has no room are dropped and
 * counted.
 */
#ifndef VMM_REPORT_H
#define VMM_REPORT_H

#include "status.h"

struct outlet;

/* The outlet of messages, for the event loop to flush. */
struct outlet *report_outlet(void);
/* Examines the file that is standard error, before the sandbox forbids that. Messages before that
 * block until they are written. */
void report_open(void);

/* One line, "nestling: ..."; a message says what failed, why, and what to do. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Part of a text of several lines, printed without a prefix. */
void report_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line like report's, but written without a lock, so that a signal handler can use it. It may be
 * truncated and may land in the middle of other output. */
void report_at_once(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Flushes all queued output, prints a line like report's and exits. Only for failures of the host,
 * or before the guest has started. */
void die(enum status status, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* STATUS_HOST if this errno means that the host has run out of a resource, else STATUS_INTERNAL. */
enum status status_of_error(int error);

/* Returns a system call's result; dies with its name if that is a negative errno. */
int must_call(long result, const char *name);

#endif
