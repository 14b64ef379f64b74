// SPDX-License-Identifier: MIT
/*
 * Traces, and the loop that watches a CPU.
 *
 * Who calls it: main, system.c, vcpu.c, machine.c, gdb.c, stats.c. Touches standard error or the
 * file of the trace, and reads what kvm_run says.
 */
#include "trace.h"

#include "crt/sys.h"
#include "describe.h"
#include "vmm/host/event_loop.h"
#include "vmm/host/outlet.h"
#include "vmm/kvm/registers.h"
#include "vmm/machine/exits.h"
#include "vmm/machine/map.h"
#include "vmm/report.h"

#include <errno.h>
#include <fcntl.h>

#define COUNTS 64   /* more than all devices have registers */
#define MONITOR 512 /* among CPUs' numbers, which are lower */

/* A mutable global, not handed on from caller to callee as all else is: KVM is called from
 * everywhere. */
static struct {
	unsigned events; /* bits of enum trace */
	struct outlet file;
	struct outlet *outlet; /* that, or the one of messages */
	bool is_json;
	char before; /* an object of JSON */
	bool counts; /* CPUs are watched even if nothing is told */
	struct run *run;
	struct lock lock; /* of what follows */
	struct text text;
	struct access_count accesses[COUNTS];
} trace;

#define LINE 768 /* bytes; an object of JSON has the text twice */

/* A trace that cannot be written ends; the guest goes on. */
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

/* An object of the Trace Event Format: a slice of time, or an instant. */
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

/* A text for an event, and the lock of it; NULL if it is not told. */
static struct text *begin(enum trace event)
{
	if (!(__atomic_load_n(&trace.events, __ATOMIC_RELAXED) & event))
		return NULL;
	lock_acquire(&trace.lock);
	trace.text.used = 0;
	return &trace.text;
}

/* It is now, or began at `start`; of a CPU, or -1. */
static void end(enum trace event, int cpu, uint64_t start)
{
	static const char kinds[][5] = { "kvm", "exit", "mmio", "irq", "psci" };
	const char *kind = kinds[__builtin_ctz(event)];
	/* The guest's virtual counter is a second ahead of ours (clock.c). */
	uint64_t now = clock_ns() + NS_PER_S;
	uint64_t duration = start ? now - NS_PER_S - start : 0;

	if (trace.is_json)
		print_json(kind, cpu, now - duration, duration);
	else
		print_text(kind, cpu, now);
	lock_release(&trace.lock);
}

/* ---- KVM's calls ---- */

/* Whose descriptor this is; -1: no CPU's. */
static int cpu_of(int fd)
{
	for (unsigned i = 0; trace.run && i < trace.run->cpus; i++)
		if (trace.run->vcpus[i].fd == fd)
			return (int)i;
	return -1;
}

/* The name of the device that has this interrupt, if that is one of the bus. */
static void add_owner(struct text *text, unsigned intid)
{
	const struct bus *bus = trace.run->vcpus->bus;

	for (unsigned i = 0; i < bus->count; i++)
		if (bus->regions[i].spi + SPI_INTID == intid)
			text_add(text, "%s ", bus->regions[i].ops->name);
}

/* A level of a device's line, which KVM was told. */
static void tell_irq(const struct kvm_irq_level *irq)
{
	struct text *text = begin(TRACE_IRQ);

	if (!text)
		return;
	add_owner(text, irq->irq & 0xffff);
	text_add(text, "INTID %u = %u", irq->irq & 0xffff, irq->level);
	end(TRACE_IRQ, -1, 0);
}

/* A kvm_observer. */
static void observe(int fd, unsigned long request, uintptr_t argument, int result)
{
	struct text *text = begin(TRACE_KVM);

	if (text) {
		int cpu = cpu_of(fd);

		describe_call(text, cpu >= 0, request, argument, result);
		end(TRACE_KVM, cpu, 0);
	}
	if (request == KVM_IRQ_LINE)
		tell_irq((const struct kvm_irq_level *)argument);
}

/* ---- a watched CPU ---- */

static void tell_run(const struct vcpu *vcpu, uint64_t entered, int result)
{
	struct text *text = begin(TRACE_KVM);

	if (!text)
		return;
	text_add(text, "KVM_RUN -> %s%s", result < 0 ? "" : "KVM_EXIT_",
		 result < 0 ? error_text(-result) : exit_name(vcpu->run->exit_reason));
	end(TRACE_KVM, (int)vcpu->index, entered);
}

static void tell_exit(const struct vcpu *vcpu, uint64_t left)
{
	uint64_t pc = 0;
	struct kvm_one_reg reg = { .id = CORE_REGISTER(regs.pc), .addr = (uintptr_t)&pc };
	struct text *text = begin(TRACE_EXIT);

	if (!text)
		return;
	describe_exit(text, vcpu->run);
	/* Not by kvm_try, which would tell of it. */
	if (ioctl_restart(vcpu->fd, KVM_GET_ONE_REG, (uintptr_t)&reg) == 0)
		text_add(text, ", pc %#lx", pc);
	end(TRACE_EXIT, (int)vcpu->index, left);
}

static void tell_psci(const struct vcpu *vcpu)
{
	struct text *text = begin(TRACE_PSCI);

	if (!text)
		return;
	describe_psci(text, vcpu->run);
	end(TRACE_PSCI, (int)vcpu->index, 0);
}

/* The row of an access; a new one is the first without any. */
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

/* An access that was handled. */
static void watch_access(const struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	const struct bus_region *region =
		bus_find(vcpu->bus, GPA(run->mmio.phys_addr), run->mmio.len);
	int number = -1;
	const struct register_name *row =
		region ? describe_find(region, run->mmio.phys_addr, &number) : NULL;
	struct text *text;

	count_access(region ? region->ops : NULL, row, run->mmio.is_write);
	text = begin(TRACE_MMIO);
	if (!text)
		return;
	describe_register(text, region ? region->ops : NULL, row, number);
	describe_value(text, row, run);
	end(TRACE_MMIO, (int)vcpu->index, 0);
}

static void watch_exit(struct vcpu *vcpu)
{
	uint64_t left = clock_ns();
	unsigned reason = vcpu->run->exit_reason;

	/* Before what comes of it; a slice of time when its end is known. */
	if (!trace.is_json)
		tell_exit(vcpu, left);
	if (reason == KVM_EXIT_SYSTEM_EVENT)
		tell_psci(vcpu);
	run_handle_exit(vcpu);
	if (reason == KVM_EXIT_MMIO)
		watch_access(vcpu);
	if (trace.is_json)
		tell_exit(vcpu, left);
}

/* run_vcpu's inner loop for a watched CPU: until it is kicked, or does not go on. */
static void watch_run(struct vcpu *vcpu)
{
	while (run_may_enter(vcpu)) {
		uint64_t entered = clock_ns(), left;
		int result = run_enter(vcpu);

		left = clock_ns();
		vcpu->ns_in_guest += left - entered;
		tell_run(vcpu, entered, result);
		if (result < 0)
			return;
		watch_exit(vcpu);
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

/* Who is called while a CPU runs depends on whether anything is traced. */
static void choose_observers(void)
{
	bool watched = trace.events || trace.counts;

	kvm_observe(trace.events ? observe : NULL);
	if (trace.run)
		__atomic_store_n(&trace.run->watch, watched ? watch_run : NULL, __ATOMIC_RELAXED);
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
