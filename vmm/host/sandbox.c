// SPDX-License-Identifier: MIT
/*
 * Namespaces, limits, capabilities and seccomp (Documentation/userspace-api/seccomp_filter.rst).
 *
 * Who calls it: main, run.c, devices.c and init.c, when set-up is complete. Touches what the
 * process may do.
 */
#include "sandbox.h"

#include "crt/crt.h"
#include "vmm/report.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>

/*
 * Dies if a step of the sandbox fails: the guest must not run with less protection than promised.
 */
static void must(long result, const char *what)
{
	if (result < 0)
		die(STATUS_NO_KVM, "sandbox: %s: %s; --no-sandbox goes without", what,
		    error_text((int)-result));
}

/* ---- system calls ---- */

/* Number and roles of every system call in crt/sys.h. */
static const struct {
	uint16_t number, roles;
} calls[] = {
#define SYSCALL(count, roles, name, ...) { SYS_##name, roles },
	SYSCALL_LIST
#undef SYSCALL
};

/* ioctl requests allowed by role, the most frequent first. The event loop may make all of KVM's. */
static const struct {
	uint32_t request;
	uint16_t role;
} requests[] = {
	{ KVM_RUN, VCPU_THREAD },
	{ KVM_IRQ_LINE, VCPU_THREAD | WORKER_THREAD },
	{ KVM_GET_ONE_REG, VCPU_THREAD },
	{ KVM_SET_ONE_REG, VCPU_THREAD }, /* of what is carried out without a syndrome */
	{ KVM_SET_VCPU_EVENTS, VCPU_THREAD },
	{ KVM_SET_USER_MEMORY_REGION, VCPU_THREAD | WORKER_THREAD }, /* the flash, when first
								      * touched; shadow pages */
	{ KVM_REGISTER_COALESCED_MMIO, VCPU_THREAD },
	{ KVM_UNREGISTER_COALESCED_MMIO, VCPU_THREAD | WORKER_THREAD },
	{ TIOCGWINSZ, LOOP_THREAD },
	{ FICLONE, LOOP_WITH_SAVE },
	{ TCSETS, INIT_PROCESS },
	{ TIOCGPGRP, INIT_PROCESS },
	{ TCSBRK, INIT_PROCESS },
};

/* All system calls have lower numbers; those from here on are forbidden with the last below. */
#define NUMBERS 512
#define REQUEST_TYPE 0xff00 /* mask of an ioctl's type (asm-generic/ioctl.h) */

/* A BPF program under construction. */
struct program {
	struct sock_filter code[2 * ARRAY_SIZE(calls) + ARRAY_SIZE(requests) + 24];
	unsigned short length;
};

/* Where a jump goes: over so many instructions, or, until finish(), to the end that allows the call
 * or to that which forbids it. */
enum target { NEXT = 0, ALLOW = 254, FORBID = 255 };
_Static_assert(ARRAY_SIZE(((struct program *)0)->code) < ALLOW, "targets are distances or ends");

static void emit(struct program *program, unsigned operation, uint32_t operand, enum target yes,
		 enum target no)
{
	program->code[program->length++] = (struct sock_filter)BPF_JUMP(
		(uint16_t)operation, operand, (uint8_t)yes, (uint8_t)no);
}

static void load(struct program *program, size_t field)
{
	emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)field, NEXT, NEXT);
}

/* Jumps if the loaded value is equal, and if it is not. */
static void compare(struct program *program, uint32_t value, enum target yes, enum target no)
{
	emit(program, BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
}

static void mask(struct program *program, uint32_t bits)
{
	emit(program, BPF_ALU | BPF_AND | BPF_K, bits, NEXT, NEXT);
}

static void end(struct program *program, uint32_t action)
{
	emit(program, BPF_RET | BPF_K, action, NEXT, NEXT);
}

/* Kills on a call of another architecture (AArch32, which arm64 kernels may support): its number
 * has another meaning here, so it is neither compared nor reported. */
static void check_architecture(struct program *program)
{
	load(program, offsetof(struct seccomp_data, arch));
	compare(program, AUDIT_ARCH_AARCH64, 1, NEXT);
	end(program, SECCOMP_RET_KILL_PROCESS);
}

static void check_ioctl(struct program *program, unsigned role)
{
	load(program, offsetof(struct seccomp_data, args[1]));
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].role & role)
			compare(program, requests[i].request, ALLOW, NEXT);
	if (role & LOOP_THREAD) {
		mask(program, REQUEST_TYPE);
		compare(program, KVMIO << 8, ALLOW, NEXT);
	}
	end(program, SECCOMP_RET_TRAP);
}

/* Allows no new executable memory, and so none that is writable and executable. */
static void check_mmap(struct program *program)
{
	load(program, offsetof(struct seccomp_data, args[2]));
	mask(program, PROT_EXEC);
	compare(program, 0, ALLOW, FORBID);
}

/* Allows mremap only with equal sizes: growing an executable mapping would map other pages of its
 * file. */
static void check_mremap(struct program *program)
{
	for (size_t half = 0; half < sizeof(uint64_t); half += sizeof(uint32_t)) {
		load(program, offsetof(struct seccomp_data, args[1]) + half);
		emit(program, BPF_MISC | BPF_TAX, 0, NEXT, NEXT);
		load(program, offsetof(struct seccomp_data, args[2]) + half);
		emit(program, BPF_JMP | BPF_JEQ | BPF_X, 0, half ? ALLOW : NEXT, FORBID);
	}
}

/* Allows sockets to processes of this machine alone. */
static void check_socket(struct program *program)
{
	load(program, offsetof(struct seccomp_data, args[0]));
	compare(program, AF_UNIX, ALLOW, FORBID);
}

/* Returns false if the call is allowed with any arguments. */
static bool check_arguments(struct program *program, unsigned number)
{
	switch (number) {
	case SYS_mmap:
		check_mmap(program);
		return true;
	case SYS_mremap:
		check_mremap(program);
		return true;
	case SYS_socket:
		check_socket(program);
		return true;
	default:
		return false;
	}
}

/* The system calls from number `low` to below `high`, of which `count` are allowed: `numbers`. */
struct range {
	const uint16_t *numbers;
	unsigned count, low, high;
};

static void search(struct program *program, const struct range *range);

/* Emits what decides about a range, for a jump at `jump`. Returns where that has to go. */
static uint8_t branch(struct program *program, unsigned jump, const struct range *range)
{
	unsigned distance = program->length - jump - 1;

	if (range->count == 0)
		return FORBID;
	if (range->high - range->low > 1)
		search(program, range);
	else if (!check_arguments(program, range->low))
		return ALLOW;
	return (uint8_t)distance;
}

/* Where what is allowed of a range begins or ends, nearest to its middle. */
static unsigned divide(const struct range *range)
{
	unsigned middle = (range->low + range->high) / 2;
	unsigned best = 0, least = range->high;

	for (unsigned i = 0; i < 2 * range->count; i++) {
		unsigned at = range->numbers[i / 2] + i % 2;
		unsigned distance = at > middle ? at - middle : middle - at;

		if (at > range->low && at < range->high && distance < least) {
			best = at;
			least = distance;
		}
	}
	return best;
}

/* A binary search, which takes few steps for most numbers, not for most that are allowed: when a
 * filter is installed the kernel runs it once for each number, to cache the result. */
static void search(struct program *program, const struct range *range)
{
	unsigned short jump = program->length;
	unsigned at = divide(range);
	struct range below = *range, above = *range;

	below.high = above.low = at;
	below.count = 0;
	while (below.count < range->count && range->numbers[below.count] < at)
		below.count++;
	above.numbers += below.count;
	above.count -= below.count;
	emit(program, BPF_JMP | BPF_JGE | BPF_K, at, NEXT, NEXT);
	program->code[jump].jf = branch(program, jump, &below);
	program->code[jump].jt = branch(program, jump, &above);
}

/* Appends the two ends, and lets the jumps go there. */
static void finish(struct program *program)
{
	unsigned short allow = program->length, forbid = allow + 1;

	end(program, SECCOMP_RET_ALLOW);
	end(program, SECCOMP_RET_TRAP);
	for (unsigned short i = 0; i < allow; i++) {
		struct sock_filter *code = &program->code[i];

		if (code->jt >= ALLOW)
			code->jt = (uint8_t)((code->jt == ALLOW ? allow : forbid) - i - 1);
		if (code->jf >= ALLOW)
			code->jf = (uint8_t)((code->jf == ALLOW ? allow : forbid) - i - 1);
	}
}

/* Sorts the numbers of the role's calls, without ioctl. Returns how many there are. */
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
	const struct range range = { numbers, sort_calls(numbers, role), 0, NUMBERS };
	struct program program = { .length = 0 };
	struct sock_fprog filter = { .filter = program.code };
	unsigned short ioctl;

	check_architecture(&program);
	load(&program, offsetof(struct seccomp_data, nr));
	/* First: KVM_RUN is by far the most frequent call. */
	compare(&program, SYS_ioctl, NEXT, NEXT);
	ioctl = program.length - 1;
	check_ioctl(&program, role);
	program.code[ioctl].jf = (uint8_t)(program.length - ioctl - 1);
	search(&program, &range);
	finish(&program);
	filter.len = program.length;
	return (int)sys_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (uintptr_t)&filter, 0, 0);
}

void sandbox_filter(unsigned role)
{
	must(install(role), "seccomp");
}

/* Reports a forbidden call, which was not made. SIGSYS is blocked in its own handler, so the second
 * forbidden call, getpid, kills. */
static void on_forbidden(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	report_at_once("sandbox: system call %d is not allowed here: killed", info->si_syscall);
	sys_getpid();
}

/* ---- the rest ---- */

/* Like must(), but tolerates EPERM, EACCES and EINVAL: an unprivileged user has less to drop. */
static bool may(long result, const char *what)
{
	if (result == -EPERM || result == -EACCES || result == -EINVAL)
		return false;
	must(result, what);
	return true;
}

/* One of the directories that stay in the new root. If that cannot be it is not there. */
static void keep_directory(const char *directory, unsigned number)
{
	char name[16];

	snprintf(name, sizeof name, "/dev/%u", number);
	if (sys_mkdirat(AT_FDCWD, name, 0755) == 0)
		(void)sys_mount(directory, name, NULL, MS_BIND, NULL);
}

/* Changes to a root with nothing else in it, in a new mount namespace. */
static void leave_files(const char *const *directories, unsigned count)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (!may(sys_unshare(CLONE_NEWNS), "namespace") ||
	    !may(sys_mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts") ||
	    !may(sys_mount("none", "/dev", "tmpfs", count ? flags : flags | MS_RDONLY, NULL),
		 "empty tmpfs"))
		return;
	for (unsigned i = 0; i < count; i++)
		keep_directory(directories[i], i);
	if (count)
		must(sys_mount("none", "/dev", NULL, flags | MS_REMOUNT | MS_RDONLY, NULL),
		     "read-only tmpfs");
	if (may(sys_chroot("/dev"), "chroot"))
		must(sys_chdir("/"), "chdir");
}

/* EPERM means that the limit is lower already. */
static void limit(int resource, uint64_t max)
{
	const uint64_t limits[2] = { max, max }; /* struct rlimit64 */

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

/* No privileges can be gained later either, by executing a file. */
static int gain_nothing(void)
{
	return (int)sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int sandbox_watch(unsigned role, uint32_t capabilities)
{
	int result = keep_capabilities(capabilities);

	if (result == -EPERM) /* a container's PID 1 may have none to keep */
		result = keep_capabilities(0);
	if (result == 0)
		result = gain_nothing();
	if (result == 0)
		result = signal_catch(SIGSYS, on_forbidden);
	return result < 0 ? result : install(role);
}

void sandbox_enter(unsigned max_files, const char *const *directories, unsigned count)
{
	must(signal_catch(SIGSYS, on_forbidden), "SIGSYS");
	leave_files(directories, count);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, max_files);
	must(sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "undumpable");
	must(keep_capabilities(0), "capabilities");
	must(gain_nothing(), "no_new_privs");
}
