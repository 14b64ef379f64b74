/* SPDX-License-Identifier: MIT */
/*
 * The three layers of KVM, as in Documentation/virt/kvm/api.rst (below: api.rst): system, VM and
 * vCPU, one file each.
 *
 * Who uses it: machine.c builds a guest with it, probe.c lists what there is. Every call is
 * checked: if the host refuses one, the program ends with a message. So functions return no error
 * unless their comment says so.
 */
#ifndef VMM_KVM_H
#define VMM_KVM_H

#include "crt/crt.h"
#include "vmm/gpa.h"

#include <linux/kvm.h>

/* Of Linux 6.16 (linux/kvm.h, asm/kvm.h), and not in Debian 12's headers. */
#define KVM_CAP_ARM_EL2 240
#define KVM_CAP_ARM_EL2_E2H0 241
#define KVM_ARM_VCPU_HAS_EL2 7
#define KVM_ARM_VCPU_HAS_EL2_E2H0 8
#define KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ 9

/* Of Linux 6.4 (asm/kvm.h; api.rst, KVM_ARM_SET_COUNTER_OFFSET). */
#ifndef KVM_ARM_SET_COUNTER_OFFSET
struct kvm_arm_counter_offset {
	uint64_t counter_offset;
	uint64_t reserved;
};
#define KVM_ARM_SET_COUNTER_OFFSET _IOW(KVMIO, 0xb5, struct kvm_arm_counter_offset)
#endif

/* ---- system.c: /dev/kvm ---- */

struct kvm_system {
	int fd;
	size_t run_size; /* bytes of a vCPU's kvm_run mapping */
};

/* Opens /dev/kvm and checks that it is KVM, with the version and extensions that we need. */
void kvm_open(struct kvm_system *kvm);

/* Calls of KVM's interface that are no ioctl, by numbers that no ioctl request has. */
#define OPEN_KVM 0xfe
#define MMAP_RUN 0xff

/*
 * An observer is called after every call, on the thread that made it; `argument` is a number or a
 * pointer that is valid during the observer's call. NULL removes it. kvm_observed reports a call
 * that was not made by kvm_try.
 */
typedef void kvm_observer(int fd, unsigned long request, uintptr_t argument, int result);
void kvm_observe(kvm_observer *observer);
void kvm_observed(int fd, unsigned long request, uintptr_t argument, int result);

/* An ioctl that may fail: returns its result or negative errno. */
int kvm_try(int fd, unsigned long request, uintptr_t argument);

/* An ioctl that must not fail; the macro passes the request's name for the message. */
#define kvm_call(fd, request, argument)                                                            \
	kvm_check(kvm_try(fd, request, (uintptr_t)(argument)), #request)
/* Returns a call's result; dies if it is a negative errno, naming the call. */
int kvm_check(int result, const char *name);

/* KVM_CHECK_EXTENSION on the descriptor of the system or of a VM; 0 means no. */
int kvm_capability(int fd, unsigned capability);

/* ---- vm.c: one guest ---- */

struct vm {
	int fd;
	int gic_fd;
	int its_fd;   /* GICv3's interrupt translation service; -1: there is none */
	unsigned gic; /* version of its interrupt controller: 2 or 3 */
};

/* Creates a VM whose guest-physical addresses reach up to `end`. */
void vm_create(struct vm *vm, const struct kvm_system *kvm, gpa_t end);
/* Makes PSCI's SYSTEM_SUSPEND an exit. A host that lacks it, before Linux 5.19, goes on to tell the
 * guest that there is no such call. */
void vm_take_suspend(struct vm *vm);
/* Adds or changes a memory slot, with KVM_MEM_* as flags; size 0 removes it. Returns 0 or a
 * negative errno. */
int vm_set_slot(const struct vm *vm, unsigned slot, unsigned flags, gpa_t at, void *memory,
		uint64_t size);
/* Maps memory of this process, which must outlive the VM, into the guest as a memory slot. */
void vm_add_memory(struct vm *vm, unsigned slot, gpa_t at, void *memory, uint64_t size);
/* Maps memory read-only, so that writes are MMIO exits. False if the host cannot; then reads are
 * MMIO exits, too. */
bool vm_add_rom(struct vm *vm, unsigned slot, gpa_t at, void *memory, uint64_t size);
/* Removes a memory slot: reads there are MMIO exits again. */
void vm_remove_memory(struct vm *vm, unsigned slot);
/* Lets KVM coalesce writes in its ring (struct kvm_coalesced_mmio_ring), as long as that has room,
 * instead of an MMIO exit for each. False if the host cannot. vm_stop_coalescing ends it. */
bool vm_coalesce_writes(struct vm *vm, gpa_t at, uint32_t size);
void vm_stop_coalescing(struct vm *vm, gpa_t at, uint32_t size);
/* Creates the interrupt controller: version 2 or 3, or 0 for what the host has. vm_start_gic
 * initialises it once the vCPUs exist. */
void vm_create_gic(struct vm *vm, unsigned version);
/* For CPUs with EL2: the GIC's interrupt to a hypervisor. Comes before vm_start_gic. */
void vm_set_maintenance(struct vm *vm);
void vm_start_gic(struct vm *vm);
/* The max number of CPUs of a guest with this interrupt controller on this host. */
unsigned vm_max_cpus(const struct vm *vm);
/* Does the host have this in-kernel device (KVM_DEV_TYPE_*)? */
bool vm_has_device(const struct vm *vm, unsigned type);
/* Sets the level of shared peripheral interrupt `spi` (0 is INTID 32). Is a struct irq_line's
 * `set`. */
void vm_set_irq(void *vm, unsigned spi, bool level);
/* Has the guest configured this interrupt as edge-triggered? KVM answers only while no vCPU is in
 * KVM_RUN; otherwise the result is false. */
bool vm_is_edge_triggered(const struct vm *vm, unsigned spi);
void vm_destroy(struct vm *vm);

/* ---- vcpu.c: one CPU of a guest ---- */

#define EXIT_REASONS 38 /* of linux/kvm.h 6.1; a newer one is counted as the first, "unknown" */

/* An exit, with the first words of its data in kvm_run. */
struct exit_record {
	uint32_t reason;
	uint64_t detail[3];
};
#define HISTORY 32 /* exits */

/* An access of the guest's to a device. */
struct mmio_access {
	uint64_t at;	/* guest-physical address */
	uint64_t value; /* zero above `size` */
	uint8_t size;	/* bytes */
	bool is_write;
};

/* Parts of the machine that a vCPU refers to. */
struct bus;
struct guest_memory;
struct run;
struct uart_fast;

struct vcpu {
	int fd;
	int stats_fd; /* KVM's statistics of this vCPU, for stats.c; negative errno: none */
	unsigned index;
	uint32_t features;   /* bits of KVM_ARM_VCPU_INIT */
	uint32_t thread;     /* kernel id of its thread */
	struct kvm_run *run; /* kvm_run, shared with the kernel, run_size bytes */
	size_t run_size;
	struct bus *bus;
	const struct guest_memory *memory;
	struct run *guest;	/* the run that it belongs to */
	uint32_t paused;	/* futex: 1 while its thread waits for run_resume */
	bool frozen;		/* run_resume does not resume it */
	bool in_run;		/* its thread is in run_vcpu; for signal handlers there */
	bool interrupted;	/* by SIGSTOP; has not been in the guest since */
	bool answered;		/* has left KVM_RUN since the watchdog's last kick; atomic */
	bool suspends;		/* has called PSCI's SYSTEM_SUSPEND, which has no answer yet */
	bool stepping, stopped; /* to be single-stepped; has stopped for the debugger */
	struct uart_fast *fast; /* the UART's fast path */
	uint64_t exits[EXIT_REASONS]; /* by reason, over all runs */
	struct exit_record history[HISTORY];
	uint32_t remembered; /* exits recorded so far; the next goes to this index modulo HISTORY */
	const struct vm *vm;
	struct {
		uint64_t at;		      /* guest-physical address of the last such access */
		bool is_write;		      /* it is a store */
		bool waits;		      /* to be carried out in a pause */
		uint8_t count;		      /* of pieces */
		struct mmio_access pieces[4]; /* those made on the bus, for a trace */
	} no_syndrome;
	/* Only while traced. Time in the host kernel counts as guest time. */
	uint64_t ns_in_guest, ns_in_monitor;
};

/* Features that a guest's CPUs get if the host has them. */
struct cpu_features {
	bool pmu;   /* performance counters */
	bool sve;   /* scalable vectors */
	bool pauth; /* pointer authentication */
	bool el2;   /* exception level 2, and entry there; only if asked for */
	bool e2h0;  /* HCR_EL2.E2H is 0 there, not 1 */
};

/* Creates CPU `index` of the VM, in the state after power-on, with PSCI in the kernel; all but CPU
 * 0 are off. Keeps the thread id and the counts of exits. */
void vcpu_create(struct vcpu *vcpu, const struct kvm_system *kvm, const struct vm *vm,
		 unsigned index, const struct cpu_features *features, struct bus *bus,
		 const struct guest_memory *memory, struct run *guest);
/* Initialises the PMU with its interrupt, which requires an initialised interrupt controller. */
void vcpu_start_pmu(const struct vcpu *vcpu);
/*
 * Lets KVM write this CPU's stolen time (Arm DEN 0057) at this address, 64 bytes in a memory slot.
 */
void vcpu_set_stolen_time(const struct vcpu *vcpu, gpa_t at);
/*
 * Sets pc, and x0 = device tree, as the boot protocol says (Documentation/arch/arm64/booting.rst).
 */
void vcpu_set_entry(struct vcpu *vcpu, gpa_t entry, gpa_t device_tree);
/* Is it off, as PSCI has it? */
bool vcpu_is_off(const struct vcpu *vcpu);
/* Answers the call of PSCI's SYSTEM_SUSPEND: the CPU wakes up where that says, in the state after
 * power-on; or the call is denied. */
void vcpu_answer_suspend(struct vcpu *vcpu, bool wakes);
/* Sets the virtual counter of all CPUs of the VM, which share one offset; and for those with EL2,
 * where the virtual counter is the physical one, that, too. No CPU is in the guest. */
void vcpu_set_counter(const struct vcpu *vcpu, uint64_t value);
/* Makes the vCPU's thread leave KVM_RUN, or not enter it. */
void vcpu_kick(struct vcpu *vcpu);
/* Installs the signal handler that vcpu_kick needs. */
void vcpu_prepare_kicks(void);
/* Lets `callback` be called when the process continues after SIGSTOP (by SIGCONT), in a signal
 * handler on the thread of a vCPU that has called vcpu_accept_continue. */
void vcpu_on_continue(void (*callback)(void *context), void *context);
void vcpu_accept_continue(void);
/* Lets `callback` be called in a signal handler, on any thread, when somebody sends the process
 * SIGUSR1. */
void vcpu_watch_user_signal(void (*callback)(void *context), void *context);
/* The CPU's `reg` in the device tree: MPIDR_EL1's affinity fields, as KVM sets them. */
uint64_t vcpu_affinity(const struct vcpu *vcpu);
/* ID_AA64MMFR0_EL1: the CPU's page sizes and byte orders. */
uint64_t vcpu_memory_features(const struct vcpu *vcpu);
void vcpu_destroy(struct vcpu *vcpu);

#endif
