/* SPDX-License-Identifier: MIT */
/*
 * The three layers of KVM, as Documentation/virt/kvm/api.rst has them: system, VM, vCPU; a file
 * each.
 *
 * Who uses it: machine.c builds a guest with it, probe.c asks what there is. Every call is checked:
 * what the host refuses ends the program with a message, so no function here returns a failure.
 */
#ifndef VMM_KVM_H
#define VMM_KVM_H

#include "crt/crt.h"
#include "vmm/gpa.h"

#include <linux/kvm.h>

/* ---- system.c: /dev/kvm ---- */

struct kvm_system {
	int fd;
	size_t run_size; /* bytes of a vCPU's kvm_run mapping */
};

/* Opens /dev/kvm and makes sure that it is KVM, of the version and with the extensions we need. */
void kvm_open(struct kvm_system *kvm);

/* Calls that are no ioctl, but belong to KVM's interface; with numbers that no request has. */
#define OPEN_KVM 0xfe
#define MMAP_RUN 0xff

/*
 * Told of every call after it was made, from whatever thread made it; the argument is a number or
 * a pointer that is valid during the call. NULL: nobody is. kvm_observed is for calls that are
 * not made by kvm_try.
 */
typedef void kvm_observer(int fd, unsigned long request, uintptr_t argument, int result);
void kvm_observe(kvm_observer *observer);
void kvm_observed(int fd, unsigned long request, uintptr_t argument, int result);

/* ioctl that may fail: its result or negative errno. */
int kvm_try(int fd, unsigned long request, uintptr_t argument);

/* ioctl that must not fail, under its constant's name. */
#define kvm_call(fd, request, argument)                                                            \
	kvm_check(kvm_try(fd, request, (uintptr_t)(argument)), #request)
/* Dies if this is a negative errno, of a call of this name. */
int kvm_check(int result, const char *name);

/* What KVM_CHECK_EXTENSION says to a system's or a VM's descriptor: 0 is no. */
int kvm_capability(int fd, unsigned capability);

/* ---- vm.c: one guest ---- */

struct vm {
	int fd;
	int gic_fd;
	unsigned gic; /* version of its interrupt controller: 2 or 3 */
};

/* A VM that can hold addresses below `end`. */
void vm_create(struct vm *vm, const struct kvm_system *kvm, gpa_t end);
/* Shows memory of this process, which must outlive the VM, to the guest, in a free slot. */
void vm_add_memory(struct vm *vm, unsigned slot, gpa_t at, void *memory, uint64_t size);
/* The same read-only: writes come as MMIO. False if the host cannot; then reads come as MMIO, too.
 */
bool vm_add_rom(struct vm *vm, unsigned slot, gpa_t at, void *memory, uint64_t size);
/* Does not show it any more: reads come as MMIO, too. */
void vm_remove_memory(struct vm *vm, unsigned slot);
/* Writes there are collected in a ring (struct kvm_coalesced_mmio_ring), as long as it has room,
 * rather than coming as MMIO one by one. False if the host cannot. Or not any more. */
bool vm_collect_writes(struct vm *vm, gpa_t at, uint32_t size);
void vm_stop_collecting(struct vm *vm, gpa_t at, uint32_t size);
/* The interrupt controller: version 2, 3, or 0 for what the host has; ready once its vCPUs exist.
 */
void vm_create_gic(struct vm *vm, unsigned version);
void vm_start_gic(struct vm *vm);
/* How many CPUs a guest with this interrupt controller can have on this host. */
unsigned vm_most_cpus(const struct vm *vm);
/* Has the host this device (KVM_DEV_TYPE_*)? */
bool vm_has_device(const struct vm *vm, unsigned type);
/* Level of shared peripheral interrupt `spi` (0 is INTID 32). An irq_line's `set`. */
void vm_set_irq(void *vm, unsigned spi, bool level);
void vm_destroy(struct vm *vm);

/* ---- vcpu.c: one CPU of a guest ---- */

#define EXIT_REASONS 38 /* of linux/kvm.h 6.1; a later one is counted as the first, "unknown" */

/* An exit, with the beginning of what kvm_run said of it. */
struct exit_record {
	uint32_t reason;
	uint64_t detail[3];
};
#define HISTORY 32 /* exits */

/* Of the machine that a CPU belongs to. */
struct bus;
struct guest_memory;
struct run;
struct shortcut;

struct vcpu {
	int fd;
	int stats_fd; /* KVM's statistics of it, for stats.c; negative errno: none */
	unsigned index;
	uint32_t thread;     /* id of the thread that runs it */
	struct kvm_run *run; /* shared with the kernel, run_size bytes */
	size_t run_size;
	struct bus *bus;
	const struct guest_memory *memory;
	struct run *guest;	      /* the run that it is part of */
	uint32_t paused;	      /* a futex: 1 while its thread waits for run_resume */
	bool frozen;		      /* and is left out by that */
	bool interrupted;	      /* by a stop of the process, and not in the guest since */
	bool stepping, stopped;	      /* for a debugger: by an exit, to be told of it */
	struct shortcut *shortcut;    /* round the UART */
	uint64_t exits[EXIT_REASONS]; /* of all runs */
	struct exit_record history[HISTORY];
	uint32_t remembered; /* exits so far: the next one goes there, modulo HISTORY */
	const struct vm *vm;
	/* Of the time in which it was watched; what is the host's kernel's is the guest's here. */
	uint64_t ns_in_guest, ns_in_monitor;
};

/* What a host may have, and a guest's CPUs then get. */
struct cpu_features {
	bool pmu;   /* performance counters */
	bool sve;   /* scalable vectors */
	bool pauth; /* pointer authentication */
};

/* CPU `index` of the VM, as after power-on, with PSCI in the kernel; all but the first are off.
 * Thread and counts of exits stay what they are. */
void vcpu_create(struct vcpu *vcpu, const struct kvm_system *kvm, const struct vm *vm,
		 unsigned index, const struct cpu_features *features, struct bus *bus,
		 const struct guest_memory *memory, struct run *guest);
/* What has to wait until the interrupt controller is ready: the PMU's interrupt. */
void vcpu_start_pmu(const struct vcpu *vcpu);
/* Shows the guest's CPU there, 64 bytes in memory that it has, how long the host kept it waiting.
 */
void vcpu_show_stolen_time(const struct vcpu *vcpu, gpa_t at);
/* Boot protocol (Documentation/arch/arm64/booting.rst): pc, x0 = device tree. */
void vcpu_set_entry(struct vcpu *vcpu, gpa_t entry, gpa_t device_tree);
/* Sets the virtual counter of all CPUs of the VM, which share their offset to the host's. */
void vcpu_set_counter(const struct vcpu *vcpu, uint64_t value);
/* Makes the vCPU's thread, which is or will be in KVM_RUN, leave it. */
void vcpu_kick(struct vcpu *vcpu);
/* Prepares the process for vcpu_kick. */
void vcpu_prepare_kicks(void);
/*
 * Prepares it for stops: `told` is called, in a signal handler on a vCPU's thread, when the process
 * goes on after one. A vCPU's thread calls vcpu_accept_continue to be such a one.
 */
void vcpu_watch_stops(void (*told)(void *context), void *context);
void vcpu_accept_continue(void);
/* What the device tree calls this CPU (MPIDR_EL1's affinity, as KVM gives it). */
uint64_t vcpu_affinity(const struct vcpu *vcpu);
/* Which page sizes and byte orders it has: ID_AA64MMFR0_EL1. */
uint64_t vcpu_memory_features(const struct vcpu *vcpu);
void vcpu_destroy(struct vcpu *vcpu);

#endif
