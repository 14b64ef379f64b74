// SPDX-License-Identifier: MIT
/*
 * Finds a payload, bundled or in a file, and copies it to the guest.
 *
 * Who calls it: main, boot.c, devices.c and the formats, before the guest runs. Touches the
 * payload's file and guest memory.
 */
#include "payload.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/pages.h"
#include "vmm/report.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* The bundled payload whose name is the first `length` characters; NULL if there is none. */
static const struct bundled *find_name(const char *name, size_t length)
{
	for (const struct bundled *bundled = bundled_payloads; bundled->name; bundled++)
		if (strlen(bundled->name) == length && !strncmp(bundled->name, name, length))
			return bundled;
	return NULL;
}

static bool is_missing(const char *path)
{
	int fd = (int)sys_openat(AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);

	if (fd >= 0)
		sys_close(fd);
	return fd == -ENOENT;
}

/* Bundled names have no ".bin" but may be given with it. A file of exactly that name takes
 * precedence then, because whoever copied one here wants it. */
const struct bundled *payload_find_bundled(const char *name)
{
	static const char suffix[] = ".bin";
	const struct bundled *bundled;
	size_t length, stem;

	if (!name)
		return bundled_payloads->name ? bundled_payloads : NULL;
	length = strlen(name);
	bundled = find_name(name, length);
	if (bundled || length < strlen(suffix))
		return bundled;
	stem = length - strlen(suffix);
	if (strcmp(name + stem, suffix) != 0)
		return NULL;
	bundled = find_name(name, stem);
	return bundled && is_missing(name) ? bundled : NULL;
}

const char *payload_options(const char *name)
{
	const struct bundled *bundled = payload_find_bundled(name);

	return bundled ? bundled->options : NULL;
}

static void check_size(const struct payload *payload)
{
	if (payload->size == 0)
		die(STATUS_PAYLOAD, "%.200s: empty; was it built?", payload->name);
}

void payload_copy(struct payload *payload)
{
	uint8_t *copy = pages_take(payload->size, 0, payload->name);

	memcpy(copy, payload->data, payload->size);
	payload->data = copy;
	if (payload->backing == FILE_PAGES)
		sys_close(payload->fd);
	payload->backing = OWN_IMAGE;
}

/* For files that cannot be mapped, as in sysfs; their size is an upper limit. */
static int read_file(struct payload *payload)
{
	uint8_t *data = pages_take(payload->size, 0, payload->name);
	size_t size = 0;
	long n;

	while ((n = sys_read(payload->fd, data + size, payload->size - size)) > 0)
		size += (size_t)n;
	sys_close(payload->fd);
	if (n < 0)
		return (int)n;
	*payload = (struct payload){
		.name = payload->name, .data = data, .size = size, .backing = OWN_IMAGE
	};
	check_size(payload);
	return 0;
}

/* Maps the file for examining it; read_pages loads it without the mapping. */
static int map_file(struct payload *payload)
{
	struct stat status = { 0 };
	long result = sys_fstat(payload->fd, &status);

	if (result < 0)
		return (int)result;
	if (!S_ISREG(status.st_mode))
		die(STATUS_PAYLOAD, "%.200s: not a regular file; name one", payload->name);
	payload->size = (size_t)status.st_size;
	check_size(payload);
	result = sys_mmap(0, payload->size, PROT_READ, MAP_PRIVATE, payload->fd, 0);
	if (result == -ENODEV)
		return read_file(payload);
	if (result < 0)
		return (int)result;
	payload->data = (const uint8_t *)result;
	return 0;
}

static void open_file(struct payload *payload, const char *option, const char *name)
{
	int fd = (int)sys_openat(AT_FDCWD, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	int result;

	if (fd < 0)
		die(STATUS_PAYLOAD, "%s%.200s: %s; %s", option, name, error_text(-fd),
		    *option ? "name a file, or a bundled one"
			    : "--list names the bundled payloads");
	*payload = (struct payload){ .name = name, .backing = FILE_PAGES, .fd = fd };
	result = map_file(payload);
	if (result < 0)
		die(STATUS_PAYLOAD, "%.200s: cannot be read: %s", name, error_text(-result));
}

void payload_open(struct payload *payload, const char *option, const char *name)
{
	const struct bundled *bundled = payload_find_bundled(name);

	if (!bundled && !name)
		die(STATUS_PAYLOAD, "no payload is bundled; name a file");
	if (!bundled) {
		open_file(payload, option, name);
		return;
	}
	*payload = (struct payload){
		.name = bundled->name,
		.data = bundled->start,
		.size = (size_t)(bundled->end - bundled->start),
		.backing = BUNDLED,
	};
	check_size(payload);
}

/* Reads from the file straight to guest memory. Mapping an Image there instead would cost eight
 * times the page faults until Linux has touched it all, and RAM its huge pages. */
static void read_pages(const struct payload *payload, size_t offset, size_t length, void *to)
{
	while (length) {
		long n = sys_pread64(payload->fd, to, length, offset);

		if (n <= 0)
			die(STATUS_PAYLOAD, "%.200s: %s; was it changed meanwhile?", payload->name,
			    n < 0 ? error_text((int)-n) : "ends too early");
		to = (char *)to + n;
		offset += (size_t)n;
		length -= (size_t)n;
	}
}

/* Moves whole pages of scratch memory; false if that is not possible. */
static bool move_pages(const struct payload *payload, void *to)
{
	size_t page = getauxval(AT_PAGESZ);
	size_t pages = payload->size & -page;

	if ((uintptr_t)to % page != 0 || pages == 0 ||
	    sys_mremap((uintptr_t)payload->data, pages, pages, MREMAP_MAYMOVE | MREMAP_FIXED,
		       (uintptr_t)to) < 0)
		return false;
	memcpy((char *)to + pages, payload->data + pages, payload->size - pages);
	return true;
}

void payload_put(const struct payload *payload, size_t offset, size_t length, void *to)
{
	if (payload->backing == FILE_PAGES)
		read_pages(payload, offset, length, to);
	else
		memcpy(to, payload->data + offset, length);
}

void payload_put_all(const struct payload *payload, void *to)
{
	if (payload->backing != SCRATCH || !move_pages(payload, to))
		payload_put(payload, 0, payload->size, to);
}
