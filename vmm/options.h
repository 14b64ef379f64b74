/* SPDX-License-Identifier: MIT */
/* The command line. Used by main, which hands the options on. */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_MODULES 16
#define MAX_DEVICES 31 /* that options can add; there are 32 virtio slots */

/* A device that an option adds, in the order of the command line. */
struct device_option {
	enum device_kind {
		DEVICE_DISK,
		DEVICE_NET,
		DEVICE_CONSOLE, /* at most one of this kind, and of each below */
		DEVICE_BALLOON,
	} kind;
	/* Parts of the option's value, each ending at the next comma: the file, or the network; a
	 * serial number and a MAC address, or NULL. */
	const char *file, *serial, *mac;
	bool read_only, is_volatile, legacy;
	/* What a disk is instead of the file, in memory; NULL: the file. And its bytes. */
	const uint8_t *image;
	uint64_t image_size;
};

struct options {
	const char *payload;	   /* name or path; NULL: the first that is bundled */
	const char *reset_payload; /* what --on-reset=boot starts; NULL: none is named */
	const char *append;	   /* bootargs */
	const char *status_token;  /* token in PID 1's final line; NULL: none */
	const char *stderr_path;   /* PID 1's standard error; NULL: the console */
	uint64_t memory;	   /* bytes of RAM */
	uint64_t cpus;
	uint64_t gic;	       /* version 2 or 3; 0: what the host has */
	const char *initrd;    /* file; NULL: none */
	const char *firmware;  /* file in the first bank of the flash; NULL: none */
	const char *variables; /* file in which the second bank is kept; NULL: none */
	bool has_fw_cfg;       /* the snapshot was made of a guest with --firmware; no option */
	const char *dtb;       /* file that replaces the bundled device tree; NULL: none does */
	const char *dump_dtb;  /* file to write the tree to, instead of running; NULL: run */
	uint64_t grace;	       /* seconds that the guest has to switch itself off */
	uint64_t uart;	       /* UART_PLAIN: without the fast path */
	uint64_t clock;	       /* CLOCK_REAL: the guest's time runs on while it is paused */
	uint64_t watchdog;     /* seconds; 0: none */
	uint64_t on_failure;   /* as PID 1: a bit of enum on_failure */
	/* PID 1's, of the host's kernel: FILE[,PARAMETERS] each. */
	const char *modules[MAX_MODULES];
	unsigned module_count;
	/* For debugging the guest. */
	const char *gdb;	/* the line to gdb; NULL: none */
	const char *dump_core;	/* file for a core dump; NULL: none */
	const char *save;	/* file for a snapshot; NULL: none */
	uint64_t save_at;	/* SAVE_AT_END: the run ends when the guest is saved */
	uint64_t on_reset;	/* of a resumed guest: a bit of enum on_reset; 0: not said */
	uint64_t trace;		/* bits of enum trace; 0: nothing is traced */
	const char *trace_file; /* NULL: standard error */
	uint64_t stats;		/* bits of enum form; 0: no statistics */
	bool trace_json;
	uint64_t el2; /* a bit of enum el2; 0: the guest's CPUs have none */
	bool no_pmu, no_sve, no_pauth;
	struct device_option devices[MAX_DEVICES];
	unsigned device_count;
	const char *diff; /* a snapshot to compare with; NULL: none */
	bool verify;	  /* a snapshot's RAM, too, before it is resumed */
	bool force;	  /* a snapshot is resumed although its disks have changed */
	bool no_sandbox, no_reboot, strict, gdb_wait, check, probe, list, help, version, describe;
};

/* The bits of --uart's words. */
enum uart_how {
	UART_FAST = 1,
	UART_PLAIN = 2,
};

/* The bits of --clock's words: does the guest's time stop while the guest is paused? */
enum clock_how {
	CLOCK_GUEST = 1,
	CLOCK_REAL = 2,
};

/* The bits of --el2's words: its only value of HCR_EL2.E2H, 1 or 0. */
enum el2 {
	EL2_VHE = 1,
	EL2_E2H0 = 2,
};

/* The bits of --on-failure's words: what becomes of the host then. */
enum on_failure {
	FAILURE_OFF = 1,
	FAILURE_REBOOT = 2,
	FAILURE_RESTART = 4, /* the monitor is started again */
};

/* The bits of --save-at's words. */
enum save_at {
	SAVE_AT_END = 1,
};

/* The bits of --on-reset's words. */
enum on_reset {
	RESET_RESUMES = 1,
	RESET_BOOTS = 2,
};

/* The bits of --trace's words: what is traced. */
enum trace {
	TRACE_KVM = 1,
	TRACE_EXIT = 2,
	TRACE_MMIO = 4,
	TRACE_IRQ = 8,
	TRACE_PSCI = 16,
	TRACE_VIRTIO = 32,
	TRACE_ALL = 64, /* all of the above */
};

/* The bits of --stats' words. */
enum form {
	FORM_TEXT = 1,
	FORM_JSON = 2,
};

/* Sets the defaults. */
void options_default(struct options *options);

/* Applies the command line; strings remain argv's. Returns STATUS_PASS, or STATUS_USAGE after a
 * message about the first error; options before that one have been applied. */
int options_parse(struct options *options, int argc, char **argv);

/* Bytes up to the next comma, or to the end. */
size_t options_part(const char *text);
/* The number of a descriptor; -1 if that is none. */
static inline int options_descriptor(const char *text)
{
	int number = 0;

	if (!*text)
		return -1;
	for (; *text >= '0' && *text <= '9' && number < 1 << 20; text++)
		number = number * 10 + (*text - '0');
	return *text ? -1 : number;
}
/* How many devices of a kind there are. */
unsigned options_devices(const struct options *options, enum device_kind kind);

/* What --help prints, from the same table. */
void options_help(void);

#endif
