// SPDX-License-Identifier: MIT
/*
 * While a guest that has just started prints nothing, checks now and then whether one of its CPUs
 * is in its exception vectors every time. This adds nothing to the cost of an exit. A sleeping
 * guest is woken a few times in its first seconds, which is allowed: WFI may end for no reason.
 *
 * Who calls it: machine.c, and the event loop by its timer. Touches the vCPUs while they are
 * paused.
 */
#include "stuck.h"

#include "crt/crt.h"
#include "vmm/kvm/registers.h"
#include "vmm/report.h"

#define LOOK_NS 1000000000 /* between looks while nothing is found */
#define LOOKS 8		   /* without a finding: watching ends */
#define AGAIN_NS 100000000 /* between looks after a finding */
#define HITS 11		   /* consecutive findings, about a second */

/* Range of vectors for exceptions from EL1 or EL2 with its own stack pointer, and from EL0 (Arm
 * ARM, D1.3.1), in bytes from VBAR_EL1 or VBAR_EL2. */
#define FIRST_VECTOR 0x200
#define VECTORS_END 0x800
#define PSTATE_IRQ_MASKED 0x80

/*
 * The syndrome is zero if no exception but an IRQ was taken: then the code there need not be a
 * handler.
 */
static bool is_in_vectors(const struct vcpu *vcpu)
{
	uint64_t offset =
		register_get(vcpu, CORE_REGISTER(regs.pc)) - register_of_regime(vcpu, VBAR_EL1);
	uint64_t pstate = register_get(vcpu, CORE_REGISTER(regs.pstate));

	return offset >= FIRST_VECTOR && offset < VECTORS_END &&
	       PSTATE_EL(pstate) == register_level(vcpu) && pstate & PSTATE_IRQ_MASKED &&
	       register_of_regime(vcpu, ESR_EL1) != 0;
}

/* A CPU that is in its vectors; after a finding only that CPU is checked. The number of CPUs if
 * none is. */
static unsigned find(const struct stuck *stuck)
{
	unsigned first = stuck->hits ? stuck->cpu : 0;
	unsigned end = stuck->hits ? stuck->cpu + 1 : stuck->run->cpus;

	for (unsigned i = first; i < end; i++)
		if (is_in_vectors(&stuck->run->vcpus[i]))
			return i;
	return stuck->run->cpus;
}

static void report_stuck(const struct vcpu *vcpu)
{
	unsigned level = register_level(vcpu);

	report("guest: CPU %u has not left its exception vectors for a second, and nothing was "
	       "printed: pc %#lx ESR_EL%u %#lx ELR_EL%u %#lx FAR_EL%u %#lx",
	       vcpu->index, register_get(vcpu, CORE_REGISTER(regs.pc)), level,
	       register_of_regime(vcpu, ESR_EL1), level, register_of_regime(vcpu, ELR_EL1), level,
	       register_of_regime(vcpu, FAR_EL1));
}

/* Looks once. True if there is to be another look. */
static bool look(struct stuck *stuck)
{
	unsigned cpu = find(stuck);
	bool is_hit = cpu < stuck->run->cpus;

	stuck->cpu = cpu;
	stuck->hits = is_hit ? stuck->hits + 1 : 0;
	stuck->looks += !is_hit;
	if (stuck->hits < HITS)
		return stuck->looks < LOOKS;
	report_stuck(&stuck->run->vcpus[cpu]);
	return false;
}

static void expire(void *device)
{
	struct stuck *stuck = device;
	bool again = true;

	if (stuck->console->transmitted != stuck->printed)
		return;
	if (!run_pause_asked(stuck->run)) { /* else a debugger or the user has paused it */
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
