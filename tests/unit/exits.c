// SPDX-License-Identifier: MIT
/* vmm/machine/exits.c and vmm/kvm/vcpu.c with a fake KVM that exits for every reason. */
#include "reports.h"

#include "vmm/debug/trace.h"
#include "vmm/kvm/registers.h"
#include "vmm/machine/exits.h"
#include "vmm/machine/no_syndrome.h"
#include "vmm/machine/uart_fast.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#define PC 0x40081234
#define SYNDROME 0x96000010

/* ---- the fake kernel ---- */

static union {
	struct kvm_run run;
	char page[4096];
} shared;
static unsigned runs;  /* KVM_RUN calls so far */
static int run_result; /* of the first one; later ones exit with a shutdown */
static unsigned moves; /* times that its thread moves between PREFERRED_TARGET and VCPU_INIT */
static unsigned initialized;

static long kvm_run(void)
{
	if (runs++ == 0)
		return run_result;
	shared.run.exit_reason = KVM_EXIT_SYSTEM_EVENT;
	shared.run.system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN;
	return 0;
}

int kvm_try(int fd, unsigned long request, uintptr_t argument)
{
	(void)fd;
	switch (request) {
	case KVM_CREATE_VCPU:
		return 7;
	case KVM_ARM_PREFERRED_TARGET:
		*(struct kvm_vcpu_init *)argument = (struct kvm_vcpu_init){ .target = moves };
		return 0;
	case KVM_ARM_VCPU_INIT:
		if (moves) {
			moves--;
			return -EINVAL;
		}
		assert_int_equal(((struct kvm_vcpu_init *)argument)->target, moves);
		assert_true(((struct kvm_vcpu_init *)argument)->features[0] &
			    1u << KVM_ARM_VCPU_PSCI_0_2);
		initialized++;
		return 0;
	default:
		fail_msg("ioctl %lx", request);
		return 0;
	}
}

int kvm_check(int result, const char *name)
{
	if (result < 0)
		die(STATUS_INTERNAL, "%s: %s", name, strerrorname_np(-result));
	return result;
}

/* ---- stubs ---- */

static gpa_t bus_at;
static unsigned bus_size;
static uint64_t bus_value;

uint64_t bus_read(struct bus *bus, gpa_t at, unsigned size)
{
	(void)bus;
	bus_at = at;
	bus_size = size;
	return 0x1122334455667788;
}

void bus_write(struct bus *bus, gpa_t at, unsigned size, uint64_t value)
{
	bus_read(bus, at, size);
	bus_value = value;
}

static unsigned without_syndrome;

void no_syndrome_handle(struct vcpu *vcpu)
{
	(void)vcpu;
	without_syndrome++;
}

unsigned register_level(const struct vcpu *vcpu)
{
	(void)vcpu;
	return 1;
}

uint64_t register_of_regime(const struct vcpu *vcpu, uint64_t id)
{
	return register_get(vcpu, id);
}

uint64_t register_get(const struct vcpu *vcpu, uint64_t id)
{
	(void)vcpu;
	return id == CORE_REGISTER(regs.pc) ? PC : SYNDROME;
}

uint64_t counter_value(void)
{
	return 0;
}

void register_set(const struct vcpu *vcpu, uint64_t id, uint64_t value)
{
	(void)vcpu, (void)id, (void)value;
}

const char *error_text(int error)
{
	return strerrorname_np(error);
}

enum status status_of_error(int error)
{
	return error == ENOMEM ? STATUS_HOST : STATUS_INTERNAL;
}

int signal_catch(int number, void (*handler)(int number, siginfo_t *info, void *context))
{
	(void)number, (void)handler;
	return 0;
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)c, (void)d, (void)e, (void)f;
	if (number == SYS_mmap)
		return (long)&shared;
	assert_int_equal(number, SYS_ioctl);
	assert_int_equal(b, KVM_RUN);
	return kvm_run();
}

void run_end(struct run *run, enum end end, int status)
{
	run->end = END_WORD(end, status);
	run->entry_gate = OVER;
}

bool run_wait_at_entry_gate(struct vcpu *vcpu)
{
	return run_goes_on(vcpu->guest);
}

static unsigned pauses;

void run_ask_pause(struct run *run)
{
	(void)run;
	pauses++;
}

static unsigned interruptions;

void run_was_interrupted(struct vcpu *vcpu)
{
	(void)vcpu;
	interruptions++;
}

void kvm_observed(int fd, unsigned long request, uintptr_t argument, int result)
{
	(void)fd, (void)request, (void)argument, (void)result;
}

void run_wait_if_paused(struct vcpu *vcpu)
{
	(void)vcpu;
}

static struct kvm_coalesced_mmio_ring ring;
static struct uart_fast fast = { .ring = &ring };

void uart_fast_take(struct uart_fast *taken)
{
	assert_ptr_equal(taken, &fast);
	assert_int_equal(bus_size, 0); /* before the exit is handled */
	ring.first = ring.last;
}

/* Runs a vCPU whose first KVM_RUN returns this result, with this exit reason. */
static struct run run_with(int result, unsigned reason)
{
	struct run guest = { .end = RUNNING };
	struct bus bus = { 0 };
	struct vcpu vcpu = { .run = &shared.run, .bus = &bus, .guest = &guest, .fast = &fast };

	runs = reports = 0;
	all_reports[0] = '\0';
	run_result = result;
	shared.run.exit_reason = reason;
	run_vcpu(&vcpu);
	return guest;
}

/* ---- tests ---- */

/* All reasons of linux/kvm.h 6.1, and one behind the last. */
static const char *const names[] = {
#define NAME(reason) [reason] = #reason
	NAME(KVM_EXIT_UNKNOWN),
	NAME(KVM_EXIT_EXCEPTION),
	NAME(KVM_EXIT_IO),
	NAME(KVM_EXIT_HYPERCALL),
	NAME(KVM_EXIT_HLT),
	NAME(KVM_EXIT_INTR),
	NAME(KVM_EXIT_IRQ_WINDOW_OPEN),
	NAME(KVM_EXIT_SHUTDOWN),
	NAME(KVM_EXIT_FAIL_ENTRY),
	NAME(KVM_EXIT_SET_TPR),
	NAME(KVM_EXIT_TPR_ACCESS),
	NAME(KVM_EXIT_S390_SIEIC),
	NAME(KVM_EXIT_S390_RESET),
	NAME(KVM_EXIT_DCR),
	NAME(KVM_EXIT_NMI),
	NAME(KVM_EXIT_INTERNAL_ERROR),
	NAME(KVM_EXIT_OSI),
	NAME(KVM_EXIT_PAPR_HCALL),
	NAME(KVM_EXIT_S390_UCONTROL),
	NAME(KVM_EXIT_WATCHDOG),
	NAME(KVM_EXIT_S390_TSCH),
	NAME(KVM_EXIT_EPR),
	NAME(KVM_EXIT_S390_STSI),
	NAME(KVM_EXIT_IOAPIC_EOI),
	NAME(KVM_EXIT_HYPERV),
	NAME(KVM_EXIT_X86_RDMSR),
	NAME(KVM_EXIT_X86_WRMSR),
	NAME(KVM_EXIT_DIRTY_RING_FULL),
	NAME(KVM_EXIT_AP_RESET_HOLD),
	NAME(KVM_EXIT_X86_BUS_LOCK),
	NAME(KVM_EXIT_XEN),
	NAME(KVM_EXIT_RISCV_SBI),
	NAME(KVM_EXIT_RISCV_CSR),
	NAME(KVM_EXIT_NOTIFY),
#undef NAME
	[KVM_EXIT_NOTIFY + 1] = "newer",
	[KVM_EXIT_NOTIFY + 100] = "newer",
};

static void test_unhandled(void **state)
{
	unsigned tried = 0;

	(void)state;
	for (unsigned reason = 0; reason < sizeof names / sizeof *names; reason++) {
		struct run outcome;

		if (!names[reason])
			continue;
		tried++;
		shared.run.hw.hardware_exit_reason = 0xbad;
		outcome = run_with(0, reason);
		assert_int_equal(run_how_ended(&outcome), ENDED);
		assert_int_equal(run_status(&outcome), STATUS_INTERNAL);
		assert_int_equal(runs, 1);
		assert_non_null(strstr(all_reports, names[reason]));
		assert_non_null(strstr(all_reports, "0xbad"));
		assert_non_null(strstr(all_reports, "pc 0x40081234"));
		assert_non_null(strstr(all_reports, "ESR_EL1 0x96000010"));
	}
	assert_true(tried >= 35);
}

static void test_run_fails(void **state)
{
	static const struct {
		int error, status;
		unsigned runs;
	} rows[] = {
		{ EINTR, STATUS_PASS, 2 },
		{ EAGAIN, STATUS_PASS, 2 },
		{ ENOMEM, STATUS_HOST, 1 },
		{ EFAULT, STATUS_INTERNAL, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct run outcome = run_with(-rows[i].error, KVM_EXIT_UNKNOWN);

		assert_int_equal(run_status(&outcome), rows[i].status);
		assert_int_equal(runs, rows[i].runs);
		if (rows[i].runs == 1)
			assert_non_null(strstr(all_reports, strerrorname_np(rows[i].error)));
	}
}

/* An interrupted KVM_RUN without a kick means that the process was suspended. */
static void test_interrupted(void **state)
{
	(void)state;
	for (unsigned kicked = 0; kicked <= 1; kicked++) {
		interruptions = 0;
		shared.run.immediate_exit = (uint8_t)kicked;
		run_with(-EINTR, KVM_EXIT_UNKNOWN);
		assert_int_equal(interruptions, !kicked);
	}
	shared.run.immediate_exit = 0;
}

static void test_mmio(void **state)
{
	(void)state;
	for (unsigned size = 1; size <= 8; size *= 2) {
		uint64_t mask = ~0ull >> (64 - 8 * size);
		uint64_t value;

		shared.run.mmio.phys_addr = 0x9000018;
		shared.run.mmio.len = size;
		shared.run.mmio.is_write = 1;
		memset(shared.run.mmio.data, 0xa5, 8);
		run_with(0, KVM_EXIT_MMIO);
		assert_int_equal(bus_at.address, 0x9000018);
		assert_int_equal(bus_size, size);
		assert_int_equal(bus_value, 0xa5a5a5a5a5a5a5a5 & mask);

		shared.run.mmio.is_write = 0;
		run_with(0, KVM_EXIT_MMIO);
		memcpy(&value, shared.run.mmio.data, sizeof value);
		assert_int_equal(value & mask, 0x1122334455667788 & mask);
	}
}

/* The ring is drained before the exit is handled. */
static void test_drain(void **state)
{
	(void)state;
	ring.last = 5;
	bus_size = 0;
	shared.run.mmio.len = 4;
	run_with(0, KVM_EXIT_MMIO);
	assert_int_equal(ring.first, 5);
	assert_int_equal(bus_size, 4);
}

static void test_no_syndrome(void **state)
{
	struct run outcome;

	(void)state;
	without_syndrome = 0;
	outcome = run_with(0, KVM_EXIT_ARM_NISV);
	assert_int_equal(run_status(&outcome), STATUS_PASS);
	assert_int_equal(without_syndrome, 1);
}

static void test_system_events(void **state)
{
	struct run outcome;

	(void)state;
	shared.run.system_event.type = KVM_SYSTEM_EVENT_RESET;
	outcome = run_with(0, KVM_EXIT_SYSTEM_EVENT);
	assert_int_equal(run_how_ended(&outcome), RESET);
	shared.run.system_event.type = KVM_SYSTEM_EVENT_SUSPEND; /* somebody answers, in a pause */
	pauses = 0;
	outcome = run_with(0, KVM_EXIT_SYSTEM_EVENT);
	assert_int_equal(run_status(&outcome), STATUS_PASS);
	assert_int_equal(pauses, 1);
	shared.run.system_event.type = 99;
	outcome = run_with(0, KVM_EXIT_SYSTEM_EVENT);
	assert_int_equal(run_status(&outcome), STATUS_INTERNAL);
	assert_non_null(strstr(all_reports, "99"));
}

/* A debug exit requests a pause for the debugger. */
static void test_debug(void **state)
{
	struct run outcome;

	(void)state;
	pauses = 0;
	outcome = run_with(0, KVM_EXIT_DEBUG);
	assert_int_equal(run_status(&outcome), STATUS_PASS);
	assert_int_equal(pauses, 1);
}

/* On a host with different CPUs the thread may move between the two calls; they are then repeated.
 */
static void test_moves(void **state)
{
	static const struct vm vm = { .fd = 5 };
	const struct kvm_system kvm = { .run_size = sizeof shared };
	const struct cpu_features features = { 0 };
	struct vcpu vcpu = { 0 };
	int status;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		moves = i;
		initialized = 0;
		vcpu_create(&vcpu, &kvm, &vm, 0, &features, NULL, NULL, NULL);
		assert_int_equal(initialized, 1);
	}
	moves = 1000000; /* EINVAL has another reason */
	status = setjmp(on_die);
	if (status == 0)
		vcpu_create(&vcpu, &kvm, &vm, 0, &features, NULL, NULL, NULL);
	assert_int_equal(status, STATUS_INTERNAL);
	assert_non_null(strstr(last_report, "KVM_ARM_VCPU_INIT: EINVAL"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unhandled),   cmocka_unit_test(test_run_fails),
		cmocka_unit_test(test_interrupted), cmocka_unit_test(test_mmio),
		cmocka_unit_test(test_no_syndrome), cmocka_unit_test(test_system_events),
		cmocka_unit_test(test_debug),	    cmocka_unit_test(test_drain),
		cmocka_unit_test(test_moves),
	};

	return RUN(tests);
}
