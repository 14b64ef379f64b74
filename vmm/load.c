// SPDX-License-Identifier: MIT
/*
 * Finds the payload, tells its format from a table and has it loaded.
 *
 * Who calls it: main and machine.c, before the guest runs. Touches the payload's file.
 */
#include "load.h"

#include "crt.h"
#include "report.h"
#include "sys.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const struct format *const formats[] = {
	&format_flat, /* last: it takes everything */
};

static bool find_bundled(struct payload *payload, const char *name)
{
	for (const struct bundled *bundled = bundled_payloads; bundled->name; bundled++) {
		if (name && strcmp(bundled->name, name) != 0)
			continue;
		payload->name = bundled->name;
		payload->data = bundled->start;
		payload->size = (size_t)(bundled->end - bundled->start);
		return true;
	}
	return false;
}

static void check_size(const struct payload *payload)
{
	if (payload->size == 0)
		die(STATUS_PAYLOAD, "%.200s: empty; was it built or copied to its end?",
		    payload->name);
}

/* Maps it rather than reading it: pages that the loader does not look at are never read. */
static int map_file(struct payload *payload, int fd)
{
	struct stat status = { 0 };
	long result = sys_fstat(fd, &status);

	if (result < 0)
		return (int)result;
	if (!S_ISREG(status.st_mode))
		die(STATUS_PAYLOAD, "%.200s: not a regular file; name a file that holds a payload",
		    payload->name);
	payload->size = (size_t)status.st_size;
	check_size(payload);
	result = sys_mmap(0, payload->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (result < 0)
		return (int)result;
	payload->data = (const uint8_t *)result;
	return 0;
}

void payload_open_file(struct payload *payload, const char *name)
{
	int fd = (int)sys_openat(AT_FDCWD, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	int result;

	if (fd < 0)
		die(STATUS_PAYLOAD, "%.200s: %s; --list names the bundled payloads", name,
		    error_text(-fd));
	payload->name = name;
	result = map_file(payload, fd);
	if (result < 0)
		die(STATUS_PAYLOAD, "%.200s: cannot be read: %s", name, error_text(-result));
	sys_close(fd);
}

void payload_open(struct payload *payload, const char *name)
{
	if (find_bundled(payload, name))
		check_size(payload);
	else if (name)
		payload_open_file(payload, name);
	else
		die(STATUS_PAYLOAD, "no payload is bundled; name a file");
}

struct placement payload_load(const struct payload *payload, const struct guest_memory *memory)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (formats[i]->matches(payload))
			return formats[i]->load(payload, memory);
	__builtin_trap(); /* the last one matches everything */
}
