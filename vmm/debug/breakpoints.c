// SPDX-License-Identifier: MIT
/*
 * Breakpoints, watchpoints and single steps.
 *
 * Who calls it: gdb.c, while the guest is paused. Touches guest RAM (BRKs) and the vCPUs' debug
 * state.
 */
#include "breakpoints.h"

#include "vmm/kvm/registers.h"
#include "vmm/machine/inspect.h"
#include "vmm/machine/run.h"
#include "vmm/report.h"

#define BRK 0xd4200000
#define INSTRUCTION 4 /* bytes */

/* DBGBCR_EL1, DBGWCR_EL1 (Arm ARM, D17.3.2, D17.3.11): enabled, at EL0 and EL1; which bytes. */
#define CONTROL_ENABLE 7
#define CONTROL_BYTES(bytes) ((uint64_t)(bytes) << 5)
#define WATCH_LOAD 0x08
#define WATCH_STORE 0x10
#define WATCHED 8 /* bytes that one register can watch, aligned */

/* Exception classes of debug exceptions (Arm ARM, D17.2.37). */
#define CLASS_WATCHPOINT 0x34
#define CLASS_BKPT 0x38 /* BRK of AArch32 */

#define PSTATE_KEPT 0xf1400000 /* NZCV, DIT and PAN stay through an exception */
#define PSTATE_PAN 0x00400000
#define SCTLR_SPAN 0x00800000
#define VECTOR_OWN_SP 0x200
#define VECTOR_EL0 0x400
#define VECTOR_AARCH32 0x600

void debug_create(struct debug *debug, struct run *run, const struct vm *vm)
{
	*debug = (struct debug){
		.run = run,
		.breakpoints = (unsigned)kvm_capability(vm->fd, KVM_CAP_GUEST_DEBUG_HW_BPS),
		.watchpoints = (unsigned)kvm_capability(vm->fd, KVM_CAP_GUEST_DEBUG_HW_WPS),
	};
}

/* ---- points: breakpoints and watchpoints ---- */

static bool is_watchpoint(const struct point *point)
{
	return point->kind >= WRITE_WATCHPOINT;
}

/* Does it need a debug register? A software breakpoint without memory for its BRK does. */
static bool is_hardware(const struct point *point)
{
	return point->kind != SOFTWARE_BREAKPOINT || !point->in_memory;
}

static unsigned count_hardware(const struct debug *debug, bool watchpoints)
{
	unsigned count = 0;

	for (unsigned i = 0; i < debug->count; i++)
		count += is_hardware(&debug->points[i]) &&
			 is_watchpoint(&debug->points[i]) == watchpoints;
	return count;
}

/* Reads or writes the instruction at a software breakpoint's physical address. */
static bool access_code(const struct vcpu *vcpu, const struct point *point, uint32_t *instruction,
			bool is_write)
{
	return inspect_memory(vcpu, VIEW_PHYSICAL, point->at.address, instruction, INSTRUCTION,
			      is_write) == INSTRUCTION;
}

static void put_brk(const struct vcpu *vcpu, struct point *point)
{
	uint32_t brk = BRK;

	point->in_memory = inspect_translate(vcpu, point->address, &point->at) &&
			   access_code(vcpu, point, &point->instruction, false) &&
			   access_code(vcpu, point, &brk, true);
}

/* Restores the instruction, by its physical address: page tables may have changed. If it is no BRK
 * any more, the guest has written there, and it stays. */
static void take_brk(const struct vcpu *vcpu, struct point *point)
{
	uint32_t there;

	if (point->in_memory && access_code(vcpu, point, &there, false) && there == BRK)
		access_code(vcpu, point, &point->instruction, true);
}

static bool is_possible(const struct point *point)
{
	if (is_watchpoint(point))
		return point->size - 1 < WATCHED &&
		       point->address % WATCHED + point->size <= WATCHED;
	return point->address % INSTRUCTION == 0;
}

static bool is_same(const struct point *a, const struct point *b)
{
	return a->address == b->address && a->kind == b->kind &&
	       (!is_watchpoint(a) || a->size == b->size);
}

static struct point *find(struct debug *debug, const struct point *point)
{
	for (unsigned i = 0; i < debug->count; i++)
		if (is_same(&debug->points[i], point))
			return &debug->points[i];
	return NULL;
}

bool debug_insert(struct debug *debug, const struct vcpu *vcpu, struct point point)
{
	bool watches = is_watchpoint(&point);

	if (find(debug, &point))
		return true;
	if (debug->count == POINTS || !is_possible(&point))
		return false;
	if (point.kind == SOFTWARE_BREAKPOINT)
		put_brk(vcpu, &point);
	if (is_hardware(&point) &&
	    count_hardware(debug, watches) >= (watches ? debug->watchpoints : debug->breakpoints))
		return false;
	debug->points[debug->count++] = point;
	return true;
}

bool debug_remove(struct debug *debug, struct point point)
{
	struct point *at = find(debug, &point);

	if (!at)
		return false;
	take_brk(&debug->run->vcpus[0], at);
	*at = debug->points[--debug->count];
	return true;
}

void debug_remove_all(struct debug *debug)
{
	while (debug->count)
		debug_remove(debug, debug->points[0]);
}

/* ---- resuming ---- */

static void fill_registers(const struct debug *debug, struct kvm_guest_debug_arch *registers)
{
	static const uint64_t accesses[] = {
		[WRITE_WATCHPOINT] = WATCH_STORE,
		[READ_WATCHPOINT] = WATCH_LOAD,
		[ACCESS_WATCHPOINT] = WATCH_STORE | WATCH_LOAD,
	};
	unsigned breakpoints = 0, watchpoints = 0;

	for (unsigned i = 0; i < debug->count; i++) {
		const struct point *point = &debug->points[i];
		uint64_t start = point->address % WATCHED;

		if (is_watchpoint(point)) {
			registers->dbg_wvr[watchpoints] = point->address - start;
			registers->dbg_wcr[watchpoints++] =
				CONTROL_ENABLE | accesses[point->kind] |
				CONTROL_BYTES(((1u << point->size) - 1) << start);
		} else if (is_hardware(point) && breakpoints < debug->breakpoints) {
			registers->dbg_bvr[breakpoints] = point->address;
			registers->dbg_bcr[breakpoints++] = CONTROL_ENABLE | CONTROL_BYTES(0xf);
		}
	}
}

static void apply(const struct debug *debug, struct vcpu *vcpu)
{
	struct kvm_guest_debug state = { .control = 0 };

	if (debug->count)
		state.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW;
	if (vcpu->stepping)
		state.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	fill_registers(debug, &state.arch);
	kvm_call(vcpu->fd, KVM_SET_GUEST_DEBUG, &state);
	vcpu->stopped = false;
}

void debug_resume(struct debug *debug)
{
	for (unsigned i = 0; i < debug->run->cpus; i++)
		apply(debug, &debug->run->vcpus[i]);
	run_resume(debug->run);
}

void debug_start(struct debug *debug)
{
	for (unsigned i = 0; i < debug->count; i++)
		if (debug->points[i].kind == SOFTWARE_BREAKPOINT)
			put_brk(&debug->run->vcpus[0], &debug->points[i]);
	for (unsigned i = 0; i < debug->run->cpus; i++)
		apply(debug, &debug->run->vcpus[i]);
}

/* ---- finding why a vCPU has stopped ---- */

/* A breakpoint in memory may be reached by another virtual address. */
static bool has_breakpoint(const struct debug *debug, const struct vcpu *vcpu)
{
	uint64_t pc = register_get(vcpu, CORE_REGISTER(regs.pc));
	gpa_t at;
	bool is_mapped = inspect_translate(vcpu, pc, &at);

	for (unsigned i = 0; i < debug->count; i++) {
		const struct point *point = &debug->points[i];

		if (!is_watchpoint(point) &&
		    (point->address == pc ||
		     (is_mapped && point->in_memory && point->at.address == at.address)))
			return true;
	}
	return false;
}

/* Delivers to EL1, or EL2, the exception that KVM has intercepted, as the CPU would (Arm ARM,
 * D1.3.5). */
static void deliver(const struct vcpu *vcpu, uint32_t syndrome)
{
	uint64_t pstate = register_get(vcpu, CORE_REGISTER(regs.pstate));
	uint64_t vector = register_of_regime(vcpu, VBAR_EL1);
	uint64_t pc = register_get(vcpu, CORE_REGISTER(regs.pc));
	unsigned level = register_level(vcpu);

	if (PSTATE_EL(pstate) == 0)
		vector += pstate & PSTATE_AARCH32 ? VECTOR_AARCH32 : VECTOR_EL0;
	else if (pstate & PSTATE_SP)
		vector += VECTOR_OWN_SP;
	register_set(vcpu, register_id_of_level(level, ELR_EL1), pc);
	register_set(vcpu, register_id_of_level(level, SPSR_EL1), pstate & ~PSTATE_SS);
	register_set(vcpu, register_id_of_level(level, ESR_EL1), syndrome);
	pstate = (pstate & PSTATE_KEPT) | PSTATE_DAIF | level << PSTATE_EL_SHIFT | PSTATE_SP;
	if (!(register_of_regime(vcpu, SCTLR_EL1) & SCTLR_SPAN))
		pstate |= PSTATE_PAN;
	register_set(vcpu, CORE_REGISTER(regs.pstate), pstate);
	register_set(vcpu, CORE_REGISTER(regs.pc), vector);
}

/* Finds the watchpoint that was hit: the reported address is where the access begins, which may be
 * below the watched bytes. */
static void find_watchpoint(const struct debug *debug, uint64_t address, struct stop *stop)
{
	uint64_t nearest = ~0ull;

	for (unsigned i = 0; i < debug->count; i++) {
		const struct point *point = &debug->points[i];
		uint64_t before = point->address > address ? point->address - address : 0;

		if (!is_watchpoint(point) || point->address + point->size <= address ||
		    before >= nearest)
			continue;
		nearest = before;
		stop->kind = point->kind;
		stop->address = point->address;
	}
}

/* Is it a BRK of the guest's own? */
static bool is_own_brk(const struct debug *debug, const struct vcpu *vcpu, uint32_t syndrome)
{
	return ESR_CLASS(syndrome) == CLASS_BKPT ||
	       (ESR_CLASS(syndrome) == CLASS_BRK && !has_breakpoint(debug, vcpu));
}

bool debug_find_stop(struct debug *debug, struct stop *stop)
{
	unsigned cpus = debug->run->cpus, last = stop->cpu;
	bool found = false;

	/* The vCPU after the last reported one is checked last and wins, so that each gets its
	 * turn. */
	for (unsigned i = cpus; i > 0; i--) {
		unsigned cpu = (last + i) % cpus;
		struct vcpu *vcpu = &debug->run->vcpus[cpu];
		const struct kvm_debug_exit_arch *exit = &vcpu->run->debug.arch;

		if (vcpu->stopped && is_own_brk(debug, vcpu, exit->hsr)) {
			deliver(vcpu, exit->hsr);
			vcpu->stopped = vcpu->stepping; /* delivering it completes a step */
		}
		if (!vcpu->stopped)
			continue;
		/* Other vCPUs that have stopped do so again when they are resumed. */
		*stop = (struct stop){ .cpu = cpu };
		if (ESR_CLASS(exit->hsr) == CLASS_WATCHPOINT)
			find_watchpoint(debug, exit->far, stop);
		found = true;
	}
	return found;
}
