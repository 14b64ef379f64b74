// SPDX-License-Identifier: MIT
/* Messages to the user. Who calls it: all of vmm/. Touches standard error. */
#include "report.h"

#include "crt/crt.h"

#include <errno.h>

#define LINE 512 /* bytes; texts of the user's go in with a precision, so that the rest fits */

static void report_line(const char *format, va_list arguments)
{
	static const char prefix[] = "nestling: ";
	char text[LINE];

	memcpy(text, prefix, sizeof prefix);
	vsnprintf(text + sizeof prefix - 1, sizeof text - sizeof prefix, format, arguments);
	/* One write a line; nowhere is left to tell that standard error is gone. */
	(void)dprintf(2, "%s\n", text);
}

void report(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report_line(format, arguments);
	va_end(arguments);
}

void die(enum status status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report_line(format, arguments);
	va_end(arguments);
	exit(status);
}

enum status status_of_error(int error)
{
	switch (error) {
	case EAGAIN:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOSPC:
		return STATUS_HOST;
	default:
		return STATUS_INTERNAL;
	}
}
