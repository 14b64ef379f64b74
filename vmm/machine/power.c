// SPDX-License-Identifier: MIT
/*
 * Presses the guest's power button, and ends the run when the guest does not react. Who calls it:
 * main, commands.c, machine.c and the event loop. Touches the PL061 with its lock held.
 */
#include "power.h"

#include "crt/crt.h"
#include "map.h"
#include "serve.h"
#include "vmm/host/clock.h"
#include "vmm/report.h"

#include <signal.h>

/* How long the button is pressed, of the guest's time; as long as QEMU's. Drivers debounce. */
#define PRESS_NS (NS_PER_S / 10)

/*
 * What ends a whole process group may send a signal twice, as timeout(1) does, and the parent
 * process forwards it once more. So what comes within this time is the same request.
 */
#define SAME_NS NS_PER_S

static void release(void *opaque)
{
	struct power *power = opaque;

	pl061_set_pin(power->gpio, GPIO_POWER_PIN, false);
}

static void deadline(void *opaque)
{
	struct power *power = opaque;

	report("the guest has not switched itself off: ended");
	run_end(power->run, ENDED_BY_USER, power->status);
}

/* False: the guest cannot hear it. */
static bool press(struct power *power)
{
	bool hears;

	lock_acquire(power->gpio_lock);
	hears = pl061_is_enabled(power->gpio, GPIO_POWER_PIN);
	if (hears) {
		pl061_set_pin(power->gpio, GPIO_POWER_PIN, true);
		loop_set_timer(&power->release, 0, PRESS_NS);
	}
	lock_release(power->gpio_lock);
	return hears;
}

void power_ask(struct power *power, int status)
{
	struct run *run = power->run;

	if (power->status && clock_host_ns() - power->asked < SAME_NS)
		return;
	if (power->status || !power->grace || !run_goes_on(run) || run->paused || !press(power)) {
		run_end(run, ENDED_BY_USER, status);
		return;
	}
	power->status = status;
	power->asked = clock_host_ns();
	lock_acquire(&power->lock);
	loop_set_timer(&power->deadline, 0, power->grace);
	lock_release(&power->lock);
	report("the guest is asked to switch itself off, and ended in %lu s if it does not",
	       power->grace / NS_PER_S);
}

void power_finish(struct power *power)
{
	if (power->status && run_how_ended(power->run) == RESET)
		run_end(power->run, ENDED_BY_USER, power->status);
}

static void on_signal(void *opaque, short events)
{
	struct power *power = opaque;
	int number = serve_take_signal(&power->signals);

	(void)events;
	if (number > 0)
		power_ask(power, STATUS_SIGNAL + number);
}

/* Others that end a program keep doing so at once. What whoever started us wants to be ignored
 * remains so (a shell's background jobs ignore SIGINT): a signalfd would undo that. */
void power_create(struct power *power, struct run *run, uint64_t grace)
{
	uint64_t signals = SIGNAL_BIT(SIGTERM);

	if (!signal_is_ignored(SIGINT))
		signals |= SIGNAL_BIT(SIGINT);
	if (!signal_is_ignored(SIGPWR))
		signals |= SIGNAL_BIT(SIGPWR);
	*power = (struct power){
		.run = run,
		.grace = grace,
		.release = { .expire = release, .context = power },
		.deadline = { .expire = deadline,
			      .context = power,
			      .lock = &power->lock,
			      .is_host_time = true },
	};
	loop_add_timer(&run->loop, &power->deadline);
	serve_signals(run, &power->signals, signals, on_signal, power);
}

void power_connect(struct power *power, struct pl061 *gpio, struct lock *gpio_lock)
{
	power->gpio = gpio;
	power->gpio_lock = gpio_lock;
	power->release.lock = gpio_lock;
	loop_add_timer(&power->run->loop, &power->release);
}
