// SPDX-License-Identifier: MIT
/* vmm/sandbox.c: the filters that it installs, run on every system call there is. */
#include "reports.h"

#include "crt/crt.h"
#include "vmm/host/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>

#define HIGHEST 600 /* no kernel has a call with a higher number */

/* ---- the kernel, to the extent that filters need one ---- */

static struct sock_filter code[256];
static unsigned length;
static int failing, failure; /* system call that fails, and how */

int signal_catch(int number, void (*handler)(int number, siginfo_t *info, void *context))
{
	assert_int_equal(number, SIGSYS);
	assert_non_null(handler);
	return 0;
}

const char *error_text(int error)
{
	return strerror(error);
}

long test_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)d, (void)e, (void)f;
	if (number == failing)
		return -failure;
	if (number == SYS_prctl && a == PR_SET_SECCOMP) {
		const struct sock_fprog *program = (const struct sock_fprog *)c;

		assert_int_equal(b, SECCOMP_MODE_FILTER);
		assert_in_range(program->len, 1, sizeof code / sizeof *code);
		memcpy(code, program->filter, program->len * sizeof *code);
		length = program->len;
	}
	return 0;
}

/* What the filter says to this call (classic BPF, linux/bpf_common.h). */
static uint32_t judge(const struct seccomp_data *data)
{
	uint32_t accumulator = 0, index = 0;

	for (unsigned at = 0; at < length; at++) {
		const struct sock_filter *op = &code[at];

		switch (op->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(op->k <= sizeof *data - 4);
			memcpy(&accumulator, (const char *)data + op->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			accumulator &= op->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += accumulator == op->k ? op->jt : op->jf;
			break;
		case BPF_MISC | BPF_TAX:
			index = accumulator;
			break;
		case BPF_JMP | BPF_JEQ | BPF_X:
			at += accumulator == index ? op->jt : op->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at += accumulator >= op->k ? op->jt : op->jf;
			break;
		case BPF_RET | BPF_K:
			return op->k;
		default:
			fail_msg("instruction %#x", op->code);
		}
	}
	fail_msg("the filter has no end");
	return 0;
}

static bool allows(int number, uint64_t second, uint64_t third)
{
	const struct seccomp_data data = { .nr = number,
					   .arch = AUDIT_ARCH_AARCH64,
					   .args = { 0, second, third } };
	uint32_t verdict = judge(&data);

	assert_true(verdict == SECCOMP_RET_ALLOW || verdict == SECCOMP_RET_TRAP);
	return verdict == SECCOMP_RET_ALLOW;
}

/* ---- tests ---- */

static const struct {
	const char *who;
	unsigned role;
	unsigned most;
	uint64_t request; /* one of ioctl's that it needs */
	int calls[24];
} roles[] = {
	{ "a vCPU's thread",
	  CPU,
	  8,
	  KVM_RUN,
	  { SYS_ioctl, SYS_write, SYS_futex, SYS_ppoll, SYS_clock_gettime, SYS_rt_sigreturn,
	    SYS_exit_group } },
	{ "the event loop",
	  LOOP,
	  16,
	  KVM_CREATE_VM,
	  { SYS_ioctl, SYS_write, SYS_futex, SYS_ppoll, SYS_clock_gettime, SYS_rt_sigreturn,
	    SYS_exit_group, SYS_read, SYS_tkill, SYS_mmap, SYS_madvise, SYS_mremap, SYS_munmap,
	    SYS_close, SYS_getrandom, SYS_pread64 } },
	{ "the event loop, with --gdb and --dump-core",
	  LOOP | DEBUGGER | DUMPER,
	  19,
	  KVM_SET_GUEST_DEBUG,
	  { SYS_ioctl, SYS_write, SYS_futex, SYS_ppoll, SYS_clock_gettime, SYS_rt_sigreturn,
	    SYS_exit_group, SYS_read, SYS_tkill, SYS_mmap, SYS_madvise, SYS_mremap, SYS_munmap,
	    SYS_close, SYS_getrandom, SYS_pread64, SYS_accept4, SYS_pwrite64, SYS_ftruncate } },
	{ "the parent",
	  INIT,
	  8,
	  TCSETS,
	  { SYS_ioctl, SYS_write, SYS_ppoll, SYS_exit_group, SYS_wait4, SYS_rt_sigtimedwait,
	    SYS_kill, SYS_reboot } },
};
#define ROLES (sizeof roles / sizeof *roles)

static bool is_listed(const int *calls, int number)
{
	for (; *calls || calls[1]; calls++) /* native 0 is read */
		if (*calls == number)
			return true;
	return false;
}

/* Each role has its calls and no others, and the figures that SECURITY.md gives. */
static void test_calls(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROLES; i++) {
		unsigned count = 0;

		sandbox_filter(roles[i].role);
		for (int number = 0; number < HIGHEST; number++) {
			/* For mremap it is the same length twice, for mmap no protection. */
			uint64_t second = number == SYS_ioctl ? roles[i].request : 0;
			bool allowed = allows(number, second, 0);

			assert_int_equal(allowed, is_listed(roles[i].calls, number));
			count += allowed;
		}
		print_message("# %s: %u system calls\n", roles[i].who, count);
		assert_true(count <= roles[i].most);
	}
}

/* What ioctl may ask for: everything else is another device's, or a set-up that is over. */
static const struct {
	uint64_t request;
	unsigned role;
	bool allowed;
} requests[] = {
	{ KVM_RUN, CPU, true },
	{ KVM_IRQ_LINE, CPU, true },
	{ KVM_GET_ONE_REG, CPU, true },
	{ KVM_SET_USER_MEMORY_REGION, CPU, true },
	{ KVM_REGISTER_COALESCED_MMIO, CPU, true },
	{ KVM_UNREGISTER_COALESCED_MMIO, CPU, true },
	{ KVM_SET_ONE_REG, CPU, false },
	{ KVM_CREATE_VM, CPU, false },
	{ KVM_CREATE_VCPU, CPU, false },
	{ KVM_CREATE_DEVICE, CPU, false },
	{ TIOCSTI, INIT, false },
	{ TIOCSTI, CPU, false },
	{ 0, CPU, false },
	{ KVM_SET_DEVICE_ATTR, LOOP, true },
	{ TIOCSTI, LOOP, false },
	{ TIOCSTI, LOOP | DEBUGGER, false },
	{ KVM_RUN, LOOP | DEBUGGER, true },
	{ TCSETS, LOOP, false },
	{ TCSBRK, INIT, true },
	{ KVM_RUN, INIT, false },
	{ FIONBIO & ~0xff00ul, INIT, false },
};

static void test_ioctl(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		sandbox_filter(requests[i].role);
		assert_int_equal(allows(SYS_ioctl, requests[i].request, 0), requests[i].allowed);
		/* The kernel looks at 32 bits of it. */
		assert_int_equal(allows(SYS_ioctl, requests[i].request | 1ull << 32, 0),
				 requests[i].allowed);
	}
}

static void test_mmap(void **state)
{
	(void)state;
	sandbox_filter(LOOP);
	assert_true(allows(SYS_mmap, 0, PROT_READ | PROT_WRITE));
	assert_true(allows(SYS_mmap, 0, PROT_NONE));
	assert_false(allows(SYS_mmap, 0, PROT_READ | PROT_EXEC));
	assert_false(allows(SYS_mmap, 0, PROT_READ | PROT_WRITE | PROT_EXEC));
}

/* A mapping may move, but not come to cover more or less. */
static void test_mremap(void **state)
{
	(void)state;
	sandbox_filter(LOOP);
	assert_true(allows(SYS_mremap, 0x10000, 0x10000));
	assert_true(allows(SYS_mremap, 5ull << 32, 5ull << 32));
	assert_false(allows(SYS_mremap, 0x10000, 0x20000));
	assert_false(allows(SYS_mremap, 0x20000, 0x10000));
	assert_false(allows(SYS_mremap, 0x10000, 1ull << 32 | 0x10000));
}

/* Numbers mean something else to a process of another architecture, whatever that is called. */
static void test_architecture(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROLES; i++) {
		struct seccomp_data data = { .arch = AUDIT_ARCH_ARM };

		sandbox_filter(roles[i].role);
		for (data.nr = 0; data.nr < HIGHEST; data.nr++)
			assert_int_equal(judge(&data), SECCOMP_RET_KILL_PROCESS);
		for (data.arch = 0; data.arch < HIGHEST; data.arch++)
			assert_int_equal(judge(&data), SECCOMP_RET_KILL_PROCESS);
	}
}

/* A sandbox that cannot be had ends the program, which names the way out; PID 1 is told. */
static void test_failures(void **state)
{
	static const int calls[] = { SYS_unshare,   SYS_mount, SYS_chroot, SYS_chdir,
				     SYS_prlimit64, SYS_prctl, SYS_capset };
	volatile size_t i;

	(void)state;
	for (i = 0; i < sizeof calls / sizeof *calls; i++) {
		int status;

		failing = calls[i];
		status = setjmp(on_die);
		if (status == 0) {
			sandbox_enter(20);
			fail_msg("call %d failed, and it went on", calls[i]);
		}
		assert_int_equal(status, STATUS_NO_KVM);
		assert_non_null(strstr(last_report, "--no-sandbox"));
	}
	failing = SYS_capset;
	assert_int_equal(sandbox_watch(0), -ENOMEM);
	failing = SYS_prctl;
	assert_int_equal(sandbox_watch(0), -ENOMEM);
	failing = -1;
	assert_int_equal(sandbox_watch(0), 0);
	sandbox_enter(20);
	/* What only root may, others do without. */
	failure = EPERM;
	for (i = 0; i < 3; i++) {
		failing = calls[i];
		sandbox_enter(20);
	}
}

static int setup(void **state)
{
	(void)state;
	failing = -1;
	failure = ENOMEM;
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_calls),  TEST(test_ioctl),	    TEST(test_mmap),
		TEST(test_mremap), TEST(test_architecture), TEST(test_failures),
	};

	return RUN(tests);
}
