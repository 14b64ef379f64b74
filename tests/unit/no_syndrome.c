// SPDX-License-Identifier: MIT
/* vmm/machine/no_syndrome.c with the decoder, the page walk and the interrupt controller's
 * registers, on a pretended guest. */
#include "accesses.h"

#define AT                                                                                         \
	0x100 /* offset in the device of what is accessed, but for the instruction's own offset */
#define BASE (DEVICE + AT)

#define X(n) (CORE_REGISTER(regs.regs[0]) + 2ul * (n))
#define PC CORE_REGISTER(regs.pc)
#define PSTATE CORE_REGISTER(regs.pstate)

static uint64_t vector_id(unsigned n)
{
	return has_sve ? KVM_REG_ARM64_SVE_ZREG(n, 0)
		       : KVM_REG_ARM64 | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE |
				 (KVM_REG_ARM_CORE_REG(fp_regs.vregs[0]) + 4ul * n);
}

/* Registers and device hold bytes that tell where they come from. */
static void begin(uint32_t instruction)
{
	begin_guest();
	ram.words[0] = instruction;
	for (unsigned i = 0; i < sizeof device; i++)
		device[i] = (uint8_t)(0xf0 + i);
	for (unsigned n = 3; n <= 5; n++) {
		set_value(0, X(n), 0x0102030405060700 + 0x1010101010101010 * n);
		memset(value_of(0, vector_id(n)), (int)(0x11 * n), has_sve ? 256 : 16);
	}
	set_value(0, X(0), BASE);
	set_value(0, X(2), BASE);
	set_value(0, X(6), 2);
	set_value(0, CORE_REGISTER(regs.sp), 0xdead);
	set_value(0, CORE_REGISTER(sp_el1), BASE);
}

/* What was accessed: "w4 +8=1234", and so on. */
static const char *accesses(void)
{
	static char text[1000];
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < made_count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%c%u %+ld=%lx",
					 i ? ", " : "", made[i].is_write ? 'w' : 'r', made[i].size,
					 (long)(made[i].at - BASE), made[i].value);
	return text;
}

/* ---- instructions ---- */

static const struct {
	uint32_t instruction;
	int offset; /* of the access, from the base register */
	const char *accesses;
	unsigned targets[2]; /* general registers that change, with their values; 0: none */
	uint64_t values[2];
	unsigned base; /* register that changes by `step` */
	int step;
} rows[] = {
	/* str w3, [x2], #4 */
	{ 0xb8004443, 0, "w4 +0=35363730", { 0 }, { 0 }, 2, 4 },
	/* stp xzr, x7, [x0], #16 */
	{ 0xa8811c1f, 0, "w8 +0=0, w8 +8=0", { 0 }, { 0 }, 0, 16 },
	/* ldr w3, [x2], #4 */
	{ 0xb8404443, 0, "r4 +0=f3f2f1f0", { 3 }, { 0xf3f2f1f0 }, 2, 4 },
	/* ldr x3, [x2, #8]! */
	{ 0xf8408c43, 8, "r8 +8=fffefdfcfbfaf9f8", { 3 }, { 0xfffefdfcfbfaf9f8 }, 2, 8 },
	/* ldrsb x3, [x2], #1 */
	{ 0x38801443, 0, "r1 +0=f0", { 3 }, { 0xfffffffffffffff0 }, 2, 1 },
	/* ldrsh w3, [x2, #2]! */
	{ 0x78c02c43, 2, "r2 +2=f3f2", { 3 }, { 0xfffff3f2 }, 2, 2 },
	/* ldrsw x3, [x2], #-4 */
	{ 0xb89fc443, 0, "r4 +0=f3f2f1f0", { 3 }, { 0xfffffffff3f2f1f0 }, 2, -4 },
	/* ldp w3, w4, [x2] */
	{ 0x29401043,
	  0,
	  "r4 +0=f3f2f1f0, r4 +4=f7f6f5f4",
	  { 3, 4 },
	  { 0xf3f2f1f0, 0xf7f6f5f4 },
	  0,
	  0 },
	/* ldpsw x3, x4, [x2, #8] */
	{ 0x69411043,
	  8,
	  "r4 +8=fbfaf9f8, r4 +12=fffefdfc",
	  { 3, 4 },
	  { 0xfffffffffbfaf9f8, 0xfffffffffffefdfc },
	  0,
	  0 },
	/* ldp x3, x4, [x2], #16 */
	{ 0xa8c11043,
	  0,
	  "r8 +0=f7f6f5f4f3f2f1f0, r8 +8=fffefdfcfbfaf9f8",
	  { 3, 4 },
	  { 0xf7f6f5f4f3f2f1f0, 0xfffefdfcfbfaf9f8 },
	  2,
	  16 },
	/* stp w3, w4, [x2, #8]! */
	{ 0x29811043, 8, "w4 +8=35363730, w4 +12=45464740", { 0 }, { 0 }, 2, 8 },
	/* str q3, [x2], #16 */
	{ 0x3c810443, 0, "w8 +0=3333333333333333, w8 +8=3333333333333333", { 0 }, { 0 }, 2, 16 },
	/* stp q3, q4, [x2, #32] */
	{ 0xad011043,
	  32,
	  "w8 +32=3333333333333333, w8 +40=3333333333333333, "
	  "w8 +48=4444444444444444, w8 +56=4444444444444444",
	  { 0 },
	  { 0 },
	  0,
	  0 },
	/* str h3, [x2, #2] */
	{ 0x7d000443, 2, "w2 +2=3333", { 0 }, { 0 }, 0, 0 },
	/* str d3, [x2, x6, lsl #3] */
	{ 0xfc267843, 16, "w8 +16=3333333333333333", { 0 }, { 0 }, 0, 0 },
	/* strb wzr, [x2], #1 */
	{ 0x3800145f, 0, "w1 +0=0", { 0 }, { 0 }, 2, 1 },
	/* ldar w3, [x2] */
	{ 0x88dffc43, 0, "r4 +0=f3f2f1f0", { 3 }, { 0xf3f2f1f0 }, 0, 0 },
	/* stlr w3, [x2] */
	{ 0x889ffc43, 0, "w4 +0=35363730", { 0 }, { 0 }, 0, 0 },
	/* ldr x2, [x2, #8] */
	{ 0xf9400442, 8, "r8 +8=fffefdfcfbfaf9f8", { 2 }, { 0xfffefdfcfbfaf9f8 }, 0, 0 },
	/* ldp x2, x3, [x2, #16] */
	{ 0xa9410c42,
	  16,
	  "r8 +16=706050403020100, r8 +24=f0e0d0c0b0a0908",
	  { 2, 3 },
	  { 0x0706050403020100, 0x0f0e0d0c0b0a0908 },
	  0,
	  0 },
	/* ldnp w3, w4, [x2] */
	{ 0x28401043,
	  0,
	  "r4 +0=f3f2f1f0, r4 +4=f7f6f5f4",
	  { 3, 4 },
	  { 0xf3f2f1f0, 0xf7f6f5f4 },
	  0,
	  0 },
	/* ldrh w3, [x2, w6, sxtw] */
	{ 0x7866c843, 2, "r2 +2=f3f2", { 3 }, { 0xf3f2 }, 0, 0 },
};

/* Is every general register what it was, but for those that the row says? */
static void check_registers(size_t row)
{
	uint64_t wanted[31];

	for (unsigned n = 0; n < 31; n++)
		wanted[n] = n == 0 || n == 2   ? BASE
			    : n == 6	       ? 2ull
			    : n >= 3 && n <= 5 ? 0x0102030405060700ull + 0x1010101010101010 * n
					       : 0ull;
	for (unsigned i = 0; i < 2 && rows[row].targets[i]; i++)
		wanted[rows[row].targets[i]] = rows[row].values[i];
	wanted[rows[row].base] += (uint64_t)rows[row].step;
	for (unsigned n = 0; n < 31; n++)
		assert_int_equal(get_value(0, X(n)), wanted[n]);
}

static void test_instructions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin(rows[i].instruction);
		exit_for(0, BASE + (uint64_t)rows[i].offset, rows[i].accesses[0] == 'w');
		assert_string_equal(accesses(), rows[i].accesses);
		check_registers(i);
		assert_int_equal(get_value(0, PC), RAM_AT + 4);
		assert_int_equal(get_value(0, PSTATE), 0x3c5);
		assert_int_equal(aborts + reports + pauses, 0);
		/* What a trace shows is what was accessed. */
		assert_int_equal(vcpus[0].no_syndrome.count, made_count);
		for (unsigned n = 0; n < made_count; n++) {
			const struct mmio_access *piece = &vcpus[0].no_syndrome.pieces[n];

			assert_int_equal(piece->at, made[n].at);
			assert_int_equal(piece->value, made[n].value);
			assert_int_equal(piece->size, made[n].size);
			assert_int_equal(piece->is_write, made[n].is_write);
		}
	}
}

/* What is above a loaded vector is zero, in the scalable register, too. */
static void test_vector_loads(void **state)
{
	static const struct {
		uint32_t instruction;
		int offset;
		unsigned size, count; /* bytes, registers */
	} loads[] = {
		{ 0x3d400043, 0, 1, 1 },  /* ldr b3, [x2] */
		{ 0xbc665843, 8, 4, 1 },  /* ldr s3, [x2, w6, uxtw #2] */
		{ 0x3dc00043, 0, 16, 1 }, /* ldr q3, [x2] */
		{ 0xad401043, 0, 16, 2 }, /* ldp q3, q4, [x2] */
	};

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof loads / sizeof *loads; i++) {
		size_t row = i / 2;

		has_sve = i % 2;
		begin(loads[row].instruction);
		exit_for(0, BASE + (uint64_t)loads[row].offset, false);
		for (unsigned n = 0; n < loads[row].count; n++) {
			uint8_t wanted[256] = { 0 };

			memcpy(wanted, device + AT + loads[row].offset + (size_t)n * 16,
			       loads[row].size);
			assert_memory_equal(value_of(0, vector_id(3 + n)), wanted,
					    has_sve ? 256 : 16);
		}
		assert_int_equal(get_value(0, PC), RAM_AT + 4);
	}
	has_sve = false;
}

/* The stack pointer is that of the level that is selected: str x3, [sp, #-16]!. */
static void test_stack_pointer(void **state)
{
	(void)state;
	for (unsigned selected = 0; selected <= 1; selected++) {
		uint64_t id = selected ? CORE_REGISTER(sp_el1) : CORE_REGISTER(regs.sp);

		begin(0xf81f0fe3);
		set_value(0, PSTATE, 0x3c4 | selected);
		set_value(0, CORE_REGISTER(sp_el1), 0xdead);
		set_value(0, id, BASE);
		exit_for(0, BASE - 16, true);
		assert_string_equal(accesses(), "w8 -16=3132333435363730");
		assert_int_equal(get_value(0, id), BASE - 16);
	}
}

/* At EL2, and at EL0 under it, the tables are EL2's; at EL1 they are its own.
 * The stack pointer at EL2 is SP_EL2: str w3, [sp], #4. */
static void test_el2(void **state)
{
	static const struct {
		uint64_t pstate, hcr, sp;
		const char *accesses;
	} levels[] = { { 0x3c9, 0, SP_EL2, "w4 +0=35363730" },
		       { 0x3c0, HCR_TGE, CORE_REGISTER(regs.sp), "w4 +0=35363730" },
		       { 0x3c5, 0, CORE_REGISTER(sp_el1), "" } };

	(void)state;
	for (unsigned i = 0; i < sizeof levels / sizeof *levels; i++) {
		begin(0xb80047e3);
		vcpus[0].features = 1u << KVM_ARM_VCPU_HAS_EL2;
		ram.entries[0x1000 / 8 + 5] = RAM_AT | 0x401;
		ram.entries[0x1000 / 8 + 7] = 0x401;
		set_value(0, SCTLR_EL1 | REGISTER_EL2, 1);
		set_value(0, TCR_EL1 | REGISTER_EL2, 25 | 25 << 16);
		set_value(0, TTBR0_EL1 | REGISTER_EL2, RAM_AT + 0x1000);
		set_value(0, HCR_EL2, levels[i].hcr);
		set_value(0, PSTATE, levels[i].pstate);
		set_value(0, PC, 5ull << 30);
		set_value(0, levels[i].sp, 7ull << 30 | BASE);
		exit_for(0, BASE, true);
		assert_string_equal(accesses(), levels[i].accesses);
		assert_int_equal(aborts, i == 2);
	}
}

/* Data of a big-endian CPU: ldr w3, [x2], #4; str q4, [x2]; stp w3, w4, [x2, #8]!. */
static void test_byte_order(void **state)
{
	static const struct {
		uint64_t pstate, sctlr;
		bool is_big;
	} orders[] = { { 0x3c5, 1 << 25, true },
		       { 0x3c5, 1 << 24, false },
		       { 0x3c0, 1 << 24, true },
		       { 0x3c0, 1 << 25, false } };

	(void)state;
	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
		begin(0xb8404443);
		set_value(0, PSTATE, orders[i].pstate);
		set_value(0, SCTLR_EL1, orders[i].sctlr);
		exit_for(0, BASE, false);
		assert_int_equal(get_value(0, X(3)), orders[i].is_big ? 0xf0f1f2f3 : 0xf3f2f1f0);
		set_value(0, X(2), BASE);
		made_count = 0;
		ram.words[1] = 0x29811043;
		exit_for(0, BASE + 8, true);
		assert_string_equal(accesses(), orders[i].is_big
							? "w4 +8=f3f2f1f0, w4 +12=40474645"
							: "w4 +8=f3f2f1f0, w4 +12=45464740");
	}
}

/* ---- what is not carried out ---- */

static void expect_abort(const char *instruction)
{
	assert_int_equal(aborts, 1);
	assert_int_equal(made_count, 0);
	assert_int_equal(get_value(0, PC), RAM_AT);
	assert_int_equal(get_value(0, X(2)), BASE);
	assert_non_null(strstr(last_report, "pc 0x40000000: access at 0xa000"));
	assert_non_null(strstr(last_report, instruction));
	assert_int_equal(reports, 1);
	assert_int_equal(vcpus[0].no_syndrome.count, 0);
}

static void test_others(void **state)
{
	static const struct {
		uint32_t instruction;
		const char *text;
	} others[] = {
		{ 0x885f7c43, "0x885f7c43" }, /* ldxr w3, [x2] */
		{ 0x88057c43, "0x88057c43" }, /* stxr w5, w3, [x2] */
		{ 0xb8250043, "0xb8250043" }, /* ldadd w5, w3, [x2] */
		{ 0x4c407043, "0x4c407043" }, /* ld1 {v3.16b}, [x2] */
		{ 0xf9800040, "0xf9800040" }, /* prfm pldl1keep, [x2] */
		{ 0xd503201f, "0xd503201f" }, /* nop */
		{ 0x00000000, "0" },	      /* unallocated */
	};

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		begin(others[i].instruction);
		exit_for(0, BASE, i & 1);
		expect_abort(others[i].text);
		assert_int_equal(run.end, 0);
		/* Each address is reported once. */
		exit_for(0, BASE, i & 1);
		assert_int_equal(reports, 1);
		assert_int_equal(aborts, 2);
	}
}

/* What was read is not what has caused the exit: ldr w3, [x2], #4. */
static void test_changed(void **state)
{
	(void)state;
	for (int offset = -4; offset <= 4; offset++) {
		begin(0xb8404443);
		exit_for(0, BASE + (uint64_t)offset, false);
		if (offset >= 0 && offset < 4)
			assert_string_equal(accesses(), "r4 +0=f3f2f1f0");
		else
			expect_abort("0xb8404443");
	}
	begin(0xb8404443);
	exit_for(0, BASE, true); /* a store has */
	expect_abort("0xb8404443");
	begin(0xb8404443);
	set_value(0, PSTATE, 0x3c5 | 0x10); /* AArch32 */
	exit_for(0, BASE, false);
	expect_abort("0"); /* which is not even looked at */
	begin(0xb8404443);
	set_value(0, PC, 0x123400000000); /* no RAM */
	exit_for(0, BASE, false);
	assert_int_equal(aborts, 1);
}

/* ldp x3, x4, [x2], #16 */
static void test_page(void **state)
{
	(void)state;
	begin(0xa8c11043);
	set_value(0, X(2), DEVICE + 0xff0);
	exit_for(0, DEVICE + 0xff0, false);
	assert_int_equal(made_count, 2);
	for (unsigned i = 1; i < 16; i++) {
		begin(0xa8c11043);
		set_value(0, X(2), DEVICE + 0xff0 + i);
		exit_for(0, DEVICE + 0xff0 + i, false);
		assert_int_equal(aborts, 1);
		assert_int_equal(made_count, 0);
	}
}

/* A guest that runs from flash. */
static void test_flash(void **state)
{
	(void)state;
	begin(0);
	flash_word = 0xb8404443;
	set_value(0, PC, 0x1234);
	exit_for(0, BASE, false);
	assert_string_equal(accesses(), "r4 +0=f3f2f1f0");
	assert_int_equal(get_value(0, PC), 0x1238);
}

static void test_strict(void **state)
{
	(void)state;
	begin(0x885f7c43);
	stray.strict = &run;
	exit_for(0, BASE, false);
	assert_int_equal(run_status(&run), STATUS_PAYLOAD);
	assert_int_equal(aborts, 1);
	begin(0xb8404443);
	stray.strict = &run;
	exit_for(0, BASE, false);
	assert_int_equal(run.end, RUNNING);
}

/* ---- translation, and the end of an instruction ---- */

/* 39 bits of 4 KiB pages: a table at 0x1000 of RAM, whose entries are blocks of 1 GiB. */
static void test_page_tables(void **state)
{
	(void)state;
	begin(0xb8404443);
	ram.entries[0x1000 / 8 + 5] = RAM_AT | 0x401; /* 5 GiB up: RAM */
	ram.entries[0x1000 / 8 + 7] = 0x401;	      /* 7 GiB up: devices */
	set_value(0, SCTLR_EL1, 1);
	set_value(0, ARM64_SYS_REG(3, 0, 2, 0, 2), 25 | 25 << 16);
	set_value(0, TTBR0_EL1, RAM_AT + 0x1000);
	set_value(0, PC, 5ull << 30);
	set_value(0, X(2), 7ull << 30 | BASE);
	exit_for(0, BASE, false);
	assert_string_equal(accesses(), "r4 +0=f3f2f1f0");
	assert_int_equal(get_value(0, X(2)), (7ull << 30 | BASE) + 4);
	assert_int_equal(get_value(0, PC), (5ull << 30) + 4);
	/* Mapped elsewhere meanwhile, and no more. */
	for (unsigned i = 0; i < 2; i++) {
		ram.entries[0x1000 / 8 + 7] = i ? 0 : 1ull << 30 | 0x401;
		set_value(0, PC, 5ull << 30);
		made_count = aborts = 0;
		exit_for(0, BASE + 4, false);
		assert_int_equal(made_count, 0);
		assert_int_equal(aborts, 1);
	}
}

/* As after any other instruction: no software step pending, and no branch that led here. */
static void test_pstate(void **state)
{
	(void)state;
	begin(0xb8404443);
	set_value(0, PSTATE, 0xf0200fc5);
	exit_for(0, BASE, false);
	assert_int_equal(get_value(0, PSTATE), 0xf00003c5);
}

static void test_step(void **state)
{
	(void)state;
	begin(0xb8404443);
	vcpus[0].stepping = true;
	exit_for(0, BASE, false);
	assert_true(vcpus[0].stopped);
	assert_int_equal(pauses, 1);
	begin(0x885f7c43); /* an abort is not the end of a step: KVM enters the vector */
	vcpus[0].stepping = true;
	exit_for(0, BASE, false);
	assert_false(vcpus[0].stopped);
}

/* ---- the interrupt controller ---- */

#define DIST 0x08000000ull
#define REDIST 0x080a0000ull
#define DIST_GROUP KVM_DEV_ARM_VGIC_GRP_DIST_REGS
#define REDIST_GROUP KVM_DEV_ARM_VGIC_GRP_REDIST_REGS
#define LEVEL_GROUP KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO

/* CPU 1 accesses it by this instruction, with this base in x0 and x2: in a pause, and not before.
 */
static void access_gic(uint32_t instruction, uint64_t at, bool is_write)
{
	ram.words[0] = instruction;
	set_value(1, X(0), at);
	set_value(1, X(2), at);
	set_value(1, PC, RAM_AT);
	pauses = attribute_sets = 0;
	exit_for(1, at, is_write);
	assert_int_equal(pauses, 1);
	assert_int_equal(attribute_sets, 0);
	assert_int_equal(get_value(1, PC), RAM_AT);
	no_syndrome_complete(&vcpus[0]);
	assert_int_equal(get_value(1, PC), RAM_AT);
	no_syndrome_complete(&vcpus[1]);
	assert_int_equal(get_value(1, PC), RAM_AT + 4);
	attribute_sets = 0;
	no_syndrome_complete(&vcpus[1]); /* once */
	assert_int_equal(attribute_sets, 0);
	assert_int_equal(made_count, 0);
	assert_int_equal(vcpus[1].no_syndrome.count, 0);
	assert_int_equal(aborts, 0);
}

#define CPU1 (1ull << 32)

static void begin_gic(unsigned version)
{
	begin_guest();
	vm.gic = version;
}

#define STR_W3 0xb8004443  /* str w3, [x2], #4 */
#define STRB_W3 0x38001443 /* strb w3, [x2], #1 */
#define LDR_W3 0xb8404443  /* ldr w3, [x2], #4 */
#define LDRB_W3 0x38401443 /* ldrb w3, [x2], #1 */
#define STP_X 0xa8811c1f   /* stp xzr, x7, [x0], #16 */
#define LDP_X 0xa8c11043   /* ldp x3, x4, [x2], #16 */

static void store(uint32_t instruction, uint64_t at, uint64_t value)
{
	set_value(1, X(3), value);
	access_gic(instruction, at, true);
}

static uint64_t load(uint32_t instruction, uint64_t at)
{
	access_gic(instruction, at, false);
	return get_value(1, X(3));
}

static void test_distributor(void **state)
{
	(void)state;
	begin_gic(2);
	store(STR_W3, DIST + 0x104, 0x1234);
	assert_int_equal(*attribute(DIST_GROUP, CPU1 | 0x104), 0x1234);
	assert_int_equal(get_value(1, X(2)), DIST + 0x108);
	assert_int_equal(load(LDR_W3, DIST + 0x104), 0x1234);
	set_value(1, X(7), 0x1111222233334444);
	access_gic(STP_X, DIST + 0x400, true);
	assert_int_equal(*attribute(DIST_GROUP, CPU1 | 0x408), 0x33334444);
	assert_int_equal(*attribute(DIST_GROUP, CPU1 | 0x40c), 0x11112222);
	assert_int_equal(get_value(1, X(0)), DIST + 0x410);
	assert_int_equal(load(LDP_X, DIST + 0x400), 0);
	assert_int_equal(get_value(1, X(4)), 0x1111222233334444);
	/* A byte of a register that is set as a whole, and of one whose zeros have no effect. */
	store(STRB_W3, DIST + 0x409, 0xaa);
	assert_int_equal(*attribute(DIST_GROUP, CPU1 | 0x408), 0x3333aa44);
	assert_int_equal(load(LDRB_W3, DIST + 0x40b), 0x33);
	store(STRB_W3, DIST + 0x105, 0x80);
	assert_int_equal(*attribute(DIST_GROUP, CPU1 | 0x104), 0x8000);
	/* SGIs: they have registers of their own, in GICv2. */
	store(STR_W3, DIST + 0x200, 0xffffffff);
	assert_int_equal(*attribute(DIST_GROUP, CPU1 | 0x200), 0xffff0000);
	store(STR_W3, DIST + 0x280, 0xffffffff);
	assert_int_equal(*attribute(DIST_GROUP, CPU1 | 0x280), 0xffff0000);
	store(STRB_W3, DIST + 0xf21, 2);
	assert_int_equal(*attribute(DIST_GROUP, CPU1 | 0xf20), 0x200);
	/* What cannot be written is not, and groups only once KVM has the revision. */
	*attribute(DIST_GROUP, CPU1 | 8) = 0x4b00343b;
	for (unsigned offset = 4; offset <= 12; offset += 4) {
		store(STR_W3, DIST + offset, 0);
		assert_int_equal(*attribute(DIST_GROUP, CPU1 | 8), 0x4b00343b);
	}
	ram.words[0] = STR_W3;
	store(STR_W3, DIST + 0x84, 0xff);
	assert_int_equal(*attribute(DIST_GROUP, CPU1 | 0x84), 0xff);
}

/* Pending is the latch and the line's level, for a guest one and for attributes two things. */
static void test_pending(void **state)
{
	(void)state;
	begin_gic(3);
	*attribute(DIST_GROUP, CPU1 | 0x204) = 0xf0;
	*attribute(LEVEL_GROUP, CPU1 | 32) = 0x101;
	assert_int_equal(load(LDR_W3, DIST + 0x204), 0x1f1);
	assert_int_equal(load(LDR_W3, DIST + 0x284), 0x1f1);
	store(STR_W3, DIST + 0x204, 0x3);
	assert_int_equal(*attribute(DIST_GROUP, CPU1 | 0x204), 0xf3);
	store(STR_W3, DIST + 0x284, 0x11);
	assert_int_equal(*attribute(DIST_GROUP, CPU1 | 0x204), 0xe2);
	store(STRB_W3, DIST + 0x285, 0xff);
	assert_int_equal(*attribute(DIST_GROUP, CPU1 | 0x204), 0xe2);
	/* A CPU's own are the redistributor's. */
	*attribute(LEVEL_GROUP, CPU1) = 1 << 27;
	assert_int_equal(load(LDR_W3, DIST + 0x200), 0);
	assert_int_equal(load(LDR_W3, REDIST + 0x30200), 1 << 27);
	store(STR_W3, REDIST + 0x30200, 0x8000);
	assert_int_equal(*attribute(REDIST_GROUP, CPU1 | 0x10200), 0x8000);
	store(STR_W3, REDIST + 0x30280, 0x8000);
	assert_int_equal(*attribute(REDIST_GROUP, CPU1 | 0x10200), 0);
}

static void test_redistributor(void **state)
{
	(void)state;
	begin_gic(3);
	set_value(0, MPIDR_EL1, 0x0300000000ull | 0x80050403);
	store(STR_W3, REDIST + 0x10100, 0x77); /* CPU 0's, by CPU 1 */
	assert_int_equal(*attribute(REDIST_GROUP, 0x0305040300010100), 0x77);
	store(STR_W3, REDIST + 0x30100, 0x78);
	assert_int_equal(*attribute(REDIST_GROUP, CPU1 | 0x10100), 0x78);
	store(STRB_W3, REDIST + 0x30101, 1);
	assert_int_equal(*attribute(REDIST_GROUP, CPU1 | 0x10100), 0x100);
	/* There are no more CPUs: nothing is there. */
	ram.words[0] = STR_W3;
	set_value(1, PC, RAM_AT);
	set_value(1, X(2), REDIST + 0x40000);
	pauses = 0;
	exit_for(1, REDIST + 0x40000, true);
	assert_int_equal(pauses, 0);
	assert_int_equal(made_count, 1);
}

/* What KVM refuses has no effect; GICv2's distributor is one page. */
static void test_refused(void **state)
{
	(void)state;
	begin_gic(2);
	attribute_error = -EINVAL;
	store(STR_W3, DIST + 0x100, 1);
	assert_int_equal(load(LDR_W3, DIST + 0x100), 0);
	attribute_error = 0;
	ram.words[0] = STR_W3;
	set_value(1, PC, RAM_AT);
	set_value(1, X(2), DIST + 0x1000);
	exit_for(1, DIST + 0x1000, true);
	assert_int_equal(made_count, 1);
}

/* Other CPUs run on until the pause: what they have changed by then is what counts. */
static void test_changed_before_pause(void **state)
{
	(void)state;
	begin_gic(2);
	ram.words[0] = STR_W3;
	set_value(0, X(2), DIST + 0x100);
	exit_for(0, DIST + 0x100, true);
	ram.words[0] = LDR_W3;
	no_syndrome_complete(&vcpus[0]);
	assert_int_equal(aborts, 1);
	assert_int_equal(attribute_sets, 0);
	assert_int_equal(get_value(0, PC), RAM_AT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_instructions),  cmocka_unit_test(test_vector_loads),
		cmocka_unit_test(test_stack_pointer), cmocka_unit_test(test_el2),
		cmocka_unit_test(test_byte_order),    cmocka_unit_test(test_others),
		cmocka_unit_test(test_changed),	      cmocka_unit_test(test_page),
		cmocka_unit_test(test_flash),	      cmocka_unit_test(test_strict),
		cmocka_unit_test(test_page_tables),   cmocka_unit_test(test_pstate),
		cmocka_unit_test(test_step),	      cmocka_unit_test(test_distributor),
		cmocka_unit_test(test_pending),	      cmocka_unit_test(test_redistributor),
		cmocka_unit_test(test_refused),	      cmocka_unit_test(test_changed_before_pause),
	};

	return RUN(tests);
}
