// SPDX-License-Identifier: MIT
/*
 * Registers, a backtrace, code and the last exits of every CPU; and an ELF core file.
 *
 * Who calls it: main.c, console.c. Touches standard error and the core file; reads vCPUs and
 * guest RAM.
 */
#include "dump.h"

#include "crt/sys.h"
#include "vmm/kvm/registers.h"
#include "vmm/machine/exits.h"
#include "vmm/machine/inspect.h"
#include "vmm/machine/memory.h"
#include "vmm/report.h"

#include <elf.h>
#include <fcntl.h>

#define AROUND 8  /* instructions before pc, and from there on */
#define FRAMES 32 /* of a backtrace at most */
#define WORD 8	  /* bytes of a saved register */

/* ---- for people ---- */

/* ESR_EL1.EC (Arm ARM, D17.2.37); what is not here is seldom seen. */
static const struct {
	uint8_t class;
	char words[31];
} classes[] = {
	{ 0x00, "undefined instruction" },
	{ 0x07, "access to FP or SIMD" },
	{ 0x0d, "branch target" },
	{ 0x0e, "illegal execution state" },
	{ 0x15, "SVC" },
	{ 0x16, "HVC" },
	{ 0x18, "MSR, MRS or system instruction" },
	{ 0x19, "access to SVE" },
	{ 0x1c, "pointer authentication" },
	{ 0x20, "instruction abort from EL0" },
	{ 0x21, "instruction abort" },
	{ 0x22, "misaligned pc" },
	{ 0x24, "data abort from EL0" },
	{ 0x25, "data abort" },
	{ 0x26, "misaligned sp" },
	{ 0x2f, "SError" },
	{ CLASS_BRK, "BRK" },
};

static void dump_syndrome(uint64_t syndrome, uint64_t address)
{
	const char *words = "not known here";

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (classes[i].class == ESR_CLASS(syndrome))
			words = classes[i].words;
	report_text("  last exception to EL1: %s, at or about %#lx\n", words, address);
}

static void dump_registers(const struct vcpu *vcpu)
{
	for (unsigned n = 0; n < GENERAL_REGISTERS + SYSTEM_REGISTERS; n++) {
		static const char *const last[] = { "sp", "pc", "pstate" };
		char name[sizeof system_registers->name];
		uint64_t value, id;

		snprintf(name, sizeof name, "x%u", n);
		if (n >= GENERAL_REGISTERS) {
			memcpy(name, system_registers[n - GENERAL_REGISTERS].name, sizeof name);
			id = REGISTER_U64 | system_registers[n - GENERAL_REGISTERS].id;
		} else {
			if (n >= GENERAL_REGISTERS - ARRAY_SIZE(last))
				snprintf(name, sizeof name, "%s",
					 last[n + ARRAY_SIZE(last) - GENERAL_REGISTERS]);
			id = register_general(vcpu, n);
		}
		if (register_try(vcpu, id, &value))
			report_text("%16s %016lx%s", name, value, n % 4 == 3 ? "\n" : "");
	}
	report_text("\n");
}

static bool read_words(const struct vcpu *vcpu, uint64_t address, void *words, size_t size)
{
	return inspect_memory(vcpu, VIEW_VIRTUAL, address, words, size, false) == size;
}

/* Frame records (AAPCS64, 6.4.6): the caller's record, and where it is returned to. */
static void dump_backtrace(const struct vcpu *vcpu)
{
	uint64_t record[2] = { register_get(vcpu, register_general(vcpu, 29)),
			       register_get(vcpu, register_general(vcpu, 30)) };

	report_text("  backtrace: %lx", register_get(vcpu, CORE_REGISTER(regs.pc)));
	for (unsigned i = 0; i < FRAMES; i++) {
		uint64_t frame = record[0];

		report_text(" %lx", record[1]);
		/* The stack grows down: what leads back is no caller's. */
		if (!read_words(vcpu, frame, record, sizeof record) || record[0] <= frame)
			break;
	}
	report_text("\n");
}

static void dump_code(const struct vcpu *vcpu)
{
	uint64_t pc = register_get(vcpu, CORE_REGISTER(regs.pc));

	report_text("  code:");
	for (int i = -AROUND; i < AROUND; i++) {
		uint32_t instruction;

		if (read_words(vcpu, pc + (uint64_t)(i * 4), &instruction, sizeof instruction))
			report_text(i ? " %08x" : " <%08x>", instruction);
		else
			report_text(" ?");
	}
	report_text("\n");
}

static void dump_exits(const struct vcpu *vcpu)
{
	uint32_t count = vcpu->remembered < HISTORY ? vcpu->remembered : HISTORY;

	for (uint32_t i = vcpu->remembered - count; i != vcpu->remembered; i++) {
		const struct exit_record *record = &vcpu->history[i % HISTORY];

		report_text("  exit %u: KVM_EXIT_%s %lx %lx %lx\n", i, exit_name(record->reason),
			    record->detail[0], record->detail[1], record->detail[2]);
	}
}

static void dump_cpu(const struct vcpu *vcpu)
{
	report_text("\nCPU %u at EL%lu\n", vcpu->index,
		    PSTATE_EL(register_get(vcpu, CORE_REGISTER(regs.pstate))));
	dump_registers(vcpu);
	dump_syndrome(register_get(vcpu, ESR_EL1), register_get(vcpu, FAR_EL1));
	dump_backtrace(vcpu);
	dump_code(vcpu);
	dump_exits(vcpu);
}

/* ---- for gdb ---- */

/* One CPU's note of a core file (linux/elfcore.h, struct elf_prstatus of arm64). */
struct __attribute__((packed)) status_note {
	Elf64_Nhdr header;
	char name[8];
	uint32_t signal[8];
	uint32_t pid;
	uint32_t others[19];
	uint64_t registers[GENERAL_REGISTERS];
	uint64_t is_valid;
};
#define STATUS_SIZE 392
_Static_assert(sizeof(struct status_note) == 12 + 8 + STATUS_SIZE, "no padding");

/* What the file begins with; the notes follow, and the guest's RAM at a page. */
struct core {
	Elf64_Ehdr header;
	Elf64_Phdr notes, ram;
};

#define CORE_PAGE 0x10000

static struct status_note make_note(const struct vcpu *vcpu)
{
	struct status_note note = {
		.header = { sizeof "CORE", STATUS_SIZE, NT_PRSTATUS },
		.name = "CORE",
		.pid = vcpu->index + 1,
	};

	for (unsigned n = 0; n < GENERAL_REGISTERS; n++)
		note.registers[n] = register_get(vcpu, register_general(vcpu, n));
	return note;
}

/* Writes at this place of the file, if all went well till here. 0 or negative errno. */
static long write_at(int fd, long before, const void *data, size_t size, uint64_t at)
{
	while (before == 0 && size) {
		long n = sys_pwrite64(fd, data, size, at);

		if (n < 0)
			return n;
		data = (const char *)data + n;
		size -= (size_t)n;
		at += (uint64_t)n;
	}
	return before;
}

static bool is_zero(const void *page)
{
	const uint64_t *words = page;

	for (unsigned i = 0; i < CORE_PAGE / sizeof *words; i++)
		if (words[i])
			return false;
	return true;
}

/* Pages of zeros stay holes of a new file, but for the last, which gives it its size. */
static long write_ram(int fd, const struct guest_memory *memory, uint64_t at)
{
	/* What is no file, such as a disk, cannot be emptied: there zeros are written, too. */
	bool is_empty = sys_ftruncate(fd, 0) == 0;
	long result = 0;

	for (uint64_t done = 0; done < memory->size; done += CORE_PAGE)
		if (!is_empty || !is_zero(memory->host + done) || done + CORE_PAGE == memory->size)
			result = write_at(fd, result, memory->host + done, CORE_PAGE, at + done);
	return result;
}

/* Addresses are physical ones, which a payload without page tables of its own has, too. */
static void dump_core(const struct run *run)
{
	const struct guest_memory *memory = run->vcpus[0].memory;
	uint64_t notes = run->cpus * sizeof(struct status_note);
	struct core core = {
		.header = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_CORE,
			.e_machine = EM_AARCH64,
			.e_version = EV_CURRENT,
			.e_phoff = offsetof(struct core, notes),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2,
		},
		.notes = {
			.p_type = PT_NOTE,
			.p_offset = sizeof core,
			.p_filesz = notes,
		},
		.ram = {
			.p_type = PT_LOAD,
			.p_flags = PF_R | PF_W | PF_X,
			.p_offset = (sizeof core + notes + CORE_PAGE - 1) & -CORE_PAGE,
			.p_vaddr = memory->base.address,
			.p_paddr = memory->base.address,
			.p_filesz = memory->size,
			.p_memsz = memory->size,
		},
	};
	long result = write_ram(run->core, memory, core.ram.p_offset);

	result = write_at(run->core, result, &core, sizeof core, 0);
	for (unsigned i = 0; i < run->cpus; i++) {
		struct status_note note = make_note(&run->vcpus[i]);

		result = write_at(run->core, result, &note, sizeof note,
				  core.notes.p_offset + i * sizeof note);
	}
	if (result < 0)
		report("--dump-core: %s; the file is not whole", error_text((int)-result));
}

int dump_open_core(const char *name)
{
	long fd = -1;

	if (name)
		fd = sys_openat(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (name && fd < 0)
		die(STATUS_HOST, "--dump-core %.200s: %s", name, error_text((int)-fd));
	return (int)fd;
}

void dump(const struct run *run)
{
	for (unsigned i = 0; i < run->cpus; i++)
		dump_cpu(&run->vcpus[i]);
	if (run->core >= 0)
		dump_core(run);
}
