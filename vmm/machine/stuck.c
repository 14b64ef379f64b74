// SPDX-License-Identifier: MIT
/*
 * Looks now and then, while a guest that has just started prints nothing, whether a CPU of it is in
 * its exception vectors every time. That costs no exit anything, and a guest that sleeps is woken a
 * few times in its first seconds: WFI may end for no reason.
 *
 * Who calls it: machine.c, and the event loop by its timer. Touches the vCPUs while they are
 * paused.
 */
#include "stuck.h"

#include "crt/crt.h"
#include "vmm/kvm/registers.h"
#include "vmm/report.h"

#define LOOK_NS 1000000000 /* between looks while nothing is found */
#define LOOKS 8		   /* in vain, and it is left alone */
#define AGAIN_NS 100000000 /* between looks when something was */
#define HITS 11		   /* in a row: a second */

/* Of exceptions that were taken from EL1 with its own stack pointer on, and from EL0 (Arm ARM,
 * D1.3.1): bytes from VBAR_EL1. */
#define FIRST_VECTOR 0x200
#define VECTORS_END 0x800
#define PSTATE_IRQ_MASKED 0x80

/* IRQs leave no syndrome: code that lies there and is no handler is not taken for one. */
static bool is_in_vectors(const struct vcpu *vcpu)
{
	uint64_t offset = register_get(vcpu, CORE_REGISTER(regs.pc)) - register_get(vcpu, VBAR_EL1);
	uint64_t pstate = register_get(vcpu, CORE_REGISTER(regs.pstate));

	return offset >= FIRST_VECTOR && offset < VECTORS_END && PSTATE_EL(pstate) == 1 &&
	       pstate & PSTATE_IRQ_MASKED && register_get(vcpu, ESR_EL1) != 0;
}

/* The CPU that was there the last time, or any; the number of CPUs if none is. */
static unsigned find(const struct stuck *stuck)
{
	unsigned first = stuck->hits ? stuck->cpu : 0;
	unsigned end = stuck->hits ? stuck->cpu + 1 : stuck->run->cpus;

	for (unsigned i = first; i < end; i++)
		if (is_in_vectors(&stuck->run->vcpus[i]))
			return i;
	return stuck->run->cpus;
}

static void tell(const struct vcpu *vcpu)
{
	report("guest: CPU %u has not left its exception vectors for a second, and nothing was "
	       "printed: pc %#lx ESR_EL1 %#lx ELR_EL1 %#lx FAR_EL1 %#lx",
	       vcpu->index, register_get(vcpu, CORE_REGISTER(regs.pc)), register_get(vcpu, ESR_EL1),
	       register_get(vcpu, CORE_REGISTER(elr_el1)), register_get(vcpu, FAR_EL1));
}

/* True if that is worth another look. */
static bool look(struct stuck *stuck)
{
	unsigned cpu = find(stuck);
	bool is_hit = cpu < stuck->run->cpus;

	stuck->cpu = cpu;
	stuck->hits = is_hit ? stuck->hits + 1 : 0;
	stuck->looks += !is_hit;
	if (stuck->hits < HITS)
		return stuck->looks < LOOKS;
	tell(&stuck->run->vcpus[cpu]);
	return false;
}

static void expire(void *device)
{
	struct stuck *stuck = device;
	bool again = true;

	if (stuck->console->transmitted != stuck->printed)
		return;
	if (!run_pause_asked(stuck->run)) { /* else somebody else looks at it */
		run_pause(stuck->run);
		again = look(stuck);
		run_resume(stuck->run);
	}
	if (again)
		timer_line_set(&stuck->timer, stuck->hits ? AGAIN_NS : LOOK_NS);
}

void stuck_start(struct stuck *stuck)
{
	stuck->looks = stuck->hits = 0;
	stuck->printed = stuck->console->transmitted;
	lock_acquire(&stuck->lock);
	timer_line_set(&stuck->timer, LOOK_NS);
	lock_release(&stuck->lock);
}

const struct device_ops stuck_ops = { .name = "stuck", .expire = expire };
