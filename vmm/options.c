// SPDX-License-Identifier: MIT
/*
 * The command line: GNU long options and short ones, in any order, one payload among them.
 *
 * Who calls it: main. Touches the options it is given.
 */
#include "options.h"

#include "crt/crt.h"
#include "report.h"

#define MIB ((uint64_t)1 << 20)
#define WORDS_LENGTH 64 /* bytes of all words of an option, with commas */
#define NAME_COLUMNS 25 /* of --help, for an option's name with its value */

enum kind {
	FLAG,	/* bool */
	STRING, /* const char * */
	NUMBER, /* uint64_t from min to max */
	SIZE,	/* uint64_t, bytes, from min to max and a multiple of min */
	WORDS,	/* uint64_t, the bits of the words behind "="; without "=", `implied` */
	LIST,	/* adds a const char * to `modules` */
	DEVICE, /* adds a struct device_option, whose kind is `implied` */
};

/* A word that is valid as a value of an option of kind WORDS. */
struct word {
	const char *name; /* NULL ends a list */
	uint64_t bits;
};

static const struct word uart_words[] = {
	{ "fast", UART_FAST },
	{ "plain", UART_PLAIN },
	{ 0 },
};

static const struct word clock_words[] = {
	{ "guest", CLOCK_GUEST },
	{ "real", CLOCK_REAL },
	{ 0 },
};

static const struct word el2_words[] = {
	{ "e2h0", EL2_E2H0 },
	{ 0 },
};

static const struct word failure_words[] = {
	{ "off", FAILURE_OFF },
	{ "reboot", FAILURE_REBOOT },
	{ "restart", FAILURE_RESTART },
	{ 0 },
};

static const struct word save_words[] = {
	{ "end", SAVE_AT_END },
	{ 0 },
};

static const struct word reset_words[] = {
	{ "snapshot", RESET_RESUMES },
	{ "boot", RESET_BOOTS },
	{ 0 },
};

static const struct word trace_words[] = {
	{ "kvm", TRACE_KVM },	{ "exit", TRACE_EXIT },
	{ "mmio", TRACE_MMIO }, { "irq", TRACE_IRQ },
	{ "psci", TRACE_PSCI }, { "virtio", TRACE_VIRTIO },
	{ "all", TRACE_ALL },	{ 0 },
};

static const struct word stats_words[] = {
	{ "text", FORM_TEXT },
	{ "json", FORM_JSON },
	{ 0 },
};

/* The first part of a device option's value, by the device's kind. */
static const struct {
	const char *word; /* the only valid one; NULL: anything */
	bool is_optional; /* there is no first part, only properties, and the value may be missing
			   */
} first_values[] = {
	[DEVICE_DISK] = { NULL, false },
	[DEVICE_NET] = { NULL, false },
	[DEVICE_CONSOLE] = { "virtio", false },
	[DEVICE_BALLOON] = { NULL, true },
};

/* The properties that may follow the first part, separated by commas. */
static const struct property {
	const char *name;
	uint16_t field;	 /* offset in struct device_option */
	bool has_value;	 /* "name=value", stored as const char *; else stored as bool */
	uint8_t devices; /* which kinds of device have it: a bit for each */
} properties[] = {
#define PROPERTY(name, field, has_value, devices)                                                  \
	{                                                                                          \
		name, offsetof(struct device_option, field), has_value, devices                    \
	}
	PROPERTY("ro", read_only, false, 1 << DEVICE_DISK),
	PROPERTY("volatile", is_volatile, false, 1 << DEVICE_DISK),
	PROPERTY("legacy", legacy, false,
		 1 << DEVICE_DISK | 1 << DEVICE_NET | 1 << DEVICE_CONSOLE | 1 << DEVICE_BALLOON),
	PROPERTY("mac", mac, true, 1 << DEVICE_NET),
	PROPERTY("serial", serial, true, 1 << DEVICE_DISK),
#undef PROPERTY
};

/* A row for each option; members that its kind does not use are zero. */
static const struct option {
	const char *name;
	const char *value; /* the name of its value in --help; NULL: it takes none */
	const char *help;
	union {
		uint64_t max;		  /* for NUMBER and SIZE */
		const struct word *words; /* for WORDS */
	};
	union {
		uint32_t min;	  /* for NUMBER and SIZE */
		uint32_t implied; /* for WORDS: the value without "="; for DEVICE: its kind */
	};
	uint16_t field; /* offset in struct options */
	char letter;	/* 0: none */
	uint8_t kind;
} table[] = {
#define ROW(LETTER, NAME, KIND, FIELD, VALUE, HELP, ...)                                           \
	{                                                                                          \
		.name = NAME, .value = VALUE, .help = HELP,                                        \
		.field = offsetof(struct options, FIELD), .letter = LETTER, .kind = KIND,          \
		##__VA_ARGS__                                                                      \
	}
	ROW('m', "memory", SIZE, memory, "SIZE",
	    "guest RAM, a multiple of 2M (128M); a bare number is MiB", .min = 2 * MIB,
	    .max = UINT64_MAX / 2),
	ROW('c', "cpus", NUMBER, cpus, "N", "guest's CPUs (1)", .min = 1, .max = 512),
	ROW('a', "append", STRING, append, "TEXT", "bootargs in the guest's device tree"),
	ROW(0, "gic", NUMBER, gic, "VERSION",
	    "guest's interrupt controller: 2 or 3 (what the host has)", .min = 2, .max = 3),
	ROW('i', "initrd", STRING, initrd, "FILE", "initial RAM disk"),
	ROW('d', "disk", DEVICE, devices, "FILE[,HOW]",
	    "disk: file, block device or bundled payload; HOW: ro, volatile, legacy, serial=TEXT",
	    .implied = DEVICE_DISK),
	ROW('n', "net", DEVICE, devices, "WHAT[,HOW]",
	    "network: tap=NAME, packet=INTERFACE, unix=PATH or fd=N; HOW: mac=ADDRESS, legacy",
	    .implied = DEVICE_NET),
	ROW(0, "console", DEVICE, devices, "virtio[,legacy]",
	    "beside the UART hvc0, which gets what is typed", .implied = DEVICE_CONSOLE),
	ROW(0, "balloon", DEVICE, devices, "legacy",
	    "memory that the guest has freed goes back to the host", .implied = DEVICE_BALLOON),
	ROW(0, "firmware", STRING, firmware, "FILE",
	    "firmware in flash, such as EDK2, which starts the payload"),
	ROW(0, "variables", STRING, variables, "FILE",
	    "keeps the second bank of the flash, with firmware's variables"),
	ROW(0, "dtb", STRING, dtb, "FILE", "device tree to use instead of our own"),
	ROW(0, "dump-dtb", STRING, dump_dtb, "FILE",
	    "write the guest's device tree to FILE, and end"),
	ROW(0, "uart", WORDS, uart, "HOW", "plain has an exit for each access to the UART (fast)",
	    .words = uart_words, .implied = UART_FAST),
	ROW(0, "clock", WORDS, clock, "HOW",
	    "real: the guest's time runs on while it is held (guest)", .words = clock_words,
	    .implied = CLOCK_GUEST),
	ROW(0, "el2", WORDS, el2, "e2h0",
	    "the guest starts at EL2, for a hypervisor; e2h0: one without VHE", .words = el2_words,
	    .implied = EL2_VHE),
	ROW(0, "no-pmu", FLAG, no_pmu, NULL, "hide performance counters"),
	ROW(0, "no-sve", FLAG, no_sve, NULL, "hide scalable vectors"),
	ROW(0, "no-pauth", FLAG, no_pauth, NULL, "hide pointer authentication"),
	ROW(0, "grace", NUMBER, grace, "SECONDS",
	    "for the guest to switch itself off when a signal or Ctrl-A p ends it (10)", .min = 0,
	    .max = 86400),
	ROW(0, "no-reboot", FLAG, no_reboot, NULL,
	    "end when the guest resets itself, instead of starting it again"),
	ROW(0, "strict", FLAG, strict, NULL,
	    "end when the guest touches an address that nothing backs"),
	ROW(0, "trace", WORDS, trace, "LIST", "trace what happens (all)", .words = trace_words,
	    .implied = TRACE_ALL),
	ROW(0, "trace-file", STRING, trace_file, "FILE", "write the trace there (standard error)"),
	ROW(0, "trace-json", FLAG, trace_json, NULL, "write it as trace events for Perfetto"),
	ROW(0, "stats", WORDS, stats, "FORM", "figures at the end (text)", .words = stats_words,
	    .implied = FORM_TEXT),
	ROW(0, "dump-core", STRING, dump_core, "FILE",
	    "where Ctrl-A d, or an end that nobody expects, leaves a core for gdb"),
	ROW(0, "save", STRING, save, "FILE",
	    "where Ctrl-A w, SIGUSR1 or the guest itself saves the guest"),
	ROW(0, "save-at", WORDS, save_at, "WHAT", "end: the run ends when the guest is saved",
	    .words = save_words, .implied = SAVE_AT_END),
	ROW(0, "verify", FLAG, verify, NULL, "check a snapshot's RAM, too"),
	ROW(0, "on-reset", WORDS, on_reset, "WHAT",
	    "of a resumed guest: boot runs the PAYLOAD behind the snapshot (snapshot)",
	    .words = reset_words, .implied = RESET_RESUMES),
	ROW(0, "force", FLAG, force, NULL, "resume although disks have changed since"),
	ROW(0, "describe", FLAG, describe, NULL,
	    "print what is in a snapshot; with --dump-core a core of it, too"),
	ROW(0, "diff", STRING, diff, "FILE", "print in what a snapshot differs from that in FILE"),
	ROW(0, "gdb", STRING, gdb, "LINE", "let gdb debug the guest: TTY, fd:N or unix:PATH"),
	ROW(0, "gdb-wait", FLAG, gdb_wait, NULL, "hold the guest at its first instruction for it"),
	ROW(0, "no-sandbox", FLAG, no_sandbox, NULL,
	    "keep what the guest's monitor would give up, for debugging it"),
	ROW(0, "check", FLAG, check, NULL, "check the options and the files that they name"),
	ROW(0, "probe", FLAG, probe, NULL, "say what this host's KVM offers"),
	ROW(0, "list", FLAG, list, NULL, "name the bundled payloads"),
	ROW(0, "module", LIST, modules, "FILE[,PARAMETERS]",
	    "as PID 1: load this kernel module first"),
	ROW(0, "on-failure", WORDS, on_failure, "WHAT",
	    "as PID 1, when the monitor fails: the host goes off, reboots, or it is restarted (off)",
	    .words = failure_words, .implied = FAILURE_OFF),
	ROW(0, "watchdog", NUMBER, watchdog, "SECONDS",
	    "as PID 1: kill a monitor that has not answered for so long", .min = 1, .max = 86400),
	ROW(0, "status-token", STRING, status_token, "TEXT",
	    "as PID 1: mark the last line, for qemu-run.sh"),
	ROW(0, "stderr", STRING, stderr_path, "DEVICE",
	    "as PID 1: where messages, traces and figures go (the console)"),
	ROW('h', "help", FLAG, help, NULL, "this text"),
	ROW(0, "version", FLAG, version, NULL, "version of this program"),
#undef ROW
};

/* Parses a decimal or 0x number, and moves *text behind it. False if there is none, or it needs
 * more than 64 bits. */
static bool parse_number(const char **text, uint64_t *number)
{
	const char *at = *text;
	unsigned base = 10;
	const char *first;

	if (at[0] == '0' && at[1] == 'x') {
		base = 16;
		at += 2;
	}
	*number = 0;
	for (first = at;; at++) {
		const char *digits = "0123456789abcdef";
		const char *digit = *at ? memchr(digits, *at, base) : NULL;

		if (!digit)
			break;
		if (__builtin_mul_overflow(*number, base, number) ||
		    __builtin_add_overflow(*number, (uint64_t)(digit - digits), number))
			return false;
	}
	*text = at;
	return at > first;
}

/* Parses a number of MiB, or of the unit whose letter follows it, as bytes. False if it is invalid
 * or needs more than 64 bits. */
static bool parse_size(const char *text, uint64_t *size)
{
	static const struct {
		char letters[3];
		uint64_t unit;
	} units[] = {
		{ "bB", 1 },	      { "kK", 1ull << 10 }, { "mM", 1ull << 20 },
		{ "gG", 1ull << 30 }, { "tT", 1ull << 40 },
	};

	if (!parse_number(&text, size))
		return false;
	if (!*text)
		return !__builtin_mul_overflow(*size, MIB, size);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strchr(units[i].letters, *text))
			return !text[1] && !__builtin_mul_overflow(*size, units[i].unit, size);
	return false;
}

/* The word that equals the first `length` characters of the text; NULL if there is none. */
static const struct word *find_word(const struct word *words, const char *text, size_t length)
{
	for (const struct word *word = words; word->name; word++)
		if (strlen(word->name) == length && !strncmp(word->name, text, length))
			return word;
	return NULL;
}

/* Parses words separated by commas. False if one is not in the list. */
static bool parse_words(const struct word *words, const char *text, uint64_t *bits)
{
	*bits = 0;
	for (;;) {
		const char *comma = strchr(text, ',');
		size_t length = comma ? (size_t)(comma - text) : strlen(text);
		const struct word *word = find_word(words, text, length);

		if (!word)
			return false;
		*bits |= word->bits;
		if (!comma)
			return true;
		text = comma + 1;
	}
}

/* Writes the words as "one,two,three", truncated to the buffer's size. */
static void join_words(const struct word *words, char *buffer, size_t size)
{
	size_t length = 0;

	*buffer = '\0';
	for (const struct word *word = words; word->name && length < size; word++)
		length += (size_t)snprintf(buffer + length, size - length, "%s%s",
					   word == words ? "" : ",", word->name);
}

static int store_number(const struct option *option, const char *value, uint64_t *number)
{
	const char *rest = value;

	if (!parse_number(&rest, number) || *rest || *number < option->min ||
	    *number > option->max) {
		report("--%s %.100s: takes a number from %u to %lu", option->name, value,
		       option->min, option->max);
		return STATUS_USAGE;
	}
	return STATUS_PASS;
}

static int store_size(const struct option *option, const char *value, uint64_t *size)
{
	if (!parse_size(value, size)) {
		report("--%s %.100s: not a size; write a number of MiB, or one with B, K, M, G or "
		       "T behind it, such as 64M",
		       option->name, value);
		return STATUS_USAGE;
	}
	if (*size < option->min || *size > option->max || *size % option->min) {
		report("--%s %.100s: takes a multiple of %lu MiB, and not 0", option->name, value,
		       option->min / MIB);
		return STATUS_USAGE;
	}
	return STATUS_PASS;
}

static int store_words(const struct option *option, const char *value, uint64_t *bits)
{
	char words[WORDS_LENGTH];

	*bits = option->implied;
	if (!value || parse_words(option->words, value, bits))
		return STATUS_PASS;
	join_words(option->words, words, sizeof words);
	report("--%s=%.100s: takes words of %s", option->name, value, words);
	return STATUS_USAGE;
}

size_t options_part(const char *text)
{
	const char *comma = strchr(text, ',');

	return comma ? (size_t)(comma - text) : strlen(text);
}

/* Stores a property of a device, whose text has so many characters. False if such a device has no
 * property of that name. */
static bool store_property(struct device_option *device, const char *text, size_t length)
{
	const char *equals = memchr(text, '=', length);
	size_t name = equals ? (size_t)(equals - text) : length;

	for (size_t i = 0; i < ARRAY_SIZE(properties); i++) {
		const struct property *row = &properties[i];
		void *field = (char *)device + row->field;

		if (strlen(row->name) != name || strncmp(row->name, text, name) != 0 ||
		    row->has_value != (equals != NULL) || !(row->devices & 1u << device->kind))
			continue;
		if (row->has_value)
			*(const char **)field = equals + 1;
		else
			*(bool *)field = true;
		return true;
	}
	return false;
}

unsigned options_devices(const struct options *options, enum device_kind kind)
{
	unsigned count = 0;

	for (unsigned i = 0; i < options->device_count; i++)
		count += options->devices[i].kind == kind;
	return count;
}

/* The struct to store a device option in: a new one, or, of a kind of which there is at most one,
 * the existing one, which is replaced. NULL if there is no room. */
static struct device_option *place_device(struct options *options, enum device_kind kind)
{
	for (unsigned i = 0; i < options->device_count; i++)
		if (kind > DEVICE_NET && options->devices[i].kind == kind)
			return &options->devices[i];
	if (options->device_count == MAX_DEVICES)
		return NULL;
	return &options->devices[options->device_count++];
}

/* Parses a device option's value. Returns the part of it that is invalid, or NULL. */
static const char *parse_device(struct device_option *device)
{
	const char *wanted = first_values[device->kind].word;
	const char *at = device->file;

	if (wanted &&
	    (options_part(at) != strlen(wanted) || strncmp(at, wanted, strlen(wanted)) != 0))
		return at;
	if (!first_values[device->kind].is_optional)
		at += options_part(at);
	for (size_t length; *at; at += length) {
		at += *at == ',';
		length = options_part(at);
		if (!store_property(device, at, length))
			return at;
	}
	return NULL;
}

static int store_device(struct options *options, const struct option *option, const char *value)
{
	struct device_option *device = place_device(options, (enum device_kind)option->implied);
	const char *wrong;

	if (!device) {
		report("--%s %.100s: there are %u already", option->name, value ? value : "",
		       MAX_DEVICES);
		return STATUS_USAGE;
	}
	*device = (struct device_option){ .kind = (enum device_kind)option->implied,
					  .file = value ? value : "" };
	wrong = parse_device(device);
	if (wrong) {
		size_t length = options_part(wrong);

		report("--%s %.100s: %.*s is nothing that it takes; --help says what is",
		       option->name, device->file, length < 50 ? (int)length : 50, wrong);
		return STATUS_USAGE;
	}
	return STATUS_PASS;
}

static int store_module(struct options *options, const struct option *option, const char *value)
{
	if (options->module_count == MAX_MODULES) {
		report("--%s %.100s: there are %u already", option->name, value, MAX_MODULES);
		return STATUS_USAGE;
	}
	options->modules[options->module_count++] = value;
	return STATUS_PASS;
}

/* Stores an option's value. An invalid one is reported and not stored. Returns a status. */
static int store(struct options *options, const struct option *option, const char *value)
{
	void *field = (char *)options + option->field;
	uint64_t number;
	int status;

	switch ((enum kind)option->kind) {
	case FLAG:
		*(bool *)field = true;
		return STATUS_PASS;
	case STRING:
		*(const char **)field = value;
		return STATUS_PASS;
	case LIST:
		return store_module(options, option, value);
	case DEVICE:
		return store_device(options, option, value);
	case NUMBER:
		status = store_number(option, value, &number);
		break;
	case SIZE:
		status = store_size(option, value, &number);
		break;
	case WORDS:
		status = store_words(option, value, &number);
		break;
	default:
		__builtin_trap();
	}
	if (status == STATUS_PASS)
		*(uint64_t *)field = number;
	return status;
}

/* The option with this name, of `length` characters, or with this letter; NULL if there is none. */
static const struct option *find(const char *name, size_t length, bool by_letter)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (by_letter ? table[i].letter == *name
			      : strlen(table[i].name) == length &&
					!strncmp(table[i].name, name, length))
			return &table[i];
	}
	return NULL;
}

static bool is_value_optional(const struct option *option)
{
	return option->kind == WORDS ||
	       (option->kind == DEVICE && first_values[option->implied].is_optional);
}

/* Parses an argument that starts with "-"; its value may be the next argument. Moves *argv to the
 * last one that it has used. */
static int parse_option(struct options *options, char ***argv)
{
	const char *argument = **argv;
	bool by_letter = argument[1] != '-';
	const char *name = argument + (by_letter ? 1 : 2);
	const char *equals = by_letter ? NULL : strchr(name, '=');
	size_t length = by_letter ? 1 : equals ? (size_t)(equals - name) : strlen(name);
	const struct option *option = find(name, length, by_letter);
	const char *value = equals ? equals + 1 : by_letter && name[1] ? name + 1 : NULL;

	if (!option) {
		report("%.100s: no such option; --help lists them", argument);
		return STATUS_USAGE;
	}
	if (option->kind == FLAG) {
		if (value) {
			report("%.100s: --%s takes no value", argument, option->name);
			return STATUS_USAGE;
		}
	} else if (!value && !is_value_optional(option)) {
		value = *++*argv;
		if (!value) {
			report("%.100s: lacks its value, %s; --help says what it is", argument,
			       option->value);
			return STATUS_USAGE;
		}
	}
	return store(options, option, value);
}

void options_default(struct options *options)
{
	*options = (struct options){ .memory = 128 * MIB, .cpus = 1, .append = "", .grace = 10 };
}

static int too_many(const char *name, const char *other)
{
	report("%.100s: a payload is named already, %.100s; name one", name, other);
	return STATUS_USAGE;
}

int options_parse(struct options *options, int argc, char **argv)
{
	bool payload_only = false; /* after "--" */
	const char **payload;

	if (argc == 0)
		return STATUS_PASS;
	while (*++argv) {
		if (payload_only || **argv != '-' || !(*argv)[1]) {
			payload = options->payload ? &options->reset_payload : &options->payload;
			if (*payload)
				return too_many(*argv, *payload);
			*payload = *argv;
		} else if (!strcmp(*argv, "--")) {
			payload_only = true;
		} else {
			int status = parse_option(options, &argv);

			if (status)
				return status;
		}
	}
	if (options->reset_payload && !(options->on_reset & RESET_BOOTS))
		return too_many(options->reset_payload, options->payload);
	return STATUS_PASS;
}

void options_help(void)
{
	dprintf(1, "Usage: nestling [OPTION]... [PAYLOAD]\n"
		   "Runs PAYLOAD as a KVM guest: the name of a bundled one, or a file.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct option *option = &table[i];
		char letter[5] = "", value[24] = "", words[WORDS_LENGTH] = "";

		if (option->letter)
			snprintf(letter, sizeof letter, "-%c, ", option->letter);
		if (option->value)
			snprintf(value, sizeof value, is_value_optional(option) ? "[=%s]" : "=%s",
				 option->value);
		if (option->kind == WORDS)
			join_words(option->words, words, sizeof words);
		dprintf(1, "  %4s--%s%-*s%s%s%s\n", letter, option->name,
			NAME_COLUMNS - (int)strlen(option->name), value, words, *words ? ": " : "",
			option->help);
	}
	dprintf(1, "\nExit status: the guest's own; 64 wrong option, 65 bad payload, 69 no KVM,\n"
		   "70 internal error, 75 host is out of something, 76 reset under --no-reboot,\n"
		   "128+n killed by signal n (130: Ctrl-A x).\n");
}
