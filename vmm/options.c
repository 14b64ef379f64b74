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
#define NAME_COLUMNS 22 /* of --help, for an option's name with its value */

enum kind {
	FLAG,	/* bool */
	STRING, /* const char * */
	NUMBER, /* uint64_t from min to max */
	SIZE,	/* uint64_t, bytes, from min to max and a multiple of min */
	WORDS,	/* uint64_t, the bits of the words that stand behind "="; without "=": implied */
};

/* What an option of kind WORDS takes. */
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

static const struct word trace_words[] = {
	{ "kvm", TRACE_KVM },
	{ "exit", TRACE_EXIT },
	{ "mmio", TRACE_MMIO },
	{ "irq", TRACE_IRQ },
	{ "psci", TRACE_PSCI },
	{ "all", TRACE_ALL },
	{ 0 },
};

static const struct word stats_words[] = {
	{ "text", FORM_TEXT },
	{ "json", FORM_JSON },
	{ 0 },
};

/* One row an option; what a kind does not need is zero. */
static const struct option {
	const char *name;
	const char *value; /* what --help calls its value; NULL: it takes none */
	const char *help;
	const struct word *words; /* of WORDS */
	uint64_t implied;	  /* of WORDS, without "=" */
	uint64_t min, max;	  /* of NUMBER and SIZE */
	uint16_t field;		  /* offset in struct options */
	char letter;		  /* 0: none */
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
	ROW(0, "dtb", STRING, dtb, "FILE", "device tree to use instead of our own"),
	ROW(0, "dump-dtb", STRING, dump_dtb, "FILE",
	    "write the guest's device tree to FILE, and end"),
	ROW(0, "uart", WORDS, uart, "HOW", "plain has an exit for each access to the UART (fast)",
	    .words = uart_words, .implied = UART_FAST),
	ROW(0, "clock", WORDS, clock, "HOW",
	    "real: the guest's time runs on while it is held (guest)", .words = clock_words,
	    .implied = CLOCK_GUEST),
	ROW(0, "no-pmu", FLAG, no_pmu, NULL, "hide the host's performance counters"),
	ROW(0, "no-sve", FLAG, no_sve, NULL, "hide the host's scalable vectors"),
	ROW(0, "no-pauth", FLAG, no_pauth, NULL, "hide the host's pointer authentication"),
	ROW(0, "no-reboot", FLAG, no_reboot, NULL,
	    "end when the guest resets itself, instead of starting it again"),
	ROW(0, "strict", FLAG, strict, NULL,
	    "end when the guest touches an address that nothing backs"),
	ROW(0, "trace", WORDS, trace, "LIST", "tell what happens (all)", .words = trace_words,
	    .implied = TRACE_ALL),
	ROW(0, "trace-file", STRING, trace_file, "FILE", "tell it there (standard error)"),
	ROW(0, "trace-json", FLAG, trace_json, NULL, "tell it as trace events for Perfetto"),
	ROW(0, "stats", WORDS, stats, "FORM", "figures at the end (text)", .words = stats_words,
	    .implied = FORM_TEXT),
	ROW(0, "dump-core", STRING, dump_core, "FILE",
	    "where Ctrl-A d, or an end that nobody expects, leaves a core for gdb"),
	ROW(0, "gdb", STRING, gdb, "LINE", "let gdb debug the guest: TTY, fd:N or unix:PATH"),
	ROW(0, "gdb-wait", FLAG, gdb_wait, NULL, "hold the guest at its first instruction for it"),
	ROW(0, "no-sandbox", FLAG, no_sandbox, NULL,
	    "keep what the guest's monitor would give up, for debugging it"),
	ROW(0, "check", FLAG, check, NULL, "only check the options, and the files that they name"),
	ROW(0, "probe", FLAG, probe, NULL, "say what this host's KVM offers"),
	ROW(0, "list", FLAG, list, NULL, "name the bundled payloads"),
	ROW(0, "status-token", STRING, status_token, "TEXT",
	    "as PID 1: mark the last line, for qemu-run.sh"),
	ROW(0, "stderr", STRING, stderr_path, "DEVICE",
	    "as PID 1: where messages, traces and figures go (the console)"),
	ROW('h', "help", FLAG, help, NULL, "this text"),
	ROW(0, "version", FLAG, version, NULL, "version of this program"),
#undef ROW
};

/* A decimal or 0x number up to the first character that is not of it; false if none or too big. */
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

/* A number of MiB, or of what the letter behind it says; false if it is none or has more than 64
 * bits. */
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

/* The word that is the first `length` characters of the text; NULL if there is none. */
static const struct word *find_word(const struct word *words, const char *text, size_t length)
{
	for (const struct word *word = words; word->name; word++)
		if (strlen(word->name) == length && !strncmp(word->name, text, length))
			return word;
	return NULL;
}

/* Words with commas between; false if one is not in the list. */
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

/* "one,two,three", cut to the buffer's size. */
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
		report("--%s %.100s: takes a number from %lu to %lu", option->name, value,
		       option->min, option->max);
		return STATUS_USAGE;
	}
	return STATUS_PASS;
}

static int store_size(const struct option *option, const char *value, uint64_t *size)
{
	if (!parse_size(value, size)) {
		report("--%s %.100s: not a size; write a number of MiB, or one with K, M, G or T "
		       "behind it (B for bytes), such as 64M",
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

/* Of a number nothing is stored when it is refused. */
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

/* The option whose name is the first `length` characters, or whose letter it is; NULL if none. */
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

/* One argument that starts with "-", its value perhaps in the next; moves *argv on to the last
 * used. */
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
	} else if (!value && option->kind != WORDS) {
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
	*options = (struct options){ .memory = 128 * MIB, .cpus = 1, .append = "" };
}

int options_parse(struct options *options, int argc, char **argv)
{
	bool payload_only = false; /* after "--" */

	if (argc == 0)
		return STATUS_PASS;
	while (*++argv) {
		if (payload_only || **argv != '-' || !(*argv)[1]) {
			if (options->payload) {
				report("%.100s: a payload is named already, %.100s; name one",
				       *argv, options->payload);
				return STATUS_USAGE;
			}
			options->payload = *argv;
		} else if (!strcmp(*argv, "--")) {
			payload_only = true;
		} else {
			int status = parse_option(options, &argv);

			if (status)
				return status;
		}
	}
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
			snprintf(value, sizeof value, option->words ? "[=%s]" : "=%s",
				 option->value);
		if (option->words)
			join_words(option->words, words, sizeof words);
		dprintf(1, "  %4s--%s%-*s%s%s%s\n", letter, option->name,
			NAME_COLUMNS - (int)strlen(option->name), value, words,
			option->words ? ": " : "", option->help);
	}
	dprintf(1, "\nExit status: the guest's own; 64 wrong option, 65 bad payload, 69 no KVM,\n"
		   "70 internal error, 75 host is out of something, 76 reset under --no-reboot,\n"
		   "128+n killed by signal n (130: Ctrl-A x).\n");
}
