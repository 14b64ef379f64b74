// SPDX-License-Identifier: MIT
/*
 * Statistics of a run: a line each, or a member each of one JSON object, with the same names.
 *
 * Who calls it: main, commands.c, gdb.c. Touches standard error, KVM's statistics and
 * /proc/self/smaps.
 */
#include "stats.h"

#include "crt/sys.h"
#include "describe.h"
#include "trace.h"
#include "vmm/machine/exits.h"
#include "vmm/machine/memory.h"
#include "vmm/options.h"
#include "vmm/report.h"

#include <fcntl.h>
#include <sys/mount.h>

/* State of --stats. smaps is opened before the sandbox and read inside of it. */
static struct {
	bool is_open;
	int smaps; /* negative errno: not available */
	int vm;	   /* KVM's statistics of the VM; negative errno, too */
} stats;

/* A report under construction. */
struct sheet {
	const char *format; /* of a row */
	const char *before; /* separator before the next row */
};

static void add_row(struct sheet *sheet, const char *subject, const char *kind, const char *name,
		    uint64_t value)
{
	report_text(sheet->format, sheet->before, subject, kind, name, value);
	if (*sheet->before == '{')
		sheet->before = ",";
}

/* ---- KVM's statistics (api.rst, 4.133) ---- */

/* Adds the counters that are not zero, of a VM's or a vCPU's statistics. */
static void add_kvm(struct sheet *sheet, const char *of, int fd)
{
	_Alignas(uint64_t) char bytes[8192] = { 0 };
	const struct kvm_stats_header *header = (const void *)bytes;
	size_t size;

	if (fd < 0) /* kernels before 5.14 */
		return;
	size = (size_t)kvm_check((int)sys_pread64(fd, bytes, sizeof bytes, 0), "KVM's statistics");
	for (unsigned i = 0; i < header->num_desc; i++) {
		const struct kvm_stats_desc *desc =
			(const void *)(bytes + header->desc_offset +
				       i * (sizeof *desc + header->name_size));
		const uint64_t *value = (const void *)(bytes + header->data_offset + desc->offset);

		/* Larger ones are histograms. */
		if (desc->size == 1 && (const char *)value < bytes + size && *value)
			add_row(sheet, of, "kvm ", desc->name, *value);
	}
}

/* ---- memory (proc(5), smaps) ---- */

static uint64_t parse(const char *text, unsigned base)
{
	uint64_t number = 0;

	while (*text == ' ')
		text++;
	for (;; text++) {
		unsigned digit = (unsigned)(*text <= '9' ? *text - '0' : *text - 'a' + 10);

		if (digit >= base)
			return number;
		number = number * base + digit;
	}
}

/* KiB of resident memory: not the guest's RAM, and the guest's RAM. */
struct usage {
	const struct guest_memory *memory;
	bool is_ram; /* is the present mapping guest RAM? */
	uint64_t kib[2];
};

/* A mapping's first line begins with its address in lower-case hexadecimal. */
static void take_line(struct usage *usage, const char *line)
{
	if (*line < 'A' || *line > 'Z')
		usage->is_ram =
			parse(line, 16) - (uintptr_t)usage->memory->mapping < usage->memory->mapped;
	else if (!strncmp(line, "Rss:", 4))
		usage->kib[usage->is_ram] += parse(line + 4, 10);
}

static void add_memory(struct sheet *sheet, const struct guest_memory *memory)
{
	struct usage usage = { .memory = memory };
	char chunk[1024] = { 0 }, line[64] = { 0 };
	uint64_t offset = 0;
	size_t used = 0;
	long n;

	if (memory->given_back)
		add_row(sheet, "memory", "", "bytes given back by the guest", memory->given_back);
	while ((n = sys_pread64(stats.smaps, chunk, sizeof chunk, offset)) > 0) {
		offset += (uint64_t)n;
		for (long i = 0; i < n; i++) {
			if (chunk[i] != '\n' && used < sizeof line - 1)
				line[used++] = chunk[i];
			if (chunk[i] != '\n')
				continue;
			line[used] = '\0';
			used = 0;
			take_line(&usage, line);
		}
	}
	if (!usage.kib[false]) /* smaps is not available */
		return;
	add_row(sheet, "memory", "", "KiB of the guest's RAM", usage.kib[true]);
	add_row(sheet, "memory", "", "KiB beside it", usage.kib[false]);
}

/* ---- the whole ---- */

static void add_cpu(struct sheet *sheet, const struct vcpu *vcpu)
{
	char cpu[16];

	snprintf(cpu, sizeof cpu, "CPU %u", vcpu->index);
	for (unsigned i = 0; i < EXIT_REASONS; i++)
		if (vcpu->exits[i])
			add_row(sheet, cpu, "KVM_EXIT_", exit_name(i), vcpu->exits[i]);
	if (!vcpu->guest->watch)
		return;
	add_row(sheet, cpu, "ns in ", "KVM_RUN", vcpu->ns_in_guest);
	add_row(sheet, cpu, "ns in ", "the monitor", vcpu->ns_in_monitor);
	if (stats.is_open)
		add_kvm(sheet, cpu, vcpu->stats_fd);
}

static void add_registers(struct sheet *sheet)
{
	struct access_count count;

	for (unsigned i = 0; trace_accesses(i, &count); i++) {
		struct text name;

		name.used = 0;
		describe_register(&name, count.ops, -1, count.row, -1);
		for (unsigned j = 0; j < ARRAY_SIZE(count.of); j++)
			if (count.of[j])
				add_row(sheet, name.bytes, "", j ? "writes" : "reads", count.of[j]);
	}
}

/* Requests that shared a notification or an interrupt with another one. */
static uint64_t merged(uint64_t requests, uint64_t signals)
{
	return requests > signals ? requests - signals : 0;
}

static void add_virtio(struct sheet *sheet, const struct bus *bus)
{
	for (unsigned i = 0; i < bus->count; i++) {
		const struct virtio *device = bus->regions[i].device;
		const struct virtio_counts *counts;
		const struct virtio_counter *row;
		char name[32];

		if (bus->regions[i].slot < 0 || !device->type)
			continue;
		counts = &device->counts;
		if (!counts->requests) /* no driver has used it */
			continue;
		snprintf(name, sizeof name, "virtio%u %s", device->slot, device->type->name);
		add_row(sheet, name, "", "requests", counts->requests);
		add_row(sheet, name, "", "bytes", counts->bytes);
		add_row(sheet, name, "merged ", "notifications",
			merged(counts->requests, counts->notifications));
		add_row(sheet, name, "merged ", "interrupts",
			merged(counts->requests, counts->interrupts));
		for (row = device->type->counters; row && row->name; row++)
			add_row(sheet, name, "", row->name,
				*(const uint64_t *)((const char *)device + row->offset));
	}
}

void stats_open(void)
{
	static const char path[] = "/proc/self/smaps";

	stats.is_open = true;
	stats.smaps = (int)sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (stats.smaps < 0) {
		/* As PID 1 /proc is not mounted yet. The sandbox hides it again. */
		sys_mkdirat(AT_FDCWD, "/proc", 0755);
		sys_mount("proc", "/proc", "proc", 0, NULL);
		stats.smaps = (int)sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	}
	if (stats.smaps < 0)
		report("--stats: %s: %s; memory is not reported", path, error_text(-stats.smaps));
}

void stats_attach(struct run *run)
{
	if (!stats.is_open)
		return;
	stats.vm = kvm_try(run->vcpus->vm->fd, KVM_GET_STATS_FD, 0);
	for (unsigned i = 0; i < run->cpus; i++)
		run->vcpus[i].stats_fd = kvm_try(run->vcpus[i].fd, KVM_GET_STATS_FD, 0);
}

void stats_detach(const struct run *run)
{
	if (!stats.is_open || stats.vm < 0)
		return;
	sys_close(stats.vm);
	for (unsigned i = 0; i < run->cpus; i++)
		sys_close(run->vcpus[i].stats_fd);
}

void stats_report(const struct console *console, unsigned form)
{
	bool is_json = form & FORM_JSON;
	struct sheet sheet = {
		.format = is_json ? "%s\"%s %s%s\":%lu" : "%s%s %s%s: %lu\n",
		.before = is_json ? "{" : "  ",
	};
	const struct run *run = console->run;

	if (!is_json)
		report_text("nestling: statistics\n");
	add_row(&sheet, "console", "bytes ", "from the guest", console->transmitted);
	add_row(&sheet, "console", "bytes ", "to it", console->received);
	for (unsigned i = 0; i < run->cpus; i++)
		add_cpu(&sheet, &run->vcpus[i]);
	add_virtio(&sheet, run->vcpus->bus);
	add_registers(&sheet);
	if (stats.is_open) {
		add_kvm(&sheet, "VM", stats.vm);
		add_memory(&sheet, run->vcpus->memory);
	}
	if (is_json)
		report_text("}\n");
	else if (!run->watch)
		report_text("  --stats counts time and accesses to registers, too\n");
}
