/* SPDX-License-Identifier: MIT */
/*
 * A pretended guest whose loads and stores have no syndrome: CPUs that are a list of registers, RAM
 * that is an array, a device of 4 KiB that is one, and an interrupt controller that is a list of
 * the accesses made to it. Used by the unit test and the fuzz target of no_syndrome.c, which link
 * the files that it calls.
 */
#ifndef TESTS_ACCESSES_H
#define TESTS_ACCESSES_H

#include "reports.h"

#include "vmm/kvm/gic_registers.h"
#include "vmm/kvm/registers.h"
#include "vmm/machine/bus.h"
#include "vmm/machine/map.h"
#include "vmm/machine/memory.h"
#include "vmm/machine/no_syndrome.h"
#include "vmm/machine/run.h"
#include "vmm/machine/stray.h"

#include <errno.h>
#include <stdlib.h>

#define RAM_AT 0x40000000ull
#define RAM 0x10000ul
#define DEVICE 0x0a000000ull
#define CPUS 2
#define FIRST_FD 100
#define GIC_FD 50

/* ---- memory ---- */

static union {
	uint8_t bytes[RAM];
	uint32_t words[RAM / 4];
	uint64_t entries[RAM / 8];
} ram;
static const struct guest_memory memory = { .base = { RAM_AT }, .size = RAM, .host = ram.bytes };

void *memory_at(const struct guest_memory *of, gpa_t at, uint64_t length)
{
	uint64_t offset = at.address - of->base.address;

	return offset > of->size || length > of->size - offset ? NULL : of->host + offset;
}

/* What is accessed, first to last. */
static struct mmio_access made[64];
static unsigned made_count;
static uint8_t device[0x1000];

static void make(gpa_t at, unsigned size, bool is_write, uint64_t value)
{
	if (made_count < sizeof made / sizeof *made)
		made[made_count++] =
			(struct mmio_access){ at.address, value, (uint8_t)size, is_write };
}

/* Anything but an access of the device would be one behind it. */
static uint8_t *device_at(gpa_t at, unsigned size)
{
	static uint8_t elsewhere[8];
	uint64_t offset = at.address - DEVICE;

	memset(elsewhere, 0, sizeof elsewhere);
	return offset <= sizeof device - size ? device + offset : elsewhere;
}

static uint32_t flash_word; /* at any address of the flash */

uint64_t bus_read(struct bus *bus, gpa_t at, unsigned size)
{
	uint64_t value = 0;

	(void)bus;
	if (at.address < FLASH_SIZE)
		return flash_word;
	memcpy(&value, device_at(at, size), size);
	make(at, size, false, value);
	return value;
}

void bus_write(struct bus *bus, gpa_t at, unsigned size, uint64_t value)
{
	(void)bus;
	memcpy(device_at(at, size), &value, size);
	make(at, size, true, value);
}

/* ---- KVM ---- */

#define MAX_REGISTERS 64

static struct {
	uint64_t ids[MAX_REGISTERS];
	uint8_t values[MAX_REGISTERS][256];
	unsigned count;
} cpus[CPUS];
static bool has_sve;
static unsigned aborts; /* injected */

static uint8_t *value_of(unsigned cpu, uint64_t id)
{
	unsigned i = 0;

	while (i < cpus[cpu].count && cpus[cpu].ids[i] != id)
		i++;
	if (i == MAX_REGISTERS)
		abort();
	if (i == cpus[cpu].count)
		cpus[cpu].ids[cpus[cpu].count++] = id;
	return cpus[cpu].values[i];
}

static uint64_t get_value(unsigned cpu, uint64_t id)
{
	uint64_t value;

	memcpy(&value, value_of(cpu, id), sizeof value);
	return value;
}

static void set_value(unsigned cpu, uint64_t id, uint64_t value)
{
	memcpy(value_of(cpu, id), &value, sizeof value);
}

static int access_register(unsigned cpu, bool is_set, const struct kvm_one_reg *reg)
{
	size_t size = 1ul << ((reg->id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);
	void *own = (void *)(uintptr_t)reg->addr;

	if ((size == 16 && has_sve) || (size == 256 && !has_sve))
		return -EINVAL;
	if (is_set)
		memcpy(value_of(cpu, reg->id), own, size);
	else
		memcpy(own, value_of(cpu, reg->id), size);
	return 0;
}

/* Attributes of the interrupt controller: `group` and `attr` of each, and the value that it has. */
static struct {
	unsigned group;
	uint64_t attr;
	uint32_t value;
} attributes[64];
static unsigned attribute_count;
static unsigned attribute_sets;
static int attribute_error;

static uint32_t *attribute(unsigned group, uint64_t attr)
{
	unsigned i = 0;

	while (i < attribute_count && (attributes[i].group != group || attributes[i].attr != attr))
		i++;
	if (i == sizeof attributes / sizeof *attributes)
		abort();
	if (i == attribute_count)
		attribute_count++;
	attributes[i].group = group;
	attributes[i].attr = attr;
	return &attributes[i].value;
}

static int access_attribute_of_gic(bool is_set, const struct kvm_device_attr *attr)
{
	uint32_t *value = (uint32_t *)(uintptr_t)attr->addr;

	if (attribute_error)
		return attribute_error;
	attribute_sets += is_set;
	if (is_set)
		*attribute(attr->group, attr->attr) = *value;
	else
		*value = *attribute(attr->group, attr->attr);
	return 0;
}

int kvm_try(int fd, unsigned long request, uintptr_t argument)
{
	const struct kvm_vcpu_events *events = (const void *)argument;

	switch (request) {
	case KVM_GET_ONE_REG:
	case KVM_SET_ONE_REG:
		return access_register((unsigned)(fd - FIRST_FD), request == KVM_SET_ONE_REG,
				       (const void *)argument);
	case KVM_GET_DEVICE_ATTR:
	case KVM_SET_DEVICE_ATTR:
		if (fd != GIC_FD)
			abort();
		return access_attribute_of_gic(request == KVM_SET_DEVICE_ATTR,
					       (const void *)argument);
	case KVM_SET_VCPU_EVENTS:
		aborts += events->exception.ext_dabt_pending;
		return 0;
	default:
		abort();
	}
}

int kvm_check(int result, const char *name)
{
	(void)name;
	if (result < 0)
		abort();
	return result;
}

uint64_t vcpu_affinity(const struct vcpu *vcpu)
{
	return register_get(vcpu, MPIDR_EL1) & 0xff00ffffff;
}

/* ---- the run ---- */

static union {
	struct kvm_run run;
	char page[4096];
} shared;
static struct vm vm = { .gic_fd = GIC_FD, .gic = 2 };
static struct vcpu vcpus[CPUS];
static struct run run;
static struct stray stray;
static struct bus bus;
static unsigned pauses, strays;

void run_ask_pause(struct run *asked)
{
	(void)asked;
	pauses++;
}

void run_end(struct run *ended, enum end end, int status)
{
	ended->end = END_WORD(end, status);
}

bool stray_is_new(struct stray *of, gpa_t at)
{
	(void)of, (void)at;
	return strays++ == 0;
}

/* Both CPUs as after a reset, at EL1 with their MMU off, and nothing accessed yet. */
static void begin_guest(void)
{
	memset(cpus, 0, sizeof cpus);
	memset(device, 0, sizeof device);
	memset(&ram, 0, sizeof ram);
	memset(attributes, 0, sizeof attributes);
	made_count = aborts = pauses = strays = reports = attribute_count = attribute_sets = 0;
	attribute_error = 0;
	stray = (struct stray){ .strict = NULL };
	bus = (struct bus){ .stray = &stray };
	run = (struct run){ .vcpus = vcpus, .cpus = CPUS };
	for (unsigned i = 0; i < CPUS; i++) {
		vcpus[i] = (struct vcpu){ .fd = FIRST_FD + (int)i,
					  .index = i,
					  .run = &shared.run,
					  .bus = &bus,
					  .memory = &memory,
					  .guest = &run,
					  .vm = &vm };
		set_value(i, CORE_REGISTER(regs.pstate), 0x3c5);
		set_value(i, CORE_REGISTER(regs.pc), RAM_AT);
		set_value(i, MPIDR_EL1, 0x80000000 | i);
	}
}

/* The exit for an access at this address. */
static void exit_for(unsigned cpu, uint64_t at, bool is_write)
{
	shared.run.exit_reason = KVM_EXIT_ARM_NISV;
	shared.run.arm_nisv.fault_ipa = at;
	shared.run.arm_nisv.esr_iss = is_write ? 0x47 : 0x07;
	no_syndrome_handle(&vcpus[cpu]);
}

#endif
