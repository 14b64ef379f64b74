// SPDX-License-Identifier: MIT
/*
 * The packets of gdb's remote serial protocol (Debugging with GDB, appendix E), and their replies.
 *
 * Who calls it: gdb_line.c for a received packet; main and the event loop. Touches the guest's
 * vCPUs and memory while they are paused. A packet may contain anything: an invalid one gets an
 * error reply.
 */
#include "gdb.h"

#include "stats.h"
#include "vmm/machine/memory.h"
#include "trace.h"

#include <signal.h>

/* ---- writing replies ---- */

static void __attribute__((format(printf, 2, 3))) put(struct gdb *gdb, const char *format, ...)
{
	va_list arguments;

	/* It always fits: callers check the room for what depends on gdb's request. */
	va_start(arguments, format);
	gdb->reply_size +=
		(unsigned)vsnprintf(gdb->reply + gdb->reply_size,
				    sizeof gdb->reply - gdb->reply_size, format, arguments);
	va_end(arguments);
	if (gdb->reply_size > GDB_PACKET)
		__builtin_trap();
}

static void put_bytes(struct gdb *gdb, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		put(gdb, "%02x", ((const uint8_t *)bytes)[i]);
}

static void put_error(struct gdb *gdb)
{
	put(gdb, "E01");
}

static void put_result(struct gdb *gdb, bool good)
{
	if (good)
		put(gdb, "OK");
	else
		put_error(gdb);
}

/* ---- parsing packets ---- */

/* Parses a hexadecimal number of at least one digit; false, with nothing consumed, if there is
 * none. */
static bool take_number(const char **text, uint64_t *number)
{
	const char *first = *text;

	for (*number = 0; gdb_hex_digit(**text) >= 0; ++*text)
		*number = *number << 4 | (unsigned)gdb_hex_digit(**text);
	return *text > first;
}

static bool take(const char **text, char c)
{
	if (**text != c)
		return false;
	++*text;
	return true;
}

/* Parses two numbers with a comma between them: an address and a size. */
static bool take_pair(const char **text, uint64_t *first, uint64_t *second)
{
	return take_number(text, first) && take(text, ',') && take_number(text, second);
}

/* Parses bytes in hexadecimal; false if there are fewer. */
static bool take_bytes(const char **text, void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		int high = gdb_hex_digit((*text)[0]);
		int low = high < 0 ? -1 : gdb_hex_digit((*text)[1]);

		if (low < 0)
			return false;
		((uint8_t *)bytes)[i] = (uint8_t)(high << 4 | low);
		*text += 2;
	}
	return true;
}

/* Parses a thread id: 1 is CPU 0; 0 means any, -1 all. False if there is no such thread. */
static bool take_thread(const struct gdb *gdb, const char **text, unsigned *cpu, bool *all)
{
	uint64_t thread = 0;

	*all = take(text, '-');
	if (!take_number(text, &thread))
		return false;
	*cpu = thread ? (unsigned)thread - 1 : gdb->cpu;
	return *all || (thread <= gdb->run->cpus);
}

static struct vcpu *current(const struct gdb *gdb)
{
	return &gdb->run->vcpus[gdb->cpu];
}

/* ---- registers, by gdb's numbers: the order of the target description ---- */

#define FIRST_VECTOR GENERAL_REGISTERS
#define FPSR (FIRST_VECTOR + 32)
#define FIRST_SYSTEM (FPSR + 2)
#define VECTOR 16 /* bytes */

static unsigned size_of_register(uint64_t n)
{
	if (n == GENERAL_REGISTERS - 1 || (n >= FPSR && n < FIRST_SYSTEM))
		return 4;
	return n >= FIRST_VECTOR && n < FPSR ? VECTOR : 8;
}

static uint64_t id_of_register(const struct vcpu *vcpu, unsigned n)
{
	if (n < GENERAL_REGISTERS)
		return register_general(vcpu, n);
	if (n < FIRST_SYSTEM)
		return KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_CORE |
		       (KVM_REG_ARM_CORE_REG(fp_regs.fpsr) + (n - FPSR));
	return system_register_id(n - FIRST_SYSTEM);
}

/* Reads or writes a register in the guest's byte order; false if this CPU does not have it. `value`
 * has room for a scalable vector register. */
static bool access_register(const struct vcpu *vcpu, unsigned long request, unsigned n, void *value)
{
	struct kvm_one_reg reg = { .addr = (uintptr_t)value };

	if (n >= FIRST_VECTOR && n < FPSR)
		return register_vector(vcpu, request, n - FIRST_VECTOR, value);
	reg.id = id_of_register(vcpu, n);
	return kvm_try(vcpu->fd, request, (uintptr_t)&reg) == 0;
}

static void put_register(struct gdb *gdb, unsigned n)
{
	uint8_t value[SCALABLE];

	if (access_register(current(gdb), KVM_GET_ONE_REG, n, value))
		put_bytes(gdb, value, size_of_register(n));
	else
		for (unsigned i = 0; i < size_of_register(n); i++)
			put(gdb, "xx");
}

static bool take_register(const struct gdb *gdb, const char **text, unsigned n)
{
	uint8_t value[SCALABLE] = { 0 };
	unsigned size = size_of_register(n);

	/* Bits beyond gdb's part of the register are kept. */
	return access_register(current(gdb), KVM_GET_ONE_REG, n, value) &&
	       take_bytes(text, value, size) &&
	       access_register(current(gdb), KVM_SET_ONE_REG, n, value);
}

static void read_registers(struct gdb *gdb, const char *text)
{
	(void)text;
	for (unsigned n = 0; n < FIRST_SYSTEM; n++)
		put_register(gdb, n);
}

static void write_registers(struct gdb *gdb, const char *text)
{
	bool good = true;

	for (unsigned n = 0; good && n < FIRST_SYSTEM; n++)
		good = take_register(gdb, &text, n);
	put_result(gdb, good);
}

static bool take_register_number(const struct gdb *gdb, const char **text, uint64_t *n)
{
	return take_number(text, n) && *n < FIRST_SYSTEM + system_registers(current(gdb));
}

static void read_register(struct gdb *gdb, const char *text)
{
	uint64_t n;

	if (take_register_number(gdb, &text, &n))
		put_register(gdb, (unsigned)n);
	else
		put_error(gdb);
}

static void write_register(struct gdb *gdb, const char *text)
{
	uint64_t n;

	put_result(gdb, take_register_number(gdb, &text, &n) && take(&text, '=') &&
				take_register(gdb, &text, (unsigned)n));
}

/* ---- memory ---- */

static void read_memory(struct gdb *gdb, const char *text)
{
	uint8_t bytes[GDB_PACKET / 2];
	uint64_t address, size;

	if (!take_pair(&text, &address, &size)) {
		put_error(gdb);
		return;
	}
	if (size > sizeof bytes)
		size = sizeof bytes;
	size = inspect_memory(current(gdb), gdb->view, address, bytes, size, false);
	if (size)
		put_bytes(gdb, bytes, size);
	else
		put_error(gdb);
}

static void write_bytes(struct gdb *gdb, uint64_t address, void *bytes, size_t size)
{
	put_result(gdb,
		   inspect_memory(current(gdb), gdb->view, address, bytes, size, true) == size);
}

static void write_memory(struct gdb *gdb, const char *text)
{
	uint8_t bytes[GDB_PACKET / 2];
	uint64_t address, size;

	if (take_pair(&text, &address, &size) && take(&text, ':') && size <= sizeof bytes &&
	    take_bytes(&text, bytes, size))
		write_bytes(gdb, address, bytes, size);
	else
		put_error(gdb);
}

/* Binary data; } escapes the byte after it. */
static void write_binary(struct gdb *gdb, const char *text)
{
	const char *end = gdb->packet + gdb->received;
	uint64_t address, size;
	char *to = gdb->packet;

	if (!take_pair(&text, &address, &size) || !take(&text, ':')) {
		put_error(gdb);
		return;
	}
	while (text < end) {
		bool escaped = *text == '}' && text + 1 < end;

		text += escaped;
		*to++ = escaped ? *text ^ 0x20 : *text;
		text++;
	}
	if ((size_t)(to - gdb->packet) == size)
		write_bytes(gdb, address, gdb->packet, size);
	else
		put_error(gdb);
}

/* ---- breakpoints and watchpoints ---- */

static bool take_point(const char **text, struct point *point)
{
	uint64_t kind;

	*point = (struct point){ 0 };
	if (!take_number(text, &kind) || kind > ACCESS_WATCHPOINT || !take(text, ',') ||
	    !take_pair(text, &point->address, &point->size))
		return false;
	point->kind = (enum point_kind)kind;
	return true;
}

static void insert_point(struct gdb *gdb, const char *text)
{
	struct point point;

	put_result(gdb,
		   take_point(&text, &point) && debug_insert(&gdb->debug, current(gdb), point));
}

static void remove_point(struct gdb *gdb, const char *text)
{
	struct point point;

	put_result(gdb, take_point(&text, &point) && debug_remove(&gdb->debug, point));
}

/* ---- pausing and resuming the guest ---- */

static void put_stop(struct gdb *gdb, unsigned signal, const struct stop *stop)
{
	static const char *const watchpoints[] = {
		[WRITE_WATCHPOINT] = "watch",
		[READ_WATCHPOINT] = "rwatch",
		[ACCESS_WATCHPOINT] = "awatch",
	};

	gdb->cpu = stop->cpu;
	put(gdb, "T%02xthread:%x;", signal, stop->cpu + 1);
	if (stop->kind >= WRITE_WATCHPOINT)
		put(gdb, "%s:%lx;", watchpoints[stop->kind], stop->address);
}

/* Pauses the guest, for this signal or because a vCPU has stopped, and sends the stop reply that
 * gdb waits for. With signal 0 the guest is resumed if no vCPU has stopped. */
static void hold(struct gdb *gdb, unsigned signal)
{
	struct stop stop = { .cpu = gdb->cpu };

	run_pause(gdb->run);
	if (gdb->holds)
		return;
	if (debug_find_stop(&gdb->debug, &stop))
		signal = SIGTRAP;
	gdb->holds = signal != 0;
	if (!gdb->holds) {
		debug_resume(&gdb->debug);
	} else if (gdb->awaits) {
		gdb->awaits = false;
		put_stop(gdb, signal, &stop);
		gdb_send_reply(gdb);
	}
}

void gdb_interrupt(struct gdb *gdb)
{
	hold(gdb, SIGINT);
}

/* A pause that a vCPU has requested is complete. Is the run's `on_paused`. */
static void hold_stopped(void *gdb)
{
	hold(gdb, 0);
}

static void resume(struct gdb *gdb)
{
	gdb->holds = false;
	debug_resume(&gdb->debug);
}

static void reply_stop_reason(struct gdb *gdb, const char *text)
{
	(void)text;
	put_stop(gdb, SIGTRAP, &(struct stop){ .cpu = gdb->cpu });
}

/* Resumes all vCPUs, the current one by a single step if `step`. */
static void go_on(struct gdb *gdb, const char *text, bool step)
{
	if (*text) { /* an address to resume at; gdb sets pc instead */
		put_error(gdb);
		return;
	}
	for (unsigned i = 0; i < gdb->run->cpus; i++) {
		gdb->run->vcpus[i].frozen = false;
		gdb->run->vcpus[i].stepping = step && i == gdb->cpu;
	}
	gdb->awaits = true;
	resume(gdb);
}

static void go(struct gdb *gdb, const char *text)
{
	go_on(gdb, text, false);
}

static void step(struct gdb *gdb, const char *text)
{
	go_on(gdb, text, true);
}

/* Parses one action of vCont and applies it to its vCPUs that have none yet; false if it is
 * invalid. */
static bool take_action(struct gdb *gdb, const char **text)
{
	bool steps = **text == 's' || **text == 'S';
	bool all = true;
	uint64_t signal;
	unsigned cpu = 0;

	if (!steps && **text != 'c' && **text != 'C')
		return false;
	/* A guest cannot be given signals. */
	if (*(*text)++ < 'a' && !take_number(text, &signal))
		return false;
	if (take(text, ':') && !take_thread(gdb, text, &cpu, &all))
		return false;
	for (unsigned i = 0; i < gdb->run->cpus; i++) {
		struct vcpu *vcpu = &gdb->run->vcpus[i];

		if (!vcpu->frozen || !(all || i == cpu))
			continue;
		vcpu->frozen = false;
		vcpu->stepping = steps;
	}
	return true;
}

/* vCPUs without an action stay paused. */
static void go_each(struct gdb *gdb, const char *text)
{
	bool good = true;

	for (unsigned i = 0; i < gdb->run->cpus; i++) {
		gdb->run->vcpus[i].frozen = true;
		gdb->run->vcpus[i].stepping = false;
	}
	while (good && take(&text, ';'))
		good = take_action(gdb, &text);
	if (!good || *text) {
		put_error(gdb);
		return;
	}
	gdb->awaits = true;
	resume(gdb);
}

/* Removes all points and resumes the guest without gdb. */
void gdb_detach(struct gdb *gdb)
{
	gdb->awaits = false;
	hold(gdb, SIGINT);
	debug_remove_all(&gdb->debug);
	go_on(gdb, "", false);
	gdb->awaits = false;
}

static void detach(struct gdb *gdb, const char *text)
{
	(void)text;
	gdb_detach(gdb);
	put_result(gdb, true);
}

static void end(struct gdb *gdb, const char *text)
{
	(void)text;
	put_result(gdb, true);
	run_end(gdb->run, ENDED_BY_USER, STATUS_ESCAPE);
}

/* ---- threads ---- */

static void select_thread(struct gdb *gdb, const char *text)
{
	bool is_general = take(&text, 'g'), all;
	unsigned cpu;

	if ((!is_general && !take(&text, 'c')) || !take_thread(gdb, &text, &cpu, &all)) {
		put_error(gdb);
		return;
	}
	if (!all)
		gdb->cpu = cpu;
	put_result(gdb, true);
}

static void is_alive(struct gdb *gdb, const char *text)
{
	unsigned cpu;
	bool all;

	put_result(gdb, take_thread(gdb, &text, &cpu, &all));
}

static void list_threads(struct gdb *gdb, const char *text)
{
	(void)text;
	for (unsigned i = 0; i < gdb->run->cpus; i++)
		put(gdb, "%c%x", i ? ',' : 'm', i + 1);
}

static void reply_end_of_list(struct gdb *gdb, const char *text)
{
	(void)text;
	put(gdb, "l");
}

static void reply_current_thread(struct gdb *gdb, const char *text)
{
	(void)text;
	put(gdb, "QC%x", gdb->cpu + 1);
}

static void describe_thread(struct gdb *gdb, const char *text)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
	char line[32];
	unsigned cpu;
	bool all;

	if (!take_thread(gdb, &text, &cpu, &all) || all) {
		put_error(gdb);
		return;
	}
	kvm_try(gdb->run->vcpus[cpu].fd, KVM_GET_MP_STATE, (uintptr_t)&state);
	put_bytes(gdb, line,
		  (size_t)snprintf(line, sizeof line, "CPU %u at EL%lu%s", cpu,
				   PSTATE_EL(register_get(&gdb->run->vcpus[cpu],
							  CORE_REGISTER(regs.pstate))),
				   state.mp_state == KVM_MP_STATE_STOPPED ? ", off" : ""));
}

/* ---- the description of the target ---- */

/* The first packet of every gdb: points that an earlier one has left, on a line that is no socket,
 * are removed. */
static void reply_features(struct gdb *gdb, const char *text)
{
	(void)text;
	debug_remove_all(&gdb->debug);
	gdb->view = VIEW_VIRTUAL;
	put(gdb,
	    "PacketSize=%x;QStartNoAckMode+;vContSupported+;qXfer:features:read+;"
	    "qXfer:memory-map:read+",
	    GDB_PACKET);
}

static void reply_actions(struct gdb *gdb, const char *text)
{
	(void)text;
	put(gdb, "vCont;c;C;s;S");
}

static void stop_acks(struct gdb *gdb, const char *text)
{
	(void)text;
	gdb->no_acks = true;
	put_result(gdb, true);
}

static void reply_attached(struct gdb *gdb, const char *text)
{
	(void)text;
	put(gdb, "1");
}

/* A document, of which gdb reads one part at a time. It is generated anew each time, and only that
 * part is kept. */
struct document {
	struct gdb *gdb;
	uint64_t skip, room; /* characters until the part begins, and until it ends */
	bool more;	     /* than that */
};

static void __attribute__((format(printf, 2, 3)))
write_text(struct document *document, const char *format, ...)
{
	char text[128];
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	for (int i = 0; i < size; i++) {
		if (document->skip) {
			document->skip--;
		} else if (document->room) {
			document->room--;
			put(document->gdb, "%c", text[i]);
		} else {
			document->more = true;
		}
	}
}

/* Registers are numbered in order. */
static void write_register_rows(struct document *document, const char *name, unsigned count,
				unsigned bits, const char *type)
{
	for (unsigned i = 0; i < count; i++) {
		write_text(document, "<reg name=\"");
		write_text(document, name, i);
		write_text(document, "\" bitsize=\"%u\" type=\"%s\"/>", bits, type);
	}
}

static void write_target(struct document *document)
{
	write_text(document, "<target version=\"1.0\"><architecture>aarch64</architecture>"
			     "<feature name=\"org.gnu.gdb.aarch64.core\">");
	write_register_rows(document, "x%u", 31, 64, "int");
	write_register_rows(document, "sp", 1, 64, "data_ptr");
	write_register_rows(document, "pc", 1, 64, "code_ptr");
	write_register_rows(document, "cpsr", 1, 32, "int");
	write_text(document, "</feature><feature name=\"org.gnu.gdb.aarch64.fpu\">");
	write_register_rows(document, "v%u", 32, 8 * VECTOR, "uint128");
	write_register_rows(document, "fpsr", 1, 32, "int");
	write_register_rows(document, "fpcr", 1, 32, "int");
	write_text(document, "</feature><feature name=\"org.nestling.system\">");
	for (unsigned i = 0; i < system_registers(current(document->gdb)); i++)
		write_register_rows(document, system_register_name(i), 1, 64, "int");
	write_text(document, "</feature></target>");
}

/* All but the flash is declared as RAM, since virtual addresses can be anywhere. For ROM gdb uses
 * hardware breakpoints. */
static void write_memory_map(struct document *document)
{
	uint64_t flash = document->gdb->flash->size;

	write_text(document, "<memory-map>");
	if (flash)
		write_text(document, "<memory type=\"rom\" start=\"0\" length=\"%#lx\"/>", flash);
	write_text(document, "<memory type=\"ram\" start=\"%#lx\" length=\"%#lx\"/></memory-map>",
		   flash, ~flash);
}

/* `text` is the part's offset and size. */
static void read_document(struct gdb *gdb, const char *text, void (*write)(struct document *))
{
	struct document document = { .gdb = gdb };

	if (!take_pair(&text, &document.skip, &document.room)) {
		put_error(gdb);
		return;
	}
	if (document.room > GDB_PACKET - 1)
		document.room = GDB_PACKET - 1;
	put(gdb, "l");
	write(&document);
	if (document.more)
		gdb->reply[0] = 'm';
}

static void read_target(struct gdb *gdb, const char *text)
{
	read_document(gdb, text, write_target);
}

static void read_memory_map(struct gdb *gdb, const char *text)
{
	read_document(gdb, text, write_memory_map);
}

/* ---- gdb's `monitor` ---- */

/* The guest remains paused, at its first instruction once gdb resumes it. */
static void monitor_reset(struct gdb *gdb)
{
	run_end(gdb->run, RESET, 0);
}

static void monitor_physical(struct gdb *gdb)
{
	gdb->view = VIEW_PHYSICAL;
}

static void monitor_virtual(struct gdb *gdb)
{
	gdb->view = VIEW_VIRTUAL;
}

static void monitor_trace_on(struct gdb *gdb)
{
	(void)gdb;
	trace_set(TRACE_ALL);
}

static void monitor_trace_off(struct gdb *gdb)
{
	(void)gdb;
	trace_set(0);
}

static void monitor_stats(struct gdb *gdb)
{
	stats_report(gdb->console, FORM_TEXT);
}

static const struct {
	const char *name, *help;
	void (*act)(struct gdb *gdb);
} monitor_commands[] = {
	{ "reset", "reset the guest", monitor_reset },
	{ "trace on", "trace everything, on nestling's standard error", monitor_trace_on },
	{ "trace off", "stop tracing", monitor_trace_off },
	{ "stats", "statistics so far, on nestling's standard error", monitor_stats },
	{ "physical", "take addresses as physical", monitor_physical },
	{ "virtual", "take addresses as virtual again", monitor_virtual },
};

/* Lets gdb print a line, before the reply itself. */
static void print(struct gdb *gdb, const char *name, const char *help)
{
	char line[96];

	put(gdb, "O");
	put_bytes(gdb, line, (size_t)snprintf(line, sizeof line, "%s: %s\n", name, help));
	gdb_send_reply(gdb);
}

static void monitor(struct gdb *gdb, const char *text)
{
	char name[16] = { 0 };
	size_t size = strlen(text) / 2;

	if (size >= sizeof name || !take_bytes(&text, name, size))
		name[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(monitor_commands); i++) {
		if (!strcmp(name, monitor_commands[i].name)) {
			monitor_commands[i].act(gdb);
			put_result(gdb, true);
			return;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(monitor_commands); i++)
		print(gdb, monitor_commands[i].name, monitor_commands[i].help);
	put_result(gdb, true);
}

/* ---- packets ---- */

/* Packets by their first characters; the first row that matches is used. Handlers that resume the
 * guest leave the reply empty, and send it later. */
static const struct {
	char name[32];
	void (*handle)(struct gdb *gdb, const char *text);
} packets[] = {
	{ "qSupported", reply_features },
	{ "QStartNoAckMode", stop_acks },
	{ "qXfer:features:read:target.xml:", read_target },
	{ "qXfer:memory-map:read::", read_memory_map },
	{ "qRcmd,", monitor },
	{ "qAttached", reply_attached },
	{ "qfThreadInfo", list_threads },
	{ "qsThreadInfo", reply_end_of_list },
	{ "qThreadExtraInfo,", describe_thread },
	{ "qC", reply_current_thread },
	{ "vCont?", reply_actions },
	{ "vCont", go_each },
	{ "vKill", end },
	{ "k", end },
	{ "D", detach },
	{ "?", reply_stop_reason },
	{ "g", read_registers },
	{ "G", write_registers },
	{ "p", read_register },
	{ "P", write_register },
	{ "m", read_memory },
	{ "M", write_memory },
	{ "X", write_binary },
	{ "Z", insert_point },
	{ "z", remove_point },
	{ "H", select_thread },
	{ "T", is_alive },
	{ "c", go },
	{ "s", step },
};

/* An unknown packet gets an empty reply. */
void gdb_packet(struct gdb *gdb)
{
	hold(gdb, SIGINT);
	for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
		size_t length = strlen(packets[i].name);

		if (!strncmp(gdb->packet, packets[i].name, length)) {
			packets[i].handle(gdb, gdb->packet + length);
			break;
		}
	}
	/* If the guest was resumed, the reply is sent when it stops. */
	if (!gdb->awaits || gdb->reply_size)
		gdb_send_reply(gdb);
}

/* ---- the run ---- */

void gdb_attach(struct gdb *gdb, struct run *run, const struct vm *vm,
		const struct guest_memory *flash, const struct console *console)
{
	gdb->console = console;
	gdb->run = run;
	gdb->flash = flash;
	debug_create(&gdb->debug, run, vm);
	run->on_paused = hold_stopped;
	run->debugger = gdb;
	gdb_attach_line(gdb);
}

void gdb_start(struct gdb *gdb)
{
	gdb->run->starts_paused = gdb->holds;
	debug_start(&gdb->debug);
}

void gdb_finish(struct gdb *gdb, int status)
{
	gdb->is_over = true;
	if (!gdb->awaits)
		return;
	put(gdb, "W%02x", status);
	gdb_send_reply(gdb);
}
