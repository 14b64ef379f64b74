// SPDX-License-Identifier: MIT
/*
 * Accesses to the interrupt controller in the kernel by its device attributes, with the effects
 * that they have for a CPU of the guest (Arm IHI 0048 and IHI 0069).
 *
 * Who calls it: no_syndrome.c. Touches the controller's descriptor.
 */
#include "gic_registers.h"

#include "vmm/machine/map.h"

#include <errno.h>

#define GICV2_DIST_SIZE 0x1000 /* beyond it nothing is mapped */
#define REDIST_STRIDE 0x20000  /* of each CPU: a frame for itself, and one for its interrupts */
#define REDIST_SGI 0x10000

/* Offsets of registers. Those from ISENABLER to ICACTIVER, and those of SGIs, have a bit or a byte
 * for each interrupt, and zeros have no effect there. */
#define GICD_TYPER 0x004
#define GICD_IIDR 0x008
#define GICD_TYPER2 0x00c
#define GICD_IGROUPR 0x080
#define GICD_ISENABLER 0x100
#define GICD_ISPENDR 0x200
#define GICD_ISACTIVER 0x300
#define GICD_IPRIORITYR 0x400
#define GICD_SGIR 0xf00
#define GICD_SPENDSGIR_END 0xf30
#define CLEAR 0x080 /* from a register that sets bits to the one that clears them */
#define SGIS 0xffff /* in the first word of interrupts */
#define WORD 0x07c  /* of an offset: which 32 interrupts */

bool gic_find(const struct vcpu *vcpu, const struct vcpu *cpus, unsigned count, gpa_t at,
	      struct gic_frame *frame)
{
	uint64_t in_dist = at.address - GIC_DIST_BASE;
	uint64_t cpu = (at.address - GICV3_REDIST_BASE) / REDIST_STRIDE;

	if (in_dist < (vcpu->vm->gic == 2 ? GICV2_DIST_SIZE : GIC_DIST_SIZE)) {
		*frame = (struct gic_frame){
			.cpu = vcpu,
			.base = GPA(GIC_DIST_BASE),
			.group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
		};
		return true;
	}
	if (vcpu->vm->gic != 3 || cpu >= count)
		return false;
	*frame = (struct gic_frame){
		.cpu = &cpus[cpu],
		.base = GPA(GICV3_REDIST_BASE + cpu * REDIST_STRIDE),
		.group = KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
		.banked = REDIST_SGI,
	};
	return true;
}

/* Which CPU, as an attribute names it. */
static uint64_t cpu_of(const struct gic_frame *frame)
{
	uint64_t affinity;

	if (frame->cpu->vm->gic == 2)
		return (uint64_t)frame->cpu->index << KVM_DEV_ARM_VGIC_CPUID_SHIFT;
	affinity = vcpu_affinity(frame->cpu);
	return (affinity >> 32 << 24 | (affinity & 0xffffff)) << KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT;
}

/* KVM refuses a value that a register cannot have, and a register that it does not have. For the
 * guest such a write has no effect, and such a read gives 0. */
static void access_attribute(const struct gic_frame *frame, unsigned long request, unsigned group,
			     uint32_t offset, uint32_t *value)
{
	struct kvm_device_attr attr = {
		.group = group,
		.attr = cpu_of(frame) | offset,
		.addr = (uintptr_t)value,
	};
	int result = kvm_try(frame->cpu->vm->gic_fd, request, (uintptr_t)&attr);

	if (result != -EINVAL && result != -ENXIO)
		kvm_check(result, "attribute of the interrupt controller");
}

static uint32_t get(const struct gic_frame *frame, uint32_t offset)
{
	uint32_t value = 0;

	access_attribute(frame, KVM_GET_DEVICE_ATTR, frame->group, offset, &value);
	return value;
}

static void set(const struct gic_frame *frame, uint32_t offset, uint32_t value)
{
	access_attribute(frame, KVM_SET_DEVICE_ATTR, frame->group, offset, &value);
}

/* ---- where attributes differ from what a guest's access does ---- */

/* Pending bits of GICv3: for attributes they are the latch alone, without the lines' level, and
 * both set and cleared by one register. A distributor has none of a CPU's own interrupts. */
static bool is_latch(const struct gic_frame *frame, uint32_t offset)
{
	uint32_t in_bank = offset - frame->banked;

	return frame->cpu->vm->gic == 3 && in_bank >= GICD_ISPENDR && in_bank < GICD_ISACTIVER &&
	       ((in_bank & WORD) == 0) == (frame->banked != 0);
}

static uint32_t get_level(const struct gic_frame *frame, uint32_t offset)
{
	uint32_t value = 0, intid = (offset & WORD) / 4 * 32;

	access_attribute(frame, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO,
			 VGIC_LEVEL_INFO_LINE_LEVEL << KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT |
				 intid,
			 &value);
	return value;
}

static uint32_t get_word(const struct gic_frame *frame, uint32_t offset)
{
	if (is_latch(frame, offset))
		return get(frame, offset & ~CLEAR) | get_level(frame, offset);
	return get(frame, offset);
}

/* KVM lets attributes change GICv2's groups only after it has seen the revision written. */
static void allow_groups(const struct gic_frame *frame)
{
	set(frame, GICD_IIDR, get(frame, GICD_IIDR));
}

static void set_word(const struct gic_frame *frame, uint32_t offset, uint32_t value)
{
	bool is_dist = frame->group == KVM_DEV_ARM_VGIC_GRP_DIST_REGS;
	bool is_v2 = frame->cpu->vm->gic == 2;

	if (is_dist && offset >= GICD_TYPER && offset <= GICD_TYPER2)
		return; /* read-only */
	if (is_latch(frame, offset)) {
		uint32_t latch = get(frame, offset & ~CLEAR);

		value = offset & CLEAR ? latch & ~value : latch | value;
		offset &= ~CLEAR;
	}
	if (is_v2 && (offset & ~CLEAR) == GICD_ISPENDR)
		value &= ~SGIS; /* a guest has registers of their own for them */
	if (is_v2 && offset >= GICD_IGROUPR && offset < GICD_ISENABLER)
		allow_groups(frame);
	set(frame, offset, value);
}

/* Do zeros that are written have no effect? */
static bool ignores_zeros(const struct gic_frame *frame, uint32_t offset)
{
	offset -= frame->banked;
	return (offset >= GICD_ISENABLER && offset < GICD_IPRIORITYR) ||
	       (offset >= GICD_SGIR && offset < GICD_SPENDSGIR_END);
}

/* ---- accesses of any size ---- */

/* The part of an access that lies in one register: `bytes` of it from bit `shift` on, which are the
 * access's from `done` on. */
struct part {
	uint32_t offset;
	unsigned shift, bytes;
};

static struct part part_of(const struct gic_frame *frame, gpa_t at, unsigned size, unsigned done)
{
	uint32_t offset = (uint32_t)(at.address - frame->base.address) + done;
	unsigned room = 4 - offset % 4;

	return (struct part){
		.offset = offset & ~3u,
		.shift = offset % 4 * 8,
		.bytes = size - done < room ? size - done : room,
	};
}

static uint32_t mask_of(const struct part *part)
{
	return ~0u >> (32 - 8 * part->bytes) << part->shift;
}

uint64_t gic_read(const struct gic_frame *frame, gpa_t at, unsigned size)
{
	uint64_t value = 0;

	for (unsigned done = 0; done < size;) {
		struct part part = part_of(frame, at, size, done);
		uint64_t bits = (get_word(frame, part.offset) & mask_of(&part)) >> part.shift;

		value |= bits << 8 * done;
		done += part.bytes;
	}
	return value;
}

void gic_write(const struct gic_frame *frame, gpa_t at, unsigned size, uint64_t value)
{
	for (unsigned done = 0; done < size;) {
		struct part part = part_of(frame, at, size, done);
		uint32_t mask = mask_of(&part);
		uint32_t word = (uint32_t)(value >> 8 * done) << part.shift & mask;

		if (mask != ~0u && !ignores_zeros(frame, part.offset))
			word |= get_word(frame, part.offset) & ~mask;
		set_word(frame, part.offset, word);
		done += part.bytes;
	}
}
