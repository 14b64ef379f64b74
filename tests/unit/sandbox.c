// SPDX-License-Identifier: MIT
/* vmm/host/sandbox.c: the filters that it installs, evaluated for every system call. */
#include "reports.h"

#include "crt/crt.h"
#include "vmm/host/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>

#define HIGHEST 600 /* no kernel has a call with a higher number */

/* ---- a fake kernel, which runs the filters ---- */

static struct sock_filter code[256];
static unsigned length;
static int failing, failure; /* system call that fails, and its negative errno */

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

static uint64_t family = AF_UNIX;

/* Evaluates the filter for a call (classic BPF, linux/bpf_common.h). */
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
	/* A socket's first argument is its family. */
	const struct seccomp_data data = { .nr = number,
					   .arch = AUDIT_ARCH_AARCH64,
					   .args = { number == SYS_socket ? family : 0, second,
						     third } };
	uint32_t verdict = judge(&data);

	assert_true(verdict == SECCOMP_RET_ALLOW || verdict == SECCOMP_RET_TRAP);
	return verdict == SECCOMP_RET_ALLOW;
}

/* ---- tests ---- */

static const char *const directories[] = { "/run/", "." };

static const struct {
	const char *who;
	unsigned role;
	unsigned max;
	uint64_t request; /* an ioctl request that the role needs */
	int calls[32];
} roles[] = {
	{ "a vCPU's thread",
	  VCPU_THREAD,
	  8,
	  KVM_RUN,
	  { SYS_ioctl, SYS_write, SYS_futex, SYS_ppoll, SYS_clock_gettime, SYS_rt_sigreturn,
	    SYS_exit_group } },
	{ "a vCPU's thread, with --disk",
	  VCPU_THREAD | VCPU_WITH_DISK,
	  11,
	  KVM_RUN,
	  { SYS_ioctl, SYS_write, SYS_futex, SYS_ppoll, SYS_clock_gettime, SYS_rt_sigreturn,
	    SYS_exit_group, SYS_preadv2, SYS_pwritev2, SYS_pread64, SYS_pwrite64 } },
	{ "the thread that waits for disks",
	  WORKER_THREAD,
	  11,
	  KVM_IRQ_LINE,
	  { SYS_ioctl, SYS_write, SYS_futex, SYS_ppoll, SYS_clock_gettime, SYS_rt_sigreturn,
	    SYS_exit_group, SYS_preadv2, SYS_pwritev2, SYS_fdatasync, SYS_fallocate } },
	{ "the event loop",
	  LOOP_THREAD,
	  16,
	  KVM_CREATE_VM,
	  { SYS_ioctl, SYS_write, SYS_futex, SYS_ppoll, SYS_clock_gettime, SYS_rt_sigreturn,
	    SYS_exit_group, SYS_read, SYS_tkill, SYS_mmap, SYS_madvise, SYS_mremap, SYS_munmap,
	    SYS_close, SYS_getrandom, SYS_pread64 } },
	{ "a vCPU's thread, with --net",
	  VCPU_THREAD | VCPU_WITH_NET,
	  8,
	  KVM_RUN,
	  { SYS_ioctl, SYS_write, SYS_futex, SYS_ppoll, SYS_clock_gettime, SYS_rt_sigreturn,
	    SYS_exit_group, SYS_writev } },
	{ "a vCPU's thread, with --net=unix",
	  VCPU_THREAD | VCPU_WITH_NET | VCPU_WITH_STREAM,
	  9,
	  KVM_RUN,
	  { SYS_ioctl, SYS_write, SYS_futex, SYS_ppoll, SYS_clock_gettime, SYS_rt_sigreturn,
	    SYS_exit_group, SYS_writev, SYS_sendmsg } },
	{ "the event loop, with --net",
	  LOOP_THREAD | LOOP_WITH_NET,
	  18,
	  KVM_CREATE_VM,
	  { SYS_ioctl, SYS_write, SYS_futex, SYS_ppoll, SYS_clock_gettime, SYS_rt_sigreturn,
	    SYS_exit_group, SYS_read, SYS_tkill, SYS_mmap, SYS_madvise, SYS_mremap, SYS_munmap,
	    SYS_close, SYS_getrandom, SYS_pread64, SYS_writev, SYS_readv } },
	{ "the event loop, with --net=unix",
	  LOOP_THREAD | LOOP_WITH_NET | LOOP_WITH_STREAM,
	  22,
	  KVM_CREATE_VM,
	  { SYS_ioctl,	      SYS_write,      SYS_futex,  SYS_ppoll,   SYS_clock_gettime,
	    SYS_rt_sigreturn, SYS_exit_group, SYS_read,	  SYS_tkill,   SYS_mmap,
	    SYS_madvise,      SYS_mremap,     SYS_munmap, SYS_close,   SYS_getrandom,
	    SYS_pread64,      SYS_writev,     SYS_readv,  SYS_sendmsg, SYS_accept4,
	    SYS_socket,	      SYS_connect } },
	{ "the event loop, with --gdb and --dump-core",
	  LOOP_THREAD | LOOP_WITH_GDB | LOOP_WITH_CORE,
	  19,
	  KVM_SET_GUEST_DEBUG,
	  { SYS_ioctl, SYS_write, SYS_futex, SYS_ppoll, SYS_clock_gettime, SYS_rt_sigreturn,
	    SYS_exit_group, SYS_read, SYS_tkill, SYS_mmap, SYS_madvise, SYS_mremap, SYS_munmap,
	    SYS_close, SYS_getrandom, SYS_pread64, SYS_accept4, SYS_pwrite64, SYS_ftruncate } },
	{ "the event loop, with --save",
	  LOOP_THREAD | LOOP_WITH_SAVE,
	  24,
	  KVM_GET_REG_LIST,
	  { SYS_ioctl,	      SYS_write,      SYS_futex,     SYS_ppoll,	    SYS_clock_gettime,
	    SYS_rt_sigreturn, SYS_exit_group, SYS_read,	     SYS_tkill,	    SYS_mmap,
	    SYS_madvise,      SYS_mremap,     SYS_munmap,    SYS_close,	    SYS_getrandom,
	    SYS_pread64,      SYS_pwrite64,   SYS_ftruncate, SYS_fdatasync, SYS_recvmsg,
	    SYS_mincore,      SYS_sysinfo,    SYS_preadv2,   SYS_fstat } },
	{ "the process that makes and renames a snapshot's file",
	  SAVER_PROCESS,
	  11,
	  0,
	  { SYS_read, SYS_exit_group, SYS_close, SYS_fdatasync, SYS_ftruncate, SYS_openat,
	    SYS_flock, SYS_sendmsg, SYS_renameat, SYS_unlinkat } },
	{ "the parent",
	  INIT_PROCESS,
	  8,
	  TCSETS,
	  { SYS_ioctl, SYS_write, SYS_ppoll, SYS_exit_group, SYS_wait4, SYS_rt_sigtimedwait,
	    SYS_kill, SYS_reboot } },
};
#define ROLES (sizeof roles / sizeof *roles)

static bool is_listed(const int *calls, int number)
{
	for (; *calls || calls[1];
	     calls++) /* a call may have number 0 on this machine, as read has on x86-64 */
		if (*calls == number)
			return true;
	return false;
}

/* Each role is allowed its calls and no others; their numbers are those in SECURITY.md. */
static void test_calls(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROLES; i++) {
		unsigned count = 0;

		sandbox_filter(roles[i].role);
		for (int number = 0; number < HIGHEST; number++) {
			/* For mremap the two lengths are equal, for mmap the protection is 0. */
			uint64_t second = number == SYS_ioctl ? roles[i].request : 0;
			bool allowed = allows(number, second, 0);

			assert_int_equal(allowed, is_listed(roles[i].calls, number));
			count += allowed;
		}
		print_message("# %s: %u system calls\n", roles[i].who, count);
		assert_true(count <= roles[i].max);
	}
}

/* The ioctl requests that a role is allowed; others are for other devices, or for set-up, which is
 * over. */
static const struct {
	uint64_t request;
	unsigned role;
	bool allowed;
} requests[] = {
	{ KVM_RUN, VCPU_THREAD, true },
	{ KVM_IRQ_LINE, VCPU_THREAD, true },
	{ KVM_GET_ONE_REG, VCPU_THREAD, true },
	{ KVM_SET_USER_MEMORY_REGION, VCPU_THREAD, true },
	{ KVM_REGISTER_COALESCED_MMIO, VCPU_THREAD, true },
	{ KVM_UNREGISTER_COALESCED_MMIO, VCPU_THREAD, true },
	{ KVM_SET_ONE_REG, VCPU_THREAD, true },
	{ KVM_SET_DEVICE_ATTR, VCPU_THREAD, false },
	{ KVM_CREATE_VM, VCPU_THREAD, false },
	{ KVM_CREATE_VCPU, VCPU_THREAD, false },
	{ KVM_CREATE_DEVICE, VCPU_THREAD, false },
	{ KVM_RUN, WORKER_THREAD, false },
	{ KVM_SET_USER_MEMORY_REGION, WORKER_THREAD,
	  true }, /* it ends the fast path of a driver that violates the specification */
	{ KVM_UNREGISTER_COALESCED_MMIO, WORKER_THREAD, true },
	{ KVM_REGISTER_COALESCED_MMIO, WORKER_THREAD, false },
	{ KVM_CREATE_VM, WORKER_THREAD, false },
	{ TIOCSTI, INIT_PROCESS, false },
	{ TIOCSTI, VCPU_THREAD, false },
	{ 0, VCPU_THREAD, false },
	{ KVM_SET_DEVICE_ATTR, LOOP_THREAD, true },
	{ TIOCSTI, LOOP_THREAD, false },
	{ TIOCGWINSZ, LOOP_THREAD, true },
	{ TIOCGWINSZ, VCPU_THREAD, false },
	{ FICLONE, LOOP_THREAD | LOOP_WITH_SAVE, true },
	{ FICLONE, LOOP_THREAD, false },
	{ FICLONE, VCPU_THREAD, false },
	{ TIOCSTI, LOOP_THREAD | LOOP_WITH_GDB, false },
	{ KVM_RUN, LOOP_THREAD | LOOP_WITH_GDB, true },
	{ TCSETS, LOOP_THREAD, false },
	{ TCSBRK, INIT_PROCESS, true },
	{ TIOCGPGRP, INIT_PROCESS, true },
	{ TIOCSPGRP, INIT_PROCESS, false },
	{ TIOCGPGRP, VCPU_THREAD, false },
	{ TIOCGPGRP, LOOP_THREAD, false },
	{ KVM_RUN, INIT_PROCESS, false },
	{ FIONBIO & ~0xff00ul, INIT_PROCESS, false },
};

static void test_ioctl(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		sandbox_filter(requests[i].role);
		assert_int_equal(allows(SYS_ioctl, requests[i].request, 0), requests[i].allowed);
		/* The kernel uses only the lower 32 bits of the request. */
		assert_int_equal(allows(SYS_ioctl, requests[i].request | 1ull << 32, 0),
				 requests[i].allowed);
	}
}

static void test_mmap(void **state)
{
	(void)state;
	sandbox_filter(LOOP_THREAD);
	assert_true(allows(SYS_mmap, 0, PROT_READ | PROT_WRITE));
	assert_true(allows(SYS_mmap, 0, PROT_NONE));
	assert_false(allows(SYS_mmap, 0, PROT_READ | PROT_EXEC));
	assert_false(allows(SYS_mmap, 0, PROT_READ | PROT_WRITE | PROT_EXEC));
}

/* A socket leads to other processes of this host, not to its network. */
static void test_socket(void **state)
{
	(void)state;
	sandbox_filter(LOOP_THREAD | LOOP_WITH_NET | LOOP_WITH_STREAM);
	for (family = 0; family < 64; family++)
		assert_int_equal(allows(SYS_socket, SOCK_STREAM, 0), family == AF_UNIX);
	family = AF_UNIX;
}

/* mremap may move a mapping, but not change its length. */
static void test_mremap(void **state)
{
	(void)state;
	sandbox_filter(LOOP_THREAD);
	assert_true(allows(SYS_mremap, 0x10000, 0x10000));
	assert_true(allows(SYS_mremap, 5ull << 32, 5ull << 32));
	assert_false(allows(SYS_mremap, 0x10000, 0x20000));
	assert_false(allows(SYS_mremap, 0x20000, 0x10000));
	assert_false(allows(SYS_mremap, 0x10000, 1ull << 32 | 0x10000));
}

/* Calls of another architecture, whose numbers mean other calls, are killed. */
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

/* If the sandbox cannot be set up, the program ends with a message that says what to do. */
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
			sandbox_enter(20, directories, 2);
			fail_msg("call %d failed, and it went on", calls[i]);
		}
		assert_int_equal(status, STATUS_NO_KVM);
		assert_non_null(strstr(last_report, "--no-sandbox"));
	}
	failing = SYS_capset;
	assert_int_equal(sandbox_watch(INIT_PROCESS, 0), -ENOMEM);
	failing = SYS_prctl;
	assert_int_equal(sandbox_watch(INIT_PROCESS, 0), -ENOMEM);
	failing = -1;
	assert_int_equal(sandbox_watch(INIT_PROCESS, 0), 0);
	sandbox_enter(20, directories, 2);
	/* Users other than root go without the parts that need root. */
	failure = EPERM;
	for (i = 0; i < 3; i++) {
		failing = calls[i];
		sandbox_enter(20, directories, 2);
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
		TEST(test_calls),  TEST(test_ioctl),	    TEST(test_mmap),	 TEST(test_socket),
		TEST(test_mremap), TEST(test_architecture), TEST(test_failures),
	};

	return RUN(tests);
}
