// SPDX-License-Identifier: MIT
/*
 * A driver for the interrupt controller (Arm IHI 0048 GICv2, IHI 0069 GICv3). Who calls it:
 * payloads with interrupts, and vectors.S. Touches the controller.
 */
#include "guest.h"

/* Registers of the distributor, the same in both versions. */
#define GICD_CTLR 0x000
#define GICD_ISENABLER 0x100
#define GICD_ICENABLER 0x180
#define GICD_IPRIORITYR 0x400
#define GICD_ITARGETSR 0x800
#define GICD_SGIR 0xf00
/* Registers of GICv2's CPU interface. */
#define GICC_CTLR 0x00
#define GICC_PMR 0x04
#define GICC_IAR 0x0c
#define GICC_EOIR 0x10
/* GICv3's redistributors: each CPU has a frame of control registers, and behind it one for its
 * private interrupts. */
#define GICR_STRIDE 0x20000
#define GICR_TYPER 0x08
#define GICR_WAKER 0x14
#define GICR_SGI 0x10000
#define GICR_IGROUPR0 0x80

#define ICC_PMR_EL1 "s3_0_c4_c6_0"
#define ICC_SRE_EL1 "s3_0_c12_c12_5"
#define ICC_IGRPEN1_EL1 "s3_0_c12_c12_7"
#define ICC_IAR1_EL1 "s3_0_c12_c12_0"
#define ICC_EOIR1_EL1 "s3_0_c12_c12_1"
#define ICC_SGI1R_EL1 "s3_0_c12_c11_5"

#define SPURIOUS 1020 /* and above */
#define FIRST_SPI 32
#define FIRST_LPI 8192

static unsigned version;

unsigned gic_version(const void *device_tree)
{
	const char *compatible;

	for (unsigned n = 0; (compatible = tree_property(device_tree, "compatible", n)); n++)
		if (compatible[0] == 'a' && compatible[4] == 'g' && compatible[9] == '3')
			return 3; /* arm,gic-v3, not arm,gic-v2m-frame */
	return 2;
}

/* This CPU's redistributor: the one with its affinity. */
static uintptr_t redistributor(void)
{
	uint64_t mpidr = read_system_register("mpidr_el1");
	uint32_t affinity = (uint32_t)(mpidr & 0xffffff);
	uintptr_t at = GICV3_REDIST_BASE;

	while (read64(at + GICR_TYPER) >> 32 != affinity)
		at += GICR_STRIDE;
	return at;
}

static void start_v3(void)
{
	uintptr_t frame = redistributor();

	write32(frame + GICR_WAKER, 0);
	while (read32(frame + GICR_WAKER) & 4) /* ChildrenAsleep */
		;
	write32(frame + GICR_SGI + GICR_IGROUPR0, ~0u);
	for (unsigned i = 0; i < GIC_SPIS; i += 32)
		write32(GIC_DIST_BASE + GICR_IGROUPR0 + 4 + i / 8, ~0u);
	write_system_register(ICC_SRE_EL1, 1);
	write_system_register(ICC_PMR_EL1, 0xff);
	write_system_register(ICC_IGRPEN1_EL1, 1);
	write32(GIC_DIST_BASE + GICD_CTLR, 0x12); /* ARE_NS, group 1 */
}

static void start_v2(void)
{
	write32(GIC_DIST_BASE + GICD_CTLR, 1);
	write32(GICV2_CPU_BASE + GICC_PMR, 0xff);
	write32(GICV2_CPU_BASE + GICC_CTLR, 1);
}

void gic_start(const void *device_tree)
{
	version = gic_version(device_tree);
	catch_exceptions();
	if (version == 3)
		start_v3();
	else
		start_v2();
}

/* The frame with this interrupt's registers. Those below 32 are private to each CPU; GICv3 has them
 * in the redistributor. */
static uintptr_t bank(unsigned intid)
{
	return version == 3 && intid < FIRST_SPI ? redistributor() + GICR_SGI : GIC_DIST_BASE;
}

void gic_enable(unsigned intid)
{
	write8(bank(intid) + GICD_IPRIORITYR + intid, 0x80);
	if (version == 2 && intid >= FIRST_SPI)
		write8(GIC_DIST_BASE + GICD_ITARGETSR + intid, 1);
	write32(bank(intid) + GICD_ISENABLER + (uintptr_t)intid / 32 * 4, 1u << intid % 32);
}

void gic_disable(unsigned intid)
{
	write32(bank(intid) + GICD_ICENABLER + (uintptr_t)intid / 32 * 4, 1u << intid % 32);
}

void gic_send(unsigned intid, unsigned cpu)
{
	__asm__ volatile("dsb sy" ::: "memory");
	if (version == 3)
		write_system_register(ICC_SGI1R_EL1, (uint64_t)intid << 24 | 1ull << cpu);
	else
		write32(GIC_DIST_BASE + GICD_SGIR, 0x10000u << cpu | intid);
}

/* Weak: a payload that expects interrupts defines its own function. */
__attribute__((weak)) void guest_interrupt(unsigned intid)
{
	print("interrupt ");
	print_decimal(intid);
	print("\n");
	finish(99);
}

void gic_interrupt(struct frame *frame)
{
	uint32_t iar = version == 3 ? (uint32_t)read_system_register(ICC_IAR1_EL1)
				    : read32(GICV2_CPU_BASE + GICC_IAR);
	unsigned intid = version == 3 ? iar & 0xffffff : iar & 0x3ff;

	(void)frame;
	if (intid >= SPURIOUS && intid < FIRST_LPI)
		return;
	guest_interrupt(intid);
	if (version == 3)
		write_system_register(ICC_EOIR1_EL1, iar);
	else
		write32(GICV2_CPU_BASE + GICC_EOIR, iar);
}
