// SPDX-License-Identifier: MIT
/*
 * Fuzzes the command line: the input is its arguments, separated by NULs. It is accepted, or
 * refused with one line; if it is accepted, numbers are within bounds and strings are parts of the
 * arguments.
 */
#include "fuzz.h"

#include "crt/crt.h"
#include "vmm/options.h"
#include "vmm/report.h"

#define MAX_WORDS 30

static unsigned reports;

void report(const char *format, ...)
{
	(void)format;
	reports++;
}

int dprintf(int fd, const char *format, ...)
{
	(void)fd, (void)format;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1);
	char *words[MAX_WORDS + 2] = { "nestling" };
	struct options options;
	int count = 1, status;

	memcpy(text, data, size);
	for (size_t at = 0; at < size && count <= MAX_WORDS; at += strlen(text + at) + 1)
		words[count++] = text + at;
	reports = 0;
	options_default(&options);
	status = options_parse(&options, count, words);
	require(status == STATUS_PASS || status == STATUS_USAGE);
	require(reports == (status == STATUS_USAGE));
	require(options.cpus >= 1 && options.cpus <= 512);
	require(options.memory >= 2 << 20 && options.memory % (2 << 20) == 0);
	require(options.gic == 0 || options.gic == 2 || options.gic == 3);
	require(!options.payload || (options.payload >= text && options.payload <= text + size));
	free(text);
	return 0;
}
