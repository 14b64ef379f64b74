/* SPDX-License-Identifier: MIT */
/* What the program says to its user, on standard error. Used all over vmm/, never in devices/. */
#ifndef VMM_REPORT_H
#define VMM_REPORT_H

#include "status.h"

/* One line, "nestling: ..."; a message says what, why and what to do. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and the end of the program: for failures of the host and before the guest has begun. */
void die(enum status status, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* Is this errno the host running out of something (STATUS_HOST), or is something wrong? */
enum status status_of_error(int error);

#endif
