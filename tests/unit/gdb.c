// SPDX-License-Identifier: MIT
/* vmm/debug/gdb.c and the debugger's other files: packets of gdb, and the exact replies. */
#include "pretend.h"

/* ---- the other end of the line ---- */

static void say(const char *bytes)
{
	answers_size = 0;
	answers[0] = '\0';
	while (*bytes)
		gdb_receive(&gdb, (uint8_t)*bytes++);
}

static void frame(char *to, const char *text)
{
	uint8_t sum = 0;

	for (const char *c = text; *c; c++)
		sum += (uint8_t)*c;
	sprintf(to, "$%s#%02x", text, sum);
}

/* Sends a packet, and expects exactly this reply; NULL: nothing but the acknowledgement. */
static void ask(const char *text, const char *answer)
{
	char packet[2 * GDB_PACKET], expected[2 * GDB_PACKET] = "+";

	frame(packet, text);
	if (answer)
		frame(expected + 1, answer);
	say(packet);
	assert_string_equal(answers, expected);
}

/* Expects exactly one packet that was sent unasked. */
static void hear(const char *answer)
{
	char expected[2 * GDB_PACKET];

	frame(expected, answer);
	assert_string_equal(answers, expected);
	answers_size = 0;
}

static int set_up(void **state)
{
	(void)state;
	attach("/dev/ttyS0", true);
	assert_string_equal(answers,
			    "-"); /* asks gdb to repeat what it sent before the line was open */
	answers_size = 0;
	answers[0] = '\0';
	return 0;
}

/* ---- framing ---- */

static void test_acknowledgements(void **state)
{
	(void)state;
	say("$qC#b4");
	assert_string_equal(answers, "+$QC1#c5");
	say("$qC#B4"); /* upper case, which the protocol allows */
	assert_string_equal(answers, "+$QC1#c5");
	say("$qC#b5");
	assert_string_equal(answers, "-");
	say("noise+-+$qC#b4");
	assert_string_equal(answers, "+$QC1#c5");
	say("$#00");
	assert_string_equal(answers, "+$#00");
	say("$vMustReplyEmpty#3a");
	assert_string_equal(answers, "+$#00");
	ask("QStartNoAckMode", "OK");
	say("$qC#b4");
	assert_string_equal(answers, "$QC1#c5");
	say("$qC#00"); /* a wrong checksum is ignored in no-ack mode */
	assert_string_equal(answers, "$QC1#c5");
}

/* The terminal's echo has acknowledged gdb's first packet, which was lost. */
static void test_lost_packet(void **state)
{
	(void)state;
	say("wbreak+;hwbreak+#c8");
	assert_string_equal(answers, "");
	say("-"); /* gdb asks again, because there was no reply */
	assert_int_equal(strncmp(answers, "$PacketSize=", 12), 0);
	say("+-");
	assert_string_equal(answers, ""); /* no repetition: that reply is only late */
	ask("qC", "QC1");
}

static void test_longest_packet(void **state)
{
	char packet[GDB_PACKET + 8];

	(void)state;
	memset(packet, 'y', sizeof packet);
	packet[0] = '$';
	memcpy(packet + 1 + GDB_PACKET, "#00", 4);
	say(packet);
	assert_string_equal(answers, "+$#00");
	memcpy(packet + 1 + GDB_PACKET, "y#00", 5);
	say(packet);
	assert_string_equal(answers, "");
	ask("qC", "QC1");
}

static void test_features(void **state)
{
	(void)state;
	ask("qSupported:multiprocess+;swbreak+",
	    "PacketSize=1000;QStartNoAckMode+;vContSupported+;qXfer:features:read+;"
	    "qXfer:memory-map:read+");
	ask("vCont?", "vCont;c;C;s;S");
	ask("qAttached", "1");
	ask("?", "T05thread:1;");
}

/* Gives CPU 0 an exception level 2, and this PSTATE. */
static void give_el2(uint64_t pstate)
{
	vcpus[0].features = 1u << KVM_ARM_VCPU_HAS_EL2;
	set(0, PSTATE, pstate);
}

/* ---- registers ---- */

/* Compares `count` digits of the reply to g. */
static const char *digits_of(unsigned byte, unsigned bytes)
{
	static char digits[2 * 16 + 1];

	snprintf(digits, sizeof digits, "%.*s", (int)(2 * bytes), answers + 2 + 2ul * byte);
	return digits;
}

#define V_AT (33 * 8 + 4) /* offset of the vector registers in g and G, in bytes */
#define ALL_BYTES (V_AT + 32 * 16 + 8ul)

static void test_all_registers(void **state)
{
	char packet[2 * GDB_PACKET] = "G", text[2 * GDB_PACKET];

	(void)state;
	set(0, CORE_REGISTER(regs.regs[0]), 0x1122334455667788);
	set(0, CORE_REGISTER(regs.regs[30]), 0x30);
	set(0, CORE_REGISTER(regs.sp), 0x5500);
	set(0, CORE_REGISTER(sp_el1), 0x5501);
	say("$g#67");
	assert_int_equal(strlen(answers), 2 + 2 * ALL_BYTES + 3);
	assert_string_equal(digits_of(0, 8), "8877665544332211");
	assert_string_equal(digits_of(30 * 8, 8), "3000000000000000");
	assert_string_equal(digits_of(31 * 8, 8), "0155000000000000");
	assert_string_equal(digits_of(32 * 8, 8), "0000004000000000");
	assert_string_equal(digits_of(33 * 8, 4), "c5030000");

	for (unsigned i = 0; i < ALL_BYTES; i++)
		sprintf(packet + 1 + 2ul * i, "%02x", (i + 1) & 0xff);
	ask(packet, "OK");
	assert_int_equal(get(0, CORE_REGISTER(regs.regs[1])), 0x100f0e0d0c0b0a09);
	assert_int_equal(get(0, PC), 0x0807060504030201);
	assert_int_equal(get(0, PSTATE), 0x0c0b0a09);
	frame(text, packet + 1);
	say("$g#67");
	assert_string_equal(answers + 1, text);

	packet[2 * ALL_BYTES] = '\0'; /* one digit is missing */
	ask(packet, "E01");
	ask("G", "E01");
}

static void test_one_register(void **state)
{
	(void)state;
	ask("P0=8877665544332211", "OK");
	assert_int_equal(get(0, CORE_REGISTER(regs.regs[0])), 0x1122334455667788);
	ask("p0", "8877665544332211");
	set(0, PSTATE, 0x12000003c0);
	ask("P21=c4030000", "OK"); /* the upper half, which gdb does not know, stays */
	assert_int_equal(get(0, PSTATE), 0x12000003c4);
	ask("P1f=0100000000000000", "OK"); /* sp is now SP_EL0 */
	assert_int_equal(get(0, CORE_REGISTER(regs.sp)), 1);
	ask("P23=000102030405060708090a0b0c0d0e0f", "OK");
	ask("p23", "000102030405060708090a0b0c0d0e0f");
	ask("P42=00000008", "OK");
	ask("p42", "00000008");
	ask("p43", "00000000");

	ask("p44", "0100000000000000"); /* SP_EL0 */
	ask("P48=0000009600000000", "OK");
	assert_int_equal(get(0, ESR_EL1), 0x96000000);
	ask("p60", "0000000000000000");
	ask("p61", "E01");
	ask("pffffffffffffffff", "E01");
	ask("p100000000", "E01");
	ask("p", "E01");
	ask("P0", "E01");
	ask("P0=", "E01");
	ask("P0=887766554433221", "E01");
	ask("P61=0000000000000000", "E01");
	read_only = MPIDR_EL1;
	ask("P56=0000000000000000", "E01");
	ask("p56", "0000000000000000");

	ask("Hg2", "OK");
	set(1, CORE_REGISTER(regs.regs[0]), 1);
	ask("p0", "0100000000000000");
}

/* A guest with EL2: its registers follow the others, and a CPU at EL2 has its stack pointer. */
static void test_el2_registers(void **state)
{
	(void)state;
	ask("p61", "E01");
	give_el2(0x3c9);
	set(0, SP_EL2, 0x5502);
	ask("p1f", "0255000000000000");
	ask("p61", "0255000000000000");
	ask("P64=0000009600000000", "OK");
	assert_int_equal(get(0, ESR_EL1 | REGISTER_EL2), 0x96000000);
	set(0, HCR_EL2, 0x34);
	ask("p6c", "3400000000000000");
	ask("p71", "0000000000000000");
	ask("p72", "E01");
}

static void test_scalable_registers(void **state)
{
	uint8_t *z1 = value_of(0, KVM_REG_ARM64_SVE_ZREG(1, 0));

	(void)state;
	has_sve = true;
	memset(z1, 0xee, 256);
	ask("P23=000102030405060708090a0b0c0d0e0f", "OK");
	ask("p23", "000102030405060708090a0b0c0d0e0f");
	assert_int_equal(z1[15], 0x0f);
	assert_int_equal(z1[16], 0xee); /* the part that gdb does not see stays */
}

/* A register that the host's KVM does not have. */
static void test_missing_register(void **state)
{
	(void)state;
	missing = VBAR_EL1;
	ask("p4a", "xxxxxxxxxxxxxxxx");
	ask("P4a=0000000000000000", "E01");
}

/* ---- memory ---- */

#define BRK 0xd4200000
#define NOP 0xd503201f

#define LAST (RAM_AT + RAM - 4)

static void test_memory(void **state)
{
	(void)state;
	dirty = 0;
	ask("m40000000,4", "1f2003d5");
	ask("m40000001,2", "2003");
	ask("m4000fffc,8", "1f2003d5"); /* the part that is in RAM */
	ask("m40010000,1", "E01");
	ask("m3ffffffc,8", "E01");
	ask("mffffffffffffffff,2", "E01");
	ask("m", "E01");
	ask("m40000000", "E01");
	ask("M4000fffc,4:01020304", "OK");
	assert_int_equal(*instruction_at(LAST), 0x04030201);
	ask("M40000000,0:", "OK");
	ask("M40000000,2:0", "E01");
	ask("M40000000,1", "E01");
	ask("M4000fffe,4:01020304", "E01");
	ask("M40000000,10000:00", "E01");
	ask("X40000000,0:", "OK");
	ask("X40000010,4:}\x03}\x04}]}\x0a", "OK");
	assert_int_equal(*instruction_at(RAM_AT + 16), 0x2a7d2423);
	ask("X40000010,4:abc", "E01");
	ask("X40000010,2:abc", "E01");
	ask("X40000010,1:}", "OK");
	ask("X4000ffff,2:ab", "E01");
	ask("X", "E01");
	assert_int_equal(dirty, 1 << 15 | 1);
}

static void test_max_memory(void **state)
{
	(void)state;
	say("$m40000000,ffffffff#4d");
	assert_int_equal(strlen(answers), 1 + 1 + GDB_PACKET + 3);
}

/* 4 KiB pages, 39 bits: 0x1000 and 0x2000 are mapped to the last two pages of RAM, swapped. `el2`:
 * 0, or REGISTER_EL2 for tables of EL2. */
static void set_tables_of(unsigned cpu, uint64_t el2)
{
	set(cpu, SCTLR_EL1 | el2, 1);
	set(cpu, TCR_EL1 | el2, 25);
	set(cpu, TTBR0_EL1 | el2, RAM_AT + 0x8000);
	memset(ram.bytes + 0x8000, 0, 0x3000);
	ram.entries[0x8000 / 8] = (RAM_AT + 0x9000) | 3;
	ram.entries[0x9000 / 8] = (RAM_AT + 0xa000) | 3;
	ram.entries[0xa000 / 8 + 1] = (RAM_AT + 0xf000) | 3;
	ram.entries[0xa000 / 8 + 2] = (RAM_AT + 0xe000) | 3;
}

static void set_page_tables(unsigned cpu)
{
	set_tables_of(cpu, 0);
}

/* The tables in use are EL2's at EL2, and at EL0 below it. */
static void test_el2_tables(void **state)
{
	(void)state;
	set_tables_of(0, REGISTER_EL2);
	give_el2(0x3c9);
	ask("M1000,4:01020304", "OK");
	assert_int_equal(ram.bytes[0xf003], 4);
	ask("Z0,1100,4", "OK");
	assert_int_equal(*instruction_at(RAM_AT + 0xf100), BRK);
	give_el2(0x3c5); /* EL1, whose MMU is off */
	ask("m1000,4", "E01");
	give_el2(0x3c0);
	ask("m1000,4", "E01");
	set(0, HCR_EL2, HCR_TGE);
	ask("m1000,4", "01020304");
	/* TCR_EL2.PS, where T1SZ would be. Only without VHE are there no high addresses. */
	set(0, TCR_EL1 | REGISTER_EL2, 25 | 25 << 16);
	set(0, TTBR1_EL1 | REGISTER_EL2, RAM_AT + 0x8000);
	ask("mffffff8000001000,4", "01020304");
	vcpus[0].features |= 1u << KVM_ARM_VCPU_HAS_EL2_E2H0;
	ask("mffffff8000001000,4", "E01");
	ask("m1000,4", "01020304");
}

static void test_page_tables(void **state)
{
	(void)state;
	set_page_tables(0);
	ask("M1ffe,4:01020304", "OK");
	assert_int_equal(ram.bytes[0xfffe], 1);
	assert_int_equal(ram.bytes[0xffff], 2);
	assert_int_equal(ram.bytes[0xe000], 3);
	assert_int_equal(ram.bytes[0xe001], 4);
	ask("m1ffe,4", "01020304");
	ask("m2ffe,4", "03d5"); /* the next page is not mapped */
	ask("m40000000,4", "E01");
	ask("qRcmd,706879736963616c", "OK"); /* physical */
	ask("m40000000,4", "1f2003d5");
	ask("m1ffe,4", "E01");
	ask("qRcmd,7669727475616c", "OK"); /* virtual */
	ask("m1ffe,4", "01020304");
	ask("Hg2", "OK"); /* a CPU whose MMU is off */
	ask("m1ffe,4", "E01");
}

/* ---- breakpoints and watchpoints ---- */

static void test_breakpoint(void **state)
{
	(void)state;
	ask("Z0,40000100,4", "OK");
	assert_int_equal(*instruction_at(RAM_AT + 0x100), BRK);
	ask("Z0,40000100,4", "OK"); /* inserting it again changes nothing */
	ask("z0,40000100,4", "OK");
	assert_int_equal(*instruction_at(RAM_AT + 0x100), NOP);
	ask("z0,40000100,4", "E01");

	ask("Z0,40000102,4", "E01");
	ask("Z5,40000100,4", "E01");
	ask("Z0,40000100", "E01");
	ask("z0", "E01");

	ask("Z0,40000100,4", "OK"); /* the guest's own write over a breakpoint stays */
	*instruction_at(RAM_AT + 0x100) = 0x12345678;
	ask("z0,40000100,4", "OK");
	assert_int_equal(*instruction_at(RAM_AT + 0x100), 0x12345678);
}

/* The page was mapped elsewhere meanwhile: the BRK is removed where it was inserted. */
static void test_breakpoint_of_moved_page(void **state)
{
	(void)state;
	set_page_tables(0);
	ask("Z0,1000,4", "OK");
	assert_int_equal(*instruction_at(RAM_AT + 0xf000), BRK);
	ram.entries[0xa000 / 8 + 1] = (RAM_AT + 0xe000) | 3;
	ask("z0,1000,4", "OK");
	assert_int_equal(*instruction_at(RAM_AT + 0xf000), NOP);
	assert_int_equal(*instruction_at(RAM_AT + 0xe000), NOP);
}

static void test_max_breakpoints(void **state)
{
	char packet[32];

	(void)state;
	for (unsigned i = 0; i < POINTS; i++) {
		snprintf(packet, sizeof packet, "Z0,%llx,4", RAM_AT + 4ull * i);
		ask(packet, "OK");
	}
	ask("Z0,40000800,4", "E01");
	assert_int_equal(*instruction_at(RAM_AT + 0x800), NOP);
	ask("D", "OK");
	for (unsigned i = 0; i < POINTS; i++)
		assert_int_equal(ram.words[i], NOP);
}

/* Two of the three hardware breakpoints are used for addresses that are not in memory. */
static void test_hardware_breakpoints(void **state)
{
	(void)state;
	ask("Z0,ffff800000001000,4", "OK");
	ask("Z1,40000200,4", "OK");
	ask("Z1,80000000,4", "OK");
	ask("Z1,80000004,4", "E01");
	ask("Z0,80000004,4", "E01");
	ask("Z0,40000200,4", "OK");
	ask("c", NULL);
	for (unsigned i = 0; i < CPUS; i++) {
		const struct kvm_guest_debug *debug = &cpus[i].debug;

		assert_int_equal(debug->control, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP |
							 KVM_GUESTDBG_USE_HW);
		assert_int_equal(debug->arch.dbg_bvr[0], 0xffff800000001000);
		assert_int_equal(debug->arch.dbg_bcr[0], 0x1e7);
		assert_int_equal(debug->arch.dbg_bvr[1], 0x40000200);
		assert_int_equal(debug->arch.dbg_bvr[2], 0x80000000);
		assert_int_equal(debug->arch.dbg_bcr[3], 0);
	}
	say("\x03");
	hear("T02thread:1;");
	ask("z0,ffff800000001000,4", "OK");
	ask("z1,40000200,4", "OK");
	assert_int_equal(*instruction_at(RAM_AT + 0x200), BRK);
	ask("z0,40000200,4", "OK");
	assert_int_equal(*instruction_at(RAM_AT + 0x200), NOP);
	ask("z1,80000000,4", "OK");
	ask("c", NULL);
	assert_int_equal(cpus[0].debug.control, 0);
	assert_int_equal(cpus[0].debug.arch.dbg_bcr[0], 0);
}

static void test_watchpoints(void **state)
{
	static const struct {
		const char *packet;
		uint64_t value, control;
	} rows[] = {
		{ "2,40000100,8", 0x40000100, 0x1ff7 }, { "3,40000104,4", 0x40000100, 0x1e0f },
		{ "4,40000107,1", 0x40000100, 0x101f }, { "2,1002,2", 0x1000, 0x197 },
		{ "4,1001,7", 0x1000, 0x1fdf },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char packet[32];

		snprintf(packet, sizeof packet, "Z%s", rows[i].packet);
		ask(packet, "OK");
		ask("c", NULL);
		assert_int_equal(cpus[2].debug.arch.dbg_wvr[0], rows[i].value);
		assert_int_equal(cpus[2].debug.arch.dbg_wcr[0], rows[i].control);
		say("\x03");
		packet[0] = 'z';
		ask(packet, "OK");
	}
	ask("Z2,40000104,8", "E01");
	ask("Z2,40000100,9", "E01");
	ask("Z2,40000100,0", "E01");
	ask("Z2,40000100,100000001", "E01");
	ask("Z2,40000100,4", "OK");
	ask("Z2,40000100,8", "OK");
	ask("Z3,40000100,8", "E01");
	ask("z2,40000100,2", "E01");
	ask("z3,40000100,8", "E01");
	ask("z2,40000100,8", "OK");
}

/* ---- stopping ---- */

#define HSR_BRK 0xf2000000
#define HSR_STEP 0xca000022
#define HSR_BREAKPOINT 0xc2000022
#define HSR_WATCHPOINT 0xd2000022
#define HSR_BKPT 0xe2000000

static void test_stop_at_breakpoint(void **state)
{
	(void)state;
	ask("Z0,40000100,4", "OK");
	ask("Z1,80000000,4", "OK");
	ask("c", NULL);
	assert_false(run.paused);
	stop_at(1, 0x40000100, HSR_BRK, 0);
	tell();
	hear("T05thread:2;");
	assert_true(run.paused);
	assert_int_equal(get(1, PC), 0x40000100);
	ask("qC", "QC2");
	ask("?", "T05thread:2;");
	ask("c", NULL);
	stop_at(2, 0x80000000, HSR_BREAKPOINT, 0);
	tell();
	hear("T05thread:3;");
	/* The same BRK at another virtual address. */
	set_page_tables(0);
	ram.entries[0xa000 / 8 + 1] = RAM_AT | 3;
	ask("c", NULL);
	stop_at(0, 0x1100, HSR_BRK, 0);
	tell();
	hear("T05thread:1;");
	assert_int_equal(get(0, PC), 0x1100);
}

static void test_stop_at_watchpoint(void **state)
{
	(void)state;
	ask("Z3,40000108,8", "OK");
	ask("Z2,40000104,2", "OK");
	ask("c", NULL);
	stop_at(0, 0x40000000, HSR_WATCHPOINT, 0x40000108);
	tell();
	hear("T05thread:1;rwatch:40000108;");
	ask("c", NULL);
	stop_at(0, 0x40000000, HSR_WATCHPOINT, 0x40000104);
	tell();
	hear("T05thread:1;watch:40000104;");
	ask("c", NULL);
	/* A wide access may begin before the watched bytes. */
	stop_at(0, 0x40000000, HSR_WATCHPOINT, 0x400000f0);
	tell();
	hear("T05thread:1;watch:40000104;");
	ask("z2,40000104,2", "OK");
	ask("Z4,40000200,1", "OK");
	ask("C05", "");
	ask("vCont;C05", NULL);
	stop_at(0, 0x40000000, HSR_WATCHPOINT, 0x40000200);
	tell();
	hear("T05thread:1;awatch:40000200;");
}

static void test_step(void **state)
{
	(void)state;
	ask("Hc2", "OK");
	ask("s", NULL);
	assert_int_equal(cpus[0].debug.control, 0);
	assert_int_equal(cpus[1].debug.control, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP);
	stop_at(1, 0x40000004, HSR_STEP, 0);
	tell();
	hear("T05thread:2;");
	ask("c", NULL);
	assert_int_equal(cpus[1].debug.control, 0);
	say("\x03");
	hear("T02thread:2;");
	say("\x03"); /* the guest is paused already */
	assert_string_equal(answers, "");
	ask("c40000000", "E01");
	assert_true(run.paused);
}

static void check_actions(const char *packet, const char *actions)
{
	ask(packet, NULL);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_int_equal(vcpus[i].frozen, actions[i] == '-');
		assert_int_equal(vcpus[i].stepping, actions[i] == 's');
	}
	assert_false(run.paused);
	say("\x03");
	assert_true(run.paused);
}

static void test_actions(void **state)
{
	(void)state;
	check_actions("vCont;c", "ccc");
	check_actions("vCont;s:1;c", "scc");
	check_actions("vCont;s:2", "-s-");
	check_actions("vCont;S05:3;C05:1;s:1", "c-s");
	check_actions("vCont;c:1;s:-1", "css");
	check_actions("vCont;c:1;s:2;c:3", "csc");
	check_actions("vCont", "---");
	check_actions("c", "ccc");
	ask("Hg3", "OK");
	check_actions("vCont;s:0", "--s");
	check_actions("s", "ccs");
	ask("vCont;t", "E01");
	ask("vCont;c:4", "E01");
	ask("vCont;c:x", "E01");
	ask("vCont;C", "E01");
	ask("vCont;c:1x", "E01");
	ask("vContx", "E01");
	assert_true(run.paused);
}

/* Any packet pauses the guest: only a new gdb sends one while the old one would wait. */
static void test_packet_while_guest_runs(void **state)
{
	(void)state;
	ask("c", NULL);
	say("$qC#b4");
	assert_string_equal(answers, "+$T02thread:1;#d4$QC1#c5");
	assert_true(run.paused);
}

/* ---- the guest's own BRKs ---- */

static void check_delivery(uint64_t pstate, uint32_t syndrome, uint64_t vector, uint64_t then)
{
	set(0, PSTATE, pstate);
	stop_at(0, 0x40000300, syndrome, 0);
	tell();
	assert_string_equal(answers, "");
	assert_false(run.paused);
	assert_int_equal(get(0, PC), vector);
	assert_int_equal(get(0, PSTATE), then);
	assert_int_equal(get(0, CORE_REGISTER(elr_el1)), 0x40000300);
	assert_int_equal(get(0, CORE_REGISTER(spsr[KVM_SPSR_EL1])), pstate);
	assert_int_equal(get(0, ESR_EL1), syndrome);
}

static void test_own_brk(void **state)
{
	(void)state;
	set(0, VBAR_EL1, 0x40001000);
	set(0, SCTLR_EL1, 0x00800000);
	ask("Z0,40000100,4", "OK");
	ask("c", NULL);
	check_delivery(0x60000005, HSR_BRK | 0x123, 0x40001200, 0x600003c5);
	check_delivery(0x60000004, HSR_BRK | 0x123, 0x40001000, 0x600003c5);
	check_delivery(0x00000000, HSR_BRK | 0x123, 0x40001400, 0x000003c5);
	check_delivery(0x00000030, HSR_BKPT | 0x12, 0x40001600, 0x000003c5);
	check_delivery(0x01400c05, HSR_BRK, 0x40001200, 0x014003c5);
	set(0, SCTLR_EL1, 0);
	check_delivery(0x00000005, HSR_BRK, 0x40001200, 0x004003c5);
}

static void test_own_brk_at_el2(void **state)
{
	static const uint64_t from[] = { 0x60000009, 0x60000000 };
	static const uint64_t to[] = { 0x40002200, 0x40002400 };

	(void)state;
	set(0, VBAR_EL1, 0x40001000);
	set(0, VBAR_EL1 | REGISTER_EL2, 0x40002000);
	set(0, SCTLR_EL1 | REGISTER_EL2, 0x00800000);
	set(0, HCR_EL2, HCR_TGE);
	ask("Z0,40000100,4", "OK");
	ask("c", NULL);
	for (unsigned i = 0; i < 2; i++) {
		give_el2(from[i]);
		stop_at(0, 0x40000300, HSR_BRK | 0x123, 0);
		tell();
		assert_string_equal(answers, "");
		assert_int_equal(get(0, PC), to[i]);
		assert_int_equal(get(0, PSTATE), 0x600003c9);
		assert_int_equal(get(0, ELR_EL1 | REGISTER_EL2), 0x40000300);
		assert_int_equal(get(0, SPSR_EL1 | REGISTER_EL2), from[i]);
		assert_int_equal(get(0, ESR_EL1 | REGISTER_EL2), HSR_BRK | 0x123);
	}
	assert_int_equal(get(0, ESR_EL1), 0);
}

/* Taking the exception completes the step. */
static void test_step_of_own_brk(void **state)
{
	(void)state;
	set(0, VBAR_EL1, 0x40001000);
	set(0, PSTATE, 0x200005); /* PSTATE.SS is KVM's, and not shown as the guest's */
	ask("s", NULL);
	stop_at(0, 0x40000300, HSR_BRK, 0);
	tell();
	hear("T05thread:1;");
	assert_int_equal(get(0, PC), 0x40001200);
	assert_int_equal(get(0, CORE_REGISTER(spsr[KVM_SPSR_EL1])), 5);
}

/* Two CPUs stop at once: gdb is told of one after the other; the second stops again when resumed.
 */
static void test_two_stops(void **state)
{
	(void)state;
	ask("Z0,40000100,4", "OK");
	ask("c", NULL);
	stop_at(0, 0x40000300, HSR_BRK, 0);
	stop_at(1, 0x40000100, HSR_BRK, 0);
	stop_at(2, 0x40000100, HSR_BRK, 0);
	tell();
	hear("T05thread:2;");
	assert_int_equal(get(0, PC), 0x200);
	assert_int_equal(get(2, PC), 0x40000100);
	ask("vCont;c", NULL);
	assert_false(vcpus[1].stopped || vcpus[2].stopped);
	for (unsigned i = 0; i < CPUS; i++)
		stop_at(i, 0x40000100, HSR_BRK, 0);
	tell();
	hear("T05thread:3;");
	ask("c", NULL);
	for (unsigned i = 0; i < CPUS; i++)
		stop_at(i, 0x40000100, HSR_BRK, 0);
	tell();
	hear("T05thread:1;");
}

/* ---- threads ---- */

static void test_threads(void **state)
{
	(void)state;
	ask("qfThreadInfo", "m1,2,3");
	ask("qsThreadInfo", "l");
	set(0, PSTATE, 0x3c5);
	ask("qThreadExtraInfo,1", "435055203020617420454c31"); /* CPU 0 at EL1 */
	set(1, PSTATE, 0x3c9);
	ask("qThreadExtraInfo,2", "435055203120617420454c322c206f6666"); /* CPU 1 at EL2, off */
	ask("qThreadExtraInfo,4", "E01");
	ask("qThreadExtraInfo,-1", "E01");
	ask("T3", "OK");
	ask("T4", "E01");
	ask("T100000001", "E01");
	ask("T", "E01");
	ask("Hg3", "OK");
	ask("qC", "QC3");
	ask("Hg0", "OK"); /* any thread */
	ask("qC", "QC3");
	ask("Hc-1", "OK");
	ask("qC", "QC3");
	ask("Hg4", "E01");
	ask("Hx1", "E01");
	ask("H", "E01");
}

/* ---- XML documents ---- */

/* Reads a whole document in parts of this size. */
static const char *read_document(const char *name, unsigned size)
{
	static char text[16384];
	size_t length = 0;
	char last;

	do {
		char question[64], packet[80];

		snprintf(question, sizeof question, "qXfer:%s:%zx,%x", name, length, size);
		frame(packet, question);
		say(packet);
		last = answers[2];
		assert_true(last == 'm' || last == 'l');
		assert_true(answers_size - 6 <= size);
		memcpy(text + length, answers + 3, answers_size - 6);
		length += answers_size - 6;
	} while (last == 'm');
	text[length] = '\0';
	return text;
}

static void test_target(void **state)
{
	char whole[16384];
	unsigned registers = 0;

	(void)state;
	snprintf(whole, sizeof whole, "%s", read_document("features:read:target.xml", 0xfff));
	assert_true(strlen(whole) > 4096);
	assert_string_equal(read_document("features:read:target.xml", 7), whole);
	assert_string_equal(read_document("features:read:target.xml", 0xffffff), whole);
	for (const char *at = whole; (at = strstr(at, "<reg ")); at++)
		registers++;
	assert_int_equal(registers, 0x61);
	assert_null(strstr(whole, "EL2"));
	give_el2(0x3c9);
	assert_non_null(strstr(read_document("features:read:target.xml", 0xffffff),
			       "\"/><reg name=\"SP_EL2\" bitsize=\"64\" type=\"int\"/>"));
	assert_non_null(strstr(whole, "<reg name=\"x30\" bitsize=\"64\" type=\"int\"/>"
				      "<reg name=\"sp\" bitsize=\"64\" type=\"data_ptr\"/>"));
	assert_non_null(strstr(whole, "<reg name=\"v31\" bitsize=\"128\" type=\"uint128\"/>"));
	assert_string_equal(whole + strlen(whole) - 9, "</target>");

	ask("qXfer:features:read:target.xml:ffffff,10", "l");
	ask("qXfer:features:read:target.xml:0,0", "m");
	ask("qXfer:features:read:target.xml:0", "E01");
	ask("qXfer:features:read:other.xml:0,10", "");
}

static void test_memory_map(void **state)
{
	struct guest_memory flash = { .size = 0x40000 };

	(void)state;
	assert_string_equal(
		read_document("memory-map:read:", 10),
		"<memory-map>"
		"<memory type=\"ram\" start=\"0\" length=\"0xffffffffffffffff\"/></memory-map>");
	gdb.flash = &flash;
	assert_string_equal(read_document("memory-map:read:", 10),
			    "<memory-map><memory type=\"rom\" start=\"0\" length=\"0x40000\"/>"
			    "<memory type=\"ram\" start=\"0x40000\" length=\"0xfffffffffffbffff\"/>"
			    "</memory-map>");
}

/* ---- ends, resets and new gdbs ---- */

static void test_detach(void **state)
{
	(void)state;
	ask("Z0,40000100,4", "OK");
	ask("Z2,40000100,4", "OK");
	ask("vCont;s:2", NULL);
	say("\x03");
	ask("D", "OK");
	assert_int_equal(*instruction_at(RAM_AT + 0x100), NOP);
	assert_false(run.paused || vcpus[0].frozen || vcpus[1].stepping);
	assert_int_equal(cpus[1].debug.control, 0);
	/* After detach nothing is sent any more. */
	answers_size = 0;
	gdb_finish(&gdb, 0);
	assert_int_equal(answers_size, 0);
}

static void test_kill(void **state)
{
	(void)state;
	say("$k#6b");
	assert_int_equal(run_how_ended(&run), ENDED_BY_USER);
	assert_int_equal(run_status(&run), STATUS_ESCAPE);
	set_up(NULL);
	ask("vKill;1", "OK");
	assert_int_equal(run_how_ended(&run), ENDED_BY_USER);
}

static void test_end(void **state)
{
	(void)state;
	gdb_finish(&gdb, 3); /* gdb waits for no reply, so it is not told */
	assert_string_equal(answers, "");
	ask("c", NULL);
	answers_size = 0;
	gdb_finish(&gdb, STATUS_RESET);
	hear("W4c");
}

/* After a reset memory and CPUs are new: one breakpoint is not in memory any more, another one now
 * is. */
static void test_reset(void **state)
{
	(void)state;
	ask("Z0,40000100,4", "OK");
	ask("Z0,40000200,4", "OK");
	set_page_tables(0);
	ask("Z0,1000,4", "OK");
	ask("Z0,40000300,4", "OK");
	ask("qRcmd,7265736574", "OK"); /* reset */
	assert_int_equal(run_how_ended(&run), RESET);
	start_guest();
	assert_true(run.paused);
	assert_int_equal(*instruction_at(RAM_AT + 0x100), BRK);
	assert_int_equal(*instruction_at(RAM_AT + 0x200), BRK);
	assert_int_equal(*instruction_at(RAM_AT + 0x300), BRK);
	assert_int_equal(cpus[0].debug.arch.dbg_bvr[0], 0x1000);
	assert_int_equal(cpus[0].debug.arch.dbg_bcr[1], 0);
	ask("z0,1000,4", "OK");
	ask("z0,40000300,4", "OK");
	assert_int_equal(*instruction_at(RAM_AT + 0x300), NOP);
	ask("c", NULL);
	run_end(&run, RESET, 0); /* by the guest itself: gdb continues to wait */
	start_guest();
	assert_false(run.paused);
	stop_at(0, 0x40000100, HSR_BRK, 0);
	tell();
	hear("T05thread:1;");
}

/* After a reset more breakpoints are not in memory than there are hardware breakpoints. */
static void test_reset_with_too_many(void **state)
{
	(void)state;
	set_page_tables(0);
	for (unsigned i = 0; i < BREAKPOINTS + 2; i++) {
		char packet[32];

		snprintf(packet, sizeof packet, "Z0,%x,4", 0x1000 + 4 * i);
		ask(packet, "OK");
	}
	start_guest();
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(cpus[0].debug.arch.dbg_bcr[i] != 0, i < BREAKPOINTS);
}

static void test_monitor_figures(void **state)
{
	(void)state;
	ask("qRcmd,7472616365206f6e", "OK"); /* trace on */
	assert_int_equal(traced, TRACE_ALL);
	ask("qRcmd,7472616365206f6666", "OK"); /* trace off */
	assert_int_equal(traced, 0);
	statistics = 0;
	ask("qRcmd,7374617473", "OK"); /* stats */
	assert_int_equal(statistics, 1);
}

static void test_monitor_help(void **state)
{
	(void)state;
	say("$qRcmd,#23");
	assert_non_null(strstr(answers, "+$O7265736574"));
	assert_non_null(strstr(answers, "$O706879736963616c"));
	assert_string_equal(answers + strlen(answers) - 6, "$OK#9a");
	say("$qRcmd,"
	    "72657365747265736574726573657472657365747265736574726573657472657365"
	    "#44");
	assert_int_equal(run.end, RUNNING);
}

/* ---- the line ---- */

/* When a socket is closed, the guest is resumed, and nothing of that gdb is left for the next one.
 */
static void test_socket(void **state)
{
	(void)state;
	attach("unix:/tmp/s", true);
	assert_int_equal(gdb.input.fd, LISTENER_FD);
	take_input();
	assert_int_equal(gdb.input.fd, LINE_FD);
	ask("QStartNoAckMode", "OK");
	say("$Z0,40000100,4#d9$qRcmd,706879736963616c#00");
	assert_int_equal(*instruction_at(RAM_AT + 0x100), BRK);
	is_gone = true;
	take_input();
	assert_int_equal(gdb.input.fd, LISTENER_FD);
	assert_int_equal(*instruction_at(RAM_AT + 0x100), NOP);
	assert_false(run.paused);

	is_gone = false;
	take_input();
	assert_false(run.paused); /* not before its first packet */
	typed = "+$qSupported#37$qC#b4";
	answers_size = 0;
	take_input();
	assert_true(run.paused);
	assert_int_equal(answers[0], '+');
	assert_string_equal(answers + answers_size - 8, "+$QC1#c5");
	assert_int_equal(gdb.view, VIEW_VIRTUAL);

	/* The socket is closed while a reply is being sent. */
	is_gone = true;
	say("$qC#b4");
	take_input();
	assert_int_equal(gdb.input.fd, LISTENER_FD);
	assert_false(run.paused);
}

/* On a serial port this is not noticed: gdb was killed, and a new one starts. */
static void test_next_gdb(void **state)
{
	(void)state;
	ask("QStartNoAckMode", "OK");
	say("$Z0,40000100,4#00$c#00$m4");
	assert_false(run.paused);
	say("+$qSupported#37");
	assert_int_equal(strncmp(answers, "+$PacketSize", 12), 0);
	assert_true(run.paused);
	assert_int_equal(*instruction_at(RAM_AT + 0x100), NOP);
}

static void test_lines(void **state)
{
	static const struct {
		const char *line;
		int fd;
	} rows[] = {
		{ "fd:7", 7 },
		{ "fd:", -1 },
		{ "fd:7x", -1 },
		{ "fd:-1", -1 },
		{ "fd", -1 },
		{ "unix:7", -1 },
		{ "fd:99999999999999999999", -1 },
	};
	int status;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(gdb_inherited(rows[i].line), rows[i].fd);
	assert_int_equal(gdb_inherited(NULL), -1);
	open_result = -ENOENT;
	for (size_t i = 0; i < 3; i++) {
		static const char *const lines[] = { "/dev/ttyS9", "unix:/tmp/s", "fd:9" };

		status = setjmp(on_die);
		if (!status)
			gdb_open(&gdb, lines[i], false);
		assert_int_equal(status, STATUS_HOST);
		assert_non_null(strstr(last_report, lines[i]));
		assert_non_null(strstr(last_report, "ENOENT"));
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(test_##name, set_up)
	static const struct CMUnitTest tests[] = {
		TEST(acknowledgements),
		TEST(lost_packet),
		TEST(longest_packet),
		TEST(features),
		TEST(all_registers),
		TEST(one_register),
		TEST(scalable_registers),
		TEST(el2_registers),
		TEST(el2_tables),
		TEST(own_brk_at_el2),
		TEST(missing_register),
		TEST(memory),
		TEST(max_memory),
		TEST(page_tables),
		TEST(breakpoint),
		TEST(breakpoint_of_moved_page),
		TEST(max_breakpoints),
		TEST(hardware_breakpoints),
		TEST(watchpoints),
		TEST(stop_at_breakpoint),
		TEST(stop_at_watchpoint),
		TEST(step),
		TEST(actions),
		TEST(packet_while_guest_runs),
		TEST(own_brk),
		TEST(step_of_own_brk),
		TEST(two_stops),
		TEST(threads),
		TEST(target),
		TEST(memory_map),
		TEST(detach),
		TEST(kill),
		TEST(end),
		TEST(reset),
		TEST(reset_with_too_many),
		TEST(monitor_help),
		TEST(monitor_figures),
		TEST(socket),
		TEST(next_gdb),
		TEST(lines),
	};

	return RUN(tests);
}
