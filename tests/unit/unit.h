/* SPDX-License-Identifier: MIT */
/* What every unit test includes: cmocka, and what it wants to be included before it. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* The kernel, for a test of what makes system calls (crt/sys.h). */
long test_syscall6(long number, long a, long b, long c, long d, long e, long f);
/* crt's, or a stand-in. */
const char *error_text(int error);

#define RUN(tests) cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL)

#endif
