// SPDX-License-Identifier: MIT
/*
 * Carries out loads and stores that KVM cannot: reads the instruction by the guest's page tables,
 * makes the accesses on the bus or in the interrupt controller, and updates the vCPU's registers.
 *
 * Who calls it: exits.c on a vCPU's thread, run.c while all vCPUs are paused. Touches the vCPU's
 * registers, devices by the bus, and the interrupt controller in the kernel.
 */
#include "no_syndrome.h"

#include "bus.h"
#include "load_store.h"
#include "map.h"
#include "inspect.h"
#include "run.h"
#include "stray.h"
#include "vmm/kvm/gic_registers.h"
#include "vmm/kvm/registers.h"
#include "vmm/report.h"

#define PAGE 4096    /* the smallest page size: contiguous for the guest */
#define MAX_BYTES 32 /* of an access: two vector registers */
#define MAX_PIECE 8  /* bytes of an access on the bus */
#define ZERO 31	     /* the number of the general register that is zero */

_Static_assert(MAX_BYTES / MAX_PIECE == ARRAY_SIZE(((struct vcpu *)0)->no_syndrome.pieces),
	       "room for every piece");

/* An instruction, with the values of its registers. */
struct attempt {
	uint64_t pc, pstate;
	uint32_t instruction; /* 0, which is none, if it cannot be read */
	struct load_store access;
	uint64_t base;	/* value of the base register */
	int64_t offset; /* to be added to it */
	gpa_t at;	/* of the access's first byte */
};

static uint64_t general(const struct vcpu *vcpu, unsigned n)
{
	return n == ZERO ? 0 : register_get(vcpu, register_general(vcpu, n));
}

/* The guest gets an external abort, as KVM itself would give it. Reported once for an address. */
static void give_abort(struct vcpu *vcpu, const struct attempt *attempt)
{
	struct kvm_vcpu_events events = { .exception.ext_dabt_pending = 1 };
	struct stray *stray = vcpu->bus->stray;
	uint64_t at = vcpu->no_syndrome.at;

	if (stray->strict || stray_is_new(stray, GPA(at)))
		report("guest: pc %#lx: access at %#lx by instruction %#08x, without syndrome: "
		       "external abort",
		       attempt->pc, at, attempt->instruction);
	if (stray->strict)
		run_end(stray->strict, ENDED, STATUS_PAYLOAD);
	kvm_call(vcpu->fd, KVM_SET_VCPU_EVENTS, &events);
}

/* ---- the instruction ---- */

static unsigned total_size(const struct load_store *access)
{
	return (unsigned)access->size * access->count;
}

/*
 * Is the attempt what has caused the exit? The instruction may have been changed since by another
 * CPU, or the page tables: so it has to be of the same direction, and access the same address. What
 * crosses a page may be in two places.
 */
static bool matches(const struct vcpu *vcpu, struct attempt *attempt)
{
	unsigned size = total_size(&attempt->access);
	uint64_t address = attempt->base;

	if (!attempt->access.is_post)
		address += (uint64_t)attempt->offset;
	return attempt->access.is_load != vcpu->no_syndrome.is_write &&
	       address % PAGE + size <= PAGE && inspect_translate(vcpu, address, &attempt->at) &&
	       vcpu->no_syndrome.at - attempt->at.address < size;
}

/* Reads an instruction from RAM, or from flash, which a guest can run from. False if it is in
 * neither. */
static bool fetch(const struct vcpu *vcpu, uint64_t pc, uint32_t *instruction)
{
	gpa_t at;

	if (inspect_memory(vcpu, VIEW_VIRTUAL, pc, instruction, sizeof *instruction, false) ==
	    sizeof *instruction)
		return true;
	if (!inspect_translate(vcpu, pc, &at) || at.address >= FLASH_SIZE)
		return false;
	*instruction = (uint32_t)bus_read(vcpu->bus, at, sizeof *instruction);
	return true;
}

/* Reads the instruction and its registers. False if it cannot be carried out. */
static bool understand(const struct vcpu *vcpu, struct attempt *attempt)
{
	struct load_store *access = &attempt->access;

	*attempt = (struct attempt){
		.pc = register_get(vcpu, CORE_REGISTER(regs.pc)),
		.pstate = register_get(vcpu, CORE_REGISTER(regs.pstate)),
	};
	if (attempt->pstate & PSTATE_AARCH32 || !fetch(vcpu, attempt->pc, &attempt->instruction) ||
	    !decode_load_store(attempt->instruction, access))
		return false;
	attempt->base = register_get(vcpu, register_general(vcpu, access->base));
	attempt->offset =
		load_store_offset(access, access->has_index ? general(vcpu, access->index) : 0);
	return matches(vcpu, attempt);
}

/* ---- registers ---- */

/* Extends a value of so many bytes, as the instruction says. */
static uint64_t extend(const struct load_store *access, uint64_t value)
{
	unsigned unused = (64 - 8u * access->size) & 63;

	if (access->is_signed)
		value = (uint64_t)((int64_t)(value << unused) >> unused);
	return access->is_signed && !access->is_wide ? (uint32_t)value : value;
}

/* KVM_GET_ONE_REG or KVM_SET_ONE_REG of a vector register. */
static void must_have_vector(const struct vcpu *vcpu, unsigned long request, unsigned n,
			     void *value)
{
	if (!register_vector(vcpu, request, n, value))
		die(STATUS_INTERNAL, "vector register %u: the host refuses it", n);
}

static void get_target(const struct vcpu *vcpu, const struct load_store *access, unsigned n,
		       uint8_t *bytes)
{
	uint8_t vector[SCALABLE];
	uint64_t value;

	if (access->is_vector) {
		must_have_vector(vcpu, KVM_GET_ONE_REG, n, vector);
		memcpy(bytes, vector, access->size);
	} else {
		value = general(vcpu, n);
		memcpy(bytes, &value, access->size);
	}
}

static void set_target(const struct vcpu *vcpu, const struct load_store *access, unsigned n,
		       const uint8_t *bytes)
{
	uint8_t vector[SCALABLE] = { 0 };
	uint64_t value = 0;

	if (access->is_vector) {
		memcpy(vector, bytes, access->size);
		must_have_vector(vcpu, KVM_SET_ONE_REG, n, vector);
	} else if (n != ZERO) {
		memcpy(&value, bytes, access->size);
		register_set(vcpu, register_general(vcpu, n), extend(access, value));
	}
}

/* ---- memory ---- */

#define SCTLR_EE (1u << 25)  /* EL1's or EL2's data is big-endian */
#define SCTLR_E0E (1u << 24) /* EL0's */

/* Devices are little-endian: swaps each register's bytes if the CPU's data is not. */
static void to_byte_order(const struct vcpu *vcpu, const struct attempt *attempt, uint8_t *bytes)
{
	unsigned size = attempt->access.size;
	uint64_t bit = PSTATE_EL(attempt->pstate) ? SCTLR_EE : SCTLR_E0E;

	if (!(register_of_regime(vcpu, SCTLR_EL1) & bit))
		return;
	for (unsigned n = 0; n < attempt->access.count; n++, bytes += size)
		for (unsigned i = 0; i < size / 2; i++) {
			uint8_t byte = bytes[i];

			bytes[i] = bytes[size - 1 - i];
			bytes[size - 1 - i] = byte;
		}
}

/* One access on the bus, or in this frame of the interrupt controller, which no trace shows. */
static void access_piece(struct vcpu *vcpu, const struct gic_frame *frame,
			 struct mmio_access *piece)
{
	gpa_t at = GPA(piece->at);

	if (frame && piece->is_write)
		gic_write(frame, at, piece->size, piece->value);
	else if (frame)
		piece->value = gic_read(frame, at, piece->size);
	else if (piece->is_write)
		bus_write(vcpu->bus, at, piece->size, piece->value);
	else
		piece->value = bus_read(vcpu->bus, at, piece->size);
	if (!frame)
		vcpu->no_syndrome.pieces[vcpu->no_syndrome.count++] = *piece;
}

/* Each register is an access, or several where it is larger than one may be. */
static void access_memory(struct vcpu *vcpu, const struct attempt *attempt,
			  const struct gic_frame *frame, uint8_t *bytes)
{
	const struct load_store *access = &attempt->access;
	uint8_t size = access->size < MAX_PIECE ? access->size : MAX_PIECE;

	for (unsigned done = 0; done < total_size(access); done += size) {
		struct mmio_access piece = { .at = attempt->at.address + done,
					     .size = size,
					     .is_write = !access->is_load };

		memcpy(&piece.value, bytes + done, size);
		access_piece(vcpu, frame, &piece);
		memcpy(bytes + done, &piece.value, size);
	}
}

/* ---- the whole ---- */

/* The vCPU is behind the instruction. A debugger that steps it stops it here. */
static void advance(struct vcpu *vcpu, const struct attempt *attempt)
{
	uint64_t pstate = attempt->pstate & ~(PSTATE_SS | PSTATE_BTYPE);

	if (attempt->access.writes_back)
		register_set(vcpu, register_general(vcpu, attempt->access.base),
			     attempt->base + (uint64_t)attempt->offset);
	register_set(vcpu, CORE_REGISTER(regs.pc), attempt->pc + sizeof attempt->instruction);
	if (pstate != attempt->pstate)
		register_set(vcpu, CORE_REGISTER(regs.pstate), pstate);
	if (vcpu->stepping) {
		vcpu->stopped = true;
		run_ask_pause(vcpu->guest);
	}
}

static void carry_out(struct vcpu *vcpu, const struct attempt *attempt,
		      const struct gic_frame *frame)
{
	const struct load_store *access = &attempt->access;
	uint8_t bytes[MAX_BYTES] = { 0 };

	for (unsigned i = 0; !access->is_load && i < access->count; i++)
		get_target(vcpu, access, access->target[i], bytes + (size_t)i * access->size);
	to_byte_order(vcpu, attempt, bytes);
	access_memory(vcpu, attempt, frame, bytes);
	to_byte_order(vcpu, attempt, bytes);
	for (unsigned i = 0; access->is_load && i < access->count; i++)
		set_target(vcpu, access, access->target[i], bytes + (size_t)i * access->size);
	advance(vcpu, attempt);
}

void no_syndrome_complete(struct vcpu *vcpu)
{
	struct attempt attempt;
	struct gic_frame frame;

	if (!vcpu->no_syndrome.waits)
		return;
	vcpu->no_syndrome.waits = false;
	if (understand(vcpu, &attempt) &&
	    gic_find(vcpu, vcpu->guest->vcpus, vcpu->guest->cpus, attempt.at, &frame))
		carry_out(vcpu, &attempt, &frame);
	else
		give_abort(vcpu, &attempt);
}

void no_syndrome_handle(struct vcpu *vcpu)
{
	struct attempt attempt;
	struct gic_frame frame;

	vcpu->no_syndrome.at = vcpu->run->arm_nisv.fault_ipa;
	vcpu->no_syndrome.is_write = vcpu->run->arm_nisv.esr_iss & ESR_WNR;
	vcpu->no_syndrome.count = 0;
	if (!understand(vcpu, &attempt)) {
		give_abort(vcpu, &attempt);
	} else if (gic_find(vcpu, vcpu->guest->vcpus, vcpu->guest->cpus, attempt.at, &frame)) {
		vcpu->no_syndrome.waits = true;
		run_ask_pause(vcpu->guest);
	} else {
		carry_out(vcpu, &attempt, NULL);
	}
}
