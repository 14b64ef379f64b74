// SPDX-License-Identifier: MIT
/*
 * Registers, a backtrace, code and the last exits of every vCPU; and an ELF core file.
 *
 * Who calls it: main, commands.c, snapshot_text.c. Touches standard error and the core file; reads
 * vCPUs and guest RAM.
 */
#include "dump.h"

#include "crt/sys.h"
#include "vmm/host/saver.h"
#include "vmm/kvm/registers.h"
#include "vmm/machine/exits.h"
#include "vmm/machine/inspect.h"
#include "vmm/machine/map.h"
#include "vmm/machine/memory.h"
#include "vmm/report.h"
#include "vmm/snapshot/format.h"

#include <elf.h>
#include <fcntl.h>

#define AROUND 8  /* instructions before pc, and from pc on */
#define FRAMES 32 /* max, of a backtrace */
#define LAST_X 30 /* of the general registers x0, x1 and so on */

/* ---- as text ---- */

/* ESR_EL1.EC (Arm ARM, D17.2.37); rare classes are left out. */
#define CLASS_LIST(ROW)                                                                            \
	ROW(0x00, "undefined instruction")                                                         \
	ROW(0x07, "access to FP or SIMD")                                                          \
	ROW(0x0d, "branch target")                                                                 \
	ROW(0x0e, "illegal execution state")                                                       \
	ROW(0x15, "SVC")                                                                           \
	ROW(0x16, "HVC")                                                                           \
	ROW(0x18, "MSR, MRS or system instruction")                                                \
	ROW(0x19, "access to SVE")                                                                 \
	ROW(0x1c, "pointer authentication")                                                        \
	ROW(0x20, "instruction abort from EL0")                                                    \
	ROW(0x21, "instruction abort")                                                             \
	ROW(0x22, "misaligned pc")                                                                 \
	ROW(0x24, "data abort from EL0")                                                           \
	ROW(0x25, "data abort")                                                                    \
	ROW(0x26, "misaligned sp")                                                                 \
	ROW(0x2f, "SError")                                                                        \
	ROW(CLASS_BRK, "BRK")
#define CLASS(class, words) class,
static const uint8_t classes[] = { CLASS_LIST(CLASS) };
#define WORDS(class, words) words "\0"
static const char class_words[] = CLASS_LIST(WORDS);

static void dump_syndrome(const struct vcpu *vcpu)
{
	uint64_t syndrome = register_of_regime(vcpu, ESR_EL1);
	const char *words = "not known here";

	for (unsigned i = 0; i < ARRAY_SIZE(classes); i++)
		if (classes[i] == ESR_CLASS(syndrome))
			words = string_at(class_words, i);
	report_text("  last exception to EL%u: %s, at or about %#lx\n", register_level(vcpu), words,
		    register_of_regime(vcpu, FAR_EL1));
}

static void dump_registers(const struct vcpu *vcpu)
{
	for (unsigned n = 0; n < GENERAL_REGISTERS + system_registers(vcpu); n++) {
		static const char last[][8] = { "sp", "pc", "pstate" };
		unsigned row = n - GENERAL_REGISTERS;
		char text[12];
		const char *name = text;
		uint64_t value, id;

		snprintf(text, sizeof text, "x%u", n);
		if (n >= GENERAL_REGISTERS) {
			name = system_register_name(row);
			id = system_register_id(row);
		} else {
			if (n > LAST_X)
				name = last[n - LAST_X - 1];
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

/* The address without its pointer authentication code, which is in the bits that translation does
 * not use; all of these should be as bit 55, which it leaves (Arm ARM, D8.8). */
static uint64_t plain_address(uint64_t tcr, uint64_t address)
{
	uint64_t bit55 = -(address >> 55 & 1);	    /* as all bits */
	unsigned unused = tcr >> (bit55 & 16) & 63; /* TCR_EL1.T1SZ or T0SZ, which may be 0 */

	return address ^ ((address ^ bit55) & (-1ull << (63 - unused) << 1));
}

/* Follows frame records (AAPCS64, 6.4.6): the address of the caller's record, and the return
 * address. */
static void dump_backtrace(const struct vcpu *vcpu)
{
	uint64_t record[2] = { register_get(vcpu, register_general(vcpu, 29)),
			       register_get(vcpu, register_general(vcpu, 30)) };
	uint64_t tcr = register_of_regime(vcpu, TCR_EL1);

	report_text("  backtrace: %lx", register_get(vcpu, CORE_REGISTER(regs.pc)));
	for (unsigned i = 0; i < FRAMES; i++) {
		uint64_t frame = record[0];

		report_text(" %lx", plain_address(tcr, record[1]));
		/* The stack grows down: a record at a lower address is not a caller's. */
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
	dump_syndrome(vcpu);
	dump_backtrace(vcpu);
	dump_code(vcpu);
	dump_exits(vcpu);
}

/* ---- as a core file ---- */

/* One vCPU's NT_PRSTATUS note (linux/elfcore.h, struct elf_prstatus of arm64). */
struct __attribute__((packed)) status_note {
	Elf64_Nhdr header;
	char name[8];
	uint32_t signal[8];
	uint32_t pid;
	uint32_t others[19];
	uint8_t registers[GENERAL_REGISTERS * sizeof(uint64_t)];
	uint64_t is_valid;
};
#define STATUS_SIZE 392
_Static_assert(sizeof(struct status_note) == 12 + 8 + STATUS_SIZE, "no padding");

/* The start of the file; the notes follow, and then RAM, aligned to CORE_PAGE. */
struct core {
	Elf64_Ehdr header;
	Elf64_Phdr notes, ram;
};

#define CORE_PAGE 0x10000

static struct status_note make_note(const struct core_content *content, unsigned cpu)
{
	struct status_note note = {
		.header = { sizeof "CORE", STATUS_SIZE, NT_PRSTATUS },
		.name = "CORE",
		.pid = cpu + 1,
	};

	content->get_registers(content->context, cpu, note.registers);
	return note;
}

/* Writes at this offset unless an earlier write failed (`before`). Returns 0 or negative errno. */
static int write_at(int fd, int before, const void *data, size_t size, uint64_t at)
{
	return before < 0 ? before : saver_write(fd, data, size, at);
}

/* Pages of zeros become holes in the file. */
static int write_ram(int fd, const struct core_content *content, uint64_t at)
{
	/* A block device cannot be truncated: there, pages of zeros are written, too. */
	bool is_empty = sys_ftruncate(fd, 0) == 0;
	int result = is_empty ? (int)sys_ftruncate(fd, at + content->size) : 0;

	for (unsigned i = 0; i < content->part_count; i++) {
		const struct core_part *part = &content->parts[i];

		for (uint64_t done = 0; done < part->size; done += CORE_PAGE)
			if (!is_empty || !snapshot_is_zero(part->bytes + done, CORE_PAGE))
				result = write_at(fd, result, part->bytes + done, CORE_PAGE,
						  at + part->offset + done);
	}
	return result;
}

/* Addresses in the core file are physical, which also suits a payload that runs without an MMU. */
bool dump_write_core(int fd, const struct core_content *content)
{
	uint64_t notes = content->cpus * sizeof(struct status_note);
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
			.p_vaddr = RAM_BASE,
			.p_paddr = RAM_BASE,
			.p_filesz = content->size,
			.p_memsz = content->size,
		},
	};
	int result = write_ram(fd, content, core.ram.p_offset);

	result = write_at(fd, result, &core, sizeof core, 0);
	for (unsigned i = 0; i < content->cpus; i++) {
		struct status_note note = make_note(content, i);

		result = write_at(fd, result, &note, sizeof note,
				  core.notes.p_offset + i * sizeof note);
	}
	if (result < 0)
		report("--dump-core: %s; the file is not whole", error_text((int)-result));
	return result >= 0;
}

/* A struct core_content's get_registers. */
static void get_registers(const void *vcpus, unsigned cpu, void *registers)
{
	const struct vcpu *vcpu = &((const struct vcpu *)vcpus)[cpu];

	for (unsigned n = 0; n < GENERAL_REGISTERS; n++) {
		uint64_t value = register_get(vcpu, register_general(vcpu, n));

		memcpy((uint64_t *)registers + n, &value, sizeof value);
	}
}

static void dump_core(const struct run *run)
{
	const struct guest_memory *memory = run->vcpus[0].memory;
	const struct core_part ram = { .size = memory->size, .bytes = memory->host };

	(void)dump_write_core(run->core, &(const struct core_content){
						 .cpus = run->cpus,
						 .get_registers = get_registers,
						 .context = run->vcpus,
						 .size = memory->size,
						 .parts = &ram,
						 .part_count = 1,
					 });
}

int dump_open_core(const char *name)
{
	long fd = -1;

	if (name)
		fd = sys_openat(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (name && fd < 0)
		die(STATUS_HOST, "%s %.200s: %s", "--dump-core", name, error_text((int)-fd));
	return (int)fd;
}

void dump(const struct run *run)
{
	for (unsigned i = 0; i < run->cpus; i++)
		dump_cpu(&run->vcpus[i]);
	if (run->core >= 0)
		dump_core(run);
}
