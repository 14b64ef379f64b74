// SPDX-License-Identifier: MIT
/*
 * The order of events.
 *
 * Who calls it: crt/start.c. Everything below it is called from here, directly or by a table.
 */
#include "console.h"
#include "crt.h"
#include "init.h"
#include "kvm.h"
#include "load.h"
#include "machine.h"
#include "options.h"
#include "probe.h"

static int list_payloads(void)
{
	for (const struct bundled *bundled = bundled_payloads; bundled->name; bundled++)
		dprintf(1, "%s\t%lu bytes\n", bundled->name,
			(unsigned long)(bundled->end - bundled->start));
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

/* Starts the guest again, from nothing, as often as it resets itself. */
static int run(const struct options *options)
{
	struct kvm_system kvm;
	struct payload payload;
	struct console console;
	struct machine machine;

	payload_open(&payload, options->payload);
	kvm_open(&kvm);
	vcpu_prepare_kicks();
	console_create(&console);
	do {
		machine_create(&machine, &kvm, &console, options);
		machine_load(&machine, &payload, options);
		if (options->dump_dtb)
			return STATUS_PASS;
		machine_run(&machine);
		machine_destroy(&machine);
	} while (machine.run.end == RESET && !options->no_reboot);
	console_finish(&console);
	return machine.run.end == RESET ? STATUS_RESET : machine.run.status;
}

int main(int argc, char **argv)
{
	struct options options;
	int status = options_parse(&options, argc, argv);

	init_start(options.status_token);
	if (status != STATUS_PASS)
		return status;
	if (options.help)
		return help();
	if (options.version)
		return version();
	if (options.list)
		return list_payloads();
	if (options.probe)
		return probe();
	return run(&options);
}
