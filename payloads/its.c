// SPDX-License-Identifier: MIT
/*
 * Claim: GICv3's interrupt translation service makes an LPI of a device's event (Arm IHI 0069, 5),
 * once for each, while the LPI is enabled. One that is pending when the guest is saved comes once
 * here and once in the guest that is resumed, as do later ones.
 */
#include "guest.h"

#define TABLE 0x10000 /* bytes of each, and their alignment */
#define FIRST_LPI 8192
#define LPI_BITS 14
#define LPI_ENABLED 0xa1 /* with priority 0xa0 */
#define DEVICE 2ul
#define EVENT 5ul
#define VALID (1ul << 63)

#define GICR_CTLR 0x00
#define GICR_PROPBASER 0x70
#define GICR_PENDBASER 0x78
#define ENABLE_LPIS 1
#define GITS_CTLR 0x00
#define GITS_CBASER 0x80
#define GITS_CWRITER 0x88
#define GITS_CREADR 0x90
#define GITS_BASER_DEVICES 0x100
#define GITS_BASER_COLLECTIONS 0x108

/* The first word of commands. */
#define MAPD 0x08
#define MAPC 0x09
#define MAPTI 0x0a
#define INT 0x03
#define INV 0x0c

/* The pages that the service and the redistributor take as their own. */
static uint8_t devices[TABLE] __attribute__((aligned(TABLE)));
static uint8_t collections[TABLE] __attribute__((aligned(TABLE)));
static uint8_t translations[TABLE] __attribute__((aligned(TABLE)));
static uint64_t commands[TABLE / 8] __attribute__((aligned(TABLE)));
static volatile uint8_t properties[TABLE] __attribute__((aligned(TABLE)));
static uint8_t pending[TABLE] __attribute__((aligned(TABLE)));

static volatile unsigned seen;
static unsigned used; /* words of the queue of commands */

void guest_interrupt(unsigned intid)
{
	check(intid == FIRST_LPI);
	seen++;
}

static void command(uint64_t first, uint64_t second, uint64_t third)
{
	commands[used++] = first;
	commands[used++] = second;
	commands[used++] = third;
	commands[used++] = 0;
	__asm__ volatile("dsb sy" ::: "memory");
	write64(GICV3_ITS_BASE + GITS_CWRITER, used * sizeof *commands);
	while (read64(GICV3_ITS_BASE + GITS_CREADR) != used * sizeof *commands)
		;
}

static void set_lpi(uint8_t property)
{
	properties[0] = property;
	command(INV | DEVICE << 32, EVENT, 0);
}

/* Expects that so many interrupts come. */
static void expect(unsigned count)
{
	seen = 0;
	unmask_interrupts();
	pause(1000);
	mask_interrupts();
	check(seen == count);
}

static void set_up(void)
{
	write64(GICV3_REDIST_BASE + GICR_PROPBASER, (uintptr_t)properties | (LPI_BITS - 1));
	write64(GICV3_REDIST_BASE + GICR_PENDBASER, (uintptr_t)pending);
	write32(GICV3_REDIST_BASE + GICR_CTLR, ENABLE_LPIS);
	write64(GICV3_ITS_BASE + GITS_BASER_DEVICES, VALID | (uintptr_t)devices);
	write64(GICV3_ITS_BASE + GITS_BASER_COLLECTIONS, VALID | (uintptr_t)collections);
	write64(GICV3_ITS_BASE + GITS_CBASER, VALID | (uintptr_t)commands);
	write32(GICV3_ITS_BASE + GITS_CTLR, 1);
	properties[0] = LPI_ENABLED;
	command(MAPD | DEVICE << 32, LPI_BITS - 1, VALID | (uintptr_t)translations);
	command(MAPC, 0, VALID);
	command(MAPTI | DEVICE << 32, (uint64_t)FIRST_LPI << 32 | EVENT, 0);
}

void guest_main(const void *device_tree)
{
	mmu_on();
	gic_start(device_tree);
	if (gic_version(device_tree) == 3) {
		set_up();
		command(INT | DEVICE << 32, EVENT, 0);
		expect(1);
		set_lpi(0);
		command(INT | DEVICE << 32, EVENT, 0);
		expect(0);
		set_lpi(LPI_ENABLED);
		write32(FINISHER_BASE, FINISHER_SAVE);
		expect(1);
		command(INT | DEVICE << 32, EVENT, 0);
		expect(1);
	}
	print(read32(FINISHER_BASE) ? "resumed\n" : "ok\n");
}
