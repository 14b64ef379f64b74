// SPDX-License-Identifier: MIT
/* Ctrl-A's commands. Who calls it: the terminal, on the event loop's thread. */
#include "commands.h"

#include "devices/virtio/net.h"
#include "report.h"
#include "vmm/debug/dump.h"
#include "vmm/debug/stats.h"
#include "vmm/machine/machine.h"

#include <signal.h>

static void end(void *opaque)
{
	struct machine *machine = opaque;

	run_end(&machine->run, ENDED_BY_USER, STATUS_ESCAPE);
}

/* As SIGTERM does. */
static void power(void *opaque)
{
	struct machine *machine = opaque;

	power_ask(&machine->power, STATUS_SIGNAL + SIGTERM);
}

static void reset(void *opaque)
{
	struct machine *machine = opaque;

	run_end(&machine->run, RESET, 0);
}

static void statistics(void *opaque)
{
	const struct machine *machine = opaque;

	report_text("\n");
	stats_report(machine->console, FORM_TEXT);
}

static void send_break(void *opaque)
{
	struct machine *machine = opaque;

	console_send_break(machine->console);
}

static void save(void *machine)
{
	machine_ask_save(machine, false);
}

static void dump_guest(void *opaque)
{
	struct run *run = &((struct machine *)opaque)->run;
	bool was_paused = run->paused; /* by a debugger, or for a save */

	run_pause(run);
	dump(run);
	if (!was_paused)
		run_resume(run);
}

static struct virtio_net *net_of(const struct bus_region *region)
{
	struct virtio *device = region->device;

	return region->slot >= 0 && device->type && device->type->id == VIRTIO_NET
		       ? (struct virtio_net *)device
		       : NULL;
}

/* All of them: plugged in if the first is not. */
static void toggle_link(void *opaque)
{
	struct bus *bus = &((struct machine *)opaque)->bus;
	const struct virtio_net *first = NULL;
	bool plug = false;

	for (unsigned i = 0; i < bus->count; i++) {
		struct bus_region *region = &bus->regions[i];
		struct virtio_net *net = net_of(region);

		if (!net)
			continue;
		plug = first ? plug : net->unplugged;
		first = first ? first : net;
		lock_acquire(&region->lock);
		virtio_net_plug(net, plug);
		lock_release(&region->lock);
	}
	report("%s", !first ? "the guest has no network"
		     : plug ? "the guest's network is plugged in"
			    : "the guest's network is unplugged");
}

static void help(void *context);

/* Ctrl-A twice sends one Ctrl-A (terminal.c). */
const struct terminal_command terminal_commands[] = {
	{ 'h', "this help", help },
	{ 'x', "end", end },
	{ 'p', "press the guest's power button; it is ended if it does not react", power },
	{ 'r', "reset the guest", reset },
	{ 's', "statistics", statistics },
	{ 'c', "statistics", statistics },
	{ 'b', "send a break", send_break },
	{ 'd', "dump the CPUs", dump_guest },
	{ 'l', "pull the network's cable, or plug it in", toggle_link },
	{ 'w', "save the guest", save },
	{ 0 },
};

static void help(void *context)
{
	(void)context;
	report_text("\nCtrl-A, and then:\n");
	for (const struct terminal_command *row = terminal_commands; row->key; row++)
		report_text("%c       %s\n", row->key, row->help);
	report_text("Ctrl-A  send Ctrl-A\n");
}
