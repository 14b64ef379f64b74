/* SPDX-License-Identifier: MIT */
/* The command line. Used by main, and by whoever main hands the options to. */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
	const char *payload;	  /* name or path; NULL: the first that is bundled */
	const char *append;	  /* bootargs */
	const char *status_token; /* what PID 1's last line begins with */
	const char *stderr_path;  /* PID 1's standard error; NULL: the console */
	uint64_t memory;	  /* bytes of RAM */
	uint64_t cpus;
	uint64_t gic;	      /* version 2 or 3; 0: what the host has */
	const char *initrd;   /* file; NULL: none */
	const char *dtb;      /* file that replaces the bundled device tree; NULL: none does */
	const char *dump_dtb; /* file to write the tree to, instead of running; NULL: run */
	uint64_t uart;	      /* UART_PLAIN: without shortcuts */
	uint64_t clock;	      /* CLOCK_REAL: the guest's time runs on while the guest is held */
	/* For seeing inside of the guest. */
	const char *gdb;	/* line to a debugger; NULL: none */
	const char *dump_core;	/* file for a core dump; NULL: none */
	uint64_t trace;		/* bits of enum trace; 0: nothing is told */
	const char *trace_file; /* NULL: standard error */
	uint64_t stats;		/* bits of enum form; 0: no figures at the end */
	bool trace_json;
	bool no_pmu, no_sve, no_pauth;
	bool no_sandbox, no_reboot, strict, gdb_wait, check, probe, list, help, version;
};

/* The bits of --uart's words. */
enum uart_how {
	UART_FAST = 1,
	UART_PLAIN = 2,
};

/* The bits of --clock's words: whose time the guest has while it is held. */
enum clock_how {
	CLOCK_GUEST = 1,
	CLOCK_REAL = 2,
};

/* The bits of --trace's words: what is traced. */
enum trace {
	TRACE_KVM = 1,
	TRACE_EXIT = 2,
	TRACE_MMIO = 4,
	TRACE_IRQ = 8,
	TRACE_PSCI = 16,
	TRACE_ALL = 32, /* of the others */
};

/* The bits of --stats' words. */
enum form {
	FORM_TEXT = 1,
	FORM_JSON = 2,
};

/* What holds where nothing is said. */
void options_default(struct options *options);

/*
 * Changes options by the command line; strings stay argv's. STATUS_PASS, or STATUS_USAGE after one
 * line about the first thing that is wrong; what stood before it is filled in.
 */
int options_parse(struct options *options, int argc, char **argv);

/* What --help prints, from the same table. */
void options_help(void);

#endif
