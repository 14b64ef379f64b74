// SPDX-License-Identifier: MIT
/*
 * Namespaces, limits, capabilities and seccomp (Documentation/userspace-api/seccomp_filter.rst).
 *
 * Who calls it: main, run.c and init.c, when all is set up. Touches what the process may do.
 */
#include "sandbox.h"

#include "crt/crt.h"
#include "vmm/report.h"

#include <asm/termbits.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* A failure would leave the guest more than was promised. */
static void must(long result, const char *what)
{
	if (result < 0)
		die(STATUS_NO_KVM, "sandbox: %s: %s; --no-sandbox goes without", what,
		    error_text((int)-result));
}

/* ---- system calls ---- */

/* Of every call in crt/sys.h: who may make it. */
static const struct {
	uint16_t number;
	uint8_t roles;
} calls[] = {
#define SYSCALL(count, roles, name, ...) { SYS_##name, roles },
	SYSCALL_LIST
#undef SYSCALL
};

/* What these may ask of ioctl, the most frequent first; the event loop anything of KVM. */
static const struct {
	uint32_t request;
	uint8_t role;
} requests[] = {
	{ KVM_RUN, CPU },
	{ KVM_IRQ_LINE, CPU },
	{ KVM_GET_ONE_REG, CPU },
	{ KVM_SET_VCPU_EVENTS, CPU },
	{ KVM_SET_USER_MEMORY_REGION, CPU }, /* the flash, when first touched; the UART's page */
	{ KVM_REGISTER_COALESCED_MMIO, CPU },
	{ KVM_UNREGISTER_COALESCED_MMIO, CPU },
	{ TCSETS, INIT },
	{ TCSBRK, INIT },
};

#define REQUEST_TYPE 0xff00 /* of an ioctl (asm-generic/ioctl.h) */

/* A filter as it grows. */
struct program {
	struct sock_filter code[3 * ARRAY_SIZE(calls) + 2 * ARRAY_SIZE(requests) + 24];
	unsigned short length;
};

static void emit(struct program *program, unsigned operation, uint32_t operand, unsigned no)
{
	program->code[program->length++] =
		(struct sock_filter)BPF_JUMP((uint16_t)operation, operand, 0, (uint8_t)no);
}

static void load(struct program *program, size_t field)
{
	emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)field, 0);
}

/* What was loaded is allowed if it is this; else it goes on behind. */
static void allow(struct program *program, uint32_t value)
{
	emit(program, BPF_JMP | BPF_JEQ | BPF_K, value, 1);
	emit(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0);
}

static void forbid(struct program *program)
{
	emit(program, BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0);
}

/*
 * A call of another architecture's (AArch32's, which arm64 kernels may know): its number says
 * nothing here, so it is neither compared nor reported.
 */
static void check_architecture(struct program *program)
{
	load(program, offsetof(struct seccomp_data, arch));
	emit(program, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_AARCH64, 0);
	program->code[program->length - 1].jt = 1; /* over the next */
	emit(program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0);
}

static void check_ioctl(struct program *program, unsigned role)
{
	load(program, offsetof(struct seccomp_data, args[1]));
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].role & role)
			allow(program, requests[i].request);
	if (role & LOOP) {
		emit(program, BPF_ALU | BPF_AND | BPF_K, REQUEST_TYPE, 0);
		allow(program, KVMIO << 8);
	}
	forbid(program);
}

/* No memory that is both written and executed, and none that is new and executed. */
static void check_mmap(struct program *program)
{
	load(program, offsetof(struct seccomp_data, args[2]));
	emit(program, BPF_ALU | BPF_AND | BPF_K, PROT_EXEC, 0);
	allow(program, 0);
	forbid(program);
}

/* Pages are moved, never more or fewer of them: what is executed could come to cover other pages of
 * its file. */
static void check_mremap(struct program *program)
{
	for (size_t half = 0; half < sizeof(uint64_t); half += sizeof(uint32_t)) {
		load(program, offsetof(struct seccomp_data, args[1]) + half);
		emit(program, BPF_MISC | BPF_TAX, 0, 0);
		load(program, offsetof(struct seccomp_data, args[2]) + half);
		emit(program, BPF_JMP | BPF_JEQ | BPF_X, 0, 0);
		program->code[program->length - 1].jt = 1; /* over the next */
		forbid(program);
	}
	emit(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0);
}

static void check(struct program *program, unsigned number, unsigned role)
{
	unsigned short test = program->length;

	if (number != SYS_ioctl && number != SYS_mmap && number != SYS_mremap) {
		allow(program, number);
		return;
	}
	emit(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0);
	if (number == SYS_ioctl)
		check_ioctl(program, role);
	else if (number == SYS_mmap)
		check_mmap(program);
	else
		check_mremap(program);
	program->code[test].jf = (uint8_t)(program->length - test - 1);
}

/*
 * A binary search: the kernel runs a new filter once for every call that there is, so as not to
 * have to later, and with a chain of comparisons that would cost more than all other set-up of a
 * guest's.
 */
static void search(struct program *program, const uint16_t *numbers, unsigned count, unsigned role)
{
	unsigned half = count / 2;
	unsigned short test = program->length;

	if (count <= 2) {
		for (unsigned i = 0; i < count; i++)
			check(program, numbers[i], role);
		forbid(program);
		return;
	}
	emit(program, BPF_JMP | BPF_JGE | BPF_K, numbers[half], 0);
	search(program, numbers, half, role);
	program->code[test].jt = (uint8_t)(program->length - test - 1);
	search(program, numbers + half, count - half, role);
}

/* The role's calls but ioctl, in their order. How many there are. */
static unsigned sort_calls(uint16_t *numbers, unsigned role)
{
	unsigned count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		unsigned at = count;

		if (!(calls[i].roles & role) || calls[i].number == SYS_ioctl)
			continue;
		for (; at > 0 && numbers[at - 1] > calls[i].number; at--)
			numbers[at] = numbers[at - 1];
		numbers[at] = calls[i].number;
		count++;
	}
	return count;
}

static int install(unsigned role)
{
	uint16_t numbers[ARRAY_SIZE(calls)];
	struct program program = { .length = 0 };
	struct sock_fprog filter = { .filter = program.code };

	check_architecture(&program);
	load(&program, offsetof(struct seccomp_data, nr));
	check(&program, SYS_ioctl, role); /* first: KVM_RUN is by far the most frequent call */
	search(&program, numbers, sort_calls(numbers, role), role);
	filter.len = program.length;
	return (int)sys_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (uintptr_t)&filter, 0, 0);
}

void sandbox_filter(unsigned role)
{
	must(install(role), "seccomp");
}

/* The call was not made. The next one that is forbidden, this one here, kills: SIGSYS is blocked.
 */
static void on_forbidden(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	report_at_once("sandbox: system call %d is not allowed here: killed", info->si_syscall);
	sys_getpid();
}

/* ---- the rest ---- */

/* The same of what only root may, and not even root everywhere: others had less to give up. */
static bool may(long result, const char *what)
{
	if (result == -EPERM || result == -EACCES || result == -EINVAL)
		return false;
	must(result, what);
	return true;
}

/* An empty root in a mount namespace of its own. */
static void leave_files(void)
{
	if (may(sys_unshare(CLONE_NEWNS), "namespace") &&
	    may(sys_mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts") &&
	    may(sys_mount("none", "/dev", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
			  NULL),
		"empty tmpfs") &&
	    may(sys_chroot("/dev"), "chroot"))
		must(sys_chdir("/"), "chdir");
}

/* EPERM: it is lower already. */
static void limit(int resource, uint64_t most)
{
	const uint64_t limits[2] = { most, most }; /* struct rlimit64 */

	may(sys_prlimit64(0, resource, limits, NULL), "prlimit");
}

static int keep_capabilities(uint32_t kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = kept, .permitted = kept },
	};

	return (int)sys_capset(&header, data);
}

/* Nor will there ever be others, whatever is executed. */
static int gain_nothing(void)
{
	return (int)sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int sandbox_watch(uint32_t capabilities)
{
	int result = keep_capabilities(capabilities);

	if (result == -EPERM) /* a container's PID 1 may have none to keep */
		result = keep_capabilities(0);
	if (result == 0)
		result = gain_nothing();
	if (result == 0)
		result = signal_catch(SIGSYS, on_forbidden);
	return result < 0 ? result : install(INIT);
}

void sandbox_enter(unsigned most_files)
{
	must(signal_catch(SIGSYS, on_forbidden), "SIGSYS");
	leave_files();
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, most_files);
	must(sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "undumpable");
	must(keep_capabilities(0), "capabilities");
	must(gain_nothing(), "no_new_privs");
}
