// SPDX-License-Identifier: MIT
/*
 * Finds the payload, tells its format from a table and has it loaded.
 *
 * Who calls it: main and boot.c, before the guest runs. Touches the payload's file and guest
 * memory.
 */
#include "load.h"

#include "crt/crt.h"
#include "crt/sys.h"
#include "vmm/machine/map.h"
#include "vmm/report.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const struct format *const formats[] = {
	&format_gzip, /* what it unpacks is matched against the others */
	&format_elf, &format_image, &format_flat, /* last: it takes everything */
};

/* NULL if none is called by the first `length` characters. */
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

/*
 * The bundled payload of this name, NULL if it is a file's; the first for NULL. Bundled ones have
 * their names without ".bin", and may be called by them with it, too; but a file of exactly that
 * name comes first, since who has copied one here wants that.
 */
static const struct bundled *find_bundled(const char *name)
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
	const struct bundled *bundled = find_bundled(name);

	return bundled ? bundled->options : NULL;
}

static void check_size(const struct payload *payload)
{
	if (payload->size == 0)
		die(STATUS_PAYLOAD, "%.200s: empty; was it built or copied to its end?",
		    payload->name);
}

/* Memory of our own, as large as the payload; dies if the host has not that much. */
static uint8_t *take_memory(const struct payload *payload)
{
	long result = sys_mmap(0, payload->size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (result < 0)
		die(STATUS_HOST, "%.200s: %lu bytes of memory for it: %s; free some on the host",
		    payload->name, payload->size, error_text((int)-result));
	return (uint8_t *)result;
}

void payload_copy(struct payload *payload)
{
	uint8_t *copy = take_memory(payload);

	memcpy(copy, payload->data, payload->size);
	payload->data = copy;
	if (payload->backing == FILE_PAGES)
		sys_close(payload->fd);
	payload->backing = OWN_IMAGE;
}

/* Where files cannot be mapped, as in sysfs: they are at most as large as they say. */
static int read_file(struct payload *payload)
{
	uint8_t *data = take_memory(payload);
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

/* Mapped to be looked at: what is loaded is read to where it belongs (read_pages). */
static int map_file(struct payload *payload)
{
	struct stat status = { 0 };
	long result = sys_fstat(payload->fd, &status);

	if (result < 0)
		return (int)result;
	if (!S_ISREG(status.st_mode))
		die(STATUS_PAYLOAD, "%.200s: not a regular file; name a file that holds a payload",
		    payload->name);
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
	const struct bundled *bundled = find_bundled(name);

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
		.backing = OWN_IMAGE,
	};
	check_size(payload);
}

struct placement payload_load(const struct payload *payload, const struct load_target *target)
{
	bool is_unpacked = payload->backing == SCRATCH;

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (formats[i] == &format_gzip && is_unpacked)
			continue; /* a payload is packed once */
		if (formats[i]->matches(payload))
			return formats[i]->load(payload, target);
	}
	__builtin_trap(); /* the last one matches everything */
}

/* Bytes of RAM; an emulator of the program takes a second to map as much as this. */
#define CHECK_MOST (64ull << 30)
/* ID_AA64MMFR0_EL1 of a CPU that has both byte orders and all sizes of pages. */
#define EVERY_MEMORY_FEATURE (1ull << 8 | 1ull << 20)

void payload_check(const struct payload *payload, uint64_t memory)
{
	struct guest_memory ram = { .base = GPA(RAM_BASE), .size = memory }, flash = { 0 };
	const struct load_target target = {
		.ram = &ram,
		.flash = &flash,
		.mmfr0 = EVERY_MEMORY_FEATURE,
	};
	long mapping;

	if (memory > CHECK_MOST)
		return;
	/* MAP_NORESERVE: the machine that it will run on may have more memory than this one. */
	mapping = sys_mmap(0, memory, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapping < 0)
		die(STATUS_HOST, "--memory: %lu MiB: %s; cannot be checked here", memory >> 20,
		    error_text((int)-mapping));
	ram.host = (uint8_t *)mapping;
	payload_load(payload, &target);
}

/*
 * From the file straight to its place: that costs an eighth of the faults that an Image's pages
 * would have, if they were mapped there, before Linux has looked at them all; and RAM stays huge
 * pages.
 */
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

/* Whole pages of scratch memory change their place; false if they cannot. */
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

void payload_does_not_fit(const struct payload *payload, uint64_t size, gpa_t at,
			  const struct guest_memory *ram)
{
	die(STATUS_PAYLOAD,
	    "%.200s: %lu bytes at %#lx do not fit into %lu MiB of RAM at %#lx; give more --memory",
	    payload->name, size, at.address, ram->size >> 20, ram->base.address);
}
