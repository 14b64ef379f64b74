// SPDX-License-Identifier: MIT
/*
 * Breakpoints, watchpoints and steps.
 *
 * Who calls it: gdb.c, while the guest is paused. Touches guest RAM (BRKs), the vCPUs' debug state.
 */
#include "debug.h"

#include "inspect.h"
#include "report.h"

#define BRK 0xd4200000
#define INSTRUCTION 4 /* bytes */

/* DBGBCR_EL1, DBGWCR_EL1 (Arm ARM, D17.3.2, D17.3.11): enabled, at EL0 and EL1; which bytes. */
#define CONTROL_ENABLE 7
#define CONTROL_BYTES(bytes) ((uint64_t)(bytes) << 5)
#define WATCH_LOAD 0x08
#define WATCH_STORE 0x10
#define WATCHED 8 /* bytes that one register can watch, aligned */

/* Exceptions that end KVM_RUN (Arm ARM, D17.2.37), from a lower exception level. */
#define CLASS_WATCHPOINT 0x34

#define PSTATE_KEPT 0xf1400000 /* NZCV, DIT and PAN stay through an exception */
#define PSTATE_PAN 0x00400000
#define PSTATE_EL1H 5
#define SCTLR_SPAN 0x00800000
#define VECTOR_SP_EL1 0x200
#define VECTOR_EL0 0x400

void debug_create(struct debug *debug, struct run *run, const struct vm *vm)
{
	*debug = (struct debug){
		.run = run,
		.breakpoints = (unsigned)kvm_capability(vm->fd, KVM_CAP_GUEST_DEBUG_HW_BPS),
		.watchpoints = (unsigned)kvm_capability(vm->fd, KVM_CAP_GUEST_DEBUG_HW_WPS),
	};
}

/* ---- points ---- */

static bool is_watchpoint(const struct point *point)
{
	return point->kind >= WRITE_WATCHPOINT;
}

static unsigned count_hardware(const struct debug *debug, bool watchpoints)
{
	unsigned count = 0;

	for (unsigned i = 0; i < debug->count; i++)
		count += debug->points[i].kind != SOFTWARE_BREAKPOINT &&
			 is_watchpoint(&debug->points[i]) == watchpoints;
	return count;
}

/* Writes an instruction where a software breakpoint is. */
static bool patch(const struct vcpu *vcpu, const struct point *point, uint32_t instruction)
{
	return inspect_memory(vcpu, VIEW_VIRTUAL, point->address, &instruction, INSTRUCTION,
			      true) == INSTRUCTION;
}

static bool read_instruction(const struct vcpu *vcpu, struct point *point)
{
	return inspect_memory(vcpu, VIEW_VIRTUAL, point->address, &point->instruction, INSTRUCTION,
			      false) == INSTRUCTION;
}

bool debug_insert(struct debug *debug, const struct vcpu *vcpu, struct point point)
{
	if (debug->count == POINTS)
		return false;
	if (is_watchpoint(&point)) {
		if (point.size - 1 >= WATCHED || point.address % WATCHED + point.size > WATCHED ||
		    count_hardware(debug, true) >= debug->watchpoints)
			return false;
	} else {
		if (point.address % INSTRUCTION)
			return false;
		if (point.kind == SOFTWARE_BREAKPOINT && !read_instruction(vcpu, &point))
			point.kind = HARDWARE_BREAKPOINT;
		if (point.kind == SOFTWARE_BREAKPOINT)
			patch(vcpu, &point, BRK);
		else if (count_hardware(debug, false) >= debug->breakpoints)
			return false;
	}
	debug->points[debug->count++] = point;
	return true;
}

/* gdb asks for what stands in for a software breakpoint as such. */
static bool is_same(const struct point *a, const struct point *b)
{
	return a->address == b->address &&
	       (is_watchpoint(a) ? a->kind == b->kind && a->size == b->size : !is_watchpoint(b));
}

bool debug_remove(struct debug *debug, const struct vcpu *vcpu, struct point point)
{
	for (unsigned i = 0; i < debug->count; i++) {
		struct point *at = &debug->points[i];

		if (!is_same(at, &point))
			continue;
		/* If its page is gone the BRK is, too. */
		if (at->kind == SOFTWARE_BREAKPOINT)
			patch(vcpu, at, at->instruction);
		*at = debug->points[--debug->count];
		return true;
	}
	return false;
}

void debug_remove_all(struct debug *debug)
{
	while (debug->count)
		debug_remove(debug, &debug->run->vcpus[0], debug->points[0]);
}

/* ---- going on ---- */

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
		} else if (point->kind == HARDWARE_BREAKPOINT) {
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
	for (unsigned i = 0; i < debug->count; i++) {
		struct point *point = &debug->points[i];

		if (point->kind == SOFTWARE_BREAKPOINT &&
		    read_instruction(&debug->run->vcpus[0], point))
			patch(&debug->run->vcpus[0], point, BRK);
	}
	for (unsigned i = 0; i < debug->run->cpus; i++)
		apply(debug, &debug->run->vcpus[i]);
}

/* ---- stopping ---- */

static bool has_breakpoint(const struct debug *debug, uint64_t address)
{
	for (unsigned i = 0; i < debug->count; i++)
		if (!is_watchpoint(&debug->points[i]) && debug->points[i].address == address)
			return true;
	return false;
}

/* Takes the exception that KVM has kept from the guest to EL1 (Arm ARM, D1.3.5). */
static void deliver(const struct vcpu *vcpu, uint32_t syndrome)
{
	uint64_t pstate = register_get(vcpu, CORE_REGISTER(regs.pstate));
	uint64_t vector = register_get(vcpu, VBAR_EL1);

	if (PSTATE_EL(pstate) == 0)
		vector += VECTOR_EL0;
	else if (pstate & PSTATE_SP)
		vector += VECTOR_SP_EL1;
	register_set(vcpu, CORE_REGISTER(elr_el1), register_get(vcpu, CORE_REGISTER(regs.pc)));
	register_set(vcpu, CORE_REGISTER(spsr[KVM_SPSR_EL1]), pstate);
	register_set(vcpu, ESR_EL1, syndrome);
	pstate = (pstate & PSTATE_KEPT) | PSTATE_DAIF | PSTATE_EL1H;
	if (!(register_get(vcpu, SCTLR_EL1) & SCTLR_SPAN))
		pstate |= PSTATE_PAN;
	register_set(vcpu, CORE_REGISTER(regs.pstate), pstate);
	register_set(vcpu, CORE_REGISTER(regs.pc), vector);
}

/* Which watchpoint is it? The CPU tells the lowest address of an access that begins before it. */
static void find_watchpoint(const struct debug *debug, uint64_t address, struct stop *stop)
{
	for (unsigned i = 0; i < debug->count; i++) {
		const struct point *point = &debug->points[i];

		if (!is_watchpoint(point) || (point->address ^ address) / WATCHED)
			continue;
		stop->kind = point->kind;
		stop->address = point->address;
	}
}

bool debug_find_stop(struct debug *debug, struct stop *stop)
{
	bool found = false;

	for (unsigned i = 0; i < debug->run->cpus; i++) {
		struct vcpu *vcpu = &debug->run->vcpus[i];
		const struct kvm_debug_exit_arch *exit = &vcpu->run->debug.arch;

		if (!vcpu->stopped)
			continue;
		if (ESR_CLASS(exit->hsr) == CLASS_BRK &&
		    !has_breakpoint(debug, register_get(vcpu, CORE_REGISTER(regs.pc)))) {
			deliver(vcpu, exit->hsr);
			vcpu->stopped = false;
			continue;
		}
		/* Of several the others stand where they are, and will stop again. */
		*stop = (struct stop){ .cpu = i };
		if (ESR_CLASS(exit->hsr) == CLASS_WATCHPOINT)
			find_watchpoint(debug, exit->far, stop);
		found = true;
	}
	return found;
}
