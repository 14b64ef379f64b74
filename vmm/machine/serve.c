// SPDX-License-Identifier: MIT
/* The event loop's thread during and after a run. Who calls it: machine.c, gdb_line.c and main.
 * Touches console, outlets and, while it is paused, the run. */
#include "serve.h"

#include "crt/sys.h"
#include "vmm/host/clock.h"
#include "vmm/report.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>

/* ---- output ---- */

static short outlet_events(void *outlet)
{
	return outlet_waits(outlet) ? POLLOUT : 0;
}

/* Lines that were dropped are reported once there is room for the report. */
static void flush(void *opaque, short events)
{
	struct outlet *outlet = opaque;
	unsigned lost = outlet_flush(outlet);

	(void)events;
	if (lost)
		report("%s has stalled: %u lines are lost", outlet->name, lost);
	if (outlet->flushed)
		outlet->flushed(outlet->context);
}

void serve_outlet(struct run *run, struct loop_source *source, struct outlet *outlet,
		  struct outlet_room room)
{
	room.wake = run->loop.wake;
	room.hold = run_hold;
	room.run = run;
	outlet_attach(outlet, &room);
	*source = (struct loop_source){
		.fd = outlet->fd, .events = outlet_events, .ready = flush, .context = outlet
	};
	loop_add_source(&run->loop, source);
}

#define PATIENCE_NS (OUTLET_PATIENCE_MS * (NS_PER_S / 1000))

void serve_rest(struct run *run, struct console *console)
{
	size_t waiting, before = 0;
	/* When output was last accepted, or when the user ended the run; of clock_host_ns. */
	uint64_t last = 0;
	bool was_by_user = false;

	while ((waiting = outlets_waiting()) > 0) {
		bool by_user = run_how_ended(run) == ENDED_BY_USER;
		uint64_t now = clock_host_ns();

		if (waiting != before || by_user != was_by_user)
			last = now;
		if (by_user && now - last >= PATIENCE_NS)
			return;
		before = waiting;
		was_by_user = by_user;
		console_guest_is_over(console);
		loop_wait(&run->loop, by_user ? last + PATIENCE_NS - now : LOOP_NEVER);
	}
}

/* ---- the run ---- */

/* Completes a pause, requested by a debugger or after the process was suspended; in the latter case
 * the guest's time goes on from a quarter of a second after the suspension began. */
static void complete_pause(struct run *run)
{
	uint64_t suspended = loop_take_suspension(&run->loop);

	if (suspended && !clock_is_stopped() && run_pause_after_suspension(run))
		clock_set_back(suspended);
	run_complete_pause(run);
	if (run->at_pause && !run->at_pause(run->at_pause_context))
		return;
	if (run->on_paused)
		run->on_paused(run->debugger);
	else
		run_resume(run);
}

void serve_run(struct run *run, struct console *console)
{
	/* At least one turn, so that a guest that resets itself immediately does not keep the user
	 * from ending it. run_end wakes the loop. */
	do {
		console_feed(console);
		if (run_pause_asked(run))
			complete_pause(run);
		loop_turn(&run->loop);
	} while (run_goes_on(run));
}

/* ---- signals ---- */

int serve_take_signal(const struct loop_source *source)
{
	struct signalfd_siginfo info = { 0 };

	sys_read(source->fd, &info, sizeof info);
	return (int)info.ssi_signo;
}

void serve_signals(struct run *run, struct loop_source *source, uint64_t signals,
		   void (*ready)(void *context, short events), void *context)
{
	must_call(sys_rt_sigprocmask(SIG_BLOCK, &signals, NULL, sizeof signals), "signalfd");
	*source = (struct loop_source){
		.fd = must_call(sys_signalfd4(-1, &signals, sizeof signals, SFD_CLOEXEC),
				"signalfd"),
		.ready = ready,
		.context = context,
	};
	loop_add_source(&run->loop, source);
}
