// SPDX-License-Identifier: MIT
/*
 * The order of events.
 *
 * Who calls it: crt/start.c. Everything else is called from here, directly or by a table. All state
 * is on its stack and passed on as arguments, except for: the auxiliary vector and the stack guard
 * (start.c), the guest's time (clock.c), the shadow page (uart_fast.c), the callback of a signal
 * handler (vcpu.c), what the watchdog dumps (watchdog.c), the observer of KVM's calls (system.c),
 * the list of outlets (outlet.c), and messages, trace and statistics (report.c, trace.c, stats.c).
 */
#include "commands.h"
#include "crt/crt.h"
#include "devices.h"
#include "options.h"
#include "report.h"
#include "vmm/debug/dump.h"
#include "vmm/debug/gdb.h"
#include "vmm/debug/probe.h"
#include "vmm/debug/snapshot_text.h"
#include "vmm/debug/stats.h"
#include "vmm/debug/trace.h"
#include "vmm/host/clock.h"
#include "vmm/host/init.h"
#include "vmm/host/sandbox.h"
#include "vmm/kvm/kvm.h"
#include "vmm/load/load.h"
#include "vmm/load/boot.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/serve.h"
#include "vmm/snapshot/resume.h"
#include "vmm/snapshot/save.h"

static int list_payloads(void)
{
	for (const struct bundled *bundled = bundled_payloads; bundled->name; bundled++)
		dprintf(1, "%s\t%lu bytes\n", bundled->name,
			(unsigned long)(bundled->end - bundled->start));
	return STATUS_PASS;
}

/* What a guest starts from, and again after each of its resets: a payload, or a snapshot; or one
 * after the other. */
struct start {
	bool is_resume, has_boot;
	struct boot boot;
	struct resume resume;
};

/* What a snapshot says of its machine comes to be in the options. */
static void open_start(struct start *start, struct options *options)
{
	struct payload payload = { .size = 0 };

	if (options->payload || !options->firmware)
		payload_open(&payload, "", options->payload);
	start->is_resume = resume_matches(&payload);
	start->has_boot = !start->is_resume || options->on_reset & RESET_BOOTS;
	if (!start->is_resume && options->on_reset)
		die(STATUS_USAGE, "--on-reset: %.200s is no snapshot; leave it out", payload.name);
	if (start->is_resume)
		resume_open(&start->resume, &payload, options);
	if (start->is_resume && start->has_boot) {
		if (options->reset_payload)
			payload_open(&payload, "", options->reset_payload);
		if (resume_matches(&payload))
			die(STATUS_USAGE, "--on-reset=boot: name a payload behind the snapshot");
	}
	if (start->has_boot)
		boot_open(&start->boot, &payload, options);
}

/*
 * Checks the files without KVM and without a guest; the options themselves were checked by parse().
 */
static int check(struct options *options)
{
	struct devices devices;
	struct start start;

	open_start(&start, options);
	if (start.has_boot)
		boot_check(&start.boot);
	devices_open(&devices, options);
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

/* Descriptors not counting vCPUs': the standard three, /dev/kvm, VM, GIC, ITS, payload, initrd,
 * eventfd, signalfd and timerfd; and those that options for debugging and devices need. */
#define MAX_FILES 12
static unsigned max_files(const struct options *options)
{
	unsigned files = MAX_FILES + (unsigned)options->cpus;

	files += (options->gdb ? GDB_FILES : 0) + (options->dump_core != NULL) +
		 (options->firmware != NULL) + (options->trace_file != NULL) +
		 (options->reset_payload != NULL) + (options->save ? SAVER_FILES : 0) +
		 (options->stats ? STATS_FILES((unsigned)options->cpus) : 0) +
		 devices_files(options);
	return files;
}

/* Roles of the event loop's thread. */
static unsigned roles(const struct options *options, const struct devices *devices)
{
	unsigned roles = LOOP_THREAD | (devices_roles(devices) & ~(unsigned)VCPU_ROLES);

	roles |= (options->gdb ? LOOP_WITH_GDB : 0) | (options->dump_core ? LOOP_WITH_CORE : 0) |
		 (options->save ? LOOP_WITH_SAVE : 0);
	return roles;
}

/* Roles of the vCPUs' threads; 0: no filter. */
static unsigned cpu_roles(const struct options *options, const struct devices *devices)
{
	return options->no_sandbox ? 0 : VCPU_THREAD | (devices_roles(devices) & VCPU_ROLES);
}

/* Marks the point from which standard output is the guest's, or what --list and its like print. */
static void announce(const struct options *options)
{
	if (options->status_token)
		dprintf(1, "\036nestling: %s ready\n", options->status_token);
}

/* One run of the guest, and a dump if a vCPU could not continue. */
static void run_once(struct machine *machine, struct gdb *gdb, struct save *save)
{
	if (gdb)
		gdb_start(gdb);
	machine_run(machine);
	if (save)
		save_run_is_over(save);
	if (machine->run.broken && run_how_ended(&machine->run) == ENDED)
		dump(&machine->run);
}

/* The machine is as after power-on: what the guest starts from is put into it. */
static void load(struct machine *machine, struct start *start, struct save *save)
{
	if (save)
		save_attach(save, machine);
	if (start->is_resume)
		resume_load(&start->resume, machine);
	else
		boot_load(&start->boot, machine);
	machine->finisher.is_resumed = start->is_resume;
}

/* After a reset. */
static void start_afresh(struct machine *machine, struct start *start, struct save *save)
{
	start->is_resume &= !start->has_boot;
	stats_detach(&machine->run);
	machine_reset(machine);
	load(machine, start, save);
	stats_attach(&machine->run);
}

/* Creates the machine, with its devices, traces and signals, in the state after power-on. */
static void make_machine(struct machine *machine, const struct kvm_system *kvm,
			 struct console *console, struct devices *devices,
			 const struct start *start, const struct options *options, uint32_t *beats)
{
	machine_create(machine, kvm, console, options, trace_outlet());
	if (start->is_resume)
		resume_prepare(&start->resume, machine);
	machine->run.cpu_roles = cpu_roles(options, devices);
	power_create(&machine->power, &machine->run, options->grace * NS_PER_S);
	watchdog_create(&machine->watchdog, &machine->run, beats, options->watchdog);
	machine->run.core = dump_open_core(options->dump_core);
	trace_attach(&machine->run);
	machine->is_traced = trace_is_on();
	if (machine->is_traced || options->gdb) /* gdb's user may start a trace later */
		machine->observe = trace_virtio;
	machine->uart_is_plain |= machine->is_traced;
	devices_add(devices, machine);
	machine_connect(machine);
	devices_attach(devices, machine);
	machine_power_on(machine);
}

/* Sets everything up and runs the guest, again after each reset. */
static int run(struct options *options, bool is_terminal, uint32_t *beats)
{
	struct kvm_system kvm;
	struct devices devices;
	struct start start;
	struct save saver, *save = NULL;
	struct console console;
	struct machine machine;
	struct gdb gdb;
	const char *directories[MAX_DEVICES];

	trace_open(options);
	if (options->clock & CLOCK_REAL)
		clock_keep_running();
	if (options->save) {
		save = &saver;
		save_open(save, options->save, options->save_at & SAVE_AT_END,
			  !options->no_sandbox);
	}
	open_start(&start, options);
	devices_open(&devices, options);
	kvm_open(&kvm);
	vcpu_prepare_kicks();
	console_create(&console, is_terminal, terminal_commands, &machine);
	announce(options);
	if (options->gdb)
		gdb_open(&gdb, options->gdb, options->gdb_wait);
	make_machine(&machine, &kvm, &console, &devices, &start, options, beats);
	load(&machine, &start, save);
	if (options->dump_dtb) {
		trace_close();
		serve_rest(&machine.run, &console);
		return STATUS_PASS;
	}
	if (options->gdb)
		gdb_attach(&gdb, &machine.run, &machine.vm, &machine.flash_image, &console);
	if (options->stats)
		stats_open();
	stats_attach(&machine.run);
	if (!options->no_sandbox)
		sandbox_enter(max_files(options), directories,
			      devices_directories(&devices, directories));
	run_start_threads(&machine.run);
	devices_start(&devices, !options->no_sandbox);
	if (!options->no_sandbox)
		sandbox_filter(roles(options, &devices));
	run_once(&machine, options->gdb ? &gdb : NULL, save);
	while (run_how_ended(&machine.run) == RESET && !options->no_reboot) {
		start_afresh(&machine, &start, save);
		run_once(&machine, options->gdb ? &gdb : NULL, save);
	}
	if (options->gdb)
		gdb_finish(&gdb, run_status(&machine.run));
	serve_rest(&machine.run, &console);
	if (options->stats)
		stats_report(&console, (unsigned)options->stats);
	trace_close();
	serve_rest(&machine.run, &console);
	return run_status(&machine.run);
}

#define MAX_OWN_OPTIONS 32 /* max words of options of a bundled payload */

/* The options of a bundled payload come first, so that the command line can override them. */
static int parse(struct options *options, int argc, char **argv)
{
	const char *own[1 + MAX_OWN_OPTIONS + 1] = { argv[0] };
	const char *word;
	int words = 1, status;

	options_default(options);
	status = options_parse(options, argc, argv);
	word = options->payload || !options->firmware ? payload_options(options->payload) : NULL;
	if (status != STATUS_PASS || !word || !*word)
		return status;
	for (; *word; word += strlen(word) + 1) {
		if (words > MAX_OWN_OPTIONS) {
			report("a bundled payload has more than %d words of options",
			       MAX_OWN_OPTIONS);
			return STATUS_USAGE;
		}
		own[words++] = word;
	}
	options_default(options);
	status = options_parse(options, words, (char **)own);
	options->reset_payload = options->payload;
	options->payload = NULL;
	return status == STATUS_PASS ? options_parse(options, argc, argv) : status;
}

int main(int argc, char **argv)
{
	struct options options;
	int status = parse(&options, argc, argv);
	int kept[1 + MAX_DEVICES] = { gdb_inherited(options.gdb) };
	bool is_terminal;
	uint32_t *beats;

	if (status == STATUS_PASS && options.gdb_wait && !options.gdb) {
		report("--gdb-wait: waits for whom? give --gdb, too");
		status = STATUS_USAGE;
	}
	is_terminal = init_start(&options, kept, 1 + devices_inherited(&options, kept + 1), &beats);
	if (status != STATUS_PASS)
		return status;
	if (options.check)
		return check(&options);
	if (options.help || options.version || options.list || options.probe || options.describe ||
	    options.diff)
		announce(&options);
	if (options.help)
		return help();
	if (options.version)
		return version();
	if (options.list)
		return list_payloads();
	if (options.probe)
		return probe();
	if (options.diff)
		return snapshot_text_diff(options.diff, options.payload);
	if (options.describe)
		return snapshot_text_print(options.payload, dump_open_core(options.dump_core));
	return run(&options, is_terminal, beats);
}
