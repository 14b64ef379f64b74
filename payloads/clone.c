// SPDX-License-Identifier: MIT
/*
 * Claim: a guest that is resumed has another generation ID than the one that was saved, which keeps
 * its own, and is told so by an interrupt. Two that are resumed from one snapshot have different
 * ones. Then it waits for a key: r resets it, any other ends it.
 */
#include "guest.h"

#define INTID (32 + VMGENID_SPI)
#define EDGE 2ul
#define WORDS (VMGENID_SIZE / 4)

static volatile unsigned seen;

void guest_interrupt(unsigned intid)
{
	seen += intid == INTID;
}

static void read_id(uint32_t id[WORDS])
{
	for (unsigned i = 0; i < WORDS; i++)
		id[i] = read32(VMGENID_BASE + 4 * i);
}

void guest_main(const void *tree)
{
	uint32_t before[WORDS], after[WORDS];
	unsigned same = 0;

	mmu_on();
	gic_start(tree);
	write32(GIC_DIST_BASE + 0xc00 + INTID / 16 * 4, EDGE << INTID % 16 * 2);
	gic_enable(INTID);
	read_id(before);
	write32(FINISHER_BASE, FINISHER_SAVE);
	read_id(after);
	unmask_interrupts();
	pause(1000);
	mask_interrupts();
	for (unsigned i = 0; i < WORDS; i++)
		same += before[i] == after[i];
	print(same == WORDS ? "the same, " : same ? "partly another, " : "another, ");
	print(seen == 1 ? "an interrupt\n" : seen ? "interrupts\n" : "no interrupt\n");
	if (take_key() == 'r')
		psci(PSCI_SYSTEM_RESET, 0, 0, 0);
}
