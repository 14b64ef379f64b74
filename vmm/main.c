// SPDX-License-Identifier: MIT
/*
 * The order of events.
 *
 * Who calls it: crt/start.c. Everything below it is called from here, directly or by a table. All
 * state lies on its stack and is handed on, but for these: the auxiliary vector and the stack guard
 * (crt/start.c), the guest's time (clock.c), pages that the guest is shown (machine.c,
 * uart_fast.c), what a signal handler calls (vcpu.c), who observes KVM's calls (system.c), and
 * messages, trace and statistics, which are written from everywhere (report.c, trace.c, stats.c).
 */
#include "crt/crt.h"
#include "options.h"
#include "report.h"
#include "vmm/debug/dump.h"
#include "vmm/debug/gdb.h"
#include "vmm/debug/probe.h"
#include "vmm/debug/stats.h"
#include "vmm/debug/trace.h"
#include "vmm/host/console.h"
#include "vmm/host/init.h"
#include "vmm/host/sandbox.h"
#include "vmm/kvm/kvm.h"
#include "vmm/load/load.h"
#include "vmm/load/boot.h"
#include "vmm/machine/machine.h"

static int list_payloads(void)
{
	for (const struct bundled *bundled = bundled_payloads; bundled->name; bundled++)
		dprintf(1, "%s\t%lu bytes\n", bundled->name,
			(unsigned long)(bundled->end - bundled->start));
	return STATUS_PASS;
}

/* Without KVM and without a guest: what is wrong with the options themselves has ended us already.
 */
static int check(const struct options *options)
{
	struct boot boot;

	boot_open(&boot, options);
	payload_check(&boot.payload, options->memory);
	return STATUS_PASS;
}

static int help(void)
{
	options_help();
	return STATUS_PASS;
}

static int version(void)
{
	dprintf(1, "nestling " VERSION "\n");
	return STATUS_PASS;
}

/* Descriptors beside those of CPUs: standard ones, KVM's, VM, its GIC, payload, initrd, eventfd,
 * signalfd and timerfd; and what is asked for to see inside. */
#define MOST_FILES 11
static unsigned most_files(const struct options *options)
{
	unsigned files = MOST_FILES + (unsigned)options->cpus;

	files += (options->gdb ? GDB_FILES : 0) + (options->dump_core != NULL) +
		 (options->trace_file != NULL) +
		 (options->stats ? STATS_FILES((unsigned)options->cpus) : 0);
	return files;
}

/* Of the event loop, with what that takes. */
static unsigned roles(const struct options *options)
{
	unsigned roles = LOOP;

	roles |= (options->gdb ? DEBUGGER : 0) | (options->dump_core ? DUMPER : 0);
	return roles;
}

/* From here on standard output has what was asked for alone: what the guest prints, or a list. */
static void announce(const struct options *options)
{
	if (options->status_token)
		dprintf(1, "\036nestling: %s ready\n", options->status_token);
}

static void attach_gdb(struct gdb *gdb, struct machine *machine)
{
	gdb_attach(gdb, &machine->run, &machine->vm, &machine->flash_image, machine->console);
	machine->loop.gdb = gdb;
	loop_add_outlet(&machine->loop, &gdb->line, gdb->unsent, sizeof gdb->unsent,
			sizeof gdb->unsent, 0);
}

/* One run of the guest, and what is to be said if it could not go on. */
static void run_once(struct machine *machine)
{
	if (machine->loop.gdb)
		gdb_start(machine->loop.gdb);
	machine_run(machine);
	if (machine->run.broken && run_how_ended(&machine->run) == ENDED)
		dump(&machine->run);
}

/* Starts the guest again, from nothing, as often as it resets itself. */
static int run(const struct options *options, bool is_terminal)
{
	struct kvm_system kvm;
	struct boot boot;
	struct console console;
	struct machine machine;
	struct gdb gdb;

	trace_open(options);
	if (options->clock & CLOCK_REAL)
		clock_keep_running();
	boot_open(&boot, options);
	kvm_open(&kvm);
	vcpu_prepare_kicks();
	console_create(&console, is_terminal);
	announce(options);
	if (options->gdb)
		gdb_open(&gdb, options->gdb, options->gdb_wait);
	machine_create(&machine, &kvm, &console, options, trace_outlet());
	loop_take_sigterm(&machine.loop);
	machine.run.core = dump_open_core(options->dump_core);
	trace_attach(&machine.run);
	machine.uart_is_plain |= trace_is_on();
	machine_power_on(&machine);
	if (options->gdb)
		attach_gdb(&gdb, &machine);
	boot_load(&boot, &machine);
	if (options->dump_dtb) {
		trace_close();
		loop_finish(&machine.loop);
		return STATUS_PASS;
	}
	if (options->stats)
		stats_open();
	stats_attach(&machine.run);
	if (!options->no_sandbox)
		sandbox_enter(most_files(options));
	run_start_threads(&machine.run);
	if (!options->no_sandbox)
		sandbox_filter(roles(options));
	run_once(&machine);
	while (run_how_ended(&machine.run) == RESET && !options->no_reboot) {
		stats_detach(&machine.run);
		machine_reset(&machine);
		boot_load(&boot, &machine);
		stats_attach(&machine.run);
		run_once(&machine);
	}
	if (options->gdb)
		gdb_finish(&gdb, run_status(&machine.run));
	loop_finish(&machine.loop);
	if (options->stats)
		stats_report(&console, (unsigned)options->stats);
	trace_close();
	loop_finish(&machine.loop);
	return run_status(&machine.run);
}

#define MOST_OWN_OPTIONS 32 /* words of a bundled payload's; what is beyond is an error */

/* A bundled payload's own options first, then the command line, which can change them. */
static int parse(struct options *options, int argc, char **argv)
{
	const char *own[1 + MOST_OWN_OPTIONS + 1] = { argv[0] };
	const char *word;
	int words = 1, status;

	options_default(options);
	status = options_parse(options, argc, argv);
	word = payload_options(options->payload);
	if (status != STATUS_PASS || !word || !*word)
		return status;
	for (; *word; word += strlen(word) + 1) {
		if (words > MOST_OWN_OPTIONS) {
			report("a bundled payload has more than %d words of options",
			       MOST_OWN_OPTIONS);
			return STATUS_USAGE;
		}
		own[words++] = word;
	}
	options_default(options);
	status = options_parse(options, words, (char **)own);
	return status == STATUS_PASS ? options_parse(options, argc, argv) : status;
}

int main(int argc, char **argv)
{
	struct options options;
	int status = parse(&options, argc, argv);
	bool is_terminal;

	if (status == STATUS_PASS && options.gdb_wait && !options.gdb) {
		report("--gdb-wait: waits for whom? give --gdb, too");
		status = STATUS_USAGE;
	}
	is_terminal = init_start(&options, gdb_inherited(options.gdb));
	if (status != STATUS_PASS)
		return status;
	if (options.check)
		return check(&options);
	if (options.help || options.version || options.list || options.probe)
		announce(&options);
	if (options.help)
		return help();
	if (options.version)
		return version();
	if (options.list)
		return list_payloads();
	if (options.probe)
		return probe();
	return run(&options, is_terminal);
}
