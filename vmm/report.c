// SPDX-License-Identifier: MIT
/* Messages to the user. Who calls it: all of vmm/. Touches standard error, through an outlet. */
#include "report.h"

#include "crt/crt.h"
#include "outlet.h"

#include <errno.h>

#define LINE                                                                                       \
	512 /* bytes; strings from the user are printed with a precision, so that the rest fits */

/* A mutable global, because messages come from everywhere. */
static struct outlet messages = { .fd = 2, .name = "standard error" };

struct outlet *report_outlet(void)
{
	return &messages;
}

void report_open(void)
{
	outlet_open(&messages, 2, "standard error");
}

static size_t format_line(char *text, const char *format, va_list arguments)
{
	static const char prefix[] = "nestling: ";
	size_t size;

	memcpy(text, prefix, sizeof prefix);
	/* The last byte is for the newline. */
	vsnprintf(text + sizeof prefix - 1, LINE - sizeof prefix, format, arguments);
	size = strlen(text);
	text[size] = '\n';
	return size + 1;
}

void report(const char *format, ...)
{
	char text[LINE];
	va_list arguments;

	va_start(arguments, format);
	/* If standard error fails there is nowhere left to report that. */
	(void)outlet_put(&messages, text, format_line(text, format, arguments));
	va_end(arguments);
}

void report_text(const char *format, ...)
{
	char text[LINE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	(void)outlet_put(&messages, text, strlen(text));
}

void report_at_once(const char *format, ...)
{
	char text[LINE];
	va_list arguments;

	va_start(arguments, format);
	outlet_put_last(&messages, text, format_line(text, format, arguments));
	va_end(arguments);
}

void die(enum status status, const char *format, ...)
{
	char text[LINE];
	va_list arguments;

	va_start(arguments, format);
	outlets_finish();
	outlet_put_last(&messages, text, format_line(text, format, arguments));
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

int must_call(long result, const char *name)
{
	if (result < 0)
		die(status_of_error((int)-result), "%s: %s", name, error_text((int)-result));
	return (int)result;
}
