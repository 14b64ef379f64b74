// SPDX-License-Identifier: MIT
/*
 * Fuzzes the debugger with bytes from its line and events of the guest. After every step the guest
 * runs or is paused as gdb was told, every reply is a valid packet, and when gdb is gone, no
 * breakpoints are left in the guest.
 */
#include "fuzz.h"
#include "tests/unit/pretend.h"

#define ESCAPE 0xff /* the next byte is an event, not a byte from the line */

static bool wrote; /* gdb has written to the guest's memory */

/* ---- replies ---- */

/* Checks that only packets and acknowledgements were sent. */
static void check_answers(void)
{
	const char *at = answers;

	while (at < answers + answers_size) {
		uint8_t sum = 0;
		const char *first = ++at;
		char digits[3];

		require(at[-1] == '+' || at[-1] == '-' || at[-1] == '$');
		if (at[-1] != '$')
			continue;
		for (; *at != '#'; at++)
			sum += (uint8_t)*at;
		require(at - first <= GDB_PACKET);
		snprintf(digits, sizeof digits, "%02x", sum);
		require(!memcmp(at + 1, digits, 2));
		at += 3;
	}
}

static void check_packet(void)
{
	check_answers();
	require(gdb.reply_size == 0 && gdb.cpu < CPUS);
	require(run.end != RUNNING || gdb.holds == run.paused);
	require(gdb.debug.count <= POINTS);
	/* gdb waits for a reply, or was sent one. */
	require(gdb.awaits || memchr(answers, '$', answers_size));
	require(!(gdb.awaits && gdb.holds));
}

static void clear_answers(void)
{
	answers_size = 0;
	answers[0] = '\0';
}

static void receive(uint8_t byte)
{
	if (gdb.state == TEXT && (byte == '#'))
		wrote |= *gdb.packet == 'M' || *gdb.packet == 'X';
	gdb_receive(&gdb, byte);
}

/* Replaces a packet's end by one with the right checksum, which fuzzing would seldom find. */
static void receive_end(void)
{
	char digits[3];

	snprintf(digits, sizeof digits, "%02x", gdb.sum);
	receive('#');
	receive((uint8_t)digits[0]);
	clear_answers();
	receive((uint8_t)digits[1]);
	check_packet();
}

/* ---- events of the guest ---- */

static void check_nothing_is_left(void)
{
	require(gdb.debug.count == 0);
	for (unsigned i = 0; i < CPUS; i++)
		require(!vcpus[i].frozen && !vcpus[i].stepping && !cpus[i].debug.control);
	for (unsigned i = 0; i < RAM / 4 && !wrote; i++)
		require(ram.words[i] != 0xd4200000);
}

static void disconnect(void)
{
	is_gone = true;
	take_input();
	is_gone = false;
	check_nothing_is_left();
	take_input(); /* a new gdb connects */
}

/* A CPU stops, at a breakpoint or elsewhere. */
static void stop(struct input *from)
{
	static const uint32_t syndromes[] = { 0xf2000123, 0xca000022, 0xc2000022,
					      0xd2000022, 0xe2000000, 0 };
	unsigned cpu = (unsigned)take(from, 1) % CPUS;
	unsigned point = (unsigned)take(from, 1);
	uint32_t syndrome = syndromes[take(from, 1) % 6];
	uint64_t pc = point < gdb.debug.count ? gdb.debug.points[point].address : take(from, 8);

	if (run.paused || vcpus[cpu].frozen)
		return;
	stop_at(cpu, pc, syndrome, pc + take(from, 1) - 128);
}

/* Creates valid page tables, through which breakpoints are then inserted. */
static void move_pages(struct input *from)
{
	unsigned cpu = (unsigned)take(from, 1) % CPUS;

	set(cpu, SCTLR_EL1, take(from, 1));
	set(cpu, TCR_EL1, take(from, 8));
	set(cpu, TTBR0_EL1, RAM_AT + (take(from, 1) & 15) * 0x1000);
	for (unsigned i = 0; i < 3; i++)
		ram.entries[0x8000 / 8 + i * 512 + take(from, 1)] =
			(RAM_AT + (take(from, 1) & 15) * 0x1000) | take(from, 1);
}

static void happen(struct input *from)
{
	clear_answers();
	switch (take(from, 1) % 8) {
	case 0:
	case 1:
		stop(from);
		break;
	case 2:
		tell();
		break;
	case 3:
		disconnect();
		break;
	case 4:
		start_guest();
		break;
	case 5:
		if (!run.paused)
			move_pages(from);
		break;
	case 6:
		has_sve = !has_sve;
		break;
	case 7:
		receive((uint8_t)take(from, 1)); /* any byte, even # and ESCAPE */
		break;
	}
	check_answers();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input from = { data, size };

	wrote = false;
	typed = NULL;
	attach("unix:/socket", true);
	take_input();
	while (from.size) {
		uint8_t byte = (uint8_t)take(&from, 1);

		clear_answers();
		if (byte == ESCAPE)
			happen(&from);
		else if (byte == '#' && gdb.state == TEXT)
			receive_end();
		else
			receive(byte);
		check_answers();
		if (run.end != RUNNING)
			start_guest();
	}
	clear_answers();
	gdb_finish(&gdb, 0);
	check_answers();
	disconnect();
	return 0;
}
