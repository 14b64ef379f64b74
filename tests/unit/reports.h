/* SPDX-License-Identifier: MIT */
/* Stands in for vmm/report.c: keeps what was said, and lets a test look at a die(). */
#ifndef TESTS_REPORTS_H
#define TESTS_REPORTS_H

#include "unit.h"

#include "vmm/report.h"

#include <stdio.h>
#include <string.h>

static char last_report[1024];
static char all_reports[4096]; /* since a test emptied it */
static unsigned reports;
static jmp_buf on_die; /* a test that expects die() sets it; setjmp then returns the status */

void report(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(last_report, sizeof last_report, format, arguments);
	va_end(arguments);
	strncat(all_reports, last_report, sizeof all_reports - strlen(all_reports) - 1);
	reports++;
}

void report_text(const char *format, ...)
{
	(void)format;
}

void report_at_once(const char *format, ...)
{
	(void)format;
}

void die(enum status status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(last_report, sizeof last_report, format, arguments);
	va_end(arguments);
	longjmp(on_die, status);
}

#endif
