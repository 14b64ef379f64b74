// SPDX-License-Identifier: MIT
/*
 * Fuzzes the readers of untrusted files: every payload format, and --dtb. Each input is loaded into
 * a guest's RAM, and ends with a complete device tree or with a refusal.
 */
#include "fuzz.h"
#include "tests/unit/reports.h"

#include "vmm/load/firmware.h"
#include "vmm/load/load.h"
#include "vmm/load/boot.h"
#include "vmm/machine/map.h"

#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RAM (4ull << 20)
#define PAGE 4096ul
#define PATH "/proc/self/fd/%d"

/* What a refusal leaves allocated, and what the end of the process would free, is freed before the
 * next input. */
static struct {
	void *start;
	size_t size;
} mappings[16];

static void track(void *start, size_t size)
{
	for (size_t i = 0; i < sizeof mappings / sizeof *mappings; i++)
		if (!mappings[i].start) {
			mappings[i].start = start;
			mappings[i].size = size;
			return;
		}
	abort();
}

static void untrack(void *start)
{
	for (size_t i = 0; i < sizeof mappings / sizeof *mappings; i++)
		if (mappings[i].start == start)
			mappings[i].start = NULL;
}

static long result_of(long result)
{
	return result == -1 ? -errno : result;
}

/* Maps a file so that ASan finds an access one byte behind its end. */
static long map_file(size_t size, int fd)
{
	size_t pages = (size + PAGE - 1) & -PAGE;
	char *start = mmap(NULL, pages + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	require(start != MAP_FAILED);
	require(mmap(start, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == start);
	__asan_poison_memory_region(start + size, pages - size);
	track(start, pages + PAGE);
	return (long)start;
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	long result;

	switch (number) {
	case SYS_mmap:
		if (e >= 0 && !(d & MAP_FIXED))
			return map_file((size_t)b, (int)e);
		result = result_of((long)mmap((void *)a, (size_t)b, (int)c, (int)d, (int)e, f));
		if (result > 0 && !(d & MAP_FIXED))
			track((void *)result, (size_t)b);
		return result;
	case SYS_mremap:
		return result_of((long)mremap((void *)a, (size_t)b, (size_t)c, (int)d, (void *)e));
	case SYS_munmap:
		untrack((void *)a);
		return result_of(munmap((void *)a, (size_t)b));
	case SYS_madvise:
		return 0;
	case SYS_openat:
		return result_of(openat((int)a, (const char *)b, (int)c));
	case SYS_pread64:
		return result_of(pread((int)a, (void *)b, (size_t)c, d));
	case SYS_close:
		return result_of(close((int)a));
	case SYS_fstat:
		return result_of(fstat((int)a, (struct stat *)b));
	default:
		abort();
	}
}

void random_bytes(void *to, size_t size)
{
	require(getrandom(to, size, 0) == (ssize_t)size);
}

const char *error_text(int error)
{
	return strerror(error);
}

int write_all(int fd, const void *data, size_t size)
{
	return write(fd, data, size) == (ssize_t)size ? 0 : -EIO;
}

/* Only the device tree is bundled, no payload. */
const struct bundled bundled_payloads[] = { { 0 } };
__asm__(".section .rodata\n"
	".balign 8\n"
	".global bundled_dtb\n"
	"bundled_dtb: .incbin \"build/machine.dtb\"\n"
	".text");

uint64_t vcpu_affinity(const struct vcpu *vcpu)
{
	(void)vcpu;
	return 0;
}

uint64_t vcpu_memory_features(const struct vcpu *vcpu)
{
	(void)vcpu;
	return 0x1122; /* cortex-a57: pages of 4 and 64 KiB, both byte orders */
}

static gpa_t entry, tree;

void vcpu_set_entry(struct vcpu *vcpu, gpa_t at, gpa_t device_tree)
{
	(void)vcpu;
	entry = at;
	tree = device_tree;
}

/* There is none. */
void firmware_open(struct payload *firmware, const char *name)
{
	(void)firmware, (void)name;
	require(false);
}

void firmware_load(const struct payload *firmware, const struct payload *kernel,
		   const struct payload *initrd, const char *command_line, struct machine *machine)
{
	(void)firmware, (void)kernel, (void)initrd, (void)command_line, (void)machine;
	require(false);
}

void machine_map_flash(struct machine *machine, uint64_t size)
{
	(void)machine, (void)size;
}

/* Nothing was loaded into ranges that the user's tree reserves. */
static void check_free(const struct boot *boot, uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < boot->reserved_count; i++)
		require(boot->reserved[i].start >= boot->reserved[i].end ||
			boot->reserved[i].start >= end || boot->reserved[i].end <= start);
}

static uint64_t initrd_place(const void *in, const char *name)
{
	const fdt64_t *value = fdt_getprop(in, fdt_path_offset(in, "/chosen"), name, NULL);

	require(value != NULL);
	return fdt64_ld(value);
}

/* Loads the file `payload` with the tree in file `dtb`, or with the bundled one if that is NULL. */
static void try(const char *payload_name, const char *dtb)
{
	static struct machine machine;
	static struct vcpu vcpu;
	const struct options options = { .append = "",
					 .memory = RAM,
					 .dtb = dtb,
					 .initrd = dtb ? payload_name : NULL,
					 .payload = payload_name };
	struct payload payload;
	struct boot boot;
	const void *found;

	memset(&machine, 0, sizeof machine);
	machine.run.cpus = 1;
	machine.run.vcpus = &vcpu;
	if (setjmp(on_die)) {
		require(strchr(last_report, ';'));
		return;
	}
	payload_open(&payload, "", options.payload);
	boot_open(&boot, &payload, &options);
	memory_create(&machine.memory, GPA(RAM_BASE), RAM);
	boot_load(&boot, &machine);
	found = memory_at(&machine.memory, tree, sizeof(struct fdt_header));
	require(found && memory_at(&machine.memory, tree, fdt_totalsize(found)));
	require(fdt_check_full(found, fdt_totalsize(found)) == 0);
	if (dtb) {
		check_free(&boot, tree.address, tree.address + fdt_totalsize(found));
		check_free(&boot, initrd_place(found, "linux,initrd-start"),
			   initrd_place(found, "linux,initrd-end"));
	}
	require(entry.address % 4 == 0);
	require(memory_at(&machine.memory, entry, 4) || memory_at(&machine.flash_image, entry, 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t nop = 0xd503201f;
	static const uint8_t fdt_magic[] = { 0xd0, 0x0d, 0xfe, 0xed };
	int fd = memfd_create("fuzz", 0), other = memfd_create("nop", 0);
	char name[32], other_name[32];

	require(write(fd, data, size) == (ssize_t)size && write(other, &nop, 4) == 4);
	snprintf(name, sizeof name, PATH, fd);
	snprintf(other_name, sizeof other_name, PATH, other);
	if (size >= 4 && memcmp(data, fdt_magic, 4) == 0)
		try(other_name, name);
	else
		try(name, NULL);
	for (size_t i = 0; i < sizeof mappings / sizeof *mappings; i++)
		if (mappings[i].start) {
			__asan_unpoison_memory_region(mappings[i].start, mappings[i].size);
			munmap(mappings[i].start, mappings[i].size);
		}
	memset(mappings, 0, sizeof mappings);
	close_range((unsigned)fd, ~0u, 0); /* and all descriptors opened since */
	return 0;
}
