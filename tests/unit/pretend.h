/* SPDX-License-Identifier: MIT */
/*
 * A fake guest for the debugger: CPUs are lists of registers, RAM is an array, and the line is a
 * string. Used by gdb's unit test and fuzz target, which link the debugger's own files.
 */
#ifndef TESTS_PRETEND_H
#define TESTS_PRETEND_H

#include "reports.h"

#include "crt/sys.h"
#include "vmm/debug/gdb.h"
#include "vmm/debug/stats.h"
#include "vmm/debug/trace.h"
#include "vmm/machine/memory.h"
#include "vmm/machine/serve.h"
#include "vmm/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Checks what must hold whatever guest and gdb do. */
#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define CPUS 3
#define RAM_AT 0x40000000ull
#define RAM 0x10000ul
#define FIRST_FD 100 /* descriptor of CPU 0 */
#define LINE_FD 50
#define LISTENER_FD 60

/* ---- memory ---- */

static union {
	uint8_t bytes[RAM];
	uint32_t words[RAM / 4];
	uint64_t entries[RAM / 8]; /* of page tables */
} ram;

static uint64_t dirty; /* a bit for each page that was written */

static const struct guest_memory memory = {
	.dirty = &dirty,
	.dirty_page = 4096,
	.base = { RAM_AT },
	.size = RAM,
	.host = ram.bytes,
};

void *memory_at(const struct guest_memory *of, gpa_t at, uint64_t length)
{
	uint64_t offset = at.address - of->base.address;

	return offset > of->size || length > of->size - offset ? NULL : of->host + offset;
}

static uint32_t *instruction_at(uint64_t physical)
{
	return &ram.words[(physical - RAM_AT) / 4];
}

/* ---- registers ---- */

#define MAX_REGISTERS 128

static struct {
	uint64_t ids[MAX_REGISTERS];
	uint8_t values[MAX_REGISTERS][256];
	unsigned count;
	struct kvm_guest_debug debug;
	uint32_t power; /* KVM_MP_STATE_* */
} cpus[CPUS];

static bool has_sve;		    /* vector registers are then parts of scalable ones */
static uint64_t read_only, missing; /* a register that cannot be set; one that does not exist */

/* Does KVM have this register? */
static bool is_register(uint64_t id)
{
	uint64_t number = id & ~KVM_REG_SIZE_MASK & ~KVM_REG_ARM_COPROC_MASK;
	unsigned bits = 8u << ((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);
	unsigned word = (unsigned)(number & 0xffff);
	unsigned vectors = KVM_REG_ARM_CORE_REG(fp_regs.vregs[0]);

	switch (id & KVM_REG_ARM_COPROC_MASK) {
	case KVM_REG_ARM_CORE:
		if (word >= vectors && word < vectors + 128)
			return !has_sve && bits == 128 && (word - vectors) % 4 == 0;
		if (word >= vectors + 128)
			return bits == 32 && word < vectors + 130;
		return bits == 64 && word % 2 == 0;
	case KVM_REG_ARM64_SVE:
		return has_sve && bits == 2048;
	case KVM_REG_ARM64_SYSREG:
		return bits == 64;
	default:
		return false;
	}
}

static uint8_t *value_of(unsigned cpu, uint64_t id)
{
	unsigned i = 0;

	while (i < cpus[cpu].count && cpus[cpu].ids[i] != id)
		i++;
	if (i == cpus[cpu].count) {
		must(i < MAX_REGISTERS);
		cpus[cpu].ids[cpus[cpu].count++] = id;
	}
	return cpus[cpu].values[i];
}

static uint64_t get(unsigned cpu, uint64_t id)
{
	uint64_t value;

	memcpy(&value, value_of(cpu, id), sizeof value);
	return value;
}

static void set(unsigned cpu, uint64_t id, uint64_t value)
{
	memcpy(value_of(cpu, id), &value, sizeof value);
}

#define PC CORE_REGISTER(regs.pc)
#define PSTATE CORE_REGISTER(regs.pstate)

static int access_one(unsigned cpu, bool is_set, const struct kvm_one_reg *reg)
{
	size_t size = 1ul << ((reg->id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);
	void *own = (void *)(uintptr_t)reg->addr;

	if (!is_register(reg->id) || reg->id == missing)
		return -EINVAL;
	if (is_set && reg->id == read_only)
		return -EPERM;
	if (is_set)
		memcpy(value_of(cpu, reg->id), own, size);
	else
		memcpy(own, value_of(cpu, reg->id), size);
	return 0;
}

int kvm_try(int fd, unsigned long request, uintptr_t argument)
{
	unsigned cpu = (unsigned)(fd - FIRST_FD);

	must(cpu < CPUS);
	switch (request) {
	case KVM_GET_ONE_REG:
	case KVM_SET_ONE_REG:
		return access_one(cpu, request == KVM_SET_ONE_REG, (const void *)argument);
	case KVM_GET_MP_STATE:
		((struct kvm_mp_state *)argument)->mp_state = cpus[cpu].power;
		return 0;
	case KVM_SET_GUEST_DEBUG:
		cpus[cpu].debug = *(const struct kvm_guest_debug *)argument;
		return 0;
	default:
		abort();
	}
}

int kvm_check(int result, const char *name)
{
	(void)name;
	must(result >= 0);
	return result;
}

#define BREAKPOINTS 3
#define WATCHPOINTS 2

int kvm_capability(int fd, unsigned capability)
{
	(void)fd;
	return capability == KVM_CAP_GUEST_DEBUG_HW_BPS ? BREAKPOINTS : WATCHPOINTS;
}

/* ---- the run ---- */

static union {
	struct kvm_run run;
	char page[4096];
} shared[CPUS];
static struct vcpu vcpus[CPUS];
static struct run run;

bool run_pause_asked(const struct run *of)
{
	return of->entry_gate & PAUSE;
}

void run_ask_pause(struct run *of)
{
	of->entry_gate |= PAUSE_ASKED;
}

void run_pause(struct run *of)
{
	of->entry_gate |= PAUSED;
	of->paused = true;
}

void run_resume(struct run *of)
{
	of->entry_gate &= ~(uint32_t)PAUSED;
	of->paused = false;
}

void run_end(struct run *of, enum end end, int status)
{
	if (end <= run_how_ended(of))
		return;
	of->end = END_WORD(end, status);
}

/* ---- the line ---- */

static struct gdb gdb;
static char answers[32768]; /* sent to gdb */
static size_t answers_size;
static bool is_gone;	  /* the line's other end is closed */
static const char *typed; /* what the next read returns */
static long open_result;  /* of opening the line */

/* Writes at most 100 bytes at a time. */
static long write_line(long fd, const void *data, size_t size)
{
	must(fd == LINE_FD);
	if (is_gone)
		return -EPIPE;
	if (size > 100)
		size = 100;
	must(answers_size + size < sizeof answers);
	memcpy(answers + answers_size, data, size);
	answers_size += size;
	answers[answers_size] = '\0';
	return (long)size;
}

/* There is one thread, so a lock is never taken twice. */
void lock_acquire(struct lock *lock)
{
	must(lock->state++ == 0);
}

void lock_release(struct lock *lock)
{
	must(lock->state-- == 1);
}

void wake_loop(int wake)
{
	(void)wake;
	abort();
}

static void hold_nothing(void *held, uint32_t by, bool on)
{
	(void)held, (void)by;
	must(!on);
}

void loop_add_source(struct loop *loop, struct loop_source *source)
{
	must(loop == &run.loop && source == &gdb.input);
}

/* Does what the event loop does when there is input. */
static inline void take_input(void)
{
	gdb.input.ready(gdb.input.context, POLLIN);
}

void serve_outlet(struct run *of, struct loop_source *source, struct outlet *outlet,
		  struct outlet_room room)
{
	must(of == &run && source == &gdb.output);
	room.hold = hold_nothing;
	outlet->room = room;
}

int write_all(int fd, const void *data, size_t size)
{
	return write_line(fd, data, size) == (long)size ? 0 : -EIO;
}

static long read_line(char *to)
{
	size_t size = is_gone || !typed ? 0 : strlen(typed);

	memcpy(to, typed ? typed : "", size);
	return (long)size;
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)c, (void)d, (void)e, (void)f;
	switch (number) {
	case SYS_write:
		return write_line(a, (const void *)b, (size_t)c);
	case SYS_read:
		return read_line((char *)b);
	case SYS_openat:
	case SYS_fstat:
		return open_result;
	case SYS_socket:
		return LISTENER_FD;
	case SYS_bind:
		return open_result < 0 ? open_result : 0;
	case SYS_accept4:
		return LINE_FD;
	case SYS_ppoll:
		return 1; /* the line is writable */
	case SYS_close:
	case SYS_ioctl:
	case SYS_listen:
		return 0;
	default:
		abort();
	}
}

int signal_catch(int number, void (*handler)(int number, siginfo_t *info, void *context))
{
	(void)number, (void)handler;
	return 0;
}

const char *error_text(int error)
{
	return strerrorname_np(error);
}

enum status status_of_error(int error)
{
	return error == ENOMEM ? STATUS_HOST : STATUS_INTERNAL;
}

/* ---- starting ---- */

static unsigned traced, statistics;

void trace_set(unsigned events)
{
	traced = events;
}

void stats_report(const struct console *console, unsigned form)
{
	(void)console;
	statistics += form == FORM_TEXT;
}

/* Sets the guest's state before its first instruction: RAM is full of NOPs, and all CPUs are at its
 * start.
 */
static void start_guest(void)
{
	for (unsigned i = 0; i < RAM / 4; i++)
		ram.words[i] = 0xd503201f;
	for (unsigned i = 0; i < CPUS; i++) {
		vcpus[i].run = &shared[i].run;
		vcpus[i].fd = FIRST_FD + (int)i;
		vcpus[i].index = i;
		vcpus[i].memory = &memory;
		vcpus[i].guest = &run;
		cpus[i].count = 0;
		cpus[i].power = i ? KVM_MP_STATE_STOPPED : KVM_MP_STATE_RUNNABLE;
		memset(cpus[i].values, 0, sizeof cpus[i].values);
		set(i, PC, RAM_AT);
		set(i, PSTATE, 0x3c5);
	}
	run.end = RUNNING;
	run.entry_gate = 0;
	run.paused = false;
	gdb_start(&gdb);
	if (run.starts_paused)
		run_pause(&run);
}

/* Starts a guest with a gdb on this line. */
static void attach(const char *line, bool holds)
{
	static const struct vm vm;
	static struct guest_memory flash;

	memset(vcpus, 0, sizeof vcpus);
	memset(shared, 0, sizeof shared);
	run = (struct run){ .vcpus = vcpus, .cpus = CPUS };
	has_sve = is_gone = false;
	read_only = missing = 0;
	answers[0] = '\0';
	answers_size = 0;
	open_result = LINE_FD;
	gdb_open(&gdb, line, holds);
	gdb_attach(&gdb, &run, &vm, &flash, NULL);
	start_guest();
}

/* A debug exit of a CPU, with this syndrome, which requests a pause. */
static void stop_at(unsigned cpu, uint64_t pc, uint32_t syndrome, uint64_t far)
{
	set(cpu, PC, pc);
	shared[cpu].run.debug.arch = (struct kvm_debug_exit_arch){ .hsr = syndrome, .far = far };
	vcpus[cpu].stopped = true;
	run_ask_pause(&run);
}

static void tell(void)
{
	answers_size = 0;
	answers[0] = '\0';
	if (run_pause_asked(&run) && !run.paused)
		run.on_paused(run.debugger);
}

#endif
