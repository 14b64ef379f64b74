// SPDX-License-Identifier: MIT
/*
 * Traces, and the tracing loop of a vCPU.
 *
 * Who calls it: main, system.c, vcpu.c, virtio devices, gdb.c, stats.c and, as run->watch, exits.c.
 * Touches standard error or the trace's file; reads kvm_run.
 */
#include "trace.h"

#include "crt/sys.h"
#include "describe.h"
#include "vmm/host/clock.h"
#include "vmm/outlet.h"
#include "vmm/kvm/registers.h"
#include "vmm/machine/exits.h"
#include "vmm/machine/map.h"
#include "vmm/report.h"

#include <errno.h>
#include <fcntl.h>

#define COUNTS 256  /* more than the registers of all devices */
#define MONITOR 512 /* thread id of the monitor in JSON, above all CPUs' numbers */

/* A mutable global, because KVM is called from everywhere. */
static struct {
	unsigned events; /* bits of enum trace */
	struct outlet file;
	struct outlet *outlet; /* that, or the one of messages */
	bool is_json;
	char before; /* separator before the next JSON object */
	bool counts; /* run the tracing loop even if nothing is traced */
	struct run *run;
	struct lock lock; /* protects the following */
	struct text text;
	struct access_count accesses[COUNTS];
} trace;

#define LINE 768 /* bytes; a JSON object contains the text twice */

/* If the trace cannot be written it ends, and the guest goes on. */
static void on_failure(int error)
{
	if (__atomic_exchange_n(&trace.events, 0, __ATOMIC_RELAXED))
		report("trace: %s; what follows is lost", error_text(error));
}

static bool __attribute__((format(printf, 1, 2))) print(const char *format, ...)
{
	char line[LINE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	return outlet_put(trace.outlet, line, strlen(line));
}

/* ---- lines ---- */

/* Prints an object of the Trace Event Format: a slice of time, or an instant. */
static void print_json(const char *kind, int cpu, uint64_t start, uint64_t duration)
{
	const char *text = trace.text.bytes, *blank = strchr(text, ' ');

	if (print("%c\n{\"name\":\"%.*s\",\"cat\":\"%s\",\"ph\":\"%c\",\"ts\":%lu.%03lu,"
		  "\"dur\":%lu.%03lu,\"pid\":1,\"tid\":%d,\"args\":{\"text\":\"%s\"}}",
		  trace.before, blank ? (int)(blank - text) : -1, text, kind, duration ? 'X' : 'i',
		  start / 1000, start % 1000, duration / 1000, duration % 1000,
		  cpu < 0 ? MONITOR : cpu, text))
		trace.before = ',';
}

static void print_text(const char *kind, int cpu, uint64_t end)
{
	char who[8] = "-";

	if (cpu >= 0)
		snprintf(who, sizeof who, "%d", cpu);
	print("%lu.%06lu %s %-4s %s\n", end / NS_PER_S, end % NS_PER_S / 1000, who, kind,
	      trace.text.bytes);
}

/* Starts the text of an event and takes the lock; NULL if the event is not traced. */
static struct text *begin(enum trace event)
{
	if (!(__atomic_load_n(&trace.events, __ATOMIC_RELAXED) & event))
		return NULL;
	lock_acquire(&trace.lock);
	trace.text.used = 0;
	return &trace.text;
}

/* Prints the event and releases the lock. The event is now, or began at `start` (clock_ns) unless
 * that is 0; of CPU `cpu`, or -1. */
static void end(enum trace event, int cpu, uint64_t start)
{
	static const char kinds[][7] = { "kvm", "exit", "mmio", "irq", "psci", "virtio" };
	const char *kind = kinds[__builtin_ctz(event)];
	uint64_t now = clock_ns();
	uint64_t duration = start ? now - start : 0;

	if (trace.is_json)
		print_json(kind, cpu, now - duration, duration);
	else
		print_text(kind, cpu, now);
	lock_release(&trace.lock);
}

/* ---- KVM's calls ---- */

/* The number of the CPU that has this descriptor; -1 if none. */
static int cpu_of(int fd)
{
	for (unsigned i = 0; trace.run && i < trace.run->cpus; i++)
		if (trace.run->vcpus[i].fd == fd)
			return (int)i;
	return -1;
}

/* Appends the name of the device with this interrupt, if there is one on the bus. */
static void add_owner(struct text *text, unsigned intid)
{
	const struct bus *bus = trace.run->vcpus->bus;

	for (unsigned i = 0; i < bus->count; i++)
		if (bus->regions[i].spi + SPI_INTID == intid) {
			describe_register(text, bus->regions[i].ops, bus->regions[i].slot, NULL,
					  -1);
			text_add(text, " ");
		}
}

/* Traces a change of an interrupt line. */
static void trace_irq(const struct kvm_irq_level *irq)
{
	struct text *text = begin(TRACE_IRQ);

	if (!text)
		return;
	add_owner(text, irq->irq & 0xffff);
	text_add(text, "INTID %u = %u", irq->irq & 0xffff, irq->level);
	end(TRACE_IRQ, -1, 0);
}

/* Is a kvm_observer. */
static void observe(int fd, unsigned long request, uintptr_t argument, int result)
{
	struct text *text = begin(TRACE_KVM);

	if (text) {
		int cpu = cpu_of(fd);

		describe_call(text, cpu >= 0, request, argument, result);
		end(TRACE_KVM, cpu, 0);
	}
	if (request == KVM_IRQ_LINE)
		trace_irq((const struct kvm_irq_level *)argument);
}

/* ---- the tracing loop ---- */

static void trace_run(const struct vcpu *vcpu, uint64_t entered, int result)
{
	struct text *text = begin(TRACE_KVM);

	if (!text)
		return;
	text_add(text, "KVM_RUN -> %s%s", result < 0 ? "" : "KVM_EXIT_",
		 result < 0 ? error_text(-result) : exit_name(vcpu->run->exit_reason));
	end(TRACE_KVM, (int)vcpu->index, entered);
}

static void trace_exit(const struct vcpu *vcpu, uint64_t left)
{
	uint64_t pc = 0;
	struct kvm_one_reg reg = { .id = CORE_REGISTER(regs.pc), .addr = (uintptr_t)&pc };
	struct text *text = begin(TRACE_EXIT);

	if (!text)
		return;
	describe_exit(text, vcpu->run);
	/* Not by kvm_try, which would be traced itself. */
	if (ioctl_restart(vcpu->fd, KVM_GET_ONE_REG, (uintptr_t)&reg) == 0)
		text_add(text, ", pc %#lx", pc);
	end(TRACE_EXIT, (int)vcpu->index, left);
}

static void trace_psci(const struct vcpu *vcpu)
{
	struct text *text = begin(TRACE_PSCI);

	if (!text)
		return;
	describe_psci(text, vcpu->run);
	end(TRACE_PSCI, (int)vcpu->index, 0);
}

/* Counts an access in its row; the first row with no accesses is free. */
static void count_access(const struct device_ops *ops, const struct register_name *row,
			 bool is_write)
{
	struct access_count *count = trace.accesses;

	lock_acquire(&trace.lock);
	while (count->of[0] + count->of[1] && (count->ops != ops || count->row != row))
		if (++count == trace.accesses + COUNTS)
			__builtin_trap();
	count->ops = ops;
	count->row = row;
	count->of[is_write]++;
	lock_release(&trace.lock);
}

void trace_virtio(const struct virtio *device, const struct virtio_event *event)
{
	struct text *text = begin(TRACE_VIRTIO);

	if (!text)
		return;
	text_add(text, "virtio%u %s %s", device->slot, device->type->name, event->action);
	if (event->unit)
		text_add(text, " %lu %s", event->amount, event->unit);
	if (event->position != UINT64_MAX)
		text_add(text, " at %lu", event->position);
	text_add(text, " -> %s", event->result);
	end(TRACE_VIRTIO, -1, 0);
}

/* Counts and traces an access that has been handled. */
static void trace_access(const struct vcpu *vcpu, const struct mmio_access *access)
{
	const struct bus_region *region = bus_find(vcpu->bus, GPA(access->at), access->size);
	int number = -1;
	const struct register_name *row =
		region ? describe_find(region, access->at, &number) : NULL;
	struct text *text;

	count_access(region ? region->ops : NULL, row, access->is_write);
	text = begin(TRACE_MMIO);
	if (!text)
		return;
	describe_register(text, region ? region->ops : NULL, region ? region->slot : -1, row,
			  number);
	describe_value(text, row, access);
	end(TRACE_MMIO, (int)vcpu->index, 0);
}

/* The same for every access that an exit was for. */
static void trace_accesses_of(const struct vcpu *vcpu, unsigned reason)
{
	const struct kvm_run *run = vcpu->run;
	struct mmio_access access = { .at = run->mmio.phys_addr,
				      .size = (uint8_t)run->mmio.len,
				      .is_write = run->mmio.is_write };

	if (reason == KVM_EXIT_MMIO) {
		memcpy(&access.value, run->mmio.data, access.size);
		trace_access(vcpu, &access);
	}
	for (unsigned i = 0; reason == KVM_EXIT_ARM_NISV && i < vcpu->no_syndrome.count; i++)
		trace_access(vcpu, &vcpu->no_syndrome.pieces[i]);
}

static void handle_exit(struct vcpu *vcpu)
{
	uint64_t left = clock_ns();
	unsigned reason = vcpu->run->exit_reason;

	/* As text, the exit comes before its consequences; a JSON slice can be written only when
	 * its end is known. */
	if (!trace.is_json)
		trace_exit(vcpu, left);
	if (reason == KVM_EXIT_SYSTEM_EVENT)
		trace_psci(vcpu);
	run_handle_exit(vcpu);
	trace_accesses_of(vcpu, reason);
	if (trace.is_json)
		trace_exit(vcpu, left);
}

/* The tracing counterpart of run_vcpu's inner loop: runs until the vCPU is kicked or cannot
 * continue. */
static void tracing_loop(struct vcpu *vcpu)
{
	while (run_may_enter(vcpu)) {
		uint64_t entered = clock_ns(), left;
		int result = run_enter(vcpu);

		left = clock_ns();
		vcpu->ns_in_guest += left - entered;
		trace_run(vcpu, entered, result);
		if (result < 0)
			return;
		handle_exit(vcpu);
		vcpu->ns_in_monitor += clock_ns() - left;
	}
}

bool trace_accesses(unsigned n, struct access_count *count)
{
	if (n == COUNTS)
		return false;
	lock_acquire(&trace.lock);
	*count = trace.accesses[n];
	lock_release(&trace.lock);
	return count->of[0] + count->of[1] > 0;
}

/* ---- on and off ---- */

static unsigned events_of(unsigned words)
{
	return words & TRACE_ALL ? TRACE_ALL - 1 : words;
}

/* Sets the observer and the vCPUs' loop, depending on what is traced. */
static void choose_observers(void)
{
	bool watched = trace.events || trace.counts;

	kvm_observe(trace.events ? observe : NULL);
	if (trace.run)
		__atomic_store_n(&trace.run->watch, watched ? tracing_loop : NULL,
				 __ATOMIC_RELAXED);
}

static void open_file(const char *path)
{
	int fd = (int)sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		die(STATUS_HOST, "%.200s: %s", path, error_text(-fd));
	outlet_open(&trace.file, fd, "the trace");
	trace.file.failed = on_failure;
	trace.outlet = &trace.file;
}

void trace_open(const struct options *options)
{
	trace.outlet = report_outlet();
	if (options->trace_file)
		open_file(options->trace_file);
	trace.is_json = options->trace_json;
	trace.counts = options->stats;
	trace.events = events_of((unsigned)options->trace);
	if (!trace.events && (trace.is_json || options->trace_file))
		trace.events = events_of(TRACE_ALL);
	trace.before = '[';
	choose_observers();
}

struct outlet *trace_outlet(void)
{
	return trace.outlet == &trace.file ? trace.outlet : NULL;
}

bool trace_is_on(void)
{
	return trace.events != 0;
}

void trace_close(void)
{
	if (trace.is_json)
		print(trace.before == '[' ? "[]\n" : "\n]\n");
}

void trace_attach(struct run *run)
{
	trace.run = run;
	choose_observers();
}

void trace_set(unsigned events)
{
	__atomic_store_n(&trace.events, events_of(events), __ATOMIC_RELAXED);
	choose_observers();
	run_kick(trace.run);
}
