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

enum kind {
	FLAG,	/* bool */
	STRING, /* const char * */
	NUMBER, /* uint64_t from least to most */
	SIZE,	/* the same in bytes, with K, M, G or T; a multiple of least */
	WORDS,	/* uint64_t, a bit for each of the words that the help begins with; only behind "=";
		   without: least */
};

/* One row an option. */
static const struct option {
	const char *name;
	const char *value; /* what --help calls its value */
	const char *help;
	uint64_t least, most;
	uint16_t field; /* offset in struct options */
	char letter;	/* 0: none */
	uint8_t kind;
} table[] = {
#define FIELD(name) offsetof(struct options, name)
	{ "memory", "SIZE", "guest RAM, a multiple of 2M (128M)", 2 * MIB, UINT64_MAX / 2,
	  FIELD(memory), 'm', SIZE },
	{ "cpus", "N", "guest's CPUs (1)", 1, 512, FIELD(cpus), 'c', NUMBER },
	{ "append", "TEXT", "bootargs in the guest's device tree", 0, 0, FIELD(append), 'a',
	  STRING },
	{ "gic", "VERSION", "guest's interrupt controller: 2 or 3 (what the host has)", 2, 3,
	  FIELD(gic), 0, NUMBER },
	{ "initrd", "FILE", "initial RAM disk", 0, 0, FIELD(initrd), 'i', STRING },
	{ "dtb", "FILE", "device tree to use instead of our own", 0, 0, FIELD(dtb), 0, STRING },
	{ "dump-dtb", "FILE", "write the guest's device tree to FILE, and end", 0, 0,
	  FIELD(dump_dtb), 0, STRING },
	{ "uart", "HOW", "fast,plain: plain has an exit for each access to the UART (fast)", 1, 0,
	  FIELD(uart), 0, WORDS },
	{ "no-pmu", "", "hide the host's performance counters", 0, 0, FIELD(no_pmu), 0, FLAG },
	{ "no-sve", "", "hide the host's scalable vectors", 0, 0, FIELD(no_sve), 0, FLAG },
	{ "no-pauth", "", "hide the host's pointer authentication", 0, 0, FIELD(no_pauth), 0,
	  FLAG },
	{ "no-reboot", "", "end when the guest resets itself, instead of starting it again", 0, 0,
	  FIELD(no_reboot), 0, FLAG },
	{ "strict", "", "end when the guest touches an address that nothing backs", 0, 0,
	  FIELD(strict), 0, FLAG },
	{ "trace", "LIST", "kvm,exit,mmio,irq,psci,all: tell what happens (all)", 32, 0,
	  FIELD(trace), 0, WORDS },
	{ "trace-file", "FILE", "tell it there (standard error)", 0, 0, FIELD(trace_file), 0,
	  STRING },
	{ "trace-json", "", "tell it as trace events for Perfetto", 0, 0, FIELD(trace_json), 0,
	  FLAG },
	{ "stats", "FORM", "text,json: figures at the end (text)", 1, 0, FIELD(stats), 0, WORDS },
	{ "dump-core", "FILE",
	  "where Ctrl-A d, or an end that nobody expects, leaves a core for gdb", 0, 0,
	  FIELD(dump_core), 0, STRING },
	{ "gdb", "LINE", "let gdb debug the guest: TTY, fd:N or unix:PATH", 0, 0, FIELD(gdb), 0,
	  STRING },
	{ "gdb-wait", "", "hold the guest at its first instruction for it", 0, 0, FIELD(gdb_wait),
	  0, FLAG },
	{ "no-sandbox", "", "keep what the guest's monitor would give up, for debugging it", 0, 0,
	  FIELD(no_sandbox), 0, FLAG },
	{ "probe", "", "say what this host's KVM offers", 0, 0, FIELD(probe), 0, FLAG },
	{ "list", "", "name the bundled payloads", 0, 0, FIELD(list), 0, FLAG },
	{ "status-token", "TEXT", "as PID 1: mark the last line, for qemu-run.sh", 0, 0,
	  FIELD(status_token), 0, STRING },
	{ "help", "", "this text", 0, 0, FIELD(help), 'h', FLAG },
	{ "version", "", "version of this program", 0, 0, FIELD(version), 0, FLAG },
#undef FIELD
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

/* A number with an optional letter behind it; false if it is none or has more than 64 bits. */
static bool parse_size(const char *text, uint64_t *size)
{
	static const char letters[] = "KMGT";
	const char *letter;

	if (!parse_number(&text, size))
		return false;
	if (!*text)
		return true;
	letter = strchr(letters, *text);
	return letter && !text[1] &&
	       !__builtin_mul_overflow(*size, (uint64_t)1024 << 10 * (letter - letters), size);
}

/* Words with commas between, each a bit by its place among `words`, which end at a colon. */
static bool parse_words(const char *words, const char *text, uint64_t *bits)
{
	*bits = 0;
	do {
		const char *word = words;
		size_t length = 0;
		uint64_t bit = 1;

		while (text[length] && text[length] != ',')
			length++;
		while (strncmp(word, text, length) != 0 || !strchr(",:", word[length])) {
			while (*word != ',' && *word != ':')
				word++;
			if (*word++ == ':')
				return false;
			bit <<= 1;
		}
		*bits |= bit;
		text += length;
	} while (*text++ == ',');
	return true;
}

static int store(struct options *options, const struct option *option, const char *value)
{
	void *field = (char *)options + option->field;
	uint64_t number = 0;

	switch (option->kind) {
	case FLAG:
		*(bool *)field = true;
		return STATUS_PASS;
	case STRING:
		*(const char **)field = value;
		return STATUS_PASS;
	case NUMBER: {
		const char *rest = value;

		if (!parse_number(&rest, &number) || *rest || number < option->least ||
		    number > option->most) {
			report("--%s %.100s: takes a number from %lu to %lu", option->name, value,
			       option->least, option->most);
			return STATUS_USAGE;
		}
		break;
	}
	case WORDS:
		number = option->least;
		if (value && !parse_words(option->help, value, &number)) {
			report("--%s=%.100s: takes words of %s", option->name, value, option->help);
			return STATUS_USAGE;
		}
		break;
	default:
		if (!parse_size(value, &number)) {
			report("--%s %.100s: not a size; write a number of bytes, or one with K, M, "
			       "G or T, such as 64M",
			       option->name, value);
			return STATUS_USAGE;
		}
		if (number < option->least || number > option->most || number % option->least) {
			report("--%s %.100s: takes a multiple of %lu MiB, and not 0", option->name,
			       value, option->least / MIB);
			return STATUS_USAGE;
		}
	}
	*(uint64_t *)field = number;
	return STATUS_PASS;
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
		bool is_optional = option->kind == WORDS;
		char left[32];

		snprintf(left, sizeof left, "%c%c%c --%s%s%s%s%s", option->letter ? '-' : ' ',
			 option->letter ? option->letter : ' ', option->letter ? ',' : ' ',
			 option->name, is_optional ? "[" : "", option->value[0] ? "=" : "",
			 option->value, is_optional ? "]" : "");
		dprintf(1, "  %-28s%s\n", left, option->help);
	}
	dprintf(1, "\nExit status: the guest's own; 64 wrong option, 65 bad payload, 69 no KVM,\n"
		   "70 internal error, 75 host is out of something, 76 reset under --no-reboot,\n"
		   "128+n killed by signal n (130: Ctrl-A x).\n");
}
